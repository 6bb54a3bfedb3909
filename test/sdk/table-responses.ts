/** The rows of the clients that speak responses, the old completions, Converse, Cohere's chat, or another maker's reading of chat completions. */
import { everywhere, inEveryProtocol, leaving, nowhere, reasoning, type Row } from "./row.ts";
import { AI_SDK, LANGCHAIN, vectors } from "./table-openai.ts";
import { DIALECTS } from "./world.ts";

const NO_VECTORS = nowhere("vectors", "the protocol has none");

/** Clients of responses. */
export const RESPONSES_CLIENTS = {
  "openai SDK by responses": {
    "gets an answer": inEveryProtocol("chat", "usage"),
    "streams, with usage": inEveryProtocol("stream", "usage"),
    "accumulates a stream with its own helper": inEveryProtocol("stream", "usage"),
    "runs two tools called at once": inEveryProtocol("tools"),
    "runs two tools called at once over streams": inEveryProtocol("tools"),
    "parses structured output": inEveryProtocol("structured output"),
    "parses structured output of a stream": inEveryProtocol("structured output"),
    "reads what a model thought, and brings its signatures back": reasoning(DIALECTS),
    "sends a picture": inEveryProtocol("picture"),
    "gets vectors": NO_VECTORS,
    "raises BadRequestError in the provider's words": inEveryProtocol("error"),
    "leaves a stream by its AbortController": leaving,
  },
  "AI SDK by @ai-sdk/openai's responses": {
    ...AI_SDK,
    "gets vectors": NO_VECTORS,
    "reads what a model thought, and brings its signatures back": reasoning(DIALECTS),
    "goes on from thoughts that it names by their ids alone": reasoning(DIALECTS),
  },
  "LangChain's ChatOpenAI by responses": { ...LANGCHAIN, "gets vectors": NO_VECTORS },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Row>>>>;

const AGENTS = {
  "runs an agent": inEveryProtocol("chat", "usage"),
  "streams an agent's run": inEveryProtocol("stream", "usage"),
  "runs an agent with two tools called at once": inEveryProtocol("tools"),
  "streams an agent's run with tools": inEveryProtocol("tools"),
  "gives an agent's output the type that it asks": inEveryProtocol("structured output"),
  "sends a picture": inEveryProtocol("picture"),
  "gets vectors": nowhere("vectors", "agents ask for none"),
  "raises BadRequestError in the provider's words": inEveryProtocol("error"),
  "leaves a stream by its signal": leaving,
} as const satisfies Readonly<Record<string, Row>>;

/** Agents, in both modes. */
export const AGENT_CLIENTS = {
  "OpenAI Agents by responses": { ...AGENTS, "reads what a model thought, and brings its signatures back": reasoning(DIALECTS) },
  "OpenAI Agents by chat completions": { ...AGENTS, "reads what a model thought": nowhere("reasoning", "the package reads `reasoning`, which chat completions have only where the configuration says `reasoning_field: both`: shown beside the matrix") },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Row>>>>;

/** Clients of protocols that are like chat completions, or were before them. */
export const OTHER_CLIENTS = {
  "openai SDK by completions": {
    "gets an answer": inEveryProtocol("chat", "usage"),
    "streams, with usage": inEveryProtocol("stream", "usage"),
    "raises BadRequestError in the provider's words": inEveryProtocol("error"),
    "leaves a stream by its AbortController": leaving,
    "calls tools": nowhere("tools", "the protocol has none"),
    "parses structured output": nowhere("structured output", "the protocol has none"),
    "reads what a model thought": nowhere("reasoning", "the protocol has no place for it"),
    "sends a picture": nowhere("picture", "the protocol has text only"),
    "gets vectors": NO_VECTORS,
  },
  "AI SDK by @ai-sdk/mistral": { ...AI_SDK, "gets vectors": vectors, "reads what a model thought, and brings its signatures back": reasoning(DIALECTS) },
  "Mistral SDK": {
    "completes": inEveryProtocol("chat", "usage"),
    "streams, with usage": inEveryProtocol("stream", "usage"),
    "runs two tools called at once": inEveryProtocol("tools"),
    "runs two tools called at once over streams": inEveryProtocol("tools"),
    "parses structured output": inEveryProtocol("structured output"),
    "reads what a model thought, and brings its signatures back": reasoning(DIALECTS),
    "sends a picture": inEveryProtocol("picture"),
    "gets vectors": vectors,
    "lists and retrieves models": everywhere("models"),
    "raises an error with status 400 in the provider's words": inEveryProtocol("error"),
    "leaves a stream by its signal": leaving,
  },
  "AI SDK by @ai-sdk/amazon-bedrock": { ...AI_SDK, "gets vectors": nowhere("vectors", "the host's embeddings are asked in another form than Converse"), "reads what a model thought, and brings its signatures back": reasoning(DIALECTS) },
  "Cohere SDK": {
    "chats": inEveryProtocol("chat", "usage"),
    "streams, with usage": inEveryProtocol("stream", "usage"),
    "runs two tools called at once": inEveryProtocol("tools"),
    "runs two tools called at once over streams": inEveryProtocol("tools"),
    "gets an object of a schema": inEveryProtocol("structured output"),
    "reads what a model thought": reasoning(DIALECTS),
    "sends a picture": inEveryProtocol("picture"),
    "gets vectors": nowhere("vectors", "embeddings are served in OpenAI's form only"),
    "raises BadRequestError in the provider's words": inEveryProtocol("error"),
    "leaves a stream by its signal": leaving,
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Row>>>>;
