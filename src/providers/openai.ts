/** The dialect is named after it; regional hosts (eu.api.openai.com …) are accounts with their own `base_url`. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";
import { OPENAI_RATE_LIMITS } from "./rate-limits.ts";

export const openai: ProviderFacts = compatible({
  id: "openai",
  name: "OpenAI",
  baseUrl: "https://api.openai.com/v1",
  env: ["OPENAI_API_KEY"],
  // "POST /responses/input_tokens": the guide offers it to estimate costs before a call; nothing is billed for it.
  freeCounting: "openai-responses",
  kind: "maker",
  domain: { edge: "cloudflare" },
  quirks: {},
  endpoints: Object.fromEntries(["us", "eu", "au", "in", "jp"].map((region) => [region, `https://${region}.api.openai.com/v1`])),
  rateLimitHeaders: OPENAI_RATE_LIMITS,
  // "The moderation endpoint is free to use": pricing page and moderation guide.
  freeModels: ["omni-moderation-latest", "omni-moderation-2024-09-26", "text-moderation-latest", "text-moderation-stable", "text-moderation-007"],
  keepsFiles: true,
  // Half of the price, for every model listed by two catalogues of 2026-08 (52 of 52, 50 of 50).
  batchPriceFactor: 0.5,
  // From GPT-5.6 cache writes are billed in place of the input rate; they are told inside the prompt count.
  usage: { reasoningInOutput: true },
});
