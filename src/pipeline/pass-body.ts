/** A body that passes: its fields to be counted, and the few bytes in it that name the model. JSON, or a form with files. */
import type { PassEndpoint, PassFields } from "../providers/dialects/pass/endpoint.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { asString, type Json } from "../wire/json.ts";
import { boundaryOf, fieldText, partText, scanForm, type FormPart } from "../wire/multipart.ts";
import { elementsOf } from "../wire/scan-list.ts";
import { removalOf, scanBody, splice, type Edit } from "../wire/scan.ts";
import { readBody, type Inbound } from "./inbound.ts";

export interface PassBody {
  readonly kind: "body";
  readonly fields: PassFields;
  /** As the body names it. */
  readonly model: string | undefined;
  readonly contentType: string;
  /** The body for a deployment: its model in place of the client's, everything else byte for byte. */
  write(upstreamModel: string): Uint8Array;
}
type Read = PassBody | { readonly kind: "error"; readonly error: GatewayError };

/** Of a form, the fields that are read: each may come once. */
const FORM_FIELDS: ReadonlySet<string> = new Set(["model", "n", "stream", "prompt"]);

/** Read a body by its content type. */
export function readPassBody(inbound: Inbound, endpoint: Pick<PassEndpoint, "modelText" | "modelsIn" | "defaultModel">): Read {
  const type = inbound.header("content-type") ?? "application/json";
  return /^multipart\/form-data\b/i.test(type) ? readForm(inbound.body, type, endpoint) : readJson(inbound.body, endpoint);
}

function refused(code: "invalid_body" | "invalid_type" | "duplicate_field", message: string, param: string | null): Read {
  return { kind: "error", error: gatewayError(code, message, { param }) };
}

function readJson(bytes: Uint8Array, endpoint: Pick<PassEndpoint, "modelText" | "modelsIn" | "defaultModel">): Read {
  const body = readBody(bytes);
  if (body.kind === "error") return body;
  const { raw, scan } = body;
  const keys = scan.members.map((member) => member.key);
  const twice = keys.find((key, i) => keys.indexOf(key) !== i);
  if (twice !== undefined) return refused("duplicate_field", `"${twice}" occurs twice at the same level. Two readers may take different ones, so neither is taken: send it once.`, twice);
  const named = raw["model"];
  const model = asString(named);
  if (named !== undefined && named !== null && model === undefined) return refused("invalid_type", "model must be a string.", "model");
  const write = (upstreamModel: string): Uint8Array => {
    const text = JSON.stringify(endpoint.modelText?.(upstreamModel) ?? upstreamModel);
    const edits: Edit[] = [];
    scan.members.forEach((member, i) => {
      if (member.key === "model") edits.push({ start: member.valueStart, end: member.valueEnd, text });
      else if (member.key === "spillway") edits.push(removalOf(scan, i));
      else if (member.key === endpoint.modelsIn && Array.isArray(raw[member.key])) edits.push(...innerModels(bytes, member.valueStart, text));
    });
    // Named by the path, or by nobody: then the provider's own default is as good as written.
    if (!keys.includes("model") && endpoint.modelText === undefined && upstreamModel !== endpoint.defaultModel) {
      edits.push({ start: scan.open + 1, end: scan.open + 1, text: `"model":${text}${keys.length > 0 ? "," : ""}` });
    }
    return edits.length === 0 ? bytes : splice(bytes, edits);
  };
  return { kind: "body", fields: { value: (name) => raw[name], root: raw, textBytes: bytes.length, fileCount: 0, fileBytes: 0, firstFile: undefined }, model, contentType: "application/json", write };
}

/** The models named inside of a list's elements. */
function innerModels(bytes: Uint8Array, listStart: number, text: string): Edit[] {
  return elementsOf(bytes, listStart).flatMap(({ start, end }) => {
    const inside = scanBody(bytes.subarray(start, end));
    const member = inside.kind === "object" ? inside.members.find((one) => one.key === "model") : undefined;
    return member === undefined ? [] : [{ start: start + member.valueStart, end: start + member.valueEnd, text }];
  });
}

function textsOf(texts: Map<string, Json[]>, name: string): Json[] {
  const found = texts.get(name) ?? [];
  if (found.length === 0) texts.set(name, found);
  return found;
}

function readForm(bytes: Uint8Array, contentType: string, endpoint: Pick<PassEndpoint, "defaultModel">): Read {
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) return refused("invalid_body", "The content type of the form names no boundary.", null);
  const form = scanForm(bytes, boundary);
  if (form.kind === "broken") return refused("invalid_body", form.message, null);
  const read = new Map<string, FormPart>();
  const texts = new Map<string, Json[]>();
  let fileCount = 0;
  let fileBytes = 0;
  let firstFile: Uint8Array | undefined;
  for (const part of form.parts) {
    if (part.filename !== undefined) fileCount++;
    else textsOf(texts, part.name).push(fieldText(bytes, part) ?? null);
    if (FORM_FIELDS.has(part.name)) {
      if (read.has(part.name)) return refused("duplicate_field", `The form has "${part.name}" twice. Two readers may take different ones, so neither is taken: send it once.`, part.name);
      read.set(part.name, part);
    } else if (part.filename !== undefined) {
      firstFile ??= bytes.subarray(part.valueStart, part.valueEnd);
      fileBytes += part.valueEnd - part.valueStart;
    }
  }
  const value = (name: string): Json | undefined => {
    const part = read.get(name);
    return part === undefined ? undefined : (fieldText(bytes, part) ?? undefined);
  };
  const at = read.get("model");
  const model = asString(value("model"));
  if (at !== undefined && model === undefined) return refused("invalid_type", "model must be a text.", "model");
  const write = (upstreamModel: string): Uint8Array => {
    if (at !== undefined) return upstreamModel === model ? bytes : splice(bytes, [{ start: at.valueStart, end: at.valueEnd, text: upstreamModel }]);
    if (upstreamModel === endpoint.defaultModel) return bytes;
    return splice(bytes, [{ start: form.open, end: form.open, text: partText(boundary, "model", upstreamModel) }]);
  };
  return { kind: "body", fields: { value, root: Object.fromEntries(texts), textBytes: bytes.length - fileBytes, fileCount, fileBytes, firstFile }, model, contentType, write };
}
