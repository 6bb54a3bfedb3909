/**
 * Requests that carried a key of their caller's, in a file of their own: names and digests, never what was asked or
 * answered. All that is written in one turn of the event loop is one transaction, and is read back before it is durable.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { BegunRequest, KeyedRequest, KeyedRequests, Log } from "../ports.ts";
import type { JsonObject } from "../wire/json.ts";
import { StorageError } from "./errors.ts";
import { messageOf, openForWriting } from "./schema.ts";
import { int, text } from "./statements.ts";

/** `expires_ms` is null while the request runs; `record` is null where nothing is known of how it ended. */
const VERSION_1 = `
CREATE TABLE requests (
  name TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  request_id TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  expires_ms INTEGER,
  record TEXT
) STRICT;
CREATE INDEX requests_expires ON requests (expires_ms);
`;

export interface KeyedRequestsOptions {
  /** As the ledger is written. */
  readonly sync: "process" | "full";
  readonly log: Log;
  /** How long what a process left unfinished is remembered, from the next start on. */
  readonly ttlMs: number;
  readonly wallMs?: () => number;
  /** Requests that are remembered at once; more are refused, since to forget one is to let it be called twice. */
  readonly rowsMax?: number;
}

const ROWS_MAX = 500_000;
const SWEEP_ROWS = 5_000;
const SWEEP_MS = 10_000;
/** An error of the disk may end a transaction, with all that was in it. */
const FAILED = "the disk failed while this was written";

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class SqliteKeyedRequests implements KeyedRequests {
  readonly #db: DatabaseSync;
  readonly #run: Statements;
  readonly #log: Log;
  readonly #wallMs: () => number;
  readonly #rowsMax: number;
  readonly #sweeping: NodeJS.Timeout;
  #rows = 0;
  /** Who waits for the open transaction; null: there is none. */
  #waiting: Waiting[] | null = null;

  /** Opens or makes the file at `path`, in a folder that this process owns. Throws StorageError. */
  constructor(path: string, options: KeyedRequestsOptions) {
    this.#log = options.log;
    this.#wallMs = options.wallMs ?? Date.now;
    this.#rowsMax = options.rowsMax ?? ROWS_MAX;
    this.#db = open(path, options.sync);
    try {
      // Whoever began these is gone: this process owns the folder.
      this.#db.prepare("UPDATE requests SET expires_ms = ? WHERE expires_ms IS NULL").run(this.#wallMs() + options.ttlMs);
      this.#run = prepare(this.#db);
      this.#count();
    } catch (error) {
      this.#db.close();
      throw new StorageError("unwritable", `${path} cannot be written: ${messageOf(error)}`);
    }
    this.#sweeping = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  /** How many are remembered, expired ones among them until the next sweep. */
  get size(): number {
    return this.#rows;
  }

  find(name: string, nowMs: number): KeyedRequest | undefined {
    const row = this.#run.find.get(name, nowMs);
    if (row === undefined) return undefined;
    const { record } = row;
    return { digest: text(row["digest"]), requestId: text(row["request_id"]), atMs: int(row["at_ms"]), record: typeof record === "string" ? (JSON.parse(record) as JsonObject) : null };
  }

  begin({ name, digest, requestId, atMs }: BegunRequest): Promise<void> {
    if (this.#rows >= this.#rowsMax) this.sweep();
    return this.#write(() => {
      this.#rows -= Number(this.#run.remove.run(name).changes);
      if (this.#rows >= this.#rowsMax) throw new Error(`${this.#rowsMax} requests with an Idempotency-Key are remembered, and none has expired`);
      this.#run.insert.run(name, digest, requestId, atMs);
      this.#rows++;
    });
  }

  end(name: string, record: JsonObject | null, expiresMs: number): Promise<void> {
    return this.#write(() => void this.#run.end.run(expiresMs, record === null ? null : JSON.stringify(record), name));
  }

  release(name: string): Promise<void> {
    return this.#write(() => void (this.#rows -= Number(this.#run.remove.run(name).changes)));
  }

  /** Forgets what has expired; the store does so itself every ten seconds. */
  sweep(): void {
    const nowMs = this.#wallMs();
    this.#write(() => void (this.#rows -= Number(this.#run.expired.run(nowMs, SWEEP_ROWS).changes))).catch((error: unknown) => this.#log.warn("keyed_requests_not_swept", { message: messageOf(error) }));
  }

  /** Writes what waits, now. */
  flush(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    try {
      if (!this.#db.isTransaction) throw new Error(FAILED);
      this.#db.exec("COMMIT");
    } catch (error) {
      this.#undo();
      for (const { reject } of waiting) reject(asError(error));
      return;
    }
    for (const { resolve } of waiting) resolve();
  }

  /** Bounds the file's size in pages of 4 KiB; what does not fit fails as on a full disk. */
  limitPages(pages: number): void {
    this.#db.exec(`PRAGMA max_page_count = ${Math.trunc(pages)}`);
  }

  close(): void {
    clearInterval(this.#sweeping);
    this.flush();
    this.#db.close();
  }

  #write(run: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      try {
        if (this.#waiting === null) {
          this.#db.exec("BEGIN IMMEDIATE");
          this.#waiting = [];
          setImmediate(() => this.flush());
        }
        if (!this.#db.isTransaction) throw new Error(FAILED);
        run();
        this.#waiting.push({ resolve, reject });
      } catch (error) {
        reject(asError(error));
      }
    });
  }

  #undo(): void {
    try {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      this.#count();
    } catch (error) {
      this.#log.error("keyed_requests_not_undone", { message: messageOf(error) });
    }
  }

  #count(): void {
    this.#rows = int(this.#db.prepare("SELECT count(*) AS rows FROM requests").get()?.["rows"]);
  }
}

interface Statements {
  readonly find: StatementSync;
  readonly insert: StatementSync;
  readonly end: StatementSync;
  readonly remove: StatementSync;
  readonly expired: StatementSync;
}

function prepare(db: DatabaseSync): Statements {
  return {
    find: db.prepare("SELECT digest, request_id, at_ms, record FROM requests WHERE name = ? AND (expires_ms IS NULL OR expires_ms > ?)"),
    insert: db.prepare("INSERT INTO requests (name, digest, request_id, at_ms) VALUES (?, ?, ?, ?)"),
    end: db.prepare("UPDATE requests SET expires_ms = ?, record = ? WHERE name = ?"),
    remove: db.prepare("DELETE FROM requests WHERE name = ?"),
    expired: db.prepare("DELETE FROM requests WHERE name IN (SELECT name FROM requests WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)"),
  };
}

function open(path: string, sync: KeyedRequestsOptions["sync"]): DatabaseSync {
  try {
    return openForWriting(path, { sync, migrations: [VERSION_1] });
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "corrupt") throw error;
    throw new StorageError("corrupt", `${path} is damaged. It holds which requests with an Idempotency-Key were made in the last day: remove it and start again, and repeats of those are new requests.`);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
