/** Processes that share budgets over real files: an authority, joiners, links that fail, journals that are lost. */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { Budget } from "../decide/budget/types.ts";
import type { Hold, ReserveResult } from "../ports.ts";
import { aCharge, aHold, LEASE_MS, START_MS } from "./conformance.ts";
import { SlicedBudgets, type AuthorityLink } from "./sliced-budgets.ts";
import { SqliteStorage } from "./sqlite.ts";

const base = mkdtempSync(join(tmpdir(), "spillway-slices-"));
const all = new Set<SqliteStorage>();
after(async () => {
  for (const one of all) await one.close();
  rmSync(base, { recursive: true, force: true });
});
let folders = 0;
const newFile = (): string => join(mkdtempSync(join(base, `${++folders}-`)), "ledger.db");

const DAY: Budget = { id: "app-day", scopes: ["key/app"], period: "day", timeZone: "UTC", limitNanoUsd: 20_000_000, kind: "hard", alertsAtPermille: [], cheaperFromPermille: null };

interface Opened {
  readonly storage: SqliteStorage;
  readonly file: string;
}

function opened(file: string, authority: AuthorityLink | undefined, budgetWaitMs: number, epochMs = START_MS, budgets: readonly Budget[] = [DAY]): Opened {
  const storage = new SqliteStorage(file, { leaseMs: LEASE_MS, wallMs: () => epochMs, checkpointEveryMs: 0, budgetWaitMs, ...(authority === undefined ? {} : { authority }) });
  all.add(storage);
  storage.limit(budgets);
  return { storage, file };
}

/** A link that can be cut. */
class Link implements AuthorityLink {
  cut = false;
  asked = 0;
  #to: SqliteStorage;
  constructor(to: SqliteStorage) {
    this.#to = to;
  }
  async report(reports: Parameters<AuthorityLink["report"]>[0]): Promise<Awaited<ReturnType<AuthorityLink["report"]>>> {
    await new Promise((resolve) => setImmediate(resolve));
    this.asked += 1;
    if (this.cut) throw new Error("no way there");
    return this.#to.slices.answer(reports);
  }
}

async function reserve({ storage }: Opened, number: number, over: Partial<Hold> = {}): Promise<ReserveResult> {
  const [result] = await storage.ledger.reserve([aHold(number, over)]);
  assert.ok(result !== undefined);
  return result;
}

const balance = ({ storage }: Opened): { settledNanoUsd: number; heldNanoUsd: number } => {
  const found = storage.budgets.book.balanceOf("app-day", START_MS);
  assert.ok(found !== undefined);
  return found;
};

describe("processes that share a budget", () => {
  it("never hold more than its limit together, and use it to the end", async () => {
    const authority = opened(newFile(), undefined, 1_000);
    const joiners = [1, 2].map(() => opened(newFile(), new Link(authority.storage), 1_000));
    const everyone = [authority, ...joiners];
    const held: [Opened, number][] = [];
    await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const who = everyone[i % 3] as Opened;
        if ((await reserve(who, i + 1)).kind === "held") held.push([who, i + 1]);
      }),
    );
    assert.equal(held.length, 20, "twenty of a million each are the limit");
    const { settledNanoUsd, heldNanoUsd } = balance(authority);
    assert.ok(settledNanoUsd + heldNanoUsd <= DAY.limitNanoUsd);
    for (const [who, number] of held) await who.storage.ledger.settle([aCharge(number, { costNanoUsd: 900_000 })]);
    // What is not used of the slices comes back, and two more fit.
    assert.equal((await reserve(joiners[0] as Opened, 100)).kind, "held");
    assert.equal((await reserve(authority, 101)).kind, "held");
    assert.equal((await reserve(joiners[1] as Opened, 102)).kind, "refused");
  });

  it("are told apart from calls under way where something is refused", async () => {
    const authority = opened(newFile(), undefined, 0);
    const link = new Link(authority.storage);
    const joiner = opened(newFile(), link, 0);
    assert.equal((await reserve(joiner, 1, { boundNanoUsd: 3_000_000 })).kind, "held");
    const own = await reserve(authority, 2, { boundNanoUsd: 1_000_000 });
    assert.equal(own.kind, "held");
    const granted = authority.storage.budgets.book.balanceOf("app-day", START_MS)?.grantedNanoUsd ?? 0;
    assert.ok(granted >= 3_000_000, String(granted));
    const refused = await reserve(authority, 3, { boundNanoUsd: 18_000_000 });
    assert.match(refused.kind === "refused" ? refused.message : refused.kind, new RegExp(`: \\$0\\.00 is spent, \\$0\\.001 is held for calls under way and \\$${granted / 1e9} is granted to joined gateways, this call`));
    // What the joiner spends is granted no more.
    await joiner.storage.ledger.settle([aCharge(1, { costNanoUsd: 2_000_000 })]);
    assert.ok(joiner.storage.budgets instanceof SlicedBudgets);
    await joiner.storage.budgets.settleUp();
    await authority.storage.ledger.settle([aCharge(2, { costNanoUsd: 0 })]);
    const after = await reserve(authority, 4, { boundNanoUsd: 19_000_000 });
    assert.match(after.kind === "refused" ? after.message : after.kind, /: \$0\.002 is spent, this call/);
  });

  it("serve within what was granted while the authority is gone, and no further", async () => {
    const authority = opened(newFile(), undefined, 700);
    const link = new Link(authority.storage);
    const joiner = opened(newFile(), link, 700);
    assert.equal((await reserve(joiner, 1)).kind, "held");
    link.cut = true;
    let number = 2;
    while ((await reserve(joiner, number)).kind === "held") number += 1;
    assert.ok(number > 2, "the slice is more than one call");
    assert.match(JSON.stringify(await reserve(joiner, number + 1)), /"unavailable".*cannot be reached/);
    link.cut = false;
    assert.equal((await reserve(joiner, 50)).kind, "held");
  });

  it("grant a hold that waited past midnight in the new day, of a joiner too", async () => {
    let nowMs = START_MS;
    const at = (file: string, authority?: AuthorityLink): Opened => {
      const storage = new SqliteStorage(file, { leaseMs: LEASE_MS, wallMs: () => nowMs, checkpointEveryMs: 0, budgetWaitMs: 5_000, ...(authority === undefined ? {} : { authority }) });
      all.add(storage);
      storage.limit([{ ...DAY, limitNanoUsd: 2_000_000 }]);
      return { storage, file };
    };
    const authority = at(newFile());
    const link = new Link(authority.storage);
    const joiner = at(newFile(), link);
    for (const number of [1, 2]) assert.equal((await reserve(authority, number)).kind, "held");
    const waits = reserve(joiner, 3);
    while (link.asked === 0) await new Promise((resolve) => setImmediate(resolve));
    nowMs = Date.parse("2026-11-24T00:00:01Z");
    assert.equal((await waits).kind, "held");
    assert.equal(joiner.storage.reader.attemptsByIds([aHold(3).attemptId])[0]?.atMs, nowMs);
    const standing = (atMs: number): readonly [number | undefined, number | undefined] => {
      const found = joiner.storage.budgets.book.balanceOf("app-day", atMs);
      return [found?.settledNanoUsd, found?.heldNanoUsd];
    };
    assert.deepEqual([standing(START_MS), standing(nowMs)], [[0, 0], [0, 1_000_000]]);
    assert.deepEqual(balance(authority), { settledNanoUsd: 0, heldNanoUsd: 2_000_000, overrunNanoUsd: 0 });
  });

  it("know what they had after a kill, and what the authority granted", async () => {
    const authority = opened(newFile(), undefined, 500);
    const joiner = opened(newFile(), new Link(authority.storage), 500);
    for (const number of [1, 2, 3]) await reserve(joiner, number);
    await joiner.storage.ledger.settle([aCharge(1, { costNanoUsd: 700_000 })]);
    const copies = [authority, joiner].map(({ file }) => {
      const copy = newFile();
      for (const ending of ["", "-wal"]) if (existsSync(file + ending)) cpSync(file + ending, copy + ending);
      return copy;
    });
    const authorityAgain = opened(copies[0] as string, undefined, 500);
    assert.ok(balance(authorityAgain).heldNanoUsd >= 3_000_000 - 300_000, "grants are held over the restart");
    const joinerAgain = opened(copies[1] as string, new Link(authorityAgain.storage), 500, START_MS + 1);
    const before = balance(authorityAgain);
    assert.ok(before.settledNanoUsd + before.heldNanoUsd <= DAY.limitNanoUsd);
    const asked = await Promise.all(Array.from({ length: 30 }, (_, i) => reserve(joinerAgain, 10 + i)));
    // One settled at 0.7, two of the dead are still held.
    assert.equal(asked.filter(({ kind }) => kind === "held").length, 17);
  });

  it("let no hold wait for another budget's room, nor for one whose request has ended", async () => {
    const other: Budget = { ...DAY, id: "other-day", scopes: ["key/other"] };
    const authority = opened(newFile(), undefined, 60_000, START_MS, [DAY, other]);
    const joiner = opened(newFile(), new Link(authority.storage), 60_000, START_MS, [DAY, other]);
    assert.equal((await reserve(joiner, 1, { boundNanoUsd: DAY.limitNanoUsd })).kind, "held");
    const order: string[] = [];
    const waiting = [2, 3].map((number) => reserve(joiner, number).then(({ kind }) => order.push(`${number} ${kind}`)));
    assert.equal((await reserve(joiner, 4, { scopes: ["key/other"] })).kind, "held");
    assert.deepEqual(order, [], "they wait for what the first holds");
    joiner.storage.budgets.forgo(aHold(2).attemptId);
    await waiting[0];
    assert.deepEqual(order, ["2 refused"]);
    await joiner.storage.ledger.settle([aCharge(1, { costNanoUsd: 500_000 })]);
    await Promise.all(waiting);
    assert.deepEqual(order, ["2 refused", "3 held"]);
  });

  it("do not spend the same slice for ever where one has a copy of the other's data folder", async () => {
    const authority = opened(newFile(), undefined, 300);
    const first = opened(newFile(), new Link(authority.storage), 300);
    assert.equal((await reserve(first, 1)).kind, "held");
    const copy = newFile();
    for (const ending of ["", "-wal"]) if (existsSync(first.file + ending)) cpSync(first.file + ending, copy + ending);
    const second = opened(copy, new Link(authority.storage), 300);
    assert.equal((await reserve(second, 2)).kind, "held");
    let slipped = 0;
    let last = await reserve(first, 100);
    for (; last.kind === "held"; last = await reserve(first, 100 + slipped)) slipped += 1;
    assert.match(JSON.stringify(last), /"unavailable".*a copy of this data folder/);
    assert.ok(slipped <= 4, "no more than what it had before the other came");
    assert.equal((await reserve(second, 3)).kind, "held", "the later one goes on");
  });

  it("go on after a restart with the clock set back", async () => {
    const authority = opened(newFile(), undefined, 300);
    const file = newFile();
    const before = opened(file, new Link(authority.storage), 300);
    assert.equal((await reserve(before, 1)).kind, "held");
    await before.storage.close();
    const again = opened(file, new Link(authority.storage), 300, START_MS - 60_000);
    const asked = await Promise.all(Array.from({ length: 30 }, (_, i) => reserve(again, 10 + i)));
    assert.equal(asked.filter(({ kind }) => kind === "held").length, 19);
  });

  it("count a slice whose journal is lost as spent, until it is heard of again", async () => {
    const authority = opened(newFile(), undefined, 100);
    const joiner = opened(newFile(), new Link(authority.storage), 100);
    await reserve(joiner, 1);
    const [slice] = authority.storage.slices.slices();
    assert.ok(slice !== undefined);
    assert.equal(authority.storage.slices.lose(slice.joiner), 1);
    assert.equal(balance(authority).settledNanoUsd, slice.grantedNanoUsd);
    assert.equal(balance(authority).heldNanoUsd, 0);
  });

  it("count what joined processes spent also of a budget that is taken away and made again under its id, one that is not there, too", async () => {
    const authority = opened(newFile(), undefined, 0);
    const joiners = [1, 2].map(() => opened(newFile(), new Link(authority.storage), 300)) as [Opened, Opened];
    for (const [i, joiner] of joiners.entries()) {
      assert.equal((await reserve(joiner, i, { boundNanoUsd: 7_000_000 })).kind, "held");
      await joiner.storage.ledger.settle([aCharge(i, { costNanoUsd: 7_000_000 })]);
      await (joiner.storage.budgets as SlicedBudgets).settleUp();
    }
    const [there, gone] = joiners;
    assert.equal(balance(authority).settledNanoUsd, 14_000_000);
    for (const { storage } of [authority, there]) storage.limit([]);
    for (const { storage } of [authority, there]) storage.limit([DAY]);
    assert.equal(balance(authority).settledNanoUsd, 14_000_000);
    await (there.storage.budgets as SlicedBudgets).settleUp();
    assert.equal(balance(authority).settledNanoUsd, 14_000_000, "told again, it is the same spend");
    assert.equal((await reserve(authority, 10, { boundNanoUsd: 7_000_000 })).kind, "refused");
    assert.equal((await reserve(authority, 11, { boundNanoUsd: 6_000_000 })).kind, "held");
    // Whoever keeps its own slices counts its own rows, and no more.
    assert.equal(balance(gone).settledNanoUsd, 7_000_000);
  });
});
