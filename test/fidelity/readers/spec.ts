/** What a client of a surface has of an answer, in no protocol's words. */
import { isObject, type Json, type JsonObject } from "../../../src/wire/json.ts";
import type { SseEvent } from "../../../src/wire/sse-event.ts";
import type { Told } from "../writers/spec.ts";

export interface SeenCall {
  readonly id: string;
  readonly name: string;
  /** Parsed where the protocol sends text. */
  readonly input: unknown;
}

export interface SeenChoice {
  readonly text: string;
  readonly reasoning: string;
  /** In the protocol's own field for it. */
  readonly refusal: string;
  readonly calls: readonly SeenCall[];
  readonly finish: string;
  /** Signatures in the field that the protocol has for them. */
  readonly signatures: readonly string[];
  readonly redacted: readonly string[];
  /** In the order of the tokens. */
  readonly logprobs: readonly number[];
}

export interface Seen {
  readonly choices: readonly SeenChoice[];
  /** Sums as the classes are disjoint; null where the protocol has no field. */
  readonly usage: { readonly [C in keyof Told]: number | null } | null;
}

export interface Reader {
  /** The answer that a stream comes to, in the form of a whole one. */
  assemble(events: readonly SseEvent[]): JsonObject;
  read(answer: JsonObject): Seen;
  /** The words of the protocol; null where it has none. */
  readonly finish: Readonly<Record<"stop" | "length" | "filter" | "calls", string | null>>;
  /** A word that stands for one that the protocol lacks. */
  readonly nearest?: Readonly<Partial<Record<"filter", string>>>;
  /** Reasoning stands in a member that the protocol does not have. */
  readonly reasoningBeside?: true;
}

export const NOTHING_SEEN: SeenChoice = { text: "", reasoning: "", refusal: "", calls: [], finish: "", signatures: [], redacted: [], logprobs: [] };

/** Members of an object; none for anything else. */
export function obj(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** A list; empty for anything else. */
export function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

/** A string; empty for anything else. */
export function str(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A number; 0 for anything else, as clients count what is absent. */
export function num(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** Arguments as a client parses them; a text that is not JSON stays a text, which equals no arguments. */
export function parsedInput(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // What a client would throw on.
    return `not JSON: ${text}`;
  }
}

/** The data of events, parsed; `[DONE]` and empty ones are left out. */
export function dataOf(events: readonly SseEvent[]): readonly JsonObject[] {
  return events.flatMap(({ data }) => (data === "" || data === "[DONE]" ? [] : [obj(JSON.parse(data))]));
}
