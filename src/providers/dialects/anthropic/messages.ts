/**
 * Messages of the hub to `system` and `messages` of the Messages API: system hoisted, neighbours of one role merged,
 * all results of a turn in one user message and first in it.
 */
import type { AssistantMessage, FilePart, ImagePart, Message, Part, ReasoningBlock, ToolCall, ToolMessage } from "../../../wire/chat.ts";
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import { isForeignBlock } from "../opaque.ts";
import { type Draft, shown } from "./draft.ts";
import { upstreamCallId, upstreamToolName } from "./names.ts";

interface Turn {
  readonly role: "user" | "assistant";
  readonly content: JsonObject[];
  /** How many tool results stand at the front. */
  results: number;
}

export interface EncodedMessages {
  readonly system: readonly JsonObject[];
  readonly messages: readonly JsonObject[];
  /** The conversation stands inside a tool turn whose assistant message begins without a block of thinking. */
  readonly toolTurnWithoutThinking: boolean;
}

/** Build `system` and `messages`. What cannot be carried is told to `draft`. */
export function encodeMessages(messages: readonly Message[], draft: Draft): EncodedMessages {
  const system: JsonObject[] = [];
  const turns: Turn[] = [];
  messages.forEach((message, at) => {
    const path = `messages[${at}]`;
    switch (message.role) {
      case "system":
      case "developer":
        if (turns.length > 0) draft.warn("a system message in the middle of the conversation was moved to its beginning");
        warnOfName(message.name, draft);
        system.push(...textBlocks(message.parts, path, draft));
        return;
      case "user":
        warnOfName(message.name, draft);
        turnOf(turns, "user").content.push(...userBlocks(message.parts, path, draft));
        return;
      case "assistant":
        warnOfName(message.name, draft);
        turnOf(turns, "assistant").content.push(...assistantBlocks(message, path, draft));
        return;
      case "tool": {
        const turn = turnOf(turns, "user");
        turn.content.splice(turn.results, 0, resultBlock(message, path, draft));
        turn.results += 1;
        return;
      }
    }
  });
  const filled = joined(turns);
  if (filled.length === 0) draft.refuse("messages", "this model needs at least one message that is not empty and not a system message");
  return {
    system,
    messages: filled.map((turn) => ({ role: turn.role, content: turn.content })),
    toolTurnWithoutThinking: toolTurnWithoutThinking(filled),
  };
}

function turnOf(turns: Turn[], role: Turn["role"]): Turn {
  const last = turns.at(-1);
  if (last?.role === role) return last;
  const turn: Turn = { role, content: [], results: 0 };
  turns.push(turn);
  return turn;
}

/** Turns without content are refused upstream; leaving one out can make its neighbours meet. */
function joined(turns: readonly Turn[]): readonly Turn[] {
  const out: Turn[] = [];
  for (const turn of turns) {
    if (turn.content.length === 0) continue;
    const into = turnOf(out, turn.role);
    into.content.splice(into.results, 0, ...turn.content.slice(0, turn.results));
    into.results += turn.results;
    into.content.push(...turn.content.slice(turn.results));
  }
  return out;
}

function toolTurnWithoutThinking(turns: readonly Turn[]): boolean {
  const [asked, answered] = turns.slice(-2);
  if (asked === undefined || answered === undefined || answered.results === 0) return false;
  const first = asked.content[0]?.type;
  return first !== "thinking" && first !== "redacted_thinking";
}

function userBlocks(parts: readonly Part[], path: string, draft: Draft): readonly JsonObject[] {
  return parts.flatMap((part, at) => listed(block(part, `${path}.content[${at}]`, draft)));
}

/** Text only: system and assistant content takes nothing else. */
function textBlocks(parts: readonly Part[], path: string, draft: Draft): readonly JsonObject[] {
  return parts.flatMap((part, at) => {
    if (part.kind === "text" || part.kind === "refusal") return listed(block(part, "", draft));
    draft.refuse(`${path}.content[${at}]`, `this model takes only text in system and assistant messages, not ${shown(partType(part))}`);
    return [];
  });
}

function assistantBlocks(message: AssistantMessage, path: string, draft: Draft): readonly JsonObject[] {
  for (const [key, value] of Object.entries(message.other)) {
    if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    if (key === "function_call") draft.refuse(`${path}.function_call`, "function_call is not carried to this model; tool_calls is");
    else draft.warn(`the assistant message's ${shown(key)} has no counterpart and was left out`);
  }
  return [
    ...message.reasoning.flatMap((reasoning) => listed(reasoningBlock(reasoning, draft))),
    ...textBlocks(message.parts, path, draft),
    ...message.toolCalls.map((call, at) => callBlock(call, `${path}.tool_calls[${at}]`, draft)),
  ];
}

/** A signature is the maker's proof; without it the block would be refused, so the turn goes without its thinking. */
function reasoningBlock(reasoning: ReasoningBlock, draft: Draft): JsonObject | undefined {
  if (isForeignBlock(reasoning)) {
    draft.warn("earlier reasoning of another maker was left out: only it can read it");
    return undefined;
  }
  if (reasoning.kind === "redacted") return { type: "redacted_thinking", data: reasoning.data };
  if (reasoning.signature === undefined || reasoning.signature === "") {
    draft.warn("earlier reasoning without its signature was left out");
    return undefined;
  }
  return { type: "thinking", thinking: reasoning.text, signature: reasoning.signature };
}

function callBlock(call: ToolCall, path: string, draft: Draft): JsonObject {
  if (call.thoughtSignature !== undefined) draft.warn("thought signatures of another provider were left out");
  return {
    type: "tool_use",
    id: upstreamCallId(call.id),
    name: upstreamToolName(call.name),
    input: argumentsObject(call.argumentsJson, `${path}.function.arguments`, draft),
  };
}

function argumentsObject(json: string, param: string, draft: Draft): JsonObject {
  const text = json.trim();
  if (text === "" || text === "null") return {};
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    draft.refuse(param, "the arguments are not valid JSON, and this model takes them as an object");
    return {};
  }
  if (isObject(value)) return value;
  draft.refuse(param, "the arguments are not a JSON object, which is the only thing this model takes");
  return {};
}

/** A cache marker inside a result belongs on the result: its inner blocks take none. */
function resultBlock(message: ToolMessage, path: string, draft: Draft): JsonObject {
  const unmarked = message.parts.map((part) => ("cacheControl" in part ? { ...part, cacheControl: undefined } : part));
  const content = userBlocks(unmarked, path, draft);
  const marker = message.parts.findLast((part) => cacheControlOf(part) !== undefined);
  const only = content.length === 1 ? content[0] : undefined;
  return {
    type: "tool_result",
    tool_use_id: upstreamCallId(message.toolCallId),
    ...(content.length > 0 && { content: only?.type === "text" ? only.text : content }),
    ...(message.isError === true && { is_error: true }),
    ...cached(marker === undefined ? undefined : cacheControlOf(marker)),
  };
}

/** One part as a block; undefined where nothing is to be sent. */
function block(part: Part, param: string, draft: Draft): JsonObject | undefined {
  switch (part.kind) {
    case "text":
      return textBlock(part.text, part.cacheControl, draft);
    case "refusal":
      return textBlock(part.text, undefined, draft);
    case "image":
      return imageBlock(part, draft);
    case "file":
      return fileBlock(part, param, draft);
    case "audio":
      draft.refuse(param, "this model takes no audio");
      return undefined;
    case "other":
      draft.refuse(`${param}.type`, `content of type ${shown(part.type)} is not carried to this model`);
      return undefined;
  }
}

/** The API refuses text without a visible character. */
function textBlock(text: string, cacheControl: JsonObject | undefined, draft: Draft): JsonObject | undefined {
  if (text.trim() !== "") return { type: "text", text, ...cached(cacheControl) };
  if (text !== "") draft.warn("a text of nothing but white space was left out");
  if (cacheControl !== undefined) draft.warn("cache_control on an empty text was left out");
  return undefined;
}

function imageBlock(part: ImagePart, draft: Draft): JsonObject {
  if (part.detail !== undefined && part.detail !== "auto") draft.warn("image_url.detail has no counterpart and was left out");
  return { type: "image", source: sourceOf(part.source), ...cached(part.cacheControl) };
}

function fileBlock(part: FilePart, param: string, draft: Draft): JsonObject | undefined {
  const source = part.source;
  if (source.kind === "id") {
    draft.refuse(`${param}.file.file_id`, "a file id of another provider means nothing to this model; send the file itself");
    return undefined;
  }
  if (source.kind === "base64" && source.mediaType.startsWith("image/")) {
    return { type: "image", source: sourceOf(source), ...cached(part.cacheControl) };
  }
  if (source.kind === "base64" && source.mediaType !== "application/pdf") {
    draft.refuse(`${param}.file`, `this model takes PDF files and images, not ${shown(source.mediaType)}`);
    return undefined;
  }
  return {
    type: "document",
    source: sourceOf(source),
    ...(part.filename !== undefined && part.filename !== "" && { title: part.filename }),
    ...cached(part.cacheControl),
  };
}

function sourceOf(source: ImagePart["source"]): JsonObject {
  return source.kind === "url"
    ? { type: "url", url: source.url }
    : { type: "base64", media_type: source.mediaType, data: source.base64 };
}

function listed(made: JsonObject | undefined): readonly JsonObject[] {
  return made === undefined ? [] : [made];
}

function cached(cacheControl: JsonObject | undefined): JsonObject {
  return cacheControl === undefined ? {} : { cache_control: cacheControl };
}

function cacheControlOf(part: Part): JsonObject | undefined {
  return "cacheControl" in part ? part.cacheControl : undefined;
}

function partType(part: Part): string {
  return part.kind === "other" ? part.type : part.kind;
}

function warnOfName(name: string | undefined, draft: Draft): void {
  if (name !== undefined) draft.warn("the name of a message's author has no counterpart and was left out");
}
