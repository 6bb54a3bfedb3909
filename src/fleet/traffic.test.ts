import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { arrivals, CHAT_2023, CODE_2023, poissonArrivals, seededRandom, type TrafficLaw } from "./index.ts";
import { draw } from "./distribution.ts";

const COUNT = 20_000;

function take<T>(source: Iterable<T>, count: number): T[] {
  const taken: T[] = [];
  for (const item of source) {
    taken.push(item);
    if (taken.length === count) break;
  }
  return taken;
}

/** Rate a second and coefficient of variation of the gaps. */
function shape(timesMs: readonly number[]): { rate: number; cv: number } {
  const gaps = timesMs.map((at, index) => at - (timesMs[index - 1] ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
  return { rate: 1000 / mean, cv: Math.sqrt(variance) / mean };
}

function within(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual / expected - 1) <= tolerance, `${actual}, expected ${expected}`);
}

const quantile = (values: readonly number[], q: number): number => values.toSorted((a, b) => a - b)[Math.floor(q * values.length)] ?? 0;

describe("traffic", () => {
  it("by Poisson has the rate asked for and gaps that vary as much as their mean", () => {
    const { rate, cv } = shape(take(poissonArrivals(50, seededRandom(1)), COUNT));
    within(rate, 50, 0.03);
    within(cv, 1, 0.03);
  });

  const laws: readonly [string, TrafficLaw, number][] = [["chat", CHAT_2023, 0.05], ["code", CODE_2023, 0.35]];
  for (const [name, law, tolerance] of laws) {
    it(`by the law of ${name} has its rate, its burstiness and its lengths`, () => {
      const drawn = take(arrivals(law, seededRandom(2)), COUNT);
      const { rate, cv } = shape(drawn.map(({ atMs }) => atMs));
      within(rate, law.ratePerS, tolerance);
      within(cv, law.gapCv, tolerance);
      const [inMedian, outP99] = name === "chat" ? [1014, 599] : [1463, 249];
      within(quantile(drawn.map(({ inputTokens }) => inputTokens), 0.5), inMedian, 0.05);
      within(quantile(drawn.map(({ outputTokens }) => outputTokens), 0.99), outP99, 0.12);
    });
  }

  it("is the same for the same seed and another for another", () => {
    const first = take(arrivals(CHAT_2023, seededRandom(9)), 50);
    assert.deepEqual(first, take(arrivals(CHAT_2023, seededRandom(9)), 50));
    assert.notDeepEqual(first, take(arrivals(CHAT_2023, seededRandom(10)), 50));
  });

  it("draws from each kind of distribution what was written", () => {
    const random = seededRandom(4);
    const many = (distribution: Parameters<typeof draw>[0]): number[] => Array.from({ length: COUNT }, () => draw(distribution, random));
    assert.equal(draw(7, random), 7);
    assert.equal(draw({ constant: 8 }, random), 8);
    within(quantile(many({ lognormal: { median_ms: 300, p99_ms: 3000 } }), 0.99), 3000, 0.1);
    within(quantile(many({ uniform: { min: 10, max: 20 } }), 0.5), 15, 0.02);
    within(many({ exponential: { mean: 5 } }).reduce((sum, value) => sum + value, 0) / COUNT, 5, 0.03);
    assert.deepEqual(new Set(many({ values: [1, 2] })), new Set([1, 2]));
  });
});
