/**
 * Reads one row of the compact catalogue into facts. `scripts/catalogue.ts` writes the rows; the file's head names the
 * columns. What does not look like a price is not one: the model then has no price, and never a price of zero.
 */
import { isObject } from "../../wire/json.ts";
import type { ModelFacts, PriceSheet, UnitPrices } from "../../wire/facts.ts";
import { UNITS, isTokenUnit } from "../../wire/usage.ts";
import { maxTokensPerImage } from "./images.ts";

/** Above this a price per unit is a slip of the decimal point: 10,000 USD per million tokens. */
const MAX_TOKEN_PICO_USD = 10_000_000_000;
/** And for things counted one by one (requests, searches, images): 1,000 USD each. */
const MAX_COUNTED_PICO_USD = 1_000_000_000_000_000;

const KNOWN_UNITS: ReadonlySet<string> = new Set(UNITS);
const MODALITY_NAMES: Readonly<Record<string, string>> = {
  t: "text",
  i: "image",
  a: "audio",
  v: "video",
  p: "pdf",
  e: "embedding",
};
const TYPES = ["chat", "embedding"] as const;
const STATUSES = ["active", "preview", "deprecated", "retired"] as const;

/** Facts of one row; throws where the row itself is broken (the file is ours, a broken row is a broken build). */
export function readModelRow(row: readonly unknown[]): ModelFacts {
  // Read by position: destructuring would walk an iterator a thousand times over.
  const provider = text(row[0]);
  const upstream = text(row[1]);
  const canonical = text(row[3]);
  const can = text(row[12]);
  const price = row[19];
  const priceHash = row[20];
  const priceSources = readSources(text(row[21]));
  const efforts = row[13];
  const aliases = row[15];
  return {
    id: `${provider}/${upstream}`,
    provider,
    upstream,
    name: text(row[2]),
    canonical,
    variant: textOrNull(row[4]),
    family: textOrNull(row[5]),
    type: TYPES.find((known) => known === row[6]) ?? "other",
    status: STATUSES.find((known) => known === row[7]) ?? "deprecated",
    contextWindow: countOrNull(row[8]),
    maxOutput: countOrNull(row[9]),
    input: modalities(text(row[10])),
    output: modalities(text(row[11])),
    tools: triState(can[0]),
    jsonSchema: triState(can[1]),
    vision: triState(can[2]),
    reasoning: triState(can[3]),
    reasoningEfforts: typeof efforts === "string" ? efforts.split(",") : null,
    openWeights: row[14] === 1,
    aliases: typeof aliases === "string" ? aliases.split(",") : [],
    embeddingDimensions: countOrNull(row[16]),
    price: readPrice(price, `${priceSources.asOf}.${typeof priceHash === "string" ? priceHash : "unknown"}`, doubtsOf(priceSources)),
    priceSources,
    dialectOverride: dialectOf(provider, upstream, textOrNull(row[17])),
    retiresOn: textOrNull(row[18]),
    maxTokensPerImage: maxTokensPerImage(canonical),
  };
}

/** Of the host's own making; what other makers serve there is reached by paths of their own. */
const ON_THE_HOSTS_PATH = /^(gemini|text-|multimodal)/;

/** The dialect that a model needs instead of its provider's. One host's own protocol carries every maker's models. */
function dialectOf(provider: string, upstream: string, told: string | null): string | null {
  if (told === "bedrock") return null;
  if (told === null && provider === "vertex" && !ON_THE_HOSTS_PATH.test(upstream)) return "another maker's path";
  return told;
}

/**
 * The price column: `"free"`, or an object of integers in pico-dollars. Anything else, and anything with a zero, a
 * negative, a fraction or an unbelievable number in it, is null: unknown, not cheap.
 */
export function readPrice(column: unknown, version: string, doubts?: PriceSheet["doubts"]): PriceSheet | null {
  const doubted = doubts === undefined ? {} : { doubts };
  if (column === "free") return { ...EMPTY, version, base: { input: 0, output: 0 }, free: true, ...doubted };
  if (!isObject(column)) return null;
  const base = unitPrices(column["base"]);
  if (base === null || base.input === undefined) return null;
  const steps = list(column["steps"], (step) => {
    const prices = unitPrices(step["prices"]);
    const above = step["above"];
    const tiers = step["tiers"] === undefined ? undefined : tierPrices(step["tiers"]);
    if (prices === null || tiers === null || !isCount(above)) return null;
    return tiers === undefined ? { aboveInputTokens: above, prices } : { aboveInputTokens: above, prices, tiers };
  });
  const windows = list(column["windows"], (window) => {
    const prices = unitPrices(window["prices"]);
    const { from, to, days } = window;
    if (prices === null || !isMinute(from) || !isMinute(to)) return null;
    return Array.isArray(days)
      ? { fromMinute: from, toMinute: to, prices, days: days as readonly number[] }
      : { fromMinute: from, toMinute: to, prices };
  });
  const scheduled = list(column["scheduled"], (change) => {
    const prices = unitPrices(change["prices"]);
    const fromMs = Date.parse(`${String(change["from"])}T00:00:00Z`);
    return prices === null || Number.isNaN(fromMs) ? null : { fromMs, prices };
  });
  const tiers = column["tiers"] === undefined ? {} : tierPrices(column["tiers"]);
  const geoPermille = readGeo(column["geo"]);
  if (steps === null || windows === null || scheduled === null || tiers === null || geoPermille === null) return null;
  return { version, base, contextSteps: steps, windows, scheduled, tiers, geoPermille, ...doubted };
}

const DISPUTED = ["price_disputed"];
const FROM_MEMORY = ["price_from_memory"];

/** What a row that is priced by these sources has to tell. */
function doubtsOf({ agree, of, confidence }: ModelFacts["priceSources"]): PriceSheet["doubts"] {
  if (confidence === "memory") return FROM_MEMORY;
  // What the provider's own page says settles it.
  return agree < of && confidence !== "verified" ? DISPUTED : undefined;
}

const EMPTY = { contextSteps: [], windows: [], scheduled: [], tiers: {}, geoPermille: {} } as const;

function unitPrices(value: unknown): UnitPrices | null {
  if (!isObject(value)) return null;
  for (const unit in value) {
    const price = value[unit];
    const most = isTokenUnit(unit) ? MAX_TOKEN_PICO_USD : MAX_COUNTED_PICO_USD;
    if (
      !KNOWN_UNITS.has(unit) ||
      typeof price !== "number" ||
      !Number.isSafeInteger(price) ||
      price <= 0 ||
      price > most
    )
      return null;
  }
  return value as UnitPrices;
}

function tierPrices(value: unknown): Readonly<Record<string, UnitPrices>> | null {
  if (!isObject(value)) return null;
  for (const tier in value) if (unitPrices(value[tier]) === null) return null;
  return value as Readonly<Record<string, UnitPrices>>;
}

function readGeo(value: unknown): Readonly<Record<string, number>> | null {
  if (value === undefined) return {};
  if (!isObject(value)) return null;
  for (const geo in value) {
    const permille = value[geo];
    if (typeof permille !== "number" || !Number.isSafeInteger(permille) || permille < 500 || permille > 10_000)
      return null;
  }
  return value as Readonly<Record<string, number>>;
}

/** Map a list; null if it is no list or any element is broken. Absent is empty. */
function list<T>(value: unknown, read: (element: Readonly<Record<string, unknown>>) => T | null): readonly T[] | null {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return null;
  const result: T[] = [];
  for (const element of value) {
    const item = isObject(element) ? read(element) : null;
    if (item === null) return null;
    result.push(item);
  }
  return result;
}

const sourceLines = new Map<string, ModelFacts["priceSources"]>();
/** `agree/of asOf datasets confidence derived`, the last two where stated. Rows with the same line share the value. */
function readSources(line: string): ModelFacts["priceSources"] {
  const known = sourceLines.get(line);
  if (known !== undefined) return known;
  const [ratio = "0/0", asOf = "", from = "", confidence, derived] = line.split(" ");
  const [agree = "0", of = "0"] = ratio.split("/");
  const sources = {
    from: from.split(","),
    agree: Number(agree),
    of: Number(of),
    asOf,
    ...(confidence === undefined || confidence === "-" ? {} : { confidence }),
    ...(derived === undefined ? {} : { derived: derived.split(",") }),
  };
  sourceLines.set(line, sources);
  return sources;
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new TypeError(`catalogue row: expected text, found ${JSON.stringify(value)}`);
  return value;
}
function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}
function isMinute(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= 1440;
}
function countOrNull(value: unknown): number | null {
  return isCount(value) ? value : null;
}
function triState(letter: string | undefined): boolean | null {
  return letter === "1" ? true : letter === "0" ? false : null;
}
const modalityLists = new Map<string, readonly string[]>();
/** Rows share their lists: a dozen different ones serve a thousand rows. */
function modalities(letters: string): readonly string[] {
  let names = modalityLists.get(letters);
  if (names === undefined)
    modalityLists.set(letters, (names = letters.split("").map((letter) => MODALITY_NAMES[letter] ?? letter)));
  return names;
}
