/** Responses that clients go on from by their id: over providers of any dialect, after a failover, after a restart, and only for who made them. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, tool } from "ai";
import OpenAI, { APIError } from "openai";
import { startFleet, type Fleet } from "../src/fleet/index.ts";
import { childGateway, testGateway, type TestGateway } from "./support/gateway.ts";
import { responsesUpstream, type ResponsesUpstream } from "./support/responses-upstream.ts";

const KEYS = { app: "caller-key-of-the-app", web: "caller-key-of-the-web" };
const MARKER = "the-prompt-that-nobody-may-find";
const PRICE = "{ price: { input: 1, output: 2 } }";

let fleet: Fleet;
let first: ResponsesUpstream;
let second: ResponsesUpstream;
before(async () => {
  const models = { chat: { input: 1, output: 2 } };
  fleet = await startFleet({ seed: 3, providers: [{ name: "o", dialect: "openai-chat", models, tokens_out: 5 }, { name: "a", dialect: "anthropic-messages", models, tokens_out: 5 }, { name: "g", dialect: "gemini", models, tokens_out: 5 }] });
  first = await responsesUpstream("one");
  second = await responsesUpstream("two");
});
after(async () => {
  await fleet.close();
  await first.close();
  await second.close();
});

const account = (name: string, type: string, baseUrl: string, more = ""): string => `  ${name}: { type: ${type}, base_url: "${baseUrl}", api_key: an-upstream-key${more}, models: { chat: ${PRICE} } }\n`;

function config(more = ""): string {
  return [
    "version: 1\nfallbacks: off\nhealth: { rest: 50ms, rest_max: 50ms }\n",
    `keys: [{ name: app, key: ${KEYS.app} }, { name: web, key: ${KEYS.web} }]\n`,
    "providers:\n",
    account("o", "openai-compatible", fleet.provider("o").baseUrl),
    account("a", "anthropic", fleet.provider("a").baseUrl),
    account("g", "google", fleet.provider("g").baseUrl),
    account("one", "openai", first.baseUrl, ", api: responses"),
    account("two", "openai", second.baseUrl, ", api: responses"),
    "routes: { same: { candidates: [one/chat, two/chat] }, foreign: { candidates: [one/chat, a/chat] } }\n",
    more,
  ].join("");
}

const client = (gateway: { readonly baseUrl: string }, key: keyof typeof KEYS = "app"): OpenAI => new OpenAI({ baseURL: gateway.baseUrl, apiKey: KEYS[key], maxRetries: 0 });
const lastBody = (provider: string): string => JSON.stringify(fleet.calls().findLast((call) => call.provider === provider)?.body);
const refused = (status: number, code: string) => (error: unknown) => {
  assert.ok(error instanceof APIError, String(error));
  assert.deepEqual([error.status, error.code], [status, code]);
  return true;
};

describe("responses that are kept in memory", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await testGateway(config());
  });
  after(() => gateway.close());

  it("are gone on from by their id on providers of every dialect, whole or as streams", async () => {
    const openai = client(gateway);
    const one = await openai.responses.create({ model: "o/chat", input: "the first question", instructions: "never repeated" });
    const two = await openai.responses.create({ model: "a/chat", input: [{ role: "user", content: "the second question" }], previous_response_id: one.id });
    assert.equal(two.previous_response_id, one.id);
    const three = await openai.responses.stream({ model: "g/chat", input: "the third question", previous_response_id: two.id }).finalResponse();
    const four = await openai.responses.create({ model: "o/chat", input: "the fourth question", previous_response_id: three.id });
    assert.equal(four.status, "completed");
    const told = lastBody("o");
    const order = ["the first question", one.output_text, "the second question", two.output_text, "the third question", three.output_text, "the fourth question"].map((text) => told.indexOf(JSON.stringify(text).slice(1, -1)));
    assert.ok(order.every((at) => at > 0), told);
    assert.deepEqual(order, order.toSorted((a, b) => a - b));
    assert.ok(!told.includes("never repeated"), "instructions hold for one turn");
  });

  it("are read again as they were told, listed by their input, and forgotten", async () => {
    const openai = client(gateway);
    const one = await openai.responses.create({ model: "o/chat", input: "the first question" });
    const two = await openai.responses.create({ model: "a/chat", input: "the second question", previous_response_id: one.id });
    assert.deepEqual(JSON.parse(JSON.stringify(await openai.responses.retrieve(two.id))), JSON.parse(JSON.stringify(two)));
    const texts: string[] = [];
    // One at a time, so that the pages are turned.
    for await (const item of openai.responses.inputItems.list(two.id, { order: "asc", limit: 1 })) texts.push(JSON.stringify(item));
    assert.equal(texts.length, 3);
    for (const [i, text] of ["the first question", one.output_text, "the second question"].entries()) assert.ok(texts[i]?.includes(text), texts[i]);
    const newestFirst = await openai.responses.inputItems.list(two.id, { limit: 2 });
    assert.deepEqual(newestFirst.data.map((item) => JSON.stringify(item)), texts.slice(1).toReversed());
    assert.equal(newestFirst.has_more, true);
    await assert.rejects(openai.responses.cancel(two.id), refused(400, "not_cancellable"));
    await openai.responses.delete(one.id);
    await assert.rejects(openai.responses.retrieve(one.id), refused(404, "response_not_found"));
    await assert.rejects(openai.responses.delete(one.id), refused(404, "response_not_found"));
    await assert.rejects(openai.responses.cancel(one.id), refused(404, "response_not_found"));
    await assert.rejects(openai.responses.inputItems.list(one.id), refused(404, "response_not_found"));
    await assert.rejects(openai.responses.create({ model: "o/chat", input: "x", previous_response_id: two.id }), refused(400, "previous_response_not_found"), "what was forgotten is gone from what went on from it");
  });

  it("are nobody else's: another key finds nothing and goes on from nothing", async () => {
    const { id } = await client(gateway).responses.create({ model: "o/chat", input: "mine" });
    const other = client(gateway, "web");
    await assert.rejects(other.responses.retrieve(id), refused(404, "response_not_found"));
    await assert.rejects(other.responses.delete(id), refused(404, "response_not_found"));
    await assert.rejects(other.responses.inputItems.list(id), refused(404, "response_not_found"));
    await assert.rejects(other.responses.create({ model: "o/chat", input: "x", previous_response_id: id }), refused(400, "previous_response_not_found"));
    await assert.rejects(other.responses.create({ model: "o/chat", input: [{ type: "item_reference", id: (await client(gateway).responses.retrieve(id)).output[0]?.id as string }] }), refused(404, "item_not_found"));
    assert.equal((await client(gateway).responses.retrieve(id)).id, id);
  });

  it("are not kept where the client says so", async () => {
    const openai = client(gateway);
    const { id } = await openai.responses.create({ model: "o/chat", input: "x", store: false });
    await assert.rejects(openai.responses.retrieve(id), refused(404, "response_not_found"));
    await assert.rejects(openai.responses.retrieve("resp_never"), refused(404, "response_not_found"));
  });

  it("are read only by GET, with a key", async () => {
    const posted = await fetch(`${gateway.baseUrl}/responses/resp_1`, { method: "POST", headers: { authorization: `Bearer ${KEYS.app}`, "content-type": "application/json" }, body: "{}" });
    assert.deepEqual([posted.status, posted.headers.get("allow")], [405, "GET, DELETE"]);
    assert.equal((await fetch(`${gateway.baseUrl}/responses/resp_1`)).status, 401);
  });

  it("serve the AI SDK's own way, which names earlier items by their ids, on a foreign dialect", async () => {
    const model = createOpenAI({ baseURL: gateway.baseUrl, apiKey: KEYS.app })("a/chat");
    const look = tool({ description: "weather", inputSchema: jsonSchema<object>({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }), execute: () => "rain over the river" });
    const result = await generateText({ model, prompt: "weather?", tools: { look }, stopWhen: stepCountIs(2) });
    assert.ok(result.text.length > 0);
    assert.equal(result.steps.length, 2);
    assert.ok(lastBody("a").includes("rain over the river"));
    assert.ok(lastBody("a").includes("tool_use"), "the call that was only named came back");
  });
});

describe("responses of a provider that keeps them too", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await testGateway(config());
  });
  after(() => gateway.close());
  const newest = (upstream: ResponsesUpstream): Record<string, unknown> => JSON.parse(upstream.bodies.at(-1)?.text ?? "{}") as Record<string, unknown>;

  it("are known by the id that it told; the account that made them is asked byte for byte", async () => {
    const openai = client(gateway);
    const one = await openai.responses.create({ model: "one/chat", input: "the first question" });
    assert.match(one.id, /^resp_one\d+$/);
    const sent = `{"model" : "one/chat", "previous_response_id":"${one.id}","future":[1.50], "input":"and on"}`;
    const answered = await fetch(`${gateway.baseUrl}/responses`, { method: "POST", headers: { authorization: `Bearer ${KEYS.app}`, "content-type": "application/json" }, body: sent });
    assert.equal(answered.status, 200, await answered.clone().text());
    assert.equal(first.bodies.at(-1)?.text, sent.replace("one/chat", "chat"));
    const { id } = (await answered.json()) as { id: string };
    assert.equal((await openai.responses.retrieve(id)).previous_response_id, one.id);
    const streamed = await openai.responses.stream({ model: "one/chat", input: "as a stream", previous_response_id: id }).finalResponse();
    assert.equal((await openai.responses.retrieve(streamed.id)).output_text, streamed.output_text);
  });

  it("go on at another account of the same dialect after a failover, which is told all of it and no foreign id", async () => {
    const openai = client(gateway);
    const one = await openai.responses.create({ model: "same", input: "the first question" });
    assert.match(one.id, /^resp_one/);
    first.fail(true);
    try {
      const { data: two, response } = await openai.responses.create({ model: "same", input: "the second question", previous_response_id: one.id }).withResponse();
      assert.match(two.id, /^resp_two/);
      assert.match(response.headers.get("x-spillway-warning") ?? "", /reasoning of earlier turns/);
      assert.deepEqual(newest(second), {
        model: "chat",
        input: [
          { type: "message", role: "user", content: [{ type: "input_text", text: "the first question" }] },
          { type: "message", role: "assistant", content: [{ type: "output_text", text: one.output_text, annotations: [] }] },
          { role: "user", type: "message", content: [{ type: "input_text", text: "the second question" }] },
        ],
      });
      first.fail(false);
      const three = await openai.responses.create({ model: "one/chat", input: "the third question", previous_response_id: two.id });
      assert.match(three.id, /^resp_one/);
      assert.equal(newest(first)["previous_response_id"], undefined);
      assert.equal((newest(first)["input"] as unknown[]).length, 5);
    } finally {
      first.fail(false);
    }
  });

  it("go on at a provider of another dialect after a failover, and back", async () => {
    const openai = client(gateway);
    const one = await openai.responses.create({ model: "foreign", input: "the first question" });
    first.fail(true);
    let two;
    try {
      two = await openai.responses.stream({ model: "foreign", input: "the second question", previous_response_id: one.id }).finalResponse();
    } finally {
      first.fail(false);
    }
    assert.match(two.id, /^resp_/);
    assert.doesNotMatch(two.id, /^resp_(?:one|two)/);
    for (const text of ["the first question", one.output_text, "the second question"]) assert.ok(lastBody("a").includes(text), lastBody("a"));
    const three = await openai.responses.create({ model: "one/chat", input: "the third question", previous_response_id: two.id });
    assert.match(three.id, /^resp_one/);
    assert.ok(first.bodies.at(-1)?.text.includes(two.output_text));
    assert.equal(newest(first)["previous_response_id"], undefined);
  });
});

describe("a conversation that is made short", () => {
  it("is so by a provider that can, byte for byte, billed by its tokens; elsewhere the client is told that it is not served", async () => {
    const gateway = await testGateway(config());
    try {
      const openai = client(gateway);
      const compacted = await openai.responses.compact({ model: "one/chat", input: [{ role: "user", content: "the last question" }], instructions: "be short" });
      assert.deepEqual([compacted.object, compacted.output.map((item) => item.type)], ["response.compaction", ["message", "compaction"]]);
      assert.deepEqual(JSON.parse(first.bodies.at(-1)?.text ?? ""), { model: "chat", input: [{ role: "user", content: "the last question" }], instructions: "be short" });
      const row = (await gateway.requests()).at(-1);
      assert.deepEqual([row?.record?.surface, row?.attempts[0]?.state, row?.attempts[0]?.units, row?.attempts[0]?.costNanoUsd], ["responses-compact", "charged", { input: 60, cache_read: 40, output: 15, reasoning: 5 }, 100_000 + 40_000]);
      for (const model of ["o/chat", "a/chat"]) await assert.rejects(openai.responses.compact({ model, input: "x" }), (error: unknown) => refused(400, "unsupported_parameter")(error) && /does not serve responses compact/.test((error as Error).message));
      await assert.rejects(openai.responses.compact({ model: "nothing", input: "x" }), refused(404, "unknown_model"));
    } finally {
      await gateway.close();
    }
  });

  it("holds what it names of earlier answers, and nobody else's", async () => {
    const gateway = await testGateway(config());
    try {
      const one = await client(gateway).responses.create({ model: "a/chat", input: "the first question" });
      await client(gateway).responses.compact({ model: "one/chat", previous_response_id: one.id });
      const sent = JSON.parse(first.bodies.at(-1)?.text ?? "") as { previous_response_id?: string; input: unknown[] };
      assert.equal(sent.previous_response_id, undefined);
      assert.ok(JSON.stringify(sent.input).includes("the first question") && JSON.stringify(sent.input).includes(one.output_text));
      await assert.rejects(client(gateway, "web").responses.compact({ model: "one/chat", previous_response_id: one.id }), refused(400, "previous_response_not_found"));
    } finally {
      await gateway.close();
    }
  });
});

describe("items that a body only names", () => {
  it("are bounded in their number, and in what they come to however often each is named", async () => {
    const gateway = await testGateway(config());
    try {
      const openai = client(gateway);
      const one = await openai.responses.create({ model: "one/chat", input: "x" });
      const reference = { type: "item_reference" as const, id: one.output.at(-1)?.id ?? "" };
      const twice = await openai.responses.create({ model: "o/chat", input: [reference, reference, { role: "user", content: "y" }] });
      assert.equal(twice.status, "completed");
      assert.equal(lastBody("o").split(one.output_text).length, 3, "told as often as it is named");
      await assert.rejects(openai.responses.create({ model: "o/chat", input: Array.from({ length: 2_001 }, () => reference) }), refused(400, "too_many_values"));
      const long = await openai.responses.create({ model: "o/chat", input: "x".repeat(1 << 20), store: true });
      assert.equal(long.status, "completed");
    } finally {
      await gateway.close();
    }
  });
});

describe("responses that are not kept", () => {
  it("are not gone on from where several keys could go on from each other's, nor are conversations that only the provider keeps", async () => {
    const gateway = await testGateway(config("responses: { store: off }\n"));
    try {
      const openai = client(gateway);
      const one = await openai.responses.create({ model: "one/chat", input: "x" });
      const notServed = refused(403, "files_not_served");
      await assert.rejects(openai.responses.create({ model: "one/chat", input: "y", previous_response_id: one.id }), notServed);
      await assert.rejects(openai.responses.create({ model: "one/chat", input: [{ type: "item_reference", id: "msg_1" }] }), notServed);
      await assert.rejects(openai.responses.create({ model: "one/chat", input: "y", conversation: "conv_1" }), notServed);
    } finally {
      await gateway.close();
    }
  });

  it("say so, and a client's word of an earlier one goes to the provider as it is, or nowhere", async () => {
    const gateway = await testGateway(config("responses: { store: off }\nfiles: shared\n"));
    try {
      const openai = client(gateway);
      const made = await openai.responses.create({ model: "o/chat", input: "x" });
      assert.equal((made as { store?: boolean }).store, false);
      await assert.rejects(openai.responses.retrieve(made.id), (error: unknown) => refused(404, "response_not_found")(error) && /responses.store: off/.test((error as Error).message));
      const one = await openai.responses.create({ model: "one/chat", input: "x" });
      assert.equal((await openai.responses.create({ model: "one/chat", input: "y", previous_response_id: one.id })).previous_response_id, one.id);
      await assert.rejects(openai.responses.create({ model: "o/chat", input: "y", previous_response_id: one.id }), refused(400, "unsupported_parameter"));
    } finally {
      await gateway.close();
    }
  });

  it("expire at their time", async () => {
    const gateway = await testGateway(config("responses: { ttl: 1ms }\n"));
    try {
      const { id } = await client(gateway).responses.create({ model: "o/chat", input: "x" });
      for (;;) {
        const found = await client(gateway).responses.retrieve(id).then(() => true, refused(404, "response_not_found"));
        if (found === true) break;
      }
    } finally {
      await gateway.close();
    }
  });
});

for (const store of ["encrypted", "memory"] as const) {
  it(`a process that is killed ${store === "encrypted" ? "leaves its responses sealed, and the next one goes on from them" : "takes what it kept in memory with it"}`, async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "spillway-kept-"));
    try {
      const dying = await childGateway(config(`responses: { store: ${store} }\n`), { dataDir });
      const one = await client(dying).responses.create({ model: "o/chat", input: MARKER });
      await dying.kill9();
      const names = readdirSync(dataDir);
      assert.equal(names.includes("state.db"), store === "encrypted", names.join());
      for (const name of names.filter((file) => !file.endsWith(".sock"))) assert.equal(readFileSync(join(dataDir, name)).includes(MARKER), false, `${name} holds the prompt in clear`);
      const next = await childGateway(config(`responses: { store: ${store} }\n`), { dataDir });
      try {
        const going = client(next).responses.create({ model: "a/chat", input: "and on", previous_response_id: one.id });
        if (store === "memory") await assert.rejects(going, refused(400, "previous_response_not_found"));
        else {
          assert.equal((await going).previous_response_id, one.id);
          assert.ok(lastBody("a").includes(MARKER));
          assert.deepEqual(JSON.parse(JSON.stringify(await client(next).responses.retrieve(one.id))), JSON.parse(JSON.stringify(one)));
        }
      } finally {
        await next.kill9();
      }
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
}
