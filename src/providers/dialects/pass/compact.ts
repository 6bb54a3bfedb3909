/** A conversation made short by the provider that will go on with it: text in, an item that only it can read out. */
import { asArray, asString, isObject, member, type Json } from "../../../wire/json.ts";
import type { UsageFacts } from "../../../wire/facts.ts";
import { unboundedByClient } from "../responses/client-unbounded.ts";
import { readUsage } from "../responses/usage.ts";
import { NO_MEASURE, problem, tokensOf, utf8Bytes, wrongObject, type PassEndpoint } from "./endpoint.ts";
import { READS_PARTS, sizeOf } from "./size.ts";

/** What a conversation is likely to become. */
const TOKENS_OF_A_SUMMARY = 2_000;
/** Every maker of this protocol counts alike; none tells a charge of its own here. */
const COUNTED: UsageFacts = { reasoningInOutput: true, cacheReadPaths: [], cacheWritePaths: [], cacheInsideInput: true, cost: null, includeUsageOption: false };

export const responsesCompact: PassEndpoint = {
  models: "other",
  writesTokens: true,
  accept: "application/json",
  answers: /json/i,
  // Hosts of chat completions do not have it, even where they have responses beside them.
  path: (dialect, base) => (dialect === "openai-responses" ? `${base}/responses/compact` : undefined),
  measure(fields) {
    const raw: Record<string, Json> = {};
    for (const name of ["input", "service_tier"]) raw[name] = fields.value(name) ?? null;
    // No other tier is asked for by it.
    if (raw["service_tier"] === "auto") raw["service_tier"] = null;
    const textBytes = utf8Bytes(fields.value("input")) + utf8Bytes(fields.value("instructions"));
    return {
      ...NO_MEASURE,
      textBytes,
      size: sizeOf(fields, READS_PARTS),
      count: Math.max(1, asArray(fields.value("input")).length),
      tokensGuess: { input: tokensOf(textBytes), output: TOKENS_OF_A_SUMMARY },
      unbounded: unboundedByClient(raw),
    };
  },
  read({ json }) {
    const wrong = wrongObject(json);
    if (wrong !== null) return wrong;
    if (!isObject(json) || asString(json["object"]) !== "response.compaction") return problem("malformed", "the answer is no compacted response");
    if (asArray(json["output"]).length === 0) return problem("empty", "the answer holds no items");
    return { kind: "answer", pieces: null, tokens: readUsage(json, COUNTED)?.units ?? null, raw: member(json, "usage") ?? null };
  },
};
