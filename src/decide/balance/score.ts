/**
 * The choice by expected total cost: each candidate is scored by what a request that begins with it is expected to cost in all,
 * with its fallback and its hedge, its failure and its delay priced. The predicted risks are those of the plan that will run.
 *
 * A score never falls when a price, a risk, a pressure or the cost of failure rises. To that end a call that fails saves nothing,
 * though it is not paid for: else a dear candidate would look the better the more often it fails over to a cheap one.
 */
import { bestHedge, SecondTimes, type BestHedge, type HedgeTerms } from "./hedge.ts";
import type { Plan, Pressure, Scored, Weighed } from "./types.ts";

export interface PlanFacts {
  readonly weighed: readonly Weighed[];
  readonly pressure: Pressure;
  readonly costOfFailureNanoUsd: number;
  readonly delayNanoUsdPerS: number;
  /** What the latency objective asks of a prompt of this size; 0: nothing. */
  readonly thresholdMs: number;
  /** Share of requests that may be hedged; 0: none now, be it for want of allowance. */
  readonly hedgeShare: number;
  /** Whether the hedge's allowance and the request's hold cover this one beside the first; absent: they cover any. */
  readonly mayHedge?: ((weighed: Weighed) => boolean) | undefined;
  /** In [0, 1): which of the equals stands first, so that they share the load. */
  readonly random: number;
  /** Weigh the hedges of all, and not of the best few alone that could win by one. */
  readonly whole?: boolean;
}

type Rescored = { -readonly [Key in keyof Scored]: Scored[Key] };

/** Hedges are weighed for so many of those that are best without: what is told of times is dear to look up. */
const HEDGED_MOST = 3;

/** Used anew by each call, so that planning allocates only what it returns. */
let bases = new Float64Array(16);
let done = new Uint8Array(16);
let hedge = emptyHedge();
let leaderHedge = emptyHedge();
const terms: HedgeTerms = { thresholdMs: 0, latencyNanoUsd: 0, delayNanoUsdPerS: 0, share: 0, mayHedge: undefined };
const times = new SecondTimes();

function emptyHedge(): BestHedge {
  return { second: -1, afterMs: 0, rescued: 0, counted: false, savedNanoUsd: 0 };
}

/** Score the candidates and say how the request is to run. */
export function plan(facts: PlanFacts): Plan {
  const { weighed, pressure } = facts;
  if (weighed.length === 0) return { order: [], scores: [], pressure, riskFails: 0, riskLate: 0, hedge: null, race: null };
  const [first, second] = fillBases(facts);
  const scores: Rescored[] = [];
  for (let i = 0; i < weighed.length; i++) {
    const { candidate, priceNanoUsd, estimate } = weighed[i] as Weighed;
    const { failsBefore, failsAfter, slow, calls } = estimate;
    scores.push({ candidate, scoreNanoUsd: plainScore(facts, i, i === first ? second : first), priceNanoUsd, failsBefore, failsAfter, slow, calls });
  }
  const leader = weighHedges(facts, scores, first, second);
  const chosen = leastOf(scores, facts.random);
  const fallback = chosen === first ? second : first;
  if (chosen !== leader) weighHedge(facts, chosen, fallback, leaderHedge);
  const fails = riskFails(weighed, chosen, fallback);
  const late = riskLate(weighed, chosen, fallback, leaderHedge);
  const sent = leaderHedge.second < 0 ? null : { candidate: (weighed[leaderHedge.second] as Weighed).candidate, afterMs: leaderHedge.afterMs };
  const order = sorted(scores, (scores[chosen] as Rescored).candidate);
  return { order, scores, pressure, riskFails: fails, riskLate: late, hedge: sent, race: null };
}

/** Takes off scores what their hedges are expected to save. Returns the index of the least; `leaderHedge` is its hedge. */
function weighHedges(facts: PlanFacts, scores: readonly Rescored[], first: number, second: number): number {
  setTerms(facts);
  const count = scores.length;
  if (done.length < count) done = new Uint8Array(2 * count);
  done.fill(0, 0, count);
  const rounds = facts.whole === true ? count : Math.min(HEDGED_MOST, count);
  let leader = -1;
  let leastNanoUsd = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const i = leastLeft(scores);
    const one = scores[i] as Rescored;
    done[i] = 1;
    if (facts.whole !== true && one.scoreNanoUsd - savedAtMost(facts, i) >= leastNanoUsd) continue;
    weighHedge(facts, i, i === first ? second : first, hedge);
    one.scoreNanoUsd -= hedge.savedNanoUsd;
    if (one.scoreNanoUsd >= leastNanoUsd) continue;
    leastNanoUsd = one.scoreNanoUsd;
    leader = i;
    [hedge, leaderHedge] = [leaderHedge, hedge];
  }
  return leader;
}

/** The least of those that are not done. */
function leastLeft(scores: readonly Scored[]): number {
  let least = -1;
  for (let i = 0; i < scores.length; i++) {
    if (done[i] === 0 && (least < 0 || (scores[i] as Scored).scoreNanoUsd < (scores[least] as Scored).scoreNanoUsd)) least = i;
  }
  return least;
}

/** No hedge saves more than all that being late costs. */
function savedAtMost({ weighed, pressure, delayNanoUsdPerS, hedgeShare }: PlanFacts, index: number): number {
  if (hedgeShare <= 0) return 0;
  const { estimate } = weighed[index] as Weighed;
  return pressure.latencyNanoUsd * estimate.slow + (delayNanoUsdPerS * estimate.meanMs) / 1_000;
}

function setTerms({ weighed, thresholdMs, pressure, delayNanoUsdPerS, hedgeShare, mayHedge }: PlanFacts): void {
  terms.thresholdMs = thresholdMs;
  terms.latencyNanoUsd = pressure.latencyNanoUsd;
  terms.delayNanoUsdPerS = delayNanoUsdPerS;
  terms.share = hedgeShare;
  terms.mayHedge = mayHedge;
  times.begin(weighed);
}

/** `fallback` -1: there is nothing to call beside it. */
function weighHedge({ weighed, hedgeShare }: PlanFacts, index: number, fallback: number, into: BestHedge): void {
  into.second = -1;
  into.savedNanoUsd = 0;
  if (hedgeShare > 0 && fallback >= 0) bestHedge(weighed, index, fallback, terms, times, into);
}

/** What each would cost as a fallback; returns the least and the second, -1 where there is none. */
function fillBases({ weighed, pressure, costOfFailureNanoUsd, delayNanoUsdPerS }: PlanFacts): readonly [number, number] {
  const count = weighed.length;
  if (bases.length < count) bases = new Float64Array(2 * count);
  const failure = costOfFailureNanoUsd + pressure.availabilityNanoUsd;
  let first = -1;
  let second = -1;
  for (let i = 0; i < count; i++) {
    const { priceNanoUsd, estimate } = weighed[i] as Weighed;
    const base = priceNanoUsd + failure * (estimate.failsBefore + estimate.failsAfter) + pressure.latencyNanoUsd * estimate.slow + (delayNanoUsdPerS * estimate.meanMs) / 1_000;
    bases[i] = base;
    if (first < 0 || base < (bases[first] as number)) {
      second = first;
      first = i;
    } else if (second < 0 || base < (bases[second] as number)) second = i;
  }
  return [first, second];
}

/** Without a hedge; `fallback` -1: a failure is final. */
function plainScore({ weighed, pressure, costOfFailureNanoUsd, delayNanoUsdPerS }: PlanFacts, index: number, fallback: number): number {
  const { priceNanoUsd, estimate } = weighed[index] as Weighed;
  const failure = costOfFailureNanoUsd + pressure.availabilityNanoUsd;
  const served = priceNanoUsd + pressure.latencyNanoUsd * estimate.slow;
  const failed = Math.max(served, fallback < 0 ? failure : (bases[fallback] as number));
  return served + estimate.failsBefore * (failed - served) + failure * estimate.failsAfter + (delayNanoUsdPerS * estimate.meanMs) / 1_000;
}

/** That a request fails which runs as planned; `fallback` -1: there is none. */
function riskFails(weighed: readonly Weighed[], chosen: number, fallback: number): number {
  const { failsBefore, failsAfter } = (weighed[chosen] as Weighed).estimate;
  const next = fallback < 0 ? null : (weighed[fallback] as Weighed).estimate;
  return failsAfter + failsBefore * (next === null ? 1 : next.failsBefore + next.failsAfter);
}

/** That it is late. */
function riskLate(weighed: readonly Weighed[], chosen: number, fallback: number, sent: BestHedge): number {
  const { failsBefore, slow } = (weighed[chosen] as Weighed).estimate;
  const hedged = sent.second >= 0 && sent.counted ? slow - sent.rescued : slow;
  return (1 - failsBefore) * hedged + (fallback < 0 ? 0 : failsBefore * (weighed[fallback] as Weighed).estimate.slow);
}

/** Index of the least score; equals at the same price take turns by chance. */
function leastOf(scores: readonly Scored[], random: number): number {
  let least = 0;
  let equals = 1;
  for (let i = 1; i < scores.length; i++) {
    const one = scores[i] as Scored;
    const known = scores[least] as Scored;
    if (one.scoreNanoUsd < known.scoreNanoUsd) {
      least = i;
      equals = 1;
    } else if (isEqual(one, known)) equals += 1;
  }
  if (equals === 1) return least;
  let skip = Math.floor(random * equals);
  const known = scores[least] as Scored;
  for (let i = least; i < scores.length; i++) if ((i === least || isEqual(scores[i] as Scored, known)) && skip-- === 0) return i;
  return least;
}

function isEqual(one: Scored, other: Scored): boolean {
  return one.scoreNanoUsd === other.scoreNanoUsd && one.priceNanoUsd === other.priceNanoUsd;
}

/** Sorts by score, the chosen first of its equals, else as they came; returns the candidates in that order. */
function sorted(scores: Rescored[], chosen: number): number[] {
  for (let i = 1; i < scores.length; i++) {
    const one = scores[i] as Rescored;
    let at = i;
    while (at > 0 && precedes(one, scores[at - 1] as Rescored, chosen)) {
      scores[at] = scores[at - 1] as Rescored;
      at -= 1;
    }
    scores[at] = one;
  }
  const order: number[] = [];
  for (let i = 0; i < scores.length; i++) order.push((scores[i] as Rescored).candidate);
  return order;
}

function precedes(one: Scored, other: Scored, chosen: number): boolean {
  return one.scoreNanoUsd < other.scoreNanoUsd || (one.scoreNanoUsd === other.scoreNanoUsd && one.candidate === chosen);
}
