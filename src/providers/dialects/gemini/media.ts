/** Images, files and audio of a message → `inlineData` and `fileData` parts. Nothing is fetched here. */
import type { AudioPart, FilePart, ImagePart, MediaSource } from "../../../wire/chat.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { refuse, warn, type Notes } from "./notes.ts";

/** Media types by file ending, for URIs that tell nothing else. */
const ENDINGS: Readonly<Record<string, string>> = {
  png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", webp: "image/webp", gif: "image/gif", heic: "image/heic", heif: "image/heif",
  pdf: "application/pdf", txt: "text/plain", mp3: "audio/mp3", wav: "audio/wav", mp4: "video/mp4",
};

/** An image as a part, or undefined with the reason noted. `param` is where it stands in the client's body. */
export function imagePart(part: ImagePart, param: string, notes: Notes): JsonObject | undefined {
  if (part.detail === "low" || part.detail === "high") warn(notes, `image detail "${part.detail}" is not carried`);
  return mediaPart(part.source, `${param}.image_url`, "images", notes);
}

/** A file as a part, or undefined with the reason noted. */
export function filePart(part: FilePart, param: string, notes: Notes): JsonObject | undefined {
  if (part.filename !== undefined) warn(notes, "filename of a file is not carried");
  if (part.source.kind !== "id") return mediaPart(part.source, `${param}.file`, "files", notes);
  const { id } = part.source;
  if (isGoogleFile(id)) return fileData(id);
  refuse(notes, `${param}.file.file_id`, "the file id belongs to another provider; send the file's bytes as file_data");
  return undefined;
}

/** Audio as a part; always bytes. */
export function audioPart(part: AudioPart): JsonObject {
  const mimeType = part.format.includes("/") ? part.format : `audio/${part.format.toLowerCase()}`;
  return { inlineData: { mimeType, data: part.base64 } };
}

function mediaPart(source: MediaSource, param: string, what: string, notes: Notes): JsonObject | undefined {
  if (source.kind === "base64") return { inlineData: { mimeType: source.mediaType, data: source.base64 } };
  const data = /^data:([^;,]+)(?:;[^,]*)?;base64,/.exec(source.url);
  if (data?.[1] !== undefined) return { inlineData: { mimeType: data[1], data: source.url.slice(data[0].length) } };
  if (isGoogleFile(source.url)) return fileData(source.url);
  refuse(notes, `${param}.url`, `this provider takes ${what} as bytes only and remote ones are not fetched; send a base64 data URI`);
  return undefined;
}

/** A file that Google already holds: the files service, or a storage bucket. */
function isGoogleFile(uri: string): boolean {
  return /^https:\/\/generativelanguage\.googleapis\.com\/[^?#]*files\/[^?#]+$/.test(uri) || /^gs:\/\/[^/]+\/./.test(uri);
}

function fileData(fileUri: string): JsonObject {
  const ending = /\.([A-Za-z0-9]+)$/.exec(fileUri)?.[1]?.toLowerCase();
  const mimeType = ending === undefined ? undefined : ENDINGS[ending];
  return { fileData: mimeType === undefined ? { fileUri } : { mimeType, fileUri } };
}
