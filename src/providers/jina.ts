/** Embeddings of its own shape (`embedding_type`, tasks). */
import type { ProviderFacts } from "../wire/facts.ts";
import { notSpoken } from "./compatible.ts";

export const jina: ProviderFacts = notSpoken({
  id: "jina",
  name: "Jina AI (embeddings)",
  baseUrl: "https://api.jina.ai/v1",
  env: [],
  kind: "maker",
});
