import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Outcome } from "../../wire/outcome.ts";
import { EXCLUSION_RETRY_MS } from "../exclusion.ts";
import type { HealthBook, Observation } from "./book.ts";
import { PROBE_SLOT_MS, RUN_LIMIT } from "./breaker.ts";
import { A, ANSWERED, bench, failed, HARD } from "./test-book.ts";

describe("a run of hard failures", () => {
  for (const failure of HARD) {
    it(`rests a deployment after five of ${failure}, not after four`, () => {
      const { call, view } = bench();
      for (let i = 0; i < RUN_LIMIT - 1; i += 1) call(failed(failure), 0);
      assert.equal(view(0).state, "admitting");
      call(failed(failure), 0);
      assert.equal(view(0).state, "resting");
      assert.equal(view(0).restsUntilMs, 5_000);
    });
  }

  it("is over with a success sent after it, but what it left in the bucket is not", () => {
    const { book, call, fail, view } = bench();
    fail(4, 0);
    assert.equal(book.snapshot(0)[0]?.run, 4);
    call(ANSWERED, 1);
    assert.deepEqual([book.snapshot(1)[0]?.run, book.snapshot(1)[0]?.bucket], [0, 40]);
    fail(1, 2);
    assert.equal(view(2).state, "resting", "five of six");
  });

  it("rests it however far apart its failures are", () => {
    const { book, fail, view } = bench();
    for (let i = 0; i < 200; i += 1) book.observe(book.sent(A, i * 100, false), ANSWERED, i * 100, 0);
    for (let i = 1; i <= 5; i += 1) {
      assert.equal(view(i * 86_400_000).state, "admitting");
      fail(1, i * 86_400_000);
    }
    assert.equal(view(5 * 86_400_000).state, "resting");
  });

  it("is not reset by a success that was sent before it", () => {
    const { book, fail, view } = bench();
    const early = book.sent(A, 0, false);
    fail(4, 1);
    book.observe(early, ANSWERED, 2, 0);
    fail(1, 3);
    assert.equal(view(3).state, "resting");
  });

  it("does not hold failures that were sent before the latest success, which count in the bucket all the same", () => {
    const { book, call, view } = bench();
    const early = [0, 1, 2, 3, 4].map(() => book.sent(A, 0, false));
    call(ANSWERED, 1);
    for (const [i, ticket] of early.entries()) {
      book.observe(ticket, failed("timeout"), 30_000, 0);
      if (i < 4) assert.equal(book.snapshot(30_000)[0]?.run, 0);
    }
    assert.equal(view(30_000).state, "resting");
  });

  it("is not moved by the client's faults, by a client that left, or by an attempt that lost", () => {
    const { call, fail, view } = bench();
    fail(4, 0);
    for (const failure of ["bad_request", "context", "content_policy"] as const) call(failed(failure), 0);
    call({ kind: "client-gone", phase: "after-content" }, 0);
    call({ kind: "superseded", phase: "before-content" }, 0);
    assert.equal(view(0).state, "admitting");
    fail(1, 0);
    assert.equal(view(0).state, "resting");
  });

  it("belongs to one deployment and endpoint", () => {
    const { book, fail } = bench();
    fail(5, 0);
    assert.equal(book.view("one/m", "one", "embeddings", 0).state, "admitting");
    assert.equal(book.view("one/other", "one", "chat", 0).state, "admitting");
  });

  it("counts a soft timeout once, whatever comes after it", () => {
    const { book, fail, view } = bench();
    fail(3, 0);
    const slow = book.sent(A, 0, false);
    book.observe(slow, { kind: "soft-timeout" }, 30_000, 0);
    book.observe(slow, { kind: "soft-timeout" }, 30_001, 0);
    book.observe(slow, failed("timeout"), 60_000, 0);
    assert.equal(view(60_000).state, "admitting");
    fail(1, 60_001);
    assert.equal(view(60_001).state, "resting");
  });
});

describe("a rest", () => {
  it("ignores stragglers: neither their failures nor their successes change it", () => {
    const { book, fail, view } = bench();
    const stragglers = [book.sent(A, 0, false), book.sent(A, 0, false)] as const;
    fail(5, 1);
    const before = view(1);
    book.observe(stragglers[0], failed("server"), 2, 0);
    book.observe(stragglers[1], ANSWERED, 3, 0);
    assert.deepEqual(view(3), before);
  });

  it("lets one probe through when it is over, and only one", () => {
    const { book, fail, view } = bench();
    fail(5, 0);
    assert.equal(book.sent(A, 4_999, true).probe, false);
    assert.equal(view(5_000).state, "probe-ready");
    assert.equal(book.sent(A, 5_000, true).probe, true);
    assert.equal(view(5_000).state, "probing");
    assert.equal(book.sent(A, 5_000, true).probe, false);
  });

  it("ends when one probe, then three, then ten were good", () => {
    const { book, call, fail, view } = bench();
    fail(5, 0);
    const stages: (number | undefined)[] = [];
    for (let i = 0; i < 14; i += 1) {
      assert.equal(view(5_000).state, "probe-ready");
      stages.push(book.snapshot(5_000)[0]?.stage);
      call(ANSWERED, 5_000, true);
    }
    assert.deepEqual(stages, [1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
    assert.deepEqual(view(5_000), { state: "admitting", pausedUntilMs: 0, excluded: null, restsUntilMs: 0 });
  });

  it("doubles with each failed probe up to the maximum", () => {
    const { call, fail, view } = bench();
    fail(5, 0);
    let nowMs = view(0).restsUntilMs;
    const restsMs: number[] = [nowMs];
    for (let i = 0; i < 8; i += 1) {
      call(failed("network"), nowMs, true);
      restsMs.push(view(nowMs).restsUntilMs - nowMs);
      nowMs = view(nowMs).restsUntilMs;
    }
    assert.deepEqual(restsMs, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
  });

  it("is longer when the deployment fails soon after it was admitted, by a step less for each five healthy minutes", () => {
    const { fail, view, recover } = bench();
    fail(5, 0);
    const backMs = recover(5_000);
    fail(5, backMs + 1);
    assert.equal(view(backMs + 1).restsUntilMs, backMs + 10_001);
    const againMs = recover(backMs + 10_001);
    fail(5, againMs + 300_000);
    assert.equal(view(againMs + 300_000).restsUntilMs, againMs + 310_000);
  });

  it("goes on when its probe is answered 429", () => {
    const { call, fail, view } = bench();
    fail(5, 0);
    call(failed("rate", 2_000), 5_000, true);
    assert.deepEqual(view(5_000), { state: "resting", pausedUntilMs: 7_000, excluded: null, restsUntilMs: 15_000 });
  });

  it("frees the probe's slot without judgement when the client leaves, the attempt loses, or the request was wrong", () => {
    const ends: Observation[] = [{ kind: "client-gone", phase: "before-content" }, { kind: "superseded", phase: "before-content" }, failed("bad_request")];
    for (const end of ends) {
      const { call, fail, view } = bench();
      fail(5, 0);
      call(end, 5_000, true);
      assert.equal(view(5_000).state, "probe-ready");
    }
  });

  it("takes late content of a probe that was already counted for no success", () => {
    const { book, fail, view } = bench();
    fail(5, 0);
    const probe = book.sent(A, 5_000, true);
    book.observe(probe, { kind: "soft-timeout" }, 35_000, 0);
    assert.equal(view(35_000).restsUntilMs, 45_000);
    book.observe(probe, ANSWERED, 36_000, 0);
    assert.equal(view(36_000).state, "resting");
  });

  it("gives the slot of a probe that never tells anything to another", () => {
    const { book, fail, view } = bench();
    fail(5, 0);
    const lost = book.sent(A, 5_000, true);
    assert.equal(view(5_000 + PROBE_SLOT_MS - 1).state, "probing");
    assert.equal(view(5_000 + PROBE_SLOT_MS).state, "probe-ready");
    assert.equal(book.sent(A, 5_000 + PROBE_SLOT_MS, true).probe, true);
    book.observe(lost, failed("server"), 6_000 + PROBE_SLOT_MS, 0);
    assert.equal(view(6_000 + PROBE_SLOT_MS).state, "probing");
  });

  it("lets the first probe go at once after the success of a last-resort call, and is not lengthened by its failure", () => {
    const { call, fail, view } = bench();
    fail(5, 0);
    call(failed("server"), 1_000);
    assert.equal(view(1_000).restsUntilMs, 5_000);
    call(ANSWERED, 2_000);
    assert.equal(view(2_000).state, "probe-ready");
  });
});

describe("a 429", () => {
  it("pauses for its Retry-After", () => {
    const { call, view } = bench();
    call(failed("rate", 7_500), 100);
    assert.equal(view(100).pausedUntilMs, 7_600);
    assert.equal(view(7_600).pausedUntilMs, 0);
  });

  it("pauses 1 s, 2 s, 4 s … 60 s without one, and starts over after a success", () => {
    const { call, view } = bench();
    const pausesMs = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => {
      call(failed("rate"), i * 100_000);
      return view(i * 100_000).pausedUntilMs - i * 100_000;
    });
    assert.deepEqual(pausesMs, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    call(ANSWERED, 900_000);
    call(failed("rate"), 900_001);
    assert.equal(view(900_001).pausedUntilMs, 901_001);
  });

  it("is one step for calls that were sent together", () => {
    const { book, view } = bench();
    const burst = Array.from({ length: 20 }, () => book.sent(A, 0, false));
    for (const ticket of burst) book.observe(ticket, failed("rate"), 10, 0);
    assert.equal(view(10).pausedUntilMs, 1_010);
  });

  it("neither extends nor resets the run, and leaves the bucket as it was", () => {
    const { book, call, fail, view } = bench();
    fail(4, 0);
    for (let i = 0; i < 10; i += 1) call(failed("rate", 1_000), 0);
    assert.deepEqual([view(0).state, book.snapshot(0)[0]?.run, book.snapshot(0)[0]?.bucket], ["admitting", 4, 41]);
    fail(1, 0);
    assert.equal(view(0).state, "resting");
  });

  it("that names no pause is one more hard failure after three of them in a run, a burst of it one", () => {
    const { book, call, fail, view } = bench();
    fail(3, 0);
    const burst = Array.from({ length: 20 }, () => book.sent(A, 0, false));
    for (const ticket of burst) book.observe(ticket, failed("rate"), 10, 0);
    assert.equal(view(10).state, "admitting");
    call(failed("rate"), 2_000);
    assert.equal(view(2_000).state, "resting");
    const other = bench();
    other.fail(2, 0);
    for (let i = 0; i < 2; i += 1) other.call(failed("rate"), i * 2_000);
    assert.deepEqual([other.view(2_000).state, other.book.snapshot(2_000)[0]?.run], ["admitting", 2]);
  });

  it("rests a deployment that accepted nothing for a minute before it, for the third time", () => {
    const { call, view } = bench();
    for (let i = 0; i < 2; i += 1) call(failed("rate"), i * 10_000);
    assert.equal(view(20_000).state, "admitting");
    call(failed("rate"), 20_000);
    assert.equal(view(20_000).state, "resting");
  });

  it("teaches the pace that was accepted, and a call beyond it waits until one has left the minute", () => {
    const { book, call, view } = bench();
    for (let i = 0; i < 10; i += 1) call(ANSWERED, 1_000 + i);
    call(failed("rate", 100), 2_000);
    assert.notEqual(book.snapshot(2_000)[0]?.acceptsPerMinute, 9);
    call(failed("rate", 100), 3_000);
    assert.equal(book.snapshot(3_000)[0]?.acceptsPerMinute, 9);
    assert.equal(view(5_000).pausedUntilMs, 61_000);
    assert.equal(view(61_000).pausedUntilMs, 0);
  });
});

describe("headers that tell what is left", () => {
  it("pause before the first refusal when nothing is, until the limit is whole again", () => {
    const { book, view } = bench();
    const first = book.sent(A, 0, false);
    book.told(first, { remainingRequests: 2, resetMs: 30_000 }, 100);
    assert.equal(view(100).pausedUntilMs, 0);
    book.sent(A, 200, false);
    book.sent(A, 200, false);
    assert.equal(view(200).pausedUntilMs, 30_100);
    assert.equal(view(30_100).pausedUntilMs, 0);
  });

  it("are not believed where they never told of anything left", () => {
    const { book, view } = bench();
    book.told(book.sent(A, 0, false), { remainingRequests: 0, resetMs: 30_000 }, 100);
    assert.equal(view(100).pausedUntilMs, 0);
  });
});

describe("what breaks after content", () => {
  it("weighs twice: the third rests", () => {
    const { book, view } = bench();
    const breakAfter = (): void => {
      const ticket = book.sent(A, 0, false);
      book.firstContent(ticket, 1);
      book.observe(ticket, { ...failed("truncated"), phase: "after-content" } as Outcome, 2, 0);
    };
    breakAfter();
    breakAfter();
    assert.equal(view(2).state, "admitting");
    breakAfter();
    assert.equal(view(2).state, "resting");
  });
});

describe("estimates", () => {
  it("are priors of what was never called, and learn from what was", () => {
    const { book, fail } = bench();
    const prior = book.estimate("one/m", "chat", 0, 0, 0);
    assert.equal(prior.calls, 0);
    fail(4, 0);
    const learned = book.estimate("one/m", "chat", 0, 0, 0);
    assert.ok(learned.failsBefore > prior.failsBefore && learned.calls > 3.9);
    assert.equal(book.estimate("one/m", "embeddings", 0, 0, 0).calls, 0);
  });
});

describe("an exclusion", () => {
  for (const failure of ["auth", "payment", "residency"] as const) {
    it(`by ${failure} takes out the whole account, and no other`, () => {
      const { book, call } = bench();
      call(failed(failure), 0);
      assert.deepEqual(
        { ...book.view("one/other", "one", "embeddings", 1).excluded },
        { reason: failure, untilMs: EXCLUSION_RETRY_MS, scope: "account", alarm: failure !== "payment" },
      );
      assert.equal(book.view("two/m", "two", "chat", 1).excluded, null);
    });
  }

  it("is tried again after five minutes with one request, and lifted by its success", () => {
    const { book, call, view } = bench();
    call(failed("auth"), 0);
    assert.notEqual(view(EXCLUSION_RETRY_MS - 1).excluded, null);
    assert.deepEqual(view(EXCLUSION_RETRY_MS), { state: "probe-ready", pausedUntilMs: 0, excluded: null, restsUntilMs: 0 });
    const trial = book.sent(A, EXCLUSION_RETRY_MS, true);
    assert.equal(trial.probe, true);
    assert.notEqual(view(EXCLUSION_RETRY_MS).excluded, null);
    assert.equal(book.sent(A, EXCLUSION_RETRY_MS, true).probe, false);
    book.observe(trial, ANSWERED, EXCLUSION_RETRY_MS + 1, 0);
    assert.equal(view(EXCLUSION_RETRY_MS + 1).excluded, null);
    assert.equal(view(EXCLUSION_RETRY_MS + 1).state, "admitting");
  });

  it("stays another five minutes when the trial is refused, or tells nothing of the credential", () => {
    for (const failure of ["auth", "server"] as const) {
      const { call, view } = bench();
      call(failed("auth"), 0);
      call(failed(failure), EXCLUSION_RETRY_MS, true);
      assert.equal(view(EXCLUSION_RETRY_MS).excluded?.untilMs, 2 * EXCLUSION_RETRY_MS, failure);
    }
  });

  it("is not lifted by an answer to a call that was sent before it", () => {
    const { book, call, view } = bench();
    const early = book.sent(A, 0, false);
    call(failed("auth"), 1);
    book.observe(early, ANSWERED, 2, 0);
    assert.equal(view(2).excluded?.reason, "auth");
  });

  it("is tried at once when an operator asks, and after a reload", () => {
    for (const act of [(book: HealthBook) => assert.equal(book.retryAccount("one"), true), (book: HealthBook) => book.reload(["one"])]) {
      const { book, call, view } = bench();
      call(failed("payment"), 0);
      act(book);
      assert.equal(view(1).state, "probe-ready");
      assert.equal(book.sent(A, 1, true).probe, true);
    }
    assert.equal(bench().book.retryAccount("one"), false);
  });

  it("does not follow from a call that was sent with the credential of before a reload", () => {
    const { book, view } = bench();
    const old = book.sent(A, 0, false);
    book.reload(["one"]);
    book.observe(old, failed("auth"), 1, 0);
    assert.equal(view(1).excluded, null);
  });

  it("by not_found takes out that deployment with an alarm, not the account's other models, and counts for no run", () => {
    const { book, call, view } = bench();
    for (let i = 0; i < 6; i += 1) call(failed("not_found"), 0);
    assert.deepEqual({ ...view(0).excluded }, { reason: "not_found", untilMs: EXCLUSION_RETRY_MS, scope: "deployment", alarm: true });
    assert.equal(book.view("one/other", "one", "chat", 0).excluded, null);
    assert.equal(view(EXCLUSION_RETRY_MS).state, "probe-ready");
  });

  it("is forgotten with its account", () => {
    const { book, call, view } = bench();
    call(failed("auth"), 0);
    book.reload(["two"]);
    assert.equal(view(0).excluded, null);
    assert.deepEqual(book.snapshot(0), []);
  });
});

it("keeps a bounded number of deployments, and remembers those that rest", () => {
  const { book, fail, view } = bench();
  fail(5, 0);
  for (let i = 0; i < 10_000; i += 1) book.observe(book.sent({ ...A, deployment: `one/x${i}` }, 0, false), ANSWERED, 0, 0);
  assert.ok(book.snapshot(0).length <= 4_096);
  assert.equal(view(0).state, "resting");
});
