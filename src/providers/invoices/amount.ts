/** Amounts of money and times as exports write them. */
import { plainDecimal, roundDecimal, shiftDecimal } from "../../wire/decimal.ts";
import type { Json } from "../../wire/json.ts";

export interface Amount {
  readonly nanoUsd: number;
  /** By how much it may have been rounded by whoever wrote it. */
  readonly roundedNanoUsd: number;
}

/** However few places a text has, it is not rounded by more than half a cent. */
const ROUNDED_MOST_NANO = 5_000_000;
/** Decimal places that remain in text where a number was meant exactly. */
const EXACT_PLACES = 9;

/**
 * Nano-dollars of a decimal text or number; `places`: by how many the unit is smaller than the dollar (2: cents). null where it
 * is none. A text may be rounded at its last place, a number is as exact as it is printed.
 */
export function amountOf(value: Json | undefined, places = 0): Amount | null {
  if (typeof value !== "string" && typeof value !== "number") return null;
  const text = String(value).trim();
  const negative = text.startsWith("-");
  const plain = plainDecimal(negative ? text.slice(1) : text);
  if (plain === null) return null;
  const nano = Number(roundDecimal(shiftDecimal(plain, EXACT_PLACES - places), 0));
  if (!Number.isSafeInteger(nano)) return null;
  const written = (plain.split(".")[1] ?? "").length + places;
  const roundedNanoUsd = written > EXACT_PLACES ? 1 : typeof value === "number" || written === EXACT_PLACES ? 0 : Math.min(ROUNDED_MOST_NANO, 5 * 10 ** (EXACT_PLACES - 1 - written));
  return { nanoUsd: negative && nano > 0 ? -nano : nano, roundedNanoUsd };
}

/** A count; null where it is none. */
export function countOf(value: Json | undefined): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

const LONGEST = 300;
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Text of a stranger as it may be shown: of bounded length, and without what a terminal would obey. */
export function shownText(text: string): string {
  return text.replace(CONTROLS, " ").slice(0, LONGEST).trim();
}
