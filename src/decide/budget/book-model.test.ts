import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BudgetBook } from "./book.ts";
import type { HoldAsk } from "./book.ts";
import { NaiveBudgets, naiveKey } from "./test-naive.ts";
import type { NaiveHold } from "./test-naive.ts";
import type { Admission, Budget, Period } from "./types.ts";

const RUNS = 250;
const OPERATIONS = 400;
const START = Date.UTC(2026, 9, 24, 20);
const HOUR_MS = 3_600_000;
const PERIODS: readonly Period[] = ["request", "day", "week", "month", "total"];
const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati"];

/** Numbers that an operation is made of; each is taken modulo what there is to choose from. */
type Draw = readonly [number, number, number];
const draw: fc.Arbitrary<Draw> = fc.tuple(fc.nat(99), fc.nat(99_999), fc.nat(99_999));

function at<T>(items: readonly T[], index: number): T {
  const item = items[index % items.length];
  assert.ok(item !== undefined, "nothing to choose from");
  return item;
}

/** Organisation → team → project → key, with a member, a model and a route beside it. Some callers keep their array, some do not. */
function scopesOf(n: number): readonly string[] {
  const key = n % 12;
  const [project, team, org] = [key >> 1, key >> 2, key >> 3];
  return [`tenant/${org}`, `team/${team}`, `project/${project}`, `key/${key}`, `member/${n % 5}`, `model/${n % 3}`, `route/${n % 2}`];
}
const KEPT = Array.from({ length: 60 }, (_, n) => Object.freeze(scopesOf(n)));

function budgetOf(id: string, [a, b, c]: Draw): Budget {
  const all = scopesOf(b);
  const scopes = all.filter((_, index) => (c >> index) % 3 === 0).slice(0, 3);
  return {
    id,
    scopes: scopes.length === 0 ? [at(all, a)] : scopes,
    period: at(PERIODS, a),
    timeZone: at(ZONES, b),
    limitNanoUsd: c % 11 === 0 ? 0 : c % 900,
    kind: a % 5 === 0 ? "soft" : "hard",
    alertsAtPermille: [500, 800, 1_000].slice(a % 3),
    cheaperFromPermille: a % 2 === 0 ? 700 : null,
  };
}

function identity({ scopes, period, timeZone }: Budget): string {
  return `${scopes.toSorted().join(" ")} ${period} ${timeZone}`;
}

/** One run: the book and the list of all holds, side by side. */
class World {
  readonly naive = new NaiveBudgets();
  book = new BudgetBook();
  nowMs = START;
  step = 0;
  admitted = 0;
  refused = 0;
  requests: string[] = [];

  constructor(budgets: readonly Draw[]) {
    this.naive.budgets = budgets.map((one, index) => ({ budget: budgetOf(`b${index}`, one), since: 0 }));
    this.configure();
  }

  configure(): void {
    this.book.configure(this.naive.budgets.map(({ budget }) => budget), (budget, key) => this.naive.settledIn(budget, key), this.nowMs);
    this.book.restore(this.naive.openHolds());
  }

  operate([what, a, b]: Draw): void {
    this.step += 1;
    if (what < 42) this.admit(a, b);
    else if (what < 64) this.settle(a, b);
    else if (what < 68) this.release(a);
    else if (what < 75) this.raise(a, b);
    else if (what < 84) this.nowMs += what === 83 ? (b % 40) * 24 * HOUR_MS : (b % 180) * 60_000;
    else if (what < 89) this.changeLimit(a, b);
    else if (what < 92) this.changeBudgets(a, b);
    else if (what < 95) this.adjust(a, b);
    else if (what < 97) this.restart();
    else this.endRequest(a);
    if (this.step % 25 === 0) this.compareAll();
    this.checkAlerts();
  }

  admit(a: number, b: number): void {
    const requestId = a % 3 === 0 && this.requests.length > 0 ? at(this.requests, b) : `r${this.step}`;
    if (!this.requests.includes(requestId)) this.requests.push(requestId);
    // Wall clocks are set back now and then, over the end of a period too.
    const wallMs = a % 17 === 0 ? this.nowMs - (b % 50) * HOUR_MS : this.nowMs;
    const ask: HoldAsk = { attemptId: `a${this.step}`, requestId, scopes: a % 2 === 0 ? at(KEPT, b) : scopesOf(b), boundNanoUsd: a % 37 === 0 ? null : b % 120, wallMs };
    const admission = this.book.admit(ask);
    this.expect(admission, ask, ask.boundNanoUsd);
    if (admission.kind === "admitted") {
      this.naive.holds.push({ ask, boundNanoUsd: ask.boundNanoUsd, state: "open", costNanoUsd: 0, settledAt: 0, keys: new Map() });
      this.admitted += 1;
    } else this.refused += 1;
    this.compare(ask);
  }

  /** The rule itself: held if settled + held + bound ≤ limit for each hard budget, else not at all. */
  expect(admission: Admission, ask: HoldAsk, moreNanoUsd: number | null): void {
    const forbidding = this.naive.applicable(ask.scopes).filter((one) => {
      if (one.budget.kind === "soft") return false;
      const { settledNanoUsd, heldNanoUsd } = this.naive.balance(one, ask.requestId, ask.wallMs);
      return moreNanoUsd === null || settledNanoUsd + heldNanoUsd + moreNanoUsd > one.budget.limitNanoUsd;
    });
    assert.equal(admission.kind, forbidding.length === 0 ? "admitted" : "refused");
    if (admission.kind === "admitted") return;
    const named = forbidding.find(({ budget }) => budget.id === admission.budget.id) ?? assert.fail("named a budget that does not forbid it");
    assert.equal(admission.why, moreNanoUsd === null ? "unbounded" : "exceeded");
    assert.equal(admission.periodKey, naiveKey(named.budget, ask.wallMs));
    assert.deepEqual(admission.balance, this.naive.balance(named, ask.requestId, ask.wallMs));
    assert.ok(admission.resetsAtMs === null || naiveKey(named.budget, admission.resetsAtMs) !== admission.periodKey);
  }

  settle(a: number, b: number): void {
    const hold = this.open(a);
    if (hold === undefined) return;
    const { ask } = hold;
    const bound = hold.boundNanoUsd ?? 50;
    const cost = b % 19 === 0 ? null : b % 10 === 0 ? bound + (b % 70) : b % (bound + 1);
    const overrun = hold.boundNanoUsd === null ? 0 : Math.max(0, (cost ?? 0) - hold.boundNanoUsd);
    const lasting = cost === null || cost === 0 ? [] : this.naive.applicable(ask.scopes).filter(({ budget }) => budget.period !== "request");
    const expected = lasting.map(({ budget }) => ({ budgetId: budget.id, periodKey: naiveKey(budget, ask.wallMs), settledNanoUsd: cost, overrunNanoUsd: overrun }));
    assert.deepEqual(this.book.deltas(ask.attemptId, cost).toSorted((x, y) => (x.budgetId < y.budgetId ? -1 : 1)), expected.toSorted((x, y) => (x.budgetId < y.budgetId ? -1 : 1)));
    // The write of the charge fails now and then: nothing has changed.
    if (b % 7 !== 0) {
      this.book.settle(ask.attemptId, cost, this.nowMs);
      Object.assign(hold, { state: "settled", costNanoUsd: cost ?? 0, settledAt: this.step });
      if (b % 3 === 0) this.book.settle(ask.attemptId, cost, this.nowMs);
    }
    this.compare(ask);
  }

  release(a: number): void {
    const hold = this.open(a);
    if (hold === undefined) return;
    this.book.release(hold.ask.attemptId);
    hold.state = "released";
    this.compare(hold.ask);
  }

  raise(a: number, b: number): void {
    const hold = this.open(a);
    if (hold === undefined) return;
    const bound = b % 23 === 0 ? null : b % 160;
    const held = hold.boundNanoUsd ?? 0;
    // Less than what is held is no raise, and always granted.
    if (bound !== null && bound <= held) assert.equal(this.book.raise(hold.ask.attemptId, bound).kind, "admitted");
    else {
      const more = bound === null ? null : bound - held;
      const before = hold.boundNanoUsd;
      const admission = this.book.raise(hold.ask.attemptId, bound);
      this.expect(admission, hold.ask, more);
      if (admission.kind === "admitted") hold.boundNanoUsd = bound ?? before;
    }
    this.compare(hold.ask);
  }

  changeLimit(a: number, b: number): void {
    if (this.naive.budgets.length === 0) return;
    const one = at(this.naive.budgets, a);
    one.budget = { ...one.budget, limitNanoUsd: b % 4 === 0 ? 0 : b % 900, kind: b % 13 === 0 ? "soft" : "hard" };
    this.configure();
  }

  changeBudgets(a: number, b: number): void {
    const fresh = budgetOf(`b${b % 20}`, [a % 100, b, a]);
    const before = this.naive.budgets.find(({ budget }) => budget.id === fresh.id);
    this.naive.budgets = this.naive.budgets.filter((one) => one !== before);
    // With the same scopes, period and zone it is the same budget with another limit.
    const stays = before !== undefined && identity(before.budget) === identity(fresh);
    if (b % 3 !== 0) this.naive.budgets.push({ budget: fresh, since: stays ? before.since : this.step });
    this.configure();
  }

  adjust(a: number, b: number): void {
    if (this.naive.holds.length === 0) return;
    const { scopes, wallMs } = at(this.naive.holds, a).ask;
    const nanoUsd = (b % 80) - 40;
    const deltas = this.book.adjustments(scopes, wallMs, nanoUsd);
    this.naive.adjustments.push({ scopes, heldAtMs: wallMs, nanoUsd, keys: new Map() });
    this.book.apply(deltas);
    for (const one of this.naive.applicable(scopes)) this.compareOne(one, "", wallMs);
  }

  /** All that survives is what a ledger holds: its settled rows and its open ones. */
  restart(): void {
    this.book = new BudgetBook();
    for (const one of this.naive.budgets) one.since = this.step;
    this.configure();
    this.compareAll();
  }

  endRequest(a: number): void {
    if (this.requests.length === 0) return;
    const requestId = at(this.requests, a);
    this.book.endRequest(requestId);
    this.requests = this.requests.filter((one) => one !== requestId);
  }

  open(a: number): NaiveHold | undefined {
    const open = this.naive.holds.filter(({ state }) => state === "open");
    return open.length === 0 ? undefined : at(open, a);
  }

  compare(hold: HoldAsk): void {
    for (const one of this.naive.applicable(hold.scopes)) this.compareOne(one, hold.requestId, hold.wallMs);
  }

  compareAll(): void {
    for (const one of this.naive.budgets) this.compareOne(one, "", this.nowMs);
    // Holds under budgets of requests alone are in the book too, so this is all that it keeps.
    const kept = this.naive.openHolds().filter(({ scopes }) => this.naive.applicable(scopes).length > 0);
    assert.deepEqual([...this.book.openHolds()].map(({ attemptId }) => attemptId).toSorted(), kept.map(({ attemptId }) => attemptId).toSorted());
  }

  compareOne(one: { budget: Budget; since: number }, requestId: string, wallMs: number): void {
    if (one.budget.period === "request") return;
    assert.deepEqual(this.book.balanceOf(one.budget.id, wallMs), this.naive.balance(one, requestId, wallMs), `${one.budget.id} ${one.budget.period}`);
  }

  /** An alert is true when it is told. */
  checkAlerts(): void {
    for (const { budget, permille, balance } of this.book.alertsDue()) assert.ok(balance.settledNanoUsd * 1_000 >= budget.limitNanoUsd * permille && balance.settledNanoUsd > 0);
  }
}

describe("the book of budgets, against a list of all holds", () => {
  it(`admits, refuses and stands as the list says, over ${RUNS * OPERATIONS} operations`, () => {
    const total = { operations: 0, admitted: 0, refused: 0 };
    fc.assert(
      fc.property(fc.array(draw, { minLength: 1, maxLength: 14 }), fc.array(draw, { minLength: OPERATIONS, maxLength: OPERATIONS }), (budgets, operations) => {
        const world = new World(budgets);
        for (const operation of operations) world.operate(operation);
        world.compareAll();
        total.operations += operations.length;
        total.admitted += world.admitted;
        total.refused += world.refused;
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    // Both answers have to be common, or the rule was not put to the test.
    assert.ok(total.operations >= 100_000 && total.admitted > 10_000 && total.refused > 3_000, JSON.stringify(total));
  });
});
