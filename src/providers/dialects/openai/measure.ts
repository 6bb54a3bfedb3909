/** How much text a request shows to the model, for the bound of a call. */
import type { ChatRequest, Message, Part } from "../../../wire/chat.ts";
import type { JsonObject } from "../../../wire/json.ts";

export interface TextMeasure {
  /** UTF-8 bytes of all text that the model sees. */
  readonly textBytes: number;
  readonly imageCount: number;
  /** Something of unknown size is in it: a file, audio, a part of unknown type, an earlier answer by id. */
  readonly unsized: boolean;
  /** Messages plus tools, each of which costs a few tokens of its own. */
  readonly messageAndToolCount: number;
}

/** Fields by which a request brings in what it does not hold. */
const UNSIZED_FIELDS = ["previous_response_id", "conversation", "web_search_options", "search_parameters", "plugins"];

/**
 * Measure a request: messages, names, reasoning, tool calls, tool definitions, response schema, and every unknown
 * field (some hosts put documents there). An upper bound by intent.
 */
export function measureText(request: ChatRequest): TextMeasure {
  const sum = { bytes: 0, images: 0, unsized: false };
  for (const message of request.messages) measureMessage(message, sum);
  for (const tool of request.tools) {
    if (tool.kind === "other") {
      sum.bytes += jsonBytes(tool.raw);
      // A server tool brings its results into the prompt; a custom one runs at the client.
      if (tool.type !== "custom") sum.unsized = true;
    } else sum.bytes += utf8Bytes(tool.name) + utf8Bytes(tool.description ?? "") + jsonBytes(tool.parameters);
  }
  if (request.responseFormat?.kind === "json_schema") {
    const { name, description, schema } = request.responseFormat;
    sum.bytes += utf8Bytes(name) + utf8Bytes(description ?? "") + jsonBytes(schema);
  }
  sum.bytes += otherBytes(request.other);
  if (UNSIZED_FIELDS.some((field) => request.other[field] !== undefined && request.other[field] !== null)) sum.unsized = true;
  return {
    textBytes: sum.bytes,
    imageCount: sum.images,
    unsized: sum.unsized,
    messageAndToolCount: request.messages.length + request.tools.length,
  };
}

interface Sum {
  bytes: number;
  images: number;
  unsized: boolean;
}

function measureMessage(message: Message, sum: Sum): void {
  for (const part of message.parts) measurePart(part, sum);
  if (message.role === "tool") {
    sum.bytes += utf8Bytes(message.toolCallId);
    return;
  }
  sum.bytes += utf8Bytes(message.name ?? "");
  if (message.role !== "assistant") return;
  for (const call of message.toolCalls) sum.bytes += utf8Bytes(call.id) + utf8Bytes(call.name) + utf8Bytes(call.argumentsJson);
  for (const block of message.reasoning) sum.bytes += utf8Bytes(block.kind === "thinking" ? block.text : block.data);
  sum.bytes += otherBytes(message.other);
  // An earlier spoken answer is named by its id only.
  if (message.other["audio"] !== undefined) sum.unsized = true;
}

function measurePart(part: Part, sum: Sum): void {
  switch (part.kind) {
    case "text":
    case "refusal":
      sum.bytes += utf8Bytes(part.text);
      return;
    case "image":
      sum.images += 1;
      return;
    case "file":
      sum.bytes += utf8Bytes(part.filename ?? "");
      sum.unsized = true;
      return;
    case "audio":
      sum.unsized = true;
      return;
    case "other":
      sum.bytes += jsonBytes(part.raw);
      sum.unsized = true;
  }
}

/** Of members without the braces around them; nearly always there are none. */
function otherBytes(other: JsonObject): number {
  for (const _ in other) return jsonBytes(other) - 2;
  return 0;
}

function jsonBytes(value: unknown): number {
  return value === undefined ? 0 : utf8Bytes(JSON.stringify(value));
}

/** Length in UTF-8 without making the bytes; a lone surrogate counts 3, as its replacement character does. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      bytes += 2;
      i++;
    } else bytes += 2;
  }
  return bytes;
}
