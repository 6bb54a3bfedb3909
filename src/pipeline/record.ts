/** The record of a finished request, from which ledger listing, log line, metric and tail are derived. */
import { CANARY_FLAG } from "../decide/canary.ts";
import { describeChoice } from "../decide/choose.ts";
import { BY_CLIENT_FLAG, OURS_FLAG, OWN_ADDRESS_FLAG } from "../decide/objective/judge.ts";
import { isOwnCredential } from "../decide/own-accounts.ts";
import { standsInFor } from "../decide/stand-in.ts";
import type { AttemptRecord, RequestRecord } from "../ports.ts";
import type { GatewayError } from "../wire/errors.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import type { Outcome } from "../wire/outcome.ts";
import type { Unit, UnitCounts } from "../wire/usage.ts";
import type { Attempt } from "./attempt.ts";
import type { Booked } from "./books.ts";
import type { ExchangeSettings } from "./surface.ts";

export interface RecordFacts {
  readonly settings: ExchangeSettings;
  readonly surface: RequestRecord["surface"];
  readonly stream: boolean;
  readonly attempts: readonly Attempt[];
  readonly chargeOf: (attempt: Attempt) => Booked | undefined;
  readonly winner: Attempt | null;
  /** Those before the winner whose answers it carried on, first to last. */
  readonly lost: readonly Attempt[];
  readonly startMs: number;
  readonly startWallMs: number;
  readonly endMs: number;
  readonly status: number;
  readonly gone: boolean;
  readonly error: GatewayError | null;
  readonly flags: Iterable<string>;
  /** A charge could not be written in time. */
  readonly undurable: boolean;
  /** What health said of the candidates when it began, and which of them could not carry the request. */
  readonly startStates: readonly string[];
  readonly unfit: ReadonlyMap<number, { readonly param: string; readonly message: string }> | null;
}

const NO_FLAGS: readonly string[] = [];

/** In the record of a request that called another candidate beside one that was slow to begin. */
const HEDGED_FLAG = "hedged";

/** Assemble the record. */
export function recordOf(facts: RecordFacts): RequestRecord {
  const { settings, winner } = facts;
  const attempts = facts.attempts.map((attempt) => attemptRecord(attempt, facts.chargeOf(attempt)));
  const firstMs = (facts.lost[0] ?? winner)?.firstContentMs ?? null;
  const record: RequestRecord = {
    requestId: settings.requestId,
    atMs: facts.startWallMs,
    tenant: settings.caller.tenant,
    key: settings.caller.key,
    surface: facts.surface,
    stream: facts.stream,
    model: settings.modelAsked,
    route: settings.route.name,
    deployment: winner?.settings.candidate.deployment.id ?? null,
    attempts,
    units: sumUnits(attempts),
    costNanoUsd: attempts.reduce<number | null>((sum, one) => (sum === null || one.costNanoUsd === null ? null : sum + one.costNanoUsd), 0),
    ttftMs: firstMs === null ? null : round(firstMs - facts.startMs),
    totalMs: round(facts.endMs - facts.startMs),
    status: facts.gone && facts.status === 0 ? 499 : facts.status,
    outcome: outcomeOf(facts),
    errorCode: facts.error?.code ?? null,
    flags: flagsOf(facts, attempts),
    warnings: warningsOf(settings, winner),
    decision: decisionOf(facts),
  };
  return settings.caller.tags === undefined ? record : { ...record, tags: settings.caller.tags };
}

/** What the client was warned of. */
export function warningsOf({ warnings }: ExchangeSettings, winner: Attempt | null): readonly string[] {
  return winner === null || winner.warnings.length === 0 ? warnings : [...warnings, ...winner.warnings];
}

/** Each once. */
function flagsOf(facts: RecordFacts, attempts: readonly AttemptRecord[]): readonly string[] {
  const { settings, winner } = facts;
  const flags: string[] = [];
  const add = (flag: string): void => {
    if (!flags.includes(flag)) flags.push(flag);
  };
  for (const flag of facts.flags) add(flag);
  if (facts.undurable) add("undurable");
  for (const attempt of attempts) for (const flag of attempt.flags) add(flag);
  if (winner !== null && standsInFor(settings.route, winner.settings.candidate.deployment) !== null) add("fallback_model");
  if (settings.choice.candidates[0]?.trial === true) add(CANARY_FLAG);
  for (const { settings: { why, candidate } } of facts.attempts) {
    if (why === "hedge") add(HEDGED_FLAG);
    if (candidate.deployment.ownAddress === true) add(OWN_ADDRESS_FLAG);
  }
  if (isByClient(facts, attempts)) add(BY_CLIENT_FLAG);
  return flags;
}

function decisionOf({ settings: { choice, believed }, attempts, winner, lost, startStates, unfit }: RecordFacts): JsonObject {
  const decision: Record<string, Json> = describeChoice(choice, startStates);
  if (believed !== undefined) decision["estimates"] = believed;
  decision["unsupported"] = unfit === null ? [] : [...unfit].map(([i, one]) => ({ deployment: choice.candidates[i]?.deployment.id ?? "", param: one.param, message: one.message }));
  decision["taken"] = attempts.map((attempt) => attempt.settings.candidate.deployment.id);
  // Why each of them, where one call was not enough: two may have been under way at a time.
  if (attempts.length > 1) decision["taken_as"] = attempts.map((attempt) => attempt.settings.why ?? "first");
  // Whose words the answer is made of.
  if (lost.length > 0) decision["written_by"] = [...new Set([...lost, ...(winner === null ? [] : [winner])])].map((attempt) => attempt.settings.candidate.deployment.id);
  return decision;
}

/** What the log says of an attempt that failed. */
export function failureFields(requestId: string, attempt: Attempt, { error, phase }: Extract<Outcome, { kind: "failed" }>): Readonly<Record<string, unknown>> {
  const { id, candidate } = attempt.settings;
  return { request: requestId, attempt: id, deployment: candidate.deployment.id, class: error.class, phase, status: attempt.status, reason: error.code !== null && error.code.length <= CODE_MAX && CODE.test(error.code) ? error.code : null };
}

/** Words joined by marks, or a number: a provider may put anything in a code's place, and what was asked is nothing for a log. */
const CODE = /^(?:[A-Za-z]+(?:[_.:-][A-Za-z]+)*(?:[_-]?\d{1,4})?|\d{1,6})$/;
const CODE_MAX = 64;

function outcomeOf(facts: RecordFacts): RequestRecord["outcome"] {
  if (facts.gone) return "client_gone";
  if (facts.error === null) return "ok";
  return facts.winner === null ? "error" : "error_after_content";
}

/** Did it end by a deadline of its client's own while nobody had failed or was late, since its client read too slowly, or for its own credentials? */
function isByClient({ error, winner, settings }: RecordFacts, attempts: readonly AttemptRecord[]): boolean {
  if (error === null) return false;
  if (winner !== null) return winner.notTheirs && error.code === "upstream_timeout";
  if (isForOwnCredentials(settings.choice, attempts)) return true;
  if (error.code !== "deadline_exceeded" || settings.deadlineMs >= settings.route.clocks.deadlineMs) return false;
  return attempts.every(({ outcome, flags }) => outcome === "superseded" || outcome === "unheld" || flags.includes(OURS_FLAG));
}

/** Was there nobody to ask but by credentials of its callers' own, all of which their providers refuse? */
function isForOwnCredentials({ candidates, filtered }: RecordFacts["settings"]["choice"], attempts: readonly AttemptRecord[]): boolean {
  const excluded = filtered.filter(({ reason }) => reason === "excluded");
  if (attempts.length + excluded.length === 0 || !candidates.every(({ deployment }) => isOwnCredential(deployment.id))) return false;
  const refused = (word: string): boolean => word === "auth" || word === "payment";
  return attempts.every(({ deployment, outcome }) => isOwnCredential(deployment) && refused(outcome)) && excluded.every(({ deployment, detail }) => isOwnCredential(deployment) && refused(detail));
}

function attemptRecord(attempt: Attempt, charge: Booked | undefined): AttemptRecord {
  const { firstContentMs, startedMs, endedMs } = attempt;
  return {
    attemptId: attempt.settings.id,
    deployment: attempt.settings.candidate.deployment.id,
    state: charge?.state ?? "unbilled",
    outcome: charge?.outcome ?? "unknown",
    status: attempt.status,
    units: charge?.units ?? {},
    costNanoUsd: charge?.costNanoUsd ?? null,
    // What got no hold was no call.
    flags: !attempt.late && !attempt.notTheirs ? (charge?.flags ?? NO_FLAGS) : [...(charge?.flags ?? []), ...(attempt.late ? ["late"] : []), ...(attempt.notTheirs && charge?.outcome !== "unheld" ? [OURS_FLAG] : [])],
    ttftMs: firstContentMs === null ? null : round(firstContentMs - startedMs),
    totalMs: endedMs === null ? 0 : round(endedMs - startedMs),
  };
}

function sumUnits(attempts: readonly AttemptRecord[]): UnitCounts {
  const total: { [U in Unit]?: number } = {};
  for (const attempt of attempts) {
    for (const unit of Object.keys(attempt.units) as Unit[]) total[unit] = (total[unit] ?? 0) + (attempt.units[unit] ?? 0);
  }
  return total;
}

/** To a hundredth of a millisecond. */
function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
