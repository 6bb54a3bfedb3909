/**
 * Names of tools that the API takes: letters, digits and underscores, not a digit first. What fits passes untouched; the
 * rest becomes a cleaned prefix and a hash, so that the same name gives the same result in every turn.
 */
import { hash } from "../gemini/names.ts";

const NAME_MAX = 64;
const FITS = /^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/;

/** The name to send for the client's `name`. */
export function upstreamToolName(name: string): string {
  if (FITS.test(name)) return name;
  const tail = `_${hash(name)}${hash(`#${name}`)}`;
  const cleaned = name.replace(/[^a-zA-Z0-9_]/g, "_").replace(/^(?![a-zA-Z_])/, "_");
  return cleaned.slice(0, NAME_MAX - tail.length) + tail;
}

/** Tool names that had to change: upstream → client. A null prototype, since clients choose the names. */
export function renamesOf(names: Iterable<string>): Readonly<Record<string, string>> {
  const renames = Object.create(null) as Record<string, string>;
  for (const name of names) {
    const upstream = upstreamToolName(name);
    if (upstream !== name) renames[upstream] = name;
  }
  return renames;
}
