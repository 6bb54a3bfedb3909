/**
 * Usage of Converse in disjoint classes. Input, cache reads and cache writes are disjoint already; reasoning is inside the
 * output and not told apart. `totalTokens` may include the caches, so nothing is derived from it.
 */
import { asArray, asNumber, asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import type { UnitCounts, Usage } from "../../../wire/usage.ts";

/** Input or output was not told. */
export const USAGE_INCOMPLETE = "usage_incomplete";
/** The split of cache writes by lifetime does not add up to their total. */
export const CACHE_TTL_UNCLEAR = "cache_write_ttl_unclear";

/** Read a usage object; undefined where it counts nothing. */
export function readUsage(raw: JsonObject, serviceTier: string | undefined): Usage | undefined {
  const flags: string[] = [];
  const input = count(raw.inputTokens);
  const output = count(raw.outputTokens);
  const units = some({
    input,
    cache_read: (count(raw.cacheReadInputTokens) ?? count(raw.cacheReadInputTokenCount)) || undefined,
    ...writesOf(raw, flags),
    output,
  });
  if (Object.keys(units).length === 0) return undefined;
  if (input === undefined || output === undefined) flags.push(USAGE_INCOMPLETE);
  return { units, ...(serviceTier !== undefined && { serviceTier }), ...(flags.length > 0 && { flags }), raw };
}

/** Without a split all writes live five minutes, which is the default; what a split leaves over takes the longer life. */
function writesOf(raw: JsonObject, flags: string[]): UnitCounts {
  let short = 0;
  let long = 0;
  for (const detail of asArray(raw.cacheDetails)) {
    const tokens = count(member(detail, "inputTokens")) ?? 0;
    if (asString(member(detail, "ttl")) === "1h") long += tokens;
    else short += tokens;
  }
  const total = count(raw.cacheWriteInputTokens) ?? count(raw.cacheWriteInputTokenCount) ?? short + long;
  const left = total - short - long;
  if (left !== 0 && (short > 0 || long > 0)) flags.push(CACHE_TTL_UNCLEAR);
  if (left > 0 && long > 0) long += left;
  else if (left > 0) short += left;
  return some({ cache_write_5m: short || undefined, cache_write_1h: long || undefined });
}

/** The tier that served: `serviceTier: {type}` of the answer or its metadata. */
export function servedTier(holder: Json | undefined): string | undefined {
  const tier = member(holder, "serviceTier");
  return isObject(tier) ? asString(tier.type) : asString(tier);
}

/** A count of something: whole and not negative, else unknown. */
function count(value: Json | undefined): number | undefined {
  const number = asNumber(value);
  return number !== undefined && number >= 0 && Number.isSafeInteger(number) ? number : undefined;
}

function some(units: { readonly [U in keyof UnitCounts]?: number | undefined }): UnitCounts {
  return Object.fromEntries(Object.entries(units).filter(([, amount]) => amount !== undefined));
}
