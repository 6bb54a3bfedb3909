/** The Response object around the output: what it echoes of the request, usage, errors. */
import type { GatewayError } from "../../../wire/errors.ts";
import type { FinishReason } from "../../../wire/events.ts";
import { asArray, asNumber, asString, isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { cacheWriteTokens, inputTokens, outputTokens } from "../../../wire/usage.ts";
import type { Usage } from "../../../wire/usage.ts";
import type { ClientHead } from "../client.ts";
import { responseId } from "./client-ids.ts";

const SERVICE_TIERS = ["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];

/** Nothing was used when an answer opens; its description allows no null there. */
export const NO_USAGE: JsonObject = usageObject({}, 0, 0);

/** How an answer ended: its status and why it is not whole. */
export function endingOf(finish: FinishReason | undefined): { readonly status: "completed" | "incomplete"; readonly details: JsonObject | null } {
  if (finish === "length" || finish === "error") return { status: "incomplete", details: { reason: "max_output_tokens" } };
  if (finish === "content_filter") return { status: "incomplete", details: { reason: "content_filter" } };
  return { status: "completed", details: null };
}

/** Of whom and what an answer is. */
export type ResponseHead = Omit<ClientHead, "request">;

/** The members that change in the course of an answer. */
export interface ResponseState {
  readonly status: "queued" | "in_progress" | "completed" | "incomplete" | "failed";
  readonly error: JsonObject | null;
  readonly incompleteDetails: JsonObject | null;
  readonly output: readonly JsonObject[];
  readonly usage: JsonObject | null;
  /** The tier that the upstream told. */
  readonly serviceTier: string | undefined;
}

/** The members of a Response that its course decides. */
export function changingMembers(head: ResponseHead, state: ResponseState): JsonObject {
  return {
    id: responseId(head.requestId),
    object: "response",
    created_at: head.createdS,
    status: state.status,
    completed_at: state.status === "completed" ? nowS(head) : null,
    error: state.error,
    incomplete_details: state.incompleteDetails,
    model: head.model,
    output: state.output,
    service_tier: tierOf(state.serviceTier ?? asString(head.raw["service_tier"])),
    usage: state.usage,
  };
}

/** The members of a Response that repeat what was asked, with the API's defaults where nothing was. */
export function echoedMembers(head: ResponseHead): JsonObject {
  const { raw } = head;
  const reasoning = isObject(raw["reasoning"]) ? raw["reasoning"] : {};
  const text = isObject(raw["text"]) ? raw["text"] : {};
  return {
    background: raw["background"] === true,
    instructions: raw["instructions"] ?? null,
    max_output_tokens: raw["max_output_tokens"] ?? null,
    max_tool_calls: raw["max_tool_calls"] ?? null,
    metadata: raw["metadata"] ?? {},
    parallel_tool_calls: raw["parallel_tool_calls"] ?? true,
    presence_penalty: raw["presence_penalty"] ?? 0,
    frequency_penalty: raw["frequency_penalty"] ?? 0,
    previous_response_id: raw["previous_response_id"] ?? null,
    prompt_cache_key: raw["prompt_cache_key"] ?? null,
    reasoning: { effort: reasoning["effort"] ?? null, summary: reasoning["summary"] ?? reasoning["generate_summary"] ?? null },
    safety_identifier: raw["safety_identifier"] ?? null,
    store: raw["store"] !== false,
    temperature: raw["temperature"] ?? 1,
    text: { format: formatOf(text["format"]), ...(asString(text["verbosity"]) === undefined ? {} : { verbosity: text["verbosity"] }) },
    tool_choice: raw["tool_choice"] ?? "auto",
    tools: asArray(raw["tools"]).map(toolOf),
    top_logprobs: raw["top_logprobs"] ?? 0,
    top_p: raw["top_p"] ?? 1,
    truncation: raw["truncation"] ?? "disabled",
    ...(asString(raw["user"]) === undefined ? {} : { user: raw["user"] }),
    ...(head.simulated ? { system_fingerprint: "spillway-simulated" } : {}),
  };
}

/** An answer that is read whole is made and completed at once. */
function nowS({ clock, createdS }: ResponseHead): number {
  return clock === undefined ? createdS : Math.floor(clock.wallMs() / 1000);
}

/** A tier that clients of this dialect do not know is told as the default. */
function tierOf(tier: string | undefined): string {
  return tier !== undefined && tier !== "auto" && SERVICE_TIERS.includes(tier) ? tier : "default";
}

/** The two descriptions of the dialect agree on a text here and not on null. */
function formatOf(format: Json | undefined): Json {
  if (!isObject(format)) return { type: "text" };
  if (format["type"] !== "json_schema") return format;
  return { ...format, description: format["description"] ?? "", strict: format["strict"] ?? false };
}

/** Functions with all the members that a description of the answer demands; other tools as they were sent. */
function toolOf(tool: Json): Json {
  if (!isObject(tool) || tool["type"] !== "function") return tool;
  return { ...tool, description: tool["description"] ?? null, parameters: tool["parameters"] ?? null, strict: tool["strict"] ?? null };
}

/** Usage in this dialect: input and output are sums of all classes, details tell them apart again. */
export function encodeUsage(usage: Usage): JsonObject {
  return usageObject(
    { cached_tokens: usage.units.cache_read, cache_write_tokens: cacheWriteTokens(usage.units), reasoning_tokens: usage.units.reasoning },
    inputTokens(usage.units),
    outputTokens(usage.units),
  );
}

function usageObject(details: JsonObject, input: number, output: number): JsonObject {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: asNumber(details["cached_tokens"]) ?? 0, cache_write_tokens: asNumber(details["cache_write_tokens"]) ?? 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: asNumber(details["reasoning_tokens"]) ?? 0 },
    total_tokens: input + output,
  };
}

/** `response.error`: one of the few codes that the dialect has there. */
export function responseError(error: GatewayError): JsonObject {
  return { code: codeOf(error), message: error.message };
}

function codeOf({ code }: GatewayError): string {
  switch (code) {
    case "rate_limited":
    case "low_importance":
    case "upstream_rate_limited":
    case "too_many_requests_in_flight":
      return "rate_limit_exceeded";
    case "context_length_exceeded":
      // Not in the description's list, but what agents know it by: they compact the conversation then.
      return code;
    case "upstream_bad_request":
    case "upstream_content_policy":
    case "unsupported_parameter":
      return "invalid_prompt";
    default:
      return "server_error";
  }
}
