/** Spend by dimension over a real ledger, beside the same sums taken by hand. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import type { Dimension, UsageQuery, UsageSums } from "../control/reports.ts";
import { periodKeyAt } from "../decide/budget/periods.ts";
import type { Charge, Hold } from "../ports.ts";
import { aCharge, aHold, START_MS } from "./conformance.ts";
import { openForReading } from "./schema.ts";
import { SqliteStorage } from "./sqlite.ts";
import { UsageReader } from "./usage.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-usage-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const HOUR_MS = 3_600_000;
const ALL: UsageQuery = { tenant: "default", scopes: [], deployment: null, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, by: [], timeZone: "UTC" };
const goOn = (): void => undefined;

/** A row as it was written, with what was corrected. */
interface Written {
  readonly hold: Hold;
  readonly charge: Charge | null;
  readonly correctedNanoUsd: number;
}

async function ledgerOf(rows: readonly Written[]): Promise<{ readonly usage: UsageReader; readonly close: () => Promise<void> }> {
  const path = join(mkdtempSync(join(folder, "l-")), "ledger.db");
  const storage = new SqliteStorage(path, { wallMs: () => START_MS, checkpointEveryMs: 0, settleRetryMs: 100 });
  await storage.ledger.reserve(rows.map(({ hold }) => hold));
  await storage.ledger.settle(rows.flatMap(({ charge }) => (charge === null ? [] : [charge])));
  const corrections = rows.flatMap(({ charge, correctedNanoUsd }) => (charge === null || correctedNanoUsd === 0 ? [] : [{ ...charge, costNanoUsd: (charge.costNanoUsd ?? 0) + correctedNanoUsd, atMs: START_MS + 90 * 24 * HOUR_MS }]));
  await storage.ledger.settle(corrections);
  const db = openForReading(path);
  return {
    usage: new UsageReader(db),
    close: async () => {
      db.close();
      await storage.close();
    },
  };
}

const arbitraryRow = fc.record({
  hours: fc.integer({ min: -200, max: 200 }),
  team: fc.constantFrom("search", "ads", null),
  key: fc.constantFrom("a", "b", "c"),
  model: fc.constantFrom("small", "large"),
  tag: fc.constantFrom("chat", "=x", null),
  tenant: fc.constantFrom("default", "acme"),
  number: fc.constantFrom(1, 2),
  state: fc.constantFrom("charged", "estimated", "unbilled", "unmetered", "unpriced", "held"),
  cost: fc.integer({ min: 0, max: 5_000_000_000 }),
  corrected: fc.constantFrom(0, 0, 0, 7, -5),
  input: fc.integer({ min: 0, max: 1_000 }),
});

function written(row: (typeof arbitraryRow extends fc.Arbitrary<infer T> ? T : never), i: number): Written {
  const { team, key, model, tag, tenant, number, state, cost, corrected, input } = row;
  const scopes = [`tenant/${tenant}`, ...(team === null ? [] : [`team/${team}`]), `key/${key}`, "route/r", `model/${model}`, "provider/alpha", ...(tag === null ? [] : [`tag/feature=${tag}`])];
  const hold = aHold(i + 1, { tenant, scopes, number, deployment: `alpha/${model}`, atMs: START_MS + row.hours * HOUR_MS });
  if (state === "held") return { hold, charge: null, correctedNanoUsd: 0 };
  const costNanoUsd = state === "unmetered" || state === "unpriced" ? null : state === "unbilled" ? 0 : cost;
  const charge = aCharge(i + 1, { state: state === "unpriced" ? "charged" : state, costNanoUsd, units: { input, output: 3 } });
  return { hold, charge, correctedNanoUsd: costNanoUsd === null || state === "unbilled" ? 0 : Math.max(corrected, -cost) };
}

/** The same by hand. */
function naive(rows: readonly Written[], query: UsageQuery): ReadonlyMap<string, { requests: number; calls: number; held: number; unpriced: number; estimated: number; unmetered: number; input: number; cost: bigint; corrections: bigint; heldCost: bigint }> {
  const groups = new Map<string, { requests: number; calls: number; held: number; unpriced: number; estimated: number; unmetered: number; input: number; cost: bigint; corrections: bigint; heldCost: bigint }>();
  for (const { hold, charge, correctedNanoUsd } of rows) {
    if (hold.tenant !== query.tenant || hold.atMs < query.fromMs || hold.atMs >= query.toMs || !query.scopes.every((scope) => hold.scopes.includes(scope))) continue;
    const label = (one: Dimension): string | null => {
      if (one === "day" || one === "week" || one === "month") return periodKeyAt(one, query.timeZone, hold.atMs);
      if (one === "deployment") return hold.deployment;
      const word = one === "tag:feature" ? "tag/feature=" : `${one}/`;
      return hold.scopes.find((scope) => scope.startsWith(word))?.slice(word.length) ?? null;
    };
    const name = JSON.stringify(query.by.map(label));
    let group = groups.get(name);
    if (group === undefined) groups.set(name, (group = { requests: 0, calls: 0, held: 0, unpriced: 0, estimated: 0, unmetered: 0, input: 0, cost: 0n, corrections: 0n, heldCost: 0n }));
    group.calls += 1;
    group.requests += hold.number === 1 ? 1 : 0;
    group.input += charge?.units.input ?? 0;
    group.cost += BigInt(charge?.costNanoUsd ?? 0);
    group.corrections += BigInt(correctedNanoUsd);
    if (charge === null) {
      group.held += 1;
      group.heldCost += BigInt(hold.boundNanoUsd ?? 0);
    } else if (charge.state === "unmetered") group.unmetered += 1;
    else if (charge.costNanoUsd === null) group.unpriced += 1;
    else if (charge.state === "estimated") group.estimated += 1;
  }
  return groups;
}

const flat = (sums: UsageSums): object => ({ requests: sums.requests, calls: sums.calls, held: sums.held, unpriced: sums.unpriced, estimated: sums.estimated, unmetered: sums.unmetered, input: sums.units.input ?? 0, cost: sums.costNanoUsd, corrections: sums.correctionsNanoUsd, heldCost: sums.heldNanoUsd });

describe("usage", () => {
  it("is what the rows come to, by any dimensions, over any time, in any zone, though clocks go back and rows are corrected later", async () => {
    const query = fc.record({
      by: fc.uniqueArray(fc.constantFrom<Dimension>("key", "team", "model", "provider", "deployment", "tag:feature", "day", "week", "month"), { maxLength: 3 }),
      from: fc.integer({ min: -210, max: 210 }),
      hours: fc.integer({ min: 1, max: 420 }),
      scopes: fc.constantFrom<readonly string[]>([], ["team/search"], ["team/ads", "key/a"], ["tag/feature==x"]),
      timeZone: fc.constantFrom("UTC", "America/New_York", "Pacific/Auckland"),
      tenant: fc.constantFrom("default", "acme"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryRow, { maxLength: 120 }), fc.array(query, { minLength: 1, maxLength: 6 }), async (drawn, queries) => {
        const rows = drawn.map(written);
        const { usage, close } = await ledgerOf(rows);
        try {
          for (const { from, hours, ...terms } of queries) {
            const asked: UsageQuery = { ...terms, deployment: null, fromMs: START_MS + from * HOUR_MS, toMs: START_MS + (from + hours) * HOUR_MS };
            const expected = naive(rows, asked);
            const report = usage.report(asked, 1_000, goOn);
            assert.deepEqual(new Map(report.rows.map((row) => [JSON.stringify(row.labels), flat(row)])), expected);
            assert.equal(report.groups, expected.size);
            assert.equal(report.total.costNanoUsd + report.total.correctionsNanoUsd, [...expected.values()].reduce((sum, one) => sum + one.cost + one.corrections, 0n));
          }
        } finally {
          await close();
        }
      }),
      { numRuns: 40 },
    );
  });

  it("counts a call as what it is since it was corrected: priced, measured, or of no known cost any more", async () => {
    const path = join(mkdtempSync(join(folder, "l-")), "ledger.db");
    const storage = new SqliteStorage(path, { wallMs: () => START_MS, checkpointEveryMs: 0, settleRetryMs: 100 });
    await storage.ledger.reserve([1, 2, 3].map((number) => aHold(number)));
    const [unpriced, estimated, priced] = [aCharge(1, { costNanoUsd: null }), aCharge(2, { state: "estimated", costNanoUsd: 50 }), aCharge(3, { costNanoUsd: 70 })] as const;
    await storage.ledger.settle([unpriced, estimated, priced]);
    const usage = new UsageReader(openForReading(path));
    const counts = (): object => {
      const { unpriced: ofUnknownCost, estimated: byEstimate, costNanoUsd, correctionsNanoUsd } = usage.report(ALL, 1, goOn).total;
      return { ofUnknownCost, byEstimate, costNanoUsd, correctionsNanoUsd };
    };
    assert.deepEqual(counts(), { ofUnknownCost: 1, byEstimate: 1, costNanoUsd: 120n, correctionsNanoUsd: 0n });
    await storage.ledger.settle([{ ...unpriced, costNanoUsd: 30 }, { ...estimated, state: "charged", costNanoUsd: 40 }]);
    assert.deepEqual(counts(), { ofUnknownCost: 0, byEstimate: 0, costNanoUsd: 120n, correctionsNanoUsd: 20n });
    await storage.ledger.settle([{ ...priced, costNanoUsd: null }]);
    assert.deepEqual(counts(), { ofUnknownCost: 1, byEstimate: 0, costNanoUsd: 120n, correctionsNanoUsd: -50n });
    await storage.close();
  });

  it("puts each of many calls into the day in which it was asked for, though half of them waited for room past midnight", async () => {
    const midnight = Date.parse("2026-11-24T00:00:00Z");
    const rows = Array.from({ length: 10_000 }, (_, i) => {
      const hold = aHold(i + 1, { atMs: i % 2 === 0 ? midnight - 10_000 : midnight + i });
      return { hold, charge: aCharge(i + 1, { costNanoUsd: 1 }), correctedNanoUsd: 0 };
    });
    const { usage, close } = await ledgerOf(rows);
    const dayMs = 24 * HOUR_MS;
    const spent = (fromMs: number): bigint => usage.report({ ...ALL, fromMs, toMs: fromMs + dayMs }, 1, goOn).total.costNanoUsd;
    assert.deepEqual([spent(midnight - dayMs), spent(midnight)], [5_000n, 5_000n]);
    await close();
  });

  describe("of many rows", () => {
    let usage: UsageReader;
    let close: () => Promise<void>;
    before(async () => {
      const rows = Array.from({ length: 12_000 }, (_, i) => written({ hours: 0, team: "search", key: "a", model: i % 3 === 0 ? "large" : "small", tag: null, tenant: "default", number: 1, state: "charged", cost: 1 + i, corrected: 0, input: 1 }, i)).map((row, i) => ({ ...row, hold: { ...row.hold, atMs: START_MS + i * 60_000 } }));
      ({ usage, close } = await ledgerOf(rows));
    });
    after(() => close());

    it("reads the time that was asked and little more", () => {
      let pieces = 0;
      const report = usage.report({ ...ALL, fromMs: START_MS + 11_990 * 60_000, toMs: START_MS + 11_995 * 60_000 }, 10, () => (pieces += 1));
      assert.equal(report.total.calls, 5);
      assert.ok(pieces <= 2, `${pieces} pieces of three`);
      assert.equal(report.total.costNanoUsd, 11_991n + 11_992n + 11_993n + 11_994n + 11_995n);
    });

    it("shows the dearest first, by time where that was asked, and the total of all where some are left out", () => {
      const report = usage.report({ ...ALL, by: ["model"] }, 1, goOn);
      assert.deepEqual([report.rows.map((row) => row.labels), report.groups], [[["small"]], 2]);
      assert.equal(report.total.costNanoUsd, (12_000n * 12_001n) / 2n);
      const days = usage.report({ ...ALL, by: ["day"] }, 3, goOn);
      assert.deepEqual(days.rows.map((row) => row.labels[0]), ["2026-11-23", "2026-11-24", "2026-11-25"]);
    });

    it("tells what moved most against as much time before", () => {
      const dayMs = 24 * HOUR_MS;
      const movers = usage.movers({ ...ALL, by: ["model"], fromMs: START_MS + dayMs, toMs: START_MS + 2 * dayMs }, 5, goOn);
      const of = (from: number, to: number, large: boolean): bigint => Array.from({ length: to - from }, (_, i) => from + i).filter((i) => (i % 3 === 0) === large).reduce((sum, i) => sum + BigInt(i + 1), 0n);
      assert.deepEqual(movers, [
        { labels: ["small"], nowNanoUsd: of(1_440, 2_880, false), beforeNanoUsd: of(0, 1_440, false) },
        { labels: ["large"], nowNanoUsd: of(1_440, 2_880, true), beforeNanoUsd: of(0, 1_440, true) },
      ]);
    });

    it("stops when it has taken too long", () => {
      assert.throws(() => usage.report(ALL, 1, () => {
        throw new Error("time is up");
      }), /time is up/);
    });
  });
});
