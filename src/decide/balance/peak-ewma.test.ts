import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PeakEwma } from "./peak-ewma.ts";

const near = (value: number, expected: number): void => assert.ok(Math.abs(value - expected) < 1e-6 * expected, `${value} is not ${expected}`);

describe("how busy a deployment is", () => {
  it("is its wait times the calls in flight and one more", () => {
    const busy = new PeakEwma();
    assert.equal(busy.loadMs(0), 1_000, "a second while nothing is known");
    busy.waited(200, 1_000);
    assert.equal(busy.loadMs(1_000), 200);
    busy.sent();
    busy.sent();
    assert.equal(busy.loadMs(1_000), 600);
    busy.ended();
    assert.equal(busy.loadMs(1_000), 400);
  });

  it("rises at once with a longer wait, and falls with the time constant of ten seconds", () => {
    const busy = new PeakEwma();
    busy.waited(200, 0);
    busy.waited(9_000, 100);
    assert.equal(busy.loadMs(100), 9_000);
    busy.waited(200, 10_100);
    near(busy.loadMs(10_100), 9_000 * Math.exp(-1) + 200 * (1 - Math.exp(-1)));
  });

  it("falls with time alone, so that an idle one is tried again", () => {
    const busy = new PeakEwma();
    busy.waited(9_000, 0);
    near(busy.loadMs(30_000), 9_000 * Math.exp(-3));
    busy.waited(1_000, 60_000);
    assert.ok(busy.loadMs(60_000) <= 1_000 + 9_000 * Math.exp(-6) && busy.loadMs(60_000) >= 1_000);
  });

  it("counts a failure as five seconds at least, as Retry-After where that is said, and as five minutes at most", () => {
    const loads = [[10, 0], [10, 60_000], [10, 9_999_999], [8_000, 0]].map(([waitedMs, retryAfterMs]) => {
      const busy = new PeakEwma();
      busy.failed(waitedMs as number, retryAfterMs as number, 0);
      return busy.loadMs(0);
    });
    assert.deepEqual(loads, [5_000, 60_000, 300_000, 8_000]);
  });
});
