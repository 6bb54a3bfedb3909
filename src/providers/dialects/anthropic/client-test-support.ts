/** For tests: bodies parsed or refused, and answers written down as one stream and read back. */
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import type { Usage } from "../../../wire/usage.ts";
import type { AskedOutside, ClientHead, ParsedByClient } from "../client.ts";
import { anthropicClient } from "./client.ts";
import { anthropicMessages } from "./index.ts";
import { CONTEXT, request } from "./test-hub.ts";

export const OUTSIDE: AskedOutside = { model: undefined, stream: undefined, query: "", header: () => undefined };

type Parsed = Extract<ParsedByClient, { kind: "request" }>;

/** Parse a body that has at least a model, a limit and a question. */
export function parsed(fields: JsonObject): Parsed {
  const result = anthropicClient.parse({ model: "claude", max_tokens: 100, messages: [{ role: "user", content: "Hi" }], ...fields }, OUTSIDE);
  if (result.kind !== "request") throw new Error(`refused: ${result.error.message}`);
  return result;
}

/** `code param` of the refusal. */
export function refusedBody(body: JsonObject): string {
  const result = anthropicClient.parse(body, OUTSIDE);
  if (result.kind !== "error") throw new Error("not refused");
  return `${result.error.code} ${result.error.param}`;
}

export const USAGE: Usage = { units: { input: 10, output: 5 }, raw: null };

export function head(raw: JsonObject = {}): ClientHead {
  return { requestId: "r1", model: "claude", createdS: 1_700_000_000, request: request(), raw, simulated: false };
}

/** The frames of a whole stream, as the pipeline asks for them. */
export function frames(events: readonly StreamEvent[], usage: Usage = USAGE, raw: JsonObject = {}): string {
  const encoder = anthropicClient.openEncoder(head(raw));
  return [...events.map((event) => encoder.encode(event)), encoder.closing(usage, {})].join("");
}

/** Framed events, as a client's parser gives them. */
export function sseEvents(text: string): readonly SseEvent[] {
  return text.split("\n\n").filter((block) => block !== "").map((block) => {
    const lines = block.split("\n");
    const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
    return { event: field("event"), data: field("data") };
  });
}

/** The data of each frame. */
export function dataOf(text: string): readonly JsonObject[] {
  return sseEvents(text).map(({ data }) => JSON.parse(data) as JsonObject);
}

/** What the upstream decoder of this dialect reads in the frames. */
export function reread(text: string): readonly StreamEvent[] {
  const decoder = anthropicMessages.openStream(CONTEXT);
  return [...sseEvents(text).flatMap((event) => [...decoder.push(event)]), ...decoder.end()];
}

/** Events of content, without what a stream says about itself. */
export function contentOf(events: readonly StreamEvent[]): readonly StreamEvent[] {
  return events.filter(({ kind }) => kind !== "start" && kind !== "usage" && kind !== "warning" && kind !== "ping" && kind !== "end");
}

export function event(kind: "text" | "reasoning" | "refusal", text: string): StreamEvent {
  return { kind, choice: 0, text };
}
export function toolStart(index: number, id: string, name: string, thoughtSignature?: string): StreamEvent {
  return { kind: "tool-start", choice: 0, index, id, name, thoughtSignature };
}
export function toolArguments(index: number, json: string): StreamEvent {
  return { kind: "tool-arguments", choice: 0, index, json };
}
export function finish(reason: Extract<StreamEvent, { kind: "finish" }>["reason"], native: string): StreamEvent {
  return { kind: "finish", choice: 0, reason, native };
}
export const START: StreamEvent = { kind: "start", id: "up_1", model: "their-model", createdS: 1 };

/** A deep copy without undefined members, as JSON would carry it. */
export function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
