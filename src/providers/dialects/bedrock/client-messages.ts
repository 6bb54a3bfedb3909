/**
 * `system` and `messages` of a Converse body as messages of the hub: tool results become messages of their own, before what
 * the same user message says beside them, and a cache point becomes a marker on what stands before it.
 */
import type { AssistantMessage, Message, Part, ReasoningBlock, ToolCall, ToolMessage } from "../../../wire/chat.ts";
import { gatewayError } from "../../../wire/errors.ts";
import { asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import type { BodyReader } from "../anthropic/client-notes.ts";
import { shown } from "../anthropic/draft.ts";
import { Refused } from "../openai/parse-reader.ts";
import { besideMember, partsOf } from "./client-content.ts";

/** Parse `system` and `messages`; throws `Refused` with the path of what is wrong. */
export function parseConversation(raw: JsonObject, reader: BodyReader): readonly Message[] {
  const list = reader.array(reader.required(raw.messages ?? undefined, "messages", "a list of messages"), "messages");
  if (list.length === 0) throw invalid("messages", "messages must hold at least one message.");
  const system = plainParts(raw.system, "system", reader);
  const messages: Message[] = system.length > 0 ? [{ role: "system", parts: system, name: undefined }] : [];
  list.forEach((message, at) => {
    const place = `messages[${at}]`;
    if (!isObject(message)) throw reader.wrong(place, "an object", message);
    reader.warnLeftOut(message, ["role", "content"], "a message's ");
    const role = reader.required(reader.string(message.role, `${place}.role`), `${place}.role`, "user or assistant");
    if (role === "assistant") messages.push(assistantMessage(message, place, reader));
    else if (role === "user") messages.push(...userMessages(message, place, reader));
    else throw invalid(`${place}.role`, `${place}.role must be user or assistant, not ${shown(role)}.`);
  });
  return messages;
}

function invalid(param: string, message: string): Refused {
  return new Refused(gatewayError("invalid_body", message, { param }));
}

/** The marker that a cache point stands for; undefined where the block is none. */
export function cachePointOf(block: Json): JsonObject | undefined {
  const point = member(block, "cachePoint");
  if (!isObject(point)) return undefined;
  const ttl = asString(point.ttl);
  return { type: "ephemeral", ...(ttl !== undefined && { ttl }) };
}

/** Put the marker on the last part that can carry one. */
function mark(parts: Part[], marker: JsonObject, reader: BodyReader): void {
  const last = parts.at(-1);
  if (last !== undefined && "cacheControl" in last) parts[parts.length - 1] = { ...last, cacheControl: marker };
  else reader.warn("a cachePoint behind nothing that can be marked is carried only to providers of the same dialect");
}

function blocksIn(value: Json | undefined, place: string, reader: BodyReader): readonly (readonly [JsonObject, string])[] {
  return reader.array(value, place).map((block, at) => {
    if (!isObject(block)) throw reader.wrong(`${place}[${at}]`, "an object", block);
    besideMember(block, reader);
    return [block, `${place}[${at}]`] as const;
  });
}

/** Blocks of which none is a call, a result or reasoning. */
function plainParts(value: Json | undefined, place: string, reader: BodyReader): Part[] {
  const parts: Part[] = [];
  for (const [block, where] of blocksIn(value, place, reader)) {
    const marker = cachePointOf(block);
    if (marker === undefined) parts.push(...partsOf(block, where, reader));
    else mark(parts, marker, reader);
  }
  return parts;
}

function userMessages(message: JsonObject, place: string, reader: BodyReader): readonly Message[] {
  const results: ToolMessage[] = [];
  const parts: Part[] = [];
  let lastWasResult = false;
  for (const [block, where] of blocksIn(message.content, `${place}.content`, reader)) {
    const marker = cachePointOf(block);
    const last = results.at(-1);
    if (marker !== undefined && lastWasResult && last !== undefined) {
      const marked = [...last.parts];
      mark(marked, marker, reader);
      results[results.length - 1] = { ...last, parts: marked };
    } else if (marker !== undefined) mark(parts, marker, reader);
    else if (isObject(block.toolResult)) results.push(toolMessage(block.toolResult, `${where}.toolResult`, reader));
    else parts.push(...partsOf(block, where, reader));
    if (marker === undefined) lastWasResult = block.toolResult !== undefined;
  }
  // A message of nothing at all is still one; results alone are not joined by an empty one.
  return results.length > 0 && parts.length === 0 ? results : [...results, { role: "user", parts, name: undefined }];
}

function toolMessage(result: JsonObject, place: string, reader: BodyReader): ToolMessage {
  reader.warnLeftOut(result, ["toolUseId", "content", "status", "type"], "a tool result's ");
  return {
    role: "tool",
    toolCallId: reader.required(reader.string(result.toolUseId, `${place}.toolUseId`), `${place}.toolUseId`, "the id of the call"),
    ...(result.status === "error" && { isError: true }),
    parts: plainParts(result.content, `${place}.content`, reader),
  };
}

function assistantMessage(message: JsonObject, place: string, reader: BodyReader): AssistantMessage {
  const parts: Part[] = [];
  const toolCalls: ToolCall[] = [];
  const reasoning: ReasoningBlock[] = [];
  for (const [block, where] of blocksIn(message.content, `${place}.content`, reader)) {
    const marker = cachePointOf(block);
    if (marker !== undefined) mark(parts, marker, reader);
    else if (isObject(block.toolUse) && block.toolUse.type !== "server_tool_use") toolCalls.push(toolCall(block.toolUse, `${where}.toolUse`, reader));
    else if (isObject(block.reasoningContent)) reasoning.push(...reasoningBlock(block.reasoningContent, `${where}.reasoningContent`, reader));
    else parts.push(...partsOf(block, where, reader));
  }
  return { role: "assistant", parts, toolCalls, reasoning, name: undefined, other: {} };
}

function toolCall(use: JsonObject, place: string, reader: BodyReader): ToolCall {
  reader.warnLeftOut(use, ["toolUseId", "name", "input", "type"], "a tool call's ");
  return {
    id: reader.required(reader.string(use.toolUseId, `${place}.toolUseId`), `${place}.toolUseId`, "the id of the call"),
    name: reader.required(reader.string(use.name, `${place}.name`), `${place}.name`, "the tool's name"),
    argumentsJson: JSON.stringify(use.input ?? {}),
    thoughtSignature: undefined,
  };
}

function reasoningBlock(content: JsonObject, place: string, reader: BodyReader): readonly ReasoningBlock[] {
  const redacted = asString(content.redactedContent) ?? asString(member(content.redactedReasoning, "data"));
  if (redacted !== undefined) return [{ kind: "redacted", data: redacted }];
  const told = reader.object(content.reasoningText, `${place}.reasoningText`);
  if (told === undefined) return [];
  const text = reader.string(told.text, `${place}.reasoningText.text`) ?? "";
  return [{ kind: "thinking", text, signature: reader.string(told.signature, `${place}.reasoningText.signature`) || undefined }];
}
