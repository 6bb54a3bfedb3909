/** Finish reasons: what ended an answer, what cut it for its content, and what was the model's failure. */
import type { FinishReason } from "../../../wire/events.ts";
import { asString, type Json } from "../../../wire/json.ts";

/**
 * `failed`: the model or its parser broke (MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, OTHER, LANGUAGE, …): not an
 * answer, and another attempt may do better, so it becomes an `error` event of class `malformed`. A word that nobody
 * here knows counts as failed too: passing a part off as a whole is worse than trying elsewhere.
 */
export type Ending = Exclude<FinishReason, "error"> | "failed";

const ENDINGS: Readonly<Record<string, Ending>> = {
  STOP: "stop",
  // Not in the API's own list, but seen from mocks and proxies.
  FUNCTION_CALL: "tool_calls",
  TOOL_CALLS: "tool_calls",
  MAX_TOKENS: "length",
  SAFETY: "content_filter",
  RECITATION: "content_filter",
  BLOCKLIST: "content_filter",
  PROHIBITED_CONTENT: "content_filter",
  SPII: "content_filter",
  MODEL_ARMOR: "content_filter",
  IMAGE_SAFETY: "content_filter",
  IMAGE_PROHIBITED_CONTENT: "content_filter",
  IMAGE_RECITATION: "content_filter",
};

/** The reason of a candidate, or undefined where none was given yet (absent, empty, unspecified). */
export function readReason(value: Json | undefined): string | undefined {
  const reason = asString(value);
  return reason === undefined || reason === "" || reason === "FINISH_REASON_UNSPECIFIED" ? undefined : reason;
}

/** What a reason means, given whether the choice made a tool call anywhere: the API says STOP for those as well. */
export function endingOf(reason: string, sawToolCall: boolean): Ending {
  const ending = Object.hasOwn(ENDINGS, reason) ? ENDINGS[reason] : undefined;
  if (ending === undefined) return "failed";
  return ending === "stop" && sawToolCall ? "tool_calls" : ending;
}
