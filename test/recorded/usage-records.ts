/**
 * Which surface produced each recorded usage object, how many there are of each, and where our reading differs from the
 * library's that recorded them. The recordings do not name their provider: the shape of the object tells the surface, and
 * for the one shape that many hosts share the recording's own name tells the host.
 */
import type { DialectId } from "../../src/wire/facts.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { isObject, member } from "../../src/wire/json.ts";

/** Who produced a usage object: the surface, the provider whose facts apply, and the library's extractor for it. */
export interface Producer {
  readonly surface: DialectId | "cohere-embed" | "openai-embeddings";
  readonly provider: string;
  readonly extractor: string;
}

/** Hosts of the chat shape by what the recording is called; the first that fits. */
const CHAT_HOSTS: readonly (readonly [RegExp, string, string])[] = [
  [/test_openrouter|\[qwen-/, "openrouter", "openrouter:chat"],
  [/groq/, "groq", "groq:default"],
  [/test_mistral|[[-]mistral/, "mistral", "mistral:default"],
  [/cerebras/, "cerebras", "cerebras:chat"],
  [/test_deepseek\//, "deepseek", "deepseek:chat"],
  // The library reads every host behind this router alike.
  [/huggingface/, "huggingface", "huggingface_together:chat"],
  [/test_ollama/, "ollama", "openai:chat"],
  [/test_zai/, "zai", "zai:chat"],
  [/test_azure/, "azure", "azure:chat"],
  [/test_compatible_api/, "openai-compatible", "google:chat"],
  [/test_heroku/, "openai-compatible", "openai:chat"],
  [/^/, "openai", "openai:chat"],
];

/** The surface that such an object comes from. */
export function producerOf(body: JsonObject): Producer {
  const usage = member(body, "usage");
  const has = (key: string): boolean => member(usage, key) !== undefined;
  if (isObject(body["usageMetadata"])) return { surface: "gemini", provider: "google", extractor: "google:default" };
  if (isObject(body["meta"])) return { surface: "cohere-embed", provider: "cohere", extractor: "cohere:embeddings" };
  if (has("billed_units")) return { surface: "cohere-v2", provider: "cohere", extractor: "cohere:default" };
  if (has("inputTokens")) return { surface: "bedrock-converse", provider: "bedrock", extractor: "aws:default" };
  if (has("cache_creation_input_tokens")) return { surface: "anthropic-messages", provider: "anthropic", extractor: "anthropic:default" };
  if (has("input_tokens")) return { surface: "openai-responses", provider: "openai", extractor: "openai:responses" };
  if (!has("completion_tokens")) return { surface: "openai-embeddings", provider: "openai", extractor: "openai:embeddings" };
  const [, provider = "", extractor = ""] = CHAT_HOSTS.find(([name]) => name.test(fileOf(body))) ?? [];
  return { surface: "openai-chat", provider, extractor };
}

/** The recording that the object was taken from. */
export function fileOf(body: JsonObject): string {
  const file = body["file"];
  return typeof file === "string" ? file : "";
}

/** How many records each producer has: surface, provider, extractor. Another count means that the data or the rules changed. */
export const COUNTS: Readonly<Record<string, number>> = {
  "anthropic-messages anthropic anthropic:default": 175,
  "bedrock-converse bedrock aws:default": 173,
  "cohere-embed cohere cohere:embeddings": 3,
  "cohere-v2 cohere cohere:default": 13,
  "gemini google google:default": 343,
  "openai-chat azure azure:chat": 1,
  "openai-chat cerebras cerebras:chat": 8,
  "openai-chat deepseek deepseek:chat": 3,
  "openai-chat groq groq:default": 52,
  "openai-chat huggingface huggingface_together:chat": 10,
  "openai-chat mistral mistral:default": 46,
  "openai-chat ollama openai:chat": 4,
  "openai-chat openai openai:chat": 142,
  "openai-chat openai-compatible google:chat": 1,
  "openai-chat openai-compatible openai:chat": 1,
  "openai-chat openrouter openrouter:chat": 36,
  "openai-chat zai zai:chat": 5,
  "openai-embeddings openai openai:embeddings": 3,
  "openai-responses openai openai:responses": 183,
};

export interface Difference {
  /** Class → the library's count and ours. */
  readonly counts: Readonly<Record<string, readonly [theirs: number, ours: number]>>;
  readonly reason: string;
}

const COMPACTION = "the top level tells the answer alone; the compaction before it, billed as well, stands only in `iterations`";
const ADVISER = "an adviser of another model and price answered in between; what it used stands only in `iterations`";

/** Record (the recording's name, and its number within it where that has several) → what differs, and why ours stands. */
export const DIFFERENCES: Readonly<Record<string, Difference>> = {
  "models/cassettes/test_anthropic/test_anthropic_compaction_end_to_end.yaml #1": {
    counts: { input_tokens: [220, 55_416], output_tokens: [8, 133] },
    reason: COMPACTION,
  },
  "models/cassettes/test_anthropic/test_anthropic_compaction_usage_with_cache.yaml": {
    counts: { input_tokens: [180, 55_376], output_tokens: [8, 90], cache_write_tokens: [0, 55_096], cache_write_5m_tokens: [0, 55_096] },
    reason: COMPACTION,
  },
  "models/cassettes/test_anthropic/test_anthropic_advisor_tool_message_replay.yaml": {
    counts: { input_tokens: [2_417, 4_946], output_tokens: [133, 171] },
    reason: ADVISER,
  },
  "models/cassettes/test_anthropic/test_anthropic_advisor_tool_redacted.yaml": {
    counts: { input_tokens: [2_482, 5_046], output_tokens: [166, 265] },
    reason: ADVISER,
  },
  "models/cassettes/test_openai/test_compatible_api_with_tool_calls_without_id.yaml": {
    counts: { output_tokens: [12, 74], output_reasoning_tokens: [0, 62] },
    reason: "the total is 62 tokens more than prompt and completion: thoughts, which this compatible endpoint bills and tells nowhere else",
  },
};

/** The library's word for a class → the part of it that came from the cache, which we count as cache reads alone. */
export const CACHED_INSIDE: Readonly<Record<string, string>> = {
  input_audio_tokens: "cache_audio_read_tokens",
  input_image_tokens: "cache_image_read_tokens",
};

/** What the library tells and we have no class for: parts of classes that we price as a whole. */
export const PARTS_WITHOUT_CLASS: readonly string[] = [
  "input_text_tokens", "output_text_tokens", "cache_text_read_tokens", "cache_audio_read_tokens", "cache_image_read_tokens",
  "cache_video_read_tokens", "input_video_tokens", "input_tool_tokens", "input_text_tool_tokens",
];
