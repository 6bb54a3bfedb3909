/** OpenAI-shaped chat under its own path; streams end with usage unasked. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const ai21: ProviderFacts = compatible({
  id: "ai21",
  name: "AI21 Labs",
  baseUrl: "https://api.ai21.com/studio/v1",
  env: ["AI21_API_KEY"],
  kind: "maker",
  usage: { includeUsageOption: false },
  quirks: {
    developerAsSystem: true,
    maxTokensField: "max_tokens",
    fields: { logprobs: "refuse", top_logprobs: "refuse", logit_bias: "drop-and-warn" },
  },
});
