/** Embeddings of its own shape (`output_dimension`, usage with a total only). */
import type { ProviderFacts } from "../wire/facts.ts";
import { notSpoken } from "./compatible.ts";

export const voyage: ProviderFacts = notSpoken({
  id: "voyage",
  name: "Voyage AI (embeddings)",
  baseUrl: "https://api.voyageai.com/v1",
  env: [],
  kind: "maker",
});
