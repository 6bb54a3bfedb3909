/**
 * A leap year of provisioned units and of free quota, worked out by hand: hours of months with summer time, reservations by
 * day, week, month and year, calls within and beyond, days that begin at another zone's midnight.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { usdOf } from "./exact.ts";
import { invoice, utilisation } from "./invoice.ts";
import { monthNamed } from "./months.ts";
import { contractOf, everyDay, sheetOf, totals } from "./test-contracts.ts";
import type { ContractUsage } from "./types.ts";

/** 15 units of 2,500 tokens a minute: 37,500; an answer's token counts four times, a cached one not at all. */
const UNITS = { units: 15, tokens_per_minute: 2_500, weights: { output: 4, cache_read: 0 } };

/** On the 10th of each month at noon UTC: one call within, one that no longer fits into the minute, one within the next minute. */
const calls: ContractUsage[] = Array.from({ length: 12 }, (_unused, month) => Date.UTC(2028, month, 10, 12)).flatMap((noon) => [
  // 20,000 + 4 × 4,000 = 36,000 of 37,500
  { atMs: noon, deployment: "acme/large", units: { input: 20_000, output: 4_000, cache_read: 500_000 } },
  // 10,000 + 4 × 1,000 = 14,000: 36,000 + 14,000 > 37,500. Beyond: 10,000 × 2.50 / M + 1,000 × 10 / M = 0.025 + 0.01 = 0.035
  { atMs: noon + 30_000, deployment: "acme/large", units: { input: 10_000, output: 1_000 } },
  // The rest of the minute, 1,500, is still there: what was beyond took none of it.
  { atMs: noon + 40_000, deployment: "acme/large", units: { input: 1_500 } },
  { atMs: noon + 60_000, deployment: "acme/large", units: { input: 37_500 } },
]);

describe("a year of provisioned units", () => {
  it("by the hour: 15 units at 1.00, in the hours that New York's months have", () => {
    // Clocks go forward on 12 March and back on 5 November.
    // hours   Jan 744  Feb 29 × 24 = 696  Mar 743  Apr 720  May 744  Jun 720  Jul 744  Aug 744  Sep 720  Oct 744  Nov 721  Dec 744
    // × 15    11,160   10,440             11,145   10,800   11,160   10,800   11,160   11,160   10,800   11,160   10,815   11,160
    // and 0.035 beyond each month: 0.04 (half up)
    const contract = contractOf({ kind: "provisioned", time_zone: "America/New_York", provisioned: { ...UNITS, hourly_usd: 1 } });
    assert.deepEqual(totals(contract, calls), [
      "2028-01: 11160.04", "2028-02: 10440.04", "2028-03: 11145.04", "2028-04: 10800.04", "2028-05: 11160.04", "2028-06: 10800.04",
      "2028-07: 11160.04", "2028-08: 11160.04", "2028-09: 10800.04", "2028-10: 11160.04", "2028-11: 10815.04", "2028-12: 11160.04",
    ]);
  });

  it("reserved by the month: 15 × 260.00, whatever the month's length", () => {
    const contract = contractOf({ kind: "provisioned", provisioned: { ...UNITS, reserved: { per: "month", usd: 260 } } });
    assert.deepEqual(totals(contract, calls), Array.from({ length: 12 }, (_unused, index) => `2028-${String(index + 1).padStart(2, "0")}: 3900.04`));
  });

  it("reserved by the year: at its start, or in twelve parts that add up", () => {
    // 7 × 2,652.01 = 18,564.07
    const reserved = { per: "year", usd: "2652.01" };
    const upfront = totals(contractOf({ kind: "provisioned", provisioned: { ...UNITS, units: 7, reserved } }), []);
    assert.deepEqual([upfront[0], ...new Set(upfront.slice(1).map((one) => one.slice(9)))], ["2028-01: 18564.07", "0.00"]);
    // A twelfth is 1,547.00583…; after k months k twelfths are paid, cut to the cent, and all of it after twelve:
    // 1,547.00  3,094.01  4,641.01  6,188.02  7,735.02  9,282.03  10,829.04  12,376.04  13,923.05  15,470.05  17,017.06  18,564.07
    const monthly = totals(contractOf({ kind: "provisioned", provisioned: { ...UNITS, units: 7, reserved: { ...reserved, paid: "monthly" } } }), []);
    assert.deepEqual(monthly.map((one) => one.slice(9)), [
      "1547.00", "1547.01", "1547.00", "1547.01", "1547.00", "1547.01", "1547.01", "1547.00", "1547.01", "1547.00", "1547.01", "1547.01",
    ]);
  });

  it("two years reserved by the year are paid twice", () => {
    const contract = contractOf({ kind: "provisioned", end: "2029-12-31", provisioned: { ...UNITS, units: 1, reserved: { per: "year", usd: 2_652 } } });
    const made = totals(contract, []);
    assert.equal(made.length, 24);
    assert.deepEqual(made.filter((one) => !one.endsWith(": 0.00")), ["2028-01: 2652.00", "2029-01: 2652.00"]);
  });

  it("reserved by the week, for 52 weeks from Saturday, 1 January", () => {
    // 2 × 1,200.00 = 2,400.00 for each week that begins in the month; the last begins on 23 December.
    // Saturdays: Jan 1 8 15 22 29 (5); Feb 5 12 19 26 (4); Mar 4 11 18 25 (4); Apr 1 8 15 22 29 (5); May 6 13 20 27 (4);
    // Jun 3 10 17 24 (4); Jul 1 8 15 22 29 (5); Aug 5 12 19 26 (4); Sep 2 9 16 23 30 (5); Oct 7 14 21 28 (4);
    // Nov 4 11 18 25 (4); Dec 2 9 16 23 (4): together 52.
    const contract = contractOf({ kind: "provisioned", end: "2028-12-29", provisioned: { ...UNITS, units: 2, reserved: { per: "week", usd: 1_200 } } });
    assert.deepEqual(totals(contract, []).map((one) => one.slice(9)), [
      "12000.00", "9600.00", "9600.00", "12000.00", "9600.00", "9600.00", "12000.00", "9600.00", "12000.00", "9600.00", "9600.00", "9600.00",
    ]);
  });

  it("prompt and answer in units of their own, by the day", () => {
    // 2 × 75.00 + 2 × 60.00 = 270.00 a day: 31 days 8,370.00, 30 days 8,100.00, 29 days 7,830.00.
    const contract = contractOf({
      kind: "provisioned",
      provisioned: {
        units: 2, tokens_per_minute: 25_000, reserved: { per: "day", usd: 75 },
        output: { units: 2, tokens_per_minute: 2_500, reserved: { per: "day", usd: 60 } },
      },
    });
    assert.deepEqual(totals(contract, []), [
      "2028-01: 8370.00", "2028-02: 7830.00", "2028-03: 8370.00", "2028-04: 8100.00", "2028-05: 8370.00", "2028-06: 8100.00",
      "2028-07: 8370.00", "2028-08: 8370.00", "2028-09: 8100.00", "2028-10: 8370.00", "2028-11: 8100.00", "2028-12: 8370.00",
    ]);
    // 50,000 prompt and 5,000 answer tokens a minute: the second call's answer no longer fits, though its prompt would.
    const at = Date.UTC(2028, 0, 5);
    const two: ContractUsage[] = [
      { atMs: at, deployment: "acme/large", units: { input: 10_000, output: 4_000 } },
      { atMs: at + 1, deployment: "acme/large", units: { input: 10_000, output: 1_001 } },
    ];
    // 8,370.00 + 10,000 × 2.50 / M + 1,001 × 10 / M = 8,370.00 + 0.025 + 0.01001 = 8,370.03501
    assert.equal(totals(contract, two)[0], "2028-01: 8370.04");
  });

  it("shows what was covered, how far the units were used, and what a million tokens came to", () => {
    const contract = contractOf({ kind: "provisioned", provisioned: { ...UNITS, reserved: { per: "month", usd: 260 } } });
    const month = monthNamed(contract, "2028-02");
    assert.ok(month !== null);
    assert.deepEqual(invoice(contract, calls, month, { sheetOf }).lines.map((line) => `${line.kind} ${line.subject} ${line.quantity} ${line.unit}: ${usdOf(line.amountNanoUsd)}`), [
      "covered acme/large 59000 input: 0.00", // 20,000 + 1,500 + 37,500
      "covered acme/large 4000 output: 0.00",
      "covered acme/large 500000 cache_read: 0.00",
      "usage acme/large 10000 input: 0.025",
      "usage acme/large 1000 output: 0.01",
      "capacity tokens 15 unit_month: 3900.00",
    ]);
    // Used: 36,000 + 1,500 + 37,500 = 75,000 of 37,500 × 60 × 24 × 29 = 1,566,000,000 tokens: 0.0479 of a thousandth.
    // 563,000 tokens were covered: 3,900 / 0.563 = 6,927.175843694… dollars a million.
    const used = utilisation(contract, calls, month);
    assert.deepEqual(used?.pools, [{ name: "tokens", used: 75_000n, capacity: 1_566_000_000n, permille: 0 }]);
    assert.deepEqual([used.coveredTokens, usdOf(used.capacityNanoUsd), usdOf(used.nanoUsdPerMillion ?? 0n)], [563_000n, "3900.00", "6927.175843694"]);
  });

  it("bills nothing beyond where the provider refuses it", () => {
    const contract = contractOf({ kind: "provisioned", provisioned: { ...UNITS, beyond: "refused", reserved: { per: "month", usd: 260 } } });
    assert.equal(totals(contract, calls)[0], "2028-01: 3900.00");
  });
});

describe("a year of a free quota", () => {
  // 1,500 requests a day, which begins at midnight in Los Angeles: 08:00 UTC in winter, 07:00 from 12 March to 5 November.
  const contract = contractOf({ kind: "free_quota", free_quota: { requests_per_day: 1_500, reset_zone: "America/Los_Angeles" } });
  // Each day in UTC: 200 requests at 07:30, 1,000 at 12:00, 400 at 13:00; a thousand tokens each.
  const usage = everyDay((midnightMs) =>
    [[7.5, 200], [12, 1_000], [13, 400]].map(([hour = 0, requests = 0]) => ({ atMs: midnightMs + hour * 3_600_000, deployment: "acme/small", units: { requests, input: requests * 1_000 } })),
  );
  // 0.10 a million and nothing for a request: 200 requests are 0.02, 400 are 0.04.
  const list = { sheetOf: () => ({ version: "q", base: { input: 100_000, requests: 0 }, contextSteps: [], windows: [], scheduled: [], tiers: {}, geoPermille: {}, free: true }) };

  it("is used up by the day of its own zone", () => {
    // Winter: 12:00 and 13:00 make 1,400; 07:30 of the next day is still theirs: 1,600 > 1,500, so the 200 are paid: 0.02.
    // Summer: 07:30 begins the day: 200 + 1,000 = 1,200, and the 400 at 13:00 are too many: 0.04.
    // Jan   the 1st has no evening before it in the contract: 30 × 0.02                                         0.60
    // Feb   29 × 0.02                                                                                           0.58
    // Mar   1 to 12: 12 × 0.02 = 0.24; 13 to 31: 19 × 0.04 = 0.76                                               1.00
    // Apr, Jun, Sep: 30 × 0.04                                                                                  1.20
    // May, Jul, Aug, Oct: 31 × 0.04                                                                             1.24
    // Nov   1 to 5: 5 × 0.04 = 0.20. The 5th has 25 hours: 200 + 1,000, the 400 paid, and at 07:30 of the 6th
    //       200 more, 1,400: free. 7 to 30: 24 × 0.02 = 0.48                                                    0.68
    // Dec   31 × 0.02                                                                                           0.62
    assert.deepEqual(totals(contract, usage, list), [
      "2028-01: 0.60", "2028-02: 0.58", "2028-03: 1.00", "2028-04: 1.20", "2028-05: 1.24", "2028-06: 1.20",
      "2028-07: 1.24", "2028-08: 1.24", "2028-09: 1.20", "2028-10: 1.24", "2028-11: 0.68", "2028-12: 0.62",
    ]);
  });

  it("is used up by the minute as well: requests, then tokens", () => {
    const small = contractOf({ kind: "free_quota", free_quota: { requests_per_minute: 2, tokens_per_minute: 1_000, requests_per_day: 5, tokens_per_day: 2_000 } });
    const at = Date.UTC(2028, 4, 1, 9);
    const call = (seconds: number, input: number): ContractUsage => ({ atMs: at + seconds * 1_000, deployment: "acme/small", units: { input } });
    // 09:00  400 free, 600 free (1,000 tokens, 2 requests), 1: no request left → paid
    // 09:01  900 free, 200: 1,100 > 1,000 → paid, 100 free (1,000; the day's 2,000)
    // 09:02  1: the day's tokens are used up → paid
    // paid: 1 + 200 + 1 = 202 tokens at 0.10 a million = 0.0000202; over the line of 0.005 by a factor of 1,000:
    const thousandfold = { sheetOf: () => ({ ...list.sheetOf(), base: { input: 100_000_000 } }) };
    assert.equal(totals(small, [call(0, 400), call(1, 600), call(2, 1), call(60, 900), call(61, 200), call(62, 100), call(120, 1)], thousandfold)[4], "2028-05: 0.02");
    // The next day all of it is there again: 2 requests a minute, five a day.
    const next = [0, 60, 120, 180, 240, 300].map((seconds) => call(86_400 + seconds, 100_000));
    assert.equal(totals(small, next, thousandfold)[4], "2028-05: 60.00"); // 6 × 100,000 tokens never fit: 600,000 × 100 / M
    const six = [0, 60, 120, 180, 240, 300].map((seconds) => call(86_400 + seconds, 100));
    assert.equal(totals(small, six, thousandfold)[4], "2028-05: 0.01"); // the sixth: 100 × 100 / M = 0.01
  });
});
