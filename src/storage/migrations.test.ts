/** Files of every schema that there has been: opened by today's code they hold the same rows, totals and balances, and a copy is kept. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import type { Budget } from "../decide/budget/types.ts";
import { aCharge, aHold, aKeptCall, aRecord, LEASE_MS, START_MS } from "./conformance.ts";
import { ADA, aPut, SHOWN } from "./control-conformance.ts";
import { CONTROL_MIGRATIONS, openControlForWriting } from "./control-schema.ts";
import { openControlForReading, SqliteControlStore } from "./control.ts";
import { MIGRATIONS, openForWriting, schemaVersion } from "./schema.ts";
import { SqliteStorage } from "./sqlite.ts";

const base = mkdtempSync(join(tmpdir(), "spillway-migrations-"));
after(() => rmSync(base, { recursive: true, force: true }));
let files = 0;
const newFile = (): string => join(mkdtempSync(join(base, `${++files}-`)), "file.db");

const DAY: Budget = { id: "app-day", scopes: ["key/app"], period: "day", timeZone: "UTC", limitNanoUsd: 9_000_000, kind: "hard", alertsAtPermille: [500], cheaperFromPermille: null };

type Rows = Readonly<Record<string, readonly Readonly<Record<string, SQLOutputValue>>[]>>;

function tablesOf(db: DatabaseSync): readonly string[] {
  return db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all().map((row) => String(row["name"]));
}

function columnsOf(db: DatabaseSync, table: string): readonly string[] {
  return db.prepare("SELECT name FROM pragma_table_info(?)").all(table).map((row) => String(row["name"]));
}

/** All rows of these tables, with these columns of each. */
function rowsOf(path: string, wanted: ReadonlyMap<string, readonly string[]>): Rows {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return Object.fromEntries([...wanted].map(([table, columns]) => [table, db.prepare(`SELECT ${columns.join(", ")} FROM ${table} ORDER BY ${columns.join(", ")}`).all().map((row) => ({ ...row }))]));
  } finally {
    db.close();
  }
}

/**
 * Fill a file of an older version with the rows of today's that it had room for. A step that gives a column another meaning, or
 * takes one away, has to come with rows of its own here.
 */
function fillOld(old: DatabaseSync, today: string): ReadonlyMap<string, readonly string[]> {
  const shape = new Map(tablesOf(old).map((table) => [table, columnsOf(old, table)]));
  old.prepare("ATTACH ? AS today").run(today);
  for (const [table, columns] of shape) {
    old.exec(`DELETE FROM main.${table}; INSERT INTO main.${table} (${columns.join(", ")}) SELECT ${columns.join(", ")} FROM today.${table}`);
  }
  old.exec("DETACH today");
  old.close();
  return shape;
}

/** Copies of each version from `version` on, whole; none of another. */
function assertCopies(path: string, version: number, today: number, shape: ReadonlyMap<string, readonly string[]>, rows: Rows): void {
  for (let step = 1; step <= today; step++) {
    const copy = `${path}.v${step}.bak`;
    assert.equal(existsSync(copy), step >= version && step < today, copy);
    if (!existsSync(copy)) continue;
    const db = new DatabaseSync(copy, { readOnly: true });
    assert.equal(schemaVersion(db), step);
    db.close();
    assert.deepEqual(rowsOf(copy, shape), rows, copy);
    assert.equal(statSync(copy).mode & 0o777, 0o600);
  }
}

describe("a new file", () => {
  it("is at the newest version at once, without copies of what never held anything", () => {
    for (const open of [(path: string) => openForWriting(path, { sync: "process" }), (path: string) => openControlForWriting(path)]) {
      const path = newFile();
      open(path).close();
      assert.deepEqual(readdirSync(dirname(path)), ["file.db"]);
    }
  });
});

describe("a ledger's file", () => {
  const today = newFile();
  const open = (path: string): SqliteStorage => new SqliteStorage(path, { leaseMs: LEASE_MS, wallMs: () => START_MS, checkpointEveryMs: 0 });
  /** What is told of it: what attempts cost, with the number of their corrections, and what a budget of the day stands at. */
  const told = async (path: string) => {
    const storage = open(path);
    storage.limit([DAY]);
    const balance = storage.budgets.book.balanceOf(DAY.id, START_MS);
    const attempts = storage.reader.attemptsByIds([1, 2, 3, 4].map((number) => aHold(number).attemptId));
    const said = {
      settledNanoUsd: balance?.settledNanoUsd, heldNanoUsd: balance?.heldNanoUsd, orphans: storage.orphansFound, kept: storage.kept.kept().length,
      costs: attempts.map((one) => [one.costNanoUsd, one.corrections]), requests: [...storage.reader.requests({})].map((one) => one.requestId),
    };
    await storage.close();
    return said;
  };

  before(async () => {
    const storage = open(today);
    storage.limit([DAY]);
    // One charged, one charged and corrected, one that its process left behind, one that is kept for its provider.
    await storage.ledger.reserve([1, 2, 3, 4].map((number) => aHold(number)));
    await storage.ledger.settle([aCharge(1), aCharge(2)]);
    await storage.ledger.settle([aCharge(2, { costNanoUsd: 29_500 })]);
    await storage.kept.keep(aKeptCall(4));
    for (const number of [1, 2]) storage.records.append(aRecord(number));
    await storage.close();
    const db = new DatabaseSync(today);
    db.exec("INSERT INTO slices VALUES ('joiner-a', 'app-day#x', 'app-day', '2026-11-23', 1, 2, 500000, 1000, 2000, 0, 3000, 0); INSERT INTO joiner VALUES ('joiner-b')");
    db.close();
  });

  for (let version = 1; version <= MIGRATIONS.length; version++) {
    it(`of version ${version} keeps its rows, its totals and its balances, with a copy of each version on the way`, async () => {
      const path = newFile();
      const shape = fillOld(openForWriting(path, { sync: "process", migrations: MIGRATIONS.slice(0, version) }), today);
      const rows = rowsOf(path, shape);
      assert.deepEqual([rows["holds"]?.length, rows["charges"]?.length, rows["corrections"]?.length, rows["record_batches"]?.length !== 0], [4, 2, 1, true]);
      assert.deepEqual([rows["kept_calls"]?.length, rows["balances"]?.length, rows["slices"]?.length], [version >= 2 ? 1 : undefined, version >= 3 ? 1 : undefined, version >= 4 ? 1 : undefined]);

      openForWriting(path, { sync: "process" }).close();
      assert.deepEqual(rowsOf(path, shape), rows);
      assertCopies(path, version, MIGRATIONS.length, shape, rows);

      // Before there were kept calls, the row of one was another that its process left behind.
      assert.deepEqual(await told(path), {
        settledNanoUsd: 19_500 + 29_500, heldNanoUsd: 2 * 1_000_000, orphans: version >= 2 ? 1 : 2, kept: version >= 2 ? 1 : 0,
        costs: [[19_500, 0], [29_500, 1], [null, 0], [null, 0]], requests: [1, 2, 3, 4].map((number) => aHold(number).requestId),
      });
    });
  }
});

describe("a file of managed objects", () => {
  const today = newFile();
  before(() => {
    const store = new SqliteControlStore(today, { shown: SHOWN });
    store.apply([aPut("a"), aPut("b")], ADA, "create");
    store.apply([{ op: "delete", kind: "team", id: "a" }], ADA, "delete");
    store.close();
  });

  for (let version = 1; version <= CONTROL_MIGRATIONS.length; version++) {
    it(`of version ${version} keeps its objects and its audit log, with a copy of each version on the way`, () => {
      const path = newFile();
      const shape = fillOld(openControlForWriting(path, CONTROL_MIGRATIONS.slice(0, version)), today);
      const rows = rowsOf(path, shape);
      assert.deepEqual([rows["objects"]?.length, rows["audit"]?.length, rows["audit_head"]?.length], [1, 3, 1]);

      openControlForWriting(path).close();
      assert.deepEqual(rowsOf(path, shape), rows);
      assertCopies(path, version, CONTROL_MIGRATIONS.length, shape, rows);

      const reader = openControlForReading(path);
      assert.deepEqual([...reader.all("team")].map(({ id, version: its }) => [id, its]), [["b", 1]]);
      assert.equal(reader.verifyAudit(), null);
      assert.equal(reader.audit({ after: 0, limit: 9 }).length, 3);
      reader.close();
      // What was deleted under an older schema had no version above the lines that tell of it.
      const store = new SqliteControlStore(path);
      const made = store.apply([aPut("a")], ADA, "create");
      store.close();
      assert.equal(made.kind === "done" ? made.objects[0]?.version : null, version >= 2 ? 2 : 3);
    });
  }
});
