/** The dialects that this version speaks, by id. */
import type { DialectId } from "../../wire/facts.ts";
import { anthropicMessages } from "./anthropic/index.ts";
import { bedrockConverse } from "./bedrock/index.ts";
import { cohereV2 } from "./cohere/index.ts";
import type { Dialect } from "./dialect.ts";
import { gemini } from "./gemini/index.ts";
import { openaiChat } from "./openai/upstream.ts";
import { openaiResponses } from "./responses/index.ts";

const DIALECTS: Readonly<Partial<Record<DialectId, Dialect>>> = {
  "openai-chat": openaiChat,
  "openai-responses": openaiResponses,
  "anthropic-messages": anthropicMessages,
  gemini,
  "bedrock-converse": bedrockConverse,
  "cohere-v2": cohereV2,
};

/** The dialect with this id. Throws for one that has no codec: a provider's facts must not name it. */
export function dialectById(id: DialectId): Dialect {
  const dialect = DIALECTS[id];
  if (dialect === undefined) throw new Error(`no codec for ${id}`);
  return dialect;
}
