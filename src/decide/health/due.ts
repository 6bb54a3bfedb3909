/** Which deployments are asked something tiny of our own accord: those whose rest is over, and those that nobody called for long. Pure. */
import type { HealthView } from "./types.ts";

/** Flag of the record and of the charge of such a call. */
export const PROBE_FLAG = "probe";

export interface ProbeTerms {
  readonly everyMs: number;
  /** In a day of UTC. */
  readonly maxNanoUsdPerDay: number;
}

/** Is a probe due? `lastMs`: of the latest call, or of when watching began. One that a provider pauses or that is taken out is left alone. */
export function isProbeDue(view: HealthView, lastMs: number, everyMs: number, nowMs: number): boolean {
  if (view.excluded !== null || view.pausedUntilMs > nowMs || view.full === true) return false;
  if (view.state === "probe-ready") return true;
  return view.state === "admitting" && nowMs - lastMs >= everyMs;
}
