/** German operator, endpoint region eu01. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const stackit: ProviderFacts = compatible({
  id: "stackit",
  name: "STACKIT AI Model Serving",
  baseUrl: "https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1",
  env: ["STACKIT_API_KEY"],
  region: "eu",
});
