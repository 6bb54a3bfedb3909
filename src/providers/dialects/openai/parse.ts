/**
 * Reads a Chat Completions body into the hub's request. Tolerant of what it does not know (kept in `other`), strict on
 * the types of what it knows: one clear error with the path of the field.
 */
import type { ChatRequest, ResponseFormat, Tool, ToolChoice } from "../../../wire/chat.ts";
import type { GatewayError } from "../../../wire/errors.ts";
import { asString, isObject, member } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { Reader, Refused } from "./parse-reader.ts";
import { parseMessages } from "./parse-messages.ts";

export { measureText } from "./measure.ts";
export { parseEmbeddingsRequest } from "./parse-embeddings.ts";

export type ParsedChat =
  | {
      readonly kind: "request";
      readonly request: ChatRequest;
      /**
       * What the hub's form cannot hold, one sentence each. They matter only where the request is authored anew for
       * another dialect; on the byte lane nothing is lost.
       */
      readonly warnings: readonly string[];
    }
  | { readonly kind: "error"; readonly error: GatewayError };

/** Fields that have a place of their own in the request; everything else goes to `other`. */
const KNOWN = new Set([
  "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "max_completion_tokens", "temperature",
  "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty", "n", "stop", "response_format", "reasoning_effort",
  "thinking", "logprobs", "top_logprobs", "logit_bias", "service_tier", "user", "metadata", "stream", "stream_options",
]);

/** Parse a body that is already JSON. Never throws. */
export function parseChatRequest(raw: JsonObject): ParsedChat {
  const reader = new Reader();
  try {
    const request = parse(raw, reader);
    return { kind: "request", request, warnings: reader.warnings };
  } catch (refused) {
    if (refused instanceof Refused) return { kind: "error", error: refused.error };
    throw refused;
  }
}

/** What has no place of its own; nearly always nothing. */
class Other {
  #kept: Map<string, Json | undefined> | null = null;

  set(key: string, value: Json | undefined): void {
    (this.#kept ??= new Map()).set(key, value);
  }

  delete(key: string): void {
    this.#kept?.delete(key);
  }

  members(): ChatRequest["other"] {
    return this.#kept === null ? {} : Object.fromEntries(this.#kept);
  }
}

function parse(raw: JsonObject, reader: Reader): ChatRequest {
  const model = reader.string(raw["model"], "model");
  if (model === undefined || model === "") throw reader.missing("model", "the name of a model");
  const other = new Other();
  for (const key in raw) if (!KNOWN.has(key) && raw[key] !== undefined) other.set(key, raw[key]);
  const { messages, usesLegacyCalls } = parseMessages(raw["messages"], reader);
  const stream = reader.boolean(raw["stream"], "stream") ?? false;
  const options = reader.object(raw["stream_options"], "stream_options");
  const includeUsage = reader.boolean(options?.["include_usage"], "stream_options.include_usage") ?? false;
  const otherOptions = options === undefined ? [] : Object.entries(options).filter(([key]) => key !== "include_usage");
  if (otherOptions.length > 0) other.set("stream_options", Object.fromEntries(otherOptions));
  const legacy = legacyFunctions(raw, reader, other, usesLegacyCalls);
  const current = parseTools(raw["tools"], reader);
  const tools = legacy.tools.length === 0 ? current : [...current, ...legacy.tools];
  const toolChoice = parseToolChoice(raw["tool_choice"], reader, other) ?? legacy.choice;
  const responseFormat = parseResponseFormat(raw["response_format"], reader, other);
  return {
    model,
    messages,
    tools,
    toolChoice,
    parallelToolCalls: reader.boolean(raw["parallel_tool_calls"], "parallel_tool_calls"),
    maxOutputTokens: outputLimit(raw, reader),
    temperature: reader.number(raw["temperature"], "temperature"),
    topP: reader.number(raw["top_p"], "top_p"),
    topK: reader.number(raw["top_k"], "top_k"),
    seed: reader.number(raw["seed"], "seed"),
    presencePenalty: reader.number(raw["presence_penalty"], "presence_penalty"),
    frequencyPenalty: reader.number(raw["frequency_penalty"], "frequency_penalty"),
    choiceCount: reader.integerFrom(1, raw["n"], "n") ?? 1,
    stop: stops(raw["stop"], reader),
    responseFormat,
    reasoningEffort: reader.string(raw["reasoning_effort"], "reasoning_effort"),
    thinking: reader.object(raw["thinking"], "thinking"),
    logprobs: reader.boolean(raw["logprobs"], "logprobs"),
    topLogprobs: reader.integerFrom(0, raw["top_logprobs"], "top_logprobs"),
    logitBias: reader.object(raw["logit_bias"], "logit_bias"),
    serviceTier: reader.string(raw["service_tier"], "service_tier"),
    user: userName(raw, reader, other),
    metadata: reader.object(raw["metadata"], "metadata"),
    stream,
    includeUsage,
    other: other.members(),
  };
}

function outputLimit(raw: JsonObject, reader: Reader): number | undefined {
  const current = reader.integerFrom(1, raw["max_completion_tokens"], "max_completion_tokens");
  const deprecated = reader.integerFrom(1, raw["max_tokens"], "max_tokens");
  if (current !== undefined && deprecated !== undefined && current !== deprecated) {
    reader.warn("max_tokens gives way to max_completion_tokens.");
  }
  return current ?? deprecated;
}

/** `safety_identifier` took the place of `user`; where both are sent the newer one is kept beside it. */
function userName(raw: JsonObject, reader: Reader, other: Other): string | undefined {
  const user = reader.string(raw["user"], "user");
  const identifier = reader.string(raw["safety_identifier"], "safety_identifier");
  if (user !== undefined) return user;
  other.delete("safety_identifier");
  return identifier;
}

function stops(value: Json | undefined, reader: Reader): readonly string[] {
  if (value === undefined || value === null) return [];
  if (typeof value === "string") return [value];
  if (!Array.isArray(value)) throw reader.wrong("stop", "a string or a list of strings", value);
  return (value as readonly Json[]).map((one, i) => reader.required(reader.string(one, `stop[${i}]`), `stop[${i}]`, "a string"));
}

function parseTools(value: Json | undefined, reader: Reader): readonly Tool[] {
  if (value === undefined || value === null) return [];
  return reader.array(value, "tools").map((tool, i) => {
    const path = `tools[${i}]`;
    if (!isObject(tool)) throw reader.wrong(path, "an object", tool);
    const type = reader.string(tool["type"], `${path}.type`) ?? "function";
    if (type !== "function") return { kind: "other", type, raw: tool };
    reader.warnUnknown(tool, KNOWN_IN_TOOL, path);
    return parseFunction(reader.object(tool["function"], `${path}.function`), `${path}.function`, reader, tool);
  });
}

const KNOWN_IN_TOOL = ["type", "function", "cache_control"];
const KNOWN_IN_FUNCTION = ["name", "description", "parameters", "strict", "cache_control"];

function parseFunction(fn: JsonObject | undefined, path: string, reader: Reader, around: JsonObject): Tool {
  if (fn === undefined) throw reader.missing(path, "the function's name and parameters");
  const name = reader.string(fn["name"], `${path}.name`);
  if (name === undefined || name === "") throw reader.missing(`${path}.name`, "the function's name");
  reader.warnUnknown(fn, KNOWN_IN_FUNCTION, path);
  return {
    kind: "function",
    name,
    description: reader.string(fn["description"], `${path}.description`),
    parameters: reader.object(fn["parameters"], `${path}.parameters`),
    strict: reader.boolean(fn["strict"], `${path}.strict`),
    cacheControl: reader.object(around["cache_control"] ?? fn["cache_control"], `${path}.cache_control`),
  };
}

/** What has no place in the hub's choice (custom tools) stays in `other`, as sent. */
function parseToolChoice(value: Json | undefined, reader: Reader, other: Other): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") {
    if (value === "none" || value === "auto" || value === "required") return { kind: value };
    if (value === "any") return { kind: "required" };
    other.set("tool_choice", value);
    return undefined;
  }
  if (!isObject(value)) throw reader.wrong("tool_choice", "a string or an object", value);
  const type = reader.string(value["type"], "tool_choice.type") ?? "function";
  if (type === "function") {
    const name = asString(member(value["function"], "name")) ?? asString(value["name"]);
    if (name === undefined || name === "") throw reader.missing("tool_choice.function.name", "the function's name");
    reader.warnUnknown(value, ["type", "function", "name"], "tool_choice");
    if (isObject(value["function"])) reader.warnUnknown(value["function"], ["name"], "tool_choice.function");
    return { kind: "named", name };
  }
  if (type === "allowed_tools") {
    const allowed = reader.object(value["allowed_tools"], "tool_choice.allowed_tools") ?? value;
    const entries = reader.array(allowed["tools"], "tool_choice.allowed_tools.tools");
    const names = entries.map((entry) => asString(member(member(entry, "function"), "name")) ?? asString(member(entry, "name")));
    const mode = allowed["mode"];
    if ((mode === "auto" || mode === "required") && names.length > 0 && names.every((name) => name !== undefined)) {
      return { kind: "allowed", mode, names };
    }
  }
  other.set("tool_choice", value);
  return undefined;
}

/** Formats that the hub has no word for (grammars, a schema beside the type) stay in `other`, as sent. */
function parseResponseFormat(
  value: Json | undefined,
  reader: Reader,
  other: Other,
): ResponseFormat | undefined {
  const format = reader.object(value, "response_format");
  if (format === undefined) return undefined;
  const type = reader.string(format["type"], "response_format.type");
  if (type === undefined) throw reader.missing("response_format.type", "text, json_object or json_schema");
  const plain = Object.keys(format).length === 1;
  if (type === "text") reader.warnUnknown(format, ["type"], "response_format");
  if (type === "text" || (type === "json_object" && plain)) return { kind: type };
  const schema = reader.object(format["json_schema"], "response_format.json_schema");
  if (type !== "json_schema" || (schema === undefined && isObject(format["schema"]))) {
    other.set("response_format", format);
    return undefined;
  }
  if (schema === undefined) throw reader.missing("response_format.json_schema", "a name and a schema");
  const path = "response_format.json_schema";
  reader.warnUnknown(format, ["type", "json_schema"], "response_format");
  reader.warnUnknown(schema, ["name", "description", "schema", "strict"], path);
  return {
    kind: "json_schema",
    name: reader.required(reader.string(schema["name"], `${path}.name`), `${path}.name`, "the schema's name"),
    description: reader.string(schema["description"], `${path}.description`),
    schema: reader.object(schema["schema"], `${path}.schema`),
    strict: reader.boolean(schema["strict"], `${path}.strict`),
  };
}

const NO_LEGACY: ReturnType<typeof legacyFunctions> = { tools: [], choice: undefined };

/** `functions` and `function_call`, the form before `tools`. */
function legacyFunctions(
  raw: JsonObject,
  reader: Reader,
  other: Other,
  usesLegacyCalls: boolean,
): { readonly tools: readonly Tool[]; readonly choice: ToolChoice | undefined } {
  const call = raw["function_call"];
  if (raw["functions"] === undefined && call === undefined && !usesLegacyCalls) return NO_LEGACY;
  const functions = reader.array(raw["functions"], "functions");
  if (functions.length > 0 || usesLegacyCalls) {
    reader.warn("functions and function_call are deprecated: they are carried as tools, and calls come back as tool_calls.");
  }
  other.delete("functions");
  other.delete("function_call");
  const tools = functions.map((fn, i) => {
    const path = `functions[${i}]`;
    return parseFunction(reader.object(fn, path), path, reader, {});
  });
  if (call === "none" || call === "auto") return { tools, choice: { kind: call } };
  const name = reader.string(reader.object(call, "function_call")?.["name"], "function_call.name");
  return { tools, choice: name === undefined ? undefined : { kind: "named", name } };
}
