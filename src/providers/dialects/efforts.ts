/** Reasoning effort as one word: what was asked, in whatever form, and the nearest that a model knows. */
import type { ChatRequest } from "../../wire/chat.ts";
import { asNumber, asString } from "../../wire/json.ts";
import { shown } from "./anthropic/draft.ts";

/** Weakest first. */
export const EFFORTS: readonly string[] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

export interface AskedEffort {
  readonly effort: string;
  /** How the client said it, for messages. */
  readonly said: string;
  /** It was said in other words, of which this is the nearest. */
  readonly guessed: boolean;
  /** A sentence about what was said beside it and cannot be carried with it. */
  readonly lost: string | undefined;
}

/**
 * The effort that was asked for; undefined where the model is left to decide. Thinking that is switched off outweighs an
 * effort beside it, which speaks of the answer then; of thinking that is on, the effort says what a budget would.
 */
export function askedEffort(request: ChatRequest): AskedEffort | undefined {
  const { reasoningEffort, thinking } = request;
  const type = asString(thinking?.["type"]);
  const budgetTokens = type === "enabled" ? asNumber(thinking?.["budget_tokens"]) : undefined;
  const asked = reasoningEffort === undefined ? undefined : `reasoning effort ${shown(reasoningEffort)}`;
  const budget = budgetTokens === undefined ? undefined : `a thinking budget of ${budgetTokens} tokens`;
  if (type === "disabled") {
    const lost = asked === undefined || reasoningEffort === "none" ? undefined : `${asked} was left out: thinking is switched off`;
    return { effort: "none", said: "thinking disabled", guessed: false, lost };
  }
  if (reasoningEffort !== undefined && asked !== undefined) {
    return { effort: reasoningEffort, said: asked, guessed: false, lost: budget === undefined ? undefined : `${budget} was left out beside ${asked}` };
  }
  if (budgetTokens === undefined || budget === undefined) return undefined;
  return { effort: effortOfBudget(budgetTokens), said: budget, guessed: true, lost: undefined };
}

function effortOfBudget(tokens: number): string {
  return tokens <= 2_048 ? "low" : tokens <= 12_288 ? "medium" : "high";
}

/**
 * The effort itself; else the next weaker one that the model knows, else its weakest. Reasoning is switched off only where
 * that was asked. Undefined where the model knows none that would do.
 */
export function nearestEffort(asked: string, known: readonly string[]): string | undefined {
  if (known.includes(asked)) return asked;
  const offered = EFFORTS.filter((effort) => effort !== "none" && known.includes(effort));
  const rank = EFFORTS.indexOf(asked);
  return offered.findLast((effort) => EFFORTS.indexOf(effort) < rank) ?? offered[0];
}
