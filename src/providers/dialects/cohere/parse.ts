/** Reads a /v2/chat body into the hub's request. */
import type { AssistantMessage, ChatRequest, Message, Part, ReasoningBlock, ResponseFormat, Tool, ToolChoice } from "../../../wire/chat.ts";
import { asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { AskedOutside, ParsedByClient } from "../client.ts";
import type { Unsupported } from "../dialect.ts";
import { parseMessages } from "../openai/parse-messages.ts";
import { Reader, Refused } from "../openai/parse-reader.ts";

/** Fields that are read here; others are named in a warning. */
const KNOWN = new Set([
  "model", "messages", "tools", "strict_tools", "tool_choice", "response_format", "max_tokens", "stop_sequences", "temperature", "p", "k",
  "seed", "presence_penalty", "frequency_penalty", "logprobs", "thinking", "stream", "documents", "citation_options", "safety_mode",
  "priority", "spillway",
]);

/** Parse a body that is already JSON; see `ClientDialect.parse`. */
export function parse(raw: JsonObject, outside: AskedOutside): ParsedByClient {
  const reader = new Reader();
  const onlyHere: Unsupported[] = [];
  try {
    const request = read(raw, outside, reader, onlyHere);
    return { kind: "request", request, warnings: [...new Set(reader.warnings)], onlyHere };
  } catch (refused) {
    if (refused instanceof Refused) return { kind: "error", error: refused.error };
    throw refused;
  }
}

function read(raw: JsonObject, outside: AskedOutside, reader: Reader, onlyHere: Unsupported[]): ChatRequest {
  const model = outside.model ?? reader.string(raw["model"], "model");
  if (model === undefined || model === "") throw reader.missing("model", "the name of a model");
  const messages = readMessages(raw["messages"], reader, onlyHere);
  warnOfOptions(raw, reader);
  return {
    surface: "cohere-v2",
    model,
    messages: [...readDocuments(raw["documents"], reader), ...messages],
    tools: readTools(raw, reader, onlyHere),
    toolChoice: readToolChoice(raw["tool_choice"], reader, onlyHere),
    parallelToolCalls: undefined,
    maxOutputTokens: reader.integerFrom(1, raw["max_tokens"], "max_tokens"),
    temperature: reader.number(raw["temperature"], "temperature"),
    topP: reader.number(raw["p"], "p"),
    // Zero is how this API says that all tokens count.
    topK: reader.integerFrom(0, raw["k"], "k") || undefined,
    seed: reader.number(raw["seed"], "seed"),
    presencePenalty: reader.number(raw["presence_penalty"], "presence_penalty"),
    frequencyPenalty: reader.number(raw["frequency_penalty"], "frequency_penalty"),
    choiceCount: 1,
    stop: reader.array(raw["stop_sequences"], "stop_sequences").map((stop, i) => {
      const path = `stop_sequences[${i}]`;
      return reader.required(reader.string(stop, path), path, "a string");
    }),
    responseFormat: readFormat(raw["response_format"], reader, onlyHere),
    ...readThinking(raw["thinking"], reader),
    logprobs: reader.boolean(raw["logprobs"], "logprobs"),
    topLogprobs: undefined,
    logitBias: undefined,
    serviceTier: undefined,
    user: undefined,
    metadata: undefined,
    stream: outside.stream ?? reader.boolean(raw["stream"], "stream") ?? false,
    // Every stream of this API tells its usage.
    includeUsage: true,
    other: {},
  };
}

/** The messages are written like a chat completion's, but for plans, citations and documents. */
function readMessages(value: Json | undefined, reader: Reader, onlyHere: Unsupported[]): readonly Message[] {
  return parseMessages(value, reader).messages.map((message, at) => {
    const path = `messages[${at}]`;
    if (message.role === "assistant") return readAssistant(message, path, reader);
    const parts = message.parts.map((part) => (message.role === "tool" ? readResult(part, reader) : part));
    parts.forEach((part, i) => {
      if (part.kind === "other") onlyHere.push(unsupported(`${path}.content[${i}].type`, `content of type "${part.type.slice(0, 64)}"`));
    });
    return { ...message, parts };
  });
}

function readAssistant(message: AssistantMessage, path: string, reader: Reader): AssistantMessage {
  const plan = reader.string(message.other["tool_plan"], `${path}.tool_plan`) ?? "";
  for (const [key, value] of Object.entries(message.other)) {
    const empty = Array.isArray(value) && value.length === 0;
    if (key !== "tool_plan" && !empty) reader.warn(`${path}.${key} is carried only to providers of the same dialect.`);
  }
  const planned: readonly ReasoningBlock[] = plan === "" ? [] : [{ kind: "thinking", text: plan, signature: undefined }];
  return { ...message, reasoning: [...planned, ...message.reasoning], other: {} };
}

/** A document as the result of a tool reads as its JSON elsewhere. */
function readResult(part: Part, reader: Reader): Part {
  const document = part.kind === "other" && part.type === "document" ? member(part.raw, "document") : undefined;
  if (document === undefined) return part;
  reader.warn("Documents in tool results are sent as JSON text to providers of another dialect, which cite none.");
  return { kind: "text", text: documentText(document), cacheControl: undefined };
}

/** `documents` stand before the conversation as one system message, which is where another model can read them, and where they are counted. */
function readDocuments(value: Json | undefined, reader: Reader): readonly Message[] {
  const documents = reader.array(value, "documents");
  if (documents.length === 0) return [];
  reader.warn("documents are sent as text to providers of another dialect, which cite none.");
  const text = ["Documents to answer from:", ...documents.map((document, i) => `[doc:${i}] ${documentText(document)}`)].join("\n");
  return [{ role: "system", parts: [{ kind: "text", text, cacheControl: undefined }], name: undefined }];
}

function documentText(document: Json): string {
  if (typeof document === "string") return document;
  const data = member(document, "data");
  const id = asString(member(document, "id"));
  if (data === undefined) return JSON.stringify(document);
  if (id === undefined) return typeof data === "string" ? data : JSON.stringify(data);
  return JSON.stringify(isObject(data) ? { id, ...data } : { id, data });
}

function readTools(raw: JsonObject, reader: Reader, onlyHere: Unsupported[]): readonly Tool[] {
  const strict = reader.boolean(raw["strict_tools"], "strict_tools") === true ? true : undefined;
  return reader.array(raw["tools"], "tools").map((tool, at) => {
    const path = `tools[${at}]`;
    if (!isObject(tool)) throw reader.wrong(path, "an object", tool);
    const type = reader.string(tool["type"], `${path}.type`) ?? "function";
    if (type !== "function") {
      onlyHere.push(unsupported(`${path}.type`, `a tool of type "${type.slice(0, 64)}"`));
      return { kind: "other", type, raw: tool };
    }
    const fn = reader.required(reader.object(tool["function"], `${path}.function`), `${path}.function`, "the function's name and parameters");
    reader.warnUnknown(tool, ["type", "function"], path);
    reader.warnUnknown(fn, ["name", "description", "parameters"], `${path}.function`);
    const name = reader.string(fn["name"], `${path}.function.name`);
    if (name === undefined || name === "") throw reader.missing(`${path}.function.name`, "the function's name");
    return {
      kind: "function",
      name,
      description: reader.string(fn["description"], `${path}.function.description`),
      parameters: reader.object(fn["parameters"], `${path}.function.parameters`),
      strict,
      cacheControl: undefined,
    };
  });
}

function readToolChoice(value: Json | undefined, reader: Reader, onlyHere: Unsupported[]): ToolChoice | undefined {
  const choice = reader.string(value, "tool_choice")?.toUpperCase();
  if (choice === undefined) return undefined;
  if (choice === "REQUIRED") return { kind: "required" };
  if (choice === "NONE") return { kind: "none" };
  onlyHere.push(unsupported("tool_choice", `tool_choice "${choice.slice(0, 64)}"`));
  return undefined;
}

function readFormat(value: Json | undefined, reader: Reader, onlyHere: Unsupported[]): ResponseFormat | undefined {
  const format = reader.object(value, "response_format");
  if (format === undefined) return undefined;
  const type = reader.required(reader.string(format["type"], "response_format.type"), "response_format.type", "text or json_object");
  reader.warnUnknown(format, ["type", "json_schema", "schema"], "response_format");
  if (type === "text") return { kind: "text" };
  if (type !== "json_object") {
    onlyHere.push(unsupported("response_format.type", `response_format "${type.slice(0, 64)}"`));
    return undefined;
  }
  // `schema` is the name that the version before gave it.
  const schema = reader.object(format["json_schema"], "response_format.json_schema") ?? reader.object(format["schema"], "response_format.schema");
  if (schema === undefined) return { kind: "json_object" };
  return { kind: "json_schema", name: "response", description: undefined, schema, strict: undefined };
}

/** Without a budget `enabled` means: as much as the model likes, which elsewhere is its usual effort. */
function readThinking(value: Json | undefined, reader: Reader): Pick<ChatRequest, "reasoningEffort" | "thinking"> {
  const asked = reader.object(value, "thinking");
  reader.warnUnknown(asked ?? {}, ["type", "token_budget"], "thinking");
  const type = reader.string(asked?.["type"], "thinking.type");
  const budget = reader.integerFrom(1, asked?.["token_budget"], "thinking.token_budget");
  if (type === "disabled") return { reasoningEffort: "none", thinking: undefined };
  if (type !== "enabled") {
    if (type !== undefined) reader.warn("thinking is carried only to providers of the same dialect.");
    return { reasoningEffort: undefined, thinking: undefined };
  }
  if (budget === undefined) return { reasoningEffort: "medium", thinking: undefined };
  return { reasoningEffort: undefined, thinking: { type, budget_tokens: budget } };
}

function warnOfOptions(raw: JsonObject, reader: Reader): void {
  const mode = asString(member(raw["citation_options"], "mode"));
  if (mode !== undefined && mode !== "OFF" && mode !== "DISABLED") reader.warn("citation_options is carried only to providers of the same dialect.");
  const safety = reader.string(raw["safety_mode"], "safety_mode");
  // What happens without being asked.
  if (safety !== undefined && safety !== "CONTEXTUAL") reader.warn("safety_mode is carried only to providers of the same dialect.");
  if ((reader.number(raw["priority"], "priority") ?? 0) !== 0) reader.warn("priority is carried only to providers of the same dialect.");
  for (const [key, value] of Object.entries(raw)) {
    if (!KNOWN.has(key) && value !== null && value !== undefined) reader.warn(`${shown(key)} is carried only to providers of the same dialect.`);
  }
}

function shown(key: string): string {
  return key.slice(0, 64).replace(/[^\x21-\x7e]/g, "?");
}

function unsupported(param: string, what: string): Unsupported {
  return { kind: "unsupported", param, message: `${what} can be sent only to a provider of the same dialect` };
}
