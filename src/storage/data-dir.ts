/**
 * The data folder: who may use it and how one gateway keeps others out. The lock is SQLite's exclusive lock on `lock.db`:
 * the kernel drops it when the process dies, however it dies, so there is no stale lock to clear.
 */
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StorageError } from "./errors.ts";
import { SqliteReader } from "./reader.ts";
import { messageOf, sqliteCode } from "./schema.ts";

const LEDGER_FILE = "ledger.db";
const STATE_FILE = "state.db";
const STATE_KEY_FILE = "state.key";
const LOCK_FILE = "lock.db";
const PID_FILE = "gateway.pid";
const MARKER_FILE = "SPILLWAY";
const MARKER_TEXT = "This folder belongs to a Spillway gateway. Keep ledger.db: it is the record of what was spent.\n";

/** A socket's path may have about 104 bytes on some systems. */
const SOCKET_PATH_MAX_BYTES = 100;

export interface DataDir {
  /** Absolute. */
  readonly path: string;
  readonly ledgerPath: string;
  /** Where kept state stands if it is encrypted, and its key if the owner gives none. */
  readonly statePath: string;
  readonly stateKeyPath: string;
  /** Where acting commands reach the gateway; whoever listens there makes it 0600. A socket left by a dead process is removed. */
  readonly controlSocketPath: string;
  /** Gives the folder free. The lock also goes when the process does. */
  close(): void;
}

/** Makes or opens the folder for the one gateway that owns it. Throws a StorageError that says what to do. */
export function openDataDir(path: string): DataDir {
  const folder = resolve(path);
  create(folder);
  refuseForeign(folder);
  refuseUnwritable(folder);
  const lock = takeLock(folder);
  try {
    writeFileSync(join(folder, MARKER_FILE), MARKER_TEXT, { mode: 0o600 });
    writeFileSync(join(folder, PID_FILE), `${process.pid}\n`, { mode: 0o600 });
    const controlSocketPath = controlSocketPathOf(folder);
    rmSync(controlSocketPath, { force: true });
    return {
      path: folder,
      ledgerPath: join(folder, LEDGER_FILE),
      statePath: join(folder, STATE_FILE),
      stateKeyPath: join(folder, STATE_KEY_FILE),
      controlSocketPath,
      close: () => {
        if (!lock.isOpen) return;
        rmSync(controlSocketPath, { force: true });
        rmSync(join(folder, PID_FILE), { force: true });
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw error instanceof StorageError ? error : new StorageError("unwritable", `${folder} cannot be written: ${messageOf(error)}`);
  }
}

/** Opens the folder's ledger for queries; a gateway may run on it meanwhile. Throws StorageError. */
export function openReadOnly(path: string): SqliteReader {
  const folder = resolve(path);
  const file = join(folder, LEDGER_FILE);
  if (!existsSync(file)) {
    throw new StorageError("not_found", `${folder} holds no ledger. Start the gateway there first, or name its folder with --data-dir.`);
  }
  return new SqliteReader(file, () => isOwned(folder));
}

/** Where the ledger of a folder is, whether or not there is one. */
export function ledgerPathOf(path: string): string {
  return join(resolve(path), LEDGER_FILE);
}

/** Where the control socket of a folder is: in it, or where the path would be too long for a socket, in a private folder of the system's. */
export function controlSocketPathOf(path: string): string {
  const folder = resolve(path);
  const inside = join(folder, "control.sock");
  if (Buffer.byteLength(inside) <= SOCKET_PATH_MAX_BYTES) return inside;
  const name = createHash("sha256").update(existsSync(folder) ? realpathSync(folder) : folder).digest("hex").slice(0, 16);
  const outside = join(tmpdir(), `spillway-${process.geteuid?.() ?? 0}-${name}`);
  mkdirSync(outside, { recursive: true, mode: 0o700 });
  const stat = statSync(outside);
  if (stat.uid !== process.geteuid?.() || (stat.mode & 0o077) !== 0) {
    throw new StorageError("foreign_folder", `${outside}, needed for the control socket, is not private to this user. Use a shorter --data-dir.`);
  }
  return join(outside, "control.sock");
}

/** Does a living gateway own this folder? */
export function isOwned(path: string): boolean {
  const file = join(resolve(path), LOCK_FILE);
  if (!existsSync(file)) return false;
  const probe = new DatabaseSync(file, { readOnly: true, timeout: 0 });
  try {
    probe.prepare("SELECT count(*) FROM sqlite_master").get();
    return false;
  } catch (error) {
    return sqliteCode(error) === SQLITE_BUSY;
  } finally {
    probe.close();
  }
}

const SQLITE_BUSY = 5;

function create(folder: string): void {
  try {
    makeFolders(folder);
  } catch (error) {
    throw new StorageError("unwritable", `the data folder ${folder} cannot be made: ${messageOf(error)}. Choose another with --data-dir.`);
  }
  if (!statSync(folder).isDirectory()) throw new StorageError("unwritable", `${folder} is not a folder. Choose another with --data-dir.`);
}

/** One folder after the other: where the parent exists but takes no folder (as in /proc), a recursive mkdir never returns. */
function makeFolders(folder: string): void {
  const missing: string[] = [];
  for (let path = folder; !existsSync(path); path = dirname(path)) missing.unshift(path);
  for (const path of missing) mkdirSync(path, { mode: 0o700 });
}

function refuseForeign(folder: string): void {
  const owner = statSync(folder).uid;
  const self = process.geteuid?.() ?? owner;
  // Root's own folders are allowed: mounted volumes belong to root and are made writable by group.
  if (self !== 0 && owner !== 0 && owner !== self) {
    throw new StorageError("foreign_folder", `${folder} belongs to another user (uid ${owner}, this process runs as ${self}). Choose another with --data-dir.`);
  }
  const names = list(folder).filter((name) => name !== "lost+found");
  if (names.length === 0 || names.includes(MARKER_FILE) || names.includes(LEDGER_FILE) || names.includes(LOCK_FILE)) return;
  const some = names.toSorted().slice(0, 3).join(", ");
  throw new StorageError(
    "foreign_folder",
    `${folder} is not empty and is no Spillway data folder (it holds ${some}${names.length > 3 ? ", …" : ""}). ` +
      `Nothing was written; choose an empty or new folder with --data-dir.`,
  );
}

function refuseUnwritable(folder: string): void {
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new StorageError("unwritable", `the data folder ${folder} cannot be written: ${messageOf(error)}. Make it writable or choose another with --data-dir.`);
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    throw new StorageError("unwritable", `the data folder ${folder} cannot be read: ${messageOf(error)}. Choose another with --data-dir.`);
  }
}

function takeLock(folder: string): DatabaseSync {
  let lock: DatabaseSync | null = null;
  try {
    // A short patience: a reading command looks at the lock for a moment.
    lock = new DatabaseSync(join(folder, LOCK_FILE), { timeout: 500 });
    lock.exec("PRAGMA journal_mode = MEMORY");
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock?.close();
    if (sqliteCode(error) === SQLITE_BUSY) {
      throw new StorageError("in_use", `another gateway${pidOf(folder)} uses the data folder ${folder}. Stop it, or start this one with another --data-dir.`);
    }
    throw new StorageError("unwritable", `the data folder ${folder} cannot be locked: ${messageOf(error)}. Make it writable or choose another with --data-dir.`);
  }
}

function pidOf(folder: string): string {
  const file = join(folder, PID_FILE);
  if (!existsSync(file)) return "";
  return ` (pid ${readFileSync(file, "utf8").trim()})`;
}
