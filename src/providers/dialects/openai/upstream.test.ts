import assert from "node:assert/strict";
import { test } from "node:test";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { Quirks } from "../../../wire/facts.ts";
import { parseChatRequest } from "./parse.ts";
import { descriptionAbsent, problems } from "./test-schemas.ts";
import { plainUsage, target } from "./test-target.ts";
import { openaiChat } from "./upstream.ts";

const context = { usage: plainUsage, upstreamModel: "their-model" };

function stream(...chunks: readonly (Json | string)[]): readonly StreamEvent[] {
  const decoder = openaiChat.openStream(context);
  const events = chunks.flatMap((chunk) => [
    ...decoder.push({ event: "", data: typeof chunk === "string" ? chunk : JSON.stringify(chunk) }),
  ]);
  return [...events, ...decoder.end()];
}
const delta = (value: JsonObject, finish: string | null = null): Json => ({
  id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: value, finish_reason: finish }],
});
const kinds = (events: readonly StreamEvent[]) => events.map((event) => event.kind);
const only = <K extends StreamEvent["kind"]>(events: readonly StreamEvent[], kind: K) =>
  events.filter((event): event is Extract<StreamEvent, { kind: K }> => event.kind === kind);
const errorOf = (events: readonly StreamEvent[]) => only(events, "error")[0]?.error;

// Decoding

test("a first chunk with neither id nor choices does not start the answer", () => {
  const events = stream({ choices: [], id: "", model: "", prompt_filter_results: [] }, delta({ role: "assistant" }), delta({ content: "a" }, "stop"), "[DONE]");
  assert.deepEqual(kinds(events), ["ping", "start", "text", "finish", "end"]);
  assert.equal(only(events, "start")[0]?.id, "chatcmpl-1");
});

test("a choice without a delta is no error and no end", () => {
  const events = stream(delta({ content: "a" }), { id: "x", choices: [{ index: 0 }] }, delta({ content: "b" }, "stop"), "[DONE]");
  assert.deepEqual(kinds(events), ["start", "text", "ping", "text", "finish", "end"]);
});

test("a clean end after the finish reason is an end without [DONE]; before it, nothing is invented", () => {
  assert.deepEqual(kinds(stream(delta({ content: "a" }, "stop"))), ["start", "text", "finish", "end"]);
  assert.deepEqual(kinds(stream(delta({ content: "a" }))), ["start", "text"]);
  assert.deepEqual(kinds(stream()), []);
});

test("[DONE] without a finish reason is truncated, without any choice it is empty", () => {
  assert.equal(errorOf(stream(delta({ content: "a" }), "[DONE]"))?.class, "truncated");
  assert.equal(errorOf(stream("[DONE]"))?.class, "empty");
});

test("with two choices the answer ends when both have", () => {
  const other: Json = { id: "chatcmpl-1", choices: [{ index: 1, delta: { content: "b" }, finish_reason: "length" }] };
  assert.equal(stream(delta({ content: "a" }, "stop"), { id: "c", choices: [{ index: 1, delta: { content: "b" } }] }).some((event) => event.kind === "end"), false);
  const events = stream(delta({ content: "a" }, "stop"), other);
  assert.deepEqual(only(events, "finish").map((event) => [event.choice, event.reason]), [[0, "stop"], [1, "length"]]);
  assert.equal(events.at(-1)?.kind, "end");
});

test("an error in the stream is told in its class and ends it, as a chunk, as an error event, inside a choice", () => {
  const chunk = stream(delta({ content: "a" }), { error: { message: "gone", code: 502 } }, delta({ content: "b" }), "[DONE]");
  assert.deepEqual(kinds(chunk), ["start", "text", "error"]);
  assert.deepEqual([errorOf(chunk)?.class, errorOf(chunk)?.status, errorOf(chunk)?.code], ["server", 502, "502"]);
  const decoder = openaiChat.openStream(context);
  const told = decoder.push({ event: "error", data: `{"error":{"type":"overloaded_error","message":"busy"}}` });
  assert.deepEqual([errorOf(told)?.class, errorOf(told)?.status], ["overload", 503]);
  const plain = openaiChat.openStream(context).push({ event: "error", data: "worker died" });
  assert.deepEqual([errorOf(plain)?.class, errorOf(plain)?.message], ["server", "worker died"]);
  const inChoice = stream({ id: "x", choices: [{ index: 0, delta: { content: "" }, finish_reason: "error", error: { code: 429, message: "slow" } }], usage: { prompt_tokens: 3, completion_tokens: 0 } });
  assert.deepEqual(kinds(inChoice), ["start", "usage", "error"]);
  assert.equal(errorOf(inChoice)?.class, "rate");
});

test("an error in the body of a 200 is told as the status it stands for", () => {
  const quota = errorOf(openaiChat.decodeAnswer({ error: { message: "pay", type: "insufficient_quota", code: "insufficient_quota", param: null } }, context));
  assert.deepEqual([quota?.class, quota?.status], ["payment", 402]);
  const number = errorOf(openaiChat.decodeAnswer({ error: { message: "busy", code: 503 } }, context));
  assert.deepEqual([number?.class, number?.status, number?.code], ["overload", 503, "503"]);
  assert.equal(errorOf(openaiChat.decodeAnswer({ object: "error", message: "no such model", code: 404 }, context))?.class, "not_found");
  const server = errorOf(openaiChat.decodeAnswer({ error: { message: "broken", type: "server_error", code: null, param: null } }, context));
  assert.deepEqual([server?.class, server?.status], ["server", 500]);
  assert.equal(errorOf(openaiChat.decodeAnswer({ detail: "Not ready" }, context))?.message, "Not ready");
});

test("what is not an answer is malformed, no choices are empty, no finish reason is truncated", () => {
  for (const body of [null, [], "text", 3, {}, { choices: {} }, { choices: [3] }] as Json[]) {
    assert.equal(errorOf(openaiChat.decodeAnswer(body, context))?.class, "malformed", JSON.stringify(body));
  }
  assert.equal(errorOf(openaiChat.decodeAnswer({ id: "x", choices: [] }, context))?.class, "empty");
  const cut = openaiChat.decodeAnswer({ id: "x", choices: [{ index: 0, message: { content: "a" } }] }, context);
  assert.equal(errorOf(cut)?.class, "truncated");
});

test("usage that came with an empty answer is told before the error, since it is billed", () => {
  const events = openaiChat.decodeAnswer({ id: "x", choices: [], usage: { prompt_tokens: 9, completion_tokens: 0, total_tokens: 9 } }, context);
  assert.deepEqual(kinds(events), ["start", "usage", "error"]);
});

test("tool calls numbered from 1, all 0 or not at all come out numbered from 0 in their order", () => {
  const call = (index: number | undefined, id: string, name: string, args: string): Json => ({
    ...(index === undefined ? {} : { index }), ...(id === "" ? {} : { id }), function: { ...(name === "" ? {} : { name }), arguments: args },
  });
  for (const numbers of [[1, 2], [0, 0], [undefined, undefined], [7, 3]]) {
    const events = stream(
      delta({ tool_calls: [call(numbers[0], "a", "first", `{"x":`)] }),
      delta({ tool_calls: [call(numbers[0], "", "", "1}")] }),
      delta({ tool_calls: [call(numbers[1], "b", "second", `{"y":2}`)] }),
      delta({}, "tool_calls"),
    );
    assert.deepEqual(only(events, "tool-start").map(({ index, id, name }) => [index, id, name]), [[0, "a", "first"], [1, "b", "second"]]);
    const joined = (index: number) => only(events, "tool-arguments").filter((event) => event.index === index).map((event) => event.json).join("");
    assert.deepEqual([joined(0), joined(1)], [`{"x":1}`, `{"y":2}`], JSON.stringify(numbers));
  }
});

test("a host that repeats a call's id with every fragment, or sends an empty one, still means one call", () => {
  for (const id of ["a", ""]) {
    const events = stream(
      delta({ tool_calls: [{ index: 0, id: "a", function: { name: "f", arguments: "" } }] }),
      delta({ tool_calls: [{ index: 0, id, function: { arguments: "{}" } }] }, "tool_calls"),
    );
    assert.equal(only(events, "tool-start").length, 1);
  }
});

test("arguments that are empty, absent or the word null become an empty object", () => {
  for (const fragments of [[""], [undefined], ["null"], ["nu", "ll"], [" "]]) {
    const chunks = fragments.map((text, i) => delta({
      tool_calls: [{ index: 0, ...(i === 0 ? { id: "a" } : {}), function: { ...(i === 0 ? { name: "f" } : {}), ...(text === undefined ? {} : { arguments: text }) } }],
    }));
    const events = stream(...chunks, delta({}, "tool_calls"));
    assert.deepEqual(only(events, "tool-arguments").map((event) => event.json), ["{}"], JSON.stringify(fragments));
  }
  const kept = stream(delta({ tool_calls: [{ index: 0, id: "a", function: { name: "f", arguments: " " } }] }), delta({ tool_calls: [{ index: 0, function: { arguments: "{\"a\":1}" } }] }, "stop"));
  assert.deepEqual(only(kept, "tool-arguments").map((event) => event.json), [" {\"a\":1}"]);
});

test("a call without an id gets one that is the same in every run; one without a name is malformed", () => {
  const events = stream(delta({ tool_calls: [{ function: { name: "f", arguments: "{}" } }] }, "stop"));
  assert.equal(only(events, "tool-start")[0]?.id, "call_chatcmpl1_0_0");
  assert.equal(errorOf(stream(delta({ tool_calls: [{ index: 0, id: "a", function: { arguments: "{}" } }] }, "tool_calls")))?.class, "malformed");
});

test("a stop with tool calls is told as tool_calls, with the host's word beside it", () => {
  const events = stream(delta({ tool_calls: [{ id: "a", function: { name: "f", arguments: "{}" } }] }, "stop"));
  assert.deepEqual(only(events, "finish").map(({ reason, native }) => [reason, native]), [["tool_calls", "stop"]]);
});

test("finish words of other vendors come out as the nearest of OpenAI's", () => {
  const words = { end_turn: "stop", eos: "stop", model_length: "length", MAX_TOKENS: "length", tool_use: "tool_calls", SAFETY: "content_filter", sensitive: "content_filter", insufficient_system_resource: "error", brand_new_word: "stop" };
  for (const [native, reason] of Object.entries(words)) {
    assert.deepEqual(only(stream(delta({ content: "a" }, native)), "finish").map((event) => [event.reason, event.native]), [[reason, native]]);
  }
});

test("thought signatures are read from Google's and Vertex's place", () => {
  for (const vendor of ["google", "vertex"]) {
    const events = stream(delta({ tool_calls: [{ index: 0, id: "a", function: { name: "f", arguments: "{}" }, extra_content: { [vendor]: { thought_signature: "sig" } } }] }, "stop"));
    assert.equal(only(events, "tool-start")[0]?.thoughtSignature, "sig");
  }
});

test("reasoning is read from every place it is known to stand, and once where it stands twice", () => {
  const texts = (value: JsonObject) => only(stream(delta(value, "stop")), "reasoning").map((event) => event.text).join("");
  assert.equal(texts({ reasoning_content: "why" }), "why");
  assert.equal(texts({ reasoning: "why" }), "why");
  assert.equal(texts({ reasoning_content: "why", reasoning: "why" }), "why");
  assert.equal(texts({ reasoning_content: "why", thinking_blocks: [{ type: "thinking", thinking: "why", signature: "s" }] }), "why");
  assert.equal(texts({ content: [{ type: "thinking", thinking: [{ type: "text", text: "why" }] }, { type: "text", text: "so" }] }), "why");
  const late = stream(delta({ reasoning_content: "wh" }), delta({ reasoning_content: "y" }), delta({ thinking_blocks: [{ type: "thinking", thinking: "why", signature: "s" }, { type: "redacted_thinking", data: "d" }] }), delta({ content: "so" }, "stop"));
  assert.deepEqual(kinds(late), ["start", "reasoning", "reasoning", "signature", "redacted", "text", "finish", "end"]);
});

test("the old function_call, a refusal, log probabilities and unknown members are carried", () => {
  const legacy = stream(delta({ function_call: { name: "f", arguments: "" } }), delta({ function_call: { arguments: `{"a":1}` } }, "function_call"));
  assert.deepEqual(kinds(legacy), ["start", "tool-start", "tool-arguments", "finish", "end"]);
  assert.equal(only(legacy, "finish")[0]?.reason, "tool_calls");
  assert.equal(only(stream(delta({ refusal: "no" }, "stop")), "refusal")[0]?.text, "no");
  const extras = stream({ id: "x", choices: [{ index: 0, delta: { content: "a", annotations: [1] }, logprobs: { content: [] }, finish_reason: "stop" }], citations: ["u"] });
  assert.deepEqual(only(extras, "choice-extra").map(({ key }) => key), ["logprobs", "delta.annotations"]);
  assert.match(only(extras, "warning")[0]?.message ?? "", /citations/);
});

test("a final chunk that repeats the whole message does not double it", () => {
  const events = stream(delta({ content: "a" }), { id: "x", choices: [{ index: 0, message: { content: "a" }, finish_reason: "stop" }] });
  assert.equal(only(events, "text").length, 1);
});

// Encoding a request

const full: JsonObject = {
  model: "route",
  messages: [
    { role: "developer", content: "be brief", name: "ops" },
    { role: "user", content: [
      { type: "text", text: "look" },
      { type: "image_url", image_url: { url: "data:image/png;base64,AAAA", detail: "low" } },
      { type: "image_url", image_url: { url: "https://pictures.example/a.png" } },
      { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,BBBB" } },
      { type: "file", file: { file_id: "file-1" } },
      { type: "input_audio", input_audio: { data: "CCCC", format: "wav" } },
    ] },
    { role: "assistant", content: null, reasoning_content: "hm", tool_calls: [
      { id: "call_1", type: "function", function: { name: "look", arguments: "" }, extra_content: { google: { thought_signature: "sig" } } },
    ] },
    { role: "tool", tool_call_id: "call_1", content: [{ type: "text", text: "a cat" }] },
    { role: "assistant", content: [{ type: "text", text: "a cat" }, { type: "refusal", refusal: "no more" }] },
    { role: "assistant", content: null, refusal: "no" },
    { role: "user", content: "why", name: "bob" },
  ],
  tools: [
    { type: "function", function: { name: "look", description: "looks", parameters: { type: "object", properties: {} }, strict: true } },
    { type: "custom", custom: { name: "sql" } },
  ],
  tool_choice: { type: "allowed_tools", allowed_tools: { mode: "required", tools: [{ type: "function", function: { name: "look" } }] } },
  parallel_tool_calls: false, max_completion_tokens: 100, temperature: 0.5, top_p: 0.9, seed: 7, presence_penalty: 1,
  frequency_penalty: -1, n: 2, stop: ["a", "b"],
  response_format: { type: "json_schema", json_schema: { name: "out", description: "d", schema: { type: "object" }, strict: true } },
  reasoning_effort: "low", logprobs: true, top_logprobs: 3, logit_bias: { "5": 1 }, service_tier: "flex", user: "u",
  metadata: { a: "b" }, stream: true, stream_options: { include_usage: false, include_obfuscation: false }, verbosity: "low",
  prompt_cache_key: "k", store: false,
};

function encoded(raw: JsonObject, quirks: Quirks = {}, usage = {}) {
  const parsed = parseChatRequest(raw);
  assert.ok(parsed.kind === "request", JSON.stringify(parsed));
  const result = openaiChat.encodeChat(parsed.request, target(quirks, usage));
  assert.ok(result.kind === "encoded", JSON.stringify(result));
  return result;
}

test("everything that a full request holds reaches the body, and nothing else does", () => {
  const { body, path, warnings } = encoded(full);
  assert.equal(path, "/chat/completions");
  assert.deepEqual(warnings, []);
  const messages = structuredClone(full["messages"]) as unknown as Record<string, unknown>[];
  // No arguments are an empty object; a lone text part is a string.
  messages[2] = { ...messages[2], tool_calls: [{ id: "call_1", type: "function", function: { name: "look", arguments: "{}" }, extra_content: { google: { thought_signature: "sig" } } }] };
  messages[3] = { ...messages[3], content: "a cat" };
  assert.deepEqual(body, { ...full, model: "their-model", messages, stream_options: { include_usage: true, include_obfuscation: false } });
});

test("authored requests are valid by OpenAI's description", { skip: descriptionAbsent }, () => {
  const plain: JsonObject = { model: "r", messages: [{ role: "user", content: "hi" }] };
  const requests: readonly JsonObject[] = [
    full,
    plain,
    { ...plain, tool_choice: { type: "function", function: { name: "f" } }, tools: [{ type: "function", function: { name: "f" } }] },
    { ...plain, tool_choice: "required", response_format: { type: "json_object" }, stop: "x" },
    { ...plain, messages: [{ role: "system", content: "" }, { role: "user", content: "a" }, { role: "assistant", content: "" }] },
    { ...plain, messages: [{ role: "user", content: "a" }, { role: "assistant", content: null, function_call: { name: "f", arguments: "{}" } }, { role: "function", name: "f", content: "1" }], functions: [{ name: "f" }], function_call: "auto" },
  ];
  for (const raw of requests) assert.deepEqual(problems("CreateChatCompletionRequest", encoded(raw).body), []);
});

test("old-style functions are carried as tools, with a call and its result tied by one id", () => {
  const { body } = encoded({
    model: "r", functions: [{ name: "f" }], function_call: { name: "f" },
    messages: [{ role: "user", content: "a" }, { role: "assistant", function_call: { name: "f", arguments: "" } }, { role: "function", name: "f", content: "1" }],
  });
  assert.equal("functions" in body || "function_call" in body, false);
  assert.deepEqual(body["tool_choice"], { type: "function", function: { name: "f" } });
  const [, call, result] = body["messages"] as unknown as { tool_calls?: { id: string }[]; tool_call_id?: string }[];
  assert.equal(call?.tool_calls?.[0]?.id, result?.tool_call_id);
});

test("custom tool calls, their choice and unknown formats are carried as sent", () => {
  const raw: JsonObject = {
    model: "r", tool_choice: { type: "custom", custom: { name: "sql" } }, response_format: { type: "grammar", grammar: "x" },
    messages: [{ role: "user", content: "a" }, { role: "assistant", content: null, tool_calls: [{ id: "c", type: "custom", custom: { name: "sql", input: "select" } }] }],
  };
  const { body } = encoded(raw);
  assert.deepEqual(body, { ...raw, model: "their-model" });
});

test("a host's deviations are applied: roles, the name of the limit, replayed reasoning", () => {
  const { body, warnings } = encoded(full, { developerAsSystem: true, maxTokensField: "max_tokens", replaysReasoningContent: true });
  const messages = body["messages"] as unknown as { role: string; reasoning_content?: string }[];
  assert.equal(messages[0]?.role, "system");
  assert.deepEqual([body["max_tokens"], body["max_completion_tokens"]], [100, undefined]);
  assert.deepEqual(messages.map((message) => message.reasoning_content), [undefined, undefined, "hm", undefined, "", "", undefined]);
  assert.deepEqual(warnings, []);
});

test("usage is asked for on streams, unless the host does not know the option", () => {
  const stream: JsonObject = { model: "r", messages: [{ role: "user", content: "a" }], stream: true };
  assert.deepEqual(encoded(stream).body["stream_options"], { include_usage: true });
  assert.equal(encoded(stream, {}, { includeUsageOption: false }).body["stream_options"], undefined);
  assert.equal(encoded({ ...stream, stream: false, stream_options: { include_usage: true } }).body["stream_options"], undefined);
});

test("a field the host lacks is refused by name or left out with a warning, at any depth", () => {
  const parsed = parseChatRequest(full);
  assert.ok(parsed.kind === "request");
  const refused = openaiChat.encodeChat(parsed.request, target({ fields: { "tools[].custom": "refuse" } }));
  assert.deepEqual(refused.kind === "unsupported" ? refused.param : refused, "tools[1].custom");
  assert.equal(openaiChat.encodeChat(parsed.request, target({ fields: { n: "refuse" } })).kind, "unsupported");
  const { body, warnings } = encoded(full, { fields: { seed: "drop-and-warn", "messages[].name": "drop-and-warn", "stream_options.include_obfuscation": "drop-and-warn", absent: "refuse" } });
  assert.equal("seed" in body, false);
  assert.equal((body["messages"] as readonly JsonObject[]).some((message) => "name" in message), false);
  assert.deepEqual(body["stream_options"], { include_usage: true });
  assert.equal(warnings.length, 3);
});

test("signed reasoning of another vendor is not sent and is named in a warning; its text is kept", () => {
  const { body, warnings } = encoded({ model: "r", messages: [{ role: "user", content: "a" }, { role: "assistant", content: "b", thinking_blocks: [{ type: "thinking", thinking: "hm", signature: "s" }] }] });
  assert.equal((body["messages"] as readonly JsonObject[])[1]?.["reasoning_content"], "hm");
  assert.match(warnings[0] ?? "", /messages\[1\]\.thinking_blocks/);
});

// Price-bearing fields

test("fields whose price no token bound covers are named, and only those", () => {
  assert.deepEqual(openaiChat.unboundedFields({
    service_tier: "flex", web_search_options: {}, modalities: ["text", "audio"], audio: {}, prediction: {}, models: ["a"], plugins: [{}], background: true,
    tools: [{ type: "function" }, { type: "web_search" }, { type: "web_search" }, { type: "custom" }],
  }), ["service_tier", "web_search_options", "plugins", "modalities", "audio", "prediction", "models", "background", "tools[].type=web_search"]);
  assert.deepEqual(openaiChat.unboundedFields({ ...full, service_tier: "default", modalities: ["text"], background: false, audio: null }), []);
});
