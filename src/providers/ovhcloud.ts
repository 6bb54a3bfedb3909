/** French operator, EU data centres. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const ovhcloud: ProviderFacts = compatible({
  id: "ovhcloud",
  name: "OVHcloud AI Endpoints",
  baseUrl: "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
  env: ["OVHCLOUD_API_KEY"],
  region: "eu",
});
