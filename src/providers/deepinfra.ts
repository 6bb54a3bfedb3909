/** Host of open weights. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const deepinfra: ProviderFacts = compatible({
  id: "deepinfra",
  name: "DeepInfra",
  baseUrl: "https://api.deepinfra.com/v1/openai",
  env: ["DEEPINFRA_API_KEY"],
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens" },
});
