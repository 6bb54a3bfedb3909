import { anthropicMessages } from "./anthropic-messages.ts";
import type { FleetDialect } from "./dialect.ts";
import { gemini } from "./gemini.ts";
import { openaiChat } from "./openai-chat.ts";

const DIALECTS = { "openai-chat": openaiChat, "anthropic-messages": anthropicMessages, gemini } as const;

export type DialectName = keyof typeof DIALECTS;

export function dialectOf(name: DialectName): FleetDialect {
  return DIALECTS[name];
}
