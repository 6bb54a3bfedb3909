/** What is told of a finished request whose answer is not: its record, by the names of `spillway requests --json`. */
import type { AttemptRecord, CallerPolicy, RequestRecord } from "../ports.ts";
import type { JsonObject } from "../wire/json.ts";
import { INPUT_UNITS, OUTPUT_UNITS, type Unit, type UnitCounts } from "../wire/usage.ts";

/** Why each candidate was taken or not is left out: it tells prices that keys may not see. */
export function recordJson(record: RequestRecord): JsonObject {
  return {
    object: "spillway.record",
    request_id: record.requestId,
    at: new Date(record.atMs).toISOString(),
    route: record.route,
    model: record.model,
    deployment: record.deployment,
    attempts: record.attempts.map(attemptJson),
    tokens: counted(record.units, true),
    ...pieces(record.units),
    cost_usd: record.costNanoUsd === null ? null : Number(`${record.costNanoUsd}e-9`),
    ttft_ms: record.ttftMs,
    total_ms: record.totalMs,
    outcome: record.outcome,
    flags: record.flags,
    status: record.status,
    error_code: record.errorCode,
    surface: record.surface,
    stream: record.stream,
    tenant: record.tenant,
    key: record.key,
    ...(record.tags === undefined ? {} : { tags: record.tags }),
    warnings: record.warnings,
  };
}

function attemptJson(attempt: AttemptRecord): JsonObject {
  return {
    attempt_id: attempt.attemptId,
    deployment: attempt.deployment,
    state: attempt.state,
    outcome: attempt.outcome,
    tokens: counted(attempt.units, true),
    ...pieces(attempt.units),
    cost_nano_usd: attempt.costNanoUsd,
    flags: attempt.flags,
    status: attempt.status,
    ttft_ms: attempt.ttftMs,
    total_ms: attempt.totalMs,
  };
}

const TOKEN_UNITS: ReadonlySet<Unit> = new Set<Unit>([...INPUT_UNITS, ...OUTPUT_UNITS]);

function counted(units: UnitCounts, tokens: boolean): JsonObject {
  return Object.fromEntries(Object.entries(units).filter(([unit]) => TOKEN_UNITS.has(unit as Unit) === tokens));
}

function pieces(units: UnitCounts): JsonObject {
  const told = counted(units, false);
  return Object.keys(told).length === 0 ? {} : { units: told };
}

/** A record without what this key is not told. */
export function recordFor(record: JsonObject, expose: CallerPolicy["expose"] | undefined): JsonObject {
  if (expose === undefined || expose === "id+cost") return record;
  const hidden = expose === "id" ? COSTS : [...COSTS, "deployment"];
  const shown = without(record, hidden);
  const { attempts } = record;
  return { ...shown, ...(Array.isArray(attempts) ? { attempts: attempts.map((one) => without(one as JsonObject, hidden)) } : {}) };
}
const COSTS = ["cost_usd", "cost_nano_usd"];

function without(object: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}
