/**
 * Usage of the Messages API in disjoint classes. Input, cache reads and cache writes are disjoint already; thinking is
 * inside the output and comes out of it. Where `iterations` is present it says what is billed, entry by entry, and the
 * top-level sums do not: a compaction or an adviser of another model stands only there.
 */
import { asArray, asNumber, asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import { UNITS, type Unit, type UnitCounts, type Usage, type UsageEntry } from "../../../wire/usage.ts";

/** The numbers are a snapshot from the start of a stream; the answer's own end has not told its usage. */
export const USAGE_PARTIAL = "usage_partial";
/** Input or output was not told. */
export const USAGE_INCOMPLETE = "usage_incomplete";
/** More was written to the cache than the split by lifetime covers, and both lifetimes are in use. */
export const CACHE_TTL_UNCLEAR = "cache_write_ttl_unclear";

/** Lay a later usage object over an earlier one. The counts are cumulative: they replace, and null says nothing. */
export function mergeUsage(earlier: JsonObject | undefined, later: JsonObject): JsonObject {
  const told = Object.entries(later).filter(([, value]) => value !== null && value !== undefined);
  return { ...earlier, ...Object.fromEntries(told) };
}

/** Read a (merged) usage object; undefined where it counts nothing. `final` is false for a stream's opening snapshot. */
export function readUsage(raw: JsonObject, final: boolean): Usage | undefined {
  const flags: string[] = final ? [] : [USAGE_PARTIAL];
  const iterations = asArray(raw.iterations).filter(isObject);
  const entries = iterations.length > 0 ? entriesOf(raw, iterations, flags) : undefined;
  const units = entries === undefined ? { ...tokensOf(raw, flags), ...searchesOf(raw) } : sumOf(entries);
  if (Object.keys(units).length === 0) return undefined;
  if (units.input === undefined || units.output === undefined) flags.push(USAGE_INCOMPLETE);
  flags.push(...rateFlags(raw));
  const serviceTier = asString(raw.service_tier);
  return {
    units,
    ...(entries !== undefined && { entries }),
    ...(serviceTier !== undefined && { serviceTier }),
    ...(flags.length > 0 && { flags: [...new Set(flags)] }),
    raw,
  };
}

function tokensOf(raw: JsonObject, flags: string[]): UnitCounts {
  const output = count(raw.output_tokens);
  const reasoning = Math.min(count(member(raw.output_tokens_details, "thinking_tokens")) ?? 0, output ?? 0);
  return some({
    input: count(raw.input_tokens),
    cache_read: count(raw.cache_read_input_tokens) || undefined,
    ...writesOf(raw, flags),
    output: output === undefined ? undefined : output - reasoning,
    reasoning: reasoning || undefined,
  });
}

/** Split by lifetime. A later total can outgrow the split told at the start; the rest takes the lifetime in use. */
function writesOf(raw: JsonObject, flags: string[]): UnitCounts {
  const short = count(member(raw.cache_creation, "ephemeral_5m_input_tokens")) ?? 0;
  const long = count(member(raw.cache_creation, "ephemeral_1h_input_tokens")) ?? 0;
  const total = count(raw.cache_creation_input_tokens) ?? short + long;
  const split = splitWrites(total, short, long);
  if (short > 0 && long > 0 && total !== short + long) flags.push(CACHE_TTL_UNCLEAR);
  return { cache_write_5m: split.short || undefined, cache_write_1h: split.long || undefined };
}

function splitWrites(total: number, short: number, long: number): { short: number; long: number } {
  if (short + long === total) return { short, long };
  if (long > 0 && short === 0) return { short: 0, long: total };
  const kept = Math.min(long, total);
  return { short: total - kept, long: kept };
}

function searchesOf(raw: JsonObject): UnitCounts {
  return some({ web_searches: count(member(raw.server_tool_use, "web_search_requests")) || undefined });
}

/** One entry per iteration, and one for what is billed per request, so that pricing the entries prices everything. */
function entriesOf(raw: JsonObject, iterations: readonly JsonObject[], flags: string[]): readonly UsageEntry[] {
  const entries = iterations.map((iteration): UsageEntry => ({
    model: asString(iteration.model) ?? null,
    kind: asString(iteration.type) ?? "message",
    units: tokensOf(iteration, flags),
  }));
  const searches = searchesOf(raw);
  const withThinking = spreadThinking(raw, entries);
  return searches.web_searches === undefined ? withThinking : [...withThinking, { model: null, kind: "server_tools", units: searches }];
}

/** Thinking told only at the top belongs to the answer's own entries, the last one first. */
function spreadThinking(raw: JsonObject, entries: readonly UsageEntry[]): readonly UsageEntry[] {
  let left = count(member(raw.output_tokens_details, "thinking_tokens")) ?? 0;
  if (left === 0 || entries.some((entry) => entry.units.reasoning !== undefined)) return entries;
  return entries.toReversed().map((entry) => {
    const own = entry.kind === "message" || entry.kind === "fallback_message";
    const reasoning = own ? Math.min(left, entry.units.output ?? 0) : 0;
    left -= reasoning;
    if (reasoning === 0) return entry;
    return { ...entry, units: { ...entry.units, output: (entry.units.output ?? 0) - reasoning, reasoning } };
  }).toReversed();
}

function sumOf(entries: readonly UsageEntry[]): UnitCounts {
  const total: { [U in Unit]?: number } = {};
  for (const { units } of entries) {
    for (const unit of UNITS) {
      const amount = units[unit];
      if (amount !== undefined) total[unit] = (total[unit] ?? 0) + amount;
    }
  }
  return total;
}

/** What changes the rate and has no class of its own: told on the row rather than priced as if it were not there. */
function rateFlags(raw: JsonObject): readonly string[] {
  const flags: string[] = [];
  const speed = asString(raw.speed);
  if (speed !== undefined && speed !== "standard") flags.push(`speed_${word(speed)}`);
  const geo = asString(raw.inference_geo);
  if (geo !== undefined && geo !== "" && geo !== "global" && geo !== "not_available") flags.push(`geo_${word(geo)}`);
  return flags;
}

function word(text: string): string {
  return text.slice(0, 32).replace(/[^a-zA-Z0-9-]/g, "_");
}

/** A count of something: whole and not negative, else unknown. */
function count(value: Json | undefined): number | undefined {
  const number = asNumber(value);
  return number !== undefined && number >= 0 && Number.isSafeInteger(number) ? number : undefined;
}

function some(units: { readonly [U in Unit]?: number | undefined }): UnitCounts {
  return Object.fromEntries(Object.entries(units).filter(([, amount]) => amount !== undefined));
}
