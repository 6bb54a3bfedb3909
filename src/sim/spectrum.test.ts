import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance } from "./random.ts";
import { periodogram, standsOut } from "./spectrum.ts";

const MINUTES = 1_920;
const CYCLES = 8;

/** Each value remembers the last: no period of its own, but slow swings larger than fast ones. */
function wandering(seed: number, swing: number): readonly number[] {
  const chance = new Chance(seed, "wandering");
  let value = 0;
  return Array.from({ length: MINUTES }, (_, i) => {
    value += chance.next() - 0.5 - value / 100;
    return value + swing * Math.sin((2 * Math.PI * CYCLES * i) / MINUTES);
  });
}

test("a swing shows at its own number of cycles, and a trend shows nowhere", () => {
  const power = periodogram(Array.from({ length: 600 }, (_, i) => 0.01 * i + Math.sin((2 * Math.PI * 12 * i) / 600)), 40);
  assert.equal(power.indexOf(Math.max(...power)), 11);
  const trend = periodogram(Array.from({ length: 600 }, (_, i) => 3 * i), 40);
  assert.ok(Math.max(...trend) < 1e-9 * Math.max(...power));
});

test("what wanders without a period stands out nowhere, what swings with it does", () => {
  const seeds = [1, 2, 3, 4, 5];
  for (const first of [0, 10, 20, 30]) {
    assert.ok(standsOut(seeds.map((seed) => wandering(first + seed, 0)), CYCLES) < 3);
    assert.ok(standsOut(seeds.map((seed) => wandering(first + seed, 3)), CYCLES) > 6);
  }
});
