/**
 * The surface that clients of `/v1/chat/completions` and `/v1/embeddings` see, under names that say what it is for, so
 * that the pipeline need not know whose dialect it happens to be.
 */
export { openaiChat as surfaceDialect } from "./openai/upstream.ts";
export { parseChatRequest, parseEmbeddingsRequest, measureText } from "./openai/parse.ts";
export type { EmbeddingsRequest } from "./openai/parse-embeddings.ts";
export { restoredEdits } from "./openai/restored.ts";
export { ChunkEncoder, encodeAnswer, encodeError } from "./openai/encode.ts";
export { readUsage } from "./openai/usage.ts";
