/** Every statement of the ledger's writer, prepared once, and the way between values and columns. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import type { Charge, Hold } from "../ports.ts";
import type { Json } from "../wire/json.ts";
import type { UnitCounts } from "../wire/usage.ts";
import type { AttemptRow, AttemptState } from "./rows.ts";
import type { SharedTerms } from "./terms.ts";

export type SqlRow = Record<string, SQLOutputValue>;

export interface Statements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
  readonly hold: StatementSync;
  readonly charge: StatementSync;
  readonly settledOrphan: StatementSync;
  readonly settledKept: StatementSync;
  readonly mark: StatementSync;
  readonly correction: StatementSync;
  readonly span: StatementSync;
  readonly rowsOfAttempt: StatementSync;
  readonly probe: StatementSync;
}

/** Rows of one attempt (?1) with its corrections: in the spans that can hold it, and behind the last span. */
export const ROWS_OF_ATTEMPT = rowsBy("attempt_id", "attempt", "adjusts");
/** Rows of all attempts of one request (?1), and their corrections. */
export const ROWS_OF_REQUEST = rowsBy("request_id", "request", "request_id");

/** The plus keeps SQLite from building an index of the whole table for one look into a span or two. */
function rowsBy(column: string, bounds: string, corrected: string): string {
  return `
SELECT a.* FROM spans s CROSS JOIN calls a ON a.id BETWEEN s.first_id AND s.last_id
WHERE s.${bounds}_min <= ?1 AND s.${bounds}_max >= ?1 AND +a.${column} = ?1
UNION ALL SELECT * FROM calls WHERE id > (SELECT coalesce(max(last_id), 0) FROM spans) AND ${column} = ?1
UNION ALL SELECT * FROM adjustments WHERE ${corrected} = ?1
ORDER BY id`;
}

/** Prepares the writer's statements for the process that the row `owner` of `owners` stands for. */
export function prepareStatements(db: DatabaseSync, owner: number): Statements {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    hold: db.prepare(
      `INSERT INTO holds (id, attempt_id, request_id, number, terms, bound_nano_usd, input_estimate_tokens, input_estimate_nano_usd, at_ms, owner)
       VALUES (?,?,?,?,?,?,?,?,?,${owner})`,
    ),
    // The key is what keeps a settled attempt from ever being written again.
    charge: db.prepare(
      `INSERT INTO charges (id, ending, units, raw_usage, cost_nano_usd, settled_ms) VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING`,
    ),
    settledOrphan: db.prepare("DELETE FROM orphans WHERE id = ?"),
    settledKept: db.prepare("DELETE FROM kept_calls WHERE id = ?"),
    mark: db.prepare("UPDATE holds SET progress_tokens = ?1 WHERE id = ?2 AND NOT EXISTS (SELECT 1 FROM charges WHERE id = ?2)"),
    correction: db.prepare(
      `INSERT INTO corrections (id, attempt_id, request_id, number, terms, bound_nano_usd, input_estimate_tokens, input_estimate_nano_usd,
        at_ms, owner, ending, units, raw_usage, cost_nano_usd, settled_ms, adjusts) VALUES (?,?,?,?,?,?,?,?,?,${owner},?,?,?,?,?,?)`,
    ),
    span: db.prepare("INSERT INTO spans (last_id, first_id, attempt_min, attempt_max, request_min, request_max) VALUES (?,?,?,?,?,?)"),
    rowsOfAttempt: db.prepare(ROWS_OF_ATTEMPT),
    probe: db.prepare("UPDATE meta SET value = ? WHERE key = 'probe'"),
  };
}

/** Writes a hold's row. */
export function insertHold(sql: Statements, shared: SharedTerms, hold: Hold, id: number): void {
  sql.hold.run(
    id, hold.attemptId, hold.requestId, hold.number, shared.terms(hold), hold.boundNanoUsd, hold.inputEstimateTokens,
    hold.inputEstimateNanoUsd, hold.atMs,
  );
}

/** Writes what the row `id` came to. Returns false where that is settled already: nothing was written. */
export function insertCharge(sql: Statements, shared: SharedTerms, charge: Charge, flags: readonly string[], id: number): boolean {
  const ending = shared.ending(charge.state, charge.outcome, flags);
  const raw = charge.rawUsage === null ? null : JSON.stringify(charge.rawUsage);
  return sql.charge.run(id, ending, JSON.stringify(charge.units), raw, charge.costNanoUsd, charge.atMs).changes === 1;
}

/** Charges a held row that is no open hold of this process: an orphan, which stays marked as one, or a call that was kept open. */
export function chargeRow(sql: Statements, shared: SharedTerms, row: AttemptRow, charge: Charge): void {
  insertCharge(sql, shared, charge, [...new Set([...row.flags, ...charge.flags])], row.id);
  sql.settledOrphan.run(row.id);
  sql.settledKept.run(row.id);
}

/** Writes a correction. */
export function insertCorrection(sql: Statements, shared: SharedTerms, row: AttemptRow): void {
  sql.correction.run(
    row.id, row.attemptId, row.requestId, row.number, shared.terms(row), row.boundNanoUsd, row.inputEstimateTokens,
    row.inputEstimateNanoUsd, row.atMs, shared.ending(row.state, row.outcome ?? "", row.flags), JSON.stringify(row.units),
    row.rawUsage === null ? null : JSON.stringify(row.rawUsage), row.costNanoUsd, row.settledMs, row.adjusts,
  );
}

/** A row of `attempts` as a value. */
export function attemptRow(row: SqlRow): AttemptRow {
  return {
    id: int(row["id"]),
    attemptId: text(row["attempt_id"]),
    requestId: text(row["request_id"]),
    number: int(row["number"]),
    deployment: text(row["deployment"]),
    tenant: text(row["tenant"]),
    scopes: JSON.parse(text(row["scopes"])) as string[],
    priceVersion: textOrNull(row["price_version"]),
    period: text(row["period"]),
    boundNanoUsd: intOrNull(row["bound_nano_usd"]),
    inputEstimateTokens: int(row["input_estimate_tokens"]),
    inputEstimateNanoUsd: intOrNull(row["input_estimate_nano_usd"]),
    outputPricePicoUsd: intOrNull(row["output_price_pico_usd"]),
    billsOnAbort: text(row["bills_on_abort"]) === "input" ? "input" : "nothing",
    atMs: int(row["at_ms"]),
    owner: int(row["owner"]),
    state: text(row["state"]) as AttemptState,
    progressTokens: int(row["progress_tokens"]),
    outcome: textOrNull(row["outcome"]),
    units: jsonOr(row["units"], {}) as UnitCounts,
    rawUsage: jsonOr(row["raw_usage"], null),
    costNanoUsd: intOrNull(row["cost_nano_usd"]),
    flags: jsonOr(row["flags"], []) as readonly string[],
    adjusts: textOrNull(row["adjusts"]),
    settledMs: intOrNull(row["settled_ms"]),
  };
}

/** A text column; anything else there means a damaged file and throws. */
export function text(value: SQLOutputValue | undefined): string {
  if (typeof value !== "string") throw new TypeError(`expected text in the ledger, found ${typeof value}`);
  return value;
}

/** An integer column within the safe range. */
export function int(value: SQLOutputValue | undefined): number {
  if (typeof value !== "number") throw new TypeError(`expected an integer in the ledger, found ${typeof value}`);
  return value;
}

function textOrNull(value: SQLOutputValue | undefined): string | null {
  return value === null ? null : text(value);
}

/** As `int`, or null. */
export function intOrNull(value: SQLOutputValue | undefined): number | null {
  return value === null ? null : int(value);
}

function jsonOr(value: SQLOutputValue | undefined, absent: Json): Json {
  return typeof value === "string" ? (JSON.parse(value) as Json) : absent;
}
