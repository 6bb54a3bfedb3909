/** Host of open weights. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const sambanova: ProviderFacts = compatible({
  id: "sambanova",
  name: "SambaNova Cloud",
  baseUrl: "https://api.sambanova.ai/v1",
  env: ["SAMBANOVA_API_KEY"],
  rateLimitHeaders: [
    { name: "x-ratelimit-limit-requests", of: "requests", tells: "limit", per: "minute" },
    { name: "x-ratelimit-remaining-requests", of: "requests", tells: "remaining", per: "minute" },
    { name: "x-ratelimit-reset-requests", of: "requests", tells: "reset", per: "minute", form: "epoch-s" },
    { name: "x-ratelimit-limit-requests-day", of: "requests", tells: "limit", per: "day" },
    { name: "x-ratelimit-remaining-requests-day", of: "requests", tells: "remaining", per: "day" },
    { name: "x-ratelimit-reset-requests-day", of: "requests", tells: "reset", per: "day", form: "epoch-s" },
  ],
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens" },
});
