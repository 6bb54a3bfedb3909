/** A model server of one's own; its address must be configured. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const vllm: ProviderFacts = compatible({
  id: "vllm",
  name: "vLLM",
  baseUrl: null,
  env: [],
  auth: { kind: "none" },
  billsOnAbort: "nothing",
  quirks: {},
  prefill: { by: "continue" },
  unmetered: true,
});
