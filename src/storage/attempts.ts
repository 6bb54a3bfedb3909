/** Upstream calls of a time as they stand now, corrections folded in. Read in pieces, each a transaction of its own. */
import { existsSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ledgerPathOf } from "./data-dir.ts";
import { StorageError } from "./errors.ts";
import { foldAttempts, type AttemptRow, type AttemptView } from "./rows.ts";
import { openForReading } from "./schema.ts";
import { attemptRow, text } from "./statements.ts";

export interface AttemptsQuery {
  /** When they were made: from the one up to, not including, the other. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Of this account; absent: of all. */
  readonly account?: string;
}

const PIECE_ROWS = 2_000;

export class AttemptReader {
  readonly #db: DatabaseSync;
  readonly #piece: StatementSync;
  readonly #corrections: StatementSync;
  readonly #corrected: StatementSync;

  /** `folder`: a data folder; a gateway may run on it. Throws StorageError. */
  constructor(folder: string) {
    const path = ledgerPathOf(folder);
    if (!existsSync(path)) throw new StorageError("not_found", `${folder} holds no ledger. Start the gateway there first, or name its folder with --data-dir.`);
    this.#db = openForReading(path);
    this.#piece = this.#db.prepare(`
      SELECT * FROM calls WHERE id > ?1 AND at_ms >= ?2 AND at_ms < ?3 AND (?4 = '' OR (deployment >= ?4 || '/' AND deployment < ?4 || '0'))
      ORDER BY id LIMIT ${PIECE_ROWS}`);
    this.#corrections = this.#db.prepare("SELECT * FROM adjustments WHERE adjusts IN (SELECT value FROM json_each(?))");
    this.#corrected = this.#db.prepare("SELECT DISTINCT adjusts FROM corrections");
  }

  /** In the order of their holds. */
  *between({ fromMs, toMs, account = "" }: AttemptsQuery): Generator<AttemptView> {
    const corrected = new Set(this.#corrected.all().map((row) => text(row["adjusts"])));
    for (let after = 0; ; ) {
      const rows = this.#piece.all(after, fromMs, toMs, account).map(attemptRow);
      const last = rows.at(-1);
      if (last === undefined) return;
      yield* foldAttempts([...rows, ...this.#correctionsOf(rows.filter(({ attemptId }) => corrected.has(attemptId)))]);
      after = last.id;
    }
  }

  close(): void {
    this.#db.close();
  }

  #correctionsOf(rows: readonly AttemptRow[]): readonly AttemptRow[] {
    return rows.length === 0 ? [] : this.#corrections.all(JSON.stringify(rows.map(({ attemptId }) => attemptId))).map(attemptRow);
  }
}
