/** Ten months of real outages, request by request, and minute by minute as the uptime pages tell them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readText } from "./csv.ts";
import { minutePhases, OUTAGES_BY_IMPACT } from "./outages.ts";
import { ORDERED_FALLBACK } from "./peers/ordered.ts";
import type { Report } from "./report.ts";
import { POLICIES, simulate } from "./simulate.ts";
import { spillway } from "./spillway-policy.ts";
import { absent, DAYS, HOUR_MS, INTERVALS, line, outagesOf, outageWorld, OUTAGES_FROM_MS, OUTAGES_TO_MS, SERVICES, type OutageWorld } from "./test-worlds.ts";

const skip = absent(INTERVALS, DAYS);
const OURS = spillway({ strategy: "balanced" });

/** Share of all requests whose first token came after 10 s. */
function late({ objectives, requests }: Report): number {
  const first = objectives.find(({ kind }) => kind === "first_token") ?? assert.fail();
  return ((1 - first.attainment) * first.judged) / requests;
}

function told(report: Report): string {
  return `${line(report)}, ${(100 * late(report)).toFixed(4)} % after 10 s, ${report.broken} broke off`;
}

void test("ten months, incidents as full outages: all but nothing of what a perfect failover reaches", { skip }, (t) => {
  const { simulation, perfect } = outageWorld(OUTAGES_FROM_MS, OUTAGES_TO_MS);
  const others = [spillway({ name: "spillway-priority", strategy: "priority" }), ...[...POLICIES.values()].filter(({ name }) => !name.startsWith("spillway") && name !== ORDERED_FALLBACK.name)];
  const [ours, ordered, ...rest] = simulate(simulation, [OURS, ORDERED_FALLBACK, ...others]);
  assert.ok(ours !== undefined && ordered !== undefined);
  for (const report of [ours, ordered, ...rest]) t.diagnostic(`${told(report)}, gap ${(100 * (perfect - report.reached)).toFixed(4)} points`);
  assert.ok(perfect - ours.reached <= 0.00003, "within 0.003 points of a perfect failover");
  assert.ok(perfect - ours.answered <= 0.00003, "also where answers that broke off count as lost");
  assert.ok(ours.worstHourExtraShare <= 0.2, "at most 20 % of the calls are repeats in the worst hour");
  assert.ok(late(ours) <= 0.0001, "first token after 10 s on at most 0.01 % of all requests");
  // 0.0445 points are known of it, answers that broke off among them.
  assert.ok(perfect - ordered.reached > 0.00004 && Math.abs(perfect - ordered.answered - 0.000445) < 0.00005, "the memoryless one misses the first");
  assert.ok(ordered.worstHourExtraShare > 0.4, "and the second");
  assert.ok(late(ordered) > 0.003, "and the third");
});

void test("ten months with 10, 40 and 95 % of calls hit, by the impact that was told", { skip }, (t) => {
  const { simulation } = outageWorld(OUTAGES_FROM_MS, OUTAGES_TO_MS, { hit: OUTAGES_BY_IMPACT });
  const [ours, ordered] = simulate(simulation, [OURS, ORDERED_FALLBACK]);
  assert.ok(ours !== undefined && ordered !== undefined);
  for (const report of [ours, ordered]) t.diagnostic(told(report));
  // Who knows of each call whether it is hit loses all but none.
  assert.ok(1 - ours.reached <= 0.00003, "within 0.003 points of answering all");
  assert.ok(ours.worstHourExtraShare <= 0.2 && late(ours) <= 0.0001);
  assert.ok(ordered.worstHourExtraShare > 0.4 && late(ordered) > late(ours) && ordered.reached < ours.reached, "the memoryless one is worse at each");
});

void test("minutes as the uptime pages tell them: every month at 99.99 % or more", { skip }, (t) => {
  const lengthMs = OUTAGES_TO_MS - OUTAGES_FROM_MS;
  const days = readText(DAYS);
  const world: OutageWorld = outagesOf(SERVICES.map((service) => minutePhases(days, service, OUTAGES_FROM_MS, OUTAGES_TO_MS, 1)), lengthMs, 0.002, 0.2, 1);
  const [ours, ordered] = simulate(world.simulation, [OURS, ORDERED_FALLBACK]);
  assert.ok(ours !== undefined && ordered !== undefined);
  for (const report of [ours, ordered]) t.diagnostic(`${told(report)}, worst month ${(100 * Math.min(...byMonth(report).values())).toFixed(4)} %`);
  assert.equal(ours.series.spanMs, HOUR_MS);
  const months = byMonth(ours);
  assert.equal(months.size, 10);
  for (const [month, reached] of months) {
    t.diagnostic(`${month} ${(100 * reached).toFixed(4)} %`);
    assert.ok(reached >= 0.9999, month);
  }
});

/** Share of requests that got an answer, by month. */
function byMonth({ series }: Report): ReadonlyMap<string, number> {
  const months = new Map<string, { requests: number; failed: number }>();
  for (const row of series.rows) {
    const month = new Date(OUTAGES_FROM_MS + row.atMs).toISOString().slice(0, 7);
    const sum = months.get(month) ?? { requests: 0, failed: 0 };
    months.set(month, { requests: sum.requests + row.requests, failed: sum.failed + row.failed });
  }
  return new Map([...months].filter(([, { requests }]) => requests > 0).map(([month, { requests, failed }]) => [month, 1 - failed / requests]));
}
