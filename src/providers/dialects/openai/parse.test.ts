import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { measureText, parseChatRequest, parseEmbeddingsRequest } from "./parse.ts";
import { utf8Bytes } from "./measure.ts";

const base: JsonObject = { model: "m", messages: [{ role: "user", content: "hi" }] };

function request(more: JsonObject = {}) {
  const parsed = parseChatRequest({ ...base, ...more });
  assert.ok(parsed.kind === "request", JSON.stringify(parsed));
  return parsed.request;
}
function refusal(raw: JsonObject) {
  const parsed = parseChatRequest(raw);
  assert.ok(parsed.kind === "error", "was accepted");
  return parsed.error;
}
const messages = (...list: readonly Json[]): JsonObject => ({ messages: list });
const userParts = (...parts: readonly Json[]): JsonObject => messages({ role: "user", content: parts });

const WRONG: readonly (readonly [JsonObject, string, string])[] = [
  [{ model: undefined }, "model", "missing_field"],
  [{ model: 3 }, "model", "invalid_type"],
  [{ messages: undefined }, "messages", "missing_field"],
  [{ messages: "hi" }, "messages", "invalid_type"],
  [{ messages: [] }, "messages", "invalid_body"],
  [messages("hi"), "messages[0]", "invalid_type"],
  [messages({ content: "a" }), "messages[0].role", "missing_field"],
  [messages({ role: "wizard", content: "a" }), "messages[0].role", "invalid_body"],
  [messages({ role: "user" }), "messages[0].content", "missing_field"],
  [messages({ role: "user", content: 7 }), "messages[0].content", "invalid_type"],
  [userParts({ text: "a" }), "messages[0].content[0].type", "missing_field"],
  [userParts({ type: "text" }), "messages[0].content[0].text", "missing_field"],
  [userParts({ type: "text", text: "a" }, { type: "image_url", image_url: { url: 5 } }), "messages[0].content[1].image_url.url", "invalid_type"],
  [userParts({ type: "image_url" }), "messages[0].content[0].image_url.url", "missing_field"],
  [userParts({ type: "image_url", image_url: { url: "data:image/png,xyz" } }), "messages[0].content[0].image_url.url", "invalid_body"],
  [userParts({ type: "input_audio", input_audio: { data: "x" } }), "messages[0].content[0].input_audio.format", "missing_field"],
  [userParts({ type: "file", file: {} }), "messages[0].content[0].file.file_data", "missing_field"],
  [messages({ role: "tool", content: "a" }), "messages[0].tool_call_id", "missing_field"],
  [messages({ role: "assistant", tool_calls: [{ id: "a", type: "function", function: {} }] }), "messages[0].tool_calls[0].function.name", "missing_field"],
  [messages({ role: "assistant", tool_calls: [{ function: { name: "f" } }] }), "messages[0].tool_calls[0].id", "missing_field"],
  [{ tools: [{ type: "function", function: { description: "d" } }] }, "tools[0].function.name", "missing_field"],
  [{ tools: { a: 1 } }, "tools", "invalid_type"],
  [{ tool_choice: { type: "function" } }, "tool_choice.function.name", "missing_field"],
  [{ temperature: "0.5" }, "temperature", "invalid_type"],
  [{ n: 0 }, "n", "invalid_body"],
  [{ n: 1.5 }, "n", "invalid_type"],
  [{ max_tokens: 0 }, "max_tokens", "invalid_body"],
  [{ stream: "yes" }, "stream", "invalid_type"],
  [{ stop: ["a", 1] }, "stop[1]", "invalid_type"],
  [{ stop: ["a", null] }, "stop[1]", "missing_field"],
  [{ response_format: { type: "json_schema", json_schema: {} } }, "response_format.json_schema.name", "missing_field"],
  [{ response_format: {} }, "response_format.type", "missing_field"],
];
for (const [more, param, code] of WRONG) {
  test(`${JSON.stringify(more).slice(0, 90)} is ${code} at ${param}`, () => {
    const error = refusal({ ...base, ...more });
    assert.deepEqual([error.param, error.code], [param, code]);
    assert.ok(error.message.startsWith(param));
  });
}

test("unknown fields are kept as sent, and null counts as absent", () => {
  const parsed = request({ verbosity: "low", brand_new: { a: [1] }, temperature: null, tools: null, stop: null, n: null, tool_choice: null });
  assert.deepEqual(parsed.other, { verbosity: "low", brand_new: { a: [1] } });
  assert.deepEqual([parsed.temperature, parsed.tools, parsed.stop, parsed.choiceCount, parsed.toolChoice], [undefined, [], [], 1, undefined]);
});

test("more than four stops, and numbers out of range, are left to the provider", () => {
  assert.equal(request({ stop: ["a", "b", "c", "d", "e"] }).stop.length, 5);
  assert.equal(request({ temperature: 9 }).temperature, 9);
});

test("max_completion_tokens goes before max_tokens; safety_identifier stands in for user", () => {
  assert.equal(request({ max_tokens: 5, max_completion_tokens: 6 }).maxOutputTokens, 6);
  assert.equal(request({ max_tokens: 5 }).maxOutputTokens, 5);
  const alone = request({ safety_identifier: "s" });
  assert.deepEqual([alone.user, alone.other], ["s", {}]);
  const both = request({ safety_identifier: "s", user: "u" });
  assert.deepEqual([both.user, both.other], ["u", { safety_identifier: "s" }]);
});

test("data URIs become bytes, addresses stay addresses, file ids stay ids", () => {
  const { messages: [message] } = request(userParts(
    { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
    { type: "image_url", image_url: "https://pictures.example/a.png" },
    { type: "file", file: { file_id: "file-1" } },
    { type: "file", file: { file_data: "data:application/pdf;name=a;base64,BBBB", filename: "a.pdf" } },
  ));
  const sources = message?.parts.map((part) => ("source" in part ? part.source : undefined));
  assert.deepEqual(sources, [
    { kind: "base64", mediaType: "image/png", base64: "AAAA" },
    { kind: "url", url: "https://pictures.example/a.png" },
    { kind: "id", id: "file-1" },
    { kind: "base64", mediaType: "application/pdf", base64: "BBBB" },
  ]);
});

test("reasoning that a client sends back is understood in every known form", () => {
  const reasoning = (more: JsonObject) => {
    const [message] = request(messages({ role: "assistant", content: "x", ...more })).messages;
    return message?.role === "assistant" ? message.reasoning : undefined;
  };
  assert.deepEqual(reasoning({ reasoning_content: "hm" }), [{ kind: "thinking", text: "hm", signature: undefined }]);
  assert.deepEqual(reasoning({ reasoning: "hm" }), [{ kind: "thinking", text: "hm", signature: undefined }]);
  assert.deepEqual(reasoning({ reasoning_content: "hm", thinking_blocks: [{ type: "thinking", thinking: "hm", signature: "s" }, { type: "redacted_thinking", data: "d" }] }), [
    { kind: "thinking", text: "hm", signature: "s" }, { kind: "redacted", data: "d" },
  ]);
  assert.deepEqual(reasoning({ thinking_blocks: [{ type: "thinking", thinking: "", signature: "s" }] }), [{ kind: "thinking", text: "", signature: "s" }]);
  assert.deepEqual(reasoning({ reasoning_content: "hm", thinking_blocks: [{ type: "thinking", thinking: "", signature: "s" }] }), [{ kind: "thinking", text: "hm", signature: "s" }]);
  assert.deepEqual(reasoning({ content: [{ type: "thinking", thinking: "hm", signature: "s" }, { type: "text", text: "x" }] }), [{ kind: "thinking", text: "hm", signature: "s" }]);
  const [kept] = request(messages({ role: "assistant", content: "x", reasoning_details: [{ type: "reasoning.encrypted" }] })).messages;
  assert.deepEqual(kept?.role === "assistant" && kept.other, { reasoning_details: [{ type: "reasoning.encrypted" }] });
});

test("tool calls keep thought signatures and get an empty object for no arguments", () => {
  for (const vendor of ["google", "vertex"]) {
    for (const args of ["", null, " ", "null", {}]) {
      const call = { id: "c", type: "function", function: { name: "f", arguments: args }, extra_content: { [vendor]: { thought_signature: "s" } } };
      const [message] = request(messages({ role: "assistant", tool_calls: [call] })).messages;
      assert.deepEqual(message?.role === "assistant" && message.toolCalls, [{ id: "c", name: "f", argumentsJson: "{}", thoughtSignature: "s" }]);
    }
  }
});

test("every form of tool choice and response format has its place, the rest is kept", () => {
  assert.deepEqual(request({ tool_choice: "any" }).toolChoice, { kind: "required" });
  assert.deepEqual(request({ tool_choice: { type: "function", function: { name: "f" } } }).toolChoice, { kind: "named", name: "f" });
  assert.deepEqual(request({ tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "f" } }] } } }).toolChoice, { kind: "allowed", mode: "auto", names: ["f"] });
  assert.deepEqual(request({ tool_choice: { type: "web" } }).other, { tool_choice: { type: "web" } });
  assert.deepEqual(request({ response_format: { type: "json_object" } }).responseFormat, { kind: "json_object" });
  assert.deepEqual(request({ response_format: { type: "json_object", schema: {} } }).other, { response_format: { type: "json_object", schema: {} } });
});

test("what only a provider of the same dialect can be told is named", () => {
  const parsed = parseChatRequest({ ...base, ...userParts({ type: "text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } }) });
  assert.match(parsed.kind === "request" ? (parsed.warnings[0] ?? "") : "", /messages\[0\]\.content\[0\]\.prompt_cache_breakpoint/);
  const plain = parseChatRequest({ ...base, user: "u" });
  assert.deepEqual(plain.kind === "request" && plain.warnings, []);
});

test("cache_control is kept on parts, tools, and from a message on its last part", () => {
  const control = { type: "ephemeral" };
  const { messages: list, tools } = request({
    messages: [{ role: "system", content: "a", cache_control: control }, { role: "user", content: [{ type: "text", text: "b", cache_control: control }] }],
    tools: [{ type: "function", function: { name: "f" }, cache_control: control }],
  });
  for (const message of list) assert.deepEqual(message.parts.map((part) => "cacheControl" in part && part.cacheControl), [control]);
  assert.deepEqual(tools.map((tool) => tool.kind === "function" && tool.cacheControl), [control]);
});

test("a key named __proto__ is data like any other", () => {
  const parsed = parseChatRequest(JSON.parse(`{"model":"m","messages":[{"role":"user","content":"a"}],"__proto__":{"stream":true}}`) as JsonObject);
  assert.ok(parsed.kind === "request");
  assert.equal(parsed.request.stream, false);
  assert.deepEqual(Object.keys(parsed.request.other), ["__proto__"]);
});

test("no body makes the parser throw", () => {
  const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>;
  const part = fc.oneof(json, fc.record({ type: fc.constantFrom("text", "image_url", "file", "input_audio", "refusal", "thinking"), text: json, image_url: json, file: json, input_audio: json, refusal: json }));
  const message = fc.oneof(json, fc.record({ role: fc.constantFrom("system", "user", "assistant", "tool", "function", "x"), content: fc.oneof(json, fc.array(part)), tool_calls: json, thinking_blocks: json, tool_call_id: json, name: json }));
  fc.assert(fc.property(fc.record({ model: fc.oneof(fc.constant("m"), json), messages: fc.oneof(json, fc.array(message)), tools: json, tool_choice: json, response_format: json, stream_options: json, stop: json, functions: json }, { requiredKeys: [] }), (raw) => {
    const parsed = parseChatRequest(raw as JsonObject);
    if (parsed.kind === "request") measureText(parsed.request);
    else assert.ok(parsed.error.message.length > 0 && parsed.error.param !== null);
  }), { numRuns: 2000 });
});

// Measuring

test("the bytes of everything the model sees are counted", () => {
  const size = (more: JsonObject) => measureText(request(more)).textBytes;
  assert.equal(size({}), 2);
  assert.equal(size(messages({ role: "user", content: "é€🎯", name: "bob" })), 2 + 3 + 4 + 3);
  assert.equal(size({ tools: [{ type: "function", function: { name: "f", description: "dd", parameters: { a: 1 } } }] }), 2 + 1 + 2 + 7);
  assert.equal(size(messages({ role: "assistant", tool_calls: [{ id: "id", function: { name: "f", arguments: `{"a":1}` } }] })), 2 + 1 + 7);
  assert.equal(size({ response_format: { type: "json_schema", json_schema: { name: "n", schema: { b: 2 } } } }), 2 + 1 + 7);
  assert.equal(size(messages({ role: "assistant", content: "x", reasoning_content: "why" })), 4);
  assert.ok(size({ documents: ["x".repeat(1000)] }) > 1000);
});

test("images are counted; files, audio, server tools and earlier answers have no known size", () => {
  const measure = (more: JsonObject) => measureText(request(more));
  const image = { type: "image_url", image_url: { url: "https://x.example/a" } };
  assert.deepEqual(measure(userParts(image, image)), { textBytes: 0, imageCount: 2, unsized: false, messageAndToolCount: 1 });
  for (const part of [{ type: "file", file: { file_id: "f" } }, { type: "input_audio", input_audio: { data: "x", format: "wav" } }, { type: "video_url", video_url: {} }]) {
    assert.equal(measure(userParts(part)).unsized, true);
  }
  assert.equal(measure({ tools: [{ type: "web_search" }] }).unsized, true);
  assert.equal(measure({ tools: [{ type: "custom", custom: { name: "a" } }] }).unsized, false);
  assert.equal(measure({ previous_response_id: "r" }).unsized, true);
  assert.equal(measure({ tools: [{ type: "function", function: { name: "f" } }] }).messageAndToolCount, 2);
});

test("UTF-8 is measured as it is encoded, lone surrogates included", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.nat(0xffff), (text, unit) => {
    const whole = text + String.fromCharCode(unit);
    assert.equal(utf8Bytes(whole), new TextEncoder().encode(whole).length);
  }));
});

// Embeddings

test("embeddings take text, texts and tokens, and refuse the rest by path", () => {
  const ok = (input: Json) => {
    const parsed = parseEmbeddingsRequest({ model: "m", input, dimensions: 8, encoding_format: "base64", custom: 1 });
    assert.ok(parsed.kind === "request", JSON.stringify(parsed));
    return [parsed.request.inputCount, parsed.request.textBytes, parsed.request.tokenCount];
  };
  assert.deepEqual(ok("é"), [1, 2, 0]);
  assert.deepEqual(ok(["a", "bc"]), [2, 3, 0]);
  assert.deepEqual(ok([1, 2, 3]), [1, 0, 3]);
  assert.deepEqual(ok([[1], [2, 3]]), [2, 0, 3]);
  const wrong = (raw: JsonObject) => {
    const parsed = parseEmbeddingsRequest(raw);
    return parsed.kind === "error" ? parsed.error.param : undefined;
  };
  assert.equal(wrong({ input: "a" }), "model");
  assert.equal(wrong({ model: "m" }), "input");
  assert.equal(wrong({ model: "m", input: [] }), "input");
  assert.equal(wrong({ model: "m", input: ["a", 1] }), "input[1]");
  assert.equal(wrong({ model: "m", input: [[1, "a"]] }), "input[0][1]");
  assert.equal(wrong({ model: "m", input: { a: 1 } }), "input");
  assert.equal(wrong({ model: "m", input: "a", dimensions: 0 }), "dimensions");
  assert.equal(wrong({ model: "m", input: "a", encoding_format: "hex" }), "encoding_format");
});
