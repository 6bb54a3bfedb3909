/**
 * The client matrix as a table: SDK × promise × dialect × upstream. Each cell is a case; a cell that is not, has its reason
 * here. The SDKs' test files give the code of each row, and do not compile without one of them.
 */
import { everywhere, leaving, reasoning, type Row } from "./row.ts";
import { GEMINI_CLIENTS, MESSAGES_CLIENTS } from "./table-messages.ts";
import { DIALECTS } from "./world.ts";

const vectors: Row = {
  areas: ["vectors"],
  cells: { fleet: ["openai"], aimock: ["openai"] },
  why: "embeddings are served by upstreams of the client's own dialect only",
};
const AI_SDK = {
  "generates text": everywhere("chat"),
  "streams text, with usage": everywhere("stream", "usage"),
  "runs two tools at once and goes on with what they said": everywhere("tools"),
  "runs a tool over streams": everywhere("tools"),
  "gets an object of a schema": everywhere("structured output"),
  "gets an object of a schema by generateObject": everywhere("structured output"),
  "streams an object of a schema": everywhere("structured output"),
  "sends a picture": everywhere("picture"),
  "gets vectors": vectors,
  "raises APICallError in the provider's words, and would not repeat the call": everywhere("error"),
  "leaves a stream by its AbortSignal": leaving,
} as const satisfies Readonly<Record<string, Row>>;

export const TABLE = {
  "openai SDK": {
    "gets an answer": everywhere("chat"),
    "streams": everywhere("stream"),
    "reads usage and cost at the end of a stream": everywhere("usage"),
    "accumulates a stream with its own helper": everywhere("stream"),
    "runs a tool with runTools": everywhere("tools"),
    "runs a tool with runTools over streams": everywhere("tools"),
    "runs two tools called at once": everywhere("tools"),
    "parses structured output": everywhere("structured output"),
    "parses structured output of a stream": everywhere("structured output"),
    "reads what a model thought, and brings its signatures back": reasoning(DIALECTS),
    "sends a picture": everywhere("picture"),
    "gets vectors, in base64 as it asks by itself": vectors,
    "gets vectors as numbers": vectors,
    "lists and retrieves models": everywhere("models"),
    "raises BadRequestError in the provider's words": everywhere("error"),
    "leaves a stream by its AbortController": leaving,
  },
  "AI SDK by @ai-sdk/openai-compatible": { ...AI_SDK, "reads what a model thought, and brings its signatures back": reasoning(DIALECTS) },
  "AI SDK by @ai-sdk/openai": { ...AI_SDK, "reads what a model thought": reasoning([], "the package knows no reasoning in chat completions") },
  "LangChain's ChatOpenAI": {
    "invokes": everywhere("chat"),
    "streams, with usage": everywhere("stream", "usage"),
    "binds tools, and goes on with what both said": everywhere("tools"),
    "gathers a tool call from a stream": everywhere("tools"),
    "gets structured output by JSON schema": everywhere("structured output"),
    "gets structured output by function calling": everywhere("structured output"),
    "reads what a model thought": reasoning(DIALECTS),
    "sends a picture": everywhere("picture"),
    "gets vectors": vectors,
    "raises an error with status 400 in the provider's words": everywhere("error"),
    "leaves a stream by its signal": leaving,
  },
  ...MESSAGES_CLIENTS,
  ...GEMINI_CLIENTS,
} as const satisfies Readonly<Record<string, Readonly<Record<string, Row>>>>;

export type Sdk = keyof typeof TABLE;
