/**
 * Tags of requests: what their owners want to see spending by. Bounded, since every value is kept with the money: so many
 * values of a name a day, and after that they are `other`.
 */
import { isPlainText } from "../wire/plain-text.ts";

export const TAGS_MAX = 10;
export const TAG_BYTES_MAX = 64;
/** What stands for values beyond the bounds. */
export const OTHER = "other";

const VALUES_PER_NAME_MAX = 10_000;
/** Of a tenant; names are made up by clients, too. */
const NAMES_MAX = 100;
const DAY_MS = 86_400_000;
const NAME = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

/** Is this the name of a tag? */
export function isTagName(name: string): boolean {
  return NAME.test(name);
}

/** Is this a value that is kept as it is: short, and without control characters? */
export function isTagValue(value: string): boolean {
  if (value.length === 0 || value.length > TAG_BYTES_MAX || new TextEncoder().encode(value).length > TAG_BYTES_MAX) return false;
  return isPlainText(value);
}

export class TagBook {
  #day = -1;
  /** Tenant → name → the day's values. */
  readonly #seen = new Map<string, Map<string, Set<string>>>();

  /** The name and value that a tag is kept by. */
  keep(tenant: string, name: string, value: string, wallMs: number): { readonly name: string; readonly value: string } {
    const day = Math.floor(wallMs / DAY_MS);
    if (day !== this.#day) {
      this.#day = day;
      this.#seen.clear();
    }
    let names = this.#seen.get(tenant);
    if (names === undefined) this.#seen.set(tenant, (names = new Map()));
    let values = names.get(name);
    if (values === undefined) {
      if (names.size >= NAMES_MAX) return { name: OTHER, value: OTHER };
      names.set(name, (values = new Set()));
    }
    if (values.has(value)) return { name, value };
    if (values.size >= VALUES_PER_NAME_MAX) return { name, value: OTHER };
    values.add(value);
    return { name, value };
  }
}
