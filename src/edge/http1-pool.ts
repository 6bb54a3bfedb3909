/** Connections to one destination. Kept ones are used again newest first, so that what is not needed grows old and is closed. */
import { Connection, type CarriedCall, type ConnectionOwner } from "./http1-connection.ts";
import type { Destination } from "./upstream-dial.ts";

/** Most proxies and load balancers close at 60 s; before that a kept socket is safe to use. */
const IDLE_MS = 55_000;
/** Sockets older than this are not used again, so that a name is resolved anew at least this often. */
const LIFE_MS = 60_000;
/** Closed this much before the other side said that it would: the two must not meet half way. */
const HINT_MARGIN_MS = 2_000;
/** More than the gateway takes in flight; a bound all the same. */
const IDLE_MAX = 2_048;

export class ConnectionPool implements ConnectionOwner {
  readonly destination: Destination;
  readonly nowMs: () => number;
  readonly #all = new Set<Connection>();
  readonly #idle: Connection[] = [];
  /**
   * Freed, but not to be used before the event loop has looked at all sockets once more: servers close after an answer
   * without having said so, and a call sent into that is a call lost. Two lists, as the first look may be under way.
   */
  #fresh: Connection[] = [];
  #looking: Connection[] = [];
  #ticking = false;

  constructor(destination: Destination, nowMs: () => number) {
    this.destination = destination;
    this.nowMs = nowMs;
  }

  /** Connections open or opening. */
  get size(): number {
    return this.#all.size;
  }

  /** Give a call a connection: a kept one, or a new one of its own. */
  carry(call: CarriedCall): Connection {
    const connection = this.#kept() ?? this.#open();
    connection.carry(call);
    return connection;
  }

  freed(connection: Connection, keepAliveHintMs: number | null): void {
    const now = this.nowMs();
    const hintMs = keepAliveHintMs === null ? IDLE_MS : keepAliveHintMs - HINT_MARGIN_MS;
    connection.keptUntilMs = Math.min(now + Math.min(IDLE_MS, hintMs), connection.bornMs + LIFE_MS);
    if (connection.keptUntilMs <= now || this.#idle.length >= IDLE_MAX) {
      connection.destroy();
      return;
    }
    this.#fresh.push(connection);
    if (!this.#ticking) setImmediate(this.#tick);
    this.#ticking = true;
  }

  /** Runs once a turn of the event loop, after its sockets were read, while a connection waits for that. */
  readonly #tick = (): void => {
    const seen = this.#looking;
    for (const connection of seen) if (connection.usable) this.#idle.push(connection);
    seen.length = 0;
    this.#looking = this.#fresh;
    this.#fresh = seen;
    this.#ticking = this.#looking.length > 0;
    if (this.#ticking) setImmediate(this.#tick);
  };

  closed(connection: Connection): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Close what is too old. */
  sweep(): void {
    const now = this.nowMs();
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const connection = this.#idle[i] as Connection;
      if (connection.keptUntilMs > now && connection.usable) continue;
      this.#idle.splice(i, 1);
      connection.destroy();
    }
  }

  /** Close everything; calls are told. */
  close(): void {
    for (const connection of this.#all) connection.close({ class: "network", reason: "closed", sent: false, message: "the gateway closes" });
  }

  #kept(): Connection | null {
    const now = this.nowMs();
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return null;
      if (connection.keptUntilMs > now && connection.usable) return connection;
      connection.destroy();
    }
  }

  #open(): Connection {
    const connection = new Connection(this.destination, this);
    this.#all.add(connection);
    return connection;
  }
}
