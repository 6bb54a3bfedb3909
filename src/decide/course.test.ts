import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Outcome } from "../wire/outcome.ts";
import { Allowance } from "./allowance.ts";
import { DEFAULT_TERMS } from "./balance/route-book.ts";
import { RouteState } from "./balance/route-state.ts";
import { TokenBucket } from "./balance/tokens.ts";
import type { Plan } from "./balance/types.ts";
import { Course, type Command, type CourseFacts } from "./course.ts";
import { HealthBook } from "./health/book.ts";
import { candidate, failed } from "./test-candidates.ts";

const ANSWERED: Outcome = { kind: "answered" };

/** A course over candidates a, b, c …, in a book of its own. */
function course(names: readonly string[], deadlineMs = 100_000, more: Partial<CourseFacts> = {}): Course {
  const health = new HealthBook({ restMs: 5_000, restMaxMs: 300_000 });
  return new Course({ candidates: names.map((name) => candidate(name)), endpoint: "chat", startMs: 0, deadlineMs, once: false, health, allowance: new Allowance(), random: () => 0.5, ...more });
}

/** A plan for a and b that starts b beside a, and a route that can pay for it. */
function beside(plan: Pick<Plan, "hedge" | "race">): Partial<CourseFacts> {
  const bucket = () => new TokenBucket({ share: 1, capacity: 3, starts: "full" });
  const state = new RouteState({ objectives: [], terms: DEFAULT_TERMS, wallAheadMs: 0, hedgeTokens: bucket(), exploreTokens: bucket() });
  const scores = [0, 1].map((i) => ({ candidate: i, scoreNanoUsd: i, priceNanoUsd: 0, failsBefore: 0, failsAfter: 0, slow: 0, calls: 1 }));
  return { steering: { state, plan: { order: [0, 1], scores, pressure: { availabilityNanoUsd: 0, latencyNanoUsd: 0 }, riskFails: 0, riskLate: 0, ...plan } } };
}

function launched(course: Course, nowMs: number): number {
  const command = course.next(nowMs);
  assert.equal(command.kind, "launch");
  return course.launched(command as Extract<Command, { kind: "launch" }>, nowMs);
}

describe("the course of a request", () => {
  it("starts the first candidate, then waits for what becomes of it", () => {
    const one = course(["a", "b"]);
    const first = launched(one, 0);
    one.called(first, 30_000, 0);
    assert.deepEqual(one.next(0), { kind: "idle" });
    assert.equal(one.wakeMs, 30_000);
    one.ended(first, failed("server"), 10);
    const second = launched(one, 10);
    assert.equal(second, 1);
    one.called(second, 30_000, 10);
    one.ended(second, failed("server"), 20);
    assert.equal(one.next(20).kind, "idle", "the same target again, after a pause");
    assert.ok(one.wakeMs > 20 && one.wakeMs < 2_020);
  });

  it("kills nothing that is late: the next starts beside it, and the elder of two late ones makes room for a third", () => {
    const one = course(["a", "b", "c"]);
    one.called(launched(one, 0), 5_000, 0);
    assert.equal(one.next(4_999).kind, "idle");
    one.called(launched(one, 5_000), 5_000, 5_000);
    assert.deepEqual([one.isLate(0), one.isLate(1)], [true, false]);
    assert.deepEqual(one.next(10_000), { kind: "drop", attempt: 0 });
    assert.equal(one.next(10_000).kind, "idle", "until the elder is booked");
    one.ended(0, { kind: "superseded", phase: "before-content" }, 10_000);
    one.dropped();
    assert.equal(launched(one, 10_001), 2);
  });

  it("is asked again for each step before its latest start, however patient the attempt's own clock is", () => {
    const one = course(["a", "b"], 100_000);
    one.called(launched(one, 0), 300_000, 0);
    assert.equal(one.wakeMs, 80_000, "step 2 of 2 leaves a fifth of the deadline to itself");
    assert.equal(one.next(80_000).kind, "launch");
  });

  it("pays once for a repeat, however often it has to wait again before it is made", () => {
    const health = new HealthBook({ restMs: 5_000, restMaxMs: 300_000 });
    const allowance = new Allowance();
    const one = course(["a"], 100_000, { health, allowance });
    const refused = (retryAfterMs: number): Outcome => ({ ...failed("rate"), error: { ...(failed("rate") as Extract<Outcome, { kind: "failed" }>).error, retryAfterMs } }) as Outcome;
    const other = (retryAfterMs: number, nowMs: number): void => health.observe(health.sent({ deployment: "a/m", account: "a", endpoint: "chat" }, nowMs, false), refused(retryAfterMs), nowMs, 0);
    const first = launched(one, 0);
    one.called(first, 30_000, 0);
    one.ended(first, refused(1_000), 0);
    let nowMs = 0;
    for (let times = 0; times < 5; times++) {
      assert.equal(one.next(nowMs).kind, "idle");
      nowMs = one.wakeMs;
      other(1_000, nowMs - 1);
    }
    assert.equal(one.next(nowMs).kind, "idle");
    assert.equal(one.next((nowMs = one.wakeMs)).kind, "launch");
    assert.equal(allowance.tokens(nowMs), allowance.capacity(nowMs) - 1);
  });

  it("pays for a move to one that came to rest while its pause was waited for", () => {
    const health = new HealthBook({ restMs: 60_000, restMaxMs: 300_000 });
    const allowance = new Allowance();
    const one = course(["a", "b"], 100_000, { health, allowance });
    const tell = (outcome: Outcome, nowMs: number): void => health.observe(health.sent({ deployment: "b/m", account: "b", endpoint: "chat" }, nowMs, false), outcome, nowMs, 0);
    tell(failed("rate"), 0);
    const first = launched(one, 0);
    one.called(first, 30_000, 0);
    one.ended(first, failed("not_found"), 10);
    assert.deepEqual([one.next(10).kind, one.wakeMs], ["idle", 1_000]);
    for (let i = 0; i < 5; i++) tell(failed("server"), 500);
    while (allowance.tryTake(600));
    assert.deepEqual(one.next(1_000), { kind: "stop", why: "allowance", retryAfterMs: null });
  });

  it("counts no hold that was refused on a candidate's own account, and halts on one that was not", () => {
    const own = course(["a", "b"]);
    const first = launched(own, 0);
    own.unheld(first, true);
    own.ended(first, failed("timeout"), 0);
    assert.equal((own.next(0) as { candidate?: number }).candidate, 1);
    const shared = course(["a", "b"]);
    const only = launched(shared, 0);
    shared.unheld(only, false);
    shared.ended(only, failed("timeout"), 0);
    assert.deepEqual(shared.next(0), { kind: "stop", why: "unheld", retryAfterMs: null });
  });

  it("waits for what a call has to fetch, and decides anew if the other attempt ends meanwhile", () => {
    const one = course(["a", "b"]);
    const step = one.next(0) as Extract<Command, { kind: "launch" }>;
    one.deferred(step);
    assert.equal(one.next(1).kind, "idle");
    one.resumed(50);
    assert.deepEqual(one.next(50), step);
  });

  it("never has more than two attempts in flight, nor more than three in all, whatever happens, and always comes to an end", () => {
    const event = fc.record({ afterMs: fc.integer({ min: 0, max: 40_000 }), which: fc.integer({ min: 0, max: 2 }), how: fc.constantFrom("fail", "rate", "nothing", "unfit", "own") });
    fc.assert(fc.property(fc.integer({ min: 1, max: 5 }), fc.array(event, { maxLength: 40 }), (count, events) => {
      const one = course(["a", "b", "c", "d", "e"].slice(0, count));
      const open = new Set<number>();
      let attempts = 0;
      let nowMs = 0;
      let stopped = false;
      const drive = (own: boolean): void => {
        for (let turn = 0; turn < 50 && !stopped; turn++) {
          const command = one.next(nowMs);
          if (command.kind === "idle") return;
          if (command.kind === "stop") stopped = true;
          else if (command.kind === "drop") {
            assert.ok(open.delete(command.attempt));
            one.ended(command.attempt, { kind: "superseded", phase: "before-content" }, nowMs);
            one.dropped();
          } else {
            const attempt = one.launched(command, nowMs);
            if (own) {
              one.unheld(attempt, true);
              one.ended(attempt, failed("timeout"), nowMs);
              continue;
            }
            attempts += 1;
            open.add(attempt);
            one.called(attempt, 30_000, nowMs);
            assert.ok(open.size <= 2 && attempts <= 3, `${open.size} in flight, ${attempts} in all`);
          }
        }
      };
      drive(false);
      for (const { afterMs, which, how } of events) {
        if (stopped) break;
        nowMs += afterMs;
        const attempt = [...open][which];
        if (how === "unfit") one.unfit(which % count);
        else if (how !== "nothing" && attempt !== undefined) {
          open.delete(attempt);
          one.ended(attempt, failed(how === "rate" ? "rate" : "server"), nowMs);
        }
        drive(how === "own");
      }
      // All that is open fails, and time goes on: an end has to come.
      for (let turn = 0; turn < 20 && !stopped; turn++) {
        for (const attempt of open) one.ended(attempt, failed("server"), nowMs);
        open.clear();
        drive(false);
        nowMs = Number.isFinite(one.wakeMs) ? Math.max(nowMs + 1, one.wakeMs) : nowMs + 1;
      }
      assert.ok(stopped, "the course never stopped");
    }), { numRuns: 300 });
  });

  it("starts a hedge when it is due, and none once the first has content or has ended", () => {
    const hedged = (): { one: Course; first: number } => {
      const one = course(["a", "b"], 100_000, beside({ hedge: { candidate: 1, afterMs: 2_000 }, race: null }));
      const first = launched(one, 0);
      one.called(first, 30_000, 0);
      assert.deepEqual([one.next(1_999).kind, one.wakeMs], ["idle", 2_000]);
      return { one, first };
    };
    const due = hedged().one.next(2_000);
    assert.deepEqual(due.kind === "launch" && [due.why, due.candidate, due.metered], ["hedge", 1, false]);
    const served = hedged();
    assert.equal(served.one.content(served.first, 1_999), true);
    assert.equal(served.one.next(2_000).kind, "idle");
    const over = hedged();
    over.one.ended(over.first, failed("server"), 1_999);
    assert.equal((over.one.next(2_000) as { why?: string }).why, "failover");
  });

  it("asks to be woken for nothing that is past: a hedge whose time comes when another is there already, or is being fetched", () => {
    const hedged = (): Course => {
      const one = course(["a", "b", "c"], 100_000, beside({ hedge: { candidate: 1, afterMs: 2_000 }, race: null }));
      one.called(launched(one, 0), 1_000, 0);
      return one;
    };
    const idle = (one: Course, nowMs: number): void => {
      assert.equal(one.next(nowMs).kind, "idle");
      assert.ok(one.wakeMs > nowMs, `at ${nowMs} it is to be asked again at ${one.wakeMs}`);
    };
    const two = hedged();
    const second = launched(two, 1_000);
    two.called(second, 30_000, 1_000);
    idle(two, 2_000);
    two.ended(second, failed("server"), 2_500);
    two.called(launched(two, 2_500), 30_000, 2_500);
    idle(two, 2_600);
    const fetching = hedged();
    fetching.deferred(fetching.next(1_000) as Extract<Command, { kind: "launch" }>);
    idle(fetching, 2_000);
    const alone = course(["a"], 100_000, beside({ hedge: { candidate: 0, afterMs: 2_000 }, race: null }));
    alone.called(launched(alone, 0), 2_000, 0);
    idle(alone, 2_000);
  });

  it("reads on what was called beside the winner to be learnt of, until it is late, and calls nothing more", () => {
    const raced = (): { one: Course; first: number; second: number } => {
      const one = course(["a", "b"], 100_000, beside({ hedge: null, race: { candidate: 1, why: "explore" } }));
      const first = launched(one, 0);
      const second = launched(one, 0);
      one.called(first, 30_000, 0);
      return { one, first, second };
    };
    const { one, first, second } = raced();
    one.called(second, 5_000, 0);
    assert.equal(one.content(first, 100), true);
    assert.deepEqual([one.goesOn(second), one.next(4_999).kind, one.next(5_000)], [true, "idle", { kind: "drop", attempt: second }]);
    const uncalled = raced();
    uncalled.one.content(uncalled.first, 100);
    assert.equal(uncalled.one.goesOn(uncalled.second), false, "it would be called for a client that has its answer");
    const told = raced();
    told.one.called(told.second, 5_000, 0);
    told.one.content(told.first, 100);
    assert.deepEqual([told.one.content(told.second, 200), told.one.goesOn(told.second)], [false, false]);
  });

  it("decides nothing more once it is closed", () => {
    const one = course(["a", "b"]);
    const first = launched(one, 0);
    one.called(first, 30_000, 0);
    one.close();
    assert.deepEqual([one.next(50_000).kind, one.wakeMs], ["idle", Number.POSITIVE_INFINITY]);
    one.ended(first, ANSWERED, 60_000);
    assert.equal(one.next(60_000).kind, "idle");
  });
});
