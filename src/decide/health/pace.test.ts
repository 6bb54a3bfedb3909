import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hintOf, isCapped, newPace, pausedUntilMs, recordAcceptance, recordHint, recordRefusal, recordSent, PAUSE_MAX_MS, type Pace } from "./pace.ts";

/** A provider that takes so many calls a minute. */
type Provider = (nowMs: number) => boolean;

/** A bucket of `perMinute` that fills evenly. */
function tokenBucket(perMinute: number): Provider {
  let tokens = perMinute;
  let atMs = 0;
  return (nowMs) => {
    tokens = Math.min(perMinute, tokens + ((nowMs - atMs) * perMinute) / 60_000);
    atMs = nowMs;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}

/** So many in each minute of the clock. */
function fixedWindow(perMinute: number): Provider {
  let minute = -1;
  let left = 0;
  return (nowMs) => {
    if (Math.floor(nowMs / 60_000) !== minute) {
      minute = Math.floor(nowMs / 60_000);
      left = perMinute;
    }
    left -= 1;
    return left >= 0;
  };
}

/** Traffic at `perS` for `minutes` against a provider that answers after `delayMs`: what was taken, what refused. */
function drive(provider: Provider, perS: number, minutes: number, retryAfterMs: number | null = null, delayMs = 200): { accepted: number; refused: number; pace: Pace } {
  const pace = newPace();
  const flying: { seq: number; sentMs: number; ok: boolean }[] = [];
  let seq = 0;
  let accepted = 0;
  let refused = 0;
  const stepMs = 1_000 / perS;
  for (let nowMs = 0; nowMs < minutes * 60_000; nowMs += stepMs) {
    while (flying[0] !== undefined && flying[0].sentMs + delayMs <= nowMs) {
      const call = flying.shift() as (typeof flying)[number];
      if (call.ok) recordAcceptance(pace, call.seq);
      else recordRefusal(pace, { seq: call.seq, sentMs: call.sentMs, lastSentSeq: seq, retryAfterMs, teaches: true, nowMs });
    }
    if (pausedUntilMs(pace, nowMs) > nowMs) continue;
    seq += 1;
    recordSent(pace, nowMs);
    const ok = provider(nowMs);
    if (ok) accepted += 1;
    else refused += 1;
    flying.push({ seq, sentMs: nowMs, ok });
  }
  return { accepted, refused, pace };
}

describe("a learned pace", () => {
  for (const [name, provider] of [["a filling bucket", tokenBucket], ["windows of the clock", fixedWindow]] as const) {
    it(`keeps below a tenth of refused calls at 10 a second against 10 a minute (${name}), and uses two fifths of what it may`, (t) => {
      for (const retryAfterMs of [null, 6_000]) {
        const { accepted, refused } = drive(provider(10), 10, 60, retryAfterMs);
        t.diagnostic(`${name}, Retry-After ${retryAfterMs}: ${accepted} of 600 accepted, ${refused} refused`);
        assert.ok(refused <= 0.1 * (accepted + refused), `${refused} of ${accepted + refused} refused`);
        assert.ok(accepted >= 240, `${accepted} of 600`);
      }
    });
  }

  it("costs a burst little more than what is in flight before the first refusal is seen", (t) => {
    for (const provider of [tokenBucket(10), fixedWindow(10)]) {
      const { accepted, refused } = drive(provider, 100, 60);
      t.diagnostic(`${refused} refused, ${accepted} accepted`);
      assert.ok(refused <= 40 && accepted >= 400, `${refused} refused, ${accepted} accepted`);
    }
  });

  it("grows back after a refusal that meant nothing", () => {
    let calls = 0;
    const { pace } = drive(() => (calls += 1) !== 50, 10, 30);
    assert.ok(pace.limit > 600, `still ${pace.limit} a minute at 600 a minute`);
  });

  it("is nine tenths of what the last minute accepted, at least 1, and never above what it was", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ gapMs: fc.constantFrom(10, 500, 2_000, 70_000), refused: fc.boolean() }), { maxLength: 200 }), (calls) => {
        const pace = newPace();
        let nowMs = 0;
        for (const [i, { gapMs, refused }] of calls.entries()) {
          nowMs += gapMs;
          recordSent(pace, nowMs);
          if (!refused) continue;
          const before = pace.limit;
          const accepted = pace.accepted - 1;
          const outage = recordRefusal(pace, { seq: i + 1, sentMs: nowMs, lastSentSeq: i + 1, retryAfterMs: null, teaches: true, nowMs });
          assert.equal(pace.accepted, accepted);
          // What looked like a pace was none, so that the cuts since the last call that was accepted are taken back.
          if (outage) assert.equal(pace.limit, pace.provenLimit);
          else if (Number.isFinite(before) || accepted >= 3) assert.equal(pace.limit, Math.max(1, Math.floor(0.9 * Math.min(before, accepted))));
        }
      }),
    );
  });

  it("is cut once for calls that were sent together, and reckoned from those of them that were accepted", () => {
    const pace = newPace();
    for (let i = 0; i < 20; i += 1) recordSent(pace, 0);
    const refuse = (seq: number): boolean => recordRefusal(pace, { seq, sentMs: 0, lastSentSeq: 20, retryAfterMs: null, teaches: true, nowMs: 10 });
    refuse(11);
    assert.deepEqual([pace.limit, pace.step], [17, 1]);
    for (let seq = 12; seq <= 20; seq += 1) refuse(seq);
    assert.deepEqual([pace.limit, pace.step, pace.accepted], [9, 1, 10]);
  });

  it("is not learned where none of the calls that were sent together was accepted", () => {
    const pace = newPace();
    for (let i = 0; i < 20; i += 1) recordSent(pace, 0);
    for (let seq = 1; seq <= 20; seq += 1) recordRefusal(pace, { seq, sentMs: 0, lastSentSeq: 20, retryAfterMs: null, teaches: true, nowMs: 10 });
    assert.equal(pace.limit, Number.POSITIVE_INFINITY);
  });

  it("is not learned from what an outage let through", () => {
    const pace = newPace();
    for (let i = 0; i < 20; i += 1) recordSent(pace, 0);
    recordRefusal(pace, { seq: 20, sentMs: 0, lastSentSeq: 20, retryAfterMs: null, teaches: false, nowMs: 10 });
    assert.equal(pace.limit, Number.POSITIVE_INFINITY);
    assert.equal(pausedUntilMs(pace, 10), 1_010);
  });

  it("is forgotten when nothing has met it for an hour", () => {
    const pace = newPace();
    for (let i = 0; i < 10; i += 1) recordSent(pace, 0);
    recordRefusal(pace, { seq: 10, sentMs: 0, lastSentSeq: 10, retryAfterMs: null, teaches: true, nowMs: 10 });
    recordSent(pace, 3_500_000);
    assert.equal(pace.limit, 8);
    recordSent(pace, 3_700_000);
    assert.equal(pace.limit, Number.POSITIVE_INFINITY);
  });

  it("grows back where calls come together and seldom, and each time all that it lets through is taken", () => {
    const pace = newPace();
    let seq = 0;
    let [sent, held] = [0, 0];
    const burst = (nowMs: number, refused: boolean): void => {
      for (let i = 0; i < 5; i += 1) {
        if (pausedUntilMs(pace, nowMs) > nowMs) {
          held += 1;
          continue;
        }
        recordSent(pace, nowMs);
        sent += 1;
        seq += 1;
        if (refused && i === 3) recordRefusal(pace, { seq, sentMs: nowMs, lastSentSeq: seq, retryAfterMs: null, teaches: true, nowMs });
        else recordAcceptance(pace, seq);
      }
    };
    burst(0, true);
    assert.equal(pace.limit, 2);
    for (let nowMs = 120_000; nowMs < 6 * 3_600_000; nowMs += 120_000) burst(nowMs, false);
    [sent, held] = [0, 0];
    for (let nowMs = 6 * 3_600_000; nowMs < 7 * 3_600_000; nowMs += 120_000) burst(nowMs, false);
    assert.deepEqual([sent, held], [150, 0], `still ${pace.limit} a minute`);
  });

  it("never sends more in a minute than the limit, whatever the traffic", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 50 }), fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 200 }), (cap, gapsMs) => {
        const pace = newPace();
        for (let i = 0; i <= cap; i += 1) recordSent(pace, 0);
        recordRefusal(pace, { seq: 1, sentMs: 0, lastSentSeq: cap + 1, retryAfterMs: 0, teaches: true, nowMs: 0 });
        const { limit } = pace;
        let nowMs = 0;
        for (const gapMs of gapsMs) {
          nowMs += gapMs;
          const untilMs = pausedUntilMs(pace, nowMs);
          assert.ok(untilMs === 0 || (untilMs > nowMs && untilMs <= nowMs + PAUSE_MAX_MS));
          if (untilMs === 0) recordSent(pace, nowMs);
          if (pace.limit === limit && nowMs > 60_000) assert.ok(pace.accepted <= limit, `${pace.accepted} of ${limit}`);
        }
      }),
    );
  });
});

describe("what headers leave", () => {
  it("is counted down by the calls that were sent after the one they answer", () => {
    const pace = newPace();
    const nth = recordSent(pace, 0);
    for (let i = 0; i < 5; i += 1) recordSent(pace, 10);
    recordHint(pace, nth, { remainingRequests: 6, resetMs: 20_000 }, 100);
    assert.equal(pausedUntilMs(pace, 100), 0);
    recordSent(pace, 110);
    assert.equal(pausedUntilMs(pace, 110), 20_100);
    recordHint(pace, pace.sent, { remainingRequests: 3, resetMs: 20_000 }, 200);
    assert.equal(pausedUntilMs(pace, 200), 0);
  });

  it("is that of the requests where both are told, and nothing where the tokens are gone", () => {
    const requests = { of: "requests", remaining: 7, resetInMs: 1_000 };
    const tokens = { of: "tokens", remaining: 900, resetInMs: 5_000 };
    assert.deepEqual(hintOf([tokens, requests]), { remainingRequests: 7, resetMs: 1_000 });
    assert.deepEqual(hintOf([{ ...requests, remaining: 3, resetInMs: 60_000 }, requests]), { remainingRequests: 3, resetMs: 60_000 });
    assert.deepEqual(hintOf([requests, { ...tokens, remaining: 0 }]), { remainingRequests: 0, resetMs: 5_000 });
    assert.equal(hintOf([tokens, { ...requests, resetInMs: null }]), null);
  });

  it("keeps us away for a minute at most", () => {
    const pace = newPace();
    recordHint(pace, recordSent(pace, 0), { remainingRequests: 5, resetMs: 1 }, 0);
    recordHint(pace, recordSent(pace, 0), { remainingRequests: 0, resetMs: 86_400_000 }, 0);
    assert.equal(pausedUntilMs(pace, 0), 60_000);
  });
});

describe("a learned limit holds a call back", () => {
  it("where it says later than every pause that was told", () => {
    const pace = newPace();
    for (let i = 0; i < 5; i++) recordSent(pace, i * 1_000);
    assert.equal(isCapped(pace, 5_000), false);
    recordRefusal(pace, { seq: 5, sentMs: 4_000, lastSentSeq: 5, retryAfterMs: 2_000, teaches: true, nowMs: 5_000 });
    assert.equal(isCapped(pace, 5_500), true);
    recordRefusal(pace, { seq: 6, sentMs: 5_600, lastSentSeq: 6, retryAfterMs: 300_000, teaches: true, nowMs: 6_000 });
    assert.equal(isCapped(pace, 6_500), false);
  });
});
