import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BURN_SPANS_MS, ObjectiveWindows, type BurnSpan } from "./windows.ts";

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 9, 12, 9, 30);
const ROLLING = { target: 0.99, window: { kind: "rolling", lengthMs: 30 * DAY_MS } } as const;
const MONTH = { target: 0.99, window: { kind: "month", zone: "Europe/Berlin" } } as const;
const SPANS = Object.keys(BURN_SPANS_MS) as readonly BurnSpan[];
/** Of the slices that each span is made of. */
const SLICE_MS: Readonly<Record<BurnSpan, number>> = { "10s": 1_000, "60s": 1_000, "5m": 10_000, "30m": 10_000, "1h": 10_000, "6h": 10_000, "3d": 300_000 };

describe("windows of an objective", () => {
  it("hold what fell within each span, and of its first slice no more than all", () => {
    const event = fc.record({ gapMs: fc.integer({ min: 0, max: 40_000_000 }), valid: fc.integer({ min: 1, max: 1_000 }), bad: fc.integer({ min: 0, max: 1_000 }) });
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 60 }), (events) => {
        const windows = new ObjectiveWindows(ROLLING);
        const seen: { readonly atMs: number; readonly valid: number; readonly bad: number }[] = [];
        let wallMs = START_MS;
        for (const { gapMs, valid, bad } of events) {
          wallMs += gapMs;
          seen.push({ atMs: wallMs, valid, bad: Math.min(bad, valid) });
          windows.addMany(valid, Math.min(bad, valid), wallMs);
          for (const span of SPANS) {
            const fromMs = wallMs - BURN_SPANS_MS[span];
            const least = seen.filter((one) => one.atMs >= fromMs + SLICE_MS[span]).reduce((sum, one) => sum + one.valid, 0);
            const most = seen.filter((one) => one.atMs > fromMs - SLICE_MS[span]).reduce((sum, one) => sum + one.valid, 0);
            const counts = windows.counts(span, wallMs);
            assert.ok(counts.valid >= least - 1e-6 && counts.valid <= most + 1e-6, `${span}: ${counts.valid} not in ${least}..${most}`);
            assert.ok(counts.bad >= 0 && counts.bad <= counts.valid + 1e-6);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("are empty again when nothing came for their length", () => {
    const windows = new ObjectiveWindows(ROLLING);
    windows.addMany(100, 50, START_MS);
    for (const span of SPANS) {
      assert.ok(windows.burn(span, START_MS) > 49.9, span);
      assert.equal(windows.burn(span, START_MS + BURN_SPANS_MS[span] + SLICE_MS[span]), 0, span);
    }
    assert.equal(windows.standing(START_MS + 31 * DAY_MS).valid, 0);
  });

  it("say how much of the error budget is left, by the rate so far while the window fills", () => {
    const windows = new ObjectiveWindows(ROLLING);
    // A tenth of the window at twice the budget's share: a fifth of the budget.
    for (let hour = 0; hour < 72; hour++) windows.addMany(1_000, 20, START_MS + hour * 3_600_000);
    const { left, attained, valid, bad, sinceMs } = windows.standing(START_MS + 72 * 3_600_000);
    assert.deepEqual([valid, bad, sinceMs], [72_000, 1_440, START_MS]);
    assert.ok(Math.abs(attained - 0.98) < 1e-12);
    assert.ok(Math.abs(left - 0.8) < 1e-6, String(left));
    // The whole window at the budget's share: nothing is left.
    const full = new ObjectiveWindows(ROLLING);
    for (let hour = 0; hour < 31 * 24; hour++) full.addMany(1_000, 10, START_MS + hour * 3_600_000);
    assert.ok(Math.abs(full.standing(START_MS + 31 * DAY_MS).left) < 1e-2);
  });

  it("of a calendar month begin anew with it, in its zone", () => {
    const windows = new ObjectiveWindows(MONTH);
    // 31 October 22:59 UTC is still October in Berlin, a minute later it is November.
    const edgeMs = Date.parse("2026-10-31T23:00:00Z");
    windows.addMany(10, 5, edgeMs - 1);
    assert.deepEqual([windows.standing(edgeMs - 1).valid, windows.standing(edgeMs - 1).bad], [10, 5]);
    windows.addMany(7, 0, edgeMs);
    const { valid, bad, left, sinceMs } = windows.standing(edgeMs + 1_000);
    assert.deepEqual([valid, bad, left, sinceMs], [7, 0, 1, edgeMs]);
    // Burn has no calendar.
    assert.ok(windows.burn("60s", edgeMs) > 0);
  });

  it("come back from their text as they were", () => {
    for (const objective of [ROLLING, MONTH]) {
      const windows = new ObjectiveWindows(objective);
      for (let i = 0; i < 500; i++) windows.addMany(1 + (i % 7), i % 2, START_MS + i * 37_000);
      const atMs = START_MS + 500 * 37_000;
      const other = new ObjectiveWindows(objective);
      other.restore(JSON.parse(JSON.stringify(windows.save())));
      for (const span of SPANS) assert.deepEqual(other.counts(span, atMs), windows.counts(span, atMs), span);
      assert.deepEqual(other.standing(atMs), windows.standing(atMs));
      assert.deepEqual(other.save(), windows.save());
    }
  });

  it("pass over a text of another window, or of none", () => {
    const windows = new ObjectiveWindows({ target: 0.99, window: { kind: "rolling", lengthMs: 7 * DAY_MS } });
    const other = new ObjectiveWindows(ROLLING);
    other.addMany(10, 10, START_MS);
    windows.restore(other.save());
    assert.equal(windows.standing(START_MS).valid, 0);
    assert.equal(windows.counts("1h", START_MS).valid, 10);
    for (const saved of [null, 3, "x", [1], { own: { slice_ms: 840_000, from: 0, counts: [0, -1, "x"] }, tens: null }]) new ObjectiveWindows(ROLLING).restore(saved);
  });

  it("go on when the clock is set back", () => {
    const windows = new ObjectiveWindows(ROLLING);
    windows.addMany(10, 10, START_MS);
    windows.addMany(4, 0, START_MS - 5_000);
    assert.deepEqual(windows.counts("60s", START_MS), { valid: 14, bad: 10 });
    // By more than they hold: what is of the future then is forgotten.
    const backMs = START_MS - 400 * DAY_MS;
    windows.addMany(3, 1, backMs);
    for (const span of SPANS) assert.deepEqual(windows.counts(span, backMs), { valid: 3, bad: 1 }, span);
  });

  it("stay small: a month of requests is no larger than an hour of them", () => {
    const windows = new ObjectiveWindows(ROLLING);
    for (let i = 0; i < 60 * 24 * 31; i++) windows.addMany(1_000, 1, START_MS + i * 60_000);
    assert.ok(JSON.stringify(windows.save()).length < 100_000);
  });
});
