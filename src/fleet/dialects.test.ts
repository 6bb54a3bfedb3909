import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startFleet, type Fleet, type FleetProvider } from "./index.ts";
import { ask, dataOf } from "./test-client.ts";

interface Loose { readonly [key: string]: Loose | undefined }
const said = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
const json = async (response: Response): Promise<Loose> => (await response.json()) as Loose;
const events = async (response: Response): Promise<Loose[]> =>
  dataOf(await response.text()).filter((data) => data !== "[DONE]").map((data) => JSON.parse(data) as Loose);

const SCHEMA = {
  type: "object", required: ["city", "days", "unit", "tags"], additionalProperties: false,
  properties: {
    city: { type: "string", minLength: 3 }, days: { type: "integer", minimum: 2, maximum: 4 }, unit: { enum: ["c", "f"] },
    tags: { type: "array", items: { type: "string" }, minItems: 2 }, where: { $ref: "#/$defs/place" },
  },
  $defs: { place: { type: "object", properties: { lat: { type: "number" }, inner: { anyOf: [{ $ref: "#/$defs/place" }, { type: "null" }] } }, required: ["lat", "inner"] } },
};

function assertSatisfies(value: Loose): void {
  assert.equal(typeof value["city"], "string");
  assert.ok(said(value["city"]).length >= 3);
  assert.ok(Number.isInteger(value["days"]) && Number(value["days"]) >= 2 && Number(value["days"]) <= 4);
  assert.ok(["c", "f"].includes(said(value["unit"])));
  assert.equal((value["tags"] as unknown as string[]).length, 2);
  assert.equal(typeof value["where"]?.["lat"], "number");
}

describe("a simulated provider", () => {
  let fleet: Fleet;
  let chat: FleetProvider;
  let messages: FleetProvider;
  let gemini: FleetProvider;
  before(async () => {
    const models = { m: { input: 1, output: 2 } };
    fleet = await startFleet({ providers: [
      { name: "chat", dialect: "openai-chat", models, tokens_out: 5 },
      { name: "messages", dialect: "anthropic-messages", models, tokens_out: 5, cached_share: 0.5 },
      { name: "gemini", dialect: "gemini", models, tokens_out: 5 },
      { name: "said", dialect: "openai-chat", models, tokens_out: 5, simulated: true },
    ] });
    [chat, messages, gemini] = [fleet.provider("chat"), fleet.provider("messages"), fleet.provider("gemini")];
  });
  after(() => fleet.close());

  it("answers chat completions as one object with usage", async () => {
    const response = await ask(chat, false);
    const body = await json(response);
    assert.match(said(response.headers.get("x-request-id")), /^req_/);
    assert.match(said(body["id"]), /^chatcmpl-/);
    assert.equal(body["choices"]?.[0]?.["finish_reason"], "stop");
    assert.equal(said(body["choices"]?.[0]?.["message"]?.["content"]).trim().split(" ").length, 5);
    assert.deepEqual([body["usage"]?.["prompt_tokens"], body["usage"]?.["completion_tokens"], body["usage"]?.["total_tokens"]], [2, 5, 7]);
  });

  it("streams chat completions word by word, role first, usage and [DONE] last", async () => {
    const text = await (await ask(chat, true)).text();
    const data = dataOf(text);
    assert.equal(data.at(-1), "[DONE]");
    const chunks = data.slice(0, -1).map((item) => JSON.parse(item) as Loose);
    assert.equal(chunks.length, 1 + 5 + 1 + 1);
    assert.equal(chunks[0]?.["choices"]?.[0]?.["delta"]?.["role"], "assistant");
    assert.equal(chunks.at(-2)?.["choices"]?.[0]?.["finish_reason"], "stop");
    assert.deepEqual(chunks.at(-1)?.["choices"], []);
    assert.equal(chunks.at(-1)?.["usage"]?.["completion_tokens"], 5);
  });

  it("leaves usage out of a chat stream that did not ask for it", async () => {
    const text = await (await ask(chat, true, { stream_options: undefined })).text();
    assert.equal(text.includes("usage"), false);
    assert.equal(fleet.bill().at(-1)?.usage_sent, false);
    assert.equal(fleet.bill().at(-1)?.output_tokens, 5);
  });

  it("gives several choices, stops at a stop sequence, and says when a limit cut it", async () => {
    const several = await json(await ask(chat, false, { n: 3 }));
    assert.equal((several["choices"] as unknown as []).length, 3);
    assert.equal(several["usage"]?.["completion_tokens"], 15);
    const cut = await json(await ask(chat, false, { max_completion_tokens: 2 }));
    assert.equal(cut["choices"]?.[0]?.["finish_reason"], "length");
    assert.equal(cut["usage"]?.["completion_tokens"], 2);
    const stopped = await json(await ask(messages, false, { stop_sequences: [" "] }));
    assert.equal(stopped["stop_reason"], "stop_sequence");
    assert.equal(stopped["stop_sequence"], " ");
    assert.equal(said(stopped["content"]?.[0]?.["text"]).includes(" "), false);
  });

  it("goes on with an answer that was begun, where the dialect asks so", async () => {
    const text = async (provider: FleetProvider, more: object): Promise<string> => {
      const answer = await json(await ask(provider, false, more));
      return said(answer["choices"]?.["0"]?.["message"]?.["content"] ?? answer["content"]?.["0"]?.["text"]);
    };
    const begun = (words: string): object => ({ messages: [{ role: "user", content: "q" }, { role: "assistant", content: words }] });
    assert.equal(await text(messages, begun("the river rises")), " behind the ");
    assert.equal(await text(chat, { ...begun("lake is still "), continue_final_message: true }), "the river ");
    // Not asked for, or nothing that it would have said: an answer of its own.
    assert.equal((await text(chat, begun("the river rises"))).trim().split(" ").length, 5);
    assert.equal((await text(messages, begun("Once upon a time"))).trim().split(" ").length, 5);
  });

  it("calls a tool with arguments of its schema, then quotes the result", async () => {
    const tools = [{ type: "function", function: { name: "weather", parameters: SCHEMA } }];
    const called = await json(await ask(chat, false, { tools }));
    const call = called["choices"]?.[0]?.["message"]?.["tool_calls"]?.[0];
    assert.equal(called["choices"]?.[0]?.["finish_reason"], "tool_calls");
    assert.equal(call?.["function"]?.["name"], "weather");
    assertSatisfies(JSON.parse(said(call?.["function"]?.["arguments"])) as Loose);
    const streamed = await events(await ask(chat, true, { tools }));
    const deltas = streamed.flatMap((chunk) => (chunk["choices"]?.[0]?.["delta"]?.["tool_calls"] ?? []) as unknown as Loose[]);
    assertSatisfies(JSON.parse(deltas.map((delta) => said(delta["function"]?.["arguments"])).join("")) as Loose);
    const answered = await json(await ask(chat, false, { tools, messages: [{ role: "user", content: "?" }, { role: "tool", tool_call_id: "c", content: "rain  at 9" }] }));
    assert.match(said(answered["choices"]?.[0]?.["message"]?.["content"]), /rain {2}at 9$/);
    const refused = await json(await ask(chat, false, { tools, tool_choice: "none" }));
    assert.equal(refused["choices"]?.[0]?.["message"]?.["tool_calls"], undefined);
  });

  it("answers JSON of the schema that was asked for, in each dialect", async () => {
    const one = await json(await ask(chat, false, { response_format: { type: "json_schema", json_schema: { name: "x", schema: SCHEMA } } }));
    assertSatisfies(JSON.parse(said(one["choices"]?.[0]?.["message"]?.["content"])) as Loose);
    const two = await json(await ask(messages, false, { output_config: { format: { type: "json_schema", schema: SCHEMA } } }));
    assertSatisfies(JSON.parse(said(two["content"]?.[0]?.["text"])) as Loose);
    const three = await json(await ask(gemini, false, { generationConfig: { responseMimeType: "application/json", responseJsonSchema: SCHEMA } }));
    assertSatisfies(JSON.parse(said(three["candidates"]?.[0]?.["content"]?.["parts"]?.[0]?.["text"])) as Loose);
  });

  it("searches as often as it is allowed, reads its prompt anew after each, and tells and bills both", async () => {
    const one = await startFleet({ providers: [{ name: "p", dialect: "anthropic-messages", models: { m: { input: 1, output: 2, units: { web_searches: 0.01 } } }, tokens_out: 5, web_searches: 4, search_tokens: 100 }] });
    const tools = (max: number): object => ({ tools: [{ type: "web_search_20250305", name: "web_search", max_uses: max }] });
    const input: number[] = [];
    for (const max of [0, 2, 9]) input.push(Number((await json(await ask(one.provider("p"), false, tools(max))))["usage"]?.["input_tokens"]));
    const bare = input[0] ?? 0;
    assert.deepEqual(input, [bare, 3 * bare + 300, 5 * bare + 1_000]);
    assert.deepEqual(one.bill().map((row) => [row.units?.["web_searches"], row.input_tokens, row.cost_nano_usd]), [[undefined, bare, bare * 1_000 + 10_000], [2, input[1], (input[1] ?? 0) * 1_000 + 10_000 + 20_000_000], [4, input[2], (input[2] ?? 0) * 1_000 + 10_000 + 40_000_000]]);
    await one.close();
  });

  it("keeps the limit of a call, unless it is one that keeps none", async () => {
    const wordsOf = async (ignores: boolean): Promise<number> => {
      const one = await startFleet({ providers: [{ name: "p", dialect: "openai-chat", models: { m: { input: 1, output: 2 } }, tokens_out: 50, ignores_limits: ignores }] });
      const body = await json(await ask(one.provider("p"), false, { max_tokens: 7 }));
      await one.close();
      return Number(body["usage"]?.["completion_tokens"]);
    };
    assert.deepEqual([await wordsOf(false), await wordsOf(true)], [7, 50]);
  });

  it("streams messages with every event named, blocks opened and closed, usage cumulative", async () => {
    const text = await (await ask(messages, true, { thinking: { type: "enabled", budget_tokens: 1024 } })).text();
    const names = [...text.matchAll(/^event: (\w+)$/gm)].map((match) => match[1]);
    const data = dataOf(text).map((item) => JSON.parse(item) as Loose);
    assert.deepEqual(data.map((event) => said(event["type"])), names);
    assert.deepEqual([...new Set(names)], ["message_start", "content_block_start", "ping", "content_block_delta", "content_block_stop", "message_delta", "message_stop"]);
    assert.equal(names.filter((name) => name === "content_block_start").length, 2);
    assert.ok(data.some((event) => said(event["delta"]?.["type"]) === "signature_delta" && said(event["delta"]?.["signature"]).length > 10));
    const usage = data.find((event) => said(event["type"]) === "message_delta")?.["usage"];
    // Half of the two input tokens were read from the cache: disjoint classes.
    assert.deepEqual([usage?.["input_tokens"], usage?.["cache_read_input_tokens"], usage?.["output_tokens"]], [1, 1, 17]);
  });

  it("calls tools in messages: partial JSON in the stream, an object in the whole answer", async () => {
    const tools = [{ name: "weather", input_schema: SCHEMA }];
    const whole = await json(await ask(messages, false, { tools }));
    assert.equal(whole["stop_reason"], "tool_use");
    assertSatisfies(whole["content"]?.[0]?.["input"] as Loose);
    const stream = await events(await ask(messages, true, { tools }));
    assert.equal(stream.find((event) => said(event["type"]) === "content_block_start")?.["content_block"]?.["type"], "tool_use");
    assertSatisfies(JSON.parse(stream.map((event) => (event["delta"]?.["partial_json"] as unknown as string | undefined) ?? "").join("")) as Loose);
    const result = { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: [{ type: "text", text: "dry" }] }] };
    const after = await json(await ask(messages, false, { tools, messages: [{ role: "user", content: "?" }, result] }));
    assert.match(said(after["content"]?.[0]?.["text"]), /dry$/);
  });

  it("streams and gives whole generateContent answers, thoughts apart from candidates", async () => {
    const thinking = { generationConfig: { thinkingConfig: { includeThoughts: true } } };
    const whole = await json(await ask(gemini, false, thinking));
    const usage = whole["usageMetadata"];
    assert.deepEqual([usage?.["promptTokenCount"], usage?.["candidatesTokenCount"], usage?.["thoughtsTokenCount"], usage?.["totalTokenCount"]], [2, 5, 12, 19]);
    assert.equal(whole["candidates"]?.[0]?.["content"]?.["parts"]?.[0]?.["thought"], true);
    assert.ok(whole["candidates"]?.[0]?.["content"]?.["parts"]?.[1]?.["thoughtSignature"]);
    const chunks = await events(await ask(gemini, true));
    assert.equal(chunks.length, 5 + 1);
    assert.equal(chunks.at(-1)?.["candidates"]?.[0]?.["finishReason"], "STOP");
    assert.equal(chunks.at(-1)?.["usageMetadata"]?.["totalTokenCount"], 7);
    const tools = [{ functionDeclarations: [{ name: "weather", parametersJsonSchema: SCHEMA }] }];
    const called = await events(await ask(gemini, true, { tools }));
    assertSatisfies(called[0]?.["candidates"]?.[0]?.["content"]?.["parts"]?.[0]?.["functionCall"]?.["args"] as Loose);
  });

  it("bills hidden thoughts though it shows none", async () => {
    const chunks = await events(await ask(gemini, true, { generationConfig: { thinkingConfig: { thinkingBudget: 512 } } }));
    assert.equal(JSON.stringify(chunks).includes('"thought":true'), false);
    assert.equal(chunks.at(-1)?.["usageMetadata"]?.["thoughtsTokenCount"], 12);
    assert.equal(fleet.bill().at(-1)?.output_tokens, 17);
  });

  it("gives the same vector for the same text, as floats and as base64", async () => {
    const embed = (more: object): Promise<Response> => fetch(`${chat.baseUrl}/embeddings`, {
      method: "POST", headers: { authorization: "Bearer k" }, body: JSON.stringify({ model: "m", input: ["one", "two"], dimensions: 8, ...more }),
    });
    const floats = await json(await embed({}));
    const base64 = await json(await embed({ encoding_format: "base64" }));
    const vector = floats["data"]?.[1]?.["embedding"] as unknown as number[];
    const bytes = Buffer.from(said(base64["data"]?.[1]?.["embedding"]), "base64");
    assert.deepEqual([...new Float32Array(bytes.buffer, bytes.byteOffset, 8)], vector);
    assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6);
    assert.equal(fleet.bill().at(-1)?.cost_nano_usd, 2 * 1000);
  });

  it("lists its models, and answers 401 and 404 in the dialect's shape", async () => {
    const list = await json(await fetch(`${chat.baseUrl}/models`, { headers: { authorization: "Bearer k" } }));
    assert.deepEqual((list["data"] as unknown as { id: string }[]).map((model) => model.id), ["m"]);
    const bad = await ask(chat, false, {}, { authorization: "Bearer bad-key" });
    assert.equal(bad.status, 401);
    assert.equal((await json(bad))["error"]?.["code"], "invalid_api_key");
    const badMessages = await ask(messages, false, {}, { "x-api-key": "bad" });
    assert.equal(badMessages.status, 401);
    assert.equal((await json(badMessages))["error"]?.["type"], "authentication_error");
    const badGemini = await ask(gemini, false, {}, { "x-goog-api-key": "bad" });
    assert.equal(badGemini.status, 401);
    assert.equal((await json(badGemini))["error"]?.["status"], "UNAUTHENTICATED");
    const unknown = await ask(chat, false, { model: "nope" });
    assert.equal(unknown.status, 404);
    assert.equal((await json(unknown))["error"]?.["code"], "model_not_found");
    assert.equal(fleet.bill().at(-1)?.cost_nano_usd, 0);
  });

  it("says that it is simulated where it is", async () => {
    const body = await json(await ask(fleet.provider("said"), false));
    assert.equal(body["system_fingerprint"], "spillway-simulated");
    assert.match(said(body["choices"]?.[0]?.["message"]?.["content"]), /^\[simulated\] /);
  });
});
