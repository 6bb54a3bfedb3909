import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BudgetBook } from "./book.ts";
import { RecentSpend, forecastOf } from "./forecast.ts";
import type { Budget } from "./types.ts";
import { viewsOf } from "./view.ts";

const HOUR_MS = 3_600_000;
const START = Date.UTC(2026, 10, 1);
const END = Date.UTC(2026, 11, 1);

function at(hours: number, settledNanoUsd: number, recentPerHourNanoUsd: number | null, limitNanoUsd = 1_000) {
  return forecastOf({ limitNanoUsd, settledNanoUsd, startMs: START, endMs: END, nowMs: START + hours * HOUR_MS, recentPerHourNanoUsd });
}

describe("a forecast", () => {
  it("goes by the higher of two rates", () => {
    assert.equal(at(100, 500, null).exhaustsAtMs, START + 200 * HOUR_MS);
    assert.equal(at(100, 500, 50).exhaustsAtMs, START + 110 * HOUR_MS);
    assert.equal(at(100, 500, 1).exhaustsAtMs, START + 200 * HOUR_MS);
    assert.equal(at(100, 500, 50).atEndNanoUsd, 500 + 50 * 620);
  });

  it("says nothing of what lasts to the end of its period", () => {
    assert.equal(at(100, 100, 1).exhaustsAtMs, null);
    assert.equal(at(100, 100, 1).atEndNanoUsd, 720);
  });

  it("says now where nothing is left, and nothing where no rate is known", () => {
    assert.equal(at(10, 1_000, null).exhaustsAtMs, START + 10 * HOUR_MS);
    assert.deepEqual(at(0.1, 10, null), { periodPerHourNanoUsd: null, recentPerHourNanoUsd: null, atEndNanoUsd: null, exhaustsAtMs: null });
  });

  it("knows no beginning and no end of a budget without a period", () => {
    const endless = forecastOf({ limitNanoUsd: 100, settledNanoUsd: 40, startMs: -Infinity, endMs: Infinity, nowMs: START, recentPerHourNanoUsd: 6 });
    assert.deepEqual(endless, { periodPerHourNanoUsd: null, recentPerHourNanoUsd: 6, atEndNanoUsd: null, exhaustsAtMs: START + 10 * HOUR_MS });
  });
});

describe("the last hours", () => {
  it("are known after half an hour and forgotten after four", () => {
    const recent = new RecentSpend();
    recent.add(START, 100);
    assert.equal(recent.perHourNanoUsd(START + 60_000), null);
    assert.equal(recent.perHourNanoUsd(START + HOUR_MS), 100);
    recent.add(START + HOUR_MS, 100);
    assert.equal(recent.perHourNanoUsd(START + 2 * HOUR_MS), 100);
    recent.add(START + 100 * HOUR_MS, 35);
    assert.equal(recent.perHourNanoUsd(START + 100 * HOUR_MS), 10);
    assert.equal(recent.perHourNanoUsd(START + 200 * HOUR_MS), 0);
  });
});

describe("a view", () => {
  it("shows the present period of every budget that has one", () => {
    const book = new BudgetBook();
    const common = { scopes: ["tenant/default"], timeZone: "UTC", kind: "hard", alertsAtPermille: [], cheaperFromPermille: null } as const;
    const budgets: readonly Budget[] = [
      { ...common, id: "month", period: "month", limitNanoUsd: 1_000 },
      { ...common, id: "none", period: "total", limitNanoUsd: 0, kind: "soft" },
      { ...common, id: "cap", period: "request", limitNanoUsd: 900 },
    ];
    const noon = START + 12 * HOUR_MS;
    book.configure(budgets, () => undefined, noon);
    for (const id of ["a", "b"]) book.admit({ attemptId: id, requestId: id, scopes: ["tenant/default"], boundNanoUsd: 300, wallMs: noon });
    book.settle("a", 310, noon);
    const [month, none, ...more] = viewsOf(book, noon);
    assert.deepEqual(more, []);
    const { budget, forecast, ...shown } = month ?? assert.fail("no view");
    assert.deepEqual(shown, { periodKey: "2026-11", startsAtMs: START, resetsAtMs: END, settledNanoUsd: 310, heldNanoUsd: 300, overrunNanoUsd: 10, leftNanoUsd: 390, settledPermille: 310, usedPermille: 610 });
    assert.equal(budget.id, "month");
    assert.equal(forecast.periodPerHourNanoUsd, Math.round(310 / 12));
    assert.deepEqual([none?.leftNanoUsd, none?.usedPermille, none?.resetsAtMs], [0, null, null]);
  });
});
