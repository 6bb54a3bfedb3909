/** Upstream names are paths (`accounts/fireworks/models/…`). */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const fireworks: ProviderFacts = compatible({
  id: "fireworks",
  name: "Fireworks AI",
  baseUrl: "https://api.fireworks.ai/inference/v1",
  env: ["FIREWORKS_API_KEY"],
  rateLimitHeaders: [
    { name: "x-ratelimit-limit-requests", of: "requests", tells: "limit", per: "minute" },
    { name: "x-ratelimit-remaining-requests", of: "requests", tells: "remaining", per: "minute" },
    { name: "x-ratelimit-limit-tokens-prompt", of: "input_tokens", tells: "limit", per: "minute" },
    { name: "x-ratelimit-remaining-tokens-prompt", of: "input_tokens", tells: "remaining", per: "minute" },
    { name: "x-ratelimit-limit-tokens-generated", of: "output_tokens", tells: "limit", per: "minute" },
    { name: "x-ratelimit-remaining-tokens-generated", of: "output_tokens", tells: "remaining", per: "minute" },
  ],
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens" },
});
