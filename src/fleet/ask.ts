/** What a call asks for, whatever dialect it came in. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface AskedTool {
  readonly name: string;
  readonly schema: Json;
}

export interface Ask {
  readonly model: string;
  readonly stream: boolean;
  /** OpenAI's `stream_options.include_usage`; the others always tell. */
  readonly wantsUsage: boolean;
  readonly choices: number;
  readonly maxTokens?: number | undefined;
  readonly stops: readonly string[];
  /** The tools that may be called now; empty where the caller forbids them or has just sent a result. */
  readonly tools: readonly AskedTool[];
  /** The text of the tool result that ends the conversation. */
  readonly toolResult?: string | undefined;
  /** The answer must be JSON of this schema; `{}` means any object. */
  readonly schema?: Json | undefined;
  /** hidden: the model thinks (and bills it) but shows no more than a signature. */
  readonly thinking: "none" | "shown" | "hidden";
  readonly inputTokens: number;
  /** The service tier that it asks for. */
  readonly tier?: string | undefined;
  /** What of the answer is there already, where the call asks to go on with it. */
  readonly begun?: string | undefined;
  /** How many searches the provider may make for it; undefined: none are offered. */
  readonly searches?: number | undefined;
}

export type Body = { readonly [key: string]: Json };

/** A JSON object, or an empty one where the value is something else. */
export function asObject(value: Json | undefined): Body {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Body) : {};
}

export function asArray(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

export function asText(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function asCount(value: Json | undefined): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}

/** Keys whose strings are wires and labels, not text that a model reads. */
const NOT_TEXT = new Set(["type", "role", "id", "tool_call_id", "tool_use_id", "cache_control", "mimeType", "media_type"]);
/** Keys that hold media: a picture or a file counts as a fixed number of bytes. */
const MEDIA = new Set(["image_url", "input_audio", "file", "source", "inlineData", "inline_data", "fileData", "file_data"]);
const MEDIA_BYTES = 1024;

/** UTF-8 bytes of all text in a part of a request. */
export function textBytes(value: Json | undefined): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value !== "object" || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, item: Json) => sum + textBytes(item), 0);
  let sum = 0;
  for (const [key, item] of Object.entries(value as Body)) {
    if (MEDIA.has(key)) sum += MEDIA_BYTES;
    else if (!NOT_TEXT.has(key)) sum += textBytes(item);
  }
  return sum;
}

/** The fleet's own rule: a token for every four bytes of text, tool definitions as compact JSON. */
export function countInput(texts: readonly (Json | undefined)[], tools: Json | undefined): number {
  const bytes = texts.reduce<number>((sum, text) => sum + textBytes(text), 0);
  const toolBytes = tools === undefined ? 0 : Buffer.byteLength(JSON.stringify(tools));
  return Math.max(1, Math.ceil((bytes + toolBytes) / 4));
}
