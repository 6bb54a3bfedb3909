/** Resells others; tells what it charged in `usage.cost`. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const openrouter: ProviderFacts = compatible({
  id: "openrouter",
  name: "OpenRouter",
  baseUrl: "https://openrouter.ai/api/v1",
  env: ["OPENROUTER_API_KEY"],
  kind: "aggregator",
  domain: { edge: "cloudflare" },
  usage: { reasoningInOutput: true, cost: { path: "/usage/cost", perUsd: 1 } },
  quirks: { cacheControl: true, takesPreferences: true },
  // Told with free models.
  rateLimitHeaders: [
    { name: "x-ratelimit-limit", of: "requests", tells: "limit" },
    { name: "x-ratelimit-remaining", of: "requests", tells: "remaining" },
    { name: "x-ratelimit-reset", of: "requests", tells: "reset", form: "epoch-ms" },
  ],
  // 403: the prompt was flagged by the chosen model's moderation.
  statusClasses: { 403: "content_policy" },
});
