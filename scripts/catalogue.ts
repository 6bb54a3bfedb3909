/**
 * Makes `src/providers/catalog/catalogue.json` from the shared catalogue of facts. Deterministic: same in, same out.
 *
 *   node scripts/catalogue.ts          write the file
 *   node scripts/catalogue.ts --check  fail if it would change
 *
 * What is taken: every provider, and every model that is not retired. Prices become integers in pico-dollars per unit.
 *
 * What is left out, because the gateway has no place for it yet (a missing fact is better than a wrong one):
 * - `cache_storage_per_mtok_hour`: rent of explicit caches, per hour and not per request;
 * - `max_input`, `cache_min_tokens`, `capabilities.prompt_caching`, `capabilities.web_search`, `released`, `note`,
 *   `replacement`, `price_check.disagree`, `price_check.source`: nothing reads them yet;
 * - `equivalence_groups`: follow from `canonical` and `variant`;
 * - prices of chat models whose output costs 0 and whose input does not (a router that bills the chosen model apart).
 * What is added: facts of the commercial terms that the rows lack (`ADDED`), named with their source in the file's head.
 * Public holidays that close a price window are not in the data; on those days the window's (dearer) price is used.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

type Numbers = Record<string, number>;
interface SourceStep extends Record<string, unknown> {
  readonly above_input_tokens: number;
}
interface SourceWindow extends Record<string, unknown> {
  readonly utc_start: string;
  readonly utc_end: string;
  readonly days?: string;
}
interface SourceScheduled extends Record<string, unknown> {
  readonly from: string;
}
interface SourcePrices extends Record<string, unknown> {
  readonly tiers?: readonly SourceStep[];
  readonly windows?: readonly SourceWindow[];
  readonly scheduled?: readonly SourceScheduled[];
}
interface SourceModel {
  readonly id: string;
  readonly provider: string;
  readonly upstream: string;
  readonly name: string;
  readonly canonical: string;
  readonly variant?: string;
  readonly family?: string;
  readonly type: string;
  readonly status: string;
  readonly context_window?: number | null;
  readonly max_output?: number | null;
  readonly modalities: { readonly input: readonly string[]; readonly output: readonly string[] };
  readonly capabilities?: Readonly<Record<string, unknown>>;
  readonly reasoning_efforts?: readonly string[];
  readonly open_weights?: boolean | null;
  readonly aliases?: readonly string[];
  readonly embedding_dimensions?: number;
  readonly protocol?: string;
  readonly retires_on?: string;
  readonly prices: SourcePrices;
  readonly price_check: {
    readonly sources: number;
    readonly agree: number;
    readonly from: readonly string[];
    readonly as_of: string;
    readonly confidence?: string;
    readonly derived?: readonly string[];
  };
  readonly residency_multipliers?: Numbers;
}
export interface SourceCatalogue {
  readonly as_of: string;
  readonly price_snapshot_range: readonly string[];
  readonly provenance: readonly {
    readonly id: string;
    readonly name: string;
    readonly licence: string;
    readonly date: string;
  }[];
  readonly providers: readonly {
    readonly id: string;
    readonly name: string;
    readonly cache_kind?: string;
    readonly service_tiers?: readonly string[];
    readonly residency?: { readonly default: string; readonly confidence: string };
  }[];
  readonly models: readonly SourceModel[];
}

/** Source key → our unit and the pico-dollars that one USD of it is worth per unit. */
const PRICE_KEYS: Readonly<Record<string, { unit: string; picoPerUsd: number }>> = {
  input: { unit: "input", picoPerUsd: 1e6 },
  output: { unit: "output", picoPerUsd: 1e6 },
  reasoning_output: { unit: "reasoning", picoPerUsd: 1e6 },
  cache_read: { unit: "cache_read", picoPerUsd: 1e6 },
  // "Write price at the default TTL": five minutes where the provider has a choice, else the only one there is.
  cache_write_5m: { unit: "cache_write_5m", picoPerUsd: 1e6 },
  cache_write_1h: { unit: "cache_write_1h", picoPerUsd: 1e6 },
  audio_input: { unit: "audio_input", picoPerUsd: 1e6 },
  audio_output: { unit: "audio_output", picoPerUsd: 1e6 },
  web_search_per_1k: { unit: "web_searches", picoPerUsd: 1e9 },
  file_search_per_1k: { unit: "file_searches", picoPerUsd: 1e9 },
  per_request: { unit: "requests", picoPerUsd: 1e12 },
};

/** A fact of the commercial terms that holds for the models of a provider which `models` picks. */
interface AddedFact {
  readonly provider: string;
  readonly models: (model: SourceModel) => boolean;
  readonly prices?: Numbers;
  readonly geo?: Numbers;
  readonly what: string;
  readonly source: string;
  readonly date: string;
  readonly confidence: string;
}
const ADDED: readonly AddedFact[] = [
  {
    provider: "anthropic",
    models: ({ canonical }) => !/^claude-(3|opus-4-[0-5]|sonnet-4-[0-5]|haiku-4|opus-4$|sonnet-4$)/.test(canonical),
    geo: { us: 1.1 },
    what: "US-only inference costs 1.1 times, models of February 2026 and newer",
    source: "platform.claude.com service tiers: inference_geo us, Opus 4.6 and newer",
    date: "2026",
    confidence: "verified",
  },
  {
    provider: "openai",
    models: ({ prices }) => prices["web_search_per_1k"] !== undefined,
    prices: { file_search_per_1k: 2.5 },
    what: "2.50 USD per 1,000 searches in stored files, models with built-in tools",
    source: "Portkey, genai-prices",
    date: "2026-09-23",
    confidence: "verified",
  },
];
const TIER_PREFIXES = ["batch", "flex", "priority"] as const;
const LEFT_OUT = new Set([
  "cache_storage_per_mtok_hour",
  "tiers",
  "windows",
  "scheduled",
  "above_input_tokens",
  "utc_start",
  "utc_end",
  "days",
  "from",
]);
const DAYS: Readonly<Record<string, readonly number[]>> = { "mon-fri": [1, 2, 3, 4, 5] };
const MODALITIES = ["text", "image", "audio", "video", "pdf", "embedding"] as const;

/** Columns of a model's row. The loader reads by position. */
export const COLUMNS = [
  "provider",
  "upstream",
  "name",
  "canonical",
  "variant",
  "family",
  "type",
  "status",
  "context",
  "maxOutput",
  "input",
  "output",
  "tools,jsonSchema,vision,reasoning",
  "efforts",
  "openWeights",
  "aliases",
  "dimensions",
  "dialect",
  "retiresOn",
  "price",
  "priceHash",
  "agree/of asOf datasets confidence derived",
] as const;

/** USD × factor as an integer, half up. Works on the decimal digits: 0.0028 × 1e6 is not 2800 in floating point. */
function pico(usd: number, picoPerUsd: number, rounded: string[], where: string): number {
  const [whole = "0", fraction = ""] = usd.toFixed(12).split(".");
  const scaled = BigInt(whole + fraction) * BigInt(picoPerUsd);
  const unit = 10n ** 12n;
  if (scaled % unit !== 0n) rounded.push(where);
  return Number((scaled + unit / 2n) / unit);
}

function unitPrices(
  source: Readonly<Record<string, unknown>>,
  prefix: string,
  rounded: string[],
  where: string,
): Numbers {
  const prices: Numbers = {};
  for (const [key, { unit, picoPerUsd }] of Object.entries(PRICE_KEYS)) {
    const usd = source[prefix + key];
    if (usd === undefined || usd === null) continue;
    if (typeof usd !== "number" || !Number.isFinite(usd) || usd < 0)
      throw new Error(`${where}: ${prefix}${key} is not a price`);
    prices[unit] = pico(usd, picoPerUsd, rounded, `${where} ${prefix}${key}`);
  }
  return prices;
}

function tierPrices(
  source: Readonly<Record<string, unknown>>,
  rounded: string[],
  where: string,
): Record<string, Numbers> | undefined {
  const tiers: Record<string, Numbers> = {};
  for (const tier of TIER_PREFIXES) {
    const prices = unitPrices(source, `${tier}_`, rounded, where);
    if (Object.keys(prices).length > 0) tiers[tier] = prices;
  }
  return Object.keys(tiers).length > 0 ? tiers : undefined;
}

/** No price key may go unnoticed: a new one stops the script until someone has decided what it means. */
function refuseUnknownKeys(source: Readonly<Record<string, unknown>>, where: string): void {
  for (const key of Object.keys(source)) {
    const plain = TIER_PREFIXES.reduce(
      (rest, tier) => (rest.startsWith(`${tier}_`) ? rest.slice(tier.length + 1) : rest),
      key,
    );
    if (!(plain in PRICE_KEYS) && !LEFT_OUT.has(key)) throw new Error(`${where}: price key ${key} is not mapped`);
  }
}

function minutes(time: string): number {
  const [hours = "", rest = ""] = time.split(":");
  return Number(hours) * 60 + Number(rest);
}

/** The price column: null (unknown), "free", or the sheet. */
function priceColumn(model: SourceModel, rounded: string[]): unknown {
  const added = ADDED.filter((fact) => fact.provider === model.provider && fact.models(model));
  const source: SourcePrices = Object.assign({}, ...added.map((fact) => fact.prices ?? {}), model.prices) as SourcePrices;
  refuseUnknownKeys(source, model.id);
  const base = unitPrices(source, "", rounded, model.id);
  if (base["input"] === undefined) return null;
  if (base["input"] === 0 && (base["output"] ?? 0) === 0) return "free";
  if (Object.values(base).includes(0)) return null;
  const steps = (source.tiers ?? []).map((step) => {
    refuseUnknownKeys(step, model.id);
    return {
      above: step.above_input_tokens,
      prices: unitPrices(step, "", rounded, model.id),
      tiers: tierPrices(step, rounded, model.id),
    };
  });
  const windows = (source.windows ?? []).map((window) => {
    refuseUnknownKeys(window, model.id);
    if (window.days !== undefined && DAYS[window.days] === undefined)
      throw new Error(`${model.id}: days ${window.days}`);
    return {
      from: minutes(window.utc_start),
      to: minutes(window.utc_end),
      days: window.days === undefined ? undefined : DAYS[window.days],
      prices: unitPrices(window, "", rounded, model.id),
    };
  });
  const scheduled = (source.scheduled ?? []).map((change) => {
    refuseUnknownKeys(change, model.id);
    return { from: change.from, prices: unitPrices(change, "", rounded, model.id) };
  });
  const geo = Object.entries<number>(Object.assign({}, ...added.map((fact) => fact.geo ?? {}), model.residency_multipliers) as Numbers)
    .map(([region, factor]) => [region, Math.round(factor * 1000)] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    base,
    tiers: tierPrices(source, rounded, model.id),
    // A step that only names its threshold changes nothing.
    steps: nonEmpty(steps.filter((step) => Object.keys(step.prices).length > 0).toSorted((a, b) => a.above - b.above)),
    windows: nonEmpty(windows),
    scheduled: nonEmpty(scheduled.toSorted((a, b) => (a.from < b.from ? -1 : 1))),
    geo: geo.length > 0 ? Object.fromEntries(geo) : undefined,
  };
}

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}

function triState(value: unknown): string {
  return value === true ? "1" : value === false ? "0" : "?";
}

function letters(modalities: readonly string[], where: string): string {
  for (const modality of modalities) {
    if (!(MODALITIES as readonly string[]).includes(modality)) throw new Error(`${where}: modality ${modality}`);
  }
  return MODALITIES.filter((modality) => modalities.includes(modality))
    .map((modality) => modality[0])
    .join("");
}

function row(model: SourceModel, rounded: string[]): readonly unknown[] {
  if (model.id !== `${model.provider}/${model.upstream}`) throw new Error(`${model.id} is not provider/upstream`);
  const price = priceColumn(model, rounded);
  const check = model.price_check;
  const can = model.capabilities ?? {};
  const sources = [`${check.agree}/${check.sources}`, check.as_of, check.from.join(",")];
  if (check.confidence !== undefined || check.derived !== undefined) sources.push(check.confidence ?? "-");
  if (check.derived !== undefined) sources.push(check.derived.join(","));
  return [
    model.provider,
    model.upstream,
    model.name,
    model.canonical,
    model.variant ?? null,
    model.family ?? null,
    model.type,
    model.status,
    model.context_window ?? null,
    model.max_output ?? null,
    letters(model.modalities.input, model.id),
    letters(model.modalities.output, model.id),
    ["tools", "json_schema", "vision", "reasoning"].map((key) => triState(can[key])).join(""),
    model.reasoning_efforts?.join(",") ?? null,
    model.open_weights === true ? 1 : 0,
    model.aliases?.join(",") ?? null,
    model.embedding_dimensions ?? null,
    model.protocol ?? null,
    model.retires_on ?? null,
    price,
    price === null ? null : createHash("sha256").update(JSON.stringify(price)).digest("hex").slice(0, 8),
    sources.join(" "),
  ];
}

/** The compact catalogue as text, and the prices that did not fit an integer (rounded half up). */
export function compactCatalogue(source: SourceCatalogue): {
  readonly text: string;
  readonly rounded: readonly string[];
} {
  const rounded: string[] = [];
  const live = source.models.filter((model) => model.status !== "retired").toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const lines = (rows: readonly unknown[]) => `[\n${rows.map((each) => JSON.stringify(each)).join(",\n")}\n]`;
  const providers = source.providers.map((provider) => ({
    id: provider.id,
    name: provider.name,
    models: live.filter((model) => model.provider === provider.id).length,
    cache: provider.cache_kind,
    tiers: provider.service_tiers,
    residency: provider.residency?.default,
    confidence: provider.residency?.confidence,
  }));
  const rows = live.map((model) => row(model, rounded));
  const text = `{
"format": 1,
"asOf": ${JSON.stringify(source.as_of)},
"pricesFrom": ${JSON.stringify(source.price_snapshot_range)},
"priceUnit": "integer pico-dollars (1e-12 USD) per unit; scheduled and retirement dates are UTC",
"rounded": ${JSON.stringify(rounded)},
"datasets": ${lines(source.provenance)},
"added": ${lines(ADDED.map(({ provider, what, source: from, date, confidence }) => ({ provider, what, source: from, date, confidence })))},
"providers": ${lines(providers)},
"columns": ${JSON.stringify(COLUMNS)},
"models": ${lines(rows)}
}
`;
  return { text, rounded };
}

function main(): void {
  const shared = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared");
  const target = resolve(import.meta.dirname, "../src/providers/catalog/catalogue.json");
  const source = JSON.parse(readFileSync(resolve(shared, "data/catalogue.json"), "utf8")) as SourceCatalogue;
  const { text, rounded } = compactCatalogue(source);
  if (process.argv.includes("--check")) {
    if (readFileSync(target, "utf8") !== text)
      throw new Error("catalogue.json is not what scripts/catalogue.ts makes of the shared data");
    return;
  }
  writeFileSync(target, text);
  process.stdout.write(`${text.length} bytes, ${text.split("\n").length} lines, ${rounded.length} prices rounded\n`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main();
