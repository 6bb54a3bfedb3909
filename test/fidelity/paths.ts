/**
 * Looks into authored bodies by path: `messages.*.content` is the content of every message, and `?role=user` keeps the
 * objects with that member (`?role` those that have it at all).
 */
import { isDeepStrictEqual } from "node:util";
import { isObject, type Json, type JsonObject } from "../../src/wire/json.ts";

/** Says whether a body holds something at its right place. */
export type Finder = (body: JsonObject) => boolean;

/** All values at a path, in order. */
export function valuesAt(value: Json | undefined, path: string): readonly Json[] {
  let found: readonly Json[] = value === undefined ? [] : [value];
  for (const step of path.split(".")) found = found.flatMap((one) => stepInto(one, step));
  return found;
}

function stepInto(value: Json, step: string): readonly Json[] {
  if (step.startsWith("?")) {
    const [key = "", wanted] = step.slice(1).split("=");
    const held = isObject(value) ? value[key] : undefined;
    return held !== undefined && (wanted === undefined || held === wanted || (held === true && wanted === "true")) ? [value] : [];
  }
  if (step === "*") return Array.isArray(value) ? (value as readonly Json[]) : isObject(value) ? Object.values(value).filter((one) => one !== undefined) : [];
  const inner = isObject(value) ? value[step] : Array.isArray(value) ? (value as readonly Json[])[Number(step)] : undefined;
  return inner === undefined ? [] : [inner];
}

/** Something stands at the path; with `wanted`, exactly that. */
export function has(path: string, wanted?: Json): Finder {
  return (body) => valuesAt(body, path).some((value) => wanted === undefined || isDeepStrictEqual(value, wanted));
}

/** A text stands at the path, as a string or in a list of text parts. */
export function says(path: string, text: string): Finder {
  return (body) => valuesAt(body, path).some((value) => textsOf(value).includes(text));
}

/** Nothing stands at the path. */
export function lacks(path: string): Finder {
  return (body) => valuesAt(body, path).length === 0;
}

/** All of them. */
export function all(...finders: readonly Finder[]): Finder {
  return (body) => finders.every((finder) => finder(body));
}

/** One of them. */
export function either(...finders: readonly Finder[]): Finder {
  return (body) => finders.some((finder) => finder(body));
}

/** The values at the path, in this order and no others. */
export function exactly(path: string, ...wanted: readonly Json[]): Finder {
  return (body) => isDeepStrictEqual(valuesAt(body, path), wanted);
}

/** A string at the path holds a JSON object equal to `wanted`. */
export function hasJson(path: string, wanted: Json): Finder {
  return (body) => valuesAt(body, path).some((value) => typeof value === "string" && isDeepStrictEqual(parsed(value), wanted));
}

/** A string at the path contains this. */
export function contains(path: string, piece: string): Finder {
  return (body) => valuesAt(body, path).some((value) => textsOf(value).some((text) => text.includes(piece)));
}

/** A string as itself, a list as the texts of its parts. */
export function textsOf(value: Json): readonly string[] {
  if (typeof value === "string") return [value];
  if (!Array.isArray(value)) return [];
  return (value as readonly Json[]).flatMap((part) => (typeof part === "string" ? [part] : isObject(part) && typeof part["text"] === "string" ? [part["text"]] : []));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON, so not what is looked for.
    return undefined;
  }
}
