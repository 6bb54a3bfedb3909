/** Three providers at 1 : 1.5 : 3, the dearer the better: both objectives shall be met, as cheaply as they can be. Five seeds are in `worlds.long.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { orderedFrom, ORDERED_FALLBACK } from "./peers/ordered.ts";
import { INVERSE_SQUARE_PRICE } from "./peers/inverse-square.ts";
import { LEAST_PEAK_EWMA } from "./peers/peak-ewma.ts";
import type { Report } from "./report.ts";
import { simulate } from "./simulate.ts";
import { spillway } from "./spillway-policy.ts";
import { absent, CHAT, line, threeProviders } from "./test-worlds.ts";

const HOURS = 6;
const MIDDLE = orderedFrom(1, "middle-first");
const DEAR = orderedFrom(2, "dear-first");
const isMet = ({ objectives }: Report): boolean => objectives.every(({ met }) => met);

test("the steady world is the one that policies are known by: availability, share in time and cost as published", { skip: absent(CHAT) }, (t) => {
  const reports = simulate(threeProviders("steady", 1, HOURS), [ORDERED_FALLBACK, INVERSE_SQUARE_PRICE, LEAST_PEAK_EWMA, MIDDLE, DEAR]);
  const cheapest = (reports[0] as Report).costUsd / 1.01;
  const known = [[99.7, 93.8, 1.01], [99.79, 95.6, 1.3], [99.91, 98.3, 2.16], [99.92, 98.4, 1.5], [99.99, 99.8, 3]] as const;
  for (const [i, report] of reports.entries()) {
    t.diagnostic(line(report));
    const [available, inTime, cost] = known[i] as (typeof known)[number];
    assert.ok(Math.abs(100 * report.answered - available) < 0.03, `${report.policy} ${report.answered}`);
    assert.ok(Math.abs(100 * (report.objectives[1]?.attainment ?? 0) - inTime) < 0.4, `${report.policy} ${report.objectives[1]?.attainment}`);
    assert.ok(Math.abs(report.costUsd / cheapest / cost - 1) < 0.08, `${report.policy} ${report.costUsd / cheapest}`);
  }
});

for (const kind of ["steady", "drifting", "outages"] as const) {
  test(`${kind}: in six hours, of which the first are spent learning, it costs less than two thirds of the dearest`, { skip: absent(CHAT) }, (t) => {
    const [ours, dear, middle] = simulate(threeProviders(kind, 1, HOURS), [spillway({ strategy: "balanced" }), DEAR, MIDDLE]) as [Report, Report, Report];
    for (const report of [ours, middle, dear]) t.diagnostic(line(report));
    assert.ok(ours.costUsd < 0.65 * dear.costUsd);
    assert.ok(isMet(ours), "both objectives are met");
  });
}
