/** Content blocks of a Messages body as parts of the hub. */
import type { MediaSource, Part } from "../../../wire/chat.ts";
import { isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import type { BodyReader } from "./client-notes.ts";
import { shown } from "./draft.ts";

/** Content as a list: a string is one text block. `place` names it for errors. */
export function contentBlocks(content: Json | undefined, place: string, reader: BodyReader): readonly JsonObject[] {
  if (content === undefined || content === null) return [];
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (!Array.isArray(content)) throw reader.wrong(place, "a string or a list of blocks", content);
  return (content as readonly Json[]).map((block, at) => {
    if (!isObject(block)) throw reader.wrong(`${place}[${at}]`, "an object", block);
    return block;
  });
}

/** The type of a block, which every block must have. */
export function blockType(block: JsonObject, place: string, reader: BodyReader): string {
  return reader.required(reader.string(block.type, `${place}.type`), `${place}.type`, "the type of the block");
}

/** One block of what people, tools and the operator say. A block can be several parts: a document of text and images. */
export function blockParts(block: JsonObject, place: string, reader: BodyReader): readonly Part[] {
  const type = blockType(block, place, reader);
  switch (type) {
    case "text":
      return [textPart(block, place, reader)];
    case "image":
      return [imagePart(block, place, reader)];
    case "document":
      return documentParts(block, place, reader);
    case "search_result":
      return searchResultParts(block, place, reader);
    case "tool_reference":
      reader.warn("references to found tools were sent as text: all tools of the request are sent anyway");
      return [{ kind: "text", text: `Tool: ${reader.string(block.tool_name, `${place}.tool_name`) ?? ""}`, cacheControl: cacheControlOf(block, place, reader) }];
    default:
      return [foreignPart(block, type, place, reader)];
  }
}

/** A block that has no counterpart anywhere else. It stays in the request, so that its size is counted. */
export function foreignPart(block: JsonObject, type: string, place: string, reader: BodyReader): Part {
  reader.only(`${place}.type`, `content of type ${shown(type)} can only be sent to a provider of the Messages API`);
  return { kind: "other", type, raw: block };
}

/** The `cache_control` of a block. */
export function cacheControlOf(block: JsonObject, place: string, reader: BodyReader): JsonObject | undefined {
  return reader.object(block.cache_control, `${place}.cache_control`);
}

/** A text block. */
export function textPart(block: JsonObject, place: string, reader: BodyReader): Part {
  reader.warnLeftOut(block, ["type", "text", "cache_control"], "a text block's ");
  const text = reader.required(reader.string(block.text, `${place}.text`), `${place}.text`, "a string");
  return { kind: "text", text, cacheControl: cacheControlOf(block, place, reader) };
}

function imagePart(block: JsonObject, place: string, reader: BodyReader): Part {
  reader.warnLeftOut(block, ["type", "source", "cache_control"], "an image block's ");
  const source = sourceOf(block, place, reader);
  const media = mediaSource(source, `${place}.source`, reader);
  if (media !== undefined) return { kind: "image", source: media, detail: undefined, cacheControl: cacheControlOf(block, place, reader) };
  fileElsewhere(source, place, reader);
  return { kind: "other", type: "image", raw: block };
}

function documentParts(block: JsonObject, place: string, reader: BodyReader): readonly Part[] {
  const source = sourceOf(block, place, reader);
  const title = reader.string(block.title, `${place}.title`);
  const context = reader.string(block.context, `${place}.context`);
  const cacheControl = cacheControlOf(block, place, reader);
  refuseCitations(block, place, reader);
  reader.warnLeftOut(block, ["type", "source", "title", "context", "citations", "cache_control"], "a document's ");
  if (source.type === "text" || source.type === "content") {
    reader.warn("documents of text were sent as text");
    const head = [title, context].filter((line) => line !== undefined && line !== "").join("\n");
    const body = source.type === "text" ? requiredText(source.data, `${place}.source.data`, reader) : source.content;
    const inner = contentBlocks(body, `${place}.source.content`, reader);
    const parts = inner.flatMap((part, at) => [...blockParts(part, `${place}.source.content[${at}]`, reader)]);
    return marked(head === "" ? parts : [{ kind: "text", text: head, cacheControl: undefined }, ...parts], cacheControl, reader);
  }
  if (context !== undefined && context !== "") reader.warn("a document's context is carried only to providers of the same dialect");
  const media = mediaSource(source, `${place}.source`, reader);
  if (media !== undefined) return [{ kind: "file", source: media, filename: title, cacheControl }];
  fileElsewhere(source, place, reader);
  const id = reader.string(source.file_id, `${place}.source.file_id`);
  return [id === undefined ? { kind: "other", type: "document", raw: block } : { kind: "file", source: { kind: "id", id }, filename: title, cacheControl }];
}

function searchResultParts(block: JsonObject, place: string, reader: BodyReader): readonly Part[] {
  refuseCitations(block, place, reader);
  reader.warnLeftOut(block, ["type", "source", "title", "content", "citations", "cache_control"], "a search result's ");
  reader.warn("search results were sent as text");
  const title = reader.string(block.title, `${place}.title`) ?? "";
  const address = reader.string(block.source, `${place}.source`) ?? "";
  const inner = contentBlocks(block.content, `${place}.content`, reader);
  const parts = inner.flatMap((part, at) => [...blockParts(part, `${place}.content[${at}]`, reader)]);
  return marked([{ kind: "text", text: `${title}\n${address}`.trim(), cacheControl: undefined }, ...parts], cacheControlOf(block, place, reader), reader);
}

/** An answer with citations is another answer than one without. */
function refuseCitations(block: JsonObject, place: string, reader: BodyReader): void {
  if (member(block.citations, "enabled") === true) reader.only(`${place}.citations`, "citations can only be had from a provider of the Messages API");
}

function sourceOf(block: JsonObject, place: string, reader: BodyReader): JsonObject {
  const source = reader.required(reader.object(block.source, `${place}.source`), `${place}.source`, "where the content comes from");
  reader.warnLeftOut(source, ["type", "media_type", "data", "url", "file_id", "content"], "a source's ");
  return source;
}

/** Bytes or an address; undefined where the source is neither. */
function mediaSource(source: JsonObject, place: string, reader: BodyReader): MediaSource | undefined {
  if (source.type === "url") return { kind: "url", url: requiredText(source.url, `${place}.url`, reader) };
  if (source.type !== "base64") return undefined;
  return {
    kind: "base64",
    mediaType: requiredText(source.media_type, `${place}.media_type`, reader),
    base64: requiredText(source.data, `${place}.data`, reader),
  };
}

function fileElsewhere(source: JsonObject, place: string, reader: BodyReader): void {
  const type = reader.required(reader.string(source.type, `${place}.source.type`), `${place}.source.type`, "base64, url or file");
  reader.only(`${place}.source`, type === "file"
    ? "a file id means nothing to another provider; send the file itself"
    : `a source of type ${shown(type)} can only be sent to a provider of the Messages API`);
}

function requiredText(value: Json | undefined, place: string, reader: BodyReader): string {
  return reader.required(reader.string(value, place), place, "a string");
}

/** A marker of the whole goes to its last part. */
export function marked(parts: readonly Part[], cacheControl: JsonObject | undefined, reader: BodyReader): readonly Part[] {
  if (cacheControl === undefined) return parts;
  const last = parts.at(-1);
  if (last === undefined || !("cacheControl" in last)) {
    reader.warn("a cache_control without content to mark was left out");
    return parts;
  }
  return [...parts.slice(0, -1), { ...last, cacheControl: last.cacheControl ?? cacheControl }];
}
