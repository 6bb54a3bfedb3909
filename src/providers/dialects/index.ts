/** The dialects that this version speaks, by id. */
import type { DialectId } from "../../wire/facts.ts";
import { anthropicMessages } from "./anthropic/index.ts";
import type { Dialect } from "./dialect.ts";
import { gemini } from "./gemini/index.ts";
import { openaiChat } from "./openai/upstream.ts";

const DIALECTS: Readonly<Record<DialectId, Dialect>> = {
  "openai-chat": openaiChat,
  "anthropic-messages": anthropicMessages,
  gemini,
};

/** The dialect with this id. */
export function dialectById(id: DialectId): Dialect {
  return DIALECTS[id];
}
