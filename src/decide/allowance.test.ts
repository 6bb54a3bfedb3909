import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Allowance } from "./allowance.ts";

describe("the retry allowance", () => {
  it("starts full, with ten", () => {
    const allowance = new Allowance();
    const taken = Array.from({ length: 20 }, () => allowance.tryTake(0)).filter(Boolean).length;
    assert.equal(taken, 10);
  });

  it("earns one repeat by five requests", () => {
    const allowance = new Allowance();
    while (allowance.tryTake(0));
    for (let i = 0; i < 4; i += 1) allowance.earn(0);
    assert.equal(allowance.tryTake(0), false);
    allowance.earn(0);
    assert.equal(allowance.tryTake(0), true);
    assert.equal(allowance.tryTake(0), false);
  });

  it("saves up ten seconds' worth at the measured rate, and forgets it when the traffic goes", () => {
    const allowance = new Allowance();
    for (let i = 0; i < 100 * 20; i += 1) allowance.earn(i * 10);
    assert.ok(Math.abs(allowance.capacity(20_000) - 200) <= 21, String(allowance.capacity(20_000)));
    assert.ok(allowance.tokens(20_000) > 150);
    assert.equal(allowance.capacity(40_000), 10);
    assert.equal(allowance.tokens(40_000), 10);
  });

  it("never goes negative nor above its capacity, and never pays for more than 10 + 0.2 a request", () => {
    const step = fc.record({ act: fc.constantFrom("earn", "take"), gapMs: fc.constantFrom(0, 0, 10, 900, 5_000, 60_000, -50), times: fc.integer({ min: 1, max: 300 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const allowance = new Allowance();
        let nowMs = 0;
        let requests = 0;
        let repeats = 0;
        for (const { act, gapMs, times } of steps) {
          nowMs = Math.max(0, nowMs + gapMs);
          for (let i = 0; i < times; i += 1) {
            if (act === "earn") {
              allowance.earn(nowMs);
              requests += 1;
            } else if (allowance.tryTake(nowMs)) repeats += 1;
          }
          assert.ok(allowance.tokens(nowMs) >= 0);
          assert.ok(allowance.tokens(nowMs) <= allowance.capacity(nowMs) + 1e-9);
          assert.ok(repeats <= 10 + 0.2 * requests + 1e-6, `${repeats} repeats of ${requests} requests`);
        }
      }),
      { numRuns: 300 },
    );
  });
});
