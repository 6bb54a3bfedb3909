/**
 * Our own HTTP/1.1 client behind the Upstream port, for direct connections; what goes through a proxy is left to undici.
 * It costs less per request (docs/benchmarks.md): all sockets read into one buffer, and there is no stream between socket and call.
 */
import type { UpstreamCall, UpstreamFailure, UpstreamHandler, UpstreamRequest } from "../ports.ts";
import { Decompression, isEncoded, type DecompressionSink } from "./decompression.ts";
import type { CarriedCall, Connection } from "./http1-connection.ts";
import { headerOf } from "./http1-parser.ts";
import { ConnectionPool } from "./http1-pool.ts";
import { wireRequest } from "./http1-request.ts";
import { Destination, type Connect } from "./upstream-dial.ts";
import { describeFailure } from "./upstream-failure.ts";
import { AllowedOrigins, EnvironmentProxies } from "./upstream-origins.ts";
import { UndiciUpstream, type OutboundUpstream, type UpstreamOptions } from "./upstream.ts";

const SWEEP_MS = 1_000;

export interface OwnUpstreamOptions extends UpstreamOptions {
  /** Monotonic time, for tests. */
  readonly nowMs?: () => number;
  /** Opens sockets, for tests. */
  readonly connect?: Connect;
}

export class OwnUpstream implements OutboundUpstream {
  readonly #options: OwnUpstreamOptions;
  readonly #allowed = new AllowedOrigins();
  readonly #proxies: EnvironmentProxies;
  readonly #proxied: UndiciUpstream;
  /** By origin; an origin has more than one only where accounts differ in their certificates or timeouts. */
  readonly #pools = new Map<string, ConnectionPool[]>();
  readonly #nowMs: () => number;
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor(options: OwnUpstreamOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#proxies = new EnvironmentProxies(options.env);
    this.#proxied = new UndiciUpstream(options);
    this.#sweeper = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  allow(origins: Iterable<string>): void {
    const list = [...origins];
    this.#allowed.replace(list);
    this.#proxied.allow(list);
  }

  dialled(): readonly string[] {
    return [...this.#pools.keys(), ...this.#proxied.dialled()];
  }

  /** Sockets open or opening, besides those through a proxy. */
  openSockets(): number {
    let count = 0;
    for (const pools of this.#pools.values()) for (const pool of pools) count += pool.size;
    return count;
  }

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    const call = new OwnCall(handler, request.method === "HEAD");
    if (!this.#allowed.has(request.origin)) {
      call.refuse({ class: "network", reason: "refused", sent: false, message: `${request.origin} is not an origin of the configuration` });
      return call;
    }
    if (this.#closed) {
      call.refuse({ class: "network", reason: "closed", sent: false, message: "the gateway closes" });
      return call;
    }
    if (request.proxyUrl !== null || this.#proxies.of(request.origin) !== null) return this.#proxied.send(request, handler);
    try {
      const pool = this.#poolFor(request);
      const pieces = wireRequest(request, pool.destination.hostHeader, pool.destination.keptHead);
      if (typeof pieces === "string") call.refuse({ class: "network", reason: "protocol", sent: false, message: pieces });
      else call.start(pool, pieces);
    } catch (error) {
      // A file of certificates that cannot be read, for one.
      call.refuse(describeFailure(error as Error, false));
    }
    return call;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const pools of this.#pools.values()) for (const pool of pools) pool.close();
    await this.#proxied.close();
    // Sockets close in a later turn.
    for (let turns = 0; this.openSockets() > 0 && turns < 1_000; turns++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Close what was kept too long, and forget origins that left the configuration. Runs each second. */
  sweep(): void {
    for (const [origin, pools] of this.#pools) {
      for (const pool of pools) pool.sweep();
      if (!this.#allowed.has(origin) && pools.every((pool) => pool.size === 0)) this.#pools.delete(origin);
    }
  }

  #poolFor(request: UpstreamRequest): ConnectionPool {
    const { origin, caFile, connectTimeoutMs } = request;
    let pools = this.#pools.get(origin);
    if (pools !== undefined) {
      for (const pool of pools) {
        if (pool.destination.caFile === caFile && pool.destination.connectTimeoutMs === connectTimeoutMs) return pool;
      }
    }
    const pool = new ConnectionPool(new Destination(origin, caFile, connectTimeoutMs, this.#options.connect), this.#nowMs);
    if (pools === undefined) this.#pools.set(origin, (pools = []));
    pools.push(pool);
    return pool;
  }
}

/** One call: between its connection and the handler, it takes off the encoding and lets no exception through. */
class OwnCall implements UpstreamCall, CarriedCall, DecompressionSink {
  readonly toHead: boolean;
  pieces: readonly Uint8Array[] = [];
  stalled = false;
  over = false;
  readonly #handler: UpstreamHandler;
  #connection: Connection | null = null;
  #decoder: Decompression | null = null;
  #paused = false;
  #sent = false;

  constructor(handler: UpstreamHandler, toHead: boolean) {
    this.#handler = handler;
    this.toHead = toHead;
  }

  start(pool: ConnectionPool, pieces: readonly Uint8Array[]): void {
    this.pieces = pieces;
    const connection = pool.carry(this);
    // The handler may have aborted in onSent, before there was a connection to abort.
    if (this.over) connection.abandon(this);
    else this.#connection = connection;
  }

  /** Fail without having dialled. Told in a later turn, so that the caller has the call in hand. */
  refuse(failure: UpstreamFailure): void {
    queueMicrotask(() => this.#fail(failure));
  }

  // UpstreamCall

  pause(): void {
    this.#paused = this.stalled = true;
    this.#decoder?.pause();
    this.#connection?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = this.stalled = false;
    this.#decoder?.resume();
    this.#connection?.resume(this);
  }

  abort(): void {
    if (this.over) return;
    this.over = true;
    this.#letGo();
  }

  // CarriedCall

  ready(): void {
    this.#sent = true;
    try {
      this.#handler.onSent();
    } catch (error) {
      this.#crashed(error);
    }
  }

  head(status: number, lines: readonly string[], encoding: string | undefined): void {
    // The request's bytes are not needed any more, while the answer may take an hour.
    this.pieces = [];
    if (isEncoded(encoding)) {
      const decoder = Decompression.open(encoding, this);
      if (!(decoder instanceof Decompression)) {
        this.failed(decoder);
        return;
      }
      this.#decoder = decoder;
    }
    try {
      this.#handler.onHeaders(status, (name) => headerOf(lines, name));
    } catch (error) {
      this.#crashed(error);
    }
  }

  body(chunk: Uint8Array): void {
    if (this.#decoder === null) this.data(chunk);
    else if (!this.#decoder.write(chunk)) {
      this.stalled = true;
      this.#connection?.pause();
    }
  }

  complete(): void {
    this.#connection = null;
    if (this.#decoder !== null) this.#decoder.end();
    else this.end();
  }

  lost(failure: UpstreamFailure): void {
    this.#connection = null;
    this.#fail(failure);
  }

  // DecompressionSink

  data(chunk: Uint8Array): void {
    if (this.over) return;
    try {
      this.#handler.onData(chunk);
    } catch (error) {
      this.#crashed(error);
    }
  }

  end(): void {
    if (this.over) return;
    this.over = true;
    try {
      this.#handler.onEnd();
    } catch (error) {
      warn(error);
    }
  }

  drained(): void {
    if (this.#paused) return;
    this.stalled = false;
    this.#connection?.resume(this);
  }

  failed(failure: UpstreamFailure): void {
    this.#fail(failure);
  }

  #crashed(error: unknown): void {
    this.#fail(describeFailure(error instanceof Error ? error : new Error(String(error)), this.#sent));
  }

  #fail(failure: UpstreamFailure): void {
    if (this.over) return;
    this.over = true;
    this.#letGo();
    try {
      this.#handler.onFailure(failure);
    } catch (error) {
      warn(error);
    }
  }

  #letGo(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#decoder?.destroy();
    connection?.abandon(this);
  }
}

/** A handler that fails when it is told of the end: there is nobody left to tell, but the operator should know. */
function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)));
}
