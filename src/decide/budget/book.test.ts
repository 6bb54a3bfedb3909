import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Settled } from "./account.ts";
import { BudgetBook } from "./book.ts";
import type { HoldAsk } from "./book.ts";
import type { Admission, Budget } from "./types.ts";

const NOON = Date.UTC(2026, 10, 23, 12);
const DAY_MS = 86_400_000;
const SCOPES = ["tenant/default", "team/search", "key/app", "model/small"];

function budget(id: string, limitNanoUsd: number, more: Partial<Budget> = {}): Budget {
  return { id, scopes: ["tenant/default"], period: "month", timeZone: "UTC", limitNanoUsd, kind: "hard", alertsAtPermille: [], cheaperFromPermille: null, ...more };
}

function bookOf(...budgets: readonly Budget[]): BudgetBook {
  const book = new BudgetBook();
  book.configure(budgets, () => undefined, NOON);
  return book;
}

let made = 0;
function ask(boundNanoUsd: number | null, more: Partial<HoldAsk> = {}): HoldAsk {
  made += 1;
  return { attemptId: `a${made}`, requestId: `r${made}`, scopes: SCOPES, boundNanoUsd, wallMs: NOON, ...more };
}

function refusedBy(admission: Admission): string {
  return admission.kind === "refused" ? `${admission.why} ${admission.budget.id}` : admission.kind;
}

describe("a budget", () => {
  it("admits up to its limit and not a nano-dollar beyond", () => {
    const book = bookOf(budget("b", 100));
    assert.equal(book.admit(ask(60)).kind, "admitted");
    assert.equal(refusedBy(book.admit(ask(41))), "exceeded b");
    assert.equal(book.admit(ask(40)).kind, "admitted");
    assert.equal(refusedBy(book.admit(ask(1))), "exceeded b");
    assert.equal(book.admit(ask(0)).kind, "admitted");
  });

  it("refuses what has no known bound, and takes no bound that is no amount for one", () => {
    const book = bookOf(budget("b", 100));
    for (const bound of [null, Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 2 ** 60]) assert.equal(refusedBy(book.admit(ask(bound))), "unbounded b", String(bound));
    assert.deepEqual(book.balanceOf("b", NOON), { settledNanoUsd: 0, heldNanoUsd: 0, overrunNanoUsd: 0 });
  });

  it("says what it stands at and when it begins anew", () => {
    const book = bookOf(budget("b", 100));
    book.admit(ask(70));
    assert.deepEqual(book.admit(ask(31)), {
      kind: "refused",
      why: "exceeded",
      budget: budget("b", 100),
      periodKey: "2026-11",
      balance: { settledNanoUsd: 0, heldNanoUsd: 70, overrunNanoUsd: 0 },
      resetsAtMs: Date.UTC(2026, 11, 1),
    });
  });

  it("applies to a hold that carries all of its scopes, in any order", () => {
    const book = bookOf(budget("b", 0, { scopes: ["model/small", "team/search"] }));
    assert.equal(book.admit(ask(1, { scopes: ["team/search", "model/large"] })).kind, "admitted");
    assert.equal(refusedBy(book.admit(ask(1, { scopes: ["team/search", "x", "model/small"] }))), "exceeded b");
  });

  it("that is soft refuses nothing, bound or no bound, and is counted", () => {
    const book = bookOf(budget("b", 10, { kind: "soft" }));
    const priced = ask(50);
    assert.equal(book.admit(priced).kind, "admitted");
    assert.equal(book.admit(ask(null)).kind, "admitted");
    book.settle(priced.attemptId, 30, NOON);
    assert.deepEqual(book.balanceOf("b", NOON), { settledNanoUsd: 30, heldNanoUsd: 0, overrunNanoUsd: 0 });
  });

  it("holds over all that apply or over none, and the one that forbids for longest is named", () => {
    const book = bookOf(budget("day", 10, { period: "day" }), budget("ever", 20, { period: "total" }), budget("month", 10), budget("wide", 1_000));
    assert.equal(refusedBy(book.admit(ask(11))), "exceeded month");
    assert.equal(refusedBy(book.admit(ask(21))), "exceeded ever");
    for (const id of ["day", "ever", "month", "wide"]) assert.equal(book.balanceOf(id, NOON)?.heldNanoUsd, 0, id);
    assert.deepEqual(book.sizes, { holds: 0, requests: 0 });
  });

  it("of a request bounds the sum of its attempts, and no other request's", () => {
    const book = bookOf(budget("cap", 100, { period: "request" }));
    const first = ask(60, { requestId: "r" });
    assert.equal(book.admit(first).kind, "admitted");
    assert.equal(refusedBy(book.admit(ask(41, { requestId: "r" }))), "exceeded cap");
    book.settle(first.attemptId, 20, NOON);
    assert.equal(refusedBy(book.admit(ask(81, { requestId: "r" }))), "exceeded cap");
    assert.equal(book.admit(ask(80, { requestId: "r" })).kind, "admitted");
    assert.equal(book.admit(ask(100, { requestId: "other" })).kind, "admitted");
    assert.deepEqual(book.deltas(first.attemptId, 20), []);
  });
});

describe("a hold", () => {
  it("is held once however often it is asked for", () => {
    const book = bookOf(budget("b", 100));
    const hold = ask(60);
    book.admit(hold);
    assert.equal(book.admit(hold).kind, "admitted");
    assert.equal(book.balanceOf("b", NOON)?.heldNanoUsd, 60);
  });

  it("that no budget applies to is not kept", () => {
    const book = bookOf(budget("b", 0, { scopes: ["key/other"] }));
    const hold = ask(5);
    assert.equal(book.admit(hold).kind, "admitted");
    assert.deepEqual(book.sizes, { holds: 0, requests: 0 });
    assert.deepEqual(book.deltas(hold.attemptId, 5), []);
  });

  it("is raised whole or stays as it was", () => {
    const book = bookOf(budget("b", 100), budget("c", 80));
    const hold = ask(50);
    book.admit(hold);
    assert.equal(refusedBy(book.raise(hold.attemptId, 81)), "exceeded c");
    assert.equal(book.balanceOf("b", NOON)?.heldNanoUsd, 50);
    assert.equal(book.raise(hold.attemptId, 80).kind, "admitted");
    assert.equal(book.raise(hold.attemptId, 10).kind, "admitted");
    assert.equal(book.balanceOf("b", NOON)?.heldNanoUsd, 80);
    assert.equal(refusedBy(book.raise(hold.attemptId, null)), "unbounded b");
    book.release(hold.attemptId);
    assert.equal(book.balanceOf("b", NOON)?.heldNanoUsd, 0);
    assert.equal(book.balanceOf("c", NOON)?.settledNanoUsd, 0);
  });

  it("takes effect when it is settled, not when it is worked out what that adds", () => {
    const book = bookOf(budget("b", 100));
    const hold = ask(60);
    book.admit(hold);
    assert.deepEqual(book.deltas(hold.attemptId, 25), [{ budgetId: "b", periodKey: "2026-11", settledNanoUsd: 25, overrunNanoUsd: 0 }]);
    assert.deepEqual(book.balanceOf("b", NOON), { settledNanoUsd: 0, heldNanoUsd: 60, overrunNanoUsd: 0 });
    book.settle(hold.attemptId, 25, NOON);
    book.settle(hold.attemptId, 25, NOON);
    assert.deepEqual(book.balanceOf("b", NOON), { settledNanoUsd: 25, heldNanoUsd: 0, overrunNanoUsd: 0 });
  });

  it("that costs more than its bound counts in full, and nothing is admitted until it is covered", () => {
    const book = bookOf(budget("b", 100));
    const hold = ask(90);
    book.admit(hold);
    assert.equal(book.deltas(hold.attemptId, 130)[0]?.overrunNanoUsd, 40);
    book.settle(hold.attemptId, 130, NOON);
    assert.deepEqual(book.balanceOf("b", NOON), { settledNanoUsd: 130, heldNanoUsd: 0, overrunNanoUsd: 40 });
    assert.equal(refusedBy(book.admit(ask(0))), "exceeded b");
    book.configure([budget("b", 131)], () => undefined, NOON);
    assert.equal(book.admit(ask(1)).kind, "admitted");
  });

  it("belongs to the period in which it was made, and so does its charge", () => {
    const book = bookOf(budget("b", 100, { period: "day" }));
    const late = ask(60);
    book.admit(late);
    const tomorrow = NOON + DAY_MS;
    assert.equal(book.admit(ask(100, { wallMs: tomorrow })).kind, "admitted");
    assert.equal(book.deltas(late.attemptId, 50)[0]?.periodKey, "2026-11-23");
    book.settle(late.attemptId, 50, tomorrow);
    assert.equal(book.balanceOf("b", NOON)?.settledNanoUsd, 50);
    assert.equal(book.balanceOf("b", tomorrow)?.settledNanoUsd, 0);
  });
});

describe("a change of budgets", () => {
  it("cuts a limit to anything, for new holds at once, and keeps what was spent", () => {
    const book = bookOf(budget("b", 100));
    const hold = ask(60);
    book.admit(hold);
    book.configure([budget("b", 0)], () => assert.fail("what stays is not asked for"), NOON);
    assert.equal(refusedBy(book.admit(ask(1))), "exceeded b");
    book.settle(hold.attemptId, 55, NOON);
    assert.equal(book.balanceOf("b", NOON)?.settledNanoUsd, 55);
  });

  it("starts a new one from the records and from the holds that are open", () => {
    const book = bookOf(budget("old", 1_000));
    const known = ask(10);
    book.admit(known);
    const unknown = ask(7, { scopes: ["team/else"] });
    book.admit(unknown);
    const settled: Settled = { settledNanoUsd: 30, overrunNanoUsd: 2 };
    book.configure([budget("new", 100, { scopes: ["team/search"] }), budget("else", 7, { scopes: ["team/else"] })], ({ id }) => (id === "new" ? settled : undefined), NOON);
    book.restore([unknown]);
    book.restore([unknown]);
    assert.deepEqual(book.balanceOf("new", NOON), { settledNanoUsd: 30, heldNanoUsd: 10, overrunNanoUsd: 2 });
    assert.equal(refusedBy(book.admit(ask(1, { scopes: ["team/else"] }))), "exceeded else");
    book.settle(known.attemptId, 10, NOON);
    assert.equal(book.balanceOf("new", NOON)?.settledNanoUsd, 40);
    assert.equal(book.balanceOf("old", NOON), undefined);
  });

  it("takes a correction to the period of the call that it corrects", () => {
    const book = bookOf(budget("b", 100, { period: "day" }), budget("cap", 10, { period: "request" }));
    book.admit(ask(1, { wallMs: NOON + DAY_MS }));
    const deltas = book.adjustments(SCOPES, NOON, -5);
    assert.deepEqual(deltas, [{ budgetId: "b", periodKey: "2026-11-23", settledNanoUsd: -5, overrunNanoUsd: 0 }]);
    book.apply(deltas);
    assert.equal(book.balanceOf("b", NOON)?.settledNanoUsd, -5);
    assert.equal(book.balanceOf("b", NOON + DAY_MS)?.settledNanoUsd, 0);
  });
});

describe("memory", () => {
  it("keeps a few periods and those with open holds; what is forgotten is read again", () => {
    const records = new Map<string, Settled>();
    const book = new BudgetBook();
    book.configure([budget("b", 100, { period: "day" })], (_, key) => records.get(key), NOON);
    const open = ask(0);
    book.admit(open);
    for (let day = 0; day < 400; day += 1) {
      const hold = ask(50, { wallMs: NOON + day * DAY_MS });
      assert.equal(book.admit(hold).kind, "admitted", String(day));
      for (const delta of book.deltas(hold.attemptId, 40)) records.set(delta.periodKey, delta);
      book.settle(hold.attemptId, 40, hold.wallMs);
    }
    const keys = [...(book.accounts.get("b")?.tallies ?? [])].map(({ key }) => key);
    assert.ok(keys.length <= 5, keys.join(" "));
    book.settle(open.attemptId, 7, NOON);
    assert.equal(book.balanceOf("b", NOON)?.settledNanoUsd, 47);
    assert.equal(book.balanceOf("b", NOON + 5 * DAY_MS)?.settledNanoUsd, 40);
    assert.equal(refusedBy(book.admit(ask(61, { wallMs: NOON + 5 * DAY_MS }))), "exceeded b");
  });

  it("forgets requests that have ended, and those that rest longest where nobody says so", () => {
    const book = new BudgetBook({ restingRequestsMax: 10 });
    book.configure([budget("cap", 100, { period: "request" })], () => undefined, NOON);
    for (let at = 0; at < 100; at += 1) {
      const hold = ask(1);
      book.admit(hold);
      book.settle(hold.attemptId, 1, NOON);
    }
    assert.deepEqual(book.sizes, { holds: 0, requests: 10 });
    const told = ask(1);
    book.admit(told);
    book.endRequest(told.requestId);
    assert.equal(book.sizes.requests, 11);
    book.settle(told.attemptId, 1, NOON);
    assert.equal(book.sizes.requests, 10);
  });
});

describe("the ladder", () => {
  it("tells each threshold once a period, and again where a higher limit put it ahead", () => {
    const book = bookOf(budget("b", 100, { alertsAtPermille: [500, 1_000] }));
    const spend = (nanoUsd: number): void => {
      const hold = ask(0);
      book.admit(hold);
      book.settle(hold.attemptId, nanoUsd, NOON);
    };
    const due = (): readonly number[] => book.alertsDue().map(({ permille }) => permille);
    spend(49);
    assert.deepEqual(due(), []);
    spend(1);
    assert.deepEqual(due(), [500]);
    spend(10);
    assert.deepEqual(due(), []);
    book.configure([budget("b", 200, { alertsAtPermille: [500, 1_000] })], () => undefined, NOON);
    assert.deepEqual(due(), []);
    spend(40);
    assert.deepEqual(due(), [500]);
    book.configure([budget("b", 80, { alertsAtPermille: [500, 1_000] })], () => undefined, NOON);
    assert.deepEqual(due(), [1_000]);
    book.configure([budget("b", 300, { alertsAtPermille: [500] })], () => undefined, NOON);
    spend(60);
    book.configure([], () => undefined, NOON);
    assert.deepEqual(due(), []);
  });

  it("does not tell again after a restart what is on record as told", () => {
    const book = new BudgetBook();
    book.configure([budget("b", 100, { alertsAtPermille: [500, 900] })], () => ({ settledNanoUsd: 95, overrunNanoUsd: 0, toldPermille: 500 }), NOON);
    assert.deepEqual(book.alertsDue().map(({ permille }) => permille), [900]);
  });

  it("names the budget from whose share on cheaper candidates are taken", () => {
    const book = bookOf(budget("b", 100, { cheaperFromPermille: 800 }), budget("c", 100));
    book.admit(ask(79));
    assert.equal(book.cheaperFor(SCOPES, NOON), null);
    book.admit(ask(1));
    assert.equal(book.cheaperFor(SCOPES, NOON)?.id, "b");
    assert.equal(book.cheaperFor(["key/other"], NOON), null);
  });
});
