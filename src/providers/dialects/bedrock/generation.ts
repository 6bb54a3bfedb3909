/**
 * How the answer is made: `inferenceConfig`, which all models share, and what each maker's models take beside it in
 * `additionalModelRequestFields` (reasoning, top_k). An unknown field there fails the whole request, so only known ones are sent.
 */
import type { ChatRequest } from "../../../wire/chat.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { type Draft, shown } from "../anthropic/draft.ts";
import { generationOf } from "../anthropic/generation.ts";
import { encodeSampling, encodeThinking } from "../anthropic/thinking.ts";
import type { Target } from "../dialect.ts";
import { askedEffort } from "../efforts.ts";
import type { Traits } from "./traits.ts";

export interface EncodedGeneration {
  readonly inferenceConfig: JsonObject;
  readonly modelFields: JsonObject;
  /** The model thinks before it answers, in the way that excludes forced tools. */
  readonly thinking: boolean;
}

/** Stands in for a model's maximum where a thinking budget has to be less than something. */
const GUESSED_MAX_TOKENS = 4_096;
const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/** Build the configuration of the answer. */
export function encodeGeneration(request: ChatRequest, target: Target, traits: Traits, toolTurnWithoutThinking: boolean, draft: Draft): EncodedGeneration {
  return traits.maker === "claude" ? claude(request, target, toolTurnWithoutThinking, draft) : others(request, traits, draft);
}

function claude(request: ChatRequest, target: Target, toolTurnWithoutThinking: boolean, draft: Draft): EncodedGeneration {
  const model = generationOf(target);
  if (request.stop.some((stop) => stop.trim() === "")) draft.refuse("stop", "this model takes no stop sequence of nothing but white space");
  const limit = request.maxOutputTokens ?? target.maxOutput ?? target.model?.maxOutput ?? GUESSED_MAX_TOKENS + budgetIn(request.thinking);
  const { thinking, effort, on } = encodeThinking(request, model, limit, toolTurnWithoutThinking, draft);
  const { temperature, top_p: topP, top_k: topK } = encodeSampling(request, model, on, draft);
  // A budget must be less than the limit, so the limit it was measured by is sent with it.
  const maxTokens = request.maxOutputTokens ?? (thinking?.budget_tokens === undefined ? undefined : limit);
  return {
    inferenceConfig: defined({ maxTokens, temperature, topP, stopSequences: stopOf(request) }),
    modelFields: defined({ thinking, output_config: effort === undefined ? undefined : { effort }, top_k: topK }),
    thinking: on,
  };
}

function budgetIn(thinking: JsonObject | undefined): number {
  const budget = thinking?.budget_tokens;
  return typeof budget === "number" && budget > 0 ? budget : 0;
}

function others(request: ChatRequest, traits: Traits, draft: Draft): EncodedGeneration {
  let { temperature, topP } = request;
  if (traits.maker === "gpt" && (temperature !== undefined || topP !== undefined)) {
    if ((temperature ?? 1) !== 1) draft.warn("temperature was left out: the model refuses it");
    if ((topP ?? 1) !== 1) draft.warn("top_p was left out: the model refuses it");
    temperature = undefined;
    topP = undefined;
  }
  if (temperature !== undefined && temperature > 1) {
    draft.warn(`temperature ${temperature} was sent as 1, the most this model takes`);
    temperature = 1;
  }
  if ((traits.maker === "gpt" || traits.maker === "gpt-oss") && request.stop.length > 0) draft.refuse("stop", "this model takes no stop sequences");
  const told = askedEffort(request);
  if (told?.lost !== undefined) draft.warn(told.lost);
  if (told?.guessed === true) draft.warn(`${told.said} was sent as reasoning effort ${told.effort}`);
  return {
    inferenceConfig: defined({ maxTokens: request.maxOutputTokens, temperature, topP, stopSequences: stopOf(request) }),
    modelFields: { ...topKOf(request.topK, traits, draft), ...effortOf(request, traits, draft) },
    thinking: false,
  };
}

function topKOf(topK: number | undefined, traits: Traits, draft: Draft): JsonObject {
  if (topK === undefined) return {};
  switch (traits.maker) {
    case "nova":
      return { inferenceConfig: { topK } };
    case "cohere":
      return { k: topK };
    case "mistral":
      return { top_k: topK };
    default:
      draft.warn("top_k was left out: the model is not known to take it");
      return {};
  }
}

function effortOf(request: ChatRequest, traits: Traits, draft: Draft): JsonObject {
  const asked = askedEffort(request)?.effort;
  if (asked === undefined) return {};
  if (!EFFORTS.includes(asked)) {
    draft.refuse("reasoning_effort", `reasoning_effort ${shown(asked)} is not known; it is one of ${EFFORTS.join(", ")}`);
    return {};
  }
  switch (traits.maker) {
    case "gpt":
      return { reasoning: { effort: asked } };
    case "gpt-oss": {
      const sent = asked === "none" ? "low" : threeSteps(asked);
      if (sent !== asked) draft.warn(`reasoning_effort ${asked} was sent as ${sent}`);
      return { reasoning_effort: sent };
    }
    case "nova": {
      if (asked === "none") return {};
      // At its highest the model refuses an output limit, which bounds what the call can cost: the limit goes first.
      const steps = threeSteps(asked);
      const sent = steps === "high" && request.maxOutputTokens !== undefined ? "medium" : steps;
      if (sent !== asked) draft.warn(`reasoning_effort ${asked} was sent as ${sent}`);
      return { reasoningConfig: { type: "enabled", maxReasoningEffort: sent } };
    }
    default:
      if (asked !== "none") draft.warn("reasoning_effort was left out: the model is not known to take it");
      return {};
  }
}

function threeSteps(effort: string): string {
  if (effort === "minimal") return "low";
  return effort === "xhigh" || effort === "max" ? "high" : effort;
}

function stopOf(request: ChatRequest): readonly string[] | undefined {
  return request.stop.length > 0 ? request.stop : undefined;
}

function defined(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
