import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Objective } from "../objective/types.ts";
import { badInOrder, scopedVersionOf, versionOf } from "./canonical.ts";
import { beyondAllowed } from "./lateness.ts";
import { makeReport, REPORT_FORMAT } from "./report.ts";
import type { RouteSection } from "./route-section.ts";
import type { EndedRequest } from "./tally.ts";
import { aCall, aRequest, AVAILABLE, eventsOf, MONTH_END_MS, MONTH_MS, sha256, type TestPromise } from "./test-month.ts";
import type { MinuteEvent } from "./types.ts";

const within = (name: string, target: number, withinMs: number): Objective => ({ ...AVAILABLE, name, kind: "first_token", target, within: [{ upToInputTokens: null, withinMs }] });
const MEDIAN = within("first_token_p50", 0.5, 100);
const RARELY = within("first_token_p99", 0.99, 4_000);
const LOST = { outcome: "error", deployment: null, ttftMs: null, status: 502, errorCode: "upstream_error", units: {}, attempts: [aCall("alpha/large", { outcome: "server", status: 500 })] } as const;

type Events = ReturnType<typeof eventsOf>;
function eventsFor(requests: readonly EndedRequest[], objectives: readonly Objective[]): Events {
  const { bad, ...counts } = eventsOf(requests, objectives);
  return { ...counts, bad: bad.toSorted(badInOrder) };
}
function sectionOf(events: Events, objectives: readonly Objective[]): RouteSection {
  const route = { route: "support", zone: "UTC", fromMs: MONTH_MS, untilMs: MONTH_END_MS, objectives: new Map([[versionOf(objectives, sha256), objectives]]) };
  const [section] = makeReport({ format: REPORT_FORMAT, month: "2026-10", complete: true, routes: [route], scopes: [], contracts: [] }, events, sha256).routes;
  assert.ok(section !== undefined);
  return section;
}

/** So many a minute over some minutes; `firstMs`: of the n-th of all. */
function requests(minutes: number, perMinute: number, firstMs: (n: number) => number): readonly EndedRequest[] {
  return Array.from({ length: minutes * perMinute }, (_unused, n) => aRequest(`r${n}`, MONTH_MS + Math.floor(n / perMinute) * 60_000 + (n % perMinute), { ttftMs: firstMs(n) }));
}
const half = (n: number): number => (n % 2 === 0 ? 50 : 300);

describe("a promise that lets many requests miss it", () => {
  test("makes no incident and no row of those, and its attainment is proven by counts alone", () => {
    const events = eventsFor(requests(1, 8, half), [MEDIAN]);
    assert.deepEqual(events.bad, []);
    const section = sectionOf(events, [MEDIAN]);
    assert.deepEqual([section.incidents, section.contradictions, section.requests.late], [[], [], 4]);
    assert.deepEqual(section.objectives.map(({ valid, good, met }) => [valid, good, met]), [[8, 4, true]]);
    const changed = (change: (counts: Record<string, number>) => void): RouteSection => sectionOf({ ...events, minutes: events.minutes.map((one): MinuteEvent => {
      const counts = { ...one.counts };
      change(counts);
      return { ...one, counts };
    }) }, [MEDIAN]);
    const better = changed((counts) => (counts["good:first_token_p50"] = 6));
    assert.match(better.contradictions.join(), /missed first_token_p50: 2 rows that were not counted/);
    assert.notEqual(changed((counts) => (counts["counted:first_token_p50"] = 3)).digest, section.digest);
  });

  test("is an incident where more miss it than it allows and than chance makes of it", () => {
    const [incident, ...others] = sectionOf(eventsFor(requests(10, 10, (n) => (n >= 50 ? 300 : half(n))), [MEDIAN]), [MEDIAN]).incidents;
    assert.deepEqual(others, []);
    // 25 and 50 of 100 were late, and 50 may be.
    assert.deepEqual([incident?.cause, incident?.late, incident?.until], ["slow", 25, "2026-10-01T00:10:00.000Z"]);
    // Six, seven or eight of ten are what a fair coin does.
    assert.deepEqual([6, 8, 9, 10].map((late) => beyondAllowed([{ by: "x", allowed: 0.5, valid: 10, late }])), [0, 0, 0, 5]);
    assert.deepEqual([1, 3].map((late) => beyondAllowed([{ by: "x", allowed: 0.01, valid: 3, late }])), [1, 3]);
  });

  test("says nothing of an incident that came of something else", () => {
    const all = requests(5, 20, half).map((one, n) => (n % 20 < 4 ? { ...one, ...LOST } : one));
    const [incident] = sectionOf(eventsFor(all, [MEDIAN]), [MEDIAN]).incidents;
    assert.deepEqual([incident?.cause, incident?.lost, incident?.late, incident?.causes], ["server", 20, 0, [{ name: "server", count: 20 }]]);
  });

  test("stands in the row of a request that is against a stricter one, or lost", () => {
    const [slow, lost] = requests(1, 2, () => 5_000);
    assert.ok(slow !== undefined && lost !== undefined);
    const events = eventsFor([slow, { ...lost, ...LOST, totalMs: 9_000 }], [MEDIAN, RARELY]);
    assert.deepEqual(events.bad.map(({ class: kind, missed }) => [kind, missed]), [["ok", ["first_token_p50", "first_token_p99"]], ["failed", ["first_token_p50", "first_token_p99"]]]);
    assert.deepEqual(sectionOf(events, [MEDIAN, RARELY]).contradictions, []);
  });

  test("to a team is proven so too, whether or not the request's route has a row of it", () => {
    const promise: TestPromise = { id: "search", scopes: ["team/search"], objectives: [MEDIAN], takes: () => true };
    const slow = requests(1, 2, (n) => (n === 0 ? 300 : 5_000));
    const { bad, ...counts } = eventsOf(slow, [RARELY], [promise]);
    assert.deepEqual(bad.map(({ requestId, missed, scoped }) => [requestId, missed, scoped]), [["r1", ["first_token_p99"], undefined]]);
    const { id, scopes, objectives } = promise;
    const span = { zone: "UTC", fromMs: MONTH_MS, untilMs: MONTH_END_MS } as const;
    const { routes: [route], scopes: [scope] } = makeReport({
      format: REPORT_FORMAT, month: "2026-10", complete: true, contracts: [],
      routes: [{ route: "support", ...span, objectives: new Map([[versionOf([RARELY], sha256), [RARELY]]]) }],
      scopes: [{ scope: id, ...span, promises: new Map([[scopedVersionOf(id, { scopes, objectives }, sha256), { scopes, objectives }]]) }],
    }, { ...counts, bad }, sha256);
    assert.deepEqual([route?.contradictions, scope?.contradictions, scope?.objectives.map(({ valid, bad: late }) => [valid, late])], [[], [], [[2, 2]]]);
  });
});

describe("requests that began elsewhere, since a deployment was resting", () => {
  const byBeta = (candidates: readonly object[], plan: object = {}): EndedRequest =>
    aRequest("r", MONTH_MS, { deployment: "beta/large", attempts: [aCall("beta/large")], decision: { candidates: candidates as never, ...plan } });
  const candidate = (deployment: string, health: string, bound: number | null): object => ({ deployment, health, bound_nano_usd: bound });
  const beta = candidate("beta/large", "admitting", 15);
  const divertedFrom = (request: EndedRequest): readonly string[] => eventsOf([request], []).minutes.flatMap(({ deployment, counts }) => (counts["diverted"] === undefined ? [] : [deployment]));
  const plan = { plan: { scores: [] } };

  test("are counted where a plan has those at rest behind: at the cheapest, if it may cost no more than what was called", () => {
    assert.deepEqual(divertedFrom(byBeta([beta, candidate("gamma/large", "resting", 12), candidate("alpha/large", "resting", 10)], plan)), ["alpha/large"]);
    assert.deepEqual(divertedFrom(byBeta([beta, candidate("alpha/large", "probing", 15)], plan)), ["alpha/large"]);
    assert.deepEqual(divertedFrom(byBeta([beta, candidate("local/large", "resting", null)], plan)), ["local/large"]);
    assert.deepEqual(divertedFrom(byBeta([beta, candidate("gamma/large", "resting", 16)], plan)), [], "a dearer one is nobody's first choice");
    assert.deepEqual(divertedFrom(byBeta([beta, { ...candidate("alpha/large", "resting", 10), after: "context" }], plan)), []);
  });

  test("are not where the list has its own order, and who rests stands behind in it", () => {
    assert.deepEqual(divertedFrom(byBeta([beta, candidate("alpha/large", "resting", 10)])), []);
    assert.deepEqual(divertedFrom(byBeta([candidate("alpha/large", "resting", 99), beta])), ["alpha/large"]);
  });
});
