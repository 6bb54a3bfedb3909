/** genai-prices: `data.json`, providers with models that are matched by rules, prices with dates and hours. */
import { matchesBounded } from "../../wire/bounded-pattern.ts";
import { asArray, asString, isObject, type Json, type JsonObject } from "../../wire/json.ts";
import type { Unit } from "../../wire/usage.ts";
import { BadEntry, Gathering, parseJson, usdOf, type FeedContext, type FeedPrice, type ReadFeed } from "./feed.ts";

const PROVIDERS: Readonly<Record<string, string>> = { aws: "bedrock", "x-ai": "xai", moonshotai: "moonshot" };
/** Its price → our unit, and the power of ten from its figure to ours. */
const PRICES: Readonly<Record<string, readonly [unit: Unit, shift: number]>> = {
  input_mtok: ["input", 0], output_mtok: ["output", 0], cache_read_mtok: ["cache_read", 0], cache_write_mtok: ["cache_write_5m", 0], cache_write_1h_mtok: ["cache_write_1h", 0],
  input_audio_mtok: ["audio_input", 0], output_audio_mtok: ["audio_output", 0], input_image_mtok: ["image_input", 0], output_image_mtok: ["image_output", 0],
  output_reasoning_mtok: ["reasoning", 0], web_searches_kcount: ["web_searches", -3], storage_searches_kcount: ["file_searches", -3], requests_kcount: ["requests", -3],
  input_document_kpages: ["pages", -3],
};
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const TIME = /^(\d{2}:\d{2}):\d{2}Z?$/;

/** The prices of such a file, for the names that its rules match. */
export function readGenaiPrices(text: string, context: FeedContext): ReadFeed {
  const root = parseJson(text);
  const providers = Array.isArray(root) ? root : isObject(root) ? root["providers"] : undefined;
  if (!Array.isArray(providers)) return { ok: false, message: "not a list of providers" };
  const gathering = new Gathering();
  let seen = 0;
  for (const provider of providers) {
    const id = isObject(provider) ? asString(provider["id"]) : undefined;
    if (!isObject(provider) || id === undefined || !Array.isArray(provider["models"])) continue;
    seen++;
    const ours = PROVIDERS[id] ?? id;
    if (!context.providers.has(ours)) continue;
    const left = new Set(context.modelsOf(ours));
    // The first model that matches a name has it.
    for (const model of provider["models"]) {
      const name = isObject(model) ? (asString(model["id"]) ?? "?") : "?";
      gathering.entry(`${id}/${name}`, () => readModel(ours, model, left, context.nowMs));
    }
  }
  return seen === 0 ? { ok: false, message: "no provider in it has models" } : gathering.done();
}

function readModel(provider: string, model: Json, left: Set<string>, nowMs: number): readonly FeedPrice[] {
  if (!isObject(model)) throw new BadEntry("not an object");
  const names = [...left].filter((name) => matches(model["match"], name, 0));
  for (const name of names) left.delete(name);
  const own = asString(model["id"]);
  const meant = names.length > 0 ? names : own === undefined ? [] : [own];
  if (meant.length === 0) return [];
  const { terms, notes } = readPrices(model["prices"], nowMs);
  if (Object.keys(terms).length === 0) return [];
  return meant.map((name) => ({ provider, model: name, terms, notes }));
}

/** Does a rule take a name? What cannot be tried safely takes none. */
function matches(rule: Json | undefined, name: string, depth: number): boolean {
  if (!isObject(rule) || depth > 8) return false;
  const text = (key: string): string | undefined => asString(rule[key])?.toLowerCase();
  const lower = name.toLowerCase();
  const [equals, start, end, part, regex] = ["equals", "starts_with", "ends_with", "contains"].map(text).concat(asString(rule["regex"]));
  if (equals !== undefined) return lower === equals;
  if (start !== undefined) return start !== "" && lower.startsWith(start);
  if (end !== undefined) return end !== "" && lower.endsWith(end);
  if (part !== undefined) return part !== "" && lower.includes(part);
  if (regex !== undefined) return matchesBounded(regex, name) === true;
  const [any, all] = [asArray(rule["or"]), asArray(rule["and"])];
  if (any.length > 0) return any.some((one) => matches(one, name, depth + 1));
  return all.length > 0 && all.every((one) => matches(one, name, depth + 1));
}

interface Read {
  readonly terms: JsonObject;
  readonly notes: readonly string[];
}

function readPrices(prices: Json | undefined, nowMs: number): Read {
  if (isObject(prices)) return readSheet(prices);
  if (!Array.isArray(prices) || prices.length === 0) throw new BadEntry("prices are neither an object nor a list");
  let now: Read | null = null;
  const changes: JsonObject[] = [];
  const windows: JsonObject[] = [];
  for (const one of prices) {
    if (!isObject(one) || !isObject(one["prices"])) throw new BadEntry("a price of the list is no object");
    const read = readSheet(one["prices"]);
    const condition = one["constraint"];
    if (condition === undefined || condition === null) now = read;
    else if (!isObject(condition)) throw new BadEntry("a constraint is no object");
    else if (typeof condition["start_date"] === "string" && DAY.test(condition["start_date"])) {
      const from = condition["start_date"];
      if (Date.parse(from) <= nowMs) now = read;
      else if (read.terms["steps"] !== undefined) throw new BadEntry("an announced price with steps; write it as a price of its own");
      else changes.push({ from, ...read.terms });
    } else windows.push({ from: timeOf(condition["start_time"]), to: timeOf(condition["end_time"]), ...read.terms });
  }
  if (now === null) throw new BadEntry("no price holds now");
  return { terms: { ...now.terms, ...(windows.length === 0 ? {} : { windows }), ...(changes.length === 0 ? {} : { changes }) }, notes: now.notes };
}

function timeOf(value: Json | undefined): string {
  const match = typeof value === "string" ? TIME.exec(value) : null;
  if (match?.[1] === undefined) throw new BadEntry("a constraint is neither a day nor hours");
  return match[1];
}

function readSheet(prices: JsonObject): Read {
  const base: Record<string, Json> = {};
  const steps = new Map<number, Record<string, Json>>();
  const notes: string[] = [];
  for (const [key, value] of Object.entries(prices)) {
    const [unit, shift] = Object.hasOwn(PRICES, key) ? (PRICES[key] ?? []) : [];
    if (unit === undefined || shift === undefined) {
      notes.push(`${key.slice(0, 60)} is not read`);
      continue;
    }
    const plain = isObject(value) ? value["base"] : value;
    const usd = usdOf(plain, unit, shift, key);
    if (usd !== undefined) base[unit] = usd;
    for (const tier of isObject(value) ? asArray(value["tiers"]) : []) {
      const start = isObject(tier) ? tier["start"] : undefined;
      if (typeof start !== "number" || !Number.isSafeInteger(start) || start <= 0) throw new BadEntry(`${key} has a tier without a start`);
      const price = usdOf(isObject(tier) ? tier["price"] : undefined, unit, shift, `${key} from ${start}`);
      if (price === undefined) throw new BadEntry(`${key} has a tier without a price`);
      const step = steps.get(start) ?? {};
      step[unit] = price;
      steps.set(start, step);
    }
  }
  const ascending = [...steps].toSorted(([a], [b]) => a - b).map(([above, step]) => ({ above, ...step }));
  return { terms: { ...base, ...(ascending.length === 0 ? {} : { steps: ascending }) }, notes };
}
