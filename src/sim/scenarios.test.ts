/** Shapes of real incidents on the first of two deployments, ten requests a second, the second one well; and both down at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readText } from "./csv.ts";
import { lognormal } from "./latency.ts";
import type { Report } from "./report.ts";
import type { Simulation } from "./run.ts";
import { scenarioOf, scenarioPhases } from "./scenario.ts";
import { simulate } from "./simulate.ts";
import { spillway } from "./spillway-policy.ts";
import { absent, availability, firstToken, line, priced, SCENARIOS } from "./test-worlds.ts";
import { atRate } from "./traffic.ts";
import type { Phase } from "./world.ts";

const OURS = spillway({ strategy: "balanced" });
const MINUTE_MS = 60_000;
const LEAD_MS = 5 * MINUTE_MS;

function pair(first: readonly Phase[], second: readonly Phase[], perS: number, minutes: number): Simulation {
  const deployment = (id: string, ratio: number, phases: readonly Phase[]): Simulation["deployments"][number] => ({ id, price: priced(ratio), latency: lognormal(800, 0.5), tokensPerS: 60, failsBefore: 0, failsAfter: 0, phases });
  return {
    deployments: [deployment("hit", 1, first), deployment("well", 1.05, second)],
    traffic: atRate({ perS, durationMs: minutes * MINUTE_MS, gaps: "poisson", sizes: [{ inputTokens: 1_000, outputTokens: 200 }] }),
    objectives: [availability(0.999), firstToken(0.99, 10_000)], seed: 1, spanMs: MINUTE_MS,
  };
}

const IDS = ["openai-2023-11-08-chat-5xx-then-429", "openai-2024-12-04-530-then-stall", "openai-2024-08-16-two-waves", "llmperf-2023-12-429-cap", "anthropic-529-overloaded-mid-stream", "silent-truncation"] as const;

for (const id of IDS) {
  test(`${id}: no client sees an error before content, few a broken answer`, { skip: absent(SCENARIOS) }, (t) => {
    const phases = scenarioPhases(scenarioOf(JSON.parse(readText(SCENARIOS)), id), LEAD_MS);
    const minutes = Math.ceil(Math.max(...phases.map(({ toMs }) => toMs)) / MINUTE_MS) + 5;
    const [report] = simulate(pair(phases, [], 10, Math.min(90, minutes)), [OURS]) as [Report];
    const there = report.incidents.reduce((sum, { callsThere }) => sum + callsThere, 0);
    t.diagnostic(`${line(report)}; ${there} calls there, ${report.deployments[0]?.refused429 ?? 0} refused by pace, ${report.broken} broke off`);
    assert.equal(report.failed, 0);
    // In flight at the onset: ten a second for four seconds.
    assert.ok(report.broken <= 40 + 5, `${report.broken}`);
  });
}

for (const perS of [10, 100]) {
  test(`both down for ten minutes at ${perS}/s: at most 1.2 calls for a request and ten a second, and none waits when they are back`, (t) => {
    const down: Phase = { fromMs: MINUTE_MS, toMs: 11 * MINUTE_MS, incident: "down", faults: [{ kind: "refuse", p: 1, status: 503 }] };
    const [report] = simulate(pair([down], [{ ...down, incident: "down too" }], perS, 13), [OURS]) as [Report];
    const during = report.incidents[0] ?? assert.fail();
    const there = report.incidents.reduce((sum, { callsThere }) => sum + callsThere, 0);
    t.diagnostic(`${line(report)}; ${there} calls for ${during.requests} requests`);
    assert.ok(there <= 1.2 * during.requests + 10 * 600, `${there} for ${during.requests}`);
    const after = report.series.rows.filter(({ atMs }) => atMs >= down.toMs + MINUTE_MS);
    assert.ok(after.length > 0 && after.every(({ failed }) => failed === 0));
  });
}

test("a quarter of the calls fails, each in another way: at most one in a thousand requests does", (t) => {
  const faults: Phase["faults"] = [{ kind: "refuse", p: 0.08, status: 500 }, { kind: "refuse", p: 0.09, status: 503 }, { kind: "stall", p: 0.05 }, { kind: "refuse", p: 0.03, status: 0, connect: true }];
  const [report] = simulate(pair([{ fromMs: MINUTE_MS, toMs: 21 * MINUTE_MS, incident: "partial", faults }], [], 10, 22), [OURS]) as [Report];
  const during = report.incidents[0] ?? assert.fail();
  t.diagnostic(`${line(report)}; ${during.callsThere} calls there, ${during.failuresThere} failed`);
  assert.ok(during.failuresThere > 10);
  assert.ok(report.failed + report.broken <= 0.001 * during.requests, `${report.failed} failed of ${during.requests}`);
});

for (const [upS, downS] of [[5, 5], [60, 20], [300, 60]] as const) {
  test(`${upS} s up and ${downS} s down in turns: no client error`, (t) => {
    const phases = Array.from({ length: Math.floor(1_200 / (upS + downS)) }, (_, i): Phase => ({
      fromMs: (i * (upS + downS) + upS) * 1_000, toMs: (i + 1) * (upS + downS) * 1_000, faults: [{ kind: "refuse", p: 1, status: 503 }],
    }));
    const [report] = simulate(pair(phases, [], 10, 20), [OURS]) as [Report];
    t.diagnostic(`${line(report)}; ${report.deployments[0]?.failedBefore ?? 0} lost calls`);
    assert.equal(report.failed, 0);
  });
}
