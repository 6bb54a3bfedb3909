/** Resells others; tells what it charged in `usage.cost`. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const openrouter: ProviderFacts = compatible({
  id: "openrouter",
  name: "OpenRouter",
  baseUrl: "https://openrouter.ai/api/v1",
  env: ["OPENROUTER_API_KEY"],
  kind: "aggregator",
  domain: { edge: "cloudflare" },
  usage: { reasoningInOutput: true, cost: { path: "/usage/cost", perUsd: 1 } },
  quirks: {},
  // 403: the prompt was flagged by the chosen model's moderation.
  statusClasses: { 403: "content_policy" },
});
