/** What a choice carries beside its content → members of a candidate. */
import { asArray, asNumber, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";

/** The decoder's names for members of this dialect's own candidates. */
const OWN: Readonly<Record<string, string>> = {
  grounding_metadata: "groundingMetadata", citation_metadata: "citationMetadata", url_context_metadata: "urlContextMetadata",
  safety_ratings: "safetyRatings",
};

/** Candidate members; what has no name here keeps its own, which clients pass over. */
export function candidateMembers(extras: ReadonlyMap<string, Json>): JsonObject {
  const members = new Map<string, Json>();
  for (const [key, value] of extras) {
    if (key === "logprobs") {
      const result = logprobsResult(value);
      if (result !== undefined) members.set("logprobsResult", result);
    } else members.set(Object.hasOwn(OWN, key) ? (OWN[key] as string) : key, value);
  }
  return Object.fromEntries(members);
}

/** Parts of one member that came in several events: lists grow, objects merge, anything else is replaced. */
export function mergeExtra(held: Json | undefined, value: Json): Json {
  if (Array.isArray(held) && Array.isArray(value)) return [...(held as readonly Json[]), ...(value as readonly Json[])];
  if (!isObject(held) || !isObject(value)) return value;
  const merged = new Map<string, Json | undefined>(Object.entries(held));
  for (const [key, one] of Object.entries(value)) {
    const before = merged.get(key);
    merged.set(key, before === undefined || one === undefined ? one : mergeExtra(before, one));
  }
  return Object.fromEntries(merged);
}

/** `{content: [{token, logprob, top_logprobs}]}` → `{chosenCandidates, topCandidates}`; undefined where there are none. */
function logprobsResult(value: Json): JsonObject | undefined {
  const tokens = asArray(member(value, "content"));
  if (tokens.length === 0) return undefined;
  return {
    chosenCandidates: tokens.map(candidateOf),
    topCandidates: tokens.map((token) => ({ candidates: asArray(member(token, "top_logprobs")).map(candidateOf) })),
  };
}

function candidateOf(token: Json): JsonObject {
  return { token: asString(member(token, "token")) ?? "", logProbability: asNumber(member(token, "logprob")) ?? 0 };
}
