import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { boundUnder, type Spending } from "./cap.ts";
import type { Deployment, Pricing, RequestShape } from "./deployment.ts";
import { model, provider } from "./test-directory.ts";
import { anySheet } from "./test-sheets.ts";

const SHAPE: RequestShape = { endpoint: "chat", stream: false, inputBoundTokens: null, inputEstimateTokens: 0, imageCount: 0, maxOutputTokens: null, choiceCount: 1, needs: [] };

function deployment(pricing: Pricing, maxOutput: number | null, reasons: boolean): Deployment {
  return {
    id: "a/m", account: "a", provider: provider("a"), model: model("a/m", "m"), upstreamModel: "m", pricing, contextWindow: 128_000, maxOutput,
    baseUrl: "", region: null, domain: {}, reasons,
  };
}

describe("an output limit that money sets", () => {
  it("never lets a call's bound pass the cap, never passes what was asked, and uses what there is", () => {
    fc.assert(
      fc.property(
        anySheet,
        fc.record({
          cap: fc.integer({ min: 0, max: 10_000_000_000 }),
          asked: fc.option(fc.integer({ min: 1, max: 200_000 }), { nil: null }),
          input: fc.nat(200_000),
          choices: fc.integer({ min: 1, max: 4 }),
          maxOutput: fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: null }),
          reasons: fc.boolean(),
        }),
        (sheet, { cap, asked, input, choices, maxOutput, reasons }) => {
          const spending: Spending = { capNanoUsd: cap, defaultMaxOutput: 8_192 };
          const shape = { ...SHAPE, maxOutputTokens: asked, choiceCount: choices };
          const place = deployment({ kind: "sheet", sheet }, maxOutput, reasons);
          const found = boundUnder(spending, place, shape, input, 0);
          if (found.kind === "over") return;
          assert.ok(found.boundNanoUsd !== null && found.boundNanoUsd <= cap);
          const tokens = found.limit?.tokens ?? asked;
          assert.ok(tokens !== null && tokens >= 1 && tokens <= (asked ?? Math.min(8_192, maxOutput ?? Infinity)));
          if (found.limit?.why !== "cap") return;
          const more = boundUnder({ ...spending, capNanoUsd: null }, place, { ...shape, maxOutputTokens: tokens + 1 }, input, 0);
          assert.ok(more.kind === "bounded" && (more.boundNanoUsd ?? 0) > cap, "one token more would not have fitted");
        },
      ),
    );
  });

  it("refuses in place of a limit that a thinking model cannot use", () => {
    const sheet = { version: "1", base: { input: 1_000_000, output: 1_000_000 }, contextSteps: [], windows: [], scheduled: [], tiers: {}, geoPermille: {} };
    const cap = { capNanoUsd: 2_000 * 1_000, defaultMaxOutput: 8_192 };
    const think = boundUnder(cap, deployment({ kind: "sheet", sheet }, null, false), { ...SHAPE, maxOutputTokens: 5_000, thinkingBudgetTokens: 4_000 }, 10, 0);
    assert.equal(think.kind, "over");
    const plain = boundUnder(cap, deployment({ kind: "sheet", sheet }, null, false), { ...SHAPE, maxOutputTokens: 5_000 }, 10, 0);
    assert.deepEqual(plain.kind === "bounded" && plain.limit, { tokens: 1_990, asked: 5_000, why: "cap" });
  });

  it("cannot be found where the prompt's size or the price is unknown", () => {
    const spending = { capNanoUsd: null, defaultMaxOutput: 8_192 };
    assert.equal(boundUnder(spending, deployment({ kind: "unknown" }, null, false), SHAPE, 10, 0).kind, "over");
    const sheet = { version: "1", base: { input: 1, output: 1 }, contextSteps: [], windows: [], scheduled: [], tiers: {}, geoPermille: {} };
    assert.equal(boundUnder(spending, deployment({ kind: "sheet", sheet }, null, false), SHAPE, null, 0).kind, "over");
    assert.deepEqual(boundUnder(spending, deployment({ kind: "unmetered" }, null, false), SHAPE, null, 0), { kind: "bounded", boundNanoUsd: null, limit: null });
  });
});
