/**
 * Usage of Responses answers as disjoint classes. Here every maker counts alike: cached and written tokens inside the
 * input, reasoning inside the output (also one whose chat protocol counts it apart).
 */
import type { UsageFacts } from "../../../wire/facts.ts";
import { asArray, asNumber, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { Unit, Usage } from "../../../wire/usage.ts";

type Counts = Partial<Record<Unit, number>>;

/** The usage of a response object (a JSON answer, or `response` of a terminal event), or undefined if it holds none. */
export function readUsage(response: JsonObject, facts: UsageFacts): Usage | undefined {
  const raw = response["usage"];
  if (!isObject(raw)) return undefined;
  const total = count(raw["total_tokens"]);
  let input = count(raw["input_tokens"]);
  let output = count(raw["output_tokens"]);
  if (input === undefined && output === undefined) return undefined;
  const flags: string[] = [];
  if (input === undefined || output === undefined) {
    // One side is missing: the total tells it, else it stays unreported and the row says so.
    if (total === undefined) flags.push("usage_incomplete");
    else if (input === undefined) input = Math.max(0, total - (output ?? 0));
    else output = Math.max(0, total - input);
  }
  const units: Counts = {};
  splitInput(input ?? 0, raw["input_tokens_details"], units, flags);
  splitOutput(input ?? 0, output ?? 0, total, raw["output_tokens_details"], units, flags);
  put(units, "web_searches", webSearches(response, raw));
  put(units, "file_searches", fileSearches(response, raw));
  if (toolsBilledApart(response, raw)) flags.push("server_tools_unpriced");
  const tier = asString(response["service_tier"]) ?? asString(raw["service_tier"]);
  // `auto` is what was asked, not what served.
  const serviceTier = tier === "auto" ? undefined : tier;
  const cost = costNanoUsd(response, raw, facts);
  return {
    units,
    ...(cost !== undefined && { providerCostNanoUsd: cost }),
    ...(serviceTier !== undefined && { serviceTier }),
    ...(flags.length > 0 && { flags }),
    // Tools are told beside the usage object: kept with it where they cost, so that the row can be priced again.
    raw: units.web_searches === undefined && units.file_searches === undefined && flags.length === 0 ? raw : withTools(raw, response["tool_usage"]),
  };
}

function splitInput(input: number, details: Json | undefined, units: Counts, flags: string[]): void {
  const cached = count(member(details, "cached_tokens")) ?? 0;
  const byTtl = member(details, "cache_write_tokens_details");
  const halfHour = count(member(byTtl, "ttl_30m_tokens"));
  const halfDay = count(member(byTtl, "ttl_12h_tokens"));
  const split = halfHour !== undefined || halfDay !== undefined;
  const told = count(member(details, "cache_write_tokens")) ?? 0;
  const written = split ? (halfHour ?? 0) + (halfDay ?? 0) : told;
  if (cached + written > input) flags.push("cache_unclear");
  put(units, "cache_read", cached);
  put(units, "cache_write_30m", halfHour);
  // Without a split the provider's default lifetime, whatever it is: the class that stands for it.
  if (!split) put(units, "cache_write_5m", told);
  put(units, "cache_write_12h", halfDay);
  let plain = Math.max(0, input - cached - written);
  const audio = Math.min(count(member(details, "audio_tokens")) ?? 0, plain);
  put(units, "audio_input", audio);
  plain -= audio;
  const image = Math.min(count(member(details, "image_tokens")) ?? 0, plain);
  put(units, "image_input", image);
  units.input = plain - image;
}

/** The sums decide where they tell; where they contradict both readings the row is flagged. */
function splitOutput(
  input: number,
  output: number,
  total: number | undefined,
  details: Json | undefined,
  units: Counts,
  flags: string[],
): void {
  const reasoning = count(member(details, "reasoning_tokens")) ?? 0;
  const outside = reasoning > output || (reasoning > 0 && total !== undefined && total === input + output + reasoning);
  if (!outside && reasoning > 0 && total !== undefined && total !== input + output) flags.push("reasoning_unclear");
  put(units, "reasoning", reasoning);
  units.output = outside ? output : output - reasoning;
}

/** What the provider counts as billable; where it does not tell, the searches that it shows among its items. */
function webSearches(response: JsonObject, raw: JsonObject): number {
  const told = count(member(member(response["tool_usage"], "web_search"), "num_requests"));
  if (told !== undefined) return told;
  const byTool = raw["server_side_tool_usage_details"];
  if (isObject(byTool)) return (count(byTool["web_search_calls"]) ?? 0) + (count(byTool["x_search_calls"]) ?? 0);
  return asArray(response["output"]).filter((item) => {
    const action = asString(member(member(item, "action"), "type"));
    return member(item, "type") === "web_search_call" && (action === undefined || action === "search");
  }).length;
}

/** Calls of the provider's search in stored files, which it bills by the call. */
function fileSearches(response: JsonObject, raw: JsonObject): number {
  const byTool = raw["server_side_tool_usage_details"];
  if (isObject(byTool)) return count(byTool["file_search_calls"]) ?? 0;
  return asArray(response["output"]).filter((item) => member(item, "type") === "file_search_call").length;
}

/** Did the provider run something whose price no token tells? */
function toolsBilledApart(response: JsonObject, raw: JsonObject): boolean {
  if ((count(member(member(response["tool_usage"], "image_gen"), "total_tokens")) ?? 0) > 0) return true;
  const byTool = raw["server_side_tool_usage_details"];
  if (!isObject(byTool)) return false;
  return Object.entries(byTool).some(([tool, calls]) => !/^(?:web|x|file)_search_calls$/.test(tool) && (count(calls) ?? 0) > 0);
}

/** The provider's own charge. Its pointer begins at the body. */
function costNanoUsd(response: JsonObject, raw: JsonObject, facts: UsageFacts): number | undefined {
  if (facts.cost === null) return undefined;
  const { path, perUsd } = facts.cost;
  const [root, keys]: [JsonObject, string] = path.startsWith("/usage/") ? [raw, path.slice("/usage".length)] : [response, path];
  let value: Json | undefined = root;
  for (const key of keys.split("/").slice(1)) value = member(value, key);
  const told = asNumber(value);
  const nano = told === undefined || told < 0 ? undefined : Math.round((told / perUsd) * 1e9);
  return nano !== undefined && Number.isSafeInteger(nano) ? nano : undefined;
}

function withTools(raw: JsonObject, toolUsage: Json | undefined): JsonObject {
  return toolUsage === undefined ? raw : { ...raw, tool_usage: toolUsage };
}

function put(units: Counts, unit: Unit, amount: number | undefined): void {
  if (amount !== undefined && amount > 0) units[unit] = amount;
}

/** A token count, or undefined for what cannot be one. */
function count(value: Json | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
