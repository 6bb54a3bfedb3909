/** The places of every upstream dialect. */
import type { DialectId } from "../../../src/wire/facts.ts";
import { anthropicMessagesPlaces } from "./anthropic-messages.ts";
import { bedrockConversePlaces } from "./bedrock-converse.ts";
import { cohereV2Places } from "./cohere-v2.ts";
import { geminiPlaces } from "./gemini.ts";
import { openaiChatPlaces } from "./openai-chat.ts";
import { openaiResponsesPlaces } from "./openai-responses.ts";
import { SAFETY_IN_WORDS, type Places } from "./places.ts";

export const PLACES: Readonly<Record<DialectId, Places>> = {
  "openai-chat": { ...SAFETY_IN_WORDS, ...openaiChatPlaces },
  "openai-responses": { ...SAFETY_IN_WORDS, ...openaiResponsesPlaces },
  "anthropic-messages": { ...SAFETY_IN_WORDS, ...anthropicMessagesPlaces },
  gemini: { ...SAFETY_IN_WORDS, ...geminiPlaces },
  "bedrock-converse": { ...SAFETY_IN_WORDS, ...bedrockConversePlaces },
  "cohere-v2": { ...SAFETY_IN_WORDS, ...cohereV2Places },
};
