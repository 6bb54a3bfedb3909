/** Charges that could not be written in time: kept in bounded memory, by attempt, the newest for each. */
import type { Charge } from "../ports.ts";

export class LateCharges {
  readonly #byAttempt = new Map<string, Charge>();
  readonly #max: number;
  #dropped = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#byAttempt.size;
  }

  /** How many the bound pushed out; their holds are durable and settle as orphans. */
  get dropped(): number {
    return this.#dropped;
  }

  add(charge: Charge): void {
    this.#byAttempt.delete(charge.attemptId);
    this.#byAttempt.set(charge.attemptId, charge);
    if (this.#byAttempt.size <= this.#max) return;
    for (const oldest of this.#byAttempt.keys()) {
      this.#byAttempt.delete(oldest);
      this.#dropped++;
      return;
    }
  }

  delete(attemptId: string): void {
    this.#byAttempt.delete(attemptId);
  }

  /** All of them, oldest first; they are no longer kept. */
  take(): readonly Charge[] {
    const all = [...this.#byAttempt.values()];
    this.#byAttempt.clear();
    return all;
  }
}
