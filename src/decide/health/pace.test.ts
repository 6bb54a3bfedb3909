import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hintOf, isCapped, newPace, pausedUntilMs, recordAcceptance, recordHint, recordRefusal, recordSent, PAUSE_MAX_MS, type Pace, type Refusal } from "./pace.ts";

/** The `nth` call is refused, where this is the only deployment. True where it is no matter of pace. */
function refuse(pace: Pace, nth: number, sentMs: number, nowMs: number, more: Partial<Refusal> = {}): boolean {
  return recordRefusal(pace, { seq: nth, nth, sentMs, lastSentSeq: pace.sent, retryAfterMs: null, teaches: true, nowMs, ...more });
}

/** So many calls at once, of which the last is refused; then one alone after each pause, until a limit is shown. */
function learn(pace: Pace, calls: number, nowMs: number): void {
  for (let i = 0; i < calls; i += 1) recordSent(pace, nowMs);
  refuse(pace, pace.sent, nowMs, nowMs);
  while (pace.limit === Number.POSITIVE_INFINITY) {
    const atMs = pace.pauseToMs;
    refuse(pace, recordSent(pace, atMs), atMs, atMs);
  }
}

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
  let accepted = 0;
  let refused = 0;
  const stepMs = 1_000 / perS;
  for (let nowMs = 0; nowMs < minutes * 60_000; nowMs += stepMs) {
    while (flying[0] !== undefined && flying[0].sentMs + delayMs <= nowMs) {
      const call = flying.shift() as (typeof flying)[number];
      if (call.ok) recordAcceptance(pace, call.seq);
      else refuse(pace, call.seq, call.sentMs, nowMs, { retryAfterMs });
    }
    if (pausedUntilMs(pace, nowMs) > nowMs) continue;
    const seq = recordSent(pace, nowMs);
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

  it("is nine tenths of what the last minute accepted, at least 1, and never above what it was; or stays", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ gapMs: fc.constantFrom(10, 500, 2_000, 70_000), refused: fc.boolean() }), { maxLength: 200 }), (calls) => {
        const pace = newPace();
        let nowMs = 0;
        for (const { gapMs, refused } of calls) {
          nowMs += gapMs;
          const nth = recordSent(pace, nowMs);
          if (!refused) continue;
          const before = pace.limit;
          const accepted = pace.accepted - 1;
          const outage = refuse(pace, nth, nowMs, nowMs);
          assert.equal(pace.accepted, accepted);
          // What looked like a pace was none, so that the cuts since the last call that was accepted are taken back.
          if (outage) assert.equal(pace.limit, pace.provenLimit);
          else if (pace.cutAtMs === nowMs) assert.equal(pace.limit, Math.max(1, Math.floor(0.9 * Math.min(before, accepted))));
          else assert.equal(pace.limit, before);
        }
      }),
    );
  });

  it("is shown by the first calls after two pauses in a row, or by a tenth of the calls, and by no refusal now and then", () => {
    const pace = newPace();
    for (let i = 0; i < 100; i += 1) recordSent(pace, 0);
    refuse(pace, 100, 0, 0);
    assert.equal(pace.limit, Number.POSITIVE_INFINITY);
    refuse(pace, recordSent(pace, 1_000), 1_000, 1_000);
    assert.equal(pace.limit, Number.POSITIVE_INFINITY);
    refuse(pace, recordSent(pace, 3_000), 3_000, 3_000);
    assert.equal(pace.limit, 89);

    const tenth = newPace();
    for (let i = 0; i < 10; i += 1) recordSent(tenth, 0);
    refuse(tenth, 10, 0, 0);
    recordSent(tenth, 1_000);
    refuse(tenth, recordSent(tenth, 1_500), 1_500, 1_500);
    assert.equal(tenth.limit, 9);
  });

  it("is not learned from refusals that come now and then: beside pauses, all calls go on", (t) => {
    for (const [perS, every] of [[10, 33], [10, 300], [50, 33]] as const) {
      let calls = 0;
      const { accepted, refused, pace } = drive(() => (calls += 1) % every !== 0, perS, 30);
      t.diagnostic(`one of ${every} at ${perS}/s: ${accepted} accepted, ${refused} refused`);
      assert.equal(pace.limit, Number.POSITIVE_INFINITY);
      // Each of them costs a second and a half at most.
      assert.ok(accepted + refused + 1.5 * perS * refused >= 30 * 60 * perS, `${accepted} of ${30 * 60 * perS}`);
    }
  });

  it("is tried by one call alone after a pause", () => {
    const pace = newPace();
    for (let i = 0; i < 10; i += 1) recordSent(pace, 0);
    refuse(pace, 10, 0, 0);
    assert.equal(pausedUntilMs(pace, 500), 1_000);
    recordSent(pace, 1_000);
    assert.equal(pausedUntilMs(pace, 1_000), 1_500);
    recordSent(pace, 1_500);
    assert.equal(pausedUntilMs(pace, 1_500), 0);
  });

  it("pauses no longer after each of two refusals between which calls were taken, though their answers were slower", () => {
    const pace = newPace();
    let nowMs = 0;
    const pausesMs = [0, 1, 2, 3].map(() => {
      const before = pace.sent;
      for (let i = 0; i < 5; i += 1) recordSent(pace, nowMs);
      refuse(pace, pace.sent, nowMs, nowMs);
      const pauseMs = pace.pauseToMs - nowMs;
      for (let nth = before + 1; nth < pace.sent; nth += 1) recordAcceptance(pace, nth);
      nowMs = pace.pauseToMs;
      return pauseMs;
    });
    assert.deepEqual(pausesMs, [1_000, 2_000, 2_000, 2_000]);
  });

  it("is cut once for calls that were sent together, and reckoned from those of them that were accepted", () => {
    const pace = newPace();
    for (let i = 0; i < 20; i += 1) recordSent(pace, 0);
    refuse(pace, 1, 0, 10);
    recordSent(pace, 1_010);
    for (let i = 0; i < 20; i += 1) recordSent(pace, 1_510);
    // Of 40 three, then all that were sent after the first.
    for (const nth of [2, 3, 4]) refuse(pace, nth, 0, 1_600);
    refuse(pace, 22, 1_510, 1_700);
    assert.deepEqual([pace.limit, pace.step], [32, 2]);
    for (let nth = 23; nth <= 41; nth += 1) refuse(pace, nth, 1_510, 1_710);
    assert.deepEqual([pace.limit, pace.step, pace.accepted], [15, 2, 17]);
  });

  it("is not learned where none of the calls that were sent together was accepted", () => {
    const pace = newPace();
    for (let i = 0; i < 20; i += 1) recordSent(pace, 0);
    for (let nth = 1; nth <= 20; nth += 1) refuse(pace, nth, 0, 10);
    for (const atMs of [1_010, 3_010]) refuse(pace, recordSent(pace, atMs), atMs, atMs);
    assert.equal(pace.limit, Number.POSITIVE_INFINITY);
  });

  it("is not learned from what an outage let through", () => {
    const pace = newPace();
    for (let i = 0; i < 20; i += 1) recordSent(pace, 0);
    refuse(pace, 20, 0, 10, { teaches: false });
    assert.equal(pausedUntilMs(pace, 10), 1_010);
    for (const atMs of [1_010, 3_010]) refuse(pace, recordSent(pace, atMs), atMs, atMs, { teaches: false });
    assert.equal(pace.limit, Number.POSITIVE_INFINITY);
  });

  it("is forgotten when nothing has met it for an hour", () => {
    const pace = newPace();
    learn(pace, 10, 0);
    recordSent(pace, 3_500_000);
    assert.equal(pace.limit, 8);
    recordSent(pace, 3_700_000);
    assert.equal(pace.limit, Number.POSITIVE_INFINITY);
  });

  it("grows back where calls come together and seldom, and each time all that it lets through is taken", () => {
    const pace = newPace();
    let [sent, held] = [0, 0];
    const burst = (nowMs: number): void => {
      for (let i = 0; i < 5; i += 1) {
        if (pausedUntilMs(pace, nowMs) > nowMs) {
          held += 1;
          continue;
        }
        sent += 1;
        recordAcceptance(pace, recordSent(pace, nowMs));
      }
    };
    learn(pace, 4, 0);
    assert.equal(pace.limit, 2);
    for (let nowMs = 120_000; nowMs < 6 * 3_600_000; nowMs += 120_000) burst(nowMs);
    [sent, held] = [0, 0];
    for (let nowMs = 6 * 3_600_000; nowMs < 7 * 3_600_000; nowMs += 120_000) burst(nowMs);
    assert.deepEqual([sent, held], [150, 0], `still ${pace.limit} a minute`);
  });

  it("never sends more in a minute than the limit, whatever the traffic", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 50 }), fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 200 }), (cap, gapsMs) => {
        const pace = newPace();
        learn(pace, cap + 1, 0);
        const { limit } = pace;
        assert.equal(limit, Math.floor(0.9 * cap));
        let nowMs = pace.pauseToMs;
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
    learn(pace, 5, 1_000);
    assert.equal(isCapped(pace, pace.pauseToMs - 1), true);
    refuse(pace, recordSent(pace, 9_000), 9_000, 9_000, { retryAfterMs: 300_000 });
    assert.equal(isCapped(pace, 9_500), false);
  });
});
