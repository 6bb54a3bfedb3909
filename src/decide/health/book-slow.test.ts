import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HealthBook, type CallFacts, type HealthId } from "./book.ts";
import { A, ANSWERED, failed, SETTINGS } from "./test-book.ts";

describe("calls that are slow against a threshold", () => {
  const T = { thresholdMs: 1_000, sizeClass: 0 } as const;
  const slowBench = (id: HealthId = A) => {
    const book = new HealthBook(SETTINGS);
    const slow = (times: number, nowMs: number, call: CallFacts = T): void => {
      for (let i = 0; i < times; i += 1) {
        const ticket = book.sent(id, nowMs, false, call);
        book.slow(ticket, nowMs + 1_000, 0);
        book.firstContent(ticket, nowMs + 2_000);
        book.observe(ticket, ANSWERED, nowMs + 3_000, 0);
      }
    };
    const view = (nowMs: number, thresholdMs = 1_000) => book.view(id.deployment, id.account, id.endpoint, nowMs, thresholdMs);
    return { book, slow, view };
  };

  it("rest the deployment after five, for those alone that hold it to that threshold", () => {
    const { slow, view } = slowBench();
    slow(4, 0);
    assert.equal(view(3_000).state, "admitting");
    slow(1, 3_000);
    assert.deepEqual([view(4_000).state, view(4_000, 2_000).state, view(4_000, 0).state], ["resting", "admitting", "admitting"]);
  });

  it("are probed in a race, and a probe is good when its content is in time", () => {
    const { book, slow, view } = slowBench();
    slow(5, 0);
    const restsUntilMs = view(4_000).restsUntilMs;
    assert.deepEqual([view(restsUntilMs).state, view(restsUntilMs).raced], ["probe-ready", true]);
    const probe = book.sent(A, restsUntilMs, true, T);
    assert.equal(probe.probe, true);
    assert.equal(view(restsUntilMs).state, "probing");
    book.firstContent(probe, restsUntilMs + 900);
    assert.equal(book.snapshot(restsUntilMs + 900)[0]?.slow[0]?.stage, 2);
    book.observe(probe, { kind: "superseded", phase: "after-content" }, restsUntilMs + 901, 0);
    assert.equal(view(restsUntilMs + 901).state, "probe-ready");
  });

  it("go on resting where the probe is slow or fails", () => {
    for (const end of ["slow", "fails"] as const) {
      const { book, slow, view } = slowBench();
      slow(5, 0);
      const nowMs = view(4_000).restsUntilMs;
      const probe = book.sent(A, nowMs, true, T);
      if (end === "slow") book.slow(probe, nowMs + 1_000, 0);
      else book.observe(probe, failed("server"), nowMs + 1_000, 0);
      assert.equal(view(nowMs + 1_000).restsUntilMs, nowMs + 11_000, end);
    }
  });

  it("are no hard failures, and hard failures rest it for everyone, probed alone", () => {
    const { book, slow, view } = slowBench();
    slow(4, 0);
    for (let i = 0; i < 5; i += 1) book.observe(book.sent(A, 5_000, false), failed("server"), 5_000, 0);
    for (const thresholdMs of [0, 1_000]) {
      assert.equal(view(5_000, thresholdMs).state, "resting");
      assert.deepEqual([view(10_000, thresholdMs).state, view(10_000, thresholdMs).raced], ["probe-ready", undefined]);
    }
  });

  it("count in part where another call was faster: by how likely they would have been slow", () => {
    const { book, view } = slowBench();
    const aborted = (times: number, waitedMs: number): void => {
      for (let i = 0; i < times; i += 1) book.observe(book.sent(A, 0, false, T), { kind: "superseded", phase: "before-content" }, waitedMs, 0);
    };
    aborted(5, 10);
    const early = book.snapshot(10)[0]?.slow[0]?.bucket ?? 0;
    assert.ok(early < 11, `${early} for calls that were given up at once`);
    aborted(5, 1_500);
    assert.equal(view(1_500).state, "resting", "calls that were given up after the threshold");
  });

  it("are not counted twice, neither by a late word nor by their abortion", () => {
    const { book } = slowBench();
    const ticket = book.sent(A, 0, false, T);
    book.slow(ticket, 1_000, 0);
    book.slow(ticket, 1_001, 0);
    book.observe(ticket, { kind: "superseded", phase: "before-content" }, 1_500, 0);
    book.slow(ticket, 1_600, 0);
    assert.equal(book.snapshot(1_600)[0]?.slow[0]?.bucket, 11);
  });

  it("among many in flight limit how many may be, until content comes near the limit again", () => {
    const { book, view } = slowBench();
    const many = Array.from({ length: 20 }, () => book.sent(A, 0, false, T));
    for (const ticket of many) book.slow(ticket, 1_000, 0);
    const limit = book.snapshot(1_000)[0]?.takesAtOnce ?? Number.NaN;
    // By the time that the share is proven, the call is one that was sent among a few.
    assert.ok(limit >= 4 && limit <= 16, `${limit}`);
    assert.equal(view(1_000, 0).full, true);
    for (const ticket of many) book.observe(ticket, ANSWERED, 1_100, 0);
    assert.equal(view(1_100, 0).full, undefined);
    assert.equal(book.snapshot(1_100)[0]?.inFlight, 0);
  });
});
