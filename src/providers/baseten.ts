/** Documents `Api-Key` as its scheme and takes a bearer key as well, which is what OpenAI clients send. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const baseten: ProviderFacts = compatible({
  id: "baseten",
  name: "Baseten Model APIs",
  baseUrl: "https://inference.baseten.co/v1",
  env: ["BASETEN_API_KEY"],
});
