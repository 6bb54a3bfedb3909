/** How an answer ended, in this dialect's words. */
import type { StreamEvent } from "../../../wire/events.ts";
import { endingOf } from "./finish.ts";

export interface Finish {
  readonly finishReason: string;
  readonly finishMessage?: string;
  /** The provider's own word, where it is another. */
  readonly nativeFinishReason?: string;
}

/** Words of this dialect that its clients' types do not know, though backends send them. */
const UNTYPED = new Set(["FUNCTION_CALL", "TOOL_CALLS", "MODEL_ARMOR"]);

/**
 * The finish of a candidate. Tool calls end with STOP here. `refused`: the model declined in words.
 * `broken`: calls whose arguments are no JSON object, which this dialect has no form for.
 */
export function finishOf(event: Extract<StreamEvent, { kind: "finish" }>, refused: boolean, broken: readonly string[]): Finish {
  const native = event.native;
  const finishReason = reasonOf(event, refused, broken);
  const finishMessage = messageOf(event, refused, broken);
  return {
    finishReason,
    ...(finishMessage === undefined ? {} : { finishMessage }),
    ...(native === "" || native === finishReason ? {} : { nativeFinishReason: native }),
  };
}

function reasonOf({ reason, native }: { reason: string; native: string }, refused: boolean, broken: readonly string[]): string {
  switch (reason) {
    case "length":
      return "MAX_TOKENS";
    case "content_filter":
      return endingOf(native, false) === "content_filter" && !UNTYPED.has(native) ? native : "SAFETY";
    case "stop":
    case "tool_calls":
      if (broken.length > 0) return "MALFORMED_FUNCTION_CALL";
      return refused ? "SAFETY" : "STOP";
    default:
      return "OTHER";
  }
}

function messageOf({ reason }: { reason: string }, refused: boolean, broken: readonly string[]): string | undefined {
  if (broken.length > 0) {
    const names = broken.map((name) => name.slice(0, 64)).join(", ");
    return reason === "length" ? `The call of ${names} was cut off.` : `The arguments of the call of ${names} are not a JSON object.`;
  }
  return refused ? "The model refused." : undefined;
}
