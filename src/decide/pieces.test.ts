import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { UnitCounts } from "../wire/usage.ts";
import type { UnitPrices } from "../wire/facts.ts";
import type { Pricing } from "./deployment.ts";
import { expectedUnits, piecesBoundNanoUsd, usageOf, type Counted } from "./pieces.ts";
import { plainSheet } from "./price-at.ts";
import { priceUsage } from "./price.ts";

const sheet = (base: UnitPrices): Pricing => ({ kind: "sheet", sheet: plainSheet("t", base) });
const BY_IMAGE = sheet({ images: 40_000_000_000 });
const BY_TOKEN = sheet({ input: 5_000_000, image_output: 40_000_000 });
const BY_BOTH = sheet({ input: 5_000_000, images: 40_000_000_000 });
const GUESS = { piecesGuess: { images: 2 }, tokensGuess: { input: 3, image_output: 500 } };

describe("what is on a deployment's bill", () => {
  const told: Counted = { pieces: { images: 1 }, tokens: { input: 10, image_output: 272 }, raw: null, ...GUESS };
  const rows: readonly (readonly [string, Pricing, Partial<Counted>, UnitCounts, boolean])[] = [
    ["pieces where it is priced by them", BY_IMAGE, {}, { images: 1 }, false],
    ["tokens where it is priced by them", BY_TOKEN, {}, { input: 10, image_output: 272 }, false],
    ["both where both have a price", BY_BOTH, {}, { input: 10, image_output: 272, images: 1 }, false],
    ["all that was told where nothing is charged", { kind: "unmetered" }, {}, { input: 10, image_output: 272, images: 1 }, false],
    ["guessed pieces, flagged, where the answer is silent", BY_IMAGE, { pieces: null }, { images: 2 }, true],
    ["guessed tokens, flagged, where the answer is silent", BY_TOKEN, { tokens: null }, { input: 3, image_output: 500 }, true],
    ["pieces that were only read off the answer, flagged", BY_IMAGE, { guessed: true }, { images: 1 }, true],
  ];
  for (const [name, pricing, more, units, guessed] of rows) {
    it(name, () => {
      const usage = usageOf(pricing, { ...told, ...more });
      assert.deepEqual([usage.units, usage.flags?.includes("estimated") ?? false], [units, guessed]);
    });
  }

  it("is never priced at nothing for want of a price", () => {
    const usage = usageOf(sheet({ pages: 1 }), told);
    assert.equal(priceUsage(sheet({ pages: 1 }), usage, { wallMs: 0 }).costNanoUsd, null);
  });

  it("is likely to be what was asked, if the answer never says", () => {
    assert.deepEqual(expectedUnits(BY_IMAGE, GUESS.piecesGuess, GUESS.tokensGuess), { images: 2 });
    assert.deepEqual(expectedUnits(BY_TOKEN, GUESS.piecesGuess, GUESS.tokensGuess), { input: 3, image_output: 500 });
  });
});

describe("the bound of a call", () => {
  const size = { inputTokens: 100, outputTokens: 50 };
  const rows: readonly (readonly [string, Pricing, UnitCounts | null, typeof size | { inputTokens: number; outputTokens: null }, number | null])[] = [
    ["pieces at their price", BY_IMAGE, { images: 2 }, size, 80_000_000],
    ["pieces that only the answer tells: unknown", BY_IMAGE, null, size, null],
    ["tokens at theirs, and pieces without a price are none", sheet({ input: 1_000_000, output: 2_000_000 }), { images: 2 }, size, 200_000],
    ["an unknown output is unknown", sheet({ input: 1_000_000, output: 2_000_000 }), { images: 1 }, { inputTokens: 100, outputTokens: null }, null],
    ["nothing is metered", { kind: "unmetered" }, { images: 1 }, size, null],
  ];
  for (const [name, pricing, pieces, tokens, bound] of rows) {
    it(name, () => {
      assert.equal(piecesBoundNanoUsd(pricing, pieces, tokens, 0), bound);
    });
  }
});
