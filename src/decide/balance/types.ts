/** What the choice by expected total cost takes and gives, as plain values. Money is nano-dollars. */
import type { Estimate } from "../observed/types.ts";

/** What an owner states of a route besides its objectives. */
export interface RouteTerms {
  /** F: what a request that fails costs its owner. */
  readonly costOfFailureNanoUsd: number;
  /** D: what a second of waiting costs; null: a fifth of the dearest candidate's expected price. */
  readonly costOfDelayNanoUsdPerS: number | null;
  /** Shares of requests: 0.05 and 0.03 where nothing is stated; 0: off. */
  readonly hedgeShare: number;
  readonly exploreShare: number;
}

/** One candidate that may be called now, as the score sees it. */
export interface Weighed {
  /** Index into the candidates of the choice. */
  readonly candidate: number;
  /** Expected, after caches and contract; 0 while reserved capacity has room. */
  readonly priceNanoUsd: number;
  readonly estimate: Estimate;
}

/** Shadow prices of one request's risks, nano-dollars per unit of risk. */
export interface Pressure {
  readonly availabilityNanoUsd: number;
  readonly latencyNanoUsd: number;
}

/** The plan for one request. */
export interface Plan {
  /** Candidates by score, least first. */
  readonly order: readonly number[];
  readonly scores: readonly Scored[];
  readonly pressure: Pressure;
  /** Predicted for the plan that will really run: that the request fails, that it is late. */
  readonly riskFails: number;
  readonly riskLate: number;
  /** Start this candidate beside the first if it has no content by then; null: no hedge. */
  readonly hedge: { readonly candidate: number; readonly afterMs: number } | null;
  /** Start this candidate together with the first, to learn of it; null: none. */
  readonly race: { readonly candidate: number; readonly why: "explore" | "probe" } | null;
  /** A probe that goes alone before all in `order`, which are its fallbacks; absent: none. The risks are those of the plan with it. */
  readonly ahead?: Scored;
}

export interface Scored {
  readonly candidate: number;
  readonly scoreNanoUsd: number;
  readonly priceNanoUsd: number;
  readonly failsBefore: number;
  readonly failsAfter: number;
  readonly slow: number;
  readonly calls: number;
}
