import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { MeanGap, Memory, tauMs, type Span } from "./decay.ts";

const WIDE: Span = { calls: 20, leastMs: 0.001, mostMs: 1e12 };

/** A count of calls with these gaps between them, as of the last. */
function counted(gapsMs: readonly number[], span: Span): number {
  const gap = new MeanGap();
  const memory = new Memory(span);
  const counts = memory.room(1);
  let nowMs = 1_000;
  for (const gapMs of [0, ...gapsMs]) {
    nowMs += gapMs;
    memory.advance(nowMs, gap.ms);
    gap.sent(nowMs);
    counts[0] = (counts[0] as number) + memory.weight;
  }
  return (counts[0] as number) / memory.weight;
}

describe("a count that fades", () => {
  it("does not change when all times are scaled, as long as the bounds do not bind", () => {
    const gaps = fc.array(fc.double({ min: 1, max: 10_000, noNaN: true }), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(gaps, fc.double({ min: 0.01, max: 100, noNaN: true }), (gapsMs, scale) => {
        const [first, scaled] = [counted(gapsMs, WIDE), counted(gapsMs.map((gapMs) => gapMs * scale), WIDE)];
        // What is before the first gap is known fades by the longest memory, which is no scale of anything.
        assert.ok(Math.abs(first - scaled) < 1e-6 * first, `${first} and ${scaled}`);
      }),
    );
  });

  it("does not change when times and bounds are scaled alike, even where they bind", () => {
    const gaps = fc.array(fc.double({ min: 1, max: 100_000, noNaN: true }), { minLength: 2, maxLength: 60 });
    const span = { calls: 20, leastMs: 30_000, mostMs: 600_000 };
    fc.assert(
      fc.property(gaps, fc.double({ min: 0.01, max: 100, noNaN: true }), (gapsMs, scale) => {
        const scaledSpan = { calls: 20, leastMs: span.leastMs * scale, mostMs: span.mostMs * scale };
        const [first, scaled] = [counted(gapsMs, span), counted(gapsMs.map((gapMs) => gapMs * scale), scaledSpan)];
        assert.ok(Math.abs(first - scaled) < 1e-6 * first, `${first} and ${scaled}`);
      }),
    );
  });

  it("remembers about as many calls as it was told, at any rate within the bounds", () => {
    for (const gapMs of [1, 100, 60_000]) {
      const calls = counted(Array.from({ length: 400 }, () => gapMs), WIDE);
      assert.ok(Math.abs(calls - 20) < 1, `${calls} at a gap of ${gapMs} ms`);
    }
  });

  it("reads the same whether time came in one step or in many, and through a rescaling of its numbers", () => {
    const [one, many] = [new Memory(WIDE), new Memory(WIDE)];
    const [a, b] = [one.room(1), many.room(1)];
    for (const [memory, counts] of [[one, a], [many, b]] as const) {
      memory.advance(0, 100);
      counts[0] = memory.weight;
    }
    // 80 time constants: past the point where the numbers are brought back, and short of being forgotten.
    for (let i = 1; i <= 1_600; i++) many.advance(i * 100, 100);
    many.advance(160_000, 100);
    one.advance(160_000, 100);
    const expected = Math.exp(-80);
    assert.ok(Math.abs((a[0] as number) / one.weight / expected - 1) < 1e-9);
    assert.ok(Math.abs((b[0] as number) / many.weight / expected - 1) < 1e-9);
    one.advance(10_000_000, 100);
    assert.equal(a[0], 0, "what is a hundred time constants old is gone");
  });

  it("tells what is left later without changing it", () => {
    const memory = new Memory(WIDE);
    const counts = memory.room(1);
    memory.advance(0, 100);
    counts[0] = memory.weight;
    assert.equal(memory.leftAt(2_000, 100), Math.exp(-1));
    assert.equal(memory.leftAt(2_000, 100), Math.exp(-1));
    assert.equal(memory.leftAt(-5, 100), 1);
  });
});

describe("the time constant", () => {
  it("is so many mean gaps, within bounds, and the longest while no gap is known", () => {
    const span = { calls: 20, leastMs: 30_000, mostMs: 600_000 };
    assert.deepEqual([null, 0, 1_000, 5_000, 60_000].map((gapMs) => tauMs(span, gapMs)), [600_000, 30_000, 30_000, 100_000, 600_000]);
  });
});

describe("the mean gap", () => {
  it("is unknown until two calls were sent, then follows them", () => {
    const gap = new MeanGap();
    assert.equal(gap.ms, null);
    gap.sent(5);
    assert.equal(gap.ms, null);
    for (const nowMs of [15, 25, 65]) gap.sent(nowMs);
    assert.equal(gap.ms, 20);
    gap.sent(60);
    assert.equal(gap.ms, 15, "a clock that went back counts as no time");
  });

  it("counts pauses between batches like any gap", () => {
    const gap = new MeanGap();
    for (let batch = 0; batch < 20; batch++) for (let i = 0; i < 20; i++) gap.sent(batch * 900_000 + i * 100);
    assert.ok(Math.abs((gap.ms ?? 0) - 45_000) < 9_000, `${gap.ms}`);
  });
});
