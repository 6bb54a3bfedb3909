/** Any host that speaks OpenAI chat; everything that differs is configured. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const openaiCompatible: ProviderFacts = compatible({
  id: "openai-compatible",
  keepsFiles: "perhaps",
  name: "OpenAI-compatible host",
  baseUrl: null,
  env: [],
  // There are hosts of this protocol, and gateways, behind which models sign their calls.
  quirks: { signsToolCalls: true },
});
