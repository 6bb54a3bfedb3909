/**
 * A small checker for JSON Schema: the keywords by which applications describe what they want from a model. What it does
 * not know it says, so that nobody takes an unchecked answer for a checked one. Bounded in depth, steps and patterns.
 */
import { matchesBounded } from "./bounded-pattern.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";

export interface SchemaVerdict {
  /** What is wrong, `$.items[2].price: must be a number, not a string`; empty: the value fits. */
  readonly problems: readonly string[];
  /** Keywords that were not looked at, or not to the end. */
  readonly unchecked: readonly string[];
}

const MOST_PROBLEMS = 10;
const DEEPEST = 128;
const MOST_STEPS = 200_000;

/** Keywords that say nothing of what is valid, or are looked at beside another. */
const SILENT = new Set([
  "$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format",
  "nullable", "propertyOrdering", "discriminator", "strict", "contentEncoding", "contentMediaType",
]);

/** Check a value. */
export function checkSchema(schema: Json, value: Json): SchemaVerdict {
  const checking = new Checking(schema);
  checking.check(schema, value, "$", 0);
  return { problems: checking.problems, unchecked: [...checking.unchecked] };
}

type Keyword = (checking: Checking, told: Json, value: Json, at: string, depth: number, schema: JsonObject) => void;

class Checking {
  problems: string[] = [];
  readonly unchecked = new Set<string>();
  /** How often something was left unchecked: what rests on that proves nothing. */
  doubts = 0;
  readonly #root: Json;
  #steps = 0;

  constructor(root: Json) {
    this.#root = root;
  }

  tell(at: string, problem: string): void {
    if (this.problems.length < MOST_PROBLEMS) this.problems.push(`${at.slice(0, 200)}: ${problem}`);
  }

  leave(what: string): void {
    this.doubts++;
    this.unchecked.add(what);
  }

  check(schema: Json | undefined, value: Json, at: string, depth: number): void {
    if (schema === undefined || schema === true || this.problems.length >= MOST_PROBLEMS) return;
    if (schema === false) return this.tell(at, "is not allowed");
    if (!isObject(schema)) return;
    if (depth > DEEPEST) return this.leave(`what nests deeper than ${DEEPEST} levels`);
    if (++this.#steps > MOST_STEPS) return this.leave("the rest of a very large answer");
    if (value === null && schema["nullable"] === true) return;
    for (const [keyword, told] of Object.entries(schema)) {
      if (told === undefined || SILENT.has(keyword)) continue;
      const look = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined;
      if (look === undefined) this.leave(keyword.slice(0, 40));
      else look(this, told, value, at, depth + 1, schema);
    }
  }

  /** Does the value fit? What is wrong is not told. */
  fits(schema: Json, value: Json, depth: number): boolean {
    const told = this.problems;
    this.problems = [];
    this.check(schema, value, "$", depth);
    const fits = this.problems.length === 0;
    this.problems = told;
    return fits;
  }

  /** A schema within this one by its pointer, `#/$defs/Item`. */
  resolve(reference: string): Json | undefined {
    if (reference === "#") return this.#root;
    if (!reference.startsWith("#/")) return undefined;
    let found: Json | undefined = this.#root;
    for (const step of reference.slice(2).split("/")) {
      const key = decoded(step).replaceAll("~1", "/").replaceAll("~0", "~");
      if (Array.isArray(found)) found = (found as readonly Json[])[Number(key)];
      else found = isObject(found) && Object.hasOwn(found, key) ? found[key] : undefined;
    }
    return found;
  }
}

function decoded(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    // A lone percent sign: the pointer was not encoded.
    return step;
  }
}

const KEYWORDS: Readonly<Record<string, Keyword>> = {
  type: (checking, told, value, at) => {
    const types = Array.isArray(told) ? (told as readonly Json[]) : [told];
    if (!types.some((type) => isOfType(type, value))) checking.tell(at, `must be ${types.map((type) => named(typeof type === "string" ? type : "?")).join(" or ")}, not ${named(typeOf(value))}`);
  },
  enum: (checking, told, value, at) => {
    if (Array.isArray(told) && !(told as readonly Json[]).some((one) => same(one, value))) checking.tell(at, `must be one of ${clipped(told)}, not ${clipped(value)}`);
  },
  const: (checking, told, value, at) => {
    if (!same(told, value)) checking.tell(at, `must be ${clipped(told)}, not ${clipped(value)}`);
  },
  $ref: (checking, told, value, at, depth) => {
    const target = typeof told === "string" ? checking.resolve(told) : undefined;
    if (target === undefined) checking.leave(`$ref ${clipped(told)}`);
    else checking.check(target, value, at, depth);
  },
  properties: (checking, told, value, at, depth) => {
    if (!isObject(told) || !isObject(value)) return;
    for (const [name, schema] of Object.entries(told)) {
      if (Object.hasOwn(value, name)) checking.check(schema, value[name] as Json, `${at}.${name}`, depth);
    }
  },
  required: (checking, told, value, at) => {
    if (!Array.isArray(told) || !isObject(value)) return;
    for (const name of told as readonly Json[]) if (typeof name === "string" && !Object.hasOwn(value, name)) checking.tell(at, `lacks ${JSON.stringify(name)}`);
  },
  additionalProperties: (checking, told, value, at, depth, schema) => {
    if (!isObject(value) || told === true) return;
    const names = isObject(schema["properties"]) ? schema["properties"] : {};
    const patterns = isObject(schema["patternProperties"]) ? Object.keys(schema["patternProperties"]) : [];
    for (const [name, inner] of Object.entries(value)) {
      if (Object.hasOwn(names, name) || patterns.some((pattern) => matchesBounded(pattern, name) !== false)) continue;
      if (told === false) checking.tell(at, `may not have ${JSON.stringify(name)}`);
      else checking.check(told, inner as Json, `${at}.${name}`, depth);
    }
  },
  patternProperties: (checking, told, value, at, depth) => {
    if (!isObject(told) || !isObject(value)) return;
    for (const [pattern, schema] of Object.entries(told)) {
      for (const [name, inner] of Object.entries(value)) {
        const matches = matchesBounded(pattern, name);
        if (matches === null) checking.leave("patternProperties");
        else if (matches) checking.check(schema, inner as Json, `${at}.${name}`, depth);
      }
    }
  },
  items: (checking, told, value, at, depth, schema) => {
    if (!Array.isArray(value)) return;
    // The older form gives a list, one for each place.
    const places = Array.isArray(told) ? (told as readonly Json[]) : null;
    const from = Array.isArray(schema["prefixItems"]) ? (schema["prefixItems"] as readonly Json[]).length : 0;
    (value as readonly Json[]).forEach((item, i) => {
      if (i >= from) checking.check(places === null ? told : places[i], item, `${at}[${i}]`, depth);
    });
  },
  prefixItems: (checking, told, value, at, depth) => {
    if (!Array.isArray(told) || !Array.isArray(value)) return;
    (told as readonly Json[]).forEach((schema, i) => {
      if (i < value.length) checking.check(schema, (value as readonly Json[])[i] as Json, `${at}[${i}]`, depth);
    });
  },
  anyOf: (checking, told, value, at, depth) => oneFits(checking, told, value, at, depth, false),
  oneOf: (checking, told, value, at, depth) => oneFits(checking, told, value, at, depth, true),
  allOf: (checking, told, value, at, depth) => {
    if (Array.isArray(told)) for (const schema of told as readonly Json[]) checking.check(schema, value, at, depth);
  },
  not: (checking, told, value, at, depth) => {
    const doubts = checking.doubts;
    if (checking.fits(told, value, depth) && checking.doubts === doubts) checking.tell(at, "is what it must not be");
  },
  minimum: (checking, told, value, at) => bounded(checking, value, at, told, (a, b) => a >= b, "at least"),
  maximum: (checking, told, value, at) => bounded(checking, value, at, told, (a, b) => a <= b, "at most"),
  exclusiveMinimum: (checking, told, value, at) => bounded(checking, value, at, told, (a, b) => a > b, "above"),
  exclusiveMaximum: (checking, told, value, at) => bounded(checking, value, at, told, (a, b) => a < b, "below"),
  multipleOf: (checking, told, value, at) => {
    if (typeof value !== "number" || typeof told !== "number" || told <= 0) return;
    const times = value / told;
    if (Math.abs(times - Math.round(times)) > 1e-9 * Math.max(1, Math.abs(times))) checking.tell(at, `must be a multiple of ${told}`);
  },
  minLength: (checking, told, value, at) => sized(checking, charactersOf(value), at, told, true, "characters"),
  maxLength: (checking, told, value, at) => sized(checking, charactersOf(value), at, told, false, "characters"),
  minItems: (checking, told, value, at) => sized(checking, Array.isArray(value) ? value.length : null, at, told, true, "items"),
  maxItems: (checking, told, value, at) => sized(checking, Array.isArray(value) ? value.length : null, at, told, false, "items"),
  minProperties: (checking, told, value, at) => sized(checking, isObject(value) ? Object.keys(value).length : null, at, told, true, "members"),
  maxProperties: (checking, told, value, at) => sized(checking, isObject(value) ? Object.keys(value).length : null, at, told, false, "members"),
  pattern: (checking, told, value, at) => {
    if (typeof told !== "string" || typeof value !== "string") return;
    const matches = matchesBounded(told, value);
    if (matches === null) checking.leave("pattern");
    else if (!matches) checking.tell(at, `must match ${clipped(told)}`);
  },
};

/** Code points, as the standard counts them. */
function charactersOf(value: Json): number | null {
  return typeof value === "string" ? Array.from(value).length : null;
}

function oneFits(checking: Checking, told: Json, value: Json, at: string, depth: number, exactlyOne: boolean): void {
  if (!Array.isArray(told)) return;
  const doubts = checking.doubts;
  const fitting = (told as readonly Json[]).filter((schema) => checking.fits(schema, value, depth)).length;
  if (fitting === 0) checking.tell(at, "fits none of the allowed forms");
  else if (exactlyOne && fitting > 1 && checking.doubts === doubts) checking.tell(at, "fits several forms of which it must fit one");
}

function bounded(checking: Checking, value: Json, at: string, told: Json, holds: (value: number, bound: number) => boolean, words: string): void {
  if (typeof value === "number" && typeof told === "number" && !holds(value, told)) checking.tell(at, `must be ${words} ${told}, not ${value}`);
}

function sized(checking: Checking, size: number | null, at: string, told: Json, least: boolean, what: string): void {
  if (size === null || typeof told !== "number" || (least ? size >= told : size <= told)) return;
  checking.tell(at, `must have at ${least ? "least" : "most"} ${told} ${what}, not ${size}`);
}

function typeOf(value: Json): string {
  return value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
}

function isOfType(type: Json, value: Json): boolean {
  return type === "integer" ? typeof value === "number" && Number.isInteger(value) : type === typeOf(value);
}

function named(type: string): string {
  return type === "null" ? "null" : `${"aeio".includes(type.charAt(0)) ? "an" : "a"} ${type}`;
}

function clipped(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

/** Equality of JSON values: the order of members does not count. */
function same(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, i) => same(one as Json, (b as readonly Json[])[i] as Json));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key] as Json, b[key] as Json));
}
