/** Policies side by side in one world: the same seed, so the same arrivals and the same fates. */
import { INVERSE_SQUARE_PRICE } from "./peers/inverse-square.ts";
import { COOLDOWN_RETRY } from "./peers/cooldown.ts";
import { ORDERED_FALLBACK, SINGLE } from "./peers/ordered.ts";
import { LEAST_PEAK_EWMA } from "./peers/peak-ewma.ts";
import { reportOf, type Report } from "./report.ts";
import { play, type Simulation } from "./run.ts";
import { spillway } from "./spillway-policy.ts";
import type { PolicyKind } from "./types.ts";

/** By their names, in the order in which they are shown. */
export const POLICIES: ReadonlyMap<string, PolicyKind> = new Map(
  [spillway({ strategy: "balanced" }), spillway({ strategy: "priority" }), SINGLE, ORDERED_FALLBACK, COOLDOWN_RETRY, INVERSE_SQUARE_PRICE, LEAST_PEAK_EWMA].map((kind) => [kind.name, kind]),
);

/** This gateway under the strategies by name that are shown only where they are asked for. */
export const OTHER_STRATEGIES: ReadonlyMap<string, PolicyKind> = new Map(
  [spillway({ strategy: "balanced", name: "spillway-balanced" }), ...(["weighted", "cheapest", "fastest", "least-busy", "sticky"] as const).map((strategy) => spillway({ strategy }))].map((kind) => [kind.name, kind]),
);

/** Play each policy to its end. */
export function simulate(simulation: Simulation, policies: readonly PolicyKind[]): readonly Report[] {
  return policies.map((kind) => reportOf(kind, simulation.seed, simulation.objectives, play(simulation, kind)));
}
