/** One content part of a client → the hub's part, and what the result of a function says. */
import type { Part } from "../../../wire/chat.ts";
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import { camelCase, type Reader } from "./client-reader.ts";

/** Members that say what a part is; any other is said about it. */
const HOLDERS = ["text", "inlineData", "fileData", "functionCall", "functionResponse"] as const;
/** Said about a part: read elsewhere, or without meaning to anyone else. */
const SAID = new Set<string>([...HOLDERS, "thought", "thoughtSignature"]);
/** Of the provider's own tools: what they were asked and what they found. */
const ONLY_HERE = new Set(["executableCode", "codeExecutionResult", "toolCall", "toolResponse"]);
const READ = new Set([...SAID, ...ONLY_HERE]);
const INLINE = new Set(["mimeType", "data", "displayName"]);
const FILE = new Set(["mimeType", "fileUri", "displayName"]);
/** Names of audio formats that are not the second half of their media type. */
const FORMATS: Readonly<Record<string, string>> = { mpeg: "mp3", "x-wav": "wav", wave: "wav", "vnd.wave": "wav", "x-m4a": "m4a" };
const IMAGE_ENDINGS = /\.(?:png|jpe?g|webp|gif|heic|heif)$/i;

export interface ReadPart {
  readonly raw: JsonObject;
  readonly path: string;
  /** undefined: an empty part, or one that was noted as possible only here. */
  readonly kind: (typeof HOLDERS)[number] | undefined;
}

/** What kind of part it is; what nobody else can carry is noted. */
export function readPart(part: Json, path: string, reader: Reader): ReadPart {
  if (!isObject(part)) throw reader.wrong(path, "an object", part);
  let kind: ReadPart["kind"];
  for (const [key, value] of Object.entries(part)) {
    if (value === null || value === undefined) continue;
    const name = camelCase(key);
    const holder = HOLDERS.find((one) => one === name);
    if (holder !== undefined) {
      if (kind !== undefined) throw reader.invalid(path, `${path} must hold one of ${HOLDERS.join(", ")}, not several.`);
      kind = holder;
    } else if (ONLY_HERE.has(name)) reader.only(`${path}.${key}`, `${name} can be sent only to providers of the same dialect`);
  }
  if (kind === undefined) onlyUnknown(part, path, reader);
  else reader.warnUnknown(part, READ, path);
  return { raw: part, path, kind };
}

/** A part of a kind that nobody here knows says something that no other dialect could be told. */
function onlyUnknown(part: JsonObject, path: string, reader: Reader): void {
  for (const [key, value] of Object.entries(part)) {
    if (value === null || value === undefined || READ.has(camelCase(key))) continue;
    const name = key.slice(0, 60);
    reader.only(`${path}.${name}`, `content of the kind ${name} can be sent only to providers of the same dialect`);
  }
}

/** Text, media or a file; undefined for what is no such thing, and for text without a letter. */
export function contentPart(part: ReadPart, reader: Reader): Part | undefined {
  const { raw, path } = part;
  switch (part.kind) {
    case "text": {
      const text = reader.string(raw, "text", path) ?? "";
      return text === "" ? undefined : { kind: "text", text, cacheControl: undefined };
    }
    case "inlineData":
      return inlinePart(reader.object(raw, "inlineData", path) ?? {}, reader.field(raw, "inlineData", path).path, reader);
    case "fileData":
      return filePart(reader.object(raw, "fileData", path) ?? {}, reader.field(raw, "fileData", path).path, reader);
    default:
      return undefined;
  }
}

function inlinePart(inline: JsonObject, path: string, reader: Reader): Part {
  const data = reader.string(inline, "data", path);
  if (data === undefined) throw reader.missing(`${path}.data`, "base64 text");
  const mediaType = reader.string(inline, "mimeType", path);
  if (mediaType === undefined || mediaType === "") throw reader.missing(`${path}.mimeType`, "the type of the data");
  reader.warnUnknown(inline, INLINE, path);
  const base64 = /[-_]/.test(data) ? data.replaceAll("-", "+").replaceAll("_", "/") : data;
  const source = { kind: "base64", mediaType, base64 } as const;
  if (mediaType.startsWith("image/")) return { kind: "image", source, detail: undefined, cacheControl: undefined };
  if (mediaType.startsWith("audio/")) {
    const format = mediaType.slice("audio/".length).split(";")[0]?.trim().toLowerCase() ?? "";
    return { kind: "audio", format: FORMATS[format] ?? format, base64 };
  }
  return { kind: "file", source, filename: reader.string(inline, "displayName", path), cacheControl: undefined };
}

function filePart(file: JsonObject, path: string, reader: Reader): Part {
  const url = reader.string(file, "fileUri", path);
  if (url === undefined || url === "") throw reader.missing(`${path}.fileUri`, "the address of the file");
  const mediaType = reader.string(file, "mimeType", path);
  reader.warnUnknown(file, FILE, path);
  if (isHeldByProvider(url)) reader.only(`${path}.fileUri`, "this file can be read only by its provider; send its bytes as inlineData");
  const source = { kind: "url", url } as const;
  const image = mediaType?.startsWith("image/") ?? IMAGE_ENDINGS.test(url);
  if (image) return { kind: "image", source, detail: undefined, cacheControl: undefined };
  return { kind: "file", source, filename: reader.string(file, "displayName", path), cacheControl: undefined };
}

/** In the provider's file store or bucket, or a video that it alone watches. */
function isHeldByProvider(uri: string): boolean {
  if (!/^https?:\/\//i.test(uri)) return true;
  return /^https?:\/\/(?:generativelanguage\.googleapis\.com|(?:www\.|m\.)?youtube\.com|youtu\.be)\//i.test(uri);
}

/**
 * What a function answered, as text. `output` is the key that the API documents; some clients send the function's name
 * beside `content`. Anything else is told as it is, so that an `error` reads as one everywhere.
 */
export function responseText(response: JsonObject, name: string): string {
  const { name: repeated, ...rest } = response;
  const named = repeated === name && Object.keys(rest).length === 1 && (rest["content"] !== undefined || rest["error"] !== undefined);
  const told = named ? rest : response;
  const [only] = Object.keys(told);
  const said = Object.keys(told).length === 1 && (only === "output" || (named && only === "content")) ? told[only] : told;
  return typeof said === "string" ? said : JSON.stringify(said);
}
