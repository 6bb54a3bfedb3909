/**
 * A candidate on trial: which requests try it first, and whether it is worse than what the route has. It is judged by its own calls,
 * not by what its fallbacks made good, beside the first calls of the other requests in the same time. Pure but for its own counts.
 */
import { isObject, member, type Json, type JsonObject } from "../wire/json.ts";
import type { UnitCounts } from "../wire/usage.ts";
import { judge, judgeCall, type Verdict } from "./objective/judge.ts";
import type { Objective, RequestClass } from "./objective/types.ts";
import { lowerBound } from "./observed/bounds.ts";

/** What its owner states of a trial. */
export interface CanaryTerms {
  /** `account/model`. */
  readonly use: string;
  /** Of the route's requests. */
  readonly share: number;
  /** Of the canary's; with fewer its standing says that it is too early to promote it. */
  readonly minRequests: number;
  readonly rollback: { readonly burn: number; readonly quality: number };
}
/** A copy of some requests goes there too, and nobody sees its answers. */
export interface MirrorTerms {
  readonly use: string;
  readonly share: number;
  readonly maxNanoUsdPerDay: number;
}

/** In the record of a request that was to try a canary first. */
export const CANARY_FLAG = "canary";
/** In the record of a copy, which no promise is judged by; and the name of its tag. */
export const MIRROR_FLAG = "mirror";

export type Arm = "canary" | "rest";

/** Is this one of the share? Always the same answer for the same id, and independent from trial to trial. */
export function isChosen(id: string, trial: string, share: number): boolean {
  return placeOf(`${trial}\n${id}`) < share;
}

/** A text's place in [0, 1), as good as drawn. */
function placeOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  // Ids in a row differ in their last letters alone: every bit has to hang on every other.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 4_294_967_296;
}

/** What of a finished request's first call is looked at. */
export interface FirstCall {
  readonly outcome: string;
  readonly flags: readonly string[];
  readonly ttftMs: number | null;
  readonly totalMs: number;
  readonly units: UnitCounts;
}

/** How one call keeps an objective, as if it were the whole request. null: it says nothing of it. */
export function verdictOf(objective: Objective, call: FirstCall, stream: boolean): Verdict {
  const verdict = judgeCall(call);
  const kind: RequestClass = verdict === "good" ? "ok" : verdict === "bad" ? "failed" : "client";
  // One that was put aside for a faster one, or whose caller left, is late all the same if the time was over.
  const stopped = call.outcome === "superseded" || call.outcome === "client_gone";
  const { flags, ttftMs, totalMs, units } = call;
  return judge(objective, { stream, outcome: kind === "ok" ? "ok" : stopped ? "client_gone" : "error", errorCode: null, flags, ttftMs, totalMs, units }, kind);
}

export interface Counts {
  readonly valid: number;
  readonly bad: number;
}

/** With fewer calls, or fewer bad ones, nothing is proven. */
export const CALLS_MIN = 20;
export const BAD_MIN = 3;

/**
 * Does the canary's error budget burn more than `limit` times too fast while that of the rest does not? Only where it is proven: by
 * the lower bound of the canary's bad share, which lies above the rest's share too. Where all burn, it is not the canary's doing.
 */
export function burnsAlone(canary: Counts, rest: Counts, target: number, limit: number): boolean {
  if (canary.valid < CALLS_MIN || canary.bad < BAD_MIN) return false;
  const most = limit * (1 - target);
  const restShare = rest.valid === 0 ? 0 : rest.bad / rest.valid;
  if (rest.bad >= BAD_MIN && restShare > most) return false;
  return lowerBound(canary.bad, canary.valid) > Math.max(most, restShare);
}

/** Scores of answers, 0 to 1. */
export interface Scores {
  readonly count: number;
  readonly sum: number;
  readonly squares: number;
}

export const SCORES_MIN = 20;
/** One-sided 99 %: means are looked at again with every score, and one of many looks errs sooner. */
const Z_SCORES = 2.3263;

/** Is the mean score of the canary's answers proven to lie more than `drop` below the others'? */
export function qualityFell(canary: Scores, rest: Scores, drop: number): boolean {
  if (canary.count < SCORES_MIN || rest.count < SCORES_MIN) return false;
  const fall = rest.sum / rest.count - canary.sum / canary.count;
  return fall - Z_SCORES * Math.sqrt(meanVariance(canary) + meanVariance(rest)) > drop;
}

function meanVariance({ count, sum, squares }: Scores): number {
  return Math.max(0, (squares - (sum * sum) / count) / (count - 1)) / count;
}

/** A call that could not be made: it failed, and of times and rates says nothing. */
const UNCALLED: FirstCall = { outcome: "network", flags: [], ttftMs: null, totalMs: 0, units: {} };

/** Where a route promises nothing of answers at all, a canary has to answer so many of its calls. */
const DEFAULT_OBJECTIVE: Objective = { name: "availability", kind: "availability", target: 0.99, window: { kind: "rolling", lengthMs: 86_400_000 }, within: [], atLeast: null, unit: null };

export type TrialSpan = "60s" | "5m" | "trial";
const SLOT_MS = 10_000;
const SLOTS = 30;
const RECENT_SLOTS = { "60s": 6, "5m": SLOTS } as const;
const SPANS: readonly TrialSpan[] = ["60s", "5m", "trial"];

/** Counts of one arm by one objective: of the last minutes, and of the whole trial. */
class Tally {
  readonly #valid = new Float64Array(SLOTS);
  readonly #bad = new Float64Array(SLOTS);
  #slot = 0;
  #all = { valid: 0, bad: 0 };

  add(bad: boolean, wallMs: number): void {
    this.#turnTo(wallMs);
    const at = this.#slot % SLOTS;
    this.#valid[at] = (this.#valid[at] ?? 0) + 1;
    this.#all.valid += 1;
    if (!bad) return;
    this.#bad[at] = (this.#bad[at] ?? 0) + 1;
    this.#all.bad += 1;
  }

  counts(span: TrialSpan, wallMs: number): Counts {
    if (span === "trial") return { ...this.#all };
    this.#turnTo(wallMs);
    let [valid, bad] = [0, 0];
    for (let back = 0; back < RECENT_SLOTS[span]; back++) {
      const at = (this.#slot - back + SLOTS) % SLOTS;
      valid += this.#valid[at] ?? 0;
      bad += this.#bad[at] ?? 0;
    }
    return { valid, bad };
  }

  save(): Json {
    return [this.#all.valid, this.#all.bad];
  }

  /** What is recent is not kept: by the next start it is not any more. */
  restore(saved: Json | undefined): void {
    if (!Array.isArray(saved)) return;
    const [valid, bad] = saved;
    if (isCount(valid) && isCount(bad)) this.#all = { valid, bad };
  }

  #turnTo(wallMs: number): void {
    const slot = Math.floor(wallMs / SLOT_MS);
    // A clock that was set back a little stands still until it has caught up; by more than is held, what is held would never pass.
    if (slot <= this.#slot - SLOTS) {
      this.#valid.fill(0);
      this.#bad.fill(0);
      this.#slot = slot;
    }
    if (slot <= this.#slot) return;
    for (let next = Math.max(this.#slot + 1, slot - SLOTS + 1); next <= slot; next++) this.#valid[next % SLOTS] = this.#bad[next % SLOTS] = 0;
    this.#slot = slot;
  }
}

/** What one arm came to beside its objectives. */
export interface ArmStanding extends Scores {
  readonly requests: number;
  /** Of those whose cost is known. */
  readonly priced: number;
  readonly costNanoUsd: number;
}

/** Why a canary was taken out of the traffic. */
export interface Rollback {
  readonly atMs: number;
  readonly why: "burn" | "quality";
  /** In words. */
  readonly reason: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

/** A finished request as a trial sees it. */
export interface TrialRequest {
  readonly arm: Arm;
  readonly stream: boolean;
  /** null: nothing was called. */
  readonly call: FirstCall | null;
  /** The canary was to be called, and could not since it rested after failures. */
  readonly rested: boolean;
  readonly costNanoUsd: number | null;
}

interface Judged {
  readonly objective: Objective;
  readonly arms: Readonly<Record<Arm, Tally>>;
}

const EMPTY: ArmStanding = { requests: 0, priced: 0, costNanoUsd: 0, count: 0, sum: 0, squares: 0 };

/** One canary of one route. */
export class CanaryTrial {
  readonly terms: CanaryTerms;
  readonly startedMs: number;
  readonly #judged: readonly Judged[];
  readonly #arms: Record<Arm, ArmStanding> = { canary: EMPTY, rest: EMPTY };
  rolledBack: Rollback | null = null;

  constructor(terms: CanaryTerms, objectives: readonly Objective[], startedMs: number, saved?: Json) {
    this.terms = terms;
    const judged = objectives.filter(({ kind }) => kind !== "throughput");
    // Times and rates are told of answers alone: one that never answers would keep all of them.
    const answers = judged.some(({ kind }) => kind === "availability" || kind === "error_rate");
    this.#judged = (answers ? judged : [DEFAULT_OBJECTIVE, ...judged]).map((objective) => ({ objective, arms: { canary: new Tally(), rest: new Tally() } }));
    // Another candidate is another trial.
    const earlier = isObject(saved) && saved["use"] === terms.use ? saved : {};
    const began = earlier["started_ms"];
    this.startedMs = isCount(began) ? began : startedMs;
    this.#restore(earlier);
  }

  /** A request ended. Gives why the canary is rolled back now; null: it is not. */
  add({ arm, stream, call, rested, costNanoUsd }: TrialRequest, wallMs: number): Rollback | null {
    const before = this.#arms[arm];
    this.#arms[arm] = { ...before, requests: before.requests + 1, ...(costNanoUsd === null ? {} : { priced: before.priced + 1, costNanoUsd: before.costNanoUsd + costNanoUsd }) };
    let bad = false;
    for (const { objective, arms } of this.#judged) {
      const verdict = rested ? verdictOf(objective, UNCALLED, stream) : call === null ? null : verdictOf(objective, call, stream);
      if (verdict !== null) arms[arm].add(verdict === "bad", wallMs);
      bad ||= verdict === "bad";
    }
    return bad && arm === "canary" ? this.#judge(wallMs) : null;
  }

  /** Somebody said what an answer was worth: 0 to 1, or -1 for a thumb down. */
  score(arm: Arm, told: number, wallMs: number): Rollback | null {
    const score = Math.max(0, Math.min(1, told));
    const before = this.#arms[arm];
    this.#arms[arm] = { ...before, count: before.count + 1, sum: before.sum + score, squares: before.squares + score * score };
    return this.#judge(wallMs);
  }

  /** From anew, after a rollback. */
  resumed(wallMs: number): CanaryTrial {
    return new CanaryTrial(this.terms, this.#judged.map(({ objective }) => objective), wallMs);
  }

  arm(arm: Arm): ArmStanding {
    return this.#arms[arm];
  }

  /** How fast each arm's error budget goes, by objective. */
  burns(wallMs: number): readonly { readonly objective: Objective; readonly span: TrialSpan; readonly canary: Counts; readonly rest: Counts }[] {
    return this.#judged.flatMap(({ objective, arms }) => SPANS.map((span) => ({ objective, span, canary: arms.canary.counts(span, wallMs), rest: arms.rest.counts(span, wallMs) })));
  }

  save(): JsonObject {
    const { rolledBack } = this;
    return {
      use: this.terms.use, started_ms: this.startedMs, arms: { canary: { ...this.#arms.canary }, rest: { ...this.#arms.rest } },
      objectives: Object.fromEntries(this.#judged.map(({ objective, arms }) => [keyOf(objective), { canary: arms.canary.save(), rest: arms.rest.save() }])),
      rolled_back: rolledBack === null ? null : { ...rolledBack, fields: { ...rolledBack.fields } },
    };
  }

  #judge(wallMs: number): Rollback | null {
    if (this.rolledBack !== null) return null;
    return (this.rolledBack = this.#burning(wallMs) ?? this.#disliked(wallMs));
  }

  #burning(wallMs: number): Rollback | null {
    const limit = this.terms.rollback.burn;
    for (const { objective, span, canary, rest } of this.burns(wallMs)) {
      if (!burnsAlone(canary, rest, objective.target, limit)) continue;
      const [own, others] = [burnOf(canary, objective), burnOf(rest, objective)];
      const where = span === "trial" ? "since the trial began" : `over ${span}`;
      return {
        atMs: wallMs, why: "burn",
        reason: `${objective.name}: ${canary.bad} of its ${canary.valid} calls ${where} were bad, which burns the error budget ${own} times as fast as it may; the limit is ${limit}, and the others burn it ${others} times`,
        fields: { objective: objective.name, span, canary_valid: canary.valid, canary_bad: canary.bad, canary_burn: own, rest_valid: rest.valid, rest_bad: rest.bad, rest_burn: others },
      };
    }
    return null;
  }

  #disliked(wallMs: number): Rollback | null {
    const { canary, rest } = this.#arms;
    if (!qualityFell(canary, rest, this.terms.rollback.quality)) return null;
    const [own, others] = [round(canary.sum / canary.count), round(rest.sum / rest.count)];
    return {
      atMs: wallMs, why: "quality",
      reason: `feedback: a mean score of ${own} over ${canary.count} answers, against ${others} over ${rest.count} of the others; a fall of ${this.terms.rollback.quality} is allowed`,
      fields: { canary_score: own, canary_scores: canary.count, rest_score: others, rest_scores: rest.count },
    };
  }

  #restore(saved: JsonObject): void {
    for (const arm of ["canary", "rest"] as const) {
      const told = member(saved["arms"], arm);
      if (!isObject(told)) continue;
      const number = (name: string): number => (isCount(told[name]) ? told[name] : 0);
      this.#arms[arm] = { requests: number("requests"), priced: number("priced"), costNanoUsd: number("costNanoUsd"), count: number("count"), sum: number("sum"), squares: number("squares") };
    }
    for (const { objective, arms } of this.#judged) {
      const told = member(saved["objectives"], keyOf(objective));
      arms.canary.restore(member(told, "canary"));
      arms.rest.restore(member(told, "rest"));
    }
    this.rolledBack = rollbackOf(saved["rolled_back"]);
  }
}

/** How many times faster than evenly the error budget goes, to a tenth. */
export function burnOf({ valid, bad }: Counts, { target }: Objective): number {
  return valid === 0 ? 0 : Math.round((10 * bad) / valid / (1 - target)) / 10;
}

function keyOf({ name, kind, within, atLeast }: Objective): string {
  return JSON.stringify([name, kind, within.map(({ upToInputTokens, withinMs }) => [upToInputTokens, withinMs]), atLeast]);
}

function rollbackOf(saved: Json | undefined): Rollback | null {
  if (!isObject(saved)) return null;
  const { atMs, why, reason, fields } = saved;
  if (!isCount(atMs) || (why !== "burn" && why !== "quality") || typeof reason !== "string") return null;
  const told = isObject(fields) ? Object.entries(fields).filter((one): one is [string, string | number] => typeof one[1] === "string" || typeof one[1] === "number") : [];
  return { atMs, why, reason, fields: Object.fromEntries(told) };
}

function isCount(value: Json | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
