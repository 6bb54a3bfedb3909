/**
 * A router to many hosts: the model's name may end in `:host`, and prices are the host's. Its token opens more than models,
 * so the variables count only for an account that the configuration names.
 */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const huggingface: ProviderFacts = compatible({
  id: "huggingface",
  name: "Hugging Face Inference Providers",
  baseUrl: "https://router.huggingface.co/v1",
  env: [],
  keyVariables: ["HF_TOKEN", "HUGGINGFACE_API_KEY"],
  kind: "aggregator",
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens" },
});
