/** Where the balanced choice is known to be weak: measured and told, so that nobody has to find out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { lognormal } from "./latency.ts";
import { INVERSE_SQUARE_PRICE } from "./peers/inverse-square.ts";
import { orderedFrom, ORDERED_FALLBACK } from "./peers/ordered.ts";
import { LEAST_PEAK_EWMA } from "./peers/peak-ewma.ts";
import type { Simulation } from "./run.ts";
import { simulate } from "./simulate.ts";
import { spillway } from "./spillway-policy.ts";
import { absent, availability, CHAT, chatSizes, firstToken, HOUR_MS, line, priced, threeProviders } from "./test-worlds.ts";
import { atRate } from "./traffic.ts";

const skip = absent(CHAT);

/** Three providers whose times grow with what we send them: each alone could not carry the traffic in time, but for the dearest. */
function loaded(seed: number): Simulation {
  const deployment = (id: string, ratio: number, capacity: number): Simulation["deployments"][number] => ({
    id, price: priced(ratio), latency: lognormal(900, 0.5), tokensPerS: 60, failsBefore: 0.002, failsAfter: 0.0002, capacity,
  });
  return {
    deployments: [deployment("cheap", 1, 16), deployment("middle", 1.5, 16), deployment("dear", 3, 80)],
    traffic: atRate({ perS: 5, durationMs: 24 * HOUR_MS, gaps: "poisson", sizes: chatSizes() }),
    objectives: [availability(0.999), firstToken(0.98, 4_000)], seed,
  };
}

void test("times that depend on our own load", { skip }, (t) => {
  const reports = simulate(loaded(1), [1, 4, 16].map((replicas) => spillway({ name: `${replicas} replicas`, strategy: "balanced", replicas })));
  for (const report of [...reports, ...simulate(loaded(1), [ORDERED_FALLBACK, INVERSE_SQUARE_PRICE, LEAST_PEAK_EWMA])]) t.diagnostic(line(report));
  for (const { objectives } of reports) assert.ok((objectives[1]?.attainment ?? 0) > 0.95);
});

void test("ten requests a second at a provider that takes ten a minute", (t) => {
  const deployment = (id: string, ratio: number): Simulation["deployments"][number] => ({ id, price: priced(ratio), latency: lognormal(800, 0.5), tokensPerS: 60, failsBefore: 0, failsAfter: 0 });
  for (const [capPerMin, used] of [[10, 0.4], [100, 0.8]] as const) {
    const traffic = atRate({ perS: 10, durationMs: HOUR_MS, gaps: "poisson", sizes: [{ inputTokens: 1_000, outputTokens: 200 }] });
    const world: Simulation = { deployments: [{ ...deployment("capped", 1), capPerMin }, deployment("well", 1.05)], traffic, objectives: [availability(0.999), firstToken(0.99, 10_000)], seed: 1 };
    const [report] = simulate(world, [spillway({ strategy: "balanced" })]);
    const capped = report?.deployments[0];
    assert.ok(report !== undefined && capped !== undefined);
    t.diagnostic(`cap of ${capPerMin} a minute: ${capped.calls} calls in an hour, ${capped.refused429} refused, ${((100 * capped.served) / (60 * capPerMin)).toFixed(0)} % of it used`);
    assert.equal(report.failed, 0);
    assert.ok(capped.refused429 <= 0.1 * capped.calls && capped.served >= used * 60 * capPerMin);
  }
});

void test("one request a minute for thirty days", { skip }, (t) => {
  const simulation = threeProviders("steady", 1, 30 * 24, 1 / 60);
  const [ours, middle] = simulate(simulation, [spillway({ strategy: "balanced" }), orderedFrom(1, "middle-first")]);
  assert.ok(ours !== undefined && middle !== undefined);
  for (const report of [ours, middle]) t.diagnostic(line(report));
  assert.ok(ours.answered > 0.998);
});
