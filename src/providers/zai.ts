/** The base URL ends in its own version, v4. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const zai: ProviderFacts = compatible({
  id: "zai",
  name: "Z.AI (Zhipu)",
  baseUrl: "https://api.z.ai/api/paas/v4",
  env: ["ZAI_API_KEY", "ZHIPU_API_KEY"],
  kind: "maker",
  region: "cn",
  endpoints: { cn: "https://open.bigmodel.cn/api/paas/v4" },
  quirks: {
    developerAsSystem: true,
    maxTokensField: "max_tokens",
    fields: { n: "refuse", logit_bias: "drop-and-warn" },
  },
});
