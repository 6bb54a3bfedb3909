/** Time that moves only when a test says so. */
import type { Clock, Timer } from "../ports.ts";

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Monday morning, in UTC. */
const WALL_AT_ZERO_MS = Date.UTC(2026, 10, 23, 8);

export class VirtualClock implements Clock {
  #nowMs = 10_000;
  #order = 0;
  readonly #due = new Set<Due>();

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return WALL_AT_ZERO_MS + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const due = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#due.add(due);
    return { cancel: () => void this.#due.delete(due) };
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#due.size;
  }

  /** Let `ms` pass: what falls due is called in order, each at its own time, and everything it sets off runs first. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await flush();
    for (;;) {
      const next = this.#next(untilMs);
      if (next === null) break;
      this.#due.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      await flush();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): Due | null {
    let next: Due | null = null;
    for (const due of this.#due) {
      if (due.atMs > untilMs) continue;
      if (next === null || due.atMs < next.atMs || (due.atMs === next.atMs && due.order < next.order)) next = due;
    }
    return next;
  }
}

/** Resolves when everything that is ready to run has run. */
export function flush(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
