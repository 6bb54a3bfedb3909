import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Speeds, type TimedCall } from "./speeds.ts";

const WHOLE: TimedCall = { answered: true, stream: false, ttftMs: 1_000, totalMs: 1_000, outputTokens: 100 };
const STREAM: TimedCall = { answered: true, stream: true, ttftMs: 300, totalMs: 9_000, outputTokens: 100 };

function told(speeds: Speeds, id: string, count: number, call: TimedCall, fromMs = 0, stepMs = 1_000): void {
  for (let i = 0; i < count; i++) speeds.ended(id, call, fromMs + i * stepMs);
}

describe("how quick a route's deployments were", () => {
  it("is the time for a token of whole answers, however long they are, and nothing before five of them", () => {
    const speeds = new Speeds();
    told(speeds, "long", 5, { ...WHOLE, totalMs: 8_000, outputTokens: 1_000 });
    told(speeds, "short", 5, { ...WHOLE, totalMs: 2_000, outputTokens: 50 });
    told(speeds, "new", 4, WHOLE);
    assert.deepEqual([Math.round(speeds.tokenMs("long") ?? 0), Math.round(speeds.tokenMs("short") ?? 0), speeds.tokenMs("new"), speeds.tokenMs("nobody")], [8, 40, null, null]);
  });

  it("tells streams by their first content, and says where both came", () => {
    const speeds = new Speeds();
    told(speeds, "a", 9, STREAM);
    assert.deepEqual([Math.round(speeds.firstMs("a") ?? 0), speeds.tokenMs("a"), speeds.mixed], [300, null, false]);
    told(speeds, "a", 9, { ...WHOLE, ttftMs: 60_000, totalMs: 60_000 });
    assert.deepEqual([Math.round(speeds.firstMs("a") ?? 0), Math.round(speeds.tokenMs("a") ?? 0), speeds.mixed], [300, 600, true]);
  });

  it("counts a call that was given up as slow, and an answer without a word as one token, so that whoever answers is known", () => {
    const speeds = new Speeds();
    told(speeds, "a", 5, WHOLE);
    const before = speeds.tokenMs("a") ?? 0;
    speeds.ended("a", { ...WHOLE, answered: false, ttftMs: null, totalMs: 30_000, outputTokens: 0 }, 6_000);
    assert.ok((speeds.tokenMs("a") ?? 0) > 5 * before);
    told(speeds, "mute", 5, { ...WHOLE, outputTokens: 0 });
    assert.equal(Math.round(speeds.tokenMs("mute") ?? 0), 1_000);
  });

  it("forgets by calls and by time: one that became quicker is so after a few tries", () => {
    const speeds = new Speeds();
    told(speeds, "a", 100, { ...WHOLE, totalMs: 10_000 });
    told(speeds, "a", 5, WHOLE, 20 * 60_000, 60_000);
    assert.ok((speeds.tokenMs("a") ?? 0) < 60, `${speeds.tokenMs("a")}`);
    assert.ok((speeds.tokenMs("a") ?? 0) > 10);
  });
});
