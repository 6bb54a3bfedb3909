import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChatRequest } from "../../../wire/chat.ts";
import { assistant, call, CONTEXT, encoded, refusedParam, result, system, target, text, tool, user } from "./test-hub.ts";
import { cohereV2 } from "./index.ts";

test("a conversation with tools has the shape of the API", () => {
  const made = encoded({
    messages: [system("Be brief."), user("Weather?"), assistant("Let me see.", [call("c1", "weather", `{"city":"Paris"}`)], "Paris it is."), result("c1", "sunny"), user("Thanks")],
    tools: [tool("weather", { parameters: { type: "object", properties: { city: { type: "string" } } } })],
    toolChoice: { kind: "required" }, maxOutputTokens: 50, stop: ["END"], temperature: 0.5, topP: 0.9, topK: 40, seed: 7,
    presencePenalty: 0.1, frequencyPenalty: 0.2, stream: true,
  });
  assert.equal(made.path, "/chat");
  assert.deepEqual(made.warnings, []);
  assert.deepEqual(made.body, {
    model: "command-a-03-2025",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Weather?" },
      // Text beside tool calls is refused by the API.
      { role: "assistant", tool_plan: "Paris it is.\n\nLet me see.", tool_calls: [{ id: "c1", type: "function", function: { name: "weather", arguments: `{"city":"Paris"}` } }] },
      { role: "tool", tool_call_id: "c1", content: "sunny" },
      { role: "user", content: "Thanks" },
    ],
    tools: [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }],
    tool_choice: "REQUIRED", max_tokens: 50, stop_sequences: ["END"], temperature: 0.5, p: 0.9, k: 40, seed: 7,
    presence_penalty: 0.1, frequency_penalty: 0.2, stream: true,
  });
});

test("images go as addresses, documents in tool results as they are", () => {
  const image = { kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "AAAA" }, detail: "low", cacheControl: undefined } as const;
  const document = { type: "document", document: { id: "d", data: { a: 1 } } };
  const { body } = encoded({ messages: [
    { role: "user", parts: [text("look"), image], name: undefined },
    assistant("", [call("c", "f")]),
    { role: "tool", toolCallId: "c", parts: [{ kind: "other", type: "document", raw: document }] },
  ] });
  assert.deepEqual(body["messages"], [
    { role: "user", content: [{ type: "text", text: "look" }, { type: "image_url", image_url: { url: "data:image/png;base64,AAAA", detail: "low" } }] },
    { role: "assistant", tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }] },
    { role: "tool", tool_call_id: "c", content: [document] },
  ]);
});

test("case 7: developer and system messages become one system message in front, and a moved one is told", () => {
  const made = encoded({ messages: [{ role: "developer", parts: [text("a")], name: undefined }, user("hi"), system("b")] });
  assert.deepEqual(made.body["messages"], [
    { role: "system", content: [{ type: "text", text: "a" }, { type: "text", text: "b" }] }, { role: "user", content: "hi" },
  ]);
  assert.match(made.warnings.join(), /moved to its beginning/);
});

test("case 29: foreign signatures go, visible reasoning stays where the model takes it", () => {
  const signed = { ...assistant("Four."), reasoning: [{ kind: "thinking", text: "2+2", signature: "sig" }, { kind: "redacted", data: "x" }] } as const;
  const thinks = encoded({ messages: [user("?"), signed] }, target({ reasoning: true }));
  assert.deepEqual(thinks.body["messages"], [
    { role: "user", content: "?" },
    { role: "assistant", content: [{ type: "thinking", thinking: "2+2" }, { type: "text", text: "Four." }] },
  ]);
  assert.match(thinks.warnings.join(), /signatures/);
  const plain = encoded({ messages: [user("?"), signed] });
  assert.match(plain.warnings.join(), /earlier reasoning was left out/);
});

test("a choice that names tools is carried by offering no others", () => {
  const tools = [tool("a"), tool("b"), tool("c")];
  const named = encoded({ tools, toolChoice: { kind: "named", name: "b" } });
  const allowed = encoded({ tools, toolChoice: { kind: "allowed", mode: "auto", names: ["a", "c"] } });
  const names = (body: unknown) => (body as { tools: { function: { name: string } }[] }).tools.map((one) => one.function.name);
  assert.deepEqual([names(named.body), named.body["tool_choice"]], [["b"], "REQUIRED"]);
  assert.deepEqual([names(allowed.body), allowed.body["tool_choice"]], [["a", "c"], undefined]);
  assert.match(named.warnings.join(), /only the tools that it names/);
  assert.equal(encoded({ tools, toolChoice: { kind: "none" } }).body["tool_choice"], "NONE");
  assert.equal(refusedParam({ tools, toolChoice: { kind: "named", name: "z" } }), "tool_choice");
});

test("strictness is sent where all tools have it, and told where only some do", () => {
  assert.equal(encoded({ tools: [tool("a", { strict: true }), tool("b", { strict: true })] }).body["strict_tools"], true);
  const mixed = encoded({ tools: [tool("a", { strict: true }), tool("b")] });
  assert.equal(mixed.body["strict_tools"], undefined);
  assert.match(mixed.warnings.join(), /strict is not carried/);
});

test("a schema is carried, and refused beside tools, which the API refuses too", () => {
  const schema = { type: "object", properties: { n: { type: "number" } } };
  const responseFormat = { kind: "json_schema", name: "x", description: undefined, schema, strict: true } as const;
  assert.deepEqual(encoded({ responseFormat }).body["response_format"], { type: "json_object", json_schema: schema });
  assert.deepEqual(encoded({ responseFormat: { kind: "json_object" } }).body["response_format"], { type: "json_object" });
  assert.equal(refusedParam({ responseFormat, tools: [tool("a")] }), "response_format");
  assert.equal(refusedParam({ responseFormat, tools: [tool("a")], toolChoice: { kind: "none" } }), undefined);
});

test("thinking follows the effort or the client's own budget, and is left out where the model has none", () => {
  assert.deepEqual(encoded({ reasoningEffort: "low" }).body["thinking"], { type: "enabled", token_budget: 1_024 });
  assert.deepEqual(encoded({ reasoningEffort: "low", maxOutputTokens: 100 }).body["thinking"], { type: "enabled", token_budget: 50 });
  assert.deepEqual(encoded({ reasoningEffort: "high" }).body["thinking"], { type: "enabled" });
  assert.deepEqual(encoded({ reasoningEffort: "none" }).body["thinking"], { type: "disabled" });
  assert.deepEqual(encoded({ thinking: { type: "enabled", budget_tokens: 3_000 } }).body["thinking"], { type: "enabled", token_budget: 3_000 });
  const none = encoded({ reasoningEffort: "low" }, target({ reasoning: false }));
  assert.equal(none.body["thinking"], undefined);
  assert.match(none.warnings.join(), /does not reason/);
});

test("values beyond the API's ranges are sent as the nearest it takes, and told", () => {
  const made = encoded({ temperature: 1.5, topP: 1, topK: 900, presencePenalty: -1, frequencyPenalty: 2 });
  const { temperature, p, k, presence_penalty, frequency_penalty } = made.body;
  assert.deepEqual([temperature, p, k, presence_penalty, frequency_penalty], [1, 0.99, 500, 0, 1]);
  assert.equal(made.warnings.length, 5);
});

test("what cannot be asked here is refused by its name", () => {
  const audio = { kind: "audio", format: "wav", base64: "AA" } as const;
  const cases: readonly (readonly [string, Partial<ChatRequest>])[] = [
    ["n", { choiceCount: 2 }],
    ["stop", { stop: ["1", "2", "3", "4", "5", "6"] }],
    ["logit_bias", { logitBias: { "5": 1 } }],
    ["top_logprobs", { logprobs: true, topLogprobs: 3 }],
    ["tools[0].type", { tools: [{ kind: "other", type: "web_search", raw: {} }] }],
    ["messages[0].content[0]", { messages: [{ role: "user", parts: [audio], name: undefined }] }],
    ["web_search_options", { other: { web_search_options: {} } }],
  ];
  for (const [param, fields] of cases) assert.equal(refusedParam(fields), param);
});

test("what changes nothing is named, what is the API's own is sent as it is", () => {
  const made = encoded({ user: "u", metadata: { a: "b" }, serviceTier: "flex", parallelToolCalls: false, other: { documents: ["d"], safety_mode: "STRICT", verbosity: "low", store: false } });
  assert.deepEqual(made.warnings.map((warning) => warning.split(" ")[0]), ["parallel_tool_calls:", "verbosity", "service_tier", "user", "metadata"]);
  assert.deepEqual([made.body["documents"], made.body["safety_mode"], made.body["verbosity"]], [["d"], "STRICT", undefined]);
});

test("only tools that run at the provider escape the bound", () => {
  assert.deepEqual(cohereV2.unboundedFields({ tools: [{ type: "function" }, { type: "web_search" }], connectors: [{ id: "web-search" }], documents: ["d"] }), ["connectors", "tools[].type=web_search"]);
});

test("case 20: names of tools that the API does not take are changed everywhere and come back in the answer", () => {
  const made = encoded({ tools: [tool("mcp__files.read-all")], messages: [user("x"), assistant("", [call("c", "mcp__files.read-all")]), result("c", "y")] });
  const [sent] = (made.body["tools"] as unknown as { function: { name: string } }[]).map((one) => one.function.name);
  assert.match(sent ?? "", /^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/);
  assert.ok(JSON.stringify(made.body["messages"]).includes(`"name":"${sent}"`));
  const events = cohereV2.decodeAnswer(
    { id: "x", finish_reason: "TOOL_CALL", message: { role: "assistant", tool_calls: [{ id: "c", type: "function", function: { name: sent ?? "", arguments: "{}" } }] } },
    { ...CONTEXT, ...(made.renames !== undefined && { renames: made.renames }) },
  );
  assert.deepEqual(events.flatMap((event) => (event.kind === "tool-start" ? [event.name] : [])), ["mcp__files.read-all"]);
});

test("a failed tool says so in words; thinking switched off outweighs an effort; a limit is kept to the model's", () => {
  const failed = { ...result("c", "boom"), isError: true };
  const to = target({ reasoning: true, maxOutput: 8_000 });
  const made = encoded({ surface: "anthropic-messages", messages: [user("x"), assistant("", [call("c", "f")]), failed], thinking: { type: "disabled" }, reasoningEffort: "high", maxOutputTokens: 128_000 }, to);
  const messages = made.body["messages"] as unknown as { content?: string }[];
  assert.equal(messages[2]?.content, "[error] boom");
  assert.deepEqual([made.body["thinking"], made.body["max_tokens"], made.warnings.length], [{ type: "disabled" }, 8_000, 2]);
});
