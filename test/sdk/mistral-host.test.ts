/** `@mistralai/mistralai`, unmodified, towards its own maker's host: what it writes arrives in that form, at whichever base URL. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Mistral } from "@mistralai/mistralai";
import { MistralError } from "@mistralai/mistralai/models/errors/index.js";
import { stringify } from "yaml";
import { serve, type Replay } from "../../src/providers/dialects/cohere/test-hub.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";

const THINKING = { type: "thinking", thinking: [{ type: "text", text: "It flows." }] };
const CALL = { id: "gSIMJiOkT", function: { name: "get_weather", arguments: `{"city": "Kyiv"}` } };
const top = { id: "b3999b8c93e04e11bcbff7bcab829667", created: 1_769_088_854, model: "magistral-small" };
const usage = { prompt_tokens: 12, total_tokens: 34, completion_tokens: 22 };
const chunk = (delta: object, finish: string | null, more: object = {}) =>
  `data: ${JSON.stringify({ ...top, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish, logprobs: null }], ...more })}\n\n`;
const STREAM = chunk({ role: "assistant", content: "" }, null) + chunk({ content: [THINKING] }, null) + chunk({ content: "Down." }, null)
  + chunk({ content: "", tool_calls: [{ ...CALL, index: 0 }] }, "tool_calls", { usage }) + "data: [DONE]\n\n";
const CUT = chunk({ role: "assistant", content: "" }, null) + chunk({ content: "Do" }, null);
const ANSWER = JSON.stringify({ ...top, object: "chat.completion", usage, choices: [{ index: 0, finish_reason: "model_length", message: { role: "assistant", content: [THINKING, { type: "text", text: "Down." }] } }] });

describe("Mistral's SDK towards Mistral", () => {
  let host: Replay;
  let gateway: TestGateway;
  before(async () => {
    host = await serve((body) => {
      if (body["stream"] !== true) return { body: ANSWER };
      return { type: "text/event-stream", body: body["max_tokens"] === 1 ? CUT : STREAM };
    });
    const model = { price: { input: 1, output: 2 }, context: 32_768, max_output: 8_192 };
    gateway = await testGateway(stringify({
      version: 1,
      providers: {
        mistral: { api_key: "host-key", base_url: `${host.url}/v1`, models: { "magistral-small": model } },
        other: { type: "openai-compatible", base_url: `${host.url}/other/v1`, api_key: "k", models: { plain: model } },
      },
      fallbacks: "off",
    }));
  });
  after(async () => {
    await gateway.close();
    await host.close();
  });
  const client = (path = ""): Mistral => new Mistral({ serverURL: gateway.url + path, apiKey: "k", retryConfig: { strategy: "none" } });

  it("carries every field that only this host has, and tells nothing of loss", async () => {
    const answer = await client("/mistral").chat.complete({
      model: "mistral/magistral-small", randomSeed: 7, safePrompt: true, promptMode: "reasoning", maxTokens: 100, toolChoice: "any",
      tools: [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }],
      guardrails: [{ blockOnError: true }],
      messages: [
        { role: "user", content: [{ type: "text", text: "Where?" }, { type: "document_url", documentUrl: "https://a.example/map.pdf" }] },
        { role: "assistant", content: [{ type: "thinking", thinking: [{ type: "text", text: "Hm." }], closed: true }], toolCalls: [{ id: "call_of_another", function: { name: "get_weather", arguments: { city: "Kyiv" } } }] },
        { role: "tool", name: "get_weather", content: "rain" },
        { role: "assistant", content: "The water", prefix: true },
      ],
    });
    assert.deepEqual([answer.choices[0]?.finishReason, answer.usage.totalTokens], ["model_length", 34]);
    const { path, body } = host.seen.at(-1) ?? assert.fail("nothing arrived");
    assert.equal(path, "/v1/chat/completions");
    const { messages, tools: _, guardrails, ...fields } = body;
    assert.deepEqual(fields, { model: "magistral-small", prompt_mode: "reasoning", safe_prompt: true, random_seed: 7, max_tokens: 100, tool_choice: "required" });
    assert.deepEqual(guardrails, [{ block_on_error: true }]);
    const [asked, called, said, begun] = messages as readonly [unknown, { content: unknown; tool_calls: { id: string }[] }, { tool_call_id: string }, unknown];
    assert.deepEqual(asked, { role: "user", content: [{ type: "text", text: "Where?" }, { type: "document_url", document_url: "https://a.example/map.pdf" }] });
    assert.deepEqual(called.content, [{ type: "thinking", thinking: [{ type: "text", text: "Hm." }], closed: true }]);
    assert.match(called.tool_calls[0]?.id ?? "", /^[A-Za-z0-9]{9}$/);
    assert.equal(said.tool_call_id, called.tool_calls[0]?.id);
    assert.deepEqual(begun, { prefix: true, role: "assistant", content: "The water" });
  });

  it("names no loss in a header where there is none, and one where there is", async () => {
    const ask = (model: string) => fetch(`${gateway.url}/mistral/v1/chat/completions`, {
      method: "POST", headers: { "content-type": "application/json", authorization: "Bearer k" },
      body: JSON.stringify({ model, prompt_mode: "reasoning", messages: [{ role: "user", content: "Where?" }] }),
    });
    const own = await ask("mistral/magistral-small");
    assert.deepEqual([own.status, own.headers.get("x-spillway-warning")], [200, null]);
    const other = await ask("other/plain");
    assert.equal(other.status, 200);
    assert.match(other.headers.get("x-spillway-warning") ?? "", /prompt_mode/);
    assert.equal(host.seen.at(-1)?.body["prompt_mode"], undefined);
  });

  it("refuses guardrails at a host that has none, in the form that the SDK reads", async () => {
    await assert.rejects(client().chat.complete({ model: "other/plain", messages: [{ role: "user", content: "Where?" }], guardrails: [{ blockOnError: true }] }), (error) => {
      assert.ok(error instanceof MistralError, String(error));
      const { object, code, param } = JSON.parse(error.body) as Record<string, unknown>;
      assert.deepEqual([error.statusCode, object, code, param], [400, "error", "unsupported_parameter", "guardrails"]);
      return true;
    });
  });

  it("reads a stream with thoughts, text, a call and usage", async () => {
    const seen: unknown[] = [];
    for await (const { data } of await client().chat.stream({ model: "mistral/magistral-small", messages: [{ role: "user", content: "Where?" }] })) {
      const [choice] = data.choices;
      const { content = "", toolCalls } = choice?.delta ?? {};
      if (content !== "") seen.push(content);
      for (const { id, function: called } of toolCalls ?? []) seen.push([id, called.name, called.arguments]);
      if (data.usage !== undefined) seen.push([choice?.finishReason, data.usage.totalTokens]);
    }
    assert.deepEqual(seen, [[THINKING], "Down.", ["gSIMJiOkT", "get_weather", `{"city": "Kyiv"}`], ["tool_calls", 34]]);
  });

  it("throws where the host's stream ends too early", async () => {
    let text = "";
    await assert.rejects(async () => {
      for await (const { data } of await client().chat.stream({ model: "mistral/magistral-small", maxTokens: 1, messages: [{ role: "user", content: "Where?" }] })) text += data.choices[0]?.delta.content as string;
    });
    assert.equal(text, "Do");
  });

  it("is asked for a seed of chat completions by the host's own name", async () => {
    const answer = await fetch(`${gateway.baseUrl}/chat/completions`, {
      method: "POST", headers: { "content-type": "application/json", authorization: "Bearer k" },
      body: JSON.stringify({ model: "mistral/magistral-small", seed: 7, messages: [{ role: "user", content: "Where?" }] }),
    });
    assert.deepEqual([answer.status, answer.headers.get("x-spillway-warning")], [200, null]);
    const { random_seed: seed, seed: none } = host.seen.at(-1)?.body ?? {};
    assert.deepEqual([seed, none], [7, undefined]);
  });
});
