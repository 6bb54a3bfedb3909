/** A chat request of the hub as a body for `POST /responses`, without any state kept at the provider. */
import type { ChatRequest } from "../../../wire/chat.ts";
import { asArray, isObject, type JsonObject } from "../../../wire/json.ts";
import { Draft, shown } from "../anthropic/draft.ts";
import type { EncodedRequest, Target, Unsupported } from "../dialect.ts";
import { withinOutputLimit } from "../foreign.ts";
import { applyFieldRules } from "../openai/field-rules.ts";
import { refusesSampling } from "../openai/sampling.ts";
import { encodeInput } from "./encode-input.ts";
import { renamesOf, upstreamUser } from "./encode-names.ts";
import { encodeReasoning } from "./encode-reasoning.ts";
import { encodeTools } from "./encode-tools.ts";

/** Build the upstream request, or say what it asks that this dialect cannot do; see `Dialect.encodeChat`. */
export function encodeChat(asked: ChatRequest, target: Target): EncodedRequest | Unsupported {
  const draft = new Draft();
  const request = withinOutputLimit(asked, target, "openai-responses", (message) => draft.warn(message));
  refuseMissing(request, draft);
  const { reasoning, encrypted, effort } = encodeReasoning(request, target, draft);
  const include = [
    ...(encrypted ? ["reasoning.encrypted_content"] : []),
    ...(request.logprobs === true ? ["message.output_text.logprobs"] : []),
  ];
  const body: JsonObject = {
    model: target.upstreamModel,
    input: encodeInput(request.messages, target, draft),
    ...encodeTools(request, draft),
    ...(request.maxOutputTokens !== undefined && { max_output_tokens: request.maxOutputTokens }),
    ...(reasoning !== undefined && { reasoning }),
    ...textOf(request, draft),
    ...samplingOf(request, target, effort, draft),
    ...(request.logprobs === true && request.topLogprobs !== undefined && { top_logprobs: request.topLogprobs }),
    ...serviceTierOf(request, draft),
    ...metadataOf(request, draft),
    ...(request.user !== undefined && { safety_identifier: upstreamUser(request.user) }),
    ...otherOf(request, draft),
    ...(include.length > 0 && { include }),
    // The provider's default is to keep every conversation; nobody asked it to.
    store: false,
    ...(request.stream && { stream: true }),
  };
  if (draft.refusal !== undefined) return draft.refusal;
  const warnings = [...draft.warnings];
  const ruled = applyFieldRules(body, target.provider.quirks.fields ?? {}, target.provider.name, warnings);
  if (ruled.kind === "unsupported") return ruled;
  const renames = renamesOf(request.tools.flatMap((tool) => (tool.kind === "function" ? [tool.name] : [])));
  return {
    kind: "encoded",
    path: "/responses",
    body: ruled.body,
    headers: [],
    warnings,
    ...(Object.keys(renames).length > 0 && { renames }),
  };
}

/** The API's least output limit. To raise a smaller one would cost more than was asked for. */
const MIN_OUTPUT_TOKENS = 16;

/** Fields of the hub that have no counterpart and would change the answer. Values that ask for nothing pass. */
function refuseMissing(request: ChatRequest, draft: Draft): void {
  const refuse = (param: string) => draft.refuse(param, `this model has no ${param} over this protocol`);
  if (request.maxOutputTokens !== undefined && request.maxOutputTokens < MIN_OUTPUT_TOKENS) {
    draft.refuse("max_completion_tokens", `this model takes no output limit below ${MIN_OUTPUT_TOKENS} tokens`);
  }
  if (request.choiceCount > 1) draft.refuse("n", "this model gives one choice per request");
  if (request.stop.length > 0) refuse("stop");
  if ((request.presencePenalty ?? 0) !== 0) refuse("presence_penalty");
  if ((request.frequencyPenalty ?? 0) !== 0) refuse("frequency_penalty");
  if (Object.keys(request.logitBias ?? {}).length > 0) refuse("logit_bias");
  if (request.logprobs !== true && (request.topLogprobs ?? 0) > 0) refuse("top_logprobs");
  // A seed is a wish for repeatable answers that no maker guarantees: not worth losing a healthy fallback over.
  if (request.seed !== undefined) draft.warn("seed was left out: this model has none");
  if (request.topK !== undefined) draft.warn("top_k was left out: this model has none");
}

/** `text`: the format, and the verbosity that the chat protocol has at its top level. */
function textOf(request: ChatRequest, draft: Draft): JsonObject {
  const format = formatOf(request, draft);
  const verbosity = request.other["verbosity"] ?? undefined;
  if (format === undefined && verbosity === undefined) return {};
  return { text: { ...(format !== undefined && { format }), ...(verbosity !== undefined && { verbosity }) } };
}

function formatOf(request: ChatRequest, draft: Draft): JsonObject | undefined {
  const format = request.responseFormat;
  if (format === undefined) {
    if (isObject(request.other["response_format"])) draft.refuse("response_format", "a format of this type is not carried to this model");
    return undefined;
  }
  if (format.kind !== "json_schema") return { type: format.kind };
  const { name, description, schema, strict } = format;
  if (schema === undefined) {
    draft.refuse("response_format.json_schema.schema", "this model needs the schema itself");
    return undefined;
  }
  return {
    type: "json_schema",
    name,
    ...(description !== undefined && { description }),
    schema,
    ...(strict !== undefined && { strict }),
  };
}

function samplingOf(request: ChatRequest, target: Target, effort: string | undefined, draft: Draft): JsonObject {
  const { temperature, topP } = request;
  if (refusesSampling(target, effort)) {
    // 1 is what a model does without being told: leaving it out changes nothing.
    if (temperature !== undefined && temperature !== 1) draft.warn("temperature was left out: the model refuses it");
    if (topP !== undefined && topP !== 1) draft.warn("top_p was left out: the model refuses it");
    return {};
  }
  return { ...(temperature !== undefined && { temperature }), ...(topP !== undefined && { top_p: topP }) };
}

const SERVICE_TIERS = new Set(["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"]);

function serviceTierOf(request: ChatRequest, draft: Draft): JsonObject {
  const tier = request.serviceTier;
  if (tier === undefined) return {};
  if (SERVICE_TIERS.has(tier)) return { service_tier: tier };
  if (tier === "standard_only") return { service_tier: "default" };
  draft.warn(`service_tier ${shown(tier)} has no counterpart and was left out`);
  return {};
}

/** The API takes strings only, of bounded length. */
function metadataOf(request: ChatRequest, draft: Draft): JsonObject {
  const entries = Object.entries(request.metadata ?? {});
  const fit = entries.filter(([key, value]) => key.length <= 64 && typeof value === "string" && value.length <= 512).slice(0, 16);
  if (fit.length < entries.length) draft.warn("metadata that is not 16 short strings at most was left out");
  return fit.length === 0 ? {} : { metadata: Object.fromEntries(fit) };
}

/** Fields that mean the same in both of this maker's protocols. */
const SAME_FIELDS = new Set(["prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "moderation"]);

/** Fields that would change who answers, from what, or what an answer is: better refused than left out. */
const REFUSED_FIELDS = new Set([
  "audio", "functions", "function_call", "web_search_options", "previous_response_id", "conversation", "prompt", "background",
  "search_parameters", "plugins", "models", "context_management",
]);

/** Carried by others of these functions. */
const DONE_FIELDS = new Set(["verbosity", "tool_choice", "response_format"]);

/** Everything else that was sent: carried, refused or named. */
function otherOf(request: ChatRequest, draft: Draft): JsonObject {
  const carried: Record<string, JsonObject[string]> = {};
  const left: string[] = [];
  for (const [key, value] of Object.entries(request.other)) {
    if (value === null || value === undefined || DONE_FIELDS.has(key)) continue;
    if (SAME_FIELDS.has(key)) carried[key] = value;
    else if (key === "stream_options") {
      Object.assign(carried, streamOptionsOf(value, request.stream));
      if (isObject(value)) left.push(...Object.keys(value).filter((name) => name !== "include_obfuscation").map((name) => `stream_options.${shown(name)}`));
    }
    else if (key === "modalities" && asArray(value).every((modality) => modality === "text")) continue;
    else if ((key === "store" || key === "background") && value === false) continue;
    else if (key === "modalities") draft.refuse(key, "this model answers in text only over this protocol");
    else if (REFUSED_FIELDS.has(key)) draft.refuse(key, `${key} is not carried to this model`);
    else if (key === "store") draft.warn("store was sent as false: answers are not kept at the provider");
    else left.push(shown(key));
  }
  if (left.length > 0) {
    draft.warn(`no counterpart, left out: ${left.slice(0, 32).join(", ")}${left.length > 32 ? ` and ${left.length - 32} more` : ""}`);
  }
  return carried;
}

/** Usage comes unasked here; only the padding of events can be chosen. */
function streamOptionsOf(options: JsonObject[string], stream: boolean): JsonObject {
  const padding = isObject(options) ? options["include_obfuscation"] : undefined;
  return stream && typeof padding === "boolean" ? { stream_options: { include_obfuscation: padding } } : {};
}
