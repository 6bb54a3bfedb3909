/** International endpoint, Singapore and China. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const siliconflow: ProviderFacts = compatible({
  id: "siliconflow",
  name: "SiliconFlow",
  baseUrl: "https://api.siliconflow.com/v1",
  env: ["SILICONFLOW_API_KEY"],
  region: "cn",
  endpoints: { cn: "https://api.siliconflow.cn/v1" },
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens" },
});
