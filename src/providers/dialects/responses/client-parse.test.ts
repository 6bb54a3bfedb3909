/** Bodies of Responses clients, as the hub understands them: what is carried, what is named in a warning, what exists only here. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AssistantMessage, Message } from "../../../wire/chat.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { scanBody, splice } from "../../../wire/scan.ts";
import { target } from "../openai/test-target.ts";
import { outputItemsOf, responsesClient, unseenBytes } from "./client.ts";
import { OUTSIDE, START, USAGE, call, finish, headOf, parsed, redacted, signature, started, text, thought } from "./test-client.ts";

const said = (role: "user" | "system" | "developer", value: string): Message => ({ role, parts: [{ kind: "text", text: value, cacheControl: undefined }], name: undefined });
const turn = (more: Partial<AssistantMessage>): AssistantMessage => ({ role: "assistant", parts: [], toolCalls: [], reasoning: [], name: undefined, other: {}, ...more });
const part = (value: string) => ({ kind: "text" as const, text: value, cacheControl: undefined });
const called = (id: string, name: string, argumentsJson = "{}", thoughtSignature?: string) => ({ id, name, argumentsJson, thoughtSignature });
const fn = (name: string, more: JsonObject = {}): JsonObject => ({ type: "function", name, parameters: { type: "object" }, ...more });

/** Everything clean: nothing is warned of and nothing exists only here. */
function clean(raw: JsonObject): ReturnType<typeof parsed>["request"] {
  const { request, warnings, onlyHere } = parsed(raw);
  assert.deepEqual({ warnings, onlyHere }, { warnings: [], onlyHere: [] });
  return request;
}

function refusedWith(raw: JsonObject): { readonly code: string; readonly param: string | null } {
  const result = responsesClient.parse({ model: "m", ...raw }, OUTSIDE);
  assert.equal(result.kind, "error", JSON.stringify(result));
  return result.kind === "error" ? { code: result.error.code, param: result.error.param } : { code: "", param: null };
}

describe("input", () => {
  test("a string is what the user says, instructions stand before it", () => {
    const request = clean({ instructions: "be brief", input: "hi" });
    assert.deepEqual(request.messages, [said("system", "be brief"), said("user", "hi")]);
    assert.deepEqual([request.surface, request.other, request.choiceCount, request.stream], ["openai-responses", {}, 1, false]);
  });

  test("case 7: developer and system messages keep their roles and their order", () => {
    const input = [{ role: "developer", content: "a" }, { role: "system", content: [{ type: "input_text", text: "b" }] }, { type: "message", role: "user", content: "c" }];
    assert.deepEqual(clean({ input }).messages, [said("developer", "a"), said("system", "b"), said("user", "c")]);
  });

  test("images, files, audio and refusals become parts", () => {
    const content = [
      { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "low" }, { type: "input_image", image_url: "https://a.example/x.png", detail: "auto" },
      { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,BBBB" }, { type: "input_file", file_url: "https://a.example/b.pdf" },
      { type: "input_file", file_id: "file-1" }, { type: "input_audio", input_audio: { format: "wav", data: "CCCC" } },
    ];
    const [message] = clean({ input: [{ role: "user", content }] }).messages;
    assert.deepEqual(message?.parts, [
      { kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "AAAA" }, detail: "low", cacheControl: undefined },
      { kind: "image", source: { kind: "url", url: "https://a.example/x.png" }, detail: "auto", cacheControl: undefined },
      { kind: "file", source: { kind: "base64", mediaType: "application/pdf", base64: "BBBB" }, filename: "a.pdf", cacheControl: undefined },
      { kind: "file", source: { kind: "url", url: "https://a.example/b.pdf" }, filename: undefined, cacheControl: undefined },
      { kind: "file", source: { kind: "id", id: "file-1" }, filename: undefined, cacheControl: undefined },
      { kind: "audio", format: "wav", base64: "CCCC" },
    ]);
    const answer = { type: "message", id: "msg_1", status: "completed", role: "assistant", content: [{ type: "output_text", text: "so", annotations: [], logprobs: [] }, { type: "refusal", refusal: "no" }] };
    assert.deepEqual(clean({ input: [answer] }).messages, [turn({ parts: [part("so"), { kind: "refusal", text: "no" }] })]);
  });

  test("case 8: text, reasoning and parallel calls of a turn are one message, and each result follows its calls", () => {
    const input = [
      { role: "user", content: "go" },
      { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "why" }] },
      { type: "function_call", id: "fc_1", call_id: "a", name: "look", arguments: `{"x":1}`, status: "completed" },
      { type: "function_call", call_id: "b", name: "look", arguments: "" },
      { type: "message", role: "assistant", content: "wait" },
      { type: "function_call_output", call_id: "a", output: "one" },
      { type: "message", role: "assistant", content: "still" },
      { type: "function_call_output", call_id: "b", output: [{ type: "input_text", text: "two" }, { type: "input_image", image_url: "data:image/png;base64,AA" }] },
    ];
    assert.deepEqual(clean({ input, tools: [fn("look")] }).messages, [
      said("user", "go"),
      turn({ parts: [part("wait")], toolCalls: [called("a", "look", `{"x":1}`), called("b", "look")], reasoning: [{ kind: "thinking", text: "why", signature: undefined }] }),
      { role: "tool", toolCallId: "a", parts: [part("one")] },
      { role: "tool", toolCallId: "b", parts: [part("two"), { kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "AA" }, detail: undefined, cacheControl: undefined }] },
      turn({ parts: [part("still")] }),
    ]);
  });

  test("case 2: items that only a Responses API understands are told by name; what merely tells of a search is left out", () => {
    for (const type of ["local_shell_call", "code_interpreter_call", "computer_call_output", "mcp_call", "compaction", "item_reference", "brand_new"]) {
      const { onlyHere } = parsed({ input: [{ role: "user", content: "x" }, { type, id: "i" }] });
      assert.equal(onlyHere.length, 1, type);
      assert.match(onlyHere[0]?.param ?? "", /^input\[1\]/);
    }
    const { onlyHere, warnings } = parsed({ input: [{ role: "user", content: "x" }, { type: "web_search_call", id: "ws", status: "completed" }, { type: "web_search_call", id: "wt", status: "completed" }] });
    assert.deepEqual([onlyHere.length, warnings.length], [0, 1], "and the same is told once");
  });

  test("wrong types are refused with the place, unknown fields are not", () => {
    assert.deepEqual(refusedWith({}), { code: "missing_field", param: "input" });
    assert.deepEqual(refusedWith({ input: [] }), { code: "invalid_body", param: "input" });
    assert.deepEqual(refusedWith({ input: 7 }), { code: "invalid_type", param: "input" });
    assert.deepEqual(refusedWith({ input: [{ role: "user", content: [{ type: "input_text" }] }] }), { code: "missing_field", param: "input[0].content[0].text" });
    assert.deepEqual(refusedWith({ input: [{ type: "function_call", name: "f", arguments: "{}" }] }), { code: "missing_field", param: "input[0].call_id" });
    assert.deepEqual(refusedWith({ input: "x", tools: [{ type: "function" }] }), { code: "missing_field", param: "tools[0].name" });
    assert.deepEqual(refusedWith({ input: "x", temperature: "hot" }), { code: "invalid_type", param: "temperature" });
    assert.deepEqual(parsed({ input: "x", novelty: 1, client_metadata: { a: "b" } }).warnings, ["novelty is carried only to providers of the Responses API.", "client_metadata is carried only to providers of the Responses API."]);
  });
});

describe("parameters", () => {
  test("are carried where the hub has a place for them", () => {
    const request = clean({
      input: "x", stream: true, store: false, max_output_tokens: 50, temperature: 0.5, top_p: 0.9, parallel_tool_calls: false, service_tier: "flex", metadata: { a: "b" },
      safety_identifier: "u", include: ["message.output_text.logprobs", "reasoning.encrypted_content"], top_logprobs: 3, truncation: "disabled",
      reasoning: { effort: "high", summary: "auto" }, text: { format: { type: "json_schema", name: "out", schema: { type: "object" }, strict: true } },
    });
    const { stream, maxOutputTokens, temperature, topP, parallelToolCalls, serviceTier, metadata, user, logprobs, topLogprobs, reasoningEffort, responseFormat } = request;
    assert.deepEqual({ stream, maxOutputTokens, temperature, topP, parallelToolCalls, serviceTier, metadata, user, logprobs, topLogprobs, reasoningEffort, responseFormat }, {
      stream: true, maxOutputTokens: 50, temperature: 0.5, topP: 0.9, parallelToolCalls: false, serviceTier: "flex", metadata: { a: "b" }, user: "u", logprobs: true, topLogprobs: 3,
      reasoningEffort: "high", responseFormat: { kind: "json_schema", name: "out", description: undefined, schema: { type: "object" }, strict: true },
    });
  });

  test("that need what a provider keeps exist only here", () => {
    for (const [field, value] of Object.entries({ previous_response_id: "resp_1", conversation: "conv_1", prompt: { id: "p" }, background: true })) {
      assert.deepEqual(parsed({ input: "x", [field]: value }).onlyHere.map(({ param }) => param), [field]);
    }
    assert.equal(parsed({ previous_response_id: "resp_1" }).onlyHere.length, 1, "also without an input of its own");
  });

  test("that only shape or label an answer are named in the warning", () => {
    for (const field of [{ prompt_cache_key: "k" }, { truncation: "auto" }, { max_tool_calls: 3 }, { text: { verbosity: "low" } }, { include: ["web_search_call.results"] }]) {
      const { warnings, onlyHere } = parsed({ input: "x", ...field });
      assert.deepEqual([warnings.length, onlyHere.length], [1, 0], JSON.stringify(field));
    }
  });
});

describe("tools", () => {
  test("case 21: flat functions become the hub's; strict is what was sent", () => {
    const { tools } = clean({ input: "x", tools: [fn("a", { strict: false, description: "d" }), fn("b")] });
    assert.deepEqual(tools.map((tool) => tool.kind === "function" && [tool.name, tool.description, tool.strict]), [["a", "d", false], ["b", undefined, undefined]]);
  });

  test("tool choices", () => {
    const choose = (tool_choice: JsonObject | string) => clean({ input: "x", tools: [fn("a"), { type: "namespace", name: "n", description: "", tools: [fn("b")] }], tool_choice }).toolChoice;
    assert.deepEqual(choose("none"), { kind: "none" });
    assert.deepEqual(choose("required"), { kind: "required" });
    assert.deepEqual(choose({ type: "function", name: "a" }), { kind: "named", name: "a" });
    assert.deepEqual(choose({ type: "function", name: "b", namespace: "n" }), { kind: "named", name: "n__b" });
    assert.deepEqual(choose({ type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "a" }] }), { kind: "allowed", mode: "required", names: ["a"] });
  });

  test("case 2: a hosted tool is refused by name, but for those that agents get along without beside tools of their own", () => {
    const onlyHere = (raw: JsonObject) => parsed({ input: "x", ...raw }).onlyHere.map(({ param }) => param);
    assert.deepEqual(onlyHere({ tools: [fn("a"), { type: "file_search", vector_store_ids: ["v"] }] }), ["tools[1].type"]);
    assert.deepEqual(onlyHere({ tools: [{ type: "web_search" }] }), ["tools[0].type"], "alone it is what the request is for");
    assert.deepEqual(onlyHere({ tools: [fn("a"), { type: "web_search" }], tool_choice: "required" }), ["tools[1].type"]);
    assert.deepEqual(onlyHere({ tools: [fn("a"), { type: "web_search" }], tool_choice: { type: "web_search" } }), ["tools[1].type", "tool_choice"]);
    const spared = parsed({ input: "x", tools: [fn("a"), { type: "web_search" }], tool_choice: "auto" });
    assert.deepEqual([spared.onlyHere, spared.request.tools.length], [[], 1]);
    assert.deepEqual(spared.warnings, ["tools[]: the hosted tool web_search exists only at its provider and was left out."]);
    assert.deepEqual(onlyHere({ tools: [fn("a"), { type: "file_search" }], tool_choice: { type: "function", name: "a" } }), [], "it could not be called");
  });

  test("members of a namespace get joined names, one that is taken makes way, and the default namespace adds nothing", () => {
    const tools = [
      { type: "namespace", name: "mcp__docs__", description: "The docs.", tools: [fn("find", { description: "Find." }), fn("get")] },
      { type: "namespace", name: "functions", description: "", tools: [fn("shell")] },
      { type: "namespace", name: "a", description: "", tools: [fn("b")] }, fn("a__b"),
      { type: "namespace", name: "x".repeat(60), description: "", tools: [fn("long.name")] },
    ];
    const { tools: carried } = clean({ input: "x", tools });
    const names = carried.map((tool) => (tool.kind === "function" ? tool.name : ""));
    assert.deepEqual(names.slice(0, 3), ["mcp__docs__find", "mcp__docs__get", "shell"]);
    assert.match(names[3] ?? "", /^a__b_\w+$/);
    assert.equal(names[4], "a__b");
    assert.match(names[5] ?? "", /^x{10,}_\w+$/);
    assert.ok(names.every((name) => /^[a-zA-Z0-9_-]{1,64}$/.test(name)));
    assert.equal(carried[0]?.kind === "function" && carried[0].description, "mcp__docs__: The docs.\n\nFind.");
  });

  test("a call of a flattened tool comes back under the names that the client knows, and is found again in the history", () => {
    const tools = [{ type: "namespace", name: "mcp__docs", description: "", tools: [fn("find"), { type: "custom", name: "patch" }] }, { type: "custom", name: "exec" }, fn("look")];
    const events = [START, ...call(0, "1", "mcp__docs__find", "{}"), ...call(1, "2", "mcp__docs__patch", `{"input":"*** x\\n"}`), ...call(2, "3", "exec", `{"input":"ls"}`), ...call(3, "4", "look", "{}"), finish("tool_calls")];
    const output = outputItemsOf(responsesClient.encodeAnswer(events, headOf({ tools })));
    assert.deepEqual(output.map(({ type, namespace, name, arguments: json, input }) => [type, namespace, name, json ?? input]), [
      ["function_call", "mcp__docs", "find", "{}"], ["custom_tool_call", "mcp__docs", "patch", "*** x\n"], ["custom_tool_call", undefined, "exec", "ls"], ["function_call", undefined, "look", "{}"],
    ]);
    const [message] = clean({ input: [...output, { type: "custom_tool_call_output", call_id: "3", output: "ok" }], tools }).messages as readonly AssistantMessage[];
    assert.deepEqual(message?.toolCalls.map(({ name, argumentsJson }) => [name, argumentsJson]), [
      ["mcp__docs__find", "{}"], ["mcp__docs__patch", `{"input":"*** x\\n"}`], ["exec", `{"input":"ls"}`], ["look", "{}"],
    ]);
  });

  test("a grammar is told to the model, and that nobody enforces it to the client", () => {
    const { request, warnings } = parsed({ input: "x", tools: [{ type: "custom", name: "patch", description: "Edit.", format: { type: "grammar", syntax: "lark", definition: "start: x" } }] });
    assert.match(request.tools[0]?.kind === "function" ? (request.tools[0].description ?? "") : "", /^Edit\.\n\n.*lark grammar:\nstart: x$/s);
    assert.equal(warnings.length, 1);
  });
});

describe("reasoning that travels through the client", () => {
  const answered = (...events: Parameters<typeof responsesClient.encodeAnswer>[0]) => outputItemsOf(responsesClient.encodeAnswer([START, ...events, { kind: "usage", usage: USAGE }], headOf({})));
  const replayed = (items: readonly JsonObject[]) => clean({ input: JSON.parse(JSON.stringify(items)) as JsonObject[] }).messages as readonly AssistantMessage[];

  test("case 22: a signed block comes back with its signature, also where its text is hidden", () => {
    const [message] = replayed(answered(thought("I think"), signature("SIG1"), signature("SIG2"), text("so"), finish("stop")));
    assert.deepEqual(message?.reasoning, [{ kind: "thinking", text: "I think", signature: "SIG1" }, { kind: "thinking", text: "", signature: "SIG2" }]);
  });

  test("case 23: a redacted block survives", () => {
    const [message] = replayed(answered(redacted("DARK"), text("so"), finish("stop")));
    assert.deepEqual(message?.reasoning, [{ kind: "redacted", data: "DARK" }]);
  });

  test("case 26: a call's thought signature comes back on its call", () => {
    const [message] = replayed(answered(thought("hm"), started(0, "c1", "look", "VFM="), started(1, "c2", "look"), finish("tool_calls")));
    assert.deepEqual(message?.toolCalls.map(({ id, thoughtSignature }) => [id, thoughtSignature]), [["c1", "VFM="], ["c2", undefined]]);
    assert.deepEqual(message?.reasoning, [{ kind: "thinking", text: "hm", signature: undefined }]);
  });

  test("case 28: encrypted content is told only when its item is done", () => {
    const encoder = responsesClient.openEncoder(headOf({}));
    const frames = [START, thought("hm"), signature("SIG")].map((event) => encoder.encode(event) as string).join("").split("\n\n").filter((frame) => frame.includes("encrypted_content"));
    assert.deepEqual(frames.map((frame) => frame.split("\n")[0]), ["event: response.output_item.done"]);
  });

  test("case 29: what another Responses API encrypted stays here, its visible text goes on; changed text loses its signature", () => {
    const foreign = parsed({ input: [{ type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "why" }], encrypted_content: "gAAAA" }, { role: "assistant", content: "so" }] });
    assert.deepEqual((foreign.request.messages[0] as AssistantMessage).reasoning, [{ kind: "thinking", text: "why", signature: undefined }]);
    assert.deepEqual([foreign.warnings.length, foreign.onlyHere.length], [1, 0]);
    const [item, rest] = answered(thought("I think"), signature("SIG"), text("so"), finish("stop")) as readonly [JsonObject, JsonObject];
    const changed = parsed({ input: [{ ...item, summary: [{ type: "summary_text", text: "I thought" }] }, rest] });
    assert.deepEqual((changed.request.messages[0] as AssistantMessage).reasoning, [{ kind: "thinking", text: "I thought", signature: undefined }]);
    assert.equal(changed.warnings.length, 1);
  });

  test("case 29: what we wrote there for others is not shown to a real Responses API, and nothing else of the body changes", () => {
    const [item] = answered(thought("I think"), signature("SIG"), text("so"), finish("stop")) as readonly [JsonObject];
    const theirs = { type: "reasoning", id: "rs_9", summary: [], encrypted_content: "gAAAA" };
    const send = (input: readonly JsonObject[]): string => {
      const bytes = new TextEncoder().encode(`{ "model" : "route", "input": ${JSON.stringify(input, null, 1)},"spillway":{"a":1}, "novelty":  1 }`);
      const scan = scanBody(bytes);
      assert.equal(scan.kind, "object");
      const raw = JSON.parse(new TextDecoder().decode(bytes)) as JsonObject;
      const passed = responsesClient.pass({ bytes, scan: scan as Extract<typeof scan, { kind: "object" }>, raw, request: parsed(raw).request, outside: OUTSIDE }, { ...target(), upstreamModel: "real" });
      assert.equal(passed.path, "/responses");
      return new TextDecoder().decode(splice(bytes, passed.edits));
    };
    const hello = { role: "user", content: "hi" };
    assert.equal(send([theirs, hello]), `{ "model" : "real", "input": ${JSON.stringify([theirs, hello], null, 1)},"novelty":  1 }`, "case 1");
    assert.equal(send([item, theirs, hello]), `{ "model" : "real", "input": ${JSON.stringify([theirs, hello])},"novelty":  1 }`);
  });

  test("a turn of thoughts alone is left out", () => {
    const { request, warnings } = parsed({ input: [{ role: "user", content: "x" }, ...answered(thought("hm"), finish("length"))] });
    assert.deepEqual([request.messages.length, warnings.length], [1, 1]);
  });
});

test("price-bearing fields that no bound covers, and what the model sees beyond the hub's request", () => {
  const raw = { input: [{ type: "reasoning", summary: [], encrypted_content: "gAAAA" }, { type: "compaction", encrypted_content: "x" }], tools: [fn("a"), { type: "namespace", name: "n", tools: [fn("b")] }, { type: "web_search" }], previous_response_id: "r", service_tier: "priority" };
  assert.deepEqual([...responsesClient.unboundedFields(raw)].toSorted(), ["input[].type=compaction", "previous_response_id", "service_tier", "tools[].type=web_search"]);
  assert.equal(unseenBytes({ input: raw.input.slice(0, 1) }), 5);
  assert.equal(unseenBytes({ input: "hi", tools: [fn("a")] }), 0);
});

test("a body as Codex sends it is understood, and on another dialect only the search is left out", () => {
  const body = {
    model: "m", instructions: "You are a coding agent.", stream: true, store: false, parallel_tool_calls: true, tool_choice: "auto", prompt_cache_key: "019a",
    include: ["reasoning.encrypted_content"], reasoning: { effort: "medium", summary: "auto" }, text: { verbosity: "low" }, client_metadata: { "x-codex-installation-id": "i" },
    input: [
      { type: "message", role: "developer", content: [{ type: "input_text", text: "<permissions>" }] },
      { type: "message", role: "user", content: [{ type: "input_text", text: "<environment_context>" }] },
      { type: "message", role: "user", content: [{ type: "input_text", text: "list files" }] },
    ],
    tools: [
      fn("shell_command", { strict: false, description: "Runs a command" }), fn("update_plan", { strict: false }),
      { type: "custom", name: "apply_patch", description: "Edit files", format: { type: "grammar", syntax: "lark", definition: "start: begin" } },
      { type: "namespace", name: "collaboration", description: "Work with agents.", tools: [fn("spawn_agent", { strict: false })] },
      { type: "web_search", external_web_access: false },
    ],
  };
  const { request, warnings, onlyHere } = parsed(body);
  assert.deepEqual(onlyHere, []);
  assert.deepEqual(request.messages.map(({ role }) => role), ["system", "developer", "user", "user"]);
  assert.deepEqual(request.tools.map((tool) => tool.kind === "function" && tool.name), ["shell_command", "update_plan", "apply_patch", "collaboration__spawn_agent"]);
  assert.equal(request.reasoningEffort, "medium");
  assert.deepEqual(warnings.map((warning) => /^\S+?(?=[ :])/.exec(warning)?.[0] ?? warning).toSorted(), ["client_metadata", "prompt_cache_key", "text.verbosity", "tools[]", "tools[].format"]);
});
