import assert from "node:assert/strict";
import { test } from "node:test";
import { ERRORS, gatewayError } from "../../../wire/errors.ts";
import type { ErrorCode } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import { ChunkEncoder, encodeAnswer, encodeError, encodeUsage } from "./encode.ts";
import { descriptionAbsent, problems } from "./test-schemas.ts";

const head = { id: "chatcmpl-1", model: "route", createdS: 1_700_000_000 };
const usage: Usage = {
  units: { input: 10, cache_read: 20, cache_write_5m: 3, cache_write_1h: 4, audio_input: 1, output: 5, reasoning: 7, audio_output: 2 },
  raw: null,
};
const start: StreamEvent = { kind: "start", id: "theirs", model: "theirs", createdS: 1, serviceTier: "on_demand", systemFingerprint: "fp" };
const everything: readonly StreamEvent[] = [
  start,
  { kind: "ping" },
  { kind: "reasoning", choice: 0, text: "w" },
  { kind: "reasoning", choice: 0, text: "hy" },
  { kind: "signature", choice: 0, signature: "sig" },
  { kind: "redacted", choice: 0, data: "dark" },
  { kind: "choice-extra", choice: 0, key: "logprobs", value: { content: [{ token: "a", logprob: -1, bytes: [97], top_logprobs: [] }] } },
  { kind: "text", choice: 0, text: "a" },
  { kind: "choice-extra", choice: 0, key: "logprobs", value: { content: [{ token: "b", logprob: -2, bytes: null, top_logprobs: [] }] } },
  { kind: "text", choice: 0, text: "b\n\"" },
  { kind: "tool-start", choice: 0, index: 0, id: "call_1", name: "f", thoughtSignature: "thought" },
  { kind: "tool-arguments", choice: 0, index: 0, json: `{"x":` },
  { kind: "tool-arguments", choice: 0, index: 0, json: "1}" },
  { kind: "tool-start", choice: 0, index: 1, id: "call_2", name: "g", thoughtSignature: undefined },
  { kind: "tool-arguments", choice: 0, index: 1, json: "{}" },
  { kind: "text", choice: 1, text: "second" },
  { kind: "finish", choice: 0, reason: "tool_calls", native: "tool_use" },
  { kind: "refusal", choice: 1, text: "no" },
  { kind: "finish", choice: 1, reason: "content_filter", native: "refusal" },
  { kind: "usage", usage: { units: { input: 1 }, raw: null } },
  { kind: "usage", usage },
  { kind: "end" },
];

const chunksOf = (events: readonly StreamEvent[], includeUsage = true): readonly JsonObject[] => {
  const encoder = new ChunkEncoder({ ...head, includeUsage });
  return events.flatMap((event) => encoder.encode(event));
};
type Choice = { index: number; delta: JsonObject; finish_reason: string | null; native_finish_reason?: string; logprobs: JsonObject | null };
const choicesOf = (chunks: readonly JsonObject[]) => chunks.flatMap((chunk) => chunk["choices"] as unknown as Choice[]);

test("each choice begins with its role, once, before anything else of it", () => {
  const choices = choicesOf(chunksOf(everything));
  for (const index of [0, 1]) {
    const own = choices.filter((choice) => choice.index === index);
    assert.equal(own[0]?.delta["role"], "assistant");
    assert.equal(own.filter((choice) => "role" in choice.delta).length, 1);
  }
});

test("every event reaches the client in its member, and the finish keeps the provider's word", () => {
  const deltas = choicesOf(chunksOf(everything)).filter((choice) => !("role" in choice.delta));
  assert.deepEqual(deltas.map(({ delta }) => delta), [
    { reasoning_content: "w" },
    { reasoning_content: "hy" },
    { thinking_blocks: [{ type: "thinking", thinking: "why", signature: "sig" }] },
    { thinking_blocks: [{ type: "redacted_thinking", data: "dark" }] },
    { content: "a" },
    { content: "b\n\"" },
    { tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "f", arguments: "" }, extra_content: { google: { thought_signature: "thought" } } }] },
    { tool_calls: [{ index: 0, function: { arguments: `{"x":` } }] },
    { tool_calls: [{ index: 0, function: { arguments: "1}" } }] },
    { tool_calls: [{ index: 1, id: "call_2", type: "function", function: { name: "g", arguments: "" } }] },
    { tool_calls: [{ index: 1, function: { arguments: "{}" } }] },
    { content: "second" },
    {},
    { refusal: "no" },
    {},
  ]);
  const ends = deltas.filter((choice) => choice.finish_reason !== null);
  assert.deepEqual(ends.map((choice) => [choice.finish_reason, choice.native_finish_reason]), [["tool_calls", "tool_use"], ["content_filter", "refusal"]]);
});

test("usage is null on every chunk but the last, which has no choices; unasked there is none at all", () => {
  const chunks = chunksOf(everything);
  assert.deepEqual(chunks.slice(0, -1).map((chunk) => chunk["usage"]), chunks.slice(1).map(() => null));
  assert.deepEqual(chunks.at(-1)?.["choices"], []);
  assert.deepEqual(chunks.at(-1)?.["usage"], encodeUsage(usage));
  const unasked = chunksOf(everything, false);
  assert.equal(unasked.length, chunks.length - 1);
  assert.equal(unasked.some((chunk) => "usage" in chunk), false);
  assert.deepEqual(new ChunkEncoder({ ...head, includeUsage: true }).usageChunk(usage, { spillway: { cost_usd: 1 } })["spillway"], { cost_usd: 1 });
});

test("the answer shows our id and model, and only tiers that clients know", () => {
  for (const chunk of chunksOf(everything)) {
    assert.deepEqual([chunk["id"], chunk["model"], chunk["created"], chunk["system_fingerprint"]], ["chatcmpl-1", "route", 1_700_000_000, "fp"]);
    assert.equal("service_tier" in chunk, false);
  }
});

test("text chunks cut from a prepared prefix are the same as those that are built", () => {
  for (const includeUsage of [true, false]) {
    const encoder = new ChunkEncoder({ ...head, includeUsage });
    const fast = everything.flatMap((event) => encoder.encodeJson(event)).map((json) => JSON.parse(json) as JsonObject);
    assert.deepEqual(fast, JSON.parse(JSON.stringify(chunksOf(everything, includeUsage))));
  }
});

test("a whole answer holds the same as its stream", () => {
  const answer = encodeAnswer(everything, head);
  const [first, second] = answer["choices"] as unknown as { message: JsonObject; logprobs: { content: unknown[] } | null; finish_reason: string }[];
  assert.deepEqual(first?.message, {
    role: "assistant", content: "ab\n\"", refusal: null, reasoning_content: "why",
    thinking_blocks: [{ type: "thinking", thinking: "why", signature: "sig" }, { type: "redacted_thinking", data: "dark" }],
    tool_calls: [
      { id: "call_1", type: "function", extra_content: { google: { thought_signature: "thought" } }, function: { name: "f", arguments: `{"x":1}` } },
      { id: "call_2", type: "function", function: { name: "g", arguments: "{}" } },
    ],
  });
  assert.equal(first?.logprobs?.content.length, 2);
  assert.deepEqual([second?.message["content"], second?.message["refusal"], second?.finish_reason], ["second", "no", "content_filter"]);
  assert.deepEqual(answer["usage"], encodeUsage(usage));
});

test("content is null beside tool calls or a refusal, and empty where there is nothing else", () => {
  const message = (...events: readonly StreamEvent[]) =>
    (encodeAnswer([...events, { kind: "finish", choice: 0, reason: "stop", native: "stop" }], head)["choices"] as unknown as { message: JsonObject }[])[0]?.message;
  assert.equal(message({ kind: "tool-start", choice: 0, index: 0, id: "a", name: "f", thoughtSignature: undefined })?.["content"], null);
  assert.equal(message({ kind: "refusal", choice: 0, text: "no" })?.["content"], null);
  assert.equal(message()?.["content"], "");
});

test("usage is the sum of all classes with the details beside it", () => {
  assert.deepEqual(encodeUsage(usage), {
    prompt_tokens: 38, completion_tokens: 14, total_tokens: 52,
    prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 7, audio_tokens: 1 },
    completion_tokens_details: { reasoning_tokens: 7, audio_tokens: 2 },
  });
});

test("a provider that gave up is never told as a whole answer", () => {
  const events: readonly StreamEvent[] = [{ kind: "text", choice: 0, text: "a" }, { kind: "finish", choice: 0, reason: "error", native: "network_error" }];
  const last = choicesOf(chunksOf(events)).at(-1);
  assert.deepEqual([last?.finish_reason, last?.native_finish_reason], ["length", "network_error"]);
});

test("chunks, answers and every error of ours are valid by OpenAI's description", { skip: descriptionAbsent }, () => {
  for (const includeUsage of [true, false]) {
    for (const chunk of chunksOf(everything, includeUsage)) assert.deepEqual(problems("CreateChatCompletionStreamResponse", chunk), []);
  }
  assert.deepEqual(problems("CreateChatCompletionResponse", encodeAnswer(everything, head)), []);
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    assert.deepEqual(problems("ErrorResponse", encodeError(gatewayError(code, "m"))), []);
  }
  // The validator itself must be able to say no.
  assert.notDeepEqual(problems("ErrorResponse", { error: { message: "m" } }), []);
  assert.notDeepEqual(problems("CreateChatCompletionStreamResponse", { ...chunksOf(everything)[0], usage: 3 }), []);
});

test("an error has all four members, with the upstream's own type and code where they are told on", () => {
  assert.deepEqual(encodeError(gatewayError("unknown_model", "no such model", { param: "model" })), {
    error: { message: "no such model", type: "invalid_request_error", param: "model", code: "unknown_model" },
  });
  assert.deepEqual(encodeError(gatewayError("upstream_bad_request", "m", { type: "t", upstreamCode: "c" })), {
    error: { message: "m", type: "t", param: null, code: "c" },
  });
});
