import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import type { JsonObject } from "../../../wire/json.ts";
import { inputTokens, outputTokens, UNITS } from "../../../wire/usage.ts";
import { CACHE_TTL_UNCLEAR, mergeUsage, readUsage, USAGE_INCOMPLETE, USAGE_PARTIAL } from "./usage.ts";

const SHARED = process.env.SPILLWAY_SHARED ?? "../shared";

test("input, cache read and cache write are disjoint classes: litellm #9812 costs $0.054399", () => {
  const units = readUsage({ input_tokens: 3, cache_creation_input_tokens: 12_304, cache_read_input_tokens: 0, output_tokens: 550 }, true)?.units;
  assert.deepEqual(units, { input: 3, cache_write_5m: 12_304, output: 550 });
  // Nano-dollars per token of that model: 3, 3.75 and 15 dollars a million.
  assert.equal(3 * 3_000 + 12_304 * 3_750 + 550 * 15_000, 54_399_000);
});

test("a compaction is billed beside the message that the top level shows", () => {
  const usage = readUsage(
    {
      input_tokens: 612, output_tokens: 2_819,
      iterations: [
        { type: "compaction", input_tokens: 60_385, output_tokens: 522 },
        { type: "message", input_tokens: 612, output_tokens: 2_819 },
      ],
    },
    true,
  );
  assert.deepEqual(usage?.units, { input: 60_997, output: 3_341 });
  assert.deepEqual(usage?.entries, [
    { model: null, kind: "compaction", units: { input: 60_385, output: 522 } },
    { model: null, kind: "message", units: { input: 612, output: 2_819 } },
  ]);
});

test("an adviser of another model is a line of its own, with its model", () => {
  const usage = readUsage(
    {
      input_tokens: 4_727, output_tokens: 300,
      iterations: [
        { type: "message", input_tokens: 2_000, output_tokens: 100 },
        { type: "advisor_message", model: "claude-opus-4-7", input_tokens: 2_728, output_tokens: 3_880 },
        { type: "message", input_tokens: 2_727, output_tokens: 200 },
      ],
    },
    true,
  );
  assert.deepEqual(usage?.entries?.[1], { model: "claude-opus-4-7", kind: "advisor_message", units: { input: 2_728, output: 3_880 } });
  assert.deepEqual(usage?.units, { input: 7_455, output: 4_180 });
});

test("a declined attempt and the fallback that answered stay two lines", () => {
  const usage = readUsage(
    {
      input_tokens: 412, output_tokens: 264,
      iterations: [
        { type: "message", model: "claude-fable-5", input_tokens: 408, output_tokens: 0 },
        { type: "fallback_message", model: "claude-opus-4-8", input_tokens: 412, output_tokens: 264 },
      ],
    },
    true,
  );
  assert.deepEqual(usage?.entries?.map((entry) => [entry.model, entry.units]), [
    ["claude-fable-5", { input: 408, output: 0 }],
    ["claude-opus-4-8", { input: 412, output: 264 }],
  ]);
});

test("searches and thinking told only at the top are not lost where entries are priced", () => {
  const usage = readUsage(
    {
      input_tokens: 10, output_tokens: 50, output_tokens_details: { thinking_tokens: 30 }, server_tool_use: { web_search_requests: 2 },
      iterations: [
        { type: "message", input_tokens: 4, output_tokens: 20 },
        { type: "advisor_message", model: "m", input_tokens: 5, output_tokens: 90 },
        { type: "message", input_tokens: 6, output_tokens: 25 },
      ],
    },
    true,
  );
  assert.deepEqual(usage?.entries?.map((entry) => entry.units), [
    { input: 4, output: 15, reasoning: 5 }, { input: 5, output: 90 }, { input: 6, output: 0, reasoning: 25 }, { web_searches: 2 },
  ]);
  assert.deepEqual(usage?.units, { input: 15, output: 105, reasoning: 30, web_searches: 2 });
});

test("cache writes are split by lifetime, and what outgrew the split takes the lifetime in use", () => {
  const split = (total: number, short: number, long: number) =>
    readUsage({ input_tokens: 0, output_tokens: 0, cache_creation_input_tokens: total, cache_creation: { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long } }, true);
  assert.deepEqual(split(30, 10, 20)?.units, { input: 0, output: 0, cache_write_5m: 10, cache_write_1h: 20 });
  assert.deepEqual(split(30, 20, 0)?.units, { input: 0, output: 0, cache_write_5m: 30 });
  assert.deepEqual(split(30, 0, 20)?.units, { input: 0, output: 0, cache_write_1h: 30 });
  assert.deepEqual(split(40, 10, 20)?.units, { input: 0, output: 0, cache_write_5m: 20, cache_write_1h: 20 });
  assert.deepEqual(split(40, 10, 20)?.flags, [CACHE_TTL_UNCLEAR]);
});

test("later counts replace earlier ones, and null or nothing leaves them", () => {
  const merged = mergeUsage({ input_tokens: 17, output_tokens: 1, cache_read_input_tokens: 5 }, { output_tokens: 227, input_tokens: null });
  assert.deepEqual(merged, { input_tokens: 17, output_tokens: 227, cache_read_input_tokens: 5 });
});

test("unknown is not zero: counts that are no counts stay out, and what is missing is flagged", () => {
  assert.equal(readUsage({}, true), undefined);
  assert.equal(readUsage({ input_tokens: "12", output_tokens: -4 }, true), undefined);
  assert.deepEqual(readUsage({ output_tokens: 4 }, true)?.flags, [USAGE_INCOMPLETE]);
  assert.deepEqual(readUsage({ input_tokens: 1, output_tokens: 4 }, false)?.flags, [USAGE_PARTIAL]);
});

test("modifiers of the rate are told: tier, speed, geography", () => {
  const usage = readUsage({ input_tokens: 1, output_tokens: 1, service_tier: "priority", speed: "fast", inference_geo: "us" }, true);
  assert.equal(usage?.serviceTier, "priority");
  assert.deepEqual(usage?.flags, ["speed_fast", "geo_us"]);
  assert.equal(readUsage({ input_tokens: 1, output_tokens: 1, speed: "standard", inference_geo: "global" }, true)?.flags, undefined);
});

test("classes sum to what the provider told, and none is negative", () => {
  const count = fc.nat(1_000_000);
  fc.assert(
    fc.property(count, count, count, count, count, count, (input, read, short, long, output, thinking) => {
      const units = readUsage(
        {
          input_tokens: input, cache_read_input_tokens: read, cache_creation_input_tokens: short + long, output_tokens: output,
          cache_creation: { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long },
          output_tokens_details: { thinking_tokens: thinking },
        },
        true,
      )?.units;
      assert.ok(units !== undefined);
      assert.equal(inputTokens(units), input + read + short + long);
      assert.equal(outputTokens(units), output);
      for (const unit of UNITS) assert.ok((units[unit] ?? 0) >= 0);
    }),
  );
});

const PRICES = join(SHARED, "data/fixtures/genai-prices/usages.json.gz");
interface Recorded {
  readonly body: { readonly model: string | null; readonly usage?: JsonObject };
  readonly extracted: readonly { readonly extractors: readonly { readonly provider_id: string; readonly api_flavor: string }[]; readonly usage: Readonly<Record<string, number>> }[];
}
test("an independent library reads the same classes off recorded usage", { skip: existsSync(PRICES) ? false : "shared data is absent" }, () => {
  const recorded = JSON.parse(gunzipSync(readFileSync(PRICES)).toString("utf8")) as readonly Recorded[];
  let compared = 0;
  for (const { body, extracted } of recorded) {
    const theirs = extracted.find(({ extractors }) => extractors.some((by) => by.provider_id === "anthropic" && by.api_flavor === "default"));
    // It adds up top-level numbers only, so answers with iterations are ours alone to read.
    if (theirs === undefined || body.usage === undefined || body.usage.iterations || !(body.model ?? "").startsWith("claude")) continue;
    const units = readUsage(body.usage, true)?.units;
    assert.ok(units !== undefined);
    compared += 1;
    assert.equal(inputTokens(units), theirs.usage.input_tokens);
    assert.equal(outputTokens(units), theirs.usage.output_tokens);
    assert.equal(units.cache_read ?? 0, theirs.usage.cache_read_tokens ?? 0);
    assert.equal((units.cache_write_5m ?? 0) + (units.cache_write_1h ?? 0), theirs.usage.cache_write_tokens ?? 0);
  }
  assert.ok(compared >= 100, `${compared} usages compared`);
});
