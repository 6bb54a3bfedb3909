/** Finish reasons: the upper-case words of the API, and back. */
import type { FinishReason } from "../../../wire/events.ts";

/** `failed`, `timeout`: the provider gave up; what came before is not an answer. */
export type Ending = Exclude<FinishReason, "error"> | "failed" | "timeout";

const ENDINGS: ReadonlyMap<string, Ending> = new Map<string, Ending>([
  ["COMPLETE", "stop"],
  ["STOP_SEQUENCE", "stop"],
  ["MAX_TOKENS", "length"],
  ["TOOL_CALL", "tool_calls"],
  ["TIMEOUT", "timeout"],
  ["ERROR", "failed"],
  // Words of the version before, which hosts of these models still use.
  ["ERROR_TOXIC", "content_filter"],
  ["ERROR_LIMIT", "length"],
  ["USER_CANCEL", "failed"],
]);

/** What a reason means, given whether a tool call was made. A word that nobody here knows counts as an end unless it speaks of an error. */
export function endingOf(native: string, sawToolCall: boolean): Ending {
  const word = native.toUpperCase();
  const ending = ENDINGS.get(word) ?? (/ERROR|CANCEL/.test(word) ? "failed" : "stop");
  return ending === "stop" && sawToolCall ? "tool_calls" : ending;
}

/** Did the answer end at a stop sequence? Then nothing before it is a whole answer. */
export function endedAtStop(native: string): boolean {
  return native.toUpperCase() === "STOP_SEQUENCE";
}

/** The API's word for a reason of the hub. `native` is the word of the provider that answered. */
export function wireReason(reason: FinishReason, native: string): string {
  switch (reason) {
    case "stop":
      return native.toUpperCase() === "STOP_SEQUENCE" ? "STOP_SEQUENCE" : "COMPLETE";
    case "length":
      return "MAX_TOKENS";
    case "tool_calls":
      return "TOOL_CALL";
    case "content_filter":
      return "ERROR_TOXIC";
    case "error":
      return "ERROR";
  }
}
