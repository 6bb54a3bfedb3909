import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Pricing } from "../deployment.ts";
import { priceUsage } from "../price.ts";
import { sheet } from "../test-directory.ts";
import { expectedNanoUsd } from "./expected.ts";

const STEPPED: Pricing = {
  kind: "sheet",
  sheet: { ...sheet(1, 4), contextSteps: [{ aboveInputTokens: 32_000, prices: { input: 2_000_000, output: 8_000_000 } }, { aboveInputTokens: 200_000, prices: { input: 4_000_000 } }] },
};
const WITH_FEE: Pricing = { kind: "sheet", sheet: { ...sheet(1, 4), base: { ...sheet(1, 4).base, requests: 5_000_000_000 } } };
const NOON = Date.UTC(2026, 9, 5, 12);

describe("the expected price of a call", () => {
  it("is what the call would be billed, on either side of each step by context length and with a fee per request", () => {
    for (const pricing of [STEPPED, WITH_FEE]) {
      const billed = (input: number, output: number): number => priceUsage(pricing, { units: { input, output }, raw: null }, { wallMs: NOON }).costNanoUsd ?? Number.NaN;
      const near = fc.constantFrom(16_385, 20_000, 31_999, 32_000, 32_001, 32_769, 131_073, 199_999, 200_000, 200_001, 262_145);
      fc.assert(
        fc.property(fc.oneof(near, fc.integer({ min: 1, max: 1_000_000 })), fc.nat(20_000), (input, output) => {
          const [told, is] = [expectedNanoUsd(pricing, input, output, NOON) ?? Number.NaN, billed(input, output)];
          assert.ok(Math.abs(told - is) <= 1 + 0.001 * is, `${told} of ${is} for ${input} and ${output} tokens`);
        }),
      );
    }
  });

  it("is that of the minute, nothing where nothing is metered, and unknown where no price is", () => {
    const changing: Pricing = { kind: "sheet", sheet: sheet(1, 4), later: [{ fromMs: NOON, sheet: sheet(3, 4) }, { fromMs: NOON + 60_000, sheet: null }] };
    assert.deepEqual([-1, 0, 60_000].map((ms) => expectedNanoUsd(changing, 1_000, 0, NOON + ms)), [1_000_000, 3_000_000, null]);
    assert.deepEqual([expectedNanoUsd({ kind: "unmetered" }, 10, 10, NOON), expectedNanoUsd({ kind: "unknown" }, 10, 10, NOON)], [0, null]);
  });
});
