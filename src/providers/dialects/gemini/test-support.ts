/** What the tests of this folder share: requests and targets with everything unset, and a stream fed from chunks. */
import type { ChatRequest, ToolCall } from "../../../wire/chat.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { ModelFacts, ProviderFacts } from "../../../wire/facts.ts";
import type { Json } from "../../../wire/json.ts";
import type { DecodeContext, EncodedRequest, Target } from "../dialect.ts";
import { gemini } from "./index.ts";

const PROVIDER = { id: "google", dialect: "gemini" } as unknown as ProviderFacts;

export const CONTEXT: DecodeContext = {
  usage: { reasoningInOutput: false, cacheReadPaths: [], cacheWritePaths: [], cacheInsideInput: true, cost: null, includeUsageOption: false },
  upstreamModel: "gemini-3-pro-preview",
};

export function target(upstreamModel = "gemini-2.5-flash", facts?: Partial<ModelFacts>): Target {
  return { provider: PROVIDER, upstreamModel, model: facts === undefined ? null : (facts as ModelFacts) };
}

export function request(fields: Partial<ChatRequest> = {}): ChatRequest {
  return {
    model: "m", messages: [user("hi")], tools: [], toolChoice: undefined, parallelToolCalls: undefined, maxOutputTokens: undefined,
    temperature: undefined, topP: undefined, topK: undefined, seed: undefined, presencePenalty: undefined, frequencyPenalty: undefined,
    choiceCount: 1, stop: [], responseFormat: undefined, reasoningEffort: undefined, thinking: undefined, logprobs: undefined,
    topLogprobs: undefined, logitBias: undefined, serviceTier: undefined, user: undefined, metadata: undefined, stream: false,
    includeUsage: false, other: {}, ...fields,
  };
}

export function text(value: string) {
  return { kind: "text", text: value, cacheControl: undefined } as const;
}
export function user(value: string) {
  return { role: "user", parts: [text(value)], name: undefined } as const;
}
export function system(value: string) {
  return { role: "system", parts: [text(value)], name: undefined } as const;
}
export function assistant(value: string, toolCalls: readonly ToolCall[] = []) {
  return { role: "assistant", parts: value === "" ? [] : [text(value)], toolCalls, reasoning: [], name: undefined, other: {} } as const;
}
export function call(id: string, name: string, argumentsJson = "{}", thoughtSignature?: string): ToolCall {
  return { id, name, argumentsJson, thoughtSignature };
}
export function result(toolCallId: string, value: string) {
  return { role: "tool", toolCallId, parts: [text(value)] } as const;
}
export function tool(name: string, more: { parameters?: { [key: string]: Json }; strict?: boolean } = {}) {
  return { kind: "function", name, description: undefined, parameters: more.parameters, strict: more.strict, cacheControl: undefined } as const;
}

/** Encode and insist that it was possible. */
export function encoded(fields: Partial<ChatRequest>, to: Target = target()): EncodedRequest {
  const made = gemini.encodeChat(request(fields), to);
  if (made.kind !== "encoded") throw new Error(`unsupported: ${made.param}: ${made.message}`);
  return made;
}

/** The param of the refusal, or undefined where the request was encoded. */
export function refusedParam(fields: Partial<ChatRequest>, to: Target = target()): string | undefined {
  const made = gemini.encodeChat(request(fields), to);
  return made.kind === "unsupported" ? made.param : undefined;
}

/** Feed whole chunks as SSE events; `ends`: the body ends cleanly after them. */
export function streamed(chunks: readonly Json[], ends = true, context: DecodeContext = CONTEXT): StreamEvent[] {
  const decoder = gemini.openStream(context);
  const events = chunks.flatMap((chunk) => [...decoder.push({ event: "", data: JSON.stringify(chunk) })]);
  return ends ? [...events, ...decoder.end()] : events;
}

/** A chunk with one candidate. */
export function chunk(parts: readonly Json[], finishReason?: string, more: { [key: string]: Json } = {}): Json {
  const candidate: { [key: string]: Json } = { content: { role: "model", parts }, index: 0 };
  if (finishReason !== undefined) candidate["finishReason"] = finishReason;
  return { candidates: [candidate], responseId: "r1", modelVersion: "gemini-3-pro-preview", ...more };
}

export interface Summary {
  readonly text: string;
  readonly reasoning: string;
  readonly signatures: number;
  readonly calls: readonly { id: string; name: string; args: unknown; signed: boolean }[];
  readonly finish: readonly string[];
  readonly units: unknown;
  readonly flags: readonly string[];
  readonly error: string | undefined;
  readonly ended: boolean;
}

/** What a client would make of the events of choice 0. */
export function summary(events: readonly StreamEvent[]): Summary {
  let written = "", reasoning = "", signatures = 0, error: string | undefined;
  const calls: { id: string; name: string; json: string; signed: boolean }[] = [];
  const finish: string[] = [];
  let units: unknown, flags: readonly string[] = [];
  for (const event of events) {
    if (event.kind === "text") written += event.text;
    else if (event.kind === "reasoning") reasoning += event.text;
    else if (event.kind === "signature") signatures++;
    else if (event.kind === "tool-start") calls[event.index] = { id: event.id, name: event.name, json: "", signed: event.thoughtSignature !== undefined };
    else if (event.kind === "tool-arguments") (calls[event.index] as { json: string }).json += event.json;
    else if (event.kind === "finish") finish.push(event.reason);
    else if (event.kind === "usage") [units, flags] = [event.usage.units, event.usage.flags ?? []];
    else if (event.kind === "error") error = event.error.class;
  }
  return {
    text: written, reasoning, signatures, finish, units, flags, error,
    calls: calls.map(({ json, ...rest }) => ({ ...rest, args: parseArgs(json) })),
    ended: events.at(-1)?.kind === "end",
  };
}

function parseArgs(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return `not JSON: ${json}`;
  }
}
