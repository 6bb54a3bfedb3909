/** Speaks its own v2 protocol (and bills `billed_units`, not `tokens`). */
import type { ProviderFacts } from "../wire/facts.ts";
import { notSpoken } from "./compatible.ts";

export const cohere: ProviderFacts = notSpoken({
  id: "cohere",
  name: "Cohere",
  baseUrl: "https://api.cohere.com/v2",
  env: [],
  kind: "maker",
});
