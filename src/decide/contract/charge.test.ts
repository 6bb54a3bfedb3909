import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { PriceSheet } from "../../wire/facts.ts";
import type { UnitCounts } from "../../wire/usage.ts";
import { boundNanoUsd } from "../bound.ts";
import type { Deployment, Pricing } from "../deployment.ts";
import type { ChargeMade } from "../estimate.ts";
import { ownDeployment } from "../own-accounts.ts";
import { plainSheet, sheetAt } from "../price-at.ts";
import { priceUsage } from "../price.ts";
import { anySheet, anyUnits } from "../test-sheets.ts";
import { underContract } from "./charge.ts";
import { CapacityBook, ContractMeter } from "./meter.ts";
import { pricingUnder } from "./pricing.ts";
import { marginal, ratedNanoUsd } from "./rate.ts";
import { effectiveSheet } from "./sheet.ts";
import { restoreMeter, spendOf } from "./spent.ts";
import { contractOf, LARGE } from "./test-contracts.ts";
import type { Contract } from "./types.ts";

const MAY = Date.UTC(2028, 4, 1);
const list: Pricing = { kind: "sheet", sheet: LARGE };
const under = (contract: Contract, pricing: Pricing = list, book = new CapacityBook()): Pricing => pricingUnder(pricing, "acme/large", [contract], book, 0);

/** What a call of these units is charged, with its flags. */
function charge(pricing: Pricing, units: UnitCounts, wallMs: number): string {
  const { costNanoUsd, flags } = priceUsage(pricing, { units, raw: null }, { wallMs });
  const made: ChargeMade = { state: "charged", outcome: "answered", units, rawUsage: null, costNanoUsd, flags };
  const booked = underContract(made, pricing, wallMs);
  return [String(booked.costNanoUsd), ...booked.flags].join(" ");
}

describe("a price list under a contract", () => {
  it("holds its own prices before and after the term, and says by its version what it was priced by", () => {
    const contract = contractOf({ start: "2028-05-01", end: "2028-05-31", discounts: [{ percent: 10 }] });
    const pricing = under(contract);
    const at = (wallMs: number) => [sheetAt(pricing, wallMs)?.base.input, sheetAt(pricing, wallMs)?.version];
    assert.deepEqual(at(MAY - 1), [2_500_000, "list-1"]);
    assert.deepEqual(at(MAY), [2_250_000, "list-1+contract:c@1"]);
    assert.deepEqual(at(Date.UTC(2028, 5, 1) - 1), [2_250_000, "list-1+contract:c@1"]);
    assert.deepEqual(at(Date.UTC(2028, 5, 1)), [2_500_000, "list-1"]);
    // A call on the eve of the end may be priced by the list.
    const size = { inputTokens: 1_000, outputTokens: 0, choiceCount: 1 };
    assert.equal(boundNanoUsd(pricing, size, MAY), 2_250_000);
    assert.equal(boundNanoUsd(pricing, size, Date.UTC(2028, 5, 1) - 60_000), 2_500_000);
  });

  it("keeps the list at hand, for calls that are not under the contract", () => {
    const pricing = under(contractOf({ discounts: [{ percent: 10 }] }));
    assert.equal(pricing.kind === "sheet" ? pricing.list : null, list);
    // A team's own credential is billed by the list, and takes none of the organisation's capacity.
    const deployment = { id: "acme/large", account: "acme", pricing } as Deployment;
    assert.equal(ownDeployment(deployment, { name: "acme~search", account: "acme", baseUrl: null, paidBy: "team" }).pricing, list);
  });

  it("keeps the list's own changes, each under the contract that runs then", () => {
    const dearer = plainSheet("list-2", { input: 5_000_000, output: 20_000_000 });
    const changing: Pricing = { kind: "sheet", sheet: LARGE, later: [{ fromMs: MAY + 86_400_000, sheet: dearer }] };
    const pricing = under(contractOf({ start: "2028-05-01", discounts: [{ percent: 50 }] }), changing);
    assert.deepEqual([MAY - 1, MAY, MAY + 86_400_000, Date.UTC(2029, 0, 1)].map((at) => sheetAt(pricing, at)?.base.input), [2_500_000, 1_250_000, 2_500_000, 5_000_000]);
  });

  it("is as it was where no contract covers the model", () => {
    assert.equal(under(contractOf({ models: ["small*"], discounts: [{ percent: 50 }] })), list);
    assert.equal(under(contractOf({ except: ["large"], discounts: [{ percent: 50 }] })), list);
    assert.deepEqual(under(contractOf({ discounts: [{ percent: 50 }] }), { kind: "unknown" }), { kind: "unknown" });
  });

  it("discounts a class that takes another's price by its own name, else with the other's", () => {
    const sheet = plainSheet("v", { input: 1_000_000, output: 8_000_000 });
    const price = (discounts: { percent: number; units: string[] }[], units: UnitCounts): number | null =>
      priceUsage({ kind: "sheet", sheet: effectiveSheet(sheet, contractOf({ discounts }), "large", MAY) }, { units, raw: null }, { wallMs: MAY }).costNanoUsd;
    assert.equal(price([{ percent: 50, units: ["output"] }], { reasoning: 1_000 }), 4_000_000);
    assert.equal(price([{ percent: 25, units: ["reasoning"] }, { percent: 50, units: ["output"] }], { reasoning: 1_000, output: 1_000 }), 6_000_000 + 4_000_000);
  });

  it("makes nothing free but what is given away on purpose", () => {
    const free = effectiveSheet(LARGE, contractOf({ discounts: [{ units: ["cache_read"], percent: 100 }] }), "large", MAY);
    assert.deepEqual(priceUsage({ kind: "sheet", sheet: free }, { units: { cache_read: 1_000_000, input: 1 }, raw: null }, { wallMs: MAY }).costNanoUsd, 2_500);
    const broken = plainSheet("v", { input: 0, output: 1_000 });
    const stillBroken = effectiveSheet(broken, contractOf({ discounts: [{ units: ["output"], percent: 100 }] }), "large", MAY);
    assert.equal(priceUsage({ kind: "sheet", sheet: stillBroken }, { units: { input: 1_000, output: 1 }, raw: null }, { wallMs: MAY }).costNanoUsd, null);
  });

  it("costs, over any sheet, what the exact rate says, to the rounding of a pico-dollar a token", () => {
    const discounted = fc.record({ percent: fc.integer({ min: 0, max: 999 }).map((permille) => permille / 10) });
    fc.assert(
      fc.property(anySheet, anyUnits, discounted, (sheet: PriceSheet, tokens, discount) => {
        const units = { ...tokens, requests: 1 };
        const contract = contractOf({ discounts: [discount] });
        const exact = ratedNanoUsd(contract, sheet, { atMs: MAY, deployment: "acme/large", units });
        const rounded = priceUsage({ kind: "sheet", sheet: effectiveSheet(sheet, contract, "large", MAY) }, { units, raw: null }, { wallMs: MAY }).costNanoUsd;
        if (exact === null || rounded === null) return assert.equal(exact === null, rounded === null);
        const count = Object.values(units).reduce((sum, one) => sum + one, 0);
        assert.ok(Math.abs(Number(exact) - rounded) <= count / 1_000 / 2 + 1, `${exact} and ${rounded}`);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a charge under a contract", () => {
  it("is nothing while the minute's capacity has room for the whole call, and the list's price beyond", () => {
    const pricing = under(contractOf({ kind: "provisioned", provisioned: { units: 1, tokens_per_minute: 1_000, hourly_usd: 1, weights: { output: 4 } } }));
    assert.equal(charge(pricing, { input: 600, output: 100 }, MAY), "0 contract:c"); // 600 + 400
    assert.equal(charge(pricing, { input: 1 }, MAY + 59_999), "2500 contract:c spill");
    assert.equal(charge(pricing, { input: 1_000 }, MAY + 60_000), "0 contract:c");
    // Before the term and after it the list holds, and nothing is flagged.
    assert.equal(charge(pricing, { input: 1 }, Date.UTC(2027, 0, 1)), "2500");
  });

  it("takes no capacity where nothing was billed", () => {
    const pricing = under(contractOf({ kind: "provisioned", provisioned: { units: 1, tokens_per_minute: 1_000, hourly_usd: 1 } }));
    const unbilled: ChargeMade = { state: "unbilled", outcome: "overloaded", units: { input: 1_000 }, rawUsage: null, costNanoUsd: 0, flags: [] };
    assert.equal(underContract(unbilled, pricing, MAY), unbilled);
    assert.equal(charge(pricing, { input: 1_000 }, MAY), "0 contract:c");
  });

  it("of machines of one's own is nothing, priced or not", () => {
    const contract = contractOf({ kind: "self_hosted", self_hosted: { gpus: 1, usd_per_gpu_hour: 2 } });
    for (const pricing of [list, { kind: "unmetered" }, { kind: "unknown" }] as const) assert.equal(charge(under(contract, pricing), { input: 5_000, output: 5_000 }, MAY), "0 contract:c");
  });

  it("is less from a volume step on, and goes on so in the process after", () => {
    // 20 % off what lies above 10 USD. 1 M output tokens of `large` are 10 USD.
    const contract = contractOf({ kind: "committed", committed: { amount_usd: 100, per: "month", steps: [{ from_usd: 10, percent: 20 }] } });
    const pricing = under(contract);
    assert.equal(charge(pricing, { output: 900_000 }, MAY), "9000000000 contract:c");
    // 1 of 2 USD lies above: 2 − 0.20
    assert.equal(charge(pricing, { output: 200_000 }, MAY + 1), "1800000000 contract:c");
    const rows = [{ atMs: MAY, costNanoUsd: 9_000_000_000 }, { atMs: MAY + 1, costNanoUsd: 1_800_000_000 }].map((row) => ({ ...row, deployment: "acme/large", units: {} }));
    assert.deepEqual(spendOf(contract, rows), [{ atMs: MAY, ratedNanoUsd: 9_000_000_000n }, { atMs: MAY + 1, ratedNanoUsd: 2_000_000_000n }]);
    const book = new CapacityBook();
    restoreMeter(book.meter(contract), rows, MAY + 2);
    assert.equal(book.meter(contract).ratedSoFar(MAY + 2), 11_000_000_000n);
    assert.equal(charge(under(contract, list, book), { output: 100_000 }, MAY + 3), "800000000 contract:c");
    // The next month begins anew.
    assert.equal(charge(under(contract, list, book), { output: 100_000 }, Date.UTC(2028, 5, 1)), "1000000000 contract:c");
  });

  it("takes a volume step of the period in which a call began, though it ends in the next", () => {
    const contract = contractOf({ kind: "committed", committed: { amount_usd: 100, per: "month", steps: [{ from_usd: 10, percent: 20 }] } });
    const pricing = under(contract);
    const june = Date.UTC(2028, 5, 1);
    assert.equal(charge(pricing, { output: 1_000_000 }, june - 60_000), "10000000000 contract:c");
    assert.equal(charge(pricing, { output: 100_000 }, june), "1000000000 contract:c");
    // All of it lies above the step of May, and none of it counts in June.
    assert.equal(charge(pricing, { output: 900_000 }, june - 1_000), "7200000000 contract:c");
    assert.equal(charge(pricing, { output: 900_000 }, june + 1_000), "9000000000 contract:c");
    assert.equal(charge(pricing, { output: 100_000 }, june + 2_000), "800000000 contract:c");
    // Nothing had ended in July before August began: late calls of July are the first of it.
    assert.equal(charge(pricing, { output: 100_000 }, Date.UTC(2028, 7, 1)), "1000000000 contract:c");
    assert.equal(charge(pricing, { output: 1_100_000 }, Date.UTC(2028, 7, 1) - 1), "10800000000 contract:c");
  });

  it("is what one more call was said to cost", () => {
    const contract = contractOf({ kind: "free_quota", discounts: [{ percent: 10 }], free_quota: { requests_per_minute: 1 } });
    const meter = new ContractMeter(contract);
    const usage = { atMs: MAY, deployment: "acme/large", units: { input: 1_000 } };
    assert.deepEqual(marginal(meter, LARGE, usage), { costNanoUsd: 0n, covered: true });
    assert.deepEqual(meter.room(MAY), { tokens: null, requests: 1, resetsAtMs: MAY + 60_000 });
    assert.ok(meter.take(usage.units, MAY));
    assert.deepEqual(marginal(meter, LARGE, usage), { costNanoUsd: 2_250_000n, covered: false });
    assert.deepEqual(meter.room(MAY), { tokens: null, requests: 0, resetsAtMs: MAY + 60_000 });
  });
});

describe("the book of what contracts have left", () => {
  const provisioned = (units: number): Contract => contractOf({ kind: "provisioned", models: ["large"], provisioned: { units, tokens_per_minute: 1_000, hourly_usd: 1 } });

  it("tells it by deployment and instant", () => {
    const book = new CapacityBook();
    book.meter(provisioned(2)).take({ input: 500 }, MAY);
    assert.deepEqual(book.room("acme/large", MAY), { tokens: 1_500, requests: null, resetsAtMs: MAY + 60_000 });
    assert.deepEqual([book.room("acme/small", MAY), book.room("acme/large", Date.UTC(2030, 0, 1))], [null, null]);
  });

  it("goes on counting over a reload that does not change the contract, and anew with one that does", () => {
    const book = new CapacityBook();
    book.meter(provisioned(2)).take({ input: 500 }, MAY);
    assert.equal(book.meter({ ...provisioned(2), version: "2" }).room(MAY)?.tokens, 1_500);
    assert.equal(book.meter(provisioned(3)).room(MAY)?.tokens, 3_000);
    book.keepOnly([]);
    assert.equal(book.room("acme/large", MAY), null);
  });
});
