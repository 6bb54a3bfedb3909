/**
 * Names and ids that the Messages API takes. What already fits passes untouched; the rest becomes a cleaned prefix and
 * a hash, so that the same name gives the same result in every turn, on both sides of a call and its result.
 */
import { nameHash } from "../../../wire/name-hash.ts";

const TOOL_NAME_MAX = 128;
const ID_PREFIX_MAX = 48;
const FITS = /^[a-zA-Z0-9_-]+$/;

/** Id of a tool call, `^[a-zA-Z0-9_-]+$`. */
export function upstreamCallId(id: string): string {
  return FITS.test(id) ? id : `${cleaned(id).slice(0, ID_PREFIX_MAX)}_${nameHash(id)}`;
}

/** Name of a tool, `^[a-zA-Z0-9_-]{1,128}$`. */
export function upstreamToolName(name: string): string {
  if (name.length <= TOOL_NAME_MAX && FITS.test(name)) return name;
  const tail = `_${nameHash(name)}`;
  return cleaned(name).slice(0, TOOL_NAME_MAX - tail.length) + tail;
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

function cleaned(text: string): string {
  return text.replace(/[^a-zA-Z0-9_-]/g, "_");
}
