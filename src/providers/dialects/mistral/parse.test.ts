import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../../wire/json.ts";
import { assistant, call, OUTSIDE, request, result, system, text, user } from "../cohere/test-hub.ts";
import { SAFETY_PROMPT } from "../openai/own-form.ts";
import { openaiChat } from "../openai/upstream.ts";
import { recordedJson, sharedAbsent } from "../openai/test-recorded.ts";
import { target } from "../openai/test-target.ts";
import { mistralClient } from "./index.ts";

const HI = { role: "user", content: "hi" };
const OWN_HOST = target({ chunks: true, nineLetterCallIds: true, maxTokensField: "max_tokens" });

function parsed(raw: JsonObject) {
  return mistralClient.parse({ model: "m", messages: [HI], ...raw }, OUTSIDE);
}
function read(raw: JsonObject) {
  const made = parsed(raw);
  return made.kind === "error" ? [made.error.code, made.error.param] : made.request;
}
function content(parts: readonly JsonObject[]) {
  const made = read({ messages: [{ role: "user", content: parts }] });
  return "messages" in made ? made.messages[0] : made;
}
/** The body that a host of the same form gets, and what is told of it. */
function there(raw: JsonObject, host = OWN_HOST) {
  const made = parsed(raw);
  assert.ok(made.kind === "request");
  const encoded = openaiChat.encodeChat(made.request, host);
  assert.ok(encoded.kind === "encoded", JSON.stringify(encoded));
  const { model: _, ...body } = encoded.body;
  return { body, warnings: encoded.warnings };
}

test("names of its own become the hub's, and values that ask for nothing are nothing", () => {
  assert.deepEqual(
    read({
      random_seed: 7, max_tokens: 9, temperature: 0.5, top_p: null, stop: ["a"], stream: true, tool_choice: "any", parallel_tool_calls: false,
      tools: [{ type: "function", function: { name: "f", description: "", strict: false, parameters: {} } }], service_tier: "standard_only",
      response_format: { type: "json_object", json_schema: null }, safe_prompt: false, prompt_mode: null, guardrails: [], metadata: null, prompt_cache_key: "k",
    }),
    request({
      seed: 7, maxOutputTokens: 9, temperature: 0.5, stop: ["a"], stream: true, toolChoice: { kind: "required" }, parallelToolCalls: false, serviceTier: "default",
      tools: [{ kind: "function", name: "f", description: "", strict: false, parameters: {}, cacheControl: undefined }],
      responseFormat: { kind: "json_object" }, other: { prompt_cache_key: "k" },
    }),
  );
});

test("a safe prompt is said in words, and is the flag again where there is one", () => {
  assert.deepEqual(read({ safe_prompt: true }), request({ messages: [system(SAFETY_PROMPT), user("hi")] }));
  assert.deepEqual(there({ safe_prompt: true }), { body: { messages: [HI], safe_prompt: true }, warnings: [] });
  assert.deepEqual(there({ safe_prompt: true }, target()).body, { messages: [{ role: "system", content: SAFETY_PROMPT }, HI] });
});

test("thoughts among the parts of a content are reasoning, and stand there again at a host of the same form", () => {
  const thinking = { type: "thinking", thinking: [{ type: "text", text: "hm" }, { type: "text", text: "m" }], closed: true };
  const turn = { role: "assistant", content: [thinking, { type: "text", text: "ho" }], prefix: false };
  const raw = { messages: [HI, turn, HI] };
  assert.deepEqual(read(raw), request({ messages: [user("hi"), assistant("ho", [], "hmm"), user("hi")] }));
  const { body, warnings } = there(raw);
  assert.deepEqual(body["messages"], [HI, { role: "assistant", content: [{ ...thinking, thinking: [{ type: "text", text: "hmm" }] }, { type: "text", text: "ho" }] }, HI]);
  assert.deepEqual(warnings, []);
});

test("pieces of a stream that a client gathered are one thought again, with the proof that came last", () => {
  const piece = (words: string, more: JsonObject = {}) => ({ type: "thinking", thinking: words === "" ? [] : [{ type: "text", text: words }], ...more });
  const reasoning = (...content: readonly JsonObject[]) => {
    const made = read({ messages: [HI, { role: "assistant", content: [...content, { type: "text", text: "ho" }] }, HI] });
    const turn = "messages" in made ? made.messages[1] : undefined;
    return turn?.role === "assistant" ? turn.reasoning.map((block) => (block.kind === "thinking" ? [block.text, block.signature] : [])) : made;
  };
  assert.deepEqual(reasoning(piece("Hm, "), piece("hm."), piece("", { signature: "sig", closed: true })), [["Hm, hm.", "sig"]]);
  assert.deepEqual(reasoning(piece("a", { signature: "one", closed: true }), piece("b"), piece("", { signature: "two", closed: true })), [["a", "one"], ["b", "two"]]);
  assert.deepEqual(reasoning(piece("a", { closed: true }), piece("b")), [["a", undefined], ["b", undefined]], "what is closed is whole");
  assert.deepEqual(reasoning(piece("a", { signature: null }), { type: "text", text: "-" }, piece("b", { signature: "sig" })), [["a", undefined], ["b", "sig"]], "a proof holds for what stands before it");
});

test("the thoughts of a recorded answer are given back to another maker with the proof behind them", { skip: sharedAbsent }, () => {
  const [choice] = recordedJson("mistral/mistral-reasoning.json")["choices"] as { message: { content: JsonObject[] } }[];
  const [thoughts, said] = choice?.message.content ?? [];
  assert.ok(thoughts !== undefined && said !== undefined);
  const proof = { type: "thinking", thinking: [], signature: "sig", closed: true };
  const made = read({ messages: [HI, { role: "assistant", content: [thoughts, proof, said] }, HI] });
  const turn = "messages" in made ? made.messages[1] : undefined;
  assert.deepEqual(turn?.role === "assistant" && turn.reasoning, [{ kind: "thinking", text: "The user is asking for 2+2. This is basic arithmetic. 2+2=4.", signature: "sig" }]);
});

test("case 29: proofs of thoughts, which tell nothing of their maker, stay away from a host of this form, and it is said", () => {
  const turn = { role: "assistant", content: [{ type: "thinking", thinking: [{ type: "text", text: "hm" }], signature: "sig" }], thinking_blocks: [{ type: "redacted_thinking", data: "x" }] };
  const { body, warnings } = there({ messages: [HI, turn, HI] });
  assert.deepEqual(body["messages"], [HI, { role: "assistant", content: [{ type: "thinking", thinking: [{ type: "text", text: "hm" }], closed: true }] }, HI]);
  assert.deepEqual(warnings, ["signed and redacted parts of earlier reasoning were left out: only their maker can read them."]);
});

test("documents, files and sound become parts of the hub, and are written in this form again", () => {
  const parts = [
    { type: "document_url", document_url: "https://a.example/x.pdf", document_name: "x.pdf" },
    { type: "document_url", document_url: "data:application/pdf;base64,JVBERg==", document_name: null },
    { type: "file", file_id: "f-1" },
    { type: "input_audio", input_audio: "UklGRg==" },
    { type: "input_audio", input_audio: "data:audio/flac;base64,AAAA" },
    { type: "input_audio", input_audio: "SUQz" },
    { type: "image_url", image_url: "https://a.example/x.png" },
  ];
  const file = (source: object, filename?: string) => ({ kind: "file", source, filename, cacheControl: undefined });
  assert.deepEqual(content(parts), {
    role: "user", name: undefined,
    parts: [
      file({ kind: "url", url: "https://a.example/x.pdf" }, "x.pdf"),
      file({ kind: "base64", mediaType: "application/pdf", base64: "JVBERg==" }),
      file({ kind: "id", id: "f-1" }),
      { kind: "audio", format: "wav", base64: "UklGRg==" },
      { kind: "audio", format: "flac", base64: "AAAA" },
      { kind: "audio", format: "mp3", base64: "SUQz" },
      { kind: "image", source: { kind: "url", url: "https://a.example/x.png" }, detail: undefined, cacheControl: undefined },
    ],
  });
  assert.deepEqual(there({ messages: [{ role: "user", content: parts }] }).body["messages"], [{
    role: "user",
    content: [
      parts[0], { type: "document_url", document_url: "data:application/pdf;base64,JVBERg==" }, parts[2], parts[3],
      { type: "input_audio", input_audio: "AAAA" }, parts[5], { type: "image_url", image_url: { url: "https://a.example/x.png" } },
    ],
  }]);
});

test("what would change the answer elsewhere is only for hosts of this form", () => {
  const audio = { messages: [{ role: "user", content: [{ type: "text", text: "what?" }, { type: "input_audio", input_audio: "https://a.example/x.mp3" }] }] };
  const cases: readonly (readonly [string, JsonObject])[] = [["guardrails", { guardrails: [{ block_on_error: true }] }], ["messages[0].content[1]", audio]];
  for (const [param, raw] of cases) {
    const made = parsed(raw);
    assert.deepEqual(made.kind === "request" ? made.onlyHere.map((one) => one.param) : made, [param]);
  }
  assert.deepEqual(there({ guardrails: [{ block_on_error: true }] }).body["guardrails"], [{ block_on_error: true }]);
  assert.deepEqual(there(audio).body["messages"], audio.messages);
  assert.deepEqual([mistralClient.ownForm?.(OWN_HOST), mistralClient.ownForm?.(target()), mistralClient.passes], [true, false, false]);
});

test("a host of this form gets its own names, others are told what they do not get", () => {
  const wishes = { random_seed: 7, max_tokens: 9, prompt_mode: "reasoning", document_page_limit: 3 };
  const { random_seed: seed, max_tokens: most, ...own } = wishes;
  assert.deepEqual(there(wishes), { body: { messages: [HI], ...own, random_seed: seed, max_tokens: most }, warnings: [] });
  assert.deepEqual(there(wishes, target()), {
    body: { messages: [HI], seed, max_completion_tokens: most },
    warnings: ["prompt_mode, document_page_limit are not supported by Host and left out."],
  });
});

test("a prefix goes on as it is, and one that says no is not a prefix", () => {
  const turn = { role: "assistant", content: "The water" };
  assert.deepEqual(there({ messages: [HI, { ...turn, prefix: true }] }).body["messages"], [HI, { prefix: true, ...turn }]);
  assert.deepEqual(there({ messages: [HI, { ...turn, prefix: false }] }).body["messages"], [HI, turn]);
});

test("case 13: a call keeps its id, which a host of nine letters gets mapped on both sides", () => {
  const calls = [{ id: "call_1", type: "function", index: 0, function: { name: "f", arguments: { city: "Kyiv" } } }];
  const raw = { messages: [HI, { role: "assistant", content: "", tool_calls: calls, prefix: false }, { role: "tool", name: "f", tool_call_id: "call_1", content: "rain" }] };
  assert.deepEqual(read(raw), request({ messages: [user("hi"), assistant("", [call("call_1", "f", `{"city":"Kyiv"}`)]), result("call_1", "rain")] }));
  const sent = there(raw).body["messages"] as { tool_calls?: { id: string }[]; tool_call_id?: string }[];
  assert.match(sent[1]?.tool_calls?.[0]?.id ?? "", /^[A-Za-z0-9]{9}$/);
  assert.equal(sent[2]?.tool_call_id, sent[1]?.tool_calls?.[0]?.id);
});

test("a result without an id answers the call of its name, or else the first that has no answer", () => {
  const calls = ["a", "b", "c"].map((id) => ({ id, function: { name: `f_${id}`, arguments: "{}" } }));
  const results = [{ role: "tool", name: "f_b", tool_call_id: null, content: "1" }, { role: "tool", content: "2" }, { role: "tool", tool_call_id: "c", content: "3" }];
  const made = read({ messages: [HI, { role: "assistant", tool_calls: calls }, ...results] });
  assert.deepEqual("messages" in made ? made.messages.slice(2) : made, [result("b", "1"), result("a", "2"), result("c", "3")]);
  assert.deepEqual(read({ messages: [HI, { role: "tool", content: "1" }] }), ["missing_field", "messages[1].tool_call_id"]);
});

test("wrong types are named by their path, and what is no body at all does no harm", () => {
  assert.deepEqual(read({ random_seed: "x" }), ["invalid_type", "seed"]);
  assert.deepEqual(read({ messages: "x" }), ["invalid_type", "messages"]);
  assert.deepEqual(read({ messages: [null] }), ["invalid_type", "messages[0]"]);
  assert.deepEqual(read({ messages: [{ role: "user", content: [null] }] }), ["invalid_type", "messages[0].content[0]"]);
  assert.deepEqual(content([{ type: "text", text: "hi" }]), { role: "user", parts: [text("hi")], name: undefined });
});

test("vectors are asked for by the size's other name where the host is another", () => {
  const body = (raw: JsonObject, host = target()) => mistralClient.embeddings?.body({ model: "m", input: "x", ...raw }, host);
  assert.deepEqual(body({ output_dimension: 8, output_dtype: "float" }), { kind: "body", body: { model: "m", input: "x", dimensions: 8 } });
  const raw = { model: "m", input: "x", output_dimension: 8, output_dtype: "int8" };
  const own = mistralClient.embeddings?.body(raw, OWN_HOST);
  assert.equal(own?.kind === "body" ? own.body : undefined, raw);
  assert.equal((body({ output_dtype: "int8" }) as { param?: string }).param, "output_dtype");
});
