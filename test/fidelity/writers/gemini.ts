/** Answers of generateContent. The signature of a thought stands on the part that follows it: on the first call, where there is one. */
import type { JsonObject } from "../../../src/wire/json.ts";
import type { SseEvent } from "../../../src/wire/sse-event.ts";
import { USED } from "../marks.ts";
import { event, halves, textOf, tokensOf, type AnswerSpec, type Piece, type Told, type Writer } from "./spec.ts";

const FINISH = { stop: "STOP", length: "MAX_TOKENS", filter: "SAFETY", calls: "STOP" } as const;
const told: Told = { input: USED.input, cacheRead: USED.cacheRead, output: USED.output, reasoning: USED.reasoning };
const prompt = USED.input + USED.cacheRead;
const usageMetadata = {
  promptTokenCount: prompt, cachedContentTokenCount: USED.cacheRead, candidatesTokenCount: USED.output, thoughtsTokenCount: USED.reasoning,
  totalTokenCount: prompt + USED.output + USED.reasoning,
};
const top = { modelVersion: "m-up", responseId: "zq-response" };

function parts(pieces: readonly Piece[]): JsonObject[] {
  let signature: string | undefined;
  return pieces.map((piece): JsonObject => {
    if (piece.kind === "reasoning") {
      signature = piece.signature ?? signature;
      return { text: piece.text, thought: true };
    }
    if (piece.kind === "redacted") throw new Error("this protocol has no redacted reasoning");
    const signed = signature === undefined ? {} : { thoughtSignature: signature };
    signature = undefined;
    if (piece.kind !== "call") return { text: piece.text, ...signed };
    return { functionCall: { id: piece.id, name: piece.name, ...(piece.args === null ? {} : { args: piece.args }) }, ...signed };
  });
}

function logprobs(pieces: readonly Piece[], answer: AnswerSpec): JsonObject {
  const text = textOf(pieces, "text");
  if (answer.logprobs !== true || text === null) return {};
  const chosenCandidates = tokensOf(text).map(([token, logProbability], at) => ({ token, logProbability, tokenId: at }));
  return { logprobsResult: { chosenCandidates, topCandidates: chosenCandidates.map(() => ({ candidates: [] })) } };
}

function json(answer: AnswerSpec): JsonObject {
  return {
    candidates: answer.choices.map((pieces, index) => ({ content: { role: "model", parts: parts(pieces) }, finishReason: FINISH[answer.finish], index, ...logprobs(pieces, answer) })),
    usageMetadata, ...top,
  };
}

function stream(answer: AnswerSpec): readonly SseEvent[] {
  const chunks = answer.choices.flatMap((pieces, index) => {
    const split = parts(pieces).flatMap((part) => {
      if (typeof part["text"] !== "string") return [part];
      const [first, second] = halves(part["text"]);
      const { thoughtSignature, ...rest } = part;
      return [{ ...rest, text: first }, { ...rest, text: second, ...(thoughtSignature === undefined ? {} : { thoughtSignature }) }];
    });
    return split.map((part, at) => {
      const isLast = at === split.length - 1;
      const ending = isLast ? { finishReason: FINISH[answer.finish], ...logprobs(pieces, answer) } : {};
      const last = isLast && index === answer.choices.length - 1;
      return { candidates: [{ content: { role: "model", parts: [part] }, index, ...ending }], ...(last ? { usageMetadata } : {}), ...top };
    });
  });
  return chunks.map((chunk) => event("", chunk));
}

/** A prompt that was refused: no candidate at all. */
export function blockedPrompt(): JsonObject {
  return { promptFeedback: { blockReason: "PROHIBITED_CONTENT" }, usageMetadata: { promptTokenCount: prompt, totalTokenCount: prompt }, ...top };
}

export const geminiWriter: Writer = { json, stream, told };
