/**
 * The next step of a request: which candidate to try now, or to stop and why. Asked at the start, whenever an attempt
 * ends, and whenever one is late. Pure; the caller owns sockets, holds and clocks.
 *
 * Order: untried and admitting, untried and due for a probe, untried and slow alone, the same target again after a short pause, untried and
 * resting, and what a 429 paces once its pause is over. The retry allowance meters repeats, and attempts at a resting
 * deployment; never a request's first attempt nor its first move to an admitting one.
 *
 * What a provider refuses for the request's own sake is refused for good, with two exceptions: a prompt that does not fit may go to
 * a larger context window, and what a content policy refuses to whom the owner lists for that.
 */
import { mayTryElsewhere, type FailureClass, type Outcome } from "../wire/outcome.ts";
import type { Candidate } from "./choose.ts";
import type { ReliefClass } from "./deployment.ts";
import { nearness } from "./failure-domain.ts";
import type { HealthView } from "./health/book.ts";

export const MAX_ATTEMPTS = 3;
/** Two attempts of one request may be in flight, never more. */
export const MAX_IN_FLIGHT = 2;

export interface Try {
  /** Index into the candidates. */
  readonly candidate: number;
  /** null while in flight. */
  readonly outcome: Outcome | null;
}

export interface StepFacts {
  readonly nowMs: number;
  /** Absolute, same clock as nowMs. */
  readonly deadlineMs: number;
  /** When the request began; absent: now. */
  readonly startMs?: number;
  readonly candidates: readonly Candidate[];
  /** What was sent may have been done, and doing it twice is worse than not at all: only what never left is tried again. */
  readonly once?: boolean;
  /** Only who was not tried yet: the request goes on where another broke off. */
  readonly untried?: boolean;
  readonly tries: readonly Try[];
  readonly view: (candidate: Candidate) => HealthView;
  readonly random: () => number;
}

export interface Launch {
  readonly kind: "launch";
  readonly candidate: number;
  /** `first`, `failover`, `probe`, `repair`, `repeat`, `last-resort`, `paced`; beside another: `race`, `hedge`. */
  readonly why: string;
  /** Takes one from the retry allowance; without it the step is not made. */
  readonly metered: boolean;
  /** Takes the deployment's probe slot. */
  readonly probe: boolean;
  readonly waitMs: number;
}
export type Step =
  | Launch
  | { readonly kind: "stop"; readonly why: "final" | "attempts" | "deadline" | "nothing_left" | "paced"; readonly retryAfterMs: number | null };

/** Of the first attempts beside one that is slow alone, this share goes to one that rests since it failed. */
const BESIDE_SLOW = 0.1;

const FIRST: Step = Object.freeze({ kind: "launch", candidate: 0, why: "first", metered: false, probe: false, waitMs: 0 });

function isOpen(view: HealthView, nowMs: number): boolean {
  return view.state === "admitting" && view.excluded === null && view.pausedUntilMs <= nowMs;
}

/** Of a candidate that turned out unable to carry the request: out, for this request. */
export const UNFIT: HealthView = Object.freeze({ state: "admitting", pausedUntilMs: 0, restsUntilMs: 0, excluded: Object.freeze({ reason: "not_found", untilMs: Number.POSITIVE_INFINITY, scope: "deployment", alarm: false }) });

/** Decide the next step of a request of which nothing has reached the client. */
export function nextStep(facts: StepFacts): Step {
  const { tries, nowMs } = facts;
  if (tries.length === 0 && nowMs < facts.deadlineMs) {
    // By far the most common step of all: nothing tried yet, and the first candidate is well.
    const first = facts.candidates[0];
    if (first !== undefined) {
      const view = facts.view(first);
      if (isOpen(view, nowMs) && view.full !== true) return FIRST;
    }
  }
  const inFlight = tries.some((one) => one.outcome === null);
  const may = openTo(facts);
  if (may === null) return stop("final");
  if (tries.length >= MAX_ATTEMPTS) return stop("attempts");
  if (facts.once === true && tries.some(({ outcome }) => outcome === null || !("phase" in outcome) || outcome.phase !== "unsent")) return stop("nothing_left");
  if (nowMs >= facts.deadlineMs) return stop("deadline");
  const repair = repairable(facts, may);
  if (repair !== null) return repair;

  const views = facts.candidates.map(facts.view);
  const untried = byDomain(facts, may);
  const first = tries.length === 0;
  const usable = (i: number): boolean => (views[i] as HealthView).excluded === null;
  const paced = (i: number): boolean => (views[i] as HealthView).pausedUntilMs > nowMs;

  // A due probe keeps its place in the order: the request can still fail over, so probing costs the client nothing.
  const open = (i: number): boolean => {
    const state = (views[i] as HealthView).state;
    return usable(i) && !paced(i) && (state === "admitting" || (state === "probe-ready" && first));
  };
  // One that takes no more at once without turning slow still takes more: behind the others that are well.
  const next = untried.find((i) => open(i) && views[i]?.full !== true) ?? untried.find(open) ?? untried.find((i) => usable(i) && !paced(i) && views[i]?.state === "probe-ready");
  if (next !== undefined) {
    const probe = views[next]?.state === "probe-ready";
    return { kind: "launch", candidate: next, why: probe ? "probe" : first ? "first" : "failover", metered: false, probe, waitMs: 0 };
  }
  // Late is better than nothing, and one that is slow alone will answer: no repeat of a call that failed, so nothing meters it. Of first
  // attempts a tenth goes to whoever rests all the same, and where that has begun to answer, all: it may be well again long before its
  // rest ends, and the slow one is slow for certain.
  const slow = untried.find((i) => usable(i) && !paced(i) && views[i]?.slowOnly === true);
  const failed = first && slow !== undefined ? untried.find((i) => usable(i) && !paced(i) && views[i]?.slowOnly !== true) : undefined;
  if (failed !== undefined && (views[failed]?.state !== "resting" || facts.random() < BESIDE_SLOW)) {
    return { kind: "launch", candidate: failed, why: "last-resort", metered: false, probe: false, waitMs: 0 };
  }
  if (slow !== undefined) return { kind: "launch", candidate: slow, why: first ? "first" : "failover", metered: false, probe: false, waitMs: 0 };
  const again = !inFlight && facts.untried !== true;
  if (again) {
    const repeat = repeatable(facts, views, may);
    if (repeat !== null) return repeat;
  }
  const resting = untried.find((i) => usable(i) && !paced(i));
  if (resting !== undefined) return { kind: "launch", candidate: resting, why: "last-resort", metered: !first, probe: false, waitMs: 0 };
  return waitForPace(facts, views, untried, again ? tries.map((one) => one.candidate).filter(may) : []);
}

type May = (candidate: number) => boolean;

/**
 * Which candidates may serve the request after what its tries came to; null: none that was not tried already. What is listed for a
 * kind of refusal is for that alone. An ordinary candidate takes a prompt that was too long elsewhere only where its context window is
 * known to be larger than each that was too small: without both numbers a second refusal is as likely.
 */
function openTo({ tries, candidates }: StepFacts): May | null {
  let refusal: ReliefClass | null = null;
  let tooSmallTokens = 0;
  const refused = new Set<string>();
  for (const { candidate, outcome } of tries) {
    if (outcome?.kind !== "failed" || mayTryElsewhere(outcome.error.class)) continue;
    const relief = reliefOf(outcome.error.class);
    if (relief === null) return null;
    const { id, contextWindow } = (candidates[candidate] as Candidate).deployment;
    refused.add(id);
    if (relief === "context") tooSmallTokens = Math.max(tooSmallTokens, contextWindow ?? Number.POSITIVE_INFINITY);
    if (refusal !== "content_policy") refusal = relief;
  }
  if (refusal === null) return (i) => (candidates[i] as Candidate).after === undefined;
  const may = (i: number): boolean => !refused.has((candidates[i] as Candidate).deployment.id) && takes(candidates[i] as Candidate, refusal, tooSmallTokens);
  return candidates.some((_, i) => may(i)) ? may : null;
}

/** Does it take a request that others refused? `tooSmallTokens`: the largest window that the prompt did not fit; 0: none; infinite: one of unknown size. */
export function takes({ after, deployment: { contextWindow } }: Candidate, refusal: ReliefClass, tooSmallTokens: number): boolean {
  // The owner's list may know better than a window that is written the same; not than one that is written smaller.
  if (after === refusal) return contextWindow === null || !Number.isFinite(tooSmallTokens) || contextWindow > tooSmallTokens || (refusal === "context" && contextWindow === tooSmallTokens);
  return after === undefined && refusal === "context" && contextWindow !== null && contextWindow > tooSmallTokens;
}

/** The refusal for which a route may name others, or null. */
export function reliefOf(failure: FailureClass): ReliefClass | null {
  return failure === "context" || failure === "content_policy" ? failure : null;
}

/**
 * Untried candidates that may serve, in order: those that are listed for what happened first, and among all the ones that have the
 * least in common with what failed.
 */
function byDomain({ candidates, tries }: StepFacts, may: May): readonly number[] {
  const idOf = (i: number): string => (candidates[i] as Candidate).deployment.id;
  // By deployment: what is listed for a refusal may be an ordinary candidate as well.
  const untried = candidates.map((_, i) => i).filter((i) => may(i) && !tries.some((one) => one.candidate === i || idOf(one.candidate) === idOf(i)));
  if (tries.length === 0 || untried.length < 2) return untried;
  const rank = (i: number): number => {
    let most = 0;
    for (const { candidate, outcome } of tries) {
      const failure = outcome?.kind === "failed" ? outcome.error.class : null;
      // What the request itself is refused for says nothing of what else is down.
      if (failure === null || reliefOf(failure) === null) most = Math.max(most, nearness((candidates[candidate] as Candidate).deployment, failure, (candidates[i] as Candidate).deployment));
    }
    return (candidates[i] as Candidate).after === undefined ? UNLISTED + most : most;
  };
  const ranked = untried.map((i) => ({ i, rank: rank(i) }));
  return ranked.toSorted((a, b) => a.rank - b.rank).map(({ i }) => i);
}

/** Above any nearness: what is listed for a refusal comes before what may take it besides. */
const UNLISTED = 10;

/** A whole answer of the wrong form: its model is shown it once and asked to mend it, before any other is asked afresh. */
function repairable({ candidates, tries, view, nowMs }: StepFacts, may: May): Step | null {
  for (const { candidate, outcome } of tries) {
    if (outcome?.kind !== "failed" || outcome.error.class !== "schema_mismatch" || !may(candidate)) continue;
    if (tries.some((one) => one.candidate === candidate && one.outcome !== outcome)) continue;
    // Not metered: it is a second turn of a conversation, made once, and no second try of a call that failed.
    if (isOpen(view(candidates[candidate] as Candidate), nowMs)) return { kind: "launch", candidate, why: "repair", metered: false, probe: false, waitMs: 0 };
  }
  return null;
}

const UNREADABLE: ReadonlySet<FailureClass> = new Set(["malformed", "empty", "too_large", "schema_mismatch"]);

/** The same target once more after a short pause, where its failure is one that passes and the provider names no longer one. */
function repeatable(facts: StepFacts, views: readonly HealthView[], may: May): Step | null {
  const last = facts.tries.at(-1);
  if (last?.outcome?.kind !== "failed" || !may(last.candidate)) return null;
  const view = views[last.candidate] as HealthView;
  const failure = last.outcome.error.class;
  if (view.excluded !== null || view.state !== "admitting" || view.pausedUntilMs > facts.nowMs || failure === "not_found") return null;
  // An answer that cannot be read is billed, and likely to come again: one repeat may tell, a second would only cost.
  if (UNREADABLE.has(failure) && facts.tries.filter((one) => one.candidate === last.candidate).length > 1) return null;
  const waitMs = facts.random() * Math.min(2_000, 250 * 2 ** (facts.tries.length - 1));
  if (facts.nowMs + waitMs >= facts.deadlineMs) return null;
  return { kind: "launch", candidate: last.candidate, why: "repeat", metered: true, probe: false, waitMs };
}

/** A request waits for the learned pace of a deployment until so long after it began. */
export const PACE_WAIT_MS = 10_000;
/** Of the first attempts that would wait longer, this share finds out whether the learned pace still holds. */
const BEYOND_PACE = 0.1;

/**
 * Only paced candidates are left: wait a pause out if the deadline allows, else say when to come back. An untried one goes
 * first, since moving to it is no repeat; beside an attempt that is still under way there are no repeats at all.
 *
 * A pause that a provider named ends for all who wait. Room in a learned pace comes for one at a time, and who waits does not know how
 * many others do: so that wait is short, and most requests beyond the pace are told at once to come back.
 */
function waitForPace(facts: StepFacts, views: readonly HealthView[], untried: readonly number[], tried: readonly number[]): Step {
  const { nowMs, deadlineMs, startMs = nowMs } = facts;
  const of = (i: number): HealthView => views[i] as HealthView;
  const isPaced = (i: number): boolean => of(i).excluded === null && of(i).pausedUntilMs > nowMs;
  const inTime = (i: number): boolean => of(i).pausedUntilMs < (of(i).capped === true ? Math.min(deadlineMs, startMs + PACE_WAIT_MS) : deadlineMs);
  const soonest = (among: readonly number[]): number | undefined => among.filter((i) => isPaced(i) && inTime(i)).toSorted((a, b) => of(a).pausedUntilMs - of(b).pausedUntilMs)[0];
  const best = soonest(untried) ?? soonest(tried);
  if (best !== undefined) {
    const metered = facts.tries.some((one) => one.candidate === best) || (facts.tries.length > 0 && of(best).state !== "admitting");
    return { kind: "launch", candidate: best, why: "paced", metered, probe: false, waitMs: of(best).pausedUntilMs - nowMs };
  }
  const paced = [...untried, ...tried].filter(isPaced);
  if (paced.length === 0 || facts.tries.some((one) => one.outcome === null)) return stop("nothing_left");
  const capped = facts.tries.length > 0 ? undefined : paced.find((i) => of(i).capped === true && of(i).state === "admitting");
  if (capped !== undefined && facts.random() < BEYOND_PACE) return { kind: "launch", candidate: capped, why: "paced", metered: false, probe: false, waitMs: 0 };
  return { kind: "stop", why: "paced", retryAfterMs: Math.min(...paced.map((i) => of(i).pausedUntilMs - nowMs)) };
}

function stop(why: Extract<Step, { kind: "stop" }>["why"]): Step {
  return { kind: "stop", why, retryAfterMs: null };
}
