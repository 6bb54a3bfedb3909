/** A small price list in each form that others keep theirs in: the same dozen models at their real prices. */
import type { FeedContext, FeedFormat } from "../../src/providers/feeds/index.ts";
import { loadCatalogue } from "../../src/providers/catalog/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";

/** 23 November 2026. */
export const NOW_MS = Date.UTC(2026, 10, 23, 12);

/** What feeds are read by: the real providers and the catalogue's names. */
export const CONTEXT: FeedContext = {
  providers: new Set(PROVIDERS.keys()),
  modelsOf: (provider) => loadCatalogue().models.filter((model) => model.provider === provider).flatMap((model) => [model.upstream, ...model.aliases]),
  nowMs: NOW_MS,
};

const modelsDev = {
  openai: {
    id: "openai", name: "OpenAI",
    models: {
      "gpt-4o-mini": { id: "gpt-4o-mini", cost: { input: 0.15, output: 0.6, cache_read: 0.075 }, limit: { context: 128_000 } },
      "gpt-4.1": { id: "gpt-4.1", cost: { input: 2, output: 8, cache_read: 0.5 } },
      "gpt-5.4": { id: "gpt-5.4", cost: { input: 2.5, output: 15, cache_read: 0.25, tiers: [{ tier: { type: "context", size: 272_000 }, input: 5, output: 22.5, cache_read: 0.5 }] } },
      "text-embedding-3-small": { id: "text-embedding-3-small", cost: { input: 0.02, output: 0 } },
    },
  },
  anthropic: { id: "anthropic", name: "Anthropic", models: { "claude-sonnet-4-6": { id: "claude-sonnet-4-6", cost: { input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 } } } },
  google: {
    id: "google", name: "Google",
    models: {
      "gemini-2.5-pro": { id: "gemini-2.5-pro", cost: { input: 1.25, output: 10, cache_read: 0.125, context_over_200k: { input: 2.5, output: 15, cache_read: 0.25 } } },
      "gemini-2.5-flash": { id: "gemini-2.5-flash", cost: { input: 0.3, output: 2.5, cache_read: 0.03, input_audio: 1 } },
    },
  },
  deepseek: { id: "deepseek", name: "DeepSeek", models: { "deepseek-flash": { id: "deepseek-flash", cost: { input: 0.15, output: 0.6, cache_read: 0.003 } } } },
  groq: { id: "groq", name: "Groq", models: { "llama-3.3-70b-versatile": { id: "llama-3.3-70b-versatile", cost: { input: 0.59, output: 0.79 } } } },
  xai: { id: "xai", name: "xAI", models: { "grok-4": { id: "grok-4", cost: { input: 3, output: 15, cache_read: 0.75 } } } },
  "unheard-of": { id: "unheard-of", name: "Unheard", models: { x: { cost: { input: 1, output: 1 } } } },
};

const liteLlm = {
  sample_spec: { litellm_provider: "one of …", input_cost_per_token: 0 },
  "gpt-4o-mini": { litellm_provider: "openai", mode: "chat", input_cost_per_token: 1.5e-7, output_cost_per_token: 6e-7, cache_read_input_token_cost: 7.5e-8, input_cost_per_token_batches: 7.5e-8, output_cost_per_token_batches: 3e-7, input_cost_per_token_priority: 2.5e-7, output_cost_per_token_priority: 1e-6, cache_read_input_token_cost_priority: 1.25e-7, search_context_cost_per_query: { search_context_size_low: 0.01, search_context_size_medium: 0.01, search_context_size_high: 0.01 }, file_search_cost_per_1k_calls: 2.5 },
  "gpt-4.1": { litellm_provider: "openai", mode: "chat", input_cost_per_token: 2e-6, output_cost_per_token: 8e-6, cache_read_input_token_cost: 5e-7 },
  "text-embedding-3-small": { litellm_provider: "openai", mode: "embedding", input_cost_per_token: 2e-8, output_cost_per_token: 0 },
  "claude-sonnet-4-6": { litellm_provider: "anthropic", mode: "chat", input_cost_per_token: 3e-6, output_cost_per_token: 1.5e-5, cache_read_input_token_cost: 3e-7, cache_creation_input_token_cost: 3.75e-6, cache_creation_input_token_cost_above_1hr: 6e-6 },
  "gemini/gemini-2.5-pro": { litellm_provider: "gemini", mode: "chat", input_cost_per_token: 1.25e-6, output_cost_per_token: 1e-5, cache_read_input_token_cost: 1.25e-7, input_cost_per_token_above_200k_tokens: 2.5e-6, output_cost_per_token_above_200k_tokens: 1.5e-5, cache_read_input_token_cost_above_200k_tokens: 2.5e-7 },
  "gemini/gemini-2.5-flash": { litellm_provider: "gemini", mode: "chat", input_cost_per_token: 3e-7, output_cost_per_token: 2.5e-6, cache_read_input_token_cost: 3e-8, input_cost_per_audio_token: 1e-6 },
  "groq/llama-3.3-70b-versatile": { litellm_provider: "groq", mode: "chat", input_cost_per_token: 5.9e-7, output_cost_per_token: 7.9e-7 },
  "xai/grok-4": { litellm_provider: "xai", mode: "chat", input_cost_per_token: 3e-6, output_cost_per_token: 1.5e-5 },
  "perplexity/sonar-pro": { litellm_provider: "perplexity", mode: "chat", input_cost_per_token: 3e-6, output_cost_per_token: 1.5e-5 },
  "bedrock/us-east-1/anthropic.claude-v2": { litellm_provider: "bedrock", input_cost_per_token: 8e-6, output_cost_per_token: 2.4e-5 },
};

const genaiPrices = [
  {
    id: "openai", name: "OpenAI", api_pattern: "https://api\\.openai\\.com",
    models: [
      { id: "gpt-4o-mini", match: { or: [{ equals: "gpt-4o-mini" }, { starts_with: "gpt-4o-mini-20" }] }, prices: { input_mtok: 0.15, cache_read_mtok: 0.075, output_mtok: 0.6, web_searches_kcount: 10, storage_searches_kcount: 2.5 } },
      { id: "gpt-4.1", match: { regex: "^gpt-4\\.1(-20.*)?$" }, prices: { input_mtok: 2, cache_read_mtok: 0.5, output_mtok: 8 } },
      { id: "gpt-5.4", match: { and: [{ starts_with: "gpt-5.4" }, { ends_with: "5.4" }] }, prices: { input_mtok: { base: 2.5, tiers: [{ start: 272_000, price: 5 }] }, cache_read_mtok: { base: 0.25, tiers: [{ start: 272_000, price: 0.5 }] }, output_mtok: { base: 15, tiers: [{ start: 272_000, price: 22.5 }] } } },
      { id: "embedding", match: { contains: "embedding-3-small" }, prices: { input_mtok: 0.02 } },
    ],
  },
  { id: "anthropic", name: "Anthropic", models: [{ id: "sonnet", match: { equals: "claude-sonnet-4-6" }, prices: { input_mtok: 3, cache_write_mtok: 3.75, cache_write_1h_mtok: 6, cache_read_mtok: 0.3, output_mtok: 15, web_searches_kcount: 10 } }] },
  {
    id: "google", name: "Google",
    models: [
      { id: "gemini-3.6-flash", match: { equals: "gemini-3.6-flash" }, prices: [{ prices: { input_mtok: 0.75, cache_read_mtok: 0.075, output_mtok: 3.75 } }, { constraint: { type: "start_date", start_date: "2027-01-01" }, prices: { input_mtok: 1.5, cache_read_mtok: 0.15, output_mtok: 7.5 } }] },
      { id: "gemini-2.5-pro", match: { starts_with: "gemini-2.5-pro" }, prices: { input_mtok: { base: 1.25, tiers: [{ start: 200_000, price: 2.5 }] }, cache_read_mtok: { base: 0.125, tiers: [{ start: 200_000, price: 0.25 }] }, output_mtok: { base: 10, tiers: [{ start: 200_000, price: 15 }] } } },
    ],
  },
  { id: "deepseek", name: "DeepSeek", models: [{ id: "flash", match: { equals: "deepseek-flash" }, prices: [{ prices: { input_mtok: 0.15, cache_read_mtok: 0.003, output_mtok: 0.6 } }, { constraint: { type: "time_of_date", start_time: "01:00:00Z", end_time: "04:00:00Z" }, prices: { input_mtok: 0.3, cache_read_mtok: 0.006, output_mtok: 1.2 } }] }] },
  { id: "x-ai", name: "xAI", models: [{ id: "grok-4", match: { equals: "grok-4" }, prices: [{ prices: { input_mtok: 5, output_mtok: 25 } }, { constraint: { type: "start_date", start_date: "2026-01-01" }, prices: { input_mtok: 3, cache_read_mtok: 0.75, output_mtok: 15 } }] }] },
  { id: "perplexity", name: "Perplexity", models: [{ id: "sonar-pro", match: { equals: "sonar-pro" }, prices: { input_mtok: 3, output_mtok: 15, requests_kcount: 14 } }] },
];

const table = `provider,model,currency,input,output,cache_read,cache_write_5m,requests,web_searches
openai,gpt-4o-mini,USD,0.15,0.60,0.075,,,0.01
openai,"gpt-4.1",USD,2,8,0.5,,,
anthropic,claude-sonnet-4-6,USD,3,15,0.3,3.75,,0.01
google,gemini-2.5-pro,,1.25,10,0.125,,,
deepseek,deepseek-flash,,0.15,0.6,0.003,,,
groq,llama-3.3-70b-versatile,,0.59,0.79,,,,
perplexity,sonar-pro,,3,15,,,0.014,
`;

export const FEEDS: Readonly<Record<FeedFormat, string>> = {
  "models.dev": JSON.stringify(modelsDev),
  litellm: JSON.stringify(liteLlm),
  "genai-prices": JSON.stringify(genaiPrices),
  csv: table,
};
