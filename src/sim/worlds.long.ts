/** Four days in each of the three worlds, five seeds: objectives met, at a cost at or below every other policy that meets them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clairvoyant } from "./peers/clairvoyant.ts";
import { orderedFrom } from "./peers/ordered.ts";
import { POLICIES, simulate } from "./simulate.ts";
import { spillway } from "./spillway-policy.ts";
import { absent, CHAT, line, threeProviders } from "./test-worlds.ts";

const skip = absent(CHAT);
const SEEDS = [1, 2, 3, 4, 5];
const CONSTANTS = [0.05, 0.08, 0.12, 0.2].map(clairvoyant);
const OTHERS = [...POLICIES.values()].filter(({ name }) => !name.startsWith("spillway"));

for (const kind of ["steady", "drifting", "outages"] as const) {
  void test(`${kind}: both objectives, as cheaply as anybody who meets them`, { skip }, (t) => {
    const ratios: number[] = [];
    for (const seed of SEEDS) {
      const [ours, ...others] = simulate(threeProviders(kind, seed), [spillway({ strategy: "balanced" }), ...OTHERS, orderedFrom(1, "middle-first"), orderedFrom(2, "dear-first"), ...CONSTANTS]);
      assert.ok(ours !== undefined);
      for (const report of [ours, ...others]) t.diagnostic(`seed ${seed} ${line(report)}`);
      for (const { name, met } of ours.objectives) assert.ok(met, `${name}, seed ${seed}`);
      const met = others.filter(({ objectives }) => objectives.every((one) => one.met));
      const rivals = met.filter(({ policy }) => !policy.startsWith("clairvoyant"));
      for (const rival of rivals) assert.ok(ours.costUsd <= rival.costUsd, `${rival.policy} at ${rival.costUsd}, ours at ${ours.costUsd}, seed ${seed}`);
      const best = Math.min(...met.filter(({ policy }) => policy.startsWith("clairvoyant")).map(({ costUsd }) => costUsd));
      if (Number.isFinite(best)) ratios.push(ours.costUsd / best);
    }
    t.diagnostic(`of the cheapest clairvoyant constant that meets both: ${ratios.map((ratio) => ratio.toFixed(3)).join(", ")}`);
    if (kind === "drifting") for (const ratio of ratios) assert.ok(ratio <= 1.12, `${ratio}`);
  });
}

void test("replicas that share nothing meet both objectives too", { skip }, (t) => {
  for (const kind of ["drifting", "outages"] as const) {
    for (const replicas of [1, 4, 16]) {
      const [report] = simulate(threeProviders(kind, 1), [spillway({ name: `${replicas} replicas`, strategy: "balanced", replicas })]);
      assert.ok(report !== undefined);
      t.diagnostic(`${kind} ${line(report)}`);
      for (const { name, met } of report.objectives) assert.ok(met, `${name}, ${replicas} replicas`);
    }
  }
});

void test("beyond what the objective asks, a dearer failure buys more availability", { skip }, (t) => {
  let last = 0;
  for (const usd of [0, 0.3, 1, 3, 10]) {
    const [report] = simulate(threeProviders("outages", 1), [spillway({ name: `${usd} $ a failure`, strategy: "balanced", terms: { costOfFailureNanoUsd: usd * 1e9 } })]);
    assert.ok(report !== undefined);
    t.diagnostic(line(report));
    assert.ok(report.answered >= last - 0.00003, `${usd} $`);
    last = report.answered;
  }
});
