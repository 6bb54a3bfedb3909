/** Reasoning tokens are outside `completion_tokens` on the chat protocol (12 + 1 + 228 = 241 in a recorded answer). */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";
import { OPENAI_RATE_LIMITS } from "./rate-limits.ts";

export const xai: ProviderFacts = compatible({
  id: "xai",
  name: "xAI",
  baseUrl: "https://api.x.ai/v1",
  env: ["XAI_API_KEY"],
  kind: "maker",
  // Serves fewer models there, at 1.1 times the price.
  endpoints: { us: "https://us.api.x.ai/v1" },
  rateLimitHeaders: OPENAI_RATE_LIMITS,
  // 1e10 ticks are one USD: the provider's own charge.
  usage: { reasoningInOutput: false, cost: { path: "/usage/cost_in_usd_ticks", perUsd: 1e10 } },
  quirks: { developerAsSystem: true, fields: { logit_bias: "drop-and-warn" } },
});
