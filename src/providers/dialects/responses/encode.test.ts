/** Requests that we author for this protocol, and what is refused or named instead of being carried. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { ChatRequest } from "../../../wire/chat.ts";
import type { ModelFacts } from "../../../wire/facts.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { parseChatRequest } from "../openai/parse.ts";
import { descriptionAbsent, problems } from "../openai/test-schemas.ts";
import { openReasoning, sealReasoning } from "./encode-reasoning.ts";
import { openaiResponses } from "./index.ts";
import { summary, streamed, target, wire } from "./test-upstream.ts";

const USER: JsonObject = { role: "user", content: "hi" };
const plain: JsonObject = { model: "r", messages: [USER] };
const tool = (name: string, more: JsonObject = {}): JsonObject => ({ type: "function", function: { name, ...more } });
const toolCall = (id: string, name = "look"): JsonObject => ({ id, type: "function", function: { name, arguments: "{}" } });

const full: JsonObject = {
  model: "route",
  messages: [
    { role: "system", content: "be brief" },
    { role: "developer", content: [{ type: "text", text: "be kind" }, { type: "text", text: "be true" }] },
    { role: "user", content: [
      { type: "text", text: "look" },
      { type: "image_url", image_url: { url: "data:image/png;base64,AAAA", detail: "low" } },
      { type: "image_url", image_url: { url: "https://pictures.example/a.png" } },
      { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,BBBB" } },
      { type: "file", file: { file_id: "file-1" } },
    ] },
    { role: "assistant", content: "well", tool_calls: [toolCall("call_1"), toolCall("call_2", "hear")] },
    { role: "tool", tool_call_id: "call_1", content: "a cat" },
    { role: "tool", tool_call_id: "call_2", content: [{ type: "text", text: "a" }, { type: "image_url", image_url: { url: "https://pictures.example/b.png" } }] },
    { role: "assistant", content: [{ type: "text", text: "a cat" }, { type: "refusal", refusal: ", no more" }] },
    USER,
  ],
  tools: [tool("look", { description: "looks", parameters: { type: "object", properties: {} }, strict: true }), tool("hear", { strict: false }), tool("smell")],
  tool_choice: { type: "allowed_tools", allowed_tools: { mode: "required", tools: [{ type: "function", function: { name: "look" } }] } },
  parallel_tool_calls: false, max_completion_tokens: 100, temperature: 0.5, top_p: 0.9, logprobs: true, top_logprobs: 3,
  response_format: { type: "json_schema", json_schema: { name: "out", description: "d", schema: { type: "object" }, strict: true } },
  service_tier: "flex", user: "u", metadata: { a: "b" }, stream: true, stream_options: { include_usage: true, include_obfuscation: false },
  verbosity: "low", prompt_cache_key: "k", store: false,
};

function parsed(raw: JsonObject, more: Partial<ChatRequest> = {}): ChatRequest {
  const result = parseChatRequest(raw);
  assert.ok(result.kind === "request", JSON.stringify(result));
  return { ...result.request, ...more };
}
function encoded(raw: JsonObject, to = target(), more: Partial<ChatRequest> = {}) {
  const result = openaiResponses.encodeChat(parsed(raw, more), to);
  assert.ok(result.kind === "encoded", JSON.stringify(result));
  return result;
}
function refused(raw: JsonObject, more: Partial<ChatRequest> = {}): string {
  const result = openaiResponses.encodeChat(parsed(raw, more), target());
  assert.ok(result.kind === "unsupported", JSON.stringify(result));
  return result.param;
}
const reasoner = (facts: Partial<ModelFacts> = {}, name = "their-model") => target(name, { reasoning: true, ...facts });
const input = (raw: JsonObject, to = target()) => encoded(raw, to).body["input"] as readonly JsonObject[];

test("everything that a full request holds reaches the body, and nothing else does", () => {
  const { body, path, warnings, headers } = encoded(full);
  assert.deepEqual([path, warnings, headers], ["/responses", [], []]);
  assert.deepEqual(body, {
    model: "their-model",
    input: [
      { role: "system", content: "be brief" },
      { role: "developer", content: [{ type: "input_text", text: "be kind" }, { type: "input_text", text: "be true" }] },
      { role: "user", content: [
        { type: "input_text", text: "look" },
        { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "low" },
        { type: "input_image", image_url: "https://pictures.example/a.png", detail: "auto" },
        { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,BBBB" },
        { type: "input_file", file_id: "file-1" },
      ] },
      { role: "assistant", content: "well" },
      { type: "function_call", call_id: "call_1", name: "look", arguments: "{}" },
      { type: "function_call", call_id: "call_2", name: "hear", arguments: "{}" },
      { type: "function_call_output", call_id: "call_1", output: "a cat" },
      { type: "function_call_output", call_id: "call_2", output: [{ type: "input_text", text: "a" }, { type: "input_image", image_url: "https://pictures.example/b.png", detail: "auto" }] },
      { role: "assistant", content: "a cat, no more" },
      { role: "user", content: "hi" },
    ],
    tools: [
      { type: "function", name: "look", description: "looks", parameters: { type: "object", properties: {} }, strict: true },
      { type: "function", name: "hear", parameters: { type: "object", properties: {} }, strict: false },
      { type: "function", name: "smell", parameters: { type: "object", properties: {} }, strict: false },
    ],
    tool_choice: { type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "look" }] },
    parallel_tool_calls: false, max_output_tokens: 100, temperature: 0.5, top_p: 0.9, top_logprobs: 3,
    text: { format: { type: "json_schema", name: "out", description: "d", schema: { type: "object" }, strict: true }, verbosity: "low" },
    service_tier: "flex", safety_identifier: "u", metadata: { a: "b" }, stream: true, stream_options: { include_obfuscation: false },
    prompt_cache_key: "k", include: ["message.output_text.logprobs"], store: false,
  });
});

/**
 * Problems of a request by the description. It lets a message with a list of parts match two of its forms, of which it then
 * demands exactly one; so items are looked at one by one, and to match more than one form is no problem.
 */
function requestProblems(body: JsonObject): readonly string[] {
  const items = body["input"] as readonly JsonObject[];
  const ofItems = items.flatMap((item) => problems("InputItem", item).filter((line) => !/exactly one schema in oneOf .*\[\d+,\d+\]/.test(line)));
  return [...problems("CreateResponse", { ...body, input: "" }), ...ofItems];
}

describe("by OpenAI's description", { skip: descriptionAbsent }, () => {
  const requests: Readonly<Record<string, JsonObject>> = {
    full, plain,
    "a named tool": { ...plain, tools: [tool("f")], tool_choice: { type: "function", function: { name: "f" } } },
    "a required tool, any JSON": { ...plain, tools: [tool("f")], tool_choice: "required", response_format: { type: "json_object" } },
    "empty messages": { ...plain, messages: [{ role: "system", content: "" }, USER, { role: "assistant", content: "" }] },
    "long ids and names": { ...plain, tools: [tool("n.".repeat(60))], messages: [USER, { role: "assistant", tool_calls: [toolCall("c".repeat(200), "n.".repeat(60))] }, { role: "tool", tool_call_id: "c".repeat(200), content: "1" }] },
    "calls of the old form": { ...plain, messages: [USER, { role: "assistant", content: null, function_call: { name: "f", arguments: "{}" } }, { role: "function", name: "f", content: "1" }], functions: [{ name: "f" }], function_call: "auto" },
    "reasoning, replayed": { ...plain, reasoning_effort: "high", messages: [USER, { role: "assistant", content: "so", reasoning_content: "because", thinking_blocks: [{ type: "redacted_thinking", data: sealReasoning({ id: "rs_1", model: "o3", encryptedContent: "gAAA" }) }] }, USER] },
    "who asks, at length": { ...plain, user: "u".repeat(300), metadata: { a: "b".repeat(900), c: "d" } },
  };
  test("the check finds what is wrong in an item and beside it", () => {
    assert.notDeepEqual(requestProblems({ ...encoded(plain).body, store: "no" }), []);
    for (const item of [{ role: "user", content: [{ type: "text", text: "a" }] }, { role: "judge", content: "a" }, { type: "function_call", name: "f" }]) {
      assert.notDeepEqual(requestProblems({ ...encoded(plain).body, input: [item] }), []);
    }
  });

  for (const [name, raw] of Object.entries(requests)) {
    test(`the request is valid: ${name}`, () => {
      assert.deepEqual(requestProblems(encoded(raw).body), []);
      if (!("temperature" in raw)) assert.deepEqual(requestProblems(encoded(raw, reasoner({}, "o3"), { thinking: { type: "adaptive" } }).body), []);
    });
  }
});

describe("state", () => {
  test("case 35: nothing is stored at the provider, also where the client asked for it, who is told", () => {
    for (const store of [undefined, null, false, true] as const) {
      const { body, warnings } = encoded({ ...plain, ...(store === undefined ? {} : { store }) });
      assert.equal(body["store"], false);
      assert.equal(warnings.length, store === true ? 1 : 0);
    }
  });

  test("case 28: encrypted reasoning goes back as the item that it was, before the answer that it led to; no other item has an id", () => {
    const data = sealReasoning({ id: "rs_1", model: "o3", encryptedContent: "gAAA" });
    // Bytes for clients that hold it as such.
    assert.equal(Buffer.from(data, "base64").toString("base64"), data);
    const items = input({ ...plain, messages: [USER, { role: "assistant", content: "so", reasoning_content: "because", thinking_blocks: [{ type: "redacted_thinking", data }], tool_calls: [toolCall("call_1")] }, { role: "tool", tool_call_id: "call_1", content: "1" }] }, reasoner({}, "o3"));
    assert.deepEqual(items[1], { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAA" });
    assert.deepEqual(items.map((item) => item["type"] ?? item["role"]), ["user", "reasoning", "assistant", "function_call", "function_call_output"]);
    assert.deepEqual(items.filter((item) => "id" in item).length, 1);
  });

  test("case 28: what the decoder gave goes back to the same model unchanged", () => {
    const item = { type: "reasoning", id: "rs_9", summary: [], encrypted_content: "gAAA_é\"\n" };
    const [data] = summary(streamed([wire("response.output_item.done", { output_index: 0, item })], { upstreamModel: "gpt-5" })).redacted;
    const replayed = { ...plain, messages: [USER, { role: "assistant", content: "so", thinking_blocks: [{ type: "redacted_thinking", data: data ?? "" }] }, USER] };
    assert.deepEqual(input(replayed, reasoner({}, "gpt-5"))[1], item);
    assert.deepEqual(encoded(replayed, reasoner({}, "gpt-5")).warnings, []);
  });

  test("case 29: an item goes back only to the provider that made it, though another has a model of the same name", () => {
    const item = { type: "reasoning", id: "rs_9", summary: [], encrypted_content: "gAAA" };
    const replayed = (provider: string) => {
      const [data = ""] = summary(streamed([wire("response.output_item.done", { output_index: 0, item })], { upstreamModel: "gpt-5", provider })).redacted;
      return encoded({ ...plain, messages: [USER, { role: "assistant", content: "so", thinking_blocks: [{ type: "redacted_thinking", data }] }, USER] }, reasoner({}, "gpt-5"));
    };
    const { id } = reasoner({}, "gpt-5").provider;
    assert.equal((replayed(id).body["input"] as readonly Json[]).length, 4);
    const elsewhere = replayed(`${id}-2`);
    assert.deepEqual([(elsewhere.body["input"] as readonly Json[]).length, elsewhere.warnings.length], [3, 1]);
  });

  test("case 29: nor to another account of that provider, whose organisation may be another; what tells no account goes as before", () => {
    const item = { type: "reasoning", id: "rs_9", summary: [], encrypted_content: "gAAA" };
    const plainTarget = reasoner({}, "gpt-5");
    const replayed = (made: string | undefined, called: string | undefined) => {
      const context = { upstreamModel: "gpt-5", provider: plainTarget.provider.id, ...(made === undefined ? {} : { account: made }) };
      const [data = ""] = summary(streamed([wire("response.output_item.done", { output_index: 0, item })], context)).redacted;
      const { body, warnings } = encoded({ ...plain, messages: [USER, { role: "assistant", content: "so", thinking_blocks: [{ type: "redacted_thinking", data }] }, USER] }, { ...plainTarget, ...(called === undefined ? {} : { account: called }) });
      return [(body["input"] as readonly Json[]).length, warnings];
    };
    const left = ["earlier reasoning of another model was left out: only its maker can read it"];
    assert.deepEqual([replayed("a", "a"), replayed("a", "b"), replayed(undefined, "b"), replayed("a", undefined)], [[4, []], [3, left], [4, []], [4, []]]);
    const sealed = sealReasoning({ id: "rs_1", model: "gpt-5", account: "a", encryptedContent: "gAAA" });
    assert.deepEqual(openReasoning(sealed), { id: "rs_1", model: "gpt-5", account: "a", encryptedContent: "gAAA" }, "without a provider too");
    // As the version before wrote it.
    const before = Buffer.from(`spillway-responses-1:["rs_1","gpt-5","gAAA","openai"]`).toString("base64");
    assert.deepEqual([openReasoning(before), sealReasoning({ id: "rs_1", model: "gpt-5", provider: "openai", encryptedContent: "gAAA" })], [{ id: "rs_1", model: "gpt-5", provider: "openai", encryptedContent: "gAAA" }, before]);
  });

  test("case 29: another maker's or model's proof is left out with a warning, the visible text of the answer stays", () => {
    const foreign: readonly JsonObject[] = [
      { type: "thinking", thinking: "hm", signature: "sig" },
      { type: "redacted_thinking", data: "EroBC" },
      { type: "redacted_thinking", data: sealReasoning({ id: "rs_1", model: "other", encryptedContent: "gAAA" }) },
      { type: "redacted_thinking", data: Buffer.from("spillway-responses-1:{broken").toString("base64") },
      { type: "redacted_thinking", data: Buffer.from(`spillway-responses-1:["a"]`).toString("base64") },
    ];
    for (const block of foreign) {
      const { body, warnings } = encoded({ ...plain, messages: [USER, { role: "assistant", content: "so", thinking_blocks: [block] }, USER] });
      assert.deepEqual(body["input"], [USER, { role: "assistant", content: "so" }, USER]);
      assert.match(warnings.join(), /earlier reasoning/);
    }
    assert.match(encoded({ ...plain, messages: [USER, { role: "assistant", content: "so", reasoning_content: "hm" }, USER] }).warnings.join(), /earlier reasoning/);
  });
});

describe("tools", () => {
  test("case 13: an id of more than 64 characters is shortened the same way on both sides of the pair, and others are untouched", () => {
    const ids = ["call_1", "x".repeat(64), "x".repeat(65), `${"x".repeat(64)}y`, "Ω".repeat(80), ""];
    const seen = ids.map((id) => {
      const items = input({ ...plain, messages: [USER, { role: "assistant", tool_calls: [toolCall(id)] }, { role: "tool", tool_call_id: id, content: "1" }] });
      const [asked, answered] = items.slice(1).map((item) => item["call_id"] as string);
      assert.equal(asked, answered);
      assert.ok(asked !== undefined && asked.length >= 1 && asked.length <= 64);
      return asked;
    });
    assert.deepEqual(seen.slice(0, 2), ids.slice(0, 2));
    assert.equal(new Set(seen).size, ids.length);
  });

  test("case 20: names that the API refuses are changed everywhere alike, told apart, and mapped back", () => {
    const names = ["a.b", "a b", `${"n".repeat(64)}1`, `${"n".repeat(64)}2`, "fine_1-x"];
    const { body, renames } = encoded({
      ...plain, tools: names.map((name) => tool(name)), tool_choice: tool(names[0] ?? ""),
      messages: [USER, { role: "assistant", tool_calls: [toolCall("c", names[2])] }, { role: "tool", tool_call_id: "c", content: "1" }],
    });
    const sent = (body["tools"] as readonly JsonObject[]).map((one) => one["name"] as string);
    for (const name of sent) assert.match(name, /^[a-zA-Z0-9_-]{1,64}$/);
    assert.equal(new Set(sent).size, names.length);
    assert.deepEqual(sent.map((name) => renames?.[name] ?? name), names);
    assert.deepEqual((body["tool_choice"] as JsonObject)["name"], sent[0]);
    assert.deepEqual((body["input"] as readonly JsonObject[])[1]?.["name"], sent[2]);
    assert.equal(encoded({ ...plain, tools: [tool("fine")] }).renames, undefined);
  });

  test("case 21: strict is never turned on by us: what was not asked stays off, and is left to the API only for its own clients", () => {
    const strict = (more: JsonObject, surface?: Partial<ChatRequest>) => (encoded({ ...plain, tools: [tool("f", more)] }, target(), surface).body["tools"] as readonly JsonObject[])[0]?.["strict"];
    assert.deepEqual([strict({ strict: true }), strict({ strict: false }), strict({})], [true, false, false]);
    assert.equal(strict({}, { surface: "anthropic-messages" }), false);
    assert.equal(strict({}, { surface: "openai-responses" }), null);
  });

  test("case 19: a schema is carried as it is", () => {
    const parameters = { $schema: "x", type: "object", properties: { a: { const: 1, multipleOf: 2 } }, additionalProperties: false };
    assert.deepEqual((encoded({ ...plain, tools: [tool("f", { parameters })] }).body["tools"] as readonly JsonObject[])[0]?.["parameters"], parameters);
  });

  test("choices without tools ask for nothing; a demanded tool that is not there is refused", () => {
    for (const choice of ["none", "auto"]) assert.equal("tool_choice" in encoded({ ...plain, tool_choice: choice, parallel_tool_calls: true }).body, false);
    assert.equal(refused({ ...plain, tool_choice: "required" }), "tool_choice");
    assert.equal(encoded({ ...plain, tools: [tool("f")], tool_choice: "none" }).body["tool_choice"], "none");
  });

  test("case 2: tools and calls of other types are refused by name", () => {
    assert.equal(refused({ ...plain, tools: [tool("f"), { type: "custom", custom: { name: "sql" } }] }), "tools[1].type");
    assert.equal(refused({ ...plain, messages: [USER, { role: "assistant", tool_calls: [{ id: "c", type: "custom", custom: { name: "sql", input: "x" } }] }, USER] }), "messages[1].tool_calls");
  });
});

describe("what has no place here", () => {
  test("case 34: stop, n, penalties, logit_bias and lone top_logprobs are refused by name; values that ask for nothing pass", () => {
    const asked: Readonly<Record<string, Json>> = { stop: ["x"], n: 2, presence_penalty: 1, frequency_penalty: -1, logit_bias: { "5": 1 }, top_logprobs: 2 };
    for (const [field, value] of Object.entries(asked)) assert.equal(refused({ ...plain, [field]: value }), field);
    assert.deepEqual(encoded({ ...plain, n: 1, presence_penalty: 0, frequency_penalty: 0, logit_bias: {}, stop: null }).warnings, []);
  });

  test("case 34: a seed and top_k are wishes: left out and named", () => {
    const { body, warnings } = encoded({ ...plain, seed: 7, top_k: 5 });
    assert.deepEqual(["seed" in body, "top_k" in body, warnings.length], [false, false, 2]);
  });

  test("audio, parts of unknown types and an output limit below the least are refused by their place", () => {
    assert.equal(refused({ ...plain, messages: [{ role: "user", content: [{ type: "text", text: "a" }, { type: "input_audio", input_audio: { data: "A", format: "wav" } }] }] }), "messages[0].content[1]");
    assert.equal(refused({ ...plain, messages: [{ role: "user", content: [{ type: "video", video: {} }] }] }), "messages[0].content[0].type");
    assert.equal(refused({ ...plain, messages: [USER, { role: "assistant", audio: { id: "a" } }, USER] }), "messages[1].audio");
    assert.equal(refused({ ...plain, max_tokens: 1 }), "max_completion_tokens");
  });

  test("fields that would change who answers, from what, or what an answer is are refused", () => {
    const fields: Readonly<Record<string, Json>> = { audio: {}, modalities: ["audio"], web_search_options: {}, previous_response_id: "r", conversation: "c", prompt: {}, background: true, response_format: { type: "grammar" } };
    for (const [field, value] of Object.entries(fields)) assert.equal(refused({ ...plain, [field]: value }), field);
    assert.deepEqual(encoded({ ...plain, background: false, modalities: ["text"] }).warnings, []);
  });

  test("every other field is named in a warning, and so are names, cache markers and metadata that does not fit", () => {
    const { body, warnings } = encoded({ ...plain, messages: [{ role: "user", name: "ada", content: [{ type: "text", text: "a", cache_control: { type: "ephemeral" } }] }], brand_new: 1, prediction: {}, metadata: { a: 1 } });
    assert.equal(Object.keys(body).length, 3);
    const told = warnings.join("; ");
    for (const word of ["brand_new", "prediction", "metadata", "name of a message", "cache_control"]) assert.ok(told.includes(word), word);
  });

  test("a failed tool's words are carried, and that it failed stands before them", () => {
    const { body, warnings } = encoded(plain, target(), { messages: [{ role: "tool", toolCallId: "c", isError: true, parts: [{ kind: "text", text: "boom", cacheControl: undefined }] }] });
    assert.deepEqual(body["input"], [{ type: "function_call_output", call_id: "c", output: "[error] boom" }]);
    assert.deepEqual(warnings, []);
  });

  test("whatever a client sends, it is carried, refused or named: no known field vanishes", () => {
    const fields = Object.keys(full).filter((field) => !["model", "messages", "stream", "store"].includes(field));
    fc.assert(
      fc.property(fc.subarray(fields), fc.record({ seed: fc.option(fc.nat(), { nil: undefined }), unknown_field: fc.option(fc.jsonValue(), { nil: undefined }) }), (kept, more) => {
        const chosen = Object.fromEntries(kept.map((field) => [field, full[field]]));
        const raw = { ...plain, ...chosen, ...(more as JsonObject) };
        const result = openaiResponses.encodeChat(parsed(raw), target());
        if (result.kind === "unsupported") {
          assert.ok(result.param in raw, result.param);
          return;
        }
        const body = JSON.stringify(result.body);
        const sees: Readonly<Record<string, boolean>> = {
          tools: body.includes(`"smell"`), max_completion_tokens: body.includes(`"max_output_tokens":100`), temperature: body.includes(`"temperature":0.5`),
          top_p: body.includes(`"top_p"`), logprobs: body.includes("output_text.logprobs"), top_logprobs: body.includes(`"top_logprobs":3`), response_format: body.includes(`"format"`),
          service_tier: body.includes(`"flex"`), user: body.includes(`"safety_identifier":"u"`), metadata: body.includes(`"metadata"`), verbosity: body.includes(`"verbosity":"low"`),
          prompt_cache_key: body.includes(`"prompt_cache_key":"k"`),
        };
        for (const field of kept) if (field in sees) assert.ok(sees[field], field);
        if (more.seed !== undefined) assert.ok(result.warnings.some((warning) => warning.includes("seed")));
        if (more.unknown_field !== undefined && more.unknown_field !== null) assert.ok(result.warnings.some((warning) => warning.includes("unknown_field")));
      }),
      { numRuns: 300 },
    );
  });
});

describe("reasoning", () => {
  const reasoning = (raw: JsonObject, to = reasoner(), more: Partial<ChatRequest> = {}) => encoded({ ...plain, ...raw }, to, more).body["reasoning"];

  test("is asked back in encrypted form of models that reason, and of no others", () => {
    const include = (to: ReturnType<typeof target>, raw: JsonObject = {}) => encoded({ ...plain, ...raw }, to).body["include"];
    const asked = ["reasoning.encrypted_content"];
    assert.deepEqual([include(reasoner()), include(target("o3")), include(target("openai/gpt-5.1-codex")), include(target("x"), { reasoning_effort: "low" })], [asked, asked, asked, asked]);
    assert.deepEqual([include(target()), include(target("gpt-4o")), include(target("gpt-5-chat-latest")), include(target("o3", { reasoning: false }))], [undefined, undefined, undefined, undefined]);
  });

  test("an effort is sent as asked, as the nearest that the model is known to take, or left out where it does not reason", () => {
    assert.deepEqual(reasoning({ reasoning_effort: "xhigh" }), { effort: "xhigh" });
    assert.deepEqual(reasoning({ reasoning_effort: "xhigh" }, reasoner({ reasoningEfforts: ["low", "medium", "high"] })), { effort: "high" });
    assert.deepEqual(reasoning({ reasoning_effort: "none" }, reasoner({ reasoningEfforts: ["minimal", "low"] })), { effort: "minimal" });
    assert.deepEqual(reasoning({ reasoning_effort: "brand-new" }, reasoner({ reasoningEfforts: ["low"] })), { effort: "brand-new" });
    const none = encoded({ ...plain, reasoning_effort: "high" }, target("m", { reasoning: false }));
    assert.deepEqual([none.body["reasoning"], none.warnings.length], [undefined, 1]);
    assert.equal(encoded({ ...plain, reasoning_effort: "xhigh" }, reasoner({ reasoningEfforts: ["low"] })).warnings.length, 1);
  });

  test("a summary is asked for where the client's own dialect shows reasoning and was asked for it", () => {
    assert.deepEqual(reasoning({}, reasoner(), { surface: "anthropic-messages", thinking: { type: "adaptive" } }), { summary: "auto" });
    assert.deepEqual(reasoning({}, reasoner(), { surface: "anthropic-messages", thinking: { type: "adaptive", display: "omitted" } }), undefined);
    assert.deepEqual(reasoning({ reasoning_effort: "low" }, reasoner(), { surface: "gemini" }), { effort: "low", summary: "auto" });
    assert.deepEqual(reasoning({ reasoning_effort: "none" }, reasoner(), { surface: "gemini" }), { effort: "none" });
    assert.deepEqual(reasoning({ reasoning_effort: "low" }), { effort: "low" });
  });

  test("a thinking budget becomes an effort, and that is told", () => {
    const budget = (tokens: number) => encoded({ ...plain, thinking: { type: "enabled", budget_tokens: tokens } }, reasoner());
    assert.deepEqual([1_024, 8_000, 32_000].map((tokens) => (budget(tokens).body["reasoning"] as JsonObject)["effort"]), ["low", "medium", "high"]);
    assert.match(budget(1_024).warnings.join(), /1024 tokens/);
    assert.deepEqual(reasoning({ thinking: { type: "disabled" } }), { effort: "none" });
  });

  test("case 31: sampling is left out with a warning where the model refuses it, and kept where it does not", () => {
    const sampled: JsonObject = { temperature: 0.2, top_p: 0.5 };
    for (const [name, effort] of [["o3", undefined], ["gpt-5", undefined], ["openai/gpt-5-mini", undefined], ["gpt-5.2", "low"]] as const) {
      const { body, warnings } = encoded({ ...plain, ...sampled, ...(effort === undefined ? {} : { reasoning_effort: effort }) }, target(name));
      assert.deepEqual(["temperature" in body, "top_p" in body, warnings.length], [false, false, 2], name);
    }
    assert.deepEqual(encoded({ ...plain, temperature: 1, top_p: 1 }, target("o3")).warnings, []);
    for (const name of ["gpt-4o", "gpt-5.2", "grok-4", "gpt-5-chat-latest"]) assert.equal(encoded({ ...plain, ...sampled }, target(name)).body["temperature"], 0.2, name);
  });
});

test("case 7: a host that rejects the developer role gets system messages, in the same order; its own field rules hold", () => {
  const base = target();
  const host = { ...base, provider: { ...base.provider, quirks: { developerAsSystem: true, fields: { safety_identifier: "drop-and-warn" as const, "text.verbosity": "refuse" as const } } } };
  const { body, warnings } = encoded({ ...plain, user: "u", messages: [{ role: "system", content: "a" }, { role: "developer", content: "b" }, USER] }, host);
  assert.deepEqual((body["input"] as readonly JsonObject[]).map(({ role }) => role), ["system", "system", "user"]);
  assert.deepEqual(["safety_identifier" in body, warnings.length], [false, 1]);
  assert.equal(openaiResponses.encodeChat(parsed({ ...plain, verbosity: "low" }), host).kind, "unsupported");
});

test("files by address and as data of an unknown type or without a name are sent as the API takes them", () => {
  const file = (more: JsonObject) => input({ ...plain, messages: [{ role: "user", content: [{ type: "file", file: more }] }] })[0]?.["content"];
  assert.deepEqual(file({ file_data: "https://files.example/a.pdf" }), [{ type: "input_file", file_url: "https://files.example/a.pdf" }]);
  assert.deepEqual(file({ file_data: "data:application/pdf;base64,AA" }), [{ type: "input_file", filename: "file.pdf", file_data: "data:application/pdf;base64,AA" }]);
  assert.deepEqual(file({ file_data: "AAAA", filename: "x" }), [{ type: "input_file", filename: "x", file_data: "AAAA" }]);
});

test("a long user name is shortened to what the API takes, and two that begin alike stay apart", () => {
  const id = (user: string) => encoded({ ...plain, user }).body["safety_identifier"] as string;
  assert.equal(id("u".repeat(64)), "u".repeat(64));
  assert.ok(id("u".repeat(65)).length <= 64 && id(`${"u".repeat(65)}a`) !== id(`${"u".repeat(65)}b`));
});

test("fields whose price no token bound covers are named, and only those", () => {
  const raw: JsonObject = {
    service_tier: "flex", background: true, previous_response_id: "r", conversation: { id: "c" }, prompt: { id: "p" }, context_management: [{}], reasoning: { mode: "pro" },
    tools: [{ type: "function" }, { type: "web_search" }, { type: "web_search" }, { type: "custom" }, { type: "namespace" }, { type: "mcp" }, { type: "shell" }, { type: "shell", environment: { type: "container_auto" } }],
    input: [{ type: "message" }, { type: "item_reference", id: "x" }],
  };
  assert.deepEqual(openaiResponses.unboundedFields(raw), [
    "service_tier", "background", "previous_response_id", "conversation", "prompt", "context_management", "reasoning.mode",
    "tools[].type=web_search", "tools[].type=mcp", "tools[].type=shell", "input[].type=item_reference",
  ]);
  assert.deepEqual(openaiResponses.unboundedFields({ ...encoded(full).body, service_tier: "default", background: false, prompt: null, reasoning: { mode: "standard" } }), []);
});
