/** Budgets over a real file: what is admitted, what is refused, and that no crash, restart or change of limits loses a nano-dollar. */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import type { Budget } from "../decide/budget/types.ts";
import type { Hold, ReserveResult } from "../ports.ts";
import { aCharge, aHold, LEASE_MS, START_MS } from "./conformance.ts";
import { SqliteStorage } from "./sqlite.ts";

const base = mkdtempSync(join(tmpdir(), "spillway-budgets-"));
after(() => rmSync(base, { recursive: true, force: true }));
let folders = 0;
const newFile = (): string => join(mkdtempSync(join(base, `${++folders}-`)), "ledger.db");
const openStorages = new Set<SqliteStorage>();
after(async () => {
  for (const one of openStorages) await one.close();
});

const DAY: Budget = { id: "app-day", scopes: ["key/app"], period: "day", timeZone: "UTC", limitNanoUsd: 3_000_000, kind: "hard", alertsAtPermille: [500, 1000], cheaperFromPermille: null };

function open(path = newFile(), budgetWaitMs = 0, wallMs: () => number = () => START_MS): SqliteStorage & { readonly file: string } {
  const storage = new SqliteStorage(path, { leaseMs: LEASE_MS, wallMs, checkpointEveryMs: 0, settleRetryMs: 100, budgetWaitMs });
  openStorages.add(storage);
  return Object.assign(storage, { file: path });
}

/** The files as they lie on the disk now are what a killed process leaves. */
function crashed(storage: SqliteStorage & { readonly file: string }, budgetWaitMs = 0): SqliteStorage & { readonly file: string } {
  const copy = newFile();
  for (const ending of ["", "-wal"]) if (existsSync(storage.file + ending)) cpSync(storage.file + ending, copy + ending);
  return open(copy, budgetWaitMs);
}

async function reserve(storage: SqliteStorage, number: number, over: Partial<Hold> = {}): Promise<ReserveResult> {
  const [result] = await storage.ledger.reserve([aHold(number, over)]);
  assert.ok(result !== undefined);
  return result;
}

const standing = (storage: SqliteStorage, id = "app-day"): readonly [number, number] => {
  const balance = storage.budgets.book.balanceOf(id, START_MS);
  return [balance?.settledNanoUsd ?? -1, balance?.heldNanoUsd ?? -1];
};

describe("a budget over the ledger", () => {
  it("admits up to its limit and not a hold more, and writes no row for what it refuses", async () => {
    const storage = open();
    storage.limit([DAY]);
    const results = await Promise.all([1, 2, 3, 4].map((number) => reserve(storage, number)));
    assert.deepEqual(results.map((one) => one.kind), ["held", "held", "held", "refused"]);
    assert.deepEqual(standing(storage), [0, 3_000_000]);
    assert.deepEqual(storage.reader.attemptsByIds([1, 2, 3, 4].map((number) => aHold(number).attemptId)).length, 3);
    const refused = results[3];
    assert.ok(refused?.kind === "refused");
    assert.equal(refused.message, "The budget app-day allows key/app $0.003 a day: $0.00 is spent and $0.003 is held for calls under way, this call may cost up to $0.001. It begins anew at 2026-11-24T00:00:00.000Z.");
  });

  it("counts what is settled in place of what was held, and admits again what there is room for", async () => {
    const storage = open();
    storage.limit([DAY]);
    for (const number of [1, 2, 3]) await reserve(storage, number);
    await storage.ledger.settle([aCharge(1), aCharge(2)]);
    assert.deepEqual(standing(storage), [39_000, 1_000_000]);
    assert.equal((await reserve(storage, 4)).kind, "held");
    assert.equal((await reserve(storage, 5)).kind, "refused");
  });

  it("counts a charge once that comes twice in one group, also where the second says something else, and over a restart", async () => {
    const storage = open();
    storage.limit([DAY]);
    for (const number of [1, 2, 3]) await reserve(storage, number);
    await storage.ledger.settle([aCharge(1), aCharge(1)]);
    await Promise.all([storage.ledger.settle([aCharge(2)]), storage.ledger.settle([aCharge(2)])]);
    await storage.ledger.settle([aCharge(3), aCharge(3, { costNanoUsd: 100 })]);
    assert.deepEqual(standing(storage), [39_100, 0]);
    const again = crashed(storage);
    again.limit([DAY]);
    assert.deepEqual(standing(again), [39_100, 0]);
  });

  it("starts again where more was spent than a number holds exactly, with the balance at the most", async () => {
    const most = Number.MAX_SAFE_INTEGER;
    const total: Budget = { ...DAY, id: "app-total", period: "total", kind: "soft" };
    const storage = open();
    storage.limit([total]);
    for (const number of [1, 2, 3]) await reserve(storage, number);
    await storage.ledger.settle([1, 2, 3].map((number) => aCharge(number, { costNanoUsd: 4_000_000_000_000_001 })));
    const again = crashed(storage);
    again.limit([total]);
    assert.equal(standing(again, "app-total")[0], most);
    // New budgets are summed up from the rows, one alone and several together.
    again.limit(["a", "b", "c"].map((id) => ({ ...total, id })));
    assert.deepEqual(["a", "b", "c"].map((id) => standing(again, id)[0]), [most, most, most]);
  });

  it("starts a new budget from all rows of its day, also of those between which others stand that had waited past midnight", async () => {
    const midnight = Date.parse("2026-11-24T00:00:00Z");
    const storage = open(newFile(), 0, () => midnight + 20_000);
    const numbers = Array.from({ length: 10_000 }, (_, i) => i + 1);
    await storage.ledger.reserve(numbers.map((number) => aHold(number, { atMs: number % 2 === 0 ? midnight - 10_000 : midnight + number })));
    await storage.ledger.settle(numbers.map((number) => aCharge(number, { costNanoUsd: 1 })));
    storage.limit([DAY]);
    assert.equal(storage.budgets.book.balanceOf("app-day", midnight + 20_000)?.settledNanoUsd, 5_000);
  });

  it("refuses many holds at once one by one, and answers in their order", async () => {
    const storage = open();
    storage.limit([DAY]);
    const results = await storage.ledger.reserve([1, 2, 3, 4, 5].map((number) => aHold(number, number === 2 ? { boundNanoUsd: 9_000_000 } : {})));
    assert.deepEqual(results.map((one) => one.kind), ["held", "refused", "held", "held", "refused"]);
  });

  it("refuses a bound that nobody knows, and lets pass what costs nothing until it is spent", async () => {
    const storage = open();
    storage.limit([DAY]);
    assert.match(JSON.stringify(await reserve(storage, 1, { boundNanoUsd: null })), /cannot be bounded/);
    assert.equal((await reserve(storage, 2, { boundNanoUsd: null, unmetered: true })).kind, "held");
    storage.limit([{ ...DAY, limitNanoUsd: 0 }]);
    assert.equal((await reserve(storage, 3, { boundNanoUsd: null, unmetered: true })).kind, "refused");
    assert.equal((await reserve(storage, 4, { boundNanoUsd: 0 })).kind, "refused");
  });

  it("stands where it stood after a crash, with the holds of the dead still held", async () => {
    const before = open();
    before.limit([DAY]);
    for (const number of [1, 2]) await reserve(before, number);
    await before.ledger.settle([aCharge(1)]);
    const storage = crashed(before);
    storage.limit([DAY]);
    assert.deepEqual(standing(storage), [19_500, 1_000_000]);
    assert.equal((await reserve(storage, 3)).kind, "held");
    assert.equal((await reserve(storage, 4)).kind, "refused");
    // The orphan settles from its prompt's estimate, and makes room.
    assert.equal(storage.settleOrphans(START_MS + 2 * LEASE_MS), 1);
    assert.deepEqual(standing(storage), [19_500 + 15_000, 1_000_000]);
    assert.equal((await reserve(storage, 5)).kind, "held");
  });

  it("that is new starts from the rows of its period, charged, corrected and open, and from no others", async () => {
    const storage = open();
    for (const number of [1, 2, 3]) await reserve(storage, number);
    await reserve(storage, 4, { scopes: ["tenant/default", "key/other"] });
    await reserve(storage, 5, { atMs: START_MS - 86_400_000 });
    await storage.ledger.settle([1, 2, 4, 5].map((number) => aCharge(number)));
    await storage.ledger.settle([aCharge(2, { costNanoUsd: 29_500 })]);
    storage.limit([DAY]);
    assert.deepEqual(standing(storage), [19_500 + 29_500, 1_000_000]);
    await storage.ledger.settle([aCharge(2, { costNanoUsd: 9_500 })]);
    assert.deepEqual(standing(storage), [29_000, 1_000_000]);
    const again = crashed(storage);
    again.limit([DAY]);
    assert.deepEqual(standing(again), [29_000, 1_000_000]);
  });

  it("that is new together with others starts as each would alone", async () => {
    const scopes = ["app", "b", "c"].map((key) => ["tenant/default", `key/${key}`]);
    const budgets: Budget[] = [
      ...scopes.map(([, key = ""]) => ({ ...DAY, id: key.slice(4), scopes: [key] })),
      { ...DAY, id: "all", scopes: ["tenant/default"] },
      { ...DAY, id: "both", scopes: ["tenant/default", "key/b"] },
      { ...DAY, id: "month", scopes: ["key/c"], period: "month" },
      { ...DAY, id: "ever", scopes: ["tenant/default"], period: "total" },
      { ...DAY, id: "idle", scopes: ["key/idle"] },
    ];
    const before = open();
    for (let number = 0; number < 12; number++) await reserve(before, number, { scopes: scopes[number % 3] ?? [], atMs: START_MS - (number % 2) * 86_400_000 });
    await before.ledger.settle(Array.from({ length: 10 }, (_, number) => aCharge(number, { costNanoUsd: 1_000 << number })));
    await before.ledger.settle([aCharge(4, { costNanoUsd: 7 })]);
    const together = crashed(before);
    together.limit(budgets);
    for (const budget of budgets) {
      const alone = crashed(before);
      alone.limit([budget]);
      assert.deepEqual(standing(together, budget.id), standing(alone, budget.id), budget.id);
    }
    assert.deepEqual(standing(together, "ever")[0], 1_000 * 1_023 + 7 - (1_000 << 4));
  });

  it("of a zone in the far east finds its rows of a day that has passed", async () => {
    const storage = open();
    // The twenty-third in Kiritimati ended at ten in the morning of Greenwich.
    await reserve(storage, 1, { atMs: START_MS - 3 * 3_600_000 });
    await storage.ledger.settle([aCharge(1)]);
    await reserve(storage, 2, { atMs: START_MS - 3 * 3_600_000 });
    const east: Budget = { ...DAY, id: "east", timeZone: "Pacific/Kiritimati" };
    storage.limit([east]);
    const then = storage.budgets.book.balanceOf("east", START_MS - 3 * 3_600_000);
    assert.deepEqual([then?.settledNanoUsd, then?.heldNanoUsd], [19_500, 1_000_000]);
    assert.deepEqual(standing(storage, "east"), [0, 0]);
  });

  it("takes back what was admitted when the disk does not take its row, and settles when the charge is written", async () => {
    const storage = open();
    storage.limit([DAY]);
    await reserve(storage, 1);
    const blocker = new DatabaseSync(storage.file);
    blocker.exec("BEGIN IMMEDIATE");
    assert.equal((await reserve(storage, 2)).kind, "unavailable");
    assert.deepEqual(standing(storage), [0, 1_000_000]);
    await assert.rejects(storage.ledger.settle([aCharge(1)]));
    assert.deepEqual(standing(storage), [0, 1_000_000]);
    blocker.exec("ROLLBACK");
    blocker.close();
    await reserve(storage, 3);
    assert.deepEqual(standing(storage), [19_500, 1_000_000], "the late charge came with the next group");
  });

  it("records what a provider billed beyond the bound, and admits nothing until that is covered", async () => {
    const storage = open();
    storage.limit([DAY]);
    await reserve(storage, 1);
    await storage.ledger.settle([aCharge(1, { costNanoUsd: 5_000_000 })]);
    assert.equal(storage.budgets.book.balanceOf("app-day", START_MS)?.overrunNanoUsd, 4_000_000);
    assert.equal((await reserve(storage, 2, { boundNanoUsd: 1 })).kind, "refused");
    storage.limit([{ ...DAY, limitNanoUsd: 5_000_001 }]);
    assert.equal((await reserve(storage, 3, { boundNanoUsd: 1 })).kind, "held");
  });

  it("tells each threshold once, over restarts too", async () => {
    const storage = open();
    storage.limit([DAY]);
    await reserve(storage, 1);
    await storage.ledger.settle([aCharge(1, { costNanoUsd: 1_600_000 })]);
    assert.deepEqual(storage.budgets.alertsDue().map((one) => one.permille), [500]);
    assert.deepEqual(storage.budgets.alertsDue(), []);
    const again = crashed(storage);
    again.limit([DAY]);
    assert.deepEqual(again.budgets.alertsDue(), []);
    await reserve(again, 2);
    await again.ledger.settle([aCharge(2, { costNanoUsd: 1_400_000 })]);
    assert.deepEqual(again.budgets.alertsDue().map((one) => one.permille), [1000]);
  });

  it("lets a hold wait for room that others may leave, in the order of asking, and for no longer than it says", async () => {
    const storage = open(newFile(), 60_000);
    storage.limit([DAY]);
    for (const number of [1, 2, 3]) await reserve(storage, number);
    const order: string[] = [];
    const later = [4, 5, 6, 7].map(async (number) => {
      const { kind } = await reserve(storage, number);
      order.push(`${number} ${kind}`);
    });
    await storage.ledger.settle([aCharge(1), aCharge(2)]);
    await Promise.all(later.slice(0, 2).map((one, i) => (i === 0 ? one : Promise.resolve())));
    assert.deepEqual(order, ["4 held"]);
    // The rest of the room is spent: what waits is told so at once.
    await storage.ledger.settle([aCharge(3, { costNanoUsd: 900_000 }), aCharge(4, { costNanoUsd: 1_000_000 })]);
    await later[1];
    assert.deepEqual(order, ["4 held", "5 held"]);
    await storage.ledger.settle([aCharge(5, { costNanoUsd: 1_000_000 })]);
    await Promise.all(later);
    assert.deepEqual(order, ["4 held", "5 held", "6 refused", "7 refused"]);
    const impatient = open(newFile(), 20);
    impatient.limit([DAY]);
    for (const number of [1, 2, 3]) await reserve(impatient, number);
    assert.equal((await reserve(impatient, 4)).kind, "refused");
  });

  it("grants a hold that waited past midnight in the new day, and counts it there", async () => {
    let nowMs = START_MS;
    const storage = open(newFile(), 60_000, () => nowMs);
    storage.limit([DAY]);
    for (const number of [1, 2, 3]) await reserve(storage, number);
    const waits = reserve(storage, 4);
    nowMs = Date.parse("2026-11-24T00:00:01Z");
    await storage.ledger.settle([aCharge(1)]);
    assert.equal((await waits).kind, "held");
    const [row] = storage.reader.attemptsByIds([aHold(4).attemptId]);
    assert.equal(row?.atMs, nowMs);
    const next = storage.budgets.book.balanceOf("app-day", nowMs);
    assert.deepEqual([next?.settledNanoUsd, next?.heldNanoUsd], [0, 1_000_000]);
    assert.deepEqual(standing(storage), [19_500, 2_000_000]);
    await storage.ledger.settle([aCharge(4)]);
    assert.equal(storage.budgets.book.balanceOf("app-day", nowMs)?.settledNanoUsd, 19_500);
    const again = crashed(storage);
    again.limit([DAY]);
    assert.equal(again.budgets.book.balanceOf("app-day", nowMs)?.settledNanoUsd, 19_500);
    assert.deepEqual(standing(again), [19_500, 2_000_000]);
  });

  it("lets who waits at midnight in when the new day begins, though nothing else happens", async () => {
    const beginsMs = Date.parse("2026-11-24T00:00:00Z") - 20;
    const startedMs = performance.now();
    const storage = open(newFile(), 60_000, () => beginsMs + Math.floor(performance.now() - startedMs));
    storage.limit([DAY]);
    for (const number of [1, 2, 3]) await reserve(storage, number, { atMs: beginsMs });
    assert.equal((await reserve(storage, 4, { atMs: beginsMs })).kind, "held");
  });

  it("books a correction of a period that is no longer in memory", async () => {
    let nowMs = START_MS;
    const storage = open(newFile(), 0, () => nowMs);
    storage.limit([DAY]);
    await reserve(storage, 1);
    await reserve(storage, 2, { atMs: START_MS + 86_400_000 });
    await storage.ledger.settle([aCharge(1), aCharge(2, { costNanoUsd: null, state: "estimated" })]);
    for (let day = 1; day <= 6; day++) {
      nowMs = START_MS + day * 86_400_000;
      await reserve(storage, 10 + day, { atMs: nowMs });
      await storage.ledger.settle([aCharge(10 + day)]);
    }
    assert.equal(storage.budgets.book.accounts.get("app-day")?.knownTally("2026-11-23"), undefined);
    await storage.ledger.settle([aCharge(1, { costNanoUsd: 29_500 })]);
    const settledOn = (one: SqliteStorage, atMs: number): number | undefined => one.budgets.book.balanceOf("app-day", atMs)?.settledNanoUsd;
    const again = crashed(storage);
    again.limit([DAY]);
    assert.equal(settledOn(again, START_MS), 29_500);
    assert.equal(settledOn(storage, START_MS), 29_500);
  });

  it("lets nobody wait for what a batch holds until its provider has ended it, over a restart too", async () => {
    const storage = open(newFile(), 60_000);
    storage.limit([DAY]);
    await reserve(storage, 1, { boundNanoUsd: 2_500_000 });
    const waits = reserve(storage, 2);
    const call = { account: "a", kind: "files-batch", upstreamId: "batch_1", createdMs: START_MS, nextLookMs: START_MS, looks: 0, status: "in_progress", boundNanoUsd: 2_500_000 } as const;
    await storage.kept.keep({ ...call, attemptId: aHold(1).attemptId });
    assert.equal((await waits).kind, "refused");
    assert.equal((await reserve(storage, 3)).kind, "refused");
    assert.equal((await reserve(storage, 4, { boundNanoUsd: 500_000 })).kind, "held");
    const again = crashed(storage, 60_000);
    again.limit([DAY]);
    assert.equal((await reserve(again, 5)).kind, "refused");
    again.limit([DAY, { ...DAY, id: "org", scopes: ["tenant/default"] }]);
    assert.equal((await reserve(again, 6)).kind, "refused");
    await again.ledger.settle([aCharge(1, { costNanoUsd: 100_000 })]);
    assert.equal((await reserve(again, 7)).kind, "held");
  });

  it("equals the sum of its rows after any crashes amid any mix of holds, charges and limits", async () => {
    let storage = open();
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) % below;
    const budgets: Budget[] = [DAY, { ...DAY, id: "org", scopes: ["tenant/default"], period: "month", limitNanoUsd: 40_000_000 }];
    storage.limit(budgets);
    const opened: number[] = [];
    for (let number = 1; number <= 600; number++) {
      const scopes = ["tenant/default", `key/${["app", "b", "c"][random(3)]}`];
      if ((await reserve(storage, number, { scopes, boundNanoUsd: random(500_000) })).kind === "held") opened.push(number);
      while (opened.length > random(12)) {
        const [settled = 0] = opened.splice(random(opened.length), 1);
        await storage.ledger.settle([aCharge(settled, { costNanoUsd: random(200_000) })]);
      }
      if (random(60) === 0) {
        storage = crashed(storage);
        storage.limit(budgets);
        // The dead process's holds stay held; some of them are charged by evidence.
      }
      if (random(50) === 0) storage.limit(budgets.map((one) => ({ ...one, limitNanoUsd: random(60_000_000) })));
      assertEqualsRows(storage, budgets);
    }
  });
});

function assertEqualsRows(storage: SqliteStorage & { readonly file: string }, budgets: readonly Budget[]): void {
  const db = new DatabaseSync(storage.file, { readOnly: true });
  try {
    for (const { id, scopes: [scope = ""] } of budgets) {
      const row = db.prepare("SELECT coalesce(sum(cost_nano_usd), 0) AS settled, coalesce(sum(iif(state = 'held', bound_nano_usd, 0)), 0) AS held FROM attempts WHERE instr(scopes, ?) > 0").get(JSON.stringify(scope));
      assert.deepEqual(standing(storage, id), [row?.["settled"], row?.["held"]], id);
    }
  } finally {
    db.close();
  }
}
