/**
 * Every request for an OpenAI upstream that leaves us is valid by OpenAI's own description: passed on, written anew for
 * hosts with quirks, and authored from the hub.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { dialectById } from "../../src/providers/dialects/index.ts";
import { parseChatRequest } from "../../src/providers/dialects/chat-surface.ts";
import { descriptionAbsent } from "../../src/providers/dialects/openai/test-schemas.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import type { ProviderFacts } from "../../src/wire/facts.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { chat, json, recordingUpstream, type RecordedCall, type RecordingUpstream } from "../support/recording-upstream.ts";
import { startSteady, type Steady } from "./steady.ts";

/** One account of a host without quirks and of hosts with different ones, all at the recording hop. */
const HOSTS = ["openai", "mistral", "groq", "deepseek", "alibaba"];

const PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const FUNCTION = { type: "function", function: { name: "lookup", description: "Looks up.", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false }, strict: true } };
const CALL = (id: string) => ({ id, type: "function", function: { name: "lookup", arguments: `{"city":"${id}"}` } });
const user = (content: unknown) => ({ role: "user", content });
const text = (words: string) => ({ type: "text", text: words });

const SHAPES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "one line of text": {},
  "system, developer, names and parts": { messages: [{ role: "system", content: "be brief", name: "rules" }, { role: "developer", content: [text("be kind")] }, { role: "user", content: [text("a"), text("b")], name: "ada" }] },
  "images by address and as data": { messages: [user([text("what?"), { type: "image_url", image_url: { url: "https://images.example/a.png", detail: "low" } }, { type: "image_url", image_url: { url: PIXEL } }])] },
  "audio": { messages: [user([{ type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } }])] },
  "files by id and as data": { messages: [user([{ type: "file", file: { file_id: "file-1" } }, { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0=" } }])] },
  "tools, one of them demanded": { tools: [FUNCTION], tool_choice: { type: "function", function: { name: "lookup" } } },
  "tools that must be used, one at a time": { tools: [FUNCTION], tool_choice: "required", parallel_tool_calls: false },
  "some of the tools allowed": { tools: [FUNCTION], tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "lookup" } }] } } },
  "parallel calls and their results": { tools: [FUNCTION], messages: [user("weather?"), { role: "assistant", content: null, tool_calls: [CALL("call_1"), CALL("call_2")] }, { role: "tool", tool_call_id: "call_1", content: "rain" }, { role: "tool", tool_call_id: "call_2", content: [text("sun")] }] },
  "a call without arguments, replayed": { tools: [FUNCTION], messages: [user("go"), { role: "assistant", tool_calls: [{ id: "call_1", type: "function", function: { name: "lookup", arguments: "" } }] }, { role: "tool", tool_call_id: "call_1", content: "done" }] },
  "calls of the old form": { functions: [{ name: "lookup", parameters: { type: "object" } }], function_call: { name: "lookup" }, messages: [user("weather?"), { role: "assistant", content: null, function_call: { name: "lookup", arguments: "{}" } }, { role: "function", name: "lookup", content: "rain" }] },
  "a custom tool": { tools: [{ type: "custom", custom: { name: "shell", description: "runs", format: { type: "text" } } }] },
  "a JSON schema": { response_format: { type: "json_schema", json_schema: { name: "out", description: "an answer", strict: true, schema: { type: "object", properties: { a: { type: "integer" } }, required: ["a"], additionalProperties: false } } } },
  "any JSON": { response_format: { type: "json_object" } },
  "stop as a word and as a list": { stop: ["a", "b"] },
  "one stop word": { stop: "a" },
  "effort and limit": { reasoning_effort: "high", max_completion_tokens: 500 },
  "the old limit": { max_tokens: 500 },
  "sampling": { temperature: 0.5, top_p: 0.9, presence_penalty: 0.1, frequency_penalty: -0.1, seed: 7, logit_bias: { "50256": -100 }, n: 2 },
  "log probabilities": { logprobs: true, top_logprobs: 3 },
  "who asks, and notes": { user: "u-1", safety_identifier: "s-1", metadata: { a: "b" }, store: false, service_tier: "flex", prompt_cache_key: "k", verbosity: "low" },
  "a refusal and reasoning in the history": { messages: [user("x"), { role: "assistant", content: [{ type: "refusal", refusal: "no" }] }, user("y"), { role: "assistant", content: null, refusal: "no" }, user("z"), { role: "assistant", content: "so", reasoning_content: "because", thinking_blocks: [{ type: "thinking", thinking: "because", signature: "sig" }] }, user("and?")] },
  "spoken output": { modalities: ["text", "audio"], audio: { voice: "alloy", format: "wav" }, messages: [user("x"), { role: "assistant", audio: { id: "audio_1" } }, user("y")] },
  "a prediction and a search": { prediction: { type: "content", content: "abc" }, web_search_options: { search_context_size: "low" } },
  "a stream with options": { stream: true, stream_options: { include_usage: true, include_obfuscation: false } },
  "a stream": { stream: true },
};

describe("requests for OpenAI upstreams", { skip: descriptionAbsent }, () => {
  let steady: Steady;
  let hop: RecordingUpstream;
  let gateway: TestGateway;

  before(async () => {
    steady = await startSteady();
    hop = await recordingUpstream(chat);
    const accounts = HOSTS.map((host) => `  ${host}: { base_url: "${hop.origin}/${host}", api_key: k-0123456789abcdef, unmetered: true }`);
    gateway = await testGateway(`version: 1\nfallbacks: off\nproviders:\n${accounts.join("\n")}\n`);
  });
  after(async () => {
    await gateway.close();
    await hop.close();
    await steady.close();
  });

  test("are judged by a judge that says no", async () => {
    const found = await steady.problems("/chat/completions", JSON.stringify({ model: "m", messages: [{ role: "usr", content: "x" }], temperature: "hot" }));
    assert.equal(found.length, 2, found.join("\n"));
  });

  const send = (host: string, body: object): Promise<Response> =>
    fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ ...body, model: `${host}/any-model` }, null, 3) });

  const rewritten = new Set<string>();
  const ownForm = (host: string): boolean => PROVIDERS.get(host)?.quirks.chunks === true;
  for (const [what, shape] of Object.entries(SHAPES)) {
    for (const host of HOSTS) {
      test(`are valid: ${what}, to ${host}`, async () => {
        const before = hop.calls.length;
        const asked = { messages: [user("hi")], ...shape };
        const answer = await send(host, asked);
        const told = await answer.text();
        if (answer.status === 400) {
          // A host that lacks the field: said so, and nothing was sent.
          assert.equal((JSON.parse(told) as { error: { code: string } }).error.code, "unsupported_parameter", told);
          assert.equal(hop.calls.length, before);
          assert.notEqual(host, "openai");
          return;
        }
        assert.equal(answer.status, 200, told);
        assert.equal(hop.calls.length, before + 1);
        const { body, target } = hop.calls.at(-1) as RecordedCall;
        assert.equal(target, `/${host}/chat/completions`);
        if (!body.toString().includes("\n")) rewritten.add(host);
        // Thoughts stand among the chunks there, a form that is not OpenAI's.
        if (ownForm(host) && body.includes(`"type":"thinking"`)) return;
        assert.deepEqual(await steady.problems("/chat/completions", body), [], body.toString());
      });
    }
    test(`are valid: ${what}, authored from the hub`, async () => {
      const parsed = parseChatRequest({ model: "m", messages: [user("hi")], ...shape } as JsonObject);
      assert.ok(parsed.kind === "request");
      const encoded = dialectById("openai-chat").encodeChat(parsed.request, { provider: PROVIDERS.get("openai") as ProviderFacts, model: null, upstreamModel: "m" });
      assert.ok(encoded.kind === "encoded");
      assert.deepEqual(encoded.warnings.filter((warning) => !warning.includes("thinking_blocks")), [], "nothing is lost");
      assert.deepEqual(await steady.problems(encoded.path, JSON.stringify(encoded.body)), [], JSON.stringify(encoded.body));
    });
  }

  test("were written anew for hosts with a form of their own, and for no other", () => {
    assert.deepEqual([...rewritten].toSorted(), HOSTS.filter(ownForm).toSorted());
  });

  for (const input of ["a", ["a", "b"], [1, 2, 3], [[1, 2], [3]]]) {
    test(`are valid: embeddings of ${JSON.stringify(input)}`, async () => {
      const count = Array.isArray(input) && typeof input[0] !== "number" ? input.length : 1;
      hop.answer(json({ object: "list", model: "m", data: Array.from({ length: count }, (_, index) => ({ object: "embedding", index, embedding: [0] })), usage: { prompt_tokens: 1, total_tokens: 1 } }));
      const answer = await fetch(`${gateway.baseUrl}/embeddings`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "openai/any-embedder", input, dimensions: 64, encoding_format: "base64", user: "u", spillway: 1 }) });
      assert.equal(answer.status, 200, await answer.text());
      const { body } = hop.calls.at(-1) as RecordedCall;
      assert.deepEqual(await steady.problems("/embeddings", body), [], body.toString());
    });
  }
});
