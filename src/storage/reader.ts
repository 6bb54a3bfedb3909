/** Queries on a ledger file. Read-only, each in a transaction of its own, so that a reader never keeps the log from shrinking. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { RequestRecord } from "../ports.ts";
import type { Unit } from "../wire/usage.ts";
import { UNRECORDED } from "./owner.ts";
import { foldAttempts } from "./rows.ts";
import type { AttemptView, DeploymentTotals, LedgerReader, RequestView } from "./rows.ts";
import { openForReading } from "./schema.ts";
import { attemptRow, int, ROWS_OF_ATTEMPT, text } from "./statements.ts";
import type { SqlRow } from "./statements.ts";

const ROWS_OF_REQUEST = `
SELECT a.* FROM lookup l JOIN attempts a ON a.id = l.id WHERE l.key = ?1 AND a.request_id = ?1
UNION SELECT * FROM attempts WHERE id > (SELECT value FROM meta WHERE key = 'looked_up') AND request_id = ?1
ORDER BY id`;

/** Requests read from the file at a time. */
const PAGE = 500;

export class SqliteReader implements LedgerReader {
  readonly #db: DatabaseSync;
  readonly #gatewayRuns: () => boolean;
  readonly #page: StatementSync;
  readonly #newest: StatementSync;
  readonly #ofRequest: StatementSync;
  readonly #ofAttempt: StatementSync;

  /** `gatewayRuns` tells whether a process owns the folder; while one does, open rows are simply in flight. */
  constructor(path: string, gatewayRuns: () => boolean) {
    this.#db = openForReading(path);
    this.#gatewayRuns = gatewayRuns;
    this.#page = this.#db.prepare("SELECT * FROM records WHERE id > ? ORDER BY id LIMIT ?");
    this.#newest = this.#db.prepare("SELECT coalesce(min(id), 1) - 1 AS after FROM (SELECT id FROM records ORDER BY id DESC LIMIT ?)");
    this.#ofRequest = this.#db.prepare(ROWS_OF_REQUEST);
    this.#ofAttempt = this.#db.prepare(ROWS_OF_ATTEMPT);
  }

  *requests(query: { readonly limit?: number; readonly after?: number }): Generator<RequestView> {
    let left = query.limit ?? Number.MAX_SAFE_INTEGER;
    let after = query.after ?? (query.limit === undefined ? 0 : int(this.#newest.get(query.limit)?.["after"]));
    while (left > 0) {
      const rows = this.#page.all(after, Math.min(PAGE, left));
      for (const row of rows) yield this.#request(row);
      left -= rows.length;
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      after = int(last["id"]);
    }
  }

  unrecorded(): readonly RequestView[] {
    const owners = this.#gatewayRuns() ? [] : this.#db.prepare("SELECT id, floor_id FROM owners WHERE ended_ms IS NULL").all();
    const views: RequestView[] = [];
    for (const owner of owners) {
      for (const row of this.#db.prepare(`${UNRECORDED} ORDER BY first_id`).all(int(owner["floor_id"]), int(owner["id"]))) {
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

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #request(row: SqlRow): RequestView {
    const requestId = text(row["request_id"]);
    const body = row["body"];
    return {
      position: int(row["id"]),
      requestId,
      atMs: int(row["at_ms"]),
      record: typeof body === "string" ? (JSON.parse(body) as RequestRecord) : null,
      attempts: this.attemptsOf(requestId),
    };
  }
}
