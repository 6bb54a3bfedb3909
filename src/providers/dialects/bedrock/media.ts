/** Images, documents, videos and sound: media types to the formats that Converse names, and back. */

const IMAGES: Readonly<Record<string, string>> = {
  "image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp",
};
const DOCUMENTS: Readonly<Record<string, string>> = {
  "application/pdf": "pdf",
  "text/csv": "csv",
  "application/msword": "doc",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
  "application/vnd.ms-excel": "xls",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "text/html": "html",
  "text/plain": "txt",
  "text/markdown": "md",
};
const VIDEOS: Readonly<Record<string, string>> = {
  "video/x-matroska": "mkv", "video/quicktime": "mov", "video/mp4": "mp4", "video/webm": "webm", "video/x-flv": "flv", "video/mpeg": "mpeg",
  "video/mpg": "mpg", "video/x-ms-wmv": "wmv", "video/3gpp": "three_gp",
};

export type MediaKind = "image" | "document" | "video";
const KINDS: Readonly<Record<MediaKind, Readonly<Record<string, string>>>> = { image: IMAGES, document: DOCUMENTS, video: VIDEOS };

export interface MediaFormat {
  readonly kind: MediaKind;
  readonly format: string;
}

/** What these bytes are called; a file whose type says nothing goes by the end of its name. */
export function formatOf(mediaType: string, filename: string | undefined): MediaFormat | undefined {
  const type = mediaType.toLowerCase().split(";")[0]?.trim() ?? "";
  for (const kind of ["image", "document", "video"] as const) {
    const format = Object.hasOwn(KINDS[kind], type) ? KINDS[kind][type] : undefined;
    if (format !== undefined) return { kind, format };
  }
  const extension = /\.([a-z0-9]{1,5})$/i.exec(filename ?? "")?.[1]?.toLowerCase();
  const vague = type === "" || type === "application/octet-stream";
  return vague && extension !== undefined && Object.values(DOCUMENTS).includes(extension) ? { kind: "document", format: extension } : undefined;
}

/** The media type of a format; undefined where the format is not known. */
export function mediaTypeOf(kind: MediaKind, format: string): string | undefined {
  return Object.entries(KINDS[kind]).find(([, known]) => known === format)?.[0];
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** UTF-8 of a text in base64, for documents that a client sends as text. */
export function base64Of(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let out = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b, c] = bytes.subarray(at, at + 3);
    const triple = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    out += `${BASE64[triple >> 18]}${BASE64[(triple >> 12) & 63]}${b === undefined ? "=" : BASE64[(triple >> 6) & 63]}${c === undefined ? "=" : BASE64[triple & 63]}`;
  }
  return out;
}
