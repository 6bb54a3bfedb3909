import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import fc from "fast-check";
import { WheelClock } from "./clock.ts";

/** What the wheel turns by, set by hand. */
let nowMs = 0;
let clock: WheelClock;
let errors: unknown[] = [];

beforeEach(() => {
  nowMs = 12_345.678;
  errors = [];
  mock.method(performance, "now", () => nowMs);
  mock.timers.enable({ apis: ["setInterval"] });
  clock = new WheelClock((error) => errors.push(error));
});
afterEach(() => {
  clock.close();
  mock.timers.reset();
  mock.restoreAll();
});

/** Time passes in steps no longer than the wheel's tick. */
function pass(ms: number): void {
  for (let left = ms; left > 0; left -= 10) {
    const stepMs = Math.min(10, left);
    nowMs += stepMs;
    mock.timers.tick(stepMs);
  }
}

describe("a timer of the wheel", () => {
  it("is called once, never early, and at most two ticks late", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 45_000 }), { minLength: 1, maxLength: 20 }), fc.integer({ min: 0, max: 19 }), (delays, offset) => {
        nowMs += offset + 0.4;
        const startMs = nowMs;
        const calledMs: number[][] = delays.map(() => []);
        delays.forEach((delay, i) => clock.after(delay, () => calledMs[i]?.push(nowMs - startMs)));
        pass(46_000);
        delays.forEach((delay, i) => {
          assert.equal(calledMs[i]?.length, 1);
          const at = calledMs[i]?.[0] ?? 0;
          assert.ok(at >= delay && at <= delay + 50, `${delay} was called at ${at}`);
        });
      }),
      { numRuns: 20 },
    );
  });

  it("beyond a turn of the wheel waits for its own turn", () => {
    let called = 0;
    clock.after(60_000, () => called++);
    pass(59_999);
    assert.equal(called, 0);
    pass(60);
    assert.equal(called, 1);
  });

  it("is not called once cancelled, however often that is said", () => {
    let called = 0;
    const timer = clock.after(100, () => called++);
    const other = clock.after(100, () => called++);
    timer.cancel();
    timer.cancel();
    pass(200);
    assert.equal(called, 1);
    other.cancel();
    pass(30_000);
    assert.equal(called, 1);
  });

  it("may be cancelled, and others set, from within a callback of the same tick", () => {
    const called: string[] = [];
    const timers: { cancel(): void }[] = [];
    for (let i = 0; i < 5; i++) {
      timers.push(
        clock.after(100, () => {
          called.push(String(i));
          for (const timer of timers) timer.cancel();
          clock.after(0, () => called.push("after"));
        }),
      );
    }
    pass(300);
    assert.equal(called.length, 2, called.join(" "));
    assert.equal(called[1], "after");
  });

  it("set from within a callback is called in a later tick, not for ever in this one", () => {
    let called = 0;
    const again = (): void => {
      called++;
      clock.after(0, again);
    };
    clock.after(0, again);
    pass(1_000);
    assert.ok(called >= 40 && called <= 52, String(called));
  });

  it("is called after a stall of the event loop that was longer than a turn of the wheel, each once", () => {
    const called: number[] = [];
    for (const delay of [10, 5_000, 20_000, 25_000, 60_000]) clock.after(delay, () => called.push(delay));
    nowMs += 40_000;
    mock.timers.tick(20);
    assert.deepEqual(called.toSorted((a, b) => a - b), [10, 5_000, 20_000, 25_000]);
    pass(21_000);
    assert.equal(called.length, 5);
  });

  it("that throws is reported, and the others are called all the same", () => {
    let called = 0;
    clock.after(50, () => called++);
    clock.after(50, () => {
      throw new Error("boom");
    });
    clock.after(50, () => called++);
    pass(100);
    assert.equal(called, 2);
    assert.deepEqual(errors.map((error) => (error as Error).message), ["boom"]);
  });
});

describe("the wheel", () => {
  it("turns again after it has stood still with nothing to do", () => {
    let called = 0;
    clock.after(50, () => called++);
    pass(100);
    pass(100_000);
    clock.after(50, () => called++);
    pass(100);
    assert.equal(called, 2);
  });

  it("calls nothing once closed, not even what is set afterwards", () => {
    let called = 0;
    const before = clock.after(50, () => called++);
    clock.close();
    clock.after(90, () => called++);
    before.cancel();
    pass(1_000);
    assert.equal(called, 0);
  });

  it("tells monotonic and wall time", () => {
    assert.equal(clock.nowMs(), nowMs);
    assert.ok(Math.abs(clock.wallMs() - Date.now()) < 1_000);
  });
});
