/** LiteLLM: `model_prices_and_context_window.json`, one flat object, prices in USD per token or each. */
import { isObject, type Json, type JsonObject } from "../../wire/json.ts";
import type { Unit } from "../../wire/usage.ts";
import { BadEntry, Gathering, parseJson, usdOf, type FeedContext, type FeedPrice, type ReadFeed } from "./feed.ts";

/** Its words for providers where ours differ. */
const PROVIDERS: Readonly<Record<string, string>> = {
  gemini: "google", "vertex_ai-language-models": "vertex", "vertex_ai-anthropic_models": "vertex", "vertex_ai-embedding-models": "vertex", "vertex_ai-llama_models": "vertex",
  "vertex_ai-mistral_models": "vertex", "vertex_ai-deepseek_models": "vertex", vertex_ai: "vertex", azure_ai: "azure", bedrock_converse: "bedrock", together_ai: "together",
  fireworks_ai: "fireworks", cohere_chat: "cohere", dashscope: "alibaba", jina_ai: "jina", "text-completion-openai": "openai", "fireworks_ai-embedding-models": "fireworks",
};
/** What stands before a model's name: the provider by this name, and nothing of the name itself. */
const PREFIX = /^(?:azure_ai|azure|gemini|vertex_ai|bedrock|groq|mistral|deepseek|xai|together_ai|fireworks_ai|openrouter|cohere_chat|cohere|perplexity|cerebras|sambanova|nebius|deepinfra|novita|moonshot|dashscope|minimax|zai|voyage|jina_ai|cloudflare|openai|anthropic|ai21|baseten|ovhcloud|scaleway|siliconflow)\//;
const TOKEN_PRICES: Readonly<Record<string, Unit>> = {
  input_cost_per_token: "input", output_cost_per_token: "output", cache_read_input_token_cost: "cache_read", cache_creation_input_token_cost: "cache_write_5m",
  cache_creation_input_token_cost_above_1hr: "cache_write_1h", input_cost_per_audio_token: "audio_input", output_cost_per_audio_token: "audio_output",
  output_cost_per_reasoning_token: "reasoning", input_cost_per_image_token: "image_input", output_cost_per_image_token: "image_output",
};
const PIECE_PRICES: Readonly<Record<string, readonly [unit: Unit, shift: number]>> = {
  input_cost_per_request: ["requests", 0], input_cost_per_query: ["searches", 0], file_search_cost_per_1k_calls: ["file_searches", -3], output_cost_per_image: ["images", 0],
  output_cost_per_second: ["seconds", 0], input_cost_per_second: ["seconds", 0], input_cost_per_character: ["characters", 0], ocr_cost_per_page: ["pages", 0],
};
const CONDITION = /^(.+?)(?:_above_(\d{1,7})k_tokens)?(?:_(batches|flex|priority))?$/;
const TIERS: Readonly<Record<string, string>> = { batches: "batch", flex: "flex", priority: "priority" };

/** The prices of such a file, by the models' own names. */
export function readLiteLlm(text: string, context: FeedContext): ReadFeed {
  const root = parseJson(text);
  if (!isObject(root)) return { ok: false, message: "not an object of models" };
  const gathering = new Gathering();
  let seen = 0;
  for (const [key, facts] of Object.entries(root)) {
    if (key === "sample_spec") continue;
    const told = isObject(facts) ? facts["litellm_provider"] : undefined;
    if (typeof told !== "string") continue;
    seen++;
    const provider = PROVIDERS[told] ?? told;
    const model = key.replace(PREFIX, "");
    // A price of one region only, which our sheets tell by multipliers.
    if (!context.providers.has(provider) || /^(?:us|eu|ap|ca|sa|us-gov)-[a-z]+-\d\//.test(model)) continue;
    gathering.entry(key, () => readModel(provider, model, facts as JsonObject));
  }
  return seen === 0 ? { ok: false, message: "nothing in it names a litellm_provider" } : gathering.done();
}

function readModel(provider: string, model: string, facts: JsonObject): FeedPrice | null {
  const base: Record<string, Json> = {};
  const steps = new Map<number, Record<string, Json>>();
  const tiers = new Map<string, Record<string, Json>>();
  const notes: string[] = [];
  for (const [key, value] of Object.entries(facts)) {
    const piece = Object.hasOwn(PIECE_PRICES, key) ? PIECE_PRICES[key] : undefined;
    if (piece !== undefined) put(base, piece[0], usdOf(value, piece[0], piece[1], key));
    const [, name = "", above, tier] = CONDITION.exec(key) ?? [];
    const unit = Object.hasOwn(TOKEN_PRICES, name) ? TOKEN_PRICES[name] : undefined;
    if (unit === undefined) {
      if (piece === undefined && /cost/.test(key) && !/^search_context_cost_per_query$/.test(key)) notes.push(`${key.slice(0, 60)} is not read`);
      continue;
    }
    if (above !== undefined && tier !== undefined) notes.push(`${key} is not read`);
    else put(above !== undefined ? within(steps, Number(above) * 1000) : tier !== undefined ? within(tiers, TIERS[tier] ?? tier) : base, unit, usdOf(value, unit, 6, key));
  }
  const search = facts["search_context_cost_per_query"];
  if (isObject(search)) put(base, "web_searches", usdOf(search["search_context_size_medium"], "web_searches", 0, "search_context_size_medium"));
  if (Object.keys(base).length === 0) return null;
  if (base["input"] === undefined && base["output"] !== undefined) throw new BadEntry("it has a price of output and none of input");
  const terms: Record<string, Json> = { ...base };
  const told = [...steps].filter(([, prices]) => Object.keys(prices).length > 0).toSorted(([a], [b]) => a - b);
  if (told.length > 0) terms["steps"] = told.map(([above, prices]) => ({ above, ...prices }));
  const named = [...tiers].filter(([, prices]) => Object.keys(prices).length > 0);
  if (named.length > 0) terms["tiers"] = Object.fromEntries(named);
  return { provider, model, terms, notes };
}

function put(into: Record<string, Json>, unit: Unit, usd: string | undefined): void {
  if (usd !== undefined) into[unit] ??= usd;
}

function within<K>(map: Map<K, Record<string, Json>>, key: K): Record<string, Json> {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made: Record<string, Json> = {};
  map.set(key, made);
  return made;
}
