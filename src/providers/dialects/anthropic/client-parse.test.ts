import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { JsonObject } from "../../../wire/json.ts";
import { anthropicClient } from "./client.ts";
import { OUTSIDE, parsed, refusedBody } from "./client-test-support.ts";
import { assistant, call, encoded, request, result, system, text, user } from "./test-hub.ts";

const ephemeral = { type: "ephemeral" };
const toolUse = (id: string, input: JsonObject = {}) => ({ type: "tool_use", id, name: "look", input });

describe("a Messages body", () => {
  test("becomes the hub's request, field by field", () => {
    const { request: made, warnings, onlyHere } = parsed({
      system: "Be kind.", stop_sequences: ["END"], temperature: 0.5, top_p: 0.9, top_k: 40, stream: true, service_tier: "auto",
      metadata: { user_id: "u1" }, output_config: { effort: "high" }, thinking: { type: "adaptive", display: "omitted" },
      tools: [{ name: "look", description: "Looks", input_schema: { type: "object" }, strict: true, cache_control: ephemeral }],
      tool_choice: { type: "tool", name: "look", disable_parallel_tool_use: true },
    });
    assert.deepEqual(made, {
      ...request(),
      surface: "anthropic-messages", messages: [system("Be kind."), user("Hi")], maxOutputTokens: 100, stop: ["END"], temperature: 0.5,
      topP: 0.9, topK: 40, stream: true, includeUsage: true, serviceTier: "auto", user: "u1", reasoningEffort: "high",
      thinking: { type: "adaptive", display: "omitted" },
      tools: [{ kind: "function", name: "look", description: "Looks", parameters: { type: "object" }, strict: true, cacheControl: ephemeral }],
      toolChoice: { kind: "named", name: "look" }, parallelToolCalls: false,
    });
    assert.deepEqual([warnings, onlyHere], [[], []]);
  });

  test("keeps the blocks of its system prompt apart, with their cache markers", () => {
    const { request: made } = parsed({ system: [{ type: "text", text: "One" }, { type: "text", text: "Two", cache_control: ephemeral }] });
    assert.deepEqual(made.messages[0], system("One", text("Two", ephemeral)));
  });

  test("maps each tool choice", () => {
    const choices = [{ type: "auto" }, { type: "any" }, { type: "none" }, { type: "tool", name: "f" }].map((choice) => parsed({ tool_choice: choice }).request.toolChoice);
    assert.deepEqual(choices, [{ kind: "auto" }, { kind: "required" }, { kind: "none" }, { kind: "named", name: "f" }]);
    assert.equal(parsed({ tool_choice: { type: "auto", disable_parallel_tool_use: false } }).request.parallelToolCalls, undefined);
  });

  test("carries images and documents as bytes and addresses", () => {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" }, cache_control: ephemeral };
    const linked = { type: "image", source: { type: "url", url: "https://x.example/a.png" } };
    const pdf = { type: "document", title: "a.pdf", source: { type: "base64", media_type: "application/pdf", data: "BBBB" } };
    const { request: made, onlyHere } = parsed({ messages: [{ role: "user", content: [image, linked, pdf, { type: "text", text: "?" }] }] });
    assert.deepEqual(made.messages, [user(
      { kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "AAAA" }, detail: undefined, cacheControl: ephemeral },
      { kind: "image", source: { kind: "url", url: "https://x.example/a.png" }, detail: undefined, cacheControl: undefined },
      { kind: "file", source: { kind: "base64", mediaType: "application/pdf", base64: "BBBB" }, filename: "a.pdf", cacheControl: undefined },
      "?",
    )]);
    assert.deepEqual(onlyHere, []);
  });

  test("turns documents of text and search results into text, and says so", () => {
    const document = { type: "document", title: "Notes", context: "of May", source: { type: "text", media_type: "text/plain", data: "Dear diary" }, cache_control: ephemeral };
    const found = { type: "search_result", title: "T", source: "https://x.example", content: [{ type: "text", text: "body" }] };
    const { request: made, warnings } = parsed({ messages: [{ role: "user", content: [document, found] }] });
    assert.deepEqual(made.messages, [user("Notes\nof May", text("Dear diary", ephemeral), "T\nhttps://x.example", "body")]);
    assert.deepEqual(warnings, ["documents of text were sent as text", "search results were sent as text"]);
  });

  test("names what only its own dialect can carry, and keeps it in the request so that it is measured", () => {
    const { request: made, onlyHere } = parsed({
      inference_geo: "us", container: "c1", mcp_servers: [{ url: "https://x.example" }], context_management: { edits: [{ type: "x" }] },
      tools: [{ type: "bash_20250124", name: "bash" }],
      messages: [{ role: "user", content: [{ type: "image", source: { type: "file", file_id: "f1" } }, { type: "document", source: { type: "file", file_id: "f2" }, citations: { enabled: true } }] }],
    });
    assert.deepEqual(onlyHere.map(({ param }) => param), [
      "messages[0].content[0].source", "messages[0].content[1].citations", "messages[0].content[1].source", "tools[0].type",
      "inference_geo", "container", "mcp_servers",
    ]);
    assert.deepEqual(made.tools, [{ kind: "other", type: "bash_20250124", raw: { type: "bash_20250124", name: "bash" } }]);
    assert.deepEqual(made.messages[0]?.parts.map(({ kind }) => kind), ["other", "file"]);
  });

  test("warns of what changes no answer, and of nothing that asks for nothing", () => {
    const { warnings, onlyHere } = parsed({
      context_management: { edits: [{ type: "clear_tool_uses_20250919" }] }, speed: "fast", diagnostics: null, betas: [], cache_control: ephemeral,
      inference_geo: "global", mcp_servers: [], container: null,
    });
    assert.deepEqual(warnings, ["carried only to providers of the same dialect: context_management, speed, cache_control"]);
    assert.deepEqual(onlyHere, []);
  });

  test("takes a schema for its answer, in both places where versions of the API put it", () => {
    const format = { type: "json_schema", schema: { type: "object" } };
    const want = { kind: "json_schema", name: "answer", description: undefined, schema: { type: "object" }, strict: undefined };
    assert.deepEqual(parsed({ output_config: { format } }).request.responseFormat, want);
    assert.deepEqual(parsed({ output_format: format }).request.responseFormat, want);
  });

  test("says standard_only in the hub's word for it", () => {
    assert.equal(parsed({ service_tier: "standard_only" }).request.serviceTier, "default");
  });

  test("puts examples of a tool's input into its description", () => {
    const { request: made } = parsed({ tools: [{ name: "f", description: "Does", input_schema: {}, input_examples: [{ a: 1 }] }] });
    assert.equal(made.tools[0]?.kind === "function" && made.tools[0].description, 'Does\n\nExamples of input:\n{"a":1}');
  });

  test("is refused with the field at fault", () => {
    const messages = [{ role: "user", content: "Hi" }];
    const rows: readonly (readonly [JsonObject, string])[] = [
      [{ max_tokens: 1, messages }, "missing_field model"],
      [{ model: "m", messages }, "missing_field max_tokens"],
      [{ model: "m", max_tokens: "9", messages }, "invalid_type max_tokens"],
      [{ model: "m", max_tokens: -1, messages }, "invalid_body max_tokens"],
      [{ model: "m", max_tokens: 1 }, "missing_field messages"],
      [{ model: "m", max_tokens: 1, messages: [] }, "invalid_body messages"],
      [{ model: "m", max_tokens: 1, messages: [{ role: "tool", content: "x" }] }, "invalid_body messages[0].role"],
      [{ model: "m", max_tokens: 1, messages: [{ role: "user" }] }, "missing_field messages[0].content"],
      [{ model: "m", max_tokens: 1, messages: [{ role: "user", content: [{ type: "text" }] }] }, "missing_field messages[0].content[0].text"],
      [{ model: "m", max_tokens: 1, messages: [{ role: "user", content: [{ type: "tool_result" }] }] }, "missing_field messages[0].content[0].tool_use_id"],
      [{ model: "m", max_tokens: 1, messages, tools: [{ input_schema: {} }] }, "missing_field tools[0].name"],
      [{ model: "m", max_tokens: 1, messages, tool_choice: { type: "tool" } }, "missing_field tool_choice.name"],
      [{ model: "m", max_tokens: 1, messages, system: [7] }, "invalid_type system[0]"],
    ];
    for (const [body, want] of rows) assert.equal(refusedBody(body), want);
  });

  test("that only fills the cache stays with its own dialect", () => {
    assert.deepEqual(parsed({ max_tokens: 0 }).onlyHere.map(({ param }) => param), ["max_tokens"]);
  });
});

describe("a conversation", () => {
  test("case 8: results of parallel calls become messages of their own, before what the user says beside them", () => {
    const { request: made } = parsed({
      messages: [
        { role: "assistant", content: [{ type: "text", text: "Looking" }, toolUse("t1", { a: 1 }), toolUse("t2")] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: "one" }, { type: "text", text: "And?" }, { type: "tool_result", tool_use_id: "t2", content: [{ type: "text", text: "two" }] }] },
      ],
    });
    assert.deepEqual(made.messages, [
      assistant({ parts: [text("Looking")], toolCalls: [call("t1", "look", '{"a":1}'), call("t2", "look")] }),
      result("t1", "one"), result("t2", "two"), user("And?"),
    ]);
  });

  test("a failed result stays one on its way to a provider that can say so", () => {
    const { request: made, warnings } = parsed({
      messages: [{ role: "assistant", content: [toolUse("t1")] }, { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", is_error: true, content: "no such file" }] }],
    });
    assert.deepEqual(made.messages[1], { ...result("t1", "no such file"), isError: true });
    assert.deepEqual(warnings, []);
    const { body } = encoded({ messages: made.messages });
    assert.deepEqual((body.messages as readonly JsonObject[])[1]?.content, [{ type: "tool_result", tool_use_id: "t1", content: "no such file", is_error: true }]);
  });

  test("a result may hold images, and its cache marker stays on it", () => {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } };
    const { request: made } = parsed({ messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: [{ type: "text", text: "a" }, image], cache_control: ephemeral }] }] });
    assert.deepEqual(made.messages, [result("t", "a", {
      kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "AAAA" }, detail: undefined, cacheControl: ephemeral,
    })]);
  });

  test("a marker inside a result goes before the result's own", () => {
    const content = [{ type: "text", text: "a", cache_control: { type: "ephemeral", ttl: "1h" } }];
    const { request: made } = parsed({ messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "t", content, cache_control: ephemeral }] }] });
    assert.deepEqual(made.messages, [result("t", text("a", { type: "ephemeral", ttl: "1h" }))]);
    assert.match(parsed({ messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "t", cache_control: ephemeral }] }] }).warnings.join(), /cache_control without content/);
  });

  test("case 22: a block of thinking without text keeps its signature", () => {
    const { request: made } = parsed({ messages: [{ role: "assistant", content: [{ type: "thinking", thinking: "", signature: "sig" }, { type: "text", text: "a" }] }, { role: "user", content: "b" }] });
    assert.deepEqual(made.messages[0], assistant({ reasoning: [{ kind: "thinking", text: "", signature: "sig" }], parts: [text("a")] }));
  });

  test("case 23: redacted thinking survives", () => {
    const { request: made } = parsed({ messages: [{ role: "assistant", content: [{ type: "redacted_thinking", data: "xyz" }] }, { role: "user", content: "b" }] });
    assert.deepEqual(made.messages[0], assistant({ reasoning: [{ kind: "redacted", data: "xyz" }] }));
  });

  test("case 11: a call without input has the arguments {}", () => {
    const calls = [{}, null, undefined].map((input) => ({ ...toolUse("t"), input }));
    const { request: made } = parsed({ messages: [{ role: "assistant", content: calls }, { role: "user", content: "b" }] });
    assert.deepEqual(made.messages[0], assistant({ toolCalls: [call("t", "look"), call("t", "look"), call("t", "look")] }));
  });

  test("case 2: tools and content of the server are named and never left out silently", () => {
    const { onlyHere } = parsed({
      tools: [{ type: "web_search_20250305", name: "web_search" }],
      messages: [{ role: "user", content: "a" }, { role: "assistant", content: [{ type: "server_tool_use", id: "s", name: "web_search", input: {} }] }, { role: "user", content: "b" }],
    });
    assert.deepEqual(onlyHere.map(({ param }) => param), ["messages[1].content[0].type", "tools[0].type"]);
  });

  test("case 6: system messages in the middle stay where they are", () => {
    const { request: made } = parsed({ messages: [{ role: "user", content: "a" }, { role: "system", content: [{ type: "text", text: "s", cache_control: ephemeral }] }, { role: "user", content: "b" }] });
    assert.deepEqual(made.messages, [user("a"), system(text("s", ephemeral)), user("b")]);
  });

  test("a system message is cleared once the user has spoken again, and its effort holds for its turn only", () => {
    const reminder = { role: "system", content: "Soon", clear_at: "next_user_message", output_config: { effort: "low" } };
    const asked = { role: "user", content: "a" };
    const answered = { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "r" }] };
    const made = (...messages: readonly JsonObject[]) => {
      const { request: { messages: out, reasoningEffort } } = parsed({ messages, output_config: { effort: "high" } });
      return [out.some((message) => message.role === "system"), reasoningEffort];
    };
    assert.deepEqual(made(asked, reminder), [true, "low"]);
    assert.deepEqual(made(asked, reminder, { role: "assistant", content: [toolUse("t")] }, answered), [false, "low"]);
    assert.deepEqual(made(asked, reminder, { role: "assistant", content: "b" }, asked), [false, "high"]);
  });

  test("tools added and withdrawn on the way are the ones on offer at its end", () => {
    const tool = (name: string) => ({ name, input_schema: {} });
    const change = (type: string, changed: JsonObject) => ({ type, tool: changed });
    const { request: made, onlyHere } = parsed({
      tools: [tool("a"), tool("b")],
      messages: [
        { role: "user", content: "x" },
        { role: "system", content: [change("tool_removal", { type: "tool_reference", name: "a" }), change("tool_addition", { type: "tool_definition", definition: tool("c") })] },
        { role: "system", content: [change("tool_removal", { type: "mcp_toolset_reference", server_name: "s" })] },
      ],
    });
    assert.deepEqual(made.tools.map((one) => one.kind === "function" && one.name), ["b", "c"]);
    assert.deepEqual(made.messages, [user("x")]);
    assert.deepEqual(onlyHere.map(({ param }) => param), ["messages[2].content[0].tool"]);
  });

  test("an assistant message at the end is told to be a beginning that others may not continue", () => {
    assert.match(parsed({ messages: [{ role: "user", content: "a" }, { role: "assistant", content: "{" }] }).warnings.join(), /ends with an assistant message/);
  });
});

test("a coding agent's body passes, and nothing in it keeps it from another dialect", () => {
  const body: JsonObject = {
    model: "claude-opus-5-5", max_tokens: 128_000, stream: true, temperature: 1,
    thinking: { type: "adaptive", display: "omitted" }, output_config: { effort: "high" },
    context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
    metadata: { user_id: '{"device_id":"d","session_id":"s"}' },
    system: [
      { type: "text", text: "x-anthropic-billing-header: cc_version=2.1.330.abc; cc_entrypoint=cli; cch=1f2e3;" },
      { type: "text", text: "You are a coding agent.", cache_control: { type: "ephemeral", ttl: "1h" } },
      { type: "text", text: "Rules …", cache_control: ephemeral },
    ],
    tools: [
      { name: "Bash", description: "Runs", input_schema: { $schema: "https://json-schema.org/draft/2020-12/schema", type: "object", properties: { command: { type: "string" } } }, eager_input_streaming: true },
      { name: "mcp__x__y", description: "Found", input_schema: { type: "object" }, defer_loading: true },
    ],
    messages: [
      { role: "user", content: [{ type: "text", text: "<system-reminder>…</system-reminder>" }, { type: "text", text: "List files", cache_control: ephemeral }] },
      { role: "system", content: "Be brief.", output_config: { effort: "medium" } },
      { role: "assistant", content: [{ type: "thinking", thinking: "", signature: "s1" }, { type: "tool_use", id: "toolu_1", name: "Bash", input: { command: "ls" }, caller: { type: "direct" } }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "a.txt", is_error: false, cache_control: ephemeral }] },
    ],
  };
  const { request: made, warnings, onlyHere } = parsed(body);
  assert.deepEqual(onlyHere, []);
  assert.deepEqual([made.reasoningEffort, made.user, made.messages.map(({ role }) => role)], ["medium", '{"device_id":"d","session_id":"s"}', ["system", "user", "system", "assistant", "tool"]]);
  assert.deepEqual(made.messages[0]?.parts.length, 2);
  assert.deepEqual(warnings, [
    "the billing line of the system prompt was left out: it is meant for the maker alone",
    "tools with defer_loading were sent with the others",
    "carried only to providers of the same dialect: context_management",
  ]);
});

test("a model and a stream asked by the path go before the body's", () => {
  const result = anthropicClient.parse({ max_tokens: 1, messages: [{ role: "user", content: "a" }] }, { ...OUTSIDE, model: "m", stream: true });
  assert.deepEqual(result.kind === "request" && [result.request.model, result.request.stream], ["m", true]);
});
