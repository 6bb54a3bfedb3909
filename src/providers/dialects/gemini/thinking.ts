/** Reasoning effort → `thinkingConfig`. Generation 3 takes levels, 2.5 takes a token budget, older ones nothing. */
import type { ChatRequest } from "../../../wire/chat.ts";
import { asNumber, asString, type JsonObject } from "../../../wire/json.ts";
import { shown } from "../anthropic/draft.ts";
import type { Target } from "../dialect.ts";
import { warn, type Notes } from "./notes.ts";

const LEVELS = ["minimal", "low", "medium", "high"];
/** 2.5 budgets per effort; 24,576 is the largest that all 2.5 models take. Flash Lite takes nothing from 1 to 511. */
const BUDGETS: Readonly<Record<string, number>> = { none: 0, minimal: 512, low: 1024, medium: 8192, high: 24_576 };
/** 2.5 Pro cannot be told not to think; this is its least. */
const PRO_LEAST_BUDGET = 128;

/**
 * The generation of a target's model: 2.5, 3, 3.1 …; Infinity for `gemini-…-latest`, 0 where the name does not tell.
 */
export function generationOf(target: Target): number {
  for (const name of [target.upstreamModel, target.model?.canonical ?? ""]) {
    const match = /gemini-(\d+(?:\.\d+)?)/.exec(name);
    if (match?.[1] !== undefined) return Number(match[1]);
    if (/gemini-.*latest/.test(name)) return Infinity;
  }
  return 0;
}

/** `generationConfig.thinkingConfig` for the request, or undefined where nothing was asked or nothing can be sent. */
export function thinkingConfig(request: ChatRequest, target: Target, notes: Notes): JsonObject | undefined {
  const asked = askedEffort(request);
  const generation = generationOf(target);
  if (asked === undefined) return request.reasoningShown === true && generation >= 2.5 && target.model?.reasoning !== false ? { includeThoughts: true } : undefined;
  const field = request.reasoningEffort === undefined ? "thinking" : "reasoning_effort";
  const thinks = generation >= 2.5 || (generation === 0 && target.model?.reasoning === true);
  if (!thinks || target.model?.reasoning === false) {
    if (asked.effort !== "none") warn(notes, `${field} is not sent: ${target.upstreamModel} has no thinking control`);
    return undefined;
  }
  if (asked.effort === "auto") return { includeThoughts: true };
  if (generation >= 2.5 && generation < 3) return budgetConfig(asked.effort, asked.budgetTokens, field, target, notes);
  return levelConfig(asked.effort, field, target, notes);
}

/** What was asked, in one vocabulary; `reasoning_effort` wins over Anthropic-style `thinking`. */
function askedEffort(request: ChatRequest): { effort: string; budgetTokens?: number } | undefined {
  const type = asString(request.thinking?.["type"]);
  // An effort beside thinking that is switched off speaks of the answer.
  if (type === "disabled") return { effort: "none" };
  if (request.reasoningEffort !== undefined) return { effort: request.reasoningEffort };
  if (type === "adaptive") return { effort: "auto" };
  if (type !== "enabled") return undefined;
  const budgetTokens = asNumber(request.thinking?.["budget_tokens"]);
  if (budgetTokens === undefined) return { effort: "auto" };
  return { effort: budgetTokens <= 1024 ? "low" : budgetTokens <= 8192 ? "medium" : "high", budgetTokens };
}

function levelConfig(effort: string, field: string, target: Target, notes: Notes): JsonObject {
  const offered = target.model?.reasoningEfforts?.filter((level) => LEVELS.includes(level)) ?? [];
  const levels = offered.length > 0 ? LEVELS.filter((level) => offered.includes(level)) : LEVELS;
  const wanted = LEVELS.indexOf(effort);
  // The nearest level that is not below what was asked; `none` is below and xhigh, max, … above all of them.
  const level =
    (effort === "none" ? levels[0] : levels.find((candidate) => wanted >= 0 && LEVELS.indexOf(candidate) >= wanted)) ??
    levels.at(-1) ?? "high";
  if (level !== effort) warn(notes, `${field} "${shown(effort)}" was sent as thinking level "${level}"`);
  return effort === "none" ? { thinkingLevel: level } : { thinkingLevel: level, includeThoughts: true };
}

function budgetConfig(effort: string, asked: number | undefined, field: string, target: Target, notes: Notes): JsonObject {
  const pro = target.upstreamModel.includes("pro");
  const table = asked ?? BUDGETS[effort];
  const most = pro ? 32_768 : 24_576;
  const budget = Math.max(pro ? PRO_LEAST_BUDGET : 0, Math.min(table ?? most, most));
  if (budget !== table) warn(notes, `${field} "${asked ?? shown(effort)}" was sent as a thinking budget of ${budget} tokens`);
  return effort === "none" ? { thinkingBudget: budget } : { thinkingBudget: budget, includeThoughts: true };
}
