/** Fallbacks of a route to other models: who is asked after which refusal, what must be able to carry the request, and what the client is told. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Pricing } from "../decide/deployment.ts";
import { sheet } from "../decide/test-directory.ts";
import { classOf } from "../decide/objective/judge.ts";
import type { JsonObject } from "../wire/json.ts";
import { assertBooksAgree, World, type Asked, type Place, type RouteSpec } from "./test-world.ts";
import { GOOD_ANSWER, GOOD_STREAM } from "./test-upstream.ts";

const TOO_LONG = "This model's maximum context length is 1000 tokens. However, your messages resulted in 2000 tokens.";
const UNWANTED = "this was flagged as unsafe";

function place(name: string, model: string, contextWindow: number, more: Partial<Place> = {}): Place {
  return { ...more, name, model: { canonical: model, contextWindow, ...more.model } };
}
const SMALL = place("a", "small", 1_000);
const LARGE = place("l", "large", 200_000);
const FREER = place("p", "freer", 128_000);

/** A world in which these refuse with the given words, and the others answer. */
function refusing(spec: RouteSpec, refusals: Readonly<Record<string, string | number>>): World {
  const world = new World(spec);
  for (const one of [...spec.candidates, ...(spec.onContextWindow ?? []), ...(spec.onContentPolicy ?? [])]) {
    const name = typeof one === "string" ? one : one.name;
    const told = refusals[name];
    world.upstream.plays(name, (call) => (typeof told === "string" ? call.refuse(400, told) : told === undefined ? call.json(GOOD_ANSWER) : call.refuse(told)));
  }
  return world;
}

const warningOf = ({ reply }: Asked): string => String(reply.header("x-spillway-warning") ?? "");

function sent(world: World, name: string): string {
  const { body } = world.call(name).request;
  assert.ok(body instanceof Uint8Array);
  return new TextDecoder().decode(body);
}

/** What the record says of who was passed over. */
function passedOver(world: World): Readonly<Record<string, unknown>> {
  const filtered = world.record.decision["filtered"] as readonly JsonObject[];
  return Object.fromEntries(filtered.map((one) => [one["deployment"], one["reason"]]));
}

describe("a prompt that a provider says is too long", () => {
  it("goes to who is listed for that, and to nobody else", async () => {
    const world = refusing({ candidates: [SMALL, place("b", "small", 1_000)], onContextWindow: [LARGE], onContentPolicy: [FREER] }, { a: TOO_LONG });
    const asked = await world.ask();
    assert.equal(world.called, "a l");
    assert.equal(asked.reply.status, 200);
    assert.match(warningOf(asked), /answered by large, which stands in for small/);
    assert.deepEqual([world.record.flags, classOf(world.record)], [["fallback_model"], "degraded"]);
    assertBooksAgree(world);
  });

  it("goes, without a list, to a candidate whose context window is known to be larger", async () => {
    const world = refusing({ candidates: [SMALL, place("b", "small", 1_000), place("l", "small", 200_000)] }, { a: TOO_LONG });
    const asked = await world.ask();
    assert.equal(world.called, "a l");
    assert.equal(asked.reply.status, 200);
    assert.deepEqual([world.record.flags, warningOf(asked)], [[], ""], "the same model stands in for nobody");
    assertBooksAgree(world);
  });

  it("is the client's to shorten where no window is larger", async () => {
    const world = refusing({ candidates: [SMALL, place("b", "other", 1_000)], onContentPolicy: [LARGE] }, { a: TOO_LONG });
    const asked = await world.ask();
    assert.equal(world.called, "a");
    assert.deepEqual([asked.reply.status, asked.reply.json.error.code], [400, "context_length_exceeded"]);
    assert.equal(classOf(world.record), "client");
  });

  it("is tried no more than three times in all", async () => {
    const larger = [2_000, 3_000, 4_000].map((window, i) => place(`l${i}`, "large", window));
    const world = refusing({ candidates: [SMALL], onContextWindow: larger }, { a: TOO_LONG, l0: TOO_LONG, l1: TOO_LONG, l2: TOO_LONG });
    const asked = await world.ask();
    assert.equal(world.called, "a l0 l1");
    assert.equal(asked.reply.json.error.code, "context_length_exceeded");
    assertBooksAgree(world);
  });

  it("is the provider's failure where who could take it is down: another try may help", async () => {
    const world = refusing({ candidates: [SMALL], onContextWindow: [LARGE] }, { a: TOO_LONG, l: 503 });
    const { reply } = await world.ask();
    await world.pass(60_000);
    assert.equal(reply.status >= 500, true);
    assert.notEqual(reply.json.error.code, "context_length_exceeded");
    assert.equal(classOf(world.record), "failed");
    assertBooksAgree(world);
  });

  it("goes to who is listed at once where it surely fits nobody else", async () => {
    const world = refusing({ candidates: [SMALL], onContextWindow: [LARGE] }, {});
    const asked = await world.ask({ body: { messages: [{ role: "user", content: "word ".repeat(8_000) }] } });
    assert.equal(world.called, "l");
    assert.match(warningOf(asked), /large, which stands in for small/);
    assert.deepEqual([world.record.flags, passedOver(world)], [["fallback_model"], { "a/m": "context_too_small" }]);
  });

  it("streams its answer as any other", async () => {
    const world = refusing({ candidates: [SMALL], onContextWindow: [LARGE] }, { a: TOO_LONG });
    world.upstream.plays("l", (call) => call.stream(...GOOD_STREAM).end());
    const asked = await world.ask({ stream: true });
    assert.match(asked.reply.text, /Hello[\s\S]*\[DONE\]/);
    assert.match(warningOf(asked), /stands in for small/);
    assert.deepEqual(world.record.flags, ["fallback_model"]);
    assertBooksAgree(world);
  });
});

describe("what a content policy refuses", () => {
  it("goes to who is listed for that, past everybody else", async () => {
    const world = refusing({ candidates: [SMALL, place("b", "small", 200_000)], onContextWindow: [LARGE], onContentPolicy: [FREER] }, { a: UNWANTED });
    const asked = await world.ask();
    assert.equal(world.called, "a p");
    assert.match(warningOf(asked), /answered by freer, which stands in for small/);
    assert.deepEqual(world.record.flags, ["fallback_model"]);
    assertBooksAgree(world);
  });

  it("stays refused where nobody is listed", async () => {
    const world = refusing({ candidates: [SMALL, "b"], onContextWindow: [LARGE] }, { a: UNWANTED });
    const { reply } = await world.ask();
    assert.equal(world.called, "a");
    assert.equal(reply.json.error.code, "upstream_content_policy");
  });

  it("stays refused, in the provider's words, where the listed refuse it as well", async () => {
    const world = refusing({ candidates: [SMALL], onContentPolicy: [FREER] }, { a: UNWANTED, p: UNWANTED });
    const { reply } = await world.ask();
    assert.equal(world.called, "a p");
    assert.deepEqual([reply.json.error.code, reply.json.error.message], ["upstream_content_policy", UNWANTED]);
  });
});

describe("who is held back", () => {
  it("is asked for nothing else: not after an outage, nor where all others are out", async () => {
    const spec: RouteSpec = { candidates: [SMALL], onContextWindow: [LARGE], onContentPolicy: [FREER] };
    const down = refusing(spec, { a: 503 });
    await down.ask();
    await down.pass(60_000);
    assert.ok(!/[lp]/.test(down.called), down.called);
    const out = refusing(spec, {});
    out.told("a", "auth");
    const { reply } = await out.ask();
    assert.deepEqual([out.called, reply.json.error.code], ["", "no_usable_deployment"]);
  });

  it("is not held for beforehand: its own bound is held when it is called", async () => {
    const dear: Pricing = { kind: "sheet", sheet: sheet(100, 200) };
    const world = refusing({ candidates: [SMALL], onContextWindow: [{ ...LARGE, pricing: dear }] }, { a: TOO_LONG });
    await world.ask({ body: { max_tokens: 10 } });
    const [first, second] = world.ledger.holds.map((hold) => hold.boundNanoUsd ?? 0);
    assert.ok((second ?? 0) >= 50 * (first ?? 0), `${first} then ${second}`);
    assertBooksAgree(world);
  });

  it("is not called where its price is above the request's cap", async () => {
    const dear: Pricing = { kind: "sheet", sheet: sheet(1_000, 200_000) };
    const world = refusing({ candidates: [SMALL], onContextWindow: [{ ...LARGE, pricing: dear }] }, { a: TOO_LONG });
    const { reply } = await world.ask({ body: { max_tokens: 100 }, headers: { "x-spillway-max-cost-usd": "0.01" } });
    assert.equal(world.called, "a");
    assert.equal(reply.json.error.code, "context_length_exceeded");
    assert.deepEqual(passedOver(world), { "l/m": "over_cap" });
  });

  it("takes no part in a balanced plan", async () => {
    const world = refusing({ candidates: [SMALL, place("b", "small", 1_000)], onContextWindow: [{ ...LARGE, pricing: { kind: "unmetered" } }], strategy: "balanced", terms: { costOfFailureNanoUsd: 1_000_000, costOfDelayNanoUsdPerS: null, hedgeShare: 1, exploreShare: 1 } }, { a: TOO_LONG, b: TOO_LONG });
    const asked = await world.ask();
    assert.match(world.called, /^[ab] l$/);
    assert.equal(asked.reply.status, 200);
    const plan = world.record.decision["plan"] as JsonObject;
    assert.deepEqual(new Set((plan["scores"] as readonly JsonObject[]).map((one) => one["deployment"])), new Set(["a/m", "b/m"]));
  });
});

describe("a fallback of another model", () => {
  const TOOLS = { tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }] };
  const IMAGE = { messages: [{ role: "user", content: [{ type: "text", text: "what" }, { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } }] }] };
  const able = { vision: true, input: ["text", "image"] } as const;
  const first = place("a", "first", 128_000, { model: able });
  const lacking: readonly (readonly [what: string, other: Partial<Place>, body: Readonly<Record<string, unknown>>, reason: string])[] = [
    ["tools", { told: { tools: false } }, TOOLS, "no_tools"],
    ["sight", { told: { image_in: false } }, IMAGE, "no_vision"],
    ["a context window for the prompt", { model: { contextWindow: 100 } }, { messages: [{ role: "user", content: "word ".repeat(2_000) }] }, "context_too_small"],
  ];
  for (const [what, other, body, reason] of lacking) {
    it(`without ${what} is passed over where that is asked, with the reason, as an ordinary candidate and as a listed one`, async () => {
      const ordinarily = refusing({ candidates: [first, place("b", "other", 128_000, other)] }, { a: 503 });
      await ordinarily.ask({ body });
      await ordinarily.pass(60_000);
      assert.match(ordinarily.called, /^a( a)*$/);
      assert.deepEqual(passedOver(ordinarily), { "b/m": reason });
      const listed = refusing({ candidates: [first], onContentPolicy: [place("b", "other", 128_000, other)] }, { a: UNWANTED });
      await listed.ask({ body });
      assert.equal(listed.called, "a");
      assert.deepEqual(passedOver(listed), { "b/m": reason });
    });
  }

  it("answers under a warning that names it, and a flag by which the answer is degraded; the route's own does not", async () => {
    const world = refusing({ candidates: [first, place("b", "other", 128_000)] }, { a: 503 });
    const asked = await world.ask();
    assert.equal(world.called, "a b");
    assert.match(warningOf(asked), /answered by other, which stands in for first/);
    assert.deepEqual([world.record.flags, classOf(world.record)], [["fallback_model"], "degraded"]);
    const own = refusing({ candidates: [first, place("b", "first", 128_000)] }, { a: 503 });
    const answered = await own.ask();
    assert.deepEqual([own.called, warningOf(answered), own.record.flags, classOf(own.record)], ["a b", "", [], "ok"]);
  });

  it("stands in for nobody where the route means all its candidates alike", async () => {
    const world = refusing({ candidates: [first, place("b", "other", 128_000)], strategy: "weighted" }, { a: 503 });
    world.random = 0;
    const asked = await world.ask();
    assert.equal(asked.reply.header("x-spillway-deployment"), "b/m");
    assert.deepEqual([warningOf(asked), world.record.flags], ["", []]);
  });

  it("is not shown the opaque reasoning of the model before it, nor is its text lost", async () => {
    const maker = place("a", "thinker", 1_000, { provider: { dialect: "anthropic-messages" } });
    const world = refusing({ candidates: [maker], onContextWindow: [place("b", "other", 200_000)] }, {});
    world.upstream.plays("a", (call) => call.json({ type: "error", error: { type: "invalid_request_error", message: "prompt is too long: 250000 tokens > 200000 maximum" } }, 400));
    const messages = [
      { role: "user", content: "hi" },
      { role: "assistant", content: [{ type: "thinking", thinking: "let me see", signature: "c2lnbmF0dXJlLW9mLWE=" }, { type: "text", text: "hello" }] },
      { role: "user", content: "and now?" },
    ];
    const { reply } = await world.ask({ surface: "messages", body: { max_tokens: 100, messages } });
    assert.equal(world.called, "a b");
    assert.ok(sent(world, "a").includes("c2lnbmF0dXJlLW9mLWE="), "its own maker is shown it");
    assert.ok(!sent(world, "b").includes("c2lnbmF0dXJlLW9mLWE="), sent(world, "b"));
    assert.ok(sent(world, "b").includes("hello"));
    assert.equal(reply.status, 200);
  });
});
