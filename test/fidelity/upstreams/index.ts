/** The places of every upstream dialect. */
import type { DialectId } from "../../../src/wire/facts.ts";
import { anthropicMessagesPlaces } from "./anthropic-messages.ts";
import { bedrockConversePlaces } from "./bedrock-converse.ts";
import { cohereV2Places } from "./cohere-v2.ts";
import { geminiPlaces } from "./gemini.ts";
import { openaiChatPlaces } from "./openai-chat.ts";
import { openaiResponsesPlaces } from "./openai-responses.ts";
import type { Places } from "./places.ts";

export const PLACES: Readonly<Record<DialectId, Places>> = {
  "openai-chat": openaiChatPlaces,
  "openai-responses": openaiResponsesPlaces,
  "anthropic-messages": anthropicMessagesPlaces,
  gemini: geminiPlaces,
  "bedrock-converse": bedrockConversePlaces,
  "cohere-v2": cohereV2Places,
};
