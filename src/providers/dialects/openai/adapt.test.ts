/** Requests of other dialects' clients as chat hosts get them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ChatRequest, Message, Part } from "../../../wire/chat.ts";
import type { DialectId, ModelFacts } from "../../../wire/facts.ts";
import { asArray, member, type Json, type JsonObject } from "../../../wire/json.ts";
import { assistant, call, request, result, system, text, tool, user } from "../anthropic/test-hub.ts";
import type { DecodeContext, EncodedRequest, Target } from "../dialect.ts";
import { MARKED, targetOf } from "../test-foreign.ts";
import { plainUsage } from "./test-target.ts";
import { openaiChat } from "./upstream.ts";

const CACHED = { type: "ephemeral" };

function to(facts?: Partial<ModelFacts>, quirks: Target["provider"]["quirks"] = {}, name = "their-model"): Target {
  return targetOf("openai-chat", name, facts, quirks);
}
function encoded(fields: Partial<ChatRequest>, target: Target = to(), surface: DialectId = "anthropic-messages"): EncodedRequest {
  const made = openaiChat.encodeChat(request({ surface, ...fields }), target);
  assert.ok(made.kind === "encoded", JSON.stringify(made));
  return made;
}
function refusedParam(fields: Partial<ChatRequest>, target: Target = to()): string {
  const made = openaiChat.encodeChat(request({ surface: "anthropic-messages", ...fields }), target);
  assert.ok(made.kind === "unsupported", JSON.stringify(made));
  return made.param;
}
const messagesOf = ({ body }: EncodedRequest): readonly JsonObject[] => asArray(body["messages"]) as readonly JsonObject[];
const image: Part = { kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "AAAA" }, detail: undefined, cacheControl: undefined };

describe("reasoning asked in another dialect's form", () => {
  const sent = (fields: Partial<ChatRequest>, facts?: Partial<ModelFacts>) => {
    const { body, warnings } = encoded(fields, to(facts));
    assert.equal("thinking" in body, false);
    return [body["reasoning_effort"], warnings.length] as const;
  };
  const knows = (...reasoningEfforts: readonly string[]): Partial<ModelFacts> => ({ reasoning: true, reasoningEfforts });
  const budget = (tokens: number) => ({ thinking: { type: "enabled", budget_tokens: tokens } });

  test("a budget becomes the nearest effort that the model knows, and is named", () => {
    assert.deepEqual(sent(budget(1_024), knows("minimal", "low", "medium", "high")), ["low", 1]);
    assert.deepEqual(sent(budget(8_000), knows("low", "medium", "high")), ["medium", 1]);
    assert.deepEqual(sent(budget(31_999), knows("low", "medium", "high", "xhigh")), ["high", 1]);
    assert.deepEqual(sent(budget(8_000), knows("high", "max")), ["high", 1]);
    assert.deepEqual(sent(budget(8_000)), ["medium", 1]);
  });

  test("thinking switched off is the weakest effort known, whatever effort stands beside it; of an unknown model it is left out", () => {
    const off = { thinking: { type: "disabled" } };
    assert.deepEqual(sent(off, knows("none", "low", "high")), ["none", 0]);
    assert.deepEqual(sent({ ...off, reasoningEffort: "high" }, knows("none", "low", "high")), ["none", 1]);
    assert.deepEqual(sent({ ...budget(9_000), reasoningEffort: "high" }, knows("low", "high")), ["high", 1]);
    assert.deepEqual(sent(off, knows("minimal", "low")), ["minimal", 1]);
    assert.deepEqual(sent(off), [undefined, 1]);
    assert.deepEqual(sent(off, { reasoning: false }), [undefined, 0]);
  });

  test("efforts that a model does not know are sent as the next weaker one, and never as none", () => {
    assert.deepEqual(sent({ reasoningEffort: "xhigh" }, knows("low", "medium", "high")), ["high", 1]);
    assert.deepEqual(sent({ reasoningEffort: "max" }), ["high", 1]);
    assert.deepEqual(sent({ reasoningEffort: "minimal" }, knows("none", "low")), ["low", 1]);
    assert.deepEqual(sent({ reasoningEffort: "high" }, knows("none", "default")), [undefined, 1]);
    assert.deepEqual(sent({ reasoningEffort: "brand new" }, knows("low")), [undefined, 1]);
    assert.deepEqual(sent({ reasoningEffort: "high" }, knows("low", "high")), ["high", 0]);
  });

  test("a model known not to reason is asked for none; adaptive thinking leaves it to the model", () => {
    assert.deepEqual(sent({ reasoningEffort: "high" }, { reasoning: false }), [undefined, 1]);
    assert.deepEqual(sent(budget(5_000), { reasoning: false }), [undefined, 1]);
    assert.deepEqual(sent({ thinking: { type: "adaptive" } }, knows("low")), [undefined, 0]);
  });

  test("what a client of this dialect wrote goes as it is", () => {
    const fields = { thinking: { type: "enabled", budget_tokens: 5 }, reasoningEffort: "brand new", maxOutputTokens: 1_000_000 };
    const made = openaiChat.encodeChat(request(fields), to({ reasoning: false, maxOutput: 10 }));
    assert.ok(made.kind === "encoded");
    assert.deepEqual([made.body["thinking"], made.body["reasoning_effort"], made.body["max_completion_tokens"], made.warnings], [fields.thinking, "brand new", 1_000_000, []]);
  });
});

describe("results of tools", () => {
  const asked = assistant({ toolCalls: [call("c1", "look"), call("c2", "look")] });

  test("case 8: text goes into each result, what else they hold follows the last of them, before what the user says", () => {
    const made = encoded({ messages: [user("x"), asked, result("c1", "a cat", image), result("c2", image), user("well?")], tools: [tool("look")] });
    const [, , first, second, after] = messagesOf(made);
    assert.deepEqual([first?.["content"], second?.["content"]], ["a cat\n[1 attached: see the next user message]", "[1 attached: see the next user message]"]);
    assert.deepEqual(asArray(after?.["content"]).map((part) => member(part, "text") ?? member(part, "type")), [
      "[attached to the result of c1]", "image_url", "[attached to the result of c2]", "image_url", "well?",
    ]);
    assert.equal(messagesOf(encoded({ messages: [user("x"), asked, result("c1", image)], tools: [tool("look")] })).at(-1)?.["role"], "user");
  });

  test("that a tool failed is said in words, also where it said none", () => {
    const failed = (...parts: readonly (string | Part)[]): Message => ({ ...(result("c1", ...parts) as Extract<Message, { role: "tool" }>), isError: true });
    const made = encoded({ messages: [user("x"), asked, failed("no such file"), failed()], tools: [tool("look")] });
    assert.deepEqual(messagesOf(made).slice(2).map((message) => message["content"]), ["[error] no such file", "[error]"]);
    assert.deepEqual(made.warnings, []);
  });

  test("case 13: long ids are shortened alike on both sides; a host of nine-letter ids gets those from every client", () => {
    const long = `call_gem_${"r".repeat(60)}`;
    const history = [user("x"), assistant({ toolCalls: [call(long, "look")] }), result(long, "y")];
    const ids = (made: EncodedRequest) => {
      const [, calls, answer] = messagesOf(made);
      return [member(asArray(calls?.["tool_calls"])[0], "id"), answer?.["tool_call_id"]];
    };
    const [id, again] = ids(encoded({ messages: history }));
    assert.equal(id, again);
    assert.match(`${id as string}`, /^[a-zA-Z0-9_-]{1,40}$/);
    const nine = to(undefined, { nineLetterCallIds: true });
    const own = openaiChat.encodeChat(request({ messages: history }), nine);
    assert.ok(own.kind === "encoded");
    for (const made of [encoded({ messages: history }, nine), own]) {
      const [one, other] = ids(made);
      assert.equal(one, other);
      assert.match(`${one as string}`, /^[a-zA-Z0-9]{9}$/);
    }
    assert.deepEqual(ids(encoded({ messages: [user("x"), assistant({ toolCalls: [call("abcDEF123", "look")] }), result("abcDEF123", "y")] }, nine)), ["abcDEF123", "abcDEF123"]);
  });
});

describe("messages", () => {
  test("text in several blocks is one string for everyone but the user; cache markers are named and left out", () => {
    const made = encoded({ messages: [system(text("a", CACHED), "b"), user(text("c", CACHED), "d"), assistant({ parts: [text("e"), text("f")] })] });
    assert.deepEqual(messagesOf(made), [
      { role: "system", content: "a\n\nb" },
      { role: "user", content: [{ type: "text", text: "c" }, { type: "text", text: "d" }] },
      { role: "assistant", content: "ef" },
    ]);
    assert.deepEqual(made.warnings, ["cache_control is not carried: this provider caches prefixes by itself"]);
  });

  test("a host that prices by cache markers gets them on parts, not on tools", () => {
    const made = encoded({ messages: [system(text("a", CACHED), "b"), user("c")], tools: [tool("f", { cacheControl: CACHED })] }, to(undefined, { cacheControl: true }));
    assert.deepEqual(messagesOf(made)[0]?.["content"], [{ type: "text", text: "a", cache_control: CACHED }, { type: "text", text: "b" }]);
    assert.equal(JSON.stringify(made.body["tools"]).includes("cache_control"), false);
  });

  test("case 29: earlier reasoning stays behind, its visible text goes to hosts that want it back", () => {
    const thought = assistant({ parts: [text("so")], reasoning: [{ kind: "thinking", text: "why", signature: "sig" }, ...MARKED.map((data) => ({ kind: "redacted", data }) as const)], toolCalls: [call("c", "f", "{}", "sig")] });
    const fields = { messages: [user("x"), thought, result("c", "y")], tools: [tool("f")] };
    const plain = encoded(fields);
    assert.deepEqual(messagesOf(plain)[1], { role: "assistant", content: "so", tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }] });
    assert.equal(plain.warnings.length, 2);
    const wanted = encoded(fields, to(undefined, { replaysReasoningContent: true }));
    assert.equal(messagesOf(wanted)[1]?.["reasoning_content"], "why");
  });

  test("media that chat hosts cannot take are refused by their place", () => {
    const file = (source: Extract<Part, { kind: "file" }>["source"]): Partial<ChatRequest> => ({ messages: [user({ kind: "file", source, filename: undefined, cacheControl: undefined })] });
    assert.equal(refusedParam(file({ kind: "url", url: "https://files.example/a.pdf" })), "messages[0].content[0].file");
    assert.equal(refusedParam(file({ kind: "id", id: "file_1" })), "messages[0].content[0].file.file_id");
    assert.equal(refusedParam({ messages: [user({ ...image, source: { kind: "url", url: "s3://bucket/a.png" } } as Part)] }), "messages[0].content[0].image_url.url");
    assert.equal(refusedParam({ messages: [user({ kind: "audio", format: "flac", base64: "AAAA" })] }), "messages[0].content[0].input_audio.format");
    assert.equal(refusedParam({ messages: [user({ kind: "other", type: "container_upload", raw: {} })] }), "messages[0].content[0].type");
    const kept = encoded(file({ kind: "base64", mediaType: "application/pdf", base64: "AAAA" }));
    assert.deepEqual(messagesOf(kept)[0]?.["content"], [{ type: "file", file: { filename: "file.pdf", file_data: "data:application/pdf;base64,AAAA" } }]);
    assert.equal(messagesOf(encoded(file({ kind: "id", id: "file-1" }), to(), "openai-responses")).length, 1);
  });
});

describe("tools", () => {
  test("case 20: a name beyond the limit is sent short everywhere, and the answer's call has the client's name", () => {
    const long = `mcp__${"server".repeat(9)}__read.file`;
    const made = encoded({ tools: [tool(long), tool("short")], toolChoice: { kind: "named", name: long }, messages: [user("x"), assistant({ toolCalls: [call("c", long)] }), result("c", "y")] });
    const sent = member(member(asArray(made.body["tools"])[0], "function"), "name") as string;
    assert.match(sent, /^[a-zA-Z0-9_-]{1,64}$/);
    assert.equal(member(member(made.body["tool_choice"], "function"), "name"), sent);
    assert.equal(member(member(asArray(messagesOf(made)[1]?.["tool_calls"])[0], "function"), "name"), sent);
    const context: DecodeContext = { usage: plainUsage, upstreamModel: "m", ...(made.renames !== undefined && { renames: made.renames }) };
    const asked = (name: string): Json => [{ index: 0, id: "a", type: "function", function: { name, arguments: "{}" } }];
    const whole = openaiChat.decodeAnswer({ id: "x", choices: [{ index: 0, message: { content: null, tool_calls: asked(sent) }, finish_reason: "tool_calls" }] }, context);
    const stream = openaiChat.openStream(context);
    const pieces = stream.push({ event: "", data: JSON.stringify({ id: "x", choices: [{ index: 0, delta: { tool_calls: asked(sent) } }] }) });
    for (const events of [whole, pieces]) assert.deepEqual(events.flatMap((event) => (event.kind === "tool-start" ? [event.name] : [])), [long]);
  });

  test("a list of allowed tools is carried by offering those alone; a choice without tools says nothing or is refused", () => {
    const made = encoded({ tools: [tool("a"), tool("b")], toolChoice: { kind: "allowed", mode: "required", names: ["b"] } });
    assert.deepEqual([asArray(made.body["tools"]).length, made.body["tool_choice"], made.warnings.length], [1, "required", 1]);
    assert.deepEqual(encoded({ toolChoice: { kind: "auto" }, parallelToolCalls: false }).body, { model: "their-model", messages: [{ role: "user", content: "Hi" }] });
    assert.equal(refusedParam({ toolChoice: { kind: "required" } }), "tool_choice");
    assert.equal(refusedParam({ tools: [{ kind: "other", type: "bash_20250124", raw: {} }] }), "tools[0].type");
  });

  test("a schema without its root type gets it", () => {
    const made = encoded({ tools: [tool("a", { parameters: { properties: {} } })] });
    assert.deepEqual(member(member(asArray(made.body["tools"])[0], "function"), "parameters"), { type: "object", properties: {} });
  });
});

describe("the other fields", () => {
  test("an output limit above the model's is lowered and named; the owner's word goes before the catalogue's", () => {
    const made = encoded({ maxOutputTokens: 128_000 }, to({ maxOutput: 16_384 }));
    assert.deepEqual([made.body["max_completion_tokens"], made.warnings.length], [16_384, 1]);
    assert.equal(encoded({ maxOutputTokens: 128_000 }, { ...to({ maxOutput: 16_384 }), maxOutput: 50_000 }).body["max_completion_tokens"], 50_000);
    assert.equal(encoded({ maxOutputTokens: 128_000 }).body["max_completion_tokens"], 128_000);
    assert.equal(encoded({ maxOutputTokens: 100 }, to({ maxOutput: 16_384 })).warnings.length, 0);
  });

  test("case 31: sampling is left out for models that refuse it, and 1 says nothing", () => {
    const made = encoded({ temperature: 0.3, topP: 1 }, to({ reasoning: true }, {}, "gpt-5-mini"));
    assert.deepEqual([made.body["temperature"], made.body["top_p"], made.warnings.length], [undefined, undefined, 1]);
    assert.equal(encoded({ temperature: 0.3 }).body["temperature"], 0.3);
  });

  test("tiers, users and labels go as far as hosts take them", () => {
    const made = encoded({ serviceTier: "reserved", user: "u".repeat(170), metadata: { a: "b" }, topK: 4 });
    assert.deepEqual(Object.keys(made.body).toSorted(), ["messages", "model", "user"]);
    assert.equal((made.body["user"] as string).length, 64);
    assert.equal(made.warnings.length, 3);
    assert.deepEqual(encoded({ serviceTier: "auto" }).warnings, []);
    assert.equal(encoded({ serviceTier: "default" }).body["service_tier"], "default");
    assert.equal(refusedParam({ stop: ["a", "b", "c", "d", "e"] }), "stop");
  });
});
