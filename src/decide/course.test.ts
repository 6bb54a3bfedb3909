import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Outcome } from "../wire/outcome.ts";
import { Allowance } from "./allowance.ts";
import { Course, type Command } from "./course.ts";
import { HealthBook } from "./health/book.ts";
import { candidate, failed } from "./test-candidates.ts";

const ANSWERED: Outcome = { kind: "answered" };

/** A course over candidates a, b, c …, in a book of its own. */
function course(names: readonly string[], deadlineMs = 100_000): Course {
  const health = new HealthBook({ restMs: 5_000, restMaxMs: 300_000 });
  return new Course({ candidates: names.map((name) => candidate(name)), endpoint: "chat", startMs: 0, deadlineMs, once: false, health, allowance: new Allowance(), random: () => 0.5 });
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
