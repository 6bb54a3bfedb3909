/** The writer of every upstream dialect. */
import type { DialectId } from "../../../src/wire/facts.ts";
import { anthropicMessagesWriter } from "./anthropic-messages.ts";
import { bedrockConverseWriter } from "./bedrock-converse.ts";
import { cohereV2Writer } from "./cohere-v2.ts";
import { geminiWriter } from "./gemini.ts";
import { openaiChatWriter } from "./openai-chat.ts";
import { openaiResponsesWriter } from "./openai-responses.ts";
import type { Writer } from "./spec.ts";

export const WRITERS: Readonly<Record<DialectId, Writer>> = {
  "openai-chat": openaiChatWriter,
  "openai-responses": openaiResponsesWriter,
  "anthropic-messages": anthropicMessagesWriter,
  gemini: geminiWriter,
  "bedrock-converse": bedrockConverseWriter,
  "cohere-v2": cohereV2Writer,
};
