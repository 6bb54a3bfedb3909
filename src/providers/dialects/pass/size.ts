/**
 * How large a request can be at most for the model that reads it. A body that passes may hold fields that nobody here has
 * heard of, so all of its text counts, and what is known to be media counts as media: an image by the model's maximum,
 * anything else as a whole context window, since its size cannot be known.
 */
import { isObject, type Json } from "../../../wire/json.ts";
import type { PassFields } from "./endpoint.ts";

export interface PassSize {
  /** UTF-8 bytes of all text of the body, names of fields among it: no model makes more tokens of it. */
  readonly textBytes: number;
  readonly imageCount: number;
  /** Things of unknown size. */
  readonly unsizedCount: number;
  /** Characters of the things of unknown size that stand in the body themselves. */
  readonly unsizedBytes: number;
}

/** What a field's name tells of its value, wherever in the body it stands. */
export interface MediaKeys {
  readonly image: ReadonlySet<string>;
  readonly unsized: ReadonlySet<string>;
  /** What files of a form are; an image is counted so many times. */
  readonly files: { readonly imagesEach: number } | "unsized";
}

const FILE_KEYS = ["inlineData", "inline_data", "file", "file_id", "fileId", "file_data", "fileData", "file_uri", "fileUri", "file_url", "input_audio", "audio", "audio_url", "video", "video_url", "document_url"];
const IMAGE_KEYS = ["image", "images", "image_url", "imageUrl", "input_image"];

/** Models that make images read one at its dearest detail beside its tiles. */
const READ_TWICE = 2;

export const READS_PARTS: MediaKeys = { image: new Set(IMAGE_KEYS), unsized: new Set(FILE_KEYS), files: "unsized" };
/** `file_id` names an image there. */
export const READS_IMAGES: MediaKeys = {
  image: new Set([...IMAGE_KEYS, "image[]", "mask", "markup", "init_image", "reference_images", "input_images", "image_prompt", "control_image"]),
  unsized: new Set(),
  files: { imagesEach: READ_TWICE },
};
/** Documents have fields of any name, all of them text. */
export const READS_DOCUMENTS: MediaKeys = { image: new Set(["image", "image_url"]), unsized: new Set(), files: "unsized" };
export const READS_AUDIO: MediaKeys = { image: new Set(), unsized: new Set(FILE_KEYS), files: "unsized" };

interface Sum {
  images: number;
  unsized: number;
  unsizedBytes: number;
  /** Characters that are no text: an image's or a file's own. */
  dataBytes: number;
}

/** Walk a request's fields. */
export function sizeOf(fields: PassFields, keys: MediaKeys): PassSize {
  const sum: Sum = { images: 0, unsized: 0, unsizedBytes: 0, dataBytes: 0 };
  walk(fields.root, "", keys, sum);
  if (keys.files === "unsized") sum.unsized += fields.fileCount;
  else sum.images += fields.fileCount;
  const each = keys.files === "unsized" ? 1 : keys.files.imagesEach;
  return { textBytes: Math.max(0, fields.textBytes - sum.dataBytes), imageCount: sum.images * each, unsizedCount: sum.unsized, unsizedBytes: sum.unsizedBytes };
}

function walk(value: Json | undefined, key: string, keys: MediaKeys, sum: Sum): void {
  if (Array.isArray(value)) {
    for (const one of value as readonly Json[]) walk(one, key, keys, sum);
    return;
  }
  if (value === undefined || value === null) return;
  const type = typeof value === "string" ? typeOf(value) : isObject(value) ? mimeOf(value) : undefined;
  if (type !== undefined && !/^text\//i.test(type)) return take(/^image\/(?!gif|svg)/i.test(type) ? "image" : "unsized", value, sum);
  if (keys.image.has(key) && typeof value !== "boolean" && typeof value !== "number") return take(kindOfImage(value), value, sum);
  if (keys.unsized.has(key) && typeof value !== "boolean" && typeof value !== "number") return take("unsized", value, sum);
  if (isObject(value)) for (const [name, one] of Object.entries(value)) walk(one, name, keys, sum);
}

/** By its own type, where it has one: what stands where an image belongs may be a document. */
function kindOfImage(value: Json): "image" | "unsized" {
  if (!isObject(value)) return "image";
  const types = Object.values(value).flatMap((one) => (typeof one === "string" ? [typeOf(one)] : [])).filter((type) => type !== undefined);
  return types.every((type) => /^image\//i.test(type)) ? "image" : "unsized";
}

function take(kind: "image" | "unsized", value: Json, sum: Sum): void {
  const bytes = dataBytesIn(value);
  sum.dataBytes += bytes;
  if (kind === "image") sum.images++;
  else {
    sum.unsized++;
    sum.unsizedBytes += bytes;
  }
}

/** The type that a data URL tells; undefined for other text. */
function typeOf(text: string): string | undefined {
  if (!/^data:/i.test(text)) return undefined;
  const named = /^data:([^;,]*)/i.exec(text)?.[1] ?? "";
  return named === "" ? "text/plain" : named;
}

/** The type of bytes, or of a file, as Gemini's protocol tells it. */
function mimeOf(value: { readonly [key: string]: Json | undefined }): string | undefined {
  if (value["fileUri"] !== undefined || value["file_uri"] !== undefined) return "application/octet-stream";
  const mime = value["mimeType"] ?? value["mime_type"];
  return typeof value["data"] === "string" && typeof mime === "string" ? mime : undefined;
}

/** Shorter text is left among the text: it costs little there. */
const DATA_BYTES_MIN = 256;

/** Characters of base64 in a value. What reads like text stays text, whatever its field is called. */
function dataBytesIn(value: Json): number {
  if (typeof value === "string") return value.length >= DATA_BYTES_MIN && /^(?:data:[^,]{0,200},)?[A-Za-z0-9+/_=\r\n-]+$/i.test(value) ? value.length : 0;
  if (Array.isArray(value)) return (value as readonly Json[]).reduce<number>((sum, one) => sum + dataBytesIn(one), 0);
  return isObject(value) ? Object.values(value).reduce<number>((sum, one) => sum + dataBytesIn(one ?? null), 0) : 0;
}
