/** Prices as people and files write them: USD per million tokens, or USD each. Read exactly, shown without noise. */
import { plainDecimal } from "../wire/decimal.ts";
import { UNITS, isTokenUnit, type Unit } from "../wire/usage.ts";

export const PRICED_UNITS: readonly Unit[] = UNITS;
const PLACES_PER_MILLION = 6;
const PLACES_EACH = 12;

/** Is this unit priced per piece rather than per million tokens? */
export function isPerPiece(unit: Unit): boolean {
  return !isTokenUnit(unit);
}

/**
 * USD per million tokens (or USD per piece) → whole pico-dollars per unit, exactly; null where the text is no number ≥ 0
 * or has more places than a pico-dollar holds (6 per million tokens, 12 per piece).
 */
export function parsePricePico(value: string | number, unit: Unit): number | null {
  return wholeAt(value, isPerPiece(unit) ? PLACES_EACH : PLACES_PER_MILLION);
}

/** A multiplier → thousandths, exactly; null where it is none, or has more than three places. */
export function parsePermille(value: string | number): number | null {
  return wholeAt(value, 3);
}

/** A decimal × 10^places, if that is a whole number; null otherwise. A number counts as its shortest text. */
export function wholeAt(value: string | number, places: number): number | null {
  const plain = plainDecimal(String(value).trim());
  if (plain === null) return null;
  const [whole = "0", fraction = ""] = plain.split(".");
  const kept = fraction.replace(/0+$/, "");
  if (kept.length > places) return null;
  const result = Number(BigInt(whole + kept.padEnd(places, "0")));
  return Number.isSafeInteger(result) ? result : null;
}

/** A price as its owner would write it: USD per million tokens, or USD each; no more places than are needed. */
export function priceText(pico: number, unit: Unit): string {
  const places = isPerPiece(unit) ? PLACES_EACH : PLACES_PER_MILLION;
  const digits = String(pico).padStart(places + 1, "0");
  const fraction = digits.slice(-places).replace(/0+$/, "");
  return fraction === "" ? digits.slice(0, -places) : `${digits.slice(0, -places)}.${fraction}`;
}
