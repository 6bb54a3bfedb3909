import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { lowerBound, upperBound } from "./bounds.ts";
import { Observed } from "./observed.ts";
import type { SizeClass } from "./types.ts";

const T_MS = 10_000;

/** A deployment that is called once a second. */
class Calls {
  readonly observed: Observed;
  nowMs = 0;

  constructor(target?: number) {
    this.observed = new Observed(target === undefined ? {} : { target });
  }

  content(ttftMs: number, count = 1, sizeClass: SizeClass = 0): this {
    for (let i = 0; i < count; i++) {
      this.#sent();
      if (ttftMs > T_MS) this.observed.slow(sizeClass, T_MS, 1, this.nowMs);
      this.observed.content(sizeClass, ttftMs, T_MS, ttftMs > T_MS, this.nowMs);
      this.observed.ended(sizeClass, this.nowMs);
    }
    return this;
  }

  fails(count: number, sizeClass: SizeClass = 0): this {
    for (let i = 0; i < count; i++) {
      this.#sent();
      this.observed.failedBefore(sizeClass, this.nowMs);
    }
    return this;
  }

  breaks(count: number): this {
    for (let i = 0; i < count; i++) {
      this.#sent();
      this.observed.content(0, 1_000, T_MS, false, this.nowMs);
      this.observed.brokeAfter(0, this.nowMs);
    }
    return this;
  }

  estimate(sizeClass: SizeClass = 0): ReturnType<Observed["estimate"]> {
    return this.observed.estimate(T_MS, sizeClass, this.nowMs);
  }

  #sent(): void {
    this.nowMs += 1_000;
    this.observed.sent(this.nowMs);
  }
}

const within = (value: number, low: number, high: number): void => assert.ok(value >= low && value <= high, `${value} is not within ${low} … ${high}`);

describe("an estimate", () => {
  it("of what was never called is the prior", () => {
    const estimate = new Observed().estimate(T_MS, 1, 0);
    assert.deepEqual([estimate.failsBefore, estimate.failsAfter, estimate.slow, estimate.calls], [0.005, 0.0005, 0.02, 0]);
    assert.equal(estimate.quantile(0.96), null);
    within(estimate.later(T_MS), 0.019, 0.021);
    assert.equal(new Observed().estimate(0, 1, 0).slow, 0, "nobody asks for a time");
  });

  it("of whole streams is by what was promised of them, by counts of its own, and nothing else moves by it", () => {
    const calls = new Calls().content(1_000, 40);
    const { observed } = calls;
    const late = (): number => observed.estimate(0, 0, calls.nowMs, 30_000).slow;
    assert.equal(late(), 0.02, "nobody has told of one");
    for (let i = 0; i < 40; i++) observed.whole(0, i % 2 === 0 ? 10_000 : 40_000, 30_000, calls.nowMs);
    within(late(), 0.3, 0.6);
    assert.ok(calls.estimate().slow < 0.02 && observed.estimate(0, 0, calls.nowMs).slow === 0);
    assert.equal(observed.estimate(0, 0, calls.nowMs, 60_000).slow, 0.02, "of another length it says nothing");
    for (let i = 0; i < 400; i++) observed.whole(0, 10_000, 30_000, calls.nowMs);
    within(late(), 0.03, 0.1);
  });

  it("is not moved by one bad answer, and is by ten", () => {
    const calm = new Calls().content(1_000, 100);
    const before = calm.estimate().failsBefore;
    assert.ok(before < 0.002);
    within(calm.fails(1).estimate().failsBefore, before, 0.02);
    within(calm.fails(9).estimate().failsBefore, 0.15, 0.35);
    within(new Calls().fails(1).estimate().failsBefore, 0.005, 0.11);
    assert.ok(new Calls().fails(10).estimate().failsBefore > 0.6);
  });

  it("falls slowly after a bad hour, until a dozen good answers prove that it is over", () => {
    const calls = new Calls().content(1_000, 100).fails(200);
    assert.ok(calls.estimate().failsBefore > 0.8);
    assert.ok(calls.content(1_000, 10).estimate().failsBefore > 0.3);
    const after = calls.content(1_000, 90).estimate().failsBefore;
    assert.ok(after < 0.03, `recovered: ${after}`);
  });

  it("counts what is slow against the threshold, and what breaks", () => {
    const calls = new Calls();
    for (let i = 0; i < 100; i++) calls.content(i % 10 === 0 ? 15_000 : 2_000);
    within(calls.estimate().slow, 0.07, 0.13);
    assert.ok(calls.estimate().failsAfter < 0.0005);
    within(calls.breaks(10).estimate().failsAfter, 0.15, 0.35);
  });

  it("of failures after content sees what a memory of a thousand calls does not", () => {
    const calls = new Calls(0.9995);
    for (let i = 0; i < 8; i++) calls.content(1_000, 2_499).breaks(1);
    const known = calls.content(1_000, 2_000).estimate().failsAfter;
    within(known, 0.000_2, 0.000_8);
  });

  it("of one size leans on the others while its own calls are few", () => {
    const calls = new Calls().content(1_000, 200, 0).fails(40, 0).content(1_000, 200, 0);
    within(calls.estimate(3).failsBefore, 0.05, 0.15);
    const own = calls.content(1_000, 400, 3).estimate(3).failsBefore;
    assert.ok(own < 0.005, `${own}`);
    assert.ok(calls.estimate(0).failsBefore > own, "each size keeps its own");
  });

  it("serves a threshold that nobody asked for before by the times", () => {
    const calls = new Calls();
    for (let i = 0; i < 300; i++) calls.content(i % 4 === 0 ? 6_000 : 1_000);
    within(calls.observed.estimate(4_000, 0, calls.nowMs).slow, 0.2, 0.28);
    assert.ok(calls.observed.estimate(9_000, 0, calls.nowMs).slow < 0.01);
    calls.observed.content(0, 1_000, 4_000, false, calls.nowMs);
    within(calls.observed.estimate(4_000, 0, calls.nowMs).slow, 0.2, 0.28);
  });

  it("keeps a few thresholds and no more, each with its own share", () => {
    const observed = new Observed();
    for (let i = 0; i < 2_000; i++) {
      observed.sent(i * 1_000);
      observed.content(0, i % 2 === 0 ? 3_000 : 1_000, 100 + (i % 50) * 100, false, i * 1_000);
    }
    within(observed.estimate(2_000, 0, 2_000_000).slow, 0.4, 0.55);
    assert.ok(observed.estimate(3_500, 0, 2_000_000).slow < 0.02);
  });

  it("is forgotten where no calls come", () => {
    const calls = new Calls().content(1_000, 50).fails(20);
    const late = calls.observed.estimate(T_MS, 0, calls.nowMs + 48 * 3_600_000);
    within(late.failsBefore, 0.004_9, 0.005_1);
    assert.equal(late.quantile(0.5), null);
    assert.ok(late.calls < 0.01);
  });

  it("is the same object while nothing was written, and never depends on who read before", () => {
    const [a, b] = [new Calls().content(1_000, 30).fails(3), new Calls().content(1_000, 30).fails(3)];
    assert.equal(a.estimate(), a.estimate());
    for (let i = 0; i < 500; i++) a.observed.estimate(T_MS, 0, a.nowMs + i * 77);
    const [one, other] = [a, b].map(({ observed, nowMs }) => observed.estimate(T_MS, 0, nowMs + 100_000));
    assert.deepEqual([one?.failsBefore, one?.slow, one?.meanMs, one?.medianMs], [other?.failsBefore, other?.slow, other?.meanMs, other?.medianMs]);
  });
});

describe("times to first content", () => {
  it("are told within the width of a bucket: shares, quantiles, means", () => {
    const calls = new Calls();
    // 1 ms to 10 s, even in their logarithm from 100 ms up.
    for (let i = 0; i < 600; i++) calls.content(100 * 100 ** (((i * 37) % 100) / 100));
    const estimate = calls.estimate();
    within(estimate.medianMs, 850, 1_180);
    within(estimate.quantile(0.9) ?? 0, 5_500, 7_200);
    within(estimate.later(5_000), 0.12, 0.18);
    const mean = 9_900 / Math.log(100);
    within(estimate.meanMs, 0.93 * mean, 1.07 * mean);
    within(estimate.meanBeyondMs(5_000), 0.8 * (5_000 / Math.log(2) - 5_000), 1.25 * (5_000 / Math.log(2) - 5_000));
  });

  it("never rise with time waited, and quantiles turn them back", () => {
    const times = fc.array(fc.double({ min: 1, max: 900_000, noNaN: true }), { minLength: 6, maxLength: 60 });
    fc.assert(
      fc.property(times, fc.double({ min: 0.02, max: 0.98, noNaN: true }), (all, share) => {
        const calls = new Calls();
        for (const ttftMs of all) calls.content(ttftMs);
        const estimate = calls.estimate();
        let before = 1;
        for (let ms = 0; ms < 700_000; ms = ms * 1.1 + 1) {
          const later = estimate.later(ms);
          assert.ok(later <= before + 1e-12 && later >= 0, `${later} after ${before} at ${ms}`);
          assert.ok(estimate.meanBeyondMs(ms) >= -1e-6);
          before = later;
        }
        const atMs = estimate.quantile(share) ?? 0;
        if (atMs < 580_000) assert.ok(Math.abs(estimate.later(atMs) - (1 - share)) < 0.02, `${share}: ${estimate.later(atMs)} at ${atMs}`);
      }),
      { numRuns: 60 },
    );
  });
});

describe("times of several sizes", () => {
  it("are kept apart from the moment a second size comes, and after all was forgotten", () => {
    const calls = new Calls().content(1_000, 60, 0);
    within(calls.estimate(2).medianMs, 850, 1_150);
    calls.content(8_000, 60, 2);
    within(calls.estimate(0).medianMs, 850, 1_150);
    within(calls.estimate(2).medianMs, 7_000, 9_000);
    calls.nowMs += 10_000 * 3_600_000;
    calls.content(2_000, 60, 1).content(500, 60, 0);
    within(calls.estimate(1).medianMs, 1_700, 2_400);
    within(calls.estimate(0).medianMs, 400, 600);
  });
});

describe("an aborted loser", () => {
  it("conserves the total weight: it is one call, slow in part", () => {
    const event = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.double({ min: 1, max: 100_000, noNaN: true }), fc.boolean());
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        // All at one moment, so that nothing fades.
        const observed = new Observed();
        let slow = 0;
        for (const [size, ms, aborted] of events) {
          if (aborted) slow += observed.censored(size as SizeClass, ms, T_MS, 0);
          else {
            observed.content(size as SizeClass, ms, T_MS, false, 0);
            slow += ms > T_MS ? 1 : 0;
          }
        }
        const totals = observed.totals(T_MS, 0);
        const close = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-9 * (1 + b), `${a} is not ${b}`);
        close(totals.times, events.length);
        close(totals.contents, events.length);
        close(totals.inTime + totals.slow, events.length);
        close(totals.slow, slow);
      }),
    );
  });

  it("waited long is likely slow, and says so; beyond the threshold it surely is", () => {
    const calls = new Calls();
    for (let i = 0; i < 300; i++) calls.content(i % 10 === 0 ? 30_000 : 1_500);
    const [short, long] = [calls.observed.censored(0, 200, T_MS, calls.nowMs), calls.observed.censored(0, 5_000, T_MS, calls.nowMs)];
    within(short, 0.08, 0.15);
    within(long, 0.95, 1);
    assert.equal(calls.observed.censored(0, 12_000, T_MS, calls.nowMs), 1);
  });

  it("that was told slow before is not counted slow twice", () => {
    const observed = new Observed();
    observed.slow(0, T_MS, 1, 0);
    assert.equal(observed.censored(0, 12_000, T_MS, 0, true), 0);
    const totals = observed.totals(T_MS, 0);
    assert.deepEqual([totals.slow, totals.inTime, totals.contents], [1, 0, 1]);
    assert.ok(Math.abs(totals.times - 1) < 1e-12);
  });

  it("does not make a slow deployment look fast: counted, its share of slow calls stays what it is", () => {
    const [whole, hedged] = [new Calls(), new Calls()];
    for (let i = 0; i < 400; i++) {
      const ttftMs = i % 5 === 0 ? 20_000 : 2_000;
      whole.content(ttftMs);
      // Every call beyond 4 s loses to another that was started beside it.
      if (ttftMs < 4_000) hedged.content(ttftMs);
      else {
        hedged.nowMs += 1_000;
        hedged.observed.sent(hedged.nowMs);
        hedged.observed.censored(0, 6_000, T_MS, hedged.nowMs);
      }
    }
    within(whole.estimate().slow, 0.15, 0.25);
    // Nobody ever saw how slow it is, so part of the assumption stays.
    assert.ok(hedged.estimate().slow > 0.03, `${hedged.estimate().slow}`);
  });
});

describe("bounds of a share", () => {
  it("are close to the exact ones", () => {
    within(lowerBound(1, 1), 0.09, 0.12);
    within(lowerBound(10, 10), 0.75, 0.81);
    within(upperBound(0, 12), 0.16, 0.21);
    assert.deepEqual([lowerBound(0, 20), lowerBound(0, 0), upperBound(0, 0), upperBound(5, 5)], [0, 0, 1, 1]);
  });

  it("hold the share between them and come closer with more calls", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 500, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (calls, share) => {
        const count = calls * share;
        assert.ok(lowerBound(count, calls) <= share + 1e-12 && upperBound(count, calls) >= share - 1e-12);
        assert.ok(lowerBound(count, calls) <= lowerBound(4 * count, 4 * calls) + 1e-12);
        assert.ok(upperBound(count, calls) >= upperBound(4 * count, 4 * calls) - 1e-12);
      }),
    );
  });
});
