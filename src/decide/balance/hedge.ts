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
  /** Whether the allowance and the request's hold cover this one beside the first; absent: they cover any. */
  mayHedge: ((weighed: Weighed) => boolean) | undefined;
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

/**
 * When to hedge, in ms from the first's start; null: not at all, for nothing tells when. `ownMs` null: nothing is known of its times;
 * `secondMs`: when the second has content with a good chance; `thresholdMs` 0: no latency objective.
 */
export function hedgeAfterMs(ownMs: number | null, secondMs: () => number | null, thresholdMs: number): number | null {
  if (thresholdMs <= 0 || (ownMs !== null && ownMs < thresholdMs)) return ownMs;
  const takesMs = ownMs === null ? null : secondMs();
  return takesMs === null ? UNKNOWN_PART * thresholdMs : Math.max(SOONEST_PART * thresholdMs, thresholdMs - takesMs);
}

/** How long the candidates of one choice take, as seconds; looked up once, and only if asked for. */
export class SecondTimes {
  #weighed: readonly Weighed[] = [];
  #medianMs = new Float64Array(16);
  /** -1: not looked for yet. */
  #quickest = -1;
  #quickestMs: number | null = null;
  #nextMs: number | null = null;

  /** Another choice begins. */
  begin(weighed: readonly Weighed[]): void {
    this.#weighed = weighed;
    if (this.#medianMs.length < weighed.length) this.#medianMs = new Float64Array(2 * weighed.length);
    this.#medianMs.fill(-1, 0, weighed.length);
    this.#quickest = -1;
  }

  medianMs(index: number): number {
    const known = this.#medianMs[index] as number;
    return known >= 0 ? known : (this.#medianMs[index] = (this.#weighed[index] as Weighed).estimate.medianMs);
  }

  /** By when the quickest besides this one has content with a good chance; null: nothing is known of any. */
  quickestMs(besides: number): number | null {
    if (this.#quickest < 0) this.#look();
    return besides === this.#quickest ? this.#nextMs : this.#quickestMs;
  }

  #look(): void {
    this.#quickest = 0;
    this.#quickestMs = null;
    this.#nextMs = null;
    for (let i = 0; i < this.#weighed.length; i++) {
      const ms = (this.#weighed[i] as Weighed).estimate.quantile(SECOND_SHARE);
      if (ms === null) continue;
      if (this.#quickestMs === null || ms < this.#quickestMs) {
        this.#nextMs = this.#quickestMs;
        this.#quickestMs = ms;
        this.#quickest = i;
      } else if (this.#nextMs === null || ms < this.#nextMs) this.#nextMs = ms;
    }
  }
}

/**
 * Finds the candidate whose call beside `weighed[index]` is worth most above its price: being in time where the first no longer is,
 * and content sooner. One that would not be sent saves nothing. `fallback`, the best of the others, is looked at first: mostly
 * it is the one.
 */
export function bestHedge(weighed: readonly Weighed[], index: number, fallback: number, terms: HedgeTerms, times: SecondTimes, best: BestHedge): void {
  const { thresholdMs, latencyNanoUsd, delayNanoUsdPerS, mayHedge } = terms;
  const first = (weighed[index] as Weighed).estimate;
  best.second = -1;
  best.savedNanoUsd = 0;
  if (latencyNanoUsd <= 0 && delayNanoUsdPerS <= 0) return;
  const afterMs = hedgeAfterMs(ownHedgeMs(first, terms.share), () => times.quickestMs(index), thresholdMs);
  const started = afterMs === null ? 0 : first.later(afterMs);
  if (afterMs === null || started <= 0) return;
  // The two lean on assumptions of their own, so that more may be told to be slow than to be that late.
  // Another call brings content sooner, not the end: of whole answers it is no help.
  const late = thresholdMs > 0 ? Math.min(started, first.slow) : 0;
  const lateNanoUsd = (latencyNanoUsd * late) / started;
  const beyondMs = delayNanoUsdPerS > 0 ? first.meanBeyondMs(afterMs) : 0;
  const beyondNanoUsd = (delayNanoUsdPerS * beyondMs) / 1_000;
  let bestNanoUsd = 0;
  let secondLate = 0;
  for (let place = -1; place < weighed.length; place++) {
    const j = place < 0 ? fallback : place;
    if (j === index || place === fallback) continue;
    const { estimate: second, priceNanoUsd } = weighed[j] as Weighed;
    // What is told of its times is looked up only while it can still be the best.
    if (lateNanoUsd + beyondNanoUsd - priceNanoUsd <= bestNanoUsd) continue;
    const lateToo = thresholdMs > 0 ? second.later(thresholdMs - afterMs) : 0;
    const inTimeNanoUsd = lateNanoUsd * (1 - lateToo) - priceNanoUsd;
    if (inTimeNanoUsd + beyondNanoUsd <= bestNanoUsd) continue;
    const soonerMs = beyondMs > 0 ? Math.max(0, beyondMs - times.medianMs(j)) : 0;
    const netNanoUsd = inTimeNanoUsd + (delayNanoUsdPerS * soonerMs) / 1_000;
    if (netNanoUsd <= bestNanoUsd || mayHedge?.(weighed[j] as Weighed) === false) continue;
    bestNanoUsd = netNanoUsd;
    secondLate = lateToo;
    best.second = j;
  }
  if (best.second < 0) return;
  best.afterMs = afterMs;
  best.counted = started <= COUNTED_SHARES * terms.share;
  best.rescued = late * Math.max(0, 1 - secondLate - COMMON_CAUSE);
  best.savedNanoUsd = best.counted ? (1 - first.failsBefore) * Math.max(0, started * bestNanoUsd - COMMON_CAUSE * latencyNanoUsd * late) : 0;
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
