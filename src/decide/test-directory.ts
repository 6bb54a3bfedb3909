/** A small world for tests of names: a maker, two hosts, an aggregator, a server of one's own, and one that is not spoken. */
import type { ModelFacts, PriceSheet, ProviderFacts } from "../wire/facts.ts";
import type { DirectoryInput } from "./directory.ts";
import type { CatalogueLookups, SupplyAccount } from "./supply.ts";

/** A provider with everything that the tests do not look at filled in. */
export function provider(id: string, more: Partial<ProviderFacts> = {}): ProviderFacts {
  return {
    id, name: id.toUpperCase(), dialect: "openai-chat", baseUrl: `https://api.${id}.example/v1`, auth: { kind: "bearer" },
    env: [`${id.toUpperCase()}_KEY`], headers: [], kind: "host", billsOnAbort: "input", onClientGone: "abort",
    usage: { reasoningInOutput: true, cacheReadPaths: [], cacheWritePaths: [], cacheInsideInput: true, cost: null, includeUsageOption: true },
    quirks: {}, statusClasses: {}, domain: {}, region: null, unmetered: false, requestIdHeader: null, idempotencyHeader: null,
    ...more,
  };
}

/** Prices in USD per million tokens. */
export function sheet(input: number, output: number): PriceSheet {
  const base = { input: input * 1_000_000, output: output * 1_000_000 };
  return { version: `${input}/${output}`, base, contextSteps: [], windows: [], scheduled: [], tiers: {}, geoPermille: {} };
}

/** A chat model; `id` is `provider/upstream`. */
export function model(id: string, canonical: string, more: Partial<ModelFacts> = {}): ModelFacts {
  const slash = id.indexOf("/");
  return {
    id, provider: id.slice(0, slash), upstream: id.slice(slash + 1), name: id, canonical, variant: null, family: null, type: "chat",
    status: "active", contextWindow: 128_000, maxOutput: 16_000, input: ["text"], output: ["text"], tools: true, jsonSchema: true,
    vision: false, reasoning: false, reasoningEfforts: null, openWeights: false, aliases: [], embeddingDimensions: null,
    price: sheet(1, 4), priceSources: { from: ["x"], agree: 1, of: 1, asOf: "2026-01-01" }, dialectOverride: null, retiresOn: null,
    ...more,
  };
}

/** The lookups over these models. */
export function catalogue(models: readonly ModelFacts[]): CatalogueLookups {
  const group = (keysOf: (model: ModelFacts) => readonly string[]): Map<string, ModelFacts[]> => {
    const groups = new Map<string, ModelFacts[]>();
    for (const one of models) for (const key of keysOf(one)) groups.set(key, [...(groups.get(key) ?? []), one]);
    return groups;
  };
  return {
    models,
    byId: new Map(models.map((one) => [one.id, one])),
    byCanonical: group((one) => [one.canonical]),
    byUpstream: group((one) => [one.upstream, ...one.aliases]),
  };
}

/** Providers of the small world, by id. */
export const WORLD: ReadonlyMap<string, ProviderFacts> = new Map(
  [
    provider("maker", { kind: "maker" }),
    provider("hosta"),
    provider("hostb"),
    provider("agg", { kind: "aggregator" }),
    provider("euro", { region: "eu" }),
    provider("strange", { dialect: null }),
    provider("compat", { baseUrl: null, env: [] }),
    provider("mine", { baseUrl: "http://127.0.0.1:11434/v1", env: [], auth: { kind: "none" }, unmetered: true }),
  ].map((one) => [one.id, one]),
);

/** Models of the small world. `big` is made by `maker`, `open` has open weights and no maker of its own. */
export const MODELS: readonly ModelFacts[] = [
  model("maker/big", "big"),
  model("maker/big-2024", "big", { status: "deprecated" }),
  model("maker/deep", "deep", { reasoning: true }),
  model("maker/old", "old", { status: "retired" }),
  model("maker/paint", "paint", { type: "other" }),
  model("maker/odd", "odd", { dialectOverride: "unheard-of" }),
  model("maker/free-form", "free-form", { price: null }),
  model("hosta/vendor/open", "open", { price: sheet(0.4, 0.4) }),
  model("hosta/vendor/open-fp8", "open", { variant: "fp8", price: sheet(0.1, 0.1) }),
  model("hosta/shared-name", "shared-a"),
  model("hostb/open-70b", "open", { price: sheet(0.2, 0.3), aliases: ["open-latest"] }),
  model("hostb/shared-name", "shared-b"),
  model("hostb/solo", "solo-canonical"),
  model("agg/maker/big", "big", { price: sheet(1, 5) }),
  model("agg/vendor/open", "open", { price: sheet(0.1, 0.2) }),
  model("euro/open", "open", { price: sheet(0.2, 0.3) }),
  model("strange/big-s", "big"),
  model("strange/alone", "alone"),
];

/** An account at a provider of the small world. */
export function account(name: string, type = name, more: Partial<SupplyAccount> = {}): SupplyAccount {
  const facts = WORLD.get(type);
  if (facts === undefined) throw new Error(`no provider ${type} in this world`);
  return { name, provider: facts, baseUrl: facts.baseUrl ?? `http://${name}.example/v1`, region: null, domain: {}, unmetered: facts.unmetered, models: new Map(), ...more };
}

/** Input for a directory over these accounts. */
export function directoryInput(accounts: readonly SupplyAccount[], more: Partial<DirectoryInput> = {}): DirectoryInput {
  return { accounts, routes: [], aliases: [], fallbacks: "off", unpriced: "refuse", providers: WORLD, catalogue: catalogue(MODELS), ...more };
}
