/** Usage and stop reasons in the words of Converse. */
import type { FinishReason } from "../../../wire/events.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { cacheWriteTokens, inputTokens, outputTokens, type UnitCounts, type Usage } from "../../../wire/usage.ts";

/** Lifetimes of cache entries, longest first, as the API sorts them. */
const LIFETIMES: readonly (readonly [string, keyof UnitCounts])[] = [
  ["12h", "cache_write_12h"], ["1h", "cache_write_1h"], ["30m", "cache_write_30m"], ["5m", "cache_write_5m"],
];

/** The counts, which are disjoint here too: input without what was read from the cache or written to it, output with its reasoning. */
export function encodeUsage({ units }: Usage): JsonObject {
  const details = LIFETIMES.flatMap(([ttl, unit]) => ((units[unit] ?? 0) > 0 ? [{ ttl, inputTokens: units[unit] }] : []));
  return {
    inputTokens: (units.input ?? 0) + (units.audio_input ?? 0) + (units.image_input ?? 0),
    outputTokens: outputTokens(units),
    totalTokens: inputTokens(units) + outputTokens(units),
    cacheReadInputTokens: units.cache_read ?? 0,
    cacheWriteInputTokens: cacheWriteTokens(units),
    ...(details.length > 0 && { cacheDetails: details }),
  };
}

const TIERS = new Set(["default", "flex", "priority", "reserved"]);

/** The tier that served, where this dialect has a word for it. */
export function encodeTier(tier: string | undefined): JsonObject {
  return tier !== undefined && TIERS.has(tier) ? { serviceTier: { type: tier } } : {};
}

/** The stop reason. Where the provider's own word says more than the hub's and is one of this dialect, it is kept. */
export function stopReasonOf(reason: FinishReason | undefined, native: string, refused: boolean): string {
  if (refused || reason === "content_filter") return native === "guardrail_intervened" ? native : "content_filtered";
  switch (reason) {
    case "length":
      return native === "model_context_window_exceeded" ? native : "max_tokens";
    case "tool_calls":
      return "tool_use";
    case "error":
      return native === "malformed_tool_use" ? native : "malformed_model_output";
    default:
      return native === "stop_sequence" ? native : "end_turn";
  }
}
