import { anthropicMessages } from "./anthropic-messages.ts";
import { cohereV2 } from "./cohere-v2.ts";
import type { FleetDialect } from "./dialect.ts";
import { gemini } from "./gemini.ts";
import { openaiChat } from "./openai-chat.ts";

const DIALECTS = { "openai-chat": openaiChat, "anthropic-messages": anthropicMessages, gemini, "cohere-v2": cohereV2 } as const;

export type DialectName = keyof typeof DIALECTS;

export function dialectOf(name: DialectName): FleetDialect {
  return DIALECTS[name];
}
