/** How many tokens a prompt has, asked by the official clients: the provider's own number where it counts, else ours, which says so. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import Anthropic, { APIError as AnthropicError } from "@anthropic-ai/sdk";
import { ApiError as GeminiError, GoogleGenAI } from "@google/genai";
import OpenAI, { APIError } from "openai";
import { startFleet, type Fleet } from "../src/fleet/index.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";

const KEY = "caller-key-of-this-test";
const UPSTREAM_KEY = "upstream-key-of-this-test";
const TEXT = "Where does the water go when the lake behind the wall is full?";
const APPROXIMATE = /the count is approximate/;

let fleet: Fleet;
let gateway: TestGateway;
before(async () => {
  const models = { chat: { input: 1, output: 2 } };
  fleet = await startFleet({
    seed: 7,
    providers: [
      { name: "o", dialect: "openai-chat", models, tokens_out: 5 },
      { name: "a", dialect: "anthropic-messages", models, tokens_out: 5 },
      { name: "a2", dialect: "anthropic-messages", models, tokens_out: 5 },
      { name: "g", dialect: "gemini", models, tokens_out: 5 },
    ],
  });
  const account = (name: string, type: string): string => `  ${name}: { type: ${type}, base_url: "${fleet.provider(name).baseUrl}", api_key: ${UPSTREAM_KEY}, models: { chat: { price: { input: 1, output: 2 } } } }\n`;
  gateway = await testGateway(
    `version: 1\nfallbacks: off\nhealth: { rest: 10ms, rest_max: 10ms }\nkeys: [{ name: app, key: ${KEY} }]\nproviders:\n${account("o", "openai")}${account("a", "anthropic")}${account("a2", "anthropic")}${account("g", "google")}` +
      "routes:\n  two: { candidates: [a/chat, a2/chat] }\n  mixed: { candidates: [a/chat, o/chat] }\n  foreign: { candidates: [o/chat, a/chat] }\n",
  );
});
after(async () => {
  await gateway.close();
  await fleet.close();
});
beforeEach(() => fleet.reset());

const openai = (): OpenAI => new OpenAI({ baseURL: gateway.baseUrl, apiKey: KEY, maxRetries: 0 });
const anthropic = (apiKey = KEY): Anthropic => new Anthropic({ baseURL: gateway.url, apiKey, maxRetries: 0 });
const gemini = (apiKey = KEY): GoogleGenAI => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: gateway.url } });
const messages = [{ role: "user" as const, content: TEXT }];
const post = (path: string, body: string): Promise<Response> => fetch(`${gateway.url}${path}`, { method: "POST", headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" }, body });
const warningOf = (response: Response | { readonly headers: Headers }): string => response.headers.get("x-spillway-warning") ?? "";
/** As the fleet counts: what a call with this prompt would be billed. */
const billed = (text: string): number => Math.ceil(Buffer.byteLength(text) / 4);
const down = [{ match: {}, fault: { kind: "status" as const, status: 503 } }];

describe("a provider that counts is asked", () => {
  it("by openai: responses.inputTokens.count", async () => {
    const { data, response } = await openai().responses.inputTokens.count({ model: "o/chat", input: TEXT }).withResponse();
    assert.deepEqual(data, { object: "response.input_tokens", input_tokens: billed(TEXT) });
    assert.deepEqual([warningOf(response), response.headers.get("x-spillway-deployment"), response.headers.get("x-spillway-cost-usd")], ["", "o/chat", "0.000000000"]);
  });

  it("by @anthropic-ai/sdk: messages.countTokens, with its version and betas", async () => {
    const { data, response } = await anthropic().messages.countTokens({ model: "a/chat", messages, system: "Rivers only." }, { headers: { "anthropic-beta": "some-beta" } }).withResponse();
    assert.deepEqual([data, warningOf(response)], [{ input_tokens: billed(`${TEXT}Rivers only.`) }, ""]);
    const sent = fleet.calls().at(-1);
    assert.deepEqual([sent?.url, sent?.headers["anthropic-beta"], sent?.headers["anthropic-version"], sent?.headers["x-api-key"]], ["/v1/messages/count_tokens", "some-beta", "2026-10-21", UPSTREAM_KEY]);
    assert.ok(!JSON.stringify(sent).includes(KEY));
  });

  it("by @google/genai: models.countTokens, on both versions", async () => {
    assert.equal((await gemini().models.countTokens({ model: "g/chat", contents: TEXT })).totalTokens, billed(TEXT));
    assert.match(fleet.calls().at(-1)?.url ?? "", /\/models\/chat:countTokens$/);
    const whole = await post("/v1beta/models/g%2Fchat:countTokens", JSON.stringify({ generateContentRequest: { model: "models/g/chat", contents: [{ role: "user", parts: [{ text: TEXT }] }], systemInstruction: { parts: [{ text: "Rivers only." }] } } }));
    assert.equal(((await whole.json()) as { totalTokens: number }).totalTokens, billed(`${TEXT}Rivers only.`));
    assert.match(JSON.stringify(fleet.calls().at(-1)?.body), /"generateContentRequest":\{"model":"models\/chat"/);
  });

  it("byte for byte but for the model's name", async () => {
    const body = '{ "model":"a/chat","messages" : [{"role":"user","content":"x"}], "future": {"b":1, "a":2.50}}';
    assert.equal((await post("/v1/messages/count_tokens", body)).status, 200);
    assert.equal(JSON.stringify(fleet.calls().at(-1)?.body), JSON.stringify(JSON.parse(body.replace("a/chat", "chat"))));
  });

  it("with all that the body names of earlier answers", async () => {
    const one = await openai().responses.create({ model: "a/chat", input: TEXT });
    const counted = await openai().responses.inputTokens.count({ model: "o/chat", input: "and on", previous_response_id: one.id });
    assert.equal(counted.input_tokens, billed(`${TEXT}${one.output_text}and on`));
    await assert.rejects(openai().responses.inputTokens.count({ model: "o/chat", input: "x", previous_response_id: "resp_never" }), (error: unknown) => error instanceof APIError && error.code === "previous_response_not_found");
  });

  it("and when it is down, the next one of the route that counts", async () => {
    await fleet.script("a", down);
    const { data, response } = await anthropic().messages.countTokens({ model: "two", messages }).withResponse();
    assert.deepEqual([data.input_tokens, response.headers.get("x-spillway-deployment"), response.headers.get("x-spillway-attempts"), warningOf(response)], [billed(TEXT), "a2/chat", "2", ""]);
  });
});

describe("where nobody can be asked, the count is ours and says so", () => {
  it("for deployments of other dialects, on every surface, near what a provider bills", async () => {
    const near = (tokens: number | undefined): void => assert.ok(tokens !== undefined && tokens >= billed(TEXT) && tokens < billed(TEXT) * 2, String(tokens));
    for (const model of ["a/chat", "g/chat"]) {
      const { data, response } = await openai().responses.inputTokens.count({ model, input: TEXT }).withResponse();
      near(data.input_tokens);
      assert.match(warningOf(response), APPROXIMATE);
    }
    for (const model of ["o/chat", "g/chat"]) {
      const { data, response } = await anthropic().messages.countTokens({ model, messages }).withResponse();
      near(data.input_tokens);
      assert.match(warningOf(response), APPROXIMATE);
    }
    for (const model of ["o/chat", "a/chat"]) {
      const counted = await gemini().models.countTokens({ model, contents: TEXT });
      near(counted.totalTokens);
      assert.match(counted.sdkHttpResponse?.headers?.["x-spillway-warning"] ?? "", APPROXIMATE);
    }
  });

  it("tools, system text and images count", async () => {
    const count = async (more: object): Promise<number> => (await anthropic().messages.countTokens({ model: "o/chat", messages, ...more })).input_tokens;
    const plain = await count({});
    assert.ok((await count({ system: "x".repeat(400) })) >= plain + 100);
    assert.ok((await count({ tools: [{ name: "look", description: "y".repeat(400), input_schema: { type: "object" } }] })) >= plain + 100);
    assert.ok((await count({ messages: [{ role: "user", content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } }] }] })) >= 1_000);
  });

  it("for the deployment that would be called: a later candidate's number is another model's", async () => {
    const { response } = await anthropic().messages.countTokens({ model: "foreign", messages }).withResponse();
    assert.match(warningOf(response), APPROXIMATE);
    assert.equal(response.headers.get("x-spillway-attempts"), "0");
  });

  it("when every provider that counts is down, and chat is not thought worse of for it", async () => {
    await fleet.script("a", [{ match: { path: "/v1/messages/count_tokens" }, fault: { kind: "status", status: 404 } }]);
    const { data, response } = await anthropic().messages.countTokens({ model: "mixed", messages }).withResponse();
    assert.ok(data.input_tokens > 0);
    assert.match(warningOf(response), /approximate.*upstream_error/);
    const chat = await anthropic().messages.create({ model: "mixed", messages, max_tokens: 50 }).withResponse();
    assert.equal(chat.response.headers.get("x-spillway-deployment"), "a/chat");
  });
});

describe("what is wrong is told in the surface's own form", () => {
  it("an unknown model, a missing field, a wrong key", async () => {
    await assert.rejects(anthropic().messages.countTokens({ model: "nobody", messages }), (error: unknown) => error instanceof AnthropicError && error.status === 404 && (error.error as { error: { type: string } }).error.type === "not_found_error");
    await assert.rejects(anthropic("another-key-altogether").messages.countTokens({ model: "a/chat", messages }), (error: unknown) => error instanceof AnthropicError && error.status === 401);
    await assert.rejects(gemini("another-key-altogether").models.countTokens({ model: "g/chat", contents: TEXT }), (error: unknown) => error instanceof GeminiError && error.status === 401);
    await assert.rejects(openai().responses.inputTokens.count({ input: TEXT }), (error: unknown) => error instanceof APIError && error.code === "missing_field" && error.param === "model");
  });

  it("what the provider refuses stays refused, in its words", async () => {
    await fleet.script("a", [{ match: {}, fault: { kind: "status", status: 400, body: { type: "error", error: { type: "invalid_request_error", message: "messages: too odd" } } } }]);
    await assert.rejects(anthropic().messages.countTokens({ model: "a/chat", messages }), (error: unknown) => error instanceof AnthropicError && error.status === 400 && /too odd/.test(error.message));
  });
});

it("a count has no hold and no charge, but a record under its own name", async () => {
  await anthropic().messages.countTokens({ model: "a/chat", messages });
  await anthropic().messages.countTokens({ model: "o/chat", messages });
  const [asked, ours] = (await gateway.requests()).slice(-2);
  assert.deepEqual([asked?.record?.surface, asked?.record?.outcome, asked?.record?.costNanoUsd, asked?.record?.deployment, asked?.record?.flags], ["messages-count-tokens", "ok", 0, "a/chat", []]);
  assert.equal(asked?.attempts.length, 0, "no row of the ledger");
  assert.deepEqual([ours?.record?.surface, ours?.record?.outcome, ours?.record?.status, ours?.record?.deployment, ours?.record?.flags], ["messages-count-tokens", "ok", 200, null, ["approximate"]]);
  assert.deepEqual(fleet.bill().filter((row) => /count/.test(row.path)).map((row) => row.cost_nano_usd).filter((cost) => cost !== 0), []);
});
