/** Content blocks of a Converse body as parts of the hub. */
import type { Part } from "../../../wire/chat.ts";
import { asArray, asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import type { BodyReader } from "../anthropic/client-notes.ts";
import { shown } from "../anthropic/draft.ts";
import { base64Of, mediaTypeOf, type MediaKind } from "./media.ts";

/** The one member of a union that is set, with its value; `type`, which some clients add, is none. */
export function memberOf(block: JsonObject): readonly [string, Json] | undefined {
  for (const [key, value] of Object.entries(block)) if (key !== "type" && value !== undefined && value !== null) return [key, value];
  return undefined;
}

/** A block says one thing: what stands beside it in the block is nothing that another dialect gets. */
export function besideMember(block: JsonObject, reader: BodyReader): void {
  const [key] = memberOf(block) ?? [];
  if (key !== undefined) reader.warnLeftOut(block, ["type", key], "beside the content of a block, ");
}

/** A content block as parts: none where it says nothing to another dialect, and that is named. */
export function partsOf(block: JsonObject, place: string, reader: BodyReader): readonly Part[] {
  const [key, value] = memberOf(block) ?? ["", null];
  const where = `${place}.${key}`;
  switch (key) {
    case "":
      return [];
    case "text":
      return [textPart(reader.required(reader.string(value, where), where, "a string"))];
    case "json":
      return [textPart(JSON.stringify(value))];
    case "image":
    case "document":
    case "video":
      return [media(key, required(value, where, reader), where, reader)];
    case "audio":
      return [audio(required(value, where, reader), where, reader)];
    case "guardContent":
      return guarded(required(value, where, reader), where, reader);
    case "citationsContent":
      reader.warn("citations of earlier answers are carried only to providers of the same dialect");
      return asArray(member(value, "content")).flatMap((part) => {
        const text = asString(member(part, "text"));
        return text === undefined ? [] : [textPart(text)];
      });
    default:
      return [foreign(key, block, place, reader)];
  }
}

export function textPart(text: string): Part {
  return { kind: "text", text, cacheControl: undefined };
}

function required(value: Json, where: string, reader: BodyReader): JsonObject {
  return reader.required(reader.object(value, where), where, "an object");
}

/** A block that only this dialect's providers can read. */
function foreign(type: string, block: JsonObject, place: string, reader: BodyReader): Part {
  reader.only(`${place}.${shown(type)}`, `content of type ${shown(type)} can only be sent to a provider of the Converse API`);
  return { kind: "other", type, raw: block };
}

function media(kind: MediaKind, value: JsonObject, where: string, reader: BodyReader): Part {
  const format = reader.required(reader.string(value.format, `${where}.format`), `${where}.format`, "the format's name");
  const source = reader.required(reader.object(value.source, `${where}.source`), `${where}.source`, "the bytes or where they are");
  const bytes = reader.string(source.bytes, `${where}.source.bytes`) ?? (typeof source.text === "string" ? base64Of(source.text) : undefined);
  if (bytes === undefined) return foreign(`source.${memberOf(source)?.[0] ?? "bytes"}`, { [kind]: value }, where, reader);
  reader.warnLeftOut(source, ["bytes", "text", "type"], "a source's ");
  reader.warnLeftOut(value, ["format", "name", "source", "type"], `${kind === "image" ? "an" : "a"} ${kind}'s `);
  const base64 = { kind: "base64", mediaType: mediaTypeOf(kind, format) ?? `${kind === "document" ? "application" : kind}/${format}`, base64: bytes } as const;
  if (kind === "image") return { kind: "image", source: base64, detail: undefined, cacheControl: undefined };
  const name = reader.string(value.name, `${where}.name`);
  return { kind: "file", source: base64, filename: name === undefined ? undefined : `${name}.${format}`, cacheControl: undefined };
}

function audio(value: JsonObject, where: string, reader: BodyReader): Part {
  const format = reader.required(reader.string(value.format, `${where}.format`), `${where}.format`, "the format's name");
  const bytes = asString(member(value.source, "bytes"));
  if (bytes !== undefined) reader.warnLeftOut(value, ["format", "source", "type"], "an audio's ");
  return bytes === undefined ? foreign("source", { audio: value }, where, reader) : { kind: "audio", format, base64: bytes };
}

/** Content that a guardrail looks at; what looks at it is asked elsewhere in the body. */
function guarded(value: JsonObject, where: string, reader: BodyReader): readonly Part[] {
  reader.warn("guardContent was carried as plain content: which part a guardrail looks at is known only to providers of the same dialect");
  const text = isObject(value.text) ? reader.string(value.text.text, `${where}.text.text`) : undefined;
  if (text !== undefined) return [textPart(text)];
  return isObject(value.image) ? [media("image", value.image, `${where}.image`, reader)] : [];
}
