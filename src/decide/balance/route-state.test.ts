import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Route } from "../deployment.ts";
import type { Objective, ObjectiveKind } from "../objective/types.ts";
import { RouteBook } from "./route-book.ts";
import { latencyObjectiveOf, RouteState, type RouteFacts } from "./route-state.ts";
import { chanceFrom, madeEstimate, weighedOf, type Made } from "./test-weighed.ts";
import { exploreTokens, hedgeTokens } from "./tokens.ts";
import type { Plan, Weighed } from "./types.ts";

const DAY_MS = 86_400_000;
const idOf = (candidate: number): string => `deployment-${candidate}`;

function objective(kind: ObjectiveKind, target: number, name: string = kind): Objective {
  const timed = kind === "first_token" || kind === "latency";
  return { name, kind, target, window: { kind: "rolling", lengthMs: DAY_MS }, within: timed ? [{ upToInputTokens: null, withinMs: 4_000 }] : [], atLeast: null, unit: null };
}

function route(more: Partial<RouteFacts> = {}, shares: { readonly hedge?: number; readonly explore?: number } = {}): RouteState {
  const { hedge = 0, explore = 0 } = shares;
  return new RouteState({
    objectives: [objective("availability", 0.999)],
    terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: hedge, exploreShare: explore },
    wallAheadMs: Date.UTC(2026, 9, 5),
    hedgeTokens: hedgeTokens(hedge),
    exploreTokens: exploreTokens(explore),
    ...more,
  });
}

/** A world whose true chances the estimates know: what it comes to for the last half of the requests. */
function play(state: RouteState, providers: readonly Made[], { requests, everyMs, seed }: { readonly requests: number; readonly everyMs: number; readonly seed: number }): { readonly bad: number; readonly priceOf: number; readonly multiples: number[] } {
  const random = chanceFrom(seed);
  const estimates = providers.map((made) => madeEstimate(made));
  const multiples: number[] = [];
  let bad = 0;
  let price = 0;
  let size = 0;
  for (let i = 0; i < requests; i++) {
    const nowMs = i * everyMs;
    const tokens = Math.exp(3 * random());
    const weighed: Weighed[] = providers.map((made, candidate) => ({ candidate, priceNanoUsd: (made.priceNanoUsd as number) * tokens, estimate: estimates[candidate] as Weighed["estimate"] }));
    const plan = state.plan(weighed, nowMs, random(), { thresholdMs: 0 });
    state.began(plan, nowMs);
    const chosen = plan.order[0] as number;
    const failed = random() < (estimates[chosen] as Weighed["estimate"]).failsAfter;
    state.ended({ failed, late: false, valid: true }, nowMs);
    multiples.push((state.view(nowMs)[0] as { multiple: number }).multiple);
    if (i < requests / 2) continue;
    bad += failed ? 1 : 0;
    price += plan.scores[0]?.priceNanoUsd ?? 0;
    size += tokens;
  }
  return { bad: bad / (requests / 2), priceOf: price / size, multiples: multiples.slice(requests / 2) };
}

describe("a route under its objective", () => {
  const cheap: Made = { priceNanoUsd: 1_000, failsAfter: 0.004, tail: 0 };
  const dear: Made = { priceNanoUsd: 3_000, failsAfter: 0.000_1, tail: 0 };

  it("spends its error budget, and no more, where the cheap one alone would overspend it", () => {
    for (const seed of [1, 2, 3]) {
      const { bad, priceOf } = play(route(), [cheap, dear], { requests: 120_000, everyMs: 1_000, seed });
      assert.ok(bad < 0.001 && bad > 0.000_6, `${bad} bad`);
      // Large requests go to the cheap one: at the same risk, a mix by chance would cost 2.6 times the cheap one.
      assert.ok(priceOf < 2_400, `${priceOf}`);
    }
  });

  it("is steady", () => {
    const { multiples } = play(route(), [cheap, dear], { requests: 120_000, everyMs: 1_000, seed: 4 });
    const sorted = multiples.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] as number;
    assert.ok(at(0.95) < 2.5 * at(0.05), `${at(0.05)} to ${at(0.95)}`);
  });

  it("costs as little as can be where the cheap one is good enough", () => {
    const { priceOf } = play(route(), [{ ...cheap, failsAfter: 0.000_5 }, dear], { requests: 20_000, everyMs: 1_000, seed: 5 });
    assert.ok(priceOf < 1_020, `${priceOf}`);
  });

  it("says so where none is good enough, and not before", () => {
    const state = route();
    play(state, [{ ...cheap, failsAfter: 0.05 }, { ...dear, failsAfter: 0.04 }], { requests: 1_000, everyMs: 1_000, seed: 6 });
    assert.deepEqual(state.view(1_000_000).map(({ infeasible }) => infeasible), [false]);
    play(state, [{ ...cheap, failsAfter: 0.05 }, { ...dear, failsAfter: 0.04 }], { requests: 4_000, everyMs: 1_000, seed: 7 });
    assert.deepEqual(state.view(5_000_000).map(({ infeasible }) => infeasible), [true]);
  });

  it("is pressed by nothing where nothing is promised", () => {
    const made = route({ objectives: [objective("output_rate", 0.9)] }).plan(weighedOf({}, {}), 0, 0, { thresholdMs: 0 });
    assert.deepEqual(made.pressure, { availabilityNanoUsd: 0, latencyNanoUsd: 0 });
  });

  it("obeys the harder pressed of two promises", () => {
    const state = route({ objectives: [objective("availability", 0.99, "loose"), objective("error_rate", 0.9999, "strict")] });
    play(state, [cheap], { requests: 3_000, everyMs: 1_000, seed: 8 });
    const [loose, strict] = state.view(3_000_000) as readonly { multiple: number }[] as [{ multiple: number }, { multiple: number }];
    assert.ok(strict.multiple > loose.multiple);
    const { availabilityNanoUsd } = state.plan(weighedOf({}), 3_000_000, 0, { thresholdMs: 0 }).pressure;
    const { referenceNanoUsd } = state.save(3_000_000);
    assert.ok(Math.abs(availabilityNanoUsd / (strict.multiple * referenceNanoUsd) - 1) < 1e-9);
  });

  it("is judged by valid requests alone", () => {
    const [state, other] = [route(), route()];
    for (const one of [state, other]) one.ended({ failed: false, late: false, valid: true }, 0);
    state.ended({ failed: true, late: true, valid: false }, 0);
    assert.deepEqual(state.save(0), other.save(0));
  });
});

describe("a plan", () => {
  const pair = weighedOf({ priceNanoUsd: 1_000_000, tail: 0.03 }, { priceNanoUsd: 1_100_000, typicalMs: 300, tail: 0 });
  const timed = [objective("first_token", 0.98)];

  it("changes nothing, however often it is made", () => {
    const state = route({ objectives: timed }, { hedge: 0.05, explore: 0.03 });
    state.began(state.plan(pair, 0, 0, { thresholdMs: 4_000, idOf }), 0, idOf);
    const before = JSON.stringify(state.save(1_000));
    const [one, other] = [0, 0].map(() => state.plan(pair, 1_000, 0.5, { thresholdMs: 4_000, idOf }));
    assert.deepEqual(one, other);
    assert.equal(JSON.stringify(state.save(1_000)), before);
  });

  it("has neither hedge nor race for a request that must run alone", () => {
    const state = route({ objectives: timed }, { hedge: 0.05, explore: 0.03 });
    const hedged = state.plan(pair, 0, 0, { thresholdMs: 4_000, idOf });
    assert.notEqual(hedged.hedge, null);
    const alone = state.plan(pair, 0, 0, { thresholdMs: 4_000, idOf, alone: true });
    assert.deepEqual([alone.hedge, alone.race], [null, null]);
  });

  it("has no hedge that its allowance or the request's hold does not cover", () => {
    const state = route({ objectives: timed }, { hedge: 0.05 });
    assert.equal(state.plan(pair, 0, 0, { thresholdMs: 4_000, covers: () => false }).hedge, null);
    const made = state.plan(pair, 0, 0, { thresholdMs: 4_000 });
    state.began(made, 0);
    let taken = 0;
    while (state.takeHedge(made)) taken += 1;
    assert.ok(taken >= 9 && taken <= 10, `${taken}`);
    assert.equal(state.plan(pair, 0, 0, { thresholdMs: 4_000 }).hedge, null);
    assert.equal(state.takeHedge({ ...made, hedge: null }), false);
  });
});

describe("exploring", () => {
  const pair = weighedOf({ priceNanoUsd: 3_000_000 }, { priceNanoUsd: 2_000_000, failsAfter: 0.1 });

  /** Requests at this pace; returns how many were raced, and with whom. */
  function explored(state: RouteState, weighed: readonly Weighed[], requests: number, everyMs: number): Plan[] {
    const raced: Plan[] = [];
    for (let i = 0; i < requests; i++) {
      const plan = state.plan(weighed, i * everyMs, 0, { thresholdMs: 4_000, idOf });
      state.began(plan, i * everyMs, idOf);
      if (state.takeRace(plan)) raced.push(plan);
    }
    return raced;
  }

  it("tries the cheaper one at the interval at which probes pay", () => {
    const terms = { costOfFailureNanoUsd: 1e9, costOfDelayNanoUsdPerS: null, hedgeShare: 0, exploreShare: 0.03 };
    const raced = explored(route({ terms }, { explore: 0.03 }), pair, 10_000, 1_000);
    // c = 2, s = 1, r = 1: once in 120 s.
    assert.ok(raced.length >= 75 && raced.length <= 90, `${raced.length}`);
    assert.deepEqual(raced[0]?.race, { candidate: 1, why: "explore" });
    assert.equal(raced[0]?.hedge, null);
  });

  it("tries a dearer one every half hour", () => {
    const raced = explored(route({}, { explore: 0.03 }), weighedOf({ priceNanoUsd: 1_000_000 }, { priceNanoUsd: 5_000_000 }), 7_400, 1_000);
    assert.equal(raced.length, 4);
  });

  it("never takes more than its share", () => {
    const raced = explored(route({}, { explore: 0.03 }), pair, 400, 600_000);
    assert.ok(raced.length <= 12 && raced.length >= 10, `${raced.length}`);
  });

  it("is off where its owner turns it off, or where deployments are not told apart", () => {
    assert.equal(explored(route(), pair, 3_000, 60_000).length, 0);
    const state = route({}, { explore: 0.03 });
    explored(state, pair, 200, 1_000);
    assert.equal(state.plan(pair, DAY_MS, 0, { thresholdMs: 4_000 }).race, null);
    assert.notEqual(state.plan(pair, DAY_MS, 0, { thresholdMs: 4_000, idOf }).race, null);
  });

  it("waits for one that was called for another reason", () => {
    const state = route({}, { explore: 0.03 });
    explored(state, pair, 200, 1_000);
    state.called(idOf(1), 399_000);
    assert.equal(state.plan(pair, 400_000, 0, { thresholdMs: 4_000, idOf }).race, null);
  });
});

describe("what is saved", () => {
  it("brings the pressure back after a restart, though the clock began anew", () => {
    const objectives = [objective("availability", 0.999), objective("first_token", 0.98)];
    const state = route({ objectives });
    play(state, [{ priceNanoUsd: 1_000, failsAfter: 0.002 }, { priceNanoUsd: 2_000 }], { requests: 3_000, everyMs: 1_000, seed: 9 });
    const nowMs = 3_000_000;
    const saved = JSON.parse(JSON.stringify(state.save(nowMs)));
    const restarted = route({ objectives, wallAheadMs: Date.UTC(2026, 9, 5) + nowMs });
    restarted.restore(saved, 0);
    assert.deepEqual(restarted.view(0), state.view(nowMs));
    const weighed = weighedOf({}, { priceNanoUsd: 3_000_000 });
    assert.deepEqual(restarted.plan(weighed, 0, 0, { thresholdMs: 4_000 }), state.plan(weighed, nowMs, 0, { thresholdMs: 4_000 }));
    assert.deepEqual(restarted.save(0), state.save(nowMs));
  });
});

describe("what was saved before the first request", () => {
  it("is no history: prices are learned from the first on", () => {
    const state = route();
    state.restore(route().save(0), 0);
    state.began(state.plan(weighedOf({ priceNanoUsd: 7_000 }), 0, 0, { thresholdMs: 0 }), 0);
    assert.equal(state.save(0).referenceNanoUsd, 7_000);
  });
});

describe("what another version saved", () => {
  it("is no reason to fail: what is not whole is learned again", () => {
    const objectives = [objective("availability", 0.999)];
    const fresh = route({ objectives }).view(0);
    const whole = route({ objectives }).save(0);
    for (const saved of [{}, { ...whole, pressures: null }, { ...whole, pressures: [null] }, { ...whole, pressures: [{ ...whole.pressures[0], window: null }] }, { ...whole, referenceNanoUsd: 5, recent: null }]) {
      const state = route({ objectives });
      state.restore(saved as never, 0);
      assert.deepEqual(state.view(0), fresh);
      state.began(state.plan(weighedOf({ priceNanoUsd: 7_000 }), 0, 0, { thresholdMs: 0 }), 0);
      assert.ok(Number.isFinite(state.save(0).recent));
    }
    const book = new RouteBook(0);
    book.restore({ routes: [{ name: "r", outputTokens: 5, state: whole } as never] });
    const memory = book.of({ name: "r" } as Route, 0);
    book.answered(memory, 100);
    assert.equal(memory.outputTokens, 100);
  });
});

describe("the objective that calls are late by", () => {
  it("is the strictest of those on the time to an answer", () => {
    assert.equal(latencyObjectiveOf([objective("availability", 0.999)]), null);
    assert.equal(latencyObjectiveOf([objective("first_token", 0.5, "p50"), objective("latency", 0.99, "p99"), objective("first_token", 0.95, "p95")])?.name, "p99");
  });
});

describe("a route of whose error budget little is left", () => {
  const cheap: Made = { priceNanoUsd: 1_000, failsBefore: 0.01, failsAfter: 0.000_4, tail: 0 };
  const dear: Made = { priceNanoUsd: 500_000, failsBefore: 0.01, failsAfter: 0.000_2, tail: 0 };
  /** One that has long been slack, so that nothing presses. */
  const slack = (objectives: readonly Objective[]): RouteState => {
    const state = route({ objectives });
    for (let i = 0; i < 30_000; i++) {
      state.began(state.plan(weighedOf({ priceNanoUsd: 1_000, failsAfter: 0, tail: 0 }), i * 1_000, 0, { thresholdMs: 4_000 }), i * 1_000);
      state.ended({ failed: false, late: false, valid: true }, i * 1_000);
    }
    assert.ok((state.view(30_000_000)[0]?.multiple ?? 1) < 0.01);
    return state;
  };

  it("is served by the least risk at any price, which is still told", () => {
    const state = slack([objective("availability", 0.999)]);
    const plan = (reliabilityFirst: boolean): Plan => state.plan(weighedOf(cheap, dear), 30_000_000, 0, { thresholdMs: 0, reliabilityFirst });
    assert.deepEqual(plan(false).order, [0, 1]);
    assert.deepEqual(plan(true).order, [1, 0]);
    assert.deepEqual(plan(true).scores.map(({ priceNanoUsd }) => priceNanoUsd), [500_000, 1_000]);
  });

  it("weighs being late by its own budget", () => {
    const state = slack([objective("first_token", 0.98)]);
    const [quick, slow] = [{ priceNanoUsd: 500_000, slow: 0.01, tail: 0 }, { priceNanoUsd: 1_000, slow: 0.05, tail: 0 }];
    assert.deepEqual(state.plan(weighedOf(slow, quick), 30_000_000, 0, { thresholdMs: 4_000, reliabilityFirst: true }).order, [1, 0]);
  });
});
