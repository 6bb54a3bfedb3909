/**
 * Records of finished requests in SQLite. They are derived: a full queue drops its oldest and counts it, a batch goes
 * out about every 100 ms, and the number kept is bounded. The same timer fills `lookup`, the ledger's index by text.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Log, RequestRecord, Records } from "../ports.ts";
import type { SqliteLedger } from "./ledger.ts";
import { messageOf } from "./schema.ts";
import { int } from "./statements.ts";

export interface RecordsOptions {
  readonly log: Log;
  /** Records kept on disk. */
  readonly keepMax: number;
  /** Records waiting in memory. */
  readonly queueMax: number;
}

const BATCH_EVERY_MS = 100;
/** While more waits than a batch takes: small batches close together, so that none holds the event loop for long. */
const BACKLOG_EVERY_MS = 5;
const BATCH_ROWS = 256;
/** Rows of the ledger whose look-up entries are written per batch. */
const LOOKUP_ROWS = 512;

export class SqliteRecords implements Records {
  readonly #ledger: SqliteLedger;
  readonly #options: RecordsOptions;
  readonly #insert: StatementSync;
  readonly #trim: StatementSync;
  readonly #ends: StatementSync;
  readonly #lookup: readonly StatementSync[];
  readonly #lookedUp: StatementSync;
  readonly #bounds: StatementSync;
  /** Waiting records are those from `#head` on; what lies before it was dropped. */
  #queue: RequestRecord[] = [];
  #head = 0;
  #timer: NodeJS.Timeout | null = null;
  #dropped = 0;
  #closed = false;

  constructor(db: DatabaseSync, ledger: SqliteLedger, options: RecordsOptions) {
    this.#ledger = ledger;
    this.#options = options;
    this.#insert = db.prepare("INSERT INTO records (request_id, at_ms, body) VALUES (?, ?, ?)");
    this.#trim = db.prepare("DELETE FROM records WHERE id < ?");
    this.#ends = db.prepare("SELECT coalesce(min(id), 0) AS lowest, (SELECT coalesce(max(id), 0) FROM records) AS highest FROM records");
    this.#lookup = ["attempt_id", "request_id"].map((column) =>
      db.prepare(`INSERT OR IGNORE INTO lookup (key, id) SELECT ${column}, id FROM attempts WHERE id > ? AND id <= ?`),
    );
    this.#lookedUp = db.prepare("UPDATE meta SET value = ? WHERE key = 'looked_up'");
    this.#bounds = db.prepare("SELECT value AS done, (SELECT coalesce(max(id), 0) FROM attempts) AS highest FROM meta WHERE key = 'looked_up'");
  }

  append(record: RequestRecord): void {
    if (this.#closed) return;
    this.#queue.push(record);
    if (this.#queue.length - this.#head > this.#options.queueMax) this.#dropOldest();
    this.wake();
  }

  /** Records that memory could not keep. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Lets the next batch come even if no record does: rows may want their look-up entries. */
  wake(afterMs = BATCH_EVERY_MS): void {
    if (!this.#closed) this.#timer ??= setTimeout(() => this.#onTimer(), afterMs).unref();
  }

  /** Writes one batch now. Returns whether more waits. Never throws: what cannot be written stays queued. */
  flush(): boolean {
    const batch = this.#queue.slice(this.#head, this.#head + BATCH_ROWS);
    let behind = false;
    try {
      this.#ledger.transaction(() => {
        for (const record of batch) this.#insert.run(record.requestId, record.atMs, JSON.stringify(record));
        if (batch.length > 0) this.#trimSome(batch.length);
        behind = this.#lookUpSome();
      });
    } catch (error) {
      this.#options.log.warn("records_not_written", { message: messageOf(error), waiting: this.#queue.length - this.#head });
      return false;
    }
    this.#queue.splice(0, this.#head + batch.length);
    this.#head = 0;
    return behind || this.#queue.length > 0;
  }

  /** Writes what waits (as far as the disk lets it) and stops. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while (this.flush());
    this.#closed = true;
  }

  #onTimer(): void {
    this.#timer = null;
    const more = this.flush();
    if (more) this.wake(BACKLOG_EVERY_MS);
    else if (this.#queue.length > 0) this.wake();
  }

  #dropOldest(): void {
    this.#head++;
    this.#dropped++;
    if (this.#head < this.#options.queueMax) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }

  /** Deletes at most a little more than was added, so that no batch is long. */
  #trimSome(added: number): void {
    const ends = this.#ends.get();
    const lowest = int(ends?.["lowest"]);
    const excess = int(ends?.["highest"]) - lowest + 1 - this.#options.keepMax;
    if (excess > 0) this.#trim.run(lowest + Math.min(excess, added + BATCH_ROWS));
  }

  #lookUpSome(): boolean {
    const bounds = this.#bounds.get();
    const done = int(bounds?.["done"]);
    const highest = int(bounds?.["highest"]);
    if (done >= highest) return false;
    const until = Math.min(highest, done + LOOKUP_ROWS, this.#ledger.uncommittedFloorId() - 1);
    if (until <= done) return false;
    for (const statement of this.#lookup) statement.run(done, until);
    this.#lookedUp.run(until);
    return until < highest;
  }
}
