/** Data centres in Finland and France among others: no single region is promised. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const nebius: ProviderFacts = compatible({
  id: "nebius",
  name: "Nebius Token Factory",
  baseUrl: "https://api.tokenfactory.nebius.com/v1",
  env: ["NEBIUS_API_KEY"],
  endpoints: { us: "https://api.tokenfactory.us-central1.nebius.com/v1" },
});
