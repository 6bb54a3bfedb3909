/**
 * A price list as an owner writes it (in the configuration, or as a managed price) into a sheet. Prices in USD per million
 * tokens or USD each; conditions beside them. Shapes are the schema's affair, values are judged here, each with its place.
 */
import type { PriceSheet, SurchargedFeature, UnitPrices } from "../wire/facts.ts";
import { isTokenUnit, type Unit } from "../wire/usage.ts";
import { isPerPiece, parsePermille, parsePricePico, PRICED_UNITS } from "./price-text.ts";

/** Of what an owner writes; whatever does not fit is left to the schema. */
export type PriceTerms = Readonly<Record<string, unknown>>;
export interface TermsProblem {
  readonly path: readonly (string | number)[];
  readonly expected: string;
  readonly found: string;
  readonly hint: string;
  /** What is wrong is the key, and not its value. */
  readonly at?: "key";
}
export interface ReadTerms {
  /** null: nothing in it is a price. */
  readonly sheet: Omit<PriceSheet, "version"> | null;
  /** `valid_from`; null: it has always been so. */
  readonly fromMs: number | null;
  readonly problems: readonly TermsProblem[];
}

export const CONDITION_KEYS = ["steps", "tiers", "windows", "changes", "regions", "surcharges", "valid_from"] as const;
export const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
export const SURCHARGED_FEATURES = ["structured_output", "tools"] as const satisfies readonly SurchargedFeature[];
const DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/;
const LOWEST_PERMILLE = 10;
const HIGHEST_PERMILLE = 100_000;

/** Read a list. Problems are complete: a list with any is not to be used. */
export function readPriceTerms(terms: PriceTerms): ReadTerms {
  const reader = new Reader();
  const base = reader.units(terms, []);
  if (terms["input"] === undefined && !PRICED_UNITS.some((unit) => isPerPiece(unit) && terms[unit] !== undefined)) {
    reader.tell([], "at least the price of input", "no input", "write price: { input: 0.10, output: 0.20 }", "key");
  }
  const scheduled = reader.changes(terms["changes"]);
  const windows = reader.windows(terms["windows"], base, scheduled.length > 0);
  const tiers = reader.tiers(terms["tiers"], ["tiers"], base);
  const contextSteps = reader.steps(terms["steps"]);
  const geoPermille = reader.multipliers(terms["regions"], "regions");
  const surcharges = reader.multipliers(terms["surcharges"], "surcharges") as PriceSheet["surcharges"] & object;
  const fromMs = terms["valid_from"] === undefined ? null : reader.instant(terms["valid_from"], ["valid_from"]);
  const { problems } = reader;
  if (Object.keys(base).length === 0) return { sheet: null, fromMs, problems };
  // A zero that the owner wrote is meant.
  const lists = [base, ...scheduled.map(pricesOf), ...windows.map(pricesOf), ...Object.values(tiers), ...contextSteps.flatMap((step) => [step.prices, ...Object.values(step.tiers ?? {})])];
  const free = lists.some((prices) => Object.values(prices).includes(0));
  const sheet = { base, contextSteps, windows, scheduled, tiers, geoPermille, ...(Object.keys(surcharges).length === 0 ? {} : { surcharges }), ...(free ? { free } : {}) };
  return { sheet, fromMs, problems };
}

/** ms since 1970 of `2027-01-01` or `2027-01-01T08:00Z`; null for anything else. */
export function instantMs(text: unknown): number | null {
  if (typeof text !== "string" || !DATE.test(text)) return null;
  const ms = Date.parse(text.length === 10 ? `${text}T00:00:00Z` : text);
  // A day that the month does not have is another day to some parsers.
  return Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text.slice(0, 10) ? null : ms;
}

function pricesOf(part: { readonly prices: UnitPrices }): UnitPrices {
  return part.prices;
}

type Place = readonly (string | number)[];

class Reader {
  readonly problems: TermsProblem[] = [];

  tell(path: Place, expected: string, found: string, hint = "", at?: "key"): void {
    this.problems.push({ path, expected, found, hint, ...(at === undefined ? {} : { at }) });
  }

  units(map: PriceTerms, path: Place): UnitPrices {
    const prices: { [U in Unit]?: number } = {};
    for (const unit of PRICED_UNITS) {
      const value = map[unit];
      if (typeof value !== "string" && typeof value !== "number") continue;
      const pico = parsePricePico(value, unit);
      if (pico !== null) prices[unit] = pico;
      else this.tell([...path, unit], isPerPiece(unit) ? "USD each, 0 or more, at most 12 decimal places" : "USD per million tokens, 0 or more, at most 6 decimal places", JSON.stringify(String(value)));
    }
    return prices;
  }

  /** Prices of their own, or all prices of tokens times a factor. */
  #unitsOrFactor(map: PriceTerms, path: Place, base: UnitPrices): UnitPrices {
    const own = this.units(map, path);
    if (map["multiply"] === undefined) return own;
    const permille = this.#permille(map["multiply"], [...path, "multiply"]);
    if (permille === null) return own;
    const prices: { [U in Unit]?: number } = {};
    for (const unit of PRICED_UNITS) {
      const price = base[unit];
      if (price !== undefined && isTokenUnit(unit)) prices[unit] = Number((BigInt(price) * BigInt(permille) + 999n) / 1000n);
    }
    return { ...prices, ...own };
  }

  tiers(value: unknown, path: Place, base: UnitPrices): Readonly<Record<string, UnitPrices>> {
    const entries = Object.entries(asMap(value)).map(([name, tier]) => [name, this.#unitsOrFactor(asMap(tier), [...path, name], base)] as const);
    for (const [name, prices] of entries) if (Object.keys(prices).length === 0) this.tell([...path, name], "prices of their own, or multiply", "nothing", "write multiply: 0.5", "key");
    return Object.fromEntries(entries);
  }

  steps(value: unknown): PriceSheet["contextSteps"] {
    const steps = asList(value).map((entry, index) => {
      const map = asMap(entry);
      const path = ["steps", index];
      const above = Number(map["above"]);
      const prices = this.units(map, path);
      if (!Number.isSafeInteger(above) || above <= 0) this.tell([...path, "above"], "a whole number of prompt tokens above 0", JSON.stringify(map["above"] ?? null));
      if (Object.keys(prices).length === 0) this.tell(path, "the prices above that many prompt tokens", "none", "", "key");
      const tiers = this.tiers(map["tiers"], [...path, "tiers"], prices);
      return { aboveInputTokens: above, prices, ...(Object.keys(tiers).length === 0 ? {} : { tiers }) };
    });
    for (const [index, step] of steps.entries()) {
      if (index > 0 && step.aboveInputTokens <= (steps[index - 1]?.aboveInputTokens ?? 0)) this.tell(["steps", index, "above"], "steps in ascending order", String(step.aboveInputTokens));
    }
    return steps;
  }

  windows(value: unknown, base: UnitPrices, changes: boolean): PriceSheet["windows"] {
    return asList(value).map((entry, index) => {
      const map = asMap(entry);
      const path = ["windows", index];
      if (changes && map["multiply"] !== undefined) this.tell([...path, "multiply"], "prices of their own beside changes", "a factor", "write the prices after the change as a price of their own with valid_from", "key");
      const prices = this.#unitsOrFactor(map, path, base);
      if (Object.keys(prices).length === 0) this.tell(path, "the prices within the window, or multiply", "none", "", "key");
      const window = { fromMinute: this.#minute(map["from"], [...path, "from"]), toMinute: this.#minute(map["to"], [...path, "to"]), prices };
      if (window.fromMinute === window.toMinute) this.tell([...path, "to"], "another time than from", JSON.stringify(map["to"]));
      return map["days"] === undefined ? window : { ...window, days: this.#days(map["days"], [...path, "days"]) };
    });
  }

  changes(value: unknown): PriceSheet["scheduled"] {
    const changes = asList(value).map((entry, index) => {
      const map = asMap(entry);
      const path = ["changes", index];
      const prices = this.units(map, path);
      if (Object.keys(prices).length === 0) this.tell(path, "the prices from then on", "none", "", "key");
      return { fromMs: this.instant(map["from"], [...path, "from"]) ?? Number.NaN, prices };
    });
    for (const [index, change] of changes.entries()) {
      if (index > 0 && change.fromMs <= (changes[index - 1]?.fromMs ?? 0)) this.tell(["changes", index, "from"], "changes in ascending order", "an earlier one");
    }
    return changes;
  }

  multipliers(value: unknown, key: string): Readonly<Record<string, number>> {
    return Object.fromEntries(Object.entries(asMap(value)).map(([name, factor]) => [name, this.#permille(factor, [key, name]) ?? 1000]));
  }

  instant(value: unknown, path: Place): number | null {
    const ms = instantMs(value);
    if (ms === null) this.tell(path, "a day such as 2027-01-01, or an instant such as 2027-01-01T08:00Z (both UTC)", JSON.stringify(value ?? null));
    return ms;
  }

  #permille(value: unknown, path: Place): number | null {
    const permille = typeof value === "string" || typeof value === "number" ? parsePermille(value) : null;
    if (permille !== null && permille >= LOWEST_PERMILLE && permille <= HIGHEST_PERMILLE) return permille;
    this.tell(path, "a multiplier between 0.01 and 100, at most 3 decimal places", JSON.stringify(value ?? null));
    return null;
  }

  #minute(value: unknown, path: Place): number {
    const match = typeof value === "string" ? /^(\d{2}):(\d{2})$/.exec(value) : null;
    const minute = Number(match?.[1]) * 60 + Number(match?.[2]);
    if (match !== null && minute <= 1440 && Number(match[2]) < 60) return minute;
    this.tell(path, "a time of day in UTC such as 16:30", JSON.stringify(value ?? null), "put quotes around it");
    return Number.NaN;
  }

  #days(value: unknown, path: Place): readonly number[] {
    const days = asList(value).map((day) => WEEKDAYS.indexOf(day as (typeof WEEKDAYS)[number]));
    if (days.length === 0 || days.includes(-1) || new Set(days).size !== days.length) this.tell(path, `some of ${WEEKDAYS.join(", ")}, each once`, JSON.stringify(value ?? null));
    return days.toSorted((a, b) => a - b);
  }
}

function asMap(value: unknown): PriceTerms {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as PriceTerms) : {};
}
function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
