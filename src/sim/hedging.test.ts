/** Two deployments alike, of which a few calls take thirty times as long: what a second call beside the first is worth. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Report } from "./report.ts";
import { simulate } from "./simulate.ts";
import { spillway } from "./spillway-policy.ts";
import { availability, line, tail } from "./test-worlds.ts";

for (const [share, factor] of [[0.015, 30], [0.02, 30]] as const) {
  test(`${100 * share} % of calls ${factor} times as slow: five times better at the 99th percentile, for at most 5 % extra calls`, (t) => {
    const [hedged, plain] = simulate(tail(share, factor, 1, 1), [spillway({ strategy: "balanced" }), spillway({ name: "without hedges", strategy: "balanced", terms: { hedgeShare: 0 } })]) as [Report, Report];
    for (const report of [hedged, plain]) t.diagnostic(line(report));
    assert.ok(plain.firstTokenMs.p99 >= 5 * hedged.firstTokenMs.p99);
    assert.ok(hedged.extraShare <= 0.05);
    assert.equal(hedged.failed, 0);
  });
}

test("hedges never exceed their allowance, however many would be worth it", () => {
  // No objective on times, so that no breaker turns away from what is slow; a second of waiting costs a dollar.
  const [report] = simulate({ ...tail(0.3, 10, 1, 1), objectives: [availability(0.999)] }, [spillway({ strategy: "balanced", terms: { hedgeShare: 0.05, exploreShare: 0, costOfDelayNanoUsdPerS: 1e9 } })]) as [Report];
  // What is saved up at the start is ten calls.
  assert.ok(report.besideCalls <= 10 + 0.05 * report.requests, `${report.besideCalls} of ${report.requests}`);
  assert.ok(report.besideCalls > 0.03 * report.requests, "and they are used");
});
