/** Messages and content parts of a Chat Completions body. */
import type { AssistantMessage, MediaSource, Message, Part, ReasoningBlock, ToolCall } from "../../../wire/chat.ts";
import { gatewayError } from "../../../wire/errors.ts";
import { asString, isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { Refused, type Reader } from "./parse-reader.ts";
import { thoughtSignature } from "./tool-calls.ts";

interface ParsedMessages {
  readonly messages: readonly Message[];
  /** Some message uses `function_call` or the role `function`, the form before `tool_calls`. */
  readonly usesLegacyCalls: boolean;
}

/** Ids for calls of the old form, which had only a name: made here so that a call and its result agree. */
interface LegacyCalls {
  count: number;
  /** null: there was none yet. */
  idByName: Map<string, string> | null;
}

/** Parse `messages`; throws `Refused` with the path of what is wrong. */
export function parseMessages(value: Json | undefined, reader: Reader): ParsedMessages {
  if (value === undefined || value === null) throw reader.missing("messages", "a list of messages");
  const list = reader.array(value, "messages");
  if (list.length === 0) {
    throw new Refused(gatewayError("invalid_body", "messages must hold at least one message.", { param: "messages" }));
  }
  const legacy: LegacyCalls = { count: 0, idByName: null };
  const messages = list.map((message, i) => parseMessage(message, `messages[${i}]`, reader, legacy));
  return { messages, usesLegacyCalls: legacy.count > 0 };
}

function parseMessage(raw: Json, path: string, reader: Reader, legacy: LegacyCalls): Message {
  if (!isObject(raw)) throw reader.wrong(path, "an object", raw);
  const role = reader.string(raw["role"], path, ".role");
  const name = reader.string(raw["name"], path, ".name");
  switch (role) {
    case undefined:
      throw reader.missing(`${path}.role`, "system, developer, user, assistant or tool");
    case "system":
    case "developer":
      reader.warnUnknown(raw, ["role", "content", "name", "cache_control"], path);
      return { role, parts: requiredContent(raw, path, reader), name };
    case "user":
      reader.warnUnknown(raw, ["role", "content", "name", "cache_control"], path);
      return { role, parts: requiredContent(raw, path, reader), name };
    case "assistant":
      return parseAssistant(raw, path, name, reader, legacy);
    case "tool": {
      const toolCallId = reader.string(raw["tool_call_id"], path, ".tool_call_id");
      // The name repeats what the call with that id says.
      reader.warnUnknown(raw, ["role", "content", "name", "tool_call_id", "cache_control"], path);
      return {
        role,
        toolCallId: reader.required(toolCallId, `${path}.tool_call_id`, "the id of the tool call it answers"),
        parts: parseContent(raw, path, reader),
      };
    }
    case "function": {
      if (name === undefined) throw reader.missing(`${path}.name`, "the function's name");
      reader.warnUnknown(raw, ["role", "content", "name"], path);
      legacy.count += 1;
      return { role: "tool", toolCallId: legacy.idByName?.get(name) ?? `call_${name}`, parts: parseContent(raw, path, reader) };
    }
    default:
      throw new Refused(
        gatewayError("invalid_body", `${path}.role must be system, developer, user, assistant or tool, not "${role.slice(0, 64)}".`, {
          param: `${path}.role`,
        }),
      );
  }
}

const KNOWN_IN_ASSISTANT = new Set([
  "role", "content", "name", "tool_calls", "function_call", "refusal", "reasoning_content", "reasoning", "thinking_blocks",
  "cache_control",
]);

function parseAssistant(
  raw: JsonObject,
  path: string,
  name: string | undefined,
  reader: Reader,
  legacy: LegacyCalls,
): AssistantMessage {
  const other = new Map(Object.entries(raw).filter(([key, value]) => !KNOWN_IN_ASSISTANT.has(key) && value !== null && value !== undefined));
  const reasoning: ReasoningBlock[] = [];
  const parts = [...parseContent(raw, path, reader, reasoning)];
  const refusal = reader.string(raw["refusal"], path, ".refusal");
  if (refusal !== undefined && refusal !== "") parts.push({ kind: "refusal", text: refusal });
  reasoning.unshift(...parseReasoning(raw, path, reader));
  // Structured reasoning of another host's making is kept as it is.
  if (isObject(raw["reasoning"]) || Array.isArray(raw["reasoning"])) other.set("reasoning", raw["reasoning"]);
  const toolCalls = [...parseToolCalls(raw["tool_calls"], `${path}.tool_calls`, reader, other)];
  const call = reader.object(raw["function_call"], path, ".function_call");
  if (call !== undefined) toolCalls.push(legacyCall(call, `${path}.function_call`, reader, legacy));
  return { role: "assistant", parts, toolCalls, reasoning, name, other: Object.fromEntries(other) };
}

/** Blocks with their signatures where the client kept them, else the plain text. */
function parseReasoning(raw: JsonObject, path: string, reader: Reader): readonly ReasoningBlock[] {
  const blocks: ReasoningBlock[] = [];
  reader.array(raw["thinking_blocks"], `${path}.thinking_blocks`).forEach((block, i) => {
    const parsed = parseThinking(block, `${path}.thinking_blocks[${i}]`, reader);
    if (parsed !== undefined) blocks.push(parsed);
  });
  const plain = reader.string(raw["reasoning_content"], path, ".reasoning_content") ?? asString(raw["reasoning"]);
  const inBlocks = blocks.some((block) => block.kind === "thinking" && block.text !== "");
  if (plain !== undefined && plain !== "" && !inBlocks) {
    const [lone] = blocks;
    // A signature that came without its text closes the text beside it.
    if (blocks.length === 1 && lone?.kind === "thinking") return [{ ...lone, text: plain }];
    blocks.unshift({ kind: "thinking", text: plain, signature: undefined });
  }
  return blocks;
}

function parseThinking(block: Json, path: string, reader: Reader): ReasoningBlock | undefined {
  if (!isObject(block)) throw reader.wrong(path, "an object", block);
  const data = reader.string(block["data"], path, ".data");
  if (block["type"] === "redacted_thinking" && data !== undefined) return { kind: "redacted", data };
  const text = Array.isArray(block["thinking"])
    ? (block["thinking"] as readonly Json[]).map((part) => (isObject(part) ? (asString(part["text"]) ?? "") : "")).join("")
    : (reader.string(block["thinking"], path, ".thinking") ?? "");
  const signature = reader.string(block["signature"], path, ".signature");
  if (text === "" && signature === undefined) return undefined;
  return { kind: "thinking", text, signature };
}

/** `index` is how a stream told the place, and is kept by clients that put streams together. */
const KNOWN_IN_CALL = ["id", "type", "function", "index", "extra_content"];
/** What SDKs keep beside the arguments that they have read. */
const KNOWN_IN_CALLED = ["name", "arguments", "parsed_arguments", "extra_content"];

function parseToolCalls(value: Json | undefined, path: string, reader: Reader, other: Map<string, Json | undefined>): readonly ToolCall[] {
  const calls: ToolCall[] = [];
  const list = reader.array(value, path);
  list.forEach((call, i) => {
    const at = `${path}[${i}]`;
    if (!isObject(call)) throw reader.wrong(at, "an object", call);
    const type = reader.string(call["type"], at, ".type") ?? "function";
    if (type !== "function") {
      // Custom calls have no form in the hub: the whole list is kept as sent for providers of this dialect.
      other.set("tool_calls", list);
      return;
    }
    const fn = reader.required(reader.object(call["function"], at, ".function"), `${at}.function`, "the function's name and arguments");
    const name = reader.string(fn["name"], at, ".function.name");
    if (name === undefined || name === "") throw reader.missing(`${at}.function.name`, "the function's name");
    reader.warnUnknown(call, KNOWN_IN_CALL, at);
    reader.warnUnknown(fn, KNOWN_IN_CALLED, `${at}.function`);
    calls.push({
      id: reader.required(reader.string(call["id"], at, ".id"), `${at}.id`, "the call's id"),
      name,
      argumentsJson: argumentsOf(fn["arguments"], `${at}.function.arguments`, reader),
      thoughtSignature: thoughtSignature(call) ?? thoughtSignature(fn),
    });
  });
  return calls;
}

/** No arguments at all is an empty object everywhere. */
function argumentsOf(value: Json | undefined, path: string, reader: Reader): string {
  if (isObject(value)) return JSON.stringify(value);
  const text = reader.string(value, path) ?? "";
  return text.trim() === "" || text.trim() === "null" ? "{}" : text;
}

function legacyCall(call: JsonObject, path: string, reader: Reader, legacy: LegacyCalls): ToolCall {
  const name = reader.required(reader.string(call["name"], path, ".name"), `${path}.name`, "the function's name");
  legacy.count += 1;
  const id = `call_${name}_${legacy.count}`;
  (legacy.idByName ??= new Map()).set(name, id);
  return { id, name, argumentsJson: argumentsOf(call["arguments"], `${path}.arguments`, reader), thoughtSignature: undefined };
}

function requiredContent(raw: JsonObject, path: string, reader: Reader): readonly Part[] {
  if (raw["content"] === undefined || raw["content"] === null) throw reader.missing(`${path}.content`, "text or a list of parts");
  return parseContent(raw, path, reader);
}

/**
 * `content` as parts; an empty string has none. `cache_control` on the message itself counts for its last part.
 * @param reasoning takes thinking that stands among the parts of an assistant message
 */
function parseContent(raw: JsonObject, path: string, reader: Reader, reasoning?: ReasoningBlock[]): readonly Part[] {
  const parts = contentParts(raw["content"], path, reader, reasoning);
  const cacheControl = reader.object(raw["cache_control"], path, ".cache_control");
  const last = parts.at(-1);
  if (cacheControl === undefined || last === undefined || !("cacheControl" in last)) return parts;
  return [...parts.slice(0, -1), { ...last, cacheControl: last.cacheControl ?? cacheControl }];
}

function contentParts(content: Json | undefined, message: string, reader: Reader, reasoning: ReasoningBlock[] | undefined): readonly Part[] {
  if (content === undefined || content === null || content === "") return [];
  if (typeof content === "string") return [{ kind: "text", text: content, cacheControl: undefined }];
  const path = `${message}.content`;
  if (!Array.isArray(content)) throw reader.wrong(path, "a string or a list of parts", content);
  const parts: Part[] = [];
  (content as readonly Json[]).forEach((part, i) => {
    const at = `${path}[${i}]`;
    if (typeof part === "string") parts.push({ kind: "text", text: part, cacheControl: undefined });
    else if (!isObject(part)) throw reader.wrong(at, "an object", part);
    else if (reasoning !== undefined && (part["type"] === "thinking" || part["type"] === "redacted_thinking")) {
      const block = parseThinking(part, at, reader);
      if (block !== undefined) reasoning.push(block);
    } else parts.push(parsePart(part, at, reader));
  });
  return parts;
}

function parsePart(part: JsonObject, path: string, reader: Reader): Part {
  const type = reader.string(part["type"], path, ".type");
  switch (type) {
    case undefined:
      throw reader.missing(`${path}.type`, "the type of the part");
    case "text": {
      reader.warnUnknown(part, ["type", "text", "cache_control"], path);
      const text = reader.required(reader.string(part["text"], path, ".text"), `${path}.text`, "a string");
      return { kind: "text", text, cacheControl: reader.object(part["cache_control"], path, ".cache_control") };
    }
    case "image_url":
      return parseImage(part, path, reader);
    case "input_audio": {
      const audio = reader.required(reader.object(part["input_audio"], path, ".input_audio"), `${path}.input_audio`, "data and format");
      const base64 = reader.required(reader.string(audio["data"], path, ".input_audio.data"), `${path}.input_audio.data`, "base64 text");
      const format = reader.required(reader.string(audio["format"], path, ".input_audio.format"), `${path}.input_audio.format`, "wav or mp3");
      reader.warnUnknown(part, ["type", "input_audio"], path);
      reader.warnUnknown(audio, ["data", "format"], `${path}.input_audio`);
      return { kind: "audio", format, base64 };
    }
    case "file":
      return parseFile(part, path, reader);
    case "refusal":
      reader.warnUnknown(part, ["type", "refusal"], path);
      return { kind: "refusal", text: reader.required(reader.string(part["refusal"], path, ".refusal"), `${path}.refusal`, "a string") };
    default:
      return { kind: "other", type, raw: part };
  }
}

function parseImage(part: JsonObject, path: string, reader: Reader): Part {
  reader.warnUnknown(part, ["type", "image_url", "cache_control"], path);
  const value = part["image_url"];
  // Some clients send the address itself.
  const image = typeof value === "string" ? { url: value } : reader.object(value, `${path}.image_url`);
  const url = reader.string(image?.["url"], path, ".image_url.url");
  if (url === undefined || url === "") throw reader.missing(`${path}.image_url.url`, "an address or a data URI");
  reader.warnUnknown(image ?? {}, ["url", "detail"], `${path}.image_url`);
  return {
    kind: "image",
    source: parseSource(url, `${path}.image_url.url`),
    detail: reader.string(image?.["detail"], path, ".image_url.detail"),
    cacheControl: reader.object(part["cache_control"], path, ".cache_control"),
  };
}

function parseFile(part: JsonObject, path: string, reader: Reader): Part {
  reader.warnUnknown(part, ["type", "file", "cache_control"], path);
  const file = reader.required(reader.object(part["file"], path, ".file"), `${path}.file`, "file_data or file_id");
  reader.warnUnknown(file, ["file_id", "file_data", "filename"], `${path}.file`);
  const id = reader.string(file["file_id"], path, ".file.file_id");
  const data = reader.string(file["file_data"], path, ".file.file_data");
  if (id === undefined && data === undefined) throw reader.missing(`${path}.file.file_data`, "file_data or file_id");
  return {
    kind: "file",
    source: data === undefined ? { kind: "id", id: id ?? "" } : parseSource(data, `${path}.file.file_data`),
    filename: reader.string(file["filename"], path, ".file.filename"),
    cacheControl: reader.object(part["cache_control"], path, ".cache_control"),
  };
}

/** A data URI becomes its bytes; a web address stays one; bare base64 is taken as bytes of unknown type. */
function parseSource(text: string, path: string): MediaSource {
  if (!/^data:/i.test(text)) {
    return /^[a-z][a-z0-9+.-]{0,30}:/i.test(text)
      ? { kind: "url", url: text }
      : { kind: "base64", mediaType: "application/octet-stream", base64: text };
  }
  const comma = text.indexOf(",");
  const head = text.slice("data:".length, Math.max(0, comma)).split(";");
  if (comma < 0 || !head.slice(1).some((word) => word.trim().toLowerCase() === "base64")) {
    throw new Refused(
      gatewayError("invalid_body", `${path} must be a data URI of the form data:<type>;base64,<data>.`, { param: path }),
    );
  }
  return { kind: "base64", mediaType: head[0]?.trim() || "application/octet-stream", base64: text.slice(comma + 1) };
}
