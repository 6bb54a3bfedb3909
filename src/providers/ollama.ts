/** A model server of one's own: costs nothing per token, needs no key. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const ollama: ProviderFacts = compatible({
  id: "ollama",
  name: "Ollama",
  baseUrl: "http://127.0.0.1:11434/v1",
  env: [],
  auth: { kind: "none" },
  billsOnAbort: "nothing",
  quirks: { maxTokensField: "max_tokens" },
  unmetered: true,
});
