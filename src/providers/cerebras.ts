/** Wafer-scale host of open weights. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const cerebras: ProviderFacts = compatible({
  id: "cerebras",
  name: "Cerebras",
  baseUrl: "https://api.cerebras.ai/v1",
  env: ["CEREBRAS_API_KEY"],
  quirks: {
    developerAsSystem: true,
    fields: { frequency_penalty: "refuse", presence_penalty: "refuse", logit_bias: "refuse" },
  },
});
