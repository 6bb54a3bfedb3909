/** One call per endpoint that calls a provider, and the fleet that they are answered by: for tests of what stands in the way of all of them. */
import type { FleetConfig } from "../../src/fleet/index.ts";
import type { ServedName } from "../../src/wire/surfaces.ts";

export const CONFIG: FleetConfig = {
  seed: 3,
  providers: [
    { name: "at-openai", dialect: "openai-chat", models: { chat: { input: 1, output: 2 }, embed: { input: 0.02, output: 0 }, image: { units: { images: 0.04 } }, speech: { units: { characters: 0.00001 } }, hear: { units: { seconds: 0.0001 } }, rank: { units: { searches: 0.001 } }, "omni-moderation-latest": { units: { requests: 0 } } } },
    { name: "at-cohere", dialect: "cohere-v2", models: { rerank: { units: { searches: 0.002 } }, vectors: { input: 0.12, output: 0 } } },
    { name: "at-anthropic", dialect: "anthropic-messages", models: { talk: { input: 1, output: 5 } } },
    { name: "at-gemini", dialect: "gemini", models: { meaning: { input: 0.15, output: 0 }, flash: { input: 0.1, output: 0.4 } } },
  ],
};
export const HI = [{ role: "user", content: "hi" }];
export type Body = Readonly<Record<string, unknown>> | null | "form";
const SPEECH = "RIFF....WAVE";

/** One call per served name; what the gateway keeps itself calls nobody and is left out by its name. */
export const CALLS: Readonly<Record<Exclude<ServedName, "response" | "response-input-items" | "response-cancel" | "responses-compact" | "feedback">, readonly [string, string, Body]>> = {
  chat: ["POST", "/v1/chat/completions", { model: "at-openai/chat", messages: HI }],
  "chat-mistral": ["POST", "/v1/chat/completions", { model: "at-openai/chat", messages: HI }],
  completions: ["POST", "/v1/completions", { model: "at-openai/chat", prompt: "hi" }],
  responses: ["POST", "/v1/responses", { model: "at-openai/chat", input: "hi" }],
  messages: ["POST", "/v1/messages", { model: "at-anthropic/talk", max_tokens: 10, messages: HI }],
  "generate-content": ["POST", "/v1beta/models/at-gemini%2Fflash:generateContent", { contents: [{ role: "user", parts: [{ text: "hi" }] }] }],
  converse: ["POST", "/model/at-openai%2Fchat/converse", { messages: [{ role: "user", content: [{ text: "hi" }] }] }],
  "chat-v2": ["POST", "/v2/chat", { model: "at-openai/chat", messages: HI }],
  embeddings: ["POST", "/v1/embeddings", { model: "at-openai/embed", input: "hi" }],
  moderations: ["POST", "/v1/moderations", { model: "at-openai/omni-moderation-latest", input: "hi" }],
  "image-generations": ["POST", "/v1/images/generations", { model: "at-openai/image", prompt: "a cat" }],
  "image-edits": ["POST", "/v1/images/edits", "form"],
  "image-variations": ["POST", "/v1/images/variations", "form"],
  "audio-speech": ["POST", "/v1/audio/speech", { model: "at-openai/speech", input: "hi", voice: "alloy" }],
  "audio-transcriptions": ["POST", "/v1/audio/transcriptions", "form"],
  "audio-translations": ["POST", "/v1/audio/translations", "form"],
  rerank: ["POST", "/v1/rerank", { model: "at-openai/rank", query: "a", documents: ["b"] }],
  "rerank-v2": ["POST", "/v2/rerank", { model: "at-cohere/rerank", query: "a", documents: ["b"] }],
  "embed-v2": ["POST", "/v2/embed", { model: "at-cohere/vectors", texts: ["hi"], input_type: "search_query", embedding_types: ["float"] }],
  "embed-content": ["POST", "/v1beta/models/at-gemini%2Fmeaning:embedContent", { content: { parts: [{ text: "hi" }] } }],
  "batch-embed-contents": ["POST", "/v1beta/models/at-gemini%2Fmeaning:batchEmbedContents", { requests: [{ model: "models/meaning", content: { parts: [{ text: "hi" }] } }] }],
  files: ["GET", "/v1/files", null],
  file: ["GET", "/v1/files/file-1", null],
  "file-content": ["GET", "/v1/files/file-1/content", null],
  batches: ["POST", "/v1/batches", { input_file_id: "file-1", endpoint: "/v1/chat/completions", completion_window: "24h" }],
  batch: ["GET", "/v1/batches/batch_1", null],
  "batch-cancel": ["POST", "/v1/batches/batch_1/cancel", null],
  "message-batches": ["POST", "/v1/messages/batches", { requests: [{ custom_id: "a", params: { model: "at-anthropic/talk", max_tokens: 10, messages: HI } }] }],
  "message-batch": ["GET", "/v1/messages/batches/msgbatch_1", null],
  "message-batch-cancel": ["POST", "/v1/messages/batches/msgbatch_1/cancel", null],
  "message-batch-results": ["GET", "/v1/messages/batches/msgbatch_1/results", null],
  "responses-input-tokens": ["POST", "/v1/responses/input_tokens", { model: "at-openai/chat", input: "hi" }],
  "messages-count-tokens": ["POST", "/v1/messages/count_tokens", { model: "at-anthropic/talk", messages: HI }],
  "generate-content-count-tokens": ["POST", "/v1beta/models/at-gemini%2Fflash:countTokens", { contents: [{ role: "user", parts: [{ text: "hi" }] }] }],
};

/** What calls nobody, and what takes an account that no fleet has. */
export const KEPT_HERE = new Set(["feedback", "response", "response-input-items", "response-cancel", "responses-compact"]);

function form(path: string): FormData {
  const data = new FormData();
  const model = path.includes("images") ? "at-openai/image" : "at-openai/hear";
  data.set("model", model);
  if (path.includes("images")) data.set("prompt", "a cat");
  data.set(path.includes("images") ? "image" : "file", new Blob([SPEECH]), path.includes("images") ? "a.png" : "a.wav");
  return data;
}

/** Makes one of the calls with this caller key. */
export function send(url: string, key: string, [method, path, body]: (typeof CALLS)[keyof typeof CALLS], headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  const content = body === "form" ? { body: form(path) } : body === null ? {} : { body: JSON.stringify(body) };
  const type: Record<string, string> = body === "form" || body === null ? {} : { "content-type": "application/json" };
  return fetch(url + path, { method, headers: { authorization: `Bearer ${key}`, ...type, ...headers }, ...content });
}
