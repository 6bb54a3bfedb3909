import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Observation, Ticket } from "./book.ts";
import { JITTER_SHARE, RUN_LIMIT, restMsAt } from "./breaker.ts";
import { A, ANSWERED, bench, failed, HARD, SETTINGS } from "./test-book.ts";

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

  it("has at most as many probes in flight as its stage takes, bounded doublings, and rests within the jitter", () => {
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
          const row = book.snapshot(nowMs)[0];
          const probes = open.filter((ticket) => ticket.probe && ticket.entry.breaker.slots.some((slot) => slot.seq === ticket.seq));
          assert.ok(probes.length <= ([0, 1, 2, 10][row?.stage ?? 0] as number), `${probes.length} probes in stage ${row?.stage}`);
          assert.equal(row?.inFlight ?? 0, open.length);
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

  it("followed by five straight failures does not admit", () => {
    fc.assert(
      fc.property(fc.array(END, { maxLength: 40 }), (ends) => {
        const { call, fail, view } = bench();
        for (const end of ends) call(end, 0);
        fail(5, 0);
        assert.notEqual(view(0).state, "admitting");
      }),
    );
  });

  it("has a run that only a success sent after its failures resets", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 5, maxLength: 40 }), fc.integer({ min: 0, max: 4 }), (answered, sentAfter) => {
        const { book, call, fail } = bench();
        const run = (): number | undefined => book.snapshot(1)[0]?.run;
        const early = answered.map(() => book.sent(A, 0, false));
        fail(sentAfter, 0);
        for (const ticket of early) book.observe(ticket, ANSWERED, 1, 0);
        assert.equal(run(), sentAfter);
        call(ANSWERED, 1);
        assert.equal(run(), 0);
      }),
    );
  });

  it("gives the same states and buckets with and without its 429s, as long as something is accepted and they name their pause", () => {
    const mixed = fc.array(fc.constantFrom<"hard" | "ok" | "rate">("hard", "ok", "rate"), { maxLength: 60 });
    fc.assert(
      fc.property(mixed, (kinds) => {
        const stateAfter = (sequence: readonly string[]): string => {
          const { call, book } = bench();
          for (const kind of ["ok", ...sequence]) call(kind === "hard" ? failed("server") : kind === "ok" ? ANSWERED : failed("rate", 1_000), 0);
          const row = book.snapshot(0)[0];
          return `${row?.state} ${row?.run} ${row?.bucket}`;
        };
        assert.equal(stateAfter(kinds), stateAfter(kinds.filter((kind) => kind !== "rate")));
      }),
    );
  });

  it("gives the same book each time, limits and buckets never below what they can be", () => {
    const CALL = fc.record({
      thresholdMs: fc.constantFrom(0, 1_000, 3_000),
      slow: fc.boolean(),
      content: fc.boolean(),
      end: END,
      probe: fc.boolean(),
      gapMs: fc.constantFrom(0, 20, 1_500, 40_000),
      random: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(CALL, { maxLength: 80 }), (calls) => {
        const told = (): unknown => {
          const { book } = bench();
          let nowMs = 0;
          const open: { readonly ticket: Ticket; readonly end: Observation; readonly random: number }[] = [];
          for (const one of calls) {
            nowMs += one.gapMs;
            const ticket = book.sent(A, nowMs, one.probe, { thresholdMs: one.thresholdMs, sizeClass: 0 });
            if (one.slow) book.slow(ticket, nowMs + one.thresholdMs);
            if (one.content) book.firstContent(ticket, nowMs + 5_000);
            open.push({ ticket, end: one.end, random: one.random });
            // Twelve in flight: each ends when the twelfth after it was sent.
            const ended = open.length > 12 ? open.shift() : undefined;
            if (ended !== undefined) book.observe(ended.ticket, ended.end, nowMs, ended.random);
          }
          const row = book.snapshot(nowMs)[0];
          assert.ok(row === undefined || (row.inFlight === open.length && row.bucket >= 0 && row.bucket < 45 + 22));
          assert.ok(row === undefined || (row.slow.length <= 2 && row.slow.every(({ bucket }) => bucket >= 0 && bucket < 45 + 22)));
          assert.ok((row?.acceptsPerMinute ?? 1) >= 1 && (row?.takesAtOnce ?? 1) >= 1);
          return [row, book.view(A.deployment, A.account, A.endpoint, nowMs, 1_000), { ...book.estimate(A.deployment, A.endpoint, 1_000, 0, nowMs) }];
        };
        assert.deepEqual(told(), told());
      }),
    );
  });
});
