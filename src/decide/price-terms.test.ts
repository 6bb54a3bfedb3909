import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { entriesOf, entryText, termsOf } from "./price-listing.ts";
import { instantMs, readPriceTerms } from "./price-terms.ts";
import { parsePermille, parsePricePico, priceText } from "./price-text.ts";
import { anySheet } from "./test-sheets.ts";

describe("a price list as its owner writes it", () => {
  it("is a sheet, in exact pico-dollars", () => {
    const { sheet, fromMs, problems } = readPriceTerms({
      input: 0.3, output: "1.2", cache_read: "0.006", web_searches: 0.01,
      steps: [{ above: 200_000, input: 0.6, tiers: { batch: { multiply: 0.5 } } }],
      tiers: { batch: { multiply: 0.5 }, priority: { input: 0.6, output: 2.4 } },
      windows: [{ from: "16:30", to: "00:30", days: ["sat", "mon"], multiply: 0.25, output: 1 }],
      regions: { eu: "1.1" },
      surcharges: { structured_output: 2, tools: 1.5 },
      valid_from: "2027-01-01",
    });
    assert.deepEqual(problems, []);
    assert.equal(fromMs, Date.UTC(2027, 0, 1));
    assert.deepEqual(sheet, {
      base: { input: 300_000, cache_read: 6_000, output: 1_200_000, web_searches: 10_000_000_000 },
      contextSteps: [{ aboveInputTokens: 200_000, prices: { input: 600_000 }, tiers: { batch: { input: 300_000 } } }],
      tiers: { batch: { input: 150_000, cache_read: 3_000, output: 600_000 }, priority: { input: 600_000, output: 2_400_000 } },
      windows: [{ fromMinute: 990, toMinute: 30, prices: { input: 75_000, cache_read: 1_500, output: 1_000_000 }, days: [1, 6] }],
      scheduled: [], geoPermille: { eu: 1100 }, surcharges: { structured_output: 2000, tools: 1500 },
    });
  });

  it("may hold announced changes, and zeros that are meant", () => {
    const { sheet } = readPriceTerms({ input: 1, output: 1, changes: [{ from: "2027-01-01", input: 2 }, { from: "2027-06-01T08:00Z", input: 0 }] });
    assert.deepEqual(sheet?.scheduled, [{ fromMs: Date.UTC(2027, 0, 1), prices: { input: 2_000_000 } }, { fromMs: Date.UTC(2027, 5, 1, 8), prices: { input: 0 } }]);
    assert.equal(sheet?.free, true);
    assert.equal(readPriceTerms({ input: 1 }).sheet?.free, undefined);
  });

  const bad: readonly (readonly [string, Record<string, unknown>, string])[] = [
    ["a negative price", { input: "-1" }, "input"],
    ["a negative price in a step", { input: 1, steps: [{ above: 10, input: -2 }] }, "steps.0.input"],
    ["too many places", { input: "0.1234567" }, "input"],
    ["no price of input", { output: 1 }, ""],
    ["a step at nothing", { input: 1, steps: [{ above: 0, input: 2 }] }, "steps.0.above"],
    ["steps out of order", { input: 1, steps: [{ above: 20, input: 2 }, { above: 20, input: 3 }] }, "steps.1.above"],
    ["a step without prices", { input: 1, steps: [{ above: 20 }] }, "steps.0"],
    ["an empty tier", { input: 1, tiers: { batch: {} } }, "tiers.batch"],
    ["a factor of nothing", { input: 1, tiers: { batch: { multiply: 0 } } }, "tiers.batch.multiply"],
    ["a time that is none", { input: 1, windows: [{ from: "24:30", to: "01:00", input: 1 }] }, "windows.0.from"],
    ["a window of no length", { input: 1, windows: [{ from: "01:00", to: "01:00", input: 1 }] }, "windows.0.to"],
    ["a weekday twice", { input: 1, windows: [{ from: "01:00", to: "02:00", days: ["mon", "mon"], input: 1 }] }, "windows.0.days"],
    ["a factor in a window beside changes", { input: 1, windows: [{ from: "01:00", to: "02:00", multiply: 0.5 }], changes: [{ from: "2027-01-01", input: 2 }] }, "windows.0.multiply"],
    ["a day that does not exist", { input: 1, changes: [{ from: "2027-02-30", input: 2 }] }, "changes.0.from"],
    ["changes out of order", { input: 1, changes: [{ from: "2027-02-01", input: 2 }, { from: "2027-01-01", input: 2 }] }, "changes.1.from"],
    ["a region at a hundred thousand times", { input: 1, regions: { eu: 100_001 } }, "regions.eu"],
    ["a surcharge with too many places", { input: 1, surcharges: { tools: 1.0001 } }, "surcharges.tools"],
    ["a valid_from that is no day", { input: 1, valid_from: "soon" }, "valid_from"],
  ];
  for (const [what, terms, path] of bad) {
    it(`is refused with the place for ${what}`, () => {
      assert.ok(readPriceTerms(terms).problems.some((problem) => problem.path.join(".") === path), JSON.stringify(readPriceTerms(terms).problems));
    });
  }

  it("never makes a reader throw, whatever it is", () => {
    fc.assert(fc.property(fc.dictionary(fc.constantFrom("input", "output", "steps", "tiers", "windows", "changes", "regions", "surcharges", "valid_from"), fc.jsonValue()), (terms) => {
      const { sheet, problems } = readPriceTerms(terms);
      // Values of other types than numbers and texts are the schema's affair.
      if (["string", "number"].includes(typeof terms["input"])) assert.ok(problems.length > 0 || sheet !== null);
    }));
  });

  it("comes back as it went when a sheet is written out", () => {
    fc.assert(fc.property(anySheet, (sheet) => {
      const sound = { ...sheet, windows: sheet.windows.filter((one) => one.fromMinute !== one.toMinute && one.days?.length !== 0 && Object.keys(one.prices).length > 0), scheduled: distinct(sheet.scheduled), tiers: notEmpty(sheet.tiers), contextSteps: sheet.contextSteps.filter((one) => Object.keys(one.prices).length > 0).map(({ tiers, ...step }) => ({ ...step, ...(Object.keys(notEmpty(tiers ?? {})).length > 0 ? { tiers: notEmpty(tiers ?? {}) } : {}) })) };
      const { sheet: read, problems } = readPriceTerms(termsOf(sound));
      assert.deepEqual(problems, []);
      const { version: _version, surcharges, ...rest } = sound;
      assert.deepEqual(plain(read), plain({ ...rest, ...(surcharges !== undefined && Object.keys(surcharges).length > 0 ? { surcharges } : {}) }));
    }));
  });
});

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
function distinct<T extends { readonly fromMs: number; readonly prices: object }>(changes: readonly T[]): T[] {
  const whole = changes.map((change) => ({ ...change, fromMs: Math.floor(change.fromMs / 1000) * 1000 })).filter((change) => Object.keys(change.prices).length > 0);
  return whole.filter((change, index) => index === 0 || change.fromMs > (whole[index - 1]?.fromMs ?? 0));
}
function notEmpty<T extends object>(map: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).filter(([, prices]) => Object.keys(prices).length > 0));
}

describe("numbers of a price list", () => {
  it("are shown as they are written", () => {
    for (const [unit, text] of [["input", "0.000001"], ["input", "15"], ["output", "0.15"], ["web_searches", "0.01"], ["characters", "0.000000000001"]] as const) {
      assert.equal(priceText(parsePricePico(text, unit) ?? Number.NaN, unit), text);
    }
  });
  it("are exact multipliers", () => {
    assert.deepEqual([1.1, "0.5", 2, "1.0001", "x", -1].map((value) => parsePermille(value)), [1100, 500, 2000, null, null, null]);
  });
  it("have a path each", () => {
    const { sheet } = readPriceTerms({ input: 1, steps: [{ above: 9, input: 2, tiers: { flex: { input: 3 } } }], windows: [{ from: "01:00", to: "04:00", days: ["mon", "tue", "wed"], input: 4 }], changes: [{ from: "2027-01-01", input: 5 }], regions: { eu: 1.1 }, surcharges: { tools: 2 } });
    assert.ok(sheet);
    assert.deepEqual(entriesOf({ version: "v", ...sheet }).map((entry) => `${entry.path} ${entryText(entry)}`), [
      "input 1", "steps.above 9.input 2", "steps.above 9.flex.input 3", "windows.01:00-04:00 mon-wed.input 4", "changes.from 2027-01-01.input 5", "regions.eu 1.1", "surcharges.tools 2",
    ]);
  });
  it("and days are days", () => {
    assert.deepEqual(["2027-02-28", "2027-02-29", "2027-1-1", "2027-01-01T08:00Z", "2027-01-01T08:00", 7].map(instantMs), [Date.UTC(2027, 1, 28), null, null, Date.UTC(2027, 0, 1, 8), null, null]);
  });
});
