/** Needs a resource name and deployment names. Cloud credentials are never discovered. */
import type { ProviderFacts } from "../wire/facts.ts";
import { notSpoken } from "./compatible.ts";

export const azure: ProviderFacts = notSpoken({
  id: "azure",
  name: "Azure OpenAI / Microsoft Foundry",
  baseUrl: null,
  env: [],
  kind: "host",
  domain: { cloud: "azure" },
  auth: { kind: "header", name: "api-key" },
});
