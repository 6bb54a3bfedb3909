/** Bodies as clients send them. Case numbers are those of the project's list of tricky translations. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AssistantMessage, ChatRequest } from "../../../wire/chat.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { scanBody, splice } from "../../../wire/scan.ts";
import { wrap } from "./client-opaque.ts";
import { jsonSchemaOf } from "./client-schema.ts";
import { geminiClient } from "./client.ts";
import { SKIP_SIGNATURE } from "./contents.ts";
import { body, outside, parsed, refusal, requestOf, turns } from "./test-client.ts";
import { assistant, call, request, result, system, target, text, tool, user } from "./test-support.ts";

const config = (generationConfig: JsonObject): ChatRequest => requestOf(body({ generationConfig }));
const params = (raw: JsonObject): string[] => parsed(raw).onlyHere.map(({ param }) => param);

describe("what stands outside the body", () => {
  test("names the model and says whether to stream", () => {
    const stream = parsed(body(), { model: "models/a/b:c", stream: true, query: "key=x&alt=sse" }).request;
    assert.deepEqual([stream.model, stream.stream, stream.includeUsage], ["a/b:c", true, true]);
    assert.deepEqual(requestOf(body()), request({ surface: "gemini", messages: [user("hi")] }));
    assert.equal(refusal(body(), { model: undefined }), "missing_field model");
  });
  test("a stream without alt=sse is refused with what to do", () => {
    for (const query of ["", "alt=json", "salt=sse"]) {
      const read = geminiClient.parse(body(), outside({ stream: true, query }));
      assert.ok(read.kind === "error" && read.error.code === "invalid_body" && read.error.message.includes("add ?alt=sse"), query);
    }
    assert.equal(refusal(body(), { stream: true, query: "%24alt=sse" }), undefined);
    assert.equal(refusal(body(), { stream: false, query: "" }), undefined);
  });
});

describe("generation", () => {
  test("every setting has its place, in either spelling", () => {
    const camel = config({
      maxOutputTokens: 9, temperature: 0.5, topP: 0.4, topK: 3, seed: 7, candidateCount: 2, stopSequences: ["x"], presencePenalty: 0.1,
      frequencyPenalty: 0.2, responseLogprobs: true, logprobs: 4,
    });
    const snake = requestOf(body({ generation_config: {
      max_output_tokens: 9, temperature: 0.5, top_p: 0.4, top_k: 3, seed: 7, candidate_count: 2, stop_sequences: ["x"], presence_penalty: 0.1,
      frequency_penalty: 0.2, response_logprobs: true, logprobs: 4,
    } }));
    const expected = request({
      surface: "gemini", maxOutputTokens: 9, temperature: 0.5, topP: 0.4, topK: 3, seed: 7, choiceCount: 2, stop: ["x"],
      presencePenalty: 0.1, frequencyPenalty: 0.2, logprobs: true, topLogprobs: 4,
    });
    assert.deepEqual(camel, expected);
    assert.deepEqual(snake, expected);
  });
  test("both spellings of one field are refused: nothing is priced as one and served as the other", () => {
    assert.equal(refusal(body({ generationConfig: {}, generation_config: {} })), "duplicate_field generationConfig");
    assert.equal(refusal(body({ generationConfig: { maxOutputTokens: 1, max_output_tokens: 9000 } })), "duplicate_field generationConfig.maxOutputTokens");
  });
  test("wrong types are named with their path, as it was written", () => {
    assert.equal(refusal(body({ generation_config: { max_output_tokens: "9" } })), "invalid_type generation_config.max_output_tokens");
    assert.equal(refusal(body({ generationConfig: { maxOutputTokens: 0 } })), "invalid_body generationConfig.maxOutputTokens");
    assert.equal(refusal(body({ generationConfig: { stopSequences: [1] } })), "invalid_type generationConfig.stopSequences[0]");
    assert.equal(refusal({}), "missing_field contents");
    assert.equal(refusal({ contents: [] }), "invalid_body contents");
    assert.equal(refusal(turns(["assistant", []])), "invalid_body contents[0].role");
    assert.equal(refusal({ contents: ["hi"] }), "invalid_type contents[0]");
    assert.equal(refusal(turns(["user", [{ text: "a", inlineData: {} }]])), "invalid_body contents[0].parts[0]");
  });
  test("a format is text, JSON, or JSON of a schema in either of its forms", () => {
    assert.equal(config({ responseMimeType: "text/plain" }).responseFormat, undefined);
    assert.deepEqual(config({ responseMimeType: "application/json" }).responseFormat, { kind: "json_object" });
    const expected = {
      kind: "json_schema", name: "response", description: undefined, strict: undefined,
      schema: { type: "object", properties: { a: { type: "integer" } } },
    };
    assert.deepEqual(config({ responseMimeType: "application/json", responseJsonSchema: expected.schema }).responseFormat, expected);
    assert.deepEqual(config({ responseMimeType: "application/json", responseSchema: { type: "OBJECT", properties: { a: { type: "INTEGER" } } } }).responseFormat, expected);
    assert.deepEqual(params(body({ generationConfig: { responseMimeType: "text/x.enum", responseSchema: { type: "STRING", enum: ["a"] } } })), ["generationConfig.responseMimeType"]);
  });
  test("a thinking level is an effort, and a budget too that stands for one; others stay budgets; -1 is the model's own choice", () => {
    const effort = (thinkingConfig: JsonObject): string | undefined => config({ thinkingConfig }).reasoningEffort;
    assert.equal(effort({ thinkingLevel: "HIGH" }), "high");
    assert.equal(effort({ thinkingLevel: "minimal", includeThoughts: true }), "minimal");
    assert.deepEqual([0, 512, 1024, 8192, 24_576, 30_000].map((thinkingBudget) => effort({ thinkingBudget })), ["none", "minimal", "low", "medium", "high", undefined]);
    assert.equal(effort({ thinkingBudget: -1 }), undefined);
    assert.equal(effort({ includeThoughts: true }), undefined);
    assert.deepEqual(config({ thinkingConfig: { thinkingBudget: 5000 } }).thinking, { type: "enabled", budget_tokens: 5000 });
    assert.deepEqual(parsed(body({ generationConfig: { thinkingConfig: { thinkingBudget: 5000 } } })).warnings, []);
  });
  test("the service tier is told in the hub's words", () => {
    assert.deepEqual(["standard", "flex", "unspecified", "SERVICE_TIER_PRIORITY"].map((serviceTier) => requestOf(body({ serviceTier })).serviceTier), ["default", "flex", undefined, "priority"]);
  });
});

describe("what only this dialect can carry", () => {
  test("case 02: a server tool is refused elsewhere by its name, functions beside it stay", () => {
    const read = parsed(body({ tools: [{ functionDeclarations: [{ name: "f" }] }, { googleSearch: {} }, { url_context: {}, codeExecution: {} }] }));
    assert.deepEqual(read.onlyHere.map(({ param }) => param), ["tools[1].googleSearch", "tools[2].url_context", "tools[2].codeExecution"]);
    assert.deepEqual(read.request.tools, [tool("f")]);
  });
  test("what would be another answer elsewhere is refused there", () => {
    assert.deepEqual(params(body({ cachedContent: "cachedContents/x" })), ["cachedContent"]);
    assert.deepEqual(params(body({ cached_content: "cachedContents/x" })), ["cached_content"]);
    assert.deepEqual(params(body({ generationConfig: { responseModalities: ["TEXT", "IMAGE"], speechConfig: {} } })), ["generationConfig.speechConfig", "generationConfig.responseModalities"]);
    assert.deepEqual(params(body({ generationConfig: { responseModalities: ["TEXT"] } })), []);
    assert.deepEqual(params(turns(["model", [{ executableCode: { language: "PYTHON", code: "1" } }, { codeExecutionResult: { outcome: "OUTCOME_OK" } }]])),
      ["contents[0].parts[0].executableCode", "contents[0].parts[1].codeExecutionResult"]);
    assert.deepEqual(params(turns(["user", [{ fileData: { fileUri: "gs://b/x.pdf" } }, { fileData: { fileUri: "https://youtu.be/x" } }, { fileData: { fileUri: "https://x.test/a.pdf" } }]])),
      ["contents[0].parts[0].fileData.fileUri", "contents[0].parts[1].fileData.fileUri"]);
  });
  test("case 02: what changes nothing elsewhere is named, and unknown fields pass", () => {
    const { warnings, onlyHere } = parsed(body({ safetySettings: [], labels: { a: "b" }, novelty: 1, generationConfig: { mediaResolution: "LOW", x_y: 2 }, spillway: {} }));
    assert.deepEqual(warnings.map((warning) => warning.split(" ")[0]), ["safetySettings", "labels", "novelty", "generationConfig.mediaResolution", "generationConfig.x_y"]);
    assert.deepEqual(onlyHere, []);
  });
});

describe("tools", () => {
  test("case 18: a restricted schema becomes JSON Schema, JSON Schema stays as it is", () => {
    const restricted = {
      type: "OBJECT", required: ["b"], propertyOrdering: ["b", "a"], nullable: true,
      properties: {
        a: { type: "STRING", format: "enum", enum: ["x"], nullable: true, maxLength: "5", example: "x" },
        b: { type: "ARRAY", min_items: "1", items: { any_of: [{ type: "NUMBER" }, { type: "BOOLEAN" }], nullable: true } },
      },
    };
    const schema = jsonSchemaOf(restricted);
    assert.deepEqual(schema, {
      type: ["object", "null"], required: ["b"],
      properties: {
        b: { type: "array", minItems: 1, items: { anyOf: [{ type: "number" }, { type: "boolean" }, { type: "null" }] } },
        a: { type: ["string", "null"], enum: ["x", null], maxLength: 5, examples: ["x"] },
      },
    });
    assert.deepEqual(Object.keys(schema["properties"] as object), ["b", "a"]);
    const ordinary = { $schema: "s", type: "object", properties: { type: { const: "A" } }, additionalProperties: false };
    const tools = [{ functionDeclarations: [{ name: "f", description: "d", parametersJsonSchema: ordinary }, { name: "g", parameters: restricted }] }];
    assert.deepEqual(requestOf(body({ tools })).tools, [{ ...tool("f", { parameters: ordinary }), description: "d" }, { ...tool("g"), parameters: schema }]);
    assert.deepEqual(jsonSchemaOf(ordinary), ordinary);
  });
  test("a calling mode is a choice", () => {
    const choice = (functionCallingConfig: JsonObject): unknown => requestOf(body({ toolConfig: { functionCallingConfig } })).toolChoice;
    assert.deepEqual(choice({ mode: "AUTO" }), { kind: "auto" });
    assert.deepEqual(choice({ mode: "VALIDATED" }), { kind: "auto" });
    assert.deepEqual(choice({ mode: "NONE" }), { kind: "none" });
    assert.deepEqual(choice({ mode: "ANY" }), { kind: "required" });
    assert.deepEqual(choice({ mode: "ANY", allowedFunctionNames: ["f"] }), { kind: "named", name: "f" });
    assert.deepEqual(choice({ mode: "any", allowed_function_names: ["f", "g"] }), { kind: "allowed", mode: "required", names: ["f", "g"] });
    assert.deepEqual(choice({ mode: "AUTO", allowedFunctionNames: ["f"] }), { kind: "allowed", mode: "auto", names: ["f"] });
    assert.equal(choice({}), undefined);
    assert.equal(refusal(body({ tool_config: { function_calling_config: { mode: "MAYBE" } } })), "invalid_body tool_config.function_calling_config.mode");
  });
});

describe("conversation", () => {
  test("instructions come first, in either spelling; fragments of one answer are one message", () => {
    const raw = turns(["user", [{ text: "a" }, { text: "b" }]], ["model", [{ text: "c" }]], ["model", [{ text: "" }]], ["model", [{ text: "d" }]], ["user", [{ text: "e" }]]);
    const expected = [system("s"), { role: "user", parts: [text("a"), text("b")], name: undefined }, assistant("cd"), user("e")];
    assert.deepEqual(requestOf({ ...raw, systemInstruction: { parts: [{ text: "s" }] } }).messages, expected);
    assert.deepEqual(requestOf({ ...raw, system_instruction: { parts: { text: "s" } } }).messages, expected);
    assert.deepEqual(requestOf({ contents: [{ parts: [{ text: "hi" }] }] }).messages, [user("hi")]);
  });
  test("media is what its type says", () => {
    const parts = requestOf(turns(["user", [
      { inlineData: { mimeType: "image/png", data: "A-_B" } }, { inline_data: { mime_type: "audio/mpeg", data: "QQ==" } },
      { inlineData: { mimeType: "application/pdf", data: "QQ==", displayName: "a.pdf" } }, { fileData: { mimeType: "image/png", fileUri: "https://x.test/1" } },
    ]])).messages[0]?.parts;
    assert.deepEqual(parts, [
      { kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "A+/B" }, detail: undefined, cacheControl: undefined },
      { kind: "audio", format: "mp3", base64: "QQ==" },
      { kind: "file", source: { kind: "base64", mediaType: "application/pdf", base64: "QQ==" }, filename: "a.pdf", cacheControl: undefined },
      { kind: "image", source: { kind: "url", url: "https://x.test/1" }, detail: undefined, cacheControl: undefined },
    ]);
  });
  test("case 14: results find their calls by id, else by name, and come before what the user says", () => {
    const raw = turns(
      ["model", [{ functionCall: { name: "f", args: { a: 1 } } }, { functionCall: { id: "x", name: "f" } }, { functionCall: { name: "g" } }]],
      ["user", [{ text: "go on" }, { functionResponse: { name: "g", response: { output: "G" } } }, { functionResponse: { id: "x", name: "f", response: { output: "X" } } }, { functionResponse: { name: "f", response: { output: "F" } } }]],
    );
    assert.deepEqual(requestOf(raw).messages, [
      assistant("", [call("call_gem_h_0", "f", `{"a":1}`), call("x", "f"), call("call_gem_h_1", "g")]),
      result("call_gem_h_1", "G"), result("x", "X"), result("call_gem_h_0", "F"), user("go on"),
    ]);
  });
  test("case 15: calls without ids get the same ids in every later turn, and their results by order", () => {
    const first = [["model", [{ functionCall: { name: "f" } }, { functionCall: { name: "f" } }]], ["function", [{ functionResponse: { name: "f", response: { a: 1 } } }, { functionResponse: { name: "f", response: { a: 2 } } }]]] as const;
    const early = requestOf(turns(...first)).messages;
    const late = requestOf(turns(...first, ["model", [{ functionCall: { name: "f" } }]], ["user", [{ functionResponse: { name: "f", response: { a: 3 } } }]])).messages;
    assert.deepEqual(late.slice(0, 3), early);
    assert.deepEqual(late.slice(1, 3), [result("call_gem_h_0", `{"a":1}`), result("call_gem_h_1", `{"a":2}`)]);
    assert.deepEqual(late.slice(3), [assistant("", [call("call_gem_h_2", "f")]), result("call_gem_h_2", `{"a":3}`)]);
  });
  test("a result without its call keeps its id, for the target to judge", () => {
    assert.deepEqual(requestOf(turns(["user", [{ functionResponse: { id: "gone", name: "f", response: { output: "x" } } }]])).messages, [result("gone", "x")]);
  });
  test("what a function said is text where it is text, and an error is one", () => {
    const answer = (response: JsonObject): unknown => {
      const [message] = requestOf(turns(["user", [{ functionResponse: { id: "i", name: "f", response } }]])).messages;
      return message?.role === "tool" ? [...message.parts.map((part) => (part.kind === "text" ? part.text : part.kind)), ...(message.isError === true ? ["failed"] : [])] : message;
    };
    assert.deepEqual(answer({ output: "plain" }), ["plain"]);
    assert.deepEqual(answer({ output: { a: 1 } }), [`{"a":1}`]);
    assert.deepEqual(answer({ name: "f", content: "from the AI SDK" }), ["from the AI SDK"]);
    assert.deepEqual(answer({ name: "other", content: "x" }), [`{"name":"other","content":"x"}`]);
    assert.deepEqual(answer({ content: "x" }), [`{"content":"x"}`]);
    assert.deepEqual(answer({ name: "f", error: "no" }), [`{"error":"no"}`, "failed"]);
    assert.deepEqual(answer({}), ["{}"]);
  });
  test("a result may hold media", () => {
    const raw = turns(["user", [{ functionResponse: { id: "i", name: "f", response: { output: "see" }, parts: [{ inlineData: { mimeType: "image/png", data: "QQ==" } }] } }]]);
    assert.deepEqual(requestOf(raw).messages[0]?.parts.map(({ kind }) => kind), ["text", "image"]);
  });
});

describe("reasoning state", () => {
  const reasoning = (...parts: readonly JsonObject[]): unknown => (requestOf(turns(["model", parts])).messages[0] as AssistantMessage).reasoning;

  test("case 22: what another maker signed comes back as it was, with its text shown or hidden", () => {
    const shown = wrap({ kind: "thinking", text: undefined, signature: "sig+/=" });
    assert.deepEqual(reasoning({ text: "th", thought: true }, { text: "ink", thought: true }, { text: "", thought: true, thoughtSignature: shown }, { text: "so" }),
      [{ kind: "thinking", text: "think", signature: "sig+/=" }]);
    const hidden = wrap({ kind: "thinking", text: "dächte", signature: "s" });
    assert.deepEqual(reasoning({ text: "", thoughtSignature: hidden }), [{ kind: "thinking", text: "dächte", signature: "s" }]);
    assert.deepEqual(reasoning({ text: "", thoughtSignature: hidden.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "") }), [{ kind: "thinking", text: "dächte", signature: "s" }]);
  });
  test("case 23: redacted blocks survive", () => {
    assert.deepEqual(reasoning({ text: "a", thought: true }, { text: "", thoughtSignature: wrap({ kind: "redacted", data: "blob" }) }),
      [{ kind: "thinking", text: "a", signature: undefined }, { kind: "redacted", data: "blob" }]);
  });
  test("case 26: a signature of this dialect's own stays on its call; the documented placeholder is none", () => {
    const signed = { functionCall: { id: "1", name: "f" }, thoughtSignature: "own" };
    const message = requestOf(turns(["model", [signed, { functionCall: { id: "2", name: "f" }, thought_signature: SKIP_SIGNATURE }]])).messages[0] as AssistantMessage;
    assert.deepEqual(message.toolCalls, [call("1", "f", "{}", "own"), call("2", "f")]);
  });
  test("case 29: a signature of this dialect's own does not go to another maker, and that is told", () => {
    const raw = turns(["model", [{ text: "a", thought: true, thoughtSignature: "own" }, { text: "b" }]]);
    assert.deepEqual((requestOf(raw).messages[0] as AssistantMessage).reasoning, [{ kind: "thinking", text: "a", signature: undefined }]);
    assert.match(parsed(raw).warnings.join(), /only their maker reads them/);
  });
});

describe("bytes that pass", () => {
  function passed(source: string, stream = false): { path: string; text: string } {
    const bytes = new TextEncoder().encode(source);
    const scan = scanBody(bytes);
    assert.ok(scan.kind === "object");
    const raw = JSON.parse(source) as JsonObject;
    const asked = outside({ stream, query: "alt=sse" });
    const request = parsed(raw, asked).request;
    const { path, edits } = geminiClient.pass({ bytes, scan, raw, request, outside: asked }, target("gemini-3-pro"));
    return { path, text: new TextDecoder().decode(splice(bytes, edits)) };
  }
  const source = ` {"contents" : [{"parts":[{"text":"\\u00fc"}]}],  "future":1.0 }`;

  test("case 01: every byte passes, under the target's name and the method that was asked", () => {
    assert.deepEqual(passed(source), { path: "/models/gemini-3-pro:generateContent", text: source });
    assert.equal(passed(source, true).path, "/models/gemini-3-pro:streamGenerateContent?alt=sse");
  });
  test("our own member is taken out", () => {
    assert.equal(passed(source.replace(`"future"`, `"spillway":{"a":[1]}, "future"`)).text, source);
  });
  test("case 29: what another maker signed is emptied in place, wherever it only looks like it stays", () => {
    const signature = wrap({ kind: "redacted", data: "x" });
    const quoted = JSON.stringify(`"thoughtSignature":"${signature}"`);
    const with_ = (value: string): string => `{"contents":[{"role":"model","parts":[{"text":${quoted}},{"text":"ö","thoughtSignature" : "${value}"},{"text":"","thoughtSignature":"own"}]}]}`;
    assert.equal(passed(with_(signature)).text, with_(""));
    assert.equal(passed(with_("own")).text, with_("own"));
  });
});
