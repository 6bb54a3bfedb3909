/** Real outages of two APIs, as their status pages told them: the worst week, request by request. The whole span is in `real-outages.long.ts`. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { OUTAGES_BY_IMPACT } from "./outages.ts";
import { ORDERED_FALLBACK } from "./peers/ordered.ts";
import type { Report } from "./report.ts";
import { simulate } from "./simulate.ts";
import { spillway } from "./spillway-policy.ts";
import { absent, INTERVALS, line, outageWorld, worstWeek, type OutageWorld } from "./test-worlds.ts";

const skip = absent(INTERVALS);

/** Points by which a policy stays behind a perfect failover; below 0: its requests waited out what both were down. */
function gap({ perfect }: OutageWorld, { reached }: Report): number {
  return 100 * (perfect - reached);
}

/** % of all requests whose first token came after 10 s. */
function slow({ objectives }: Report): number {
  return 100 * (1 - (objectives.find(({ kind }) => kind === "first_token")?.attainment ?? 0));
}

function told(t: TestContext, world: OutageWorld, report: Report): Report {
  t.diagnostic(`${line(report)} gap ${gap(world, report).toFixed(4)} points, ${report.broken} broke off`);
  return report;
}

test("in the worst week every incident is lost on a memoryless ordered fallback, and none on this gateway", { skip }, (t) => {
  const { fromMs, toMs } = worstWeek();
  const world = outageWorld(fromMs, toMs);
  const [ours, ordered] = simulate(world.simulation, [spillway({ strategy: "balanced" }), ORDERED_FALLBACK]).map((report) => told(t, world, report)) as [Report, Report];
  assert.ok(gap(world, ours) <= 0.003, "within 0.003 points of a perfect failover");
  assert.ok(ours.worstHourExtraShare <= 0.2, "at most 20 % of calls are repeats in the worst hour");
  assert.ok(slow(ours) <= 0.01, "first token after 10 s on at most 0.01 %");
  assert.ok(gap(world, ordered) > 0.01 && world.perfect - ordered.answered > 0.0005 && ordered.worstHourExtraShare > 0.4 && slow(ordered) > 0.1, "the memoryless one misses all three");
  assert.ok(ours.broken < ordered.broken / 2, "fewer answers break off, since fewer calls go there");
});

test("the same week with 10, 40 and 95 % of calls hit, by the impact that was told, a request every four seconds", { skip }, (t) => {
  const { fromMs, toMs } = worstWeek();
  const world = outageWorld(fromMs, toMs, { hit: OUTAGES_BY_IMPACT, perS: 0.25 });
  const [ours, ordered] = simulate(world.simulation, [spillway({ strategy: "balanced" }), ORDERED_FALLBACK]) as [Report, Report];
  for (const report of [ours, ordered]) t.diagnostic(line(report));
  assert.ok(ours.reached >= 0.9999 && ours.reached > ordered.reached);
  assert.ok(ours.worstHourExtraShare <= 0.2);
});
