/** Request headers of a client that go on to the provider: only those that its dialect defines, and tracing. */
import type { DialectId } from "../../wire/facts.ts";

const COMMON = ["traceparent", "tracestate"] as const;
const BY_DIALECT: Readonly<Record<DialectId, readonly string[]>> = {
  "openai-chat": [...COMMON, "openai-organization", "openai-project", "openai-beta"],
  "anthropic-messages": [...COMMON, "anthropic-beta"],
  gemini: COMMON,
  "openai-responses": [...COMMON, "openai-organization", "openai-project", "openai-beta"],
  "bedrock-converse": COMMON,
  "cohere-v2": COMMON,
};

/** Lower-case names, in a fixed order. `anthropic-version` is not among them: who writes the body pins its version. */
export function forwardedHeaders(dialect: DialectId): readonly string[] {
  return BY_DIALECT[dialect];
}
