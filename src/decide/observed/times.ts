/**
 * The distribution of a deployment's times to first content for one size of prompts: what calls of that size showed, leaning
 * on those of all sizes while they are few, and those on an assumption that soon counts for nothing. What was asked of it last is
 * remembered, since every choice asks the same until another call has taught something; then it is made anew.
 */
import { BUCKETS, edgeMs, placeOf, timeAt, type Histogram } from "./histogram.ts";

/** Calls of all sizes that stand in for one size: fewer than for shares, since they would blur its tail. */
const LEAN = 5;
/** Calls that the assumption counts as. */
const ASSUMED = 1;
/** Below so many calls no quantile is told. */
const CALLS_MIN = 5;

/** Of calls of which nothing is known, this share is taken to be later than the threshold. */
export const SLOW_PRIOR = 0.02;
/** The threshold of the assumption where there is none, or a longer one: unknown is not the same as slow. */
const ASSUMED_THRESHOLD_MS = 10_000;

export class Times {
  readonly #own: Histogram | null;
  readonly #all: Histogram;
  /** What is left of the counts since the memory's last advance. */
  readonly #left: number;
  readonly #assumedMeanMs: number;
  #askedLaterMs = -1;
  #later = 1;
  #askedShare = -1;
  #quantileMs = 0;
  #askedBeforeShare = -1;
  #quantileBeforeMs = 0;
  #medianMs = -1;
  #askedBeyondMs = -1;
  #beyondMs = 0;

  constructor(own: Histogram | null, all: Histogram, left: number, thresholdMs: number) {
    this.#own = own;
    this.#all = all;
    this.#left = left;
    const assumed = thresholdMs > 0 ? Math.min(thresholdMs, ASSUMED_THRESHOLD_MS) : ASSUMED_THRESHOLD_MS;
    this.#assumedMeanMs = assumed / -Math.log(SLOW_PRIOR);
  }

  /** How likely content comes later than `ms`. */
  later(ms: number): number {
    if (ms <= 0) return 1;
    if (ms === this.#askedLaterMs) return this.#later;
    this.#askedLaterMs = ms;
    return (this.#later = this.#laterAt(placeOf(ms), ms));
  }

  /** By when a share of calls has content; null: nothing is known. */
  quantile(share: number): number | null {
    return this.#all.calls * this.#left < CALLS_MIN ? null : this.quantileOrAssumed(share);
  }

  /** By when a share of calls has content, by assumption where nothing is known. */
  quantileOrAssumed(share: number): number {
    if (share === this.#askedShare) return this.#quantileMs;
    if (share === this.#askedBeforeShare) return this.#quantileBeforeMs;
    // Two of them: when to hedge it, and how soon it would be there as a hedge.
    this.#askedBeforeShare = this.#askedShare;
    this.#quantileBeforeMs = this.#quantileMs;
    this.#askedShare = share;
    return (this.#quantileMs = this.#quantile(share));
  }

  /** By when half of the calls have content, by assumption where nothing is known. */
  get medianMs(): number {
    return this.#medianMs < 0 ? (this.#medianMs = this.#quantile(0.5)) : this.#medianMs;
  }

  /** How much longer than `ms` a call takes that has taken as long, on average. */
  meanBeyondMs(ms: number): number {
    if (ms === this.#askedBeyondMs) return this.#beyondMs;
    this.#askedBeyondMs = ms;
    return (this.#beyondMs = this.#meanBeyond(ms));
  }

  #quantile(share: number): number {
    const rest = 1 - share;
    let low = 0;
    let high = BUCKETS;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#laterAt(middle, edgeMs(middle)) > rest) low = middle;
      else high = middle;
    }
    const before = this.#laterAt(low, edgeMs(low));
    const after = this.#laterAt(high, edgeMs(high));
    if (before <= rest) return timeAt(low);
    return timeAt(low + Math.min(1, (before - rest) / (before - after)));
  }

  /** Of a call that has waited for `waitedMs`: the chance that its content comes in each bucket, told one by one. They add up to one. */
  spread(waitedMs: number, tell: (bucket: number, chance: number) => void): void {
    const place = placeOf(waitedMs);
    const first = Math.min(Math.floor(place), BUCKETS - 1);
    const all = this.#laterAt(place, waitedMs);
    // Longer than the last bucket: nothing is beyond it.
    if (all <= 0) {
      tell(first, 1);
      return;
    }
    const after = first === BUCKETS - 1 ? 0 : Math.min(all, this.#laterAt(first + 1, edgeMs(first + 1)));
    const allCalls = this.#all.calls * this.#left;
    const own = this.#own;
    const ownWeight = 1 / ((own === null ? 0 : own.calls * this.#left) + LEAN) / all;
    const leanWeight = own === null ? 1 / (allCalls + ASSUMED) / all : (LEAN * ownWeight) / (allCalls + ASSUMED);
    let left = 1;
    let assumed = Math.exp(-edgeMs(first + 1) / this.#assumedMeanMs);
    tell(first, (all - after) / all);
    left -= (all - after) / all;
    for (let bucket = first + 1; bucket < BUCKETS && left > 0; bucket++) {
      const next = bucket === BUCKETS - 1 || assumed < 1e-9 ? 0 : Math.exp(-edgeMs(bucket + 1) / this.#assumedMeanMs);
      const leaned = this.#all.callsIn(bucket) * this.#left + ASSUMED * (assumed - next);
      const chance = bucket === BUCKETS - 1 ? left : Math.min(left, leanWeight * leaned + (own === null ? 0 : ownWeight * own.callsIn(bucket) * this.#left));
      if (chance > 0) tell(bucket, chance);
      left -= chance;
      assumed = next;
    }
  }

  /** Calls behind it, of this size and of the others, and how many of them were later than `ms`. */
  counted(ms: number): { readonly calls: number; readonly slow: number; readonly othersCalls: number; readonly othersSlow: number } {
    const place = placeOf(ms);
    const own = this.#own;
    const calls = own === null ? 0 : own.calls * this.#left;
    const slow = own === null ? 0 : own.beyond(place) * this.#left;
    return { calls, slow, othersCalls: Math.max(0, this.#all.calls * this.#left - calls), othersSlow: Math.max(0, this.#all.beyond(place) * this.#left - slow) };
  }

  #meanBeyond(ms: number): number {
    const fromMs = Math.max(0, ms);
    const assumed = Math.exp(-fromMs / this.#assumedMeanMs);
    const all = this.#all.calls * this.#left;
    const lean = (this.#all.excessMs(fromMs) * this.#left + ASSUMED * assumed * this.#assumedMeanMs) / (all + ASSUMED);
    const own = this.#own;
    const excessMs = own === null ? lean : (own.excessMs(fromMs) * this.#left + LEAN * lean) / (own.calls * this.#left + LEAN);
    const later = this.later(fromMs);
    return later <= 0 ? this.#assumedMeanMs : excessMs / later;
  }

  #laterAt(place: number, ms: number): number {
    const assumed = Math.exp(-ms / this.#assumedMeanMs);
    const all = this.#all.calls * this.#left;
    const lean = (this.#all.beyond(place) * this.#left + ASSUMED * assumed) / (all + ASSUMED);
    const own = this.#own;
    return own === null ? lean : (own.beyond(place) * this.#left + LEAN * lean) / (own.calls * this.#left + LEAN);
  }
}
