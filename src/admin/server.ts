/** The admin port: metrics without a key, on the loopback only. */
import { createServer, type Server } from "node:http";

export interface AdminSettings {
  readonly metrics: () => string;
  readonly version: string;
  /** null: ready. */
  readonly ready: () => string | null;
}

export class AdminServer {
  readonly #server: Server;

  constructor(settings: AdminSettings) {
    this.#server = createServer({ maxHeaderSize: 16 << 10 }, (request, response) => {
      const path = (request.url ?? "/").split("?")[0];
      const host = request.headers.host ?? "";
      if (!/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host) || request.headers.origin !== undefined) {
        response.writeHead(403, { "content-type": "text/plain", "cache-control": "no-store" });
        response.end("The admin port answers on the loopback only.\n");
        return;
      }
      if (request.method !== "GET" && request.method !== "HEAD") {
        response.writeHead(405, { "content-type": "text/plain", allow: "GET", "cache-control": "no-store" });
        response.end("GET only.\n");
        return;
      }
      if (path === "/metrics") {
        response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" });
        response.end(settings.metrics());
        return;
      }
      if (path === "/healthz" || path === "/readyz") {
        const reason = path === "/readyz" ? settings.ready() : null;
        response.writeHead(reason === null ? 200 : 503, { "content-type": "application/json", "cache-control": "no-store" });
        response.end(JSON.stringify({ status: reason ?? "ok", version: settings.version }));
        return;
      }
      response.writeHead(404, { "content-type": "text/plain", "cache-control": "no-store" });
      response.end("Served here: /metrics, /healthz, /readyz.\n");
    });
  }

  /** Resolves with the port. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        reject(error.code === "EADDRINUSE" ? new Error(`admin port ${port} is in use by another process. Stop it, or choose another with --admin-port.`) : error);
      });
      this.#server.listen(port, host, () => {
        const address = this.#server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
