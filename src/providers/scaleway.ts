/** French operator, EU data centres. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const scaleway: ProviderFacts = compatible({
  id: "scaleway",
  name: "Scaleway Generative APIs",
  baseUrl: "https://api.scaleway.ai/v1",
  env: ["SCALEWAY_API_KEY"],
  region: "eu",
});
