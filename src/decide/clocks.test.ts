import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { latestStartMs, reserveMs, stepTimes } from "./clocks.ts";
import { DEFAULT_CLOCKS } from "./deployment.ts";

describe("latest starts", () => {
  it("leave 30 s to each later step and to the last one itself", () => {
    assert.deepEqual([1, 2, 3].map((step) => latestStartMs(600_000, step, 3)), [510_000, 540_000, 570_000]);
  });

  it("never reserve more than a fifth of the deadline for a step", () => {
    assert.equal(reserveMs(600_000), 30_000);
    assert.equal(reserveMs(150_000), 30_000);
    assert.equal(reserveMs(50_000), 10_000);
    assert.deepEqual([1, 2, 3].map((step) => latestStartMs(10_000, step, 3)), [4_000, 6_000, 8_000]);
  });

  it("are given for at most three steps, however many candidates a route has", () => {
    assert.deepEqual(stepTimes(DEFAULT_CLOCKS, 7), { latestStartsMs: [510_000, 540_000, 570_000], refusal: null });
  });

  it("refuse a route whose last step has less time left than it may take to connect", () => {
    const short = { ...DEFAULT_CLOCKS, deadlineMs: 9_000 };
    assert.equal(stepTimes(short, 2).refusal, "its last step would have 1800 ms left, less than the 2000 ms it may take to connect");
    assert.equal(stepTimes({ ...short, deadlineMs: 10_000 }, 2).refusal, null);
    assert.equal(stepTimes({ ...short, connectMs: 500 }, 2).refusal, null);
  });

  it("leave a route with one candidate alone: nothing is promised after it", () => {
    assert.equal(stepTimes({ ...DEFAULT_CLOCKS, deadlineMs: 1_000 }, 1).refusal, null);
  });
});
