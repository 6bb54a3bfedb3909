/**
 * Which prices of a sheet hold for one call: at its time, for its prompt length, in its service tier. Pure.
 *
 * Order, each laid over the one before: base, announced changes, the daily window, the context step, the service tier.
 * A tier keeps its ratio to the base price where the sheet states no price for the combination (a step in flex, a tier
 * after an announced change); that is how providers print such tables, but it is a guess, and flagged as one.
 */
import type { PriceSheet, SurchargedFeature, UnitPrices } from "../wire/facts.ts";
import { INPUT_UNITS, isTokenUnit } from "../wire/usage.ts";
import type { Unit } from "../wire/usage.ts";
import type { Pricing } from "./deployment.ts";

export { isTokenUnit };

/** The parts of a sheet that apply to one call; null: none of that kind. */
export interface Situation {
  readonly scheduled: UnitPrices | null;
  readonly window: UnitPrices | null;
  readonly step: PriceSheet["contextSteps"][number] | null;
  /** A key of the sheet's `tiers` (or of a step's), or null for the standard tier. */
  readonly tier: string | null;
}
export interface PricesInForce {
  readonly prices: UnitPrices;
  /** Some price was worked out from a ratio and not read from the sheet. */
  readonly scaled: boolean;
}

const INPUTS: ReadonlySet<string> = new Set(INPUT_UNITS);
const MINUTES_A_DAY = 1440;
const MS_A_MINUTE = 60_000;

/** The sheet in force at an instant; null: unmetered, or no price is known for it. */
export function sheetAt(pricing: Pricing, wallMs: number): PriceSheet | null {
  if (pricing.kind !== "sheet") return null;
  let sheet: PriceSheet | null = pricing.sheet;
  if (pricing.later !== undefined) for (const next of pricing.later) if (next.fromMs <= wallMs) ({ sheet } = next);
  return sheet;
}

/** The situation of a call with `inputTokens` prompt tokens of all classes at wall time `wallMs`. */
export function situationAt(sheet: PriceSheet, wallMs: number, inputTokens: number, tier: string | null): Situation {
  let scheduled = null as UnitPrices | null;
  for (const change of sheet.scheduled) if (change.fromMs <= wallMs) scheduled = { ...scheduled, ...change.prices };
  let window: UnitPrices | null = null;
  for (const one of sheet.windows) if (window === null && isOpen(one, wallMs)) window = one.prices;
  let step: Situation["step"] = null;
  for (const one of sheet.contextSteps) if (inputTokens > one.aboveInputTokens) step = one;
  return { scheduled, window, step, tier };
}

/** The prices that hold in a situation. */
export function pricesIn(sheet: PriceSheet, situation: Situation): PricesInForce {
  const { scheduled, window, step, tier } = situation;
  let standard = sheet.base;
  if (scheduled !== null) standard = { ...standard, ...scheduled };
  if (window !== null) standard = { ...standard, ...window };
  if (step !== null) standard = { ...standard, ...step.prices };
  if (tier === null) return { prices: standard, scaled: false };
  return inTier(sheet, standard, tier, step?.tiers?.[tier] ?? {});
}

/** The prices of a service tier: read where the sheet has them for this step, else the tier's ratio to the base. */
function inTier(sheet: PriceSheet, standard: UnitPrices, tier: string, exact: UnitPrices): PricesInForce {
  const tierPrices = sheet.tiers[tier] ?? {};
  const prices: { [U in Unit]?: number } = { ...standard };
  let scaled = false;
  for (const unit of new Set([
    ...Object.keys(standard),
    ...Object.keys(tierPrices),
    ...Object.keys(exact),
  ]) as Set<Unit>) {
    const stated = exact[unit];
    const ofTier = tierPrices[unit];
    const now = standard[unit];
    if (stated !== undefined) prices[unit] = stated;
    else if (ofTier !== undefined && (now === undefined || now === sheet.base[unit])) prices[unit] = ofTier;
    else if (now !== undefined && isTokenUnit(unit)) {
      // What the class costs in the tier beside what it costs otherwise; a class it does not list follows its lead.
      const lead: Unit = INPUTS.has(unit) ? "input" : "output";
      const ratio =
        ofTier === undefined ? [tierPrices[lead] ?? exact[lead], sheet.base[lead]] : [ofTier, sheet.base[unit]];
      const next = timesRatio(now, ratio[0], ratio[1]);
      scaled ||= next !== now;
      prices[unit] = next;
    }
  }
  return { prices, scaled };
}

/** price × of / to, rounded up; the price itself where the ratio is not known. A broken price stays broken. */
function timesRatio(price: number, of: number | undefined, to: number | undefined): number {
  if (of === undefined || to === undefined || of === to) return price;
  if (![price, of, to].every((value) => Number.isSafeInteger(value) && value > 0))
    return Math.min(price, of, to) <= 0 ? 0 : price;
  return Number((BigInt(price) * BigInt(of) + BigInt(to) - 1n) / BigInt(to));
}

/** Does the daily window cover this instant? A window that wraps midnight belongs to the day on which it opens. */
export function isOpen(window: PriceSheet["windows"][number], wallMs: number): boolean {
  const minute = Math.floor(wallMs / MS_A_MINUTE) % MINUTES_A_DAY;
  const wraps = window.fromMinute > window.toMinute;
  const open = wraps
    ? minute >= window.fromMinute || minute < window.toMinute
    : minute >= window.fromMinute && minute < window.toMinute;
  if (!open || window.days === undefined) return open;
  // 1 January 1970 was a Thursday (4).
  const weekday = (Math.floor(wallMs / (MS_A_MINUTE * MINUTES_A_DAY)) + 4) % 7;
  return window.days.includes(wraps && minute < window.toMinute ? (weekday + 6) % 7 : weekday);
}

export type TierAsked =
  { readonly kind: "standard" } | { readonly kind: "tier"; readonly tier: string } | { readonly kind: "unknown" };

const STANDARD_WORDS: ReadonlySet<string> = new Set(["", "default", "standard", "standard_only", "on_demand"]);

/** The tier that a provider's word for it means, as sheets name it; null: the standard one. */
export function tierName(word: string | undefined): string | null {
  // What nearly all answers say.
  if (word === undefined || word === "default" || word === "standard") return null;
  const plain = word.toLowerCase().replace(/^on_demand_/, "");
  if (STANDARD_WORDS.has(plain)) return null;
  return plain === "fast" ? "priority" : plain;
}

/** What a provider's word for a service tier means on this sheet. `auto` is unknown: the account's settings decide. */
export function tierOf(sheet: PriceSheet, word: string | undefined): TierAsked {
  const name = tierName(word);
  if (name === null) return { kind: "standard" };
  const known = sheet.tiers[name] !== undefined || sheet.contextSteps.some((step) => step.tiers?.[name] !== undefined);
  return known ? { kind: "tier", tier: name } : { kind: "unknown" };
}

const ANYWHERE: ReadonlySet<string> = new Set(["", "global", "not_available", "default"]);

/** Does the word pin a request to no place? */
export function isAnywhere(geo: string): boolean {
  return ANYWHERE.has(geo);
}

/** Multiplier in thousandths for a request pinned to `geo`; an unlisted one costs as much as the dearest, flagged. */
export function geoPermille(
  sheet: PriceSheet,
  geo: string | undefined,
): { readonly permille: number; readonly guess: boolean } {
  if (geo === undefined) return { permille: 1000, guess: false };
  const listed = Object.hasOwn(sheet.geoPermille, geo) ? sheet.geoPermille[geo] : undefined;
  if (listed !== undefined) return { permille: listed, guess: false };
  const known = Object.values(sheet.geoPermille);
  if (known.length === 0 || ANYWHERE.has(geo)) return { permille: 1000, guess: false };
  return { permille: Math.max(1000, ...known), guess: true };
}

/** Multiplier in thousandths for what a request asks for; several multiply. */
export function surchargePermille(sheet: PriceSheet, features: readonly SurchargedFeature[] | undefined): number {
  if (sheet.surcharges === undefined || features === undefined) return 1000;
  let permille = 1000;
  for (const feature of features) permille = Math.ceil((permille * (sheet.surcharges[feature] ?? 1000)) / 1000);
  return permille;
}

export interface UnitPrice {
  /** Pico-dollars per unit; null: unknown. */
  readonly picoUsd: number | null;
  /** Another class's price stands in, and the provider does not say so. */
  readonly guess: boolean;
}

/** Where a class has no price of its own: the classes to take it from, nearest first, and whether that is a guess. */
const FALLBACKS: { readonly [U in Unit]?: { readonly from: readonly Unit[]; readonly guess: boolean } } = {
  reasoning: { from: ["output"], guess: false },
  image_input: { from: ["input"], guess: false },
  cache_read: { from: ["input"], guess: true },
  // A sheet's `cache_write_5m` is the price at the provider's default lifetime, which is 30 minutes with some.
  cache_write_30m: { from: ["cache_write_5m", "cache_write_1h", "cache_write_12h", "input"], guess: true },
  cache_write_5m: { from: ["cache_write_30m", "cache_write_1h", "cache_write_12h", "input"], guess: true },
  cache_write_1h: { from: ["cache_write_12h", "cache_write_30m", "cache_write_5m", "input"], guess: true },
  cache_write_12h: { from: ["cache_write_1h", "cache_write_30m", "cache_write_5m", "input"], guess: true },
  audio_input: { from: ["input"], guess: true },
  image_output: { from: ["output"], guess: true },
  audio_output: { from: ["output"], guess: true },
};

/** The price of one unit. A zero, a negative or a fraction on a sheet that is not free is a broken price: unknown. */
export function unitPrice(unit: Unit, prices: UnitPrices, free: boolean): UnitPrice {
  const own = prices[unit];
  if (own !== undefined) return { picoUsd: valid(own, free), guess: false };
  const fallback = FALLBACKS[unit];
  for (const other of fallback?.from ?? []) {
    const price = prices[other];
    if (price === undefined) continue;
    const guess =
      fallback?.guess === true && price !== 0 && !(unit === "cache_write_30m" && other === "cache_write_5m");
    return { picoUsd: valid(price, free), guess };
  }
  return { picoUsd: null, guess: false };
}

function valid(price: number, free: boolean): number | null {
  return Number.isSafeInteger(price) && (price > 0 || (free && price === 0)) ? price : null;
}

/** Pico-dollars per token of a price in USD per million tokens, half up. For prices that an owner writes by hand. */
export function picoOfUsdPerMillion(usd: number): number {
  const [whole = "0", fraction = ""] = usd.toFixed(12).split(".");
  return Number((BigInt(whole + fraction) + 500_000n) / 1_000_000n);
}

/** A sheet with one price for each unit and no conditions. Free only if every price is 0. */
export function plainSheet(version: string, base: UnitPrices): PriceSheet {
  const values = Object.values(base);
  const sheet = { version, base, contextSteps: [], windows: [], scheduled: [], tiers: {}, geoPermille: {} };
  return values.length > 0 && values.every((price) => price === 0) ? { ...sheet, free: true } : sheet;
}
