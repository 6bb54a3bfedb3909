/**
 * The only module that opens outbound sockets. It dials the origins of the running configuration and nothing else:
 * no redirects, no hosts from requests. undici carries HTTP/1.1; its own timers are off, ours rule.
 */
import { readFileSync } from "node:fs";
import { Pool, ProxyAgent, type Dispatcher } from "undici";
import type { Upstream, UpstreamCall, UpstreamFailure, UpstreamHandler, UpstreamRequest } from "../ports.ts";
import { Decompression, isEncoded, type DecompressionSink } from "./decompression.ts";
import { describeFailure } from "./upstream-failure.ts";
import { AllowedOrigins, EnvironmentProxies } from "./upstream-origins.ts";

/** Sockets older than this are not used again, so that a name is resolved anew at least this often. */
const SOCKET_LIFE_MS = 60_000;

export interface UpstreamOptions {
  /** Environment to take HTTPS_PROXY, HTTP_PROXY and NO_PROXY from. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** An adapter of the port as `compose` holds it. */
export interface OutboundUpstream extends Upstream {
  /** The origins of the running configuration; see AllowedOrigins. */
  allow(origins: Iterable<string>): void;
  /** Origins dialled so far, for tests and the admin port. */
  dialled(): readonly string[];
  /** Close all sockets; calls in flight are ended. */
  close(): Promise<void>;
}

export class UndiciUpstream implements OutboundUpstream {
  readonly #pools = new Map<string, Dispatcher>();
  readonly #proxies: EnvironmentProxies;
  readonly #allowed = new AllowedOrigins();

  constructor(options: UpstreamOptions) {
    this.#proxies = new EnvironmentProxies(options.env);
  }

  allow(origins: Iterable<string>): void {
    this.#allowed.replace(origins);
  }

  dialled(): readonly string[] {
    return [...this.#pools.keys()].map((key) => key.split(" ")[0] ?? key);
  }

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    const call = new Call(handler);
    if (!this.#allowed.has(request.origin)) {
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

  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #poolFor(request: UpstreamRequest): Dispatcher {
    const proxy = request.proxyUrl ?? this.#proxies.of(request.origin);
    const key = `${request.origin} ${proxy ?? ""} ${request.caFile ?? ""} ${request.connectTimeoutMs}`;
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = openPool(request, proxy);
      this.#pools.set(key, pool);
    }
    return pool;
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

function joined(body: Uint8Array | readonly Uint8Array[]): Uint8Array {
  return body instanceof Uint8Array ? body : Buffer.concat(body);
}

/** One call in the shape that undici's dispatch wants, told on in ours. */
class Call implements UpstreamCall, DecompressionSink, Dispatcher.DispatchHandler {
  readonly #handler: UpstreamHandler;
  #controller: Dispatcher.DispatchController | null = null;
  #sent = false;
  #over = false;
  #paused = false;
  #decoder: Decompression | null = null;

  constructor(handler: UpstreamHandler) {
    this.#handler = handler;
  }

  pause(): void {
    this.#paused = true;
    this.#decoder?.pause();
    this.#controller?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#decoder?.resume();
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
    const joinedEncoding = Array.isArray(encoding) ? encoding.join(",") : encoding;
    if (isEncoded(joinedEncoding)) {
      const decoder = Decompression.open(joinedEncoding, this);
      if (!(decoder instanceof Decompression)) {
        this.failed(decoder);
        return;
      }
      this.#decoder = decoder;
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
    else if (!this.#decoder.write(chunk)) this.#controller?.pause();
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
    this.#fail(describeFailure(error, this.#sent));
  }

  // DecompressionSink

  data(chunk: Uint8Array): void {
    if (!this.#over) this.#handler.onData(chunk);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#handler.onEnd();
  }

  drained(): void {
    if (!this.#paused) this.#controller?.resume();
  }

  failed(failure: UpstreamFailure): void {
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
