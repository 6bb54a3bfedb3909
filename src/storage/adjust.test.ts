import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { Budget } from "../decide/budget/types.ts";
import { adjust, readAdjustments, type Adjustment } from "./adjust.ts";
import { AttemptReader } from "./attempts.ts";
import { aCharge, aHold, START_MS } from "./conformance.ts";
import { openDataDir } from "./data-dir.ts";
import { SqliteStorage } from "./sqlite.ts";

const base = mkdtempSync(join(tmpdir(), "spillway-adjust-"));
after(() => rmSync(base, { recursive: true, force: true }));
const NEXT_MONTH_MS = Date.UTC(2026, 11, 2);
const month = (id: string): Budget => ({ id, scopes: ["key/app"], period: "month", timeZone: "UTC", limitNanoUsd: 1_000_000_000, kind: "hard", alertsAtPermille: [], cheaperFromPermille: null });

let folders = 0;
async function withStorage(work: (storage: SqliteStorage, folder: string) => Promise<void>): Promise<void> {
  const folder = join(base, String(++folders));
  const dir = openDataDir(folder);
  const storage = new SqliteStorage(dir.ledgerPath, { checkpointEveryMs: 0, wallMs: () => START_MS });
  try {
    await work(storage, folder);
  } finally {
    await storage.close();
    dir.close();
  }
}
function wanted(number: number, costNanoUsd: number, more: Partial<Adjustment> = {}): Adjustment {
  const { attemptId, units } = aCharge(number);
  return { attemptId, wasNanoUsd: 19_500, costNanoUsd, state: "charged", units, flags: ["rerated"], priceVersion: "2026-12-01", ...more };
}

describe("an adjustment", () => {
  it("is a row beside the call's own, of the call's time and by its own price list, made once", () =>
    withStorage(async (storage, folder) => {
      storage.limit([month("running")]);
      for (const number of [1, 2]) {
        await storage.ledger.reserve([aHold(number)]);
        await storage.ledger.settle([aCharge(number)]);
      }
      const made = await adjust(storage.ledger, storage.reader, [wanted(1, 20_000)], NEXT_MONTH_MS);
      assert.deepEqual(made, { made: 1, already: 0, left: [], differenceNanoUsd: 500 });
      assert.deepEqual(await adjust(storage.ledger, storage.reader, [wanted(1, 20_000)], NEXT_MONTH_MS), { made: 0, already: 1, left: [], differenceNanoUsd: 0 });
      const reader = new AttemptReader(folder);
      try {
        const [first, second] = [...reader.between({ fromMs: START_MS, toMs: START_MS + 1, account: "alpha" })];
        assert.deepEqual([first?.costNanoUsd, first?.priceVersion, first?.atMs, first?.period, first?.settledMs, first?.corrections], [20_000, "2026-12-01", START_MS, "2026-11", NEXT_MONTH_MS, 1]);
        assert.deepEqual([second?.costNanoUsd, second?.priceVersion, second?.corrections], [19_500, "2026-11-01", 0]);
        assert.deepEqual([...reader.between({ fromMs: START_MS + 1, toMs: NEXT_MONTH_MS * 2 })], []);
        assert.deepEqual([...reader.between({ fromMs: 0, toMs: NEXT_MONTH_MS, account: "alph" })], []);
      } finally {
        reader.close();
      }
      // Of the month of the call, in a balance that ran along and in one that is summed up anew.
      assert.equal(storage.budgets.book.balanceOf("running", START_MS)?.settledNanoUsd, 39_500);
      storage.limit([month("running"), month("new")]);
      assert.equal(storage.budgets.book.balanceOf("new", START_MS)?.settledNanoUsd, 39_500);
      assert.equal(storage.budgets.book.balanceOf("new", NEXT_MONTH_MS)?.settledNanoUsd, 0);
    }));

  it("is left where the call is open, unknown, or costs something else than it was decided by", () =>
    withStorage(async (storage) => {
      for (const number of [1, 2]) await storage.ledger.reserve([aHold(number)]);
      await storage.ledger.settle([aCharge(1)]);
      const found = await adjust(storage.ledger, storage.reader, [wanted(1, 5, { wasNanoUsd: 7 }), wanted(2, 5), wanted(3, 5)], NEXT_MONTH_MS);
      assert.deepEqual(found, { made: 0, already: 0, left: [1, 2, 3].map((number) => aCharge(number).attemptId), differenceNanoUsd: 0 });
    }));

  it("is read back as it was written down, and an order with anything else in it is none", () => {
    const list = [wanted(1, 5), wanted(2, 6, { wasNanoUsd: null, priceVersion: null, state: "estimated" })];
    assert.deepEqual(readAdjustments(JSON.parse(JSON.stringify(list)) as never), list);
    const wrong: readonly object[] = [{ costNanoUsd: -1 }, { costNanoUsd: 0.5 }, { costNanoUsd: null }, { state: "unbilled" }, { units: { tokens: 1 } }, { units: { input: -1 } }, { flags: [1] }, { attemptId: "a b" }, { priceVersion: 3 }, { wasNanoUsd: "1" }];
    for (const change of wrong) assert.equal(readAdjustments([{ ...wanted(1, 5), ...change }] as never), null, JSON.stringify(change));
    assert.equal(readAdjustments({} as never), null);
  });
});
