/**
 * `usageMetadata` → disjoint classes. Cached tokens are inside the prompt count, thoughts are outside the candidates
 * count, tool-use prompts are beside the prompt: total = prompt + candidates + tool use + thoughts.
 */
import { asArray, asNumber, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { Unit, Usage } from "../../../wire/usage.ts";

/**
 * Usage from an `usageMetadata` object; undefined where it holds no count (early chunks may bring `trafficType` only).
 * Flags: `usage_sum_mismatch` where the counts do not add up to the stated total, `usage_interim` where the answer was
 * still going on.
 */
export function readUsage(raw: Json | undefined, interim: boolean): Usage | undefined {
  if (!isObject(raw)) return undefined;
  const prompt = count(raw["promptTokenCount"]);
  const candidates = count(raw["candidatesTokenCount"]);
  const thoughts = count(raw["thoughtsTokenCount"]) ?? 0;
  if (prompt === undefined && candidates === undefined && thoughts === 0) return undefined;
  const toolUse = count(raw["toolUsePromptTokenCount"]) ?? 0;
  const flags: string[] = [];
  const thoughtsInside = judgeSum(raw, (prompt ?? 0) + toolUse + (candidates ?? 0), thoughts, flags);
  if (interim) flags.push("usage_interim");

  const units: { [U in Unit]?: number } = {};
  const put = (unit: Unit, value: number): void => {
    if (value > 0) units[unit] = value;
  };
  const cached = Math.min(count(raw["cachedContentTokenCount"]) ?? 0, prompt ?? 0);
  const plain = (prompt ?? 0) - cached + toolUse;
  const audioIn = Math.min(uncachedOf(raw, "AUDIO"), plain);
  // The pages of a document are read, and billed, as images.
  const imageIn = Math.min(uncachedOf(raw, "IMAGE") + uncachedOf(raw, "DOCUMENT"), plain - audioIn);
  if (prompt !== undefined) units.input = plain - audioIn - imageIn;
  put("cache_read", cached);
  put("audio_input", audioIn);
  put("image_input", imageIn);

  const written = Math.max(0, (candidates ?? 0) - (thoughtsInside ? thoughts : 0));
  const audioOut = Math.min(modality(raw["candidatesTokensDetails"], "AUDIO"), written);
  const imageOut = Math.min(modality(raw["candidatesTokensDetails"], "IMAGE"), written - audioOut);
  if (candidates !== undefined) units.output = written - audioOut - imageOut;
  put("reasoning", thoughts);
  put("audio_output", audioOut);
  put("image_output", imageOut);

  const serviceTier = readServiceTier(raw);
  return {
    units,
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(flags.length === 0 ? {} : { flags }),
    raw,
  };
}

/** The tier that served, in our words; undefined where nothing was told. */
export function readServiceTier(usageMetadata: Json | undefined): string | undefined {
  const named = asString(member(usageMetadata, "serviceTier"))?.toLowerCase();
  if (named !== undefined && named !== "" && !named.includes("unspecified")) {
    return named === "standard" ? "default" : named;
  }
  const traffic = asString(member(usageMetadata, "trafficType"));
  if (traffic === undefined || traffic === "" || traffic.endsWith("UNSPECIFIED")) return undefined;
  if (traffic === "ON_DEMAND") return "default";
  if (traffic.startsWith("PROVISIONED")) return "provisioned";
  return traffic.replace(/^ON_DEMAND_/, "").toLowerCase();
}

/** Are the thoughts inside the candidates count after all? Only the stated total can tell; a sum that fits neither is flagged. */
function judgeSum(raw: JsonObject, withoutThoughts: number, thoughts: number, flags: string[]): boolean {
  const total = count(raw["totalTokenCount"]);
  if (total === undefined || total === withoutThoughts + thoughts) return false;
  if (total === withoutThoughts && thoughts <= (count(raw["candidatesTokenCount"]) ?? 0)) return true;
  flags.push("usage_sum_mismatch");
  return false;
}

/** Tokens of one modality in prompt and tool-use prompt, without those that came from the cache. */
function uncachedOf(raw: JsonObject, name: string): number {
  const sent = modality(raw["promptTokensDetails"], name) - modality(raw["cacheTokensDetails"], name);
  return Math.max(0, sent) + modality(raw["toolUsePromptTokensDetails"], name);
}

function modality(details: Json | undefined, name: string): number {
  let total = 0;
  for (const detail of asArray(details)) {
    if (member(detail, "modality") === name) total += count(member(detail, "tokenCount")) ?? 0;
  }
  return total;
}

function count(value: Json | undefined): number | undefined {
  const number = asNumber(value);
  return number !== undefined && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}
