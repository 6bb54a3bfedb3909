/** The admin port: metrics and readiness without a token, the admin API with one. Never for web pages of others. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIP } from "node:net";
import { getRequestListener } from "@hono/node-server";

export interface AdminSettings {
  /** `withBudgets`: with what budgets stand at, which is every organisation's. */
  readonly metrics: (withBudgets: boolean) => string;
  /** Does an `authorization` header show somebody who may see that? Asked beyond the loopback alone. */
  readonly mindsMoney: (authorization: string | undefined) => boolean;
  readonly version: string;
  /** null: ready. */
  readonly ready: () => string | null;
  /** Where it listens: names beside the loopback's by which it may be called. */
  readonly host: string;
  /** The API below `/admin/v1`. */
  readonly api: (request: Request) => Response | Promise<Response>;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;
/** Letters that need no decoding, and no step that leads elsewhere. */
const PLAIN_PATH = /^\/admin\/v1(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~:-]+)+$/;
const TARGET_MAX_CHARACTERS = 8_192;
const REQUEST_TIMEOUT_MS = 30_000;

export class AdminServer {
  readonly #server: Server;
  readonly #settings: AdminSettings;
  readonly #api: (request: IncomingMessage, response: ServerResponse) => void;

  constructor(settings: AdminSettings) {
    this.#settings = settings;
    const listener = getRequestListener(settings.api, { overrideGlobalObjects: false });
    this.#api = (request, response) => {
      // It answers its own failures; the promise is no one's to wait for.
      listener(request, response).catch(() => response.destroy());
    };
    this.#server = createServer({ maxHeaderSize: 16 << 10, requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => this.#serve(request, response));
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

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const target = request.url ?? "/";
    const path = target.split("?")[0] ?? "";
    const known = isOurs(request.headers.host ?? "", this.#settings.host);
    const isApi = path.startsWith("/admin");
    if (request.headers.origin !== undefined || (!known && !isApi)) {
      this.#text(response, 403, "The admin port answers on the loopback only.\n");
    } else if (isApi) {
      const reachable = known && target.length <= TARGET_MAX_CHARACTERS && PLAIN_PATH.test(path) && !repeats(request, "authorization");
      if (reachable) this.#api(request, response);
      else this.#json(response, 404, { error: { code: "not_found", message: known ? "There is nothing here." : "The admin port is asked by its own address: localhost, or that of --admin-host." } });
    } else this.#plain(request, response, path);
  }

  #plain(request: IncomingMessage, response: ServerResponse, path: string): void {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET");
      this.#text(response, 405, "GET only.\n");
    } else if (path === "/metrics") {
      response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" });
      const isAlone = LOOPBACK.test(isIP(this.#settings.host) === 6 ? `[${this.#settings.host}]` : this.#settings.host);
      response.end(this.#settings.metrics(isAlone || this.#settings.mindsMoney(request.headers.authorization)));
    } else if (path === "/healthz" || path === "/readyz") {
      const reason = path === "/readyz" ? this.#settings.ready() : null;
      this.#json(response, reason === null ? 200 : 503, { status: reason ?? "ok", version: this.#settings.version });
    } else this.#text(response, 404, "Served here: /metrics, /healthz, /readyz, and the API of /admin/v1/docs.\n");
  }

  #json(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff" });
    response.end(JSON.stringify(body));
  }

  #text(response: ServerResponse, status: number, text: string): void {
    response.writeHead(status, { "content-type": "text/plain", "cache-control": "no-store" });
    response.end(text);
  }
}

/** Does a Host header name the loopback, or where we listen? A name that leads here is not ours unless it was configured. */
function isOurs(asked: string, host: string): boolean {
  if (LOOPBACK.test(asked)) return true;
  const name = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i.exec(asked)?.[1]?.toLowerCase() ?? "";
  const bare = name.replace(/^\[|\]$/g, "");
  // On all addresses any of them may be meant, but still no name.
  if (host === "0.0.0.0" || host === "::") return isIP(bare) !== 0;
  return bare !== "" && bare === host.toLowerCase();
}

function repeats(request: IncomingMessage, name: string): boolean {
  let seen = 0;
  for (let i = 0; i < request.rawHeaders.length; i += 2) if (request.rawHeaders[i]?.toLowerCase() === name) seen++;
  return seen > 1;
}
