import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { commitmentLedger, committedMonths, ratedOf, stepDiscount, type CommitmentLedger } from "./commitment.ts";
import { usdOf } from "./exact.ts";
import { contractOf } from "./test-contracts.ts";
import type { Commitment, Contract } from "./types.ts";

const USD = 1_000_000_000n;
const DAY = 86_400_000;

/** 1,200 USD for the year; 10 % off what lies above 600, 25 % above 1,000. */
const yearly = contractOf({ kind: "committed", committed: { amount_usd: 1_200, per: "year", steps: [{ from_usd: 600, percent: 10 }, { from_usd: 1_000, percent: 25 }] } });

/** `usd` a day from 1 January on, for so many days, at noon. */
function daily(usd: number, days: number): { atMs: number; ratedNanoUsd: bigint }[] {
  return Array.from({ length: days }, (_unused, day) => ({ atMs: Date.UTC(2028, 0, 1, 12) + day * DAY, ratedNanoUsd: BigInt(usd) * USD }));
}

function standing(contract: Contract, spend: { atMs: number; ratedNanoUsd: bigint }[], nowMs: number): CommitmentLedger {
  const ledger = commitmentLedger(contract, spend, nowMs);
  assert.ok(ledger !== null);
  return ledger;
}
const day = (atMs: number | null): string | null => (atMs === null ? null : new Date(atMs).toISOString().slice(0, 10));

describe("the ledger of a commitment", () => {
  it("tells what is used and left, what will be short, and when the next step is reached", () => {
    // 100 of 366 days at 2 USD: 200 used of 1,200. As it goes on 366 × 2 = 732 rated, of which 132 above 600: 732 − 13.20 = 718.80.
    // Short by 481.20. 600 is reached after 300 days: 300 days from 1 January are over with 26 October (leap year).
    const now = Date.UTC(2028, 0, 1) + 100 * DAY;
    const ledger = standing(yearly, daily(2, 100), now);
    assert.deepEqual([ledger.usedNanoUsd, ledger.leftNanoUsd, ledger.beyondNanoUsd].map(usdOf), ["200.00", "1000.00", "0.00"]);
    assert.deepEqual([ledger.projectedUsedNanoUsd, ledger.projectedShortfallNanoUsd, ledger.projectedTrueUpNanoUsd].map(usdOf), ["718.80", "481.20", "481.20"]);
    assert.deepEqual([day(ledger.nextStep?.expectedAtMs ?? null), usdOf(ledger.nextStep?.leftNanoUsd ?? 0n), ledger.nextStep?.permille], ["2028-10-27", "400.00", 100]);
    assert.deepEqual([ledger.step, ledger.usedUpAtMs], [null, null]);
    // January 31 × 2, February 29 × 2, March 31 × 2; the month that is on is not over.
    assert.deepEqual(ledger.months.map(({ label, billedNanoUsd }) => `${label} ${usdOf(billedNanoUsd)}`), ["2028-01 62.00", "2028-02 58.00", "2028-03 62.00"]);
  });

  it("tells when the commitment is used up, and what lies beyond", () => {
    // 200 days at 5 USD: 1,000 rated, 400 above 600 at 10 %: 960 used. At 5 USD a day and 25 % off from here, 3.75 a day:
    // 240 are left, 64 days: 1 January + 200 + 64 days = 21 September.
    const after = standing(yearly, daily(5, 200), Date.UTC(2028, 0, 1) + 200 * DAY);
    assert.deepEqual([usdOf(after.usedNanoUsd), usdOf(after.leftNanoUsd), day(after.usedUpAtMs)], ["960.00", "240.00", "2028-09-21"]);
    assert.deepEqual([after.step?.permille, after.nextStep], [250, null]);
    // 300 days: 1,500 rated; 960 + 500 × 0.75 = 1,335: 135 beyond.
    const later = standing(yearly, daily(5, 300), Date.UTC(2028, 0, 1) + 300 * DAY);
    assert.deepEqual([usdOf(later.usedNanoUsd), usdOf(later.leftNanoUsd), usdOf(later.beyondNanoUsd), later.usedUpAtMs], ["1335.00", "0.00", "135.00", null]);
    assert.equal(usdOf(later.projectedTrueUpNanoUsd), "0.00");
  });

  it("tells what comes back of instalments", () => {
    // 1,200 in twelve parts of 100. January 50 (short 50), February 300; as it goes on: 350 in 60 days, 366 / 60 × 350 = 2,135 in the
    // year: more than committed, so that January's 50 come back.
    const contract = contractOf({ kind: "committed", committed: { amount_usd: 1_200, per: "year", instalments: "monthly" } });
    const spend = [{ atMs: Date.UTC(2028, 0, 10), ratedNanoUsd: 50n * USD }, { atMs: Date.UTC(2028, 1, 10), ratedNanoUsd: 300n * USD }];
    const ledger = standing(contract, spend, Date.UTC(2028, 2, 1));
    assert.deepEqual(ledger.months.map((one) => [one.label, usdOf(one.billedNanoUsd), usdOf(one.shortfallNanoUsd)]), [["2028-01", "50.00", "50.00"], ["2028-02", "300.00", "0.00"]]);
    assert.deepEqual([usdOf(ledger.projectedUsedNanoUsd), usdOf(ledger.projectedTrueUpNanoUsd)], ["2135.00", "-50.00"]);
  });

  it("begins anew with each period, and is none outside the term", () => {
    const monthly = contractOf({ kind: "committed", committed: { amount_usd: 10, per: "month" } });
    const ledger = standing(monthly, daily(1, 40), Date.UTC(2028, 1, 10));
    assert.deepEqual([usdOf(ledger.usedNanoUsd), day(ledger.periodFromMs), day(ledger.periodUntilMs)], ["9.00", "2028-02-01", "2028-03-01"]);
    assert.equal(commitmentLedger(yearly, [], Date.UTC(2027, 11, 31)), null);
    assert.equal(commitmentLedger(yearly, [], Date.UTC(2029, 0, 1)), null);
    assert.equal(commitmentLedger(contractOf({}), [], Date.UTC(2028, 1, 1)), null);
  });

  it("does not judge a period by its first hours", () => {
    // An hour in, 1 USD: not 8,784 in the year but 366.
    const ledger = standing(yearly, [{ atMs: Date.UTC(2028, 0, 1), ratedNanoUsd: USD }], Date.UTC(2028, 0, 1, 1));
    assert.equal(usdOf(ledger.projectedUsedNanoUsd), "366.00");
  });
});

const terms: fc.Arbitrary<Commitment> = fc
  .record({
    amount: fc.bigInt({ min: 0n, max: 10n ** 15n }),
    instalments: fc.constantFrom("none" as const, "monthly" as const),
    steps: fc.uniqueArray(fc.record({ fromNanoUsd: fc.bigInt({ min: 0n, max: 10n ** 15n }), permille: fc.integer({ min: 1, max: 999 }) }), { maxLength: 4, selector: ({ permille }) => permille }),
  })
  .map(({ amount, instalments, steps }) => {
    const froms = [...new Set(steps.map(({ fromNanoUsd }) => fromNanoUsd))].toSorted((a, b) => (a < b ? -1 : 1));
    const permilles = steps.map(({ permille }) => permille).toSorted((a, b) => a - b);
    return { kind: "committed", amountNanoUsd: amount, per: "year", instalments, stepsApply: "above", steps: froms.map((fromNanoUsd, index) => ({ fromNanoUsd, permille: permilles[index] ?? 1 })) };
  });
const spends = fc.array(fc.bigInt({ min: 0n, max: 10n ** 14n }), { minLength: 12, maxLength: 12 });

describe("whatever was agreed and spent", () => {
  it("a whole period is paid the more of the commitment and of what was billed, and no month is billed below its instalment", () => {
    fc.assert(
      fc.property(terms, spends, (one, rated) => {
        const months = committedMonths(one, { first: 0, last: 11 }, rated);
        const sum = (of: (month: (typeof months)[number]) => bigint): bigint => months.reduce((total, month) => total + of(month), 0n);
        const billed = sum((month) => month.billedNanoUsd);
        const paid = billed + sum((month) => month.shortfallNanoUsd) - sum((month) => month.trueUpNanoUsd);
        assert.equal(paid, billed > one.amountNanoUsd ? billed : one.amountNanoUsd);
        assert.equal(sum((month) => month.stepDiscountNanoUsd), stepDiscount(one, rated.reduce((total, month) => total + month, 0n)));
      }),
      { numRuns: 500 },
    );
  });

  it("spend is found again from what was charged of it, to less than a thousandth of a dollar", () => {
    fc.assert(
      fc.property(terms, fc.bigInt({ min: 0n, max: 10n ** 15n }), (one, rated) => {
        const again = ratedOf(one, rated - stepDiscount(one, rated));
        assert.ok(again - rated <= 1_000_000n && rated - again <= 1_000_000n, `${rated} and ${again}`);
      }),
      { numRuns: 500 },
    );
  });
});
