/** Makes a small value that satisfies a JSON schema (also Gemini's, with its types in capitals). */
import { asArray, asObject, asText, type Body, type Json } from "./ask.ts";
import type { Random } from "./random.ts";

const DEPTH = 8;
const WORDS = ["amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "harbour"];

/** A value of the schema. What cannot be honoured (patterns beyond the simple, remote references) is left unhonoured. */
export function exampleOf(schema: Json, random: Random): Json {
  return example(schema, asObject(schema), random, 0);
}

function example(schema: Json, root: Body, random: Random, depth: number): Json {
  if (schema === true || depth > DEPTH) return {};
  const node = asObject(schema);
  if (typeof node["$ref"] === "string") return example(resolve(node["$ref"], root), root, random, depth + 1);
  if (node["const"] !== undefined) return node["const"];
  const choices = asArray(node["enum"]);
  if (choices.length > 0) return pick(choices, random) ?? null;
  const union = asArray(node["anyOf"] ?? node["oneOf"]);
  if (union.length > 0) return example(firstReal(union, depth), root, random, depth + 1);
  const all = asArray(node["allOf"]);
  if (all.length > 0) return example(merge([node, ...all], root), root, random, depth + 1);
  switch (typeOf(node)) {
    case "object": return objectOf(node, root, random, depth);
    case "array": return arrayOf(node, root, random, depth);
    case "integer": return numberOf(node, true, random);
    case "number": return numberOf(node, false, random);
    case "boolean": return random.next() < 0.5;
    case "null": return null;
    default: return stringOf(node, random);
  }
}

function typeOf(node: Body): string {
  const types = typeof node["type"] === "string" ? [node["type"]] : asArray(node["type"]);
  const named = types.filter((type) => typeof type === "string").map((type) => type.toLowerCase());
  const real = named.find((type) => type !== "null") ?? named[0];
  if (real !== undefined) return real;
  if (node["properties"]) return "object";
  return node["items"] ? "array" : "string";
}

/** Prefers an alternative that is not null; deep down, one that ends a recursion. */
function firstReal(union: readonly Json[], depth: number): Json {
  const isNull = (item: Json): boolean => asObject(item)["type"] === "null";
  if (depth > 4) return union.find(isNull) ?? union[0] ?? {};
  return union.find((item) => !isNull(item)) ?? union[0] ?? {};
}

function objectOf(node: Body, root: Body, random: Random, depth: number): Json {
  const properties = asObject(node["properties"]);
  const required = new Set(asArray(node["required"]));
  const value: Record<string, Json> = {};
  for (const [key, schema] of Object.entries(properties)) {
    // Deep down only what must be there, so that schemas which hold themselves come to an end.
    if (depth < 3 || required.has(key)) value[key] = example(schema, root, random, depth + 1);
  }
  for (const key of required) {
    if (typeof key === "string" && !(key in value)) value[key] = pick(WORDS, random) ?? "";
  }
  return value;
}

function arrayOf(node: Body, root: Body, random: Random, depth: number): Json {
  const fixed = asArray(node["prefixItems"]);
  const least = Number(node["minItems"] ?? 0);
  const most = Number(node["maxItems"] ?? Math.max(least, 1));
  const count = Math.min(most, Math.max(least, fixed.length, depth > 4 ? 0 : 1));
  return Array.from({ length: count }, (_, at) => example(fixed[at] ?? node["items"] ?? {}, root, random, depth + 1));
}

function numberOf(node: Body, whole: boolean, random: Random): number {
  const least = bound(node, "minimum", "exclusiveMinimum", whole ? 1 : 0.5);
  const most = bound(node, "maximum", "exclusiveMaximum", whole ? -1 : -0.5);
  const low = least ?? (most === undefined ? 1 : most - 10);
  const high = most ?? low + 10;
  const step = Number(node["multipleOf"] ?? 0);
  const value = Math.min(high, low + random.next() * Math.max(0, high - low));
  if (step > 0) return Math.ceil(low / step) * step;
  return whole ? Math.max(Math.ceil(low), Math.floor(value)) : Math.max(low, Math.min(high, Math.round(value * 100) / 100));
}

function bound(node: Body, inclusive: string, exclusive: string, step: number): number | undefined {
  if (typeof node[inclusive] === "number") return node[inclusive];
  return typeof node[exclusive] === "number" ? node[exclusive] + step : undefined;
}

const FORMATS: Readonly<Record<string, string>> = {
  "date-time": "2025-03-14T09:26:53Z", date: "2025-03-14", time: "09:26:53Z", duration: "P1D", email: "ada@example.com",
  uuid: "3f8a1c52-6b7d-4e90-8a12-5c4d3e2f1a0b", uri: "https://example.com/a", hostname: "example.com", ipv4: "192.0.2.7",
  ipv6: "2001:db8::7",
};

function stringOf(node: Body, random: Random): string {
  const format = FORMATS[asText(node["format"]) ?? ""];
  if (format !== undefined) return format;
  const least = Number(node["minLength"] ?? 0);
  const most = Number(node["maxLength"] ?? Infinity);
  let text = pick(WORDS, random) ?? "";
  while (text.length < least) text += ` ${pick(WORDS, random)}`;
  return text.length > most ? text.slice(0, most) : text;
}

function resolve(reference: string, root: Body): Json {
  if (!reference.startsWith("#")) return {};
  let node: Json = root;
  for (const part of reference.slice(1).split("/").filter(Boolean)) {
    node = asObject(node)[part.replaceAll("~1", "/").replaceAll("~0", "~")] ?? {};
  }
  return node;
}

function merge(parts: readonly Json[], root: Body): Body {
  const merged: Record<string, Json> = {};
  const properties: Record<string, Json> = {};
  const required: Json[] = [];
  for (const part of parts) {
    const given = asObject(part);
    const node = typeof given["$ref"] === "string" ? asObject(resolve(given["$ref"], root)) : given;
    for (const [key, value] of Object.entries(node)) if (key !== "allOf" && key !== "$ref") merged[key] = value;
    Object.assign(properties, asObject(node["properties"]));
    required.push(...asArray(node["required"]));
  }
  if (Object.keys(properties).length > 0) Object.assign(merged, { properties, required });
  return merged;
}

function pick<T>(items: readonly T[], random: Random): T | undefined {
  return items[Math.floor(random.next() * items.length)];
}
