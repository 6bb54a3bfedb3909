/**
 * The choice by expected total cost: each candidate is scored by what a request that begins with it is expected to cost in all,
 * with its fallback and its hedge, its failure and its delay priced. The predicted risks are those of the plan that will run.
 *
 * A score never falls when a price, a risk, a pressure or the cost of failure rises. To that end a call that fails saves nothing,
 * though it is not paid for: else a dear candidate would look the better the more often it fails over to a cheap one.
 */
import { COMMON_CAUSE, ownHedgeMs, weighHedge, type HedgeWorth } from "./hedge.ts";
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
}

interface Best {
  /** Index into the weighed; -1: no hedge. */
  second: number;
  afterMs: number;
  gainNanoUsd: number;
  secondLate: number;
  counted: boolean;
}

type Rescored = { -readonly [Key in keyof Scored]: Scored[Key] };

/** Used anew by each call, so that planning allocates only what it returns. */
let bases = new Float64Array(16);
const worth: HedgeWorth = { afterMs: 0, started: 0, secondLate: 0, netNanoUsd: 0, counted: false };
const best: Best = { second: -1, afterMs: 0, gainNanoUsd: 0, secondLate: 0, counted: false };

/** Score the candidates and say how the request is to run. */
export function plan(facts: PlanFacts): Plan {
  const { weighed, pressure } = facts;
  const count = weighed.length;
  const [first, second] = fillBases(facts);
  const scores: Rescored[] = [];
  for (let i = 0; i < count; i++) {
    const { candidate, priceNanoUsd, estimate } = weighed[i] as Weighed;
    const plain = plainScore(facts, i, i === first ? second : first);
    // Hedging is worth weighing only where there is something to call beside.
    const saved = count > 1 && facts.hedgeShare > 0 ? hedgeSaving(facts, i) : 0;
    scores.push({
      candidate,
      scoreNanoUsd: plain - saved,
      priceNanoUsd,
      failsBefore: estimate.failsBefore,
      failsAfter: estimate.failsAfter,
      slow: estimate.slow,
      calls: estimate.calls,
    });
  }
  if (count === 0) return { order: [], scores, pressure, riskFails: 0, riskLate: 0, hedge: null, race: null };
  const chosen = leastOf(scores, facts.random);
  const risks = risksOf(facts, chosen, chosen === first ? second : first);
  const order = sorted(scores, (scores[chosen] as Rescored).candidate);
  return { order, scores, pressure, riskFails: risks.fails, riskLate: risks.late, hedge: risks.hedge, race: null };
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

/** What the best hedge of a candidate is expected to save; 0: none would be sent, or none that can be counted on. Fills `best` with the one to send. */
function hedgeSaving(facts: PlanFacts, index: number): number {
  const { weighed, pressure, thresholdMs, delayNanoUsdPerS, hedgeShare, mayHedge } = facts;
  const { estimate } = weighed[index] as Weighed;
  best.second = -1;
  best.gainNanoUsd = 0;
  if (pressure.latencyNanoUsd <= 0 && delayNanoUsdPerS <= 0) return 0;
  const ownMs = ownHedgeMs(estimate, hedgeShare);
  const terms = { thresholdMs, latencyNanoUsd: pressure.latencyNanoUsd, delayNanoUsdPerS, share: hedgeShare };
  let saving = 0;
  for (let j = 0; j < weighed.length; j++) {
    if (j === index) continue;
    const other = weighed[j] as Weighed;
    if (!weighHedge(estimate, ownMs, other.estimate, other.priceNanoUsd, terms, worth)) continue;
    if (mayHedge !== undefined && !mayHedge(other)) continue;
    const gain = worth.started * worth.netNanoUsd;
    const counts = gain - COMMON_CAUSE * pressure.latencyNanoUsd * estimate.slow;
    if (worth.counted && counts > saving) saving = counts;
    if (gain <= best.gainNanoUsd) continue;
    best.second = j;
    best.gainNanoUsd = gain;
    best.afterMs = worth.afterMs;
    best.secondLate = worth.secondLate;
    best.counted = worth.counted;
  }
  return (1 - estimate.failsBefore) * saving;
}

interface Risks {
  readonly fails: number;
  readonly late: number;
  readonly hedge: Plan["hedge"];
}

/** Of the plan that will really run. */
function risksOf(facts: PlanFacts, chosen: number, fallback: number): Risks {
  const { weighed } = facts;
  const { estimate } = weighed[chosen] as Weighed;
  const { failsBefore, failsAfter } = estimate;
  const next = fallback < 0 ? null : (weighed[fallback] as Weighed).estimate;
  let slow = estimate.slow;
  let hedge: Plan["hedge"] = null;
  if (weighed.length > 1 && facts.hedgeShare > 0) {
    hedgeSaving(facts, chosen);
    if (best.second >= 0) {
      hedge = { candidate: (weighed[best.second] as Weighed).candidate, afterMs: best.afterMs };
      if (best.counted) slow *= Math.min(1, best.secondLate + COMMON_CAUSE);
    }
  }
  return {
    fails: failsAfter + failsBefore * (next === null ? 1 : next.failsBefore + next.failsAfter),
    late: (1 - failsBefore) * slow + failsBefore * (next === null ? 0 : next.slow),
    hedge,
  };
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
