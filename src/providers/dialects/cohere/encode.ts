/** Hub request → POST /v2/chat. */
import type { ChatRequest, Tool } from "../../../wire/chat.ts";
import { asNumber, type Json, type JsonObject } from "../../../wire/json.ts";
import { Draft, shown } from "../anthropic/draft.ts";
import type { EncodedRequest, Target, Unsupported } from "../dialect.ts";
import { askedEffort } from "../efforts.ts";
import { withinOutputLimit } from "../foreign.ts";
import { encodeMessages } from "./messages.ts";
import { renamesOf, upstreamToolName } from "./names.ts";

const MOST_STOPS = 5;
/** Fields of this API that a client of another may send along; they go as they are. */
const NATIVE_FIELDS = new Set(["documents", "citation_options", "safety_mode", "strict_tools", "priority"]);
/** Fields of other surfaces that change what is asked for so much that leaving them out would be another request. */
const REFUSED_FIELDS = new Set(["web_search_options", "functions", "function_call", "audio", "tool_choice", "response_format"]);
/** Tokens of thinking by effort; above these the model decides. */
const BUDGET_TOKENS: Readonly<Record<string, number>> = { minimal: 512, low: 1_024, medium: 8_192 };

type FunctionTool = Extract<Tool, { kind: "function" }>;

/** Build the upstream request, or say which field this target cannot serve. Base URLs end in the version (`…/v2`). */
export function encodeChat(asked: ChatRequest, target: Target): EncodedRequest | Unsupported {
  const draft = new Draft();
  const request = withinOutputLimit(asked, target, "cohere-v2", (message) => draft.warn(message));
  const thinking = encodeThinking(request, target, draft);
  const tools = encodeTools(request, draft);
  const format = encodeFormat(request, tools.length > 0 && request.toolChoice?.kind !== "none", draft);
  const body = defined({
    ...nativeFields(request, draft),
    model: target.upstreamModel,
    messages: encodeMessages(request, takesThinking(target, thinking), draft),
    tools: tools.length === 0 ? undefined : tools.map(encodeTool),
    strict_tools: strictTools(request, tools, draft),
    tool_choice: encodeToolChoice(request),
    response_format: format,
    max_tokens: request.maxOutputTokens,
    stop_sequences: request.stop.length === 0 ? undefined : request.stop,
    ...encodeSampling(request, draft),
    logprobs: request.logprobs,
    thinking,
    stream: request.stream ? true : undefined,
  });
  noteTheRest(request, draft);
  if (draft.refusal !== undefined) return draft.refusal;
  const renames = renamesOf(tools.map(({ name }) => name));
  return { kind: "encoded", path: "/chat", body, headers: [], warnings: draft.warnings, ...(Object.keys(renames).length > 0 && { renames }) };
}

/** The tools that the choice leaves: where the API cannot name one, offering no other says the same. */
function encodeTools(request: ChatRequest, draft: Draft): readonly FunctionTool[] {
  const functions: FunctionTool[] = [];
  request.tools.forEach((tool, at) => {
    if (tool.kind === "function") functions.push(tool);
    else draft.refuse(`tools[${at}].type`, `tools of type ${shown(tool.type)} cannot be sent to this provider`);
  });
  const choice = request.toolChoice;
  if (request.parallelToolCalls === false) draft.warn("parallel_tool_calls: false is not carried: the model may make several calls");
  if (choice?.kind !== "named" && choice?.kind !== "allowed") return functions;
  const names = choice.kind === "named" ? [choice.name] : choice.names;
  const offered = functions.filter((tool) => names.includes(tool.name));
  if (offered.length === 0) draft.refuse("tool_choice", "tool_choice names no tool of the request");
  else if (offered.length < functions.length) draft.warn("tool_choice is carried by offering only the tools that it names");
  return offered;
}

function encodeTool(tool: FunctionTool): JsonObject {
  const { description, parameters } = tool;
  const name = upstreamToolName(tool.name);
  return { type: "function", function: defined({ name, description, parameters: parameters ?? { type: "object", properties: {} } }) };
}

/** Strictness is of all tools or of none. */
function strictTools(request: ChatRequest, tools: readonly FunctionTool[], draft: Draft): Json | undefined {
  if (tools.some((tool) => tool.cacheControl !== undefined)) draft.warn("cache_control is not carried: this provider caches prefixes by itself");
  const strict = tools.filter((tool) => tool.strict === true).length;
  if (strict > 0 && strict === tools.length) return true;
  if (strict > 0) draft.warn("strict is not carried: this provider has it for all tools or for none");
  return request.other["strict_tools"];
}

function encodeToolChoice(request: ChatRequest): string | undefined {
  const choice = request.toolChoice;
  if (choice === undefined || choice.kind === "auto") return undefined;
  if (choice.kind === "none") return request.tools.length === 0 ? undefined : "NONE";
  return choice.kind === "allowed" && choice.mode === "auto" ? undefined : "REQUIRED";
}

/** A schema is always kept to here, so `strict` needs no word of its own; the name of a schema is a mere label. */
function encodeFormat(request: ChatRequest, offersTools: boolean, draft: Draft): JsonObject | undefined {
  const format = request.responseFormat;
  if (format === undefined || format.kind === "text") return undefined;
  if (offersTools) draft.refuse("response_format", "this provider cannot combine tools with a JSON response format");
  if (request.other["documents"] !== undefined) draft.refuse("response_format", "this provider cannot combine documents with a JSON response format");
  if (format.kind === "json_object" || format.schema === undefined) return { type: "json_object" };
  const described = format.description === undefined ? format.schema : { description: format.description, ...format.schema };
  return { type: "json_object", json_schema: described };
}

/** Sampling within the API's ranges: a value outside would be refused, so the nearest one goes and is told. */
function encodeSampling(request: ChatRequest, draft: Draft): JsonObject {
  const within = (field: string, value: number | undefined, least: number, most: number): number | undefined => {
    if (value === undefined) return undefined;
    const sent = Math.min(most, Math.max(least, value));
    if (sent !== value) draft.warn(`${field} ${value} was sent as ${sent}, the nearest that this provider takes`);
    return sent;
  };
  return {
    temperature: within("temperature", request.temperature, 0, 1),
    p: within("top_p", request.topP, 0.01, 0.99),
    k: within("top_k", request.topK, 0, 500),
    presence_penalty: within("presence_penalty", request.presencePenalty, 0, 1),
    frequency_penalty: within("frequency_penalty", request.frequencyPenalty, 0, 1),
    seed: request.seed,
  };
}

/** `thinking` from the client's own, else from an effort; undefined where nothing was asked. */
function encodeThinking(request: ChatRequest, target: Target, draft: Draft): JsonObject | undefined {
  const { reasoningEffort: effort, thinking } = request;
  if (effort === undefined && thinking === undefined) return undefined;
  const asking = askedEffort(request);
  if (asking?.lost !== undefined) draft.warn(asking.lost);
  const off = asking?.effort === "none";
  if (target.model?.reasoning === false) {
    if (!off) draft.warn(`${effort === undefined ? "thinking" : "reasoning_effort"} was left out: the model does not reason`);
    return undefined;
  }
  if (off) return { type: "disabled" };
  const asked = effort === undefined ? asNumber(thinking?.["budget_tokens"]) : BUDGET_TOKENS[effort];
  if (asked === undefined) return { type: "enabled" };
  // Half of the output stays for the answer where only an effort was asked.
  const room = effort === undefined || request.maxOutputTokens === undefined ? asked : Math.max(1, Math.floor(request.maxOutputTokens / 2));
  return { type: "enabled", token_budget: Math.min(asked, room) };
}

function takesThinking(target: Target, thinking: JsonObject | undefined): boolean {
  return target.model?.reasoning === true || thinking?.["type"] === "enabled";
}

function nativeFields(request: ChatRequest, draft: Draft): JsonObject {
  const native: { [key: string]: Json | undefined } = {};
  for (const [key, value] of Object.entries(request.other)) {
    if (value === null || value === undefined || saysNothing(key, value)) continue;
    if (NATIVE_FIELDS.has(key)) native[key] = value;
    else if (REFUSED_FIELDS.has(key)) draft.refuse(key, `this provider has no ${key} of this form`);
    else if (key === "modalities") draft.refuse(key, "only text can be asked of this provider");
    else draft.warn(`${shown(key)} is not carried`);
  }
  return native;
}

/** Values that ask for what happens anyway. */
function saysNothing(key: string, value: Json): boolean {
  if (key === "store") return value === false;
  return key === "modalities" && Array.isArray(value) && value.length === 1 && value[0] === "text";
}

/** Everything else that has no place upstream. */
function noteTheRest(request: ChatRequest, draft: Draft): void {
  if (request.choiceCount !== 1) draft.refuse("n", "this provider gives one answer a request");
  if (request.stop.length > MOST_STOPS) draft.refuse("stop", `this provider takes at most ${MOST_STOPS} stop sequences`);
  if (request.logitBias !== undefined && Object.keys(request.logitBias).length > 0) draft.refuse("logit_bias", "this provider has no logit_bias");
  if ((request.topLogprobs ?? 0) > 0) draft.refuse("top_logprobs", "this provider gives the log probability of the chosen token only");
  const tier = request.serviceTier;
  if (tier !== undefined && tier !== "auto" && tier !== "default") draft.warn(`service_tier ${shown(tier)} is not carried`);
  if (request.user !== undefined) draft.warn("user is not carried");
  if (request.metadata !== undefined && Object.keys(request.metadata).length > 0) draft.warn("metadata is not carried");
}

function defined(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
