/** Answers of Chat Completions. Hosts that show reasoning do so in `reasoning_content`. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { USED } from "../marks.ts";
import { event, halves, piecesOf, textOf, tokensOf, type AnswerSpec, type Piece, type Told, type Writer } from "./spec.ts";

const FINISH = { stop: "stop", length: "length", filter: "content_filter", calls: "tool_calls" } as const;
const told: Told = USED;
const prompt = USED.input + USED.cacheRead + USED.cacheWrite;
const completion = USED.output + USED.reasoning;

/** Usage as both of this maker's chat forms tell it. */
export const chatUsage: JsonObject = {
  prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion,
  prompt_tokens_details: { cached_tokens: USED.cacheRead, cache_write_tokens: USED.cacheWrite, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: USED.reasoning, audio_tokens: 0 },
};

function logprobsOf(pieces: readonly Piece[], answer: AnswerSpec): readonly JsonObject[] {
  const text = textOf(pieces, "text");
  if (answer.logprobs !== true || text === null) return [];
  return tokensOf(text).map(([token, logprob]) => ({ token, logprob, bytes: null, top_logprobs: [] }));
}

function holding(content: readonly JsonObject[]): Json {
  return content.length === 0 ? null : { content, refusal: null };
}

function json(answer: AnswerSpec): JsonObject {
  return {
    id: "chatcmpl-zq", object: "chat.completion", created: 1_780_000_000, model: "m-up", usage: chatUsage,
    choices: answer.choices.map((pieces, index) => {
      const reasoning = textOf(pieces, "reasoning");
      const calls = piecesOf(pieces, "call").map(({ id, name, args }) => ({ id, type: "function", function: { name, arguments: args === null ? "" : JSON.stringify(args) } }));
      const message = {
        role: "assistant", content: textOf(pieces, "text"), refusal: textOf(pieces, "refusal"),
        ...(reasoning === null ? {} : { reasoning_content: reasoning }), ...(calls.length === 0 ? {} : { tool_calls: calls }),
      };
      return { index, message, finish_reason: FINISH[answer.finish], logprobs: holding(logprobsOf(pieces, answer)) };
    }),
  };
}

function* deltas(pieces: readonly Piece[]): Generator<JsonObject> {
  yield { role: "assistant", content: "" };
  let index = 0;
  for (const piece of pieces) {
    if (piece.kind === "call") {
      const { id, name, args } = piece;
      yield { tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] };
      if (args !== null) for (const half of halves(JSON.stringify(args))) yield { tool_calls: [{ index, function: { arguments: half } }] };
      index++;
    } else if (piece.kind !== "redacted") {
      const key = { text: "content", reasoning: "reasoning_content", refusal: "refusal" }[piece.kind];
      for (const half of halves(piece.text)) yield { [key]: half };
    }
  }
}

function stream(answer: AnswerSpec) {
  const chunk = (more: JsonObject): JsonObject => ({ id: "chatcmpl-zq", object: "chat.completion.chunk", created: 1_780_000_000, model: "m-up", usage: null, ...more });
  const chunks = answer.choices.flatMap((pieces, index) => {
    // Each stands beside its token.
    const logprobs = [...logprobsOf(pieces, answer)];
    const said = [...deltas(pieces)].map((delta) => {
      const beside = typeof delta["content"] === "string" && delta["content"] !== "" ? logprobs.splice(0, 1) : [];
      return chunk({ choices: [{ index, delta, finish_reason: null, logprobs: holding(beside) }] });
    });
    return [...said, chunk({ choices: [{ index, delta: {}, finish_reason: FINISH[answer.finish], logprobs: null }] })];
  });
  return [...chunks, chunk({ choices: [], usage: chatUsage })].map((data) => event("", data)).concat(event("", "[DONE]"));
}

export const openaiChatWriter: Writer = { json, stream, told };
