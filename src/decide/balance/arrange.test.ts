import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Candidate } from "../choose.ts";
import type { HealthView } from "../health/book.ts";
import { candidate } from "../test-candidates.ts";
import { arrange, type Balance } from "./arrange.ts";
import { RouteState } from "./route-state.ts";
import { madeEstimate } from "./test-weighed.ts";
import { exploreTokens, hedgeTokens } from "./tokens.ts";
import type { Plan } from "./types.ts";

const NOW = 1_000_000;
const HEALTHY: HealthView = { state: "admitting", pausedUntilMs: 0, restsUntilMs: 0, excluded: null };

/** `ok`, `rest`, `due` (a probe may go alone), `race` (a probe may go beside another), `full`, `paced`. */
const VIEWS: Readonly<Record<string, HealthView>> = {
  ok: HEALTHY, rest: { ...HEALTHY, state: "resting" }, due: { ...HEALTHY, state: "probe-ready" }, race: { ...HEALTHY, state: "probe-ready", raced: true },
  full: { ...HEALTHY, full: true }, paced: { ...HEALTHY, pausedUntilMs: NOW + 5_000 },
};

/** A route that has had requests, so that it can pay for a probe beside one of them. */
function stateOf(requests = 40): RouteState {
  const state = new RouteState({
    objectives: [{ name: "up", kind: "availability", target: 0.999, window: { kind: "rolling", lengthMs: 86_400_000 }, within: [], atLeast: null, unit: null }],
    terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: 0, hedgeShare: 0, exploreShare: 0 }, wallAheadMs: 0, hedgeTokens: hedgeTokens(0), exploreTokens: exploreTokens(0),
  });
  for (let i = 0; i < requests; i++) state.began({ order: [], scores: [], pressure: { availabilityNanoUsd: 0, latencyNanoUsd: 0 }, riskFails: 0, riskLate: 0, hedge: null, race: null }, NOW);
  return state;
}

/** Candidates `c0`, `c1`, … at the prices given; c0 fails most. */
function arranged(words: readonly string[], prices: readonly number[], more: Partial<Balance> = {}): { readonly order: string; readonly plan: Plan | null; readonly candidates: Candidate[]; readonly state: RouteState } {
  const candidates = words.map((_, i) => candidate(`c${i}`));
  const named = [...candidates];
  const state = stateOf();
  const balance: Balance = {
    state, thresholdMs: 0, alone: false, nowMs: NOW, repeats: 10,
    estimate: (one) => madeEstimate({ failsBefore: one === named[0] ? 0.5 : 0, failsAfter: 0.001, tail: 0 }),
    expectedNanoUsd: (one) => prices[named.indexOf(one)] ?? null,
    ...more,
  };
  const plan = arrange(candidates, words.map((word) => VIEWS[word] as HealthView), balance, 0);
  return { order: candidates.map(({ deployment }) => deployment.account).join(" "), plan, candidates, state };
}

describe("candidates of a plan", () => {
  it("stand by score, those that cannot be called now behind them as they stood", () => {
    assert.equal(arranged(["full", "ok", "rest", "ok", "paced", "ok"], [1, 300, 1, 100, 1, 200]).order, "c3 c5 c1 c0 c2 c4");
  });

  it("stand as they were where none can be called, and where no price is known", () => {
    assert.equal(arranged(["rest", "full"], [2, 1]).plan, null);
    assert.equal(arranged(["ok", "ok"], []).order, "c0 c1");
  });

  it("are named by their new places throughout the plan", () => {
    const { plan, candidates } = arranged(["full", "ok", "ok"], [1, 300, 100]);
    assert.deepEqual(plan?.order, [0, 1]);
    assert.deepEqual(plan?.scores.map(({ candidate: place, priceNanoUsd }) => [candidates[place]?.deployment.account, priceNanoUsd]), [["c2", 100], ["c1", 300]]);
  });

  it("have a probe before them that goes alone, whose risks are those of the plan", () => {
    const { order, plan } = arranged(["due", "ok", "ok"], [700, 300, 100]);
    assert.equal(order, "c0 c2 c1");
    assert.deepEqual(plan?.order, [1, 2]);
    assert.equal(plan?.ahead?.candidate, 0);
    assert.equal(plan?.ahead?.priceNanoUsd, 700);
    assert.ok(Math.abs((plan?.riskFails ?? 0) - (0.001 + 0.5 * 0.001)) < 1e-12, String(plan?.riskFails));
  });

  it("have none before them where the request could not be repeated", () => {
    const { order, plan } = arranged(["due", "ok"], [1, 2], { repeats: 1 });
    assert.equal(order, "c1 c0");
    assert.equal(plan?.ahead, undefined);
  });

  it("have a probe beside the first where it was slow, and none where the request must not run twice", () => {
    const { order, plan } = arranged(["race", "ok", "ok"], [1, 300, 100]);
    assert.equal(order, "c2 c1 c0");
    assert.deepEqual(plan?.race, { candidate: 2, why: "probe" });
    assert.equal(arranged(["race", "ok"], [1, 2], { alone: true }).plan?.race, null);
  });

  it("have another's probe before them, or their hedge, where one beside the first cannot be had", () => {
    for (const more of [{ alone: true }, { state: stateOf(0) }]) {
      const { order, plan } = arranged(["race", "due", "ok"], [1, 2, 3], more);
      assert.deepEqual([order, plan?.race], ["c1 c2 c0", null]);
    }
    const hedged = new RouteState({
      objectives: [], terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: 1_000_000, hedgeShare: 0.05, exploreShare: 0.03 }, wallAheadMs: 0, hedgeTokens: hedgeTokens(), exploreTokens: exploreTokens(),
    });
    assert.notEqual(arranged(["race", "ok", "ok"], [1, 2, 3], { state: hedged }).plan?.hedge, null);
  });

  it("book the probe that goes first as called, and what would have been first without it as not", () => {
    const { plan, state } = arranged(["due", "ok", "ok"], [700, 300, 100]);
    const booked = new Set<number>();
    state.began(plan as Plan, NOW, (place) => {
      booked.add(place);
      return String(place);
    });
    assert.deepEqual([...booked], [0]);
  });
});
