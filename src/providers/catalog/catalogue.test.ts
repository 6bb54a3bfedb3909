import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { compactCatalogue } from "../../../scripts/catalogue.ts";
import type { SourceCatalogue } from "../../../scripts/catalogue.ts";
import { PROVIDERS } from "../registry.ts";
import file from "./catalogue.json" with { type: "json" };
import { loadCatalogue } from "./index.ts";
import { readPrice } from "./rows.ts";

const source = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data/catalogue.json");
const skip = existsSync(source) ? false : "shared data is absent";
const written = readFileSync(new URL("./catalogue.json", import.meta.url), "utf8");

describe("catalogue file", () => {
  it("is byte for byte what the script makes of the shared facts", { skip }, () => {
    const made = compactCatalogue(JSON.parse(readFileSync(source, "utf8")) as SourceCatalogue);
    assert.equal(made.text, written);
    assert.deepEqual(made.rounded, [], "every price is a whole number of pico-dollars");
  });

  it("holds 1,157 live models of 33 providers, one a line, under 450 KB", () => {
    assert.equal(file.models.length, 1157);
    assert.equal(file.providers.length, 33);
    assert.ok(written.length < 450_000, `${written.length} bytes`);
    assert.equal(written.split("\n").filter((line) => /^\["[a-z0-9]+",/.test(line)).length, 1157);
    for (const row of file.models) assert.equal(row.length, file.columns.length);
  });

  it("marks each price with a hash of itself, so that a changed number changes the version", () => {
    for (const row of file.models) {
      const expected =
        row[19] === null ? null : createHash("sha256").update(JSON.stringify(row[19])).digest("hex").slice(0, 8);
      assert.equal(row[20], expected, JSON.stringify(row[1]));
    }
  });
});

describe("loaded catalogue", () => {
  const catalogue = loadCatalogue();

  it("is read once", () => {
    assert.equal(loadCatalogue(), catalogue);
  });

  it("finds each model by id, canonical name and upstream name, and an alias too", () => {
    for (const model of catalogue.models) {
      assert.equal(catalogue.byId.get(model.id), model);
      assert.ok(catalogue.byCanonical.get(model.canonical)?.includes(model));
      assert.ok(catalogue.byUpstream.get(model.upstream)?.includes(model));
    }
    assert.equal(catalogue.byUpstream.get("deepseek-v4-flash-vision-exp")?.[0]?.id, "deepseek/deepseek-flash");
  });

  it("knows the provider of every model, and has no retired one", () => {
    for (const model of catalogue.models) {
      assert.ok(PROVIDERS.has(model.provider), model.id);
      assert.notEqual(model.status, "retired");
    }
    for (const provider of file.providers) assert.ok(PROVIDERS.has(provider.id), provider.id);
  });

  it("prices every model but the one that bills the chosen model apart", () => {
    const unpriced = catalogue.models.filter((model) => model.price === null).map((model) => model.id);
    assert.deepEqual(unpriced, ["azure/model-router"]);
  });

  it("has a price of 0 only where it says free", () => {
    const free = catalogue.models.filter((model) => model.price?.free === true);
    assert.equal(free.length, 16);
    for (const model of free) assert.match(model.id, /:free$|flash$|north-mini/);
    for (const model of catalogue.models) {
      if (model.price === null || model.price.free === true) continue;
      const all = [
        model.price.base,
        ...Object.values(model.price.tiers),
        ...model.price.contextSteps.map((step) => step.prices),
      ];
      for (const prices of all) for (const price of Object.values(prices)) assert.ok(price > 0, model.id);
    }
  });

  it("keeps where a price comes from and how many sources agree", () => {
    const model = catalogue.byId.get("deepseek/deepseek-flash");
    assert.deepEqual(model?.priceSources, {
      from: ["fx"],
      agree: 1,
      of: 1,
      asOf: "2026-10-27",
      confidence: "verified",
    });
    assert.deepEqual(catalogue.byId.get("openai/gpt-3.5-turbo")?.priceSources, {
      from: ["gp", "pk", "lk", "or", "ll", "md"],
      agree: 6,
      of: 6,
      asOf: "2026-09-23",
    });
  });

  it("reads every kind of price condition", () => {
    assert.deepEqual(catalogue.byId.get("azure/gpt-5.4-pro")?.price, {
      version: "2026-08-21.065bb45d",
      base: { input: 30_000_000, output: 180_000_000, cache_read: 3_000_000, web_searches: 10_000_000_000 },
      contextSteps: [
        {
          aboveInputTokens: 272_000,
          prices: { input: 60_000_000, output: 270_000_000, cache_read: 6_000_000 },
          tiers: { priority: { input: 120_000_000, output: 540_000_000, cache_read: 12_000_000 } },
        },
      ],
      windows: [],
      scheduled: [],
      tiers: {
        batch: { input: 15_000_000, output: 90_000_000 },
        priority: { input: 60_000_000, output: 360_000_000, cache_read: 6_000_000 },
      },
      geoPermille: {},
    });
    assert.deepEqual(catalogue.byId.get("deepseek/deepseek-flash")?.price?.windows[0], {
      fromMinute: 60,
      toMinute: 240,
      days: [1, 2, 3, 4, 5],
      prices: { input: 300_000, output: 1_200_000, cache_read: 6_000 },
    });
    assert.deepEqual(catalogue.byId.get("google/gemini-3.6-flash")?.price?.scheduled, [
      { fromMs: Date.UTC(2027, 0, 1), prices: { input: 1_500_000, output: 7_500_000, cache_read: 150_000 } },
    ]);
    assert.equal(catalogue.byId.get("perplexity/sonar-pro")?.price?.base.requests, 14_000_000_000);
    assert.equal(catalogue.byId.get("openai/gpt-5.4")?.price?.geoPermille["eu"], 1100);
  });
});

describe("a broken price", () => {
  it("is unknown: zero, negative, a fraction, an unknown unit, a slipped decimal point", () => {
    const bad = [
      { input: 0, output: 5 },
      { input: -3 },
      { input: 0.5 },
      { input: 5, tokens: 3 },
      { input: 10_000_000_001 },
      { output: 5 },
      {},
    ];
    for (const base of bad) assert.equal(readPrice({ base }, "v"), null, JSON.stringify(base));
    assert.equal(readPrice({ base: { input: 5 }, tiers: { flex: { input: 0 } } }, "v"), null);
    assert.equal(readPrice({ base: { input: 5 }, steps: [{ above: 10, prices: { output: 0 } }] }, "v"), null);
    assert.equal(readPrice({ base: { input: 5 }, geo: { eu: 0 } }, "v"), null);
    assert.equal(readPrice({ base: { input: 5 } }, "v")?.base.input, 5);
  });
});
