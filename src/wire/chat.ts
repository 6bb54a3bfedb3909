/**
 * The hub's chat request: what a client asked, free of any dialect. Inbound surfaces parse into it, upstream dialects
 * build from it. Its shape follows OpenAI chat, with content parts inside. Whatever a surface sent that has no place
 * here is kept in `other`, so that an encoder can carry it, refuse it or name it in a warning, never lose it.
 */
import type { DialectId } from "./facts.ts";
import type { Json, JsonObject } from "./json.ts";

export interface ChatRequest {
  /** The client's dialect, where it is not the one whose shape this is. `other` is empty then: what is foreign stays with the parser. */
  readonly surface?: DialectId;
  /** The name the client put in `model`; the target's own name comes from the target. */
  readonly model: string;
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice | undefined;
  readonly parallelToolCalls: boolean | undefined;
  /** `max_completion_tokens`, else `max_tokens`; undefined where the client set none. */
  readonly maxOutputTokens: number | undefined;
  readonly temperature: number | undefined;
  readonly topP: number | undefined;
  readonly topK: number | undefined;
  readonly seed: number | undefined;
  readonly presencePenalty: number | undefined;
  readonly frequencyPenalty: number | undefined;
  /** `n`: how many choices; 1 where absent. */
  readonly choiceCount: number;
  readonly stop: readonly string[];
  readonly responseFormat: ResponseFormat | undefined;
  /** `reasoning_effort` as sent: none, minimal, low, medium, high, xhigh, max. */
  readonly reasoningEffort: string | undefined;
  /** Anthropic-style thinking asked in band: `thinking: {type, budget_tokens}`. */
  readonly thinking: JsonObject | undefined;
  /** The client asked to be shown the reasoning, in a field of its own dialect that is not `thinking`. */
  readonly reasoningShown?: true;
  readonly logprobs: boolean | undefined;
  readonly topLogprobs: number | undefined;
  readonly logitBias: JsonObject | undefined;
  readonly serviceTier: string | undefined;
  /** `user` or `safety_identifier`. */
  readonly user: string | undefined;
  readonly metadata: JsonObject | undefined;
  readonly stream: boolean;
  /** The client asked for the usage chunk (`stream_options.include_usage`). */
  readonly includeUsage: boolean;
  /** What the request wishes of who serves it, for hosts that go by such wishes themselves; absent: they are not told. */
  readonly preferences?: JsonObject;
  /** Top-level fields that none of the above covers, as sent (includes fields no one knows). */
  readonly other: JsonObject;
}

export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

export interface SystemMessage {
  readonly role: "system" | "developer";
  readonly parts: readonly Part[];
  readonly name: string | undefined;
}
export interface UserMessage {
  readonly role: "user";
  readonly parts: readonly Part[];
  readonly name: string | undefined;
}
export interface AssistantMessage {
  readonly role: "assistant";
  readonly parts: readonly Part[];
  readonly toolCalls: readonly ToolCall[];
  /** Opaque and visible reasoning replayed by the client, in order (`thinking_blocks`, `reasoning_content`). */
  readonly reasoning: readonly ReasoningBlock[];
  /** Opaque state stands in it that the target itself made and the client did not send back. */
  readonly restored?: true;
  readonly name: string | undefined;
  /** Members of the message that are not understood (audio, annotations, …), as sent. */
  readonly other: JsonObject;
}
export interface ToolMessage {
  readonly role: "tool";
  readonly toolCallId: string;
  /** The tool failed, where the client's dialect can say so. */
  readonly isError?: boolean;
  readonly parts: readonly Part[];
}

export type Part = TextPart | ImagePart | FilePart | AudioPart | RefusalPart | OtherPart;
export interface TextPart {
  readonly kind: "text";
  readonly text: string;
  /** `cache_control` of the part, where the client sent one. */
  readonly cacheControl: JsonObject | undefined;
}
export interface ImagePart {
  readonly kind: "image";
  readonly source: MediaSource;
  readonly detail: string | undefined;
  readonly cacheControl: JsonObject | undefined;
}
export interface FilePart {
  readonly kind: "file";
  readonly source: MediaSource | { readonly kind: "id"; readonly id: string };
  readonly filename: string | undefined;
  readonly cacheControl: JsonObject | undefined;
}
export interface AudioPart {
  readonly kind: "audio";
  /** wav, mp3, … */
  readonly format: string;
  readonly base64: string;
}
export interface RefusalPart {
  readonly kind: "refusal";
  readonly text: string;
}
/** A part of a type nobody here knows, as sent. */
export interface OtherPart {
  readonly kind: "other";
  readonly type: string;
  readonly raw: Json;
}
export type MediaSource =
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "base64"; readonly mediaType: string; readonly base64: string };

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** Arguments as JSON text; `{}` where the client sent an empty string. */
  readonly argumentsJson: string;
  /** `extra_content.google.thought_signature` (or `.vertex`), carried back to the dialect that made it. */
  readonly thoughtSignature: string | undefined;
}

export type ReasoningBlock =
  | { readonly kind: "thinking"; readonly text: string; readonly signature: string | undefined }
  | { readonly kind: "redacted"; readonly data: string };

export type Tool =
  | {
      readonly kind: "function";
      readonly name: string;
      readonly description: string | undefined;
      readonly parameters: JsonObject | undefined;
      readonly strict: boolean | undefined;
      readonly cacheControl: JsonObject | undefined;
    }
  | { readonly kind: "other"; readonly type: string; readonly raw: Json };

export type ToolChoice =
  | { readonly kind: "none" | "auto" | "required" }
  | { readonly kind: "named"; readonly name: string }
  | { readonly kind: "allowed"; readonly mode: "auto" | "required"; readonly names: readonly string[] };

export type ResponseFormat =
  | { readonly kind: "text" }
  | { readonly kind: "json_object" }
  | {
      readonly kind: "json_schema";
      readonly name: string;
      readonly description: string | undefined;
      readonly schema: JsonObject | undefined;
      readonly strict: boolean | undefined;
    };
