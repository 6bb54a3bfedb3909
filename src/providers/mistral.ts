/**
 * Strict about fields: what it does not know is a 422. Streams bring usage on the finish chunk unasked; reasoning is
 * inside the output and not reported apart.
 */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const mistral: ProviderFacts = compatible({
  id: "mistral",
  name: "Mistral AI",
  baseUrl: "https://api.mistral.ai/v1",
  env: ["MISTRAL_API_KEY"],
  kind: "maker",
  region: "eu",
  endpoints: { eu: "https://api.eu.mistral.ai/v1" },
  rateLimitHeaders: [
    { name: "x-ratelimit-limit-req-minute", of: "requests", tells: "limit", per: "minute" },
    { name: "x-ratelimit-remaining-req-minute", of: "requests", tells: "remaining", per: "minute" },
    { name: "x-ratelimit-limit-tokens-minute", of: "tokens", tells: "limit", per: "minute" },
    { name: "x-ratelimit-remaining-tokens-minute", of: "tokens", tells: "remaining", per: "minute" },
    { name: "x-ratelimit-limit-tokens-month", of: "tokens", tells: "limit", per: "month" },
    { name: "x-ratelimit-remaining-tokens-month", of: "tokens", tells: "remaining", per: "month" },
  ],
  prefill: { by: "prefix", repeats: true },
  usage: { reasoningInOutput: true, includeUsageOption: false },
  quirks: {
    developerAsSystem: true,
    nineLetterCallIds: true,
    chunks: true,
    maxTokensField: "max_tokens",
    fields: {
      logit_bias: "refuse",
      logprobs: "refuse",
      top_logprobs: "refuse",
      user: "drop-and-warn",
      safety_identifier: "drop-and-warn",
      store: "drop-and-warn",
      service_tier: "drop-and-warn",
      verbosity: "drop-and-warn",
      "stream_options.include_usage": "drop-and-warn",
    },
  },
});
