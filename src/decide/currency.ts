/**
 * Amounts in the currency that the owner reads: converted by rates that the owner sets, each from its day on, exactly. The
 * ledger stays in dollars. Before the first rate nothing is converted: a rate that nobody gave is not guessed.
 */
import { parseUsd, usdText } from "../wire/money.ts";

export interface Rate {
  /** Midnight in UTC of its day. */
  readonly fromMs: number;
  /** Billionths of the currency's unit for one dollar. */
  readonly nanoPerUsd: bigint;
}
export interface Display {
  /** `EUR`. */
  readonly currency: string;
  /** By time, the eldest first; at least one. */
  readonly rates: readonly Rate[];
}
export interface DisplayProblem {
  readonly path: readonly (string | number)[];
  readonly expected: string;
  readonly found: string;
}

const NANO = 1_000_000_000n;
const DAY = /^\d{4}-\d\d-\d\d$/;
const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));

/** Billionths of the currency's unit at `atMs`, half away from zero; null: no rate holds yet. */
export function convert(nanoUsd: number, display: Display, atMs: number): bigint | null {
  const rate = rateAt(display, atMs);
  return rate === null ? null : convertBy(BigInt(nanoUsd), rate);
}

/** The same by a rate at hand. */
export function convertBy(nanoUsd: bigint, { nanoPerUsd }: Rate): bigint {
  const product = nanoUsd * nanoPerUsd;
  const half = product < 0n ? -NANO / 2n : NANO / 2n;
  return (product + half) / NANO;
}

/** The rate in force. */
export function rateAt(display: Display, atMs: number): Rate | null {
  let found: Rate | null = null;
  for (const rate of display.rates) if (rate.fromMs <= atMs) found = rate;
  return found;
}

/** An amount as a listing shows it: `0.046000000 EUR`; in dollars where there is no display currency or no rate yet. `places`: as many at most. */
export function shownMoney(nanoUsd: number, display: Display | null, atMs: number, places = 9): string {
  const converted = display === null ? null : convert(nanoUsd, display, atMs);
  return converted === null || display === null ? `$${clipped(usdText(nanoUsd), places)}` : `${clipped(nanoText(converted), places)} ${display.currency}`;
}

/** What is wrong with the section `display`. */
export function displayProblems(section: Readonly<Record<string, unknown>>): readonly DisplayProblem[] {
  const problems: DisplayProblem[] = [];
  const tell = (path: DisplayProblem["path"], expected: string, value: unknown): void => void problems.push({ path, expected, found: value === undefined ? "nothing" : (JSON.stringify(value) ?? "nothing").slice(0, 80) });
  const { currency, rates } = section;
  if (typeof currency !== "string" || !CURRENCIES.has(currency)) tell(["currency"], "the code of a currency, such as EUR", currency);
  if (!Array.isArray(rates) || rates.length === 0) {
    tell(["rates"], "a list of { from: 2026-11-01, usd: 0.92 }", rates);
    return problems;
  }
  const days = new Map<string, number>();
  for (const [index, entry] of (rates as readonly unknown[]).entries()) {
    const { from, usd, ...others } = (typeof entry === "object" && entry !== null ? entry : {}) as Readonly<Record<string, unknown>>;
    const path = ["rates", index];
    if (!isDay(from)) tell([...path, "from"], "a day such as 2026-11-01", from);
    else if (days.has(from)) tell([...path, "from"], "a day of its own for each rate", from);
    else days.set(from, index);
    const rate = parseUsd(usd);
    if (rate === null || rate <= 0) tell([...path, "usd"], "units of the currency for one dollar, above 0, with at most nine places", usd);
    for (const key of Object.keys(others)) tell([...path, key], "from and usd", others[key]);
  }
  return problems;
}

/** The section, once nothing is wrong with it. */
export function readDisplay(section: Readonly<Record<string, unknown>>): Display {
  const rates = section["rates"] as readonly { readonly from: string; readonly usd: unknown }[];
  return {
    currency: section["currency"] as string,
    rates: rates.map(({ from, usd }) => ({ fromMs: Date.parse(`${from}T00:00:00Z`), nanoPerUsd: BigInt(parseUsd(usd) ?? 0) })).toSorted((a, b) => a.fromMs - b.fromMs),
  };
}

function isDay(value: unknown): value is string {
  if (typeof value !== "string" || !DAY.test(value)) return false;
  const ms = Date.parse(`${value}T00:00:00Z`);
  // 30 February would be read as a day of March.
  return Number.isFinite(ms) && new Date(ms).toISOString().startsWith(value);
}

/** An amount of billionths with nine places. */
export function nanoText(nano: bigint): string {
  const text = String(nano < 0n ? -nano : nano).padStart(10, "0");
  return `${nano < 0n ? "-" : ""}${text.slice(0, -9)}.${text.slice(-9)}`;
}

/** Places beyond are rounded away, half up in size. */
function clipped(text: string, places: number): string {
  if (places >= 9) return text;
  const negative = text.startsWith("-");
  const [whole = "0", part = ""] = text.replace("-", "").split(".");
  const unit = 10n ** BigInt(9 - places);
  const rounded = String((BigInt(whole + part) + unit / 2n) / unit).padStart(places + 1, "0");
  const shown = places === 0 ? rounded : `${rounded.slice(0, -places)}.${rounded.slice(-places)}`;
  return negative && /[1-9]/.test(shown) ? `-${shown}` : shown;
}
