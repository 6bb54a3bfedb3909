import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plan, type PlanFacts } from "./score.ts";
import { chanceFrom, madeEstimate, weighedOf, type Made } from "./test-weighed.ts";
import type { Plan, Scored, Weighed } from "./types.ts";

const T = 4_000;

function factsOf(weighed: readonly Weighed[], more: Partial<PlanFacts> & { readonly availability?: number; readonly latency?: number } = {}): PlanFacts {
  const { availability = 0, latency = 0, ...rest } = more;
  return { weighed, pressure: { availabilityNanoUsd: availability, latencyNanoUsd: latency }, costOfFailureNanoUsd: 0, delayNanoUsdPerS: 0, thresholdMs: T, hedgeShare: 0, random: 0, ...rest };
}

function scoreOf({ scores }: Plan, candidate: number): number {
  return (scores.find((one) => one.candidate === candidate) as Scored).scoreNanoUsd;
}

function close(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected)), `${actual} is not ${expected}`);
}

describe("the order", () => {
  it("is by price while nothing is at risk", () => {
    const made = plan(factsOf(weighedOf({ priceNanoUsd: 3_000 }, { priceNanoUsd: 1_000, failsBefore: 0.4 }, { priceNanoUsd: 2_000 })));
    assert.deepEqual(made.order, [1, 2, 0]);
    assert.deepEqual(made.scores.map(({ candidate }) => candidate), made.order);
  });

  it("is by risk where the pressure or the cost of failure is high", () => {
    const weighed = weighedOf({ priceNanoUsd: 3_000, failsAfter: 0.000_1 }, { priceNanoUsd: 1_000, failsAfter: 0.01 });
    assert.deepEqual(plan(factsOf(weighed)).order, [1, 0]);
    assert.deepEqual(plan(factsOf(weighed, { availability: 1e6 })).order, [0, 1]);
    assert.deepEqual(plan(factsOf(weighed, { costOfFailureNanoUsd: 1e6 })).order, [0, 1]);
  });

  it("sends what is dear to the risky and cheap one, and what is cheap to the reliable one", () => {
    const sized = (size: number): readonly number[] => plan(factsOf(weighedOf({ priceNanoUsd: 1_000 * size, failsAfter: 0.01 }, { priceNanoUsd: 3_000 * size, failsAfter: 0.000_1 }), { availability: 2e6 })).order;
    assert.deepEqual(sized(1), [1, 0]);
    assert.deepEqual(sized(100), [0, 1]);
  });

  it("lets equals take turns by chance", () => {
    const firsts = [0, 0.3, 0.5, 0.99].map((random) => plan(factsOf(weighedOf({}, { priceNanoUsd: 9e9 }, {}, {}), { random })).order[0]);
    assert.deepEqual(firsts, [0, 0, 2, 3]);
  });

  it("is empty where there is none, and of one where there is one", () => {
    assert.deepEqual(plan(factsOf([])).order, []);
    const one = plan(factsOf(weighedOf({ failsBefore: 0.1, failsAfter: 0.02 }), { hedgeShare: 0.05, latency: 1e12 }));
    assert.deepEqual([one.order, one.hedge], [[0], null]);
    close(one.riskFails, 0.12);
  });
});

describe("predicted risks", () => {
  const first: Made = { failsBefore: 0.02, failsAfter: 0.001, slow: 0.03 };
  const second: Made = { priceNanoUsd: 2_000_000, failsBefore: 0.01, failsAfter: 0.002, slow: 0.05 };

  it("are those of the first with its fallback", () => {
    const { riskFails, riskLate } = plan(factsOf(weighedOf(first, second)));
    close(riskFails, 0.001 + 0.02 * 0.012);
    close(riskLate, 0.98 * 0.03 + 0.02 * 0.05);
  });

  it("count on a hedge that would be sent, and on no other", () => {
    const weighed = weighedOf({ typicalMs: 400, tail: 0.03 }, { typicalMs: 300, tail: 0, priceNanoUsd: 2_000_000 });
    const slow = (weighed[0] as Weighed).estimate.slow;
    close(plan(factsOf(weighed, { latency: 1e7 })).riskLate, slow);
    close(plan(factsOf(weighed, { latency: 1e4, hedgeShare: 0.05 })).riskLate, slow);
    const hedged = plan(factsOf(weighed, { latency: 1e7, hedgeShare: 0.05 }));
    assert.equal(hedged.hedge?.candidate, 1);
    assert.ok(hedged.riskLate < 0.1 * slow && hedged.riskLate >= 0.02 * slow, `${hedged.riskLate} of ${slow}`);
  });

  it("do not count on a hedge that would be sent too often for its allowance", () => {
    const weighed = weighedOf({ typicalMs: 2_500, tail: 0.2 }, { typicalMs: 300, tail: 0, priceNanoUsd: 3.6e9 });
    const often = plan(factsOf(weighed, { latency: 1e10, hedgeShare: 0.05 }));
    assert.deepEqual([often.order[0], often.hedge?.candidate], [0, 1]);
    close(often.riskLate, (weighed[0] as Weighed).estimate.slow);
  });

  it("are chances", () => {
    const random = chanceFrom(3);
    for (let i = 0; i < 300; i++) {
      const { riskFails, riskLate } = plan(factsOf(weighedOf(...anyMade(random)), { availability: 1e9 * random(), latency: 1e9 * random(), hedgeShare: 0.05 }));
      assert.ok(riskFails >= 0 && riskFails <= 1 && riskLate >= 0 && riskLate <= 1, `${riskFails}, ${riskLate}`);
    }
  });
});

function anyMade(random: () => number): Made[] {
  return Array.from({ length: 2 + Math.floor(4 * random()) }, () => ({
    priceNanoUsd: 1_000_000 * (0.1 + random()),
    failsBefore: 0.3 * random() ** 3,
    failsAfter: 0.1 * random() ** 3,
    typicalMs: 200 + 2_000 * random() ** 2,
    tail: 0.1 * random(),
    thresholdMs: T,
  }));
}

describe("a score", () => {
  /** What each candidate's score was before, after a change for the worse of one thing. */
  const changes: readonly [string, (facts: PlanFacts, at: number, by: number) => PlanFacts][] = [
    ["a price", (facts, at, by) => ({ ...facts, weighed: facts.weighed.map((one, i) => (i === at ? { ...one, priceNanoUsd: one.priceNanoUsd * (1 + by) } : one)) })],
    ["a chance to fail before content", (facts, at, by) => changed(facts, at, { failsBefore: 0.3 * by })],
    ["a chance to fail after content", (facts, at, by) => changed(facts, at, { failsAfter: 0.3 * by })],
    ["a chance to be slow", (facts, at, by) => changed(facts, at, { slow: 0.02 * by })],
    ["the pressure of availability", (facts, _, by) => ({ ...facts, pressure: { ...facts.pressure, availabilityNanoUsd: facts.pressure.availabilityNanoUsd * (1 + 5 * by) } })],
    ["the pressure of latency", (facts, _, by) => ({ ...facts, pressure: { ...facts.pressure, latencyNanoUsd: facts.pressure.latencyNanoUsd * (1 + 5 * by) } })],
    ["the cost of failure", (facts, _, by) => ({ ...facts, costOfFailureNanoUsd: facts.costOfFailureNanoUsd * (1 + 5 * by) })],
    ["the cost of delay", (facts, _, by) => ({ ...facts, delayNanoUsdPerS: facts.delayNanoUsdPerS * (1 + 5 * by) })],
  ];

  function changed(facts: PlanFacts, at: number, more: Partial<Record<"failsBefore" | "failsAfter" | "slow", number>>): PlanFacts {
    const worse = ({ estimate, ...one }: Weighed): Weighed => {
      const moved = (name: "failsBefore" | "failsAfter" | "slow"): number => Math.min(1, estimate[name] + (more[name] ?? 0));
      return { ...one, estimate: { ...estimate, failsBefore: moved("failsBefore"), failsAfter: moved("failsAfter"), slow: moved("slow") } };
    };
    return { ...facts, weighed: facts.weighed.map((one, i) => (i === at ? worse(one) : one)) };
  }

  for (const hedgeShare of [0, 0.05]) {
    for (const [what, change] of changes) {
      it(`never falls when ${what} rises${hedgeShare > 0 ? ", with hedges" : ""}`, () => {
        const random = chanceFrom(17);
        for (let i = 0; i < 150; i++) {
          const weighed = weighedOf(...anyMade(random));
          const facts = factsOf(weighed, { availability: 1e8 * random() ** 3, latency: 1e8 * random() ** 3, costOfFailureNanoUsd: 1e7 * random() ** 2, delayNanoUsdPerS: 1e6 * random() ** 2, hedgeShare, whole: true });
          const before = plan(facts);
          const after = plan(change(facts, Math.floor(random() * weighed.length), random()));
          for (let j = 0; j < weighed.length; j++) assert.ok(scoreOf(after, j) >= scoreOf(before, j) * (1 - 1e-12), `case ${i}, candidate ${j}: ${scoreOf(before, j)} → ${scoreOf(after, j)}`);
        }
      });
    }
  }

  it("is its price, its fallback's where it fails, and what failing, lateness and time cost", () => {
    const weighed = weighedOf({ priceNanoUsd: 1_000, failsBefore: 0.1, failsAfter: 0.01, slow: 0.2 }, { priceNanoUsd: 4_000, failsBefore: 0.05, failsAfter: 0.02, slow: 0.1 });
    const made = plan(factsOf(weighed, { availability: 20_000, costOfFailureNanoUsd: 10_000, latency: 5_000, delayNanoUsdPerS: 100 }));
    const [one, other] = weighed.map(({ estimate }) => estimate.meanMs / 1_000) as [number, number];
    const riskFails = 0.01 + 0.1 * 0.07;
    const riskLate = 0.9 * 0.2 + 0.1 * 0.1;
    close(scoreOf(made, 0), 0.9 * 1_000 + 0.1 * 4_000 + 30_000 * riskFails + 5_000 * riskLate + 100 * (one + 0.1 * other));
  });

  it("is the same for the first, and its hedge too, whether hedges are weighed for all or for the best few", () => {
    const random = chanceFrom(5);
    let hedges = 0;
    let same = 0;
    for (let i = 0; i < 200; i++) {
      const facts = factsOf(weighedOf(...anyMade(random)), { availability: 1e8 * random() ** 3, latency: 1e8 * random() ** 3, delayNanoUsdPerS: 1e6 * random() ** 2, hedgeShare: 0.05 });
      const few = plan(facts);
      const whole = plan({ ...facts, whole: true });
      if (few.order[0] !== whole.order[0]) continue;
      same += 1;
      assert.deepEqual([few.hedge, few.riskLate, few.riskFails], [whole.hedge, whole.riskLate, whole.riskFails]);
      if (few.hedge !== null) hedges += 1;
    }
    assert.ok(same >= 196 && hedges > 50, `${same} of 200 the same, ${hedges} with a hedge`);
  });
});

describe("a hedge", () => {
  it("is of what may be hedged with, and none where the request must run alone", () => {
    const weighed = weighedOf({ tail: 0.03 }, { priceNanoUsd: 1_100_000 }, { priceNanoUsd: 1_200_000, typicalMs: 300 });
    const facts = factsOf(weighed, { latency: 1e9, hedgeShare: 0.05 });
    assert.equal(plan({ ...facts, hedgeShare: 0 }).hedge, null);
    const sent = plan(facts);
    assert.ok(sent.hedge !== null && sent.hedge.candidate !== sent.order[0]);
    const without = sent.hedge.candidate;
    const other = plan({ ...facts, mayHedge: ({ candidate }) => candidate !== without });
    assert.notEqual(other.hedge?.candidate, without);
  });

  it("makes up for a tail: the cheap one with it is chosen before the dear one without", () => {
    const weighed: Weighed[] = [
      { candidate: 0, priceNanoUsd: 1_000_000, estimate: madeEstimate({ typicalMs: 400, tail: 0.02 }) },
      { candidate: 1, priceNanoUsd: 1_150_000, estimate: madeEstimate({ typicalMs: 400, tail: 0 }) },
    ];
    const pressed = { latency: 5e7 };
    assert.equal(plan(factsOf(weighed, pressed)).order[0], 1);
    assert.equal(plan(factsOf(weighed, { ...pressed, hedgeShare: 0.05 })).order[0], 0);
  });
});
