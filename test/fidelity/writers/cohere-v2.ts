/** Answers of Cohere's Chat v2. Calls without arguments bring the word `null`. */
import type { JsonObject } from "../../../src/wire/json.ts";
import type { SseEvent } from "../../../src/wire/sse-event.ts";
import { USED } from "../marks.ts";
import { event, halves, piecesOf, textOf, tokensOf, type AnswerSpec, type Piece, type Told, type Writer } from "./spec.ts";

const FINISH = { stop: "COMPLETE", length: "MAX_TOKENS", filter: "ERROR_TOXIC", calls: "TOOL_CALL" } as const;
const told: Told = { input: USED.input, output: USED.output + USED.reasoning };
const counts = { input_tokens: told.input, output_tokens: told.output };
const usage = { billed_units: counts, tokens: counts };

const argumentsOf = (args: JsonObject | null): string => (args === null ? "null" : JSON.stringify(args));

const item = ([text, logprob]: readonly [string, number], at: number): JsonObject => ({ text, token_ids: [at], logprobs: [logprob] });

function contentItem(piece: Piece): readonly JsonObject[] {
  if (piece.kind === "text" || piece.kind === "refusal") return [{ type: "text", text: piece.text }];
  return piece.kind === "reasoning" ? [{ type: "thinking", thinking: piece.text }] : [];
}

function json(answer: AnswerSpec): JsonObject {
  const pieces = answer.choices[0] ?? [];
  const content = pieces.flatMap(contentItem);
  const calls = piecesOf(pieces, "call").map(({ id, name, args }) => ({ id, type: "function", function: { name, arguments: argumentsOf(args) } }));
  return {
    id: "zq-answer", finish_reason: FINISH[answer.finish], usage,
    message: { role: "assistant", ...(content.length === 0 ? {} : { content }), ...(calls.length === 0 ? {} : { tool_calls: calls }) },
    ...(answer.logprobs === true ? { logprobs: tokensOf(textOf(pieces, "text") ?? "").map(item) } : {}),
  };
}

function stream(answer: AnswerSpec): readonly SseEvent[] {
  const named = (type: string, more: JsonObject): SseEvent => event(type, { type, ...more });
  let index = -1;
  const pieces = (answer.choices[0] ?? []).flatMap((piece) => {
    index++;
    if (piece.kind === "call") {
      const { id, name, args } = piece;
      return [
        named("tool-call-start", { index, delta: { message: { tool_calls: { id, type: "function", function: { name, arguments: "" } } } } }),
        ...halves(argumentsOf(args)).map((half) => named("tool-call-delta", { index, delta: { message: { tool_calls: { function: { arguments: half } } } } })),
        named("tool-call-end", { index }),
      ];
    }
    if (piece.kind === "redacted") throw new Error("this protocol has no redacted reasoning");
    const kind = piece.kind === "reasoning" ? "thinking" : "text";
    const tokens = tokensOf(piece.text).map(item);
    const logprobs = (half: number): JsonObject => (answer.logprobs === true ? { logprobs: tokens[half] ?? null } : {});
    return [
      named("content-start", { index, delta: { message: { content: { type: kind, [kind]: "" } } } }),
      ...halves(piece.text).map((half, at) => named("content-delta", { index, delta: { message: { content: { [kind]: half } } }, ...logprobs(at) })),
      named("content-end", { index }),
    ];
  });
  const start = { role: "assistant", content: [], tool_plan: "", tool_calls: [], citations: [] };
  return [
    named("message-start", { id: "zq-answer", delta: { message: start } }),
    ...pieces,
    named("message-end", { delta: { finish_reason: FINISH[answer.finish], usage } }),
    event("", "[DONE]"),
  ];
}

export const cohereV2Writer: Writer = { json, stream, told };
