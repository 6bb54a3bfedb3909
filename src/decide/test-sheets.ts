/** Sheets and usages of every kind, for property tests. */
import fc from "fast-check";
import type { PriceSheet, UnitPrices } from "../wire/facts.ts";
import type { Unit, UnitCounts } from "../wire/usage.ts";

// A factor of a thousand between any two: a tier may scale one by the ratio of two others.
const price = fc.integer({ min: 1000, max: 1_000_000 });
const OPTIONAL = [
  "cache_read",
  "cache_write_5m",
  "cache_write_1h",
  "audio_input",
  "reasoning",
  "audio_output",
] as const satisfies readonly Unit[];
const optional = Object.fromEntries(OPTIONAL.map((unit) => [unit, price])) as Record<
  (typeof OPTIONAL)[number],
  typeof price
>;

/** Any of the classes of tokens. */
const some: fc.Arbitrary<UnitPrices> = fc.record({ input: price, output: price, ...optional }, { requiredKeys: [] });

/** Prices for input and output, and any conditions. */
export const anySheet: fc.Arbitrary<PriceSheet> = fc.record(
  {
  version: fc.constant("v1"),
  base: fc.record({ input: price, output: price, ...optional, requests: price }, { requiredKeys: ["input", "output"] }),
  contextSteps: fc
    .uniqueArray(
      fc.record({
        aboveInputTokens: fc.integer({ min: 1, max: 500_000 }),
        prices: some,
        tiers: fc.record({ priority: some }),
      }),
      {
        maxLength: 3,
        selector: (step) => step.aboveInputTokens,
      },
    )
    .map((steps) => steps.toSorted((a, b) => a.aboveInputTokens - b.aboveInputTokens)),
  windows: fc.array(
    fc.record(
      { fromMinute: fc.nat(1439), toMinute: fc.nat(1440), prices: some, days: fc.subarray([0, 1, 2, 3, 4, 5, 6]) },
      { requiredKeys: ["fromMinute", "toMinute", "prices"] },
    ),
    { maxLength: 2 },
  ),
  scheduled: fc
    .array(fc.record({ fromMs: fc.integer({ min: 0, max: 4e12 }), prices: some }), { maxLength: 2 })
    .map((changes) => changes.toSorted((a, b) => a.fromMs - b.fromMs)),
  tiers: fc.record({ flex: some, priority: some }, { requiredKeys: [] }),
  geoPermille: fc.record(
    { eu: fc.integer({ min: 1000, max: 1400 }), us: fc.integer({ min: 900, max: 1200 }) },
    { requiredKeys: [] },
  ),
  surcharges: fc.record(
    { structured_output: fc.integer({ min: 500, max: 3000 }), tools: fc.integer({ min: 500, max: 3000 }) },
    { requiredKeys: [] },
  ),
},
  { requiredKeys: ["version", "base", "contextSteps", "windows", "scheduled", "tiers", "geoPermille"] },
);

const count = fc.nat(200_000);
/** Counts of any classes of tokens. */
export const anyUnits: fc.Arbitrary<UnitCounts> = fc.record(
  {
    input: count,
    cache_read: count,
    cache_write_5m: count,
    cache_write_30m: count,
    cache_write_1h: count,
    audio_input: count,
    image_input: count,
    output: count,
    reasoning: count,
    audio_output: count,
  },
  { requiredKeys: [] },
);
