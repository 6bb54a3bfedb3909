/**
 * The inbound HTTP server: a thin dispatcher on node:http. It bounds what comes in, finds out who calls, reads the body
 * and hands the call on. What an endpoint does is not its business.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import type { Caller, InboundCall, Log } from "../ports.ts";
import { gatewayError, statusOf, type GatewayError } from "../wire/errors.ts";
import type { JsonObject } from "../wire/json.ts";
import { servedFacts, type HttpMethod, type ServedName, type SurfaceName } from "../wire/surfaces.ts";
import { authenticate, needsKey, type AuthSettings } from "./auth.ts";
import { readRequestBody } from "./body.ts";
import { formOf, meantBy, targetOf, type EndpointName } from "./paths.ts";
import { NodeReply } from "./reply.ts";
import { tagHeaders } from "./tags.ts";

export interface ServerSettings {
  readonly auth: () => AuthSettings;
  readonly requestId: () => string;
  /** Named in `via` by our own calls: seeing it means that we called ourselves. */
  readonly instance: string;
  readonly maxInFlight: number;
  /** Bodies of all requests in flight together. */
  readonly maxBodyBytes: number;
  readonly draining: () => boolean;
  readonly version: string;
  /** An error in the form of a surface. */
  readonly encodeError: (error: GatewayError, form: SurfaceName, requestId: string) => JsonObject;
  readonly errorHeaders: (error: GatewayError, form: SurfaceName) => readonly string[];
  /** `caller`: null where nobody knows it yet. */
  readonly onRefused: (error: GatewayError, caller: Caller | null) => void;
  /** What serving a request threw. */
  readonly onCrash: (requestId: string, problem: unknown) => void;
  readonly log: Log;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly endpoints: {
    readonly call: (call: InboundCall) => void;
    readonly models: (form: SurfaceName, caller: Caller, query: string) => JsonObject | GatewayError;
    readonly model: (id: string, form: SurfaceName, caller: Caller) => JsonObject | GatewayError;
    /** null: ready; else why not. */
    readonly ready: () => string | null;
  };
}

const READ: ReadonlySet<EndpointName> = new Set<EndpointName>(["models", "model", "healthz", "readyz", "root", "hello"]);
const WEBSOCKET = /\bwebsocket\b/i;
const JSON_TYPE = /^application\/(?:[a-z0-9.+-]*\+)?json\b/i;
const NO_MORE: readonly string[] = [];
const GET_ONLY: readonly HttpMethod[] = ["GET"];
const POST_ONLY: readonly HttpMethod[] = ["POST"];
const SERVED = "POST /v1/chat/completions, /v1/responses, /v1/messages, /v1/completions, /v1/embeddings, /v1beta/models/{model}:generateContent, /v2/chat, /model/{model}/converse, and what docs/endpoints.md lists; GET /v1/models, /v1/models/{id}";

/** What a page of a configured origin may read of an answer. */
const EXPOSED_HEADERS = ["x-request-id", "retry-after", ...["limit", "remaining", "reset"].flatMap((tells) => [`x-ratelimit-${tells}-requests`, `x-ratelimit-${tells}-tokens`]), "x-spillway-request-id", "x-spillway-route", "x-spillway-deployment", "x-spillway-attempts", "x-spillway-cost-usd", "x-spillway-warning", "x-spillway-simulated", "x-spillway-replayed"].join(", ");

const HTTP_OPTIONS = {
  keepAliveTimeout: 75_000,
  headersTimeout: 60_000,
  // A body must come within this; streams of answers are not bounded by it.
  requestTimeout: 300_000,
  maxHeaderSize: 32 << 10,
  noDelay: true,
  insecureHTTPParser: false,
  // Any other upgrade is an offer that need not be taken: Java's HTTP client makes one (h2c) with every first request.
  shouldUpgradeCallback: (request: IncomingMessage) => WEBSOCKET.test(request.headers.upgrade ?? ""),
};

export class GatewayServer {
  readonly #servers: Server[] = [];
  readonly #settings: ServerSettings;
  #inFlight = 0;
  #bodyBytes = 0;

  constructor(settings: ServerSettings) {
    this.#settings = settings;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Start to listen; resolves with the port, rejects with a message that says what to do. */
  async listen(host: string, port: number): Promise<number> {
    const bound = await this.#listenOn(host, port);
    // `localhost` may mean either loopback; the second one is served where it can be had.
    const other = host === "127.0.0.1" ? "::1" : host === "::1" ? "127.0.0.1" : null;
    if (other === null) return bound;
    try {
      await this.#listenOn(other, bound);
    } catch (error) {
      this.#settings.log.warn("second_loopback_not_served", { error: (error as Error).message });
    }
    return bound;
  }

  /** Stop to accept; idle sockets are closed at once, busy ones after their answer. */
  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const server of this.#servers) server.closeIdleConnections();
    await Promise.all(closed);
  }

  /** Break every connection off. */
  closeAllConnections(): void {
    for (const server of this.#servers) server.closeAllConnections();
  }

  #listenOn(host: string, port: number): Promise<number> {
    const server = this.#open();
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => reject(new Error(describeListen(error, host, port)));
      server.once("error", failed);
      server.listen({ host, port, backlog: 2048 }, () => {
        server.off("error", failed);
        this.#servers.push(server);
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  #open(): Server {
    const listener: RequestListener = (request, response) => this.#request(request, response);
    const { tls } = this.#settings;
    const server = tls === null ? createServer(HTTP_OPTIONS, listener) : createTlsServer({ ...HTTP_OPTIONS, ...tls }, listener);
    server.maxHeadersCount = 200;
    server.on("upgrade", (request: IncomingMessage, socket: Duplex) => this.#refuseUpgrade(request, socket));
    server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => refuseBroken(error, socket));
    return server;
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const { url = "/" } = request;
    const question = url.indexOf("?");
    const path = question < 0 ? url : url.slice(0, question);
    const target = meantBy(targetOf(path), request.headers);
    const origin = request.headers.origin;
    if (origin !== undefined && this.#cors(request, response, origin)) return;
    if (target.endpoint === "healthz" || target.endpoint === "readyz") return this.#probe(target.endpoint, response);
    if (target.endpoint === "root" && (request.method === "GET" || request.method === "HEAD")) {
      return this.#json(response, 200, { service: "spillway", version: this.#settings.version });
    }
    if (target.endpoint === "hello") return this.#json(response, 200, { service: "spillway" });
    const form = formOf(target, request.headers);
    const query = question < 0 ? "" : url.slice(question + 1);
    const authenticated = authenticate(request, query, this.#settings.auth());
    if (authenticated.kind === "refused") return this.#refuse(request, response, form, authenticated.error);
    const { endpoint } = target;
    const unknown = (told: SurfaceName): void => this.#refuse(request, response, told, gatewayError("unknown_path", `${request.method} ${clip(path)} is not served here. Served: ${SERVED}.`));
    if (endpoint === null || endpoint === "root") return unknown(form);
    const methods = servedFacts(endpoint)?.methods ?? (READ.has(endpoint) ? GET_ONLY : POST_ONLY);
    if (!methods.includes(request.method as HttpMethod) && !(READ.has(endpoint) && request.method === "HEAD")) {
      if (target.otherwise !== undefined) return unknown(target.otherwise);
      return this.#refuse(request, response, form, gatewayError("method_not_allowed", `${clip(path)} takes ${methods.join(" or ")}, not ${request.method}.`), ["allow", methods.join(", ")]);
    }
    if (endpoint === "models" || endpoint === "model") {
      const { models, model } = this.#settings.endpoints;
      const found = endpoint === "models" ? models(form, authenticated.caller, query) : model(target.model ?? "", form, authenticated.caller);
      return "code" in found && "message" in found ? this.#refuse(request, response, form, found as GatewayError) : this.#listing(response, found as JsonObject);
    }
    const asked = { surface: endpoint as ServedName, model: target.model, stream: target.stream, query, ...(endpoint === "embeddings" && form !== "chat" ? { form } : {}) };
    const kept = target.id === undefined && methods.length === 1 ? {} : { method: request.method as HttpMethod, ...(target.id === undefined ? {} : { id: target.id }) };
    this.#call(request, response, authenticated.caller, form, { ...asked, ...kept });
  }

  #call(request: IncomingMessage, response: ServerResponse, caller: InboundCall["caller"], form: SurfaceName, asked: InboundCall["asked"]): void {
    const settings = this.#settings;
    const via = request.headers.via;
    if (via?.includes(settings.instance) === true) return this.#refuse(request, response, form, gatewayError("request_loop", "This request has passed through this gateway before: a provider's base_url points back at it."), NO_MORE, caller);
    if (settings.draining()) return this.#refuse(request, response, form, gatewayError("draining", "The gateway is shutting down; try another instance."), ["connection", "close"], caller);
    if (this.#inFlight >= settings.maxInFlight) return this.#refuse(request, response, form, gatewayError("too_many_requests_in_flight", `${settings.maxInFlight} requests are in flight.`, { retryAfterMs: 1_000 }), NO_MORE, caller);
    const refusedType = bodyTypeError(request, asked.surface, needsKey(settings.auth()));
    if (refusedType !== null) return this.#refuse(request, response, form, refusedType, NO_MORE, caller);
    this.#inFlight++;
    let counted = true;
    let bodyBytes = 0;
    const done = (): void => {
      if (!counted) return;
      counted = false;
      this.#inFlight--;
      this.#bodyBytes -= bodyBytes;
    };
    const takeRoom = (bytes: number): boolean => {
      if (!counted || this.#bodyBytes + bytes > settings.maxBodyBytes) return false;
      this.#bodyBytes += bytes;
      bodyBytes += bytes;
      return true;
    };
    const reply = new NodeReply(response);
    // Until the call is handed on, a client that leaves has only the count to give back.
    reply.onGone(done);
    readRequestBody(request, takeRoom, (error, body) => {
      if (error !== null) {
        done();
        this.#refuse(request, response, form, error, NO_MORE, caller);
        return;
      }
      const { headers } = request;
      const call: InboundCall = {
        requestId: settings.requestId(),
        caller,
        tags: tagHeaders(headers),
        body,
        asked,
        header: (name) => {
          const value = headers[name];
          return Array.isArray(value) ? value.join(", ") : value;
        },
        reply,
        done,
      };
      try {
        settings.endpoints.call(call);
      } catch (problem) {
        // A defect of ours costs one request, not the process and everybody's.
        done();
        settings.onCrash(call.requestId, problem);
        if (response.headersSent) response.destroy();
        else this.#refuse(request, response, form, gatewayError("internal_error", "The gateway failed at this request; its log says how."), NO_MORE, caller);
      }
    });
  }

  #probe(endpoint: "healthz" | "readyz", response: ServerResponse): void {
    const { version } = this.#settings;
    if (endpoint === "healthz") return this.#json(response, 200, { status: "ok", version });
    const reason = this.#settings.endpoints.ready();
    this.#json(response, reason === null ? 200 : 503, reason === null ? { status: "ready", version } : { status: "not_ready", reason, version });
  }

  /** True if the request was a preflight and has been answered. */
  #cors(request: IncomingMessage, response: ServerResponse, origin: string): boolean {
    if (!this.#settings.auth().corsOrigins.includes(origin)) return false;
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("vary", "origin");
    response.setHeader("access-control-expose-headers", EXPOSED_HEADERS);
    if (request.method !== "OPTIONS") return false;
    response.writeHead(204, ["access-control-allow-methods", "GET, POST, DELETE", "access-control-allow-headers", request.headers["access-control-request-headers"] ?? "authorization, content-type", "access-control-max-age", "600", "cache-control", "no-store, no-transform"]);
    response.end();
    return true;
  }

  #refuse(request: IncomingMessage, response: ServerResponse, form: SurfaceName, error: GatewayError, more = NO_MORE, caller: Caller | null = null): void {
    const id = this.#settings.requestId();
    const status = statusOf(error);
    this.#settings.onRefused(error, caller);
    // A body that nobody will read: close after the answer instead of reading it all.
    const unread = !request.complete && request.method !== "GET" && request.method !== "HEAD";
    const headers = ["content-type", "application/json", ...this.#settings.errorHeaders(error, form), ...idHeaders(id), "cache-control", "no-store, no-transform", ...more];
    if (unread) headers.push("connection", "close");
    if (!response.headersSent) response.writeHead(status, headers);
    response.end(JSON.stringify(this.#settings.encodeError(error, form, id)));
    if (unread) request.resume();
  }

  /** Of models: an answer of the API, so it has its id like every other. */
  #listing(response: ServerResponse, body: JsonObject): void {
    this.#json(response, 200, body, idHeaders(this.#settings.requestId()));
  }

  #json(response: ServerResponse, status: number, body: JsonObject, more: readonly string[] = []): void {
    response.writeHead(status, ["content-type", "application/json", ...more, "cache-control", "no-store, no-transform"]);
    response.end(JSON.stringify(body));
  }

  #refuseUpgrade(request: IncomingMessage, socket: Duplex): void {
    // The server has let go of this socket: a reset would be nobody's to catch.
    socket.on("error", () => socket.destroy());
    const form = formOf(meantBy(targetOf((request.url ?? "/").split("?", 1)[0] as string), request.headers), request.headers);
    const error = gatewayError("upgrade_not_supported", "WebSocket connections are not served; send the same request by HTTP and take the answer as a stream.");
    const id = this.#settings.requestId();
    this.#settings.onRefused(error, null);
    socket.end(bareAnswer("426 Upgrade Required", JSON.stringify(this.#settings.encodeError(error, form, id)), [...this.#settings.errorHeaders(error, form), ...idHeaders(id)]));
  }
}

/**
 * Bodies are JSON; forms with files in them are taken where they belong and a caller key is configured. Without keys they
 * are refused everywhere: a page of another site may send a form to this machine unasked, JSON it may not.
 */
function bodyTypeError(request: IncomingMessage, surface: ServedName, hasKeys: boolean): GatewayError | null {
  const { method } = request;
  const type = request.headers["content-type"];
  if (type !== undefined && JSON_TYPE.test(type)) return null;
  const facts = servedFacts(surface);
  if (type === undefined) {
    const bare = method === "GET" || method === "DELETE" || (facts?.bodiless === true && isBodiless(request));
    return hasKeys || bare ? null : gatewayError("unsupported_media_type", "Send the body as application/json.");
  }
  if (facts?.multipart !== true || method !== "POST") return gatewayError("unsupported_media_type", `Send the body as application/json, not ${clip(type)}.`);
  if (!/^multipart\/form-data\b/i.test(type)) return gatewayError("unsupported_media_type", `Send the body as multipart/form-data, not ${clip(type)}.`);
  return hasKeys ? null : gatewayError("unsupported_media_type", "Forms with files are taken only once a caller key is configured, since web pages can send them to this machine too. Set SPILLWAY_API_KEY, or add keys to the configuration.");
}

function isBodiless(request: IncomingMessage): boolean {
  return request.headers["transfer-encoding"] === undefined && Number(request.headers["content-length"] ?? 0) === 0;
}

function idHeaders(id: string): readonly string[] {
  return ["x-request-id", id, "request-id", id, "x-spillway-request-id", id];
}

function clip(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

/** Bytes that are no HTTP: a short answer, then the socket is closed. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? ["431 Request Header Fields Too Large", "headers_too_large", "The headers are larger than 32 KiB, or more than 200."]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? ["408 Request Timeout", "request_timeout", "The request did not arrive in time."]
        : ["400 Bad Request", "invalid_http", "The request is not valid HTTP/1.1."];
  const body = JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code } });
  socket.end(bareAnswer(status, body));
}

/** An answer for a socket that has no response object. `more`: flat headers. */
function bareAnswer(status: string, body: string, more: readonly string[] = []): string {
  const told = more.map((part, i) => (i % 2 === 0 ? `${part}: ` : `${part}\r\n`)).join("");
  return `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${told}Cache-Control: no-store, no-transform\r\nConnection: close\r\n\r\n${body}`;
}

function describeListen(error: NodeJS.ErrnoException, host: string, port: number): string {
  switch (error.code) {
    case "EADDRINUSE":
      return `port ${port} on ${host} is in use by another process. Stop it, or choose another port with --port (and --admin-port).`;
    case "EACCES":
      return `port ${port} on ${host} may not be opened by this user. Choose a port above 1023 with --port.`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${host} is no address of this machine. Choose another with --host.`;
    default:
      return `cannot listen on ${host}:${port}: ${error.message}`;
  }
}
