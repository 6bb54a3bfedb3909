/**
 * What we author in OpenAI's name is valid by OpenAI's own description: answers and chunks made from other dialects,
 * errors of every kind, model lists. Taken from the wire.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { parse, stringify } from "yaml";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { descriptionAbsent, problems } from "../../src/providers/dialects/openai/test-schemas.ts";
import { ERRORS } from "../../src/wire/errors.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { rawExchange } from "../support/raw-client.ts";
import { json, raw, recordingUpstream, sse, type Answering, type RecordingUpstream } from "../support/recording-upstream.ts";

const PRICE = { input: 1, output: 2 };
const MODELS = { plain: PRICE, thinker: { ...PRICE, thoughts: 5 } };
const FLEET: FleetConfig = {
  seed: 3,
  providers: [
    { name: "fleet-openai", dialect: "openai-chat", models: { ...MODELS, embedder: PRICE }, tokens_out: 12, parallel_tools: 2 },
    { name: "fleet-anthropic", dialect: "anthropic-messages", models: MODELS, tokens_out: 12, parallel_tools: 2, cached_share: 0.5 },
    { name: "fleet-gemini", dialect: "gemini", models: MODELS, tokens_out: 12, parallel_tools: 2, cached_share: 0.5 },
  ],
};

let fleet: Fleet;
let gateway: TestGateway;
let scripted: RecordingUpstream;

before(async () => {
  fleet = await startFleet(FLEET);
  scripted = await recordingUpstream();
  const odd = (type: string, path: string) => ({ type, base_url: `${scripted.origin}${path}`, api_key: "k-scripted-0123456789", models: { odd: { price: PRICE, context: 100_000, max_output: 4_000 } } });
  const config = parse(gatewayConfig(FLEET, fleet, { more: { keys: [{ name: "app", key: "caller-key-0123456789" }], fallbacks: "off" } })) as { providers: object };
  const providers = { ...config.providers, "odd-openai": odd("openai-compatible", "/v1"), "odd-anthropic": odd("anthropic", "/v1"), "odd-gemini": odd("google", "/v1beta"), far: { type: "openai-compatible", base_url: "https://far.example/v1", api_key: "k-far-0123456789abcdef" } };
  gateway = await testGateway(stringify({ ...config, providers }));
});
after(async () => {
  await gateway.close();
  await fleet.close();
  await scripted.close();
});

const KEYED = { authorization: "Bearer caller-key-0123456789", "content-type": "application/json" };
const ask = (body: object, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { ...KEYED, ...headers }, body: JSON.stringify({ messages: [{ role: "user", content: "hi" }], ...body }) });

function valid(schema: string, value: unknown): void {
  assert.deepEqual(problems(schema, value), [], `${schema}: ${JSON.stringify(value).slice(0, 600)}`);
}

type Chunk = { choices: { finish_reason: string | null; delta: Record<string, unknown> }[]; usage?: unknown; spillway?: { cost_usd: number } };

/** The chunks of a stream: each valid, the usage where it was asked and only there, the end told. */
async function validStream(response: Response, usageAsked: boolean): Promise<readonly Chunk[]> {
  const text = await response.text();
  assert.equal(response.status, 200, text);
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  const events = text.split("\n\n").filter((event) => event !== "");
  assert.equal(events.pop(), "data: [DONE]", text.slice(-300));
  const chunks = events.map((event) => JSON.parse(event.replace(/^data: /, "")) as Chunk);
  for (const chunk of chunks) valid("CreateChatCompletionStreamResponse", chunk);
  const told = chunks.filter((chunk) => chunk.choices.length === 0);
  assert.equal(told.length, usageAsked ? 1 : 0, "the usage chunk comes exactly where it was asked for");
  if (usageAsked) {
    assert.equal(told[0], chunks.at(-1), "and last");
    assert.ok(typeof told[0]?.spillway?.cost_usd === "number");
    for (const chunk of chunks.slice(0, -1)) assert.equal(chunk.usage, null, "usage is null on all other chunks");
  } else for (const chunk of chunks) assert.equal("usage" in chunk && chunk.usage !== null, false);
  return chunks;
}

const TOOLS = ["lookup", "report"].map((name) => ({ type: "function", function: { name, parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } }, required: ["city"] } } }));
const SCHEMA = { type: "json_schema", json_schema: { name: "out", strict: true, schema: { type: "object", properties: { answer: { type: "string" } }, required: ["answer"], additionalProperties: false } } };
const ROUND = [
  { role: "user", content: "weather?" },
  { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "lookup", arguments: `{"city":"Ulm"}` } }] },
  { role: "tool", tool_call_id: "call_1", content: "rain" },
];

const SHAPES: Readonly<Record<string, object>> = {
  text: {},
  "a limit that is reached": { max_completion_tokens: 3 },
  reasoning: { model: "thinker", reasoning_effort: "low" },
  tools: { tools: TOOLS },
  "a tool's result": { messages: ROUND, tools: TOOLS },
  "a JSON schema": { response_format: SCHEMA },
  "a stop sequence": { stop: ["river", "water", "the"] },
};

describe("answers made from another dialect are valid chat completions", { skip: descriptionAbsent }, () => {
  for (const account of ["fleet-anthropic", "fleet-gemini", "fleet-openai"]) {
    for (const [what, { model = "plain", ...shape }] of Object.entries(SHAPES) as [string, { model?: string }][]) {
      test(`${account}, ${what}`, async () => {
        const name = `${account}/${model}`;
        const answer = await ask({ ...shape, model: name });
        const body = (await answer.json()) as { choices: { message: { content: string | null; tool_calls?: unknown[]; reasoning_content?: string } }[]; usage: object };
        assert.equal(answer.status, 200, JSON.stringify(body));
        valid("CreateChatCompletionResponse", body);
        valid("CompletionUsage", body.usage);
        for (const usageAsked of [true, false]) {
          const options = usageAsked ? { stream_options: { include_usage: true } } : {};
          const chunks = await validStream(await ask({ ...shape, ...options, model: name, stream: true }), usageAsked);
          assert.ok(chunks.some((chunk) => chunk.choices[0]?.finish_reason != null));
          if (what === "tools") assert.ok(chunks.some((chunk) => chunk.choices[0]?.delta["tool_calls"] !== undefined));
          if (what === "reasoning") assert.ok(chunks.some((chunk) => chunk.choices[0]?.delta["reasoning_content"] !== undefined));
        }
        const { message } = body.choices[0] as (typeof body.choices)[0];
        if (what === "tools") assert.equal(message.tool_calls?.length, 2);
        if (what === "reasoning") assert.ok((message.reasoning_content ?? "").length > 0);
        if (what === "a JSON schema") assert.ok("answer" in (JSON.parse(message.content ?? "") as object));
      });
    }
  }

  test("several choices of one answer", async () => {
    const body = (await (await ask({ model: "fleet-gemini/plain", n: 3 })).json()) as { choices: unknown[] };
    valid("CreateChatCompletionResponse", body);
    assert.equal(body.choices.length, 3);
    const chunks = await validStream(await ask({ model: "fleet-gemini/plain", n: 3, stream: true }), false);
    assert.deepEqual([...new Set(chunks.flatMap((chunk) => chunk.choices.map((choice) => (choice as unknown as { index: number }).index)))].toSorted((a, b) => a - b), [0, 1, 2]);
  });

  const anthropic = (content: object[], stop: string, more: object = {}) => ({ id: "msg_1", type: "message", role: "assistant", model: "odd", content, stop_reason: stop, stop_sequence: null, usage: { input_tokens: 5, output_tokens: 2 }, ...more });
  const gemini = (candidates: object[], more: object = {}) => ({ candidates, usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 2, totalTokenCount: 7 }, modelVersion: "odd", ...more });
  const ODD: readonly (readonly [what: string, account: string, body: object, finish: string])[] = [
    ["a refusal", "odd-anthropic", anthropic([{ type: "text", text: "I cannot" }], "refusal", { stop_details: { type: "refusal", category: "x" } }), "content_filter"],
    ["thinking with signature and redaction", "odd-anthropic", anthropic([{ type: "thinking", thinking: "why", signature: "sig" }, { type: "redacted_thinking", data: "dark" }, { type: "text", text: "so" }], "end_turn"), "stop"],
    ["a stop reason of tomorrow", "odd-anthropic", anthropic([{ type: "text", text: "so" }], "brand_new_reason"), "stop"],
    ["a pause", "odd-anthropic", anthropic([{ type: "text", text: "so" }], "pause_turn"), "stop"],
    ["a call without arguments", "odd-anthropic", anthropic([{ type: "tool_use", id: "toolu_1", name: "f", input: {} }], "tool_use"), "tool_calls"],
    ["a blocked answer", "odd-gemini", gemini([{ content: { parts: [{ text: "half" }], role: "model" }, finishReason: "SAFETY", index: 0 }]), "content_filter"],
    ["a blocked prompt", "odd-gemini", gemini([], { promptFeedback: { blockReason: "SAFETY" } }), "content_filter"],
    ["a call with a thought signature and no id", "odd-gemini", gemini([{ content: { parts: [{ functionCall: { name: "f", args: { a: 1 } }, thoughtSignature: "c2ln" }], role: "model" }, finishReason: "STOP", index: 0 }]), "tool_calls"],
    ["log probabilities", "odd-gemini", gemini([{ content: { parts: [{ text: "a" }], role: "model" }, finishReason: "STOP", index: 0, avgLogprobs: -0.1, logprobsResult: { topCandidates: [{ candidates: [{ token: "a", logProbability: -0.1 }] }], chosenCandidates: [{ token: "a", logProbability: -0.1 }] } }]), "stop"],
  ];
  for (const [what, account, body, finish] of ODD) {
    test(`${account}: ${what}`, async () => {
      scripted.answer(json(body));
      const answer = await ask({ model: `${account}/odd` });
      const told = (await answer.json()) as { choices: { finish_reason: string }[] };
      assert.equal(answer.status, 200, JSON.stringify(told));
      valid("CreateChatCompletionResponse", told);
      assert.equal(told.choices[0]?.finish_reason, finish);
    });
  }
});

describe("lists of models", { skip: descriptionAbsent }, () => {
  test("are valid, and so is each entry by its name", async () => {
    const list = (await (await fetch(`${gateway.baseUrl}/models`, { headers: KEYED })).json()) as { data: { id: string }[] };
    valid("ListModelsResponse", list);
    assert.ok(list.data.length >= 9);
    for (const { id } of list.data) {
      const entry = await fetch(`${gateway.baseUrl}/models/${encodeURIComponent(id)}`, { headers: KEYED });
      assert.equal(entry.status, 200, id);
      valid("Model", await entry.json());
    }
  });
});

test("embeddings of a compatible host are valid", { skip: descriptionAbsent }, async () => {
  const answer = await fetch(`${gateway.baseUrl}/embeddings`, { method: "POST", headers: KEYED, body: JSON.stringify({ model: "fleet-openai/embedder", input: ["a", "b"] }) });
  assert.equal(answer.status, 200);
  valid("CreateEmbeddingResponse", await answer.json());
});

test("lists and entries of models have their id in the headers, as every answer of the API", async () => {
  for (const path of ["/v1/models", "/v1/models/fleet-openai%2Fplain"]) {
    const { status, headers } = await fetch(`${gateway.url}${path}`, { headers: KEYED });
    assert.equal(status, 200);
    assert.match(headers.get("x-request-id") ?? "", /^req_/);
    assert.deepEqual([headers.get("request-id"), headers.get("x-spillway-request-id")], [headers.get("x-request-id"), headers.get("x-request-id")]);
  }
});

describe("errors are valid, and say in their headers what a client may do", { skip: descriptionAbsent }, () => {
  type Told = { error: { message: string; type: string; param: string | null; code: string | null } };
  function validError(status: number, headers: Readonly<Record<string, string | undefined>>, text: string, code: string): void {
    const body = JSON.parse(text) as Told;
    valid("ErrorResponse", body);
    assert.equal(body.error.code, code, text);
    assert.ok(body.error.message.length > 8, text);
    const own = ERRORS[code as keyof typeof ERRORS];
    if (own !== undefined) assert.equal(headers["x-should-retry"], own.retry === null ? undefined : String(own.retry));
    assert.equal(status, own?.status ?? 400, text);
    if (status === 429 || status === 503) assert.ok(Number(headers["retry-after"]) >= 1, "a time to wait");
    assert.match(headers["content-type"] ?? "", /^application\/json/);
    assert.ok(headers["x-request-id"] !== undefined && headers["x-request-id"] === headers["request-id"] && headers["request-id"] === headers["x-spillway-request-id"]);
  }

  const POST = (path: string, body: string, more: Record<string, string> = {}): RequestInit & { path: string } => ({ path, method: "POST", body, headers: { ...KEYED, ...more } });
  const chat = (body: object, more: Record<string, string> = {}) => POST("/v1/chat/completions", JSON.stringify({ messages: [{ role: "user", content: "hi" }], ...body }), more);
  const REFUSED: readonly (readonly [code: string, request: RequestInit & { path: string }])[] = [
    ["missing_key", { path: "/v1/models" }],
    ["invalid_key", { path: "/v1/models", headers: { "x-api-key": "wrong" } }],
    ["conflicting_keys", { path: "/v1/models", headers: { ...KEYED, "x-api-key": "other" } }],
    ["unknown_path", { path: "/v1/nothing-here", headers: KEYED }],
    ["method_not_allowed", { path: "/v1/chat/completions", headers: KEYED }],
    ["unsupported_media_type", POST("/v1/chat/completions", "{}", { "content-type": "text/plain" })],
    ["unsupported_encoding", POST("/v1/chat/completions", "{}", { "content-encoding": "zstd" })],
    ["invalid_json", POST("/v1/chat/completions", "{")],
    ["invalid_body", POST("/v1/chat/completions", "[]")],
    ["duplicate_field", POST("/v1/chat/completions", `{"model":"a","model":"b"}`)],
    ["too_deep", POST("/v1/chat/completions", `{"x":${"[".repeat(500)}${"]".repeat(500)}}`)],
    ["missing_field", chat({ model: undefined })],
    ["invalid_type", chat({ model: 7 })],
    ["unknown_model", chat({ model: "fleet-openai-plain" })],
    ["unknown_model", { path: "/v1/models/no-such-model", headers: KEYED }],
    ["ambiguous_model", chat({ model: "plain" })],
    ["price_unknown", chat({ model: "far/unheard-of" })],
    ["invalid_header", chat({ model: "fleet-openai/plain" }, { "x-spillway-deadline-ms": "soon" })],
    ["unsupported_parameter", chat({ model: "fleet-anthropic/plain", n: 2 })],
    ["missing_field", POST("/v1/embeddings", `{"model":"fleet-openai/embedder"}`)],
    ["unsupported_parameter", POST("/v1/embeddings", `{"model":"fleet-gemini/plain","input":"a"}`)],
    ["invalid_type", POST("/v1/embeddings", `{"model":"fleet-openai/embedder","input":7}`)],
  ];
  for (const [code, request] of REFUSED) {
    test(`${code}: ${request.method ?? "GET"} ${request.path}`, async () => {
      const response = await fetch(`${gateway.url}${request.path}`, request);
      validError(response.status, Object.fromEntries(response.headers), await response.text(), code);
    });
  }

  const RAW: readonly (readonly [code: string, bytes: string])[] = [
    ["invalid_http", "NONSENSE\r\n\r\n"],
    ["headers_too_large", `GET /v1/models HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(40_000)}\r\n\r\n`],
    ["upgrade_not_supported", "GET /v1/realtime HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"],
  ];
  for (const [code, bytes] of RAW) {
    test(`${code}: told though it is no request`, async () => {
      const { answers } = await rawExchange(gateway.port, bytes, { answers: 1 });
      const body = JSON.parse(answers[0]?.body.toString() ?? "") as Told;
      valid("ErrorResponse", body);
      assert.equal(body.error.code, code);
    });
  }

  const openaiError = (status: number, error: object): Answering => json({ error: { message: "their words", type: "t", param: null, code: null, ...error } }, status);
  const UPSTREAM: readonly (readonly [code: string, answering: Answering])[] = [
    ["their_code", openaiError(400, { code: "their_code", param: "messages[0]" })],
    ["upstream_bad_request", openaiError(400, { code: null })],
    ["context_length_exceeded", openaiError(400, { code: "context_length_exceeded" })],
    ["upstream_auth", openaiError(401, {})],
    ["upstream_payment", openaiError(402, {})],
    ["upstream_not_found", openaiError(404, {})],
    ["upstream_rate_limited", openaiError(429, {})],
    ["upstream_error", openaiError(500, {})],
    ["upstream_overloaded", openaiError(503, {})],
    ["upstream_malformed", json("{ not json")],
    ["upstream_malformed", raw("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\nhey!")],
    ["upstream_empty", json({ choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "" } }] })],
    ["upstream_truncated", json({ choices: [{ index: 0, finish_reason: null, message: { role: "assistant", content: "half" } }] })],
    ["upstream_unreachable", (_call, socket) => socket.destroy()],
  ];
  for (const [index, [code, answering]] of UPSTREAM.entries()) {
    test(`${code}: an upstream that answers so (${index})`, async () => {
      // A gateway of its own: what one answer teaches about the provider must not decide the next.
      const own = await testGateway(`version: 1\nproviders:\n  odd: { type: openai-compatible, base_url: "${scripted.origin}/v1", api_key: k-scripted-0123456789, models: { odd: { price: { input: 1, output: 2 } } } }\n`);
      try {
        scripted.answer(answering);
        const response = await fetch(`${own.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "odd/odd", messages: [{ role: "user", content: "hi" }] }) });
        const told = await response.text();
        validError(response.status, Object.fromEntries(response.headers), told, code);
      } finally {
        await own.close();
      }
    });
  }

  test("an error in a stream that has begun is a valid error object, and nothing follows it", async () => {
    scripted.answer(sse(`data: {"id":"a","object":"chat.completion.chunk","created":1,"model":"odd","choices":[{"index":0,"delta":{"role":"assistant","content":"half"},"finish_reason":null}]}\n\ndata: {"error":{"message":"their words","type":"server_error","param":null,"code":17}}\n\n`));
    const text = await (await ask({ model: "odd-openai/odd", stream: true })).text();
    const events = text.split("\n\n").filter((event) => event !== "");
    const body = JSON.parse(events.at(-1)?.replace(/^data: /, "") ?? "") as Told;
    valid("ErrorResponse", body);
    assert.equal(body.error.code, "upstream_error", "the code is ours, the words are theirs");
    assert.match(body.error.message, /their words/);
    assert.equal(text.includes("[DONE]"), false);
    assert.equal(text.includes(`"finish_reason":"`), false);
  });
});
