/** Calls counted as slow or in time, for each threshold that is asked of a deployment: a few at once, the one longest unused makes room. */
import type { Counts, Memory } from "./decay.ts";
import type { SizeClass } from "./types.ts";

const THRESHOLDS_MAX = 4;
const SIZES = 4;
/** In each pair of counts. */
const SLOW = 0;
const IN_TIME = 1;
/** Behind the pairs of the sizes: all together. */
const POOLED = 2 * SIZES;

/** Counts of one threshold, raw: to be divided by the weight of the memory that they are in. */
export class ThresholdCounts {
  thresholdMs = 0;
  /** When it was last written to, as a count of writes. */
  usedAt = 0;
  readonly recent: Counts;
  readonly long: Counts;

  constructor(short: Memory, long: Memory) {
    this.recent = short.room(2);
    this.long = long.room(POOLED + 2);
  }

  get recentSlow(): number {
    return this.recent[SLOW] as number;
  }
  get recentInTime(): number {
    return this.recent[IN_TIME] as number;
  }
  get slow(): number {
    return this.long[POOLED + SLOW] as number;
  }
  get inTime(): number {
    return this.long[POOLED + IN_TIME] as number;
  }
  slowOf(sizeClass: SizeClass): number {
    return this.long[2 * sizeClass + SLOW] as number;
  }
  inTimeOf(sizeClass: SizeClass): number {
    return this.long[2 * sizeClass + IN_TIME] as number;
  }
}

export class Thresholds {
  readonly #short: Memory;
  readonly #long: Memory;
  #all: readonly ThresholdCounts[] = [];
  #uses = 0;

  constructor(short: Memory, long: Memory) {
    this.#short = short;
    this.#long = long;
  }

  /** null: nothing was counted against this threshold. */
  find(thresholdMs: number): ThresholdCounts | null {
    for (const counts of this.#all) if (counts.thresholdMs === thresholdMs) return counts;
    return null;
  }

  /** The counts of a threshold; a new one starts with what `known` says of each size. */
  take(thresholdMs: number, known: (sizeClass: SizeClass) => { readonly calls: number; readonly slow: number } | null): ThresholdCounts {
    const counts = this.find(thresholdMs) ?? this.#make(thresholdMs, known);
    counts.usedAt = ++this.#uses;
    return counts;
  }

  /** Content came: slow or in time against every threshold; against its own it may have been told slow before. */
  content(own: ThresholdCounts | null, sizeClass: SizeClass, ttftMs: number, countedSlow: boolean): void {
    for (const counts of this.#all) {
      if (counts === own && countedSlow) continue;
      if (ttftMs > counts.thresholdMs) this.add(counts, sizeClass, 0, 1);
      else this.add(counts, sizeClass, 1, 0);
    }
  }

  /** A call that was aborted: for each threshold, its chance to have been slow. `told`: it was told slow against this one before. */
  censored(told: ThresholdCounts | null, sizeClass: SizeClass, slowAfter: (thresholdMs: number) => number): void {
    for (const counts of this.#all) {
      if (counts === told) continue;
      const chance = slowAfter(counts.thresholdMs);
      this.add(counts, sizeClass, 1 - chance, chance);
    }
  }

  /** Counts calls, or parts of calls. */
  add(counts: ThresholdCounts, sizeClass: SizeClass, inTime: number, slow: number): void {
    tally(counts.recent, 0, inTime * this.#short.weight, slow * this.#short.weight);
    this.#addLong(counts, sizeClass, inTime, slow);
  }

  #addLong(counts: ThresholdCounts, sizeClass: SizeClass, inTime: number, slow: number): void {
    tally(counts.long, 2 * sizeClass, inTime * this.#long.weight, slow * this.#long.weight);
    tally(counts.long, POOLED, inTime * this.#long.weight, slow * this.#long.weight);
  }

  #make(thresholdMs: number, known: (sizeClass: SizeClass) => { readonly calls: number; readonly slow: number } | null): ThresholdCounts {
    const counts = this.#room();
    counts.thresholdMs = thresholdMs;
    for (let size = 0; size < SIZES; size++) {
      const times = known(size as SizeClass);
      if (times !== null) this.#addLong(counts, size as SizeClass, times.calls - times.slow, times.slow);
    }
    return counts;
  }

  #room(): ThresholdCounts {
    if (this.#all.length < THRESHOLDS_MAX) {
      const counts = new ThresholdCounts(this.#short, this.#long);
      this.#all = [...this.#all, counts];
      return counts;
    }
    const eldest = this.#all.reduce((a, b) => (b.usedAt < a.usedAt ? b : a));
    eldest.recent.fill(0);
    eldest.long.fill(0);
    return eldest;
  }
}

function tally(pairs: Counts, at: number, inTime: number, slow: number): void {
  pairs[at + SLOW] = (pairs[at + SLOW] as number) + slow;
  pairs[at + IN_TIME] = (pairs[at + IN_TIME] as number) + inTime;
}
