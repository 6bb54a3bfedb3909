/**
 * Counts that fade. How long they remember is measured in calls, so the same code works at one call a minute and at a hundred
 * a second: the time constant is so many mean gaps between calls, within bounds. Scaling all times and those bounds by the same factor changes no count.
 */

/** Remembers about `calls` calls: in time at least `leastMs`, at most `mostMs`. */
export interface Span {
  readonly calls: number;
  readonly leastMs: number;
  readonly mostMs: number;
}

/** The mean gap is taken over about so many calls. */
const GAP_CALLS = 100;

/** The mean time between calls. Weighed by calls, not by time: pauses count as any gap does. */
export class MeanGap {
  #gaps = 0;
  #lastMs = 0;
  #started = false;
  #meanMs = 0;

  sent(nowMs: number): void {
    if (this.#started) {
      this.#gaps = Math.min(this.#gaps + 1, GAP_CALLS);
      this.#meanMs += (Math.max(0, nowMs - this.#lastMs) - this.#meanMs) / this.#gaps;
    }
    this.#started = true;
    this.#lastMs = Math.max(this.#lastMs, nowMs);
  }

  /** null: fewer than two calls were sent. */
  get ms(): number | null {
    return this.#gaps === 0 ? null : this.#meanMs;
  }
}

/** The time constant of a memory; the longest where no gap is known yet, so that first calls are not forgotten at once. */
export function tauMs(span: Span, gapMs: number | null): number {
  return gapMs === null ? span.mostMs : Math.min(span.mostMs, Math.max(span.leastMs, span.calls * gapMs));
}

/** Raw numbers are brought back to the order of one before they leave the range of doubles. */
const WEIGHT_MAX = 1e60;
/** What is older than this many time constants is forgotten to the last bit. */
const FORGOTTEN = 100;

/** Counts as plain numbers: for so few of them a typed array costs more than what it holds. */
export type Counts = number[];

/**
 * Arrays of counts that fade together. Nothing is touched as time passes: what is added later weighs more, and a reader
 * divides by the weight that one call has now.
 */
export class Memory {
  readonly #span: Span;
  #arrays: readonly Counts[] = [];
  #weight = 1;
  /** Before anything was counted, all is forgotten. */
  #nowMs = Number.NEGATIVE_INFINITY;

  constructor(span: Span) {
    this.#span = span;
  }

  /** A new array of zeros that fades with the rest. Write `+= memory.weight` into it, after `advance`. */
  room(size: number): Counts {
    // A fraction first: the array then holds doubles in place from the start.
    const array: Counts = new Array<number>(size).fill(0.5);
    array.fill(0);
    this.#arrays = [...this.#arrays, array];
    return array;
  }

  /** What one call weighs that is counted now. */
  get weight(): number {
    return this.#weight;
  }

  /** Time has come this far; it never goes back. */
  advance(nowMs: number, gapMs: number | null): void {
    const passedMs = nowMs - this.#nowMs;
    if (passedMs <= 0) return;
    this.#nowMs = nowMs;
    const passed = passedMs / tauMs(this.#span, gapMs);
    if (passed > FORGOTTEN) this.#forget();
    else {
      this.#weight *= Math.exp(passed);
      if (this.#weight > WEIGHT_MAX) this.#rescale();
    }
  }

  /** What is left at `nowMs` of what was counted up to the last advance: 1 or less. */
  leftAt(nowMs: number, gapMs: number | null): number {
    const passedMs = nowMs - this.#nowMs;
    return passedMs <= 0 ? 1 : Math.exp(-passedMs / tauMs(this.#span, gapMs));
  }

  #forget(): void {
    for (const array of this.#arrays) array.fill(0);
    this.#weight = 1;
  }

  #rescale(): void {
    for (const array of this.#arrays) for (let i = 0; i < array.length; i++) array[i] = (array[i] as number) / this.#weight;
    this.#weight = 1;
  }
}
