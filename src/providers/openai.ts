/** The dialect is named after it; regional hosts (eu.api.openai.com …) are accounts with their own `base_url`. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const openai: ProviderFacts = compatible({
  id: "openai",
  name: "OpenAI",
  baseUrl: "https://api.openai.com/v1",
  env: ["OPENAI_API_KEY"],
  kind: "maker",
  domain: { edge: "cloudflare" },
  quirks: {},
  // From GPT-5.6 cache writes are billed in place of the input rate; they are told inside the prompt count.
  usage: { reasoningInOutput: true },
});
