/** The embedded store: one SQLite file with the ledger, its records and its readers, opened and closed as one. */
import { randomUUID } from "node:crypto";
import type { Budget } from "../decide/budget/types.ts";
import type { Log } from "../ports.ts";
import { LedgerBudgets } from "./budgets.ts";
import { Checkpoints } from "./checkpoint.ts";
import { StorageError } from "./errors.ts";
import { SqliteKeptCalls } from "./kept-calls.ts";
import { SqliteLedger } from "./ledger.ts";
import { OutcomeBook, outcomesPathOf } from "./outcomes.ts";
import { requestsMissed, type Endings } from "./outcomes-recovery.ts";
import { Lease, nextAttemptId, sweepOrphans, takeOwnership } from "./owner.ts";
import type { Owner } from "./owner.ts";
import { lastRecordPosition } from "./record-codec.ts";
import { SqliteReader } from "./reader.ts";
import { SqliteRecords } from "./records.ts";
import { messageOf, openForWriting } from "./schema.ts";
import { SlicedBudgets, type AuthorityLink } from "./sliced-budgets.ts";
import { SliceKeeper } from "./slices.ts";
import { prepareStatements } from "./statements.ts";

export interface StorageOptions {
  /** `process` (default): what is announced survives the death of the process; `full`: also the machine's. */
  readonly sync?: "process" | "full";
  /** How long the rows of a dead process wait for evidence. 10 min. */
  readonly leaseMs?: number;
  readonly renewEveryMs?: number;
  /** Wall clock, ms since 1970. */
  readonly wallMs?: () => number;
  readonly log?: Log;
  /** How long `settle` keeps trying before it rejects. 5 s. */
  readonly settleRetryMs?: number;
  /** Limits are another process's to keep: how to ask it. */
  readonly authority?: AuthorityLink;
  /** How long a hold waits for what others hold, where only that is in its way. 30 s. */
  readonly budgetWaitMs?: number;
  /** Charges kept in memory while the disk cannot take them. */
  readonly lateChargesMax?: number;
  readonly recordsKeepMax?: number;
  readonly recordsQueueMax?: number;
  /** How often the log is moved into the file; 0: by the writer itself, without a thread. */
  readonly checkpointEveryMs?: number;
  readonly walFramesMax?: number;
}

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

export class SqliteStorage {
  readonly ledger: SqliteLedger;
  readonly budgets: LedgerBudgets;
  /** What was granted to processes that joined this one. */
  readonly slices: SliceKeeper;
  readonly records: SqliteRecords;
  /** How requests ended, minute by minute, for reports. */
  readonly outcomes: OutcomeBook;
  /** For counts that are kept elsewhere. */
  readonly endings: Endings;
  readonly kept: SqliteKeptCalls;
  /** Open rows of dead processes found at this start. */
  readonly orphansFound: number;
  readonly #path: string;
  readonly #db;
  readonly #wallMs: () => number;
  readonly #log: Log;
  readonly #lease: Lease;
  readonly #renewal: NodeJS.Timeout;
  readonly #checkpoints: Checkpoints | null;
  #limited = false;
  #reader: SqliteReader | null = null;
  #closing: Promise<void> | null = null;

  /** Opens the file at `path`, whose folder's lock the caller holds (see `openDataDir`). Throws StorageError. */
  constructor(path: string, options: StorageOptions = {}) {
    this.#path = path;
    this.#wallMs = options.wallMs ?? Date.now;
    this.#log = options.log ?? SILENT;
    this.#db = openForWriting(path, { sync: options.sync ?? "process" });
    const leaseMs = options.leaseMs ?? 600_000;
    const owner = this.#takeOwnership(leaseMs);
    const nextId = nextAttemptId(this.#db);
    this.orphansFound = owner.orphans;
    const { authority, budgetWaitMs } = options;
    this.budgets = authority === undefined ? new LedgerBudgets(this.#db, this.#wallMs, budgetWaitMs) : new SlicedBudgets(this.#db, this.#wallMs, budgetWaitMs, authority, this.#log);
    this.ledger = new SqliteLedger(this.#db, prepareStatements(this.#db, owner.id), nextId, {
      wallMs: this.#wallMs,
      log: this.#log,
      settleRetryMs: options.settleRetryMs ?? 5_000,
      lateMax: options.lateChargesMax ?? 10_000,
      budgets: this.budgets,
    });
    this.slices = new SliceKeeper(this.#db, this.ledger, this.budgets);
    this.kept = new SqliteKeptCalls(this.#db, this.ledger, this.budgets, options.settleRetryMs ?? 5_000);
    this.outcomes = this.#openOutcomes();
    this.records = new SqliteRecords(this.#db, this.ledger, {
      outcomes: this.outcomes,
      log: this.#log,
      keepMax: options.recordsKeepMax ?? 1_000_000,
      queueMax: options.recordsQueueMax ?? 20_000,
    });
    const started = this.ledger.recordPosition;
    this.endings = {
      place: () => (this.records.flush() || this.records.waiting > 0 ? null : this.ledger.recordPosition),
      since: (place, most) => (place >= started || started - place > most ? [] : requestsMissed(this.reader, place, started - place)),
    };
    this.#lease = new Lease(this.#db, owner.id, leaseMs, this.ledger.floor());
    this.#renewal = setInterval(() => this.renewLease(), options.renewEveryMs ?? 60_000).unref();
    const everyMs = options.checkpointEveryMs ?? 1_000;
    const setup = { path, everyMs, restartAboveFrames: options.walFramesMax ?? 8_192, beside: outcomesPathOf(path) };
    this.#checkpoints = everyMs === 0 ? null : new Checkpoints(this.#db, this.ledger, this.#log, setup);
  }

  /** Queries beside the writer, on a connection of their own. */
  get reader(): SqliteReader {
    this.#reader ??= new SqliteReader(this.#path, () => true);
    return this.#reader;
  }

  /** From now on these budgets bind; what waits is written first, so that new ones start from all of it. */
  limit(budgets: readonly Budget[]): void {
    this.ledger.flush();
    this.budgets.configure(budgets);
    if (this.#limited) this.slices.reattach();
    else this.slices.restore();
    this.#limited = true;
  }

  /** Settles orphans whose lease has passed at `nowMs` (wall). Returns how many; call it on a timer. */
  settleOrphans(nowMs: number): number {
    try {
      const settled = sweepOrphans(this.#db, this.ledger, nowMs);
      if (settled > 0) this.#log.warn("ledger_orphans_settled", { attempts: settled });
      return settled;
    } catch (error) {
      this.#log.warn("ledger_orphans_not_settled", { message: messageOf(error) });
      return 0;
    }
  }

  /** Bounds the file's size in pages of 4 KiB; what does not fit fails as on a full disk. */
  limitPages(pages: number): void {
    this.#db.exec(`PRAGMA max_page_count = ${Math.trunc(pages)}`);
  }

  /** Says that this process lives; the storage does so itself each minute. */
  renewLease(): void {
    try {
      this.#lease.renew(this.#wallMs(), this.ledger.floor());
    } catch (error) {
      this.#log.warn("ledger_lease_not_renewed", { message: messageOf(error) });
    }
  }

  /** Writes what waits, stops the thread, closes the file. Holds that are still open settle as orphans later. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#renewal);
    this.ledger.close();
    this.records.close();
    this.outcomes.close();
    await this.#checkpoints?.close();
    const stats = this.ledger.stats();
    try {
      if (stats.openHolds === 0 && stats.lateCharges === 0) this.#lease.end(this.#wallMs());
      else this.renewLease();
    } catch (error) {
      this.#log.warn("ledger_not_ended", { message: messageOf(error) });
    }
    this.#reader?.close();
    this.#db.close();
  }

  #openOutcomes(): OutcomeBook {
    try {
      return new OutcomeBook(outcomesPathOf(this.#path), {
        log: this.#log, wallMs: this.#wallMs, lastPosition: lastRecordPosition(this.#db), missed: (after, count) => requestsMissed(this.reader, after, count),
      });
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  #takeOwnership(leaseMs: number): Owner {
    try {
      return takeOwnership(this.#db, randomUUID(), this.#wallMs(), leaseMs);
    } catch (error) {
      this.#db.close();
      throw new StorageError("unwritable", `${this.#path} cannot be written: ${messageOf(error)}`);
    }
  }
}
