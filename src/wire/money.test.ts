import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseUsd, usdShort, usdText } from "./money.ts";

describe("money as text", () => {
  it("is read exactly, from text and from numbers", () => {
    const cases: readonly (readonly [unknown, number | null])[] = [
      ["100", 100_000_000_000],
      [100, 100_000_000_000],
      ["0.000000001", 1],
      [0.000000001, 1],
      [0.1, 100_000_000],
      ["-1.25", -1_250_000_000],
      ["-0", 0],
      [" 2 ", 2_000_000_000],
      ["1.0000000001", null],
      [1e-10, null],
      ["1e3", null],
      ["", null],
      ["NaN", null],
      [Number.NaN, null],
      [Number.POSITIVE_INFINITY, null],
      ["9999999999", null],
      [null, null],
      ["1,5", null],
    ];
    for (const [value, nano] of cases) assert.equal(parseUsd(value), nano, String(value));
  });

  it("comes back as it went", () => {
    fc.assert(fc.property(fc.maxSafeInteger(), (nano) => parseUsd(usdText(nano)) === nano && parseUsd(usdShort(nano)) === nano));
  });

  it("is short for people", () => {
    assert.deepEqual([0, 1_000_000_000, 1_250_000_000, 1_234_500_000, 1, -500_000_000].map(usdShort), ["0.00", "1.00", "1.25", "1.2345", "0.000000001", "-0.50"]);
  });
});
