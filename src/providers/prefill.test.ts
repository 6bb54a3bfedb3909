import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ChatRequest } from "../wire/chat.ts";
import type { JsonObject } from "../wire/json.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { dialectById } from "./dialects/index.ts";
import type { Target } from "./dialects/dialect.ts";
import { goingOn, marked, prefillOf, type Prefill } from "./prefill.ts";
import { PROVIDERS } from "./registry.ts";

function targetOf(provider: string, upstreamModel: string, told?: Target["told"]): Target {
  const facts = PROVIDERS.get(provider);
  assert.ok(facts, provider);
  return { provider: facts, model: null, upstreamModel, ...(told === undefined ? {} : { told }) };
}

function known(target: Target, baseUrl = target.provider.baseUrl ?? "http://127.0.0.1:1/v1"): Prefill | null {
  return prefillOf(target, baseUrl, capabilitiesOf(target));
}

const REQUEST: ChatRequest = {
  model: "m", messages: [{ role: "user", parts: [{ kind: "text", text: "hi", cacheControl: undefined }], name: undefined }], tools: [], toolChoice: undefined, parallelToolCalls: undefined,
  maxOutputTokens: 2_000, temperature: undefined, topP: undefined, topK: undefined, seed: undefined, presencePenalty: undefined, frequencyPenalty: undefined, choiceCount: 1, stop: [],
  responseFormat: undefined, reasoningEffort: "high", thinking: { type: "enabled", budget_tokens: 1_024 }, logprobs: undefined, topLogprobs: undefined, logitBias: undefined, serviceTier: undefined, user: undefined,
  metadata: undefined, stream: true, includeUsage: true, other: {},
};

function bodyFor(target: Target): JsonObject {
  const by = known(target);
  assert.ok(by);
  const encoded = dialectById(target.provider.dialect ?? "openai-chat").encodeChat(goingOn(REQUEST, "Once upon"), target);
  assert.equal(encoded.kind, "encoded");
  return encoded.kind === "encoded" ? (marked(encoded, by) ?? {}) : {};
}
const lastOf = (body: JsonObject): unknown => (body["messages"] as readonly unknown[]).at(-1);

describe("who goes on with a begun answer", () => {
  const YES: readonly (readonly [provider: string, model: string, by: Prefill["by"]])[] = [
    ["anthropic", "claude-3-5-haiku-20241022", "turn"], ["anthropic", "claude-sonnet-4-5", "turn"], ["bedrock", "eu.anthropic.claude-sonnet-4-20250514-v1:0", "turn"],
    ["vertex", "claude-opus-4-1@20250805", "turn"], ["mistral", "mistral-large-latest", "prefix"], ["deepseek", "deepseek-chat", "prefix"], ["vllm", "anything", "continue"],
  ];
  for (const [provider, model, by] of YES) {
    const target = targetOf(provider, model);
    if (provider === "vertex" && target.provider.dialect !== "anthropic-messages") continue;
    it(`is ${provider}/${model}, by ${by}`, () => assert.equal(known(target)?.by, by));
  }

  const NO: readonly (readonly [provider: string, model: string])[] = [
    ["anthropic", "claude-opus-4-6"], ["anthropic", "claude-sonnet-4-6"], ["anthropic", "claude-opus-5"], ["anthropic", "a-name-of-ones-own"],
    ["bedrock", "us.anthropic.claude-opus-4-6-v1"], ["bedrock", "amazon.nova-pro-v1:0"], ["openai", "gpt-4o"], ["google", "gemini-2.5-pro"], ["cohere", "command-a-03-2025"],
    ["deepseek", "deepseek-reasoner"], ["openai-compatible", "anything"], ["groq", "llama-3.3-70b-versatile"], ["openrouter", "anthropic/claude-3.5-haiku"],
  ];
  for (const [provider, model] of NO) it(`is not ${provider}/${model}: it refuses, or nobody knows`, () => assert.equal(known(targetOf(provider, model)), null));

  it("is who its owner says, and is not who its owner says", () => {
    assert.equal(known(targetOf("openai-compatible", "m", { prefill: true }))?.by, "continue");
    assert.equal(known(targetOf("vllm", "m", { prefill: false })), null);
    assert.equal(known(targetOf("anthropic", "a-name-of-ones-own", { prefill: true }))?.by, "turn");
    assert.equal(known(targetOf("openai", "gpt-4o", { prefill: true }))?.by, "continue");
    assert.equal(known(targetOf("google", "gemini-2.5-pro", { prefill: true })), null, "there is no form for it");
  });

  it("is asked at another path only where that is known: at the provider's own address", () => {
    const target = targetOf("deepseek", "deepseek-chat");
    assert.equal(known(target)?.path, "/beta/chat/completions");
    assert.equal(known(target, "https://api.deepseek.com/v1")?.path, "/beta/chat/completions");
    assert.equal(known(target, "https://api.deepseek.com.example/v1"), null);
    assert.equal(known(target, "http://127.0.0.1:8000/v1"), null);
  });
});

describe("a request to go on", () => {
  it("ends in the begun answer as each wants it, and asks for no thinking", () => {
    const claude = bodyFor(targetOf("anthropic", "claude-sonnet-4-5"));
    assert.deepEqual(lastOf(claude), { role: "assistant", content: [{ type: "text", text: "Once upon" }] });
    assert.equal(claude["thinking"], undefined);
    const bedrock = bodyFor(targetOf("bedrock", "eu.anthropic.claude-sonnet-4-20250514-v1:0"));
    assert.deepEqual(lastOf(bedrock), { role: "assistant", content: [{ text: "Once upon" }] });
    assert.equal(bedrock["additionalModelRequestFields"], undefined);
    const mistral = bodyFor(targetOf("mistral", "mistral-large-latest"));
    assert.deepEqual([(lastOf(mistral) as JsonObject)["prefix"], (lastOf(mistral) as JsonObject)["role"], mistral["reasoning_effort"]], [true, "assistant", undefined]);
    const vllm = bodyFor(targetOf("vllm", "m"));
    assert.deepEqual([vllm["continue_final_message"], vllm["add_generation_prompt"], (lastOf(vllm) as JsonObject)["prefix"]], [true, false, undefined]);
  });

  it("keeps a wish for no thinking at all", () => assert.equal(goingOn({ ...REQUEST, reasoningEffort: "none" }, "x").reasoningEffort, "none"));
});
