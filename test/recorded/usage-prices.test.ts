/**
 * Recorded usage objects of many providers: what we charge for each against what an independent library of prices charges,
 * by its extractor of the producing surface, at the day of its price list.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PriceBook, type PriceRecord } from "../../src/decide/price-book.ts";
import { plainSheet } from "../../src/decide/price-at.ts";
import { parsePricePico } from "../../src/decide/price-text.ts";
import { priceUsage } from "../../src/decide/price.ts";
import { loadCatalogue } from "../../src/providers/catalog/index.ts";
import type { ModelFacts } from "../../src/wire/facts.ts";
import { asString, member } from "../../src/wire/json.ts";
import type { Unit } from "../../src/wire/usage.ts";
import { recordingsAbsent } from "./folder.ts";
import { read, records, told, type UsageRecord } from "./usage-reading.ts";
import { producerOf, type Producer } from "./usage-records.ts";

/** A Monday of the weeks from which the library's figures are. */
const PRICE_DAY_MS = Date.UTC(2026, 7, 10, 12);

/** What these models cost then, by the library's own dated list; the catalogue has today's. */
const THEN: readonly (readonly [provider: string, model: string, until: string, prices: Readonly<Record<string, number>>])[] = [
  ["openai", "gpt-5.6-sol", "2026-08-21", { input: 5, output: 30, cache_read: 0.5, cache_write_5m: 6.25 }],
  ["deepseek", "deepseek-v4-flash", "2026-08-17", { input: 0.14, output: 0.28, cache_read: 0.0028 }],
];

const OLDER_LIST = "the library's figure is of an older list";
const OTHER_LIST = "the library's list differs from that of the other sources, which agree";
/** `provider/model`, or one recording → why our figure differs, and how often. */
const REASONS: Readonly<Record<string, readonly [count: number, reason: string]>> = {
  "mistral/mistral-medium-latest": [31, `${OLDER_LIST}: 0.40 and 2.00; its newer edition has our 1.50 and 7.50`],
  "mistral/mistral-large-latest": [9, `${OTHER_LIST}: 2.00 and 6.00, Mistral Large 2's; we have Large 3's 0.50 and 1.50`],
  "mistral/mistral-small-latest": [2, `${OTHER_LIST}: 0.10 and 0.30, Small 3's; we have Small 4's 0.15 and 0.60, from the provider's price page`],
  "openrouter/z-ai/glm-4.6": [1, "an aggregator's price that moves from week to week: 0.43 and 1.74 there, 0.50 and 2.00 in its own list of 2026-08"],
  "models/cassettes/test_anthropic/test_anthropic_compaction_end_to_end.yaml #1": [1, "the library prices the top level alone; the compaction before it is billed as well"],
  "models/cassettes/test_anthropic/test_anthropic_compaction_usage_with_cache.yaml": [1, "the same"],
  "models/cassettes/test_anthropic/test_anthropic_advisor_tool_message_replay.yaml": [1, "the library leaves out the adviser, another model at another price"],
  "models/cassettes/test_anthropic/test_anthropic_advisor_tool_redacted.yaml": [1, "the same"],
  "models/cassettes/test_anthropic/test_pause_turn_web_search_vcr.yaml": [1, "the library takes the sum over the turns of a server tool for one long prompt, at the long-context price; each turn is below that step, which today's list no longer has"],
  "gemini cached sound": [1, "284 of the cached tokens are sound, at 0.10; we count cached tokens as one class, at 0.03"],
};

/** The longest usual name of the table that a record goes by. */
function nameOf(record: UsageRecord, { provider }: Producer): string {
  if (record.name in REASONS) return record.name;
  return provider === "google" ? "gemini cached sound" : `${provider}/${record.model}`;
}

function modelOf(record: UsageRecord, { provider }: Producer): ModelFacts | undefined {
  if (record.model === null) return undefined;
  const { byId, byUpstream } = loadCatalogue();
  return byId.get(`${provider}/${record.model}`) ?? byUpstream.get(record.model)?.find((model) => model.provider === provider);
}

const book = new PriceBook(
  THEN.map(([provider, model, until, prices]): PriceRecord => {
    const base = Object.fromEntries(Object.entries(prices).map(([unit, usd]) => [unit, parsePricePico(usd, unit as Unit) ?? Number.NaN]));
    return { id: model, of: { provider }, model, validFromMs: 0, validToMs: Date.parse(until), knownSinceMs: 0, sheet: plainSheet(model, base), provenance: { source: "genai-prices", date: "2026-09-23" }, confidence: "secondary" };
  }),
);

/** Their figure and ours in nano-dollars; null: one of us knows no price. */
function figures(record: UsageRecord): readonly [theirs: number, ours: number | null] | null {
  const producer = producerOf(record.body);
  const { by } = told(record, producer);
  const [input, output, total] = ["input_price", "output_price", "total_price"].map((key) => asString(member(by, key)));
  const model = modelOf(record, producer);
  if (input === undefined || !model?.price) return null;
  const { providerCostNanoUsd: _stated, ...usage } = read(producer, record.body) ?? assert.fail(record.name);
  const pricing = book.pricingAt({ account: producer.provider, provider: producer.provider, model: model.upstream, atMs: PRICE_DAY_MS }, model.price) ?? { kind: "sheet", sheet: model.price };
  const ours = priceUsage(pricing, usage, { wallMs: PRICE_DAY_MS }, (name) => loadCatalogue().byId.get(`${producer.provider}/${name}`)?.price ?? null);
  return [total === undefined ? (Number(input) + Number(output ?? 0)) * 1e9 : Number(total) * 1e9, ours.costNanoUsd];
}

describe("the price of recorded usages", { skip: recordingsAbsent }, () => {
  const all = records();
  const compared = all.flatMap((record) => {
    const both = figures(record);
    return both === null ? [] : [{ record, theirs: both[0], ours: both[1] }];
  });
  // Theirs is a float; ours is rounded once, half up.
  const unequal = compared.filter(({ theirs, ours }) => ours === null || Math.abs(ours - theirs) > 0.5 + theirs * 1e-12);

  test("is compared on 868 of 1,202: the others name no model, or one of us has no price of it", () => {
    assert.equal(all.length, 1202);
    assert.equal(compared.length, 868);
    assert.equal(all.filter(({ model }) => model === null).length, 204);
  });

  test("equals the library's to the nano-dollar, but for the differences listed with their reason", () => {
    const found: { [name: string]: number } = {};
    for (const { record } of unequal) {
      const name = nameOf(record, producerOf(record.body));
      found[name] = (found[name] ?? 0) + 1;
    }
    assert.deepEqual(found, Object.fromEntries(Object.entries(REASONS).map(([name, [count]]) => [name, count])));
    assert.equal(compared.length - unequal.length, 819);
  });

  test("is, of the models that a list of that day has, not today's", () => {
    const dated = compared.filter(({ record }) => THEN.some(([, model]) => model === record.model));
    assert.equal(dated.length, 10);
    for (const { record } of dated) {
      const producer = producerOf(record.body);
      const sheet = modelOf(record, producer)?.price;
      assert.ok(sheet);
      const { providerCostNanoUsd: _stated, ...usage } = read(producer, record.body) ?? assert.fail(record.name);
      assert.notEqual(priceUsage({ kind: "sheet", sheet }, usage, { wallMs: PRICE_DAY_MS }).costNanoUsd, figures(record)?.[1], record.name);
    }
  });
});
