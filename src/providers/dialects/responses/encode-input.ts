/** Messages of the hub as input items: messages, reasoning, function calls and their outputs, in order. */
import type { AssistantMessage, FilePart, ImagePart, Message, Part, ToolMessage } from "../../../wire/chat.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { type Draft, shown } from "../anthropic/draft.ts";
import type { Target } from "../dialect.ts";
import { resultParts } from "../foreign.ts";
import { upstreamCallId, upstreamToolName } from "./encode-names.ts";
import { reasoningItems } from "./encode-reasoning.ts";

/** Build `input`. What cannot be carried is told to `draft`. */
export function encodeInput(messages: readonly Message[], target: Target, draft: Draft): readonly JsonObject[] {
  return messages.flatMap((message, at) => {
    const path = `messages[${at}]`;
    switch (message.role) {
      case "system":
      case "developer": {
        warnOfName(message.name, draft);
        const role = target.provider.quirks.developerAsSystem === true ? "system" : message.role;
        return [{ role, content: contentOf(message.parts, path, draft) }];
      }
      case "user":
        warnOfName(message.name, draft);
        return [{ role: "user", content: contentOf(message.parts, path, draft) }];
      case "assistant":
        return assistantItems(message, path, target, draft);
      case "tool":
        return [outputItem(message, path, draft)];
    }
  });
}

/**
 * An earlier answer goes back as plain text: its items' ids were never the client's to know, and an invented one would be
 * looked up.
 */
function assistantItems(message: AssistantMessage, path: string, target: Target, draft: Draft): readonly JsonObject[] {
  warnOfName(message.name, draft);
  for (const [key, value] of Object.entries(message.other)) {
    if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    if (REFUSED_MEMBERS.has(key)) draft.refuse(`${path}.${key}`, `the assistant message's ${key} cannot be carried to this model`);
    else draft.warn(`the assistant message's ${shown(key)} has no counterpart and was left out`);
  }
  const text = message.parts.map((part, at) => assistantText(part, `${path}.content[${at}]`, draft)).join("");
  return [
    ...reasoningItems(message.reasoning, target, draft),
    ...(text === "" ? [] : [{ role: "assistant", content: text }]),
    ...message.toolCalls.map((call) => {
      if (call.thoughtSignature !== undefined) draft.warn("thought signatures of another provider were left out");
      return {
        type: "function_call",
        call_id: upstreamCallId(call.id),
        name: upstreamToolName(call.name),
        arguments: call.argumentsJson,
      };
    }),
  ];
}

/** Spoken answers and calls of other types are part of what was said: without them the conversation is another one. */
const REFUSED_MEMBERS = new Set(["audio", "tool_calls", "function_call"]);

function assistantText(part: Part, param: string, draft: Draft): string {
  if (part.kind === "text" || part.kind === "refusal") {
    if (part.kind === "text") warnOfCache(part.cacheControl, draft);
    return part.text;
  }
  draft.refuse(param, "this model takes only text in assistant messages");
  return "";
}

function outputItem(message: ToolMessage, path: string, draft: Draft): JsonObject {
  return { type: "function_call_output", call_id: upstreamCallId(message.toolCallId), output: contentOf(resultParts(message), path, draft) };
}

/** One plain text is sent as a string, which every host understands; anything else as a list of parts. */
function contentOf(parts: readonly Part[], path: string, draft: Draft): Json {
  const [only] = parts;
  if (only === undefined) return "";
  const encoded = parts.flatMap((part, at) => encodePart(part, `${path}.content[${at}]`, draft));
  return parts.length === 1 && (only.kind === "text" || only.kind === "refusal") ? only.text : encoded;
}

function encodePart(part: Part, param: string, draft: Draft): readonly JsonObject[] {
  if ("cacheControl" in part) warnOfCache(part.cacheControl, draft);
  switch (part.kind) {
    case "text":
    case "refusal":
      return [{ type: "input_text", text: part.text }];
    case "image":
      return [imagePart(part)];
    case "file":
      if (part.source.kind === "base64" && part.source.mediaType.startsWith("video/")) draft.refuse(param, "this model takes no video over this protocol");
      return [filePart(part)];
    case "audio":
      draft.refuse(param, "this model takes no audio over this protocol");
      return [];
    case "other":
      draft.refuse(`${param}.type`, `a part of type ${shown(part.type)} cannot be carried to this model`);
      return [];
  }
}

function imagePart({ source, detail }: ImagePart): JsonObject {
  const url = source.kind === "url" ? source.url : `data:${source.mediaType};base64,${source.base64}`;
  return { type: "input_image", image_url: url, detail: detail ?? "auto" };
}

/** Data needs a name beside it, from which the provider takes its type. */
function filePart({ source, filename }: FilePart): JsonObject {
  const named = filename === undefined ? {} : { filename };
  switch (source.kind) {
    case "id":
      return { type: "input_file", file_id: source.id };
    case "url":
      return { type: "input_file", file_url: source.url };
    case "base64": {
      const data = source.mediaType === UNKNOWN_TYPE ? source.base64 : `data:${source.mediaType};base64,${source.base64}`;
      const guessed = source.mediaType === "application/pdf" ? "file.pdf" : "file";
      return { type: "input_file", filename: guessed, ...named, file_data: data };
    }
  }
}

const UNKNOWN_TYPE = "application/octet-stream";

function warnOfName(name: string | undefined, draft: Draft): void {
  if (name !== undefined) draft.warn("the name of a message has no counterpart and was left out");
}

function warnOfCache(cacheControl: JsonObject | undefined, draft: Draft): void {
  if (cacheControl !== undefined) draft.warn("cache_control is not carried: this provider caches prefixes by itself");
}
