/** State that survives the process, in an SQLite file of its own. Everything in it is sealed (see `state-cipher.ts`). */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Log, StateScope, StateStore } from "../ports.ts";
import type { Json } from "../wire/json.ts";
import { StorageError } from "./errors.ts";
import { messageOf, openForWriting } from "./schema.ts";
import { STATE_BOUNDS, type StateBounds } from "./state-bounds.ts";
import { StateCipher } from "./state-cipher.ts";

/** `kept` grows with each entry kept or renewed: the smallest one makes room first. */
const VERSION_1 = `
CREATE TABLE entries (
  name BLOB PRIMARY KEY,
  kept INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  sealed BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_kept ON entries (kept);
CREATE INDEX entries_expires ON entries (expires_ms);
CREATE TABLE secret (id INTEGER PRIMARY KEY CHECK (id = 1), check_value BLOB NOT NULL) STRICT;
`;

export interface EncryptedStateOptions {
  /** 32 bytes. */
  readonly secret: Buffer;
  readonly log: Log;
  readonly bounds?: Partial<StateBounds>;
  readonly wallMs?: () => number;
}

interface Statements {
  readonly find: StatementSync;
  readonly insert: StatementSync;
  readonly remove: StatementSync;
  readonly renew: StatementSync;
  readonly oldest: StatementSync;
  readonly expired: StatementSync;
  readonly total: StatementSync;
}

export class EncryptedState implements StateStore {
  readonly mode = "encrypted";
  readonly #db: DatabaseSync;
  readonly #run: Statements;
  readonly #cipher: StateCipher;
  readonly #bounds: StateBounds;
  readonly #log: Log;
  readonly #wallMs: () => number;
  #entries = 0;
  #bytes = 0;
  #kept: number;

  /** Opens or makes the file at `path`. What another secret sealed is dropped, since nobody can read it. Throws StorageError. */
  constructor(path: string, options: EncryptedStateOptions) {
    this.#log = options.log;
    this.#bounds = { ...STATE_BOUNDS.encrypted, ...options.bounds };
    this.#wallMs = options.wallMs ?? Date.now;
    this.#cipher = new StateCipher(options.secret);
    this.#db = open(path);
    try {
      this.#dropOthers(path);
      this.#run = prepare(this.#db);
      this.#kept = Number(this.#db.prepare("SELECT coalesce(max(kept), 0) AS kept FROM entries").get()?.["kept"]);
      this.sweep();
      this.#count();
    } catch (error) {
      this.#db.close();
      throw error instanceof StorageError ? error : new StorageError("unwritable", `${path} cannot be written: ${messageOf(error)}`);
    }
  }

  get size(): number {
    return this.#entries;
  }

  get bytes(): number {
    return this.#bytes;
  }

  put(scope: StateScope, id: string, value: Json, ttlMs: number): Promise<boolean> {
    const text = Buffer.from(JSON.stringify(value));
    const fits = text.length <= this.#bounds.valueBytes;
    const sealed = fits ? this.#cipher.seal(scope, id, text) : null;
    const name = this.#cipher.nameOf(scope, id);
    const kept = this.#tried("state_not_kept", false, () => {
      this.#remove(name);
      if (sealed === null) return false;
      this.#run.insert.run(name, ++this.#kept, this.#wallMs() + ttlMs, sealed);
      this.#entries++;
      this.#bytes += sealed.length;
      this.#makeRoom();
      return true;
    });
    return Promise.resolve(kept);
  }

  get(scope: StateScope, id: string, renewMs?: number): Promise<Json | undefined> {
    const name = this.#cipher.nameOf(scope, id);
    const nowMs = this.#wallMs();
    const sealed = this.#tried("state_not_read", undefined, () => this.#run.find.get(name, nowMs)?.["sealed"] as Uint8Array | undefined);
    const value = sealed === undefined ? undefined : this.#cipher.open(scope, id, sealed);
    if (value !== undefined && renewMs !== undefined) {
      this.#tried("state_not_renewed", undefined, () => {
        this.#run.renew.run(++this.#kept, nowMs + renewMs, name);
        return undefined;
      });
    }
    return Promise.resolve(value);
  }

  delete(scope: StateScope, id: string): Promise<boolean> {
    const name = this.#cipher.nameOf(scope, id);
    return Promise.resolve(
      this.#tried("state_not_deleted", false, () => {
        const alive = this.#run.find.get(name, this.#wallMs()) !== undefined;
        this.#remove(name);
        return alive;
      }),
    );
  }

  /** Forgets what has expired; call it on a timer. */
  sweep(): void {
    this.#tried("state_not_swept", undefined, () => {
      const { changes } = this.#run.expired.run(this.#wallMs());
      if (changes > 0) this.#count();
      return undefined;
    });
  }

  close(): void {
    this.#db.close();
  }

  #remove(name: Uint8Array): void {
    const row = this.#run.remove.get(name);
    if (row === undefined) return;
    this.#entries--;
    this.#bytes -= Number(row["bytes"]);
  }

  #makeRoom(): void {
    while (this.#bytes > this.#bounds.bytes || this.#entries > this.#bounds.entries) {
      const oldest = this.#run.oldest.get()?.["name"];
      if (!(oldest instanceof Uint8Array)) return;
      this.#remove(oldest);
    }
  }

  #count(): void {
    const row = this.#run.total.get();
    this.#entries = Number(row?.["entries"]);
    this.#bytes = Number(row?.["bytes"]);
  }

  #dropOthers(path: string): void {
    const found = this.#db.prepare("SELECT check_value FROM secret").get()?.["check_value"];
    if (found instanceof Uint8Array && this.#cipher.check.equals(found)) return;
    if (found !== undefined) this.#log.warn("state_dropped", { path, reason: "it was written under another key" });
    this.#db.exec("BEGIN IMMEDIATE; DELETE FROM entries; DELETE FROM secret");
    this.#db.prepare("INSERT INTO secret (id, check_value) VALUES (1, ?)").run(this.#cipher.check);
    this.#db.exec("COMMIT");
  }

  /** State is a convenience: a disk that fails costs the entry and a word in the log, never the request. */
  #tried<T>(event: string, otherwise: T, run: () => T): T {
    try {
      return run();
    } catch (error) {
      this.#log.warn(event, { message: messageOf(error) });
      return otherwise;
    }
  }
}

function open(path: string): DatabaseSync {
  try {
    return openForWriting(path, { sync: "process", migrations: [VERSION_1] });
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "corrupt") throw error;
    throw new StorageError("corrupt", `${path} is damaged. It holds only what clients may continue from for a while: remove it, and start again.`);
  }
}

function prepare(db: DatabaseSync): Statements {
  return {
    find: db.prepare("SELECT sealed FROM entries WHERE name = ? AND expires_ms > ?"),
    insert: db.prepare("INSERT INTO entries (name, kept, expires_ms, sealed) VALUES (?, ?, ?, ?)"),
    remove: db.prepare("DELETE FROM entries WHERE name = ? RETURNING length(sealed) AS bytes"),
    renew: db.prepare("UPDATE entries SET kept = ?, expires_ms = max(expires_ms, ?) WHERE name = ?"),
    oldest: db.prepare("SELECT name FROM entries ORDER BY kept LIMIT 1"),
    expired: db.prepare("DELETE FROM entries WHERE expires_ms <= ?"),
    total: db.prepare("SELECT count(*) AS entries, coalesce(sum(length(sealed)), 0) AS bytes FROM entries"),
  };
}
