/** Its dialect is its own. `anthropic-version` is pinned where we author the request, the client's where bytes pass. */
import type { ProviderFacts, RateLimitHeader } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const anthropic: ProviderFacts = compatible({
  id: "anthropic",
  name: "Anthropic",
  dialect: "anthropic-messages",
  baseUrl: "https://api.anthropic.com/v1",
  env: ["ANTHROPIC_API_KEY"],
  auth: { kind: "header", name: "x-api-key" },
  headers: [["anthropic-version", "2023-06-01"]],
  // "Token counting is free to use": its page.
  freeCounting: "anthropic-messages",
  keepsMessageBatches: true,
  // `usage.inference_geo`; a workspace may have a place of its own for calls that ask none.
  tellsGeo: true,
  // Pricing and model pages; 28 of 28 models in a catalogue of 2026-08.
  batchPriceFactor: 0.5,
  kind: "maker",
  domain: { edge: "cloudflare" },
  // Read by its own decoder: input, cache reads and cache writes are disjoint, thinking is inside the output.
  usage: { reasoningInOutput: true, cacheInsideInput: false, cacheReadPaths: [], cacheWritePaths: [] },
  quirks: {},
  rateLimitHeaders: (["requests", "tokens", "input_tokens", "output_tokens"] as const).flatMap((of): RateLimitHeader[] => {
    const name = `anthropic-ratelimit-${of.replace("_", "-")}`;
    return [
      { name: `${name}-limit`, of, tells: "limit", per: "minute" },
      { name: `${name}-remaining`, of, tells: "remaining", per: "minute" },
      { name: `${name}-reset`, of, tells: "reset", per: "minute", form: "instant" },
    ];
  }),
});
