import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { contractOf } from "../contract/test-contracts.ts";
import { monthNamed } from "../contract/months.ts";
import type { Objective } from "../objective/types.ts";
import { badInOrder, versionOf } from "./canonical.ts";
import { documentOf, promiseText } from "./document.ts";
import { markdownOf } from "./markdown.ts";
import { makeReport, REPORT_FORMAT } from "./report.ts";
import { aCall, aRequest, AVAILABLE, eventsOf, MONTH_END_MS, MONTH_MS, SERVED, sha256 } from "./test-month.ts";

const ERRORS: Objective = { ...AVAILABLE, name: "error_rate", kind: "error_rate", target: 0.999 };
const BY_SIZE: Objective = { ...AVAILABLE, name: "latency", kind: "latency", within: [{ upToInputTokens: 4_000, withinMs: 1_000 }, { upToInputTokens: null, withinMs: 4_000 }] };
const contract = { ...contractOf({ account: "alpha", models: ["*"], start: "2026-01-01", end: "2026-12-31" }), id: "alpha-2026" };
const month = monthNamed(contract, "2026-10");
assert.ok(month !== null);

function markdown(): string {
  const objectives = [ERRORS, SERVED];
  const failed = aRequest("r1", MONTH_MS, { outcome: "error", deployment: null, ttftMs: null, status: 502, errorCode: "upstream_error", units: {}, attempts: [aCall("alpha/large", { outcome: "server", status: 500 })] });
  const { bad, ...counts } = eventsOf([failed, aRequest("r2", MONTH_MS), aRequest("r3", MONTH_MS)], objectives);
  const route = { route: "support", zone: "UTC", fromMs: MONTH_MS, untilMs: MONTH_END_MS, objectives: new Map([[versionOf(objectives, sha256), objectives]]) };
  const plan = { format: REPORT_FORMAT, month: "2026-10", complete: true, routes: [route], scopes: [], contracts: [{ contract, month: month as NonNullable<typeof month>, untilMs: MONTH_END_MS, billNanoUsd: 0n, downPermille: 500 }] } as const;
  return markdownOf(documentOf(makeReport(plan, { ...counts, bad: bad.toSorted(badInOrder) }, sha256)));
}

describe("the text of a report", () => {
  const text = markdown();

  test("tells an error rate as the rate that was promised, and never smaller than it was", () => {
    // One of three: 33.33333…, rounded up.
    assert.match(text, /\| support \| error\\_rate \| at most 0\.1 % \| 33\.33334 % \| NO \|/);
    assert.match(text, /\| error\\_rate \| not answered to the end, over a month of UTC \| at most 0\.1 % \| 3 \| 1 \| 33\.33334 % \|/);
  });

  test("has a row for each contract in its first table, where nothing was promised too, and calls all models so", () => {
    assert.match(text, /\| contract alpha-2026 \| none \|  \|  \|  \|/);
    assert.match(text, /\nalpha, all models; /);
  });

  test("counts one as one", () => {
    assert.match(text, /\| 1 minute \| 0 minutes \|/);
    assert.doesNotMatch(text, /\b1 (?:minutes|calls|requests|rows|events)\b/);
  });

  test("says of times by size that the last is for all that is larger", () => {
    assert.equal(promiseText(BY_SIZE), "whole answer within 1,000 ms up to 4,000 tokens, 4,000 ms beyond, over a month of UTC");
    assert.equal(promiseText({ ...BY_SIZE, within: BY_SIZE.within.slice(1) }), "whole answer within 4,000 ms, over a month of UTC");
  });
});
