import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Json } from "../../wire/json.ts";
import { contractOf } from "../contract/test-contracts.ts";
import { monthNamed } from "../contract/months.ts";
import { badInOrder, versionOf } from "./canonical.ts";
import { FIRST_FORMAT, makeReport, REPORT_FORMAT, type Report, type ReportPlan } from "./report.ts";
import { aCall, aRequest, eventsOf, MONTH_END_MS, MONTH_MS, monthOfRequests, OBJECTIVES, sha256 } from "./test-month.ts";
import type { EndedRequest } from "./tally.ts";
import type { BadRequest, MinuteEvent } from "./types.ts";
import { differences, planOf, readReport, reportJson } from "./verify.ts";

const contract = { ...contractOf({ account: "alpha", models: ["large"], start: "2026-01-01", end: "2026-12-31", sla: { uptime_percent: 99.95, credits: [{ below_percent: 99.95, credit_percent: 10 }, { below_percent: 99, credit_percent: 25 }], claim_days: 30 } }), id: "alpha-2026" };
const billingMonth = monthNamed(contract, "2026-10");
assert.ok(billingMonth !== null);

const PLAN: ReportPlan = {
  format: REPORT_FORMAT, month: "2026-10", complete: true,
  routes: [{ route: "support", zone: "UTC", fromMs: MONTH_MS, untilMs: MONTH_END_MS, objectives: new Map([[versionOf(OBJECTIVES, sha256), OBJECTIVES]]) }],
  scopes: [],
  contracts: [{ contract, month: billingMonth, untilMs: MONTH_END_MS, billNanoUsd: 1_000_000_000_000n, downPermille: 500 }],
};

const events = eventsOf(monthOfRequests());
const report = makeReport(PLAN, events, sha256);
const route = report.routes[0];
const provider = report.contracts[0];
assert.ok(route !== undefined && provider !== undefined);

describe("the report of a month, worked out by hand", () => {
  // 31 days x 1,440 minutes x 2 = 89,280 valid requests, and one refused each hour (744). Incidents: 10:00 to 10:30 on the 5th
  // (2 minutes lost at 2 a minute, 3 + 3 minutes saved, 22 minutes sent elsewhere), 00:00 to 00:10 on the 20th (all 20 lost).
  test("counts requests and exclusions", () => {
    assert.deepEqual(route.requests, {
      all: 90_024, valid: 89_280, lost: 24, saved: 12, diverted: 44, late: 31, tokens: 8_925_600, answeredPercent: "99.97311",
      classes: [{ name: "ok", count: 89_256 }, { name: "client", count: 744 }, { name: "failed", count: 24 }],
    });
    assert.deepEqual(route.exclusions, [{ name: "budget_exceeded", count: 744 }]);
    assert.equal(route.events.badRequests, 24 + 31);
    assert.deepEqual(route.contradictions, []);
  });

  test("says how far each objective was kept", () => {
    const told = route.objectives.map(({ objective, valid, good, attainedPercent, met, budgetUsedPercent }) => [objective.name, valid, good, attainedPercent, met, budgetUsedPercent]);
    assert.deepEqual(told, [
      // 24 of the 89.28 that 99.9 % allows.
      ["availability", 89_280, 89_256, "99.97311", true, "26.8"],
      // Lost requests say nothing of time: 31 of the 8.9256 that 99.99 % of 89,256 allows.
      ["latency", 89_256, 89_225, "99.96526", false, "347.3"],
      // Two a minute, or all that was asked: not so in 2 + 10 minutes of 44,640; the 44.64 of 99.9 % allow it.
      ["throughput", 44_640, 44_628, "99.97311", true, "26.8"],
    ]);
  });

  test("tells both incidents with begin, end, cause, what was lost and what was saved", () => {
    assert.deepEqual(route.incidents, [
      {
        from: "2026-10-05T10:00:00.000Z", until: "2026-10-05T10:30:00.000Z", minutes: 30, cause: "server", causes: [{ name: "server", count: 16 }, { name: "overload", count: 4 }],
        deployments: [{ name: "alpha/large", count: 16 }, { name: "beta/large", count: 4 }], all: 60, lost: 4, saved: 12, late: 0, diverted: 44,
      },
      {
        from: "2026-10-20T00:00:00.000Z", until: "2026-10-20T00:10:00.000Z", minutes: 10, cause: "network", causes: [{ name: "network", count: 40 }],
        deployments: [{ name: "alpha/large", count: 20 }, { name: "beta/large", count: 20 }], all: 20, lost: 20, saved: 0, late: 0, diverted: 0,
      },
    ]);
  });

  test("tells the distribution of latency and the cost of reliability", () => {
    assert.deepEqual(route.firstContent, { count: 89_256, p50Ms: 300, p95Ms: 300, p99Ms: 300, buckets: [{ upToMs: 300, count: 89_256 }] });
    assert.deepEqual(route.total.buckets, [{ upToMs: 1_000, count: 89_225 }, { upToMs: 5_000, count: 31 }]);
    // Alpha answered 89,280 - 24 - 56 at 1,000 nano-dollars, beta 56 at 1,500; 16 failed calls at 200, 31 lost races at 300. Beta is
    // dearer by a third of what it cost.
    assert.deepEqual(route.cost, { allUsd: "0.0892965", failedUsd: "0.0000032", beatenUsd: "0.0000093", dearerUsd: "0.000028", unpriced: 0 });
    assert.deepEqual(route.deployments.map(({ deployment, answered, calls, failed }) => [deployment, answered, calls, failed]), [["alpha/large", 89_200, 89_236, 36], ["beta/large", 56, 56 + 4 + 20 + 31, 24]]);
  });

  test("tells a provider's uptime by our calls, and the credit that is due with its evidence", () => {
    // Down for 30 minutes, of which 8 have calls, and for 10: 44,600 of 44,640 minutes are up, 99.910 %, and 10 % of the bill come back.
    assert.deepEqual(provider.minutes, { all: 44_640, measured: 44_640 - 22, down: 18, bridged: 22 });
    const { evidence, ...claim } = provider.claim;
    assert.deepEqual(claim, { result: "claim", uptimePercent: "99.910", creditUsd: "100.00", claimUntil: "2026-12-01T00:00:00.000Z" });
    assert.deepEqual(evidence.map(({ from, until, measured, bridged, calls, failed, outcomes, requests }) => [from.slice(5, 16), until.slice(5, 16), measured, bridged, calls, failed, outcomes[0]?.name, requests.length]), [
      ["10-05T10:00", "10-05T10:30", 8, 22, 16, 16, "server", 4],
      ["10-20T00:00", "10-20T00:10", 10, 0, 20, 20, "network", 20],
    ]);
    assert.deepEqual([provider.calls.all, provider.calls.bad, provider.incidents.length], [89_236, 36, 2]);
  });

  test("tells a provider's promise as the objective that alerts watch: good calls of those that say something of it", () => {
    const { objective } = provider;
    assert.ok(objective != null);
    // 36 of the 44.618 that 99.95 % of 89,236 allows.
    const { version, valid, bad, attainedPercent, targetPercent, met, budgetUsedPercent } = objective;
    assert.deepEqual([objective.objective.name, version, valid, bad, attainedPercent, targetPercent, met, budgetUsedPercent], ["uptime", contract.version, 89_236, 36, "99.95965", "99.95", true, "80.6"]);
  });
});

/** The days of the incidents are enough to be made again often. */
const onDays = (atMs: number): boolean => [5, 20].includes(new Date(atMs).getUTCDate());
const few = { scopeMinutes: [], minutes: events.minutes.filter(({ minuteMs }) => onDays(minuteMs)), bad: events.bad.filter(({ atMs }) => onDays(atMs)) };
const written = JSON.parse(JSON.stringify(reportJson(makeReport(PLAN, few, sha256)))) as Json;

function again(changed: { readonly minutes?: readonly MinuteEvent[]; readonly bad?: readonly BadRequest[] }, told: Json = written): readonly string[] {
  const read = readReport(told);
  assert.ok(read !== null);
  return differences(read, makeReport(planOf(read), { ...few, ...changed }, sha256));
}

/** The report as it was written, with one value in it changed. */
function changedReport(change: (report: { [K in keyof Report]: Report[K] }) => void): Json {
  const copy = structuredClone(written) as unknown as { [K in keyof Report]: Report[K] };
  change(copy);
  return copy as unknown as Json;
}

describe("a report made again", () => {
  test("from its own terms and the raw events has the same digest and the same figures", () => {
    assert.deepEqual(again({}), []);
    const whole = readReport(JSON.parse(JSON.stringify(reportJson(report))) as Json);
    assert.ok(whole !== null);
    assert.deepEqual(differences(whole, makeReport(planOf(whole), events, sha256)), []);
  });

  test("of the first format has the digest and the figures that it had, and nothing that it did not tell", () => {
    // Events of then do not tell which objective requests were against.
    const then = { ...events, minutes: events.minutes.map((one) => ({ ...one, counts: Object.fromEntries(Object.entries(one.counts).filter(([name]) => !name.startsWith("late:"))) })) };
    const first = makeReport({ ...PLAN, format: FIRST_FORMAT }, then, sha256);
    // As it was written when there was no other format.
    assert.equal(first.digest, "469da301a90acaece5f26a50d483b1aff963a605d25017621a18baf8c07b226d");
    const { scopes: _, ...file } = JSON.parse(JSON.stringify(reportJson(first))) as { scopes: Json; routes: object[]; contracts: object[] };
    assert.deepEqual(["refused" in (file.routes[0] ?? {}), "objective" in (file.contracts[0] ?? {})], [false, false]);
    const read = readReport(file as unknown as Json);
    assert.ok(read !== null);
    assert.deepEqual(differences(read, makeReport(planOf(read), then, sha256)), []);
  });

  test("tells a changed event: a count, a minute that is missing or moved, a row, a row that is missing", () => {
    const change = <T>(list: readonly T[], at: number, to: (one: T) => readonly T[]): readonly T[] => list.flatMap((one, i) => (i === at ? to(one) : [one]));
    const at = 2_000;
    for (const minutes of [
      change(few.minutes, at, (one) => [{ ...one, counts: { ...one.counts, "class:ok": (one.counts["class:ok"] ?? 0) + 1 } }]),
      change(few.minutes, at, (one) => [{ ...one, counts: { ...one.counts, cost: (one.counts["cost"] ?? 0) - 1 } }]),
      change(few.minutes, at, () => []),
      change(few.minutes, at, (one) => [{ ...one, version: "other" }]),
    ]) assert.match(again({ minutes }).join(), /route support: the events are not those of the report/);
    const failed = few.minutes.findIndex(({ counts }) => counts["class:failed"] !== undefined);
    assert.match(again({ minutes: change(few.minutes, failed, (one) => [{ ...one, counts: { ...one.counts, "class:failed": 1 } }]) }).join(), /1 rows that were not counted/);
    assert.match(again({ bad: change(few.bad, 7, (one) => [{ ...one, totalMs: one.totalMs + 1 }]) }).join(), /not those of the report/);
    assert.match(again({ bad: change(few.bad, 7, () => []) }).join(), /1 counted without a row/);
  });

  test("tells a changed figure, a changed promise and a changed digest of the report itself", () => {
    assert.match(again({}, changedReport((one) => Object.assign(one.routes[0] ?? {}, { requests: { ...route.requests, lost: 0 } }))).join(), /figures of the report are not those of its events/);
    assert.match(again({}, changedReport((one) => Object.assign(one.routes[0]?.promised[0]?.objectives[0] ?? {}, { target: 0.99 }))).join(), /not those of the report/);
    assert.match(again({}, changedReport((one) => Object.assign(one, { digest: "0" }))).join(), /its sections come to/);
    assert.match(again({}, changedReport((one) => Object.assign(one.contracts[0]?.terms ?? {}, { bill_usd: "9000.00" }))).join(), /contract alpha-2026/);
  });
});

describe("events", () => {
  const OUTCOMES = [
    (id: string, atMs: number) => aRequest(id, atMs),
    (id: string, atMs: number) => aRequest(id, atMs, { totalMs: 9_000 }),
    (id: string, atMs: number) => aRequest(id, atMs, { outcome: "client_gone", status: 499, attempts: [aCall("alpha/large", { outcome: "client_gone" })] }),
    (id: string, atMs: number) => aRequest(id, atMs, { deployment: "beta/large", attempts: [aCall("alpha/large", { outcome: "timeout", costNanoUsd: 7 }), aCall("beta/large")] }),
    (id: string, atMs: number) => aRequest(id, atMs, { outcome: "error_after_content", errorCode: "upstream_truncated", attempts: [aCall("alpha/large", { outcome: "truncated" })] }),
    (id: string, atMs: number) => aRequest(id, atMs, { outcome: "error", deployment: null, ttftMs: null, errorCode: "no_usable_deployment", status: 503, attempts: [] }),
    (id: string, atMs: number) => aRequest(id, atMs, { flags: ["rescued"], attempts: [aCall("alpha/large", { outcome: "truncated" }), aCall("alpha/large", { costNanoUsd: null })] }),
  ] as const;
  const requests = fc.array(fc.record({ kind: fc.nat(OUTCOMES.length - 1), minute: fc.nat(500), ms: fc.nat(59_999) }), { maxLength: 60 })
    .map((list): EndedRequest[] => list.flatMap(({ kind, minute, ms }, i) => OUTCOMES[kind]?.(`req_${i}`, MONTH_MS + minute * 60_000 + ms) ?? []));
  const sorted = ({ bad, ...counts }: typeof events): typeof events => ({ ...counts, bad: bad.toSorted(badInOrder) });

  test("add up: totals of a report are the sums over its requests, and counts and rows agree", () => {
    fc.assert(fc.property(requests, (list) => {
      const made = makeReport(PLAN, sorted(eventsOf(list)), sha256).routes[0];
      assert.ok(made !== undefined);
      const of = (test: (one: EndedRequest) => boolean): number => list.filter(test).length;
      const { all, valid, lost, saved, late } = made.requests;
      assert.deepEqual([all, valid, lost], [list.length, of(({ outcome }) => outcome !== "client_gone"), of(({ outcome }) => outcome.startsWith("error"))]);
      assert.deepEqual([saved, late], [of((one) => one.outcome === "ok" && one.attempts.length === 2), of(({ totalMs }) => totalMs === 9_000)]);
      assert.equal(made.total.count, of(({ outcome }) => outcome === "ok"));
      assert.equal(made.deployments.reduce((sum, one) => sum + one.calls, 0), list.reduce((sum, one) => sum + one.attempts.length, 0));
      const costs = list.flatMap(({ attempts }) => attempts.map(({ costNanoUsd }) => costNanoUsd));
      assert.equal(Math.round(Number(made.cost.allUsd) * 1e9), costs.reduce<number>((sum, one) => sum + (one ?? 0), 0));
      assert.equal(made.cost.unpriced, costs.filter((one) => one === null).length);
      assert.equal(made.requests.classes.reduce((sum, one) => sum + one.count, 0), list.length);
      assert.deepEqual(made.contradictions, []);
    }), { numRuns: 150 });
  });

  test("give the same digest in whatever order the requests ended", () => {
    fc.assert(fc.property(requests, (list) => {
      assert.equal(makeReport(PLAN, sorted(eventsOf(list.toReversed())), sha256).digest, makeReport(PLAN, sorted(eventsOf(list)), sha256).digest);
    }), { numRuns: 50 });
  });
});
