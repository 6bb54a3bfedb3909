/**
 * What a model generation takes, where the catalogue does not say. Facts come first; the version in a model's name is
 * the second source, since dated and newest names often have no facts of their own.
 */
import type { Target } from "../dialect.ts";

export interface Generation {
  /** Thinks at all; null: unknown. */
  readonly reasons: boolean | null;
  /** Takes `thinking: {type: "adaptive"}` and `output_config.effort`; the others take a token budget. */
  readonly adaptive: boolean;
  /** Takes no token budget for thinking any more. */
  readonly refusesBudgets: boolean;
  /** Efforts that an adaptive model knows, weakest first. */
  readonly efforts: readonly string[];
  /** Answers 400 to temperature, top_p and top_k. */
  readonly refusesSampling: boolean;
  /** Takes temperature or top_p, but not both. */
  readonly oneSamplingField: boolean;
  /** Goes on with a last turn of the assistant's, while it does not think; null: unknown. */
  readonly prefills: boolean | null;
}

/** Facts of the model that `target` calls. */
export function generationOf(target: Target): Generation {
  const version = versionIn(target.upstreamModel);
  const efforts = target.model?.reasoningEfforts ?? null;
  const adaptive = efforts?.includes("max") === true || version >= 406;
  return {
    reasons: target.model?.reasoning ?? (version >= 307 ? true : null),
    adaptive,
    refusesBudgets: version >= 407,
    efforts: efforts ?? (version >= 407 ? ["low", "medium", "high", "xhigh", "max"] : ["low", "medium", "high", "max"]),
    refusesSampling: version >= 407,
    oneSamplingField: version >= 401,
    prefills: adaptive ? false : version >= 300 ? true : null,
  };
}

/** `claude-opus-4-6` → 406, `claude-3-5-sonnet-20241022` → 305, `claude-opus-4-20250514` → 400; 0 where there is none. */
export function versionIn(model: string): number {
  const match = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/.exec(model);
  return match === null ? 0 : Number(match[1]) * 100 + Number(match[2] ?? 0);
}
