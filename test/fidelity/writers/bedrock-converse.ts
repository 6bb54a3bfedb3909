/** Answers of Converse: content blocks, and events of a binary stream as they reach the decoder. */
import type { JsonObject } from "../../../src/wire/json.ts";
import type { SseEvent } from "../../../src/wire/sse-event.ts";
import { USED } from "../marks.ts";
import { event, halves, type AnswerSpec, type Piece, type Told, type Writer } from "./spec.ts";

const STOP = { stop: "end_turn", length: "max_tokens", filter: "content_filtered", calls: "tool_use" } as const;
const told: Told = { input: USED.input, cacheRead: USED.cacheRead, cacheWrite: USED.cacheWrite, output: USED.output + USED.reasoning };
const usage = {
  inputTokens: USED.input, outputTokens: told.output, totalTokens: USED.input + USED.cacheRead + USED.cacheWrite + told.output,
  cacheReadInputTokens: USED.cacheRead, cacheWriteInputTokens: USED.cacheWrite,
};

function block(piece: Piece): JsonObject {
  switch (piece.kind) {
    case "text":
    case "refusal":
      return { text: piece.text };
    case "reasoning":
      return { reasoningContent: { reasoningText: { text: piece.text, ...(piece.signature === undefined ? {} : { signature: piece.signature }) } } };
    case "redacted":
      return { reasoningContent: { redactedContent: piece.data } };
    case "call":
      return { toolUse: { toolUseId: piece.id, name: piece.name, input: piece.args ?? {} } };
  }
}

function json(answer: AnswerSpec): JsonObject {
  const content = (answer.choices[0] ?? []).map(block);
  return { output: { message: { role: "assistant", content } }, stopReason: STOP[answer.finish], usage, metrics: { latencyMs: 7 } };
}

function deltas(piece: Piece): readonly JsonObject[] {
  switch (piece.kind) {
    case "text":
    case "refusal":
      return halves(piece.text).map((text) => ({ text }));
    case "reasoning":
      return [
        ...halves(piece.text).map((text) => ({ reasoningContent: { text } })),
        ...(piece.signature === undefined ? [] : [{ reasoningContent: { signature: piece.signature } }]),
      ];
    case "redacted":
      return [{ reasoningContent: { redactedContent: piece.data } }];
    case "call":
      return piece.args === null ? [] : halves(JSON.stringify(piece.args)).map((input) => ({ toolUse: { input } }));
  }
}

function stream(answer: AnswerSpec): readonly SseEvent[] {
  return [
    event("messageStart", { role: "assistant" }),
    ...(answer.choices[0] ?? []).flatMap((piece, contentBlockIndex) => [
      // Only calls announce their block.
      ...(piece.kind === "call" ? [event("contentBlockStart", { contentBlockIndex, start: { toolUse: { toolUseId: piece.id, name: piece.name } } })] : []),
      ...deltas(piece).map((delta) => event("contentBlockDelta", { contentBlockIndex, delta })),
      event("contentBlockStop", { contentBlockIndex }),
    ]),
    event("messageStop", { stopReason: STOP[answer.finish] }),
    event("metadata", { usage, metrics: { latencyMs: 7 } }),
  ];
}

export const bedrockConverseWriter: Writer = { json, stream, told };
