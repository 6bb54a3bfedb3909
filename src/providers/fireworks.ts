/** Upstream names are paths (`accounts/fireworks/models/…`). */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const fireworks: ProviderFacts = compatible({
  id: "fireworks",
  name: "Fireworks AI",
  baseUrl: "https://api.fireworks.ai/inference/v1",
  env: ["FIREWORKS_API_KEY"],
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens" },
});
