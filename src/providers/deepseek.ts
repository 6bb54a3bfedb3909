/** Cache hits and misses add up to the prompt; with tools in the request earlier reasoning must come back, else 400. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const deepseek: ProviderFacts = compatible({
  id: "deepseek",
  name: "DeepSeek",
  baseUrl: "https://api.deepseek.com",
  env: ["DEEPSEEK_API_KEY"],
  kind: "maker",
  region: "cn",
  prefill: { by: "prefix", models: /^deepseek-chat$/, path: "/beta/chat/completions" },
  usage: {
    reasoningInOutput: true,
    cacheReadPaths: ["/usage/prompt_cache_hit_tokens", "/usage/prompt_tokens_details/cached_tokens"],
  },
  quirks: {
    developerAsSystem: true,
    maxTokensField: "max_tokens",
    replaysReasoningContent: true,
    fields: { seed: "drop-and-warn", n: "refuse", logit_bias: "drop-and-warn" },
  },
});
