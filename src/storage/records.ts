/**
 * Records of finished requests in SQLite. They are derived: a full queue drops its oldest and counts it, a batch goes
 * out about every 100 ms as one row, and the number kept is bounded.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Log, RequestRecord, Records } from "../ports.ts";
import type { SqliteLedger } from "./ledger.ts";
import type { CountedRequest, OutcomeBook } from "./outcomes.ts";
import { BATCH_ROWS, entryOf, lastRecordPosition } from "./record-codec.ts";
import { messageOf } from "./schema.ts";

export interface RecordsOptions {
  readonly log: Log;
  /** Records kept on disk. */
  readonly keepMax: number;
  /** Records waiting in memory. */
  readonly queueMax: number;
  /** Counts them besides; absent: nobody does. */
  readonly outcomes?: OutcomeBook;
}

const BATCH_EVERY_MS = 100;
/** While more waits than one flush takes: small ones close together, so that none holds the event loop for long. */
const BACKLOG_EVERY_MS = 5;
const REFUSALS_EVERY_MS = 2_000;
const FLUSH_ROWS = 4 * BATCH_ROWS;

export class SqliteRecords implements Records {
  readonly #ledger: SqliteLedger;
  readonly #options: RecordsOptions;
  readonly #insert: StatementSync;
  readonly #trim: StatementSync;
  /** Waiting entries, as text: objects that wait would be copied by the collector. They are those from `#head` on; what lies before was dropped. */
  #queue: string[] = [];
  #head = 0;
  #timer: NodeJS.Timeout | null = null;
  /** Counts of refusals wait for it, where no record comes to write them with. */
  #refusals: NodeJS.Timeout | null = null;
  #dropped = 0;
  #closed = false;

  constructor(db: DatabaseSync, ledger: SqliteLedger, options: RecordsOptions) {
    this.#ledger = ledger;
    this.#options = options;
    this.#insert = db.prepare("INSERT INTO record_batches (last_id, count, body) VALUES (?, ?, '[' || ? || ']')");
    this.#trim = db.prepare("DELETE FROM record_batches WHERE last_id <= ?");
    ledger.recordPosition = lastRecordPosition(db);
  }

  append(record: RequestRecord): void {
    if (this.#closed) return;
    this.#options.outcomes?.add(record);
    this.#queue.push(JSON.stringify(entryOf(record, this.#rowIdsOf(record))));
    if (this.#queue.length - this.#head > this.#options.queueMax) this.#dropOldest();
    this.#wake();
  }

  /** A request that was refused before anything was called: it has no record, and is only counted. */
  refused(request: CountedRequest): void {
    if (this.#closed) return;
    this.#options.outcomes?.addRefused(request);
    this.#refusals ??= setTimeout(() => {
      this.#refusals = null;
      // While records wait, what is counted goes out with them.
      if (this.#queue.length === this.#head) this.#options.outcomes?.flush(this.#ledger.recordPosition, true);
    }, REFUSALS_EVERY_MS).unref();
  }

  /** Records that memory could not keep. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Records that are not written yet. */
  get waiting(): number {
    return this.#queue.length - this.#head;
  }

  /** Writes some batches now. Returns whether more waits. Never throws: what cannot be written stays queued. */
  flush(): boolean {
    const end = Math.min(this.#queue.length, this.#head + FLUSH_ROWS);
    if (end === this.#head) return false;
    let position = this.#ledger.recordPosition;
    try {
      this.#ledger.transaction(() => {
        for (let from = this.#head; from < end; from += BATCH_ROWS) {
          const batch = this.#queue.slice(from, Math.min(end, from + BATCH_ROWS));
          position += batch.length;
          this.#insert.run(position, batch.length, batch.join(","));
        }
        if (position > this.#options.keepMax) this.#trim.run(position - this.#options.keepMax);
      });
    } catch (error) {
      this.#options.log.warn("records_not_written", { message: messageOf(error), waiting: this.#queue.length - this.#head });
      return false;
    }
    this.#ledger.recordPosition = position;
    this.#queue.splice(0, end);
    this.#head = 0;
    if (this.#queue.length > 0) return true;
    // All that was counted stands in a record now.
    this.#options.outcomes?.flush(position);
    return false;
  }

  /** Writes what waits (as far as the disk lets it) and stops. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#refusals !== null) clearTimeout(this.#refusals);
    while (this.flush());
    this.#closed = true;
    this.#options.outcomes?.flush(this.#ledger.recordPosition, true);
  }

  #onTimer(): void {
    this.#timer = null;
    const more = this.flush();
    if (more) this.#wake(BACKLOG_EVERY_MS);
    else if (this.#queue.length > 0) this.#wake();
  }

  #dropOldest(): void {
    this.#head++;
    this.#dropped++;
    if (this.#head < this.#options.queueMax) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }

  /** The ledger's rows of a request, so that a listing need not search for them; null if one is not at hand. */
  #rowIdsOf({ attempts }: RequestRecord): readonly number[] | null {
    const ids: number[] = [];
    for (const attempt of attempts) {
      const id = this.#ledger.rowIdOf(attempt.attemptId);
      if (id === null) return null;
      ids.push(id);
    }
    return ids;
  }

  #wake(afterMs = BATCH_EVERY_MS): void {
    if (!this.#closed) this.#timer ??= setTimeout(() => this.#onTimer(), afterMs).unref();
  }
}
