/**
 * The client matrix as a table: SDK × promise × dialect × upstream. Each cell is a case; a cell that is not, has its reason
 * here. The SDKs' test files give the code of each row, and do not compile without one of them.
 */
import type { Row } from "./row.ts";
import { GEMINI_CLIENTS, MESSAGES_CLIENTS } from "./table-messages.ts";
import { CHAT_CLIENTS } from "./table-openai.ts";
import { AGENT_CLIENTS, OTHER_CLIENTS, RESPONSES_CLIENTS } from "./table-responses.ts";

export const TABLE = {
  ...CHAT_CLIENTS,
  ...RESPONSES_CLIENTS,
  ...AGENT_CLIENTS,
  ...OTHER_CLIENTS,
  ...MESSAGES_CLIENTS,
  ...GEMINI_CLIENTS,
} as const satisfies Readonly<Record<string, Readonly<Record<string, Row>>>>;

export type Sdk = keyof typeof TABLE;
