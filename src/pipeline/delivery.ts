/**
 * The reply of one request: its reply point (status and headers leave), its keep-alives and its one end. The exchange says
 * what to tell; this says it once.
 */
import type { Clock, ClientReply, Timer } from "../ports.ts";

export class Delivery {
  readonly #reply: ClientReply;
  readonly #clock: Clock;
  #keepalive: Timer | null = null;
  #lastWriteMs: number;
  #status = 0;
  /** The answer has been ended. */
  ended = false;
  /** When it was, or when the client left; null: neither yet. */
  overMs: number | null = null;

  constructor(reply: ClientReply, clock: Clock) {
    this.#reply = reply;
    this.#clock = clock;
    this.#lastWriteMs = clock.nowMs();
  }

  /** 0 until the reply point. */
  get status(): number {
    return this.#status;
  }

  get replied(): boolean {
    return this.#status !== 0;
  }

  /** The reply point. */
  head(status: number, headers: readonly string[]): void {
    this.#status = status;
    this.#reply.head(status, headers);
  }

  /** False when the client reads too slowly. */
  write(bytes: Uint8Array): boolean {
    this.#lastWriteMs = this.#clock.nowMs();
    return this.#reply.write(bytes);
  }

  /** The last bytes. */
  end(bytes: Uint8Array | null): void {
    this.#over();
    this.#reply.end(bytes);
  }

  /** The last frame of a stream that ends before its time; null: it cannot be told, so the connection is broken off. */
  endWith(frame: Uint8Array | null): void {
    if (frame === null) this.destroy();
    else this.end(frame);
  }

  /** Break off what cannot be ended properly. */
  destroy(): void {
    this.#over();
    this.#reply.destroy();
  }

  /** The client has left. */
  left(): void {
    this.overMs ??= this.#clock.nowMs();
  }

  #over(): void {
    this.stopKeepalive();
    this.ended = true;
    this.left();
  }

  /** Send a sign of life whenever nothing has left for `periodMs`; `headers` makes the head if there was none. */
  keepAlive(sign: Uint8Array, periodMs: number, headers: () => readonly string[]): void {
    const arm = (delayMs: number): void => {
      this.#keepalive = this.#clock.after(delayMs, () => {
        if (this.ended) return;
        const quietMs = this.#clock.nowMs() - this.#lastWriteMs;
        if (quietMs < periodMs) {
          arm(periodMs - quietMs);
          return;
        }
        if (!this.replied) this.head(200, headers());
        if (sign.length > 0) this.write(sign);
        arm(periodMs);
      });
    };
    arm(periodMs);
  }

  stopKeepalive(): void {
    this.#keepalive?.cancel();
    this.#keepalive = null;
  }
}
