/**
 * The ledger's file: tables, versions and how a file is opened. `holds`, `charges`, `corrections`, `terms`, `endings`,
 * `owners` and `kept_calls` hold truth; `spans` and `record_batches` are derived. The view `attempts` is what all of it says: one row per
 * upstream call with what it came to, and the corrections.
 *
 * A hold and its charge are rows of two tables that are only ever appended to: a row that grows when it is charged splits
 * full pages (measured: a quarter dearer). What many rows share is written once, to `terms` and `endings`. No index has to
 * be kept up to date (measured: text keys and indexes triple the price of a row); `spans` says for each few hundred rows
 * between which ids theirs lie, and since ids grow with time a look-up reads one span or two.
 */
import { closeSync, existsSync, openSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { StorageError } from "./errors.ts";

const VERSION_1 = `
CREATE TABLE terms (
  id INTEGER PRIMARY KEY,
  deployment TEXT NOT NULL,
  tenant TEXT NOT NULL,
  scopes TEXT NOT NULL,
  price_version TEXT,
  period TEXT NOT NULL,
  output_price_pico_usd INTEGER,
  bills_on_abort TEXT NOT NULL
) STRICT;
CREATE TABLE holds (
  id INTEGER PRIMARY KEY,
  attempt_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  terms INTEGER NOT NULL,
  bound_nano_usd INTEGER,
  input_estimate_tokens INTEGER NOT NULL,
  input_estimate_nano_usd INTEGER,
  at_ms INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  progress_tokens INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE endings (id INTEGER PRIMARY KEY, state TEXT NOT NULL, outcome TEXT NOT NULL, flags TEXT NOT NULL) STRICT;
CREATE TABLE charges (
  id INTEGER PRIMARY KEY,
  ending INTEGER NOT NULL,
  units TEXT NOT NULL,
  raw_usage TEXT,
  cost_nano_usd INTEGER,
  settled_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE orphans (id INTEGER PRIMARY KEY) STRICT;
CREATE TABLE corrections (
  id INTEGER PRIMARY KEY,
  attempt_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  terms INTEGER NOT NULL,
  bound_nano_usd INTEGER,
  input_estimate_tokens INTEGER NOT NULL,
  input_estimate_nano_usd INTEGER,
  at_ms INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  ending INTEGER NOT NULL,
  units TEXT NOT NULL,
  raw_usage TEXT,
  cost_nano_usd INTEGER,
  settled_ms INTEGER,
  adjusts TEXT NOT NULL
) STRICT;
CREATE INDEX corrections_adjusts ON corrections (adjusts);
CREATE INDEX corrections_request ON corrections (request_id);
CREATE TABLE owners (
  id INTEGER PRIMARY KEY,
  boot_id TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started_ms INTEGER NOT NULL,
  lease_ms INTEGER NOT NULL,
  lease_until_ms INTEGER NOT NULL,
  floor_id INTEGER NOT NULL,
  floor_record INTEGER NOT NULL,
  ended_ms INTEGER
) STRICT;
CREATE TABLE spans (
  last_id INTEGER PRIMARY KEY,
  first_id INTEGER NOT NULL,
  attempt_min TEXT NOT NULL,
  attempt_max TEXT NOT NULL,
  request_min TEXT NOT NULL,
  request_max TEXT NOT NULL
) STRICT;
CREATE TABLE record_batches (last_id INTEGER PRIMARY KEY, count INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta (key, value) VALUES ('probe', 0);
CREATE VIEW calls AS
SELECT h.id, h.attempt_id, h.request_id, h.number, t.deployment, t.tenant, t.scopes, t.price_version, t.period, h.bound_nano_usd,
  h.input_estimate_tokens, h.input_estimate_nano_usd, t.output_price_pico_usd, t.bills_on_abort, h.at_ms, h.owner,
  coalesce(e.state, 'held') AS state, h.progress_tokens, e.outcome, c.units, c.raw_usage, c.cost_nano_usd,
  CASE WHEN c.id IS NULL THEN iif(o.id IS NULL, NULL, '["orphan"]') ELSE e.flags END AS flags, NULL AS adjusts, c.settled_ms
FROM holds h JOIN terms t ON t.id = h.terms LEFT JOIN charges c ON c.id = h.id LEFT JOIN endings e ON e.id = c.ending
  LEFT JOIN orphans o ON o.id = h.id;
CREATE VIEW adjustments AS
SELECT h.id, h.attempt_id, h.request_id, h.number, t.deployment, t.tenant, t.scopes, t.price_version, t.period, h.bound_nano_usd,
  h.input_estimate_tokens, h.input_estimate_nano_usd, t.output_price_pico_usd, t.bills_on_abort, h.at_ms, h.owner,
  e.state, 0 AS progress_tokens, e.outcome, h.units, h.raw_usage, h.cost_nano_usd, e.flags, h.adjusts, h.settled_ms
FROM corrections h JOIN terms t ON t.id = h.terms JOIN endings e ON e.id = h.ending;
CREATE VIEW attempts AS SELECT * FROM calls UNION ALL SELECT * FROM adjustments;
CREATE VIEW records AS
SELECT b.last_id - b.count + 1 + j.key AS id, j.value ->> '$[0]' AS request_id, j.value ->> '$[1]' AS at_ms, j.value AS entry
FROM record_batches b, json_each(b.body) j;
`;

/** Calls whose holds stay open until their provider says that they ended: rows of `holds` without a charge, no orphans. */
const VERSION_2 = `
CREATE TABLE kept_calls (
  id INTEGER PRIMARY KEY,
  attempt_id TEXT NOT NULL,
  account TEXT NOT NULL,
  kind TEXT NOT NULL,
  upstream_id TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  next_look_ms INTEGER NOT NULL,
  looks INTEGER NOT NULL,
  status TEXT NOT NULL
) STRICT;
`;

const VERSION_3 = `
CREATE TABLE balances (
  id INTEGER PRIMARY KEY,
  budget TEXT NOT NULL,
  period TEXT NOT NULL,
  settled_nano_usd INTEGER NOT NULL,
  overrun_nano_usd INTEGER NOT NULL,
  told_permille INTEGER NOT NULL,
  UNIQUE (budget, period)
) STRICT;
`;

/** Slices of budgets: those that an authority granted, and by which name this file's own process asks for them. */
const VERSION_4 = `
CREATE TABLE slices (
  joiner TEXT NOT NULL,
  identity TEXT NOT NULL,
  budget TEXT NOT NULL,
  period TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  granted_nano_usd INTEGER NOT NULL,
  returned_nano_usd INTEGER NOT NULL,
  settled_nano_usd INTEGER NOT NULL,
  overrun_nano_usd INTEGER NOT NULL,
  held_nano_usd INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  PRIMARY KEY (identity, period, joiner)
) STRICT, WITHOUT ROWID;
CREATE TABLE joiner (name TEXT NOT NULL) STRICT;
`;

/** Step k (from 0) brings a file of version k to version k + 1. Steps are never edited once released, only added. */
export const MIGRATIONS: readonly string[] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4];

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
  // A new file has nothing to lose: all steps at once, and no copies between them.
  if (found === 0) inOneStep(db, migrations.join("\n"), migrations.length);
  for (let version = schemaVersion(db); version < migrations.length; version++) {
    copyBefore(db, path, version);
    inOneStep(db, migrations[version] ?? "", version + 1);
  }
}

/** All of it or nothing. */
function inOneStep(db: DatabaseSync, statements: string, version: number): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    db.exec(statements);
    db.exec(`PRAGMA user_version = ${version}`);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** A whole, consistent copy beside the file; a copy from a broken try is replaced, never half written. */
export function copyBefore(db: DatabaseSync, path: string, version: number): void {
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

/** BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, AUTH, NOTADB: not one caller's fault. */
const DISK_CODES: ReadonlySet<number> = new Set([5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 23, 26]);

/** Is it the disk, or another process, rather than what one caller wanted written? */
export function isTheDisk(error: unknown): boolean {
  return DISK_CODES.has(sqliteCode(error));
}

/** The sentence of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
