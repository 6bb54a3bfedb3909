import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ERRORS } from "../../wire/errors.ts";
import { classOf, CLIENT_ERRORS, judge, judgeCall, OURS_FLAG, ServedMinutes, withinMsOf, type Finished } from "./judge.ts";
import type { Objective, RequestClass } from "./types.ts";

const WINDOW = { kind: "rolling", lengthMs: 2_592_000_000 } as const;
function objective(kind: Objective["kind"], more: Partial<Objective> = {}): Objective {
  return { name: kind, kind, target: 0.99, window: WINDOW, within: [], atLeast: null, unit: null, ...more };
}
function request(more: Partial<Finished> = {}): Finished {
  return { stream: true, outcome: "ok", errorCode: null, flags: [], ttftMs: 500, totalMs: 2_000, units: { input: 100, output: 60 }, ...more };
}
const FOUR_S = { within: [{ upToInputTokens: null, withinMs: 4_000 }] };

describe("a request", () => {
  const cases: readonly (readonly [string, Partial<Finished>, RequestClass])[] = [
    ["that was answered", {}, "ok"],
    ["that a last resort answered", { flags: ["last_resort"] }, "degraded"],
    ["whose answer broke off and was carried on to its end", { flags: ["rescued"] }, "interrupted"],
    ["whose answer broke off", { outcome: "error_after_content", errorCode: "upstream_truncated" }, "truncated"],
    ["whose answer the gateway itself ended", { outcome: "error_after_content", errorCode: "stopping" }, "truncated"],
    ["that no provider answered", { outcome: "error", errorCode: "upstream_error", ttftMs: null }, "failed"],
    ["that came to no answer in time", { outcome: "error", errorCode: "deadline_exceeded", ttftMs: null }, "failed"],
    ["whose client waited less than anybody was allowed", { outcome: "error", errorCode: "deadline_exceeded", flags: ["by_client"], ttftMs: null }, "client"],
    ["whose client did not read it", { outcome: "error_after_content", errorCode: "upstream_timeout", flags: ["by_client"] }, "client"],
    ["that no deployment could take", { outcome: "error", errorCode: "no_usable_deployment", ttftMs: null }, "failed"],
    ["that all providers paced", { outcome: "error", errorCode: "upstream_rate_limited", ttftMs: null }, "failed"],
    ["that was wrong", { outcome: "error", errorCode: "upstream_bad_request", ttftMs: null }, "client"],
    ["that its budget forbade", { outcome: "error", errorCode: "budget_exceeded", ttftMs: null }, "client"],
    ["that its limit refused", { outcome: "error", errorCode: "rate_limited", ttftMs: null }, "client"],
    ["that its client left", { outcome: "client_gone", ttftMs: null }, "client"],
  ];
  for (const [what, more, expected] of cases) {
    it(`${what} is ${expected}`, () => {
      assert.equal(classOf(request(more)), expected);
      const good = expected === "ok" || expected === "degraded" || expected === "interrupted";
      for (const kind of ["availability", "error_rate"] as const) assert.equal(judge(objective(kind), request(more)), expected === "client" ? null : good ? "good" : "bad");
    });
  }

  it("is excused by errors of the client's alone: none that stands for a failure of ours or of a provider", () => {
    for (const [code, { status }] of Object.entries(ERRORS)) {
      if (status >= 500 || code === "upstream_rate_limited") assert.ok(!CLIENT_ERRORS.has(code), code);
      else assert.ok(CLIENT_ERRORS.has(code), `${code} (${status}) is neither told as the client's nor as a failure`);
    }
  });
});

describe("time", () => {
  it("is judged by when content came, for streams", () => {
    const first = objective("first_token", FOUR_S);
    assert.equal(judge(first, request({ ttftMs: 4_000 })), "good");
    assert.equal(judge(first, request({ ttftMs: 4_001 })), "bad");
    assert.equal(judge(first, request({ stream: false, ttftMs: 9_000 })), null);
    assert.equal(judge(first, request({ outcome: "error_after_content", errorCode: "upstream_truncated", ttftMs: 300 })), "good");
  });

  it("is late when the threshold passed without content, whatever came then: no answer, or a client that left", () => {
    const first = objective("first_token", FOUR_S);
    const hurry = { outcome: "error", errorCode: "deadline_exceeded", flags: ["by_client"], ttftMs: null } as const;
    assert.deepEqual([judge(objective("first_token", FOUR_S), request({ ...hurry, totalMs: 4_001 })), judge(objective("first_token", FOUR_S), request({ ...hurry, totalMs: 50 }))], ["bad", null]);
    assert.equal(judge(objective("latency", FOUR_S), request({ outcome: "error_after_content", errorCode: "upstream_timeout", flags: ["by_client"], totalMs: 3_600_000 })), null);
    for (const outcome of ["client_gone", "error"] as const) {
      assert.equal(judge(first, request({ outcome, errorCode: outcome === "error" ? "deadline_exceeded" : null, ttftMs: null, totalMs: 5_000 })), "bad");
      assert.equal(judge(first, request({ outcome, errorCode: outcome === "error" ? "upstream_error" : null, ttftMs: null, totalMs: 3_000 })), null);
    }
    assert.equal(judge(first, request({ outcome: "error", errorCode: "invalid_body", ttftMs: null, totalMs: 9_000 })), null);
  });

  it("of a whole answer is judged by its end, and a broken one only once it is late", () => {
    const latency = objective("latency", FOUR_S);
    assert.equal(judge(latency, request({ stream: false, totalMs: 3_999 })), "good");
    assert.equal(judge(latency, request({ totalMs: 4_001 })), "bad");
    assert.equal(judge(latency, request({ outcome: "error_after_content", totalMs: 2_000 })), null);
    assert.equal(judge(latency, request({ outcome: "error_after_content", totalMs: 6_000 })), "bad");
  });

  it("goes by the size of the prompt; the last threshold takes what is larger, the longest what is unknown", () => {
    const within = [{ upToInputTokens: 4_000, withinMs: 2_000 }, { upToInputTokens: 16_000, withinMs: 8_000 }];
    assert.deepEqual([0, 4_000, 4_001, 16_000, 99_000, null].map((tokens) => withinMsOf(within, tokens)), [2_000, 2_000, 8_000, 8_000, 8_000, 8_000]);
    assert.equal(withinMsOf([], 1), Number.POSITIVE_INFINITY);
    const sized = objective("first_token", { within });
    assert.equal(judge(sized, request({ ttftMs: 3_000, units: { input: 1_000, cache_read: 3_000 } })), "bad");
    assert.equal(judge(sized, request({ ttftMs: 3_000, units: { input: 1_000, cache_read: 3_001 } })), "good");
    assert.equal(judge(sized, request({ ttftMs: 3_000, units: {} })), "good");
  });
});

describe("the rate of an answer", () => {
  it("is its tokens from the first on, and says nothing of a few tokens", () => {
    const rate = objective("output_rate", { atLeast: 30 });
    assert.equal(judge(rate, request({ units: { output: 45 } })), "good");
    assert.equal(judge(rate, request({ units: { output: 44 } })), "bad");
    assert.equal(judge(rate, request({ units: { output: 30, reasoning: 15 } })), "good");
    assert.equal(judge(rate, request({ units: { output: 19 } })), null);
    assert.equal(judge(rate, request({ stream: false, units: { output: 60 } })), "good");
    assert.equal(judge(rate, request({ stream: false, units: { output: 59 } })), "bad");
    assert.equal(judge(rate, request({ outcome: "error_after_content", errorCode: "upstream_truncated" })), null);
  });
});

describe("a minute of throughput", () => {
  const failed = request({ outcome: "error", errorCode: "upstream_overloaded", ttftMs: null, units: {} });
  function minute(target: Objective, requests: readonly Finished[]): unknown {
    const minutes = new ServedMinutes();
    for (const one of requests) minutes.add(target, one, classOf(one), 30_000);
    return minutes.over(target, 60_000);
  }
  it("is bad where less was served than promised while something came away with nothing", () => {
    const requests = objective("throughput", { atLeast: 3, unit: "requests" });
    const ok = request();
    assert.equal(minute(requests, [ok, ok, failed]), "bad");
    assert.equal(minute(requests, [ok, ok, ok, failed]), "good");
    assert.equal(minute(requests, [ok]), "good");
    assert.equal(minute(requests, [request({ outcome: "client_gone" })]), null);
    assert.equal(minute(requests, []), null);
    const tokens = objective("throughput", { atLeast: 320, unit: "tokens" });
    assert.equal(minute(tokens, [ok, ok, failed]), "good");
    assert.equal(minute(tokens, [ok, failed]), "bad");
  });

  it("is judged once, when it is over", () => {
    const requests = objective("throughput", { atLeast: 2, unit: "requests" });
    const minutes = new ServedMinutes();
    assert.equal(minutes.add(requests, failed, "failed", 10_000), null);
    assert.equal(minutes.over(requests, 59_999), null);
    assert.equal(minutes.add(requests, request(), "ok", 61_000), "bad");
    assert.equal(minutes.over(requests, 119_000), null);
    assert.equal(minutes.over(requests, 120_000), "good");
    assert.equal(minutes.over(requests, 180_000), null);
  });
});

describe("a provider's call", () => {
  it("is bad by the provider's doing alone", () => {
    const verdicts = ["answered", "server", "overload", "network", "timeout", "truncated", "malformed", "empty", "rate", "bad_request", "auth", "superseded", "client_gone"].map((outcome) => judgeCall({ outcome, flags: [] }));
    assert.deepEqual(verdicts, ["good", "bad", "bad", "bad", "bad", "bad", "bad", "bad", null, null, null, null, null]);
  });

  it("says nothing of the provider where it ended by our doing or the client's", () => {
    assert.deepEqual(["timeout", "network"].map((outcome) => judgeCall({ outcome, flags: ["estimated", OURS_FLAG] })), [null, null]);
  });
});
