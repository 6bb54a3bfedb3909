/**
 * Output limits that money sets. Where a hard limit applies and the client asks for no output limit, one is set; where a
 * request has a cap, the limit is cut until the call's bound fits, or the candidate is left out and the price is named.
 * Pure; asked only where a limit or a cap applies.
 */
import { usdShort } from "../wire/money.ts";
import { boundNanoUsd } from "./bound.ts";
import type { Deployment, RequestShape } from "./deployment.ts";
import { unpriced, withExtras } from "./extras.ts";
import { piecesBoundNanoUsd } from "./pieces.ts";

/** What binds the money of one request. */
export interface Spending {
  /** What it may cost with all its attempts, nano-dollars; null: no cap, but a hard limit applies to it. */
  readonly capNanoUsd: number | null;
  /** Output limit where the client asks none, in tokens. */
  readonly defaultMaxOutput: number;
}

/** The output limit to be sent upstream in place of the client's. */
export interface OutputLimit {
  readonly tokens: number;
  /** What the client asked for; null: nothing. */
  readonly asked: number | null;
  readonly why: "limit" | "cap";
}

export type Bounded =
  | { readonly kind: "bounded"; readonly boundNanoUsd: number | null; readonly limit: OutputLimit | null }
  | { readonly kind: "over"; readonly reason: "over_cap" | "unbounded"; readonly detail: string };

/** Less than this is no answer of a model that thinks first. */
const LEAST_REASONING_TOKENS = 1_024;
/** Less than this no provider takes. */
const LEAST_TOKENS = 16;

/** Bound one call of `deployment` under `spending`. `inputTokens`: the prompt's bound, null where unknown. */
export function boundUnder(spending: Spending, deployment: Deployment, shape: RequestShape, inputTokens: number | null, wallMs: number): Bounded {
  const { pricing } = deployment;
  const { capNanoUsd } = spending;
  // It costs no money, so money does not bind it.
  if (pricing.kind === "unmetered") return { kind: "bounded", boundNanoUsd: null, limit: null };
  if (pricing.kind === "unknown") return unbounded("its price is unknown, so no limit on money can hold for it");
  const { extras } = shape;
  const lack = extras === undefined ? null : unpriced(deployment, extras, wallMs);
  if (lack !== null) return unbounded(lack);
  const boundOf = (outputTokens: number | null): number | null => {
    const size = { inputTokens, outputTokens, choiceCount: shape.choiceCount };
    if (shape.pieces !== undefined) return piecesBoundNanoUsd(pricing, shape.pieces, size, wallMs);
    return boundNanoUsd(pricing, extras === undefined ? size : withExtras(size, extras), wallMs);
  };
  // What is no chat has no output limit to be set.
  if (shape.endpoint !== "chat" || shape.pieces !== undefined) return fixed(boundOf(shape.endpoint === "embeddings" || shape.writesTokens === false ? 0 : (shape.maxOutputTokens ?? deployment.maxOutput)), capNanoUsd);
  const asked = shape.maxOutputTokens;
  const least = leastTokens(deployment, shape);
  const wanted = asked ?? Math.min(Math.max(spending.defaultMaxOutput, least), deployment.maxOutput ?? Number.POSITIVE_INFINITY);
  const bound = boundOf(wanted);
  if (bound === null) return unbounded(inputTokens === null ? "the size of its prompt cannot be known, so no limit on money can hold for it" : "its price is not known for all that it may be billed for");
  const limit: OutputLimit | null = asked === null ? { tokens: wanted, asked, why: "limit" } : null;
  if (capNanoUsd === null || bound <= capNanoUsd) return { kind: "bounded", boundNanoUsd: bound, limit };
  if (asked !== null && asked < least) return overCap(bound, asked, capNanoUsd);
  const tokens = mostTokens(boundOf, capNanoUsd, wanted);
  const leastBound = boundOf(Math.min(least, wanted)) ?? bound;
  if (tokens < Math.min(least, wanted)) return overCap(leastBound, Math.min(least, wanted), capNanoUsd);
  return { kind: "bounded", boundNanoUsd: boundOf(tokens), limit: { tokens, asked, why: "cap" } };
}

function leastTokens(deployment: Deployment, shape: RequestShape): number {
  const thinking = shape.thinkingBudgetTokens ?? 0;
  if (thinking > 0) return thinking + LEAST_REASONING_TOKENS;
  return deployment.reasons ? LEAST_REASONING_TOKENS : LEAST_TOKENS;
}

/** Bounds grow with the tokens, so the most that fit are found by halving. */
function mostTokens(boundOf: (tokens: number) => number | null, capNanoUsd: number, wanted: number): number {
  let fits = 0;
  let tooMany = wanted;
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    const bound = boundOf(middle);
    if (bound !== null && bound <= capNanoUsd) fits = middle;
    else tooMany = middle;
  }
  return fits;
}

function fixed(bound: number | null, capNanoUsd: number | null): Bounded {
  if (bound === null) return unbounded("what it may cost is known only by the answer, so no limit on money can hold for it");
  if (capNanoUsd === null || bound <= capNanoUsd) return { kind: "bounded", boundNanoUsd: bound, limit: null };
  return { kind: "over", reason: "over_cap", detail: `may cost up to $${usdShort(bound)}, the cap is $${usdShort(capNanoUsd)}` };
}

function unbounded(detail: string): Bounded {
  return { kind: "over", reason: "unbounded", detail };
}

function overCap(bound: number, tokens: number, capNanoUsd: number): Bounded {
  return { kind: "over", reason: "over_cap", detail: `may cost up to $${usdShort(bound)} for this prompt and ${tokens} output tokens, the cap is $${usdShort(capNanoUsd)}` };
}
