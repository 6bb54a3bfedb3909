/** Answers of Messages: content blocks in order. */
import type { JsonObject } from "../../../src/wire/json.ts";
import type { SseEvent } from "../../../src/wire/sse-event.ts";
import { USED } from "../marks.ts";
import { event, halves, type AnswerSpec, type Piece, type Told, type Writer } from "./spec.ts";

const STOP = { stop: "end_turn", length: "max_tokens", filter: "refusal", calls: "tool_use" } as const;
const told: Told = { input: USED.input, cacheRead: USED.cacheRead, cacheWrite: USED.cacheWrite, output: USED.output + USED.reasoning };
const counted = {
  input_tokens: USED.input, cache_read_input_tokens: USED.cacheRead, cache_creation_input_tokens: USED.cacheWrite,
  cache_creation: { ephemeral_5m_input_tokens: USED.cacheWrite, ephemeral_1h_input_tokens: 0 }, service_tier: "standard",
};

function block(piece: Piece): JsonObject {
  switch (piece.kind) {
    case "text":
    case "refusal":
      return { type: "text", text: piece.text };
    case "reasoning":
      return { type: "thinking", thinking: piece.text, signature: piece.signature ?? "" };
    case "redacted":
      return { type: "redacted_thinking", data: piece.data };
    case "call":
      return { type: "tool_use", id: piece.id, name: piece.name, input: piece.args ?? {} };
  }
}

function json(answer: AnswerSpec): JsonObject {
  return {
    id: "msg_zq", type: "message", role: "assistant", model: "m-up", content: (answer.choices[0] ?? []).map(block),
    stop_reason: STOP[answer.finish], stop_sequence: null, usage: { ...counted, output_tokens: told.output },
  };
}

function opened(piece: Piece): JsonObject {
  const whole = block(piece);
  const empty: Readonly<Partial<Record<Piece["kind"], JsonObject>>> = { text: { text: "" }, refusal: { text: "" }, reasoning: { thinking: "", signature: "" }, call: { input: {} } };
  return { ...whole, ...empty[piece.kind] };
}

function deltas(piece: Piece): readonly JsonObject[] {
  switch (piece.kind) {
    case "text":
    case "refusal":
      return halves(piece.text).map((text) => ({ type: "text_delta", text }));
    case "reasoning":
      return [
        ...halves(piece.text).map((thinking) => ({ type: "thinking_delta", thinking })),
        ...(piece.signature === undefined ? [] : [{ type: "signature_delta", signature: piece.signature }]),
      ];
    case "call":
      // A call without arguments brings one empty piece.
      return (piece.args === null ? [""] : ["", ...halves(JSON.stringify(piece.args))]).map((partial_json) => ({ type: "input_json_delta", partial_json }));
    case "redacted":
      return [];
  }
}

function stream(answer: AnswerSpec): readonly SseEvent[] {
  const named = (type: string, more: JsonObject = {}): SseEvent => event(type, { type, ...more });
  return [
    named("message_start", { message: { ...json(answer), content: [], stop_reason: null, usage: { ...counted, output_tokens: 1 } } }),
    ...(answer.choices[0] ?? []).flatMap((piece, index) => [
      named("content_block_start", { index, content_block: opened(piece) }),
      ...deltas(piece).map((delta) => named("content_block_delta", { index, delta })),
      named("content_block_stop", { index }),
    ]),
    named("message_delta", { delta: { stop_reason: STOP[answer.finish], stop_sequence: null }, usage: { ...counted, output_tokens: told.output } }),
    named("message_stop"),
  ];
}

export const anthropicMessagesWriter: Writer = { json, stream, told };
