/** Every statement of the ledger's writer, prepared once, and the way between values and columns. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import type { Charge, Hold } from "../ports.ts";
import type { Json } from "../wire/json.ts";
import type { UnitCounts } from "../wire/usage.ts";
import type { AttemptRow, AttemptState } from "./rows.ts";

export type SqlRow = Record<string, SQLOutputValue>;

export interface Statements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
  readonly hold: StatementSync;
  readonly charge: StatementSync;
  readonly mark: StatementSync;
  readonly correction: StatementSync;
  readonly rowsOfAttempt: StatementSync;
  readonly probe: StatementSync;
}

/** Rows of one attempt (?1) with its corrections: through `lookup`, and by scan of the few rows not yet in it. */
export const ROWS_OF_ATTEMPT = `
SELECT a.* FROM lookup l JOIN attempts a ON a.id = l.id WHERE l.key = ?1 AND a.attempt_id = ?1
UNION SELECT * FROM attempts WHERE id > (SELECT value FROM meta WHERE key = 'looked_up') AND attempt_id = ?1
UNION SELECT * FROM attempts WHERE adjusts = ?1
ORDER BY id`;

/** Prepares the writer's statements for the process that the row `owner` of `owners` stands for. */
export function prepareStatements(db: DatabaseSync, owner: number): Statements {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    hold: db.prepare(
      `INSERT INTO attempts (id, attempt_id, request_id, number, deployment, tenant, scopes, price_version, period,
        bound_nano_usd, input_estimate_tokens, input_estimate_nano_usd, output_price_pico_usd, bills_on_abort, at_ms, owner, state)
       VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,${owner},'held')`,
    ),
    // `state = 'held'` is what keeps a settled row from ever being written again.
    charge: db.prepare(
      `UPDATE attempts SET state = ?, outcome = ?, units = ?, raw_usage = ?, cost_nano_usd = ?, flags = ?, settled_ms = ?
       WHERE id = ? AND state = 'held'`,
    ),
    mark: db.prepare("UPDATE attempts SET progress_tokens = ? WHERE id = ? AND state = 'held'"),
    correction: db.prepare(
      `INSERT INTO attempts (id, attempt_id, request_id, number, deployment, tenant, scopes, price_version, period,
        bound_nano_usd, input_estimate_tokens, input_estimate_nano_usd, output_price_pico_usd, bills_on_abort, at_ms, owner, state,
        outcome, units, raw_usage, cost_nano_usd, flags, adjusts, settled_ms)
       VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,${owner},?,?,?,?,?,?,?,?)`,
    ),
    rowsOfAttempt: db.prepare(ROWS_OF_ATTEMPT),
    probe: db.prepare("UPDATE meta SET value = ? WHERE key = 'probe'"),
  };
}

/** Columns of a hold, in the order of the statements `hold` and `correction`. */
export function holdColumns(hold: Hold, id: number): SQLInputValue[] {
  return [
    id, hold.attemptId, hold.requestId, hold.number, hold.deployment, hold.tenant, JSON.stringify(hold.scopes),
    hold.priceVersion, hold.period, hold.boundNanoUsd, hold.inputEstimateTokens, hold.inputEstimateNanoUsd,
    hold.outputPricePicoUsd, hold.billsOnAbort, hold.atMs,
  ];
}

/** Columns of a charge without the row's id, in the order of the statement `charge`. */
export function chargeColumns(charge: Charge): SQLInputValue[] {
  return [
    charge.state, charge.outcome, JSON.stringify(charge.units), charge.rawUsage === null ? null : JSON.stringify(charge.rawUsage),
    charge.costNanoUsd, charge.flags.length === 0 ? null : JSON.stringify(charge.flags), charge.atMs,
  ];
}

/** Columns of a correction row, in the order of the statement `correction`. */
export function correctionColumns(row: AttemptRow): SQLInputValue[] {
  return [
    ...holdColumns(row, row.id), row.state, row.outcome, JSON.stringify(row.units),
    row.rawUsage === null ? null : JSON.stringify(row.rawUsage), row.costNanoUsd, JSON.stringify(row.flags), row.adjusts, row.settledMs,
  ];
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

function intOrNull(value: SQLOutputValue | undefined): number | null {
  return value === null ? null : int(value);
}

function jsonOr(value: SQLOutputValue | undefined, absent: Json): Json {
  return typeof value === "string" ? (JSON.parse(value) as Json) : absent;
}
