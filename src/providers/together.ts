/** Serverless models; prompt caching is not priced apart. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const together: ProviderFacts = compatible({
  id: "together",
  name: "Together AI",
  baseUrl: "https://api.together.xyz/v1",
  env: ["TOGETHER_API_KEY"],
  rateLimitHeaders: [
    { name: "x-ratelimit-limit", of: "requests", tells: "limit", per: "second" },
    { name: "x-ratelimit-remaining", of: "requests", tells: "remaining", per: "second" },
    { name: "x-ratelimit-reset", of: "requests", tells: "reset", per: "second", form: "duration" },
    { name: "x-tokenlimit-limit", of: "tokens", tells: "limit", per: "second" },
    { name: "x-tokenlimit-remaining", of: "tokens", tells: "remaining", per: "second" },
  ],
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens" },
});
