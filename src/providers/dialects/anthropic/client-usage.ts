/** Usage and stop reasons in the words of the Messages API. */
import type { FinishReason } from "../../../wire/events.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { cacheWriteTokens, outputTokens, type Usage } from "../../../wire/usage.ts";

/**
 * The counts, which are disjoint here too: input without what was read from the cache or written to it, output with its
 * thinking. Writes of a lifetime that the split has no field for are told in the sum alone.
 */
export function encodeCounts({ units }: Usage): JsonObject {
  const writes = cacheWriteTokens(units);
  const short = units.cache_write_5m ?? 0;
  const long = units.cache_write_1h ?? 0;
  return {
    input_tokens: (units.input ?? 0) + (units.audio_input ?? 0) + (units.image_input ?? 0),
    cache_creation_input_tokens: writes,
    cache_read_input_tokens: units.cache_read ?? 0,
    cache_creation: short + long === writes ? { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long } : null,
    output_tokens: outputTokens(units),
    output_tokens_details: units.reasoning === undefined ? null : { thinking_tokens: units.reasoning },
    server_tool_use: units.web_searches === undefined ? null : { web_search_requests: units.web_searches, web_fetch_requests: 0 },
  };
}

/** The whole usage object of a message. */
export function encodeUsage(usage: Usage, startTier: string | undefined): JsonObject {
  return { ...encodeCounts(usage), service_tier: tierOf(usage.serviceTier ?? startTier), inference_geo: null, speed: null };
}

/** What a stream tells at its start, when nothing has been counted yet. */
export function openingUsage(startTier: string | undefined): JsonObject {
  return { ...encodeUsage({ units: {}, raw: null }, startTier), cache_creation: null };
}

/** A tier that this dialect has no word for stays out. */
function tierOf(tier: string | undefined): string | null {
  if (tier === "default" || tier === "standard") return "standard";
  return tier === "priority" || tier === "batch" ? tier : null;
}

/**
 * The stop reason. Hosts share these words: where the provider's own says more than the hub's, it is kept. Which stop
 * sequence it was is not told by any of them.
 */
export function stopReason(reason: FinishReason | undefined, native: string, refused: boolean): string {
  if (refused || reason === "content_filter") return "refusal";
  switch (reason) {
    case "length":
      return native === "model_context_window_exceeded" ? native : "max_tokens";
    case "tool_calls":
      return "tool_use";
    default:
      return native === "stop_sequence" ? native : "end_turn";
  }
}
