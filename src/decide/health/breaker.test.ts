import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import * as breaking from "./breaker.ts";
import type { Breaker } from "./breaker.ts";

const SETTINGS = { restMs: 5_000, restMaxMs: 300_000 };

/** Uniform in [0, 1), the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One call after another at a steady rate, of which this share fails; says how many were sent before it rested, or null. */
function callsUntilRest(share: number, gapMs: number, calls: number, random: () => number, breaker: Breaker = breaking.newBreaker()): number | null {
  for (let seq = 1; seq <= calls; seq += 1) {
    breaking.drain(breaker);
    if (random() < share) breaking.recordFailure(breaker, SETTINGS, { seq, lastSentSeq: seq, nowMs: seq * gapMs, gapMs, random: 0 }, breaking.HARD_WEIGHT, true);
    else breaking.recordSuccess(breaker, seq, seq, seq * gapMs, { gapMs, gapCalls: 1 });
    if (breaker.resting) return seq;
  }
  return null;
}

describe("a leaky bucket", () => {
  for (const gapMs of [10, 100, 1_000, 60_000, 3_600_000]) {
    it(`does not open by an independent hundredth of failures in 100,000 calls, one each ${gapMs} ms`, () => {
      for (let seed = 1; seed <= 3; seed += 1) assert.equal(callsUntilRest(0.01, gapMs, 100_000, randomOf(seed)), null, `seed ${seed}`);
    });

    it(`opens by five straight failures whatever came before, one call each ${gapMs} ms`, () => {
      fc.assert(
        fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (before) => {
          const breaker = breaking.newBreaker();
          const ends = [...before, true, true, true, true, true];
          callsUntilRest(0.5, gapMs, ends.length, (i => () => (ends[i++] === true ? 0 : 1))(0), breaker);
          assert.equal(breaker.resting, true);
        }),
      );
    });
  }

  it("opens within about 26 calls where a quarter fails, and seldom where a fiftieth does", () => {
    const sums = Array.from({ length: 200 }, (_, seed) => callsUntilRest(0.25, 100, 10_000, randomOf(seed)) ?? 10_000);
    const mean = sums.reduce((sum, one) => sum + one, 0) / sums.length;
    assert.ok(mean > 15 && mean < 40, `${mean}`);
    const opened = Array.from({ length: 10 }, (_, seed) => callsUntilRest(0.02, 100, 20_000, randomOf(seed))).filter((one) => one !== null).length;
    assert.ok(opened <= 1, `${opened} of 10 times in 20,000 calls`);
  });

  it("forgets by e in ten minutes, or in a hundred calls where these take longer", () => {
    const breaker = breaking.newBreaker();
    breaking.recordFailure(breaker, SETTINGS, { seq: 1, lastSentSeq: 1, nowMs: 0, gapMs: 0, random: 0 }, 11, true);
    assert.ok(Math.abs(breaking.bucketAt(breaker, 600_000, 1_000) - 11 / Math.E) < 1e-9);
    assert.ok(Math.abs(breaking.bucketAt(breaker, 6_000_000, 60_000) - 11 / Math.E) < 1e-9);
  });

  it("is never below nothing, and what a call took that told nothing is given back, unless it rested meanwhile", () => {
    const breaker = breaking.newBreaker();
    assert.equal(breaking.drain(breaker), 0);
    const hit = { seq: 1, lastSentSeq: 1, nowMs: 0, gapMs: 0, random: 0 };
    breaking.recordFailure(breaker, SETTINGS, hit, 11, true);
    const taken = breaking.drain(breaker);
    assert.deepEqual([taken, breaker.bucket], [1, 10]);
    breaking.giveBack(breaker, 2, taken);
    assert.equal(breaker.bucket, 11);
    breaking.trip(breaker, SETTINGS, { ...hit, lastSentSeq: 2 });
    breaking.giveBack(breaker, 2, taken);
    assert.equal(breaker.bucket, 0);
  });
});

describe("a return in stages", () => {
  const RARE = { gapMs: 60_000, gapCalls: 1_000 };
  const TRAFFIC = { gapMs: 100, gapCalls: 1_000 };
  const at = (seq: number, nowMs: number) => ({ seq, lastSentSeq: seq, nowMs, gapMs: 100, random: 0 });
  /** Rested at 0 until 5,000, then brought to this stage; calls are numbered from 100. */
  function inStage(stage: number): { breaker: Breaker; seq: number } {
    const breaker = breaking.newBreaker();
    breaking.trip(breaker, SETTINGS, at(1, 0));
    let seq = 100;
    while (breaker.stage < stage) {
      assert.equal(breaking.takeProbe(breaker, seq, 5_000, TRAFFIC), true);
      breaking.recordSuccess(breaker, seq, seq, 5_000, TRAFFIC);
      seq += 1;
    }
    return { breaker, seq };
  }

  it("has one probe in flight, then two, then ten that are ten calls apart", () => {
    const one = inStage(1).breaker;
    assert.deepEqual([1, 2].map((i) => breaking.takeProbe(one, 100 + i, 5_000, TRAFFIC)), [true, false]);
    const two = inStage(2).breaker;
    assert.deepEqual([1, 2, 3].map((i) => breaking.takeProbe(two, 110 + i, 5_000, TRAFFIC)), [true, true, false]);
    const three = inStage(3).breaker;
    assert.equal(breaking.phaseOf(three, 5_999, 0), "probing");
    const taken = Array.from({ length: 200 }, (_, i) => breaking.takeProbe(three, 120 + i, 6_000 + i * 100, TRAFFIC));
    assert.deepEqual(taken.flatMap((took, i) => (took ? [i] : [])), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
  });

  it("waits for as many calls anywhere as ten of its own were among, where they come sooner than before", () => {
    const { breaker } = inStage(3);
    const dense = { gapMs: 1_000, gapCalls: 2 };
    breaking.takeProbe(breaker, 200, 6_000, dense);
    assert.deepEqual([219, 220].map((seq) => breaking.phaseOf(breaker, 6_100, seq)), ["probing", "probe-ready"]);
  });

  it("does not wait for ten calls where these are rare", () => {
    const { breaker, seq } = inStage(3);
    breaking.takeProbe(breaker, seq, 6_000, RARE);
    assert.equal(breaking.phaseOf(breaker, 16_000, 0), "probe-ready");
  });

  it("starts anew after one bad probe, in the last stage after two", () => {
    for (const [stage, bad] of [[1, 1], [2, 1], [3, 2]] as const) {
      const { breaker, seq } = inStage(stage);
      for (let i = 0; i < bad; i += 1) {
        assert.equal(breaking.stageOf(breaker, 10_000 + i * 1_000), stage);
        breaking.takeProbe(breaker, seq + i, 10_000 + i * 1_000, TRAFFIC);
        breaking.recordFailure(breaker, SETTINGS, at(seq + i, 10_000 + i * 1_000), 11, true);
      }
      assert.equal(breaking.phaseOf(breaker, 10_000 + bad * 1_000, 0), "resting", `stage ${stage}`);
      assert.equal(breaker.level, 2);
    }
  });

  it("is moved neither by calls that were sent before the rest, nor by failures that are no probe's", () => {
    const { breaker } = inStage(2);
    const before = structuredClone(breaker);
    breaking.recordSuccess(breaker, 1, 103, 5_000, TRAFFIC);
    breaking.recordFailure(breaker, SETTINGS, at(1, 5_000), 11, true);
    breaking.recordFailure(breaker, SETTINGS, at(150, 5_000), 11, true);
    assert.deepEqual(breaker, before);
  });

  it("once over, is not held against it by calls that were sent before it was", () => {
    const { breaker, seq } = inStage(3);
    for (let i = 0; i < 10; i += 1) {
      const nowMs = 10_000 + i * 1_000;
      assert.equal(breaking.takeProbe(breaker, seq + i, nowMs, TRAFFIC), true);
      breaking.recordSuccess(breaker, seq + i, 900, nowMs, TRAFFIC);
    }
    assert.equal(breaking.phaseOf(breaker, 20_000, 0), "admitting");
    for (let late = 500; late < 600; late += 1) breaking.recordFailure(breaker, SETTINGS, at(late, 20_000), 11, true);
    assert.deepEqual([breaker.bucket, breaker.run.length], [0, 0]);
  });
});
