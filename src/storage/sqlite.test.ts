import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test } from "node:test";
import type { Log } from "../ports.ts";
import { aCharge, aHold, aRecord, LEASE_MS, ledgerConformance, START_MS } from "./conformance.ts";
import type { LedgerProcess } from "./conformance.ts";
import { Checkpoints } from "./checkpoint.ts";
import { StorageError } from "./errors.ts";
import { SqliteReader } from "./reader.ts";
import { MIGRATIONS, openForWriting, schemaVersion } from "./schema.ts";
import { SqliteStorage } from "./sqlite.ts";
import type { StorageOptions } from "./sqlite.ts";

const base = mkdtempSync(join(tmpdir(), "spillway-sqlite-"));
after(() => rmSync(base, { recursive: true, force: true }));
let folders = 0;
const newFile = (): string => join(mkdtempSync(join(base, `${++folders}-`)), "ledger.db");

/** Real time for what waits, fixed wall time for what is written; no thread unless a test is about it. */
const OPTIONS: StorageOptions = { leaseMs: LEASE_MS, wallMs: () => START_MS, checkpointEveryMs: 0 };

function processOn(path: string): LedgerProcess {
  const storage = new SqliteStorage(path, OPTIONS);
  return {
    ledger: storage.ledger,
    records: storage.records,
    kept: storage.kept,
    get reader() { return storage.reader; },
    settleOrphans: (nowMs) => storage.settleOrphans(nowMs),
    settled: () => void storage.records.flush(),
    crash: async () => {
      // The files as they lie on the disk at this moment are what a killed process leaves.
      const copy = newFile();
      for (const ending of ["", "-wal"]) if (existsSync(path + ending)) cpSync(path + ending, copy + ending);
      await storage.close();
      return processOn(copy);
    },
    restart: async () => {
      await storage.close();
      return processOn(path);
    },
    end: () => storage.close(),
  };
}

ledgerConformance("sqlite", () => Promise.resolve(processOn(newFile())));

/** Fails every write of the storage's file from another connection's point of view: no page may be added. */
class FullDisk {
  readonly storage: SqliteStorage;
  readonly path: string;
  readonly events: string[] = [];
  readonly #blocker: DatabaseSync;

  constructor(options: StorageOptions = {}) {
    this.path = newFile();
    const note = (event: string): void => void this.events.push(event);
    const log: Log = { info: note, warn: note, error: note };
    this.storage = new SqliteStorage(this.path, { ...OPTIONS, log, ...options });
    this.#blocker = new DatabaseSync(this.path);
  }

  /** A writer that does not let go: from inside, the same as a disk that takes nothing. */
  breakIt(): void {
    this.#blocker.exec("BEGIN IMMEDIATE");
  }

  mend(): void {
    this.#blocker.exec("ROLLBACK");
  }

  async end(): Promise<void> {
    this.#blocker.close();
    await this.storage.close();
  }
}

describe("a ledger that cannot be written", () => {
  test("answers holds with unavailable, and holds again once it can", async () => {
    const disk = new FullDisk();
    disk.breakIt();
    assert.equal((await disk.storage.ledger.reserve([aHold(1), aHold(2)])).every((result) => result.kind === "unavailable"), true);
    assert.equal(disk.storage.ledger.writable(), false);
    disk.mend();
    assert.deepEqual(await disk.storage.ledger.reserve([aHold(1)]), [{ kind: "held" }]);
    assert.equal(disk.storage.ledger.writable(), true);
    assert.equal(disk.storage.reader.attemptsByIds([aHold(1).attemptId]).length, 1);
    await disk.end();
  });

  test("keeps trying a charge, which is durable when the disk comes back in time", async () => {
    const disk = new FullDisk();
    await disk.storage.ledger.reserve([aHold(1)]);
    disk.breakIt();
    const settled = disk.storage.ledger.settle([aCharge(1)]);
    setTimeout(() => disk.mend(), 150);
    await settled;
    assert.equal(disk.storage.reader.attemptsByIds([aHold(1).attemptId])[0]?.state, "charged");
    await disk.end();
  });

  test("rejects a charge when its time is up, keeps it, and writes it later, flagged", async () => {
    const disk = new FullDisk({ settleRetryMs: 120 });
    await disk.storage.ledger.reserve([aHold(1)]);
    disk.breakIt();
    await assert.rejects(disk.storage.ledger.settle([aCharge(1)]), { code: "ledger_unavailable" });
    assert.deepEqual(disk.storage.ledger.stats(), { openHolds: 1, lateCharges: 1, lateDropped: 0 });
    disk.mend();
    await disk.storage.ledger.reserve([aHold(2)]); // Any write that succeeds takes what waits along.
    const view = disk.storage.reader.attemptsByIds([aHold(1).attemptId])[0];
    assert.deepEqual([view?.state, view?.costNanoUsd, view?.flags], ["charged", 19_500, ["undurable"]]);
    assert.equal(disk.storage.ledger.stats().lateCharges, 0);
    await disk.end();
  });

  test("bounds what it keeps in memory and counts what it drops", async () => {
    const disk = new FullDisk({ settleRetryMs: 60, lateChargesMax: 2 });
    await disk.storage.ledger.reserve([aHold(1), aHold(2), aHold(3)]);
    disk.breakIt();
    await assert.rejects(disk.storage.ledger.settle([aCharge(1), aCharge(2), aCharge(3)]));
    assert.deepEqual(disk.storage.ledger.stats(), { openHolds: 3, lateCharges: 2, lateDropped: 1 });
    disk.mend();
    await disk.end();
  });

  test("a file that may not grow refuses holds but settles what it can, and says so to readiness", async () => {
    const path = newFile();
    const storage = new SqliteStorage(path, OPTIONS);
    const db = new DatabaseSync(path);
    await storage.ledger.reserve([aHold(0)]);
    const pages = Number(db.prepare("PRAGMA page_count").get()?.["page_count"]);
    db.close();
    storage.limitPages(pages);
    let refused = 0;
    for (let number = 1; number < 200 && refused === 0; number++) {
      const [result] = await storage.ledger.reserve([aHold(number)]);
      if (result?.kind === "unavailable") refused++;
    }
    assert.equal(refused, 1, "the file grew beyond its bound");
    assert.equal(storage.ledger.writable(), false);
    storage.limitPages(1_000_000);
    assert.deepEqual(await storage.ledger.reserve([aHold(500)]), [{ kind: "held" }]);
    await storage.ledger.settle([aCharge(500)]);
    assert.equal(storage.ledger.writable(), true);
    await storage.close();
  });

  test("what is wrong with one call does not fail its neighbours", async () => {
    const storage = new SqliteStorage(newFile(), OPTIONS);
    const circular: Record<string, never> = {};
    Object.assign(circular, { self: circular });
    const results = await Promise.allSettled([
      storage.ledger.reserve([aHold(1)]),
      storage.ledger.settle([aCharge(2, { rawUsage: circular })]),
      storage.ledger.reserve([aHold(3)]),
    ]);
    assert.deepEqual(results.map((result) => result.status), ["fulfilled", "rejected", "fulfilled"]);
    assert.equal(storage.reader.totals()[0]?.attempts, 2);
    assert.equal(storage.ledger.writable(), true);
    await storage.close();
  });

  test("after the end nothing is accepted", async () => {
    const storage = new SqliteStorage(newFile(), OPTIONS);
    await storage.close();
    assert.equal((await storage.ledger.reserve([aHold(1)]))[0]?.kind, "unavailable");
    await assert.rejects(storage.ledger.settle([aCharge(1)]));
    assert.equal(storage.ledger.writable(), false);
  });
});

describe("records", () => {
  test("a full queue drops its oldest and counts it", async () => {
    const storage = new SqliteStorage(newFile(), { ...OPTIONS, recordsQueueMax: 2 });
    for (const number of [1, 2, 3]) storage.records.append(aRecord(number));
    storage.records.flush();
    assert.equal(storage.records.dropped, 1);
    assert.deepEqual([...storage.reader.requests({})].map((view) => view.requestId), [aHold(2).requestId, aHold(3).requestId]);
    await storage.close();
  });

  test("the number kept is bounded, attempts are not touched", async () => {
    const storage = new SqliteStorage(newFile(), { ...OPTIONS, recordsKeepMax: 10 });
    for (let number = 1; number <= 50; number++) {
      await storage.ledger.reserve([aHold(number)]);
      storage.records.append(aRecord(number));
      storage.records.flush();
    }
    assert.equal([...storage.reader.requests({})].length, 10);
    assert.equal(storage.reader.totals()[0]?.attempts, 50);
    await storage.close();
  });

  test("are written by themselves within a fraction of a second, and at the end", async () => {
    const path = newFile();
    const storage = new SqliteStorage(path, OPTIONS);
    storage.records.append(aRecord(1));
    const giveUpAtMs = performance.now() + 5_000;
    while ([...storage.reader.requests({})].length === 0 && performance.now() < giveUpAtMs) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal([...storage.reader.requests({})].length, 1);
    storage.records.append(aRecord(2));
    await storage.close();
    const reader = new SqliteReader(path, () => false);
    assert.equal([...reader.requests({})].length, 2);
    reader.close();
  });
});

describe("the file", () => {
  test("of an older schema is copied before each step, then brought forward with all its rows", async () => {
    const path = newFile();
    const storage = new SqliteStorage(path, OPTIONS);
    await storage.ledger.reserve([aHold(1)]);
    await storage.close();
    const steps = [...MIGRATIONS, "ALTER TABLE holds ADD COLUMN extra TEXT", "UPDATE holds SET extra = 'moved'"];
    const db = openForWriting(path, { sync: "process", migrations: steps });
    assert.equal(schemaVersion(db), MIGRATIONS.length + 2);
    assert.equal(db.prepare("SELECT extra FROM holds").get()?.["extra"], "moved");
    db.close();
    for (const version of [MIGRATIONS.length, MIGRATIONS.length + 1]) {
      const copy = new DatabaseSync(`${path}.v${version}.bak`, { readOnly: true });
      assert.equal(schemaVersion(copy), version);
      assert.equal(copy.prepare("SELECT count(*) AS n FROM attempts").get()?.["n"], 1);
      copy.close();
      assert.equal(statSync(`${path}.v${version}.bak`).mode & 0o777, 0o600);
    }
  });

  test("of the first version keeps every row on the way to today's", async () => {
    const path = newFile();
    const old = openForWriting(path, { sync: "process", migrations: MIGRATIONS.slice(0, 1) });
    old.exec(`
      INSERT INTO terms VALUES (1, 'alpha/small', 'default', '["tenant/default"]', 'v', '2026-11', 600000, 'input');
      INSERT INTO holds VALUES (1, 'att_00000001', 'req_1', 1, 1, 5, 100, 15000, ${START_MS}, 1, 0), (2, 'att_00000002', 'req_2', 1, 1, NULL, 100, 15000, ${START_MS}, 1, 7);
      INSERT INTO endings VALUES (1, 'charged', 'answered', '["late_usage"]'), (2, 'charged', 'answered', '[]');
      INSERT INTO charges VALUES (1, 1, '{"input":90}', '{"a":1}', 19500, ${START_MS});
      INSERT INTO corrections VALUES (3, 'att_00000001~1', 'req_1', 1, 1, 5, 100, 15000, ${START_MS}, 1, 2, '{"input":1}', NULL, 500, ${START_MS}, 'att_00000001');
      INSERT INTO owners VALUES (1, 'boot', 1, ${START_MS}, ${LEASE_MS}, ${START_MS + LEASE_MS}, 1, 0, NULL);
      INSERT INTO record_batches VALUES (1, 1, '[["req_1",${START_MS},[1],null]]');`);
    old.close();
    const storage = new SqliteStorage(path, OPTIONS);
    assert.deepEqual([storage.orphansFound, storage.kept.kept()], [1, []]);
    assert.deepEqual([...storage.reader.requests({})].map((view) => [view.requestId, view.attempts.map((one) => [one.state, one.costNanoUsd, one.units, one.progressTokens, one.flags, one.corrections])]), [
      ["req_1", [["charged", 20_000, { input: 91 }, 0, [], 1]]],
      ["req_2", [["held", null, {}, 7, ["orphan"], 0]]],
    ]);
    await storage.close();
    const copy = new DatabaseSync(`${path}.v1.bak`, { readOnly: true });
    assert.deepEqual([schemaVersion(copy), copy.prepare("SELECT count(*) AS n FROM attempts").get()?.["n"]], [1, 3]);
    copy.close();
  });

  test("a migration that fails leaves the file at its old version", () => {
    const path = newFile();
    openForWriting(path, { sync: "process" }).close();
    assert.throws(() => openForWriting(path, { sync: "process", migrations: [...MIGRATIONS, "CREATE TABLE half (x); SELECT nonsense"] }), StorageError);
    const db = openForWriting(path, { sync: "process" });
    assert.equal(db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'half'").get()?.["n"], 0);
    db.close();
  });

  test("of a newer schema is refused, for writing and reading, and not touched", () => {
    const path = newFile();
    openForWriting(path, { sync: "process", migrations: [...MIGRATIONS, "CREATE TABLE later (x)"] }).close();
    assert.throws(() => new SqliteStorage(path, OPTIONS), { code: "newer_schema" });
    assert.throws(() => new SqliteReader(path, () => false), { code: "newer_schema" });
    const db = new DatabaseSync(path);
    assert.equal(schemaVersion(db), MIGRATIONS.length + 1);
    db.close();
  });

  test("that is no ledger is refused with its path", () => {
    const path = newFile();
    cpSync(import.meta.filename, path);
    assert.throws(() => new SqliteStorage(path, OPTIONS), (error) => error instanceof StorageError && error.code === "corrupt" && error.message.includes(path));
  });

  test("syncs as configured", () => {
    const levels = (["process", "full"] as const).map((sync) => {
      const db = openForWriting(newFile(), { sync });
      const level = db.prepare("PRAGMA synchronous").get()?.["synchronous"];
      db.close();
      return level;
    });
    assert.deepEqual(levels, [1, 2]);
  });

  test("is private to its user", async () => {
    const path = newFile();
    const storage = new SqliteStorage(path, OPTIONS);
    await storage.ledger.reserve([aHold(1)]);
    for (const ending of ["", "-wal"]) assert.equal(statSync(path + ending).mode & 0o077, 0, ending);
    await storage.close();
  });
});

describe("the checkpoint thread", () => {
  /** The largest that the log became while rows were written for a while. */
  const largestLogBytes = async (): Promise<number> => {
    const path = newFile();
    const storage = new SqliteStorage(path, { ...OPTIONS, checkpointEveryMs: 20, walFramesMax: 200 });
    let largest = 0;
    let number = 0;
    const endAtMs = performance.now() + 1_500;
    while (performance.now() < endAtMs) {
      const numbers = Array.from({ length: 8 }, () => ++number);
      await Promise.all(numbers.map((one) => storage.ledger.reserve([aHold(one)])));
      await storage.ledger.settle(numbers.map((one) => aCharge(one)));
      largest = Math.max(largest, statSync(`${path}-wal`).size);
    }
    assert.equal(storage.reader.totals()[0]?.attempts, number);
    await storage.close();
    assert.equal(existsSync(`${path}-wal`), false);
    return largest;
  };

  test("keeps the log bounded under steady writing, loses nothing, and ends with the storage", async () => {
    const found: number[] = [];
    // Without it this load writes well over 20 MB of log. Where others keep both cores busy the thread may not get its turn.
    while (found.length < 4 && (found.at(-1) ?? Infinity) >= 16_000_000) found.push(await largestLogBytes());
    assert.ok((found.at(-1) ?? Infinity) < 16_000_000, `the log grew to ${found.join(", ")} bytes`);
  });

  test("is done without when it cannot start: the writer moves its log itself, and nothing waits for the thread", async () => {
    const db = openForWriting(newFile(), { sync: "process" });
    const events: string[] = [];
    const note = (event: string): void => void events.push(event);
    db.exec("PRAGMA wal_autocheckpoint = 0");
    const writer = { pause: () => note("pause"), resume: () => note("resume") };
    const nowhere = { path: join(base, "no", "such", "folder", "ledger.db"), everyMs: 10, restartAboveFrames: 1 };
    const checkpoints = new Checkpoints(db, writer, { info: note, warn: note, error: note }, nowhere);
    const giveUpAtMs = performance.now() + 10_000;
    while (events.length === 0 && performance.now() < giveUpAtMs) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(events, ["ledger_checkpoint_thread_lost"]);
    assert.equal(db.prepare("PRAGMA wal_autocheckpoint").get()?.["wal_autocheckpoint"], 1_000);
    await checkpoints.close();
    db.close();
  });

  test("does not keep a process alive that forgets to close", () => {
    const script = `import { SqliteStorage } from ${JSON.stringify(new URL("./sqlite.ts", import.meta.url).href)};
      const storage = new SqliteStorage(${JSON.stringify(newFile())}); await storage.ledger.reserve([]); console.log("done");`;
    const result = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", timeout: 20_000 });
    assert.deepEqual([result.status, result.stdout], [0, "done\n"], result.stderr);
  });
});

describe("the lease", () => {
  test("moves the place where the next start looks, but never past what is open or was just settled", async () => {
    const path = newFile();
    let nowMs = START_MS;
    const storage = new SqliteStorage(path, { ...OPTIONS, wallMs: () => nowMs, renewEveryMs: 1_000_000 });
    const db = new DatabaseSync(path, { readOnly: true });
    const owner = (): unknown[] => Object.values(db.prepare("SELECT floor_id, lease_until_ms FROM owners ORDER BY id DESC LIMIT 1").get() ?? {});
    await storage.ledger.reserve([aHold(1), aHold(2), aHold(3)]);
    await storage.ledger.settle([aCharge(1), aCharge(3)]);
    nowMs += 60_000;
    storage.renewLease();
    assert.deepEqual(owner(), [1, nowMs + LEASE_MS]); // What the renewal before saw: row 1 may still lack its record.
    storage.renewLease();
    assert.deepEqual(owner(), [2, nowMs + LEASE_MS]);
    await storage.ledger.settle([aCharge(2)]);
    storage.renewLease();
    storage.renewLease();
    assert.deepEqual(owner(), [4, nowMs + LEASE_MS]);
    db.close();
    await storage.close();
  });

  test("that was renewed late holds its orphans for its whole length", async () => {
    let nowMs = START_MS;
    const path = newFile();
    const storage = new SqliteStorage(path, { ...OPTIONS, wallMs: () => nowMs });
    await storage.ledger.reserve([aHold(1)]);
    nowMs += LEASE_MS;
    storage.renewLease();
    await storage.close();
    const next = new SqliteStorage(path, { ...OPTIONS, wallMs: () => nowMs });
    assert.equal(next.settleOrphans(START_MS + 2 * LEASE_MS - 1), 0);
    assert.equal(next.settleOrphans(START_MS + 2 * LEASE_MS), 1);
    await next.close();
  });
});
