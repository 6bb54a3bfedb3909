/** A whole JSON answer: checked before it counts as one, and brought into the client's dialect where it is another's. */
import type { DecodeContext, Dialect } from "../providers/dialects/dialect.ts";
import { commits, type StreamEvent } from "../wire/events.ts";
import type { JsonObject } from "../wire/json.ts";
import { ENDED_WITHOUT_CONTENT } from "../wire/outcome.ts";
import type { Usage } from "../wire/usage.ts";
import type { AnswerReading } from "./attempt.ts";
import { EMPTY_FINISH, failure, gaveUp, malformed, textBytesOf } from "./lane.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Read a chat answer. `mayBeEmpty`: stop sequences were asked, one of which may have been the first word. `write` puts it into the client's dialect; null: the same, the body leaves as it came. */
export function readChatAnswer(body: Uint8Array, dialect: Dialect, context: DecodeContext, write: ((events: readonly StreamEvent[]) => JsonObject) | null, mayBeEmpty = false): AnswerReading {
  let parsed;
  try {
    parsed = JSON.parse(decoder.decode(body));
  } catch (error) {
    return { kind: "error", error: malformed(`the answer is not JSON: ${(error as Error).message.slice(0, 120)}`), usage: null };
  }
  const told = dialect.decodeAnswer(parsed, context);
  const events = mayBeEmpty && write !== null ? told.map((event) => (event.kind === "error" && event.error.code === ENDED_WITHOUT_CONTENT ? EMPTY_FINISH : event)) : told;
  let usage: Usage | null = null;
  let contentEvents = 0;
  let textBytes = 0;
  let finish = "";
  const warnings: string[] = [];
  for (const event of events) {
    if (event.kind === "usage") usage = event.usage;
    else if (event.kind === "error") return { kind: "error", error: event.error, usage };
    else if (event.kind === "finish" && event.reason === "error") return { kind: "error", error: gaveUp(event.native), usage };
    else if (event.kind === "finish") finish = event.reason;
    else if (event.kind === "warning") warnings.push(event.message);
    else if (commits(event)) contentEvents++;
  }
  // The size of the text matters only for an estimate.
  if (usage === null) for (const event of events) textBytes += textBytesOf(event);
  const lacksFirst = write !== null && !events.some((event) => event.kind === "finish" && event.choice === 0);
  if (finish !== "" && lacksFirst) return { kind: "error", error: malformed("the answer has no first choice"), usage };
  if (finish === "") return { kind: "error", error: failure("truncated", "the answer has no finish reason"), usage };
  if (!mayBeEmpty && contentEvents === 0 && (finish === "stop" || finish === "tool_calls")) {
    return { kind: "error", error: failure("empty", "the answer is empty"), usage };
  }
  const out = write === null ? body : encoder.encode(JSON.stringify(write(events)));
  return { kind: "answer", body: out, usage, contentEvents: Math.max(1, contentEvents), textBytes, warnings };
}
