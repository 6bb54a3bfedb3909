import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { objectivesText, type ObjectiveRow } from "./objectives.ts";

const QUIET: ObjectiveRow = {
  owner: "route/a", objective: "availability", kind: "availability", target: 0.999, window: { hours: 720 }, within: [], at_least: null, unit: null,
  valid: 0, attained: 1, budget_left: 1, burn: {}, alerts: [], in_force: [],
};

/** The cells of the one line that these fields make. */
function cells(more: Partial<ObjectiveRow>): readonly string[] {
  return (objectivesText([{ ...QUIET, ...more }]).split("\n")[1] ?? "").split(/ {2,}/);
}

describe("a line of spillway objectives", () => {
  it("tells the promise as its owner wrote it, with threshold and window", () => {
    const told = (more: Partial<ObjectiveRow>): readonly string[] => cells(more).slice(2, 4);
    assert.deepEqual(told({}), ["99.9%", "30d"]);
    assert.deepEqual(told({ kind: "error_rate", target: 0.99, window: { hours: 1 } }), ["at most 1% fail", "1h"]);
    assert.deepEqual(told({ kind: "first_token", target: 0.99, within: [{ up_to_input_tokens: null, within_ms: 4_000 }] }), ["99% in 4 s", "30d"]);
    const within = [{ up_to_input_tokens: 4_000, within_ms: 10_000 }, { up_to_input_tokens: null, within_ms: 40_000 }];
    assert.deepEqual(told({ kind: "latency", target: 0.98, within, window: { month: true, zone: "Europe/Berlin" } }), ["98% in 10 s up to 4000 tokens, 40 s beyond", "month of Europe/Berlin"]);
    assert.deepEqual(told({ kind: "output_rate", target: 0.95, at_least: 30, window: { month: true, zone: "UTC" } }), ["95% at 30 tokens/s", "month"]);
    assert.deepEqual(told({ kind: "throughput", target: 0.999, at_least: 600, unit: "requests" }), ["99.9% of minutes with 600 requests", "30d"]);
  });

  it("tells what was counted, and rounds nothing up to a promise that was missed", () => {
    const kept = (more: Partial<ObjectiveRow>): readonly string[] => cells({ valid: 200, ...more }).slice(4, 6);
    assert.deepEqual(kept({ attained: 0.9989999 }), ["99.899%", "200 requests"]);
    assert.deepEqual(kept({ attained: 0.999 }), ["99.9%", "200 requests"]);
    assert.deepEqual(kept({ kind: "error_rate", attained: 0.98 }), ["2% failed", "200 requests"]);
    assert.deepEqual(kept({ kind: "throughput", at_least: 1, valid: 1 }), ["100%", "1 minute"]);
    assert.deepEqual(kept({ owner: "contract/c", objective: "uptime" }), ["100%", "200 calls"]);
  });

  it("tells alerts that fire, those of little traffic as such, and what is in force", () => {
    const alerts = [{ rule: "page_fast", state: "firing" }, { rule: "page_slow", state: "low_traffic" }, { rule: "ticket", state: "quiet" }];
    assert.match(objectivesText([{ ...QUIET, alerts, in_force: ["refuse_low"], burn: { "1h": 20 } }]), /0\.0 +20\.0 +0\.0 +0\.0 +page_fast, page_slow \(low traffic\) +refuse_low/);
  });
});
