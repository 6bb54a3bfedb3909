/**
 * Names and ids that Converse takes. What already fits passes untouched; the rest becomes a cleaned prefix and a hash, so
 * that the same name gives the same result in every turn, on both sides of a call and its result.
 */
import { nameHash } from "../../../wire/name-hash.ts";

const LENGTH_MAX = 64;
const FITS = /^[a-zA-Z0-9_-]+$/;
/** What one maker's models demand of ids, on this host as on its own. */
const NINE_LETTERS = /^[a-zA-Z0-9]{9}$/;

/** Id of a tool call: `^[a-zA-Z0-9_-]{1,64}$`, or exactly nine letters and digits. */
export function upstreamCallId(id: string, nineLetters: boolean): string {
  if (nineLetters) return NINE_LETTERS.test(id) ? id : nameHash(id).padStart(9, "0").slice(-9);
  return fitted(id);
}

/** Name of a tool: `^[a-zA-Z0-9_-]{1,64}$`. */
export function upstreamToolName(name: string): string {
  return fitted(name);
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

/** A model's place in the path. Ids hold colons, ARNs slashes too; a lone surrogate cannot be encoded at all. */
export function modelPath(model: string, stream: boolean): string {
  const id = encodeURIComponent(model.replace(/\p{Surrogate}/gu, "\ufffd"));
  const strict = id.replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
  return `/model/${strict}/${stream ? "converse-stream" : "converse"}`;
}

/** Names that documents go by within one request: neutral characters only, and no name twice. */
export class DocumentNames {
  readonly #taken = new Set<string>();

  next(filename: string | undefined): string {
    const stem = (filename ?? "").replace(/\.[a-zA-Z0-9]{1,5}$/, "");
    const clean = stem.replace(/[^a-zA-Z0-9 ()[\]-]/g, " ").replace(/ +/g, " ").trim().slice(0, 180).trim() || "document";
    let name = clean;
    for (let count = 2; this.#taken.has(name); count++) name = `${clean} [${count}]`;
    this.#taken.add(name);
    return name;
  }
}

function fitted(text: string): string {
  if (text.length <= LENGTH_MAX && FITS.test(text)) return text;
  const tail = `_${nameHash(text)}`;
  return text.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, LENGTH_MAX - tail.length) + tail;
}
