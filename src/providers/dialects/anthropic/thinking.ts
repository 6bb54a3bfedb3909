/** Reasoning effort, thinking and sampling: what a model generation takes of them, and what excludes what. */
import type { ChatRequest } from "../../../wire/chat.ts";
import { asNumber, type JsonObject } from "../../../wire/json.ts";
import { askedEffort, EFFORTS, nearestEffort } from "../efforts.ts";
import { type Draft, shown } from "./draft.ts";
import type { Generation } from "./generation.ts";

/** `reasoning_effort` to `budget_tokens`, for models that take a budget and no effort. */
const BUDGET_TOKENS: Readonly<Record<string, number>> = { minimal: 1_024, low: 1_024, medium: 4_096, high: 16_384, xhigh: 32_768, max: 32_768 };
const BUDGET_MIN_TOKENS = 1_024;
/** Below this a model that thinks refuses `top_p`. */
const THINKING_TOP_P_MIN = 0.95;

export interface EncodedThinking {
  readonly thinking: JsonObject | undefined;
  /** For `output_config.effort`. */
  readonly effort: string | undefined;
  readonly on: boolean;
}

/** Decide `thinking` and the effort. `maxTokens` is what is sent as `max_tokens`. */
export function encodeThinking(
  request: ChatRequest,
  model: Generation,
  maxTokens: number,
  toolTurnWithoutThinking: boolean,
  draft: Draft,
): EncodedThinking {
  const asked = request.reasoningEffort;
  if (asked !== undefined && !EFFORTS.includes(asked)) {
    draft.refuse("reasoning_effort", `reasoning_effort ${shown(asked)} is not known; it is one of ${EFFORTS.join(", ")}`);
    return NOTHING;
  }
  const wanted = asked === "none" ? undefined : asked;
  if (request.thinking !== undefined) return inBand(request, request.thinking, wanted, model, maxTokens, toolTurnWithoutThinking, draft);
  if (wanted === undefined) return NOTHING;
  if (model.reasons !== true) {
    draft.warn("reasoning_effort was left out: the model is not known to reason");
    return NOTHING;
  }
  if (model.adaptive) return { thinking: adaptive(request), effort: effortOf(wanted, model, draft), on: true };
  if (toolTurnWithoutThinking) {
    draft.warn("reasoning_effort was left out: the tool turn being answered came without its signed reasoning");
    return NOTHING;
  }
  return budgeted(wanted, maxTokens, draft);
}

const NOTHING: EncodedThinking = { thinking: undefined, effort: undefined, on: false };

/** Newer models keep what they think to themselves unless they are asked to show it. */
function adaptive(request: ChatRequest): JsonObject {
  const display = request.reasoningShown === true ? "summarized" : request.thinking?.display;
  return { type: "adaptive", ...(display !== undefined && { display }) };
}

/** `thinking` as the client wrote it, as far as the model takes it so; an effort beside it goes where the model has a place for it. */
function inBand(
  request: ChatRequest,
  asked: JsonObject,
  wanted: string | undefined,
  model: Generation,
  maxTokens: number,
  toolTurnWithoutThinking: boolean,
  draft: Draft,
): EncodedThinking {
  if (request.surface !== undefined && (asked.type === "enabled" || asked.type === "adaptive")) {
    if (model.reasons === false) {
      draft.warn("thinking was left out: the model does not reason");
      return NOTHING;
    }
    if (toolTurnWithoutThinking && !model.adaptive) {
      draft.warn("thinking was left out: the tool turn being answered came without its signed reasoning");
      return NOTHING;
    }
    // A model of the other generation is told the same in its own form.
    if (asked.type === "adaptive" && !model.adaptive && model.reasons === true) {
      draft.warn("adaptive thinking was sent as a budget, which is what the model takes");
      return budgeted(wanted ?? "high", maxTokens, draft);
    }
    if (asked.type === "enabled" && model.refusesBudgets) {
      draft.warn("a thinking budget was sent as an effort, which is what the model takes");
      const effort = wanted ?? askedEffort(request)?.effort;
      return { thinking: adaptive(request), effort: effort === undefined ? undefined : effortOf(effort, model, draft), on: true };
    }
  }
  const thinking = fitted(asked, request, maxTokens, draft);
  if (thinking === undefined) return NOTHING;
  const on = thinking.type === "enabled" || thinking.type === "adaptive";
  if (wanted === undefined) return { thinking, effort: undefined, on };
  if (model.adaptive) return { thinking, effort: effortOf(wanted, model, draft), on };
  draft.warn("reasoning_effort was left out: the request's thinking says it already");
  return { thinking, effort: undefined, on };
}

/** A budget within what the API takes: clients of other dialects know other bounds, and the output limit may be lower. */
function fitted(thinking: JsonObject, request: ChatRequest, maxTokens: number, draft: Draft): JsonObject | undefined {
  const budget = asNumber(thinking.budget_tokens);
  if (thinking.type !== "enabled" || budget === undefined) return thinking;
  const least = request.surface === undefined ? 0 : BUDGET_MIN_TOKENS;
  if (budget >= least && budget < maxTokens) return thinking;
  if (maxTokens <= BUDGET_MIN_TOKENS) {
    draft.warn(`thinking was left out: it needs more than ${BUDGET_MIN_TOKENS} output tokens`);
    return undefined;
  }
  const fit = Math.max(BUDGET_MIN_TOKENS, Math.min(budget, Math.floor(maxTokens / 2)));
  draft.warn(`a thinking budget of ${budget} tokens was sent as ${fit}`);
  return { ...thinking, budget_tokens: fit };
}

/** The effort itself, else the next weaker that the model knows, else its weakest. */
function effortOf(wanted: string, model: Generation, draft: Draft): string | undefined {
  const nearest = nearestEffort(wanted, model.efforts);
  if (nearest === undefined) draft.warn("reasoning_effort was left out");
  else if (nearest !== wanted) draft.warn(`reasoning_effort ${wanted} was sent as ${nearest}`);
  return nearest;
}

/** Half of the output stays for the answer; `max_tokens` is the client's and is not raised. */
function budgeted(wanted: string, maxTokens: number, draft: Draft): EncodedThinking {
  if (maxTokens <= BUDGET_MIN_TOKENS) {
    draft.warn(`reasoning_effort was left out: thinking needs more than ${BUDGET_MIN_TOKENS} output tokens`);
    return NOTHING;
  }
  const full = BUDGET_TOKENS[wanted] ?? BUDGET_MIN_TOKENS;
  const budget = Math.max(BUDGET_MIN_TOKENS, Math.min(full, Math.floor(maxTokens / 2)));
  if (budget < full) draft.warn(`reasoning_effort ${wanted} was given ${budget} tokens, to fit the output limit`);
  return { thinking: { type: "enabled", budget_tokens: budget }, effort: undefined, on: true };
}

/** `temperature`, `top_p` and `top_k`, as far as the model takes them; what is changed or left out is told. */
export function encodeSampling(request: ChatRequest, model: Generation, thinkingOn: boolean, draft: Draft): JsonObject {
  const { topK } = request;
  let { temperature, topP } = request;
  if (temperature !== undefined && temperature > 1) {
    draft.warn(`temperature ${temperature} was sent as 1, the most this model takes`);
    temperature = 1;
  }
  if (model.refusesSampling) {
    // 1 is what a model does without being told: leaving it out changes nothing.
    if (temperature !== undefined && temperature !== 1) draft.warn("temperature was left out: the model refuses it");
    if (topP !== undefined && topP !== 1) draft.warn("top_p was left out: the model refuses it");
    if (topK !== undefined) draft.warn("top_k was left out: the model refuses it");
    return {};
  }
  if (thinkingOn && temperature !== undefined && temperature !== 1) {
    draft.warn("temperature was left out: a model that thinks takes none");
    temperature = undefined;
  }
  if (thinkingOn && topP !== undefined && topP < THINKING_TOP_P_MIN) {
    draft.warn(`top_p was left out: a model that thinks takes none below ${THINKING_TOP_P_MIN}`);
    topP = undefined;
  }
  if (thinkingOn && topK !== undefined) draft.warn("top_k was left out: a model that thinks takes none");
  if (model.oneSamplingField && temperature !== undefined && topP !== undefined) {
    if (topP !== 1) draft.warn("top_p was left out: the model takes temperature or top_p, not both");
    topP = undefined;
  }
  return {
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { top_p: topP }),
    ...(topK !== undefined && !thinkingOn && { top_k: topK }),
  };
}
