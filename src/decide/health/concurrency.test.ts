import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isFull, newConcurrency, recordContent, recordSlow, type SlowCall } from "./concurrency.ts";

const SLOW: SlowCall = { inFlightAtSend: 10, thresholdMs: 1_000, provenShare: 0.5, budget: 0.01 };

describe("a learned limit of calls at once", () => {
  it("is four fifths of what was in flight when the slow call was sent, once per threshold's time", () => {
    const concurrency = newConcurrency();
    recordSlow(concurrency, SLOW, 0);
    assert.equal(concurrency.limit, 8);
    recordSlow(concurrency, SLOW, 999);
    assert.equal(concurrency.limit, 8);
    recordSlow(concurrency, SLOW, 1_000);
    assert.equal(concurrency.limit, 6.4);
  });

  it("does not fall with few in flight, nor where no more is slow than may be", () => {
    for (const call of [{ ...SLOW, inFlightAtSend: 4 }, { ...SLOW, provenShare: 0.05 }, { ...SLOW, budget: 0.2 }]) {
      const concurrency = newConcurrency();
      recordSlow(concurrency, call, 0);
      assert.equal(concurrency.limit, Number.POSITIVE_INFINITY);
    }
  });

  it("is never below one", () => {
    const concurrency = newConcurrency();
    for (let i = 0; i < 100; i += 1) recordSlow(concurrency, SLOW, i * 1_000);
    assert.equal(concurrency.limit, 1);
    assert.equal(isFull(concurrency), false);
    concurrency.inFlight = 1;
    assert.equal(isFull(concurrency), true);
  });

  it("rises by about half a call for each round of content that comes near it, and not below", () => {
    const concurrency = newConcurrency();
    recordSlow(concurrency, SLOW, 0);
    concurrency.inFlight = 6;
    recordContent(concurrency);
    assert.equal(concurrency.limit, 8);
    concurrency.inFlight = 7;
    for (let i = 0; i < 8; i += 1) recordContent(concurrency);
    assert.ok(concurrency.limit > 8.4 && concurrency.limit < 8.5, `${concurrency.limit}`);
  });
});
