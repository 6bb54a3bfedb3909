/**
 * The ledger's file: tables, versions and how a file is opened. Two tables hold truth (`attempts`, `owners`), two are
 * derived and may be built again (`records`, `lookup`).
 *
 * `attempts` carries no index that a hold or a charge would have to keep up to date: an integer key that grows is all
 * (measured: text keys and indexes triple the price of a row). Two indexes are partial and hold only rare rows; look-ups
 * by attempt or request go through `lookup`, which is filled from `attempts` in the background.
 */
import { closeSync, existsSync, openSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { StorageError } from "./errors.ts";

const VERSION_1 = `
CREATE TABLE attempts (
  id INTEGER PRIMARY KEY,
  attempt_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  deployment TEXT NOT NULL,
  tenant TEXT NOT NULL,
  scopes TEXT NOT NULL,
  price_version TEXT,
  period TEXT NOT NULL,
  bound_nano_usd INTEGER,
  input_estimate_tokens INTEGER NOT NULL,
  input_estimate_nano_usd INTEGER,
  output_price_pico_usd INTEGER,
  bills_on_abort TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  state TEXT NOT NULL,
  progress_tokens INTEGER NOT NULL DEFAULT 0,
  outcome TEXT,
  units TEXT,
  raw_usage TEXT,
  cost_nano_usd INTEGER,
  flags TEXT,
  adjusts TEXT,
  settled_ms INTEGER,
  orphan INTEGER
) STRICT;
CREATE INDEX attempts_orphaned ON attempts (id) WHERE orphan = 1 AND state = 'held';
CREATE INDEX attempts_adjusting ON attempts (adjusts) WHERE adjusts IS NOT NULL;
CREATE TABLE owners (
  id INTEGER PRIMARY KEY,
  boot_id TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started_ms INTEGER NOT NULL,
  lease_ms INTEGER NOT NULL,
  lease_until_ms INTEGER NOT NULL,
  floor_id INTEGER NOT NULL,
  ended_ms INTEGER
) STRICT;
CREATE TABLE records (
  id INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  body TEXT
) STRICT;
CREATE INDEX records_request ON records (request_id);
CREATE TABLE lookup (key TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (key, id)) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta (key, value) VALUES ('looked_up', 0), ('probe', 0);
`;

/** Step k (from 0) brings a file of version k to version k + 1. Steps are never edited once released, only added. */
export const MIGRATIONS: readonly string[] = [VERSION_1];

/** How long a statement may block the event loop when another process holds the file. */
const BUSY_TIMEOUT_MS = 50;

export interface OpenOptions {
  /** `process`: a commit survives the death of the process. `full`: also the machine's. */
  readonly sync: "process" | "full";
  readonly migrations?: readonly string[];
}

/** Opens (or makes) the ledger's file for its one writer. Throws a StorageError that says what to do. */
export function openForWriting(path: string, options: OpenOptions): DatabaseSync {
  const migrations = options.migrations ?? MIGRATIONS;
  createPrivate(path);
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    db.exec("PRAGMA journal_mode = WAL");
    db.exec(`PRAGMA synchronous = ${options.sync === "full" ? "FULL" : "NORMAL"}`);
    db.exec("PRAGMA journal_size_limit = 134217728");
    migrate(db, path, migrations);
    return db;
  } catch (error) {
    db?.close();
    throw asStorageError(error, path);
  }
}

/** Opens the ledger's file for queries only. The gateway may run meanwhile. */
export function openForReading(path: string): DatabaseSync {
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: 2_000 });
    try {
      refuseOther(db, path, MIGRATIONS.length);
    } catch (error) {
      db.close();
      throw error;
    }
    return db;
  } catch (error) {
    throw asStorageError(error, path);
  }
}

/** The file's schema version; 0 for a new file. */
export function schemaVersion(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}

function migrate(db: DatabaseSync, path: string, migrations: readonly string[]): void {
  const found = schemaVersion(db);
  refuseNewer(found, path, migrations.length);
  for (let version = found; version < migrations.length; version++) {
    if (version > 0) copyBefore(db, path, version);
    db.exec("BEGIN IMMEDIATE");
    try {
      db.exec(migrations[version] ?? "");
      db.exec(`PRAGMA user_version = ${version + 1}`);
      db.exec("COMMIT");
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
  }
}

/** A whole, consistent copy beside the file; a copy from a broken try is replaced, never half written. */
function copyBefore(db: DatabaseSync, path: string, version: number): void {
  const copy = `${path}.v${version}.bak`;
  const draft = `${copy}.draft`;
  rmSync(draft, { force: true });
  createPrivate(draft);
  db.prepare("VACUUM INTO ?").run(draft);
  renameSync(draft, copy);
}

function refuseNewer(found: number, path: string, known: number): void {
  if (found <= known) return;
  throw new StorageError(
    "newer_schema",
    `${path} was written by a newer Spillway (schema ${found}, this one knows ${known}). ` +
      `Start the newer version, or use another --data-dir; the file was not touched.`,
  );
}

function refuseOther(db: DatabaseSync, path: string, known: number): void {
  const found = schemaVersion(db);
  refuseNewer(found, path, known);
  if (found === known) return;
  throw new StorageError(
    "older_schema",
    found === 0
      ? `${path} holds no ledger yet: start the gateway on this folder first.`
      : `${path} has schema ${found}, this version reads ${known}: start the gateway once, it migrates the file.`,
  );
}

/** Only a file that is not there is opened here: closing a descriptor of one in use would drop SQLite's locks on it. */
function createPrivate(path: string): void {
  if (existsSync(path)) return;
  try {
    closeSync(openSync(path, "a", 0o600));
  } catch (error) {
    throw new StorageError("unwritable", `${path} cannot be written: ${messageOf(error)}`);
  }
}

function asStorageError(error: unknown, path: string): StorageError {
  if (error instanceof StorageError) return error;
  const code = sqliteCode(error);
  if (code === SQLITE_NOTADB || code === SQLITE_CORRUPT) {
    return new StorageError("corrupt", `${path} is not a sound ledger file (${messageOf(error)}). It was not changed; move it away or restore a copy.`);
  }
  return new StorageError("unwritable", `${path} cannot be opened: ${messageOf(error)}`);
}

export const SQLITE_CORRUPT = 11;
export const SQLITE_NOTADB = 26;

/** The primary result code of an error thrown by node:sqlite, 0 for any other error. */
export function sqliteCode(error: unknown): number {
  const code = error instanceof Error && "errcode" in error ? error.errcode : 0;
  return typeof code === "number" ? code & 0xff : 0;
}

/** The sentence of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
