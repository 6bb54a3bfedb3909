import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { constant } from "../latency.ts";
import { play, type RequestRecord, type Simulation } from "../run.ts";
import { atRate } from "../traffic.ts";
import type { PolicyKind, SimFailure, SimRequest } from "../types.ts";
import type { DeploymentSpec, Fault } from "../world.ts";
import { clairvoyant } from "./clairvoyant.ts";
import { COOLDOWN_RETRY, CooldownRules } from "./cooldown.ts";
import { INVERSE_SQUARE_PRICE, InverseSquareRules } from "./inverse-square.ts";
import { ORDERED_FALLBACK, SINGLE } from "./ordered.ts";
import { LEAST_PEAK_EWMA, PeakEwmaRules } from "./peak-ewma.ts";

const REQUEST: SimRequest = { id: 0, atMs: 0, inputTokens: 1_000, outputTokens: 100 };
const DOWN: SimFailure = { class: "overload", status: 503, retryAfterMs: null, unsent: false };
const BUSY: SimFailure = { class: "rate", status: 429, retryAfterMs: null, unsent: false };

function deployment(id: string, ratio: number, more: Partial<DeploymentSpec> = {}): DeploymentSpec {
  return { id, price: { inputNanoUsdPerToken: 1_000 * ratio, outputNanoUsdPerToken: 0, requestNanoUsd: 0 }, latency: constant(500), tokensPerS: 100, failsBefore: 0, failsAfter: 0, ...more };
}

const views = (...ratios: readonly number[]) => ({ deployments: ratios.map((ratio, i) => ({ id: `d${i}`, price: (inputTokens: number) => ratio * inputTokens })), seed: 3, meanOutputTokens: 100 });
const down = (faults: readonly Fault[] = [{ kind: "refuse", p: 1, status: 503 }]): Partial<DeploymentSpec> => ({ phases: [{ fromMs: 0, toMs: 1e9, faults }] });

function played(kind: PolicyKind, deployments: readonly DeploymentSpec[], requests = 100, perS = 1): { readonly records: readonly RequestRecord[]; readonly calls: readonly number[] } {
  const records: RequestRecord[] = [];
  const simulation: Simulation = {
    deployments, objectives: [], seed: 5, onRecord: (record) => records.push(record),
    traffic: atRate({ perS, durationMs: ((requests + 0.5) * 1_000) / perS, gaps: "constant", sizes: [REQUEST] }),
  };
  return { records, calls: play(simulation, kind).tally.deployments.map(({ calls }) => calls) };
}

describe("the single provider", () => {
  it("is all there is: its failures are the client's", () => {
    const { records, calls } = played(SINGLE, [deployment("a", 1, down()), deployment("b", 1)]);
    assert.ok(records.every(({ ending }) => ending === "failed"));
    assert.deepEqual(calls, [100, 0]);
  });
  it("is called once for each request", () => assert.deepEqual(played(SINGLE, [deployment("a", 1), deployment("b", 1)]).calls, [100, 0]));
});

describe("ordered fallback", () => {
  it("goes on to the next target on any error", () => {
    const { records } = played(ORDERED_FALLBACK, [deployment("a", 1, down()), deployment("b", 1, down([{ kind: "refuse", p: 1, status: 429 }])), deployment("c", 1)]);
    assert.ok(records.every(({ ending, deployment: by, calls }) => ending === "answered" && by === 2 && calls === 3));
  });
  it("remembers nothing: a target that is down is called by every request", () => assert.deepEqual(played(ORDERED_FALLBACK, [deployment("a", 1, down()), deployment("b", 1)]).calls, [100, 100]));
});

describe("retries with cooldowns", () => {
  it("cool a deployment down for 5 s at the first 429", () => {
    const rules = new CooldownRules(views(1, 1));
    rules.failed(0, BUSY, 10, 1_000);
    assert.deepEqual([rules.isCooling(0, 5_999), rules.isCooling(0, 6_000)], [true, false]);
    assert.deepEqual(rules.next(REQUEST, [], 2_000), { deployment: 1, waitMs: 0 });
  });
  it("cool one down for other failures only when they are more than half of at least 5 calls of the clock minute", () => {
    const rules = new CooldownRules(views(1, 1));
    for (let i = 0; i < 4; i += 1) rules.failed(0, DOWN, 10, 1_000 + i);
    assert.equal(rules.isCooling(0, 2_000), false);
    rules.failed(0, DOWN, 10, 2_000);
    assert.equal(rules.isCooling(0, 2_001), true);
    for (let i = 0; i < 4; i += 1) rules.failed(1, DOWN, 10, 59_000);
    // A new minute: the four of the last one no longer count.
    rules.failed(1, DOWN, 10, 60_500);
    assert.equal(rules.isCooling(1, 60_501), false);
  });
  it("skip what failed, retry twice, and keep a dead deployment nearly free of calls", () => {
    const { records, calls } = played(COOLDOWN_RETRY, [deployment("a", 1, down()), deployment("b", 1)], 300, 5);
    assert.ok(records.every(({ ending }) => ending === "answered"));
    assert.ok((calls[0] as number) < 60, `${calls[0]} calls to the dead one`);
    const { records: dead } = played(COOLDOWN_RETRY, [deployment("a", 1, down([{ kind: "refuse", p: 0.999, status: 503 }]))], 2, 0.01);
    assert.ok(dead.every(({ ending, calls: made }) => ending === "failed" && made === 3));
  });
});

describe("balancing by the inverse square of the price", () => {
  it("shares 1 $, 2 $ and 3 $ as 73.5, 18.4 and 8.2 %", () => {
    const { calls } = played(INVERSE_SQUARE_PRICE, [deployment("a", 1), deployment("b", 2), deployment("c", 3)], 20_000, 100);
    const shares = calls.map((count) => count / 20_000);
    for (const [i, share] of [0.735, 0.184, 0.082].entries()) assert.ok(Math.abs((shares[i] as number) - share) < 0.01, `${shares.join(", ")}`);
  });
  it("puts one with an outage in the last 30 s behind the stable ones, however cheap", () => {
    const rules = new InverseSquareRules(views(1, 10));
    rules.failed(0, DOWN, 10, 1_000);
    rules.failed(0, DOWN, 10, 1_001);
    for (let i = 0; i < 50; i += 1) assert.equal(rules.next(REQUEST, [], 20_000)?.deployment, 1);
    assert.equal(rules.next(REQUEST, [1], 20_000)?.deployment, 0, "it stays a fallback");
    assert.equal(rules.hadOutage(0, 31_500), false);
  });
});

describe("peak EWMA", () => {
  it("takes a longer time at once, and forgets it by and by", () => {
    const rules = new PeakEwmaRules(views(1, 1));
    rules.content(0, 8_000, 1_000);
    assert.equal(rules.cost(0, 1_000), 8_000);
    rules.content(0, 500, 11_000);
    const after = rules.cost(0, 11_000);
    assert.ok(after > 500 + 7_500 * 0.36 && after < 500 + 7_500 * 0.38, `${after}`);
  });
  it("weighs by calls in flight, and takes a fast failure for a long time", () => {
    const rules = new PeakEwmaRules(views(1, 1));
    rules.sent(0);
    assert.ok(rules.cost(0, 0) > rules.cost(1, 0));
    assert.equal(rules.next(REQUEST, [], 0)?.deployment, 1);
    rules.failed(1, DOWN, 20, 0);
    assert.equal(rules.cost(1, 0), 5_000);
  });
  it("sends most to the faster of two", () => {
    const { calls } = played(LEAST_PEAK_EWMA, [deployment("a", 1, { latency: constant(2_000) }), deployment("b", 1)], 500);
    assert.ok((calls[1] as number) > 3 * (calls[0] as number), calls.join(", "));
  });
});

describe("the clairvoyant", () => {
  it("without pressure takes the cheapest, with much the most reliable", () => {
    const specs = [deployment("cheap", 1, { failsAfter: 0.2 }), deployment("dear", 3)];
    const world = { objectives: [], traffic: atRate({ perS: 1, durationMs: 100_500, gaps: "constant" as const, sizes: [REQUEST] }), deployments: specs, seed: 1 };
    assert.deepEqual(play(world, clairvoyant(0)).tally.deployments.map(({ calls }) => calls), [100, 0]);
    assert.deepEqual(play(world, clairvoyant(10)).tally.deployments.map(({ calls }) => calls), [0, 100]);
  });
  it("knows of an outage before its first call", () => {
    const { calls } = played(clairvoyant(1), [deployment("a", 1, { phases: [{ fromMs: 50_000, toMs: 1e9, faults: [{ kind: "refuse", p: 1, status: 503 }] }] }), deployment("b", 2)]);
    assert.deepEqual(calls, [49, 51]);
  });
});
