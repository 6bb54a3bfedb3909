import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttemptRecord, RequestRecord } from "../ports.ts";
import { Metrics } from "./metrics.ts";

const ATTEMPT: AttemptRecord = {
  attemptId: "att_1", deployment: "a/m", state: "charged", outcome: "answered", status: 200, units: { input: 5, cache_read: 4, output: 2, reasoning: 1 },
  costNanoUsd: 15_000, flags: [], ttftMs: 100, totalMs: 900,
};
const RECORD: RequestRecord = {
  requestId: "req_1", atMs: 0, tenant: "default", key: "app", surface: "chat", stream: true, model: "r", route: "r", deployment: "a/m", attempts: [ATTEMPT],
  units: {}, costNanoUsd: 15_000, ttftMs: 100, totalMs: 900, status: 200, outcome: "ok", errorCode: null, flags: [], warnings: [], decision: {},
};

/** The value of a series, by its name with labels as it is printed; undefined where it is not. */
function value(metrics: Metrics, series: string): number | undefined {
  const line = metrics.text([]).split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

describe("metrics", () => {
  it("count a request by its end, and each of its attempts", () => {
    const metrics = new Metrics();
    metrics.observe(RECORD);
    const lost: AttemptRecord = { ...ATTEMPT, deployment: "b/m", state: "estimated", outcome: "network", units: { input: 2 }, costNanoUsd: 2_000 };
    metrics.observe({ ...RECORD, attempts: [lost, ATTEMPT] });
    assert.equal(value(metrics, `spillway_requests_total{surface="chat",outcome="ok",status="200"}`), 2);
    assert.equal(value(metrics, `spillway_attempts_total{deployment="a/m",outcome="answered"}`), 2);
    assert.equal(value(metrics, `spillway_attempts_total{deployment="b/m",outcome="network"}`), 1);
    assert.equal(value(metrics, "spillway_failovers_total"), 1);
    assert.equal(value(metrics, `spillway_cost_nano_usd_total{deployment="a/m"}`), 30_000);
    assert.equal(value(metrics, `spillway_input_tokens_total{deployment="a/m"}`), 18);
    assert.equal(value(metrics, `spillway_output_tokens_total{deployment="a/m"}`), 6);
    assert.equal(value(metrics, `spillway_estimated_charges_total{deployment="b/m"}`), 1);
  });

  it("count refusals by limits on pace by what they count, under no key's name", () => {
    const metrics = new Metrics();
    const refused: RequestRecord = { ...RECORD, attempts: [], status: 429, outcome: "error", errorCode: "rate_limited" };
    for (const what of ["requests", "tokens", "tokens", "concurrency"]) metrics.observe({ ...refused, flags: [`rate_limited:${what}`] });
    metrics.observe(RECORD);
    assert.deepEqual(["requests", "tokens", "concurrency"].map((what) => value(metrics, `spillway_rate_limited_total{what="${what}"}`)), [1, 2, 1]);
  });

  it("count no failover where nothing was answered, and no cost where none is known", () => {
    const metrics = new Metrics();
    metrics.observe({ ...RECORD, outcome: "error", status: 502, attempts: [{ ...ATTEMPT, costNanoUsd: null }, { ...ATTEMPT, costNanoUsd: null }] });
    assert.equal(value(metrics, "spillway_failovers_total"), undefined);
    assert.equal(value(metrics, `spillway_cost_nano_usd_total{deployment="a/m"}`), undefined);
  });

  it("keep histograms that add up: cumulative buckets, sum and count", () => {
    const metrics = new Metrics();
    for (const ttftMs of [1, 5, 100, 100, 4_000, 1e9]) metrics.observe({ ...RECORD, ttftMs });
    metrics.observe({ ...RECORD, ttftMs: null });
    assert.equal(value(metrics, `spillway_first_content_seconds_bucket{le="0.005"}`), 2);
    assert.equal(value(metrics, `spillway_first_content_seconds_bucket{le="0.1"}`), 4);
    assert.equal(value(metrics, `spillway_first_content_seconds_bucket{le="300"}`), 5);
    assert.equal(value(metrics, `spillway_first_content_seconds_bucket{le="+Inf"}`), 6);
    assert.equal(value(metrics, "spillway_first_content_seconds_count"), 6);
    assert.equal(value(metrics, "spillway_request_seconds_count"), 7);
    assert.ok(Math.abs((value(metrics, "spillway_first_content_seconds_sum") ?? 0) - 1_000_004.206) < 1e-6);
  });

  it("count refusals at the door, and print gauges as given", () => {
    const metrics = new Metrics();
    metrics.refused(401);
    metrics.refused(401);
    assert.equal(value(metrics, `spillway_refused_total{status="401"}`), 2);
    assert.match(metrics.text([["spillway_in_flight", "In flight.", 3]]), /# HELP spillway_in_flight In flight\.\n# TYPE spillway_in_flight gauge\nspillway_in_flight 3\n$/);
  });

  it("escape label values, so that a name cannot write a series of its own", () => {
    const metrics = new Metrics();
    metrics.observe({ ...RECORD, attempts: [{ ...ATTEMPT, deployment: `a"} 1\nspillway_ready 0\\` }] });
    assert.equal(value(metrics, `spillway_attempts_total{deployment="a\\"} 1\\nspillway_ready 0\\\\",outcome="answered"}`), 1);
    assert.equal(value(metrics, "spillway_ready"), undefined);
  });

  it("are bounded: names from clients cannot grow them without end", () => {
    const metrics = new Metrics();
    for (let i = 0; i < 6_000; i++) metrics.observe({ ...RECORD, attempts: [{ ...ATTEMPT, deployment: `a/${i}` }] });
    const lines = metrics.text([]).split("\n").filter((line) => line.startsWith("spillway_attempts_total{"));
    assert.equal(lines.length, 5_000);
  });

  it("are text in the exposition format: every series has help and type, every line is one", () => {
    const metrics = new Metrics();
    metrics.observe(RECORD);
    metrics.refused(503);
    const typed = new Set<string>();
    for (const line of metrics.text([["spillway_ready", "Ready.", 1]]).trimEnd().split("\n")) {
      const type = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line)?.[1];
      if (type !== undefined) typed.add(type);
      else if (!line.startsWith("# HELP ")) {
        const name = /^(\w+?)(?:_bucket|_sum|_count)?(?:\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*\})? [\d.e+-]+$/.exec(line)?.[1];
        assert.ok(name !== undefined && [...typed].some((one) => line.startsWith(one)), line);
      }
    }
    assert.ok(typed.size >= 11);
  });
});
