/** A chat request of the hub as a body for `POST /messages`, version 2023-06-01, with fields of that version only. */
import type { ChatRequest } from "../../../wire/chat.ts";
import { asArray, asString, type Json, type JsonObject } from "../../../wire/json.ts";
import type { EncodedRequest, Target, Unsupported } from "../dialect.ts";
import { withinOutputLimit } from "../foreign.ts";
import { Draft, shown } from "./draft.ts";
import { generationOf } from "./generation.ts";
import { encodeMessages } from "./messages.ts";
import { renamesOf } from "./names.ts";
import { encodeSampling, encodeThinking } from "./thinking.ts";
import { encodeTools } from "./tools.ts";

export const API_VERSION = "2023-06-01";
/** `max_tokens` is required; this stands in where neither the client nor the catalogue says one. */
const GUESSED_MAX_TOKENS = 4_096;

/** Build the upstream request, or say what it asks that this dialect cannot do. */
export function encodeChat(asked: ChatRequest, target: Target): EncodedRequest | Unsupported {
  const draft = new Draft();
  const request = withinOutputLimit(asked, target, "anthropic-messages", (message) => draft.warn(message));
  const model = generationOf(target);
  refuseMissing(request, draft);
  const { system, messages, toolTurnWithoutThinking } = encodeMessages(request.messages, draft);
  const { tools, toolChoice, forced } = encodeTools(request, draft);
  const maxTokens = maxTokensOf(request, target, draft);
  const { thinking, effort, on } = encodeThinking(request, model, maxTokens, toolTurnWithoutThinking, draft);
  if (on && forced) draft.refuse("tool_choice", "a model that thinks cannot be forced to call a tool");
  const outputConfig: JsonObject = { ...(effort !== undefined && { effort }), ...formatOf(request, target, draft) };
  const body: JsonObject = {
    model: target.upstreamModel,
    max_tokens: maxTokens,
    ...(system.length > 0 && { system }),
    ...(tools.length > 0 && { tools }),
    ...(toolChoice !== undefined && { tool_choice: toolChoice }),
    messages,
    ...(thinking !== undefined && { thinking }),
    ...(Object.keys(outputConfig).length > 0 && { output_config: outputConfig }),
    ...encodeSampling(request, model, on, draft),
    ...stopOf(request, draft),
    ...metadataOf(request, draft),
    ...serviceTierOf(request, draft),
    ...otherOf(request.other, draft),
    ...(request.stream && { stream: true }),
  };
  if (draft.refusal !== undefined) return draft.refusal;
  return {
    kind: "encoded",
    path: "/messages",
    body,
    headers: [["anthropic-version", API_VERSION]],
    warnings: draft.warnings,
    renames: renamesOf(request.tools.flatMap((tool) => (tool.kind === "function" ? [tool.name] : []))),
  };
}

/** Fields of the hub that have no counterpart and would change the answer. Values that ask for nothing pass. */
function refuseMissing(request: ChatRequest, draft: Draft): void {
  const refuse = (param: string) => draft.refuse(param, `this model has no ${param}`);
  if (request.choiceCount > 1) draft.refuse("n", "this model gives one choice per request");
  // A seed is a wish for repeatable answers that no maker guarantees: not worth losing a healthy fallback over.
  if (request.seed !== undefined) draft.warn("seed was left out: this model has none");
  if ((request.presencePenalty ?? 0) !== 0) refuse("presence_penalty");
  if ((request.frequencyPenalty ?? 0) !== 0) refuse("frequency_penalty");
  if (Object.keys(request.logitBias ?? {}).length > 0) refuse("logit_bias");
  if (request.logprobs === true) refuse("logprobs");
  if ((request.topLogprobs ?? 0) > 0) refuse("top_logprobs");
}

function maxTokensOf(request: ChatRequest, target: Target, draft: Draft): number {
  const known = request.maxOutputTokens ?? target.maxOutput ?? target.model?.maxOutput;
  if (known !== undefined && known !== null) return known;
  const budget = request.thinking?.budget_tokens;
  const guess = GUESSED_MAX_TOKENS + (typeof budget === "number" && budget > 0 ? budget : 0);
  draft.warn(`max_tokens was set to ${guess}: the request has none and the model's maximum is not known`);
  return guess;
}

function formatOf(request: ChatRequest, target: Target, draft: Draft): JsonObject {
  const format = request.responseFormat;
  if (format === undefined || format.kind === "text") return {};
  if (format.kind === "json_object") {
    draft.refuse("response_format", "this model has no json_object mode; response_format json_schema works");
    return {};
  }
  if (target.model?.jsonSchema === false) draft.refuse("response_format", "this model cannot be held to a JSON schema");
  if (format.schema === undefined) {
    draft.refuse("response_format.json_schema.schema", "this model needs the schema itself");
    return {};
  }
  if (format.description !== undefined) draft.warn("response_format.json_schema.description has no counterpart and was left out");
  return { format: { type: "json_schema", schema: format.schema } };
}

/** The API refuses stop sequences without a visible character, a common one being a line break. */
function stopOf(request: ChatRequest, draft: Draft): JsonObject {
  if (request.stop.some((stop) => stop.trim() === "")) draft.refuse("stop", "this model takes no stop sequence of nothing but white space");
  return request.stop.length > 0 ? { stop_sequences: request.stop } : {};
}

function metadataOf(request: ChatRequest, draft: Draft): JsonObject {
  const { user_id: ownId, ...rest } = request.metadata ?? {};
  const userId = request.user ?? asString(ownId);
  const left = Object.keys(rest);
  if (left.length > 0) draft.warn(`metadata (${left.slice(0, 8).map(shown).join(", ")}) has no counterpart and was left out`);
  return userId === undefined ? {} : { metadata: { user_id: userId } };
}

function serviceTierOf(request: ChatRequest, draft: Draft): JsonObject {
  const tier = request.serviceTier;
  if (tier === undefined) return {};
  if (tier === "auto") return { service_tier: tier };
  // No other capacity than the ordinary: the hub's word for it is `default`.
  if (tier === "default" || tier === "standard_only") return { service_tier: "standard_only" };
  draft.warn(`service_tier ${shown(tier)} has no counterpart and was left out`);
  return {};
}

/** Fields that would change who answers, where, or what an answer is: better refused than left out. */
const REFUSED_FIELDS: Readonly<Record<string, string>> = {
  audio: "this model gives no audio",
  functions: "functions is not carried to this model; tools is",
  function_call: "function_call is not carried to this model; tool_choice is",
  web_search_options: "web search is not carried to this model",
  inference_geo: "inference_geo is not carried to this model by the chat surface",
};

/** Everything else that was sent: carried, refused or named. */
function otherOf(other: JsonObject, draft: Draft): JsonObject {
  const left: string[] = [];
  let cacheControl: Json | undefined;
  for (const [key, value] of Object.entries(other)) {
    if (value === null || value === undefined) continue;
    if (key === "cache_control") cacheControl = value;
    else if (Object.hasOwn(REFUSED_FIELDS, key)) draft.refuse(key, REFUSED_FIELDS[key] ?? key);
    else if (key === "modalities" && asArray(value).every((modality) => modality === "text")) continue;
    else if (key === "modalities") draft.refuse(key, "this model answers in text only");
    else left.push(shown(key));
  }
  if (left.length > 0) draft.warn(`no counterpart, left out: ${left.slice(0, 32).join(", ")}${left.length > 32 ? ` and ${left.length - 32} more` : ""}`);
  return cacheControl === undefined ? {} : { cache_control: cacheControl };
}
