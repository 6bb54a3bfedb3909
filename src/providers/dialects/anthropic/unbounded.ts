/**
 * Fields of a Messages request that bear on the price and that the bound of a call does not cover. Cache lifetimes are
 * bounded (the dearest write class counts), and so are tools that the client runs.
 */
import { asArray, asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";

/** Value (or values) of a field that ask for nothing beyond the standard rate. */
const PLAIN: Readonly<Record<string, readonly Json[]>> = {
  service_tier: ["standard_only"],
  speed: ["standard"],
  inference_geo: ["global"],
  container: [],
  mcp_servers: [],
  context_management: [],
  fallbacks: [],
};
/** Typed tools that run at the client and cost no more than their tokens. */
const CLIENT_TOOLS = /^(custom|bash_|text_editor_|computer_|memory_)/;

/** Paths of the fields present in `raw`, a body of this dialect. */
export function unboundedFields(raw: JsonObject): readonly string[] {
  const fields = Object.entries(PLAIN).flatMap(([field, plain]) => (asks(raw[field], plain) ? [field] : []));
  // What the maker holds of a conversation is read again, and is not in the body.
  if (member(raw.thread, "type") === "continue") fields.push("thread");
  const tools = asArray(raw.tools).flatMap((tool) => {
    const type = asString(member(tool, "type"));
    return type === undefined || CLIENT_TOOLS.test(type) ? [] : [`tools[].type=${type}`];
  });
  return [...fields, ...new Set(tools)];
}

function asks(value: Json | undefined, plain: readonly Json[]): boolean {
  if (value === undefined || value === null || plain.includes(value)) return false;
  if (Array.isArray(value)) return value.length > 0;
  return !isObject(value) || Object.keys(value).length > 0;
}
