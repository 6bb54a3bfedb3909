import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { faultOf } from "../wire/outcome.ts";
import type { FailureClass, Outcome } from "../wire/outcome.ts";
import { JITTER_SHARE, PROBE_SLOT_MS, RUN_LIMIT, restMsAt } from "./breaker.ts";
import { EXCLUSION_RETRY_MS } from "./exclusion.ts";
import { HealthBook } from "./health.ts";
import type { HealthId, Observation, Ticket } from "./health.ts";

const SETTINGS = { restMs: 5_000, restMaxMs: 300_000 };
const A: HealthId = { deployment: "one/m", account: "one", endpoint: "chat" };
const HARD: readonly FailureClass[] = ["network", "timeout", "server", "overload", "malformed", "truncated", "empty", "too_large"];
const ANSWERED: Outcome = { kind: "answered" };

function failed(failure: FailureClass, retryAfterMs: number | null = null): Outcome {
  return {
    kind: "failed",
    error: { class: failure, status: 0, message: "", type: null, code: null, param: null, retryAfterMs },
    phase: "before-content",
    fault: faultOf(failure),
  };
}
/** A book with one deployment, and shorthands that send and end one call at a time. */
function bench(id: HealthId = A) {
  const book = new HealthBook(SETTINGS);
  const call = (observation: Observation, nowMs: number, probe = false): Ticket => {
    const ticket = book.sent(id, nowMs, probe);
    book.observe(ticket, observation, nowMs, 0);
    return ticket;
  };
  const view = (nowMs: number) => book.view(id.deployment, id.account, id.endpoint, nowMs);
  const fail = (times: number, nowMs: number): void => {
    for (let i = 0; i < times; i += 1) call(failed("server"), nowMs);
  };
  return { book, call, view, fail };
}

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

  it("is reset by a success sent after it", () => {
    const { call, fail, view } = bench();
    fail(4, 0);
    call(ANSWERED, 1);
    fail(4, 2);
    assert.equal(view(2).state, "admitting");
  });

  it("is not reset by a success that was sent before it", () => {
    const { book, fail, view } = bench();
    const early = book.sent(A, 0, false);
    fail(4, 1);
    book.observe(early, ANSWERED, 2, 0);
    fail(1, 3);
    assert.equal(view(3).state, "resting");
  });

  it("does not count failures that were sent before the latest success", () => {
    const { book, call, fail, view } = bench();
    const early = [0, 1, 2, 3, 4].map(() => book.sent(A, 0, false));
    call(ANSWERED, 1);
    for (const ticket of early) book.observe(ticket, failed("timeout"), 30_000, 0);
    assert.equal(view(30_000).state, "admitting");
    fail(5, 30_001);
    assert.equal(view(30_001).state, "resting");
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

  it("ends with the success of its probe", () => {
    const { call, fail, view } = bench();
    fail(5, 0);
    call(ANSWERED, 5_000, true);
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

  it("is as long as before when the deployment fails soon after it was admitted, and short again after a healthy while", () => {
    const { call, fail, view } = bench();
    fail(5, 0);
    call(ANSWERED, 5_000, true);
    fail(5, 5_001);
    assert.equal(view(5_001).restsUntilMs, 15_001);
    call(ANSWERED, 16_000, true);
    fail(5, 16_000 + 20_000 + 10_000);
    assert.equal(view(46_000).restsUntilMs, 51_000);
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

  it("ends with the success of a last-resort call, and is not lengthened by its failure", () => {
    const { call, fail, view } = bench();
    fail(5, 0);
    call(failed("server"), 1_000);
    assert.equal(view(1_000).restsUntilMs, 5_000);
    call(ANSWERED, 2_000);
    assert.equal(view(2_000).state, "admitting");
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

  it("neither extends nor resets the run", () => {
    const { call, fail, view } = bench();
    fail(4, 0);
    for (let i = 0; i < 10; i += 1) call(failed("rate"), 0);
    assert.equal(view(0).state, "admitting");
    fail(1, 0);
    assert.equal(view(0).state, "resting");
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

describe("any sequence of calls", () => {
  const END = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...HARD).map((failure) => failed(failure)) },
    { weight: 3, arbitrary: fc.constant<Observation>(ANSWERED) },
    fc.option(fc.integer({ min: 0, max: 100_000 })).map((ms) => failed("rate", ms)),
    fc.constantFrom<Observation>({ kind: "client-gone", phase: "before-content" }, { kind: "superseded", phase: "before-content" }, failed("bad_request")),
  );
  /** Send, or end the n-th open call (a soft timeout leaves it open); time passes in between. */
  const STEP = fc.record({
    send: fc.boolean(),
    probe: fc.boolean(),
    which: fc.nat(20),
    soft: fc.boolean(),
    end: END,
    gapMs: fc.constantFrom(0, 1, 1_000, 6_000, 200_000),
    random: fc.double({ min: 0, max: 0.999, noNaN: true }),
  });

  it("has at most one probe in flight, bounded doublings, and rests within the jitter", () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 120 }), (steps) => {
        const { book, view } = bench();
        let open: Ticket[] = [];
        let nowMs = 0;
        for (const step of steps) {
          nowMs += step.gapMs;
          const before = view(nowMs);
          const levelBefore = book.snapshot(nowMs)[0]?.level ?? 0;
          if (step.send) {
            const ticket = book.sent(A, nowMs, step.probe);
            assert.equal(ticket.probe, step.probe && before.state === "probe-ready");
            open.push(ticket);
          } else if (open.length > 0) {
            const ticket = open[step.which % open.length];
            assert.ok(ticket !== undefined);
            if (!step.soft) open = open.filter((other) => other !== ticket);
            book.observe(ticket, step.soft ? { kind: "soft-timeout" } : step.end, nowMs, step.random);
          }
          const probes = open.filter((ticket) => ticket.probe && ticket.seq === ticket.entry.breaker.probeSeq);
          assert.ok(probes.length <= 1);
          assert.ok(view(nowMs).state !== "probing" || probes.length === 1);
          const row = book.snapshot(nowMs)[0];
          assert.ok(row === undefined || (row.level >= 0 && row.level <= 6 && row.run < RUN_LIMIT));
          const after = view(nowMs);
          if (after.restsUntilMs > nowMs && after.restsUntilMs !== before.restsUntilMs) {
            const fullMs = restMsAt(SETTINGS, levelBefore);
            const restMs = after.restsUntilMs - nowMs;
            assert.ok(restMs <= fullMs + 1e-6 && restMs >= fullMs * (1 - JITTER_SHARE) - 1e-6, `${restMs} of ${fullMs}`);
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  it("followed by five straight failures rests", () => {
    fc.assert(
      fc.property(fc.array(END, { maxLength: 40 }), (ends) => {
        const { call, fail, view } = bench();
        for (const end of ends) call(end, 0);
        fail(5, 0);
        assert.equal(view(0).state, "resting");
      }),
    );
  });

  it("has a run that only a success sent after its failures resets", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 5, maxLength: 40 }), fc.integer({ min: 0, max: 4 }), (answered, sentAfter) => {
        const { book, call, fail, view } = bench();
        const early = answered.map(() => book.sent(A, 0, false));
        fail(sentAfter, 0);
        for (const ticket of early) book.observe(ticket, ANSWERED, 1, 0);
        fail(4 - sentAfter, 1);
        assert.equal(view(1).state, "admitting");
        if (answered[0] === true) {
          call(ANSWERED, 2);
          fail(4, 2);
          assert.equal(view(2).state, "admitting");
        }
        fail(1, 3);
        assert.equal(view(3).state, "resting");
      }),
    );
  });

  it("gives the same states with and without its 429s, as long as nothing is probed", () => {
    const mixed = fc.array(fc.constantFrom<"hard" | "ok" | "rate">("hard", "ok", "rate"), { maxLength: 60 });
    fc.assert(
      fc.property(mixed, (kinds) => {
        const stateAfter = (sequence: readonly string[]): string => {
          const { call, book } = bench();
          for (const kind of sequence) call(kind === "hard" ? failed("server") : kind === "ok" ? ANSWERED : failed("rate"), 0);
          const row = book.snapshot(0)[0];
          return `${row?.state ?? "admitting"} ${row?.run ?? 0}`;
        };
        assert.equal(stateAfter(kinds), stateAfter(kinds.filter((kind) => kind !== "rate")));
      }),
    );
  });
});
