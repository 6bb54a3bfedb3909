/** A value that is fetched, kept while it lasts and renewed ahead of its end, once for everybody who waits. */
import type { Clock } from "../ports.ts";

export interface Granted<T> {
  readonly value: T;
  /** How long it is good for, from the moment it was asked for. */
  readonly lifeMs: number;
}

/** No longer offered so long before its end: a request is on its way for a while. */
const MARGIN_MS = 10_000;
/** Renewed in the background so long before its end, at most a quarter of its life. */
const AHEAD_MS = 300_000;
/** After a failure, so long nobody asks again. */
const PAUSE_MS = 1_000;

export class Renewing<T> {
  readonly #fetch: () => Promise<Granted<T>>;
  readonly #clock: Pick<Clock, "nowMs">;
  #held: { readonly value: T; readonly renewAtMs: number; readonly endMs: number } | null = null;
  #running: Promise<T> | null = null;
  #failure: { readonly error: unknown; readonly untilMs: number } | null = null;

  constructor(clock: Pick<Clock, "nowMs">, fetch: () => Promise<Granted<T>>) {
    this.#clock = clock;
    this.#fetch = fetch;
  }

  /** The value at once where one is good, else a promise of the next. Rejects as the fetch does. */
  current(): T | Promise<T> {
    const nowMs = this.#clock.nowMs();
    const held = this.#held;
    if (held === null || nowMs >= held.endMs) return this.#renewed(nowMs);
    // While the old one lasts, a renewal that fails harms nobody: it is tried again at a later call.
    if (nowMs >= held.renewAtMs) void Promise.allSettled([this.#renewed(nowMs)]);
    return held.value;
  }

  /** What was last given out, for taking it out of messages. */
  get last(): T | null {
    return this.#held?.value ?? null;
  }

  #renewed(nowMs: number): Promise<T> {
    if (this.#running !== null) return this.#running;
    if (this.#failure !== null && nowMs < this.#failure.untilMs) return Promise.reject(asError(this.#failure.error));
    this.#running = this.#renew(nowMs);
    return this.#running;
  }

  async #renew(askedAtMs: number): Promise<T> {
    try {
      const { value, lifeMs } = await this.#fetch();
      const endMs = askedAtMs + Math.max(0, lifeMs - MARGIN_MS);
      this.#held = { value, endMs, renewAtMs: endMs - Math.min(AHEAD_MS, lifeMs / 4) };
      this.#failure = null;
      return value;
    } catch (error) {
      this.#failure = { error, untilMs: this.#clock.nowMs() + PAUSE_MS };
      throw error;
    } finally {
      this.#running = null;
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
