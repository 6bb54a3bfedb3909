/** Answers of Responses: items, each announced, filled and closed in a stream. */
import type { JsonObject } from "../../../src/wire/json.ts";
import type { SseEvent } from "../../../src/wire/sse-event.ts";
import { USED } from "../marks.ts";
import { event, halves, tokensOf, type AnswerSpec, type Piece, type Told, type Writer } from "./spec.ts";

const told: Told = USED;
const input = USED.input + USED.cacheRead + USED.cacheWrite;
const output = USED.output + USED.reasoning;
const usage = {
  input_tokens: input, output_tokens: output, total_tokens: input + output,
  input_tokens_details: { cached_tokens: USED.cacheRead, cache_write_tokens: USED.cacheWrite }, output_tokens_details: { reasoning_tokens: USED.reasoning },
};

function argumentsOf(args: JsonObject | null): string {
  return args === null ? "" : JSON.stringify(args);
}

function itemOf(piece: Piece, at: number, answer: AnswerSpec): JsonObject {
  const status = "completed";
  switch (piece.kind) {
    case "text": {
      const logprobs = answer.logprobs === true ? tokensOf(piece.text).map(([token, logprob]) => ({ token, logprob, bytes: [], top_logprobs: [] })) : [];
      return { type: "message", id: `msg_${at}`, status, role: "assistant", content: [{ type: "output_text", text: piece.text, annotations: [], logprobs }] };
    }
    case "refusal":
      return { type: "message", id: `msg_${at}`, status, role: "assistant", content: [{ type: "refusal", refusal: piece.text }] };
    case "reasoning":
      return {
        type: "reasoning", id: `rs_${at}`, summary: [{ type: "summary_text", text: piece.text }],
        ...(piece.signature === undefined ? {} : { encrypted_content: piece.signature }),
      };
    case "call":
      return { type: "function_call", id: `fc_${at}`, status, call_id: piece.id, name: piece.name, arguments: argumentsOf(piece.args) };
    case "redacted":
      throw new Error("this protocol has no redacted reasoning");
  }
}

function response(answer: AnswerSpec, items: readonly JsonObject[]): JsonObject {
  const reason = answer.finish === "length" ? "max_output_tokens" : answer.finish === "filter" ? "content_filter" : null;
  return {
    id: "resp_zq", object: "response", created_at: 1_780_000_000, model: "m-up", status: reason === null ? "completed" : "incomplete", store: true, error: null,
    incomplete_details: reason === null ? null : { reason }, output: items, usage, service_tier: "default", parallel_tool_calls: true, tool_choice: "auto", tools: [],
    text: { format: { type: "text" } }, temperature: 1, top_p: 1, metadata: {}, instructions: null,
  };
}

const piecesOf = (answer: AnswerSpec): readonly Piece[] => answer.choices[0] ?? [];

function json(answer: AnswerSpec): JsonObject {
  return response(answer, piecesOf(answer).map((piece, at) => itemOf(piece, at, answer)));
}

function stream(answer: AnswerSpec): readonly SseEvent[] {
  let sequence = 0;
  const events: SseEvent[] = [];
  const emit = (type: string, more: JsonObject): void => void events.push(event(type, { type, sequence_number: sequence++, ...more }));
  const begun = { ...response({ ...answer, finish: "stop" }, []), status: "in_progress", usage: null };
  emit("response.created", { response: begun });
  emit("response.in_progress", { response: begun });
  const items = piecesOf(answer).map((piece, at) => {
    const item = itemOf(piece, at, answer);
    const place = { item_id: item["id"] ?? null, output_index: at };
    const opened = { ...item, ...("content" in item ? { content: [] } : {}), ...("summary" in item ? { summary: [] } : {}), ...("arguments" in item ? { arguments: "" } : {}) };
    emit("response.output_item.added", { output_index: at, item: "status" in item ? { ...opened, status: "in_progress" } : opened });
    fill(piece, item, place, emit);
    emit("response.output_item.done", { output_index: at, item });
    return item;
  });
  const whole = response(answer, items);
  emit(`response.${answer.finish === "length" || answer.finish === "filter" ? "incomplete" : "completed"}`, { response: whole });
  return events;
}

function fill(piece: Piece, item: JsonObject, place: JsonObject, emit: (type: string, more: JsonObject) => void): void {
  if (piece.kind === "call") {
    const json = argumentsOf(piece.args);
    for (const delta of halves(json)) if (delta !== "") emit("response.function_call_arguments.delta", { ...place, delta });
    emit("response.function_call_arguments.done", { ...place, name: piece.name, arguments: json });
  } else if (piece.kind === "reasoning") {
    const at = { ...place, summary_index: 0 };
    emit("response.reasoning_summary_part.added", { ...at, part: { type: "summary_text", text: "" } });
    for (const delta of halves(piece.text)) emit("response.reasoning_summary_text.delta", { ...at, delta });
    emit("response.reasoning_summary_text.done", { ...at, text: piece.text });
    emit("response.reasoning_summary_part.done", { ...at, part: { type: "summary_text", text: piece.text } });
  } else if (piece.kind === "text" || piece.kind === "refusal") {
    const at = { ...place, content_index: 0 };
    const [part] = item["content"] as readonly JsonObject[];
    const [first, second] = halves(piece.text);
    const logprobs = (part?.["logprobs"] ?? []) as readonly JsonObject[];
    const name = piece.kind === "text" ? "output_text" : "refusal";
    emit("response.content_part.added", { ...at, part: piece.kind === "text" ? { type: "output_text", text: "", annotations: [] } : { type: "refusal", refusal: "" } });
    emit(`response.${name}.delta`, { ...at, delta: first, ...(piece.kind === "text" && { logprobs: logprobs.slice(0, 1) }) });
    emit(`response.${name}.delta`, { ...at, delta: second, ...(piece.kind === "text" && { logprobs: logprobs.slice(1) }) });
    emit(`response.${name}.done`, { ...at, ...(piece.kind === "text" ? { text: piece.text, logprobs } : { refusal: piece.text }) });
    emit("response.content_part.done", { ...at, part: part ?? null });
  }
}

export const openaiResponsesWriter: Writer = { json, stream, told };
