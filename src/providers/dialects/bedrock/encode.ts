/** A chat request of the hub as a body for `POST /model/{id}/converse` or `/converse-stream`. */
import type { ChatRequest } from "../../../wire/chat.ts";
import { asArray, type JsonObject } from "../../../wire/json.ts";
import { Draft, shown } from "../anthropic/draft.ts";
import type { EncodedRequest, Target, Unsupported } from "../dialect.ts";
import { withinOutputLimit } from "../foreign.ts";
import { encodeGeneration } from "./generation.ts";
import { encodeMessages } from "./messages.ts";
import { modelPath, renamesOf } from "./names.ts";
import { encodeTools } from "./tools.ts";
import { CachePoints, traitsOf, type Traits } from "./traits.ts";

/** Build the upstream request, or say what it asks that this dialect cannot do. */
export function encodeChat(asked: ChatRequest, target: Target): EncodedRequest | Unsupported {
  const draft = new Draft();
  const request = withinOutputLimit(asked, target, "bedrock-converse", (message) => draft.warn(message));
  const traits = traitsOf(target);
  const cache = new CachePoints(traits, draft);
  refuseMissing(request, draft);
  const { system, messages, toolsInHistory, toolTurnWithoutThinking } = encodeMessages(request.messages, traits, cache, draft);
  const { toolConfig, modelToolChoice, forced } = encodeTools(request, traits, toolsInHistory, cache, draft);
  const { inferenceConfig, modelFields, thinking } = encodeGeneration(request, target, traits, toolTurnWithoutThinking, draft);
  if (thinking && forced) draft.refuse("tool_choice", "a model that thinks cannot be forced to call a tool");
  const additional: JsonObject = { ...modelFields, ...(modelToolChoice !== undefined && { tool_choice: modelToolChoice }) };
  nameOthers(request.other, draft);
  const body: JsonObject = {
    messages,
    ...(system.length > 0 && { system }),
    ...(Object.keys(inferenceConfig).length > 0 && { inferenceConfig }),
    ...(toolConfig !== undefined && { toolConfig }),
    ...outputConfigOf(request, traits, draft),
    ...(Object.keys(additional).length > 0 && { additionalModelRequestFields: additional }),
    ...serviceTierOf(request, draft),
    ...requestMetadataOf(request, draft),
  };
  if (draft.refusal !== undefined) return draft.refusal;
  return {
    kind: "encoded",
    path: modelPath(target.upstreamModel, request.stream),
    body,
    headers: [],
    warnings: draft.warnings,
    renames: renamesOf(request.tools.flatMap((tool) => (tool.kind === "function" ? [tool.name] : []))),
  };
}

/** Fields of the hub that have no counterpart and would change the answer. Values that ask for nothing pass. */
function refuseMissing(request: ChatRequest, draft: Draft): void {
  const refuse = (param: string) => draft.refuse(param, `this model has no ${param} here`);
  if (request.choiceCount > 1) draft.refuse("n", "this model gives one choice per request");
  // A seed is a wish for repeatable answers that no maker guarantees: not worth losing a healthy fallback over.
  if (request.seed !== undefined) draft.warn("seed was left out: this model has none");
  if ((request.presencePenalty ?? 0) !== 0) refuse("presence_penalty");
  if ((request.frequencyPenalty ?? 0) !== 0) refuse("frequency_penalty");
  if (Object.keys(request.logitBias ?? {}).length > 0) refuse("logit_bias");
  if (request.logprobs === true) refuse("logprobs");
  if ((request.topLogprobs ?? 0) > 0) refuse("top_logprobs");
}

function outputConfigOf(request: ChatRequest, traits: Traits, draft: Draft): JsonObject {
  const format = request.responseFormat;
  if (format === undefined || format.kind === "text") return {};
  if (format.kind === "json_object") {
    draft.refuse("response_format", "this model has no json_object mode");
    return {};
  }
  if (!traits.schema) {
    draft.refuse("response_format", "this model cannot be held to a JSON schema here");
    return {};
  }
  if (format.schema === undefined) {
    draft.refuse("response_format.json_schema.schema", "this model needs the schema itself");
    return {};
  }
  const jsonSchema = { schema: JSON.stringify(format.schema), name: format.name, ...(format.description !== undefined && { description: format.description }) };
  return { outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema } } } };
}

/** What serves, and at what price; `auto` and `standard_only` ask for what comes without being asked. */
const TIERS = new Set(["default", "flex", "priority", "reserved"]);

function serviceTierOf(request: ChatRequest, draft: Draft): JsonObject {
  const tier = request.serviceTier;
  if (tier === undefined || tier === "auto" || tier === "standard_only") return {};
  if (TIERS.has(tier)) return { serviceTier: { type: tier } };
  draft.warn(`service_tier ${shown(tier)} has no counterpart and was left out`);
  return {};
}

const METADATA_MAX = 16;
const METADATA_TEXT = /^[a-zA-Z0-9\s:_@$#=/+,.-]*$/;

/** Labels for the host's own invocation logs: short plain texts only. */
function requestMetadataOf(request: ChatRequest, draft: Draft): JsonObject {
  const asked = Object.entries({ ...request.metadata, ...(request.user !== undefined && { user: request.user }) });
  const taken: [string, string][] = [];
  const left: string[] = [];
  for (const [key, value] of asked) {
    const fits = typeof value === "string" && key !== "" && key.length <= 256 && value.length <= 256 && METADATA_TEXT.test(key) && METADATA_TEXT.test(value);
    if (fits && taken.length < METADATA_MAX) taken.push([key, value]);
    else if (value !== null && value !== undefined) left.push(shown(key));
  }
  if (left.length > 0) draft.warn(`metadata that does not fit was left out: ${left.slice(0, 8).join(", ")}`);
  return taken.length === 0 ? {} : { requestMetadata: Object.fromEntries(taken) };
}

/** Fields that would change who answers, where, or what an answer is: better refused than left out. */
const REFUSED_FIELDS: Readonly<Record<string, string>> = {
  audio: "this model gives no audio",
  functions: "functions is not carried to this model; tools is",
  function_call: "function_call is not carried to this model; tool_choice is",
  web_search_options: "web search is not carried to this model",
};

/** Everything else that was sent is refused or named. */
function nameOthers(other: JsonObject, draft: Draft): void {
  const left: string[] = [];
  for (const [key, value] of Object.entries(other)) {
    if (value === null || value === undefined) continue;
    if (Object.hasOwn(REFUSED_FIELDS, key)) draft.refuse(key, REFUSED_FIELDS[key] ?? key);
    else if (key === "modalities" && asArray(value).every((modality) => modality === "text")) continue;
    else if (key === "modalities") draft.refuse(key, "this model answers in text only");
    else left.push(shown(key));
  }
  if (left.length > 0) draft.warn(`no counterpart, left out: ${left.slice(0, 32).join(", ")}${left.length > 32 ? ` and ${left.length - 32} more` : ""}`);
}
