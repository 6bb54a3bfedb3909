import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { plainDecimal, roundDecimal, shiftDecimal } from "./decimal.ts";

describe("decimals as text", () => {
  it("are plain however they were written", () => {
    const cases: readonly (readonly [string, string | null])[] = [["1.5e-7", "0.00000015"], ["3", "3"], ["1e3", "1000"], ["12.5E1", "125"], ["-1", null], ["", null], [".5", null], ["1,5", null], ["NaN", null], ["1e999", null]];
    for (const [text, plain] of cases) assert.equal(plainDecimal(text), plain, text);
  });
  it("move their point", () => {
    assert.deepEqual([shiftDecimal("0.00000015", 6), shiftDecimal("2.5", -3), shiftDecimal("3", 6), shiftDecimal("10", -3)], ["0000000.15", "0.0025", "3000000", "0.010"]);
    fc.assert(fc.property(fc.nat(), fc.integer({ min: -8, max: 8 }), (value, places) => Number(shiftDecimal(String(value), places)) === Number(`${value}e${places}`)));
  });
  it("are rounded half up", () => {
    assert.deepEqual([roundDecimal("0.1234565", 6), roundDecimal("0.1234564999", 6), roundDecimal("9.9999995", 6), roundDecimal("1.5", 6), roundDecimal("0.5", 0)], ["0.123457", "0.123456", "10.000000", "1.5", "1"]);
  });
});
