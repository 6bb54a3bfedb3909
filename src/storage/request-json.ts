/** A finished request as one JSON object: its record, and of each attempt what the ledger says of it. */
import type { AttemptRecord } from "../ports.ts";
import type { AttemptView, RequestView } from "./rows.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import { INPUT_UNITS, OUTPUT_UNITS, type Unit, type UnitCounts } from "../wire/usage.ts";

/** As it is now: of an attempt that was held when the record was written, what it has come to since. */
export function nowOf(view: RequestView): RequestView {
  const { record, attempts } = view;
  if (record === null) return view;
  const held = new Set(record.attempts.filter((one) => one.state === "held").map((one) => one.attemptId));
  const settled = held.size === 0 ? [] : attempts.filter((row) => row.state !== "held" && held.has(row.attemptId));
  if (settled.length === 0) return view;
  const flags = new Set([...record.flags.filter((flag) => flag !== "held"), ...settled.flatMap((row) => row.flags)]);
  return { ...view, record: { ...record, units: sumUnits(attempts), flags: [...flags] } };
}

/** A request as one JSON object; its names are fixed, scripts rely on them. */
export function requestJson(told: RequestView): JsonObject {
  const view = nowOf(told);
  const record = view.record;
  const attempts = attemptsOf(view);
  const last = view.attempts.at(-1);
  return {
    request_id: view.requestId,
    at: new Date(view.atMs).toISOString(),
    route: record?.route ?? null,
    model: record?.model ?? null,
    deployment: record === null ? (last?.deployment ?? null) : record.deployment,
    attempts: attempts.map((attempt) => attempt.json),
    tokens: tokensJson(record?.units ?? sumUnits(view.attempts)),
    ...pieces(record?.units ?? sumUnits(view.attempts)),
    cost_usd: usd(sumCosts(attempts.map((attempt) => attempt.costNanoUsd))),
    ttft_ms: record?.ttftMs ?? null,
    total_ms: record?.totalMs ?? null,
    outcome: record?.outcome ?? "unknown",
    flags: record?.flags ?? ["orphan"],
    status: record?.status ?? null,
    error_code: record?.errorCode ?? null,
    surface: record?.surface ?? null,
    stream: record?.stream ?? null,
    tenant: record?.tenant ?? last?.tenant ?? null,
    key: record?.key ?? null,
    ...(record?.tags === undefined ? {} : { tags: record.tags }),
    warnings: record?.warnings ?? [],
    decision: record?.decision ?? null,
  };
}

/** An attempt as the listing tells it. */
export interface ShownAttempt {
  readonly costNanoUsd: number | null;
  readonly json: JsonObject;
}

/** The ledger's rows say what each attempt came to; the record adds what only it knows. */
export function attemptsOf(view: RequestView): readonly ShownAttempt[] {
  const described = new Map((view.record?.attempts ?? []).map((attempt) => [attempt.attemptId, attempt]));
  const shown = view.attempts.map((row) => {
    const attempt = described.get(row.attemptId);
    described.delete(row.attemptId);
    return shownAttempt(row, attempt);
  });
  for (const attempt of described.values()) shown.push(shownAttempt(null, attempt));
  return shown;
}

function shownAttempt(row: AttemptView | null, attempt: AttemptRecord | undefined): ShownAttempt {
  // A row that still waits for its charge knows less than the record.
  const settled = row === null || (row.state === "held" && attempt !== undefined) ? attempt : row;
  const costNanoUsd = settled?.costNanoUsd ?? null;
  return {
    costNanoUsd,
    json: {
      attempt_id: row?.attemptId ?? attempt?.attemptId ?? null,
      deployment: row?.deployment ?? attempt?.deployment ?? null,
      state: row?.state ?? attempt?.state ?? null,
      outcome: settled?.outcome ?? null,
      tokens: tokensJson(settled?.units ?? {}),
      ...pieces(settled?.units ?? {}),
      cost_nano_usd: costNanoUsd,
      flags: [...new Set([...(row?.flags ?? []), ...(row === null || row.state === "held" ? (attempt?.flags ?? []) : [])])],
      status: attempt?.status ?? null,
      ttft_ms: attempt?.ttftMs ?? null,
      total_ms: attempt?.totalMs ?? null,
    },
  };
}

const TOKEN_UNITS: readonly Unit[] = [...INPUT_UNITS, ...OUTPUT_UNITS];

function tokensJson(units: UnitCounts): JsonObject {
  const tokens: Record<string, Json> = {};
  for (const unit of TOKEN_UNITS) {
    const count = units[unit];
    if (count !== undefined) tokens[unit] = count;
  }
  return tokens;
}

/** `units`, where anything was counted one by one: images, seconds, characters, searches … */
function pieces(units: UnitCounts): JsonObject {
  const counted = Object.entries(units).filter(([unit]) => !TOKEN_UNITS.includes(unit as Unit));
  return counted.length === 0 ? {} : { units: Object.fromEntries(counted) };
}

/** Units of all attempts together. */
export function sumUnits(attempts: readonly AttemptView[]): UnitCounts {
  const sum: { [U in Unit]?: number } = {};
  for (const attempt of attempts) {
    for (const [unit, count] of Object.entries(attempt.units) as [Unit, number][]) sum[unit] = (sum[unit] ?? 0) + count;
  }
  return sum;
}

/** null as soon as one is unknown: unknown is not zero. */
export function sumCosts(costs: readonly (number | null)[]): number | null {
  let sum = 0;
  for (const cost of costs) {
    if (cost === null) return null;
    sum += cost;
  }
  return sum;
}

/** Nano-dollars as the nearest number of dollars. */
function usd(nanoUsd: number | null): number | null {
  return nanoUsd === null ? null : Number(`${nanoUsd}e-9`);
}
