/** Requests with an Idempotency-Key, by the official SDKs against a fleet that counts its calls: one call and one bill, over their retries, at every endpoint, through a kill -9. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import Anthropic, { APIError as AnthropicError } from "@anthropic-ai/sdk";
import OpenAI, { APIError, toFile } from "openai";
import EarlierAnthropic from "anthropic-sdk-0-122";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../src/fleet/index.ts";
import { childGateway, testGateway, type TestGateway } from "./support/gateway.ts";

const KEYS = { app: "caller-key-of-the-app", web: "caller-key-of-the-web" };
const PRICE = { input: 1, output: 2 };
const SLOW_MS = 900;
const WORDS = "words-that-nobody-may-find";
const CONFIG: FleetConfig = {
  seed: 7,
  providers: [
    { name: "o", dialect: "openai-chat", models: { chat: PRICE, slow: { ...PRICE, first_token: SLOW_MS }, stuck: { ...PRICE, first_token: 60_000 }, embed: { input: 0.02, output: 0 } }, tokens_out: 6 },
    { name: "a", dialect: "anthropic-messages", models: { talk: PRICE, slow: { ...PRICE, first_token: SLOW_MS } }, tokens_out: 6, batches: { end: "control" } },
  ],
};
const USER = [{ role: "user" as const, content: WORDS }];
const keyed = (key: string) => ({ headers: { "idempotency-key": key } });

/** SDKs send keys of their own where they are told in which header. */
class KeyedOpenAI extends OpenAI {
  protected override idempotencyHeader = "Idempotency-Key";
}
class KeyedAnthropic extends EarlierAnthropic {
  protected override idempotencyHeader = "Idempotency-Key";
}

let fleet: Fleet;
let count = 0;
const anew = (): string => `key-${++count}`;
const yaml = (more: Readonly<Record<string, unknown>> = {}): string =>
  gatewayConfig(CONFIG, fleet, { apiKey: "upstream-key", more: { keys: Object.entries(KEYS).map(([name, key]) => ({ name, key })), fallbacks: "off", files: "shared", ...more } });

before(async () => {
  fleet = await startFleet(CONFIG);
});
after(() => fleet.close());
beforeEach(() => fleet.reset());

const refused = (status: number, code: string) => (error: unknown) => {
  assert.ok(error instanceof APIError || error instanceof AnthropicError, String(error));
  assert.equal(error.status, status);
  assert.match(JSON.stringify(error.error), new RegExp(status === 409 || status === 422 ? "Idempotency-Key" : code));
  return true;
};

describe("an Idempotency-Key", () => {
  let gateway: TestGateway;
  let openai: OpenAI;
  let anthropic: Anthropic;
  before(async () => {
    gateway = await testGateway(yaml());
    openai = new OpenAI({ baseURL: gateway.baseUrl, apiKey: KEYS.app, maxRetries: 0 });
    anthropic = new Anthropic({ baseURL: gateway.url, apiKey: KEYS.app, maxRetries: 0 });
  });
  after(() => gateway.close());

  it("makes one call of two equal requests, and gives the same answer twice", async () => {
    const key = anew();
    const ask = () => openai.chat.completions.create({ model: "o/chat", messages: USER }, keyed(key)).withResponse();
    const [first, again] = [await ask(), await ask()];
    assert.deepEqual(again.data, first.data);
    const told = (name: string) => [first, again].map(({ response }) => response.headers.get(name));
    assert.deepEqual(told("x-spillway-replayed"), [null, "true"]);
    for (const name of ["x-spillway-request-id", "x-spillway-cost-usd", "x-spillway-deployment"]) assert.equal(...(told(name) as [string, string]));
    assert.equal(fleet.bill().length, 1);
    const rows = (await gateway.requests()).filter(({ requestId }) => requestId === first.response.headers.get("x-spillway-request-id"));
    assert.deepEqual(rows.map(({ record }) => record?.costNanoUsd), [fleet.bill()[0]?.cost_nano_usd]);
    await assert.rejects(openai.chat.completions.create({ model: "o/chat", messages: USER, n: 2 }, keyed(key)).asResponse(), refused(422, "idempotency_mismatch"));
    await assert.rejects(new OpenAI({ baseURL: gateway.baseUrl, apiKey: KEYS.web, maxRetries: 0 }).chat.completions.create({ model: "o/chat", messages: USER }, keyed(key)).asResponse(), refused(422, "idempotency_mismatch"));
    assert.equal(fleet.bill().length, 1);
  });

  it("makes one call of fifty requests at once: one is answered, the others are told that it runs", async () => {
    const key = anew();
    const all = await Promise.allSettled(Array.from({ length: 50 }, () => openai.chat.completions.create({ model: "o/slow", messages: USER }, keyed(key))));
    assert.equal(all.filter(({ status }) => status === "fulfilled").length, 1);
    for (const one of all) if (one.status === "rejected") refused(409, "idempotency_running")(one.reason);
    assert.equal(fleet.bill().length, 1);
  });

  it("lets an SDK whose first try ran out of time have the answer of that try: its own keys, its own retries, one bill", async () => {
    const impatient = { timeout: 300, maxRetries: 4 };
    const chat = await new KeyedOpenAI({ baseURL: gateway.baseUrl, apiKey: KEYS.app, ...impatient }).chat.completions.create({ model: "o/slow", messages: USER }).withResponse();
    assert.equal(chat.data.choices[0]?.finish_reason, "stop");
    const message = await new KeyedAnthropic({ baseURL: gateway.url, apiKey: KEYS.app, ...impatient }).messages.create({ model: "a/slow", max_tokens: 50, messages: USER }).withResponse();
    assert.equal(message.data.stop_reason, "end_turn");
    for (const { response } of [chat, message]) assert.equal(response.headers.get("x-spillway-replayed"), "true");
    assert.deepEqual(fleet.bill().map(({ provider, outcome, usage_sent: told }) => [provider, outcome, told]), [["o", "answered", true], ["a", "answered", true]]);
    const sent = (await gateway.requests()).slice(-2).map(({ record }) => [record?.outcome, record?.costNanoUsd]);
    assert.deepEqual(sent, fleet.bill().map(({ cost_nano_usd: cost }) => ["ok", cost]));
  });

  it("lets the SDK's retries wait for the answer of a key of its user's", async () => {
    const key = anew();
    const patient = new Anthropic({ baseURL: gateway.url, apiKey: KEYS.app, maxRetries: 4 });
    const ask = () => patient.messages.create({ model: "a/slow", max_tokens: 50, messages: USER }, keyed(key));
    const [one, two] = await Promise.all([ask(), ask()]);
    assert.deepEqual(one, two);
    assert.equal(fleet.bill().length, 1);
  });

  it("of a stream that ended makes an SDK throw, not read an empty one", async () => {
    const key = anew();
    const texts: string[] = [];
    for await (const chunk of await openai.chat.completions.create({ model: "o/chat", messages: USER, stream: true }, keyed(key))) texts.push(chunk.choices[0]?.delta.content ?? "");
    assert.ok(texts.join("").length > 0);
    await assert.rejects(openai.chat.completions.create({ model: "o/chat", messages: USER, stream: true }, keyed(key)).asResponse(), refused(409, "idempotency_not_kept"));
    const other = anew();
    await anthropic.messages.stream({ model: "a/talk", max_tokens: 50, messages: USER }, keyed(other)).finalMessage();
    await assert.rejects(anthropic.messages.stream({ model: "a/talk", max_tokens: 50, messages: USER }, keyed(other)).finalMessage(), refused(409, "idempotency_not_kept"));
    assert.equal(fleet.bill().length, 2);
  });

  it("serves every endpoint that calls a provider: what a repeat gets is what there is, and there is one of it", async () => {
    const line = JSON.stringify({ custom_id: "c", method: "POST", url: "/v1/chat/completions", body: { model: "chat", messages: USER } });
    const at = (key: string) => ({ headers: { "idempotency-key": key, "x-spillway-account": "o" } });
    const file = await openai.files.create({ file: await toFile(Buffer.from(line), "in.jsonl"), purpose: "batch" }, at(anew()));
    const message = { model: "a/talk", max_tokens: 50, messages: USER };
    const asks: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
      messages: (key) => anthropic.messages.create(message, keyed(key)),
      completions: (key) => openai.completions.create({ model: "o/chat", prompt: WORDS }, keyed(key)),
      responses: (key) => openai.responses.create({ model: "o/chat", input: WORDS }, keyed(key)),
      background: (key) => openai.responses.create({ model: "o/chat", input: WORDS, background: true }, keyed(key)),
      embeddings: (key) => openai.embeddings.create({ model: "o/embed", input: WORDS }, keyed(key)),
      files: async (key) => openai.files.create({ file: await toFile(Buffer.from(line), "in.jsonl"), purpose: "batch" }, at(key)),
      batches: (key) => openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" }, keyed(key)),
      "message batches": (key) => anthropic.messages.batches.create({ requests: [{ custom_id: "c", params: { ...message, model: "a/talk" } }] }, keyed(key)),
    };
    for (const [name, ask] of Object.entries(asks)) {
      const key = anew();
      const first = await ask(key);
      await sleep(30);
      const calls = fleet.calls().length;
      assert.deepEqual(JSON.parse(JSON.stringify(await ask(key))), JSON.parse(JSON.stringify(first)), name);
      assert.equal(fleet.calls().length, calls, `${name}: a second call`);
    }
  });

  it("of a response in the background answers at once, while that goes on", async () => {
    const key = anew();
    const ask = () => openai.responses.create({ model: "o/slow", input: WORDS, background: true }, keyed(key));
    const [first, again] = [await ask(), await ask()];
    assert.deepEqual([again.id, again.status], [first.id, "queued"]);
    let status = first.status;
    for (let i = 0; i < 100 && status !== "completed"; i++) {
      await sleep(50);
      status = (await openai.responses.retrieve(first.id)).status;
    }
    assert.deepEqual([status, (await ask()).id, fleet.bill().length], ["completed", first.id, 1]);
  });

  it("is given free by an error that cost nothing", async () => {
    const key = anew();
    await fleet.script("o", [{ fault: { kind: "status", status: 503 } }]);
    await assert.rejects(openai.chat.completions.create({ model: "o/chat", messages: USER }, keyed(key)).asResponse(), refused(503, "upstream"));
    await fleet.script("o", []);
    for (let i = 0; i < 100; i++) {
      // It rests for a while after its failures.
      const [tried] = await Promise.allSettled([openai.chat.completions.create({ model: "o/chat", messages: USER }, keyed(key)).withResponse()]);
      if (tried.status === "fulfilled") return assert.equal(tried.value.response.headers.get("x-spillway-replayed"), null);
      await sleep(100);
    }
    assert.fail("the provider never came back");
  });
});

describe("a gateway that is killed", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "spillway-repeats-"));
  after(() => rmSync(dataDir, { recursive: true, force: true }));

  it("makes no second call for what ran when it died, and answers again what it had answered, with nothing of it on disk in clear", async () => {
    const text = yaml({ responses: { store: "encrypted" } });
    const dying = await childGateway(text, { dataDir });
    const client = (url: string) => new OpenAI({ baseURL: url, apiKey: KEYS.app, maxRetries: 0 });
    const [done, open, early] = [anew(), anew(), anew()];
    const finished = (url: string) => client(url).chat.completions.create({ model: "o/chat", messages: USER }, keyed(done)).withResponse();
    const stuck = (url: string) => client(url).chat.completions.create({ model: "o/stuck", messages: USER }, keyed(open));
    const first = await finished(dying.baseUrl);
    const lost = stuck(dying.baseUrl).then(() => "answered", () => "lost");
    for (let i = 0; i < 200 && fleet.calls().length < 2; i++) await sleep(10);
    await dying.kill9();
    assert.equal(await lost, "lost");
    for (const name of readdirSync(dataDir)) {
      const bytes = name.endsWith(".sock") ? Buffer.alloc(0) : readFileSync(join(dataDir, name));
      for (const secret of [WORDS, first.data.choices[0]?.message.content ?? "", done, open]) assert.ok(!bytes.includes(secret), `${name} holds ${secret}`);
    }
    const next = await childGateway(text, { dataDir });
    try {
      await assert.rejects(stuck(next.baseUrl), (error: unknown) => {
        assert.ok(error instanceof APIError);
        assert.deepEqual([error.status, error.code], [409, "idempotency_unfinished"]);
        assert.match(error.message, /o\/stuck: open, not settled yet/);
        return true;
      });
      const again = await finished(next.baseUrl);
      assert.deepEqual([again.data, again.response.headers.get("x-spillway-replayed")], [first.data, "true"]);
      assert.equal(fleet.calls().length, 2, "nothing was called again");
      await client(next.baseUrl).chat.completions.create({ model: "o/chat", messages: USER }, keyed(early));
      assert.equal(fleet.calls().length, 3);
    } finally {
      await next.kill9();
    }
  });
});
