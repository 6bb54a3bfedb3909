/** Ids of tool calls as a chat host takes them: the same id gives the same result on both sides of a call and its result. */
import type { Message } from "../../../wire/chat.ts";
import { upstreamCallId } from "../bedrock/names.ts";
import type { Target } from "../dialect.ts";
import { chatCallId } from "../responses/encode-names.ts";

/** How `target` takes an id. `foreign`: the client's dialect bounds ids in another way, or not at all. */
export function callIds(target: Target, foreign: boolean): (id: string) => string {
  if (target.provider.quirks.nineLetterCallIds === true) return (id) => upstreamCallId(id, true);
  return foreign ? chatCallId : (id) => id;
}

/** The messages with the ids that the target takes. */
export function withCallIds(messages: readonly Message[], callId: (id: string) => string): readonly Message[] {
  return messages.map((message) => {
    if (message.role === "tool") return { ...message, toolCallId: callId(message.toolCallId) };
    if (message.role !== "assistant" || message.toolCalls.length === 0) return message;
    return { ...message, toolCalls: message.toolCalls.map((call) => ({ ...call, id: callId(call.id) })) };
  });
}
