import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../../wire/json.ts";
import { ENDED_WITHOUT_CONTENT } from "../../../wire/outcome.ts";
import { cohereV2 } from "./index.ts";
import { CONTEXT, decodeSse, streamed, summary } from "./test-hub.ts";

const START = { id: "r1", type: "message-start", delta: { message: { role: "assistant" } } };
const USAGE = { billed_units: { input_tokens: 5, output_tokens: 7 }, tokens: { input_tokens: 900, output_tokens: 30 }, cached_tokens: 500 };
function end(reason: string, more: { [key: string]: Json } = {}): Json {
  return { type: "message-end", delta: { finish_reason: reason, usage: USAGE, ...more } };
}
function callStart(index: number, id: string, name: string, args = ""): Json {
  return { type: "tool-call-start", index, delta: { message: { tool_calls: { id, type: "function", function: { name, arguments: args } } } } };
}
function callDelta(index: number, args: string): Json {
  return { type: "tool-call-delta", index, delta: { message: { tool_calls: { function: { arguments: args } } } } };
}
function textDelta(text: string): Json {
  return { type: "content-delta", index: 0, delta: { message: { content: { text } } } };
}

test("a stream's plan is reasoning, and its calls are numbered from 0 wherever the provider begins", () => {
  const events = streamed([
    START,
    { type: "tool-plan-delta", delta: { message: { tool_plan: "I will " } } },
    { type: "tool-plan-delta", delta: { message: { tool_plan: "look." } } },
    callStart(1, "a", "weather"), callDelta(1, `{"city":`), callDelta(1, `"Paris"}`), { type: "tool-call-end", index: 1 },
    callStart(2, "b", "time"), callDelta(2, "{}"), { type: "tool-call-end", index: 2 },
    end("TOOL_CALL"),
  ]);
  assert.deepEqual(summary(events), {
    text: "", reasoning: "I will look.", citations: 0, finish: ["tool_calls"], tokens: [5, 7], error: undefined, ended: true,
    calls: [{ id: "a", name: "weather", arguments: `{"city":"Paris"}` }, { id: "b", name: "time", arguments: "{}" }],
  });
});

test("case 11: a streamed call whose arguments are nothing, or the word null in pieces, has an empty object", () => {
  for (const pieces of [[], [""], ["null"], ["nu", "ll"], [" null "]]) {
    const events = streamed([START, callStart(0, "a", "now"), ...pieces.map((piece) => callDelta(0, piece)), { type: "tool-call-end", index: 0 }, end("TOOL_CALL")]);
    assert.deepEqual(summary(events).calls, [{ id: "a", name: "now", arguments: "{}" }], JSON.stringify(pieces));
  }
});

test("each call is whole before the next begins", () => {
  const whole = { id: "r", finish_reason: "TOOL_CALL", message: { role: "assistant", tool_calls: [
    { id: "a", type: "function", function: { name: "now", arguments: "null" } }, { id: "b", type: "function", function: { name: "then", arguments: "{}" } },
  ] } };
  const kinds = cohereV2.decodeAnswer(whole, CONTEXT).flatMap((event) => ("index" in event ? [`${event.kind} ${event.index}`] : []));
  assert.deepEqual(kinds, ["tool-start 0", "tool-arguments 0", "tool-start 1", "tool-arguments 1"]);
});

test("thinking and text are told apart, also where a piece comes with the start of its block", () => {
  const events = streamed([
    START,
    { type: "content-start", index: 0, delta: { message: { content: { type: "thinking", thinking: "Hm" } } } },
    { type: "content-delta", index: 0, delta: { message: { content: { thinking: "m." } } } },
    { type: "content-end", index: 0 },
    { type: "content-start", index: 1, delta: { message: { content: { type: "text", text: "" } } } },
    { type: "content-delta", index: 1, delta: { message: { content: { type: "text", text: "Four." } } } },
    end("COMPLETE"),
  ]);
  assert.deepEqual([summary(events).reasoning, summary(events).text], ["Hmm.", "Four."]);
});

test("citations and log probabilities go with the choice", () => {
  const citation = { start: 0, end: 3, text: "Yes", sources: [] };
  const events = streamed([
    START,
    { type: "content-delta", index: 0, delta: { message: { content: { text: "Yes" } } }, logprobs: { text: "Yes", token_ids: [1, 2], logprobs: [-0.5, -0.25] } },
    { type: "citation-start", index: 0, delta: { message: { citations: citation } } }, { type: "citation-end", index: 0 },
    end("COMPLETE"),
  ]);
  assert.deepEqual(events.filter((event) => event.kind === "choice-extra"), [
    { kind: "choice-extra", choice: 0, key: "logprobs", value: { content: [{ token: "Yes", logprob: -0.75, bytes: null, top_logprobs: [] }] } },
    { kind: "choice-extra", choice: 0, key: "citations", value: [citation] },
  ]);
});

test("each reason has its meaning, and the provider's word stays beside it", () => {
  const meaning = (reason: string) => {
    const events = streamed([START, textDelta("x"), end(reason)]);
    const finish = events.find((event) => event.kind === "finish");
    return finish === undefined ? summary(events).error : `${finish.reason} ${finish.native}`;
  };
  assert.deepEqual(["COMPLETE", "STOP_SEQUENCE", "MAX_TOKENS", "ERROR_TOXIC", "NEWER_WORD", "ERROR", "TIMEOUT"].map(meaning), [
    "stop COMPLETE", "stop STOP_SEQUENCE", "length MAX_TOKENS", "content_filter ERROR_TOXIC", "stop NEWER_WORD", "server", "timeout",
  ]);
});

test("a message that ends in an error says why, after what it cost", () => {
  const events = streamed([START, textDelta("x"), end("ERROR", { error: "llm exploded" })]);
  assert.deepEqual(events.slice(-2).map((event) => event.kind), ["usage", "error"]);
  const error = events.at(-1);
  assert.equal(error?.kind === "error" ? error.error.message : "", "llm exploded");
});

test("an answer with nothing in it is empty, unless a stop sequence was its first word", () => {
  const [complete] = streamed([START, end("COMPLETE")]).slice(-1);
  assert.deepEqual(complete?.kind === "error" ? [complete.error.class, complete.error.code] : [], ["empty", ENDED_WITHOUT_CONTENT]);
  assert.deepEqual(summary(streamed([START, end("STOP_SEQUENCE")])).finish, ["stop"]);
});

test("the terminator without a message-end, a body without a finish, and an error told inside a 200 are failures", () => {
  assert.equal(summary(decodeSse(`data: ${JSON.stringify(START)}\n\ndata: ${JSON.stringify(textDelta("x"))}\n\ndata: [DONE]\n\n`)).error, "truncated");
  assert.equal(summary(cohereV2.decodeAnswer({ id: "r", message: { role: "assistant", content: [{ type: "text", text: "x" }] } }, CONTEXT)).error, "truncated");
  assert.equal(summary(cohereV2.decodeAnswer({ message: "too many tokens: size limit exceeded" }, CONTEXT)).error, "context");
  assert.equal(summary(streamed([START, { message: "internal server error" }])).error, "server");
  assert.equal(summary(decodeSse("data: {not json\n\n")).error, "malformed");
});

test("events that say their type only by name, with CRLF and comments between, are read", () => {
  const bytes = `: hi\r\nevent: message-start\r\ndata: {"id":"r"}\r\n\r\nevent: content-delta\r\ndata: {"delta":{"message":{"content":{"text":"é"}}}}\r\n\r\nevent: message-end\r\ndata: {"delta":{"finish_reason":"COMPLETE"}}\r\n\r\n`;
  const events = decodeSse(bytes);
  assert.deepEqual([summary(events).text, summary(events).ended], ["é", true]);
});

test("without billed units the tokens count, cached ones apart, and the row is flagged", () => {
  const [usage] = cohereV2.decodeAnswer(
    { id: "r", finish_reason: "COMPLETE", message: { content: [{ type: "text", text: "x" }] }, usage: { tokens: { input_tokens: 10, output_tokens: 2 }, cached_tokens: 4 } }, CONTEXT,
  ).flatMap((event) => (event.kind === "usage" ? [event.usage] : []));
  assert.deepEqual([usage?.units, usage?.flags], [{ input: 6, cache_read: 4, output: 2 }, ["billed_units_missing"]]);
});
