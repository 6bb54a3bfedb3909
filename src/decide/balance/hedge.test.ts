import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bestHedge, hedgeAfterMs, HedgeAllowance, ownHedgeMs, SecondTimes, type BestHedge, type HedgeTerms } from "./hedge.ts";
import { chanceFrom, madeEstimate, weighedOf, type Made } from "./test-weighed.ts";
import { hedgeTokens } from "./tokens.ts";

const T = 4_000;

function best(terms: Partial<HedgeTerms>, ...made: readonly Made[]): BestHedge {
  const found: BestHedge = { second: -1, afterMs: 0, rescued: 0, counted: false, savedNanoUsd: 0 };
  const weighed = weighedOf(...made);
  const times = new SecondTimes();
  times.begin(weighed);
  bestHedge(weighed, 0, 1, { thresholdMs: T, latencyNanoUsd: 0, delayNanoUsdPerS: 0, share: 0.05, mayHedge: undefined, ...terms }, times, found);
  return found;
}

describe("when to hedge", () => {
  const quick = madeEstimate({ typicalMs: 300 });

  it("is after the own quantile that leaves four fifths of the allowance", () => {
    const own = ownHedgeMs(quick, 0.05);
    assert.ok(own !== null && Math.abs(quick.later(own) - 0.04) < 1e-6);
    assert.equal(hedgeAfterMs(own, () => 1, T), own);
  });

  it("is early enough for the second to be in time, where the own quantile is too late", () => {
    assert.equal(hedgeAfterMs(9_000, () => 700, T), T - 700);
    assert.equal(hedgeAfterMs(9_000, () => 60_000, T), 0.1 * T);
  });

  it("is at two fifths of the threshold where nothing is known", () => {
    assert.equal(hedgeAfterMs(null, () => 700, T), 0.4 * T);
    assert.equal(hedgeAfterMs(9_000, () => null, T), 0.4 * T);
  });

  it("is never where nothing is known and nothing is promised", () => {
    assert.equal(hedgeAfterMs(null, () => 700, 0), null);
    assert.equal(hedgeAfterMs(700, () => 1, 0), 700);
  });
});

describe("the quickest second", () => {
  it("is the one that mostly has content first, of the others", () => {
    const weighed = weighedOf({ typicalMs: 300 }, { unknown: true }, { typicalMs: 200 }, { typicalMs: 900 });
    const soon = (index: number): number | null => (weighed[index]?.estimate.quantile(0.9) ?? null);
    const times = new SecondTimes();
    times.begin(weighed);
    assert.deepEqual([0, 1, 2, 3].map((index) => times.quickestMs(index)), [soon(2), soon(2), soon(0), soon(2)]);
    times.begin(weighedOf({ unknown: true }, { unknown: true }));
    assert.equal(times.quickestMs(0), null);
    times.begin(weighedOf({ unknown: true }, { typicalMs: 500 }));
    assert.equal(times.quickestMs(1), null);
  });
});

describe("whether to hedge", () => {
  it("is asked of the price", () => {
    const tailed: Made = { tail: 0.02, typicalMs: 400 };
    assert.equal(best({ latencyNanoUsd: 1e9 }, tailed, { priceNanoUsd: 1_000_000 }).second, 1);
    assert.equal(best({ latencyNanoUsd: 1e9 }, tailed, { priceNanoUsd: 2e9 }).second, -1);
    assert.equal(best({}, tailed, { priceNanoUsd: 1 }).second, -1, "time is worth nothing");
    assert.equal(best({ delayNanoUsdPerS: 1e6 }, tailed, { priceNanoUsd: 1 }).second, 1);
  });

  it("takes the one that is worth most above its price", () => {
    const late: Made = { typicalMs: 3_000, tail: 0.3 };
    assert.equal(best({ latencyNanoUsd: 1e8 }, {}, late, { typicalMs: 200, priceNanoUsd: 5_000_000 }).second, 2);
    assert.equal(best({ latencyNanoUsd: 1e7 }, {}, { typicalMs: 400 }, { typicalMs: 200, priceNanoUsd: 9_000_000 }).second, 1);
  });

  it("is not counted on where its allowance would run dry", () => {
    const often = best({ latencyNanoUsd: 1e9 }, { typicalMs: 2_000, tail: 0.5 }, { typicalMs: 200, tail: 0 });
    assert.deepEqual([often.second, often.counted, often.savedNanoUsd], [1, false, 0]);
    const seldom = best({ latencyNanoUsd: 1e9 }, { tail: 0.02 }, { typicalMs: 200, tail: 0 });
    assert.ok(seldom.counted && seldom.savedNanoUsd > 0);
  });

  it("leaves out what may not be hedged with", () => {
    assert.equal(best({ latencyNanoUsd: 1e9 }, {}, {}, {}).second, 1);
    assert.equal(best({ latencyNanoUsd: 1e9, mayHedge: ({ candidate }) => candidate !== 1 }, {}, {}, {}).second, 2);
  });
});

describe("the allowance", () => {
  it("covers at most its share of requests and of what they cost, and what it starts with", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = chanceFrom(seed);
      const calls = hedgeTokens(0.05);
      const metered = new HedgeAllowance(calls, 0.05);
      const dearest = 4_000_000;
      let requests = 0;
      let spentNanoUsd = 0;
      let hedges = 0;
      let hedgedNanoUsd = 0;
      for (let i = 0; i < 2_000; i++) {
        if (random() < 0.7) {
          const price = dearest * random();
          calls.earn();
          metered.earn(price, dearest);
          requests += 1;
          spentNanoUsd += price;
        }
        const hedge = dearest * random() * 3;
        if (requests > 0 && random() < 0.4 && metered.tryTake(hedge)) {
          hedges += 1;
          hedgedNanoUsd += hedge;
        }
        assert.ok(hedges <= 10 + 0.05 * requests + 1e-6, `${hedges} hedges for ${requests}`);
        assert.ok(hedgedNanoUsd <= 10 * dearest + 0.05 * spentNanoUsd + 1e-3, `${hedgedNanoUsd} for ${spentNanoUsd}`);
      }
      assert.ok(hedges > 0);
    }
  });

  it("is full until the first request says how much that is", () => {
    assert.equal(new HedgeAllowance(hedgeTokens(0.05), 0.05).has(1e15), true);
  });

  it("covers nothing where hedging is off", () => {
    assert.equal(new HedgeAllowance(hedgeTokens(0), 0).tryTake(0), false);
  });
});
