/**
 * The least that a proxy on Node.js can do: node:http in front, undici's dispatch behind, nothing looked at.
 * What Spillway costs above this is what it does. Arguments: port, origin of the upstream.
 */
import { createServer, type ServerResponse } from "node:http";
import { Pool, type Dispatcher } from "undici";

const [port, origin] = process.argv.slice(2);
if (port === undefined || origin === undefined) throw new Error("usage: bare-proxy.ts <port> <origin>");
const pool = new Pool(origin, { pipelining: 1, connections: null, allowH2: false, headersTimeout: 0, bodyTimeout: 0 });
const HOP = new Set(["connection", "keep-alive", "transfer-encoding"]);

class Relay implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#response.on("close", () => {
      if (!this.#response.writableFinished) controller.abort(new Error("the client left"));
    });
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Readonly<Record<string, string | string[] | undefined>>): void {
    const flat: string[] = [];
    for (const [name, value] of Object.entries(headers)) if (typeof value === "string" && !HOP.has(name)) flat.push(name, value);
    this.#response.writeHead(status, flat);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#response.write(chunk);
  }

  onResponseEnd(): void {
    this.#response.end();
  }

  onResponseError(): void {
    this.#response.destroy();
  }
}

const server = createServer({ keepAliveTimeout: 75_000, noDelay: true }, (request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    const headers = ["content-type", "application/json", "authorization", request.headers.authorization ?? ""];
    pool.dispatch({ path: request.url ?? "/", method: "POST", headers, body }, new Relay(response));
  });
});
server.listen({ host: "127.0.0.1", port: Number(port), backlog: 2048 });
