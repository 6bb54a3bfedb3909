/** What two JSON values differ in, by path. */
import { isObject, type Json, type JsonObject } from "../../src/wire/json.ts";

/** One place at which two values differ; undefined: it is not there at all. */
export interface JsonDifference {
  /** `messages[0].content[1].text`. Empty: the whole. */
  readonly path: string;
  readonly theirs: Json | undefined;
  readonly ours: Json | undefined;
}

/** The smallest places at which the values differ. Order within objects does not count; within lists it does. */
export function differencesOf(theirs: Json | undefined, ours: Json | undefined, path = ""): readonly JsonDifference[] {
  if (isObject(theirs) && isObject(ours)) {
    const keys = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
    return [...keys].flatMap((key) => differencesOf(theirs[key], ours[key], path === "" ? key : `${path}.${key}`));
  }
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    const [a, b] = [theirs as readonly Json[], ours as readonly Json[]];
    return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => differencesOf(a[i], b[i], `${path}[${i}]`)).flat();
  }
  if (JSON.stringify(theirs) === JSON.stringify(ours)) return [];
  return [{ path, theirs, ours }];
}

/** Does a path in JSON fit a pattern? `*` stands for any part of it without dots and brackets, `**` for any part at all. */
export function fitsPath(pattern: string, path: string): boolean {
  return matches(pattern, path, "[^.[\\]]*");
}

/** Does a file's path fit a pattern? `*` stands for any part of a name. */
export function fitsFile(pattern: string, file: string): boolean {
  return matches(pattern, file, "[^/]*");
}

function matches(pattern: string, text: string, one: string): boolean {
  const source = pattern.split(/(\*\*|\*)/).map((piece) => (piece === "**" ? ".*" : piece === "*" ? one : piece.replace(/[.[\]()+?^$|\\{}]/g, "\\$&"))).join("");
  return new RegExp(`^${source}$`, "s").test(text);
}

/** A JSON object, as one thing to compare. */
export type Compared = { readonly theirs: JsonObject; readonly ours: JsonObject };
