/** Serverless models; prompt caching is not priced apart. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const together: ProviderFacts = compatible({
  id: "together",
  name: "Together AI",
  baseUrl: "https://api.together.xyz/v1",
  env: ["TOGETHER_API_KEY"],
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens" },
});
