/** The chat protocols that clients may speak, by the surface on which they are served. */
import type { SurfaceName } from "../../wire/surfaces.ts";
import { anthropicClient } from "./anthropic/client.ts";
import { bedrockClient } from "./bedrock/client.ts";
import type { ClientDialect } from "./client.ts";
import { cohereClient } from "./cohere/index.ts";
import { completionsClient } from "./completions/index.ts";
import { geminiClient } from "./gemini/client.ts";
import { mistralClient } from "./mistral/index.ts";
import { openaiClient, openaiClientOfBothFields } from "./openai/client.ts";
import { responsesClient } from "./responses/client.ts";

const CLIENTS: Readonly<Record<SurfaceName, ClientDialect>> = {
  chat: openaiClient,
  "chat-mistral": mistralClient,
  completions: completionsClient,
  responses: responsesClient,
  messages: anthropicClient,
  "generate-content": geminiClient,
  converse: bedrockClient,
  "chat-v2": cohereClient,
};

/** The protocol of a surface. `showsReasoningTwice`: chat completions show reasoning in both of the fields that clients read. */
export function clientOf(surface: SurfaceName, showsReasoningTwice = false): ClientDialect {
  return showsReasoningTwice && surface === "chat" ? openaiClientOfBothFields : CLIENTS[surface];
}
