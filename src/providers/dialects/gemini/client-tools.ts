/** Tools and how they may be called: `tools`, `toolConfig` → the hub's tools and choice. */
import type { Tool, ToolChoice } from "../../../wire/chat.ts";
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import { camelCase, type Reader } from "./client-reader.ts";
import { jsonSchemaOf } from "./client-schema.ts";

const DECLARATION = new Set(["name", "description", "parameters", "parametersJsonSchema"]);
const TOOL_CONFIG = new Set(["functionCallingConfig"]);
const CALLING_CONFIG = new Set(["mode", "allowedFunctionNames"]);

/** Function declarations; every other kind of tool runs at its provider, so it is noted as possible only there. */
export function parseTools(raw: JsonObject, reader: Reader): readonly Tool[] {
  const { path } = reader.field(raw, "tools", "");
  return reader.array(raw, "tools", "").flatMap((tool, i) => {
    const at = `${path}[${i}]`;
    if (!isObject(tool)) throw reader.wrong(at, "an object", tool);
    for (const [key, value] of Object.entries(tool)) {
      if (camelCase(key) === "functionDeclarations" || value === null || value === undefined) continue;
      reader.only(`${at}.${key}`, `the tool ${camelCase(key).slice(0, 60)} runs only at providers of the same dialect`);
    }
    const declarations = reader.field(tool, "functionDeclarations", at);
    return reader.array(tool, "functionDeclarations", at).map((one, j) => parseDeclaration(one, `${declarations.path}[${j}]`, reader));
  });
}

function parseDeclaration(declaration: Json, at: string, reader: Reader): Tool {
  if (!isObject(declaration)) throw reader.wrong(at, "an object", declaration);
  const name = reader.string(declaration, "name", at);
  if (name === undefined || name === "") throw reader.missing(`${at}.name`, "the function's name");
  const schema = reader.object(declaration, "parametersJsonSchema", at);
  const restricted = reader.object(declaration, "parameters", at);
  // `response` describes what comes back, which no other dialect asks for.
  reader.warnUnknown(declaration, DECLARATION, at);
  return {
    kind: "function",
    name,
    description: reader.string(declaration, "description", at),
    parameters: schema ?? (restricted === undefined ? undefined : jsonSchemaOf(restricted)),
    strict: undefined,
    cacheControl: undefined,
  };
}

/** `toolConfig.functionCallingConfig`; what else stands there serves tools of the provider and is named in a warning. */
export function parseToolChoice(raw: JsonObject, reader: Reader): ToolChoice | undefined {
  const config = reader.object(raw, "toolConfig", "");
  if (config === undefined) return undefined;
  const at = reader.field(raw, "toolConfig", "").path;
  reader.warnUnknown(config, TOOL_CONFIG, at);
  const calling = reader.object(config, "functionCallingConfig", at);
  if (calling === undefined) return undefined;
  const path = reader.field(config, "functionCallingConfig", at).path;
  reader.warnUnknown(calling, CALLING_CONFIG, path);
  const names = reader.strings(calling, "allowedFunctionNames", path);
  const mode = reader.string(calling, "mode", path)?.toUpperCase();
  switch (mode) {
    case undefined:
    case "MODE_UNSPECIFIED":
    case "AUTO":
    case "VALIDATED":
      if (mode === "VALIDATED") reader.warn("the calling mode VALIDATED is carried to other providers as AUTO");
      if (names.length > 0) return { kind: "allowed", mode: "auto", names };
      return mode === undefined ? undefined : { kind: "auto" };
    case "ANY":
      if (names.length === 1) return { kind: "named", name: names[0] as string };
      return names.length > 0 ? { kind: "allowed", mode: "required", names } : { kind: "required" };
    case "NONE":
      return { kind: "none" };
    default:
      throw reader.invalid(`${path}.mode`, `${path}.mode must be AUTO, ANY, NONE or VALIDATED, not "${mode.slice(0, 60)}".`);
  }
}
