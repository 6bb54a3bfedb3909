/**
 * The API's restricted schema (`parameters`, `responseSchema`) → JSON Schema: types in capitals, `nullable`, sizes as
 * text, an order of properties. What is already JSON Schema stays as it is.
 */
import { asArray, asString, isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import { camelCase } from "./client-reader.ts";

/** Sizes are 64-bit integers on the wire, which its JSON form writes as text. */
const SIZES = new Set(["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"]);
const MAX_DEPTH = 100;

/** The same schema in ordinary JSON Schema. */
export function jsonSchemaOf(schema: JsonObject, depth = 0): JsonObject {
  if (depth > MAX_DEPTH) return schema;
  const made = new Map<string, Json>();
  let nullable = false;
  for (const [key, value] of Object.entries(schema)) {
    if (value === undefined || value === null) continue;
    const name = key.startsWith("$") ? key : camelCase(key);
    if (name === "nullable") nullable = value === true;
    else if (name === "type") addType(made, value);
    else if (name === "properties" && isObject(value)) made.set(name, properties(value, schema, depth));
    else if (name === "items" || name === "additionalProperties" || name === "not") made.set(name, nested(value, depth));
    else if (name === "anyOf" || name === "oneOf" || name === "allOf" || name === "prefixItems") made.set(name, asArray(value).map((one) => nested(one, depth)));
    else if (SIZES.has(name)) made.set(name, typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value);
    else if (name === "example") made.set("examples", [value]);
    // An order is told by the order of the properties; this format only says that there is an `enum`.
    else if (name !== "propertyOrdering" && !(name === "format" && value === "enum")) made.set(name, value);
  }
  if (nullable) allowNull(made);
  return Object.fromEntries(made);
}

function addType(made: Map<string, Json>, value: Json): void {
  if (typeof value !== "string") made.set("type", value);
  else if (value !== "TYPE_UNSPECIFIED") made.set("type", value === value.toUpperCase() ? value.toLowerCase() : value);
}

function properties(held: JsonObject, schema: JsonObject, depth: number): JsonObject {
  const order = asArray(schema["propertyOrdering"] ?? schema["property_ordering"]).flatMap((name) => asString(name) ?? []);
  const names = [...new Set([...order.filter((name) => Object.hasOwn(held, name)), ...Object.keys(held)])];
  return Object.fromEntries(names.map((name) => [name, nested(held[name] ?? {}, depth)]));
}

function nested(value: Json, depth: number): Json {
  return isObject(value) ? jsonSchemaOf(value, depth + 1) : value;
}

function allowNull(made: Map<string, Json>): void {
  const type = made.get("type");
  const values = made.get("enum");
  const either = made.get("anyOf");
  if (typeof type === "string") made.set("type", [type, "null"]);
  if (Array.isArray(values)) made.set("enum", [...(values as readonly Json[]), null]);
  if (type === undefined && Array.isArray(either)) made.set("anyOf", [...(either as readonly Json[]), { type: "null" }]);
}
