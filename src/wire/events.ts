/**
 * The hub's answer: typed events. A JSON answer decodes to the same list of events as a stream, so one encoder serves
 * both. Order within a choice is the order of the content; `usage` replaces any earlier `usage`.
 */
import type { Json } from "./json.ts";
import type { UpstreamError } from "./outcome.ts";
import type { Usage } from "./usage.ts";

export type StreamEvent =
  /** The upstream opened the answer. Never commits. */
  | { readonly kind: "start"; readonly id: string | undefined; readonly model: string | undefined; readonly createdS: number | undefined; readonly serviceTier?: string | undefined; readonly systemFingerprint?: string | undefined }
  | { readonly kind: "text"; readonly choice: number; readonly text: string }
  /** Visible reasoning. An empty text does not commit. */
  | { readonly kind: "reasoning"; readonly choice: number; readonly text: string }
  /**
   * Signature that closes the reasoning block before it. `inExtraContent`: of a maker whose signatures no other takes,
   * so that it must not look like the others' to whoever gets it back. Never commits.
   */
  | { readonly kind: "signature"; readonly choice: number; readonly signature: string; readonly inExtraContent?: true }
  /** A block of reasoning that only its maker can read. Never commits. */
  | { readonly kind: "redacted"; readonly choice: number; readonly data: string }
  | { readonly kind: "refusal"; readonly choice: number; readonly text: string }
  /** A tool call begins. `index` counts tool calls within the choice from 0. */
  | { readonly kind: "tool-start"; readonly choice: number; readonly index: number; readonly id: string; readonly name: string; readonly thoughtSignature: string | undefined }
  | { readonly kind: "tool-arguments"; readonly choice: number; readonly index: number; readonly json: string }
  | { readonly kind: "finish"; readonly choice: number; readonly reason: FinishReason; readonly native: string }
  | { readonly kind: "usage"; readonly usage: Usage }
  /** Log probabilities and other members a choice carried, to be put on the choice as they are. */
  | { readonly kind: "choice-extra"; readonly choice: number; readonly key: string; readonly value: Json }
  /** An error told inside a 200. */
  | { readonly kind: "error"; readonly error: UpstreamError }
  | { readonly kind: "ping" }
  /** Something the client's dialect cannot carry; goes to `x-spillway-warning`. */
  | { readonly kind: "warning"; readonly message: string }
  /** The dialect's terminal signal (`[DONE]`, `message_stop`, the end of a Gemini body after its finish reason). */
  | { readonly kind: "end" };

/** OpenAI's vocabulary; `native` beside it keeps the provider's word. */
export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "error";

/** True for the events that a user could see or act on: these commit the answer. */
export function commits(event: StreamEvent): boolean {
  switch (event.kind) {
    case "text":
    case "reasoning":
    case "refusal":
      return event.text.length > 0;
    case "tool-start":
      return true;
    default:
      return false;
  }
}
