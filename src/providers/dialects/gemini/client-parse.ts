/** A generateContent body → the hub's request. The model, and whether to stream, stand in the path. */
import type { ChatRequest, ResponseFormat } from "../../../wire/chat.ts";
import { gatewayError } from "../../../wire/errors.ts";
import type { JsonObject } from "../../../wire/json.ts";
import type { AskedOutside, ParsedByClient } from "../client.ts";
import { parseConversation } from "./client-contents.ts";
import { Reader, Refused } from "./client-reader.ts";
import { jsonSchemaOf } from "./client-schema.ts";
import { parseToolChoice, parseTools } from "./client-tools.ts";

const TOP_LEVEL = new Set(["contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "cachedContent", "continuationToken", "serviceTier", "store", "model", "spillway"]);
/** Read here, or noted by `ONLY_HERE`. */
const GENERATION = new Set([
  "maxOutputTokens", "temperature", "topP", "topK", "seed", "candidateCount", "stopSequences", "presencePenalty", "frequencyPenalty",
  "responseMimeType", "responseSchema", "responseJsonSchema", "responseLogprobs", "logprobs", "thinkingConfig", "responseModalities",
]);
/** Members of `generationConfig` that ask for another kind of answer. */
const ONLY_HERE = ["responseFormat", "speechConfig", "imageConfig", "translationConfig", "audioTranscriptionConfig"] as const;
const CONFIG = new Set<string>([...GENERATION, ...ONLY_HERE]);
const THINKING = new Set(["includeThoughts", "thinkingBudget", "thinkingLevel"]);
/** Budgets that stand for an effort: the same numbers as when an effort is sent to this dialect as a budget. */
const EFFORTS = [[0, "none"], [512, "minimal"], [1024, "low"], [8192, "medium"], [24_576, "high"]] as const;

/** Parse a body that is already JSON. Never throws. */
export function parseRequest(raw: JsonObject, outside: AskedOutside): ParsedByClient {
  const reader = new Reader();
  try {
    const request = parse(raw, outside, reader);
    return { kind: "request", request, warnings: [...reader.warnings], onlyHere: reader.onlyHere };
  } catch (refused) {
    if (refused instanceof Refused) return { kind: "error", error: refused.error };
    throw refused;
  }
}

function parse(raw: JsonObject, outside: AskedOutside, reader: Reader): ChatRequest {
  const model = outside.model?.replace(/^models\//, "");
  if (model === undefined || model === "") throw reader.missing("model", "the name of a model in the path");
  const stream = outside.stream ?? false;
  if (stream && !asksForEvents(outside.query)) {
    throw new Refused(gatewayError("invalid_body", "streamGenerateContent is served as server-sent events only: add ?alt=sse to the address.", { param: "alt" }));
  }
  const messages = parseConversation(raw, reader);
  const config = reader.object(raw, "generationConfig", "") ?? {};
  const at = reader.field(raw, "generationConfig", "").path;
  noteTheRest(raw, config, at, reader);
  const responseFormat = parseFormat(config, at, reader);
  const logprobs = reader.boolean(config, "responseLogprobs", at);
  return {
    surface: "gemini",
    model,
    messages,
    tools: parseTools(raw, reader),
    toolChoice: parseToolChoice(raw, reader),
    parallelToolCalls: undefined,
    maxOutputTokens: reader.integerFrom(1, config, "maxOutputTokens", at),
    temperature: reader.number(config, "temperature", at),
    topP: reader.number(config, "topP", at),
    topK: reader.number(config, "topK", at),
    seed: reader.number(config, "seed", at),
    presencePenalty: reader.number(config, "presencePenalty", at),
    frequencyPenalty: reader.number(config, "frequencyPenalty", at),
    choiceCount: reader.integerFrom(1, config, "candidateCount", at) ?? 1,
    stop: reader.strings(config, "stopSequences", at),
    responseFormat,
    ...parseThinking(config, at, reader),
    logprobs,
    topLogprobs: logprobs === true ? reader.integerFrom(0, config, "logprobs", at) : undefined,
    logitBias: undefined,
    serviceTier: parseTier(raw, reader),
    user: undefined,
    metadata: undefined,
    stream,
    includeUsage: stream,
    other: {},
  };
}

/** `alt=sse` in the query, also as `$alt` and percent-encoded. */
function asksForEvents(query: string): boolean {
  return query.split("&").some((pair) => /^(?:\$|%24)?alt=sse$/i.test(pair));
}

/** Did the client ask to see thoughts? Only then does an answer of this dialect hold any. */
export function wantsThoughts(raw: JsonObject): boolean {
  const reader = new Reader();
  try {
    const config = reader.object(raw, "generationConfig", "") ?? {};
    return reader.boolean(reader.object(config, "thinkingConfig", "") ?? {}, "includeThoughts", "") === true;
  } catch (refused) {
    if (refused instanceof Refused) return false;
    throw refused;
  }
}

/** What has no place in the hub: noted as possible only here where it changes the answer, else named in a warning. */
function noteTheRest(raw: JsonObject, config: JsonObject, at: string, reader: Reader): void {
  reader.warnUnknown(raw, TOP_LEVEL, "");
  for (const key of ["cachedContent", "continuationToken"]) {
    const { value, path } = reader.field(raw, key, "");
    if (value !== undefined && value !== "") reader.only(path, `${path} is known only to the provider that made it`);
  }
  if (reader.boolean(raw, "store", "") === true) reader.warn("store is carried only to providers of the same dialect");
  for (const key of ONLY_HERE) {
    const { value, path } = reader.field(config, key, at);
    if (value !== undefined) reader.only(path, `${path} is carried only to providers of the same dialect`);
  }
  reader.warnUnknown(config, CONFIG, at);
  const modalities = reader.strings(config, "responseModalities", at);
  const { path } = reader.field(config, "responseModalities", at);
  if (modalities.some((modality) => !/^(?:TEXT|MODALITY_UNSPECIFIED)$/i.test(modality))) {
    reader.only(path, "only text can be asked of providers of another dialect");
  }
}

function parseFormat(config: JsonObject, at: string, reader: Reader): ResponseFormat | undefined {
  const mimeType = reader.string(config, "responseMimeType", at);
  const restricted = reader.object(config, "responseSchema", at);
  const schema = reader.object(config, "responseJsonSchema", at) ?? (restricted === undefined ? undefined : jsonSchemaOf(restricted));
  if (mimeType !== undefined && mimeType !== "" && mimeType !== "text/plain" && mimeType !== "application/json") {
    reader.only(reader.field(config, "responseMimeType", at).path, `answers of type ${mimeType.slice(0, 60)} are given only by providers of the same dialect`);
    return undefined;
  }
  if (schema !== undefined && mimeType !== "text/plain") return { kind: "json_schema", name: "response", description: undefined, schema, strict: undefined };
  return mimeType === "application/json" ? { kind: "json_object" } : undefined;
}

type AskedThinking = Pick<ChatRequest, "reasoningEffort" | "thinking" | "reasoningShown">;

/** A level is an effort by another name, and so is a budget that stands for one; any other goes on as a budget. */
function parseThinking(config: JsonObject, at: string, reader: Reader): AskedThinking {
  const nothing = { reasoningEffort: undefined, thinking: undefined };
  const thinking = reader.object(config, "thinkingConfig", at);
  if (thinking === undefined) return nothing;
  const { path } = reader.field(config, "thinkingConfig", at);
  reader.warnUnknown(thinking, THINKING, path);
  const shown = reader.boolean(thinking, "includeThoughts", path) === true ? { reasoningShown: true as const } : {};
  const level = reader.string(thinking, "thinkingLevel", path)?.toLowerCase();
  if (level !== undefined && level !== "" && level !== "thinking_level_unspecified") return { ...nothing, ...shown, reasoningEffort: level };
  const budget = reader.number(thinking, "thinkingBudget", path);
  // -1: the model decides, as it does without being told.
  if (budget === undefined || budget < 0) return { ...nothing, ...shown };
  const effort = EFFORTS.find(([exact]) => exact === budget)?.[1];
  if (effort !== undefined) return { ...nothing, ...shown, reasoningEffort: effort };
  return { ...nothing, ...shown, thinking: { type: "enabled", budget_tokens: budget } };
}

function parseTier(raw: JsonObject, reader: Reader): string | undefined {
  const tier = reader.string(raw, "serviceTier", "")?.toLowerCase().replace(/^service_tier_/, "");
  if (tier === undefined || tier === "" || tier.includes("unspecified")) return undefined;
  return tier === "standard" ? "default" : tier;
}
