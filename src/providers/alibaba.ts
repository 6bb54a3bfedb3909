/** International endpoint (Singapore). The China endpoint has other prices: an account with its own `base_url`. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const alibaba: ProviderFacts = compatible({
  id: "alibaba",
  name: "Alibaba Model Studio (DashScope, international)",
  baseUrl: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
  env: ["DASHSCOPE_API_KEY"],
  kind: "maker",
  region: "sg",
  endpoints: { sg: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", cn: "https://dashscope.aliyuncs.com/compatible-mode/v1" },
  usage: { reasoningInOutput: true },
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens" },
});
