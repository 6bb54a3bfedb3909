/** Ten months of real outages, request by request, and minute by minute as the uptime pages tell them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readText } from "./csv.ts";
import { minutePhases, OUTAGES_BY_IMPACT } from "./outages.ts";
import { ORDERED_FALLBACK } from "./peers/ordered.ts";
import { POLICIES, simulate } from "./simulate.ts";
import { spillway } from "./spillway-policy.ts";
import { absent, DAYS, HOUR_MS, INTERVALS, line, outagesOf, outageWorld, OUTAGES_FROM_MS, OUTAGES_TO_MS, SERVICES, type OutageWorld } from "./test-worlds.ts";

const skip = absent(INTERVALS, DAYS);
const OURS = spillway({ strategy: "balanced" });

void test("ten months, incidents as full outages: all but nothing of what a perfect failover reaches", { skip }, (t) => {
  const { simulation, perfect } = outageWorld(OUTAGES_FROM_MS, OUTAGES_TO_MS);
  const others = [...POLICIES.values()].filter(({ name }) => !name.startsWith("spillway") && name !== ORDERED_FALLBACK.name);
  const [ours, ordered, ...rest] = simulate(simulation, [OURS, ORDERED_FALLBACK, ...others]);
  assert.ok(ours !== undefined && ordered !== undefined);
  for (const report of [ours, ordered, ...rest]) t.diagnostic(`${line(report)} gap ${(100 * (perfect - report.reached)).toFixed(4)} points, ${report.broken} broke off`);
  const slow = (report: typeof ours): number => 1 - (report.objectives[1]?.attainment ?? 0);
  assert.ok(perfect - ours.reached <= 0.00003);
  assert.ok(perfect - ours.answered <= 0.00003, "answers that broke off counted as lost, too");
  assert.ok(ours.worstHourExtraShare <= 0.2);
  assert.ok(slow(ours) <= 0.0001);
  // 0.0445 points are known of it, answers that broke off among them.
  assert.ok(perfect - ordered.reached > 0.00004 && Math.abs(perfect - ordered.answered - 0.000445) < 0.00005);
  assert.ok(ordered.worstHourExtraShare > 0.4 && slow(ordered) > 0.003);
});

void test("ten months with 10, 40 and 95 % of calls hit, by the impact that was told", { skip }, (t) => {
  const { simulation } = outageWorld(OUTAGES_FROM_MS, OUTAGES_TO_MS, { hit: OUTAGES_BY_IMPACT });
  const [ours] = simulate(simulation, [OURS]);
  assert.ok(ours !== undefined);
  t.diagnostic(line(ours));
  assert.ok(ours.reached >= 0.9999);
});

void test("minutes as the uptime pages tell them: every month at 99.99 % or more", { skip }, (t) => {
  const lengthMs = OUTAGES_TO_MS - OUTAGES_FROM_MS;
  const days = readText(DAYS);
  const world: OutageWorld = outagesOf(SERVICES.map((service) => minutePhases(days, service, OUTAGES_FROM_MS, OUTAGES_TO_MS, 1)), lengthMs, 0.002, 0.2, 1);
  const [ours] = simulate(world.simulation, [OURS]);
  assert.ok(ours !== undefined);
  t.diagnostic(line(ours));
  const months = new Map<string, { requests: number; failed: number }>();
  for (const row of ours.series.rows) {
    const month = new Date(OUTAGES_FROM_MS + row.atMs).toISOString().slice(0, 7);
    const sum = months.get(month) ?? { requests: 0, failed: 0 };
    months.set(month, { requests: sum.requests + row.requests, failed: sum.failed + row.failed });
  }
  assert.equal(ours.series.spanMs, HOUR_MS);
  for (const [month, { requests, failed }] of months) {
    t.diagnostic(`${month} ${(100 * (1 - failed / requests)).toFixed(4)} %`);
    assert.ok(1 - failed / requests >= 0.9999, month);
  }
});
