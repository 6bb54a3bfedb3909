/** A provider and a target for this dialect's tests. */
import type { ProviderFacts, Quirks, UsageFacts } from "../../../wire/facts.ts";
import type { Target } from "../dialect.ts";

export const plainUsage: UsageFacts = {
  reasoningInOutput: true,
  cacheReadPaths: ["/usage/prompt_tokens_details/cached_tokens"],
  cacheWritePaths: ["/usage/prompt_tokens_details/cache_write_tokens"],
  cacheInsideInput: true,
  cost: null,
  includeUsageOption: true,
};

export function target(quirks: Quirks = {}, usage: Partial<UsageFacts> = {}): Target {
  const provider: ProviderFacts = {
    id: "host", name: "Host", dialect: "openai-chat", baseUrl: "https://host.example/v1", auth: { kind: "bearer" }, env: [],
    headers: [], kind: "host", billsOnAbort: "input", onClientGone: "abort", usage: { ...plainUsage, ...usage }, quirks,
    statusClasses: {}, domain: {}, region: null, unmetered: false, requestIdHeader: null, idempotencyHeader: null,
  };
  return { provider, model: null, upstreamModel: "their-model" };
}
