/** The table is held to the encoders: what it denies they refuse or leave out with a word, what it grants they carry in silence. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CAPABILITIES, type Capability } from "../wire/capability.ts";
import type { ChatRequest, Part } from "../wire/chat.ts";
import { dialectById } from "./dialects/index.ts";
import type { Target } from "./dialects/dialect.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { loadCatalogue } from "./catalog/index.ts";
import { PROVIDERS } from "./registry.ts";

const TOOL = { kind: "function", name: "f", description: "d", parameters: { type: "object", properties: {} }, strict: undefined, cacheControl: undefined } as const;
const SCHEMA = { kind: "json_schema", name: "s", description: undefined, schema: { type: "object", properties: {}, additionalProperties: false }, strict: true } as const;
const asks = (part: Part): Partial<ChatRequest> => ({ messages: [{ role: "user", parts: [{ kind: "text", text: "hi", cacheControl: undefined }, part], name: undefined }] });

/** A request for each capability, and the word by which a warning would name it. */
const ASKS: Readonly<Record<Capability, readonly [request: Partial<ChatRequest>, word: RegExp]>> = {
  image_in: [asks({ kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "AAAA" }, detail: undefined, cacheControl: undefined }), /image/],
  image_url: [asks({ kind: "image", source: { kind: "url", url: "https://x.example/a.png" }, detail: undefined, cacheControl: undefined }), /image/],
  audio_in: [asks({ kind: "audio", format: "wav", base64: "AAAA" }), /audio/],
  file_in: [asks({ kind: "file", source: { kind: "base64", mediaType: "application/pdf", base64: "AAAA" }, filename: undefined, cacheControl: undefined }), /file/],
  tools: [{ tools: [TOOL] }, /tool/],
  tool_choice_none: [{ tools: [TOOL], toolChoice: { kind: "none" } }, /tool_choice/],
  tool_choice_required: [{ tools: [TOOL], toolChoice: { kind: "required" } }, /tool_choice/],
  tool_choice_named: [{ tools: [TOOL], toolChoice: { kind: "named", name: "f" } }, /tool_choice/],
  parallel_off: [{ tools: [TOOL], parallelToolCalls: false }, /parallel_tool_calls/],
  json_object: [{ responseFormat: { kind: "json_object" } }, /response_format/],
  json_schema: [{ responseFormat: SCHEMA }, /response_format/],
  json_beside_tools: [{ responseFormat: SCHEMA, tools: [TOOL] }, /response_format/],
  n: [{ choiceCount: 2 }, /\bn\b/],
  stop: [{ stop: ["END"] }, /stop/],
  seed: [{ seed: 7 }, /seed/],
  logprobs: [{ logprobs: true }, /logprobs/],
  logit_bias: [{ logitBias: { 5: 1 } }, /logit_bias/],
  penalties: [{ presencePenalty: 0.5 }, /penalty/],
  sampling: [{ temperature: 0.5 }, /temperature/],
  top_k: [{ topK: 5 }, /top_k/],
  reasoning_effort: [{ reasoningEffort: "low" }, /reasoning/],
  streaming: [{ stream: true }, /stream/],
  prefill: [{ messages: [{ role: "user", parts: [{ kind: "text", text: "hi", cacheControl: undefined }], name: undefined }, { role: "assistant", parts: [{ kind: "text", text: "Hello", cacheControl: undefined }], toolCalls: [], reasoning: [], name: undefined, other: {} }] }, /assistant/],
};

/** Denied by facts of the catalogue that no encoder looks at: the choice alone keeps such a request away. */
const FACTS_ALONE: readonly Capability[] = ["image_in", "file_in", "audio_in", "tools", "json_schema", "json_beside_tools", "reasoning_effort", "prefill"];
/** Denied, and made up for by the encoder itself: tools that may not be called are not shown. */
const BY_OMISSION: Capability = "tool_choice_none";
/** Refused by single models of makers whose encoder sends to many hosts: the choice keeps such a request away. */
const BY_MODEL: readonly Capability[] = ["penalties", "logprobs", "logit_bias", "stop", "image_url"];

function requestOf(capability: Capability, target: Target): ChatRequest {
  return {
    surface: target.provider.dialect === "anthropic-messages" ? "gemini" : "anthropic-messages",
    model: "m", messages: [{ role: "user", parts: [{ kind: "text", text: "hi", cacheControl: undefined }], name: undefined }], tools: [], toolChoice: undefined, parallelToolCalls: undefined,
    maxOutputTokens: 2_000, temperature: undefined, topP: undefined, topK: undefined, seed: undefined, presencePenalty: undefined, frequencyPenalty: undefined, choiceCount: 1, stop: [],
    responseFormat: undefined, reasoningEffort: undefined, thinking: undefined, logprobs: undefined, topLogprobs: undefined, logitBias: undefined, serviceTier: undefined, user: undefined,
    metadata: undefined, stream: false, includeUsage: false, other: {}, ...ASKS[capability][0],
  };
}

const targets = loadCatalogue().models.flatMap((model): Target[] => {
  const provider = PROVIDERS.get(model.provider);
  const callable = provider !== undefined && provider.dialect !== null && model.dialectOverride === null && model.type === "chat";
  return callable ? [{ provider, model, upstreamModel: model.upstream, maxOutput: model.maxOutput }] : [];
});

describe("the capability table", () => {
  it("covers a catalogue worth the name", () => assert.ok(targets.length > 700, `${targets.length}`));

  for (const capability of CAPABILITIES) {
    it(`says of ${capability} what the encoders do, for every model of the catalogue`, () => {
      const wrong: string[] = [];
      for (const target of targets) {
        const can = capabilitiesOf(target)[capability];
        if (can === null) continue;
        const made = dialectById(target.provider.dialect ?? "openai-chat").encodeChat(requestOf(capability, target), target);
        const named = made.kind === "unsupported" || made.warnings.some((warning) => ASKS[capability][1].test(warning));
        const exempt = FACTS_ALONE.includes(capability) || capability === BY_OMISSION || (BY_MODEL.includes(capability) && target.provider.dialect === "openai-chat");
        if (can ? named : !named && !exempt) wrong.push(`${target.model?.id}: ${can}, but ${made.kind === "unsupported" ? made.message : JSON.stringify(made.warnings)}`);
      }
      assert.deepEqual(wrong.slice(0, 12), [], `${wrong.length} models`);
    });
  }

  it("leaves unknown what nobody says, also of models that no catalogue knows", () => {
    const provider = PROVIDERS.get("openai-compatible");
    assert.ok(provider);
    const table = capabilitiesOf({ provider, model: null, upstreamModel: "m" });
    assert.deepEqual(CAPABILITIES.filter((name) => table[name] === false), []);
    assert.equal(table.tools, null);
  });

  it("has the owner's word last, but for a place that the dialect does not have", () => {
    const target = targets.find((one) => one.model?.id === "openai/gpt-4o");
    assert.ok(target);
    const table = capabilitiesOf({ ...target, told: { image_in: false, json_schema: false, seed: false } });
    assert.deepEqual([table.image_in, table.json_schema, table.seed, table.tools], [false, false, false, true]);
    const claude = targets.find((one) => one.provider.id === "anthropic");
    assert.ok(claude);
    assert.deepEqual([capabilitiesOf({ ...claude, told: { n: true, image_in: true } }).n], [false]);
  });

  it("denies what a host refuses, and not what its rules leave out with a word", () => {
    const of = (id: string): ReturnType<typeof capabilitiesOf> => capabilitiesOf({ provider: PROVIDERS.get(id) as NonNullable<ReturnType<typeof PROVIDERS.get>>, model: null, upstreamModel: "m" });
    assert.deepEqual([of("groq").logit_bias, of("groq").n, of("deepseek").n], [false, false, false]);
    assert.deepEqual([of("deepseek").logit_bias, of("mistral").seed], [null, null]);
  });

  it("case 31: denies sampling to reasoning models that refuse it, where it is known", () => {
    const sampling = (id: string): boolean | null => {
      const target = targets.find((one) => one.model?.id === id);
      assert.ok(target, id);
      return capabilitiesOf(target).sampling;
    };
    assert.equal(sampling("openai/o3"), false);
    assert.equal(sampling("openai/gpt-5"), false);
    assert.equal(sampling("azure/o3"), false);
    assert.equal(sampling("openai/gpt-4o"), null);
    const resold = capabilitiesOf({ provider: PROVIDERS.get("openrouter") as NonNullable<ReturnType<typeof PROVIDERS.get>>, model: null, upstreamModel: "openai/o3" });
    assert.equal(resold.sampling, null, "who resells it may leave the fields out itself");
    assert.equal(sampling("google/gemini-2.5-pro"), true);
    const claude = (upstreamModel: string): boolean | null => capabilitiesOf({ provider: PROVIDERS.get("anthropic") as NonNullable<ReturnType<typeof PROVIDERS.get>>, model: null, upstreamModel }).sampling;
    assert.deepEqual([claude("claude-opus-4-7"), claude("claude-sonnet-4-5")], [false, true]);
  });
});
