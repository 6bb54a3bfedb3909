/**
 * A copy of a data folder that may be in use: each file as of one moment, whole and without its log. The copy is a data
 * folder of its own, so restoring is starting on it.
 */
import { chmodSync, closeSync, copyFileSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { controlPathOf } from "./control-files.ts";
import { StorageError } from "./errors.ts";
import { messageOf } from "./schema.ts";

/**
 * What is counted and learned besides, each written whole under its name. Before the databases: what was recorded after the counts of
 * objectives were kept is counted again at the start, and has to be in the copy of the ledger.
 */
const STATES = ["objectives.json", "canary.json", "routes.json"] as const;
/** What belongs together. Managed objects first: a charge names keys that were there before it. */
const DATABASES = ["control.db", "ledger.db", "outcomes.db", "feedback.db"] as const;
/** What credentials of providers are sealed with; without it those of the copy are lost. */
const KEY_FILE = "control.key";

export interface BackupResult {
  readonly path: string;
  readonly files: readonly string[];
  /** Sealed credentials of the copy can be opened. */
  readonly withKey: boolean;
}

/** Copies `folder` to `target`, a new or empty folder. Throws StorageError; then nothing is left there. */
export function backUp(folder: string, target: string, withKey: boolean): BackupResult {
  const from = resolve(folder);
  const to = resolve(target);
  if (!existsSync(join(from, "ledger.db"))) throw new StorageError("not_found", `${from} holds no ledger: name the data folder with --data-dir.`);
  if (existsSync(to) && readdirSync(to).length > 0) throw new StorageError("foreign_folder", `${to} is not empty. Nothing was written; choose a new folder.`);
  const draft = `${to}.draft`;
  rmSync(draft, { recursive: true, force: true });
  try {
    mkdirSync(draft, { recursive: true, mode: 0o700 });
    const states = STATES.filter((name) => existsSync(join(from, name)));
    for (const name of states) copyPrivate(join(from, name), join(draft, name));
    const databases = DATABASES.filter((name) => existsSync(join(from, name)));
    for (const name of databases) copyDatabase(name === "control.db" ? controlPathOf(from) : join(from, name), join(draft, name));
    const keyed = withKey && existsSync(join(from, KEY_FILE));
    if (keyed) copyPrivate(join(from, KEY_FILE), join(draft, KEY_FILE));
    const files = [...databases, ...states, ...(keyed ? [KEY_FILE] : [])];
    rmSync(to, { recursive: true, force: true });
    renameSync(draft, to);
    return { path: to, files, withKey: keyed };
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error instanceof StorageError ? error : new StorageError("unwritable", `${to} cannot be written: ${messageOf(error)}`);
  }
}

function copyPrivate(from: string, to: string): void {
  copyFileSync(from, to);
  chmodSync(to, 0o600);
}

function copyDatabase(from: string, to: string): void {
  // Made private before anything is in it.
  closeSync(openSync(to, "wx", 0o600));
  const db = new DatabaseSync(from, { readOnly: true, timeout: 5_000 });
  try {
    db.prepare("VACUUM INTO ?").run(to);
  } finally {
    db.close();
  }
  const copy = new DatabaseSync(to, { readOnly: true });
  try {
    const found = copy.prepare("PRAGMA quick_check").get()?.["quick_check"];
    if (found !== "ok") throw new StorageError("corrupt", `the copy of ${from} is not sound (${String(found)}); is the file itself?`);
  } finally {
    copy.close();
  }
}
