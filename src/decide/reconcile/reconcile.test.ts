import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { InvoiceLine } from "../../wire/invoice.ts";
import type { UnitCounts } from "../../wire/usage.ts";
import { reconcile, windowOf } from "./reconcile.ts";
import type { LedgerCall, Reconciled, ValueOf, Window } from "./types.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MONDAY = Date.UTC(2026, 10, 23);
const NOON = MONDAY + 12 * HOUR;
const day = (from: number): Window => ({ fromMs: from, toMs: from + DAY });
const dayOf = (ms: number): Window => day(Math.floor(ms / DAY) * DAY);

/** Nano-dollars: 2 for a token in, 8 for one out; half of it in flex. */
const valueOf: ValueOf = (deployment, units, _atMs, tier) => {
  if (!deployment.startsWith("acme/")) return null;
  const full = (units.input ?? 0) * 2 + (units.cache_read ?? 0) + ((units.output ?? 0) + (units.reasoning ?? 0)) * 8;
  return tier === "flex" ? full / 2 : full;
};

let made = 0;
function call(more: Partial<LedgerCall> & { readonly units?: UnitCounts } = {}): LedgerCall {
  const id = ++made;
  const units = more.units ?? { input: 100, output: 10 };
  const atMs = more.atMs ?? NOON;
  return {
    attemptId: `att_${id}`, requestId: `req_${id}`, deployment: "acme/m", model: "m", atMs, endMs: atMs + 1_000, state: "charged", units,
    costNanoUsd: valueOf("acme/m", units, 0, null), boundNanoUsd: 10_000, flags: [], priceVersion: "v", ...more,
  };
}
function line(more: Partial<InvoiceLine> = {}): InvoiceLine {
  return { at: "line 2", ...day(MONDAY), model: "m", ids: [], units: null, requests: null, costNanoUsd: null, roundedNanoUsd: 0, tier: null, ...more };
}
/** Of one call, as it stands, unless it says otherwise. */
const of = (one: LedgerCall, more: Partial<InvoiceLine> = {}): InvoiceLine => line({ ids: [one.attemptId], fromMs: one.atMs, toMs: one.atMs, units: one.units, costNanoUsd: one.costNanoUsd, ...more });

function run(calls: readonly LedgerCall[], lines: readonly InvoiceLine[], window: Window = day(MONDAY)): Reconciled {
  const result = reconcile({ account: "acme", calls, lines, window, valueOf, dayOf });
  const sum = result.differences.reduce((total, { nanoUsd }) => total + nanoUsd, 0n);
  assert.equal(sum, result.theirsNanoUsd - result.oursNanoUsd, "the causes do not come to the difference");
  return result;
}
const causes = (result: Reconciled): Readonly<Record<string, number>> => Object.fromEntries(result.differences.map(({ cause, nanoUsd }) => [cause, Number(nanoUsd)]));

describe("lines of single calls", () => {
  it("agree to the nano-dollar, by our id or by the request's", () => {
    const [a, b] = [call(), call()];
    const result = run([a, b], [of(a), of(b, { ids: [b.requestId] })]);
    assert.deepEqual([causes(result), result.theirsNanoUsd, result.oursNanoUsd, result.valued], [{}, 560n, 560n, false]);
  });

  const one: readonly (readonly [what: string, call: Partial<LedgerCall>, line: Partial<InvoiceLine>, expected: Readonly<Record<string, number>>])[] = [
    ["an estimate of ours", { state: "estimated", flags: ["estimated"] }, { costNanoUsd: 200 }, { estimated: -80 }],
    ["an estimate for a process that died", { state: "estimated", flags: ["orphan", "estimated"] }, { costNanoUsd: 400 }, { orphan: 120 }],
    ["a call without a price", { costNanoUsd: null }, { costNanoUsd: 300 }, { unpriced: 300 }],
    ["a failure that costs nothing by our rules", { state: "unbilled", costNanoUsd: 0, units: {} }, { costNanoUsd: 90, units: { input: 45 } }, { unbilled: 90 }],
    ["the same counts at another price", {}, { costNanoUsd: 308 }, { price: 28 }],
    ["the same counts in another tier", {}, { costNanoUsd: 140, tier: "flex" }, { tier: -140 }],
    ["a nano-dollar", {}, { costNanoUsd: 281 }, { rounding: 1 }],
    ["what a cent's half can hide", {}, { costNanoUsd: 3_280, roundedNanoUsd: 5_000 }, { rounding: 3_000 }],
    ["other counts than the answer told", {}, { units: { input: 150, output: 10 }, costNanoUsd: 380 }, { unexplained: 100 }],
    ["other counts at another price", {}, { units: { input: 150, output: 10 }, costNanoUsd: 400 }, { unexplained: 100, price: 20 }],
    ["counts without money, at our prices", {}, { units: { input: 150, output: 10 }, costNanoUsd: null }, { unexplained: 100 }],
    ["money without counts, once", {}, { units: null, costNanoUsd: 300 }, { unexplained: 20 }],
  ];
  for (const [what, ours, theirs, expected] of one) {
    it(`put down to its cause: ${what}`, () => {
      const mine = call(ours);
      assert.deepEqual(causes(run([mine], [of(mine, theirs)])), expected);
    });
  }

  it("show a price by many calls whose costs differ by one factor, and no price by calls that do not", () => {
    const calls = [10, 20, 40, 80].map((input) => call({ units: { input } }));
    const dearer = run(calls, calls.map((mine) => of(mine, { units: null, costNanoUsd: (mine.costNanoUsd ?? 0) * 2 })));
    assert.deepEqual(causes(dearer), { price: 300 });
    const odd = run(calls, calls.map((mine, at) => of(mine, { units: null, costNanoUsd: (mine.costNanoUsd ?? 0) + 10 * at })));
    assert.deepEqual(causes(odd), { unexplained: 60 });
  });

  it("that are missing, too many, or there twice are told as such", () => {
    const [mine, lost, guessed, late] = [call(), call(), call({ state: "estimated" }), call({ atMs: MONDAY + DAY - 500 })];
    const before = call({ atMs: MONDAY - 1 });
    const result = run([mine, lost, guessed, late, before], [of(mine), of(mine), line({ ids: ["foreign"], costNanoUsd: 70, fromMs: NOON, toMs: NOON })]);
    assert.deepEqual(causes(result), { not_on_invoice: -280, estimated: -280, boundary: -280, not_in_ledger: 350 });
    assert.equal(result.flaggedCount, 3);
  });

  it("of several parts are put together, and tell what an estimate was", () => {
    const mine = call({ state: "estimated", units: { input: 100, output: 30 }, flags: ["estimated", "usage_missing"] });
    const result = run([mine], [of(mine, { units: { input: 90 }, costNanoUsd: 180 }), of(mine, { units: { output: 12 }, costNanoUsd: 96 })]);
    assert.deepEqual(result.evidence.map(({ units, costNanoUsd }) => [units, costNanoUsd]), [[{ input: 90, output: 12 }, 276]]);
    assert.deepEqual(causes(result), { estimated: 276 - 440 });
  });
});

describe("sums of a day and a model", () => {
  const calls = (): LedgerCall[] => [call(), call({ units: { input: 50, cache_read: 40, output: 5, reasoning: 5 } })];
  const counts = { input: 150, cache_read: 40, output: 20 };

  it("agree with our counts and our money; reasoning is part of their answer, and a version's date part of their name", () => {
    assert.deepEqual(causes(run(calls(), [line({ units: counts, requests: 2, model: "m-2026-08-07" })])), {});
    assert.deepEqual(causes(run(calls(), [line({ costNanoUsd: 500 })])), {});
    assert.deepEqual(causes(run(calls(), [line({ costNanoUsd: 200 }), line({ costNanoUsd: 300, at: "line 3" })])), {});
    assert.deepEqual(causes(run(calls(), [line({ costNanoUsd: 500, model: null })])), {});
  });

  it("are wrong by nothing that explains them: unexplained, and flagged", () => {
    const result = run(calls(), [line({ costNanoUsd: 900, requests: 2 })]);
    assert.deepEqual([causes(result), result.unexplainedNanoUsd, result.flaggedCount], [{ unexplained: 400 }, 400n, 1]);
    assert.deepEqual(causes(run(calls(), [line({ units: { ...counts, output: 220 }, requests: 2 })])), { unexplained: 1_600 });
  });

  it("never set one day's too much off against another's too little", () => {
    const two = [...calls(), call({ atMs: NOON + DAY }), call({ atMs: NOON + DAY, units: { input: 110 } })];
    const result = run(two, [line({ costNanoUsd: 600 }), line({ ...day(MONDAY + DAY), costNanoUsd: 400 })], { fromMs: MONDAY, toMs: MONDAY + 2 * DAY });
    assert.equal(result.theirsNanoUsd, result.oursNanoUsd);
    assert.equal(result.unexplainedNanoUsd, 200n);
  });

  it("explain by estimates no more than these can be wrong by: from nothing to their bounds", () => {
    const guess = call({ state: "estimated", boundNanoUsd: 380 });
    assert.deepEqual(causes(run([...calls(), guess], [line({ costNanoUsd: 560 })])), { estimated: -220 });
    assert.deepEqual(causes(run([...calls(), guess], [line({ costNanoUsd: 400 })])), { estimated: -280, unexplained: -100 });
    assert.deepEqual(causes(run([...calls(), guess], [line({ costNanoUsd: 980 })])), { estimated: 100, unexplained: 100 });
  });

  it("tell another price from other counts where they tell both", () => {
    assert.deepEqual(causes(run(calls(), [line({ units: counts, costNanoUsd: 550 })])), { price: 50 });
    assert.deepEqual(causes(run(calls(), [line({ units: { ...counts, input: 250 }, costNanoUsd: 750, requests: 2 })])), { price: 50, unexplained: 200 });
    assert.deepEqual(causes(run(calls(), [line({ units: { ...counts, input: 250 }, costNanoUsd: 750, requests: 3 })])), { price: 50, not_in_ledger: 200 });
  });

  it("tell other tiers", () => {
    const mine = [call(), call({ flags: ["tier:flex"], costNanoUsd: 140 })];
    const tiers = (flex: number) => [line({ units: { input: 200 - flex * 100, output: 20 - flex * 10 }, tier: "default" }), line({ units: { input: flex * 100, output: flex * 10 }, tier: "flex", at: "line 3" })];
    assert.deepEqual(causes(run(mine, tiers(1))), {});
    assert.deepEqual(causes(run(mine, tiers(2))), { tier: -140 });
  });

  it("tell calls that they count into the day in which these end, and days of another zone", () => {
    const late = call({ atMs: MONDAY + DAY - 500, endMs: MONDAY + DAY + 500, units: { input: 1_000 } });
    const ending = run([...calls(), late], [line({ costNanoUsd: 500 })]);
    assert.deepEqual([causes(ending), ending.notes], [{ boundary: -2_000 }, ["they count calls by when they end"]]);
    // Days of Tokyo, told by their date: Monday there begins at three in the afternoon of our Sunday.
    const around = [-DAY, -9 * HOUR, 0, 9 * HOUR, 16 * HOUR].map((ms, at) => call({ atMs: MONDAY + ms + HOUR / 2, units: { input: 1_000 * 2 ** at } }));
    const tokyo = run(around, [line({ costNanoUsd: 2_000 * (2 + 4 + 8) })]);
    assert.deepEqual([causes(tokyo), tokyo.notes], [{ boundary: 28_000 - 56_000 }, ["their days are those of UTC+9"]]);
  });

  it("of a model that we never called, or lack one that we did", () => {
    assert.deepEqual(causes(run(calls(), [line({ costNanoUsd: 500 }), line({ model: "other", costNanoUsd: 77 })])), { not_in_ledger: 77 });
    assert.deepEqual(causes(run([...calls(), call({ model: "quiet", deployment: "acme/quiet" })], [line({ costNanoUsd: 500 })])), { not_on_invoice: -280 });
  });
});

describe("whatever stands on both sides", () => {
  it("the causes come to the difference, and nothing is explained twice", () => {
    const anyCall = fc.record({ input: fc.nat(500), output: fc.nat(50), state: fc.constantFrom("charged", "estimated", "unbilled", "unmetered", "held"), off: fc.integer({ min: -DAY, max: 2 * DAY }), orphan: fc.boolean(), known: fc.boolean() });
    const anyLine = fc.record({ which: fc.nat(12), named: fc.boolean(), cost: fc.option(fc.nat(5_000)), input: fc.option(fc.nat(500)), model: fc.constantFrom("m", "other", null), twice: fc.boolean() });
    fc.assert(
      fc.property(fc.array(anyCall, { maxLength: 12 }), fc.array(anyLine, { maxLength: 12 }), (ours, theirs) => {
        const calls = ours.map(({ input, output, state, off, orphan, known }) => call({ units: { input, output }, state: state as LedgerCall["state"], atMs: MONDAY + off, flags: orphan ? ["orphan"] : [], ...(known && state !== "held" && state !== "unmetered" ? {} : { costNanoUsd: null }) }));
        const lines = theirs.flatMap(({ which, named, cost, input, model, twice }, at) => {
          const mine = calls[which];
          const one = line({ at: `line ${at + 2}`, model, costNanoUsd: cost, units: input === null ? null : { input }, ids: named ? [mine?.attemptId ?? "nobody"] : [] });
          return twice ? [one, one] : [one];
        });
        const result = run(calls, lines);
        assert.ok(result.unexplainedNanoUsd >= 0n);
      }),
      { numRuns: 500 },
    );
  });
});

it("the time that lines are about is theirs, by whole days where they are single calls", () => {
  assert.equal(windowOf([line({ fromMs: null, toMs: null })], dayOf), null);
  assert.deepEqual(windowOf([line(), line(day(MONDAY + DAY))], dayOf), { fromMs: MONDAY, toMs: MONDAY + 2 * DAY });
  assert.deepEqual(windowOf([line({ fromMs: NOON, toMs: NOON, ids: ["a"] }), line({ fromMs: MONDAY + DAY, toMs: MONDAY + DAY, ids: ["b"] })], dayOf), { fromMs: MONDAY, toMs: MONDAY + 2 * DAY });
});
