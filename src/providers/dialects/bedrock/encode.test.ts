import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Part } from "../../../wire/chat.ts";
import { asArray, asString, type JsonObject, member } from "../../../wire/json.ts";
import { assistant, call, result, system, text, tool, user } from "../anthropic/test-hub.ts";
import { MARKED } from "../test-foreign.ts";
import { CLAUDE, encoded, refused, target } from "./test-hub.ts";

const NOVA = target("eu.amazon.nova-2-lite-v1:0", { reasoning: true });
const LLAMA = target("meta.llama3-3-70b-instruct-v1:0", { jsonSchema: false });
const GPT_OSS = target("openai.gpt-oss-120b-1:0", {});
const EPHEMERAL = { type: "ephemeral" };
const POINT = { cachePoint: { type: "default" } };
const HISTORY = [user("Weather?"), assistant({ toolCalls: [call("c1", "weather", '{"city":"Bonn"}')] }), result("c1", "rain")];

function image(mediaType: string): Part {
  return { kind: "image", source: { kind: "base64", mediaType, base64: "AAAA" }, detail: undefined, cacheControl: undefined };
}
function file(mediaType: string, filename?: string): Part {
  return { kind: "file", source: { kind: "base64", mediaType, base64: "AAAA" }, filename, cacheControl: undefined };
}
function contentOf(parts: readonly Part[]): readonly unknown[] {
  return asArray(member(asArray(encoded({ messages: [user(...parts)] }).body.messages)[0], "content"));
}

describe("the path", () => {
  test("holds the model percent-encoded, and says whether to stream", () => {
    assert.equal(encoded({}).path, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse");
    assert.equal(encoded({ stream: true }).path, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream");
    assert.equal(encoded({}, target("arn:aws:bedrock:eu-west-1:1:inference-profile/x")).path, "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fx/converse");
    assert.equal(encoded({}, target("a\ud800!")).path, "/model/a%EF%BF%BD%21/converse");
  });
});

describe("messages", () => {
  test("case 7: developer messages join the system list in their order", () => {
    const developer = { ...system("b"), role: "developer" as const };
    assert.deepEqual(encoded({ messages: [system("a"), developer as ReturnType<typeof system>, user("Hi")] }).body.system, [{ text: "a" }, { text: "b" }]);
  });

  test("case 6: a system message in the middle is hoisted and named", () => {
    const made = encoded({ messages: [user("Hi"), system("Be brief."), user("there")] });
    assert.deepEqual(made.body.system, [{ text: "Be brief." }]);
    assert.deepEqual(made.body.messages, [{ role: "user", content: [{ text: "Hi" }, { text: "there" }] }]);
    assert.match(made.warnings.join(), /moved to its beginning/);
  });

  test("case 8: all results of a turn stand in one user message, first in it", () => {
    const asked = assistant({ toolCalls: [call("c1", "f"), call("c2", "g")] });
    const made = encoded({ messages: [user("Hi"), asked, result("c1", "one"), user("and?"), result("c2", "two")], tools: [tool("f"), tool("g")] });
    assert.deepEqual(asArray(made.body.messages)[2], {
      role: "user",
      content: [
        { toolResult: { toolUseId: "c1", content: [{ text: "one" }] } },
        { toolResult: { toolUseId: "c2", content: [{ text: "two" }] } },
        { text: "and?" },
      ],
    });
  });

  test("a result that is a failure says so", () => {
    const failed = { ...result("c1", "no"), isError: true };
    const made = encoded({ messages: [...HISTORY.slice(0, 2), failed as ReturnType<typeof result>], tools: [tool("weather")] });
    assert.deepEqual(member(asArray(member(asArray(made.body.messages)[2], "content"))[0], "toolResult"), { toolUseId: "c1", content: [{ text: "no" }], status: "error" });
    // Models of other makers do not read the field.
    const told = encoded({ messages: [...HISTORY.slice(0, 2), failed as ReturnType<typeof result>], tools: [tool("weather")] }, LLAMA);
    assert.deepEqual(member(asArray(member(asArray(told.body.messages)[2], "content"))[0], "toolResult"), { toolUseId: "c1", content: [{ text: "[error] no" }] });
  });

  test("case 29: redacted reasoning of another maker stays behind and is named", () => {
    for (const data of MARKED) {
      const made = encoded({ messages: [user("a"), assistant({ parts: [text("so")], reasoning: [{ kind: "redacted", data }, { kind: "redacted", data: "EmwK" }] }), user("b")] });
      assert.deepEqual(member(asArray(made.body.messages)[1], "content"), [{ reasoningContent: { redactedContent: "EmwK" } }, { text: "so" }]);
      assert.equal(made.warnings.length, 1);
    }
  });

  test("a thinking budget is an effort for models that know those, and a limit is kept to the model's", () => {
    const made = encoded({ surface: "anthropic-messages", thinking: { type: "enabled", budget_tokens: 8_000 }, maxOutputTokens: 128_000 }, target("openai.gpt-oss-120b-1:0", { maxOutput: 32_000 }));
    assert.deepEqual(made.body.additionalModelRequestFields, { reasoning_effort: "medium" });
    assert.deepEqual([member(made.body.inferenceConfig, "maxTokens"), made.warnings.length], [32_000, 2]);
  });

  test("case 11: calls without arguments carry an empty object", () => {
    for (const json of ["", "null", "{}", " "]) {
      const made = encoded({ messages: [user("Hi"), assistant({ toolCalls: [call("c1", "f", json)] }), result("c1", "x")], tools: [tool("f")] });
      assert.deepEqual(member(asArray(made.body.messages)[1], "content"), [{ toolUse: { toolUseId: "c1", name: "f", input: {} } }]);
    }
    assert.equal(refused({ messages: [user("Hi"), assistant({ toolCalls: [call("c1", "f", "[1]")] })] }), "messages[1].tool_calls[0].function.arguments");
  });

  test("case 37: empty content is dropped, a message of nothing else with it, and its neighbours join", () => {
    const made = encoded({ messages: [user("a"), assistant({ parts: [text("")] }), user("b", "  "), assistant({ parts: [text("")], toolCalls: [call("c", "f")] }), result("c")], tools: [tool("f")] });
    assert.deepEqual(made.body.messages, [
      { role: "user", content: [{ text: "a" }, { text: "b" }] },
      { role: "assistant", content: [{ toolUse: { toolUseId: "c", name: "f", input: {} } }] },
      { role: "user", content: [{ toolResult: { toolUseId: "c", content: [] } }] },
    ]);
    assert.match(made.warnings.join(), /white space/);
  });

  test("case 22: signed reasoning goes back as it came, also without words; unsigned stays out and is named", () => {
    const reasoning = [{ kind: "thinking", text: "", signature: "sig" }, { kind: "thinking", text: "hm", signature: undefined }] as const;
    const made = encoded({ messages: [user("Hi"), assistant({ parts: [text("x")], reasoning }), user("go on")] });
    assert.deepEqual(member(asArray(made.body.messages)[1], "content"), [{ reasoningContent: { reasoningText: { text: "", signature: "sig" } } }, { text: "x" }]);
    assert.match(made.warnings.join(), /without its signature/);
  });

  test("case 23: redacted reasoning survives", () => {
    const made = encoded({ messages: [user("Hi"), assistant({ parts: [text("x")], reasoning: [{ kind: "redacted", data: "cGVh" }] }), user("go on")] });
    assert.deepEqual(asArray(member(asArray(made.body.messages)[1], "content"))[0], { reasoningContent: { redactedContent: "cGVh" } });
  });

  test("case 13: ids that do not fit are changed alike on both sides; one maker's models want nine letters", () => {
    const messages = [user("Hi"), assistant({ toolCalls: [call("call:1/ä", "f")] }), result("call:1/ä", "x")];
    const ids = (to: ReturnType<typeof target>): readonly unknown[] => asArray(encoded({ messages, tools: [tool("f")] }, to).body.messages).slice(1).map((message) => {
      const [block] = asArray(member(message, "content"));
      return member(member(block, "toolUse") ?? member(block, "toolResult"), "toolUseId");
    });
    const [asked, answered] = ids(target(CLAUDE, {}));
    assert.equal(asked, answered);
    assert.match(String(asked), /^[a-zA-Z0-9_-]{1,64}$/);
    const [nine, same] = ids(target("mistral.mistral-large-2407-v1:0", {}));
    assert.match(String(nine), /^[a-zA-Z0-9]{9}$/);
    assert.equal(nine, same);
  });
});

describe("media", () => {
  test("images are bytes with a format; others than the four are refused", () => {
    assert.deepEqual(contentOf(["image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp"].map(image)).map((block) => member(member(block, "image"), "format")), ["png", "jpeg", "jpeg", "gif", "webp"]);
    assert.equal(refused({ messages: [user("?", image("image/tiff"))] }), "messages[0].content[1].image_url");
  });

  test("case 38: an image that is only pointed at is refused, unless it lies in the host's own storage", () => {
    const at = (url: string): Part => ({ kind: "image", source: { kind: "url", url }, detail: undefined, cacheControl: undefined });
    assert.equal(refused({ messages: [user(at("https://example.com/a.png"))] }), "messages[0].content[0].image_url");
    assert.deepEqual(contentOf([at("s3://bucket/a.webp")]), [{ image: { format: "webp", source: { s3Location: { uri: "s3://bucket/a.webp" } } } }]);
  });

  test("documents have names of plain characters, none twice", () => {
    const parts = [file("application/pdf", "Q3 report_v2.pdf"), file("application/pdf", "Q3 report_v2.pdf"), file("text/plain"), file("application/octet-stream", "notes.md"), file("text/csv; charset=utf-8", "../etc")];
    assert.deepEqual(contentOf(parts).map((block) => [member(member(block, "document"), "format"), member(member(block, "document"), "name")]), [
      ["pdf", "Q3 report v2"], ["pdf", "Q3 report v2 [2]"], ["txt", "document"], ["md", "notes"], ["csv", "etc"],
    ]);
    assert.equal(refused({ messages: [user(file("application/zip"))] }), "messages[0].content[0].file");
    const byId: Part = { kind: "file", source: { kind: "id", id: "file-1" }, filename: undefined, cacheControl: undefined };
    assert.equal(refused({ messages: [user(byId)] }), "messages[0].content[0].file.file_id");
  });
});

describe("tools", () => {
  const tools = [tool("weather", { description: "tells", parameters: { type: "object", properties: {} } }), tool("dot.ted", { description: " " })];

  test("become specifications; names that do not fit are changed and told back", () => {
    const made = encoded({ tools, toolChoice: { kind: "required" } });
    const [, second] = asArray(member(made.body.toolConfig, "tools"));
    const name = asString(member(member(second, "toolSpec"), "name")) ?? "";
    assert.deepEqual(made.body.toolConfig, {
      tools: [
        { toolSpec: { name: "weather", description: "tells", inputSchema: { json: { type: "object", properties: {} } } } },
        { toolSpec: { name, inputSchema: { json: { type: "object" } } } },
      ],
      toolChoice: { any: {} },
    });
    assert.equal(made.renames?.[name], "dot.ted");
  });

  test("the choice has three forms, and a list of allowed tools leaves the others out", () => {
    const choice = (toolChoice: Parameters<typeof encoded>[0]["toolChoice"]): unknown => member(encoded({ tools, toolChoice }).body.toolConfig, "toolChoice");
    assert.deepEqual(choice({ kind: "auto" }), { auto: {} });
    assert.deepEqual(choice({ kind: "named", name: "weather" }), { tool: { name: "weather" } });
    assert.equal(choice(undefined), undefined);
    const made = encoded({ tools, toolChoice: { kind: "allowed", mode: "required", names: ["weather"] } });
    assert.equal(asArray(member(made.body.toolConfig, "tools")).length, 1);
    assert.match(made.warnings.join(), /allowed_tools were not sent/);
  });

  test("case 9: a history with tools but none offered gets a stand-in", () => {
    const made = encoded({ messages: HISTORY });
    assert.deepEqual(asArray(member(made.body.toolConfig, "tools")).map((one) => member(member(one, "toolSpec"), "name")), ["no_tool_available"]);
    assert.equal(member(made.body.toolConfig, "toolChoice"), undefined);
    assert.equal(encoded({}).body.toolConfig, undefined);
  });

  test("case 10: the choice of none has no form: tools are left out, and a history with tools gets the stand-in", () => {
    assert.equal(encoded({ tools, toolChoice: { kind: "none" } }).body.toolConfig, undefined);
    const kept = encoded({ tools, toolChoice: { kind: "none" }, messages: HISTORY }).body.toolConfig;
    assert.deepEqual(asArray(member(kept, "tools")).map((one) => member(member(one, "toolSpec"), "name")), ["no_tool_available"]);
  });

  test("one call at a time is a switch of one maker's models, in their own form of the choice", () => {
    const made = encoded({ tools, parallelToolCalls: false, toolChoice: { kind: "required" } });
    assert.deepEqual(made.body.additionalModelRequestFields, { tool_choice: { type: "any", disable_parallel_tool_use: true } });
    assert.equal(member(made.body.toolConfig, "toolChoice"), undefined);
    assert.match(encoded({ tools, parallelToolCalls: false }, NOVA).warnings.join(), /parallel_tool_calls was left out/);
  });

  test("case 2: a tool that runs at another provider is refused by name", () => {
    assert.equal(refused({ tools: [...tools, { kind: "other", type: "web_search", raw: {} }] }), "tools[2].type");
    assert.equal(refused({ toolChoice: { kind: "required" } }), "tool_choice");
  });
});

describe("cache points", () => {
  test("case 36: stand behind what they close, as elements of their own, on system, tools, content and results", () => {
    const messages = [system(text("s", EPHEMERAL)), user(text("u", { type: "ephemeral", ttl: "1h" })), assistant({ toolCalls: [call("c1", "f")] }), result("c1", text("r", EPHEMERAL), "more")];
    const { body, warnings } = encoded({ messages, tools: [tool("f", { cacheControl: EPHEMERAL })] });
    assert.deepEqual(body.system, [{ text: "s" }, POINT]);
    assert.deepEqual(asArray(member(body.toolConfig, "tools"))[1], POINT);
    assert.deepEqual(member(asArray(body.messages)[0], "content"), [{ text: "u" }, { cachePoint: { type: "default", ttl: "1h" } }]);
    assert.deepEqual(asArray(member(asArray(body.messages)[2], "content")), [{ toolResult: { toolUseId: "c1", content: [{ text: "r" }, { text: "more" }] } }, POINT]);
    assert.deepEqual(warnings, []);
  });

  test("case 36: a fifth is left out and named", () => {
    const { body, warnings } = encoded({ messages: [user(...["a", "b", "c", "d", "e"].map((one) => text(one, EPHEMERAL)))] });
    assert.equal(asArray(member(asArray(body.messages)[0], "content")).filter((block) => member(block, "cachePoint") !== undefined).length, 4);
    assert.match(warnings.join(), /beyond the first 4/);
  });

  test("stay out where the model takes none, and that is named", () => {
    const fields = { messages: [user(text("u", { type: "ephemeral", ttl: "1h" }))], tools: [tool("f", { cacheControl: EPHEMERAL })] };
    assert.doesNotMatch(JSON.stringify(encoded(fields, LLAMA).body), /cachePoint/);
    assert.match(encoded(fields, LLAMA).warnings.join(), /cache_control was left out/);
    const nova = encoded(fields, NOVA);
    assert.deepEqual(member(asArray(nova.body.messages)[0], "content"), [{ text: "u" }, POINT]);
    assert.equal(asArray(member(nova.body.toolConfig, "tools")).length, 1);
    assert.equal(nova.warnings.length, 2);
  });
});

describe("parameters", () => {
  test("stand in inferenceConfig, and what only some models take in their own fields", () => {
    const fields = { maxOutputTokens: 50, temperature: 0.5, stop: ["END"], topK: 3, serviceTier: "flex", user: "u-1", metadata: { team: "a", note: "ü" } };
    const { body, warnings } = encoded(fields);
    assert.deepEqual(body.inferenceConfig, { maxTokens: 50, temperature: 0.5, stopSequences: ["END"] });
    assert.deepEqual(body.additionalModelRequestFields, { top_k: 3 });
    assert.deepEqual(body.serviceTier, { type: "flex" });
    assert.deepEqual(body.requestMetadata, { team: "a", user: "u-1" });
    assert.deepEqual(warnings, ["metadata that does not fit was left out: note"]);
    assert.deepEqual(encoded({ topK: 3 }, NOVA).body.additionalModelRequestFields, { inferenceConfig: { topK: 3 } });
    assert.match(encoded({ topK: 3 }, LLAMA).warnings.join(), /top_k was left out/);
    assert.equal(encoded({ serviceTier: "auto" }).body.serviceTier, undefined);
  });

  test("case 31: sampling that a model refuses is left out and named", () => {
    const made = encoded({ temperature: 0.2 }, target("anthropic.claude-opus-4-7", {}));
    assert.equal(made.body.inferenceConfig, undefined);
    assert.match(made.warnings.join(), /temperature was left out/);
    assert.deepEqual(encoded({ temperature: 1.5 }, LLAMA).body.inferenceConfig, { temperature: 1 });
  });

  test("case 32: thinking takes no temperature, no forced tool, and a budget below the limit", () => {
    const thinking = { type: "enabled", budget_tokens: 2_000 };
    const made = encoded({ thinking, temperature: 0.2 }, target(CLAUDE));
    assert.deepEqual(made.body.inferenceConfig, { maxTokens: 6_096 });
    assert.deepEqual(made.body.additionalModelRequestFields, { thinking });
    assert.match(made.warnings.join(), /temperature was left out/);
    assert.equal(refused({ thinking, tools: [tool("f")], toolChoice: { kind: "required" } }), "tool_choice");
  });

  test("effort takes each maker's form", () => {
    const fields = (to: ReturnType<typeof target>, effort: string, more = {}): JsonObject => encoded({ reasoningEffort: effort, ...more }, to).body.additionalModelRequestFields as JsonObject;
    assert.deepEqual(fields(target("anthropic.claude-opus-4-6-v1", {}), "high"), { thinking: { type: "adaptive" }, output_config: { effort: "high" } });
    assert.deepEqual(fields(target(CLAUDE, {}), "low"), { thinking: { type: "enabled", budget_tokens: 1_024 } });
    assert.deepEqual(fields(GPT_OSS, "minimal"), { reasoning_effort: "low" });
    assert.deepEqual(fields(target("openai.gpt-5.4", {}), "xhigh"), { reasoning: { effort: "xhigh" } });
    assert.deepEqual(fields(NOVA, "high"), { reasoningConfig: { type: "enabled", maxReasoningEffort: "high" } });
    assert.equal(fields(LLAMA, "high"), undefined);
  });

  test("an output limit is never given up for effort: it bounds what the call can cost", () => {
    const made = encoded({ reasoningEffort: "high", maxOutputTokens: 100 }, NOVA);
    assert.deepEqual(made.body.inferenceConfig, { maxTokens: 100 });
    assert.deepEqual(made.body.additionalModelRequestFields, { reasoningConfig: { type: "enabled", maxReasoningEffort: "medium" } });
    assert.deepEqual(made.warnings, ["reasoning_effort high was sent as medium"]);
  });

  test("a schema goes to models that are held to it, and is refused elsewhere", () => {
    const responseFormat = { kind: "json_schema", name: "answer", description: undefined, schema: { type: "object" }, strict: true } as const;
    assert.deepEqual(encoded({ responseFormat }).body.outputConfig, { textFormat: { type: "json_schema", structure: { jsonSchema: { schema: '{"type":"object"}', name: "answer" } } } });
    for (const model of ["anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-opus-4-7", "amazon.nova-pro-v1:0"]) {
      assert.equal(refused({ responseFormat }, target(model, { jsonSchema: true })), "response_format");
    }
    assert.equal(refused({ responseFormat }, LLAMA), "response_format");
    assert.equal(refused({ responseFormat: { kind: "json_object" } }), "response_format");
  });

  test("what has no counterpart and would change the answer is refused, the rest is named", () => {
    assert.equal(refused({ choiceCount: 2 }), "n");
    assert.equal(refused({ presencePenalty: 0.1 }), "presence_penalty");
    assert.equal(refused({ logprobs: true }), "logprobs");
    assert.equal(refused({ logitBias: { 5: 1 } }), "logit_bias");
    assert.equal(refused({ stop: ["END"] }, GPT_OSS), "stop");
    assert.equal(refused({ other: { audio: {} } }), "audio");
    assert.deepEqual(encoded({ seed: 1, other: { store: true, modalities: ["text"] } }).warnings, ["seed was left out: this model has none", "no counterpart, left out: store"]);
  });
});
