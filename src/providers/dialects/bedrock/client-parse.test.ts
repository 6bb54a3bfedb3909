import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { scanBody, splice } from "../../../wire/scan.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { bedrockClient, bedrockConverse } from "./index.ts";
import { CLAUDE, outside, parsed, target } from "./test-hub.ts";

const BODY: JsonObject = {
  system: [{ text: "Be brief." }, { cachePoint: { type: "default" } }],
  messages: [
    { role: "user", content: [{ text: "Look" }, { image: { format: "png", source: { bytes: "AAAA" } } }, { cachePoint: { type: "default", ttl: "1h" } }] },
    {
      role: "assistant",
      content: [
        { reasoningContent: { reasoningText: { text: "hm", signature: "sig" } } }, { reasoningContent: { redactedContent: "YWI=" } }, { text: "I call" },
        { toolUse: { toolUseId: "c1", name: "f", input: { a: 1 } } }, { toolUse: { toolUseId: "c2", name: "g", input: {} } },
      ],
    },
    {
      role: "user",
      content: [
        { toolResult: { toolUseId: "c1", content: [{ text: "one" }, { json: { b: 2 } }] } }, { cachePoint: { type: "default" } },
        { toolResult: { toolUseId: "c2", content: [{ text: "bad" }], status: "error" } }, { text: "and?" },
      ],
    },
  ],
  inferenceConfig: { maxTokens: 50, temperature: 0.5, topP: 0.9, stopSequences: ["END"] },
  toolConfig: {
    tools: [{ toolSpec: { name: "f", description: "d", inputSchema: { json: { type: "object" } }, strict: true } }, { cachePoint: { type: "default" } }, { toolSpec: { name: "g", inputSchema: { json: {} } } }],
    toolChoice: { tool: { name: "f" } },
  },
  additionalModelRequestFields: { top_k: 7, thinking: { type: "enabled", budget_tokens: 1_024 }, output_config: { effort: "high" } },
  serviceTier: { type: "flex" },
  requestMetadata: { team: "a" },
};

function refusal(body: JsonObject, model: string | undefined = "m"): string {
  const result = bedrockClient.parse(body, outside(model));
  assert.equal(result.kind, "error");
  return result.kind === "error" ? `${result.error.code} ${result.error.param}` : "";
}

describe("a body of every kind", () => {
  const { request, warnings, onlyHere } = parsed(BODY, true);

  test("becomes the hub's request", () => {
    assert.deepEqual([warnings, onlyHere], [[], []]);
    const { messages, tools, ...rest } = request;
    assert.deepEqual(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)), {
      surface: "bedrock-converse", model: "m", toolChoice: { kind: "named", name: "f" }, maxOutputTokens: 50, temperature: 0.5, topP: 0.9, topK: 7, choiceCount: 1, stop: ["END"],
      reasoningEffort: "high", thinking: { type: "enabled", budget_tokens: 1_024 }, serviceTier: "flex", metadata: { team: "a" }, stream: true, includeUsage: true, other: {},
    });
    assert.deepEqual(tools.map((tool) => (tool.kind === "function" ? [tool.name, tool.strict, tool.cacheControl] : [])), [["f", true, { type: "ephemeral" }], ["g", undefined, undefined]]);
    assert.deepEqual(messages.map(({ role }) => role), ["system", "user", "assistant", "tool", "tool", "user"]);
  });

  test("case 36: a cache point becomes a marker on what it closes", () => {
    const marked = request.messages.flatMap((message) => message.parts.flatMap((part) => ("cacheControl" in part && part.cacheControl !== undefined ? [[message.role, part.kind, part.cacheControl]] : [])));
    assert.deepEqual(marked, [["system", "text", { type: "ephemeral" }], ["user", "image", { type: "ephemeral", ttl: "1h" }], ["tool", "text", { type: "ephemeral" }]]);
  });

  test("case 22: reasoning keeps its signature, and calls their arguments as text", () => {
    const assistant = request.messages[2];
    assert.equal(assistant?.role, "assistant");
    if (assistant?.role !== "assistant") return;
    assert.deepEqual(assistant.reasoning, [{ kind: "thinking", text: "hm", signature: "sig" }, { kind: "redacted", data: "YWI=" }]);
    assert.deepEqual(assistant.toolCalls.map(({ id, name, argumentsJson }) => [id, name, argumentsJson]), [["c1", "f", '{"a":1}'], ["c2", "g", "{}"]]);
  });

  test("a failed result says so", () => {
    assert.deepEqual(request.messages.flatMap((message) => (message.role === "tool" ? [[message.toolCallId, message.isError]] : [])), [["c1", undefined], ["c2", true]]);
  });

  test("comes back the same through the hub, to the same dialect", () => {
    const made = bedrockConverse.encodeChat({ ...request, toolChoice: { kind: "auto" }, reasoningEffort: undefined, temperature: undefined, topP: undefined, topK: undefined }, target(CLAUDE, {}));
    assert.equal(made.kind, "encoded");
    if (made.kind !== "encoded") return;
    const messages = BODY.messages as readonly JsonObject[];
    const third = messages[2] as JsonObject;
    // The one change: JSON in a result travels as text.
    const results = (third.content as readonly Json[]).map((block, at) => (at === 0 ? { toolResult: { toolUseId: "c1", content: [{ text: "one" }, { text: '{"b":2}' }] } } : block));
    assert.deepEqual(made.body.messages, [messages[0], messages[1], { role: "user", content: results }]);
    assert.deepEqual(made.body.system, BODY.system);
    assert.deepEqual(made.body.serviceTier, BODY.serviceTier);
    assert.deepEqual(made.body.requestMetadata, BODY.requestMetadata);
  });
});

describe("what a model says in its own words", () => {
  function fields(additionalModelRequestFields: JsonObject) {
    return parsed({ additionalModelRequestFields });
  }

  test("has the hub's word where there is one", () => {
    assert.equal(fields({ reasoning_effort: "low" }).request.reasoningEffort, "low");
    assert.equal(fields({ reasoning: { effort: "high" } }).request.reasoningEffort, "high");
    assert.equal(fields({ reasoningConfig: { type: "enabled", maxReasoningEffort: "medium" } }).request.reasoningEffort, "medium");
    assert.equal(fields({ inferenceConfig: { topK: 4 } }).request.topK, 4);
    assert.equal(fields({ tool_choice: { type: "auto", disable_parallel_tool_use: true } }).request.parallelToolCalls, false);
    assert.deepEqual(fields({ output_config: { format: { type: "json_schema", schema: { type: "object" } } } }).request.responseFormat, {
      kind: "json_schema", name: "answer", description: undefined, schema: { type: "object" }, strict: undefined,
    });
  });

  test("and can only go to the same dialect where there is none", () => {
    const { onlyHere } = fields({ top_a: 1, output_config: { effort: "low", verbosity: "low" } });
    assert.deepEqual(onlyHere.map(({ param }) => param), ["additionalModelRequestFields.top_a", "additionalModelRequestFields.output_config.verbosity"]);
    assert.match(fields({ anthropic_beta: ["x"] }).warnings.join(), /anthropic_beta/);
  });
});

test("a schema travels as text", () => {
  const jsonSchema = { name: "n", description: "d", schema: '{"type":"object"}' };
  const { request } = parsed({ outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema } } } });
  assert.deepEqual(request.responseFormat, { kind: "json_schema", name: "n", description: "d", schema: { type: "object" }, strict: undefined });
  const broken = { ...BODY, outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema: { schema: "{" } } } } };
  assert.equal(refusal(broken), "invalid_body outputConfig.textFormat.structure.jsonSchema.schema");
});

test("what would change the answer is refused elsewhere, what would not is named", () => {
  const { onlyHere, warnings } = parsed({
    guardrailConfig: { guardrailIdentifier: "g" }, promptVariables: { a: { text: "b" } }, additionalModelResponseFieldPaths: ["/delta/stop_sequence"], performanceConfig: { latency: "standard" }, future: 1, spillway: { a: 1 },
    toolConfig: { tools: [{ systemTool: { name: "nova_grounding" } }] },
    messages: [{ role: "user", content: [{ text: "Hi" }, { video: { format: "mp4", source: { s3Location: { uri: "s3://b/v" } } } }, { searchResult: {} }, { guardContent: { text: { text: "checked" } } }] }],
  });
  assert.deepEqual(onlyHere.map(({ param }) => param), ["messages[0].content[1].video.source.s3Location", "messages[0].content[2].searchResult", "toolConfig.tools[0].systemTool", "guardrailConfig", "promptVariables"]);
  assert.match(warnings[0] ?? "", /guardContent was carried as plain content/);
  assert.equal(warnings[1], "carried only to providers of the same dialect: additionalModelResponseFieldPaths, future");
});

test("documents and videos keep their type and name; text becomes a file", () => {
  const { request } = parsed({
    messages: [{ role: "user", content: [{ document: { format: "pdf", name: "report", source: { bytes: "AAAA" } } }, { document: { format: "txt", name: "t", source: { text: "Grüße 👋!" } } }, { video: { format: "mp4", source: { bytes: "AAAA" } } }, { audio: { format: "mp3", source: { bytes: "AAAA" } } }] }],
  });
  const [pdf, text, video, audio] = request.messages[0]?.parts ?? [];
  assert.deepEqual(pdf, { kind: "file", source: { kind: "base64", mediaType: "application/pdf", base64: "AAAA" }, filename: "report.pdf", cacheControl: undefined });
  assert.deepEqual(text?.kind === "file" && text.source, { kind: "base64", mediaType: "text/plain", base64: Buffer.from("Grüße 👋!").toString("base64") });
  assert.deepEqual(video?.kind === "file" && video.source, { kind: "base64", mediaType: "video/mp4", base64: "AAAA" });
  assert.deepEqual(audio, { kind: "audio", format: "mp3", base64: "AAAA" });
});

test("errors name the field", () => {
  assert.equal(refusal({}), "missing_field messages");
  assert.equal(refusal({ messages: [] }), "invalid_body messages");
  assert.equal(refusal(BODY, ""), "missing_field model");
  assert.equal(refusal({ messages: [{ role: "tool", content: [] }] }), "invalid_body messages[0].role");
  assert.equal(refusal({ messages: [{ role: "user", content: "Hi" }] }), "invalid_type messages[0].content");
  assert.equal(refusal({ messages: [{ role: "user", content: [{ text: 5 }] }] }), "invalid_type messages[0].content[0].text");
  assert.equal(refusal({ ...BODY, inferenceConfig: { maxTokens: "9" } }), "invalid_type inferenceConfig.maxTokens");
  assert.equal(refusal({ ...BODY, inferenceConfig: { maxTokens: 0 } }), "invalid_body inferenceConfig.maxTokens");
  assert.equal(refusal({ messages: [{ role: "user", content: [{ toolResult: { content: [] } }] }] }), "missing_field messages[0].content[0].toolResult.toolUseId");
  assert.equal(refusal({ ...BODY, toolConfig: { tools: [{ toolSpec: {} }] } }), "missing_field toolConfig.tools[0].toolSpec.name");
});

test("bodies of any shape are read or refused, never a throw", () => {
  const keys = fc.constantFrom("system", "messages", "inferenceConfig", "toolConfig", "additionalModelRequestFields", "outputConfig", "serviceTier", "requestMetadata", "x");
  const block = fc.dictionary(fc.constantFrom("text", "image", "document", "toolUse", "toolResult", "reasoningContent", "cachePoint", "guardContent", "citationsContent", "audio"), fc.jsonValue(), { maxKeys: 2 });
  const messages = fc.array(fc.record({ role: fc.constantFrom("user", "assistant", "x"), content: fc.oneof(fc.array(block, { maxLength: 4 }), fc.jsonValue()) }), { maxLength: 3 });
  fc.assert(fc.property(fc.dictionary(keys, fc.jsonValue()), messages, (body, list) => {
    for (const raw of [body, { ...body, messages: list }]) assert.match(bedrockClient.parse(raw as JsonObject, outside("m")).kind, /^(request|error)$/);
  }));
});

describe("a body that passes", () => {
  function passed(text: string, model: string): { readonly path: string; readonly body: string } {
    const bytes = new TextEncoder().encode(text);
    const scan = scanBody(bytes);
    const raw = JSON.parse(text) as JsonObject;
    if (scan.kind !== "object") throw new Error("the test's body does not scan");
    const told = bedrockClient.parse(raw, outside("m", true));
    if (told.kind !== "request") throw new Error("the test's body does not parse");
    const { path, edits } = bedrockClient.pass({ bytes, scan, raw, request: told.request, outside: outside("m", true) }, target(model));
    return { path, body: new TextDecoder().decode(splice(bytes, edits)) };
  }

  test("case 1: keeps its bytes but for our own field; the model stands in the path", () => {
    const messages = '"messages": [ {"content":[{"text":"Hi"}],  "role":"user", "unknown": 1.0} ]';
    assert.deepEqual(passed(`{ "spillway": {"x":1}, ${messages} , "zz":1e2}`, CLAUDE), { path: "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream", body: `{ ${messages} , "zz":1e2}` });
  });

  test("case 29: reasoning that another maker left unsigned goes out where it would be refused", () => {
    const unsigned = '{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"hm"}}},{"text":"x"}]}';
    const text = `{"messages":[{"role":"user","content":[{"text":"Hi"}]},${unsigned},{"role":"user","content":[{"text":"on"}]}]}`;
    assert.doesNotMatch(passed(text, CLAUDE).body, /reasoningText/);
    assert.equal(passed(text, "openai.gpt-oss-120b-1:0").body, text);
  });
});

test("fields that bear on the price and have no bound are told", () => {
  assert.deepEqual(bedrockClient.unboundedFields(BODY), ["serviceTier"]);
  assert.deepEqual(bedrockClient.unboundedFields({ serviceTier: { type: "default" }, performanceConfig: { latency: "standard" } }), []);
  assert.deepEqual(bedrockConverse.unboundedFields({
    performanceConfig: { latency: "optimized" }, guardrailConfig: { guardrailIdentifier: "g" }, toolConfig: { tools: [{ systemTool: { name: "nova_grounding" } }] },
    additionalModelRequestFields: { tools: [{ type: "bash_20250124" }, { type: "web_search_20250305" }] },
  }), ["performanceConfig", "guardrailConfig", "toolConfig.tools[].systemTool=nova_grounding", "additionalModelRequestFields.tools[].type=web_search_20250305"]);
});
