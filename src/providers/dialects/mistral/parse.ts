/**
 * Reads a chat body of Mistral's form into the hub's request. It is the form of chat completions but for some names and
 * for parts of content, so it is brought into that form first and read by the same parser.
 */
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import type { AskedOutside, ParsedByClient } from "../client.ts";
import { parseChatRequest } from "../openai/parse.ts";
import { AUDIO_URL, ownOnly, SAFETY_PROMPT } from "../openai/own-form.ts";

/** Parse a body that is already JSON; see `ClientDialect.parse`. */
export function parse(raw: JsonObject, outside: AskedOutside): ParsedByClient {
  const parsed = parseChatRequest(chatForm(outside.model === undefined ? raw : { ...raw, model: outside.model }));
  return parsed.kind === "error" ? parsed : { ...parsed, onlyHere: ownOnly(parsed.request) };
}

/** The body as chat completions write it. What is of no known type stays as it is: the parser names it. */
function chatForm(raw: JsonObject): JsonObject {
  const { random_seed: seed, safe_prompt: safe, messages, response_format: format, service_tier: tier, ...rest } = raw;
  const told = Object.entries(rest).filter(([key, value]) => value !== null && !(key === "guardrails" && isEmptyList(value)));
  const written = Array.isArray(messages) ? withCallIds((messages as readonly Json[]).map(chatMessage)) : messages;
  return {
    ...Object.fromEntries(told),
    // A boolean that says no asks for nothing; what is no boolean is the parser's to name.
    messages: safe === true && Array.isArray(written) ? [{ role: "system", content: SAFETY_PROMPT }, ...written] : written,
    ...(seed === undefined || seed === null ? {} : { seed }),
    ...(isObject(format) ? { response_format: withoutNulls(format) } : { response_format: format }),
    // No other capacity than the ordinary: the hub's word for it is `default`.
    service_tier: tier === "standard_only" ? "default" : tier,
  };
}

function isEmptyList(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length === 0;
}

function withoutNulls(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null && value !== undefined));
}

function chatMessage(message: Json): Json {
  if (!isObject(message)) return message;
  const { prefix, ...rest } = message;
  // The official client writes `prefix: false` into every assistant message.
  const kept = prefix === true ? message : rest;
  return Array.isArray(kept["content"]) ? { ...kept, content: joinedThoughts((kept["content"] as readonly Json[]).map(chatPart)) } : kept;
}

/**
 * Thoughts come in pieces, the last of which may carry what proves all of them; clients that gather a stream give the pieces back
 * as they came. A proof holds for the whole text before it only, so what is open goes on in the next piece.
 */
function joinedThoughts(parts: readonly Json[]): readonly Json[] {
  const joined: Json[] = [];
  for (const part of parts) {
    const before = joined.at(-1);
    if (isPiece(part) && isPiece(before) && isOpen(before)) joined[joined.length - 1] = { ...before, ...part, thinking: [...before.thinking, ...part.thinking] };
    else joined.push(part);
  }
  return joined;
}

type Piece = JsonObject & { readonly thinking: readonly Json[] };

function isPiece(part: Json | undefined): part is Piece {
  return isObject(part) && part["type"] === "thinking" && Array.isArray(part["thinking"]);
}

/** A proof of another maker stands beside the text under a name of its own. */
function isOpen(piece: Piece): boolean {
  const signature = piece["signature"] ?? "";
  return signature === "" && piece["closed"] !== true && piece["extra_content"] === undefined;
}

function chatPart(part: Json): Json {
  if (!isObject(part)) return part;
  switch (part["type"]) {
    case "document_url": {
      const { document_url: url, document_name: name } = part;
      return typeof url === "string" ? { type: "file", file: withoutNulls({ file_data: url, filename: name }) } : part;
    }
    case "file":
      return typeof part["file_id"] === "string" ? { type: "file", file: { file_id: part["file_id"] } } : part;
    case "input_audio":
      return typeof part["input_audio"] === "string" ? chatAudio(part["input_audio"], part) : part;
    default:
      return part;
  }
}

/** How known formats begin, in base64; what begins in another way is the one that has no certain beginning. */
const BEGINNINGS: readonly (readonly [string, string])[] = [["UklGR", "wav"], ["T2dnU", "ogg"], ["ZkxhQ", "flac"]];

/** Sound as base64 or a data URI. An address stays as it is, since no other protocol has sound by address. */
function chatAudio(audio: string, part: JsonObject): Json {
  if (/^https?:/i.test(audio)) return { ...part, type: AUDIO_URL };
  const [, named, data = audio] = /^data:audio\/([a-z0-9.+-]+)[^,]*,(.*)$/is.exec(audio) ?? [];
  const format = named ?? BEGINNINGS.find(([beginning]) => data.startsWith(beginning))?.[1] ?? "mp3";
  return { type: "input_audio", input_audio: { data, format } };
}

/** A result may come without the id of its call: then it answers the first call of that name, or of any, that has no answer yet. */
function withCallIds(messages: readonly Json[]): readonly Json[] {
  let open: { readonly id: string; readonly name: Json | undefined }[] = [];
  return messages.map((message) => {
    if (!isObject(message)) return message;
    if (message["role"] === "assistant") open = callsOf(message["tool_calls"]);
    if (message["role"] !== "tool") return message;
    const id = message["tool_call_id"] ?? null;
    const name = message["name"] ?? null;
    const at = open.findIndex((call) => (id === null ? name === null || call.name === name : call.id === id));
    const [answered] = at < 0 ? [] : open.splice(at, 1);
    return id === null && answered !== undefined ? { ...message, tool_call_id: answered.id } : message;
  });
}

function callsOf(calls: Json | undefined): { readonly id: string; readonly name: Json | undefined }[] {
  if (!Array.isArray(calls)) return [];
  return (calls as readonly Json[]).flatMap((call) => {
    if (!isObject(call) || typeof call["id"] !== "string") return [];
    return [{ id: call["id"], name: isObject(call["function"]) ? call["function"]["name"] : undefined }];
  });
}
