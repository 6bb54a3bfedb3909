/**
 * What a request needs of a model beyond plain chat, told once, and what becomes of a candidate that lacks it: left out
 * with a reason, made up for, or served without a field that is only a wish. Most requests need nothing, and pay nothing.
 */
import type { Capability, CapabilityTable, ToldCapabilities } from "../wire/capability.ts";
import type { ChatRequest, Part } from "../wire/chat.ts";
import type { DialectId, SurchargedFeature } from "../wire/facts.ts";

export interface Need {
  readonly capability: Capability;
  /** The field that asks for it, as a client would write it. */
  readonly param: string;
  /** If it is missing: the candidate is left out, it is made up for, or the field is left out with a warning. */
  readonly missing: "skip" | "emulate" | "drop";
  /**
   * Where that counts: `passed`: only where the client's bytes reach the target as they are; `foreign`: only elsewhere; `told`: only
   * where the model's owner says so. What the owner says counts everywhere.
   */
  readonly where: "anywhere" | "passed" | "foreign" | "told";
}

export interface NeedsFacts {
  /** A target of this dialect gets the client's bytes; null: none does. */
  readonly passesTo: DialectId | null;
  /** The route's owner prefers an answer without a wish to none. */
  readonly lenient: boolean;
  /** Images can be fetched for providers that take only bytes. */
  readonly fetchesImages: boolean;
  readonly imageCount: number;
  /** Something of unknown size is in the request: only then files and sound are looked for. */
  readonly unsized: boolean;
}

export const NO_NEEDS: readonly Need[] = [];

/** The needs of a request; the same empty list where there are none. */
export function needsOf(request: ChatRequest, facts: NeedsFacts): readonly Need[] {
  const needs: Need[] = [];
  const need: Tell = (capability, param, missing = "skip", where = "anywhere") => void needs.push({ capability, param, missing, where });
  // What a client wrote in the target's own dialect, in a form that is not ours, is its own affair.
  const where = facts.passesTo !== null && facts.passesTo !== "openai-chat" ? "foreign" : "anywhere";
  if (facts.imageCount > 0 || facts.unsized) mediaNeeds(request, facts, where, need);
  const offersTools = request.tools.length > 0 && request.toolChoice?.kind !== "none";
  if (request.tools.length > 0) toolNeeds(request, offersTools, need);
  const format = request.responseFormat?.kind;
  if (format === "json_object" || format === "json_schema") {
    const missing = request.choiceCount === 1 ? "emulate" : "skip";
    need(format, "response_format", missing, where);
    if (offersTools) need("json_beside_tools", "response_format", missing, where);
  }
  if (request.choiceCount > 1) need("n", "n");
  if (request.stop.length > 0) need("stop", "stop");
  samplingNeeds(request, facts.lenient, need);
  return needs.length === 0 ? NO_NEEDS : needs;
}

/** What of these needs a price list may charge extra; undefined: nothing. */
export function surchargedBy(needs: readonly Need[]): readonly SurchargedFeature[] | undefined {
  if (needs.length === 0) return undefined;
  const features: SurchargedFeature[] = [];
  if (needs.some(({ capability }) => capability === "json_object" || capability === "json_schema")) features.push("structured_output");
  if (needs.some(({ capability }) => capability === "tools")) features.push("tools");
  return features.length === 0 ? undefined : features;
}

type Tell = (capability: Capability, param: string, missing?: Need["missing"], where?: Need["where"]) => void;

function mediaNeeds(request: ChatRequest, facts: NeedsFacts, where: Need["where"], need: Tell): void {
  const parts: readonly Part[] = request.messages.flatMap((message) => message.parts);
  if (parts.some((part) => part.kind === "image")) need("image_in", "messages");
  if (parts.some(isRemoteImage)) need("image_url", "messages", facts.fetchesImages ? "emulate" : "skip", where);
  if (parts.some((part) => part.kind === "audio")) need("audio_in", "messages");
  if (parts.some((part) => part.kind === "file")) need("file_in", "messages");
}

/** An image that stands in the request by its address. */
export function isRemoteImage(part: Part): boolean {
  return part.kind === "image" && part.source.kind === "url" && /^https?:/i.test(part.source.url);
}

function toolNeeds(request: ChatRequest, offersTools: boolean, need: Tell): void {
  const { toolChoice: choice } = request;
  // Tools that may not be called need not be shown, unless earlier turns speak of them.
  const inHistory = request.messages.some((message) => message.role === "tool" || (message.role === "assistant" && message.toolCalls.length > 0));
  need("tools", "tools", offersTools || inHistory ? "skip" : "emulate");
  if (choice?.kind === "required" || (choice?.kind === "allowed" && choice.mode === "required")) need("tool_choice_required", "tool_choice");
  if (choice?.kind === "named") need("tool_choice_named", "tool_choice");
  if (choice?.kind === "none") need("tool_choice_none", "tool_choice", inHistory ? "skip" : "emulate", "told");
}

/**
 * Wishes about how the answer is drawn. Those that encoders leave out with a word are no reason to leave a candidate out.
 *
 * Where the client's bytes pass, nothing is taken out of them unless the route is lenient, so a model that is known to refuse a
 * field is passed over before the call, and where no other is left that is the answer: a 400 that names the field, without the
 * round trip. What is not known to be refused passes, and the provider decides.
 */
function samplingNeeds(request: ChatRequest, lenient: boolean, need: Tell): void {
  const refused = lenient ? "drop" : "skip";
  // 1 is what a model does without being told. Elsewhere the encoder leaves them out and says so.
  const where = lenient ? "anywhere" : "passed";
  if ((request.temperature ?? 1) !== 1) need("sampling", "temperature", refused, where);
  if ((request.topP ?? 1) !== 1) need("sampling", "top_p", refused, where);
  if ((request.presencePenalty ?? 0) !== 0) need("penalties", "presence_penalty", refused);
  if ((request.frequencyPenalty ?? 0) !== 0) need("penalties", "frequency_penalty", refused);
  if (request.logprobs === true) need("logprobs", "logprobs", refused);
  if (request.topLogprobs !== undefined && request.topLogprobs > 0) need("logprobs", "top_logprobs", refused);
  if (request.logitBias !== undefined && Object.keys(request.logitBias).length > 0) need("logit_bias", "logit_bias", refused);
  // What encoders leave out with a word is a reason to leave a candidate out only where its owner says so.
  const wish = lenient ? "anywhere" : "told";
  if (request.topK !== undefined) need("top_k", "top_k", refused, wish);
  if (request.seed !== undefined) need("seed", "seed", refused, wish);
  if (request.reasoningEffort !== undefined) need("reasoning_effort", "reasoning_effort", refused, wish);
  if (request.parallelToolCalls === false && request.tools.length > 0) need("parallel_off", "parallel_tool_calls", refused, wish);
}

/**
 * The needs that a table denies. Unknown is not denied. `passes`: the client's bytes would reach the target as they are; `told`:
 * what the model's owner says of it.
 */
export function lacked(needs: readonly Need[], table: CapabilityTable, passes: boolean, told?: ToldCapabilities): readonly Need[] {
  let found: Need[] | null = null;
  for (const need of needs) {
    if (table[need.capability] !== false) continue;
    const counts = need.where !== (passes ? "foreign" : "passed") && need.where !== "told";
    if (counts || told?.[need.capability] === false) (found ??= []).push(need);
  }
  return found ?? NO_NEEDS;
}

/** Why a candidate is left out for a need: a word for the record, and a sentence. */
export const LACKS: Readonly<Record<Capability, readonly [reason: string, detail: string]>> = {
  image_in: ["no_vision", "the model takes no images"],
  image_url: ["no_image_url", "takes images as bytes only, and remote ones are not fetched; send a base64 data URI"],
  audio_in: ["no_audio", "the model takes no audio"],
  file_in: ["no_files", "the model takes no files"],
  tools: ["no_tools", "the model takes no tools"],
  tool_choice_none: ["no_tool_choice", "the model cannot be shown tools without being free to call them"],
  tool_choice_required: ["no_tool_choice", "the model cannot be made to call a tool"],
  tool_choice_named: ["no_tool_choice", "the model cannot be made to call one tool"],
  parallel_off: ["no_parallel_off", "the model cannot be held to one call at a time"],
  json_object: ["no_json_object", "the model has no JSON mode"],
  json_schema: ["no_json_schema", "the model takes no JSON schema"],
  json_beside_tools: ["no_json_beside_tools", "the model takes no JSON format beside tools"],
  n: ["no_n", "the model gives one choice per request, not n"],
  stop: ["no_stop", "the model takes no stop sequences (stop)"],
  seed: ["no_seed", "the model takes no seed"],
  logprobs: ["no_logprobs", "the model gives no logprobs"],
  logit_bias: ["no_logit_bias", "the model takes no logit_bias"],
  penalties: ["no_penalties", "the model takes no presence_penalty or frequency_penalty"],
  sampling: ["no_sampling", "the model refuses temperature and top_p"],
  top_k: ["no_top_k", "the model takes no top_k"],
  reasoning_effort: ["no_reasoning_effort", "the model takes no reasoning effort"],
  streaming: ["no_streaming", "the model does not stream"],
  prefill: ["no_prefill", "it does not go on with an answer that was begun for it"],
};

/** The first need that a table is not known to meet, or null. What the owner says goes above it. */
export function uncertain(needs: readonly Need[], table: CapabilityTable, told?: ToldCapabilities): Need | null {
  return needs.find(({ capability }) => (told?.[capability] ?? table[capability]) !== true) ?? null;
}
