/** Answers with searches of its own: a fee per request, and no client tools. Usage comes on every chunk. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const perplexity: ProviderFacts = compatible({
  id: "perplexity",
  name: "Perplexity",
  baseUrl: "https://api.perplexity.ai",
  env: ["PERPLEXITY_API_KEY"],
  kind: "maker",
  domain: { edge: "cloudflare" },
  usage: { cost: { path: "/usage/cost/total_cost", perUsd: 1 }, includeUsageOption: false },
  quirks: {
    developerAsSystem: true,
    maxTokensField: "max_tokens",
    fields: { tools: "refuse", tool_choice: "refuse", logit_bias: "drop-and-warn" },
  },
});
