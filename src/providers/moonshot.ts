/** Cached tokens stand at the top level of its usage; models that reason refuse earlier tool calls without their reasoning. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const moonshot: ProviderFacts = compatible({
  id: "moonshot",
  name: "Moonshot AI",
  baseUrl: "https://api.moonshot.ai/v1",
  env: ["MOONSHOT_API_KEY"],
  kind: "maker",
  region: "cn",
  endpoints: { cn: "https://api.moonshot.cn/v1" },
  usage: {
    reasoningInOutput: true,
    cacheReadPaths: ["/usage/cached_tokens", "/usage/prompt_tokens_details/cached_tokens"],
  },
  quirks: { developerAsSystem: true, maxTokensField: "max_tokens", replaysReasoningContent: true },
});
