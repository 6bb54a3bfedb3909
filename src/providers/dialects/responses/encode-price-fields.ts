/** The price-bearing fields of a Responses body that a bound in tokens does not cover. */
import { asArray, asString, member, type Json, type JsonObject } from "../../../wire/json.ts";

/** Field → does this value change the price, or bring in what the request does not hold? */
const FIELDS: Readonly<Record<string, (value: Json) => boolean>> = {
  // `auto` may be any.
  service_tier: (value) => value !== "default",
  // Goes on at the provider when nobody listens.
  background: (value) => value !== false,
  // Earlier turns, a stored prompt: of a size that the request does not tell.
  previous_response_id: () => true,
  conversation: () => true,
  prompt: () => true,
  // A compaction is a further call over the whole conversation.
  context_management: (value) => asArray(value).length > 0,
  search_parameters: () => true,
};
const FIELD_LIST = Object.entries(FIELDS);

/** Tools that run at the client and cost no more than their tokens. */
const CLIENT_TOOLS = new Set([
  "function", "custom", "namespace", "local_shell", "apply_patch", "computer", "computer_use", "computer_use_preview", "tool_search",
]);

/** Paths of the price-bearing fields that are present: `service_tier`, `tools[].type=web_search`. */
export function unboundedFields(raw: JsonObject): readonly string[] {
  const found = new Set<string>();
  for (const [field, bears] of FIELD_LIST) {
    const value = raw[field];
    if (value !== undefined && value !== null && bears(value)) found.add(field);
  }
  const mode = member(raw["reasoning"], "mode");
  if (mode !== undefined && mode !== null && mode !== "standard") found.add("reasoning.mode");
  for (const tool of asArray(raw["tools"])) {
    const type = asString(member(tool, "type")) ?? "unknown";
    if (!CLIENT_TOOLS.has(type) && !localShell(tool, type)) found.add(`tools[].type=${type}`);
  }
  // An item by its id alone is text of unknown size.
  if (asArray(raw["input"]).some((item) => member(item, "type") === "item_reference")) found.add("input[].type=item_reference");
  return [...found];
}

/** A shell without a container of the provider's runs at the client. */
function localShell(tool: Json, type: string): boolean {
  const environment = member(tool, "environment");
  return type === "shell" && (environment === undefined || environment === null || member(environment, "type") === "local");
}
