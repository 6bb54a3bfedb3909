/** Host of open weights. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const sambanova: ProviderFacts = compatible({
  id: "sambanova",
  name: "SambaNova Cloud",
  baseUrl: "https://api.sambanova.ai/v1",
  env: ["SAMBANOVA_API_KEY"],
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens" },
});
