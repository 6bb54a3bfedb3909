/** Host of open weights. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const novita: ProviderFacts = compatible({
  id: "novita",
  name: "Novita AI",
  baseUrl: "https://api.novita.ai/openai",
  env: ["NOVITA_API_KEY"],
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens" },
});
