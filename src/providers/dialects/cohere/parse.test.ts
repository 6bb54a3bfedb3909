import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ChatRequest, Message } from "../../../wire/chat.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { scanBody, splice } from "../../../wire/scan.ts";
import { cohereClient, cohereV2 } from "./index.ts";
import { assistant, call, OUTSIDE, request, result, system, target, text, tool, user } from "./test-hub.ts";

function parsed(raw: JsonObject) {
  const read = cohereClient.parse({ model: "m", messages: [{ role: "user", content: "hi" }], ...raw }, OUTSIDE);
  if (read.kind === "error") throw new Error(read.error.message);
  return read;
}
function errorOf(raw: JsonObject) {
  const read = cohereClient.parse(raw, OUTSIDE);
  return read.kind === "error" ? [read.error.code, read.error.param] : "no error";
}

test("a body with all fields becomes the hub's request", () => {
  const read = parsed({
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "text", text: "look" }, { type: "image_url", image_url: { url: "https://x.example/a.png", detail: "low" } }] },
      { role: "assistant", tool_plan: "I look.", tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "null" } }] },
      { role: "tool", tool_call_id: "c", content: [{ type: "text", text: "sunny" }] },
      { role: "assistant", content: [{ type: "thinking", thinking: "So." }, { type: "text", text: "Sun." }] },
    ],
    tools: [{ type: "function", function: { name: "f", description: "d", parameters: { type: "object" } } }],
    strict_tools: true, tool_choice: "REQUIRED", response_format: { type: "json_object", json_schema: { type: "object" } }, max_tokens: 9,
    stop_sequences: ["x"], temperature: 0.1, p: 0.5, k: 3, seed: 4, presence_penalty: 0.2, frequency_penalty: 0.3, logprobs: true,
    thinking: { type: "enabled", token_budget: 77 }, stream: true,
  });
  assert.deepEqual([read.warnings, read.onlyHere], [[], []]);
  assert.deepEqual(read.request, request({
    surface: "cohere-v2", model: "m",
    messages: [
      system("Be brief."),
      { role: "user", parts: [text("look"), { kind: "image", source: { kind: "url", url: "https://x.example/a.png" }, detail: "low", cacheControl: undefined }], name: undefined },
      assistant("", [call("c", "f")], "I look."),
      result("c", "sunny"),
      assistant("Sun.", [], "So."),
    ],
    tools: [{ ...tool("f", { parameters: { type: "object" }, strict: true }), description: "d" }],
    toolChoice: { kind: "required" },
    responseFormat: { kind: "json_schema", name: "response", description: undefined, schema: { type: "object" }, strict: undefined },
    maxOutputTokens: 9, stop: ["x"], temperature: 0.1, topP: 0.5, topK: 3, seed: 4, presencePenalty: 0.2, frequencyPenalty: 0.3,
    logprobs: true, thinking: { type: "enabled", budget_tokens: 77 }, stream: true, includeUsage: true,
  }));
});

test("documents are text in front for other providers, and are told", () => {
  const read = parsed({ documents: ["plain", { id: "d1", data: { title: "T" } }], citation_options: { mode: "FAST" } });
  assert.deepEqual(read.request.messages[0], system(`Documents to answer from:\n[doc:0] plain\n[doc:1] {"id":"d1","title":"T"}`));
  assert.deepEqual(read.warnings.map((warning) => warning.split(" ")[0]), ["citation_options", "documents"]);
  assert.deepEqual(read.onlyHere, []);
});

test("documents in the result of a tool are their JSON", () => {
  const read = parsed({ messages: [
    { role: "assistant", tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }], citations: [{ text: "x" }] },
    { role: "tool", tool_call_id: "c", content: [{ type: "document", document: { data: { a: 1 } } }] },
  ] });
  assert.deepEqual(read.request.messages[1], result("c", `{"a":1}`));
  assert.equal(read.warnings.length, 2);
});

test("what only this API can do is named, and unknown fields are fine", () => {
  const read = parsed({ safety_mode: "STRICT", priority: 3, connectors: [{ id: "web-search" }], tool_choice: "SOMETIMES", tools: [{ type: "magic" }] });
  assert.deepEqual(read.warnings.map((warning) => warning.split(" ")[0]), ["safety_mode", "priority", "connectors"]);
  assert.deepEqual(read.onlyHere.map(({ param }) => param), ["tools[0].type", "tool_choice"]);
  assert.deepEqual(read.request.other, {});
});

test("thinking without a budget is the usual effort elsewhere, and no thinking is none", () => {
  assert.equal(parsed({ thinking: { type: "enabled" } }).request.reasoningEffort, "medium");
  assert.equal(parsed({ thinking: { type: "disabled" } }).request.reasoningEffort, "none");
});

test("a wrong type is refused with its path", () => {
  const messages = [{ role: "user", content: "hi" }];
  assert.deepEqual(errorOf({ messages }), ["missing_field", "model"]);
  assert.deepEqual(errorOf({ model: "m" }), ["missing_field", "messages"]);
  assert.deepEqual(errorOf({ model: "m", messages, p: "much" }), ["invalid_type", "p"]);
  assert.deepEqual(errorOf({ model: "m", messages, stop_sequences: [1] }), ["invalid_type", "stop_sequences[0]"]);
  assert.deepEqual(errorOf({ model: "m", messages, max_tokens: 0 }), ["invalid_body", "max_tokens"]);
  assert.deepEqual(errorOf({ model: "m", messages: [{ role: "user" }] }), ["missing_field", "messages[0].content"]);
});

test("any body is read or refused, never thrown at", () => {
  const keys = ["model", "messages", "tools", "tool_choice", "response_format", "documents", "thinking", "stop_sequences", "k", "citation_options", "stream"];
  fc.assert(fc.property(fc.dictionary(fc.constantFrom(...keys), fc.jsonValue({ maxDepth: 4 })), (raw) => {
    const read = cohereClient.parse({ model: "m", messages: [{ role: "user", content: "hi" }], ...(raw as JsonObject) }, OUTSIDE);
    assert.ok(read.kind === "request" || read.error.param !== null);
  }), { numRuns: 300 });
});

test("case 1: a body for this dialect passes with the model's name changed and our own field out, and nothing else", () => {
  const body = `{ "model" : "mine",  "messages":[{"role":"user","content":"h\\u0069"}],"documents":["d"], "spillway":{"x":1}}`;
  const bytes = new TextEncoder().encode(body);
  const scan = scanBody(bytes);
  if (scan.kind !== "object") throw new Error(scan.kind);
  const raw = JSON.parse(body) as JsonObject;
  const { path, edits } = cohereClient.pass({ bytes, scan, raw, request: parsed(raw).request, outside: OUTSIDE }, target());
  assert.equal(path, "/chat");
  assert.equal(new TextDecoder().decode(splice(bytes, edits)), `{ "model" : "command-a-03-2025",  "messages":[{"role":"user","content":"h\\u0069"}],"documents":["d"]}`);
});

test("what the hub asks of this API is read back as it was", () => {
  const word = fc.string({ minLength: 1, maxLength: 12 });
  const image = word.map((base64) => ({ kind: "image", source: { kind: "base64", mediaType: "image/png", base64 }, detail: undefined, cacheControl: undefined }) as const);
  const turn: fc.Arbitrary<readonly Message[]> = fc.oneof(
    word.map((value) => [user(value)]),
    fc.tuple(word, image).map(([value, picture]) => [{ role: "user", parts: [text(value), picture], name: undefined } as const]),
    fc.tuple(word, fc.option(word, { nil: undefined })).map(([value, thought]) => [assistant(value, [], thought)]),
    fc.tuple(fc.option(word, { nil: undefined }), word).map(([plan, value]) => [assistant("", [call("c1", "f", `{"a":1}`), call("c2", "g")], plan), result("c1", value), result("c2", value)]),
  );
  const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const within = (least: number, most: number) => optional(fc.integer({ min: 0, max: 1_000 }).map((share) => least + ((most - least) * share) / 1_000));
  const fields = fc.record({
    messages: fc.tuple(optional(word), fc.array(turn, { minLength: 1, maxLength: 4 })).map(([first, turns]) => [...(first === undefined ? [] : [system(first)]), ...turns.flat()]),
    tools: fc.constantFrom([], [tool("f", { parameters: { type: "object" } })], [tool("f", { parameters: { type: "object" }, strict: true })]),
    maxOutputTokens: optional(fc.integer({ min: 1, max: 9_999 })),
    temperature: within(0, 1), topP: within(0.01, 0.99), topK: optional(fc.integer({ min: 1, max: 500 })), seed: optional(fc.nat()),
    presencePenalty: within(0, 1), frequencyPenalty: within(0, 1), stop: fc.array(word, { maxLength: 5 }), logprobs: fc.constantFrom(undefined, true),
    thinking: optional(fc.integer({ min: 1, max: 9_999 }).map((budget): JsonObject => ({ type: "enabled", budget_tokens: budget }))), stream: fc.boolean(),
  }).chain((made) => fc.record({
    toolChoice: made.tools.length === 0 ? fc.constant(undefined) : fc.constantFrom(undefined, { kind: "none" } as const, { kind: "required" } as const),
    responseFormat: made.tools.length > 0 ? fc.constant(undefined) : fc.constantFrom(undefined, { kind: "json_object" } as const),
  }).map((more) => ({ ...made, ...more })));
  fc.assert(fc.property(fields, (asked: Partial<ChatRequest>) => {
    const original = request({ ...asked, surface: "cohere-v2", includeUsage: true });
    const made = cohereV2.encodeChat(original, target({ reasoning: true }));
    assert.ok(made.kind === "encoded" && made.warnings.length === 0, JSON.stringify(made));
    const read = cohereClient.parse(JSON.parse(JSON.stringify({ ...made.body, model: "m" })) as { [key: string]: Json }, OUTSIDE);
    assert.ok(read.kind === "request");
    assert.deepEqual(read.request, original);
  }), { numRuns: 200 });
});
