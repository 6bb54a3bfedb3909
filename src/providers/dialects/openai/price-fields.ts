/** The price-bearing fields of a chat request that a bound in tokens does not cover. */
import { asArray, asString, isObject, member } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";

/** Field → does this value change the price in a way that tokens × price does not bound? */
const FIELDS: Readonly<Record<string, (value: Json) => boolean>> = {
  // Another tier has another price, and `auto` may be any.
  service_tier: (value) => value !== "default",
  // Searches are billed apart and bring text of unknown size into the prompt.
  web_search_options: () => true,
  search_parameters: () => true,
  enable_search: (value) => value !== false,
  plugins: (value) => asArray(value).length > 0,
  // Audio and image output have prices of their own.
  modalities: (value) => asArray(value).some((modality) => modality !== "text"),
  audio: () => true,
  // Rejected tokens of a prediction are billed beyond the answer.
  prediction: () => true,
  // The answer may come from another model, at another price.
  models: (value) => asArray(value).length > 0,
  route: () => true,
  provider: () => true,
  background: (value) => value !== false,
  // More answers than `n` are generated and billed.
  best_of: (value) => value !== 1,
};

const FIELD_LIST = Object.entries(FIELDS);

/** `max_completion_tokens` is what is bounded; a host that does not know it goes by the elder name, which may allow more. */
function hasHigherLimit(raw: JsonObject): boolean {
  const [bounded, elder] = [raw["max_completion_tokens"], raw["max_tokens"]];
  return typeof bounded === "number" && typeof elder === "number" && elder > bounded;
}

/**
 * Paths of the price-bearing fields that are present: `service_tier`, `tools[].type=web_search`. `n` and the output
 * limit are not listed: the bound covers them. Custom tools run at the client and cost only their tokens.
 */
export function unboundedFields(raw: JsonObject): readonly string[] {
  const found: string[] = [];
  for (const [field, bears] of FIELD_LIST) {
    const value = raw[field];
    if (value !== undefined && value !== null && bears(value)) found.push(field);
  }
  if (hasHigherLimit(raw)) found.push("max_tokens");
  for (const tool of asArray(raw["tools"])) {
    const type = isObject(tool) ? (asString(member(tool, "type")) ?? "unknown") : "unknown";
    const path = `tools[].type=${type}`;
    if (type !== "function" && type !== "custom" && !found.includes(path)) found.push(path);
  }
  return found;
}
