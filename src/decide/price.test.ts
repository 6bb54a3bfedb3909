import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { PriceSheet, UnitPrices } from "../wire/facts.ts";
import type { UnitCounts, Usage } from "../wire/usage.ts";
import type { Pricing } from "./deployment.ts";
import { isOpen, picoOfUsdPerMillion, plainSheet } from "./price-at.ts";
import { orphanRates, priceUsage, priceVersionOf } from "./price.ts";
import { anySheet, anyUnits } from "./test-sheets.ts";

const at = { wallMs: Date.UTC(2026, 10, 23, 12) };

function cost(base: UnitPrices, units: UnitCounts, more: Partial<PriceSheet> = {}): ReturnType<typeof priceUsage> {
  return priceUsage({ kind: "sheet", sheet: { ...plainSheet("v1", base), ...more } }, { units, raw: null }, at);
}

describe("the price of a usage", () => {
  it("is rounded once, half up, to nano-dollars", () => {
    assert.equal(cost({ input: 1 }, { input: 499 }).costNanoUsd, 0);
    assert.equal(cost({ input: 1 }, { input: 500 }).costNanoUsd, 1);
    // Two classes of 400 pico-dollars each make 800, which is 1; rounding each would make 0.
    assert.equal(cost({ input: 1, output: 1 }, { input: 400, output: 400 }).costNanoUsd, 1);
  });

  it("takes an unpriced class from its neighbour, and says so where that is a guess", () => {
    const base = { input: 100_000, output: 500_000 };
    assert.deepEqual(cost(base, { reasoning: 10 }), { costNanoUsd: 5000, priceVersion: "v1", flags: [] });
    assert.deepEqual(cost(base, { image_input: 10 }), { costNanoUsd: 1000, priceVersion: "v1", flags: [] });
    assert.deepEqual(cost(base, { cache_read: 10 }).flags, ["price_guess:cache_read"]);
    assert.equal(cost(base, { cache_read: 10 }).costNanoUsd, 1000);
    assert.equal(cost({ ...base, cache_write_1h: 200_000 }, { cache_write_12h: 10 }).costNanoUsd, 2000);
    assert.deepEqual(cost({ ...base, cache_write_1h: 200_000 }, { cache_write_12h: 10 }).flags, [
      "price_guess:cache_write_12h",
    ]);
    assert.deepEqual(cost({ ...base, cache_write_5m: 125_000 }, { cache_write_30m: 10 }), {
      costNanoUsd: 1250,
      priceVersion: "v1",
      flags: [],
    });
    assert.deepEqual(cost(base, { audio_output: 10 }), {
      costNanoUsd: 5000,
      priceVersion: "v1",
      flags: ["price_guess:audio_output"],
    });
  });

  it("is null and flagged where a class of tokens has no price, never zero", () => {
    assert.deepEqual(cost({ input: 100 }, { input: 5, output: 5 }), {
      costNanoUsd: null,
      priceVersion: "v1",
      flags: ["unpriced:output"],
    });
    assert.equal(cost({ input: 0, output: 100 }, { input: 5 }).costNanoUsd, null);
    assert.equal(cost({ input: -7, output: 100 }, { input: 5 }).costNanoUsd, null);
  });

  it("keeps the known part where only a thing counted one by one has no price, flagged", () => {
    const priced = cost({ input: 1000, output: 1000 }, { input: 5000, web_searches: 2 });
    assert.deepEqual(priced, { costNanoUsd: 5000, priceVersion: "v1", flags: ["unpriced:web_searches"] });
    assert.equal(cost({ input: 1000, output: 1000 }, { web_searches: 2 }).costNanoUsd, null);
  });

  it("is 0 only where the sheet gives the model away", () => {
    assert.deepEqual(cost({ input: 0, output: 0 }, { input: 5, cache_read: 3, output: 5 }), {
      costNanoUsd: 0,
      priceVersion: "v1",
      flags: [],
    });
  });

  it("adds the fee per request once, whether or not the usage counts it", () => {
    const base = { input: 1000, output: 1000, requests: 5_000_000_000 };
    assert.equal(cost(base, { input: 1000 }).costNanoUsd, 5_001_000);
    assert.equal(cost(base, { input: 1000, requests: 1 }).costNanoUsd, 5_001_000);
  });

  it("counts fractions of a second", () => {
    assert.equal(cost({ input: 1, seconds: 100_000_000 }, { seconds: 12.34 }).costNanoUsd, 1_234_000);
  });

  it("is null for what is unmetered or unknown", () => {
    const usage: Usage = { units: { input: 10 }, raw: null };
    assert.deepEqual(priceUsage({ kind: "unmetered" }, usage, at), {
      costNanoUsd: null,
      priceVersion: null,
      flags: [],
    });
    assert.deepEqual(priceUsage({ kind: "unknown" }, usage, at), {
      costNanoUsd: null,
      priceVersion: null,
      flags: ["price_unknown"],
    });
  });

  it("is the provider's own charge where it states one, as 10^10 ticks a dollar do", () => {
    // 37,756,000 ticks = $0.0037756.
    const usage: Usage = {
      units: { input: 12, output: 1, reasoning: 228 },
      providerCostNanoUsd: Math.round((37_756_000 / 1e10) * 1e9),
      raw: null,
    };
    const pricing: Pricing = { kind: "sheet", sheet: plainSheet("v1", { input: 3_000_000, output: 15_000_000 }) };
    assert.deepEqual(priceUsage(pricing, usage, at), {
      costNanoUsd: 3_775_600,
      priceVersion: "v1",
      flags: ["provider_cost"],
    });
    assert.equal(priceUsage({ kind: "unknown" }, usage, at).costNanoUsd, 3_775_600);
  });

  it("does not believe a stated charge of 0 for a call that has a price", () => {
    const usage: Usage = { units: { input: 12 }, providerCostNanoUsd: 0, raw: null };
    assert.equal(
      priceUsage({ kind: "sheet", sheet: plainSheet("v1", { input: 3_000_000 }) }, usage, at).costNanoUsd,
      36_000,
    );
    assert.equal(priceUsage({ kind: "unknown" }, usage, at).costNanoUsd, null);
  });

  it("prices each entry by its own model where an answer bills several", () => {
    const own = plainSheet("v1", { input: 1000, output: 5000 });
    const dear = plainSheet("v1", { input: 5000, output: 25_000 });
    const usage: Usage = {
      units: { input: 4727, output: 10 },
      entries: [
        { model: null, kind: "message", units: { input: 4727, output: 10 } },
        { model: "advisor", kind: "advisor_message", units: { input: 2728, output: 3880 } },
      ],
      raw: null,
    };
    const priced = priceUsage({ kind: "sheet", sheet: own }, usage, at, (model) => (model === "advisor" ? dear : null));
    assert.deepEqual([priced.costNanoUsd, priced.flags], [4727 + 50 + 2728 * 5 + 3880 * 25, []]);
    const guessed = priceUsage({ kind: "sheet", sheet: own }, usage, at);
    assert.deepEqual([guessed.costNanoUsd, guessed.flags], [4727 + 50 + 2728 + 3880 * 5, ["entry_model_unpriced"]]);
  });

  it("believes the tier that the answer tells, not the one that was asked", () => {
    const sheet: PriceSheet = { ...plainSheet("v1", { input: 1000 }), tiers: { priority: { input: 2000 } } };
    const asked = { ...at, serviceTier: "priority" };
    const told = (serviceTier?: string): number | null =>
      priceUsage({ kind: "sheet", sheet }, { units: { input: 1000 }, serviceTier, raw: null }, asked).costNanoUsd;
    assert.deepEqual([told(), told("priority"), told("default"), told("fast")], [2000, 2000, 1000, 2000]);
  });

  it("flags a tier and a geography that the sheet does not know", () => {
    const sheet: PriceSheet = {
      ...plainSheet("v1", { input: 1000 }),
      tiers: { flex: { input: 500 } },
      geoPermille: { us: 1100 },
    };
    const priced = priceUsage(
      { kind: "sheet", sheet },
      { units: { input: 1000 }, raw: null },
      { ...at, serviceTier: "ultrafast", geo: "mars" },
    );
    assert.deepEqual([priced.costNanoUsd, priced.flags], [1100, ["tier_unknown", "geo_unknown"]]);
  });

  it("goes by the geography that the answer tells, where none was pinned", () => {
    const sheet: PriceSheet = { ...plainSheet("v1", { input: 1000 }), geoPermille: { us: 1100 } };
    const usage: Usage = { units: { input: 1000 }, flags: ["geo_us"], raw: null };
    const pricing: Pricing = { kind: "sheet", sheet };
    assert.equal(priceUsage(pricing, usage, at).costNanoUsd, 1100);
    assert.equal(priceUsage(pricing, usage, { ...at, geo: "global" }).costNanoUsd, 1000);
  });

  it("scales a tier's price along with an announced change", () => {
    const sheet: PriceSheet = {
      ...plainSheet("v1", { input: 1000, cache_read: 100 }),
      scheduled: [{ fromMs: 0, prices: { input: 3000 } }],
      tiers: { flex: { input: 500 } },
    };
    const priced = (units: UnitCounts) =>
      priceUsage({ kind: "sheet", sheet }, { units, raw: null }, { ...at, serviceTier: "flex" });
    assert.deepEqual(
      [priced({ input: 1000 }).costNanoUsd, priced({ input: 1000 }).flags],
      [1500, ["tier_price_scaled"]],
    );
    assert.equal(priced({ cache_read: 1000 }).costNanoUsd, 50);
  });

  it("bears surcharges on its tokens for what was asked, 1 × where the list has none", () => {
    const sheet: PriceSheet = { ...plainSheet("v1", { input: 1000, web_searches: 5000 }), surcharges: { structured_output: 2000, tools: 1500 } };
    const of = (features?: readonly ("structured_output" | "tools")[]): number | null =>
      priceUsage({ kind: "sheet", sheet }, { units: { input: 1000, web_searches: 1 }, raw: null }, { ...at, features }).costNanoUsd;
    assert.deepEqual([of(), of([]), of(["tools"]), of(["structured_output", "tools"])], [1005, 1005, 1505, 3005]);
    assert.equal(cost({ input: 1000 }, { input: 1000 }, {}).costNanoUsd, 1000);
  });

  it("is that of the sheet in force at its own time", () => {
    const [first, second] = [plainSheet("v1", { input: 1000 }), plainSheet("v2", { input: 2000 })];
    const pricing: Pricing = { kind: "sheet", sheet: first, later: [{ fromMs: 1000, sheet: second }, { fromMs: 2000, sheet: null }] };
    const of = (wallMs: number) => priceUsage(pricing, { units: { input: 1000 }, raw: null }, { wallMs });
    assert.deepEqual([of(999), of(1000), of(2000)], [
      { costNanoUsd: 1000, priceVersion: "v1", flags: [] },
      { costNanoUsd: 2000, priceVersion: "v2", flags: [] },
      { costNanoUsd: null, priceVersion: null, flags: ["price_unknown"] },
    ]);
    assert.deepEqual([priceVersionOf(pricing, 999), priceVersionOf(pricing, 1999), priceVersionOf(pricing, 2000)], ["v1", "v2", null]);
    assert.deepEqual(orphanRates(pricing, 1000, { wallMs: 1500 }), { inputEstimateNanoUsd: 2000, outputPricePicoUsd: null });
  });

  it("tells the doubts of its sheet on the row, unless the provider stated the charge itself", () => {
    const sheet: PriceSheet = { ...plainSheet("v1", { input: 1000 }), doubts: ["price_disputed"] };
    const of = (providerCostNanoUsd?: number) => priceUsage({ kind: "sheet", sheet }, { units: { input: 1000 }, raw: null, providerCostNanoUsd }, at).flags;
    assert.deepEqual([of(), of(7)], [["price_disputed"], ["provider_cost"]]);
  });

  it("goes by where the deployment is served, where neither request nor answer says", () => {
    const sheet: PriceSheet = { ...plainSheet("v1", { input: 1000 }), geoPermille: { us: 1100, eu: 1300 } };
    const pricing: Pricing = { kind: "sheet", sheet, geo: "eu" };
    assert.equal(priceUsage(pricing, { units: { input: 1000 }, raw: null }, at).costNanoUsd, 1300);
    assert.equal(priceUsage(pricing, { units: { input: 1000 }, flags: ["geo_us"], raw: null }, at).costNanoUsd, 1100);
    assert.deepEqual(priceUsage(pricing, { units: { input: 1000 }, flags: ["geo_constructor"], raw: null }, at).flags, ["geo_unknown"]);
  });

  it("says so when an amount is beyond the safe integers", () => {
    assert.deepEqual(cost({ input: 10_000_000_000 }, { input: Number.MAX_SAFE_INTEGER }), {
      costNanoUsd: null,
      priceVersion: "v1",
      flags: ["overflow"],
    });
  });
});

describe("the price of a usage, for any sheet", () => {
  const usage = anyUnits.map((units): Usage => ({ units, raw: null }));
  const moment = fc.record({
    wallMs: fc.integer({ min: 0, max: 4e12 }),
    serviceTier: fc.constantFrom(undefined, "flex", "priority", "auto"),
  });
  const price = (
    sheet: PriceSheet,
    one: Usage,
    when: { wallMs: number; serviceTier: string | undefined },
  ): number | null => priceUsage({ kind: "sheet", sheet }, one, when).costNanoUsd;

  it("is a whole number, never negative", () => {
    fc.assert(
      fc.property(anySheet, usage, moment, (sheet, one, when) => {
        const nano = price(sheet, one, when);
        assert.ok(nano !== null && Number.isSafeInteger(nano) && nano >= 0);
      }),
    );
  });

  it("does not fall when a count grows, as long as no step is passed", () => {
    fc.assert(
      fc.property(
        anySheet,
        usage,
        moment,
        fc.constantFrom("input", "output", "reasoning", "cache_read" as const),
        fc.nat(1e6),
        (sheet, one, when, unit, more) => {
          const flat = { ...sheet, contextSteps: [] };
          const grown: Usage = {
            ...one,
            units: { ...one.units, [unit]: ((one.units as Record<string, number>)[unit] ?? 0) + more },
          };
          assert.ok((price(flat, grown, when) ?? NaN) >= (price(flat, one, when) ?? NaN));
        },
      ),
    );
  });

  it("is the sum of its parts to within the roundings, as long as no step is passed", () => {
    fc.assert(
      fc.property(anySheet, usage, moment, (sheet, one, when) => {
        const flat: PriceSheet = { ...sheet, contextSteps: [], base: { ...sheet.base, requests: undefined } };
        const parts = Object.entries(one.units).map(
          ([unit, count]) => price(flat, { units: { [unit]: count }, raw: null }, when) ?? NaN,
        );
        const sum = parts.reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum - (price(flat, one, when) ?? NaN)) <= parts.length / 2 + 0.5);
      }),
    );
  });
});

describe("prices by hand", () => {
  it("are whole pico-dollars, half up, without the noise of floating point", () => {
    const table: readonly [number, number][] = [
      [0.0028, 2800],
      [8.89, 8_890_000],
      [0.15, 150_000],
      [600, 600_000_000],
      [0.000_000_5, 1],
      [0.000_000_4, 0],
      [0, 0],
    ];
    for (const [usd, pico] of table) assert.equal(picoOfUsdPerMillion(usd), pico, String(usd));
  });

  it("make a free sheet only if all of them are 0", () => {
    assert.equal(plainSheet("v", { input: 0, output: 0 }).free, true);
    assert.equal(plainSheet("v", { input: 0, output: 1 }).free, undefined);
    assert.equal(plainSheet("v", {}).free, undefined);
  });
});

describe("a daily window", () => {
  const monday = Date.UTC(2026, 10, 23);
  const minute = 60_000;
  it("wraps midnight, on the day on which it opens", () => {
    const window = { fromMinute: 23 * 60, toMinute: 60, days: [1], prices: {} };
    const open = [-30, 0, 23 * 60 - 1, 23 * 60, 24 * 60 + 59, 25 * 60].map((at) =>
      isOpen(window, monday + at * minute),
    );
    assert.deepEqual(open, [false, false, false, true, true, false]);
  });
  it("without days is open every day", () => {
    for (let day = 0; day < 7; day++)
      assert.ok(isOpen({ fromMinute: 0, toMinute: 1440, prices: {} }, monday + day * 1440 * minute));
  });
});

describe("the rates of an orphan", () => {
  it("are the prompt's price and one answer token's", () => {
    const pricing: Pricing = { kind: "sheet", sheet: plainSheet("v1", { input: 150_000, output: 600_000 }) };
    assert.deepEqual(orphanRates(pricing, 1000, at), { inputEstimateNanoUsd: 150_000, outputPricePicoUsd: 600_000 });
  });
  it("are null where there is no price", () => {
    for (const kind of ["unmetered", "unknown"] as const)
      assert.deepEqual(orphanRates({ kind }, 1000, at), { inputEstimateNanoUsd: null, outputPricePicoUsd: null });
  });
});
