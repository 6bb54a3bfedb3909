/** A leap year of fine-tuned endpoints, one's own GPUs, egress and broken promises, worked out by hand. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { usdOf } from "./exact.ts";
import { invoice } from "./invoice.ts";
import { monthNamed } from "./months.ts";
import { slaCredit, type SlaVerdict } from "./sla.ts";
import { contractOf, sheetOf, totals } from "./test-contracts.ts";
import type { Contract, ContractUsage } from "./types.ts";

const MONTHS = Array.from({ length: 12 }, (_unused, month) => month);

describe("a year of a fine-tuned endpoint", () => {
  it("is hosting by Berlin's hours, and tokens at prices of its own", () => {
    // 1 M × 3.75 + 0.2 M × 15.00 = 6.75 each month; hosting at 1.70 an hour. Clocks change on 26 March and 29 October.
    // Jan, May, Jul, Aug, Dec  744 h × 1.70 = 1,264.80   + 6.75 = 1,271.55
    // Feb                      696 h × 1.70 = 1,183.20            1,189.95
    // Mar                      743 h × 1.70 = 1,263.10            1,269.85
    // Apr, Jun, Sep, Nov       720 h × 1.70 = 1,224.00            1,230.75
    // Oct                      745 h × 1.70 = 1,266.50            1,273.25
    const usage: ContractUsage[] = MONTHS.map((month) => ({ atMs: Date.UTC(2028, month, 20), deployment: "acme/large", units: { input: 1_000_000, output: 200_000 } }));
    const contract = contractOf({ kind: "fine_tuned", time_zone: "Europe/Berlin", fine_tuned: { hosting_usd_per_hour: 1.7, price: { input: 3.75, output: 15 } } });
    assert.deepEqual(totals(contract, usage), [
      "2028-01: 1271.55", "2028-02: 1189.95", "2028-03: 1269.85", "2028-04: 1230.75", "2028-05: 1271.55", "2028-06: 1230.75",
      "2028-07: 1271.55", "2028-08: 1271.55", "2028-09: 1230.75", "2028-10: 1273.25", "2028-11: 1230.75", "2028-12: 1271.55",
    ]);
  });

  it("has the base model's prices where it has none, for each replica", () => {
    // 1 M × 2.50 + 0.2 M × 10.00 = 4.50; two replicas × 696 h × 1.70 = 2,366.40
    const contract = contractOf({ kind: "fine_tuned", fine_tuned: { hosting_usd_per_hour: "1.70", replicas: 2 } });
    assert.equal(totals(contract, [{ atMs: Date.UTC(2028, 1, 29), deployment: "acme/large", units: { input: 1_000_000, output: 200_000 } }])[1], "2028-02: 2370.90");
  });
});

describe("a year of one's own GPUs", () => {
  const gpus = { gpus: 8, usd_per_gpu_hour: 2.5 };
  const tokens: ContractUsage[] = [{ atMs: Date.UTC(2028, 0, 5), deployment: "acme/any", units: { input: 9_000_000, output: 9_000_000 } }];

  it("always on: 8 × 2.50 = 20.00 an hour, tokens at nothing", () => {
    // 31 days × 24 × 20 = 14,880.00; 30 days 14,400.00; 29 days 13,920.00
    assert.deepEqual(totals(contractOf({ kind: "self_hosted", self_hosted: gpus }), tokens), [
      "2028-01: 14880.00", "2028-02: 13920.00", "2028-03: 14880.00", "2028-04: 14400.00", "2028-05: 14880.00", "2028-06: 14400.00",
      "2028-07: 14880.00", "2028-08: 14880.00", "2028-09: 14400.00", "2028-10: 14880.00", "2028-11: 14400.00", "2028-12: 14880.00",
    ]);
  });

  it("on workdays from 08:00 to 20:00: 12 × 20.00 = 240.00 a day", () => {
    // 2028 begins on a Saturday. Workdays: Jan 21, Feb 21, Mar 23, Apr 20, May 23, Jun 22, Jul 21, Aug 23, Sep 21, Oct 22, Nov 22, Dec 21
    // (together 260). 20 → 4,800; 21 → 5,040; 22 → 5,280; 23 → 5,520.
    const schedule = { days: ["mon", "tue", "wed", "thu", "fri"], from: "08:00", until: "20:00" };
    const contract = contractOf({ kind: "self_hosted", time_zone: "Europe/Berlin", self_hosted: { ...gpus, schedule } });
    assert.deepEqual(totals(contract, tokens).map((one) => one.slice(9)), [
      "5040.00", "5040.00", "5520.00", "4800.00", "5520.00", "5280.00", "5040.00", "5520.00", "5040.00", "5280.00", "5280.00", "5040.00",
    ]);
  });

  it("every night from 22:00 to 06:00, one of which is an hour short and one an hour long", () => {
    // January: 6 h of the first morning + 30 nights × 8 h + 2 h of the last evening = 248 h = 31 × 8. So each month is its days × 8,
    // but March 248 − 1 (26 March) and October 248 + 1 (29 October). × 20.00
    // 31 days 4,960; Feb 232 h 4,640; Mar 247 h 4,940; 30 days 240 h 4,800; Oct 249 h 4,980
    const contract = contractOf({ kind: "self_hosted", time_zone: "Europe/Berlin", self_hosted: { ...gpus, schedule: { from: "22:00", until: "06:00" } } });
    assert.deepEqual(totals(contract, tokens).map((one) => one.slice(9)), [
      "4960.00", "4640.00", "4940.00", "4800.00", "4960.00", "4800.00", "4960.00", "4960.00", "4800.00", "4980.00", "4800.00", "4960.00",
    ]);
  });
});

describe("a year of egress", () => {
  it("is billed by each month's steps", () => {
    // 100 GB free, 0.09 to 10,000 GB, 0.085 beyond.
    // Jan      50       0.00
    // Feb     100       0.00
    // Mar     150      50 × 0.09                              =     4.50
    // Apr   1,000     900 × 0.09                              =    81.00
    // May  10,000   9,900 × 0.09                              =   891.00
    // Jun  12,000     891.00 + 2,000 × 0.085                  = 1,061.00
    // Jul     100.05  0.05 × 0.09 = 0.0045                    →     0.00
    // Aug     100.06  0.06 × 0.09 = 0.0054                    →     0.01
    // Sep       0       0.00
    // Oct     500     400 × 0.09                              =    36.00
    // Nov  20,000     891.00 + 10,000 × 0.085                 = 1,741.00
    // Dec     200     100 × 0.09                              =     9.00
    const gigabytes = [50, 100, 150, 1_000, 10_000, 12_000, 100.05, 100.06, 0, 500, 20_000, 200];
    const contract = contractOf({ egress: [{ usd_per_gb: 0 }, { from_gb: 100, usd_per_gb: 0.09 }, { from_gb: 10_000, usd_per_gb: 0.085 }] });
    const usage = gigabytes.map((gb, month): ContractUsage => ({ atMs: Date.UTC(2028, month, 9), deployment: "acme/large", units: {}, egressBytes: Math.round(gb * 1e9) }));
    assert.deepEqual(totals(contract, usage).map((one) => one.slice(9)), ["0.00", "0.00", "4.50", "81.00", "891.00", "1061.00", "0.00", "0.01", "0.00", "36.00", "1741.00", "9.00"]);
  });
});

describe("a year of promised uptime", () => {
  const sla = {
    uptime_percent: 99.9, claim_days: 30, cap_percent: 50, minimum_usd: 1,
    credits: [{ below_percent: 99.9, credit_percent: 10 }, { below_percent: 99, credit_percent: 25 }, { below_percent: 95, credit_percent: 100 }],
  };
  const contract = contractOf({ sla, kind: "provisioned", provisioned: { units: 1, tokens_per_minute: 1_000, reserved: { per: "month", usd: "1000.10" } } });

  function verdict(of: Contract, label: string, downMinutes: number, claimedAtMs: number | null = Date.UTC(2028, 11, 1), billUsd = 1_000.1): SlaVerdict {
    const month = monthNamed(of, label);
    assert.ok(month !== null);
    return slaCredit(of, { month, downMs: downMinutes * 60_000, claimedAtMs: claimedAtMs ?? null, billNanoUsd: BigInt(Math.round(billUsd * 1e9)) });
  }

  it("is judged by the minutes that the month has, and paid by the step that was reached", () => {
    // 31 days are 44,640 minutes, of which 0.1 % are 44.64; 30 days 43,200 (43.2; 1 % 432; 5 % 2,160); 29 days 41,760 (41.76).
    const rows: [string, number, string, string, string][] = [
      ["2028-01", 44, "99.901", "kept", "0.00"],
      ["2028-02", 42, "99.899", "granted", "100.01"], // 42 > 41.76: 10 % of 1,000.10
      ["2028-03", 45, "99.899", "granted", "100.01"],
      ["2028-04", 43.2, "99.900", "kept", "0.00"], // exactly as promised
      ["2028-05", 0, "100.000", "kept", "0.00"],
      ["2028-06", 432, "99.000", "granted", "100.01"], // exactly 99 is not below 99
      ["2028-09", 433, "98.997", "granted", "250.025"], // 25 % of 1,000.10
      ["2028-11", 2_161, "94.997", "granted", "500.05"], // 100 %, capped at 50 % of 1,000.10
    ];
    for (const [label, downMinutes, uptime, result, credit] of rows) {
      const month = monthNamed(contract, label);
      const got = verdict(contract, label, downMinutes, (month?.untilMs ?? 0) + 86_400_000);
      assert.deepEqual([label, got.uptimePercent, got.result, usdOf(got.creditNanoUsd)], [label, uptime, result, credit]);
    }
  });

  it("is lost if it is claimed too late or not at all, or is too small", () => {
    // June ends with the 30th: thirty days to claim are 1 to 30 July.
    assert.equal(verdict(contract, "2028-06", 500, Date.UTC(2028, 6, 31) - 1).result, "granted");
    assert.equal(verdict(contract, "2028-06", 500, Date.UTC(2028, 6, 31)).result, "too_late");
    assert.equal(verdict(contract, "2028-06", 500, null).result, "unclaimed");
    // 10 % of 9.99 is 0.999: less than the dollar from which credits are given; of 10.00 it is the dollar.
    const inTime = Date.UTC(2028, 6, 2);
    assert.equal(verdict(contract, "2028-06", 60, inTime, 9.99).result, "below_minimum");
    assert.equal(verdict(contract, "2028-06", 60, inTime, 10).result, "granted");
    assert.equal(verdict(contractOf({}), "2028-06", 60, inTime).result, "nothing_promised");
  });

  it("comes off the invoice on which it is granted", () => {
    // September was 433 minutes down, claimed in October: 250.025 off October's 1,000.10 = 750.075 → 750.08.
    const month = monthNamed(contract, "2028-10");
    assert.ok(month !== null);
    const granted = verdict(contract, "2028-09", 433, Date.UTC(2028, 9, 12));
    const made = invoice(contract, [], month, { sheetOf, credits: [{ subject: "2028-09", creditNanoUsd: granted.creditNanoUsd }] });
    assert.deepEqual([usdOf(made.subtotalNanoUsd), usdOf(made.totalNanoUsd)], ["1000.10", "750.08"]);
    assert.deepEqual(made.lines.map(({ kind, subject, amountNanoUsd }) => [kind, subject, usdOf(amountNanoUsd)]), [["capacity", "tokens", "1000.10"], ["credit", "2028-09", "-250.025"]]);
  });
});
