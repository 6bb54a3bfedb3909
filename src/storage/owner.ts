/**
 * Who holds the rows. Each process has a row in `owners` with a lease that it renews; at a start the folder's lock proves
 * that every other owner is dead, so their open rows are flagged orphans at once and settle when their lease has passed; but for
 * those that are kept open until a provider says that they ended.
 */
import type { DatabaseSync } from "node:sqlite";
import { orphanCharge } from "./orphans.ts";
import type { SqliteLedger } from "./ledger.ts";
import { BATCH_ROWS, lastRecordPosition, unrecordedEntry } from "./record-codec.ts";
import { attemptRow, int, text } from "./statements.ts";

export interface Owner {
  readonly id: number;
  /** Orphans found at this start. */
  readonly orphans: number;
}

/** Orphans settled in one transaction. */
const SWEEP_ROWS = 500;

/** Takes over from dead owners: flags what they left open, lists their unlisted requests, and enters this process. */
export function takeOwnership(db: DatabaseSync, bootId: string, nowMs: number, leaseMs: number): Owner {
  db.exec("BEGIN IMMEDIATE");
  try {
    let orphans = 0;
    for (const dead of db.prepare("SELECT id, floor_id, floor_record FROM owners WHERE ended_ms IS NULL").all()) {
      orphans += buryOwner(db, int(dead["id"]), int(dead["floor_id"]), int(dead["floor_record"]), nowMs);
    }
    const floor = nextAttemptId(db);
    const made = db
      .prepare("INSERT INTO owners (boot_id, pid, started_ms, lease_ms, lease_until_ms, floor_id, floor_record) VALUES (?,?,?,?,?,?,?)")
      .run(bootId, process.pid, nowMs, leaseMs, nowMs + leaseMs, floor, lastRecordPosition(db));
    db.exec("COMMIT");
    return { id: Number(made.lastInsertRowid), orphans };
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** All rows of a dead owner that can be open, or whose request can lack a record, are at or above its floor. */
function buryOwner(db: DatabaseSync, owner: number, floor: number, floorRecord: number, nowMs: number): number {
  const flagged = db
    .prepare("INSERT OR IGNORE INTO orphans (id) SELECT id FROM holds h WHERE id >= ? AND owner = ? AND NOT EXISTS (SELECT 1 FROM charges c WHERE c.id = h.id) AND NOT EXISTS (SELECT 1 FROM kept_calls k WHERE k.id = h.id)")
    .run(floor, owner);
  const unrecorded = db.prepare(UNRECORDED).all(floor, owner, floorRecord);
  const insert = db.prepare("INSERT INTO record_batches (last_id, count, body) VALUES (?,?,?)");
  let position = lastRecordPosition(db);
  for (let i = 0; i < unrecorded.length; i += BATCH_ROWS) {
    const batch = unrecorded.slice(i, i + BATCH_ROWS);
    position += batch.length;
    insert.run(position, batch.length, JSON.stringify(batch.map((row) => unrecordedEntry(text(row["request_id"]), int(row["at_ms"])))));
  }
  db.prepare("UPDATE owners SET ended_ms = ? WHERE id = ?").run(nowMs, owner);
  return Number(flagged.changes);
}

/** Requests of the owner ?2 with rows at or above ?1 and no record behind the place ?3; in the order of their holds. */
export const UNRECORDED = `
SELECT request_id, min(at_ms) AS at_ms, min(id) AS first_id FROM holds
WHERE id >= ?1 AND owner = ?2 AND request_id NOT IN (
  SELECT j.value ->> '$[0]' FROM record_batches b, json_each(b.body) j WHERE b.last_id > ?3)
GROUP BY request_id ORDER BY first_id`;

/** The id that the next row gets. */
export function nextAttemptId(db: DatabaseSync): number {
  const highest = "SELECT max(coalesce((SELECT max(id) FROM holds), 0), coalesce((SELECT max(id) FROM corrections), 0)) + 1 AS next";
  return int(db.prepare(highest).get()?.["next"]);
}

/** Where the next start begins to look: rows, and places of records. */
export type Floor = ReturnType<SqliteLedger["floor"]>;

/** Keeps the lease of this process, and notes from which row on the next start has to look. */
export class Lease {
  readonly #db: DatabaseSync;
  readonly #owner: number;
  readonly #leaseMs: number;
  #floor: Floor;

  constructor(db: DatabaseSync, owner: number, leaseMs: number, floor: Floor) {
    this.#db = db;
    this.#owner = owner;
    this.#leaseMs = leaseMs;
    this.#floor = floor;
  }

  /** `floor`: the lowest open row now. What is written is the floor of the renewal before, so that a request whose rows
   * were just settled, but whose record was not yet written, is still found. */
  renew(nowMs: number, floor: Floor): void {
    this.#db
      .prepare("UPDATE owners SET lease_until_ms = ?, floor_id = ?, floor_record = ? WHERE id = ?")
      .run(nowMs + this.#leaseMs, Math.min(this.#floor.id, floor.id), Math.min(this.#floor.record, floor.record), this.#owner);
    this.#floor = floor;
  }

  /** Nothing of this owner is open: the next start need not look. */
  end(nowMs: number): void {
    this.#db.prepare("UPDATE owners SET ended_ms = ? WHERE id = ?").run(nowMs, this.#owner);
  }
}

/** Settles orphans whose lease has passed. Returns how many. Throws what the database throws; a later sweep goes on. */
export function sweepOrphans(db: DatabaseSync, ledger: SqliteLedger, nowMs: number): number {
  // A row's lease is its owner's, but never ends sooner than one lease after the hold itself.
  const due = db.prepare(`
    SELECT a.* FROM orphans x CROSS JOIN calls a ON a.id = x.id JOIN owners o ON o.id = a.owner
    WHERE a.state = 'held' AND max(o.lease_until_ms, a.at_ms + o.lease_ms) <= ?
    ORDER BY x.id LIMIT ${SWEEP_ROWS}`);
  let settled = 0;
  for (;;) {
    const rows = due.all(nowMs).map(attemptRow);
    if (rows.length === 0) return settled;
    ledger.transaction(() => {
      for (const row of rows) ledger.chargeOrphan(row, orphanCharge(row, nowMs));
    });
    settled += rows.length;
  }
}
