/** Price lists that others keep: what each form says, what is odd about a change, and that no broken file makes a price worse than odd. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { entriesOf, termsOf } from "../../src/decide/price-listing.ts";
import { readPriceTerms } from "../../src/decide/price-terms.ts";
import { reviewFeed, reviewProposal, type Current, type Proposal, type Review } from "../../src/decide/price-review.ts";
import { plainSheet } from "../../src/decide/price-at.ts";
import { priceUsage } from "../../src/decide/price.ts";
import { loadCatalogue } from "../../src/providers/catalog/index.ts";
import { FEED_FORMATS, readFeed, type FeedFormat } from "../../src/providers/feeds/index.ts";
import type { PriceSheet } from "../../src/wire/facts.ts";
import { CONTEXT, FEEDS, NOW_MS } from "./feeds.ts";

const { byId } = loadCatalogue();

function currentOf({ provider, model }: Proposal): Current | null {
  const sheet = byId.get(`${provider}/${model}`)?.price;
  return sheet == null ? null : { sheet, byOwner: false };
}
function reviewsOf(format: FeedFormat, text = FEEDS[format]): readonly Review[] {
  const feed = readFeed(format, text, CONTEXT);
  return feed.ok ? reviewFeed(feed.prices, currentOf) : [];
}

describe("a price list of others", () => {
  const VERDICTS: Readonly<Record<FeedFormat, Readonly<Record<string, string>>>> = {
    "models.dev": {
      "openai/gpt-4o-mini": "same", "openai/gpt-4.1": "same", "openai/gpt-5.4": "same", "openai/text-embedding-3-small": "same", "anthropic/claude-sonnet-4-6": "same",
      "google/gemini-2.5-pro": "same", "google/gemini-2.5-flash": "same", "deepseek/deepseek-flash": "same", "groq/llama-3.3-70b-versatile": "same", "xai/grok-4": "same",
    },
    litellm: {
      "openai/gpt-4o-mini": "same", "openai/gpt-4.1": "same", "openai/text-embedding-3-small": "same", "anthropic/claude-sonnet-4-6": "same", "google/gemini-2.5-pro": "same",
      "google/gemini-2.5-flash": "same", "groq/llama-3.3-70b-versatile": "same", "xai/grok-4": "same", "perplexity/sonar-pro": "same",
    },
    "genai-prices": {
      "openai/gpt-4o-mini": "same", "openai/gpt-4o-mini-2024-07-18": "same", "openai/gpt-4.1": "same", "openai/gpt-4.1-2025-04-14": "same", "openai/gpt-5.4": "same", "openai/text-embedding-3-small": "same",
      "anthropic/claude-sonnet-4-6": "same", "google/gemini-3.6-flash": "same", "google/gemini-2.5-pro": "same", "deepseek/deepseek-flash": "odd", "xai/grok-4": "same", "perplexity/sonar-pro": "same",
    },
    csv: {
      "openai/gpt-4o-mini": "same", "openai/gpt-4.1": "same", "anthropic/claude-sonnet-4-6": "same", "google/gemini-2.5-pro": "same", "deepseek/deepseek-flash": "same",
      "groq/llama-3.3-70b-versatile": "same", "perplexity/sonar-pro": "same",
    },
  };
  for (const format of FEED_FORMATS) {
    it(`of the form ${format} says what the catalogue says of the same models`, () => {
      const feed = readFeed(format, FEEDS[format], CONTEXT);
      assert.ok(feed.ok);
      assert.deepEqual(feed.problems, []);
      assert.deepEqual(Object.fromEntries(reviewFeed(feed.prices, currentOf).map(({ id, verdict }) => [id, verdict])), VERDICTS[format]);
    });
    it(`of another form than ${format} is told, and says nothing`, () => {
      for (const text of ["", "null", "[]", "{}", "<html>", '{"error":"not found"}', '"', "a,b\n1,2\n", FEEDS[format === "csv" ? "litellm" : "csv"], FEEDS[format].slice(0, -9)]) {
        const feed = readFeed(format, text, CONTEXT);
        assert.ok(!feed.ok || feed.prices.length <= (format === "csv" ? 7 : 0), text.slice(0, 20));
      }
    });
  }

  it("is read exactly where a float would not be", () => {
    const feed = readFeed("litellm", '{"a":{"litellm_provider":"openai","input_cost_per_token":2.8e-9,"output_cost_per_token":8.89e-6}}', CONTEXT);
    assert.deepEqual(feed.ok && feed.prices[0]?.terms, { input: "0.0028", output: "8.89" });
  });

  it("loses entries that hold anything that is no price, one by one", () => {
    const text = JSON.stringify({ openai: { models: { good: { cost: { input: 1, output: 2 } }, below: { cost: { input: -1, output: 2 } }, text: { cost: { input: "1", output: 2 } }, tiny: { cost: { input: 1e-12, output: 2 } }, tiers: { cost: { input: 1, output: 2, tiers: [{ input: 5 }] } } } } });
    const feed = readFeed("models.dev", text, CONTEXT);
    assert.ok(feed.ok);
    assert.deepEqual(feed.prices.map(({ model }) => model), ["good"]);
    assert.deepEqual(feed.problems.map(({ entry }) => entry), ["openai/below", "openai/text", "openai/tiny", "openai/tiers"]);
  });
});

describe("what a price list would change", () => {
  const sheet: PriceSheet = { ...plainSheet("v1", { input: 1_000_000, output: 4_000_000, cache_read: 100_000 }), tiers: { batch: { input: 500_000, output: 2_000_000 } }, contextSteps: [{ aboveInputTokens: 200_000, prices: { input: 2_000_000, output: 6_000_000 } }] };
  const review = (terms: Record<string, unknown>, more: Partial<Proposal> = {}, current: Current | null = { sheet, byOwner: false }): Review => reviewProposal({ provider: "p", model: "m", terms, notes: [], ...more }, current);
  const odd = (one: Review): readonly string[] => one.changes.flatMap(({ path, odd: why }) => (why === null ? [] : [`${path}: ${why}`]));

  it("is fine up to three times as much or as little, and keeps what the list does not tell", () => {
    const one = review({ input: 3, output: "1.333334" });
    assert.deepEqual([one.verdict, odd(one)], ["fine", []]);
    assert.deepEqual(one.sheet?.base, { input: 3_000_000, output: 1_333_334, cache_read: 100_000 });
    assert.deepEqual(one.sheet?.tiers, { batch: { input: 1_500_000, output: 666_667 } }, "a condition keeps its ratio");
    assert.deepEqual(one.sheet?.contextSteps, [{ aboveInputTokens: 200_000, prices: { input: 6_000_000, output: 2_000_001 } }]);
  });

  const table: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
    ["more than three times", { input: "3.01", output: 4 }, /^input: × 3\.0/],
    ["less than a third", { input: "0.33", output: 4 }, /^input: ÷ 3\.0/],
    ["to zero", { input: 0, output: 4 }, /^input: to zero/],
    ["per thousand for per million", { input: "0.001", output: 4 }, /^input: ÷ 1000, as if per million were per thousand/],
    ["per token for per million", { input: "0.000001", output: 4 }, /^input: ÷ 1000000, as if per million were per token/],
    ["cents for dollars", { input: 100, output: 400 }, /^input: × 100, as if dollars were cents/],
    ["a zero in a tier", { input: 1, output: 4, tiers: { batch: { input: 0 } } }, /^tiers\.batch\.input: to zero/],
    ["a new tier far from the plain price", { input: 1, output: 4, tiers: { flex: { input: "0.01" } } }, /^tiers\.flex\.input: ÷ 100, as if dollars were cents beside the plain price/],
    ["another step in a step's place", { input: 1, output: 4, steps: [{ above: 500_000, input: 2, output: 6 }] }, /^steps\.above 200000\.input: it would go/],
    ["a new class far from its neighbour", { input: 1, output: 4, cache_write_5m: "0.01" }, /^cache_write_5m: far from the price of input/],
    ["a multiplier far from 1", { input: 1, output: 4, regions: { eu: 5 } }, /^regions\.eu: a multiplier far from 1/],
    ["a piece that costs a fortune", { input: 1, output: 4, web_searches: 101 }, /^web_searches: more than 100 USD each/],
  ];
  for (const [what, terms, why] of table) {
    it(`is odd, and says why, for ${what}`, () => {
      const one = review(terms);
      assert.equal(one.verdict, "odd");
      assert.match(odd(one)[0] ?? "", why);
    });
  }

  it("is odd in another currency, refused where it is no price, and never the owner's own price", () => {
    assert.deepEqual([review({ input: 1, output: 4 }, { currency: "CNY" }).verdict, review({ input: 1, output: 4 }, { currency: "CNY" }).reasons], ["odd", ["its currency is CNY, and nothing is converted"]]);
    assert.equal(review({ input: "-1", output: 4 }).verdict, "refused");
    assert.equal(review({ output: 4 }).verdict, "refused");
    assert.equal(review({ input: 2, output: 8 }, {}, { sheet, byOwner: true }).verdict, "kept");
    assert.equal(review({ input: 1, output: 4 }).verdict, "same");
    assert.equal(review({ input: 2, output: 8 }, {}, null).verdict, "new");
    assert.equal(review({ input: 0, output: 0 }, {}, null).verdict, "odd");
  });

  it("is odd as a whole where nearly all prices move alike", () => {
    const models = Array.from({ length: 10 }, (_, i): Proposal => ({ provider: "p", model: `m${i}`, terms: { input: ((i + 1) * 0.92).toFixed(2), output: (i + 1) * 2 }, notes: [] }));
    const current = ({ model }: Proposal): Current => ({ sheet: plainSheet("v", { input: (Number(model.slice(1)) + 1) * 1_000_000, output: (Number(model.slice(1)) + 1) * 2_000_000 }), byOwner: false });
    const all = reviewFeed(models, current);
    assert.ok(all.every(({ verdict, reasons }) => verdict === "odd" && /same factor, 0\.92: another currency/.test(reasons[0] ?? "")));
    assert.ok(reviewFeed(models.slice(0, 5), current).every(({ verdict }) => verdict === "fine"));
  });

  it("is refused for a model that stands there twice", () => {
    const twice = { provider: "p", model: "m", terms: { input: 2, output: 4 }, notes: [] };
    assert.deepEqual(reviewFeed([twice, twice], () => ({ sheet, byOwner: false })).map(({ verdict }) => verdict), ["fine", "refused"]);
  });
});

/** One place of a file is changed, or its text is broken. */
const mutation = fc.record({
  format: fc.constantFrom(...FEED_FORMATS),
  how: fc.constantFrom("value", "value", "value", "scale", "scale", "delete", "rename", "swap", "text", "cut"),
  where: fc.nat(),
  other: fc.nat(),
  value: fc.oneof(fc.constantFrom<unknown>(0, -0, -1, 1e-9, 1e-15, 1e300, -1e-7, null, "0", "-1", "", true, [], {}, "NaN", "2026-13-45", "00:00:00Z", "^(a+)+$", ".*"), fc.double(), fc.integer(), fc.string()),
  factor: fc.constantFrom(0, -1, 0.001, 0.01, 0.1, 0.5, 0.9, 1.2, 2, 2.9, 3.5, 10, 100, 1000, 1e6, 1e-6, 1e12),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

function mutated({ format, how, where, other, value, factor }: Mutation): string {
  const text = FEEDS[format];
  if (how === "cut") return text.slice(0, where % text.length);
  if (how === "text" || format === "csv") {
    const at = where % text.length;
    return text.slice(0, at) + (how === "scale" ? String(factor) : String(value)) + text.slice(at + (other % 4));
  }
  const tree = JSON.parse(text) as unknown;
  const places: [Record<string, unknown>, string][] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node as Record<string, unknown>, key]);
      walk((node as Record<string, unknown>)[key]);
    }
  };
  walk(tree);
  const numbers = places.filter(([node, key]) => typeof node[key] === "number");
  const [node, key] = (how === "scale" ? numbers : places)[where % (how === "scale" ? numbers : places).length] ?? [{}, ""];
  const [node2, key2] = places[other % places.length] ?? [{}, ""];
  if (how === "value") node[key] = value;
  else if (how === "scale") node[key] = Number(node[key]) * factor;
  else if (how === "delete") delete node[key];
  else if (how === "rename") [node[key2], node[key]] = [node[key], undefined];
  else [node[key], node2[key2]] = [node2[key2], node[key]];
  try {
    return JSON.stringify(tree);
  } catch {
    // The swap made a circle, which no file holds.
    return text;
  }
}

const SITUATIONS = [0, 2, 8, 40].flatMap((days) => [2, 12].flatMap((hour) => [undefined, "batch", "flex", "priority"].map((serviceTier) => ({ wallMs: NOW_MS + days * 86_400_000 + (hour - 12) * 3_600_000, serviceTier, geo: undefined }))));
const USAGES = [{ input: 1000, output: 1000 }, { input: 300_000, cache_read: 10, cache_write_5m: 10, output: 10 }].map((units) => ({ units, raw: null }));

describe("a broken price list", () => {
  it("makes no price zero, negative or odd in 10,000 mutations, and nothing crash", () => {
    let taken = 0;
    fc.assert(
      fc.property(mutation, (one) => {
        for (const review of reviewsOf(one.format, mutated(one))) {
          // Without `--accept` nothing else is taken over.
          if (review.verdict !== "fine" || review.sheet === null) continue;
          taken++;
          const before = byId.get(review.id)?.price;
          assert.ok(before, review.id);
          const after: PriceSheet = { version: "after", ...review.sheet };
          const now = new Map(entriesOf(after).map(({ path, value }) => [path, value]));
          for (const { path, value } of entriesOf(before)) {
            const next = now.get(path) ?? Number.NaN;
            assert.ok(next > 0 && next <= value * 3 && next * 3 >= value, `${review.id} ${path}: ${value} → ${next}`);
          }
          assert.ok([...now.values()].every((value) => value > 0) && after.free !== true);
          for (const when of SITUATIONS)
            for (const usage of USAGES) {
              const cost = priceUsage({ kind: "sheet", sheet: after }, usage, when).costNanoUsd;
              assert.ok(cost === null ? priceUsage({ kind: "sheet", sheet: before }, usage, when).costNanoUsd === null : cost > 0, `${review.id} costs ${cost}`);
            }
          // What is taken over is what was reviewed.
          const { sheet, problems } = readPriceTerms(termsOf(after));
          assert.deepEqual([problems, JSON.parse(JSON.stringify(sheet))], [[], JSON.parse(JSON.stringify(review.sheet))]);
        }
      }),
      { numRuns: 10_000 },
    );
    assert.ok(taken > 300, `only ${taken} mutations came through at all`);
  });
});
