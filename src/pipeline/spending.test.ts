/** Money that binds a request before it is held: caps, limits that need an output limit, cheaper candidates. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Pricing } from "../decide/deployment.ts";
import { sheet } from "../decide/test-directory.ts";
import type { BudgetGate } from "../ports.ts";
import type { JsonObject } from "../wire/json.ts";
import { assertBooksAgree, PRICE_INPUT_NANO_USD, PRICE_OUTPUT_NANO_USD, World, type RouteSpec } from "./test-world.ts";
import { GOOD_ANSWER } from "./test-upstream.ts";

const HARD: BudgetGate = { any: true, binding: () => ({ hard: true, capNanoUsd: null }), cheaper: () => false, exhausted: () => null, onModels: () => [], forgo: () => {} };
const DEAR: Pricing = { kind: "sheet", sheet: sheet(100, 200) };

function limited(spec: RouteSpec, gate: BudgetGate): World {
  const world = new World(spec);
  Object.assign(world.deps, { budgets: gate });
  return world;
}

function sent(world: World, name: string): JsonObject {
  const { body } = world.call(name).request;
  assert.ok(body instanceof Uint8Array);
  return JSON.parse(new TextDecoder().decode(body)) as JsonObject;
}

describe("a hard limit on money", () => {
  it("has an output limit sent where the client asks none, and says so", async () => {
    const world = limited({ candidates: ["a"] }, HARD);
    const { reply } = await world.ask();
    assert.equal(sent(world, "a")["max_completion_tokens"], 8_192);
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.match(String(reply.header("x-spillway-warning")), /output limit is 8192 tokens, since a limit on money applies/);
    assert.ok((world.ledger.holds[0]?.boundNanoUsd ?? 0) >= 8_192 * PRICE_OUTPUT_NANO_USD);
    assert.ok((world.ledger.holds[0]?.boundNanoUsd ?? 0) < 16_000 * PRICE_OUTPUT_NANO_USD, "the bound is of the limit that was sent");
    assertBooksAgree(world);
  });

  it("leaves the client's own output limit alone, and the body byte for byte", async () => {
    const world = limited({ candidates: ["a"] }, HARD);
    const { reply } = await world.ask({ body: { max_tokens: 50 } });
    assert.equal(sent(world, "a")["max_tokens"], 50);
    assert.equal(sent(world, "a")["max_completion_tokens"], undefined);
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.equal(reply.header("x-spillway-warning"), undefined);
  });

  it("is not touched where there is none", async () => {
    const world = new World({ candidates: ["a"] });
    await world.ask();
    assert.equal(sent(world, "a")["max_completion_tokens"], undefined);
  });

  it("refuses what cannot be bounded: an unknown price, and fields whose cost no bound covers", async () => {
    const world = limited({ candidates: [{ name: "a", pricing: { kind: "unknown" } }] }, HARD);
    const { reply } = await world.ask();
    assert.equal(reply.status, 402);
    assert.match(reply.text, /budget_exceeded/);
    assert.match(reply.text, /its price is unknown/);
    const search = limited({ candidates: ["a"] }, HARD);
    const refused = await search.ask({ body: { web_search_options: {} } });
    assert.equal(refused.reply.status, 400);
    assert.match(refused.reply.text, /web_search_options/);
    assert.equal(search.called + world.called, "");
  });

  it("holds the searches of a response at max_tool_calls, with the windows that they may fill, and refuses them without it", async () => {
    const pricing: Pricing = { kind: "sheet", sheet: { ...sheet(1, 2), base: { input: 1_000_000, output: 2_000_000, web_searches: 10_000_000_000 } } };
    const place = { name: "a", pricing, provider: { dialect: "openai-responses" as const } };
    const asked = { input: "hi", messages: undefined, max_output_tokens: 100, tools: [{ type: "web_search" }] };
    const world = limited({ candidates: [place] }, HARD);
    await world.ask({ surface: "responses", body: { ...asked, max_tool_calls: 2 } });
    const [hold] = world.ledger.holds;
    assert.equal(hold?.boundNanoUsd, 3 * 128_000 * PRICE_INPUT_NANO_USD + 100 * PRICE_OUTPUT_NANO_USD + 2 * 10_000_000);
    const refused = await world.ask({ surface: "responses", body: asked });
    assert.deepEqual([refused.reply.status, /tools\[\]\.type=web_search may cost cannot be bounded/.test(refused.reply.text)], [400, true]);
    assert.equal(world.ledger.holds.length, 1);
  });

  it("does not bind what costs no money", async () => {
    const world = limited({ candidates: [{ name: "a", pricing: { kind: "unmetered" } }] }, HARD);
    await world.ask();
    assert.equal(world.called, "a");
    assert.deepEqual(world.ledger.holds.map((hold) => [hold.boundNanoUsd, hold.unmetered]), [[null, true]]);
  });
});

describe("a cap on one request", () => {
  it("cuts the output limit until the call fits, and names it", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ headers: { "x-spillway-max-cost-usd": "0.01" }, body: { max_tokens: 10_000 } });
    const tokens = sent(world, "a")["max_tokens"];
    assert.ok(typeof tokens === "number" && tokens > 3_000 && tokens < 5_000, JSON.stringify(tokens));
    assert.ok((world.ledger.holds[0]?.boundNanoUsd ?? Infinity) <= 10_000_000);
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.match(String(reply.header("x-spillway-warning")), /in place of 10000, so that the request stays within its cap/);
  });

  it("is refused with the price where not even a little fits, before anything is sent", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ headers: { "x-spillway-max-cost-usd": "0.0001" } });
    assert.equal(reply.status, 402);
    assert.match(reply.text, /a\/m may cost up to \$0\.00\d+ for this prompt and 16 output tokens, the cap is \$0\.0001/);
    assert.equal(world.called, "");
    assert.equal(world.ledger.holds.length, 0);
  });

  it("is not cut below what a model needs to think", async () => {
    const world = new World({ candidates: [{ name: "a", reasons: true }] });
    const { reply } = await world.ask({ headers: { "x-spillway-max-cost-usd": "0.002" } });
    assert.equal(reply.status, 402);
    assert.match(reply.text, /1024 output tokens/);
  });

  it("leaves out candidates that are too dear and takes the others", async () => {
    const world = new World({ candidates: [{ name: "a", pricing: DEAR }, "b"] });
    const { reply } = await world.ask({ headers: { "x-spillway-max-cost-usd": "0.05" }, body: { max_tokens: 500 } });
    assert.equal(world.called, "b");
    world.call("b").json(GOOD_ANSWER);
    await world.pass();
    assert.equal(reply.status, 200);
  });

  it("covers all attempts together: what an earlier one cost is no longer there for the next", async () => {
    const world = new World({ candidates: ["a", "b"] });
    // An answer that was billed and is no answer.
    world.upstream.plays("a", (call) => call.json({ ...GOOD_ANSWER, choices: [], usage: { prompt_tokens: 9, completion_tokens: 3_000, total_tokens: 3_009 } }));
    await world.ask({ headers: { "x-spillway-max-cost-usd": "0.01" }, body: { max_tokens: 4_000 } });
    await world.pass(1_000);
    assert.match(world.called, /^a .*b$|^a b$/);
    const tokens = sent(world, "b")["max_tokens"];
    assert.ok(typeof tokens === "number" && tokens < 1_500, JSON.stringify(tokens));
  });

  it("counts an attempt that told no usage with all that it may be billed", async () => {
    const world = new World({ candidates: ["a", "b"] });
    // It was written and may be billed, and nobody can read it.
    world.upstream.plays("a", (call) => void call.head(200, { "content-type": "application/json" }).bytes("{ nonsense").end());
    await world.ask({ headers: { "x-spillway-max-cost-usd": "0.012" }, body: { max_tokens: 4_000 } });
    await world.pass(1_000);
    const [first, second] = world.ledger.holds;
    assert.ok((first?.boundNanoUsd ?? 0) > 9_000_000);
    assert.ok((first?.boundNanoUsd ?? 0) + (second?.boundNanoUsd ?? 0) <= 12_000_000, "both at their most are within the cap");
    const tokens = sent(world, "b")["max_tokens"];
    assert.ok(typeof tokens === "number" && tokens < 1_500, JSON.stringify(tokens));
  });

  it("takes the smaller of header and key, and refuses a header that is no money", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ headers: { "x-spillway-max-cost-usd": "cheap" } });
    assert.equal(reply.status, 400);
    assert.match(reply.text, /invalid_header/);
    const negative = await new World({ candidates: ["a"] }).ask({ headers: { "x-spillway-max-cost-usd": "-1" } });
    assert.equal(negative.reply.status, 400);
  });
});

describe("a refusal by a budget", () => {
  it("tells the client what the ledger says, and nothing was sent", async () => {
    const world = limited({ candidates: ["a"] }, HARD);
    world.ledger.answers.push({ kind: "refused", code: "budget_exceeded", scope: "key/app", message: "The budget app-day allows $1.00.", resetsAtMs: null });
    const { reply } = await world.ask();
    assert.equal(reply.status, 402);
    assert.match(reply.text, /The budget app-day allows \$1\.00\./);
    assert.equal(world.called, "");
    assertBooksAgree(world);
  });
});
