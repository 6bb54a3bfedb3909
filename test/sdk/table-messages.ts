/** The rows of the clients that speak Anthropic's Messages and Gemini's generateContent. */
import { everywhere, leaving, nowhere, reasoning, type Row } from "./row.ts";
import { DIALECTS } from "./world.ts";

const ANTHROPIC_SDK = {
  "gets an answer": everywhere("chat", "usage"),
  "streams, with usage": everywhere("stream", "usage"),
  "accumulates a stream with its own helper": everywhere("stream", "usage"),
  "runs two tools called at once": everywhere("tools"),
  "runs two tools called at once over streams": everywhere("tools"),
  "runs tools with toolRunner": everywhere("tools"),
  "parses structured output": everywhere("structured output"),
  "parses structured output of a stream": everywhere("structured output"),
  "reads what a model thought, and brings its signatures back": reasoning(DIALECTS),
  "sends a picture": everywhere("picture"),
  "gets vectors": nowhere("vectors", "the protocol has none"),
  "lists and retrieves models": everywhere("models"),
  "raises BadRequestError in the provider's words": everywhere("error"),
  "leaves a stream by its AbortController": leaving,
} as const satisfies Readonly<Record<string, Row>>;

const AI_SDK = {
  "generates text": everywhere("chat", "usage"),
  "streams text, with usage": everywhere("stream", "usage"),
  "runs two tools at once and goes on with what they said": everywhere("tools"),
  "runs a tool over streams": everywhere("tools"),
  "gets an object of a schema": everywhere("structured output"),
  "gets an object of a schema by generateObject": everywhere("structured output"),
  "streams an object of a schema": everywhere("structured output"),
  "reads what a model thought, and brings its signatures back": reasoning(DIALECTS),
  "sends a picture": everywhere("picture"),
  "raises APICallError in the provider's words, and would not repeat the call": everywhere("error"),
  "leaves a stream by its AbortSignal": leaving,
} as const satisfies Readonly<Record<string, Row>>;

const LANGCHAIN = {
  "invokes": everywhere("chat", "usage"),
  "streams": everywhere("stream"),
  "binds tools, and goes on with what both said": everywhere("tools"),
  "gathers tool calls from a stream": everywhere("tools"),
  "gets structured output by JSON schema": everywhere("structured output"),
  "gets structured output by function calling": everywhere("structured output"),
  "sends a picture": everywhere("picture"),
  "raises an error with status 400 in the provider's words": everywhere("error"),
  "leaves a stream by its signal": leaving,
} as const satisfies Readonly<Record<string, Row>>;

/** Clients of Messages. */
export const MESSAGES_CLIENTS = {
  "Anthropic SDK 1.12": ANTHROPIC_SDK,
  "Anthropic SDK 0.122": ANTHROPIC_SDK,
  "AI SDK by @ai-sdk/anthropic": { ...AI_SDK, "gets vectors": nowhere("vectors", "the protocol has none") },
  "LangChain's ChatAnthropic": {
    ...LANGCHAIN,
    "reads what a model thought, and brings its signatures back": reasoning(DIALECTS),
    "gets vectors": nowhere("vectors", "the protocol has none"),
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Row>>>>;

/** Tools where the mock's own answer reaches the client as it is. */
const tools: Row = {
  areas: ["tools"],
  cells: { fleet: DIALECTS, aimock: ["openai", "anthropic"] },
  why: "aimock ends Gemini's tool calls with FUNCTION_CALL, which the API does not have, and clients take it for a failure",
};
const VECTORS = "embeddings are served in OpenAI's form only";

/** Clients of generateContent. */
export const GEMINI_CLIENTS = {
  "Google GenAI SDK": {
    "generates": everywhere("chat", "usage"),
    "streams, with usage": everywhere("stream", "usage"),
    "runs two tools at once in a chat": tools,
    "calls tools by itself": everywhere("tools"),
    "calls tools by itself over streams": everywhere("tools"),
    "gets structured output by JSON schema": everywhere("structured output"),
    "gets structured output by its own kind of schema": everywhere("structured output"),
    "reads what a model thought, and brings its signatures back": reasoning(DIALECTS),
    "sends a picture": everywhere("picture"),
    "gets vectors": nowhere("vectors", VECTORS),
    "lists and retrieves models": everywhere("models"),
    "raises ApiError in the provider's words": everywhere("error"),
    "leaves a stream by its AbortSignal": leaving,
  },
  "AI SDK by @ai-sdk/google": { ...AI_SDK, "runs two tools at once and goes on with what they said": tools, "runs a tool over streams": tools, "gets vectors": nowhere("vectors", VECTORS) },
  "LangChain's ChatGoogleGenerativeAI": {
    ...LANGCHAIN,
    "binds tools, and goes on with what both said": tools,
    "gathers tool calls from a stream": tools,
    "reads what a model thought, and brings its signatures back": reasoning(DIALECTS),
    "gets vectors": nowhere("vectors", VECTORS),
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Row>>>>;
