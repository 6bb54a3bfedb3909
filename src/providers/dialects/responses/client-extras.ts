/** What of a Responses request's price-bearing fields can be bounded beforehand. */
import { asArray, asString, member, type JsonObject } from "../../../wire/json.ts";
import { usesOf, windowsOf, type Extras } from "../../../wire/extras.ts";
import type { Unit } from "../../../wire/usage.ts";

/** Earlier turns at the provider: of unknown length, but together with the rest no longer than the context window. */
const EARLIER = ["previous_response_id", "conversation"];
/** The provider's tools that are billed by the call, and as what. What others cost (containers, images, other servers) nothing bounds. */
const TOOLS: readonly (readonly [RegExp, Unit])[] = [[/^web_search(_|$)/, "web_searches"], [/^file_search$/, "file_searches"]];

/** undefined: none of them. */
export function extrasOf(raw: JsonObject): Extras | undefined {
  const fields = EARLIER.filter((field) => raw[field] !== undefined && raw[field] !== null);
  if (asArray(raw["input"]).some((item) => member(item, "type") === "item_reference")) fields.push("input[].type=item_reference");
  let windows = fields.length > 0 ? 1 : 0;
  const serviceTier = asString(raw["service_tier"]);
  if (serviceTier !== undefined) fields.push("service_tier");
  const units: { [U in Unit]?: number } = {};
  const calls = callsOf(raw);
  for (const tool of calls === undefined ? [] : asArray(raw["tools"])) {
    const type = asString(member(tool, "type")) ?? "";
    const unit = TOOLS.find(([pattern]) => pattern.test(type))?.[1];
    const path = `tools[].type=${type}`;
    if (unit === undefined || calls === undefined || fields.includes(path)) continue;
    fields.push(path);
    // The limit is one for all tools together; each of them may take all of it.
    units[unit] = calls;
    windows = windowsOf(calls);
  }
  if (fields.length === 0) return undefined;
  return { fields, ...(serviceTier === undefined ? {} : { serviceTier }), ...(windows === 0 ? {} : { windows }), ...(Object.keys(units).length === 0 ? {} : { units }) };
}

/** How often the provider's tools may be called; undefined: nothing says it, or a host's own rule stands in its place. */
function callsOf(raw: JsonObject): number | undefined {
  const { stop_server_tools_when: other } = raw;
  return other === undefined || other === null ? usesOf(raw["max_tool_calls"]) : undefined;
}
