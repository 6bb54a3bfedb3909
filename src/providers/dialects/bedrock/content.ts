/** Parts of a message as content blocks of Converse: text, and media as bytes with a named format. */
import type { FilePart, ImagePart, MediaSource, Part } from "../../../wire/chat.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { type Draft, shown } from "../anthropic/draft.ts";
import { formatOf, type MediaFormat } from "./media.ts";
import { DocumentNames } from "./names.ts";
import type { CachePoints } from "./traits.ts";

/** The cache marker of a part that can carry one. */
export function cacheControlOf(part: Part): JsonObject | undefined {
  return "cacheControl" in part ? part.cacheControl : undefined;
}

/** Encodes the parts of one request: documents need names that no other has. */
export class ContentEncoder {
  readonly #cache: CachePoints;
  readonly #draft: Draft;
  readonly #documents = new DocumentNames();

  constructor(cache: CachePoints, draft: Draft) {
    this.#cache = cache;
    this.#draft = draft;
  }

  blocks(parts: readonly Part[], path: string): readonly JsonObject[] {
    return parts.flatMap((part, at) => this.#withCachePoint(part, this.#block(part, `${path}.content[${at}]`)));
  }

  /** Text only: system and assistant content takes nothing else of what the hub can hold there. */
  textBlocks(parts: readonly Part[], path: string): readonly JsonObject[] {
    return parts.flatMap((part, at) => {
      if (part.kind === "text" || part.kind === "refusal") return this.#withCachePoint(part, this.#text(part.text));
      const type = part.kind === "other" ? part.type : part.kind;
      this.#draft.refuse(`${path}.content[${at}]`, `this model takes only text in system and assistant messages, not ${shown(type)}`);
      return [];
    });
  }

  #withCachePoint(part: Part, block: JsonObject | undefined): readonly JsonObject[] {
    const marker = cacheControlOf(part);
    if (block !== undefined) return [block, ...this.#cache.after(marker, "content")];
    if (marker !== undefined) this.#draft.warn("cache_control on an empty text was left out");
    return [];
  }

  #block(part: Part, param: string): JsonObject | undefined {
    switch (part.kind) {
      case "text":
      case "refusal":
        return this.#text(part.text);
      case "image":
        return this.#image(part, param);
      case "file":
        return this.#file(part, param);
      case "audio":
        return { audio: { format: part.format, source: { bytes: part.base64 } } };
      case "other":
        this.#draft.refuse(`${param}.type`, `content of type ${shown(part.type)} is not carried to this model`);
        return undefined;
    }
  }

  /** The API refuses text without a visible character. */
  #text(text: string): JsonObject | undefined {
    if (text.trim() !== "") return { text };
    if (text !== "") this.#draft.warn("a text of nothing but white space was left out");
    return undefined;
  }

  #image(part: ImagePart, param: string): JsonObject | undefined {
    if (part.detail !== undefined && part.detail !== "auto") this.#draft.warn("image_url.detail has no counterpart and was left out");
    const mediaType = part.source.kind === "base64" ? part.source.mediaType : (typeByName(part.source.url) ?? "image/png");
    const format = formatOf(mediaType, undefined);
    if (format?.kind === "image") return this.#media(format, part.source, undefined, `${param}.image_url`);
    this.#draft.refuse(`${param}.image_url`, `this model takes PNG, JPEG, GIF and WebP images, not ${shown(mediaType)}`);
    return undefined;
  }

  #file(part: FilePart, param: string): JsonObject | undefined {
    const { source, filename } = part;
    if (source.kind === "id") {
      this.#draft.refuse(`${param}.file.file_id`, "a file id of another provider means nothing to this model; send the file itself");
      return undefined;
    }
    const mediaType = source.kind === "base64" ? source.mediaType : "";
    const format = formatOf(mediaType, filename ?? (source.kind === "url" ? source.url : undefined));
    if (format !== undefined) return this.#media(format, source, filename, `${param}.file`);
    this.#draft.refuse(`${param}.file`, `this model takes documents (PDF, Office, text), images and videos, not ${shown(mediaType || "a file of unknown type")}`);
    return undefined;
  }

  #media({ kind, format }: MediaFormat, source: MediaSource, filename: string | undefined, param: string): JsonObject | undefined {
    const bytes = this.#source(source, param);
    if (bytes === undefined) return undefined;
    return { [kind]: { format, ...(kind === "document" && { name: this.#documents.next(filename) }), source: bytes } };
  }

  /** Bytes, or an address within the host's own storage: it fetches nothing from elsewhere. */
  #source(source: MediaSource, param: string): JsonObject | undefined {
    if (source.kind === "base64") return { bytes: source.base64 };
    if (source.url.startsWith("s3://")) return { s3Location: { uri: source.url } };
    this.#draft.refuse(param, "this model takes the bytes themselves, not an address");
    return undefined;
  }
}

/** Media type by the end of an address, for images that are only pointed at. */
function typeByName(url: string): string | undefined {
  const extension = /\.(png|jpe?g|gif|webp)$/i.exec(url)?.[1]?.toLowerCase();
  return extension === undefined ? undefined : `image/${extension}`;
}
