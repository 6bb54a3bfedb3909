/**
 * Who holds the rows. Each process has a row in `owners` with a lease that it renews; at a start the folder's lock proves
 * that every other owner is dead, so their open rows are flagged orphans at once and settle when their lease has passed.
 */
import type { DatabaseSync } from "node:sqlite";
import { orphanCharge } from "./orphans.ts";
import type { SqliteLedger } from "./ledger.ts";
import { attemptRow, int } from "./statements.ts";

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
    for (const dead of db.prepare("SELECT id, floor_id FROM owners WHERE ended_ms IS NULL").all()) {
      orphans += buryOwner(db, int(dead["id"]), int(dead["floor_id"]), nowMs);
    }
    const floor = nextAttemptId(db);
    const made = db
      .prepare("INSERT INTO owners (boot_id, pid, started_ms, lease_ms, lease_until_ms, floor_id) VALUES (?,?,?,?,?,?)")
      .run(bootId, process.pid, nowMs, leaseMs, nowMs + leaseMs, floor);
    db.exec("COMMIT");
    return { id: Number(made.lastInsertRowid), orphans };
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** All rows of a dead owner that can be open, or whose request can lack a record, are at or above its floor. */
function buryOwner(db: DatabaseSync, owner: number, floor: number, nowMs: number): number {
  const flagged = db
    .prepare(`UPDATE attempts SET orphan = 1, flags = '["orphan"]' WHERE id >= ? AND owner = ? AND state = 'held'`)
    .run(floor, owner);
  db.prepare(`INSERT INTO records (request_id, at_ms, body) SELECT request_id, at_ms, NULL FROM (${UNRECORDED}) ORDER BY first_id`).run(floor, owner);
  db.prepare("UPDATE owners SET ended_ms = ? WHERE id = ?").run(nowMs, owner);
  return Number(flagged.changes);
}

/** Requests of the owner ?2 with rows at or above ?1 and no record. */
export const UNRECORDED = `
SELECT request_id, min(at_ms) AS at_ms, min(id) AS first_id FROM attempts a
WHERE id >= ? AND owner = ? AND adjusts IS NULL AND NOT EXISTS (SELECT 1 FROM records r WHERE r.request_id = a.request_id)
GROUP BY request_id`;

/** The id that the next row gets. */
export function nextAttemptId(db: DatabaseSync): number {
  return int(db.prepare("SELECT coalesce(max(id), 0) + 1 AS next FROM attempts").get()?.["next"]);
}

/** Keeps the lease of this process, and notes from which row on the next start has to look. */
export class Lease {
  readonly #db: DatabaseSync;
  readonly #owner: number;
  readonly #leaseMs: number;
  #floor: number;

  constructor(db: DatabaseSync, owner: number, leaseMs: number, floor: number) {
    this.#db = db;
    this.#owner = owner;
    this.#leaseMs = leaseMs;
    this.#floor = floor;
  }

  /** `floor`: the lowest open row now. What is written is the floor of the renewal before, so that a request whose rows
   * were just settled, but whose record was not yet written, is still found. */
  renew(nowMs: number, floor: number): void {
    this.#db
      .prepare("UPDATE owners SET lease_until_ms = ?, floor_id = ? WHERE id = ?")
      .run(nowMs + this.#leaseMs, Math.min(this.#floor, floor), this.#owner);
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
    SELECT a.* FROM attempts a JOIN owners o ON o.id = a.owner
    WHERE a.orphan = 1 AND a.state = 'held' AND max(o.lease_until_ms, a.at_ms + o.lease_ms) <= ?
    ORDER BY a.id LIMIT ${SWEEP_ROWS}`);
  let settled = 0;
  for (;;) {
    const rows = due.all(nowMs).map(attemptRow);
    if (rows.length === 0) return settled;
    ledger.transaction(() => {
      for (const row of rows) ledger.chargeUnheld(orphanCharge(row, nowMs));
    });
    settled += rows.length;
  }
}
