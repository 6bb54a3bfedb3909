import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { RateLimits } from "./limits.ts";
import type { RateAdmission, RateLimit, RateTaken } from "./limits.ts";

const KEY = ["tenant/default", "key/app", "model/small"];
const MINUTE_MS = 60_000;

function limit(id: string, more: Partial<RateLimit>): RateLimit {
  return { id, scopes: ["key/app"], requestsPerMinute: null, tokensPerMinute: null, concurrency: null, ...more };
}

function limitsOf(...limits: readonly RateLimit[]): RateLimits {
  const made = new RateLimits();
  made.configure(limits, 0);
  return made;
}

function say(admission: RateAdmission): string {
  return admission.kind === "admitted" ? "admitted" : `${admission.limit.id} ${admission.what} ${admission.retryAfterMs}`;
}

function takenBy(admission: RateAdmission): RateTaken {
  return admission.kind === "admitted" ? admission.taken : assert.fail(say(admission));
}

describe("a limit of requests", () => {
  it("lets a minute's worth come at once, then one at a time as they flow in", () => {
    const limits = limitsOf(limit("l", { requestsPerMinute: 3 }));
    for (let n = 0; n < 3; n += 1) assert.equal(say(limits.admit(KEY, 0, 0)), "admitted");
    assert.equal(say(limits.admit(KEY, 0, 0)), "l requests 20000");
    assert.equal(say(limits.admit(KEY, 0, 19_999)), "l requests 1");
    assert.equal(say(limits.admit(KEY, 0, 20_000)), "admitted");
    assert.equal(say(limits.admit(KEY, 0, 20_000)), "l requests 20000");
    for (let n = 0; n < 3; n += 1) assert.equal(say(limits.admit(KEY, 0, 600_000)), "admitted");
    assert.equal(say(limits.admit(KEY, 0, 600_000)), "l requests 20000");
  });

  it("of zero refuses for good", () => {
    assert.equal(say(limitsOf(limit("l", { requestsPerMinute: 0 })).admit(KEY, 0, 0)), "l requests null");
  });

  it("of zero on a model closes it to whoever carries its other scopes", () => {
    const limits = limitsOf(limit("l", { scopes: ["model/small", "key/app"], concurrency: 0 }), limit("open", { scopes: ["model/large"], requestsPerMinute: 1 }), limit("all", { requestsPerMinute: 0 }));
    assert.deepEqual([limits.closedModels(["key/app", "model/files"]), limits.closedModels(["key/other"])], [[{ id: "l", model: "small" }], []]);
  });

  it("applies to calls that carry all of its scopes and to no others", () => {
    const limits = limitsOf(limit("l", { scopes: ["model/small", "tenant/default"], requestsPerMinute: 0 }));
    assert.equal(say(limits.admit(["tenant/default", "model/large"], 0, 0)), "admitted");
    assert.equal(say(limits.admit(KEY, 0, 0)), "l requests null");
  });
});

describe("a limit of tokens", () => {
  it("takes the estimate and puts it right at the end", () => {
    const limits = limitsOf(limit("l", { tokensPerMinute: 1_000 }));
    const first = takenBy(limits.admit(KEY, 800, 0));
    assert.equal(say(limits.admit(KEY, 300, 0)), "l tokens 6000");
    limits.done(first, 100, 0);
    assert.equal(limits.standing(KEY, 0).tokens?.remaining, 900);
    limits.done(first, 0, 0);
    assert.equal(limits.standing(KEY, 0).tokens?.remaining, 900);
    const second = takenBy(limits.admit(KEY, 900, 0));
    limits.done(second, 1_900, 0);
    // A thousand are owed: a minute for those, and then for what is asked.
    assert.equal(say(limits.admit(KEY, 500, 0)), "l tokens 90000");
    assert.equal(say(limits.admit(KEY, 500, 90_000)), "admitted");
  });

  it("keeps the estimate where nobody knows what it came to", () => {
    const limits = limitsOf(limit("l", { tokensPerMinute: 1_000 }));
    limits.done(takenBy(limits.admit(KEY, 400, 0)), null, 0);
    assert.equal(limits.standing(KEY, 0).tokens?.remaining, 600);
  });

  it("says of a call that alone is more than the limit that waiting is no use", () => {
    assert.equal(say(limitsOf(limit("l", { tokensPerMinute: 1_000 })).admit(KEY, 1_001, 0)), "l tokens null");
    assert.equal(say(limitsOf(limit("l", { tokensPerMinute: 1_000 })).admit(KEY, 9_000, 0, 1_001)), "l tokens null");
  });

  it("lets a call that may come to more than the limit take a minute's whole, and owe the rest", () => {
    const limits = limitsOf(limit("l", { tokensPerMinute: 1_000 }), limit("wide", { tokensPerMinute: 100_000 }));
    const small = takenBy(limits.admit(KEY, 100, 0));
    assert.equal(say(limits.admit(KEY, 9_000, 0, 200)), "l tokens 6000");
    const large = takenBy(limits.admit(KEY, 9_000, 6_000, 200));
    assert.equal(limits.standing(KEY, 6_000).tokens?.remaining, 0);
    limits.done(small, 100, 6_000);
    limits.done(large, 3_000, 6_000);
    assert.equal(say(limits.admit(KEY, 1, 6_000)), "l tokens 120060");
    limits.configure([limit("wide", { tokensPerMinute: 100_000 })], 6_000);
    assert.equal(limits.standing(KEY, 6_000).tokens?.remaining, 97_000);
  });

  it("says how much is left where it refuses", () => {
    const limits = limitsOf(limit("l", { tokensPerMinute: 1_000, concurrency: 1 }));
    limits.admit(KEY, 300, 0);
    const told = [limits.admit(KEY, 800, 0), limits.admit(KEY, 10, 0)].map((one) => (one.kind === "refused" ? `${one.what} ${one.remaining}` : one.kind));
    assert.deepEqual(told, ["tokens 700", "concurrency 0"]);
  });
});

describe("a limit of concurrency", () => {
  it("counts calls until they have ended", () => {
    const limits = limitsOf(limit("l", { concurrency: 2 }));
    const first = takenBy(limits.admit(KEY, 0, 0));
    limits.admit(KEY, 0, 0);
    assert.equal(say(limits.admit(KEY, 0, MINUTE_MS)), "l concurrency 1000");
    limits.done(first, 5, MINUTE_MS);
    limits.done(first, 5, MINUTE_MS);
    assert.equal(say(limits.admit(KEY, 0, MINUTE_MS)), "admitted");
    assert.equal(say(limits.admit(KEY, 0, MINUTE_MS)), "l concurrency 1000");
  });
});

describe("several limits", () => {
  it("are taken of together or not at all, and the longest wait is named", () => {
    const limits = limitsOf(limit("fast", { requestsPerMinute: 60 }), limit("slow", { requestsPerMinute: 1, scopes: ["model/small"] }), limit("some", { concurrency: 5, tokensPerMinute: 100 }));
    const first = takenBy(limits.admit(KEY, 100, 0));
    assert.equal(say(limits.admit(KEY, 10, 0)), "slow requests 60000");
    assert.equal(limits.standing(["key/app"], 0).requests?.remaining, 59);
    limits.undo(first, 0);
    assert.deepEqual(limits.standing(KEY, 0), { requests: { limit: 1, remaining: 1, resetMs: 0 }, tokens: { limit: 100, remaining: 100, resetMs: 0 } });
  });

  it("keep what was taken when one of them is changed, and what is new starts full", () => {
    const limits = limitsOf(limit("l", { requestsPerMinute: 10 }));
    for (let n = 0; n < 8; n += 1) limits.admit(KEY, 0, 0);
    limits.configure([limit("l", { requestsPerMinute: 5, tokensPerMinute: 50 })], 0);
    assert.equal(say(limits.admit(KEY, 0, 0)), "l requests 48000");
    limits.configure([limit("l", { requestsPerMinute: 20 })], 0);
    assert.equal(limits.standing(KEY, 0).requests?.remaining, 12);
    limits.configure([], 0);
    assert.equal(limits.standing(KEY, 0).requests, null);
  });

  it("say by the tightest how much is left and when all of it is there again", () => {
    const limits = limitsOf(limit("a", { requestsPerMinute: 10 }), limit("b", { requestsPerMinute: 6, scopes: ["tenant/default"] }));
    limits.admit(KEY, 0, 0);
    assert.deepEqual(limits.standing(KEY, 0), { requests: { limit: 6, remaining: 5, resetMs: 10_000 }, tokens: null });
    assert.deepEqual(limits.standing(KEY, 9_999).requests, { limit: 6, remaining: 5, resetMs: 1 });
  });
});

describe("limits under any traffic", () => {
  it("admit no more than a minute's worth and what flows in, and exactly when they said they would", () => {
    const arrivals = fc.array(fc.record({ gapMs: fc.nat(9_000), tokens: fc.nat(400), actual: fc.nat(700) }), { minLength: 20, maxLength: 120 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 100, max: 2_000 }), arrivals, (requestsPerMinute, tokensPerMinute, all) => {
        const limits = limitsOf(limit("l", { requestsPerMinute, tokensPerMinute }));
        const admitted: { atMs: number; tokens: number }[] = [];
        let nowMs = 0;
        for (const { gapMs, tokens, actual } of all) {
          nowMs += gapMs;
          const admission = limits.admit(KEY, tokens, nowMs);
          if (admission.kind === "refused") {
            if (admission.retryAfterMs === null) continue;
            assert.equal(limits.admit(KEY, tokens, nowMs + admission.retryAfterMs - 1).kind, "refused");
            nowMs += admission.retryAfterMs;
          }
          const taken = takenBy(admission.kind === "admitted" ? admission : limits.admit(KEY, tokens, nowMs));
          limits.done(taken, actual, nowMs);
          admitted.push({ atMs: nowMs, tokens: actual });
        }
        for (let from = 0; from < admitted.length; from += 1) {
          const span = admitted.slice(from);
          span.forEach(({ atMs }, index) => {
            const passedMs = atMs - (span[0]?.atMs ?? 0);
            assert.ok((index + 1) * MINUTE_MS <= requestsPerMinute * (MINUTE_MS + passedMs), "requests");
            // The last one may come to more than was estimated: that is owed by those after it.
            const tokens = span.slice(0, index).reduce((sum, one) => sum + one.tokens, 0);
            assert.ok(tokens * MINUTE_MS <= tokensPerMinute * (MINUTE_MS + passedMs), "tokens");
          });
        }
      }),
      { numRuns: 200, endOnFailure: true },
    );
  });
});
