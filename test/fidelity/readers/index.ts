/** The reader of every surface. */
import type { SurfaceName } from "../../../src/wire/surfaces.ts";
import { chatMistralReader } from "./chat-mistral.ts";
import { chatV2Reader } from "./chat-v2.ts";
import { chatReader, completionsReader } from "./chat.ts";
import { converseReader } from "./converse.ts";
import { generateContentReader } from "./generate-content.ts";
import { messagesReader } from "./messages.ts";
import { responsesReader } from "./responses.ts";
import type { Reader } from "./spec.ts";

export const READERS: Readonly<Record<SurfaceName, Reader>> = {
  chat: chatReader,
  "chat-mistral": chatMistralReader,
  completions: completionsReader,
  responses: responsesReader,
  messages: messagesReader,
  "generate-content": generateContentReader,
  converse: converseReader,
  "chat-v2": chatV2Reader,
};
