/** What the tests of the client half share: parsing that insists, and an encoder fed from events. */
import type { ChatRequest } from "../../../wire/chat.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import type { UnitCounts, Usage } from "../../../wire/usage.ts";
import type { AskedOutside, ClientHead, ParsedByClient } from "../client.ts";
import { geminiClient } from "./client.ts";
import { request } from "./test-support.ts";

type Parsed = Extract<ParsedByClient, { kind: "request" }>;

export function outside(fields: Partial<AskedOutside> = {}): AskedOutside {
  return { model: "m", stream: false, query: "", header: () => undefined, ...fields };
}

/** Parse and insist that it was possible. */
export function parsed(raw: JsonObject, asked: Partial<AskedOutside> = {}): Parsed {
  const result = geminiClient.parse(raw, outside(asked));
  if (result.kind === "error") throw new Error(`${result.error.code}: ${result.error.message}`);
  return result;
}

export function requestOf(raw: JsonObject): ChatRequest {
  return parsed(raw).request;
}

/** `code param` of the error, or undefined where the body was read. */
export function refusal(raw: JsonObject, asked: Partial<AskedOutside> = {}): string | undefined {
  const result = geminiClient.parse(raw, outside(asked));
  return result.kind === "error" ? `${result.error.code} ${result.error.param ?? ""}` : undefined;
}

/** A body with one user turn and these members. */
export function body(fields: JsonObject = {}): JsonObject {
  return { contents: [{ role: "user", parts: [{ text: "hi" }] }], ...fields };
}

/** A body with these turns: `[role, parts]`. */
export function turns(...list: readonly (readonly [string, readonly Json[]])[]): JsonObject {
  return { contents: list.map(([role, parts]) => ({ role, parts })) };
}

export const SHOWN: JsonObject = body({ generationConfig: { thinkingConfig: { includeThoughts: true } } });

export function head(raw: JsonObject = SHOWN, fields: Partial<ClientHead> = {}): ClientHead {
  return { requestId: "r-1", model: "some/model", createdS: 0, request: request(), raw, simulated: false, ...fields };
}

export function usage(units: UnitCounts = { input: 5, output: 7 }, more: Partial<Usage> = {}): Usage {
  return { units, raw: null, ...more };
}

/** All frames of an answer, as the pipeline asks for them. */
export function frames(events: readonly StreamEvent[], asHead = head(), counted = usage(), spillway: JsonObject = {}): string {
  const encoder = geminiClient.openEncoder(asHead);
  const SILENT = new Set(["usage", "error", "ping", "warning", "end"]);
  return events.filter(({ kind }) => !SILENT.has(kind)).map((event) => encoder.encode(event) as string).join("") + (encoder.closing(counted, spillway) as string);
}

/** The chunks in frames, as a strict reader of events sees them: one line of data each. */
export function chunksOf(text: string): JsonObject[] {
  return text.split("\n\n").slice(0, -1).filter((block) => !block.startsWith(":")).map((block) => {
    if (!block.startsWith("data: ") || block.includes("\n")) throw new Error(`not one line of data: ${block}`);
    const chunk: unknown = JSON.parse(block.slice("data: ".length));
    if (!isObject(chunk)) throw new Error("a chunk is not an object");
    return chunk;
  });
}

export function finish(reason: "stop" | "length" | "tool_calls" | "content_filter" | "error", native: string = reason, choice = 0): StreamEvent {
  return { kind: "finish", choice, reason, native };
}
export function said(text: string, choice = 0): StreamEvent {
  return { kind: "text", choice, text };
}
export function thought(text: string): StreamEvent {
  return { kind: "reasoning", choice: 0, text };
}
export function calls(index: number, id: string, name: string, ...json: readonly string[]): StreamEvent[] {
  return [
    { kind: "tool-start", choice: 0, index, id, name, thoughtSignature: undefined },
    ...json.map((piece) => ({ kind: "tool-arguments", choice: 0, index, json: piece }) as const),
  ];
}
