/**
 * The candidates of one request in the order of a plan, or of a strategy. What cannot be called now (it rests, is paced, is full) comes
 * after what can, in the order it had; the next step decides about it when nothing else is left.
 */
import type { Candidate } from "../choose.ts";
import type { HealthView } from "../health/book.ts";
import type { Estimate } from "../observed/types.ts";
import type { RouteState } from "./route-state.ts";
import type { Plan, Scored, Weighed } from "./types.ts";

/** What the plan of one request needs besides its candidates. */
export interface Balance {
  readonly state: RouteState;
  readonly estimate: (candidate: Candidate) => Estimate;
  /** null: no price is known. */
  readonly expectedNanoUsd: (candidate: Candidate) => number | null;
  /** First content is promised by then; 0: nothing is promised. */
  readonly thresholdMs: number;
  /** It must not run twice at a time. */
  readonly alone: boolean;
  readonly nowMs: number;
  /** Whole repeats that the retry allowance would pay for now. */
  readonly repeats: number;
  /** See `PlanRequest.reliabilityFirst`. */
  readonly reliabilityFirst?: boolean;
}

/** A probe goes alone only where the request could still fail over, and be repeated. */
const REPEATS_FOR_PROBE = 2;

/** Can a call go there now, as far as health knows? */
export function isUsable(view: HealthView, nowMs: number): boolean {
  return view.state === "admitting" && view.excluded === null && view.pausedUntilMs <= nowMs && view.full !== true;
}

type Reordered = { -readonly [Key in keyof Plan]: Plan[Key] };
type Placed = { -readonly [Key in keyof Scored]: Scored[Key] };

/** Used anew by each call: where each candidate stands in the new order, -1 where it has no place yet. */
let placeOf = new Int32Array(16);

/**
 * Put `candidates`, whose health `views` is by index, into the order of the plan. Returns the plan with its candidates by their new
 * places, null where nothing can be weighed.
 */
export function arrange(candidates: Candidate[], views: readonly HealthView[], balance: Balance, random: number): Plan | null {
  const weighed: Weighed[] = [];
  const { state, thresholdMs, alone, nowMs } = balance;
  let due = false;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate;
    const view = views[i] as HealthView;
    if (view.state === "probe-ready") due = true;
    if (candidate.mayNotFit === true || candidate.dear !== undefined || candidate.of !== undefined || candidate.after !== undefined || !isUsable(view, nowMs)) continue;
    const priceNanoUsd = balance.expectedNanoUsd(candidate);
    if (priceNanoUsd !== null) weighed.push({ candidate: i, priceNanoUsd, estimate: balance.estimate(candidate) });
  }
  if (weighed.length === 0) return null;
  const plan: Reordered = state.plan(weighed, nowMs, random, { thresholdMs, alone, reliabilityFirst: balance.reliabilityFirst === true, idOf: (i) => (candidates[i] as Candidate).deployment.id });
  const probe = due ? probeOf(candidates, views, balance) : null;
  if (probe !== null) {
    plan.hedge = null;
    plan.race = probe.raced ? { candidate: probe.candidate, why: "probe" } : null;
  }
  const ahead = probe === null || probe.raced ? -1 : probe.candidate;
  if (ahead >= 0) putAhead(plan, candidates[ahead] as Candidate, ahead, balance);
  reorder(candidates, plan, ahead);
  return plan;
}

/** Candidates as the plan orders them, behind them those that it leaves out, as they stood; and the plan by their new places. */
function reorder(candidates: Candidate[], plan: Reordered, ahead: number): void {
  const count = candidates.length;
  if (placeOf.length < count) placeOf = new Int32Array(2 * count);
  placeOf.fill(-1, 0, count);
  const all = candidates.slice();
  let place = 0;
  const put = (old: number): void => {
    placeOf[old] = place;
    candidates[place] = all[old] as Candidate;
    place += 1;
  };
  if (ahead >= 0) put(ahead);
  for (const old of plan.order) put(old);
  for (let old = 0; old < count; old++) if (placeOf[old] === -1) put(old);
  const to = (old: number): number => placeOf[old] as number;
  const { hedge, race } = plan;
  plan.order = plan.order.map(to);
  for (const one of plan.scores as readonly Placed[]) one.candidate = to(one.candidate);
  if (plan.ahead !== undefined) (plan.ahead as Placed).candidate = to(plan.ahead.candidate);
  if (hedge !== null) plan.hedge = { ...hedge, candidate: to(hedge.candidate) };
  if (race !== null) plan.race = { ...race, candidate: to(race.candidate) };
}

/** The probe is tried first, and what was to be first is its fallback. */
function putAhead(plan: Reordered, candidate: Candidate, index: number, balance: Balance): void {
  const { failsBefore, failsAfter, slow, calls } = balance.estimate(candidate);
  plan.ahead = { candidate: index, scoreNanoUsd: 0, priceNanoUsd: balance.expectedNanoUsd(candidate) ?? 0, failsBefore, failsAfter, slow, calls };
  const first = plan.scores[0] as Scored;
  plan.riskFails = failsAfter + failsBefore * (first.failsBefore + first.failsAfter);
  plan.riskLate = (1 - failsBefore) * slow + failsBefore * first.slow;
}

interface Probe {
  readonly candidate: number;
  /** It was slow: it gets a request that goes to another as well. */
  readonly raced: boolean;
}

/** The first that is due and can be had: one that waits for a race to be paid for keeps no other from its probe, nor the request from its hedge. */
function probeOf(candidates: readonly Candidate[], views: readonly HealthView[], { state, alone, nowMs, repeats }: Balance): Probe | null {
  for (const [candidate, view] of views.entries()) {
    if (view.state !== "probe-ready" || view.excluded !== null || view.pausedUntilMs > nowMs || candidates[candidate]?.of !== undefined || candidates[candidate]?.after !== undefined) continue;
    const raced = view.raced === true;
    if (raced ? !alone && state.paysForProbe : repeats >= REPEATS_FOR_PROBE) return { candidate, raced };
  }
  return null;
}
