import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ModelFacts, PriceSheet } from "../wire/facts.ts";
import { inputTokens, outputTokens } from "../wire/usage.ts";
import { DEFAULT_TOKENS_PER_IMAGE, FIXED_OVERHEAD_TOKENS, boundNanoUsd, inputBoundTokens } from "./bound.ts";
import type { Pricing } from "./deployment.ts";
import { plainSheet } from "./price-at.ts";
import { priceUsage } from "./price.ts";
import { anySheet, anyUnits } from "./test-sheets.ts";

const wallMs = Date.UTC(2026, 10, 23, 12);

function bound(sheet: PriceSheet, more: Partial<Parameters<typeof boundNanoUsd>[1]> = {}): number | null {
  return boundNanoUsd(
    { kind: "sheet", sheet },
    { inputTokens: 1000, outputTokens: 100, choiceCount: 1, ...more },
    wallMs,
  );
}

describe("the bound of a prompt", () => {
  const measure = { textBytes: 100, messageAndToolCount: 3, imageCount: 0, unsized: false };
  it("is a token a byte, 32 a message or tool, and the overhead", () => {
    assert.equal(inputBoundTokens(measure, null, 8192), 100 + 96 + FIXED_OVERHEAD_TOKENS);
  });
  it("counts images at the model's most, else at the default", () => {
    const known = { maxTokensPerImage: 4800 } as ModelFacts;
    assert.equal(inputBoundTokens({ ...measure, imageCount: 2 }, known, null), 100 + 96 + FIXED_OVERHEAD_TOKENS + 9600);
    assert.equal(
      inputBoundTokens({ ...measure, imageCount: 2 }, null, null),
      100 + 96 + FIXED_OVERHEAD_TOKENS + 2 * DEFAULT_TOKENS_PER_IMAGE,
    );
  });
  it("is the whole context window where something has no known size, and unknown where that is unknown", () => {
    assert.equal(inputBoundTokens({ ...measure, unsized: true }, null, 128_000), 128_000);
    assert.equal(inputBoundTokens({ ...measure, unsized: true }, null, null), null);
  });
});

describe("the bound of a call", () => {
  it("is every token at the dearest class it can reach", () => {
    const sheet = plainSheet("v1", { input: 3000, cache_read: 300, cache_write_1h: 6000, output: 15_000 });
    assert.equal(bound(sheet), 1000 * 6 + 100 * 15);
    assert.equal(bound(sheet, { inputClasses: ["input", "cache_read"] }), 1000 * 3 + 100 * 15);
    assert.equal(bound(sheet, { choiceCount: 3 }), 1000 * 6 + 300 * 15);
  });
  it("reaches a context step only with enough tokens", () => {
    const sheet: PriceSheet = {
      ...plainSheet("v1", { input: 1000, output: 1000 }),
      contextSteps: [{ aboveInputTokens: 1000, prices: { input: 2000 } }],
    };
    assert.equal(bound(sheet, { inputTokens: 1000 }), 1100);
    assert.equal(bound(sheet, { inputTokens: 1001 }), 2102);
  });
  it("counts a window that is shut now, and a change announced for the next two hours, but no later one", () => {
    const flat = plainSheet("v1", { input: 1000, output: 1000 });
    assert.equal(bound({ ...flat, windows: [{ fromMinute: 0, toMinute: 1, prices: { input: 3000 } }] }), 3100);
    const change = (afterMs: number): PriceSheet => ({
      ...flat,
      scheduled: [{ fromMs: wallMs + afterMs, prices: { input: 5000 } }],
    });
    assert.deepEqual([bound(change(-1)), bound(change(60_000)), bound(change(3 * 3_600_000))], [5100, 5100, 1100]);
  });
  it("counts the tier that is asked beside the standard one, and every tier where the word tells nothing", () => {
    const sheet: PriceSheet = {
      ...plainSheet("v1", { input: 1000, output: 1000 }),
      tiers: { flex: { input: 500, output: 500 }, priority: { input: 2000, output: 2000 } },
    };
    const of = (serviceTier?: string): number | null => bound(sheet, { serviceTier });
    assert.deepEqual([of(), of("flex"), of("priority"), of("auto"), of("default")], [1100, 1100, 2200, 2200, 1100]);
  });
  it("adds the fee per request and what is counted one by one", () => {
    const sheet = plainSheet("v1", { input: 1000, output: 1000, requests: 7000, web_searches: 10_000 });
    assert.equal(bound(sheet), 1107);
    assert.equal(bound(sheet, { units: { web_searches: 2 } }), 1127);
    assert.equal(bound(sheet, { units: { pages: 2 } }), null);
  });
  it("is unknown where a limit, a price or a size is, and null for what is unmetered", () => {
    const sheet = plainSheet("v1", { input: 1000, output: 1000 });
    assert.equal(bound(sheet, { outputTokens: null }), null);
    assert.equal(bound(sheet, { inputTokens: null }), null);
    assert.equal(bound(plainSheet("v1", { input: 1000 })), null);
    assert.equal(bound(plainSheet("v1", { input: 1000 }), { outputTokens: 0 }), 1000);
    for (const kind of ["unmetered", "unknown"] as const)
      assert.equal(boundNanoUsd({ kind }, { inputTokens: 1, outputTokens: 1, choiceCount: 1 }, wallMs), null);
  });

  it("bears the surcharges of what is asked, and all of them where that is not told", () => {
    const sheet: PriceSheet = { ...plainSheet("v1", { input: 1000, output: 1000, web_searches: 7000 }), surcharges: { structured_output: 2000, tools: 1500 } };
    assert.deepEqual([bound(sheet), bound(sheet, { features: [] }), bound(sheet, { features: ["tools"] })], [3300, 1100, 1650]);
    assert.equal(bound(sheet, { features: ["tools"], units: { web_searches: 1 } }), 1657, "on tokens alone");
  });
  it("bears the dearest place where the answer tells which it was, and the deployment's own elsewhere", () => {
    const sheet: PriceSheet = { ...plainSheet("v1", { input: 1000, output: 1000 }), geoPermille: { us: 1100, eu: 1300 } };
    const of = (more: { geo?: string; geoTold?: boolean }) => boundNanoUsd({ kind: "sheet", sheet, ...more }, { inputTokens: 1000, outputTokens: 100, choiceCount: 1 }, wallMs);
    assert.deepEqual([of({}), of({ geo: "us" }), of({ geoTold: true }), of({ geo: "us", geoTold: true })], [1100, 1210, 1430, 1430]);
  });
  it("counts a sheet that takes this one's place within two hours, and is unknown where none does", () => {
    const [now, next] = [plainSheet("v1", { input: 1000, output: 1000 }), plainSheet("v2", { input: 3000, output: 1000 })];
    const of = (fromMs: number, sheet: PriceSheet | null = next): number | null =>
      boundNanoUsd({ kind: "sheet", sheet: now, later: [{ fromMs, sheet }] }, { inputTokens: 1000, outputTokens: 100, choiceCount: 1 }, wallMs);
    assert.deepEqual([of(wallMs - 1), of(wallMs + 60_000), of(wallMs + 3 * 3_600_000)], [3100, 3100, 1100]);
    assert.deepEqual([of(wallMs + 60_000, null), of(wallMs + 3 * 3_600_000, null)], [null, 1100]);
  });

  it("is never below the price of any usage within it, at any time of the call, in any tier it may be served in", () => {
    const tiers = fc.constantFrom(undefined, "flex", "priority", "default", "auto");
    const start = fc.integer({ min: 0, max: 4e12 });
    fc.assert(
      fc.property(
        anySheet,
        anyUnits,
        start,
        fc.nat(7_200_000),
        tiers,
        fc.boolean(),
        fc.constantFrom(undefined, "eu", "us"),
        fc.record({ asked: fc.subarray(["structured_output", "tools"] as const), known: fc.boolean(), told: fc.option(fc.constantFrom("eu", "us", "elsewhere"), { nil: undefined }), next: fc.option(anySheet), nextMs: fc.nat(7_200_000) }),
        (sheet, units, startMs, laterMs, serviceTier, downgraded, geo, { asked, known, told, next, nextMs }) => {
          const pricing: Pricing = { kind: "sheet", sheet, ...(told === undefined ? {} : { geoTold: true }), ...(next === null ? {} : { later: [{ fromMs: startMs + nextMs, sheet: next }] }) };
          const most = boundNanoUsd(
            pricing,
            { inputTokens: inputTokens(units), outputTokens: outputTokens(units), choiceCount: 1, serviceTier, geo, ...(known ? { features: asked } : {}) },
            startMs,
          );
          const usage = { units, raw: null, ...(told !== undefined ? { flags: [`geo_${told}`] } : {}), ...(downgraded ? { serviceTier: "default" } : {}) };
          const price = priceUsage(pricing, usage, { wallMs: startMs + laterMs, serviceTier, geo, features: asked }).costNanoUsd;
          assert.ok(most !== null && price !== null && most >= price, `${most} < ${price}`);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
