/** Queries on a ledger file. Read-only, each in a transaction of its own, so that a reader never keeps the log from shrinking. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Unit, UnitCounts } from "../wire/usage.ts";
import { UNRECORDED } from "./owner.ts";
import { lastRecordPosition, recordOf } from "./record-codec.ts";
import type { Entry } from "./record-codec.ts";
import { foldAttempts } from "./rows.ts";
import type { AttemptView, DeploymentTotals, LedgerReader, RequestView } from "./rows.ts";
import { openForReading } from "./schema.ts";
import { attemptRow, int, ROWS_OF_ATTEMPT, ROWS_OF_REQUEST, text, type SqlRow } from "./statements.ts";

/** A settled row as contracts see it. */
export interface SettledRow {
  readonly deployment: string;
  readonly atMs: number;
  readonly units: UnitCounts;
  readonly costNanoUsd: number | null;
  readonly flags: readonly string[];
  /** Holds differences to an earlier row. */
  readonly isCorrection: boolean;
}

const PIECE_ROWS = 2_000;

export class SqliteReader implements LedgerReader {
  readonly #db: DatabaseSync;
  readonly #gatewayRuns: () => boolean;
  readonly #batch: StatementSync;
  readonly #row: StatementSync;
  readonly #corrections: StatementSync;
  readonly #ofRequest: StatementSync;
  readonly #ofAttempt: StatementSync;

  /** `gatewayRuns` tells whether a process owns the folder; while one does, open rows are simply in flight. */
  constructor(path: string, gatewayRuns: () => boolean) {
    this.#db = openForReading(path);
    this.#gatewayRuns = gatewayRuns;
    this.#batch = this.#db.prepare("SELECT last_id, count, body FROM record_batches WHERE last_id > ? ORDER BY last_id LIMIT 1");
    this.#row = this.#db.prepare("SELECT * FROM calls WHERE id = ?");
    this.#corrections = this.#db.prepare("SELECT * FROM adjustments WHERE request_id = ? ORDER BY id");
    this.#ofRequest = this.#db.prepare(ROWS_OF_REQUEST);
    this.#ofAttempt = this.#db.prepare(ROWS_OF_ATTEMPT);
  }

  *requests(query: { readonly limit?: number; readonly after?: number }): Generator<RequestView> {
    let left = query.limit ?? Number.MAX_SAFE_INTEGER;
    let after = query.after ?? (query.limit === undefined ? 0 : Math.max(0, lastRecordPosition(this.#db) - query.limit));
    while (left > 0) {
      const batch = this.#batch.get(after);
      if (batch === undefined) return;
      const lastId = int(batch["last_id"]);
      let position = lastId - int(batch["count"]);
      for (const entry of JSON.parse(text(batch["body"])) as Entry[]) {
        if (++position <= after) continue;
        yield this.view(position, entry);
        if (--left === 0) return;
      }
      after = lastId;
    }
  }

  unrecorded(): readonly RequestView[] {
    const owners = this.#gatewayRuns() ? [] : this.#db.prepare("SELECT id, floor_id, floor_record FROM owners WHERE ended_ms IS NULL").all();
    const views: RequestView[] = [];
    for (const owner of owners) {
      for (const row of this.#db.prepare(UNRECORDED).all(int(owner["floor_id"]), int(owner["id"]), int(owner["floor_record"]))) {
        const requestId = text(row["request_id"]);
        views.push({ position: null, requestId, atMs: int(row["at_ms"]), record: null, attempts: this.attemptsOf(requestId) });
      }
    }
    return views;
  }

  attemptsOf(requestId: string): readonly AttemptView[] {
    return foldAttempts(this.#ofRequest.all(requestId).map(attemptRow));
  }

  attemptsByIds(attemptIds: readonly string[]): readonly AttemptView[] {
    return attemptIds.flatMap((attemptId) => foldAttempts(this.#ofAttempt.all(attemptId).map(attemptRow)));
  }

  totals(): readonly DeploymentTotals[] {
    const units = new Map<string, { [U in Unit]?: number }>();
    const counted = this.#db.prepare(
      "SELECT deployment, j.key AS unit, sum(j.value) AS count FROM attempts, json_each(attempts.units) j WHERE units IS NOT NULL GROUP BY 1, 2",
    );
    for (const row of counted.all()) {
      const deployment = text(row["deployment"]);
      units.set(deployment, { ...units.get(deployment), [text(row["unit"])]: int(row["count"]) });
    }
    const sums = this.#db.prepare(`
      SELECT deployment, sum(adjusts IS NULL) AS attempts, sum(state = 'held') AS held, coalesce(sum(cost_nano_usd), 0) AS cost,
        sum(adjusts IS NULL AND state <> 'held' AND cost_nano_usd IS NULL) AS unpriced
      FROM attempts GROUP BY deployment ORDER BY deployment`);
    sums.setReadBigInts(true);
    return sums.all().map((row) => ({
      deployment: text(row["deployment"]),
      attempts: Number(row["attempts"]),
      held: Number(row["held"]),
      costNanoUsd: BigInt(row["cost"] as bigint),
      unpriced: Number(row["unpriced"]),
      units: units.get(text(row["deployment"])) ?? {},
    }));
  }

  /**
   * What was settled at an account's deployments from an instant on, corrections as rows of their own; without what a team's
   * own credential paid.
   */
  *settledOf(account: string, fromMs: number): Generator<SettledRow> {
    const columns = "id, deployment, at_ms, units, cost_nano_usd, flags";
    const where = "at_ms >= ?2 AND deployment >= ?3 AND deployment < ?4 AND state <> 'held' AND scopes NOT LIKE '%\"paid_by/team\"%'";
    // The character behind a slash: all that begins with `account/`, and nothing else.
    const bounds = [fromMs, `${account}/`, `${account}0`];
    for (const table of ["calls", "adjustments"]) {
      // In pieces, each a transaction of its own.
      const piece = this.#db.prepare(`SELECT ${columns} FROM ${table} WHERE id > ?1 AND ${where} ORDER BY id LIMIT ${PIECE_ROWS}`);
      let after = 0;
      for (let rows = piece.all(after, ...bounds); rows.length > 0; rows = piece.all(after, ...bounds)) {
        for (const row of rows) yield settledRow(row, table === "adjustments");
        after = int(rows.at(-1)?.["id"]);
      }
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  /** The request of an entry, with the ledger's rows as they are now. */
  view(position: number, entry: Entry): RequestView {
    const [requestId, atMs, rowIds] = entry;
    return { position, requestId, atMs, record: recordOf(entry), attempts: rowIds === null ? this.attemptsOf(requestId) : this.#attemptsAt(rowIds, requestId) };
  }

  #attemptsAt(rowIds: readonly number[], requestId: string): readonly AttemptView[] {
    const rows = rowIds.flatMap((id) => this.#row.all(id));
    return foldAttempts([...rows, ...this.#corrections.all(requestId)].map(attemptRow));
  }
}

function settledRow(row: SqlRow, isCorrection: boolean): SettledRow {
  const { units, cost_nano_usd: cost, flags } = row;
  return {
    deployment: text(row["deployment"]),
    atMs: int(row["at_ms"]),
    units: typeof units === "string" ? (JSON.parse(units) as UnitCounts) : {},
    costNanoUsd: cost === null || cost === undefined ? null : Number(cost),
    flags: typeof flags === "string" ? (JSON.parse(flags) as readonly string[]) : [],
    isCorrection,
  };
}
