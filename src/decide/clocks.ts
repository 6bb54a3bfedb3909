/**
 * The arithmetic of one shared deadline: what each step must leave to those after it. Pure; times are ms from the
 * request's start. Rule: step k of n starts at the latest at deadline − reserve × (n − k + 1).
 */
import type { RouteClocks } from "./deployment.ts";

/** Upstream calls of one request at most. */
export const MAX_ATTEMPTS = 3;
const RESERVE_MS = 30_000;

/** What one step leaves to each step after it, ms: 30 s, at most a fifth of the deadline. */
export function reserveMs(deadlineMs: number): number {
  return Math.min(RESERVE_MS, Math.floor(deadlineMs / 5));
}

/** Latest start of step `step` (from 1) of `steps`, ms from the request's start. Negative: it cannot start at all. */
export function latestStartMs(deadlineMs: number, step: number, steps: number): number {
  return deadlineMs - reserveMs(deadlineMs) * (steps - step + 1);
}

export interface StepTimes {
  /** Latest start of each step in order, ms from the request's start. */
  readonly latestStartsMs: readonly number[];
  /** Why the last step cannot do its work when it starts at its latest, in words; null where it can. */
  readonly refusal: string | null;
}

/**
 * The steps of a route with `candidates` candidates. A fallback that, started at its latest, has less time left than
 * its own connect clock could never answer: such a route promises a fallback that it does not have.
 */
export function stepTimes(clocks: RouteClocks, candidates: number): StepTimes {
  const steps = Math.min(candidates, MAX_ATTEMPTS);
  const latestStartsMs = Array.from({ length: steps }, (_, index) => latestStartMs(clocks.deadlineMs, index + 1, steps));
  const first = latestStartsMs[0];
  const leftMs = clocks.deadlineMs - (latestStartsMs.at(-1) ?? 0);
  if (first !== undefined && first < 0) return { latestStartsMs, refusal: "its first step would have to start before the request" };
  if (steps > 1 && leftMs < clocks.connectMs) {
    const refusal = `its last step would have ${leftMs} ms left, less than the ${clocks.connectMs} ms it may take to connect`;
    return { latestStartsMs, refusal };
  }
  return { latestStartsMs, refusal: null };
}
