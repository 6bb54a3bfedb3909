import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { UsageFacts } from "../../../wire/facts.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { inputTokens, outputTokens } from "../../../wire/usage.ts";
import { plainUsage } from "./test-target.ts";
import { readUsage } from "./usage.ts";

const read = (usage: JsonObject, facts: Partial<UsageFacts> = {}) => readUsage({ usage }, { ...plainUsage, ...facts }, undefined);
const units = (usage: JsonObject, facts: Partial<UsageFacts> = {}) => read(usage, facts)?.units;

test("cached, written, audio and image tokens leave the plain classes", () => {
  assert.deepEqual(units({
    prompt_tokens: 100, completion_tokens: 50, total_tokens: 150,
    prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 20, audio_tokens: 5, image_tokens: 7 },
    completion_tokens_details: { reasoning_tokens: 10, audio_tokens: 8 },
  }), { cache_write_5m: 20, cache_read: 30, audio_input: 5, image_input: 7, input: 38, reasoning: 10, audio_output: 8, output: 32 });
});

test("a provider that counts the cache outside the prompt keeps its prompt whole", () => {
  assert.deepEqual(units({ prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 30 } }, { cacheInsideInput: false }), { cache_read: 30, input: 10, output: 1 });
});

test("the sums decide whether reasoning is inside the completion, over what the facts say", () => {
  const inside = { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30, completion_tokens_details: { reasoning_tokens: 15 } };
  const outside = { ...inside, total_tokens: 45 };
  for (const reasoningInOutput of [true, false, "guess"] as const) {
    assert.deepEqual(units(inside, { reasoningInOutput }), { input: 10, reasoning: 15, output: 5 });
    assert.deepEqual(units(outside, { reasoningInOutput }), { input: 10, reasoning: 15, output: 20 });
    assert.equal(read(inside, { reasoningInOutput })?.flags, undefined);
  }
});

test("where the sums do not tell, the facts do, flagged; a guess takes the upper bound", () => {
  const usage = { prompt_tokens: 10, completion_tokens: 20, total_tokens: 99, completion_tokens_details: { reasoning_tokens: 15 } };
  assert.equal(units(usage, { reasoningInOutput: true })?.output, 5);
  assert.equal(units(usage, { reasoningInOutput: false })?.output, 20);
  assert.equal(units(usage, { reasoningInOutput: "guess" })?.output, 20);
  assert.deepEqual(read(usage, { reasoningInOutput: true })?.flags, ["reasoning_unclear"]);
  const { total_tokens: _, ...noTotal } = usage;
  assert.equal(read(noTotal, { reasoningInOutput: true })?.flags, undefined);
  assert.deepEqual(read(noTotal, { reasoningInOutput: "guess" })?.flags, ["reasoning_unclear"]);
});

test("a total that counts more than prompt and completion tells reasoning told nowhere else, flagged; not what is cached", () => {
  const usage = { prompt_tokens: 7, completion_tokens: 12, total_tokens: 402 };
  assert.deepEqual([units(usage), read(usage)?.flags], [{ input: 7, output: 12, reasoning: 383 }, ["reasoning_untold"]]);
  const cached = { prompt_tokens: 40, completion_tokens: 12, total_tokens: 82, prompt_tokens_details: { cached_tokens: 30 } };
  assert.deepEqual([units(cached), read(cached)?.flags], [{ input: 10, cache_read: 30, output: 12 }, undefined]);
});

test("more cached than prompt means that it was counted apart, flagged", () => {
  const usage = read({ prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 30 } });
  assert.deepEqual(usage?.units, { cache_read: 30, input: 5, output: 1 });
  assert.deepEqual(usage?.flags, ["cache_unclear"]);
});

test("pointers are tried in order, and write pointers with a TTL fill their own class", () => {
  const moon = { prompt_tokens: 20, completion_tokens: 1, cached_tokens: 4 };
  assert.equal(units(moon, { cacheReadPaths: ["/usage/prompt_tokens_details/cached_tokens", "/usage/cached_tokens"] })?.cache_read, 4);
  const writes = { prompt_tokens: 20, completion_tokens: 1, w: { ttl_30m: 3, ttl_12h: 5, all: 8 } };
  assert.deepEqual(units(writes, { cacheWritePaths: ["/usage/w/ttl_30m", "/usage/w/ttl_12h", "/usage/w/all"] }), { cache_write_30m: 3, cache_write_12h: 5, input: 12, output: 1 });
});

test("usage is found in x_groq and inside the first choice", () => {
  const usage = { prompt_tokens: 3, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 1 } };
  for (const body of [{ x_groq: { usage } }, { choices: [{ usage }] }]) {
    assert.deepEqual(readUsage(body, plainUsage, undefined)?.units, { cache_read: 1, input: 2, output: 4 });
  }
});

test("unknown is not zero: no counts are no usage, one missing count is told by the total or flagged", () => {
  assert.equal(read({}), undefined);
  assert.equal(read({ prompt_tokens: null, completion_tokens: "9" }), undefined);
  assert.deepEqual(units({ prompt_tokens: 3, total_tokens: 10 }), { input: 3, output: 7 });
  const half = read({ prompt_tokens: 3 });
  assert.deepEqual([half?.units, half?.flags], [{ input: 3 }, ["usage_incomplete"]]);
});

test("the provider's own charge, tier and searches are read; the raw object is kept", () => {
  const raw = { prompt_tokens: 1, completion_tokens: 1, cost_in_usd_ticks: 1_466_250, num_search_queries: 2 };
  const usage = read(raw, { cost: { path: "/usage/cost_in_usd_ticks", perUsd: 1e10 } });
  assert.equal(usage?.providerCostNanoUsd, 146_625);
  assert.equal(usage?.units.web_searches, 2);
  assert.equal(usage?.raw, raw);
  assert.equal(readUsage({ usage: raw, service_tier: "flex" }, plainUsage, "default")?.serviceTier, "flex");
  assert.equal(readUsage({ usage: raw }, plainUsage, "default")?.serviceTier, "default");
  assert.equal(read({ prompt_tokens: 1, completion_tokens: 1, cost: 0.00012 }, { cost: { path: "/usage/cost", perUsd: 1 } })?.providerCostNanoUsd, 120_000);
});

test("whatever numbers come, no class is negative and consistent totals are kept to the token", () => {
  const n = fc.nat(1000);
  fc.assert(fc.property(n, n, n, n, n, n, n, n, fc.boolean(), fc.boolean(), (prompt, completion, cached, written, audio, reasoning, audioOut, image, inside, cacheInside) => {
    const counted = prompt + (cacheInside ? 0 : cached + written);
    const total = counted + completion + (inside ? 0 : reasoning);
    const usage = read({
      prompt_tokens: prompt, completion_tokens: completion, total_tokens: total,
      prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: written, audio_tokens: audio, image_tokens: image },
      completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: audioOut },
    }, { cacheInsideInput: cacheInside, reasoningInOutput: inside });
    for (const tokens of Object.values(usage?.units ?? {})) assert.ok(tokens >= 0 && Number.isSafeInteger(tokens));
    if (usage?.flags === undefined && (!inside || reasoning <= completion)) {
      assert.equal(inputTokens(usage?.units ?? {}) + outputTokens(usage?.units ?? {}), total);
    }
  }));
});
