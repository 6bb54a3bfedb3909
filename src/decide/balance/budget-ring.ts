/**
 * Valid and bad requests over an objective's window, in sixty slots, for the choice: how much of the error budget is left. A slot
 * leaves as a whole, so a rolling window is up to a sixtieth short. A calendar month begins anew. Times are wall-clock ms.
 */
import { spanAt } from "../budget/periods.ts";
import type { ObjectiveWindow } from "../objective/types.ts";

export const SLOTS = 60;
/** The traffic of a window is not foretold from less than this. */
const LEAST_ELAPSED_MS = 1_000;

export interface RingState {
  readonly beganMs: number;
  readonly slot: number;
  readonly valid: readonly number[];
  readonly bad: readonly number[];
}

export class BudgetRing {
  readonly #window: ObjectiveWindow;
  readonly #valid = new Float64Array(SLOTS);
  readonly #bad = new Float64Array(SLOTS);
  /** Number of the newest slot, counted from 1970 or from the month's beginning; -1: nothing has been seen. */
  #slot = -1;
  #beganMs = 0;
  #startMs = 0;
  #lengthMs: number;
  #slotMs: number;
  #validSum = 0;
  #badSum = 0;

  constructor(window: ObjectiveWindow) {
    this.#window = window;
    this.#lengthMs = window.kind === "rolling" ? window.lengthMs : 0;
    this.#slotMs = this.#lengthMs / SLOTS;
  }

  get valid(): number {
    return this.#validSum;
  }

  get bad(): number {
    return this.#badSum;
  }

  /** A valid request has ended. */
  add(bad: boolean, wallMs: number): void {
    this.turnTo(wallMs);
    const at = this.#slot % SLOTS;
    this.#valid[at] = (this.#valid[at] as number) + 1;
    this.#validSum += 1;
    if (!bad) return;
    this.#bad[at] = (this.#bad[at] as number) + 1;
    this.#badSum += 1;
  }

  /** Forget what has left the window. Time that steps back changes nothing. */
  turnTo(wallMs: number): void {
    if (this.#slot < 0) return this.#begin(wallMs);
    if (this.#window.kind === "month" && wallMs >= this.#startMs + this.#lengthMs) return this.#begin(wallMs);
    const slot = Math.floor((wallMs - this.#startMs) / this.#slotMs);
    if (slot <= this.#slot) return;
    for (let passed = Math.max(this.#slot + 1, slot - SLOTS + 1); passed <= slot; passed += 1) {
      const at = passed % SLOTS;
      this.#validSum -= this.#valid[at] as number;
      this.#badSum -= this.#bad[at] as number;
      this.#valid[at] = 0;
      this.#bad[at] = 0;
    }
    this.#slot = slot;
  }

  /** How many valid requests the window holds once it is full: those in it, or, while it fills, those that come at the pace so far. */
  expected(wallMs: number): number {
    if (this.#slot < 0) return 0;
    const span = this.#window.kind === "month" ? this.#startMs + this.#lengthMs - this.#beganMs : this.#lengthMs;
    const elapsed = Math.max(LEAST_ELAPSED_MS, wallMs - this.#beganMs);
    return elapsed >= span ? this.#validSum : (this.#validSum * span) / elapsed;
  }

  save(): RingState | null {
    if (this.#slot < 0) return null;
    return { beganMs: this.#beganMs, slot: this.#slot, valid: [...this.#valid], bad: [...this.#bad] };
  }

  /** Of the same window. What has left it since is forgotten; so is what a clock counted that was far ahead, for it would not leave before that time comes. */
  restore(state: RingState | null, wallMs: number): void {
    if (state === null || !isReadable(state)) return;
    this.#begin(state.beganMs);
    if (state.beganMs > wallMs || state.slot > Math.floor((wallMs - this.#startMs) / this.#slotMs) + 1) {
      this.#slot = -1;
      return;
    }
    this.#valid.set(state.valid);
    this.#bad.set(state.bad);
    this.#slot = state.slot;
    this.#validSum = state.valid.reduce((sum, count) => sum + count, 0);
    this.#badSum = state.bad.reduce((sum, count) => sum + count, 0);
    this.turnTo(wallMs);
  }

  #begin(wallMs: number): void {
    this.#beganMs = wallMs;
    this.#valid.fill(0);
    this.#bad.fill(0);
    this.#validSum = 0;
    this.#badSum = 0;
    if (this.#window.kind === "month") {
      const { startMs, endMs } = spanAt("month", this.#window.zone, wallMs);
      this.#startMs = startMs;
      this.#lengthMs = endMs - startMs;
      this.#slotMs = this.#lengthMs / SLOTS;
      // A month that is watched from its beginning, but for the pause until its first request.
      if (this.#slot >= 0) this.#beganMs = startMs;
    }
    this.#slot = Math.floor((wallMs - this.#startMs) / this.#slotMs);
  }
}

/** It comes from a file, which may have been cut off or written by another version. */
function isReadable({ beganMs, slot, valid, bad }: Partial<RingState>): boolean {
  const isCounts = (counts: readonly number[] | undefined): boolean => Array.isArray(counts) && counts.length === SLOTS && counts.every((count) => Number.isFinite(count) && count >= 0);
  return Number.isFinite(beganMs) && Number.isSafeInteger(slot) && (slot as number) >= 0 && isCounts(valid) && isCounts(bad);
}
