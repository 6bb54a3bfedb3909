/**
 * The only module that opens outbound sockets. It dials the origins of the running configuration and nothing else:
 * no redirects, no hosts from requests. undici carries HTTP/1.1; its own timers are off, ours rule.
 */
import { readFileSync } from "node:fs";
import type { Readable, Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { Pool, ProxyAgent, type Dispatcher } from "undici";
import type { Upstream, UpstreamCall, UpstreamFailure, UpstreamHandler, UpstreamRequest } from "../ports.ts";

/** Sockets older than this are not used again, so that a name is resolved anew at least this often. */
const SOCKET_LIFE_MS = 60_000;
/** More output than this many times the input (above a floor) is a decompression bomb. */
const RATIO_LIMIT = 200;
const RATIO_FLOOR_BYTES = 1 << 20;

export interface UpstreamOptions {
  /** Environment to take HTTPS_PROXY, HTTP_PROXY and NO_PROXY from. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export class UndiciUpstream implements Upstream {
  readonly #pools = new Map<string, Dispatcher>();
  readonly #env: UpstreamOptions["env"];
  /** The environment's proxy by origin; origins are those of the configuration, so they are few. */
  readonly #proxies = new Map<string, string | null>();
  #allowed: ReadonlySet<string> = new Set();
  #before: ReadonlySet<string> = new Set();

  constructor(options: UpstreamOptions) {
    this.#env = options.env;
  }

  /**
   * The origins of the running configuration; anything else is refused before a socket exists. Those of the one before
   * stay allowed, since requests that began with it may still fail over within it.
   */
  allow(origins: Iterable<string>): void {
    this.#before = this.#allowed;
    this.#allowed = new Set(origins);
  }

  /** Origins dialled so far, for tests and the admin port. */
  dialled(): readonly string[] {
    return [...this.#pools.keys()].map((key) => key.split(" ")[0] ?? key);
  }

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    const call = new Call(handler);
    if (!this.#allowed.has(request.origin) && !this.#before.has(request.origin)) {
      call.refuse(`${request.origin} is not an origin of the configuration`);
      return call;
    }
    try {
      const body = request.body === null ? null : joined(request.body);
      this.#poolFor(request).dispatch({ origin: request.origin, path: request.path, method: request.method, headers: request.headers as string[], body }, call);
    } catch (error) {
      call.onResponseError(null, error as Error);
    }
    return call;
  }

  /** Close all pools; calls in flight are ended. */
  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #poolFor(request: UpstreamRequest): Dispatcher {
    const proxy = request.proxyUrl ?? this.#proxyFor(request.origin);
    const key = `${request.origin} ${proxy ?? ""} ${request.caFile ?? ""} ${request.connectTimeoutMs}`;
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = openPool(request, proxy);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  #proxyFor(origin: string): string | null {
    let proxy = this.#proxies.get(origin);
    if (proxy === undefined) {
      proxy = this.#environmentProxy(origin);
      this.#proxies.set(origin, proxy);
    }
    return proxy;
  }

  #environmentProxy(origin: string): string | null {
    const url = new URL(origin);
    const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
    const proxy = this.#env[name] ?? this.#env[name.toLowerCase()];
    if (proxy === undefined || proxy === "" || isLoopback(url.hostname)) return null;
    const exceptions = (this.#env["NO_PROXY"] ?? this.#env["no_proxy"] ?? "").split(",").map((one) => one.trim().toLowerCase());
    return exceptions.some((one) => matchesNoProxy(url, one)) ? null : proxy;
  }
}

function openPool(request: UpstreamRequest, proxy: string | null): Dispatcher {
  const ca = request.caFile === null ? undefined : readFileSync(request.caFile);
  const timers = { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 55_000, keepAliveMaxTimeout: 55_000 };
  if (proxy !== null) {
    return new ProxyAgent({ uri: proxy, requestTls: { ca, timeout: request.connectTimeoutMs }, ...timers });
  }
  return new Pool(request.origin, {
    ...timers,
    pipelining: 1,
    connections: null,
    allowH2: false,
    clientTtl: SOCKET_LIFE_MS,
    maxHeaderSize: 32 << 10,
    connect: { timeout: request.connectTimeoutMs, ca, keepAlive: true },
    autoSelectFamily: true,
  });
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

function matchesNoProxy(url: URL, pattern: string): boolean {
  if (pattern === "") return false;
  if (pattern === "*") return true;
  const host = url.hostname.toLowerCase();
  const bare = pattern.replace(/^\*?\./, "");
  return host === bare || host.endsWith(`.${bare}`) || url.host.toLowerCase() === pattern;
}

function joined(body: Uint8Array | readonly Uint8Array[]): Uint8Array {
  return body instanceof Uint8Array ? body : Buffer.concat(body);
}

/** One call in the shape that undici's dispatch wants, told on in ours. */
class Call implements UpstreamCall, Dispatcher.DispatchHandler {
  readonly #handler: UpstreamHandler;
  #controller: Dispatcher.DispatchController | null = null;
  #sent = false;
  #over = false;
  #paused = false;
  #decoder: Transform | null = null;
  #encodedBytes = 0;
  #decodedBytes = 0;

  constructor(handler: UpstreamHandler) {
    this.#handler = handler;
  }

  pause(): void {
    this.#paused = true;
    this.#controller?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#controller?.resume();
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#decoder?.destroy();
    this.#controller?.abort(new Error("aborted"));
  }

  /** Fail without having dialled. Told in a later turn, so that the caller has the call in hand. */
  refuse(message: string): void {
    queueMicrotask(() => this.#fail({ class: "network", reason: "refused", sent: false, message }));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) {
      controller.abort(new Error("aborted"));
      return;
    }
    this.#sent = true;
    this.#handler.onSent();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Readonly<Record<string, string | string[] | undefined>>): void {
    // 1xx are not the answer.
    if (this.#over || status < 200) return;
    const encoding = headers["content-encoding"];
    if (encoding !== undefined && encoding !== "identity" && encoding !== "") {
      const problem = this.#openDecoder(Array.isArray(encoding) ? encoding.join(",") : encoding);
      if (problem !== null) {
        this.#failAndAbort({ class: "malformed", reason: "decompression", sent: true, message: problem });
        return;
      }
    }
    this.#handler.onHeaders(status, (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    });
    if (this.#paused) this.#controller?.pause();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    if (this.#decoder === null) this.#handler.onData(chunk);
    else {
      this.#encodedBytes += chunk.length;
      this.#decoder.write(chunk);
    }
  }

  onResponseEnd(): void {
    if (this.#over) return;
    if (this.#decoder !== null) {
      this.#decoder.end();
      return;
    }
    this.#over = true;
    this.#handler.onEnd();
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#decoder?.destroy();
    this.#fail(describe(error, this.#sent));
  }

  #openDecoder(encoding: string): string | null {
    const name = encoding.trim().toLowerCase();
    const decoder: Transform | null =
      name === "gzip" || name === "x-gzip" ? createGunzip() : name === "br" ? createBrotliDecompress() : name === "deflate" ? createInflate() : null;
    if (decoder === null) return `content-encoding ${encoding.slice(0, 40)} is not one that was asked for`;
    this.#decoder = decoder;
    (decoder as Readable).on("data", (chunk: Buffer) => {
      if (this.#over) return;
      this.#decodedBytes += chunk.length;
      if (this.#decodedBytes > RATIO_FLOOR_BYTES && this.#decodedBytes > this.#encodedBytes * RATIO_LIMIT) {
        this.#failAndAbort({ class: "too_large", reason: "decompression", sent: true, message: "the answer expands beyond the allowed ratio" });
        return;
      }
      this.#handler.onData(chunk);
    });
    decoder.on("end", () => {
      if (this.#over) return;
      this.#over = true;
      this.#handler.onEnd();
    });
    decoder.on("error", (error: Error) => {
      this.#failAndAbort({ class: "malformed", reason: "decompression", sent: true, message: error.message });
    });
    return null;
  }

  #failAndAbort(failure: UpstreamFailure): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller?.abort(new Error(failure.reason));
    this.#handler.onFailure(failure);
  }

  #fail(failure: UpstreamFailure): void {
    if (this.#over) return;
    this.#over = true;
    this.#handler.onFailure(failure);
  }
}

/** Name what went wrong below HTTP. Error codes are Node's and undici's. */
function describe(error: Error, sent: boolean): UpstreamFailure {
  const code = (error as { code?: string }).code ?? "";
  const cause = (error as { cause?: { code?: string } }).cause?.code ?? "";
  const any = `${code} ${cause}`;
  const message = error.message.slice(0, 300);
  const network = (reason: string): UpstreamFailure => ({ class: "network", reason, sent, message });
  if (/ECONNREFUSED/.test(any)) return network("refused");
  if (/ENOTFOUND|EAI_AGAIN|EAI_/.test(any)) return network("dns");
  if (/CONNECT_TIMEOUT|ETIMEDOUT/.test(any)) return network("connect_timeout");
  if (/ERR_TLS|CERT|SSL|UNABLE_TO_VERIFY|SELF_SIGNED|DEPTH_ZERO/.test(any)) return network("tls");
  if (/ECONNRESET|EPIPE/.test(any)) return network("reset");
  if (/HEADERS_OVERFLOW/.test(any)) return { class: "too_large", reason: "protocol", sent, message };
  if (/HPE_|CONTENT_LENGTH/.test(any)) return { class: "malformed", reason: "protocol", sent, message };
  if (/UND_ERR_SOCKET/.test(any)) return network("closed");
  return network(code === "" ? "failed" : code.toLowerCase());
}
