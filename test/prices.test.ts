/** The real catalogue through the real pricing code: amounts to be checked by eye, and a second opinion. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import type { Pricing } from "../src/decide/deployment.ts";
import { priceUsage } from "../src/decide/price.ts";
import file from "../src/providers/catalog/catalogue.json" with { type: "json" };
import { loadCatalogue, readCatalogue } from "../src/providers/catalog/index.ts";
import type { UnitCounts } from "../src/wire/usage.ts";

const { byId } = loadCatalogue();
const usages = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data/fixtures/genai-prices/usages.json.gz");

function pricingOf(id: string): Pricing {
  const sheet = byId.get(id)?.price;
  assert.ok(sheet, id);
  return { kind: "sheet", sheet };
}

/** A Monday. */
const MONDAY = Date.UTC(2026, 10, 23);
const HOUR = 3_600_000;

interface Row {
  readonly what: string;
  readonly model: string;
  readonly units: UnitCounts;
  readonly usd: string;
  readonly wallMs?: number;
  readonly serviceTier?: string;
  readonly geo?: string;
  readonly flags?: readonly string[];
}

const ROWS: readonly Row[] = [
  // 3 × 3.00 + 12,304 × 3.75 + 550 × 15.00 = 54,399 micro-dollars: $0.0544, not the $0.0913 of counting writes twice.
  {
    what: "a prompt that is nearly all cache write",
    model: "anthropic/claude-sonnet-4-5-20250929",
    units: { input: 3, cache_write_5m: 12_304, output: 550 },
    usd: "0.054399000",
  },
  // 1,000 × 0.15 + 1,000 × 0.60.
  { what: "plain tokens", model: "openai/gpt-4o-mini", units: { input: 1000, output: 1000 }, usd: "0.000750000" },
  // 1,000 × 0.075, half of the input price.
  {
    what: "a cached thousand",
    model: "openai/gpt-4o-mini",
    units: { input: 0, cache_read: 1000, output: 0 },
    usd: "0.000075000",
  },
  {
    what: "a step that is not reached by its last token",
    model: "azure/gpt-5.4-pro",
    units: { input: 272_000, output: 10 },
    usd: "8.161800000",
  },
  {
    what: "a step passed by one token: every token costs more",
    model: "azure/gpt-5.4-pro",
    units: { input: 272_001, output: 10 },
    usd: "16.322760000",
  },
  {
    what: "a step passed by cached and written tokens together",
    model: "azure/gpt-5.4-pro",
    units: { input: 1, cache_read: 272_000, output: 0 },
    usd: "1.632060000",
  },
  {
    what: "priority within the step, as stated",
    model: "azure/gpt-5.4-pro",
    units: { input: 300_000, output: 10 },
    serviceTier: "priority",
    usd: "36.005400000",
  },
  {
    what: "batch within the step, at its ratio to the base",
    model: "azure/gpt-5.4-pro",
    units: { input: 300_000, output: 10 },
    serviceTier: "batch",
    usd: "9.001350000",
    flags: ["tier_price_scaled"],
  },
  {
    what: "off peak, before the window opens",
    model: "deepseek/deepseek-flash",
    units: { input: 1_000_000, output: 1_000_000 },
    wallMs: MONDAY + HOUR - 1,
    usd: "0.750000000",
  },
  {
    what: "peak, from the window's first minute",
    model: "deepseek/deepseek-flash",
    units: { input: 1_000_000, output: 1_000_000 },
    wallMs: MONDAY + HOUR,
    usd: "1.500000000",
  },
  {
    what: "off peak again in the window's end minute",
    model: "deepseek/deepseek-flash",
    units: { input: 1_000_000, output: 1_000_000 },
    wallMs: MONDAY + 4 * HOUR,
    usd: "0.750000000",
  },
  {
    what: "no peak on a Sunday",
    model: "deepseek/deepseek-flash",
    units: { input: 1_000_000, output: 1_000_000 },
    wallMs: MONDAY - 22 * HOUR,
    usd: "0.750000000",
  },
  {
    what: "the last moment of an old price",
    model: "google/gemini-3.6-flash",
    units: { input: 1000, output: 1000 },
    wallMs: Date.UTC(2027, 0, 1) - 1,
    usd: "0.004500000",
    flags: ["price_disputed"],
  },
  {
    what: "the first moment of an announced price",
    model: "google/gemini-3.6-flash",
    units: { input: 1000, output: 1000 },
    wallMs: Date.UTC(2027, 0, 1),
    usd: "0.009000000",
    flags: ["price_disputed"],
  },
  {
    what: "flex",
    model: "google/gemini-3.6-flash",
    units: { input: 1000, output: 1000 },
    serviceTier: "flex",
    usd: "0.002250000",
    flags: ["price_disputed"],
  },
  {
    what: "a tier told in capitals with its prefix",
    model: "google/gemini-3.6-flash",
    units: { input: 1000, output: 1000 },
    serviceTier: "ON_DEMAND_PRIORITY",
    usd: "0.008100000",
    flags: ["price_disputed"],
  },
  {
    what: "a fee per request and searches",
    model: "perplexity/sonar-pro",
    units: { input: 100, output: 100, web_searches: 2 },
    usd: "0.025800000",
  },
  {
    what: "reasoning at its own price",
    model: "alibaba/qwen-plus",
    units: { input: 1000, output: 1000, reasoning: 1000 },
    usd: "0.005600000",
  },
  {
    what: "pinned to a geography that costs a tenth more",
    model: "openai/gpt-5.4",
    units: { input: 1000, output: 0 },
    geo: "eu",
    usd: "0.002750000",
  },
  { what: "free on purpose", model: "zai/glm-4.7-flash", units: { input: 1000, output: 1000 }, usd: "0.000000000" },
];

describe("prices of real models", () => {
  for (const row of ROWS) {
    it(`${row.what}: ${row.model} costs $${row.usd}`, () => {
      const at = { wallMs: row.wallMs ?? MONDAY + 12 * HOUR, serviceTier: row.serviceTier, geo: row.geo };
      const priced = priceUsage(pricingOf(row.model), { units: row.units, raw: null }, at);
      assert.equal(((priced.costNanoUsd ?? NaN) / 1e9).toFixed(9), row.usd);
      assert.deepEqual(priced.flags, row.flags ?? []);
      assert.equal(priced.priceVersion, byId.get(row.model)?.price?.version);
    });
  }
});

interface SecondOpinion {
  readonly model?: string;
  readonly extracted: readonly {
    readonly usage: Readonly<Record<string, number>>;
    readonly extractors: readonly {
      readonly provider_id: string;
      readonly input_price?: string;
      readonly output_price?: string;
    }[];
  }[];
}
const THEIR_NAMES: Readonly<Record<string, string>> = { aws: "bedrock", "x-ai": "xai", moonshotai: "moonshot" };

/** Their classes overlap (`input_tokens` holds the cached ones, `output_tokens` the reasoning); ours are disjoint. */
function disjoint(theirs: Readonly<Record<string, number>>): UnitCounts {
  const read = theirs["cache_read_tokens"] ?? 0;
  const write = theirs["cache_write_tokens"] ?? 0;
  const audio = theirs["input_audio_tokens"] ?? 0;
  const reasoning = theirs["output_reasoning_tokens"] ?? 0;
  return {
    input: (theirs["input_tokens"] ?? 0) - read - write - audio,
    cache_read: read,
    cache_write_5m: write,
    audio_input: audio,
    output: (theirs["output_tokens"] ?? 0) - reasoning,
    reasoning,
  };
}

describe("a second opinion", () => {
  it(
    "agrees to the nano-dollar on at least nine in ten real usages; the rest are other price lists",
    { skip: existsSync(usages) ? false : "shared data is absent" },
    (t) => {
      const records = JSON.parse(gunzipSync(readFileSync(usages)).toString()) as readonly SecondOpinion[];
      let compared = 0;
      const differ = new Map<string, number>();
      for (const record of records) {
        for (const { usage, extractors } of record.extracted) {
          for (const { provider_id: provider, input_price: input, output_price: output } of extractors) {
            const id = `${THEIR_NAMES[provider] ?? provider}/${record.model}`;
            const sheet = byId.get(id)?.price;
            if (input === undefined || !sheet) continue;
            compared++;
            const ours = priceUsage(
              { kind: "sheet", sheet },
              { units: disjoint(usage), raw: null },
              { wallMs: MONDAY + 12 * HOUR },
            );
            const theirs = (Number(input) + Number(output ?? 0)) * 1e9;
            if (ours.costNanoUsd === null || Math.abs(ours.costNanoUsd - theirs) > 1)
              differ.set(id, (differ.get(id) ?? 0) + 1);
          }
        }
      }
      const unequal = [...differ.values()].reduce((sum, count) => sum + count, 0);
      t.diagnostic(
        `${compared - unequal} of ${compared} equal; others: ${[...differ].map(([id, count]) => `${id} ${count}`).join(", ")}`,
      );
      assert.ok(compared > 1000, `${compared} compared`);
      assert.ok(unequal <= compared / 10, `${unequal} of ${compared} differ`);
    },
  );
});

describe("a broken price file", () => {
  const value = fc.oneof(
    fc.constantFrom<unknown>(0, -1, 0.5, 1e300, null, "0", "free", NaN, {}, [], undefined, false),
    fc.integer(),
  );
  const rows = file.models.filter((row) => row[19] !== null && row[19] !== "free");

  it("never makes a metered call free", () => {
    const usage = { units: { input: 1000, cache_read: 1000, output: 1000, reasoning: 10 }, raw: null };
    fc.assert(
      fc.property(fc.nat(rows.length - 1), fc.nat(), value, fc.nat(), (pick, where, mutation, at) => {
        const row = structuredClone(rows[pick]) as unknown[];
        mutate(row[19], where, mutation);
        const model = readCatalogue({ asOf: "", models: [row] }).models[0];
        if (model?.price == null) return;
        const moment = { wallMs: at * 60_000, serviceTier: "flex", geo: "eu" };
        const priced = priceUsage({ kind: "sheet", sheet: model.price }, usage, moment);
        assert.ok(priced.costNanoUsd === null || priced.costNanoUsd > 0, JSON.stringify(row[19]));
      }),
      { numRuns: 3000 },
    );
  });
});

/** Put `mutation` in the place of one value somewhere in a tree, chosen by `where`. */
function mutate(tree: unknown, where: number, mutation: unknown): void {
  const places: [Record<string, unknown>, string][] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    for (const [key, child] of Object.entries(node)) {
      places.push([node as Record<string, unknown>, key]);
      walk(child);
    }
  };
  walk(tree);
  const place = places[where % places.length];
  if (place !== undefined) place[0][place[1]] = mutation;
}
