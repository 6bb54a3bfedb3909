import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CAPABILITIES, type CapabilityTable } from "../wire/capability.ts";
import type { ChatRequest, Part } from "../wire/chat.ts";
import { lacked, needsOf, NO_NEEDS, surchargedBy, type NeedsFacts } from "./needs.ts";

const PLAIN: ChatRequest = {
  model: "m", messages: [{ role: "user", parts: [{ kind: "text", text: "hi", cacheControl: undefined }], name: undefined }], tools: [], toolChoice: undefined, parallelToolCalls: undefined,
  maxOutputTokens: 5, temperature: undefined, topP: undefined, topK: undefined, seed: undefined, presencePenalty: undefined, frequencyPenalty: undefined, choiceCount: 1, stop: [],
  responseFormat: undefined, reasoningEffort: undefined, thinking: undefined, logprobs: undefined, topLogprobs: undefined, logitBias: undefined, serviceTier: undefined, user: undefined,
  metadata: undefined, stream: false, includeUsage: false, other: {},
};
const FACTS: NeedsFacts = { passesTo: "openai-chat", lenient: false, fetchesImages: true, imageCount: 0, unsized: false };
const TOOL = { kind: "function", name: "f", description: undefined, parameters: undefined, strict: undefined, cacheControl: undefined } as const;
const SCHEMA = { kind: "json_schema", name: "s", description: undefined, schema: { type: "object" }, strict: true } as const;

const told = (request: Partial<ChatRequest>, facts: Partial<NeedsFacts> = {}): string =>
  needsOf({ ...PLAIN, ...request }, { ...FACTS, ...facts }).map((need) => `${need.capability}:${need.missing}${need.where === "anywhere" ? "" : `@${need.where}`}`).join(" ");
const asks = (...parts: Part[]): Partial<ChatRequest> => ({ messages: [{ role: "user", parts, name: undefined }] });
const image = (url: string): Part => ({ kind: "image", source: { kind: "url", url }, detail: undefined, cacheControl: undefined });

describe("the needs of a request", () => {
  it("are one and the same empty list for plain chat, with the values that change nothing", () => {
    assert.equal(needsOf(PLAIN, FACTS), NO_NEEDS);
    const nothing = { temperature: 1, topP: 1, presencePenalty: 0, frequencyPenalty: 0, logprobs: false, topLogprobs: 0, logitBias: {}, responseFormat: { kind: "text" } } as const;
    assert.equal(needsOf({ ...PLAIN, ...nothing }, FACTS), NO_NEEDS);
  });

  const ROWS: readonly (readonly [what: string, request: Partial<ChatRequest>, facts: Partial<NeedsFacts>, needs: string])[] = [
    ["tools", { tools: [TOOL] }, {}, "tools:skip"],
    ["a tool that must be called", { tools: [TOOL], toolChoice: { kind: "required" } }, {}, "tools:skip tool_choice_required:skip"],
    ["one of some tools that must be called", { tools: [TOOL], toolChoice: { kind: "allowed", mode: "required", names: ["f"] } }, {}, "tools:skip tool_choice_required:skip"],
    ["one tool that must be called", { tools: [TOOL], toolChoice: { kind: "named", name: "f" } }, {}, "tools:skip tool_choice_named:skip"],
    ["tools that may not be called: they can be left out", { tools: [TOOL], toolChoice: { kind: "none" } }, {}, "tools:emulate tool_choice_none:emulate@told"],
    ["tools that may not be called, but were", { tools: [TOOL], toolChoice: { kind: "none" }, messages: [{ role: "tool", toolCallId: "c", parts: [] }] }, {}, "tools:skip tool_choice_none:skip@told"],
    ["wishes that are a reason only where the model's owner says so", { seed: 7, topK: 3, reasoningEffort: "low", tools: [TOOL], parallelToolCalls: false }, {}, "tools:skip top_k:skip@told seed:skip@told reasoning_effort:skip@told parallel_off:skip@told"],
    ["a schema", { responseFormat: SCHEMA }, {}, "json_schema:emulate"],
    ["a schema in the words of a dialect whose bytes may pass", { responseFormat: SCHEMA }, { passesTo: "anthropic-messages" }, "json_schema:emulate@foreign"],
    ["any JSON beside tools", { responseFormat: { kind: "json_object" }, tools: [TOOL] }, {}, "tools:skip json_object:emulate json_beside_tools:emulate"],
    ["a schema for several choices, each of which would need a repair of its own", { responseFormat: SCHEMA, choiceCount: 2 }, {}, "json_schema:skip n:skip"],
    ["stop sequences", { stop: ["."] }, {}, "stop:skip"],
    ["sampling: encoders leave it out with a word, bytes that pass do not", { temperature: 0.2, topP: 0.5 }, {}, "sampling:skip@passed sampling:skip@passed"],
    ["penalties and log probabilities", { presencePenalty: 1, frequencyPenalty: 1, logprobs: true, topLogprobs: 2, logitBias: { 5: 1 } }, {}, "penalties:skip penalties:skip logprobs:skip logprobs:skip logit_bias:skip"],
    ["the same on a lenient route, with the wishes that are never a reason otherwise", { temperature: 0, presencePenalty: 1, logprobs: true, logitBias: { 5: 1 }, topK: 1, seed: 1, reasoningEffort: "low", tools: [TOOL], parallelToolCalls: false }, { lenient: true }, "tools:skip sampling:drop penalties:drop logprobs:drop logit_bias:drop top_k:drop seed:drop reasoning_effort:drop parallel_off:drop"],
    ["what a lenient route does not let go: tools, schemas, images, stop, several choices", { tools: [TOOL], stop: ["."], choiceCount: 2, responseFormat: SCHEMA, ...asks(image("https://x.example/a.png")) }, { lenient: true, imageCount: 1, fetchesImages: false }, "image_in:skip image_url:skip tools:skip json_schema:skip json_beside_tools:skip n:skip stop:skip"],
    ["an image in the body", asks({ kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "" }, detail: undefined, cacheControl: undefined }), { imageCount: 1 }, "image_in:skip"],
    ["an image by its address, which can be fetched", asks(image("https://x.example/a.png")), { imageCount: 1 }, "image_in:skip image_url:emulate"],
    ["an image by its address, where fetching is off", asks(image("HTTP://x.example/a.png")), { imageCount: 1, fetchesImages: false }, "image_in:skip image_url:skip"],
    ["an image by an address of the target's own kind", asks(image("https://x.example/a.png")), { imageCount: 1, passesTo: "gemini" }, "image_in:skip image_url:emulate@foreign"],
    ["an image by an address that no client can fetch", asks(image("gs://bucket/a.png")), { imageCount: 1 }, "image_in:skip"],
    ["sound and a file", asks({ kind: "audio", format: "wav", base64: "" }, { kind: "file", source: { kind: "id", id: "f" }, filename: undefined, cacheControl: undefined }), { unsized: true }, "audio_in:skip file_in:skip"],
  ];
  for (const [what, request, facts, needs] of ROWS) it(`hold ${what}`, () => assert.equal(told(request, facts), needs));
});

describe("what a table denies", () => {
  const table = { ...Object.fromEntries(CAPABILITIES.map((name) => [name, null])), tools: true, sampling: false, image_url: false } as unknown as CapabilityTable;
  const asked = needsOf({ ...PLAIN, tools: [TOOL], temperature: 0, stop: ["."], ...asks(image("https://x.example/a.png")) }, { ...FACTS, passesTo: "gemini", imageCount: 1 });

  it("is lacking; what it grants or does not know is not", () => {
    assert.deepEqual(lacked(asked, table, true).map((need) => need.capability), ["sampling"]);
    assert.deepEqual(lacked(asked, table, false).map((need) => need.capability), ["image_url"]);
  });

  it("is lacking everywhere where the model's owner says so, also what is no reason otherwise", () => {
    assert.deepEqual(lacked(asked, table, false, { sampling: false, stop: true }).map((need) => need.capability), ["image_url", "sampling"]);
    const seeded = needsOf({ ...PLAIN, seed: 7 }, FACTS);
    assert.deepEqual(lacked(seeded, { ...table, seed: false }, true), [], "encoders and providers leave it out with a word");
    assert.deepEqual(lacked(seeded, { ...table, seed: false }, true, { seed: false }).map((need) => need.capability), ["seed"]);
  });
});

describe("what price lists may charge extra", () => {
  const features = (request: Partial<ChatRequest>) => surchargedBy(needsOf({ ...PLAIN, ...request }, FACTS));
  it("is structured output and tools, where they are asked", () => {
    assert.equal(features({}), undefined);
    assert.equal(features({ stop: ["x"] }), undefined);
    assert.deepEqual(features({ tools: [TOOL] }), ["tools"]);
    assert.deepEqual(features({ tools: [TOOL], responseFormat: SCHEMA }), ["structured_output", "tools"]);
  });
});
