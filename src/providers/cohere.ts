/** Speaks its own v2 protocol, and bills `billed_units`, not `tokens`. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const cohere: ProviderFacts = compatible({
  id: "cohere",
  name: "Cohere",
  dialect: "cohere-v2",
  baseUrl: "https://api.cohere.com/v2",
  env: ["COHERE_API_KEY", "CO_API_KEY"],
  kind: "maker",
  domain: { cloud: "google" },
  // Read by its own decoder.
  usage: { reasoningInOutput: true, cacheReadPaths: [], cacheWritePaths: [] },
  quirks: {},
  // 498: the token is invalid; 499: the request was cancelled.
  statusClasses: { 498: "auth", 499: "server" },
  requestIdHeader: null,
  // Told to trial keys only.
  rateLimitHeaders: [
    { name: "x-endpoint-monthly-call-limit", of: "requests", tells: "limit", per: "month" },
    { name: "x-trial-endpoint-call-limit", of: "requests", tells: "limit", per: "minute" },
    { name: "x-trial-endpoint-call-remaining", of: "requests", tells: "remaining", per: "minute" },
  ],
});
