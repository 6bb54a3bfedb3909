import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { FailureClass, Outcome, Phase } from "../wire/outcome.ts";
import { outputTokens } from "../wire/usage.ts";
import type { Usage } from "../wire/usage.ts";
import type { Pricing } from "./deployment.ts";
import { chargeOf, inputEstimateTokens, relayedTokens } from "./estimate.ts";
import type { AttemptFacts } from "./estimate.ts";
import { plainSheet } from "./price-at.ts";

const pricing: Pricing = { kind: "sheet", sheet: plainSheet("v1", { input: 1000, output: 5000 }) };
const usage: Usage = { units: { input: 100, output: 20 }, raw: { prompt_tokens: 100, completion_tokens: 20 } };
const answered: Outcome = { kind: "answered" };

function failed(failure: FailureClass, status: number, phase: Phase): Outcome {
  return {
    kind: "failed",
    error: { class: failure, status, message: "", type: null, code: null, param: null, retryAfterMs: null },
    phase,
    fault: "provider",
  };
}
function facts(more: Partial<AttemptFacts>): AttemptFacts {
  return {
    pricing,
    outcome: answered,
    usage: null,
    sent: true,
    relayedTextBytes: 0,
    contentEvents: 0,
    inputEstimateTokens: 90,
    billsOnAbort: "input",
    wallMs: 0,
    ...more,
  };
}

describe("estimates", () => {
  it("take four bytes a token in, and at least one token an event or three bytes out", () => {
    assert.deepEqual([0, 1, 4, 5].map(inputEstimateTokens), [0, 1, 1, 2]);
    assert.deepEqual(
      [relayedTokens(0, 0), relayedTokens(9, 1), relayedTokens(9, 7), relayedTokens(10, 1)],
      [0, 3, 7, 4],
    );
  });
});

describe("the charge of an attempt", () => {
  const table: readonly (readonly [string, Partial<AttemptFacts>, string, string, number | null, readonly string[]])[] =
    [
      ["answered with usage", { usage, relayedTextBytes: 3000, contentEvents: 50 }, "charged", "answered", 200, []],
      [
        "answered without usage",
        { relayedTextBytes: 30, contentEvents: 8 },
        "estimated",
        "answered",
        90 + 50,
        ["estimated", "usage_missing"],
      ],
      [
        "answered with an empty usage object",
        { usage: { units: {}, raw: {} }, relayedTextBytes: 30, contentEvents: 8 },
        "estimated",
        "answered",
        140,
        ["estimated", "usage_missing"],
      ],
      [
        "refused the connection",
        { outcome: failed("network", 0, "unsent"), sent: false },
        "unbilled",
        "network",
        0,
        [],
      ],
      ["refused with 429", { outcome: failed("rate", 429, "before-content") }, "unbilled", "rate", 0, []],
      ["failed with 503", { outcome: failed("overload", 503, "before-content") }, "unbilled", "overload", 0, []],
      [
        "failed with 500 and a usage",
        { outcome: failed("server", 500, "before-content"), usage, finished: true },
        "charged",
        "server",
        200,
        [],
      ],
      [
        "lost before content",
        { outcome: failed("network", 0, "before-content") },
        "estimated",
        "network",
        90,
        ["estimated", "aborted"],
      ],
      [
        "lost before content, and the provider bills nothing then",
        { outcome: failed("network", 0, "before-content"), billsOnAbort: "nothing" },
        "unbilled",
        "network",
        0,
        ["aborted"],
      ],
      [
        "a 200 that cannot be read",
        { outcome: failed("malformed", 200, "before-content") },
        "estimated",
        "malformed",
        90,
        ["estimated", "aborted"],
      ],
      [
        "too late and aborted",
        { outcome: failed("timeout", 0, "before-content") },
        "estimated",
        "timeout",
        90,
        ["estimated", "aborted"],
      ],
      [
        "cut after content",
        { outcome: failed("truncated", 0, "after-content"), relayedTextBytes: 300, contentEvents: 10 },
        "estimated",
        "truncated",
        90 + 500,
        ["estimated", "usage_missing"],
      ],
      [
        "an error event after content",
        { outcome: failed("overload", 529, "after-content"), relayedTextBytes: 3, contentEvents: 1 },
        "estimated",
        "overload",
        95,
        ["estimated", "usage_missing"],
      ],
      [
        "superseded before content",
        { outcome: { kind: "superseded", phase: "before-content" } },
        "estimated",
        "superseded",
        90,
        ["estimated", "aborted"],
      ],
      [
        "the client left after content",
        { outcome: { kind: "client-gone", phase: "after-content" }, contentEvents: 4 },
        "estimated",
        "client_gone",
        110,
        ["estimated", "usage_missing"],
      ],
      [
        "cut after the final usage",
        {
          outcome: failed("truncated", 0, "after-content"),
          usage,
          finished: true,
          relayedTextBytes: 300,
          contentEvents: 90,
        },
        "charged",
        "truncated",
        200,
        [],
      ],
      [
        "cut with a snapshot of usage below what was relayed",
        { outcome: failed("truncated", 0, "after-content"), usage, relayedTextBytes: 150, contentEvents: 10 },
        "estimated",
        "truncated",
        100 + 250,
        ["estimated", "usage_partial"],
      ],
      [
        "cut with a snapshot of usage above what was relayed",
        { outcome: failed("truncated", 0, "after-content"), usage, relayedTextBytes: 6, contentEvents: 2 },
        "estimated",
        "truncated",
        200,
        ["estimated", "usage_partial"],
      ],
      ["unmetered with usage", { pricing: { kind: "unmetered" }, usage }, "unmetered", "answered", null, []],
      [
        "unmetered and refused",
        { pricing: { kind: "unmetered" }, outcome: failed("rate", 429, "before-content") },
        "unmetered",
        "rate",
        null,
        [],
      ],
      ["unpriced with usage", { pricing: { kind: "unknown" }, usage }, "charged", "answered", null, ["price_unknown"]],
      [
        "unpriced and refused",
        { pricing: { kind: "unknown" }, outcome: failed("rate", 429, "before-content") },
        "unbilled",
        "rate",
        0,
        [],
      ],
    ];
  for (const [what, more, state, outcome, costNanoUsd, flags] of table) {
    it(`${what}: ${state}, ${costNanoUsd === null ? "no cost" : `${costNanoUsd} nano-dollars`}`, () => {
      const charge = chargeOf(facts(more));
      assert.deepEqual(
        [charge.state, charge.outcome, charge.costNanoUsd, charge.flags],
        [state, outcome, costNanoUsd, flags],
      );
    });
  }

  it("keeps the provider's object as it came", () => {
    assert.equal(chargeOf(facts({ usage })).rawUsage, usage.raw);
  });

  it("keeps the fee per request among the units, so that the row can be priced again", () => {
    const withFee: Pricing = {
      kind: "sheet",
      sheet: plainSheet("v1", { input: 1000, output: 5000, requests: 14_000_000_000 }),
    };
    const charge = chargeOf(facts({ pricing: withFee, usage }));
    assert.deepEqual([charge.units, charge.costNanoUsd], [{ input: 100, output: 20, requests: 1 }, 14_000_200]);
  });

  it("raises a snapshot that bills several models without losing their entries", () => {
    const entries = [{ model: null, kind: "message", units: { input: 100, output: 20 } }];
    const charge = chargeOf(
      facts({ outcome: failed("truncated", 0, "after-content"), usage: { ...usage, entries }, contentEvents: 50 }),
    );
    assert.deepEqual([charge.costNanoUsd, charge.units], [100 + 250, { input: 100, output: 50 }]);
  });

  it("never settles below what was relayed, nor a lost call at zero where aborts are billed", () => {
    const phase = fc.constantFrom<Phase>("before-content", "after-content");
    const outcome: fc.Arbitrary<Outcome> = fc.oneof(
      fc.constant(answered),
      phase.map((at): Outcome => ({ kind: "superseded", phase: at })),
      phase.map((at): Outcome => ({ kind: "client-gone", phase: at })),
      fc
        .tuple(fc.constantFrom<FailureClass>("network", "timeout", "truncated", "malformed", "empty"), phase)
        .map(([failure, at]) => failed(failure, 0, at)),
    );
    const seen = fc.option(
      fc.record({ units: fc.record({ input: fc.nat(500), output: fc.nat(500) }), raw: fc.constant(null) }),
    );
    fc.assert(
      fc.property(
        outcome,
        seen,
        fc.nat(3000),
        fc.nat(1000),
        fc.integer({ min: 1, max: 1000 }),
        (ended, told, bytes, events, estimate) => {
          const charge = chargeOf(
            facts({
              outcome: ended,
              usage: told,
              finished: false,
              relayedTextBytes: bytes,
              contentEvents: events,
              inputEstimateTokens: estimate,
            }),
          );
          assert.ok(outputTokens(charge.units) >= relayedTokens(bytes, events));
          assert.ok(charge.costNanoUsd !== null && charge.costNanoUsd > 0);
        },
      ),
    );
  });
});
