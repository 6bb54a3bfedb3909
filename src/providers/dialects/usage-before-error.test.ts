/** What came as usage stays known where an error ends the answer: it may have been billed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StreamEvent } from "../../wire/events.ts";
import type { DialectId, UsageFacts } from "../../wire/facts.ts";
import type { Json } from "../../wire/json.ts";
import { inputTokens, outputTokens } from "../../wire/usage.ts";
import { PROVIDERS } from "../registry.ts";
import type { DecodeContext } from "./dialect.ts";
import { dialectById } from "./index.ts";

const CONTEXT: DecodeContext = { usage: PROVIDERS.get("openai")?.usage as UsageFacts, upstreamModel: "m" };
const ERROR = { type: "server_error", message: "sorry", code: 500 };
const chat = { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 };
const messages = { input_tokens: 9, output_tokens: 5 };
const converse = { inputTokens: 9, outputTokens: 5, totalTokens: 14 };
const metadata = { promptTokenCount: 9, candidatesTokenCount: 5, totalTokenCount: 14 };
const billed = { billed_units: { input_tokens: 9, output_tokens: 5 } };
const responses = { input_tokens: 9, output_tokens: 5, total_tokens: 14 };

/** Whole answers that are none, and say what they cost. */
const ANSWERS: readonly (readonly [DialectId, Json])[] = [
  ["openai-chat", { id: "a", choices: null, usage: chat }],
  ["openai-chat", { id: "a", choices: [7], usage: chat }],
  ["openai-chat", { error: ERROR, usage: chat }],
  ["openai-responses", { id: "a", object: "response", status: "in_progress", output: [], usage: responses }],
  ["openai-responses", { id: "a", error: ERROR, usage: responses }],
  ["anthropic-messages", { id: "a", type: "message", content: [7], stop_reason: "end_turn", usage: messages }],
  ["anthropic-messages", { type: "error", error: ERROR, usage: messages }],
  ["gemini", { error: ERROR, usageMetadata: metadata }],
  ["gemini", { candidates: [7], usageMetadata: metadata }],
  ["bedrock-converse", { output: { message: { content: [7] } }, stopReason: "end_turn", usage: converse }],
  ["cohere-v2", { id: "a", message: { content: [], tool_calls: [{ id: "c" }] }, finish_reason: "TOOL_CALL", usage: billed }],
  ["cohere-v2", { id: "a", message: "sorry", finish_reason: "ERROR", usage: billed }],
];

const begun: Json = { type: "message_start", message: { id: "a", content: [7], usage: { input_tokens: 9, output_tokens: 1 } } };
const STREAMS: readonly (readonly [DialectId, readonly (readonly [string, Json])[]])[] = [
  ["openai-chat", [["error", { error: ERROR, usage: chat }]]],
  ["anthropic-messages", [["message_start", begun], ["message_delta", { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 5 } }]]],
  ["anthropic-messages", [["error", { type: "error", error: ERROR, usage: messages }]]],
  ["gemini", [["", { candidates: [{ content: { parts: [{ text: "x" }] } }], usageMetadata: metadata, error: ERROR }]]],
  ["openai-responses", [["response.completed", { type: "response.completed", response: { id: "a", status: "in_progress", usage: responses } }]]],
  ["cohere-v2", [["", { message: "sorry", usage: billed }]]],
];

function check(events: readonly StreamEvent[], what: string): void {
  assert.equal(events.at(-1)?.kind, "error", what);
  const usage = events.findLast((event) => event.kind === "usage")?.usage;
  assert.deepEqual(usage && [inputTokens(usage.units), outputTokens(usage.units)], [9, 5], what);
}

test("usage that stands in an answer which is none is told before the error", () => {
  for (const [dialect, body] of ANSWERS) check(dialectById(dialect).decodeAnswer(body, CONTEXT), `${dialect} ${JSON.stringify(body)}`);
});

test("usage that comes with the event at which a stream fails is told before the error", () => {
  for (const [dialect, list] of STREAMS) {
    const decoder = dialectById(dialect).openStream(CONTEXT);
    check(list.flatMap(([event, data]) => decoder.push({ event, data: JSON.stringify(data) })), `${dialect} ${JSON.stringify(list)}`);
  }
});
