import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../wire/json.ts";
import { CapacityBook } from "./contract/meter.ts";
import { pricingUnder } from "./contract/pricing.ts";
import { contractOf } from "./contract/test-contracts.ts";
import type { Pricing } from "./deployment.ts";
import { plainSheet } from "./price-at.ts";
import { rerate, type RatedRow } from "./rerate.ts";

const OLD = plainSheet("old", { input: 1_000_000, output: 4_000_000 });
const NEW = { ...plainSheet("new", { input: 2_000_000, output: 4_000_000 }), tiers: { flex: { input: 500_000, output: 1_000_000 } }, surcharges: { tools: 1500 }, geoPermille: { eu: 1100 } };
const AT = Date.UTC(2026, 5, 1);
const pricing: Pricing = { kind: "sheet", sheet: NEW };

function row(more: Partial<RatedRow> = {}): RatedRow {
  return { atMs: AT, state: "charged", units: { input: 100, output: 10 }, costNanoUsd: 140_000, priceVersion: "old", flags: [], scopes: ["tenant/default"], rawUsage: null, ...more };
}
const cost = (more: Partial<RatedRow>, by: Pricing = pricing): number | string => {
  const found = rerate(row(more), by);
  return found.kind === "corrected" ? found.costNanoUsd : found.kind === "left" ? found.why : found.kind;
};

describe("a row priced again", () => {
  it("costs what its units cost by the list of its own time, in its own tier, place and with its own surcharges", () => {
    assert.deepEqual(rerate(row(), pricing), { kind: "corrected", costNanoUsd: 240_000, priceVersion: "new", flags: ["rerated"] });
    assert.equal(cost({ flags: ["tier:flex"] }), 60_000);
    assert.equal(cost({ flags: ["surcharge:tools"] }), 360_000);
    assert.equal(cost({ flags: ["geo_eu"] }), 264_000);
    const later: Pricing = { kind: "sheet", sheet: NEW, later: [{ fromMs: AT, sheet: OLD }] };
    assert.equal(cost({ priceVersion: "other", costNanoUsd: 1 }, later), 140_000);
    assert.equal(cost({ priceVersion: "other", costNanoUsd: 1, atMs: AT - 1 }, later), 240_000);
  });

  it("keeps what else its flags say, and says anew what pricing says", () => {
    const found = rerate(row({ state: "estimated", flags: ["estimated", "usage_missing", "price_unknown", "unpriced:output", "tier:flex"] }), pricing);
    assert.deepEqual(found.kind === "corrected" ? found.flags : found, ["estimated", "usage_missing", "tier:flex", "rerated"]);
  });

  it("gets a cost where none was known", () => {
    assert.equal(cost({ costNanoUsd: null, priceVersion: null, flags: ["price_unknown"] }), 240_000);
  });

  it("stays where it was priced by that very list, or costs the same", () => {
    assert.equal(cost({ priceVersion: "new", costNanoUsd: 7 }), "same");
    assert.equal(cost({ costNanoUsd: 240_000 }), "same");
  });

  it("stays where something else than a price list decided", () => {
    assert.equal(cost({ state: "held", costNanoUsd: null }), "held");
    assert.equal(cost({ state: "unbilled", costNanoUsd: 0 }), "unbilled");
    assert.equal(cost({ state: "unmetered", costNanoUsd: null }), "unmetered");
    assert.equal(cost({ flags: ["provider_cost"] }), "provider_cost");
    assert.equal(cost({ rawUsage: { batch: "b1" } }), "batch");
    assert.equal(cost({}, { kind: "unknown" }), "price_unknown");
    assert.equal(cost({}, { kind: "unmetered" }), "unmetered");
    assert.equal(cost({ units: { audio_output: 3, input: 1 } }, { kind: "sheet", sheet: plainSheet("bare", { input: 5 }) }), "price_unknown");
  });

  it("is priced entry by entry where the answer billed several models", () => {
    const entries = [{ model: null, kind: "message", units: { input: 3, output: 1 } }, { model: null, kind: "advisor", units: { input: 1 } }];
    assert.deepEqual(rerate(row({ units: { input: 3, output: 1 } }), pricing, entries), { kind: "corrected", costNanoUsd: 12_000, priceVersion: "new", flags: ["rerated"] });
  });

  it("stays what its contract made it: covered, or on the way to a volume step; a team's own credential is not under it", () => {
    const under = (body: JsonObject): Pricing => pricingUnder(pricing, "acme/large", [contractOf(body)], new CapacityBook(), 0);
    const atMs = Date.UTC(2028, 4, 1);
    const provisioned = under({ kind: "provisioned", provisioned: { units: 1, tokens_per_minute: 10_000, hourly_usd: 1 } });
    assert.equal(cost({ atMs, costNanoUsd: 0, flags: ["contract:c"] }, provisioned), "covered");
    assert.equal(cost({ atMs, flags: ["contract:c", "spill"] }, provisioned), 240_000);
    const stepped = under({ kind: "committed", committed: { amount_usd: 100, steps: [{ from_usd: 50, percent: 10 }] } });
    assert.equal(cost({ atMs, flags: ["contract:c"] }, stepped), "volume_steps");
    const plain = under({ kind: "committed", discounts: [{ percent: 50 }], committed: { amount_usd: 100 } });
    assert.equal(cost({ atMs, flags: ["contract:c"] }, plain), 120_000);
    assert.equal(cost({ atMs, scopes: ["tenant/default", "paid_by/team"] }, plain), 240_000);
  });
});
