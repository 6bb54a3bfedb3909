/** Reports beside the event loop: bounded in time and number, and nobody waits for them who did not ask. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { QueryError, type UsageQuery } from "../control/reports.ts";
import { aCharge, aHold, START_MS } from "./conformance.ts";
import { QueryThread } from "./queries.ts";
import { SqliteStorage } from "./sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-queries-"));
const ledgerPath = join(folder, "ledger.db");
const controlPath = join(folder, "control.db");
const ALL: UsageQuery = { tenant: "default", scopes: [], deployment: null, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, by: ["key"], timeZone: "UTC" };
const ROWS = 40_000;

describe("queries", () => {
  let storage: SqliteStorage;
  before(async () => {
    storage = new SqliteStorage(ledgerPath, { wallMs: () => START_MS, checkpointEveryMs: 0 });
    for (let from = 0; from < ROWS; from += 2_000) {
      const numbers = Array.from({ length: 2_000 }, (_, i) => from + i + 1);
      await storage.ledger.reserve(numbers.map((number) => aHold(number, { scopes: ["tenant/default", `key/k${number % 1_200}`] })));
      await storage.ledger.settle(numbers.map((number) => aCharge(number, { costNanoUsd: 1 })));
    }
  });
  after(async () => {
    await storage.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("are answered while the event loop goes on", async () => {
    const queries = new QueryThread({ ledgerPath, controlPath });
    try {
      let turns = 0;
      let done = false;
      const turn = (): void => {
        turns += 1;
        if (!done) setImmediate(turn);
      };
      turn();
      const report = await queries.usage(ALL, 10);
      done = true;
      assert.deepEqual([report.total.costNanoUsd, report.groups, report.rows.length], [BigInt(ROWS), 1_200, 10]);
      assert.ok(turns > 50, `${turns} turns`);
    } finally {
      await queries.close();
    }
  });

  it("give all rows piece by piece, to its end or as far as somebody reads", async () => {
    const queries = new QueryThread({ ledgerPath, controlPath });
    try {
      const sizes: number[] = [];
      for await (const rows of queries.usageRows(ALL)) sizes.push(rows.length);
      assert.deepEqual(sizes, [500, 500, 200]);
      for await (const rows of queries.usageRows(ALL)) {
        assert.equal(rows.length, 500);
        break;
      }
      assert.equal((await queries.usage(ALL, 1)).groups, 1_200);
    } finally {
      await queries.close();
    }
  });

  it("end when their time is over, and others are answered after it", async () => {
    const queries = new QueryThread({ ledgerPath, controlPath, limitMs: 0 });
    try {
      await assert.rejects(queries.usage(ALL, 1), (error) => error instanceof QueryError && error.code === "slow");
      assert.equal(await queries.request("default", "req_unknown"), null);
    } finally {
      await queries.close();
    }
  });

  it("are refused where too many wait, and when the gateway stops", async () => {
    const queries = new QueryThread({ ledgerPath, controlPath });
    const asked = Array.from({ length: 20 }, () => queries.usage(ALL, 1).then(() => "answered", (error: unknown) => (error instanceof QueryError ? error.code : "?")));
    const last = await Promise.all(asked.slice(-4));
    assert.deepEqual(last, ["busy", "busy", "busy", "busy"]);
    await queries.close();
    assert.ok((await Promise.all(asked.slice(0, 16))).every((one) => one === "answered" || one === "failed"));
    await assert.rejects(queries.usage(ALL, 1), /stopping/);
  });

  it("of a file that is not there fail with a reason", async () => {
    const queries = new QueryThread({ ledgerPath: join(folder, "none.db"), controlPath });
    try {
      await assert.rejects(queries.usage(ALL, 1), (error) => error instanceof QueryError && error.code === "failed");
    } finally {
      await queries.close();
    }
  });
});
