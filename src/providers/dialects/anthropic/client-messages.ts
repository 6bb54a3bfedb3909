/**
 * `system` and `messages` of a Messages body as messages of the hub: tool results become messages of their own, before
 * what the same user message says beside them.
 */
import type { AssistantMessage, Message, Part, ReasoningBlock, SystemMessage, ToolCall, ToolMessage } from "../../../wire/chat.ts";
import { gatewayError } from "../../../wire/errors.ts";
import { asArray, asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import { Refused } from "../openai/parse-reader.ts";
import { blockParts, blockType, cacheControlOf, contentBlocks, foreignPart, marked, textPart } from "./client-blocks.ts";
import { asksSomething, type BodyReader } from "./client-notes.ts";

export interface ParsedConversation {
  readonly messages: readonly Message[];
  /** `tool_addition` and `tool_removal` blocks in their order, each with its path. */
  readonly toolChanges: readonly { readonly block: JsonObject; readonly place: string }[];
  /** Effort asked for the turn under way by a system message. */
  readonly effort: string | undefined;
}

/**
 * A line that coding agents put before their prompt for the maker's accounting. It differs from request to request, so
 * that any other provider's prompt cache would never be warm behind it.
 */
const BILLING_LINE = /^x-anthropic-billing-header:[^\n]{0,480}$/;

/** Parse `system` and `messages`; throws `Refused` with the path of what is wrong. */
export function parseConversation(raw: JsonObject, reader: BodyReader): ParsedConversation {
  const list = reader.array(reader.required(raw.messages ?? undefined, "messages", "a list of messages"), "messages");
  if (list.length === 0) throw invalid("messages", "messages must hold at least one message.");
  const found: Found = { messages: [], toolChanges: [], effort: undefined, lastUser: lastIndexOfRole(list, "user"), lastSaid: lastSaidIndex(list) };
  const system = systemParts(raw.system, reader);
  if (system.length > 0) found.messages.push({ role: "system", parts: system, name: undefined });
  list.forEach((message, at) => addMessage(message, at, found, reader));
  if (found.messages.at(-1)?.role === "assistant") {
    reader.warn("the conversation ends with an assistant message: a provider of another dialect may answer it instead of going on with it");
  }
  return found;
}

interface Found {
  readonly messages: Message[];
  readonly toolChanges: { readonly block: JsonObject; readonly place: string }[];
  effort: string | undefined;
  /** Index of the last user message, and of the last that holds more than results of tools. */
  readonly lastUser: number;
  readonly lastSaid: number;
}

function lastIndexOfRole(list: readonly Json[], role: string): number {
  return list.findLastIndex((message) => member(message, "role") === role);
}

function lastSaidIndex(list: readonly Json[]): number {
  return list.findLastIndex((message) => {
    if (member(message, "role") !== "user") return false;
    const content = member(message, "content");
    return typeof content === "string" || asArray(content).some((block) => member(block, "type") !== "tool_result");
  });
}

function systemParts(system: Json | undefined, reader: BodyReader): readonly Part[] {
  return contentBlocks(system, "system", reader).flatMap((block, at) => {
    const text = asString(block.text);
    if (text !== undefined && BILLING_LINE.test(text)) {
      reader.warn("the billing line of the system prompt was left out: it is meant for the maker alone");
      return [];
    }
    return [...blockParts(block, `system[${at}]`, reader)];
  });
}

function addMessage(raw: Json, at: number, found: Found, reader: BodyReader): void {
  const place = `messages[${at}]`;
  if (!isObject(raw)) throw reader.wrong(place, "an object", raw);
  const role = reader.required(reader.string(raw.role, `${place}.role`), `${place}.role`, "user, assistant or system");
  switch (role) {
    case "user":
      return addUser(raw, place, found, reader);
    case "assistant":
      found.messages.push(assistantMessage(raw, place, reader));
      return;
    case "system":
      return addSystem(raw, at, found, reader);
    default:
      throw invalid(`${place}.role`, `${place}.role must be user, assistant or system, not "${role.slice(0, 64)}".`);
  }
}

function requiredContent(raw: JsonObject, place: string, reader: BodyReader): readonly JsonObject[] {
  const content = reader.required(raw.content ?? undefined, `${place}.content`, "a string or a list of blocks");
  return contentBlocks(content, `${place}.content`, reader);
}

function addUser(raw: JsonObject, place: string, found: Found, reader: BodyReader): void {
  reader.warnLeftOut(raw, ["role", "content"], "a user message's ");
  const blocks = requiredContent(raw, place, reader);
  const results: ToolMessage[] = [];
  const parts: Part[] = [];
  blocks.forEach((block, at) => {
    const where = `${place}.content[${at}]`;
    if (block.type === "tool_result") results.push(toolMessage(block, where, reader));
    else parts.push(...blockParts(block, where, reader));
  });
  found.messages.push(...results);
  if (parts.length > 0 || results.length === 0) found.messages.push({ role: "user", parts, name: undefined });
}

function toolMessage(block: JsonObject, place: string, reader: BodyReader): ToolMessage {
  reader.warnLeftOut(block, ["type", "tool_use_id", "content", "is_error", "cache_control"], "a tool result's ");
  const id = reader.string(block.tool_use_id, `${place}.tool_use_id`);
  const inner = contentBlocks(block.content, `${place}.content`, reader);
  const parts = inner.flatMap((part, at) => [...blockParts(part, `${place}.content[${at}]`, reader)]);
  const isError = reader.boolean(block.is_error, `${place}.is_error`) === true;
  return {
    role: "tool",
    toolCallId: reader.required(id, `${place}.tool_use_id`, "the id of the tool call it answers"),
    parts: marked(parts, cacheControlOf(block, place, reader), reader),
    ...(isError && { isError }),
  };
}

function addSystem(raw: JsonObject, at: number, found: Found, reader: BodyReader): void {
  const place = `messages[${at}]`;
  reader.warnLeftOut(raw, ["role", "content", "clear_at", "output_config"], "a system message's ");
  const effort = reader.string(reader.object(raw.output_config, `${place}.output_config`)?.effort, `${place}.output_config.effort`);
  // It holds for the turn that it stands in: results of tools do not end that, the next word of the user does.
  if (effort !== undefined && at > found.lastSaid) found.effort = effort;
  // Such a message stays in the list but is no longer shown once the user has spoken again.
  if (reader.string(raw.clear_at, `${place}.clear_at`) === "next_user_message" && at < found.lastUser) return;
  const parts: Part[] = [];
  contentBlocks(raw.content, `${place}.content`, reader).forEach((block, i) => {
    const where = `${place}.content[${i}]`;
    if (block.type === "tool_addition" || block.type === "tool_removal") found.toolChanges.push({ block, place: where });
    else parts.push(...blockParts(block, where, reader));
  });
  const message: SystemMessage = { role: "system", parts, name: undefined };
  if (parts.length > 0) found.messages.push(message);
}

interface AssistantParts {
  readonly parts: Part[];
  readonly toolCalls: ToolCall[];
  readonly reasoning: ReasoningBlock[];
}

function assistantMessage(raw: JsonObject, place: string, reader: BodyReader): AssistantMessage {
  reader.warnLeftOut(raw, ["role", "content"], "an assistant message's ");
  const into: AssistantParts = { parts: [], toolCalls: [], reasoning: [] };
  requiredContent(raw, place, reader).forEach((block, at) => addAssistantBlock(block, `${place}.content[${at}]`, into, reader));
  return { role: "assistant", ...into, name: undefined, other: {} };
}

function addAssistantBlock(block: JsonObject, place: string, into: AssistantParts, reader: BodyReader): void {
  const type = blockType(block, place, reader);
  switch (type) {
    case "text":
      if (into.toolCalls.length > 0) reader.warn("text after a tool call was moved before it");
      into.parts.push(textPart(block, place, reader));
      return;
    case "thinking": {
      const text = reader.string(block.thinking, `${place}.thinking`) ?? "";
      // Empty where the reasoning came from a provider that signs nothing.
      const signature = reader.string(block.signature, `${place}.signature`) || undefined;
      into.reasoning.push({ kind: "thinking", text, signature });
      return;
    }
    case "redacted_thinking":
      into.reasoning.push({ kind: "redacted", data: reader.string(block.data, `${place}.data`) ?? "" });
      return;
    case "tool_use":
      into.toolCalls.push(toolCall(block, place, reader));
      return;
    case "fallback":
      reader.warn("the marks of earlier fallbacks are carried only to providers of the same dialect");
      return;
    default:
      into.parts.push(foreignPart(block, type, place, reader));
  }
}

function toolCall(block: JsonObject, place: string, reader: BodyReader): ToolCall {
  // The caller of an ordinary call is named `direct`, which says nothing.
  const known = ["type", "id", "name", "input", ...(member(block.caller, "type") === "direct" ? ["caller"] : [])];
  reader.warnLeftOut(block, known, "a tool call's ");
  return {
    id: reader.required(reader.string(block.id, `${place}.id`), `${place}.id`, "the id of the call"),
    name: reader.required(reader.string(block.name, `${place}.name`), `${place}.name`, "the name of the tool"),
    argumentsJson: asksSomething(block.input) ? JSON.stringify(block.input) : "{}",
    thoughtSignature: undefined,
  };
}

function invalid(param: string, message: string): Refused {
  return new Refused(gatewayError("invalid_body", message, { param }));
}
