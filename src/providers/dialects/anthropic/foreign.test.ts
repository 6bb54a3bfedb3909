/** Requests of other dialects' clients as the Messages API gets them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ChatRequest } from "../../../wire/chat.ts";
import { asArray, member } from "../../../wire/json.ts";
import { MARKED } from "../test-foreign.ts";
import { assistant, call, encoded, result, target, text, tool, user } from "./test-hub.ts";

const BUDGETED = target("claude-sonnet-4-5", { maxOutput: 64_000 });
const ADAPTIVE = target("claude-opus-4-7", { reasoningEfforts: ["low", "medium", "high", "xhigh", "max"], maxOutput: 64_000 });
const UNTHINKING = target("claude-3-haiku-20240307", { reasoning: false });
const thinking = (budget: number): Partial<ChatRequest> => ({ surface: "cohere-v2", thinking: { type: "enabled", budget_tokens: budget } });

test("case 29: redacted reasoning of another maker stays behind and is named; that of this one, and all text, goes", () => {
  for (const data of MARKED) {
    const { body, warnings } = encoded({ messages: [user("a"), assistant({ parts: [text("so")], reasoning: [{ kind: "redacted", data }, { kind: "redacted", data: "EmwK" }] }), user("b")] });
    assert.deepEqual(member(asArray(body.messages)[1], "content"), [{ type: "redacted_thinking", data: "EmwK" }, { type: "text", text: "so" }]);
    assert.equal(warnings.length, 1);
  }
  const signed = encoded({ messages: [user("a"), assistant({ parts: [text("so")], reasoning: [{ kind: "thinking", text: "hm", signature: MARKED[0] }] }), user("b")] });
  assert.deepEqual(member(asArray(signed.body.messages)[1], "content"), [{ type: "text", text: "so" }]);
});

test("a tier of the hub goes back under this dialect's word, others are named", () => {
  const tier = (serviceTier: string) => encoded({ serviceTier });
  assert.deepEqual([tier("default").body.service_tier, tier("standard_only").body.service_tier, tier("auto").body.service_tier], ["standard_only", "standard_only", "auto"]);
  assert.deepEqual([tier("flex").body.service_tier, tier("flex").warnings.length, tier("default").warnings.length], [undefined, 1, 0]);
});

test("an output limit above the model's is lowered and named", () => {
  const { body, warnings } = encoded({ maxOutputTokens: 128_000 }, BUDGETED);
  assert.deepEqual([body.max_tokens, warnings.length], [64_000, 1]);
  assert.equal(encoded({ surface: "anthropic-messages", maxOutputTokens: 128_000 }, BUDGETED).body.max_tokens, 128_000);
});

describe("thinking in band", () => {
  const made = (fields: Partial<ChatRequest>, to = BUDGETED) => {
    const { body, warnings } = encoded({ maxOutputTokens: 10_000, ...fields }, to);
    return [body.thinking, member(body.output_config, "effort"), warnings.length] as const;
  };

  test("case 32: a budget is brought within what the API takes, and left alone where it is", () => {
    assert.deepEqual(made(thinking(3_000)), [{ type: "enabled", budget_tokens: 3_000 }, undefined, 0]);
    assert.deepEqual(made(thinking(100)), [{ type: "enabled", budget_tokens: 1_024 }, undefined, 1]);
    assert.deepEqual(made(thinking(20_000)), [{ type: "enabled", budget_tokens: 5_000 }, undefined, 1]);
    assert.deepEqual(made({ ...thinking(20_000), maxOutputTokens: 1_000 }), [undefined, undefined, 1]);
    // The limit was lowered beneath a budget that fitted.
    assert.deepEqual(made({ thinking: { type: "enabled", budget_tokens: 100_000 }, maxOutputTokens: 128_000 }), [{ type: "enabled", budget_tokens: 32_000 }, undefined, 2]);
  });

  test("a model that takes no budgets gets an effort, one that takes only budgets gets a budget", () => {
    assert.deepEqual(made(thinking(20_000), ADAPTIVE), [{ type: "adaptive" }, "high", 1]);
    assert.deepEqual(made({ surface: "bedrock-converse", thinking: { type: "adaptive" } }), [{ type: "enabled", budget_tokens: 5_000 }, undefined, 2]);
    assert.deepEqual(made({ surface: "bedrock-converse", thinking: { type: "adaptive" } }, ADAPTIVE), [{ type: "adaptive" }, undefined, 0]);
    assert.deepEqual(made(thinking(20_000), UNTHINKING), [undefined, undefined, 1]);
  });

  test("case 25: in a tool turn whose signed reasoning is lost it is left out, where the model would refuse it", () => {
    const messages = [user("a"), assistant({ toolCalls: [call("c", "f")] }), result("c", "x")];
    assert.deepEqual(made({ ...thinking(3_000), messages, tools: [tool("f")] }), [undefined, undefined, 1]);
    assert.deepEqual(made({ surface: "bedrock-converse", thinking: { type: "adaptive" }, messages, tools: [tool("f")] }, ADAPTIVE), [{ type: "adaptive" }, undefined, 0]);
  });

  test("what a client of the chat surface wrote in this dialect's form goes as it is", () => {
    assert.deepEqual(made({ thinking: { type: "enabled", budget_tokens: 5 } }, ADAPTIVE), [{ type: "enabled", budget_tokens: 5 }, undefined, 0]);
  });
});
