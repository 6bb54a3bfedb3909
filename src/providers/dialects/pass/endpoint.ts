/**
 * Endpoints that are no chat: their bodies pass to providers of the same protocol, and only what is counted is read. One
 * entry of a table each; what differs between them stands there, everything else is one surface.
 */
import type { DialectId } from "../../../wire/facts.ts";
import { asNumber, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { Unit, UnitCounts } from "../../../wire/usage.ts";
import type { PassSize } from "./size.ts";

/** The fields of a request, whether it came as JSON or as a form (then all values are text). */
export interface PassFields {
  readonly value: (name: string) => Json | undefined;
  /** All of them, those that nobody here knows too; of a form those that are no files. */
  readonly root: Json;
  /** Bytes of the body without files. */
  readonly textBytes: number;
  readonly fileCount: number;
  /** Bytes of all files of a form. */
  readonly fileBytes: number;
  readonly firstFile: Uint8Array | undefined;
}

/** What a request will be counted by, as far as it tells. */
export interface PassMeasure {
  /** UTF-8 bytes of the text that is known to be one, for estimates. */
  readonly textBytes: number;
  /** At most, for the bound. */
  readonly size: PassSize;
  /** Text that the model reads again with each thing but the first; absent: none. */
  readonly repeatedBytes?: number;
  /** Texts, images, documents: of an answer that holds one thing for each, how many. */
  readonly count: number;
  /** Answers that are each as long as the model's longest; absent: one. */
  readonly answers?: number;
  /** One by one, and no more than that; null: only the answer tells. */
  readonly pieces: UnitCounts | null;
  /** Likely, where it is never told. */
  readonly piecesGuess: UnitCounts;
  readonly tokensGuess: UnitCounts;
  /** How the answer comes: whole; as events; as bytes of whatever type (or as events, where the provider says so). */
  readonly stream: "no" | "events" | "bytes";
  /** Fields that the price depends on and the bound does not cover. */
  readonly unbounded: readonly string[];
}

/** What an answer tells. `problem`: it is none. */
export type PassAnswer =
  | { readonly kind: "answer"; readonly pieces: UnitCounts | null; readonly tokens: UnitCounts | null; readonly raw: Json; /** The pieces are read off the answer, and not told by it. */ readonly guessed?: true }
  | { readonly kind: "problem"; readonly class: "malformed" | "empty" | "truncated" | "server"; readonly message: string };

export interface PassEndpoint {
  /** Which models may be asked. */
  readonly models: "embeddings" | "other";
  /** Answers hold tokens that are billed. */
  readonly writesTokens: boolean;
  /** What is called where the request names none. */
  readonly defaultModel?: string;
  /** The list whose elements name the model too. */
  readonly modelsIn?: string;
  /** How the model is written in the body. */
  readonly modelText?: (upstream: string) => string;
  readonly accept: string;
  /** Content types of a good answer that is no stream. */
  readonly answers: RegExp;
  /** A whole answer as the events of the stream that was asked for; absent: it goes as it is. */
  readonly asEvents?: (answer: PassRead) => readonly JsonObject[];
  /** Answers are bytes that stream; where events were asked, a piece of them, and their end. */
  readonly bytes?: { readonly piece: (bytes: Uint8Array) => JsonObject; readonly end: JsonObject };
  /** Types of events after which an answer is whole. */
  readonly lastEvents?: ReadonlySet<string>;
  /** The path from the origin on, `base` being that of the provider's address; undefined: the dialect does not serve it. */
  readonly path: (dialect: DialectId, base: string, upstream: string) => string | undefined;
  readonly measure: (fields: PassFields) => PassMeasure;
  readonly read: (answer: PassRead) => PassAnswer;
}
export interface PassRead {
  /** Parsed, where it is JSON (or an event's data); undefined for other text. */
  readonly json: Json | undefined;
  readonly text: string;
  readonly measure: PassMeasure;
}

/** Text and numbers of a body, counted. */
export const NO_MEASURE: Omit<PassMeasure, "size"> = { textBytes: 0, count: 1, pieces: {}, piecesGuess: {}, tokensGuess: {}, stream: "no", unbounded: [] };

const encoder = new TextEncoder();

/** UTF-8 bytes of all text in a value. */
export function utf8Bytes(value: Json | undefined): number {
  if (typeof value === "string") return encoder.encode(value).length;
  if (Array.isArray(value)) return (value as readonly Json[]).reduce<number>((sum, one) => sum + utf8Bytes(one), 0);
  return isObject(value) ? Object.values(value).reduce<number>((sum, one) => sum + utf8Bytes(one), 0) : 0;
}

/** About four bytes a token, as everywhere. */
export function tokensOf(textBytes: number): number {
  return Math.ceil(textBytes / 4);
}

/** A whole number of at least 1; forms bring it as text. */
export function countOf(value: Json | undefined): number {
  const count = typeof value === "string" ? Number(value) : value;
  return typeof count === "number" && Number.isSafeInteger(count) && count >= 1 ? count : 1;
}

export function isTrue(value: Json | undefined): boolean {
  return value === true || value === "true";
}

/** Of an image at its dearest; where the answer tells no tokens, this guess is on the dear side. */
export const TOKENS_PER_IMAGE = 6_240;
/** Of a thing whose length nobody tells: what models for embeddings read of one. */
const TOKENS_PER_UNSIZED = 8_192;

/** Likely tokens of what was read, where the answer never tells. */
export function readTokens(textBytes: number, { imageCount, unsizedCount, unsizedBytes }: PassSize): UnitCounts {
  const other = unsizedCount === 0 ? 0 : Math.max(TOKENS_PER_UNSIZED * unsizedCount, tokensOf(unsizedBytes));
  return { input: tokensOf(textBytes) + other, ...(imageCount === 0 ? {} : { image_input: TOKENS_PER_IMAGE * imageCount }) };
}

/** Of these fields, those that the request has; forms write what is below a field as `field[name]`. */
export function present({ root }: PassFields, names: readonly string[]): readonly string[] {
  if (!isObject(root)) return [];
  const there = new Set(Object.keys(root).filter((key) => root[key] !== null && root[key] !== undefined).map((key) => key.replace(/\[.*$/, "")));
  return names.filter((name) => there.has(name));
}

/** Counts above zero, by unit; null where there is none. */
export function units(counts: Partial<Record<Unit, number | undefined>>): UnitCounts | null {
  const kept = Object.entries(counts).filter(([, count]) => count !== undefined && Number.isFinite(count) && count > 0);
  return kept.length === 0 ? null : (Object.fromEntries(kept) as UnitCounts);
}

/**
 * Tokens as the endpoints for media tell them: `input_tokens` and `output_tokens`, split in details where they are. What
 * the details leave over is plain input, or output of the endpoint's own kind.
 */
export function mediaTokens(usage: Json | undefined, outputUnit: Unit): UnitCounts | null {
  if (!isObject(usage)) return null;
  const input = asNumber(usage["input_tokens"]) ?? asNumber(usage["prompt_tokens"]) ?? 0;
  const output = asNumber(usage["output_tokens"]) ?? asNumber(usage["completion_tokens"]) ?? 0;
  const details = usage["input_tokens_details"] ?? usage["input_token_details"];
  const image = asNumber(member(details, "image_tokens")) ?? 0;
  const audio = asNumber(member(details, "audio_tokens")) ?? 0;
  const written = usage["output_tokens_details"] ?? usage["output_token_details"];
  const text = asNumber(member(written, "text_tokens")) ?? 0;
  const rest = Math.max(0, output - text);
  const plain = Math.max(0, input - image - audio);
  const counts = { input: plain, image_input: image, audio_input: audio, ...(outputUnit === "output" ? { output } : { output: text, [outputUnit]: rest }) };
  return units(counts);
}

/** What is wrong with an answer that should be a JSON object: an error told in a 200 among it; null: nothing. */
export function wrongObject(json: Json | undefined): Extract<PassAnswer, { kind: "problem" }> | null {
  if (!isObject(json)) return problem("malformed", "the answer is no JSON object");
  const error = json["error"];
  return error === undefined || error === null ? null : problem("server", `an error in a 200: ${JSON.stringify(error).slice(0, 200)}`);
}

export function problem(kind: "malformed" | "empty" | "truncated" | "server", message: string): Extract<PassAnswer, { kind: "problem" }> {
  return { kind: "problem", class: kind, message };
}

/** Below the address for chat hosts and those who answer as they do; beside it in another version for the rest. */
export function openaiPath(tail: string): PassEndpoint["path"] {
  return (dialect, base) => (dialect === "openai-chat" || dialect === "openai-responses" ? base + tail : undefined);
}

/** The same base path in another version: `/v2` → `/v1`. */
export function inVersion(base: string, version: string): string {
  return /\/v\d+$/.test(base) ? base.replace(/\/v\d+$/, `/${version}`) : `${base}/${version}`;
}
