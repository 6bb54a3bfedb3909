/**
 * The rule of hedging: a second deployment is called beside one that has no content by a high quantile of its own times, where
 * that is worth more than the second call costs; and the allowance for it, in calls and in money.
 */
import type { Estimate } from "../observed/types.ts";

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
export const COMMON_CAUSE = 0.02;

/** What a hedge is worth; filled in by `weighHedge`, so that weighing many allocates nothing. */
export interface HedgeWorth {
  afterMs: number;
  /** How likely it is started. */
  started: number;
  /** How likely the second is late all the same. */
  secondLate: number;
  /** Nano-dollars, once it is started: what it is worth above its price. */
  netNanoUsd: number;
  /** Predictions count on it. */
  counted: boolean;
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

export interface HedgeTerms {
  /** 0: no latency objective. */
  readonly thresholdMs: number;
  readonly latencyNanoUsd: number;
  readonly delayNanoUsdPerS: number;
  /** Of requests that may be hedged. */
  readonly share: number;
}

/** Weigh calling `second` beside the first. False: it would not be sent. */
export function weighHedge(first: Estimate, ownMs: number | null, second: Estimate, secondNanoUsd: number, terms: HedgeTerms, worth: HedgeWorth): boolean {
  const { thresholdMs, latencyNanoUsd, delayNanoUsdPerS } = terms;
  const afterMs = hedgeAfterMs(ownMs, second, thresholdMs);
  if (afterMs === null) return false;
  const started = Math.max(first.later(afterMs), first.slow);
  const lateThen = started > 0 ? first.slow / started : 0;
  const savedS = delayNanoUsdPerS > 0 ? Math.max(0, first.meanBeyondMs(afterMs) - second.medianMs) / 1_000 : 0;
  const atMost = latencyNanoUsd * lateThen + delayNanoUsdPerS * savedS;
  if (atMost <= secondNanoUsd) return false;
  const secondLate = thresholdMs > 0 ? second.later(thresholdMs - afterMs) : 0;
  const netNanoUsd = atMost - latencyNanoUsd * lateThen * secondLate - secondNanoUsd;
  if (netNanoUsd <= 0) return false;
  worth.afterMs = afterMs;
  worth.started = started;
  worth.secondLate = secondLate;
  worth.netNanoUsd = netNanoUsd;
  worth.counted = started <= COUNTED_SHARES * terms.share;
  return true;
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
