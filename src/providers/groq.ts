/** Usage comes twice in a stream (`usage` and `x_groq.usage`), the same numbers. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";
import { windowed } from "./rate-limits.ts";

export const groq: ProviderFacts = compatible({
  id: "groq",
  name: "Groq",
  baseUrl: "https://api.groq.com/openai/v1",
  env: ["GROQ_API_KEY"],
  domain: { edge: "cloudflare" },
  keepsFiles: true,
  // By a plan file of 2026-05, which is not the provider's own.
  batchPriceFactor: 0.5,
  rateLimitHeaders: windowed({ requests: "day", tokens: "minute" }),
  usage: { reasoningInOutput: true },
  quirks: {
    developerAsSystem: true,
    fields: { logit_bias: "refuse", logprobs: "refuse", top_logprobs: "refuse", n: "refuse" },
  },
  // 498: the flex tier is out of capacity.
  statusClasses: { 498: "overload" },
});
