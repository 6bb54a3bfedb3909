/**
 * What a request wishes of who serves it, in the names that an aggregator made common: `provider: { order, only, ignore,
 * allow_fallbacks, sort, max_price, require_parameters, data_collection, zdr }` and `models`. Read strictly: a wish that is misread
 * would send a prompt where it was not to go.
 */
import { asNumber, isObject, type Json, type JsonObject } from "../wire/json.ts";

export interface Preferences {
  /** Tried first, in this order. */
  readonly order: readonly string[];
  /** Nobody else; null: anybody. */
  readonly only: readonly string[] | null;
  readonly ignore: readonly string[];
  /** False: `order` alone, or where there is none the first choice alone. */
  readonly fallbacks: boolean;
  readonly sort: "price" | "throughput" | "latency" | null;
  /** USD: per million tokens of prompt and answer, per request, per image. */
  readonly maxPrice: MaxPrice | null;
  /** Only who is known to be able to do all that is asked. */
  readonly requireParameters: boolean;
  /** Only who keeps prompts out of training. */
  readonly noTraining: boolean;
  /** Only who keeps nothing. */
  readonly noRetention: boolean;
  /** Other fields, which may narrow: an aggregator may know them, and nothing is known of them here. */
  readonly beyond: readonly string[];
  /** Such that only wish. */
  readonly soft: readonly string[];
}
export interface MaxPrice {
  readonly prompt?: number;
  readonly completion?: number;
  readonly request?: number;
  readonly image?: number;
}
/** A field that cannot be read. */
export interface WrongPreference {
  readonly kind: "wrong";
  /** As a client would write it. */
  readonly param: string;
  readonly message: string;
}

const NAMES_MAX = 64;
const MODELS_MAX = 16;
const NAME_CHARS_MAX = 256;
const PRICES = ["prompt", "completion", "request", "image"] as const;
const SORTS = ["price", "throughput", "latency"] as const;
/** The fields that are gone by here. */
export const PREFERENCES: readonly string[] = ["order", "only", "ignore", "allow_fallbacks", "sort", "max_price", "require_parameters", "data_collection", "zdr"];
/** Wishes of speed: candidates would be moved back by them, never left out. */
const SOFT: ReadonlySet<string> = new Set(["preferred_min_throughput", "preferred_max_latency"]);

/** Read `provider`; null in place of a field is as if it were absent. */
export function readPreferences(value: Json): Preferences | WrongPreference {
  if (!isObject(value)) return wrong("provider", "an object such as {\"order\": [\"a-provider\"]}", value);
  const fields = Object.keys(value).filter((name) => value[name] !== null && value[name] !== undefined);
  const reader = new FieldReader(value);
  const read: Preferences = {
    order: reader.names("order") ?? [],
    only: reader.names("only"),
    ignore: reader.names("ignore") ?? [],
    fallbacks: reader.flag("allow_fallbacks") ?? true,
    sort: reader.sort(),
    maxPrice: reader.maxPrice(),
    requireParameters: reader.flag("require_parameters") ?? false,
    noTraining: reader.word("data_collection", ["allow", "deny"]) === "deny",
    noRetention: reader.flag("zdr") ?? false,
    beyond: [...fields.filter((name) => !PREFERENCES.includes(name) && !SOFT.has(name)), ...besides(value["sort"])].map(clip),
    soft: fields.filter((name) => SOFT.has(name)),
  };
  return reader.problem ?? read;
}

/** Read `models`: further names, in the order in which they are to be tried. */
export function readModels(value: Json): readonly string[] | WrongPreference {
  const names = namesIn(value, MODELS_MAX);
  return names ?? wrong("models", `a list of at most ${MODELS_MAX} names of models`, value);
}

/** All providers that are named. */
export function namesOf({ order, only, ignore }: Preferences): readonly string[] {
  return [...order, ...(only ?? []), ...ignore];
}

class FieldReader {
  readonly #fields: JsonObject;
  /** The first of them. */
  problem: WrongPreference | null = null;

  constructor(fields: JsonObject) {
    this.#fields = fields;
  }

  names(field: string): readonly string[] | null {
    const value = this.#fields[field] ?? null;
    if (value === null) return null;
    const names = namesIn(value, NAMES_MAX);
    if (names === null) this.#tell(field, `a list of at most ${NAMES_MAX} names of providers`, value);
    return names;
  }

  flag(field: string): boolean | null {
    const value = this.#fields[field] ?? null;
    if (value === null || typeof value === "boolean") return value;
    this.#tell(field, "true or false", value);
    return null;
  }

  word(field: string, words: readonly string[]): string | null {
    const value = this.#fields[field] ?? null;
    if (value === null) return null;
    if (typeof value === "string" && words.includes(value)) return value;
    this.#tell(field, words.join(" or "), value);
    return null;
  }

  /** A word, or an object that has it in `by`. */
  sort(): Preferences["sort"] {
    const value = this.#fields["sort"] ?? null;
    const by = isObject(value) ? (value["by"] ?? null) : value;
    if (by === null) return null;
    const found = SORTS.find((word) => word === by);
    if (found === undefined) this.#tell("sort", SORTS.join(", "), by);
    return found ?? null;
  }

  maxPrice(): MaxPrice | null {
    const value = this.#fields["max_price"] ?? null;
    if (value === null) return null;
    if (!isObject(value)) {
      this.#tell("max_price", "an object with prompt, completion, request or image in USD", value);
      return null;
    }
    const most: { -readonly [P in keyof MaxPrice]: MaxPrice[P] } = {};
    for (const name of Object.keys(value)) {
      const price = PRICES.find((one) => one === name);
      if (price === undefined) this.#tell(`max_price.${clip(name)}`, `no such field, but ${PRICES.join(", ")}`, value[name]);
      else if (value[name] !== null && value[name] !== undefined) {
        const usd = usdOf(value[name]);
        if (usd === null) this.#tell(`max_price.${name}`, "a price in USD, 0 or more", value[name]);
        else most[price] = usd;
      }
    }
    return most;
  }

  #tell(field: string, expected: string, found: Json | undefined): void {
    this.problem ??= wrong(`provider.${field}`, expected, found);
  }
}

/** What an object in `sort` says besides the word. */
function besides(sort: Json | undefined): readonly string[] {
  return isObject(sort) ? Object.keys(sort).flatMap((name) => (name === "by" || sort[name] === null ? [] : [`sort.${name}`])) : [];
}

/** Prices are told as numbers or as text. */
function usdOf(value: Json): number | null {
  const usd = typeof value === "string" && /^\d{1,9}(?:\.\d{1,12})?$/.test(value) ? Number(value) : asNumber(value);
  return usd === undefined || usd < 0 || usd > 1e9 ? null : usd;
}

function namesIn(value: Json, most: number): readonly string[] | null {
  if (!Array.isArray(value) || value.length > most) return null;
  const names = (value as readonly Json[]).filter((one) => typeof one === "string" && one.trim() !== "" && one.length <= NAME_CHARS_MAX) as readonly string[];
  return names.length === value.length ? names.map((name) => name.trim()) : null;
}

function wrong(param: string, expected: string, found: Json | undefined): WrongPreference {
  return { kind: "wrong", param, message: `${param}: expected ${expected}, not ${clip(JSON.stringify(found) ?? "nothing")}.` };
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
