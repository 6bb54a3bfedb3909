/**
 * The rule of hedging: a second deployment is called beside one that has no content by a high quantile of its own times, where
 * that is worth more than the second call costs; and the allowance for it, in calls and in money.
 */
import type { Estimate } from "../observed/types.ts";
import type { Weighed } from "./types.ts";

/** What meters calls: a bucket that every request fills a little. */
export interface Tokens {
  /** Takes one. False: there is none, and the call must not be made. */
  tryTake(): boolean;
  tokens(): number;
}

/** A hedge starts where this much of its allowance would be used if every call that is so late were hedged. */
const PART_OF_SHARE = 0.8;
/** Of the objective's threshold: when to hedge a deployment of whose times nothing is known. */
const UNKNOWN_PART = 0.4;
const SOONEST_PART = 0.1;
/** How soon the second has content with a good chance. */
const SECOND_SHARE = 0.9;
/** Predictions count on the hedge up to this many times its share: beyond it, its allowance runs dry. */
const COUNTED_SHARES = 1.5;
/** Some calls are late for a reason that the hedge shares. */
const COMMON_CAUSE = 0.02;

export interface HedgeTerms {
  /** 0: no latency objective. */
  thresholdMs: number;
  latencyNanoUsd: number;
  delayNanoUsdPerS: number;
  /** Of requests that may be hedged. */
  share: number;
}

/** The best hedge of one candidate; filled in by `bestHedge`, so that weighing many allocates nothing. */
export interface BestHedge {
  /** Index into the weighed; -1: none is worth its price. */
  second: number;
  afterMs: number;
  /** Share of requests that are in time by it. */
  rescued: number;
  /** Predictions count on it: it is seldom enough for its allowance. */
  counted: boolean;
  /** What it is expected to save of the request's cost; 0 where it is not counted on. */
  savedNanoUsd: number;
}

/** The time by which all but four fifths of the hedge's share have content. */
export function ownHedgeMs(estimate: Estimate, share: number): number | null {
  return estimate.quantile(1 - PART_OF_SHARE * share);
}

/** When to hedge, in ms from the first's start; null: not at all, for nothing tells when. `thresholdMs` 0: no latency objective. */
export function hedgeAfterMs(ownMs: number | null, second: Estimate, thresholdMs: number): number | null {
  if (thresholdMs <= 0) return ownMs;
  if (ownMs !== null && ownMs < thresholdMs) return ownMs;
  const secondMs = ownMs === null ? null : second.quantile(SECOND_SHARE);
  return secondMs === null ? UNKNOWN_PART * thresholdMs : Math.max(SOONEST_PART * thresholdMs, thresholdMs - secondMs);
}

/**
 * Finds the candidate whose call beside `weighed[index]` is worth most above its price: being in time where the first no longer is,
 * and content sooner. One that would not be sent saves nothing.
 */
export function bestHedge(weighed: readonly Weighed[], index: number, terms: HedgeTerms, mayHedge: ((weighed: Weighed) => boolean) | undefined, best: BestHedge): void {
  const { thresholdMs, latencyNanoUsd, delayNanoUsdPerS } = terms;
  const first = (weighed[index] as Weighed).estimate;
  best.second = -1;
  best.savedNanoUsd = 0;
  let bestNanoUsd = 0;
  if (latencyNanoUsd <= 0 && delayNanoUsdPerS <= 0) return;
  const ownMs = ownHedgeMs(first, terms.share);
  let atMs = -1;
  let started = 0;
  let lateNanoUsd = 0;
  let beyondMs = 0;
  for (let j = 0; j < weighed.length; j++) {
    if (j === index) continue;
    const { estimate: second, priceNanoUsd } = weighed[j] as Weighed;
    const afterMs = hedgeAfterMs(ownMs, second, thresholdMs);
    if (afterMs === null) return;
    // Mostly the same for all.
    if (afterMs !== atMs) {
      atMs = afterMs;
      started = first.later(afterMs);
      // Both lean on assumptions of their own, so that more may be told to be slow than to be that late.
      lateNanoUsd = started > 0 ? latencyNanoUsd * Math.min(1, first.slow / started) : 0;
      beyondMs = delayNanoUsdPerS > 0 && started > 0 ? first.meanBeyondMs(afterMs) : 0;
    }
    // What is told of its times is looked up only while it can still be the best: this runs for each pair of candidates.
    if (started * (lateNanoUsd + (delayNanoUsdPerS * beyondMs) / 1_000 - priceNanoUsd) <= bestNanoUsd) continue;
    const secondLate = thresholdMs > 0 ? second.later(thresholdMs - afterMs) : 0;
    const inTimeNanoUsd = lateNanoUsd * (1 - secondLate);
    if (started * (inTimeNanoUsd + (delayNanoUsdPerS * beyondMs) / 1_000 - priceNanoUsd) <= bestNanoUsd) continue;
    const soonerNanoUsd = beyondMs > 0 ? (delayNanoUsdPerS * Math.max(0, beyondMs - second.medianMs)) / 1_000 : 0;
    const worthNanoUsd = started * (inTimeNanoUsd + soonerNanoUsd - priceNanoUsd);
    if (worthNanoUsd <= bestNanoUsd || mayHedge?.(weighed[j] as Weighed) === false) continue;
    bestNanoUsd = worthNanoUsd;
    best.second = j;
    best.afterMs = afterMs;
    best.counted = started <= COUNTED_SHARES * terms.share;
    const late = Math.min(started, first.slow);
    best.rescued = late * Math.max(0, 1 - secondLate - COMMON_CAUSE);
    best.savedNanoUsd = best.counted ? (1 - first.failsBefore) * Math.max(0, worthNanoUsd - COMMON_CAUSE * latencyNanoUsd * late) : 0;
  }
}

/** Money for hedges: as many requests' prices as there may be saved-up calls. */
const CAPACITY_CALLS = 10;

/** Hedges by number and by price: a dear second may not cost more than its share of what is spent anyway. Starts full. */
export class HedgeAllowance {
  readonly #calls: Tokens;
  readonly #share: number;
  /** null: full, and how much that is is not known yet. */
  #nanoUsd: number | null = null;

  constructor(calls: Tokens, share: number) {
    this.#calls = calls;
    this.#share = share;
  }

  /** A request was begun at this price; `referenceNanoUsd`: of the dearest candidate, on average. (The bucket of calls is filled by its owner.) */
  earn(priceNanoUsd: number, referenceNanoUsd: number): void {
    const capacity = CAPACITY_CALLS * referenceNanoUsd;
    this.#nanoUsd = Math.min(capacity, (this.#nanoUsd ?? capacity) + this.#share * priceNanoUsd);
  }

  has(priceNanoUsd: number): boolean {
    return this.#share > 0 && this.#calls.tokens() >= 1 && (this.#nanoUsd === null || this.#nanoUsd >= priceNanoUsd);
  }

  /** Pay for one. False: the allowance does not cover it. */
  tryTake(priceNanoUsd: number): boolean {
    if (!this.has(priceNanoUsd) || !this.#calls.tryTake()) return false;
    if (this.#nanoUsd !== null) this.#nanoUsd -= priceNanoUsd;
    return true;
  }
}
