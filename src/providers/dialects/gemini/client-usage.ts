/** Disjoint classes → `usageMetadata`: cached tokens inside the prompt, thoughts beside the candidates. */
import type { JsonObject } from "../../../wire/json.ts";
import { inputTokens, type UnitCounts, type Usage } from "../../../wire/usage.ts";

/** The counts as this dialect sums them. */
export function usageMetadata(usage: Usage): JsonObject {
  const { units } = usage;
  const prompt = inputTokens(units);
  const thoughts = units.reasoning ?? 0;
  const candidates = (units.output ?? 0) + (units.audio_output ?? 0) + (units.image_output ?? 0);
  const tier = usage.serviceTier === "default" ? "standard" : usage.serviceTier;
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: candidates,
    totalTokenCount: prompt + candidates + thoughts,
    ...(units.cache_read === undefined ? {} : { cachedContentTokenCount: units.cache_read }),
    ...(units.reasoning === undefined ? {} : { thoughtsTokenCount: thoughts }),
    ...details("promptTokensDetails", prompt, units, "audio_input", "image_input"),
    ...details("candidatesTokensDetails", candidates, units, "audio_output", "image_output"),
    ...(tier === undefined || tier === "auto" ? {} : { serviceTier: tier }),
  };
}

type MediaUnit = "audio_input" | "image_input" | "audio_output" | "image_output";

/** Tokens by modality, where there is any but text. */
function details(key: string, total: number, units: UnitCounts, audioUnit: MediaUnit, imageUnit: MediaUnit): JsonObject {
  const audio = units[audioUnit] ?? 0;
  const image = units[imageUnit] ?? 0;
  if (audio + image === 0) return {};
  const counts = [["TEXT", total - audio - image], ["AUDIO", audio], ["IMAGE", image]] as const;
  return { [key]: counts.filter(([, tokenCount]) => tokenCount > 0).map(([modality, tokenCount]) => ({ modality, tokenCount })) };
}
