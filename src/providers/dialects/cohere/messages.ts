/** Messages of the hub → `messages`: one system message in front, tool plans beside tool calls, images as addresses. */
import type { AssistantMessage, ChatRequest, ImagePart, MediaSource, Part, ToolMessage } from "../../../wire/chat.ts";
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import { type Draft, shown } from "../anthropic/draft.ts";
import { resultParts } from "../foreign.ts";
import { upstreamToolName } from "./names.ts";

/** Build `messages`. `thinks`: the model takes blocks of thinking. What cannot be carried is told to `draft`. */
export function encodeMessages(request: ChatRequest, thinks: boolean, draft: Draft): readonly JsonObject[] {
  const system: JsonObject[] = [];
  const turns: JsonObject[] = [];
  request.messages.forEach((message, at) => {
    const path = `messages[${at}]`;
    if (message.role !== "tool" && message.name !== undefined) draft.warn("name of a message is not carried");
    switch (message.role) {
      case "system":
      case "developer":
        // A system turn anywhere but in front is refused.
        if (turns.length > 0) draft.warn("a system message in the middle of the conversation was moved to its beginning");
        system.push(...textItems(message.parts, path, draft));
        return;
      case "user":
        turns.push({ role: "user", content: contentOf(message.parts.flatMap((part, i) => userItem(part, `${path}.content[${i}]`, draft))) });
        return;
      case "assistant":
        turns.push(encodeAssistant(message, path, thinks, draft));
        return;
      case "tool":
        turns.push({ role: "tool", tool_call_id: message.toolCallId, content: contentOf(resultItems(message, path, draft)) });
    }
  });
  return system.length === 0 ? turns : [{ role: "system", content: contentOf(system) }, ...turns];
}

/** Text beside tool calls is refused upstream: both it and the reasoning before the calls are the plan of the calls. */
function encodeAssistant(message: AssistantMessage, path: string, thinks: boolean, draft: Draft): JsonObject {
  for (const [key, value] of Object.entries(message.other)) {
    if (value !== null && value !== undefined) draft.warn(`the assistant message's ${shown(key)} has no counterpart and was left out`);
  }
  const text = textItems(message.parts, path, draft);
  const thoughts = visibleReasoning(message, draft);
  if (message.toolCalls.length > 0) {
    const plan = [...thoughts, ...text.map((item) => item["text"] as string)].join("\n\n");
    const calls = message.toolCalls.map((call) => {
      if (call.thoughtSignature !== undefined) draft.warn("thought signatures of another provider were left out");
      return { id: call.id, type: "function", function: { name: upstreamToolName(call.name), arguments: call.argumentsJson } };
    });
    return { role: "assistant", ...(plan === "" ? {} : { tool_plan: plan }), tool_calls: calls };
  }
  if (thoughts.length > 0 && !thinks) draft.warn("earlier reasoning was left out: the model is not known to take it");
  const thinking = thinks ? thoughts.map((thought) => ({ type: "thinking", thinking: thought })) : [];
  return { role: "assistant", content: thinking.length === 0 ? contentOf(text) : [...thinking, ...text] };
}

function visibleReasoning(message: AssistantMessage, draft: Draft): readonly string[] {
  return message.reasoning.flatMap((block) => {
    if (block.kind === "redacted" || block.signature !== undefined) draft.warn("signatures of earlier reasoning, of another provider's making, were left out");
    return block.kind === "thinking" && block.text !== "" ? [block.text] : [];
  });
}

/** One text, or nothing, is sent as a string. */
function contentOf(items: readonly JsonObject[]): Json {
  const [only] = items;
  if (only === undefined) return "";
  return items.length === 1 && only["type"] === "text" ? (only["text"] ?? "") : items;
}

function textItems(parts: readonly Part[], path: string, draft: Draft): readonly JsonObject[] {
  return parts.flatMap((part, at) => {
    if (part.kind === "text" || part.kind === "refusal") return [textItem(part, draft)];
    draft.refuse(`${path}.content[${at}]`, `this provider takes only text here, not ${shown(typeOf(part))}`);
    return [];
  });
}

function textItem(part: Extract<Part, { kind: "text" | "refusal" }>, draft: Draft): JsonObject {
  if (part.kind === "text" && part.cacheControl !== undefined) warnOfCache(draft);
  return { type: "text", text: part.text };
}

function userItem(part: Part, path: string, draft: Draft): readonly JsonObject[] {
  switch (part.kind) {
    case "text":
    case "refusal":
      return [textItem(part, draft)];
    case "image":
      return [imageItem(part, draft)];
    default:
      draft.refuse(path, `this provider takes text and images in messages, not ${shown(typeOf(part))}`);
      return [];
  }
}

function imageItem(part: ImagePart, draft: Draft): JsonObject {
  if (part.cacheControl !== undefined) warnOfCache(draft);
  const detail = part.detail === undefined ? {} : { detail: part.detail };
  return { type: "image_url", image_url: { url: address(part.source), ...detail } };
}

function address(source: MediaSource): string {
  return source.kind === "url" ? source.url : `data:${source.mediaType};base64,${source.base64}`;
}

/** Text, and documents in the API's own form where somebody made them. */
function resultItems(message: ToolMessage, path: string, draft: Draft): readonly JsonObject[] {
  return resultParts(message).flatMap((part, at) => {
    if (part.kind === "text" || part.kind === "refusal") return [textItem(part, draft)];
    if (part.kind === "other" && isObject(part.raw) && part.type === "document" && isObject(part.raw["document"])) return [part.raw];
    draft.refuse(`${path}.content[${at}]`, `this provider takes text and documents as the result of a tool, not ${shown(typeOf(part))}`);
    return [];
  });
}

function warnOfCache(draft: Draft): void {
  draft.warn("cache_control is not carried: this provider caches prefixes by itself");
}

function typeOf(part: Part): string {
  return part.kind === "other" ? part.type : part.kind;
}
