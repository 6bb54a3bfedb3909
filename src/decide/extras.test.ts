/** What goes into a bound beyond tokens at the standard rate, and what has no price. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Extras } from "../wire/extras.ts";
import type { PriceSheet } from "../wire/facts.ts";
import { inputTokens, outputTokens } from "../wire/usage.ts";
import { boundNanoUsd } from "./bound.ts";
import { boundUnder } from "./cap.ts";
import { choose } from "./choose.ts";
import type { Deployment, Pricing, RequestShape, Route } from "./deployment.ts";
import { DEFAULT_CLOCKS } from "./deployment.ts";
import { unpriced, withExtras } from "./extras.ts";
import { priceUsage } from "./price.ts";
import { model, provider, sheet } from "./test-directory.ts";
import { anySheet, anyUnits } from "./test-sheets.ts";

const SHAPE: RequestShape = { endpoint: "chat", stream: false, inputBoundTokens: null, inputEstimateTokens: 0, imageCount: 0, maxOutputTokens: 100, choiceCount: 1, needs: [] };
const PRICED: PriceSheet = { ...sheet(1, 2), tiers: { priority: { input: 2_000_000, output: 4_000_000 } }, geoPermille: { us: 1_100 }, base: { input: 1_000_000, output: 2_000_000, web_searches: 10_000_000_000 } };
const SPENDING = { capNanoUsd: null, defaultMaxOutput: 8_192 };
const MEASURE = { textBytes: 1_000, messageAndToolCount: 1, imageCount: 0, unsized: false };

function place(pricing: Pricing, contextWindow: number | null = 128_000): Deployment {
  return { id: "a/m", account: "a", provider: provider("a"), model: model("a/m", "m"), upstreamModel: "m", pricing, contextWindow, maxOutput: 1_000, baseUrl: "", region: null, domain: {}, reasons: false };
}

function lackOf(extras: Omit<Extras, "fields">, pricing: Pricing = { kind: "sheet", sheet: PRICED }, contextWindow: number | null = 128_000): string | null {
  return unpriced(place(pricing, contextWindow), { fields: ["a_field"], ...extras }, 0);
}

describe("what a price list knows of what is asked", () => {
  it("is its tiers, places and units", () => {
    assert.equal(lackOf({ serviceTier: "priority", geo: "us", units: { web_searches: 3 } }), null);
    assert.match(lackOf({ serviceTier: "flex" }) ?? "", /no price for the service tier "flex"/);
    assert.match(lackOf({ geo: "eu" }) ?? "", /served in "eu"/);
    assert.match(lackOf({ units: { file_searches: 1 } }) ?? "", /no price for file_searches/);
    assert.match(lackOf({ windows: 3 }, undefined, null) ?? "", /no known context window.*a_field/);
  });

  it("is all that words for the standard tier, for any tier and for no place in particular ask", () => {
    for (const serviceTier of ["default", "standard", "standard_only", "on_demand", "auto"]) assert.equal(lackOf({ serviceTier }), null, serviceTier);
    for (const geo of ["global", "not_available"]) assert.equal(lackOf({ geo }), null, geo);
    assert.equal(lackOf({ serviceTier: "auto" }, { kind: "sheet", sheet: sheet(1, 2) }), null);
  });

  it("is asked of every sheet by which the call may be priced, and of none that is unmetered", () => {
    assert.match(lackOf({ serviceTier: "priority" }, { kind: "sheet", sheet: PRICED, later: [{ fromMs: 60_000, sheet: sheet(1, 2) }] }) ?? "", /priority/);
    assert.equal(lackOf({ serviceTier: "priority" }, { kind: "sheet", sheet: PRICED, later: [{ fromMs: 10 * 3_600_000, sheet: sheet(1, 2) }] }), null);
    assert.equal(lackOf({ serviceTier: "flex" }, { kind: "unmetered" }), null);
  });
});

describe("a bound under a limit", () => {
  const bounded = (extras: Omit<Extras, "fields">, pricing: Pricing = { kind: "sheet", sheet: PRICED }) => boundUnder(SPENDING, place(pricing), { ...SHAPE, extras: { fields: [], ...extras } }, 1_000, 0);
  it("holds the dearest of the tier that is asked and the standard one, the place, and each unit at its most", () => {
    const plain = 1_000 * 1_000 + 100 * 2_000;
    assert.deepEqual(bounded({}), { kind: "bounded", boundNanoUsd: plain, limit: null });
    assert.deepEqual(bounded({ serviceTier: "priority" }), { kind: "bounded", boundNanoUsd: 2 * plain, limit: null });
    assert.deepEqual(bounded({ serviceTier: "auto" }), { kind: "bounded", boundNanoUsd: 2 * plain, limit: null });
    assert.deepEqual(bounded({ serviceTier: "default" }), { kind: "bounded", boundNanoUsd: plain, limit: null });
    assert.deepEqual(bounded({ geo: "us" }), { kind: "bounded", boundNanoUsd: plain * 1.1, limit: null });
    assert.deepEqual(bounded({ units: { web_searches: 3 } }), { kind: "bounded", boundNanoUsd: plain + 3 * 10_000_000, limit: null });
  });

  it("is none where something has no price, and the refusal says what", () => {
    const over = bounded({ serviceTier: "flex" });
    assert.ok(over.kind === "over" && over.reason === "unbounded" && /service tier "flex"/.test(over.detail));
  });

  it("counts a tier that only a context step has a price for", () => {
    const stepped: PriceSheet = { ...sheet(1, 2), contextSteps: [{ aboveInputTokens: 500, prices: {}, tiers: { priority: { input: 9_000_000 } } }] };
    const found = bounded({ serviceTier: "auto" }, { kind: "sheet", sheet: stepped });
    assert.ok(found.kind === "bounded" && (found.boundNanoUsd ?? 0) >= 1_000 * 9_000);
  });
});

describe("a choice without a limit", () => {
  const route = (pricing: Pricing): Route => ({ name: "r", candidates: [{ deployment: place(pricing), weight: 1, automatic: false }], strategy: "priority", clocks: DEFAULT_CLOCKS, keepalive: true, forwardHeaders: [], defaultMaxOutput: 8_192, automatic: false });
  const holdOf = (more: Partial<RequestShape>, windows?: number) =>
    choose({
      route: route({ kind: "sheet", sheet: PRICED }), shape: { ...SHAPE, ...more }, measure: windows === undefined ? MEASURE : { ...MEASURE, unsized: true, windows },
      view: () => ({ state: "admitting", pausedUntilMs: 0, excluded: null }) as never, wallMs: 0, random: () => 0,
    }).holdNanoUsd;

  it("holds what is asked beyond the standard rate too", () => {
    const plain = holdOf({}) ?? 0;
    assert.ok(plain > 0);
    assert.ok((holdOf({ extras: { fields: [], serviceTier: "priority" } }) ?? 0) > plain);
    assert.equal(holdOf({ extras: { fields: [], units: { web_searches: 2 }, windows: 3 } }, 3), 3 * 128_000 * 1_000 + 100 * 2_000 + 20_000_000);
  });

  it("knows no bound of what has no price, and of what nothing bounds", () => {
    assert.equal(holdOf({ extras: { fields: [], serviceTier: "flex" } }), null);
    assert.equal(holdOf({ unbounded: true }), null);
  });
});

it("a bound is never below the price of what is served in the tier, place and units that were asked", () => {
  fc.assert(
    fc.property(anySheet, anyUnits, fc.constantFrom("auto", "default", "flex", "priority"), fc.constantFrom("us", "eu", "global"), fc.boolean(), fc.nat(20), fc.nat(20), (bare, units, asked, geo, served, searches, most) => {
      const priced: PriceSheet = { ...bare, base: { ...bare.base, web_searches: 5_000_000 } };
      const pricing: Pricing = { kind: "sheet", sheet: priced };
      const extras: Extras = { fields: [], serviceTier: asked, geo, units: { web_searches: most } };
      fc.pre(searches <= most && unpriced(place(pricing), extras, 0) === null);
      const bound = boundNanoUsd(pricing, withExtras({ inputTokens: inputTokens(units), outputTokens: outputTokens(units), choiceCount: 1 }, extras), 0);
      // What is asked may be served in the standard tier, and `auto` in any.
      const tiers = asked === "auto" ? ["default", "flex", "priority"] : [served ? asked : "default"];
      for (const tier of tiers) {
        const cost = priceUsage(pricing, { units: { ...units, web_searches: searches }, serviceTier: tier, raw: null }, { wallMs: 0, geo }).costNanoUsd;
        assert.ok(bound !== null && cost !== null && cost <= bound, `${cost} > ${bound}`);
      }
    }),
  );
});
