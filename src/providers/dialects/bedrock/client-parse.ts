/**
 * Reads a Converse body into the hub's request. The model and whether to stream stand in the path. Tolerant of what it does
 * not know, strict on the types of what it knows.
 */
import type { ChatRequest, ResponseFormat } from "../../../wire/chat.ts";
import { gatewayError } from "../../../wire/errors.ts";
import { asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import { asksSomething, BodyReader } from "../anthropic/client-notes.ts";
import { shown } from "../anthropic/draft.ts";
import type { AskedOutside, ParsedByClient } from "../client.ts";
import { Refused } from "../openai/parse-reader.ts";
import { parseModelFields } from "./client-fields.ts";
import { parseConversation } from "./client-messages.ts";
import { parseTools } from "./client-tools.ts";

/** Fields with a place in the hub, and our own. */
const KNOWN = new Set([
  "messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields", "outputConfig", "serviceTier", "requestMetadata", "spillway",
]);
/** Fields that change what is answered; a provider of another dialect would give another answer. */
const ONLY_HERE: Readonly<Record<string, string>> = {
  guardrailConfig: "a guardrail runs at the provider that keeps it",
  promptVariables: "a kept prompt is known only to the provider that keeps it",
};
const IN_INFERENCE = ["maxTokens", "temperature", "topP", "topK", "stopSequences"];

/** Parse a body that is already JSON. Never throws. */
export function parse(raw: JsonObject, outside: AskedOutside): ParsedByClient {
  const reader = new BodyReader();
  try {
    const request = requestOf(raw, outside, reader);
    return { kind: "request", request, warnings: reader.warnings, onlyHere: reader.onlyHere };
  } catch (refused) {
    if (refused instanceof Refused) return { kind: "error", error: refused.error };
    throw refused;
  }
}

function requestOf(raw: JsonObject, outside: AskedOutside, reader: BodyReader): ChatRequest {
  const { model } = outside;
  if (model === undefined || model === "") throw reader.missing("model", "the name of a model in the path");
  const messages = parseConversation(raw, reader);
  const inference = reader.object(raw.inferenceConfig, "inferenceConfig") ?? {};
  reader.warnLeftOut(inference, IN_INFERENCE, "inferenceConfig.");
  const { tools, toolChoice } = parseTools(raw, reader);
  const fields = parseModelFields(raw, reader);
  noteForeignFields(raw, reader);
  return {
    surface: "bedrock-converse",
    model,
    messages,
    tools,
    toolChoice: toolChoice ?? fields.toolChoice,
    parallelToolCalls: fields.parallelToolCalls,
    maxOutputTokens: reader.integerFrom(1, inference.maxTokens, "inferenceConfig.maxTokens"),
    temperature: reader.number(inference.temperature, "inferenceConfig.temperature"),
    topP: reader.number(inference.topP, "inferenceConfig.topP"),
    topK: reader.number(inference.topK, "inferenceConfig.topK") ?? fields.topK,
    seed: undefined,
    presencePenalty: undefined,
    frequencyPenalty: undefined,
    choiceCount: 1,
    stop: reader.array(inference.stopSequences, "inferenceConfig.stopSequences").map((one, at) => stopOf(one, at, reader)),
    responseFormat: formatOf(raw.outputConfig, reader) ?? fields.format,
    reasoningEffort: fields.effort,
    thinking: fields.thinking,
    logprobs: undefined,
    topLogprobs: undefined,
    logitBias: undefined,
    serviceTier: tierOf(raw.serviceTier, reader),
    user: undefined,
    metadata: reader.object(raw.requestMetadata, "requestMetadata"),
    stream: outside.stream ?? false,
    // Every stream of this dialect tells its usage.
    includeUsage: outside.stream ?? false,
    other: {},
  };
}

function stopOf(value: Json, at: number, reader: BodyReader): string {
  const place = `inferenceConfig.stopSequences[${at}]`;
  return reader.required(reader.string(value, place), place, "a string");
}

function tierOf(value: Json | undefined, reader: BodyReader): string | undefined {
  const tier = reader.object(value, "serviceTier");
  return reader.string(tier?.type, "serviceTier.type");
}

/** The schema travels as text here. */
function formatOf(value: Json | undefined, reader: BodyReader): ResponseFormat | undefined {
  const format = reader.object(member(reader.object(value, "outputConfig"), "textFormat"), "outputConfig.textFormat");
  if (format === undefined) return undefined;
  const place = "outputConfig.textFormat.structure.jsonSchema";
  const told = reader.object(member(format.structure, "jsonSchema"), place);
  if (asString(format.type) !== "json_schema" || told === undefined) {
    reader.only("outputConfig.textFormat", "this text format can only be sent to a provider of the Converse API");
    return undefined;
  }
  const text = reader.required(reader.string(told.schema, `${place}.schema`), `${place}.schema`, "a JSON schema as text");
  return {
    kind: "json_schema",
    name: reader.string(told.name, `${place}.name`) ?? "answer",
    description: reader.string(told.description, `${place}.description`),
    schema: schemaIn(text, `${place}.schema`),
    strict: undefined,
  };
}

function schemaIn(text: string, param: string): JsonObject {
  let schema: Json = null;
  try {
    schema = JSON.parse(text) as Json;
  } catch {
    // Told below, like everything else that is no object.
    schema = null;
  }
  if (isObject(schema)) return schema;
  throw new Refused(gatewayError("invalid_body", `${param} must hold a JSON object as text.`, { param }));
}

/** Everything else that was sent: refused elsewhere where it would be missed, named otherwise. */
function noteForeignFields(raw: JsonObject, reader: BodyReader): void {
  const left: string[] = [];
  for (const [key, value] of Object.entries(raw)) {
    if (KNOWN.has(key) || !asksSomething(value)) continue;
    const reason = Object.hasOwn(ONLY_HERE, key) ? ONLY_HERE[key] : undefined;
    if (reason !== undefined) reader.only(key, reason);
    else if (key !== "performanceConfig" || member(value, "latency") !== "standard") left.push(shown(key));
  }
  if (left.length === 0) return;
  const more = left.length > 32 ? ` and ${left.length - 32} more` : "";
  reader.warn(`carried only to providers of the same dialect: ${left.slice(0, 32).join(", ")}${more}`);
}
