/** Earlier reasoning put back into a Chat Completions body that passes: only the turns that lack it change. */
import type { AssistantMessage, ChatRequest } from "../../../wire/chat.ts";
import { asArray, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import { scanBody, type Edit } from "../../../wire/scan.ts";
import { elementsOf } from "../../../wire/scan-list.ts";
import type { PassedBody } from "../client.ts";

/** The edits that bring `restored`'s reasoning text and thought signatures into the body it was restored from. */
export function restoredEdits(body: PassedBody, restored: ChatRequest): readonly Edit[] {
  const list = body.scan.members.find((one) => one.key === "messages");
  if (list === undefined) return [];
  const raw = asArray(body.raw["messages"]);
  const places = elementsOf(body.bytes, list.valueStart);
  return restored.messages.flatMap((message, at) => {
    const place = places[at];
    const sent = raw[at];
    if (message.role !== "assistant" || message.restored !== true || place === undefined || !isObject(sent)) return [];
    return messageEdits(body.bytes, place.start, place.end, membersOf(message, sent));
  });
}

/** What stands in the message from now on. */
function membersOf(message: AssistantMessage, sent: JsonObject): JsonObject {
  const reasoning = message.reasoning.map((block) => (block.kind === "thinking" ? block.text : "")).join("");
  const calls = asArray(sent["tool_calls"]);
  const signed = message.toolCalls.some((call) => call.thoughtSignature !== undefined);
  return {
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...(signed ? { tool_calls: calls.map((call) => withSignature(call, message)) } : {}),
  };
}

function withSignature(call: Json, message: AssistantMessage): Json {
  if (!isObject(call)) return call;
  const signature = message.toolCalls.find((one) => one.id === call["id"])?.thoughtSignature;
  if (signature === undefined) return call;
  const extra = isObject(call["extra_content"]) ? call["extra_content"] : {};
  const google = member(extra, "google");
  return { ...call, extra_content: { ...extra, google: { ...(isObject(google) ? google : {}), thought_signature: signature } } };
}

function messageEdits(bytes: Uint8Array, start: number, end: number, members: JsonObject): readonly Edit[] {
  const inside = scanBody(bytes.subarray(start, end));
  if (inside.kind !== "object") return [];
  return Object.entries(members).map(([key, value]): Edit => {
    const text = JSON.stringify(value);
    const there = inside.members.find((one) => one.key === key);
    if (there !== undefined) return { start: start + there.valueStart, end: start + there.valueEnd, text };
    const at = start + inside.close;
    return { start: at, end: at, text: `${inside.members.length === 0 ? "" : ","}${JSON.stringify(key)}:${text}` };
  });
}
