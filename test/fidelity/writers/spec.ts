/** An answer in no protocol's words; each writer puts it into its own, as the provider's documentation shows answers. */
import type { JsonObject } from "../../../src/wire/json.ts";
import type { SseEvent } from "../../../src/wire/sse-event.ts";

export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "reasoning"; readonly text: string; readonly signature?: string }
  | { readonly kind: "redacted"; readonly data: string }
  | { readonly kind: "refusal"; readonly text: string }
  /** `args` null: none were sent. */
  | { readonly kind: "call"; readonly id: string; readonly name: string; readonly args: JsonObject | null; readonly signature?: string };

export interface AnswerSpec {
  /** Pieces by choice. */
  readonly choices: readonly (readonly Piece[])[];
  readonly finish: "stop" | "length" | "filter" | "calls";
  /** Tell the log probabilities of the text's tokens. */
  readonly logprobs?: boolean;
}

/** The tokens that an answer tells, by class; undefined where the protocol has no such class. */
export interface Told {
  readonly input: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  readonly output: number;
  readonly reasoning?: number;
}

export interface Writer {
  /** The whole answer. */
  json(answer: AnswerSpec): JsonObject;
  /** The same as events of a stream. */
  stream(answer: AnswerSpec): readonly SseEvent[];
  readonly told: Told;
}

/** The log probabilities of both halves of a text: each is a token. */
export const LOGPROBS: readonly number[] = [-0.25, -0.5];

/** Both halves of a text, so that a stream brings it in two pieces. */
export function halves(text: string): readonly [string, string] {
  const middle = Math.floor(text.length / 2);
  return [text.slice(0, middle), text.slice(middle)];
}

/** Each token of a text with its probability. */
export function tokensOf(text: string): readonly (readonly [string, number])[] {
  return halves(text).map((token, at) => [token, LOGPROBS[at] ?? 0]);
}

/** The pieces of one kind. */
export function piecesOf<K extends Piece["kind"]>(pieces: readonly Piece[], kind: K): readonly Extract<Piece, { kind: K }>[] {
  return pieces.filter((piece): piece is Extract<Piece, { kind: K }> => piece.kind === kind);
}

/** Text of all pieces of one kind; null where there are none. */
export function textOf(pieces: readonly Piece[], kind: "text" | "reasoning" | "refusal"): string | null {
  const found = piecesOf(pieces, kind);
  return found.length === 0 ? null : found.map((piece) => piece.text).join("");
}

/** One event as a stream of this kind names it. */
export function event(name: string, data: JsonObject | string): SseEvent {
  return { event: name, data: typeof data === "string" ? data : JSON.stringify(data) };
}
