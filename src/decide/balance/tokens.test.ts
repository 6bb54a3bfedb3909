import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { TokenBucket, exploreTokens, hedgeTokens } from "./tokens.ts";

/** Takes that succeed. */
function takes(bucket: TokenBucket, times: number): number {
  return Array.from({ length: times }, () => bucket.tryTake()).filter(Boolean).length;
}

describe("a token bucket", () => {
  it("grants no more than it started with and its share of the requests, for any sequence", () => {
    const terms = fc.record({ share: fc.double({ min: 0, max: 1, noNaN: true }), capacity: fc.integer({ min: 1, max: 20 }), starts: fc.constantFrom("full" as const, "empty" as const) });
    fc.assert(
      fc.property(terms, fc.array(fc.boolean(), { maxLength: 400 }), (given, events) => {
        const bucket = new TokenBucket(given);
        let [requests, granted] = [0, 0];
        for (const isRequest of events) {
          if (isRequest) {
            bucket.earn();
            requests += 1;
          } else if (bucket.tryTake()) granted += 1;
          const started = given.starts === "full" && given.share > 0 ? given.capacity : 0;
          assert.ok(granted <= started + given.share * requests + 1e-6, `${granted} of ${requests}`);
          assert.ok(bucket.tokens() >= 0 && bucket.tokens() <= given.capacity);
        }
      }),
    );
  });

  it("grants exactly one call for twenty requests, and for as many as the share says", () => {
    const hedges = hedgeTokens();
    assert.equal(takes(hedges, 20), 10, "it starts full");
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 19; i++) hedges.earn();
      assert.equal(hedges.tryTake(), false, `round ${round}`);
      hedges.earn();
      assert.equal(hedges.tokens(), 1);
      assert.equal(hedges.tryTake(), true, `round ${round}`);
    }
  });

  it("saves up no more than its capacity", () => {
    const [hedges, probes] = [hedgeTokens(), exploreTokens()];
    assert.equal(takes(probes, 5), 0, "it starts empty");
    for (let i = 0; i < 10_000; i++) {
      hedges.earn();
      probes.earn();
    }
    assert.deepEqual([takes(hedges, 20), takes(probes, 20)], [10, 3]);
  });

  it("of a share of nothing grants nothing", () => {
    const bucket = hedgeTokens(0);
    bucket.earn();
    assert.deepEqual([bucket.tokens(), bucket.tryTake()], [0, false]);
  });
});
