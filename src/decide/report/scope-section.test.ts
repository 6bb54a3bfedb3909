import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Json } from "../../wire/json.ts";
import { documentOf } from "./document.ts";
import { htmlOf } from "./html.ts";
import { markdownOf } from "./markdown.ts";
import { badInOrder, scopedVersionOf } from "./canonical.ts";
import { makeReport, REPORT_FORMAT, type Report, type ReportPlan } from "./report.ts";
import type { EndedRequest } from "./tally.ts";
import { aCall, aRequest, AVAILABLE, eventsOf, IN_TIME, MONTH_END_MS, MONTH_MS, SERVED, sha256, type TestPromise } from "./test-month.ts";
import type { BadRequest, MinuteEvent, ScopedPromise } from "./types.ts";
import { differences, planOf, readReport, reportJson } from "./verify.ts";

const SEARCH: TestPromise = { id: "search", scopes: ["team/search"], objectives: [{ ...AVAILABLE, target: 0.9 }, { ...IN_TIME, target: 0.9 }, { ...SERVED, target: 0.9 }], takes: ({ requestId }) => requestId.startsWith("s") };
const OTHER: TestPromise = { id: "other", scopes: ["key/other"], objectives: [AVAILABLE], takes: ({ requestId }) => requestId.startsWith("o") };
const LOST = { outcome: "error", deployment: null, ttftMs: null, status: 502, errorCode: "upstream_error", units: {}, attempts: [aCall("alpha/large", { outcome: "server", status: 500 })] } as const;
const refused = (id: string, atMs: number, errorCode: string): EndedRequest => aRequest(id, atMs, { ...LOST, route: "", totalMs: 0, errorCode, attempts: [], decision: {} });
const at = (minute: number): number => MONTH_MS + minute * 60_000;

/** Twenty of search by two routes: one lost, one slow; one of its own that is excused, two refused for want of room; and others. */
const REQUESTS: readonly EndedRequest[] = [
  ...Array.from({ length: 18 }, (_unused, i) => aRequest(`s${i}`, at(i), i % 2 === 0 ? {} : { route: "drafts" })),
  aRequest("s-lost", at(18), LOST),
  aRequest("s-slow", at(19), { route: "drafts", totalMs: 3_000 }),
  aRequest("s-budget", at(19), { ...LOST, attempts: [], status: 402, errorCode: "budget_exceeded" }),
  refused("s-full", at(20), "too_many_requests_in_flight"), refused("s-full-2", at(20), "too_many_requests_in_flight"), refused("s-json", at(20), "invalid_json"),
  aRequest("o1", at(3)), aRequest("o2", at(3), LOST), refused("nobody", at(3), "missing_key"),
];

function eventsFor(requests: readonly EndedRequest[]): ReturnType<typeof eventsOf> {
  // Nothing is promised by routes: what is in the rows is of the promises alone.
  const { bad, ...counts } = eventsOf(requests, [], [SEARCH, OTHER]);
  return { ...counts, bad: bad.toSorted(badInOrder) };
}

const promiseOf = ({ id, scopes, objectives }: TestPromise) => ({ scope: id, promises: new Map([[scopedVersionOf(id, { scopes, objectives }, sha256), { scopes, objectives } satisfies ScopedPromise]]) });
const month = { zone: "UTC", fromMs: MONTH_MS, untilMs: MONTH_END_MS } as const;
const PLAN: ReportPlan = {
  format: REPORT_FORMAT, month: "2026-10", complete: true, contracts: [],
  routes: ["", "support"].map((route) => ({ route, ...month, objectives: new Map() })),
  scopes: [SEARCH, OTHER].map((one) => ({ ...promiseOf(one), ...month })),
};
const events = eventsFor(REQUESTS);
const report = makeReport(PLAN, events, sha256);
const [search, other] = report.scopes;
assert.ok(search !== undefined && other !== undefined);

describe("a promise to a key or a team in the report of a month", () => {
  test("is judged by all requests in its scopes, by whatever route, those refused at the door among them", () => {
    // 18 and the slow one answered, one lost, two refused by us: 22 valid; of time the 19 that were answered say something.
    assert.deepEqual(search.objectives.map(({ objective, valid, good, attainedPercent, met }) => [objective.name, valid, good, attainedPercent, met]), [
      ["availability", 22, 19, "86.36363", false],
      ["latency", 19, 18, "94.73684", true],
      // Bad are the minute of the lost one and that of the refused ones; in the others all that was asked was served.
      ["throughput", 21, 19, "90.47619", true],
    ]);
    assert.deepEqual([search.requests.all, search.requests.valid, search.requests.lost, search.requests.late], [24, 22, 3, 1]);
    assert.deepEqual(search.exclusions, [{ name: "budget_exceeded", count: 1 }, { name: "invalid_json", count: 1 }]);
    assert.deepEqual(search.refused, [{ class: "failed", why: "too_many_requests_in_flight", count: 2 }, { class: "client", why: "invalid_json", count: 1 }]);
    assert.deepEqual(search.contradictions, []);
    assert.deepEqual(other.objectives.map(({ valid, good }) => [valid, good]), [[2, 1]]);
  });

  test("leaves the routes' own figures as they are, and tells refusals that belong to no route apart", () => {
    const [door, support] = report.routes;
    assert.deepEqual([support?.requests.all, support?.requests.lost, support?.contradictions], [9 + 1 + 1 + 2, 2, []]);
    assert.deepEqual(door?.refused, [{ class: "failed", why: "too_many_requests_in_flight", count: 2 }, { class: "client", why: "invalid_json", count: 1 }, { class: "client", why: "missing_key", count: 1 }]);
    assert.deepEqual([door?.requests.all, door?.requests.valid, door?.requests.lost], [4, 2, 2]);
  });

  test("has its rows: whoever is against it alone too, with what it missed", () => {
    assert.deepEqual(events.bad.map(({ requestId, scoped }) => [requestId, scoped?.map(({ id, missed }) => [id, missed])]), [
      ["o2", [["other", ["availability"]]]],
      ["s-lost", [["search", ["availability"]]]],
      ["s-slow", [["search", ["latency"]]]],
    ]);
  });

  test("stands in Markdown and HTML with its scopes, its refusals and how they count", () => {
    const markdown = markdownOf(documentOf(report));
    assert.match(markdown, /\| objectives search \| availability \| 90 % \| 86\.36363 % \| NO \|/);
    assert.match(markdown, /## Objectives search\n\nOf all requests in team\/search, by whatever route\./);
    assert.match(markdown, /\| too\\_many\\_requests\\_in\\_flight \| bad \| 2 \|/);
    assert.match(markdown, /## No route\n\nRequests that were refused before it was known/);
    assert.match(htmlOf(documentOf(report), "x"), /<h2>Objectives search<\/h2>\n<p>Of all requests in team\/search/);
  });
});

function again(changed: { readonly scopeMinutes?: readonly MinuteEvent[]; readonly bad?: readonly BadRequest[] }, change: (report: { scopes: Report["scopes"] }) => void = () => undefined): string {
  const file = structuredClone(report);
  change(file as { scopes: Report["scopes"] });
  const read = readReport(JSON.parse(JSON.stringify(reportJson(file))) as Json);
  assert.ok(read !== null);
  return differences(read, makeReport(planOf(read), { ...events, ...changed }, sha256)).join("\n");
}

describe("the section of a promise to a key or a team, made again", () => {
  test("has the same digest and the same figures", () => {
    assert.equal(again({}), "");
  });

  test("tells a changed count, a row that is missing or says another promise, and changed terms", () => {
    const lost = events.scopeMinutes.findIndex(({ counts }) => counts["class:failed"] !== undefined);
    const changed = (counts: MinuteEvent["counts"]): readonly MinuteEvent[] => events.scopeMinutes.with(lost, { ...(events.scopeMinutes[lost] as MinuteEvent), counts });
    const { ["class:failed"]: _, ...without } = events.scopeMinutes[lost]?.counts ?? {};
    assert.match(again({ scopeMinutes: changed(without) }), /objectives (?:search|other): the events are not those of the report[^]*rows that were not counted/);
    const full = events.scopeMinutes.findIndex(({ counts }) => counts["refused:bad:availability"] !== undefined);
    assert.match(again({ scopeMinutes: events.scopeMinutes.toSpliced(full, 1) }), /^objectives search: the events are not those of the report/);
    assert.match(again({ bad: events.bad.filter(({ requestId }) => requestId !== "s-slow") }), /objectives search: the events are not[^]*1 counted without a row/);
    assert.match(again({ bad: events.bad.map(({ scoped: _scoped, ...row }) => row) }), /objectives other: the events are not/);
    assert.match(again({}, ({ scopes }) => Object.assign(scopes[0]?.promised[0] ?? {}, { scopes: ["team/sales"] })), /^objectives search: the events are not/);
    assert.match(again({}, ({ scopes }) => Object.assign(scopes[0]?.objectives[0] ?? {}, { good: 22, met: true })), /^objectives search: figures of the report are not/);
  });
});
