import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { asArray, asNumber, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import { inputTokens, outputTokens } from "../../../wire/usage.ts";
import { readServiceTier, readUsage } from "./usage.ts";

const dataset = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data/fixtures/genai-prices/usages.json.gz");

function units(raw: JsonObject) {
  return readUsage(raw, false)?.units;
}

describe("token classes", () => {
  test("cached tokens are taken out of the prompt, tool-use prompts are added, thoughts stand beside the output", () => {
    assert.deepEqual(units({ promptTokenCount: 100, cachedContentTokenCount: 60, toolUsePromptTokenCount: 7, candidatesTokenCount: 5, thoughtsTokenCount: 11, totalTokenCount: 123 }), {
      input: 47, cache_read: 60, output: 5, reasoning: 11,
    });
  });
  test("audio and images are classes of their own, less what of them came from the cache; pages of documents are images, video is input", () => {
    assert.deepEqual(
      units({
        promptTokenCount: 100, cachedContentTokenCount: 30, candidatesTokenCount: 40, totalTokenCount: 140,
        promptTokensDetails: [{ modality: "TEXT", tokenCount: 10 }, { modality: "AUDIO", tokenCount: 50 }, { modality: "IMAGE", tokenCount: 15 }, { modality: "DOCUMENT", tokenCount: 5 }, { modality: "VIDEO", tokenCount: 20 }],
        cacheTokensDetails: [{ modality: "AUDIO", tokenCount: 20 }, { modality: "TEXT", tokenCount: 10 }],
        candidatesTokensDetails: [{ modality: "IMAGE", tokenCount: 25 }, { modality: "AUDIO", tokenCount: 5 }],
      }),
      { input: 20, cache_read: 30, audio_input: 30, image_input: 20, output: 10, image_output: 25, audio_output: 5 },
    );
  });
  test("thoughts inside the candidates count are recognised by the total, a total that fits nothing is flagged", () => {
    const inside = readUsage({ promptTokenCount: 10, candidatesTokenCount: 30, thoughtsTokenCount: 20, totalTokenCount: 40 }, false);
    assert.deepEqual([inside?.units, inside?.flags], [{ input: 10, output: 10, reasoning: 20 }, undefined]);
    assert.deepEqual(readUsage({ promptTokenCount: 10, candidatesTokenCount: 30, totalTokenCount: 99 }, false)?.flags, ["usage_sum_mismatch"]);
  });
  test("an object without counts is no usage: unknown is not zero", () => {
    for (const raw of [undefined, null, {}, { trafficType: "ON_DEMAND" }, { promptTokenCount: -1 }, { promptTokenCount: "9" }]) assert.equal(readUsage(raw as Json, false), undefined);
  });
  test("the provider's object is kept as it came", () => {
    const raw = { promptTokenCount: 1, totalTokenCount: 1, newThing: { a: 1 } };
    assert.equal(readUsage(raw, false)?.raw, raw);
  });
  test("no class is negative and their sum is what was counted, whatever the details say", () => {
    const details = fc.array(fc.record({ modality: fc.constantFrom("TEXT", "AUDIO", "IMAGE"), tokenCount: fc.nat(300) }), { maxLength: 4 });
    const raw = fc.record({
      promptTokenCount: fc.nat(200), cachedContentTokenCount: fc.nat(300), toolUsePromptTokenCount: fc.nat(50), candidatesTokenCount: fc.nat(200), thoughtsTokenCount: fc.nat(200),
      promptTokensDetails: details, cacheTokensDetails: details, candidatesTokensDetails: details, toolUsePromptTokensDetails: details,
    });
    fc.assert(fc.property(raw, (counts) => {
      const read = units(counts) ?? {};
      for (const value of Object.values(read)) assert.ok(value >= 0);
      assert.equal(inputTokens(read), counts.promptTokenCount + counts.toolUsePromptTokenCount);
      assert.equal(outputTokens(read), counts.candidatesTokenCount + counts.thoughtsTokenCount);
    }));
  });
  test("agree with an independent reading of real usages", { skip: existsSync(dataset) ? false : "shared data is absent" }, () => {
    let checked = 0;
    for (const row of JSON.parse(gunzipSync(readFileSync(dataset)).toString("utf8")) as Json[]) {
      const raw = member(member(row, "body"), "usageMetadata");
      const theirs = member(asArray(member(row, "extracted"))[0], "usage");
      const ours = readUsage(raw, false);
      if (!isObject(raw) || !isObject(theirs) || ours === undefined || raw["totalTokenCount"] === undefined) continue;
      const count = (key: string) => asNumber(theirs[key]) ?? 0;
      assert.equal(inputTokens(ours.units), count("input_tokens"), JSON.stringify(raw));
      assert.equal(outputTokens(ours.units), count("output_tokens"), JSON.stringify(raw));
      assert.equal(ours.units.cache_read ?? 0, count("cache_read_tokens"), JSON.stringify(raw));
      assert.equal(ours.units.reasoning ?? 0, count("output_reasoning_tokens"), JSON.stringify(raw));
      assert.equal(inputTokens(ours.units) + outputTokens(ours.units), raw["totalTokenCount"], JSON.stringify(raw));
      assert.equal(ours.flags, undefined, JSON.stringify(raw));
      checked++;
    }
    assert.ok(checked > 300, `${checked} usages`);
  });
});

test("the tier that served is told in our words", () => {
  const tiers = {
    ON_DEMAND: "default", ON_DEMAND_FLEX: "flex", ON_DEMAND_PRIORITY: "priority", ON_DEMAND_OFFPEAK: "offpeak",
    PROVISIONED_THROUGHPUT: "provisioned", TRAFFIC_TYPE_UNSPECIFIED: undefined, "": undefined,
  };
  for (const [trafficType, tier] of Object.entries(tiers)) assert.equal(readServiceTier({ trafficType }), tier, trafficType);
  assert.equal(readServiceTier({ serviceTier: "standard" }), "default");
  assert.equal(readServiceTier({ serviceTier: "PRIORITY", trafficType: "ON_DEMAND" }), "priority");
});
