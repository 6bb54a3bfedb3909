/** Wafer-scale host of open weights. */
import type { ProviderFacts, RateLimitHeader } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const cerebras: ProviderFacts = compatible({
  id: "cerebras",
  name: "Cerebras",
  baseUrl: "https://api.cerebras.ai/v1",
  env: ["CEREBRAS_API_KEY"],
  // Requests are counted by the day, tokens by the minute.
  rateLimitHeaders: ([["requests", "day"], ["tokens", "minute"]] as const).flatMap(([of, per]): RateLimitHeader[] => [
    { name: `x-ratelimit-limit-${of}-${per}`, of, tells: "limit", per },
    { name: `x-ratelimit-remaining-${of}-${per}`, of, tells: "remaining", per },
    { name: `x-ratelimit-reset-${of}-${per}`, of, tells: "reset", per, form: "duration" },
  ]),
  quirks: {
    developerAsSystem: true,
    fields: { frequency_penalty: "refuse", presence_penalty: "refuse", logit_bias: "refuse" },
  },
});
