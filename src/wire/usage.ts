/**
 * Token usage in disjoint classes. Every provider counts differently (cached tokens inside or outside the prompt,
 * reasoning inside or outside the output); a dialect's decoder turns what it read into these classes, so that
 * everything after it can add them up. See the accounting section of docs/architecture.md.
 */
import type { Json } from "./json.ts";

/**
 * Units that a charge may count. Classes of tokens are disjoint: `input` excludes cached, written, audio and image
 * input; `output` excludes reasoning, audio and image output.
 */
export const UNITS = [
  "input",
  "cache_read",
  "cache_write_5m",
  "cache_write_30m",
  "cache_write_1h",
  "cache_write_12h",
  "audio_input",
  "image_input",
  "output",
  "reasoning",
  "audio_output",
  "image_output",
  "web_searches",
  "searches",
  "file_searches",
  "requests",
  "images",
  "seconds",
  "characters",
  "pages",
] as const;
export type Unit = (typeof UNITS)[number];
/** unit → count; absent means none of it was reported. */
export type UnitCounts = { readonly [U in Unit]?: number };

/** Units that are prompt tokens, and units that are answer tokens. */
export const INPUT_UNITS = [
  "input", "cache_read", "cache_write_5m", "cache_write_30m", "cache_write_1h", "cache_write_12h", "audio_input", "image_input",
] as const satisfies readonly Unit[];
export const OUTPUT_UNITS = ["output", "reasoning", "audio_output", "image_output"] as const satisfies readonly Unit[];

const TOKEN_UNITS: ReadonlySet<string> = new Set([...INPUT_UNITS, ...OUTPUT_UNITS]);
/** True for classes of tokens, false for things counted one by one. */
export function isTokenUnit(unit: string): boolean {
  return TOKEN_UNITS.has(unit);
}

export interface Usage {
  readonly units: UnitCounts;
  /**
   * Where a provider bills several models in one answer (Anthropic `usage.iterations`): each entry with its own
   * model and classes. Present means: price these, not `units` (which is then their sum).
   */
  readonly entries?: readonly UsageEntry[];
  /** The provider's own charge for the call in nano-dollars, where it states one (xAI ticks, OpenRouter cost). */
  readonly providerCostNanoUsd?: number;
  /** The tier that served (`service_tier` of the answer), where it was told. */
  readonly serviceTier?: string;
  /** What the numbers could not settle (`reasoning_unclear`), to be flagged on the row. */
  readonly flags?: readonly string[];
  /** The provider's object, verbatim, so that a row can be priced again. */
  readonly raw: Json;
}
export interface UsageEntry {
  /** Upstream model name; null where the entry does not say, which means the called model. */
  readonly model: string | null;
  readonly kind: string;
  readonly units: UnitCounts;
}

/** Sum of the prompt classes. */
export function inputTokens(units: UnitCounts): number {
  let total = 0;
  for (const unit of INPUT_UNITS) total += units[unit] ?? 0;
  return total;
}

/** Sum of the answer classes, reasoning included. */
export function outputTokens(units: UnitCounts): number {
  let total = 0;
  for (const unit of OUTPUT_UNITS) total += units[unit] ?? 0;
  return total;
}

/** Sum of all cache-write classes. */
export function cacheWriteTokens(units: UnitCounts): number {
  return (
    (units.cache_write_5m ?? 0) + (units.cache_write_30m ?? 0) + (units.cache_write_1h ?? 0) + (units.cache_write_12h ?? 0)
  );
}
