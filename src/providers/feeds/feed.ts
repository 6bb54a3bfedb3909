/**
 * Price lists that others keep, read into price terms as an owner would write them. A file is a file: nothing is fetched,
 * nothing is believed. An entry with anything in it that is no price is left out whole, and told.
 */
import { roundDecimal, plainDecimal, shiftDecimal } from "../../wire/decimal.ts";
import type { Json, JsonObject } from "../../wire/json.ts";
import { isTokenUnit, type Unit } from "../../wire/usage.ts";

export const FEED_FORMATS = ["models.dev", "litellm", "genai-prices", "csv"] as const;
export type FeedFormat = (typeof FEED_FORMATS)[number];

/** What a feed says of one model. */
export interface FeedPrice {
  /** Our id of the provider. */
  readonly provider: string;
  readonly model: string;
  /** Prices in USD per million tokens or USD each, and conditions, as an owner would write them. */
  readonly terms: JsonObject;
  /** What of the entry has no place in our terms. */
  readonly notes: readonly string[];
  /** Where it is not the dollar. */
  readonly currency?: string;
}
export interface FeedProblem {
  /** The entry, by the feed's own names. */
  readonly entry: string;
  readonly message: string;
}
export type ReadFeed =
  | { readonly ok: true; readonly prices: readonly FeedPrice[]; readonly problems: readonly FeedProblem[] }
  /** The file is not what its format says. */
  | { readonly ok: false; readonly message: string };

export interface FeedContext {
  /** Ids of the providers that we know. */
  readonly providers: ReadonlySet<string>;
  /** Upstream names and aliases that the catalogue has of a provider, for feeds that match names by rules. */
  readonly modelsOf: (provider: string) => readonly string[];
  readonly nowMs: number;
}

/** Thrown within a feed's entry, which is then left out. */
export class BadEntry extends Error {}

const MOST_ENTRIES = 100_000;

/** Collects what a feed says, entry by entry. */
export class Gathering {
  readonly prices: FeedPrice[] = [];
  readonly problems: FeedProblem[] = [];

  /** Read one entry: its price is kept, or why it was left out. */
  entry(name: string, read: () => FeedPrice | readonly FeedPrice[] | null): void {
    if (this.prices.length + this.problems.length >= MOST_ENTRIES) return;
    try {
      const found = read();
      if (found !== null) this.prices.push(...(isList(found) ? found : [found]));
    } catch (error) {
      if (!(error instanceof BadEntry)) throw error;
      this.problems.push({ entry: name.slice(0, 200), message: error.message });
    }
  }

  done(): ReadFeed {
    return { ok: true, prices: this.prices, problems: this.problems };
  }
}

function isList(found: FeedPrice | readonly FeedPrice[]): found is readonly FeedPrice[] {
  return Array.isArray(found);
}

/** A number of a feed, times 10^`shift`, as a price of `unit`; undefined where the feed says nothing. Throws BadEntry. */
export function usdOf(value: Json | undefined, unit: Unit, shift: number, field: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isFinite(value)) throw new BadEntry(`${field} is no number: ${JSON.stringify(value).slice(0, 40)}`);
  if (value < 0) throw new BadEntry(`${field} is less than nothing: ${value}`);
  const plain = plainDecimal(String(value));
  if (plain === null) throw new BadEntry(`${field} is out of bounds: ${value}`);
  const rounded = roundDecimal(shiftDecimal(plain, shift), isTokenUnit(unit) ? 6 : 12);
  if (value > 0 && !/[1-9]/.test(rounded)) throw new BadEntry(`${field} is too small to be a price: ${value}`);
  return tidy(rounded);
}

/** Without zeros in front and behind. */
function tidy(plain: string): string {
  const [whole = "0", fraction = ""] = plain.split(".");
  const kept = fraction.replace(/0+$/, "");
  const front = whole.replace(/^0+(?=\d)/, "");
  return kept === "" ? front : `${front}.${kept}`;
}

/** Parse a feed's text; null where it is no JSON. */
export function parseJson(text: string): Json | null {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // Said to be no JSON by whoever reads the feed.
    return null;
  }
}
