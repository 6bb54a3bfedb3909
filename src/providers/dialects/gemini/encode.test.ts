/** Requests as they leave. Case numbers are those of the project's list of tricky translations. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { ChatRequest, ImagePart } from "../../../wire/chat.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { MARKED } from "../test-foreign.ts";
import { SKIP_SIGNATURE } from "./contents.ts";
import { modelPath } from "./encode.ts";
import { gemini } from "./index.ts";
import { assistant, call, encoded, refusedParam, request, result, streamed, system, target, text, tool, user, chunk } from "./test-support.ts";

const GEMINI_3 = target("gemini-3-pro-preview");

function contents(fields: Partial<ChatRequest>, to = target()): Json {
  return encoded(fields, to).body["contents"] as Json;
}
function generation(fields: Partial<ChatRequest>, to = target()): JsonObject {
  return (encoded(fields, to).body["generationConfig"] ?? {}) as JsonObject;
}
function image(url: string, detail?: string): ImagePart {
  const base64 = /^data:([^;]+);base64,(.*)$/.exec(url);
  const source = base64 === null ? { kind: "url" as const, url } : { kind: "base64" as const, mediaType: base64[1] ?? "", base64: base64[2] ?? "" };
  return { kind: "image", source, detail, cacheControl: undefined };
}

describe("path", () => {
  test("names the model and the method, streams as SSE", () => {
    assert.equal(encoded({}).path, "/models/gemini-2.5-flash:generateContent");
    assert.equal(encoded({ stream: true }).path, "/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
  });
  test("cannot be led elsewhere by a model name", () => {
    assert.equal(modelPath("models/gemini-2.5-pro"), "/models/gemini-2.5-pro");
    assert.equal(modelPath("a/b c:d?x#y"), "/models/a%2Fb%20c%3Ad%3Fx%23y");
    assert.equal(modelPath("../../v1/files"), "/models/..%2F..%2Fv1%2Ffiles");
    assert.equal(modelPath("a\ud800"), "/models/a%EF%BF%BD");
    assert.equal(modelPath("tunedModels/.."), "/models/tunedModels%2F..");
    assert.equal(modelPath("tunedModels/mine-1"), "/tunedModels/mine-1");
    assert.equal(modelPath("publishers/google/models/gemini-2.5-pro@001"), "/publishers/google/models/gemini-2.5-pro@001");
  });
});

describe("conversation", () => {
  test("system and developer messages become the system instruction, in order", () => {
    const body = encoded({ messages: [system("a"), { ...system("b"), role: "developer" }, user("hi")] }).body;
    assert.deepEqual(body["systemInstruction"], { parts: [{ text: "a" }, { text: "b" }] });
    assert.deepEqual(body["contents"], [{ role: "user", parts: [{ text: "hi" }] }]);
  });
  test("a system message in the middle is moved, and that is told", () => {
    const made = encoded({ messages: [user("hi"), system("late"), user("again")] });
    assert.deepEqual(made.body["systemInstruction"], { parts: [{ text: "late" }] });
    assert.deepEqual(made.body["contents"], [{ role: "user", parts: [{ text: "hi" }, { text: "again" }] }]);
    assert.match(made.warnings.join(), /moved to its beginning/);
  });
  test("consecutive messages of one role are one turn", () => {
    assert.deepEqual(contents({ messages: [user("a"), user("b"), assistant("c"), assistant("d"), user("e")] }), [
      { role: "user", parts: [{ text: "a" }, { text: "b" }] },
      { role: "model", parts: [{ text: "c" }, { text: "d" }] },
      { role: "user", parts: [{ text: "e" }] },
    ]);
  });
  test("instructions alone are sent as what the user says, nothing at all is refused", () => {
    const made = encoded({ messages: [system("be brief")] });
    assert.deepEqual(made.body["contents"], [{ role: "user", parts: [{ text: "be brief" }] }]);
    assert.equal(made.body["systemInstruction"], undefined);
    assert.equal(refusedParam({ messages: [user("")] }), "messages");
  });
});

describe("tools", () => {
  test("case 8: results of parallel calls are one user turn in the order of the calls, before what the user says", () => {
    const made = contents({
      messages: [user("q"), assistant("", [call("a", "f"), call("b", "g"), call("c", "f")]), result("c", "3"), result("a", "1"), result("b", "2"), user("and?")],
    });
    assert.deepEqual((made as Json[])[2], {
      role: "user",
      parts: [
        { functionResponse: { name: "f", response: { output: "1" }, id: "a" } },
        { functionResponse: { name: "g", response: { output: "2" }, id: "b" } },
        { functionResponse: { name: "f", response: { output: "3" }, id: "c" } },
        { text: "and?" },
      ],
    });
  });
  test("case 11: a call without arguments goes out as {}", () => {
    for (const args of ["", "{}", "null", "  "]) {
      const parts = (contents({ messages: [user("q"), assistant("", [call("a", "f", args)])] }) as { parts: Json }[])[1]?.parts;
      assert.deepEqual(parts, [{ functionCall: { name: "f", args: {}, id: "a" } }], args);
    }
  });
  test("case 14: the name of a result comes from the call of that id, a result without a call is refused", () => {
    const messages = [user("q"), assistant("", [call("x1", "first")]), result("x1", '{"temp":15}'), assistant("", [call("x2", "second")]), result("x2", "plain")];
    const turns = contents({ messages }) as { parts: Json }[];
    assert.deepEqual(turns[2]?.parts, [{ functionResponse: { name: "first", response: { temp: 15 }, id: "x1" } }]);
    assert.deepEqual(turns[4]?.parts, [{ functionResponse: { name: "second", response: { output: "plain" }, id: "x2" } }]);
    assert.equal(refusedParam({ messages: [user("q"), result("nobody", "1")] }), "messages[1].tool_call_id");
  });
  test("a result that is no object, or would lose digits, stays text", () => {
    for (const value of ["[1]", "5", '"x"', '{"id":12345678901234567890}', "{broken"]) {
      const turns = contents({ messages: [user("q"), assistant("", [call("a", "f")]), result("a", value)] }) as { parts: Json }[];
      assert.deepEqual(turns[2]?.parts, [{ functionResponse: { name: "f", response: { output: value }, id: "a" } }]);
    }
  });
  test("arguments that are no object are refused", () => {
    assert.equal(refusedParam({ messages: [user("q"), assistant("", [call("a", "f", "[1]")])] }), "messages[1].tool_calls[0].function.arguments");
  });
  test("case 15: an id that was minted here is not sent to the model that never saw it", () => {
    const events = streamed([chunk([{ functionCall: { name: "f", args: { a: 1 } } }], "STOP")]);
    const started = events.find((event) => event.kind === "tool-start");
    assert.ok(started?.kind === "tool-start");
    const turns = contents({ messages: [user("q"), assistant("", [call(started.id, "f", '{"a":1}')]), result(started.id, "ok")] }) as { parts: Json }[];
    assert.deepEqual(turns[1]?.parts, [{ functionCall: { name: "f", args: { a: 1 } } }]);
    assert.deepEqual(turns[2]?.parts, [{ functionResponse: { name: "f", response: { output: "ok" } } }]);
  });
  test("case 18: schemas go as JSON Schema, every keyword kept", () => {
    const schema = { $schema: "http://json-schema.org/draft-07/schema#", type: "object", properties: { a: { const: 1, exclusiveMinimum: 0 } }, additionalProperties: false };
    const made = encoded({ tools: [tool("f", { parameters: schema }), tool("g")] });
    assert.deepEqual(made.body["tools"], [{ functionDeclarations: [{ name: "f", parametersJsonSchema: schema }, { name: "g" }] }]);
    assert.deepEqual(generation({ responseFormat: { kind: "json_schema", name: "n", description: undefined, schema, strict: true } }), {
      responseMimeType: "application/json", responseJsonSchema: schema,
    });
  });
  test("case 20: a name beyond the limits is changed alike everywhere and mapped back in the answer", () => {
    const long = "x".repeat(80);
    const names = [long, `${long}y`, "1 bad näme", "fine.name:1-2", "__proto__"];
    const made = encoded({
      tools: names.map((name) => tool(name)), toolChoice: { kind: "named", name: long },
      messages: [user("q"), assistant("", [call("a", long)]), result("a", "1")],
    });
    const sent = (made.body["tools"] as unknown as { functionDeclarations: { name: string }[] }[])[0]?.functionDeclarations.map(({ name }) => name) ?? [];
    assert.equal(new Set(sent).size, names.length);
    for (const name of sent) assert.match(name, /^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/);
    assert.deepEqual(sent.slice(3), ["fine.name:1-2", "__proto__"]);
    const turns = made.body["contents"] as unknown as { parts: { functionCall?: { name: string }; functionResponse?: { name: string } }[] }[];
    assert.equal(turns[1]?.parts[0]?.functionCall?.name, sent[0]);
    assert.equal(turns[2]?.parts[0]?.functionResponse?.name, sent[0]);
    assert.deepEqual(made.body["toolConfig"], { functionCallingConfig: { mode: "ANY", allowedFunctionNames: [sent[0]] } });
    const context = { usage: {} as never, upstreamModel: "m", renames: made.renames ?? {} };
    const back = streamed([chunk(sent.map((name) => ({ functionCall: { name, args: {} } })), "STOP")], true, context);
    assert.deepEqual(back.flatMap((event) => (event.kind === "tool-start" ? [event.name] : [])), names);
  });
  test("names that fit leave no renames behind", () => assert.equal("renames" in encoded({ tools: [tool("f")] }), false));
  test("case 26: signatures go back on their calls; the first call of a step without one gets the documented value", () => {
    const messages = [
      user("q"), assistant("", [call("a", "f", "{}", "sig-a"), call("b", "f")]), result("a", "1"), result("b", "2"),
      assistant("", [call("c", "f"), call("d", "f")]), result("c", "3"), result("d", "4"),
    ];
    const signatures = (to = target()) =>
      (contents({ messages }, to) as unknown as { role: string; parts: { thoughtSignature?: string }[] }[])
        .filter(({ role }) => role === "model").map(({ parts }) => parts.map((part) => part.thoughtSignature));
    assert.deepEqual(signatures(GEMINI_3), [["sig-a", undefined], [SKIP_SIGNATURE, undefined]]);
    assert.deepEqual(signatures(target("gemini-pro-latest")), [["sig-a", undefined], [SKIP_SIGNATURE, undefined]]);
    assert.deepEqual(signatures(target("gemini-2.5-pro")), [["sig-a", undefined], [undefined, undefined]]);
    assert.equal(SKIP_SIGNATURE, "skip_thought_signature_validator");
  });
  test("tool choice in all its forms", () => {
    const tools = [tool("f"), tool("g")];
    const config = (toolChoice: ChatRequest["toolChoice"]) => encoded({ tools, toolChoice }).body["toolConfig"];
    assert.equal(config(undefined), undefined);
    assert.deepEqual(config({ kind: "none" }), { functionCallingConfig: { mode: "NONE" } });
    assert.deepEqual(config({ kind: "auto" }), { functionCallingConfig: { mode: "AUTO" } });
    assert.deepEqual(config({ kind: "required" }), { functionCallingConfig: { mode: "ANY" } });
    assert.deepEqual(config({ kind: "named", name: "g" }), { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["g"] } });
    assert.deepEqual(config({ kind: "allowed", mode: "required", names: ["f"] }), { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["f"] } });
    const allowed = encoded({ tools, toolChoice: { kind: "allowed", mode: "auto", names: ["g"] } }).body;
    assert.deepEqual([allowed["tools"], allowed["toolConfig"]], [[{ functionDeclarations: [{ name: "g" }] }], { functionCallingConfig: { mode: "AUTO" } }]);
  });
  test("a tool of another type is refused by its place and type", () => {
    const made = gemini.encodeChat(request({ tools: [tool("f"), { kind: "other", type: "web_search", raw: { type: "web_search" } }] }), target());
    assert.deepEqual(made, { kind: "unsupported", param: "tools[1].type", message: 'tools of type "web_search" cannot be sent to this provider' });
  });
  test("tools beside a JSON format are refused for generations that cannot, sent for those that can", () => {
    const fields = { tools: [tool("f")], responseFormat: { kind: "json_object" } } as const;
    assert.equal(refusedParam(fields, target("gemini-2.5-flash")), "response_format");
    assert.equal(refusedParam({ ...fields, toolChoice: { kind: "none" } }, target("gemini-2.5-flash")), undefined);
    assert.equal(refusedParam(fields, GEMINI_3), undefined);
    assert.equal(refusedParam(fields, target("some-model")), undefined);
  });
});

describe("media", () => {
  const parts = (part: ImagePart) => (contents({ messages: [{ role: "user", parts: [text("see"), part], name: undefined }] }) as { parts: Json[] }[])[0]?.parts[1];
  test("a data URI goes as bytes, whether or not it was taken apart before", () => {
    const inline = { inlineData: { mimeType: "image/png", data: "aGk=" } };
    assert.deepEqual(parts(image("data:image/png;base64,aGk=")), inline);
    assert.deepEqual(parts({ kind: "image", source: { kind: "url", url: "data:image/png;base64,aGk=" }, detail: undefined, cacheControl: undefined }), inline);
  });
  test("a Google file goes by its URI", () => {
    const uri = "https://generativelanguage.googleapis.com/v1beta/files/abc123";
    assert.deepEqual(parts(image(uri)), { fileData: { fileUri: uri } });
    assert.deepEqual(parts(image("gs://bucket/photo.png")), { fileData: { mimeType: "image/png", fileUri: "gs://bucket/photo.png" } });
  });
  test("case 38: any other URL is refused with what to send instead", () => {
    for (const url of ["https://example.com/a.png", "https://generativelanguage.googleapis.com.evil.example/files/x", "http://generativelanguage.googleapis.com/files/x"]) {
      const made = gemini.encodeChat(request({ messages: [{ role: "user", parts: [image(url)], name: undefined }] }), target());
      assert.ok(made.kind === "unsupported", url);
      assert.equal(made.param, "messages[0].content[0].image_url.url");
      assert.match(made.message, /bytes.*base64/);
    }
  });
  test("files and audio go as bytes, a file id of another provider is refused", () => {
    const pdf = { kind: "file", source: { kind: "base64", mediaType: "application/pdf", base64: "cGRm" }, filename: "a.pdf", cacheControl: undefined } as const;
    const made = encoded({ messages: [{ role: "user", parts: [pdf, { kind: "audio", format: "wav", base64: "d2F2" }], name: undefined }] });
    assert.deepEqual(made.body["contents"], [{ role: "user", parts: [
      { inlineData: { mimeType: "application/pdf", data: "cGRm" } }, { inlineData: { mimeType: "audio/wav", data: "d2F2" } },
    ] }]);
    assert.deepEqual(made.warnings, ["filename of a file is not carried"]);
    const foreign = { ...pdf, source: { kind: "id", id: "file-abc" } } as const;
    assert.equal(refusedParam({ messages: [{ role: "user", parts: [foreign], name: undefined }] }), "messages[0].content[0].file.file_id");
  });
  test("images in a tool result go inside it where the generation allows, else after all results", () => {
    const messages = [user("q"), assistant("", [call("a", "f"), call("b", "f")]), { role: "tool", toolCallId: "a", parts: [text("see"), image("data:image/png;base64,aGk=")] } as const, result("b", "2")];
    const inlineData = { mimeType: "image/png", data: "aGk=" };
    const [inside, after] = [GEMINI_3, target()].map((to) => (contents({ messages }, to) as unknown as { parts: Json[] }[])[2]?.parts);
    const of = (id: string, output: string, more: JsonObject = {}) => ({ functionResponse: { name: "f", response: { output }, id, ...more } });
    assert.deepEqual(inside, [of("a", "see", { parts: [{ inlineData }] }), of("b", "2")]);
    assert.deepEqual(after, [of("a", "see"), of("b", "2"), { inlineData }]);
  });
});

describe("settings", () => {
  test("each goes where the API has it", () => {
    assert.deepEqual(
      generation({
        maxOutputTokens: 10, temperature: 0, topP: 0.5, topK: 4, seed: 7, presencePenalty: 0.1, frequencyPenalty: -0.2, choiceCount: 2, stop: ["a", "b"],
        logprobs: true, topLogprobs: 3, responseFormat: { kind: "json_object" },
      }),
      {
        maxOutputTokens: 10, temperature: 0, topP: 0.5, topK: 4, seed: 7, presencePenalty: 0.1, frequencyPenalty: -0.2, candidateCount: 2, stopSequences: ["a", "b"],
        responseLogprobs: true, logprobs: 3, responseMimeType: "application/json",
      },
    );
    assert.equal("generationConfig" in encoded({}).body, false);
  });
  test("logit_bias is refused unless empty", () => {
    assert.equal(refusedParam({ logitBias: { "50256": -100 } }), "logit_bias");
    assert.equal(refusedParam({ logitBias: {} }), undefined);
  });
  test("effort becomes a level for generation 3, the nearest offered one and a warning where that differs", () => {
    const pro = target("gemini-3-pro-preview", { reasoningEfforts: ["low", "high"] });
    const level = (reasoningEffort: string, to = GEMINI_3) => [generation({ reasoningEffort }, to)["thinkingConfig"], encoded({ reasoningEffort }, to).warnings.length];
    for (const effort of ["minimal", "low", "medium", "high"]) assert.deepEqual(level(effort), [{ thinkingLevel: effort, includeThoughts: true }, 0]);
    assert.deepEqual(level("medium", pro), [{ thinkingLevel: "high", includeThoughts: true }, 1]);
    assert.deepEqual(level("minimal", pro), [{ thinkingLevel: "low", includeThoughts: true }, 1]);
    assert.deepEqual(level("xhigh", pro), [{ thinkingLevel: "high", includeThoughts: true }, 1]);
    assert.deepEqual(level("none", pro), [{ thinkingLevel: "low" }, 1]);
  });
  test("effort becomes a budget for generation 2.5, within what the model takes", () => {
    const budget = (reasoningEffort: string, model = "gemini-2.5-flash") => generation({ reasoningEffort }, target(model))["thinkingConfig"];
    assert.deepEqual(budget("none"), { thinkingBudget: 0 });
    assert.deepEqual(budget("minimal"), { thinkingBudget: 512, includeThoughts: true });
    assert.deepEqual(budget("low"), { thinkingBudget: 1024, includeThoughts: true });
    assert.deepEqual(budget("medium"), { thinkingBudget: 8192, includeThoughts: true });
    assert.deepEqual(budget("high"), { thinkingBudget: 24_576, includeThoughts: true });
    assert.deepEqual(budget("max"), { thinkingBudget: 24_576, includeThoughts: true });
    assert.deepEqual(budget("none", "gemini-2.5-pro"), { thinkingBudget: 128 });
    assert.deepEqual(budget("max", "gemini-2.5-pro"), { thinkingBudget: 32_768, includeThoughts: true });
    assert.deepEqual(generation({ thinking: { type: "enabled", budget_tokens: 2000 } })["thinkingConfig"], { thinkingBudget: 2000, includeThoughts: true });
    assert.deepEqual(generation({ thinking: { type: "disabled" } })["thinkingConfig"], { thinkingBudget: 0 });
  });
  test("effort for a model that does not think is named in a warning", () => {
    const made = encoded({ reasoningEffort: "high" }, target("gemini-2.0-flash"));
    assert.equal(made.body["generationConfig"], undefined);
    assert.match(made.warnings.join(), /reasoning_effort is not sent/);
  });
});

describe("what cannot be carried", () => {
  test("is named in a warning, one sentence each", () => {
    const made = encoded({
      user: "u", metadata: { a: "b" }, serviceTier: "scale", parallelToolCalls: false, tools: [tool("f", { strict: true }), tool("g", { strict: true })],
      other: { prompt_cache_key: "k", verbosity: "low", store: true }, messages: [{ ...user("hi"), name: "bob" }],
    });
    for (const word of ["user", "metadata", 'service_tier "scale"', "parallel_tool_calls", "strict", "prompt_cache_key", "verbosity", "store", "name of a message"]) {
      assert.equal(made.warnings.filter((warning) => warning.includes(word)).length, 1, `${word} in ${made.warnings.join("; ")}`);
    }
  });
  test("of service tiers: those that the maker's hosts know go there, and are named elsewhere", () => {
    const plain = target("gemini-2.5-pro");
    const own = { ...plain, provider: { ...plain.provider, kind: "maker" as const } };
    for (const tier of ["flex", "priority"]) {
      assert.deepEqual([encoded({ serviceTier: tier }, own).body["serviceTier"], encoded({ serviceTier: tier }, own).warnings], [tier, []]);
      const elsewhere = encoded({ serviceTier: tier }, { ...own, provider: { ...own.provider, kind: "host" } });
      assert.deepEqual([elsewhere.body["serviceTier"], elsewhere.warnings], [undefined, [`service_tier "${tier}" is not carried`]]);
    }
  });
  test("is not named where the value asks for what happens anyway", () => {
    const made = encoded({ serviceTier: "auto", parallelToolCalls: true, metadata: {}, other: { store: false, modalities: ["text"], audio: null } });
    assert.deepEqual(made.warnings, []);
  });
  test("is refused where leaving it out would be another request", () => {
    for (const [key, value] of Object.entries({ web_search_options: {}, functions: [], audio: { voice: "a" }, modalities: ["text", "audio"] })) {
      assert.equal(refusedParam({ other: { [key]: value } }), key);
    }
    const strange = { kind: "other", type: "video_url", raw: {} } as const;
    assert.equal(refusedParam({ messages: [{ role: "user", parts: [strange], name: undefined }] }), "messages[0].content[0].type");
  });
  test("case 29: reasoning that another provider signed is left out with one warning, visible text and calls stay", () => {
    const messages = [
      user("q"),
      { ...assistant("thinking done", [call("a", "f")]), reasoning: [{ kind: "thinking", text: "hm", signature: "ErUB-other" }, { kind: "redacted", data: "x" }] } as const,
      result("a", "1"),
      { ...assistant("so"), reasoning: [{ kind: "thinking", text: "again", signature: undefined }] } as const,
      user("next"),
    ];
    const made = encoded({ messages });
    assert.equal(JSON.stringify(made.body).includes("ErUB-other"), false);
    assert.deepEqual((made.body["contents"] as unknown as { parts: Json[] }[])[1]?.parts, [{ text: "thinking done" }, { functionCall: { name: "f", args: {}, id: "a" } }]);
    assert.equal(made.warnings.length, 1);
    assert.match(made.warnings[0] ?? "", /reasoning was left out/);
  });
});

test("whatever the messages, encoding never throws, roles alternate and no part is empty", () => {
  const calls = fc.array(fc.record({ id: fc.constantFrom("a", "b", "c"), name: fc.string(), argumentsJson: fc.constantFrom("", "{}", "null", '{"a":[1]}'), thoughtSignature: fc.constantFrom(undefined, "s") }), { maxLength: 3 });
  const message = fc.oneof(
    fc.string().map(user), fc.string().map(system), fc.tuple(fc.string(), calls).map(([said, made]) => assistant(said, made)),
    fc.tuple(fc.constantFrom("a", "b", "c"), fc.string()).map(([id, said]) => result(id, said)),
  );
  fc.assert(fc.property(fc.array(message, { maxLength: 12 }), fc.constantFrom("gemini-3-pro", "gemini-2.5-pro", "x"), (messages, model) => {
    const made = gemini.encodeChat(request({ messages }), target(model));
    if (made.kind !== "encoded") return;
    const turns = made.body["contents"] as unknown as { role: string; parts: JsonObject[] }[];
    assert.ok(turns.length > 0);
    turns.forEach((turn, i) => {
      assert.notEqual(turn.role, turns[i - 1]?.role);
      assert.ok(turn.parts.length > 0 && turn.parts.every((part) => part["text"] !== ""));
    });
  }));
});

describe("requests of other dialects' clients", () => {
  test("what a failed tool said stands under error, and where it has one already it stays as it is", () => {
    const response = (output: string) => {
      const turns = contents({ messages: [user("x"), assistant("", [call("a", "f")]), { ...result("a", output), isError: true }] }) as { parts: { functionResponse: { response: Json } }[] }[];
      return turns[2]?.parts[0]?.functionResponse.response;
    };
    assert.deepEqual(response("no such file"), { error: "no such file" });
    assert.deepEqual(response('{"code":2}'), { error: { code: 2 } });
    assert.deepEqual(response('{"error":"gone"}'), { error: "gone" });
    assert.deepEqual(response('{"output":1}'), { error: { output: 1 } });
    assert.deepEqual(response(""), { error: "failed" });
  });

  test("case 29: a signature that bears our mark is of another maker and is not sent as one of this", () => {
    for (const marked of MARKED) {
      const turns = contents({ messages: [user("x"), assistant("", [call("a", "f", "{}", marked)]), result("a", "y")] }, GEMINI_3) as { parts: { thoughtSignature: string }[] }[];
      assert.equal(turns[1]?.parts[0]?.thoughtSignature, SKIP_SIGNATURE);
    }
  });

  test("thinking that is switched off outweighs an effort beside it; an output limit is kept to the model's", () => {
    const fields: Partial<ChatRequest> = { surface: "anthropic-messages", thinking: { type: "disabled" }, reasoningEffort: "high", maxOutputTokens: 128_000 };
    const config = generation(fields, target("gemini-2.5-flash", { maxOutput: 65_536 }));
    assert.deepEqual(config, { maxOutputTokens: 65_536, thinkingConfig: { thinkingBudget: 0 } });
    assert.equal(generation({ ...fields, surface: "gemini" }, target("gemini-2.5-flash", { maxOutput: 65_536 }))["maxOutputTokens"], 128_000);
  });
});
