import assert from "node:assert/strict";
import { test } from "node:test";
import { histogram, lognormal } from "./latency.ts";
import { Chance } from "./random.ts";
import { bucketsOf, quantileOf, shareWithin, survivalOf, type Waited } from "./survival.ts";

const answered = (ms: number): Waited => ({ ms, answered: true, late: false });
const aborted = (ms: number, late = false): Waited => ({ ms, answered: false, late });

test("calls that were given up count for as long as they were waited for", () => {
  // By hand: at 1 one of four answers, then one of three leaves, then one of two answers, then the last.
  const { steps, never } = survivalOf([answered(1), aborted(2), answered(3), answered(4)]);
  assert.deepEqual(steps.map(({ ms, weight }) => [ms, Number(weight.toFixed(6))]), [[1, 0.25], [3, 0.375], [4, 0.375]]);
  assert.ok(Math.abs(never) < 1e-12);
});

test("what was given up as late beyond the last answer never answers, and what was given up for another is taken to answer with the last", () => {
  const late = survivalOf([answered(1), answered(2), answered(3), aborted(30_000, true)]);
  assert.ok(Math.abs(late.never - 0.25) < 1e-12);
  const losers = survivalOf([answered(1), answered(2), answered(3), aborted(4)]);
  assert.equal(losers.never, 0);
  assert.ok(Math.abs((losers.steps.at(-1)?.weight ?? 0) - 0.5) < 1e-12);
  assert.deepEqual(survivalOf([aborted(5, true)]), { steps: [], never: 1 });
});

test("a distribution of which a third is never seen whole is found again, and leaving those calls out would not find it", () => {
  const chance = new Chance(3, "survival");
  const truth = lognormal(800, 0.8);
  const calls = Array.from({ length: 20_000 }, (): Waited => {
    const ms = truth.draw(chance, 0);
    const hedgedMs = chance.next() < 0.5 ? 1_000 : Number.POSITIVE_INFINITY;
    return ms <= hedgedMs ? answered(ms) : aborted(hedgedMs);
  });
  const trueP95 = 800 * Math.exp(0.8 * 1.6449);
  const naive = survivalOf(calls.filter((one) => one.answered));
  assert.ok(Math.abs((quantileOf(survivalOf(calls), 0.95) ?? 0) / trueP95 - 1) < 0.05);
  assert.ok((quantileOf(naive, 0.95) ?? 0) < 0.9 * trueP95);
});

test("buckets of a file keep the distribution within their width", () => {
  const chance = new Chance(4, "buckets");
  const truth = lognormal(900, 0.6);
  const buckets = bucketsOf(survivalOf(Array.from({ length: 20_000 }, () => answered(truth.draw(chance, 0)))).steps);
  const back = histogram(buckets);
  for (const ms of [400, 900, 2_000, 4_000]) assert.ok(Math.abs(back.later(ms, 0) - truth.later(ms, 0)) < 0.015, String(ms));
  assert.deepEqual(bucketsOf([{ ms: 0, weight: 1 }]).map(([, weight]) => weight), [0, 1]);
});

test("a share that was never seen may still be some, the less the more calls there were", () => {
  assert.deepEqual(shareWithin(0, 0), [0, 1]);
  assert.equal(shareWithin(0, 400)[0], 0);
  assert.ok(shareWithin(0, 400)[1] < 0.0097 && shareWithin(0, 400)[1] > 0.005);
  const [low, high] = shareWithin(2, 412);
  assert.ok(low > 0.001 && low < 0.002 && high > 0.015 && high < 0.02);
});
