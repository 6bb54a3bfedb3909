/** Limits of requests, tokens and requests at once, as callers meet them: every endpoint, the official SDKs, and who changes them. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { ApiError, GoogleGenAI } from "@google/genai";
import { CohereClientV2, CohereError } from "cohere-ai";
import OpenAI, { APIUserAbortError } from "openai";
import { LOCAL_ACTOR } from "../../src/compose/control.ts";
import { createObject, deleteObject, updateObject } from "../../src/control/manage.ts";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { formOf } from "../../src/pipeline/idempotency-told.ts";
import type { ServedName, SurfaceName } from "../../src/wire/surfaces.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { CALLS, CONFIG, HI, send } from "./calls.ts";

const key = (name: string): string => `caller-key-of-${name}`;
const NAMES = ["spent", "tight", "one", "thirsty", "free", "managed"] as const;
const SLOW = "slow/talk";
const FLEET: FleetConfig = {
  ...CONFIG,
  providers: [
    ...CONFIG.providers,
    {
      name: "slow", dialect: "openai-chat", models: { talk: { input: 1, output: 2, token_rate: 50, tokens_out: 5_000 }, cut: { input: 1, output: 2, tokens_out: 20 } },
      script: [{ match: { model: "cut" }, fault: { kind: "cut_reset", after: 2 } }],
    },
  ],
};

let fleet: Fleet;
let gateway: TestGateway;
before(async () => {
  fleet = await startFleet(FLEET);
  const limits = {
    none: { scope: "key/spent", requests_per_minute: 0 },
    // Full again after a minute, for which no test here waits.
    tight: { scope: "key/tight", requests_per_minute: 1, tokens_per_minute: 100_000 },
    place: { scope: "key/one", concurrency: 1 },
    thirst: { scope: "key/thirsty", tokens_per_minute: 2_000 },
    another: { scope: "key/free", requests_per_minute: 0, models: ["talk"] },
  };
  gateway = await testGateway(gatewayConfig(FLEET, fleet, { more: { keys: NAMES.map((name) => ({ name, key: key(name) })), fallbacks: "off", files: "shared", health: { rest: "50ms", rest_max: "50ms" }, limits } }));
});
after(async () => {
  await gateway.close();
  await fleet.close();
});

const openai = (name: (typeof NAMES)[number], maxRetries = 0): OpenAI => new OpenAI({ baseURL: gateway.baseUrl, apiKey: key(name), maxRetries });

/** The error that a promise ends with, if it is of this class. */
async function raised<E extends Error>(promise: Promise<unknown>, kind: abstract new (...args: never[]) => E): Promise<E> {
  const error = await promise.then(() => assert.fail("it was answered"), (reason: unknown) => reason);
  assert.ok(error instanceof kind, `${kind.name} was expected, not ${String(error)}`);
  return error;
}

const HEADERS_OF_MESSAGES = ["anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"];
const HEADERS_OF_OTHERS = ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];

/** An error in a surface's own form: what of its body says that this is a limit on pace. */
const FORMS: Readonly<Record<SurfaceName, (body: never, headers: Headers) => unknown>> = {
  chat: (body: { error: { code: string; type: string; param: null } }) => [body.error.code, body.error.type, body.error.param],
  "chat-mistral": () => null,
  completions: (body: { error: { code: string; type: string; param: null } }) => [body.error.code, body.error.type, body.error.param],
  responses: (body: { error: { code: string; type: string; param: null } }) => [body.error.code, body.error.type, body.error.param],
  messages: (body: { type: string; error: { type: string; details: { error_code: string } } }) => [body.error.details.error_code, body.error.type, body.type],
  "generate-content": (body: { error: { code: number; status: string; details: { "@type": string; retryDelay?: string }[] } }) => [body.error.code, body.error.status, body.error.details.find((one) => one["@type"].endsWith("RetryInfo"))?.retryDelay],
  converse: (body: { message: string }, headers) => [Object.keys(body), headers.get("x-amzn-errortype")],
  "chat-v2": (body: { id: string; code: string }) => [body.code, typeof body.id],
};
const EXPECTED: Readonly<Partial<Record<SurfaceName, unknown>>> = {
  messages: ["rate_limited", "rate_limit_error", "error"],
  "generate-content": [429, "RESOURCE_EXHAUSTED", "60s"],
  converse: [["message"], "ThrottlingException"],
  "chat-v2": ["rate_limited", "string"],
};

describe("a key that may send nothing", () => {
  const calls: Readonly<Record<string, (typeof CALLS)[keyof typeof CALLS]>> = { ...CALLS, "responses-compact": ["POST", "/v1/responses/compact", { model: "at-openai/chat", input: "hi" }] };
  for (const [name, call] of Object.entries(calls)) {
    it(`is refused in the surface's form with how the limit stands, and no call goes upstream: ${name}`, async () => {
      const upstream = fleet.calls().length;
      const answer = await send(gateway.url, key("spent"), call);
      const text = await answer.text();
      assert.equal(answer.status, 429, text);
      assert.match(text, /The limit config:none allows key\/spent 0 requests a minute: 0 are left\. Waiting is of no use\./);
      const form = name === "chat-mistral" ? "chat" : formOf({ asked: { surface: name as ServedName, model: undefined, stream: undefined, query: "" } });
      assert.deepEqual(FORMS[form](JSON.parse(text) as never, answer.headers), EXPECTED[form] ?? ["rate_limited", "rate_limit_error", null]);
      assert.deepEqual((form === "messages" ? HEADERS_OF_MESSAGES : HEADERS_OF_OTHERS).slice(0, 2).map((header) => answer.headers.get(header)), ["0", "0"]);
      assert.ok([...answer.headers.keys()].filter((header) => header.includes("ratelimit")).every((header) => header.startsWith(form === "messages" ? "anthropic-" : "x-")));
      assert.equal(fleet.calls().length, upstream, "a call went upstream");
    });
  }

  it("is no other key's concern, whose answers tell of no limits", async () => {
    const answer = await send(gateway.url, key("free"), CALLS.chat);
    assert.equal(answer.status, 200, await answer.text());
    assert.deepEqual([...answer.headers.keys()].filter((header) => header.includes("ratelimit")), []);
  });

  it("is counted by what stood in its way, under no key's name", async () => {
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    const lines = metrics.split("\n").filter((line) => line.startsWith("spillway_rate_limited_total"));
    assert.deepEqual(lines, [`spillway_rate_limited_total{what="requests"} ${Object.keys(calls).length}`]);
  });
});

describe("the official SDKs", () => {
  it("openai: reads the standing of an answer, and raises RateLimitError with when to come back", async () => {
    const ask = { model: "at-openai/chat", messages: [{ role: "user" as const, content: "hi" }], max_tokens: 50 };
    const { response } = await openai("tight").chat.completions.create(ask).withResponse();
    const told = (headers: Headers, what: string): readonly (string | null)[] => ["limit", "remaining", "reset"].map((one) => headers.get(`x-ratelimit-${one}-${what}`));
    assert.deepEqual(told(response.headers, "requests").slice(0, 2), ["1", "0"]);
    assert.match(told(response.headers, "requests")[2] ?? "", /^(?:59(?:\.\d+)?s|1m0s)$/);
    assert.equal(told(response.headers, "tokens")[0], "100000");
    const error = await raised(openai("tight").chat.completions.create(ask), OpenAI.RateLimitError);
    assert.deepEqual([error.status, error.code, error.type, error.param], [429, "rate_limited", "rate_limit_error", null]);
    assert.match(error.message, /allows key\/tight 1 requests a minute: 0 are left\. Please try again in (?:5\d(?:\.\d+)?|60)s\.$/);
    const seconds = Number(error.headers.get("retry-after"));
    assert.ok(seconds > 50 && seconds <= 60, `retry-after ${seconds}`);
    assert.deepEqual([error.headers.get("x-should-retry"), ...told(error.headers, "requests").slice(0, 2)], ["true", "1", "0"]);
    const others: readonly (() => PromiseLike<unknown>)[] = [
      () => openai("tight").responses.create({ model: "at-openai/chat", input: "hi" }),
      () => openai("tight").embeddings.create({ model: "at-openai/embed", input: "hi" }),
      () => openai("tight").chat.completions.create({ ...ask, stream: true }),
    ];
    for (const other of others) assert.equal((await raised(Promise.resolve(other()), OpenAI.RateLimitError)).code, "rate_limited");
  });

  it("openai: is told not to try again where that is of no use, and does not", async () => {
    const started = performance.now();
    const error = await raised(openai("spent", 2).chat.completions.create({ model: "at-openai/chat", messages: [{ role: "user", content: "hi" }] }), OpenAI.RateLimitError);
    assert.equal(error.headers.get("x-should-retry"), "false");
    assert.ok(performance.now() - started < 500, "it waited");
  });

  it("anthropic: raises RateLimitError, with the limits in its own headers", async () => {
    const client = new Anthropic({ baseURL: gateway.url, apiKey: key("tight"), maxRetries: 0 });
    const error = await raised(client.messages.create({ model: "at-anthropic/talk", max_tokens: 10, messages: [{ role: "user", content: "hi" }] }), Anthropic.RateLimitError);
    assert.deepEqual([error.status, error.type], [429, "rate_limit_error"]);
    assert.match(error.message, /allows key\/tight 1 requests a minute/);
    const [limit, remaining, reset] = HEADERS_OF_MESSAGES.map((name) => error.headers.get(name));
    assert.deepEqual([limit, remaining], ["1", "0"]);
    assert.match(reset ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const inMs = Date.parse(reset ?? "") - Date.now();
    assert.ok(inMs > 30_000 && inMs <= 61_000, `reset in ${inMs} ms`);
    assert.equal(error.headers.get("anthropic-ratelimit-tokens-limit"), "100000");
  });

  it("@google/genai and cohere-ai: raise 429 in their own words", async () => {
    const genai = new GoogleGenAI({ apiKey: key("tight"), httpOptions: { baseUrl: gateway.url } });
    const error = await raised(genai.models.generateContent({ model: "at-gemini/flash", contents: "hi" }), ApiError);
    assert.equal(error.status, 429);
    assert.match(error.message, /RESOURCE_EXHAUSTED.*"retryDelay":"(?:5\d(?:\.\d+)?|60)s"/s);
    const cohere = new CohereClientV2({ environment: gateway.url, token: key("tight") });
    const told = await raised(cohere.chat({ model: "at-openai/chat", messages: [{ role: "user", content: "hi" }] }, { maxRetries: 0 }), CohereError);
    assert.equal(told.statusCode, 429);
  });
});

describe("a key with one place", () => {
  const ask = (model: string) => ({ model, messages: [{ role: "user" as const, content: "hi" }], max_tokens: 5_000, stream: true as const });

  /** A stream that has begun; `leave` breaks it off. */
  async function streaming(): Promise<{ leave(): Promise<void> }> {
    const gone = new AbortController();
    const stream = await openai("one").chat.completions.create(ask(SLOW), { signal: gone.signal });
    const read = (async () => {
      for await (const _ of stream) if (gone.signal.aborted) break;
    })();
    return {
      async leave() {
        gone.abort();
        await read.catch((error: unknown) => assert.ok(error instanceof APIUserAbortError || (error as Error).name === "AbortError"));
      },
    };
  }

  it("has it again when its client leaves; an SDK that retries as it is told is then served", async () => {
    const running = await streaming();
    const error = await raised(openai("one").chat.completions.create({ ...ask(SLOW), stream: false }), OpenAI.RateLimitError);
    assert.deepEqual([error.headers.get("retry-after"), error.headers.get("x-should-retry")], ["1", "true"]);
    assert.match(error.message, /1 requests at once, and as many are under way/);
    const patient = openai("one", 2).chat.completions.create({ model: "at-openai/chat", messages: [{ role: "user", content: "hi" }], max_tokens: 5 });
    await running.leave();
    assert.equal((await patient).object, "chat.completion");
  });

  it("has it again when the provider fails, before its answer and in the middle of it", async () => {
    for (let n = 0; n < 3; n += 1) {
      const stream = await openai("one").chat.completions.create(ask("slow/cut"));
      await raised((async () => {
        for await (const chunk of stream) assert.ok(chunk.id);
      })(), OpenAI.APIError);
      const failed = await raised(openai("one").chat.completions.create({ model: "slow/cut", messages: [{ role: "user", content: "hi" }] }), OpenAI.APIError);
      assert.notEqual(failed.status, 429);
    }
  });

  it("keeps it while a response is made in the background, and has it again when that is called off", async () => {
    const client = openai("one");
    const made = await client.responses.create({ model: SLOW, input: "hi", background: true });
    assert.equal((await raised(client.responses.create({ model: "at-openai/chat", input: "hi" }), OpenAI.RateLimitError)).code, "rate_limited");
    await client.responses.cancel(made.id);
    assert.equal((await client.responses.create({ model: "at-openai/chat", input: "hi" })).status, "completed");
  });
});

describe("a key with few tokens", () => {
  it("is refused by what was billed before, and told what its request counts for", async () => {
    const first = await openai("thirsty").chat.completions.create({ model: "at-openai/chat", messages: [{ role: "user", content: "hi" }], max_tokens: 1_500 }).withResponse();
    const used = first.data.usage?.total_tokens ?? 0;
    assert.ok(used > 0 && used < 500, `${used} tokens`);
    const error = await raised(openai("thirsty").chat.completions.create({ model: "at-openai/chat", messages: [{ role: "user", content: "hi" }], max_tokens: 1_999 }), OpenAI.RateLimitError);
    const [, left = "", counts = ""] = /(\d+) are left, and this request counts for (\d+) \(prompt about \d+, answer up to 1999\)/.exec(error.message) ?? assert.fail(error.message);
    assert.ok(Number(left) >= 2_000 - used && Number(left) < 2_000 - used + 100, `${left} left of 2000 after ${used}`);
    assert.equal(counts, "2000");
    assert.equal(error.headers.get("x-ratelimit-limit-tokens"), "2000");
  });
});

describe("a managed limit", () => {
  it("is in force from the next request on, may be widened and taken away, and counts a model by its name", async () => {
    const asked = { kind: "limit", tenant: "default", actor: LOCAL_ACTOR };
    const chat = async (model = "at-openai/chat"): Promise<number> => (await send(gateway.url, key("managed"), ["POST", "/v1/chat/completions", { model, messages: HI }])).status;
    assert.equal(await chat(), 200);
    const made = createObject(gateway.managed, asked, "slowly", { scope: "key/managed", requests_per_minute: 1, models: ["chat"] });
    assert.equal(made.kind, "done", JSON.stringify(made));
    assert.deepEqual([await chat(), await chat(), await chat("at-gemini/flash")], [200, 429, 200]);
    assert.equal(updateObject(gateway.managed, asked, "slowly", { requests_per_minute: 2 }).kind, "done");
    assert.deepEqual([await chat(), await chat()], [200, 429]);
    assert.equal(deleteObject(gateway.managed, asked, "slowly").kind, "done");
    assert.deepEqual([await chat(), await chat()], [200, 200]);
  });
});

describe("a refused request", () => {
  it("is on record without a call and without a cost", async () => {
    const refused = (await gateway.requests()).filter(({ record }) => record?.errorCode === "rate_limited");
    assert.ok(refused.length > Object.keys(CALLS).length);
    for (const { record, attempts } of refused) assert.deepEqual([record?.status, record?.costNanoUsd, attempts.length, record?.flags.length], [429, 0, 0, 1]);
  });
});
