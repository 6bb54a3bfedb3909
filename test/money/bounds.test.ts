/**
 * What bears on the price of a request, field by field, under a hard limit: it goes into the hold, and what the provider then
 * bills is no more than that; or it is refused before any call. The bill is the fleet's own.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { HI } from "./calls.ts";

const KEY = "caller-key-under-a-limit";
const TIERS = { flex: { input: 0.5, output: 1 }, priority: { input: 2, output: 4 } };
const CONFIG: FleetConfig = {
  seed: 11,
  providers: [
    { name: "chats", dialect: "openai-chat", tokens_out: 90, models: { m: { input: 1, output: 2, tiers: TIERS }, plain: { input: 1, output: 2 } } },
    { name: "chats-standard", dialect: "openai-chat", tokens_out: 90, tier_served: 0, models: { m: { input: 1, output: 2, tiers: TIERS } } },
    { name: "talks", dialect: "anthropic-messages", tokens_out: 90, web_searches: 9, search_tokens: 4_000, models: { m: { input: 1, output: 5, units: { web_searches: 0.01 } }, plain: { input: 1, output: 5 } } },
    { name: "twins", dialect: "gemini", tokens_out: 90, models: { m: { input: 0.1, output: 0.4, tiers: TIERS } } },
  ],
};
const WEB = { type: "web_search_20250305", name: "web_search" };
const FETCH = { type: "web_fetch_20250910", name: "web_fetch" };

type Sent = readonly [path: string, body: Readonly<Record<string, unknown>>];
const chat = (more: Readonly<Record<string, unknown>>, model = "chats/m"): Sent => ["/v1/chat/completions", { model, messages: HI, max_tokens: 40, ...more }];
const talk = (more: Readonly<Record<string, unknown>>, model = "talks/m"): Sent => ["/v1/messages", { model, max_tokens: 40, messages: HI, ...more }];
const respond = (more: Readonly<Record<string, unknown>>): Sent => ["/v1/responses", { model: "chats/m", input: "hi", max_output_tokens: 40, ...more }];
const twin = (config: Readonly<Record<string, unknown>>, more: Readonly<Record<string, unknown>> = {}): Sent =>
  ["/v1beta/models/twins%2Fm:generateContent", { contents: [{ role: "user", parts: [{ text: "hi" }] }], generationConfig: { maxOutputTokens: 40, ...config }, ...more }];

/** Admitted; `times` a plain call's hold at least, where that is meant to grow. */
const HELD: Readonly<Record<string, { readonly sent: Sent; readonly plain?: Sent; readonly times?: number }>> = {
  "service_tier default": { sent: chat({ service_tier: "default" }) },
  "service_tier auto, where a list has tiers": { sent: chat({ service_tier: "auto" }), plain: chat({}), times: 2 },
  "service_tier auto, where it has none": { sent: chat({ service_tier: "auto" }, "chats/plain") },
  "service_tier priority": { sent: chat({ service_tier: "priority" }), plain: chat({}), times: 2 },
  "service_tier flex, which may be served as the standard one": { sent: chat({ service_tier: "flex" }, "chats-standard/m"), plain: chat({}), times: 1 },
  "service_tier of a response": { sent: respond({ service_tier: "priority" }), plain: respond({}), times: 2 },
  "service_tier of a prompt": { sent: ["/v1/completions", { model: "chats/m", prompt: "hi", max_tokens: 40, service_tier: "priority" }] },
  "service_tier auto of a message": { sent: talk({ service_tier: "auto" }) },
  "serviceTier of contents": { sent: twin({}, { serviceTier: "SERVICE_TIER_PRIORITY" }), plain: twin({}), times: 2 },
  "serviceTier of a conversation": { sent: ["/model/chats%2Fm/converse", { messages: [{ role: "user", content: [{ text: "hi" }] }], inferenceConfig: { maxTokens: 40 }, serviceTier: { type: "priority" } }] },
  n: { sent: chat({ n: 5 }), plain: chat({}), times: 1.2 },
  "best_of above n": { sent: chat({ best_of: 5, n: 2 }), plain: chat({ n: 2 }), times: 1.1 },
  "n of a prompt": { sent: ["/v1/completions", { model: "chats/m", prompt: "hi", max_tokens: 40, n: 4 }] },
  candidateCount: { sent: twin({ candidateCount: 4 }), plain: twin({}), times: 1.3 },
  candidate_count: { sent: ["/v1beta/models/twins%2Fm:generateContent", { contents: [{ role: "user", parts: [{ text: "hi" }] }], generation_config: { max_output_tokens: 40, candidate_count: 4 } }], plain: twin({}), times: 1.3 },
  "an elder output limit below the newer one": { sent: chat({ max_completion_tokens: 40, max_tokens: 30 }) },
  "background of a response": { sent: respond({ background: true }) },
  "modalities of text alone": { sent: chat({ modalities: ["text"] }) },
  "a search with max_uses": { sent: talk({ tools: [{ ...WEB, max_uses: 3 }] }), plain: talk({}), times: 100 },
  "a search and a fetch with max_uses": { sent: talk({ tools: [{ ...WEB, max_uses: 1 }, { ...FETCH, max_uses: 2 }] }), plain: talk({}), times: 100 },
  "a search of a later version that only the model calls": { sent: talk({ tools: [{ ...WEB, type: "web_search_20260209", max_uses: 2, allowed_callers: ["direct"] }] }), plain: talk({}), times: 100 },
};

/** Refused, with what says why. */
const REFUSED: Readonly<Record<string, { readonly sent: Sent; readonly says: RegExp }>> = {
  "service_tier without a price": { sent: chat({ service_tier: "priority" }, "chats/plain"), says: /chats\/plain has no price for the service tier \\?"priority\\?"/ },
  "serviceTier without a price": { sent: twin({}, { serviceTier: "batch-of-mine" }), says: /no price for the service tier/ },
  "inference_geo without a price": { sent: talk({ inference_geo: "us" }), says: /no price for calls that are served in/ },
  speed: { sent: talk({ speed: "fast" }), says: /what speed may cost cannot be bounded/ },
  "a search without max_uses": { sent: talk({ tools: [WEB] }), says: /web_search_20250305 may cost cannot be bounded/ },
  "two searches, one of them without max_uses": { sent: talk({ tools: [{ ...WEB, max_uses: 1 }, WEB] }), says: /web_search_20250305 may cost cannot be bounded/ },
  "a search with a max_uses that is none": { sent: talk({ tools: [{ ...WEB, max_uses: -1 }] }), says: /web_search_20250305 may cost cannot be bounded/ },
  "a search that code of the provider's may call": { sent: talk({ tools: [{ ...WEB, type: "web_search_20260209", max_uses: 2 }] }), says: /web_search_20260209 may cost cannot be bounded/ },
  "a search that has no price": { sent: talk({ tools: [{ ...WEB, max_uses: 2 }] }, "talks/plain"), says: /talks\/plain has no price for web_searches/ },
  "code that runs at the provider": { sent: talk({ tools: [{ type: "code_execution_20250825", name: "code_execution" }] }), says: /code_execution_20250825/ },
  "googleSearch, which has no limit": { sent: twin({}, { tools: [{ googleSearch: {} }] }), says: /tools\[\]\.googleSearch may cost cannot be bounded/ },
  cachedContent: { sent: twin({}, { cachedContent: "cachedContents/1" }), says: /cachedContent/ },
  "images as answers": { sent: twin({ responseModalities: ["IMAGE"] }), says: /responseModalities/ },
  web_search_options: { sent: chat({ web_search_options: {} }), says: /web_search_options/ },
  "modalities with audio": { sent: chat({ modalities: ["text", "audio"], audio: { voice: "alloy", format: "wav" } }), says: /modalities, audio/ },
  prediction: { sent: chat({ prediction: { type: "content", content: "hi" } }), says: /prediction/ },
  "background of a chat": { sent: chat({ background: true }), says: /background/ },
  "best_of that is no number": { sent: chat({ best_of: "5" }), says: /best_of/ },
  "an elder output limit that allows more than the newer one": { sent: chat({ max_completion_tokens: 1, max_tokens: 1_000_000 }), says: /what max_tokens may cost cannot be bounded/ },
  "best_of of a prompt": { sent: ["/v1/completions", { model: "chats/m", prompt: "hi", best_of: 3, n: 1 }], says: /best_of/ },
};

describe("under a hard limit", { timeout: 60_000 }, () => {
  let fleet: Fleet;
  let gateway: TestGateway;
  before(async () => {
    fleet = await startFleet(CONFIG);
    gateway = await testGateway(gatewayConfig(CONFIG, fleet, { more: { keys: [{ name: "app", key: KEY }], fallbacks: "off", budgets: { all: { scope: "key/app", period: "month", limit_usd: 1000 } } } }));
  });
  after(async () => {
    await gateway.close();
    await fleet.close();
  });

  const send = async ([path, body]: Sent): Promise<{ readonly status: number; readonly text: string; readonly id: string }> => {
    const answer = await fetch(gateway.url + path, { method: "POST", headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" }, body: JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, text, id: answer.headers.get("x-spillway-request-id") ?? "" };
  };
  /** What each was held and charged, by request, and billed by the fleet. */
  const bound = new Map<string, number>();

  it("each of these is bounded, and billed no more than was held", async () => {
    const asked: { readonly what: string; readonly id: string; readonly plainId: string | null; readonly times: number }[] = [];
    for (const [what, { sent, plain, times = 0 }] of Object.entries(HELD)) {
      const answer = await send(sent);
      assert.equal(answer.status, 200, `${what}: ${answer.text}`);
      asked.push({ what, id: answer.id, plainId: plain === undefined ? null : (await send(plain)).id, times });
    }
    const views = await gateway.requests();
    const bills = new Map(fleet.bill().map((row) => [row.client_request_id, row]));
    for (const { requestId, attempts, record } of views) {
      assert.equal(attempts.length, 1);
      const [attempt] = attempts;
      const billed = bills.get(attempt?.attemptId ?? "")?.cost_nano_usd;
      const held = attempt?.boundNanoUsd ?? null;
      assert.ok(billed !== undefined && billed > 0 && held !== null && billed <= held, `${JSON.stringify(record?.model)}: billed ${billed}, held ${held}`);
      assert.equal(attempt?.costNanoUsd, billed);
      assert.deepEqual(attempt?.flags.filter((flag) => flag === "overrun"), []);
      bound.set(requestId, held);
    }
    for (const { what, id, plainId, times } of asked) {
      assert.ok(bound.has(id), what);
      if (plainId !== null) assert.ok((bound.get(id) ?? 0) >= times * (bound.get(plainId) ?? Infinity), `${what}: ${bound.get(id)} held, a plain one ${bound.get(plainId)}`);
    }
    const searched = fleet.bill().filter((row) => (row.units?.["web_searches"] ?? 0) > 0);
    assert.deepEqual(searched.map((row) => row.units?.["web_searches"]), [3, 1, 2], "the fleet did search, as often as it might");
    assert.ok(fleet.bill().some((row) => row.service_tier === "priority"), "and served what was asked");
  });

  for (const [what, { sent, says }] of Object.entries(REFUSED)) {
    it(`this is refused, and no call goes upstream: ${what}`, async () => {
      const before = fleet.calls().length;
      const answer = await send(sent);
      assert.ok(answer.status === 400 || answer.status === 402, `${answer.status} ${answer.text}`);
      assert.match(answer.text, says);
      assert.equal(fleet.calls().length, before);
    });
  }
});

describe("where nothing limits the request", { timeout: 60_000 }, () => {
  let fleet: Fleet;
  let gateway: TestGateway;
  before(async () => {
    fleet = await startFleet(CONFIG);
    gateway = await testGateway(gatewayConfig(CONFIG, fleet, { more: { fallbacks: "off" } }));
  });
  after(async () => {
    await gateway.close();
    await fleet.close();
  });

  const warned = async ([path, body]: Sent): Promise<string | null> => {
    const answer = await fetch(gateway.url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    assert.equal(answer.status, 200, await answer.text());
    return answer.headers.get("x-spillway-warning");
  };

  it("what is bounded is no matter for a word", async () => {
    for (const sent of [chat({ service_tier: "auto" }), chat({ service_tier: "priority" }), chat({ best_of: 2 }), talk({ tools: [{ ...WEB, max_uses: 2 }] })]) assert.doesNotMatch((await warned(sent)) ?? "", /cost bound/);
  });

  it("what has no price, and what nothing bounds, is served and named", async () => {
    assert.match((await warned(chat({ service_tier: "priority" }, "chats/plain"))) ?? "", /the cost bound does not cover: service_tier/);
    assert.match((await warned(talk({ tools: [{ ...WEB, max_uses: 2 }] }, "talks/plain"))) ?? "", /the cost bound does not cover: tools\[\]\.type=web_search_20250305/);
    assert.match((await warned(talk({ tools: [WEB] }))) ?? "", /the cost bound does not cover: tools\[\]\.type=web_search_20250305/);
    // Of what no bound is known nothing is said to have been overrun.
    const views = await gateway.requests();
    assert.deepEqual(views.slice(-3).map(({ attempts }) => [attempts[0]?.boundNanoUsd, attempts[0]?.flags.includes("overrun")]), [[null, false], [null, false], [null, false]]);
  });
});
