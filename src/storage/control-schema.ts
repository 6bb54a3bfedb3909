/** The file of managed objects: tables, versions, and how it is opened to read while a gateway may write it. */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { StorageError } from "./errors.ts";
import { messageOf, openForWriting, schemaVersion } from "./schema.ts";

const VERSION_1 = `
CREATE TABLE objects (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  detail TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;
CREATE TABLE audit_head (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
INSERT INTO audit_head (one, sequence, hash) VALUES (1, 0, '');
`;

/** Versions go on where an id is used again; of what was deleted before, no version was above the number of its lines. */
const VERSION_2 = `
CREATE TABLE retired (kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID;
INSERT INTO retired (kind, id, version) SELECT kind, id, count(*) FROM audit GROUP BY kind, id HAVING NOT EXISTS (SELECT 1 FROM objects o WHERE o.kind = audit.kind AND o.id = audit.id);
`;

/** Step k (from 0) brings a file of version k to version k + 1. Steps are never edited once released, only added. */
export const CONTROL_MIGRATIONS: readonly string[] = [VERSION_1, VERSION_2];

/** Opens (or makes) the file for its one writer. A change is rare and must outlive the machine. Throws StorageError. */
export function openControlForWriting(path: string, migrations = CONTROL_MIGRATIONS): DatabaseSync {
  return openForWriting(path, { sync: "full", migrations });
}

/** Opens the file for queries only. Throws StorageError. */
export function openControlFile(path: string): DatabaseSync {
  if (!existsSync(path)) throw new StorageError("not_found", `${path} is not there: start the gateway on this folder first.`);
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: 2_000 });
    const found = schemaVersion(db);
    const known = CONTROL_MIGRATIONS.length;
    if (found > known) throw new StorageError("newer_schema", `${path} was written by a newer Spillway (schema ${found}, this one knows ${known}). Use the newer version.`);
    if (found < known) throw new StorageError("older_schema", `${path} has schema ${found}, this version reads ${known}: start the gateway once, it migrates the file.`);
    return db;
  } catch (error) {
    db?.close();
    throw error instanceof StorageError ? error : new StorageError("unwritable", `${path} cannot be opened: ${messageOf(error)}`);
  }
}
