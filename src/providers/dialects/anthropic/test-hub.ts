/** For tests: requests and targets with everything at rest, and hub events folded to what a reader can check by eye. */
import type { ChatRequest, Message, Part, Tool } from "../../../wire/chat.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { ModelFacts, ProviderFacts, UsageFacts } from "../../../wire/facts.ts";
import type { Json } from "../../../wire/json.ts";
import type { UpstreamError } from "../../../wire/outcome.ts";
import type { Usage } from "../../../wire/usage.ts";
import type { DecodeContext, EncodedRequest, Target } from "../dialect.ts";
import { anthropicMessages } from "./index.ts";

const USAGE: UsageFacts = {
  reasoningInOutput: true, cacheReadPaths: [], cacheWritePaths: [], cacheInsideInput: false, cost: null, includeUsageOption: false,
};
export const CONTEXT: DecodeContext = { usage: USAGE, upstreamModel: "claude-sonnet-4-5" };

const PROVIDER: ProviderFacts = {
  id: "anthropic", name: "Anthropic", dialect: "anthropic-messages", baseUrl: "https://api.anthropic.com/v1",
  auth: { kind: "header", name: "x-api-key" }, env: [], headers: [], kind: "maker", billsOnAbort: "input", onClientGone: "abort",
  usage: USAGE, quirks: {}, statusClasses: {}, domain: {}, region: null, unmetered: false, requestIdHeader: null, idempotencyHeader: null,
};

/** A target with these facts; without any, a model that the catalogue does not know. */
export function target(upstreamModel: string, facts?: Partial<ModelFacts>): Target {
  return { provider: PROVIDER, upstreamModel, model: facts === undefined ? null : { ...MODEL, upstream: upstreamModel, ...facts } };
}
const MODEL: ModelFacts = {
  id: "anthropic/model", provider: "anthropic", upstream: "model", name: "Model", canonical: "model", variant: null, family: null,
  type: "chat", status: "active", contextWindow: 200_000, maxOutput: 64_000, input: ["text"], output: ["text"], tools: true,
  jsonSchema: true, vision: true, reasoning: true, reasoningEfforts: null, openWeights: false, aliases: [], embeddingDimensions: null,
  price: null, priceSources: { from: [], agree: 0, of: 0, asOf: "" }, dialectOverride: null, retiresOn: null,
};

/** A request that asks for nothing but an answer to "Hi". */
export function request(fields: Partial<ChatRequest> = {}): ChatRequest {
  return {
    model: "claude", messages: [user("Hi")], tools: [], toolChoice: undefined, parallelToolCalls: undefined, maxOutputTokens: undefined,
    temperature: undefined, topP: undefined, topK: undefined, seed: undefined, presencePenalty: undefined, frequencyPenalty: undefined,
    choiceCount: 1, stop: [], responseFormat: undefined, reasoningEffort: undefined, thinking: undefined, logprobs: undefined,
    topLogprobs: undefined, logitBias: undefined, serviceTier: undefined, user: undefined, metadata: undefined, stream: false,
    includeUsage: false, other: {}, ...fields,
  };
}
export function text(value: string, cacheControl?: { readonly type: string; readonly ttl?: string }): Part {
  return { kind: "text", text: value, cacheControl };
}
export function user(...parts: readonly (string | Part)[]): Message {
  return { role: "user", parts: parts.map((part) => (typeof part === "string" ? text(part) : part)), name: undefined };
}
export function system(...parts: readonly (string | Part)[]): Message {
  return { role: "system", parts: parts.map((part) => (typeof part === "string" ? text(part) : part)), name: undefined };
}
export function assistant(fields: Partial<Extract<Message, { role: "assistant" }>>): Message {
  return { role: "assistant", parts: [], toolCalls: [], reasoning: [], name: undefined, other: {}, ...fields };
}
export function call(id: string, name: string, argumentsJson = "{}", thoughtSignature?: string) {
  return { id, name, argumentsJson, thoughtSignature };
}
export function result(toolCallId: string, ...parts: readonly (string | Part)[]): Message {
  return { role: "tool", toolCallId, parts: parts.map((part) => (typeof part === "string" ? text(part) : part)) };
}
export function tool(name: string, fields: Partial<Extract<Tool, { kind: "function" }>> = {}): Tool {
  return { kind: "function", name, description: undefined, parameters: undefined, strict: undefined, cacheControl: undefined, ...fields };
}

/** Encode, or fail with the refusal's own words. */
export function encoded(fields: Partial<ChatRequest>, to: Target = target("claude-sonnet-4-5", {})): EncodedRequest {
  const made = anthropicMessages.encodeChat(request(fields), to);
  if (made.kind !== "encoded") throw new Error(`refused: ${made.param}: ${made.message}`);
  return made;
}
/** The param that is refused; fails where the request is encoded. */
export function refused(fields: Partial<ChatRequest>, to: Target = target("claude-sonnet-4-5", {})): string {
  const made = anthropicMessages.encodeChat(request(fields), to);
  if (made.kind !== "unsupported") throw new Error(`not refused: ${JSON.stringify(made.body)}`);
  return made.param;
}

export interface Folded {
  readonly text: string;
  readonly reasoning: string;
  readonly refusal: string;
  /** `id name arguments`. */
  readonly tools: readonly string[];
  readonly finish: readonly string[];
  readonly usage: Usage | undefined;
  readonly errors: readonly UpstreamError[];
  readonly warnings: readonly string[];
  readonly ended: boolean;
}
export function fold(events: readonly StreamEvent[]): Folded {
  const joined = (kind: "text" | "reasoning" | "refusal") => events.map((event) => (event.kind === kind ? event.text : "")).join("");
  const tools: string[] = [];
  for (const event of events) {
    if (event.kind === "tool-start") tools[event.index] = `${event.id} ${event.name} `;
    if (event.kind === "tool-arguments") tools[event.index] += event.json;
  }
  return {
    text: joined("text"), reasoning: joined("reasoning"), refusal: joined("refusal"), tools,
    finish: events.flatMap((event) => (event.kind === "finish" ? [`${event.reason} ${event.native}`] : [])),
    usage: events.findLast((event) => event.kind === "usage")?.usage,
    errors: events.flatMap((event) => (event.kind === "error" ? [event.error] : [])),
    warnings: events.flatMap((event) => (event.kind === "warning" ? [event.message] : [])),
    ended: events.some((event) => event.kind === "end"),
  };
}

/** Push each value as one event, named by its type, as the provider does. */
export function streamed(events: readonly Json[], context: DecodeContext = CONTEXT): readonly StreamEvent[] {
  const decoder = anthropicMessages.openStream(context);
  const out = events.flatMap((event) => [...decoder.push({ event: "", data: JSON.stringify(event) })]);
  return [...out, ...decoder.end()];
}
