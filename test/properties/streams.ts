/** Streams and answers of all three dialects to be damaged: small ones of our own, and recorded ones where they are at hand. */
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { CHAT_ANSWER, CHAT_STREAM } from "../support/recording-upstream.ts";
import type { DialectId } from "../../src/wire/facts.ts";

/** The dialects that the damage is tried on here; the others have corpora of their own beside their codecs. */
export type Damaged = Extract<DialectId, "openai-chat" | "anthropic-messages" | "gemini">;

const MOST_BYTES = 40_000;
const recorded = join(process.env["SPILLWAY_SHARED"] ?? resolve(import.meta.dirname, "../../../shared"), "data/fixtures/ai-sdk");
const FOLDERS: Readonly<Record<Damaged, string>> = { "openai-chat": "{openai/chat,azure,deepseek,groq,mistral,xai/chat,alibaba,moonshotai}", "anthropic-messages": "anthropic", gemini: "google" };

export interface Streams {
  /** SSE text. */
  readonly streams: readonly string[];
  /** Whole JSON answers. */
  readonly answers: readonly string[];
}

/** Everything of a dialect that is small enough to be tried often. */
export function streamsOf(dialect: Damaged): Streams {
  const files = existsSync(recorded) ? globSync(join(recorded, FOLDERS[dialect], "**/*.{json,chunks.txt}")).toSorted().filter((file) => statSync(file).size <= MOST_BYTES) : [];
  const texts = files.map((file) => ({ file, text: readFileSync(file, "utf8") }));
  return {
    streams: [OWN[dialect].stream, ...texts.filter(({ file }) => file.endsWith(".chunks.txt")).map(({ text }) => framed(dialect, text))],
    answers: [JSON.stringify(OWN[dialect].answer), ...texts.filter(({ file }) => file.endsWith(".json")).map(({ text }) => text)],
  };
}

/** One event's JSON a line → the event stream that it was. */
function framed(dialect: Damaged, lines: string): string {
  const events = lines.split("\n").filter((line) => line.trim() !== "").map((line) => (dialect === "anthropic-messages" ? `event: ${/"type":\s*"(\w+)"/.exec(line)?.[1] ?? "x"}\ndata: ${line}\n\n` : `data: ${line}\n\n`));
  return events.join("") + (dialect === "openai-chat" ? "data: [DONE]\n\n" : "");
}

const anthropicEvents = [
  { type: "message_start", message: { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, usage: { input_tokens: 9, cache_read_input_tokens: 4, cache_creation_input_tokens: 0, output_tokens: 1 } } },
  { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
  { type: "ping" },
  { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "why" } },
  { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "c2ln" } },
  { type: "content_block_stop", index: 0 },
  { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: "Grüße 😀" } },
  { type: "content_block_stop", index: 1 },
  { type: "content_block_start", index: 2, content_block: { type: "tool_use", id: "toolu_1", name: "f", input: {} } },
  { type: "content_block_delta", index: 2, delta: { type: "input_json_delta", partial_json: `{"a":` } },
  { type: "content_block_delta", index: 2, delta: { type: "input_json_delta", partial_json: "1}" } },
  { type: "content_block_stop", index: 2 },
  { type: "message_delta", delta: { stop_reason: "tool_use", stop_sequence: null }, usage: { output_tokens: 12 } },
  { type: "message_stop" },
];
const geminiUsage = { promptTokenCount: 9, candidatesTokenCount: 3, thoughtsTokenCount: 2, totalTokenCount: 14 };
const geminiEvents = [
  { candidates: [{ content: { parts: [{ text: "why", thought: true }], role: "model" }, index: 0 }], usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 }, modelVersion: "m" },
  { candidates: [{ content: { parts: [{ text: "Grüße 😀", thoughtSignature: "c2ln" }], role: "model" }, index: 0 }] },
  { candidates: [{ content: { parts: [{ functionCall: { name: "f", args: { a: [1, { b: null }] } } }], role: "model" }, finishReason: "STOP", index: 0 }], usageMetadata: geminiUsage },
];

const OWN: Readonly<Record<Damaged, { readonly stream: string; readonly answer: object }>> = {
  "openai-chat": { stream: CHAT_STREAM, answer: CHAT_ANSWER },
  "anthropic-messages": {
    stream: anthropicEvents.map((event) => `event: ${event.type}\r\ndata: ${JSON.stringify(event)}\r\n\r\n`).join(""),
    answer: { id: "msg_1", type: "message", role: "assistant", model: "m", content: [{ type: "thinking", thinking: "why", signature: "s" }, { type: "text", text: "so" }, { type: "tool_use", id: "t", name: "f", input: { a: 1 } }], stop_reason: "tool_use", usage: { input_tokens: 9, output_tokens: 12 } },
  },
  gemini: { stream: geminiEvents.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""), answer: { ...geminiEvents[2], usageMetadata: geminiUsage } },
};
