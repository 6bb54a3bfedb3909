/**
 * `usage` ↔ disjoint classes. The invoice follows `billed_units`: `tokens` also counts the provider's own preamble, and
 * `cached_tokens` counts inside that, so it can be larger than all that is billed and is no class of what is.
 */
import { asNumber, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import { inputTokens, outputTokens, type Unit, type Usage } from "../../../wire/usage.ts";

/** Said where an answer has no `billed_units`: `tokens` stands in, which is more than is billed. */
const NO_BILLED_UNITS = "billed_units_missing";

/** Usage from an answer's `usage`; undefined where it holds no count. */
export function readUsage(raw: Json | undefined): Usage | undefined {
  if (!isObject(raw)) return undefined;
  const billed = raw["billed_units"];
  const input = count(member(billed, "input_tokens"));
  const output = count(member(billed, "output_tokens"));
  if (input === undefined && output === undefined) return unbilled(raw);
  const units: { [U in Unit]?: number } = { input: input ?? 0, output: output ?? 0 };
  const searches = count(member(billed, "search_units")) ?? 0;
  if (searches > 0) units.web_searches = searches;
  return { units, raw };
}

function unbilled(raw: JsonObject): Usage | undefined {
  const input = count(member(raw["tokens"], "input_tokens"));
  const output = count(member(raw["tokens"], "output_tokens"));
  if (input === undefined && output === undefined) return undefined;
  const cached = Math.min(count(raw["cached_tokens"]) ?? 0, input ?? 0);
  return {
    units: { input: (input ?? 0) - cached, ...(cached === 0 ? {} : { cache_read: cached }), output: output ?? 0 },
    flags: [NO_BILLED_UNITS],
    raw,
  };
}

/** The API's `usage` from the hub's: each sum is of all its classes. */
export function writeUsage(usage: Usage): JsonObject {
  const counts = { input_tokens: inputTokens(usage.units), output_tokens: outputTokens(usage.units) };
  return { billed_units: counts, tokens: counts, cached_tokens: usage.units.cache_read ?? 0 };
}

function count(value: Json | undefined): number | undefined {
  const number = asNumber(value);
  return number !== undefined && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}
