/**
 * A leap year of usage under discounts and commitments. What each month has to come to is worked out by hand beside it, from
 * the price list (2.50, 1.25 cached, 10.00 per million for `large`; 0.15 for `small`) and the contract's words.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { usdOf } from "./exact.ts";
import { invoice } from "./invoice.ts";
import { monthNamed } from "./months.ts";
import { contractOf, everyDay, sheetOf, totals } from "./test-contracts.ts";
import type { Contract, ContractUsage } from "./types.ts";

/** `usd` worth of output of `large` (10 USD a million: 100,000 tokens a dollar) at an instant. */
function worth(usd: number, atMs: number): ContractUsage {
  return { atMs, deployment: "acme/large", units: { output: Math.round(usd * 100_000) } };
}

/** One piece of usage in the middle of each month. */
function monthly(amounts: readonly number[]): ContractUsage[] {
  return amounts.flatMap((usd, index) => (usd === 0 ? [] : [worth(usd, Date.UTC(2028, index, 15, 12))]));
}

function lines(contract: Contract, usage: readonly ContractUsage[], label: string): string[] {
  const month = monthNamed(contract, label);
  assert.ok(month !== null);
  return invoice(contract, usage, month, { sheetOf }).lines.map((line) => `${line.kind} ${line.quantity} ${line.unit} at ${line.unitPriceUsd ?? "-"}: ${usdOf(line.amountNanoUsd)}`);
}

describe("a year of pay as you go with discounts", () => {
  const contract = contractOf({
    discounts: [
      { models: ["large"], units: ["input", "cache_read"], percent: 10 },
      { models: ["large"], percent: 5 },
      { models: ["sm*"], percent: 12.5 },
    ],
    batch_factor: 0.5,
  });
  const usage = everyDay((midnightMs, day) => [
    { atMs: midnightMs + 3_600_000, deployment: "acme/large", units: { input: 4_000_000, cache_read: 2_000_000, output: 1_000_000 } },
    { atMs: midnightMs + 7_200_000, deployment: "acme/small", units: { input: 333_333 } },
    ...(day === 1 ? [{ atMs: midnightMs, deployment: "acme/large", units: { input: 10_000_000, output: 1_000_000 }, tier: "batch" }] : []),
    // Of another account: not of this contract.
    { atMs: midnightMs, deployment: "other/large", units: { input: 1_000_000 } },
  ]);

  it("comes to the cent each month", () => {
    // A day of `large`: 4 M × 2.25 (2.50 − 10 %)    =  9.00
    //                   2 M × 1.125 (1.25 − 10 %)   =  2.25
    //                   1 M × 9.50 (10.00 − 5 %)    =  9.50    together 20.75
    // A day of `small`: 0.333333 M × 0.13125 (0.15 − 12.5 %)   =  0.04374995625
    // A month's batch:  10 M × 1.125 (half of 2.25) = 11.25
    //                    1 M × 4.75 (half of 9.50)  =  4.75    together 16.00
    //
    // days   large 20.75 × d   batch    small 0.04374995625 × d    sum              to the cent
    //  31        643.25        16.00      1.35624864375            660.60624864375    660.61
    //  29        601.75        16.00      1.26874873125            619.01874873125    619.02
    //  30        622.50        16.00      1.31249868750            639.81249868750    639.81
    assert.deepEqual(totals(contract, usage), [
      "2028-01: 660.61", "2028-02: 619.02", "2028-03: 660.61", "2028-04: 639.81", "2028-05: 660.61", "2028-06: 639.81",
      "2028-07: 660.61", "2028-08: 660.61", "2028-09: 639.81", "2028-10: 660.61", "2028-11: 639.81", "2028-12: 660.61",
    ]);
  });

  it("shows each unit and price once, in the order in which they came", () => {
    // 29 days: 29 × 4 M = 116 M at 2.25; 58 M at 1.125; 29 M at 9.50; 29 × 333,333 = 9,666,657 at 0.13125 a million.
    assert.deepEqual(lines(contract, usage, "2028-02"), [
      "usage 10000000 input at 0.000001125: 11.25",
      "usage 1000000 output at 0.00000475: 4.75",
      "usage 116000000 input at 0.00000225: 261.00",
      "usage 58000000 cache_read at 0.000001125: 65.25",
      "usage 29000000 output at 0.0000095: 275.50",
      "usage 9666657 input at 0.00000013125: 1.268748731",
    ]);
  });

  it("comes to other cents where each line is rounded", () => {
    const byLine = contractOf({ rounding: "line" });
    const tiny: ContractUsage[] = [
      { atMs: Date.UTC(2028, 0, 2), deployment: "acme/small", units: { input: 30_000 } },
      { atMs: Date.UTC(2028, 0, 2), deployment: "acme/small", units: { output: 7_500 } },
      { atMs: Date.UTC(2028, 0, 2), deployment: "acme/large", units: { input: 1_800 } },
    ];
    // 30,000 × 0.15 / 1 M = 0.0045 → 0.00; 7,500 × 0.60 / 1 M = 0.0045 → 0.00; 1,800 × 2.50 / 1 M = 0.0045 → 0.00: 0.00
    // together 0.0135 → 0.01 where only the total is rounded.
    assert.equal(totals(byLine, tiny)[0], "2028-01: 0.00");
    assert.equal(totals(contractOf({}), tiny)[0], "2028-01: 0.01");
  });
});

describe("a year of committed spend with volume steps", () => {
  // 5 % off what lies above 50,000, 10 % off what lies above 100,000; the year's days are New York's.
  const committed = { amount_usd: 120_000, per: "year", steps: [{ from_usd: 50_000, percent: 5 }, { from_usd: 100_000, percent: 10 }] };
  const contract = contractOf({ kind: "committed", time_zone: "America/New_York", committed });
  const usage = [
    ...monthly([8_000, 9_000, 10_000, 11_000, 12_000, 13_000, 14_000, 15_000, 0, 7_000, 6_000, 0]),
    // September in two parts, so that the second step is crossed within a single call.
    worth(7_500, Date.UTC(2028, 8, 3)),
    worth(8_500, Date.UTC(2028, 8, 20)),
    // The last evening of the year in New York, the first night of 2029 in UTC: of December.
    worth(5_000, Date.UTC(2029, 0, 1, 4, 30)),
    // The next hour is New York's 2029: no longer of the contract.
    worth(900, Date.UTC(2029, 0, 1, 5, 30)),
  ];

  it("bills each month less what its steps take off, without shortfall where the commitment is met", () => {
    // month    rated    total    step discount                                            billed      billed total
    // Jan       8,000     8,000                                                            8,000.00      8,000.00
    // Feb       9,000    17,000                                                            9,000.00     17,000.00
    // Mar      10,000    27,000                                                           10,000.00     27,000.00
    // Apr      11,000    38,000                                                           11,000.00     38,000.00
    // May      12,000    50,000    the step begins here: nothing lies above it            12,000.00     50,000.00
    // Jun      13,000    63,000    5 % × 13,000 = 650                                     12,350.00     62,350.00
    // Jul      14,000    77,000    5 % × 14,000 = 700                                     13,300.00     75,650.00
    // Aug      15,000    92,000    5 % × 15,000 = 750                                     14,250.00     89,900.00
    // Sep      16,000   108,000    5 % × 8,000 + 10 % × 8,000 = 400 + 800 = 1,200         14,800.00    104,700.00
    // Oct       7,000   115,000    10 % × 7,000 = 700                                      6,300.00    111,000.00
    // Nov       6,000   121,000    10 % × 6,000 = 600                                      5,400.00    116,400.00
    // Dec       5,000   126,000    10 % × 5,000 = 500                                      4,500.00    120,900.00  ≥ 120,000
    assert.deepEqual(totals(contract, usage), [
      "2028-01: 8000.00", "2028-02: 9000.00", "2028-03: 10000.00", "2028-04: 11000.00", "2028-05: 12000.00", "2028-06: 12350.00",
      "2028-07: 13300.00", "2028-08: 14250.00", "2028-09: 14800.00", "2028-10: 6300.00", "2028-11: 5400.00", "2028-12: 4500.00",
    ]);
    assert.deepEqual(lines(contract, usage, "2028-09"), ["usage 1600000000 output at 0.00001: 16000.00", "volume_discount 1 usd at -: -1200.00"]);
  });

  it("bills the shortfall with the last month where it is not met", () => {
    // Billed total 120,900.00 as above; committed 130,000.00: short by 9,100.00. December: 4,500.00 + 9,100.00 = 13,600.00.
    const more = contractOf({ kind: "committed", time_zone: "America/New_York", committed: { ...committed, amount_usd: "130000.00" } });
    assert.equal(totals(more, usage).at(-1), "2028-12: 13600.00");
    assert.deepEqual(lines(more, usage, "2028-12"), ["usage 500000000 output at 0.00001: 5000.00", "volume_discount 1 usd at -: -500.00", "shortfall 1 usd at -: 9100.00"]);
    assert.equal(totals(more, usage)[10], "2028-11: 5400.00");
  });

  it("lowers what was billed before where a step is for all of the period", () => {
    // Half a year, 60,000 committed, 10 % off all of it from 30,000 on; 10,000 rated each month.
    // Jan 10,000; Feb 10,000; Mar total 30,000, 10 % of it is 3,000: 7,000; Apr to Jun 10 % × 10,000 = 1,000 each: 9,000.
    // Billed 10,000 + 10,000 + 7,000 + 3 × 9,000 = 54,000: short by 6,000. June: 9,000 + 6,000 = 15,000.
    const half = contractOf({
      kind: "committed", end: "2028-06-30",
      committed: { amount_usd: 60_000, per: "term", steps_apply: "all", steps: [{ from_usd: 30_000, percent: 10 }] },
    });
    assert.deepEqual(totals(half, monthly([10_000, 10_000, 10_000, 10_000, 10_000, 10_000])), [
      "2028-01: 10000.00", "2028-02: 10000.00", "2028-03: 7000.00", "2028-04: 9000.00", "2028-05: 9000.00", "2028-06: 15000.00",
    ]);
  });

  it("bills at least the month's commitment where it is one per month, and begins its steps anew", () => {
    // 5,000 a month; 20 % off what lies above 6,000 of a month.
    // Jan 4,000 → 5,000.00 (short 1,000); Feb 6,000.00; Mar 8,500 − 20 % × 2,500 = 8,000.00; Apr 0 → 5,000.00;
    // May 5,000.00; June 6,000.01 − 20 % × 0.01 = 6,000.008 → 6,000.01.
    const byMonth = contractOf({ kind: "committed", end: "2028-06-30", committed: { amount_usd: 5_000, per: "month", steps: [{ from_usd: 6_000, percent: 20 }] } });
    assert.deepEqual(totals(byMonth, monthly([4_000, 6_000, 8_500, 0, 5_000, 6_000.01])), [
      "2028-01: 5000.00", "2028-02: 6000.00", "2028-03: 8000.00", "2028-04: 5000.00", "2028-05: 5000.00", "2028-06: 6000.01",
    ]);
  });
});

describe("a year of monthly instalments with a true-up", () => {
  const contract = contractOf({ kind: "committed", committed: { amount_usd: 12_000, per: "year", instalments: "monthly" } });

  it("bills at least a twelfth each month and gives back at the end what was too much", () => {
    // A twelfth: 1,000.00
    // month   rated       billed: the more of it and 1,000    shortfall in it
    // Jan       400.00    1,000.00                              600.00
    // Feb     1,500.00    1,500.00
    // Mar       900.50    1,000.00                               99.50
    // Apr     1,200.00    1,200.00
    // May     1,000.00    1,000.00
    // Jun         0.00    1,000.00                            1,000.00
    // Jul     2,000.00    2,000.00
    // Aug       800.00    1,000.00                              200.00
    // Sep     1,100.25    1,100.25
    // Oct       950.00    1,000.00                               50.00
    // Nov     1,300.00    1,300.00
    // Dec       700.00    1,000.00                              300.00
    // sum    11,850.75   14,100.25                            2,249.50
    // Due is the more of 12,000.00 and 11,850.75; 14,100.25 − 12,000.00 = 2,100.25 comes back: December 1,000.00 − 2,100.25.
    const usage = monthly([400, 1_500, 900.5, 1_200, 1_000, 0, 2_000, 800, 1_100.25, 950, 1_300, 700]);
    assert.deepEqual(totals(contract, usage), [
      "2028-01: 1000.00", "2028-02: 1500.00", "2028-03: 1000.00", "2028-04: 1200.00", "2028-05: 1000.00", "2028-06: 1000.00",
      "2028-07: 2000.00", "2028-08: 1000.00", "2028-09: 1100.25", "2028-10: 1000.00", "2028-11: 1300.00", "2028-12: -1100.25",
    ]);
    assert.deepEqual(lines(contract, usage, "2028-12"), ["usage 70000000 output at 0.00001: 700.00", "shortfall 1 usd at -: 300.00", "true_up 1 usd at -: -2100.25"]);
    assert.deepEqual(lines(contract, usage, "2028-06"), ["shortfall 1 usd at -: 1000.00"]);
  });

  it("gives back all shortfalls where the year's spend passes the commitment", () => {
    // Jan 0 → 1,000 short; eleven months of 1,200 = 13,200 ≥ 12,000: due 13,200, paid 1,000 + 13,200 = 14,200; back 1,000.
    // December: 1,200 − 1,000 = 200.
    const usage = monthly([0, 1_200, 1_200, 1_200, 1_200, 1_200, 1_200, 1_200, 1_200, 1_200, 1_200, 1_200]);
    const made = totals(contract, usage);
    assert.deepEqual([made[0], made[1], made[11]], ["2028-01: 1000.00", "2028-02: 1200.00", "2028-12: 200.00"]);
  });
});

describe("months that do not begin on the first", () => {
  it("begin on the day of the start, or on the last of a month that has no such day", () => {
    // From 31 January: to 29 February (leap year), to 31 March, to 30 April, to 31 May; the end is 30 May.
    const contract = contractOf({ kind: "committed", start: "2028-01-31", end: "2028-05-30", committed: { amount_usd: 100, per: "month" } });
    const usage = [
      worth(150, Date.UTC(2028, 1, 28, 23)), // of the first month
      worth(160, Date.UTC(2028, 1, 29, 1)), // of the second, which begins on the 29th
      worth(170, Date.UTC(2028, 2, 31)), // of the third
      worth(40, Date.UTC(2028, 4, 30, 23)), // of the fourth, 30 April to 30 May: short by 60
    ];
    assert.deepEqual(totals(contract, usage), ["2028-01-31: 150.00", "2028-02-29: 160.00", "2028-03-31: 170.00", "2028-04-30: 100.00"]);
  });
});
