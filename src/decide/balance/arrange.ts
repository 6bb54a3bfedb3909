/**
 * The candidates of one request in the order of a plan, or of a strategy. What cannot be called now (it rests, is paced, is full) comes
 * after what can, in the order it had; the next step decides about it when nothing else is left.
 */
import type { Candidate } from "../choose.ts";
import type { HealthView } from "../health/book.ts";
import type { Estimate } from "../observed/types.ts";
import type { RouteState } from "./route-state.ts";
import type { Plan, Weighed } from "./types.ts";

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
}

/** A probe goes alone only where the request could still fail over, and be repeated. */
const REPEATS_FOR_PROBE = 2;

/** Can a call go there now, as far as health knows? */
export function isUsable(view: HealthView, nowMs: number): boolean {
  return view.state === "admitting" && view.excluded === null && view.pausedUntilMs <= nowMs && view.full !== true;
}

/**
 * Put `candidates` into the order of the plan; `views` go along, by index. Returns the plan with its candidates by their new places,
 * null where nothing can be weighed.
 */
export function arrange(candidates: Candidate[], views: HealthView[], balance: Balance, random: number): Plan | null {
  const weighed: Weighed[] = [];
  for (const [i, candidate] of candidates.entries()) {
    if (candidate.mayNotFit === true || candidate.dear !== undefined || candidate.of !== undefined || candidate.after !== undefined || !isUsable(views[i] as HealthView, balance.nowMs)) continue;
    const priceNanoUsd = balance.expectedNanoUsd(candidate);
    if (priceNanoUsd !== null) weighed.push({ candidate: i, priceNanoUsd, estimate: balance.estimate(candidate) });
  }
  if (weighed.length === 0) return null;
  const { state, thresholdMs, alone, nowMs } = balance;
  const plan = state.plan(weighed, nowMs, random, { thresholdMs, alone, idOf: (i) => (candidates[i] as Candidate).deployment.id });
  const probe = probeOf(candidates, views, balance);
  const alonePrime = probe !== null && probe.raced === false ? [probe.candidate] : [];
  const first = [...alonePrime, ...plan.order];
  const order = [...first, ...candidates.map((_, i) => i).filter((i) => !first.includes(i))];
  const placeOf = new Map(order.map((old, place) => [old, place]));
  const all = [...candidates];
  const allViews = [...views];
  for (const [place, old] of order.entries()) {
    candidates[place] = all[old] as Candidate;
    views[place] = allViews[old] as HealthView;
  }
  return moved(withProbe(plan, probe), placeOf);
}

interface Probe {
  readonly candidate: number;
  /** It was slow: it gets a request that goes to another as well. */
  readonly raced: boolean;
}

function probeOf(candidates: readonly Candidate[], views: readonly HealthView[], { alone, nowMs, repeats }: Balance): Probe | null {
  const candidate = views.findIndex((view, i) => candidates[i]?.of === undefined && candidates[i]?.after === undefined && view.state === "probe-ready" && view.excluded === null && view.pausedUntilMs <= nowMs);
  if (candidate < 0) return null;
  const raced = (views[candidate] as HealthView).raced === true;
  if (raced ? alone : repeats < REPEATS_FOR_PROBE) return null;
  return { candidate, raced };
}

function withProbe(plan: Plan, probe: Probe | null): Plan {
  if (probe === null) return plan;
  return { ...plan, hedge: null, race: probe.raced ? { candidate: probe.candidate, why: "probe" } : null };
}

function moved(plan: Plan, placeOf: ReadonlyMap<number, number>): Plan {
  const to = (old: number): number => placeOf.get(old) ?? old;
  return {
    ...plan,
    order: plan.order.map(to),
    scores: plan.scores.map((one) => ({ ...one, candidate: to(one.candidate) })),
    hedge: plan.hedge === null ? null : { ...plan.hedge, candidate: to(plan.hedge.candidate) },
    race: plan.race === null ? null : { ...plan.race, candidate: to(plan.race.candidate) },
  };
}
