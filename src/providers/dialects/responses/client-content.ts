/** Content of Responses messages and tool results, as the hub's parts. */
import type { MediaSource, Part } from "../../../wire/chat.ts";
import { gatewayError } from "../../../wire/errors.ts";
import { asString, isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { Refused } from "../openai/parse-reader.ts";
import type { Intake } from "./client-intake.ts";

/** A string or a list of parts; an empty string has none. */
export function parseContent(value: Json | undefined, path: string, intake: Intake): readonly Part[] {
  if (value === undefined || value === null || value === "") return [];
  if (typeof value === "string") return [text(value)];
  if (!Array.isArray(value)) throw intake.wrong(path, "a string or a list of parts", value);
  const parts: Part[] = [];
  (value as readonly Json[]).forEach((part, i) => {
    const here = `${path}[${i}]`;
    if (!isObject(part)) throw intake.wrong(here, "an object", part);
    const parsed = parsePart(part, here, intake);
    if (parsed !== undefined) parts.push(parsed);
  });
  return parts;
}

function text(value: string): Part {
  return { kind: "text", text: value, cacheControl: undefined };
}

function parsePart(part: JsonObject, path: string, intake: Intake): Part | undefined {
  const type = intake.text(part, "type", path, "the type of the part");
  switch (type) {
    case "input_text":
    case "text":
    case "summary_text":
      intake.warnUnknown(part, ["type", "text"], path);
      return text(intake.required(intake.string(part["text"], `${path}.text`), `${path}.text`, "a string"));
    case "output_text":
      // What an answer noted beside its text (sources, probabilities) is for readers, not for the model.
      intake.warnUnknown(part, ["type", "text", "annotations", "logprobs"], path);
      return text(intake.required(intake.string(part["text"], `${path}.text`), `${path}.text`, "a string"));
    case "refusal":
      return { kind: "refusal", text: intake.required(intake.string(part["refusal"], `${path}.refusal`), `${path}.refusal`, "a string") };
    case "input_image":
      return image(part, path, intake);
    case "input_file":
      return file(part, path, intake);
    case "input_audio":
      return audio(part, path, intake);
    default:
      intake.only(`${path}.type`, `parts of type ${type.slice(0, 40)} are understood only by providers of the Responses API.`);
      return undefined;
  }
}

function image(part: JsonObject, path: string, intake: Intake): Part | undefined {
  intake.warnUnknown(part, ["type", "image_url", "file_id", "detail"], path);
  const value = part["image_url"];
  // Some clients send the object of the chat protocol.
  const url = isObject(value) ? asString(value["url"]) : intake.string(value, `${path}.image_url`);
  if (url === undefined || url === "") {
    if (intake.string(part["file_id"], `${path}.file_id`) === undefined) throw intake.missing(`${path}.image_url`, "an address or a data URI");
    intake.only(`${path}.file_id`, "a stored file is known only to the provider that stores it.");
    return undefined;
  }
  const detail = intake.string(part["detail"], `${path}.detail`);
  return { kind: "image", source: sourceOf(url, `${path}.image_url`), detail, cacheControl: undefined };
}

function file(part: JsonObject, path: string, intake: Intake): Part {
  intake.warnUnknown(part, ["type", "file_id", "file_data", "file_url", "filename"], path);
  const id = intake.string(part["file_id"], `${path}.file_id`);
  const data = intake.string(part["file_data"], `${path}.file_data`);
  const url = intake.string(part["file_url"], `${path}.file_url`);
  const filename = intake.string(part["filename"], `${path}.filename`);
  if (data !== undefined && data !== "") return { kind: "file", source: sourceOf(data, `${path}.file_data`), filename, cacheControl: undefined };
  if (url !== undefined && url !== "") return { kind: "file", source: { kind: "url", url }, filename, cacheControl: undefined };
  if (id === undefined || id === "") throw intake.missing(`${path}.file_data`, "file_data, file_url or file_id");
  return { kind: "file", source: { kind: "id", id }, filename, cacheControl: undefined };
}

function audio(part: JsonObject, path: string, intake: Intake): Part {
  const here = `${path}.input_audio`;
  const value = intake.required(intake.object(part["input_audio"], here), here, "data and format");
  return { kind: "audio", format: intake.text(value, "format", here, "wav or mp3"), base64: intake.text(value, "data", here, "base64 text") };
}

/** A data URI becomes its bytes; an address stays one; bare base64 is taken as bytes of unknown type. */
function sourceOf(value: string, path: string): MediaSource {
  if (!/^data:/i.test(value)) {
    if (/^[a-z][a-z0-9+.-]{0,30}:/i.test(value)) return { kind: "url", url: value };
    return { kind: "base64", mediaType: "application/octet-stream", base64: value };
  }
  const comma = value.indexOf(",");
  const [mediaType, ...words] = value.slice("data:".length, Math.max("data:".length, comma)).split(";");
  if (comma < 0 || !words.some((word) => word.trim().toLowerCase() === "base64")) {
    throw new Refused(gatewayError("invalid_body", `${path} must be a data URI of the form data:<type>;base64,<data>.`, { param: path }));
  }
  return { kind: "base64", mediaType: mediaType?.trim() || "application/octet-stream", base64: value.slice(comma + 1) };
}
