/** The real clients of this dialect against answers that we author, over real sockets. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { Agent, run, setDefaultOpenAIClient, setTracingDisabled, tool as agentTool } from "@openai/agents";
import { createOpenAI } from "@ai-sdk/openai";
import { Output, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import type { AssistantMessage, ChatRequest } from "../../../wire/chat.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { outputItemsOf } from "./client.ts";
import { START, broken, call, finish, refusal, serveClients, signature, text, thought, type ClientServer, type Script } from "./test-client.ts";

const HELLO: readonly StreamEvent[] = [START, thought("I "), thought("think"), signature("SIG"), text("Hel"), text("lo"), finish("stop")];
const CALLS: readonly StreamEvent[] = [START, thought("look it up"), signature("SIG"), ...call(0, "call_a", "look", `{"city":"Ulm"}`), ...call(1, "call_b", "look", `{"city":"Bonn"}`), finish("tool_calls")];
const JSON_ANSWER: readonly StreamEvent[] = [START, text(`{"city":`), text(`"Ulm"}`), finish("stop")];

/** Calls the tools first, answers when it sees their results, in JSON where that is asked. */
const script: Script = (request) => {
  if (request.responseFormat?.kind === "json_schema") return JSON_ANSWER;
  if (request.messages.some(({ role }) => role === "tool")) return [START, text("Rain in both."), finish("stop")];
  return request.tools.length > 0 ? CALLS : HELLO;
};

let current: Script = script;
let server: ClientServer;
/** A keeper of items, as small as one can be: what was answered may be named by its id. */
const kept = (raw: JsonObject): JsonObject => {
  const known = new Map(server.responses.flatMap(outputItemsOf).map((item) => [item["id"], item]));
  const { input } = raw;
  return Array.isArray(input) ? { ...raw, input: (input as readonly JsonObject[]).map((item) => (item["type"] === "item_reference" ? (known.get(item["id"]) ?? item) : item)) } : raw;
};
before(async () => {
  server = await serveClients((request, turn) => current(request, turn), kept);
});
after(() => server.close());
beforeEach(() => {
  current = script;
  server.bodies.length = server.requests.length = server.responses.length = 0;
});

/** The hub's second request shows that the round trip kept calls, results and signatures. */
function assertRoundTrip(request: ChatRequest | undefined): void {
  const turns = (request?.messages ?? []).filter((message): message is AssistantMessage => message.role === "assistant");
  assert.deepEqual(turns.flatMap(({ toolCalls }) => toolCalls.map(({ id, name, argumentsJson }) => [id, name, JSON.parse(argumentsJson)])), [
    ["call_a", "look", { city: "Ulm" }], ["call_b", "look", { city: "Bonn" }],
  ]);
  const results = (request?.messages ?? []).filter(({ role }) => role === "tool");
  assert.deepEqual(results.map((message) => message.role === "tool" && message.toolCallId), ["call_a", "call_b"]);
}

function assertSignatureKept(request: ChatRequest | undefined): void {
  const reasoning = (request?.messages ?? []).flatMap((message) => (message.role === "assistant" ? message.reasoning : []));
  assert.deepEqual(reasoning, [{ kind: "thinking", text: "look it up", signature: "SIG" }], "case 22: the maker gets its signature back");
}

describe("openai", () => {
  const client = () => new OpenAI({ baseURL: server.baseUrl, apiKey: "k", maxRetries: 0 });
  const LOOK = { type: "function", name: "look", parameters: { type: "object", properties: { city: { type: "string" } } }, strict: false } as const;

  test("create gives the text, usage and the reasoning's summary", async () => {
    const response = await client().responses.create({ model: "m", input: "hi" });
    assert.deepEqual([response.status, response.output_text, response.usage?.total_tokens], ["completed", "Hello", 21]);
    assert.deepEqual(response.output.map(({ type }) => type), ["reasoning", "message"]);
  });

  test("the stream helper assembles the same response and holds us to its rules", async () => {
    const stream = client().responses.stream({ model: "m", input: "hi", tools: [LOOK] });
    const seen: string[] = [];
    for await (const event of stream) seen.push(event.type);
    const final = await stream.finalResponse();
    assert.equal(seen.at(-1), "response.completed");
    assert.deepEqual(final.output.map(({ type }) => type), ["reasoning", "function_call", "function_call"]);
    const plain = client().responses.stream({ model: "m", input: "hi" });
    assert.equal((await plain.finalResponse()).output_text, "Hello");
  });

  test("items that are given back make a round trip with tools", async () => {
    const first = await client().responses.create({ model: "m", input: "weather?", tools: [LOOK] });
    const results = first.output.filter((item) => item.type === "function_call").map((item) => ({ type: "function_call_output" as const, call_id: item.call_id, output: "rain" }));
    const second = await client().responses.create({ model: "m", input: [{ role: "user", content: "weather?" }, ...(first.output as OpenAI.Responses.ResponseInputItem[]), ...results], tools: [LOOK] });
    assert.equal(second.output_text, "Rain in both.");
    assertRoundTrip(server.requests.at(-1));
    assertSignatureKept(server.requests.at(-1));
  });

  test("parse gives the object of a schema, in a stream as well", async () => {
    const format = zodTextFormat(z.object({ city: z.string() }), "out");
    const response = await client().responses.parse({ model: "m", input: "where?", text: { format } });
    assert.deepEqual(response.output_parsed, { city: "Ulm" });
    const streamed = await client().responses.stream({ model: "m", input: "where?", text: { format } }).finalResponse();
    assert.deepEqual(streamed.output_parsed, { city: "Ulm" });
  });

  test("case 49: a refusal reaches the client as one, in an answer that is incomplete", async () => {
    current = () => [START, refusal("I cannot."), finish("content_filter")];
    const response = await client().responses.stream({ model: "m", input: "hi" }).finalResponse();
    assert.deepEqual([response.status, response.incomplete_details?.reason], ["incomplete", "content_filter"]);
    const [message] = response.output;
    assert.deepEqual(message?.type === "message" && message.content.map((part) => part.type === "refusal" && part.refusal), ["I cannot."]);
  });

  test("case 40: a stream that breaks is a failed response, by iteration and by the helper", async () => {
    current = () => [START, text("half"), broken("it broke")];
    let last: OpenAI.Responses.ResponseStreamEvent | undefined;
    for await (const event of await client().responses.create({ model: "m", input: "hi", stream: true })) last = event;
    assert.equal(last?.type === "response.failed" && last.response.error?.message, "it broke");
    const helped = await client().responses.stream({ model: "m", input: "hi" }).finalResponse();
    assert.deepEqual([helped.status, helped.usage?.total_tokens], ["failed", 21]);
  });

  test("what exists only here is told with the name of the field", async () => {
    await assert.rejects(client().responses.create({ model: "m", input: "hi", background: true }), /background/);
  });
});

describe("ai with @ai-sdk/openai, its default model", () => {
  const model = () => createOpenAI({ baseURL: server.baseUrl, apiKey: "k" })("m");
  const tools = { look: tool({ description: "weather", inputSchema: jsonSchema<{ city: string }>({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }), execute: ({ city }) => `rain in ${city}` }) };

  test("generateText: text, reasoning, usage", async () => {
    const result = await generateText({ model: model(), prompt: "hi" });
    assert.deepEqual([result.text, result.reasoningText, result.finishReason], ["Hello", "I think", "stop"]);
    assert.deepEqual([result.usage.inputTokens, result.usage.outputTokens, result.usage.totalTokens], [12, 9, 21]);
  });

  for (const store of [true, false]) {
    test(`generateText: two calls and their results, with store ${store}`, async () => {
      const result = await generateText({
        model: model(), prompt: "weather?", tools, stopWhen: stepCountIs(3), providerOptions: { openai: { store, include: ["reasoning.encrypted_content"] } },
      });
      assert.equal(result.text, "Rain in both.");
      assertRoundTrip(server.requests.at(-1));
      assertSignatureKept(server.requests.at(-1));
    });
  }

  test("streamText: parts in order, calls and a round trip", async () => {
    const result = streamText({ model: model(), prompt: "weather?", tools, stopWhen: stepCountIs(3) });
    const kinds: string[] = [];
    for await (const part of result.fullStream) {
      assert.notEqual(part.type, "error", JSON.stringify(part));
      if (kinds.at(-1) !== part.type) kinds.push(part.type);
    }
    assert.equal(await result.text, "Rain in both.");
    assert.ok(kinds.includes("reasoning-delta") && kinds.includes("tool-input-delta") && kinds.includes("tool-result"), kinds.join());
    assertRoundTrip(server.requests.at(-1));
  });

  test("case 40: a stream that breaks is an error part", async () => {
    current = () => [START, text("half"), broken("it broke")];
    const told: unknown[] = [];
    const result = streamText({ model: model(), prompt: "hi", maxRetries: 0, onError: ({ error }) => void told.push(error) });
    let shown = "";
    for await (const part of result.textStream) shown += part;
    assert.equal(shown, "half");
    assert.match(JSON.stringify(told) + String(told[0]), /it broke/);
  });

  test("an object of a schema", async () => {
    const result = await generateText({ model: model(), prompt: "where?", output: Output.object({ schema: z.object({ city: z.string() }) }) });
    assert.deepEqual(result.output, { city: "Ulm" });
  });
});

describe("@openai/agents, its default mode", () => {
  setTracingDisabled(true);
  const look = agentTool({ name: "look", description: "weather", parameters: z.object({ city: z.string() }), execute: ({ city }) => Promise.resolve(`rain in ${city}`) });
  before(() => setDefaultOpenAIClient(new OpenAI({ baseURL: server.baseUrl, apiKey: "k", maxRetries: 0 })));

  test("text", async () => {
    const result = await run(new Agent({ name: "a", model: "m", instructions: "be brief" }), "hi");
    assert.equal(result.finalOutput, "Hello");
    assert.equal(result.rawResponses[0]?.usage.totalTokens, 21);
  });

  test("tools, whole and streamed", async () => {
    const agent = new Agent({ name: "a", model: "m", tools: [look] });
    assert.equal((await run(agent, "weather?")).finalOutput, "Rain in both.");
    assertRoundTrip(server.requests.at(-1));
    assertSignatureKept(server.requests.at(-1));
    const streamed = await run(agent, "weather?", { stream: true });
    let shown = "";
    for await (const chunk of streamed.toTextStream()) shown += String(chunk);
    await streamed.completed;
    assert.equal(shown, "Rain in both.");
    assertRoundTrip(server.requests.at(-1));
    assertSignatureKept(server.requests.at(-1));
  });

  test("an object of a schema", async () => {
    const result = await run(new Agent({ name: "a", model: "m", outputType: z.object({ city: z.string() }) }), "where?");
    assert.deepEqual(result.finalOutput, { city: "Ulm" });
  });
});
