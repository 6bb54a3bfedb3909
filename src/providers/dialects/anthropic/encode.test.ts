import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { anthropicMessages } from "./index.ts";
import { upstreamCallId, upstreamToolName } from "./names.ts";
import { assistant, call, encoded, refused, request, result, system, target, text, tool, user } from "./test-hub.ts";

const ID = /^[a-zA-Z0-9_-]+$/;
const EPHEMERAL = { type: "ephemeral" };

describe("the request itself", () => {
  test("a plain request has the path, the pinned version and nothing that was not asked", () => {
    const made = encoded({});
    assert.equal(made.path, "/messages");
    assert.deepEqual(made.headers, [["anthropic-version", "2023-06-01"]]);
    assert.deepEqual(made.body, {
      model: "claude-sonnet-4-5", max_tokens: 64_000, messages: [{ role: "user", content: [{ type: "text", text: "Hi" }] }],
    });
    assert.deepEqual(made.warnings, []);
  });

  test("what has a counterpart is carried", () => {
    const { body } = encoded({
      maxOutputTokens: 100, temperature: 0.5, topK: 7, stop: ["END"], user: "u-1", serviceTier: "standard_only", stream: true,
      other: { cache_control: EPHEMERAL },
    });
    assert.deepEqual(
      { ...body, messages: undefined },
      {
        model: "claude-sonnet-4-5", max_tokens: 100, temperature: 0.5, top_k: 7, stop_sequences: ["END"], metadata: { user_id: "u-1" },
        service_tier: "standard_only", stream: true, cache_control: EPHEMERAL, messages: undefined,
      },
    );
  });

  test("images and PDF files become blocks, by their bytes or their address", () => {
    const { body } = encoded({
      messages: [
        user(
          { kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "AAAA" }, detail: "auto", cacheControl: EPHEMERAL },
          { kind: "image", source: { kind: "url", url: "https://example.com/a.png" }, detail: undefined, cacheControl: undefined },
          { kind: "file", source: { kind: "base64", mediaType: "application/pdf", base64: "JVBE" }, filename: "a.pdf", cacheControl: undefined },
        ),
      ],
    });
    assert.deepEqual(body.messages, [
      {
        role: "user",
        content: [
          { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" }, cache_control: EPHEMERAL },
          { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
          { type: "document", source: { type: "base64", media_type: "application/pdf", data: "JVBE" }, title: "a.pdf" },
        ],
      },
    ]);
  });

  test("a JSON schema goes to output_config as it is", () => {
    const schema = { type: "object", properties: { a: { const: 1 } }, $schema: "x" };
    const { body } = encoded({ responseFormat: { kind: "json_schema", name: "n", description: undefined, schema, strict: true } });
    assert.deepEqual(body.output_config, { format: { type: "json_schema", schema } });
  });
});

describe("what cannot be carried", () => {
  test("a seed, which is a wish, is left out and named", () => {
    const { body, warnings } = encoded({ seed: 0 });
    assert.equal("seed" in body, false);
    assert.match(warnings.join(), /seed was left out/);
  });

  test("a request that would be answered differently is refused with the field at fault", () => {
    assert.equal(refused({ choiceCount: 2 }), "n");
    assert.equal(refused({ presencePenalty: 0.1 }), "presence_penalty");
    assert.equal(refused({ frequencyPenalty: -1 }), "frequency_penalty");
    assert.equal(refused({ logitBias: { "50256": -100 } }), "logit_bias");
    assert.equal(refused({ logprobs: true }), "logprobs");
    assert.equal(refused({ topLogprobs: 3 }), "top_logprobs");
    assert.equal(refused({ responseFormat: { kind: "json_object" } }), "response_format");
    assert.equal(refused({ stop: ["\n"] }), "stop");
    assert.equal(refused({ reasoningEffort: "huge" }), "reasoning_effort");
    assert.equal(refused({ other: { modalities: ["text", "audio"] } }), "modalities");
    assert.equal(refused({ other: { audio: { voice: "x" } } }), "audio");
    assert.equal(refused({ other: { inference_geo: "eu" } }), "inference_geo");
    assert.equal(refused({ messages: [user({ kind: "audio", format: "wav", base64: "AA" })] }), "messages[0].content[0]");
    assert.equal(refused({ messages: [user("a", { kind: "other", type: "video_url", raw: {} })] }), "messages[0].content[1].type");
    assert.equal(
      refused({ messages: [user({ kind: "file", source: { kind: "id", id: "file-1" }, filename: undefined, cacheControl: undefined })] }),
      "messages[0].content[0].file.file_id",
    );
    assert.equal(refused({ messages: [system("only")] }), "messages");
    assert.equal(refused({ toolChoice: { kind: "required" } }), "tool_choice");
  });

  test("values that ask for nothing pass without a word", () => {
    const made = encoded({
      presencePenalty: 0, frequencyPenalty: 0, logitBias: {}, logprobs: false, topLogprobs: 0, parallelToolCalls: true,
      responseFormat: { kind: "text" }, other: { modalities: ["text"], store: null },
    });
    assert.deepEqual(Object.keys(made.body), ["model", "max_tokens", "messages"]);
    assert.deepEqual(made.warnings, []);
  });

  test("fields without effect on the answer, and fields no one knows, are left out and named", () => {
    const made = encoded({ other: { store: false, verbosity: "low", "x\r\nevil": 1 }, serviceTier: "flex", metadata: { team: "a" }, messages: [{ role: "user", parts: [text("x")], name: "ann" }] });
    const all = made.warnings.join("\n");
    for (const name of ["store", "verbosity", "x??evil", "service_tier flex", "team", "author"]) assert.ok(all.includes(name), name);
    assert.ok(!all.includes("\r"));
  });

  test("temperature above 1 is sent as 1 and said so", () => {
    const made = encoded({ temperature: 1.7 });
    assert.equal(made.body.temperature, 1);
    assert.deepEqual(made.warnings, ["temperature 1.7 was sent as 1, the most this model takes"]);
  });

  test("2: a server tool is refused by its name", () => {
    assert.equal(refused({ tools: [tool("a"), { kind: "other", type: "web_search", raw: { type: "web_search" } }] }), "tools[1].type");
  });
});

describe("messages", () => {
  test("6: system and developer messages are hoisted with their boundaries, order and cache marks", () => {
    const made = encoded({
      messages: [system("one", text("two", EPHEMERAL)), user("hi"), { role: "developer", parts: [text("three")], name: undefined }],
    });
    assert.deepEqual(made.body.system, [
      { type: "text", text: "one" }, { type: "text", text: "two", cache_control: EPHEMERAL }, { type: "text", text: "three" },
    ]);
    assert.deepEqual(made.body.messages, [{ role: "user", content: [{ type: "text", text: "hi" }] }]);
    assert.deepEqual(made.warnings, ["a system message in the middle of the conversation was moved to its beginning"]);
  });

  test("8: the results of one turn are one user message, results first, text after", () => {
    const { body } = encoded({
      messages: [
        user("go"), assistant({ parts: [text("calling")], toolCalls: [call("a", "f", '{"x":1}'), call("b", "g")] }),
        result("a", "1"), user("and"), result("b", "2"), user("now"),
      ],
    });
    assert.deepEqual(body.messages, [
      { role: "user", content: [{ type: "text", text: "go" }] },
      {
        role: "assistant",
        content: [
          { type: "text", text: "calling" },
          { type: "tool_use", id: "a", name: "f", input: { x: 1 } },
          { type: "tool_use", id: "b", name: "g", input: {} },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "a", content: "1" },
          { type: "tool_result", tool_use_id: "b", content: "2" },
          { type: "text", text: "and" },
          { type: "text", text: "now" },
        ],
      },
    ]);
  });

  test("neighbours of one role are merged, also where an empty message stood between them", () => {
    const { body } = encoded({ messages: [user("a"), assistant({}), user("b"), user("")] });
    assert.deepEqual(body.messages, [{ role: "user", content: [{ type: "text", text: "a" }, { type: "text", text: "b" }] }]);
    const late = encoded({ messages: [user("a"), assistant({}), result("t", "1")] });
    assert.deepEqual(late.body.messages, [{ role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "1" }, { type: "text", text: "a" }] }]);
  });

  test("11: a call without arguments is an empty object, however the client wrote it", () => {
    for (const written of ["", "  ", "{}", "null"]) {
      const { body } = encoded({ messages: [user("x"), assistant({ toolCalls: [call("a", "f", written)] }), result("a", "1")] });
      assert.match(JSON.stringify(body), /"name":"f","input":\{\}/);
    }
  });

  test("arguments that are no JSON object are refused with their place", () => {
    const calling = (json: string) => refused({ messages: [user("x"), assistant({ toolCalls: [call("a", "f"), call("b", "f", json)] })] });
    for (const json of ['{"a":', "[1]", "7"]) assert.equal(calling(json), "messages[1].tool_calls[1].function.arguments");
  });

  test("13: ids are made to fit, alike on the call and on its result; fitting ones pass untouched", () => {
    const { body } = encoded({ messages: [user("x"), assistant({ toolCalls: [call("fn:1/é", "f"), call("ok_1-A", "f")] }), result("fn:1/é", "1"), result("ok_1-A", "2")] });
    const [, asked, answered] = body.messages as unknown as readonly { readonly content: readonly { readonly id?: string; readonly tool_use_id?: string }[] }[];
    const id = asked?.content[0]?.id ?? "";
    assert.match(id, ID);
    assert.ok(id.startsWith("fn_1__"));
    assert.equal(answered?.content[0]?.tool_use_id, id);
    assert.equal(asked?.content[1]?.id, "ok_1-A");
    assert.notEqual(upstreamCallId("a:b"), upstreamCallId("a/b"));
    assert.match(upstreamCallId(""), ID);
  });

  test("22, 23: replayed reasoning comes first, signed or redacted, also with an empty text", () => {
    const { body, warnings } = encoded({
      messages: [
        user("x"),
        assistant({
          parts: [text("answer")],
          reasoning: [
            { kind: "thinking", text: "", signature: "sig" },
            { kind: "redacted", data: "opaque" },
            { kind: "thinking", text: "unsigned", signature: undefined },
          ],
        }),
        user("y"),
      ],
    });
    assert.deepEqual((body.messages as readonly unknown[])[1], {
      role: "assistant",
      content: [{ type: "thinking", thinking: "", signature: "sig" }, { type: "redacted_thinking", data: "opaque" }, { type: "text", text: "answer" }],
    });
    assert.deepEqual(warnings, ["earlier reasoning without its signature was left out"]);
  });

  test("29: opaque state of another provider is left out and said so once; visible text stays", () => {
    const made = encoded({ messages: [user("x"), assistant({ parts: [text("seen")], toolCalls: [call("a", "f", "{}", "SIG"), call("b", "f", "{}", "SIG2")] }), result("a", "1"), result("b", "2")] });
    assert.ok(!JSON.stringify(made.body).includes("SIG"));
    assert.ok(JSON.stringify(made.body).includes("seen"));
    assert.deepEqual(made.warnings, ["thought signatures of another provider were left out"]);
  });

  test("36: cache marks stay on system, tools, text and tool results, and none is added", () => {
    const { body } = encoded({
      messages: [system(text("s", EPHEMERAL)), user("x"), assistant({ toolCalls: [call("a", "f")] }), result("a", text("r", { type: "ephemeral", ttl: "1h" })), user(text("t", EPHEMERAL))],
      tools: [tool("f", { cacheControl: EPHEMERAL })],
    });
    assert.equal(JSON.stringify(body).split("cache_control").length - 1, 4);
    assert.deepEqual((body.messages as readonly { readonly content: readonly unknown[] }[])[2]?.content, [
      { type: "tool_result", tool_use_id: "a", content: "r", cache_control: { type: "ephemeral", ttl: "1h" } },
      { type: "text", text: "t", cache_control: EPHEMERAL },
    ]);
  });

  test("37: empty text is dropped and the tool calls stay; white space is dropped with a word", () => {
    const made = encoded({ messages: [user("x"), assistant({ parts: [text("")], toolCalls: [call("a", "f")] }), result("a", ""), user("\n")] });
    assert.deepEqual((made.body.messages as readonly unknown[]).slice(1), [
      { role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "a" }] },
    ]);
    assert.deepEqual(made.warnings, ["a text of nothing but white space was left out"]);
  });

  test("images in a tool result stay blocks", () => {
    const { body } = encoded({
      messages: [user("x"), assistant({ toolCalls: [call("a", "f")] }), result("a", "see", { kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "AA" }, detail: undefined, cacheControl: undefined })],
    });
    assert.match(JSON.stringify(body), /"content":\[\{"type":"text","text":"see"\},\{"type":"image"/);
  });
});

describe("tools", () => {
  test("19, 21: schemas go as they are, and strict only where it was sent", () => {
    const parameters = { type: "object", $schema: "x", properties: { a: { exclusiveMinimum: 0, const: 3 } }, additionalProperties: false };
    const { body } = encoded({ tools: [tool("f", { parameters, description: "d" }), tool("g", { strict: false }), tool("h", { parameters: {} })] });
    assert.deepEqual(body.tools, [
      { name: "f", description: "d", input_schema: parameters },
      { name: "g", input_schema: { type: "object" }, strict: false },
      { name: "h", input_schema: { type: "object" } },
    ]);
  });

  test("20: a name that does not fit is shortened with a hash, alike in tools, choice and history, and maps back", () => {
    const long = `mcp.server:${"very".repeat(40)}`;
    const made = encoded({
      tools: [tool(long), tool("plain")], toolChoice: { kind: "named", name: long },
      messages: [user("x"), assistant({ toolCalls: [call("a", long)] }), result("a", "1")],
    });
    const short = upstreamToolName(long);
    assert.match(short, /^[a-zA-Z0-9_-]{1,128}$/);
    assert.equal(JSON.stringify(made.body).split(`"name":"${short}"`).length - 1, 3);
    assert.deepEqual({ ...made.renames }, { [short]: long });
    assert.notEqual(upstreamToolName("a.b"), upstreamToolName("a:b"));
  });

  test("tool choice: none, auto, required, named, and one call at a time", () => {
    const choice = (fields: Parameters<typeof encoded>[0]) => encoded({ tools: [tool("f"), tool("g")], ...fields }).body.tool_choice;
    assert.equal(choice({}), undefined);
    assert.deepEqual(choice({ toolChoice: { kind: "none" }, parallelToolCalls: false }), { type: "none" });
    assert.deepEqual(choice({ toolChoice: { kind: "auto" } }), { type: "auto" });
    assert.deepEqual(choice({ toolChoice: { kind: "required" } }), { type: "any" });
    assert.deepEqual(choice({ toolChoice: { kind: "named", name: "g" } }), { type: "tool", name: "g" });
    assert.deepEqual(choice({ parallelToolCalls: false }), { type: "auto", disable_parallel_tool_use: true });
  });

  test("allowed tools are the only ones sent, and the others are named as not sent", () => {
    const made = encoded({ tools: [tool("f"), tool("g")], toolChoice: { kind: "allowed", mode: "required", names: ["g"] } });
    assert.deepEqual(made.body.tools, [{ name: "g", input_schema: { type: "object" } }]);
    assert.deepEqual(made.body.tool_choice, { type: "any" });
    assert.equal(made.warnings.length, 1);
    assert.equal(refused({ tools: [tool("f")], toolChoice: { kind: "allowed", mode: "auto", names: ["x"] } }), "tool_choice");
  });
});

describe("reasoning and sampling", () => {
  const older = target("claude-sonnet-4-5", {});
  const newer = target("claude-opus-4-6", { reasoningEfforts: ["low", "medium", "high", "max"] });

  test("effort is a token budget for models that know no effort, within the output limit", () => {
    const thinking = (effort: string, maxOutputTokens?: number) => encoded({ reasoningEffort: effort, maxOutputTokens }, older).body.thinking;
    assert.deepEqual(thinking("minimal"), { type: "enabled", budget_tokens: 1_024 });
    assert.deepEqual(thinking("medium"), { type: "enabled", budget_tokens: 4_096 });
    assert.deepEqual(thinking("high"), { type: "enabled", budget_tokens: 16_384 });
    assert.deepEqual(thinking("max", 64_000), { type: "enabled", budget_tokens: 32_000 });
    assert.deepEqual(thinking("high", 1_025), { type: "enabled", budget_tokens: 1_024 });
    assert.equal(thinking("high", 1_024), undefined);
    assert.equal(thinking("none"), undefined);
    assert.equal(encoded({ reasoningEffort: "high", maxOutputTokens: 1_024 }, older).warnings.length, 1);
  });

  test("effort is an effort for models that know them, the next weaker where they lack the word", () => {
    const made = encoded({ reasoningEffort: "xhigh" }, newer);
    assert.deepEqual(made.body.thinking, { type: "adaptive" });
    assert.deepEqual(made.body.output_config, { effort: "high" });
    assert.deepEqual(made.warnings, ["reasoning_effort xhigh was sent as high"]);
    assert.deepEqual(encoded({ reasoningEffort: "minimal" }, newer).body.output_config, { effort: "low" });
    assert.deepEqual(encoded({ reasoningEffort: "xhigh" }, target("claude-opus-5")).body.output_config, { effort: "xhigh" });
    // Efforts without adaptive thinking: the generation before.
    assert.deepEqual(encoded({ reasoningEffort: "low" }, target("claude-opus-4-5", { reasoningEfforts: ["low", "medium", "high"] })).body.thinking, { type: "enabled", budget_tokens: 1_024 });
  });

  test("effort on a model that does not reason is left out and said so", () => {
    const made = encoded({ reasoningEffort: "high" }, target("claude-3-haiku-20240307", { reasoning: false }));
    assert.equal(made.body.thinking, undefined);
    assert.equal(made.warnings.length, 1);
  });

  test("thinking sent in band passes as it is", () => {
    const thinking = { type: "enabled", budget_tokens: 2_000, display: "omitted" };
    assert.deepEqual(encoded({ thinking, maxOutputTokens: 3_000 }, older).body.thinking, thinking);
    assert.equal(encoded({ thinking }, target("my-model")).body.max_tokens, 6_096);
  });

  test("25: a tool turn that lost its signed reasoning goes without thinking rather than be refused", () => {
    const lost = encoded({ reasoningEffort: "low", messages: [user("x"), assistant({ toolCalls: [call("a", "f")] }), result("a", "1")], tools: [tool("f")] }, older);
    assert.equal(lost.body.thinking, undefined);
    assert.equal(lost.warnings.length, 1);
    const kept = encoded({ reasoningEffort: "low", messages: [user("x"), assistant({ reasoning: [{ kind: "redacted", data: "d" }], toolCalls: [call("a", "f")] }), result("a", "1")], tools: [tool("f")] }, older);
    assert.deepEqual(kept.body.thinking, { type: "enabled", budget_tokens: 1_024 });
  });

  test("31: sampling on models that refuse it is left out and named, unless it asks for nothing", () => {
    const made = encoded({ temperature: 0.2, topP: 0.9, topK: 5 }, target("claude-opus-4-7", {}));
    for (const field of ["temperature", "top_p", "top_k"]) assert.equal(made.body[field], undefined);
    assert.equal(made.warnings.length, 3);
    assert.deepEqual(encoded({ temperature: 1, topP: 1 }, target("claude-opus-4-7", {})).warnings, []);
    assert.equal(encoded({ temperature: 0.2, topP: 0.9 }, target("claude-3-opus-20240229", {})).body.top_p, 0.9);
  });

  test("temperature and top_p together on models that take one of them: top_p yields", () => {
    const made = encoded({ temperature: 0.2, topP: 0.9 }, older);
    assert.deepEqual([made.body.temperature, made.body.top_p, made.warnings.length], [0.2, undefined, 1]);
    assert.deepEqual(encoded({ temperature: 0.2, topP: 1 }, older).warnings, []);
  });

  test("32: thinking takes no temperature but 1, no top_k, and no forced tool", () => {
    const made = encoded({ reasoningEffort: "low", temperature: 0.3, topK: 4 }, older);
    assert.equal(made.body.temperature, undefined);
    assert.equal(made.body.top_k, undefined);
    assert.equal(made.warnings.length, 2);
    assert.equal(encoded({ reasoningEffort: "low", temperature: 1 }, older).body.temperature, 1);
    assert.equal(refused({ reasoningEffort: "low", tools: [tool("f")], toolChoice: { kind: "required" } }, older), "tool_choice");
  });

  test("33: max_tokens where the client sets none is the model's maximum, else a guess that is told", () => {
    assert.equal(encoded({}, target("claude-sonnet-4-5", { maxOutput: 64_000 })).body.max_tokens, 64_000);
    assert.equal(encoded({}, { ...target("claude-sonnet-4-5", { maxOutput: 64_000 }), maxOutput: 8_192 }).body.max_tokens, 8_192, "the owner's word goes first");
    assert.deepEqual(encoded({}, { ...target("my-model"), maxOutput: 8_192 }).warnings, []);
    assert.equal(encoded({ maxOutputTokens: 5 }).body.max_tokens, 5);
    const guessed = encoded({}, target("my-model"));
    assert.equal(guessed.body.max_tokens, 4_096);
    assert.equal(guessed.warnings.length, 1);
  });
});

test("the same request is encoded to the same bytes, so that prompt caches hold", () => {
  const asked = request({ messages: [user("x"), assistant({ toolCalls: [call("é", "a.b")] }), result("é", "1")], tools: [tool("a.b")] });
  const bytes = () => JSON.stringify(anthropicMessages.encodeChat(asked, target("claude-sonnet-4-5", {})));
  assert.equal(bytes(), bytes());
});
