/** The rows of the clients that speak OpenAI's protocols: chat completions, responses and the old completions. */
import { everywhere, inEveryProtocol, leaving, nowhere, reasoning, type Row } from "./row.ts";
import { DIALECTS } from "./world.ts";

/** Of the clients that can ask for them. */
export const vectors: Row = {
  areas: ["vectors"],
  cells: { fleet: ["openai"], aimock: ["openai"] },
  why: "embeddings are served by upstreams of the client's own dialect only",
};

const OPENAI_SDK = {
  "gets an answer": inEveryProtocol("chat"),
  "streams": inEveryProtocol("stream"),
  "reads usage and cost at the end of a stream": inEveryProtocol("usage"),
  "accumulates a stream with its own helper": inEveryProtocol("stream"),
  "runs a tool with runTools": inEveryProtocol("tools"),
  "runs a tool with runTools over streams": inEveryProtocol("tools"),
  "runs two tools called at once": inEveryProtocol("tools"),
  "parses structured output": inEveryProtocol("structured output"),
  "parses structured output of a stream": inEveryProtocol("structured output"),
  "reads what a model thought, and brings its signatures back": reasoning(DIALECTS),
  "sends a picture": inEveryProtocol("picture"),
  "gets vectors, in base64 as it asks by itself": vectors,
  "gets vectors as numbers": vectors,
  "lists and retrieves models": everywhere("models"),
  "raises BadRequestError in the provider's words": inEveryProtocol("error"),
  "leaves a stream by its AbortController": leaving,
} as const satisfies Readonly<Record<string, Row>>;

/** The rows of the AI SDK by whichever package. */
export const AI_SDK = {
  "generates text": inEveryProtocol("chat"),
  "streams text, with usage": inEveryProtocol("stream", "usage"),
  "runs two tools at once and goes on with what they said": inEveryProtocol("tools"),
  "runs a tool over streams": inEveryProtocol("tools"),
  "gets an object of a schema": inEveryProtocol("structured output"),
  "gets an object of a schema by generateObject": inEveryProtocol("structured output"),
  "streams an object of a schema": inEveryProtocol("structured output"),
  "sends a picture": inEveryProtocol("picture"),
  "raises APICallError in the provider's words, and would not repeat the call": inEveryProtocol("error"),
  "leaves a stream by its AbortSignal": leaving,
} as const satisfies Readonly<Record<string, Row>>;

/** The rows of LangChain by whichever of the protocols. */
export const LANGCHAIN = {
  "invokes": inEveryProtocol("chat"),
  "streams": inEveryProtocol("stream", "usage"),
  "binds tools, and goes on with what both said": inEveryProtocol("tools"),
  "gathers tool calls from a stream": inEveryProtocol("tools"),
  "gets structured output by JSON schema": inEveryProtocol("structured output"),
  "gets structured output by function calling": inEveryProtocol("structured output"),
  "reads what a model thought": reasoning(DIALECTS),
  "sends a picture": inEveryProtocol("picture"),
  "raises an error with status 400 in the provider's words": inEveryProtocol("error"),
  "leaves a stream by its signal": leaving,
} as const satisfies Readonly<Record<string, Row>>;

/** Clients of chat completions. */
export const CHAT_CLIENTS = {
  "openai SDK": OPENAI_SDK,
  "AzureOpenAI": OPENAI_SDK,
  "AI SDK by @ai-sdk/openai-compatible": { ...AI_SDK, "gets vectors": vectors, "reads what a model thought, and brings its signatures back": reasoning(DIALECTS) },
  "AI SDK by @ai-sdk/openai": { ...AI_SDK, "gets vectors": vectors, "reads what a model thought": nowhere("reasoning", "the package knows no reasoning in chat completions") },
  "LangChain's ChatOpenAI": { ...LANGCHAIN, "gets vectors": vectors },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Row>>>>;
