/** What the tests of this folder share: requests and targets with everything unset, streams read and written, a server. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ChatRequest, ToolCall } from "../../../wire/chat.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { ModelFacts, ProviderFacts } from "../../../wire/facts.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { SseFramer, eventOf } from "../../../wire/sse.ts";
import { inputTokens, outputTokens, type Usage } from "../../../wire/usage.ts";
import type { AskedOutside, ClientDialect, ClientHead } from "../client.ts";
import type { DecodeContext, EncodedRequest, StreamDecoder, Target } from "../dialect.ts";
import { cohereClient, cohereV2 } from "./index.ts";

export const CONTEXT: DecodeContext = {
  usage: { reasoningInOutput: true, cacheReadPaths: [], cacheWritePaths: [], cacheInsideInput: true, cost: null, includeUsageOption: false },
  upstreamModel: "command-a-03-2025",
};
export const OUTSIDE: AskedOutside = { model: undefined, stream: undefined, query: "", header: () => undefined };
export const NO_USAGE: Usage = { units: { input: 0, output: 0 }, raw: null };

export function target(facts?: Partial<ModelFacts>): Target {
  return { provider: { id: "cohere", dialect: "cohere-v2" } as unknown as ProviderFacts, upstreamModel: "command-a-03-2025", model: facts === undefined ? null : (facts as ModelFacts) };
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

export function head(fields: Partial<ChatRequest> = {}): ClientHead {
  return { requestId: "req-1", model: "m", createdS: 1_700_000_000, request: request(fields), raw: {}, simulated: false };
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
export function assistant(value: string, toolCalls: readonly ToolCall[] = [], thought?: string) {
  const reasoning = thought === undefined ? [] : [{ kind: "thinking", text: thought, signature: undefined } as const];
  return { role: "assistant", parts: value === "" ? [] : [text(value)], toolCalls, reasoning, name: undefined, other: {} } as const;
}
export function call(id: string, name: string, argumentsJson = "{}"): ToolCall {
  return { id, name, argumentsJson, thoughtSignature: undefined };
}
export function result(toolCallId: string, value: string) {
  return { role: "tool", toolCallId, parts: [text(value)] } as const;
}
export function tool(name: string, more: { parameters?: JsonObject; strict?: boolean } = {}) {
  return { kind: "function", name, description: undefined, parameters: more.parameters, strict: more.strict, cacheControl: undefined } as const;
}

/** Encode and insist that it was possible. */
export function encoded(fields: Partial<ChatRequest>, to: Target = target()): EncodedRequest {
  const made = cohereV2.encodeChat(request(fields), to);
  if (made.kind !== "encoded") throw new Error(`unsupported: ${made.param}: ${made.message}`);
  return made;
}

/** The param of the refusal, or undefined where the request was encoded. */
export function refusedParam(fields: Partial<ChatRequest>, to: Target = target()): string | undefined {
  const made = cohereV2.encodeChat(request(fields), to);
  return made.kind === "unsupported" ? made.param : undefined;
}

/** Decode the bytes of a stream, which end cleanly after them. */
export function decodeSse(bytes: string | Uint8Array, decoder: StreamDecoder = cohereV2.openStream(CONTEXT)): StreamEvent[] {
  const events: StreamEvent[] = [];
  const framer = new SseFramer((frame) => {
    if (frame.dataLines > 0) events.push(...decoder.push(eventOf(frame)));
  });
  framer.push(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
  framer.end();
  return [...events, ...decoder.end()];
}

/** The stream's events one by one, as the API names them. */
export function streamed(bodies: readonly Json[]): StreamEvent[] {
  const decoder = cohereV2.openStream(CONTEXT);
  return [...bodies.flatMap((body) => [...decoder.push({ event: "", data: JSON.stringify(body) })]), ...decoder.end()];
}

/** A stream of the client dialect as the pipeline writes it: what the encoder never gets is left out. */
export function written(events: readonly StreamEvent[], client: ClientDialect = cohereClient, about: ClientHead = head()): string {
  const encoder = client.openEncoder(about);
  let usage = NO_USAGE;
  let frames = "";
  for (const event of events) {
    if (event.kind === "usage") usage = event.usage;
    else if (event.kind !== "error" && event.kind !== "ping" && event.kind !== "warning" && event.kind !== "end") frames += encoder.encode(event) as string;
  }
  return frames + (encoder.closing(usage, {}) as string);
}

export interface Summary {
  readonly text: string;
  readonly reasoning: string;
  readonly calls: readonly { id: string; name: string; arguments: string }[];
  readonly citations: number;
  readonly finish: readonly string[];
  /** Sums, which are what any form of usage tells. */
  readonly tokens: readonly [number, number] | undefined;
  readonly error: string | undefined;
  readonly ended: boolean;
}

/** What a client would make of the events. */
export function summary(events: readonly StreamEvent[]): Summary {
  let written = "", reasoning = "", citations = 0, error: string | undefined;
  const calls: { id: string; name: string; arguments: string }[] = [];
  const finish: string[] = [];
  let tokens: readonly [number, number] | undefined;
  for (const event of events) {
    if (event.kind === "text") written += event.text;
    else if (event.kind === "reasoning") reasoning += event.text;
    else if (event.kind === "tool-start") calls[event.index] = { id: event.id, name: event.name, arguments: "" };
    else if (event.kind === "tool-arguments") (calls[event.index] as { arguments: string }).arguments += event.json;
    else if (event.kind === "choice-extra" && event.key === "citations") citations += (event.value as readonly Json[]).length;
    else if (event.kind === "finish") finish.push(event.reason);
    else if (event.kind === "usage") tokens = [inputTokens(event.usage.units), outputTokens(event.usage.units)];
    else if (event.kind === "error") error = event.error.class;
  }
  return { text: written, reasoning, calls, citations, finish, tokens, error, ended: events.at(-1)?.kind === "end" };
}

export interface Replay {
  readonly url: string;
  /** Path and body of each request that came. */
  readonly seen: { path: string; body: JsonObject }[];
  close(): Promise<void>;
}

/** A server on a real socket that answers each request with what `answer` makes of its body. */
export async function serve(answer: (body: JsonObject) => { readonly status?: number; readonly type?: string; readonly body: string }): Promise<Replay> {
  const seen: { path: string; body: JsonObject }[] = [];
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as JsonObject;
      seen.push({ path: incoming.url ?? "", body });
      const { status = 200, type = "application/json", body: out } = answer(body);
      outgoing.writeHead(status, { "content-type": type });
      outgoing.end(out);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    }),
  };
}
