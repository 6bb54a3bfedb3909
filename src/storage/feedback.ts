/**
 * What callers thought of their answers, in a file of its own beside the ledger: once for each request. Written at once, since it is
 * rare; the oldest go when there are too many.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Feedback, FeedbackGiven } from "../ports.ts";
import { StorageError } from "./errors.ts";
import { messageOf, openForWriting } from "./schema.ts";
import { int, text, type SqlRow } from "./statements.ts";

export const FEEDBACK_FILE = "feedback.db";

const VERSION_1 = `
CREATE TABLE feedback (
  id INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  key TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  score REAL NOT NULL,
  comment TEXT,
  route TEXT,
  deployment TEXT
) STRICT;
`;
const ROWS_MAX = 500_000;
/** How many are looked at less often: one in so many. */
const PRUNE_EVERY = 1_000;

/** A row, with its place in the listing. */
export interface FeedbackRow extends FeedbackGiven {
  readonly position: number;
}
export interface FeedbackQuery {
  readonly tenant?: string | undefined;
  readonly key?: string | undefined;
  readonly requestId?: string | undefined;
  /** Older than this place; absent: the newest. */
  readonly before?: number | undefined;
  readonly limit: number;
}

export class SqliteFeedback implements Feedback {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #rowsMax: number;
  #sincePruned = 0;

  /** Opens or makes the file in a folder that this process owns. Throws StorageError. */
  constructor(folder: string, sync: "process" | "full", rowsMax = ROWS_MAX) {
    this.#db = openForWriting(feedbackPathOf(folder), { sync, migrations: [VERSION_1] });
    this.#rowsMax = rowsMax;
    this.#insert = this.#db.prepare("INSERT OR IGNORE INTO feedback (request_id, tenant, key, at_ms, score, comment, route, deployment) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  }

  add({ requestId, tenant, key, atMs, score, comment, route, deployment }: FeedbackGiven): boolean {
    const { changes } = this.#insert.run(requestId, tenant, key, Math.floor(atMs), score, comment, route, deployment);
    if (++this.#sincePruned >= Math.min(PRUNE_EVERY, this.#rowsMax)) {
      this.#sincePruned = 0;
      this.#db.prepare("DELETE FROM feedback WHERE id <= (SELECT max(id) FROM feedback) - ?").run(this.#rowsMax);
    }
    return Number(changes) === 1;
  }

  /** The newest first. */
  list(query: FeedbackQuery): readonly FeedbackRow[] {
    return listed(this.#db, query);
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

/** Where it stands in a data folder. */
export function feedbackPathOf(folder: string): string {
  return join(resolve(folder), FEEDBACK_FILE);
}

/** What a folder holds, the newest first; a gateway may run on it meanwhile. Throws StorageError. */
export function readFeedback(folder: string, query: FeedbackQuery): readonly FeedbackRow[] {
  const path = feedbackPathOf(folder);
  if (!existsSync(path)) throw new StorageError("not_found", `${resolve(folder)} holds no feedback. Name the gateway's folder with --data-dir.`);
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: 2_000 });
    return listed(db, query);
  } catch (error) {
    throw new StorageError("corrupt", `${path} cannot be read: ${messageOf(error)}`);
  } finally {
    db?.close();
  }
}

function listed(db: DatabaseSync, { tenant, key, requestId, before, limit }: FeedbackQuery): readonly FeedbackRow[] {
  const asked = db.prepare("SELECT * FROM feedback WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR key = ?2) AND (?3 IS NULL OR request_id = ?3) AND (?4 IS NULL OR id < ?4) ORDER BY id DESC LIMIT ?5");
  return asked.all(tenant ?? null, key ?? null, requestId ?? null, before ?? null, limit).map(rowOf);
}

function rowOf(row: SqlRow): FeedbackRow {
  const { score, comment, route, deployment } = row;
  return {
    position: int(row["id"]), requestId: text(row["request_id"]), tenant: text(row["tenant"]), key: text(row["key"]), atMs: int(row["at_ms"]), score: Number(score),
    comment: typeof comment === "string" ? comment : null, route: typeof route === "string" ? route : null, deployment: typeof deployment === "string" ? deployment : null,
  };
}
