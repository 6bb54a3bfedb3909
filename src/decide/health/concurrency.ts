/**
 * How many calls a deployment takes at once before it turns slow: the limit falls on slow calls among many in flight, and
 * rises slowly while content keeps coming near it. In flight means to the last byte.
 */

/** With fewer in flight, slowness is not of our own making. */
const IN_FLIGHT_MIN = 5;
/** A smaller share of slow calls is no sign of load, where the objective allows no more. */
const SLOW_SHARE_MIN = 0.05;
const BUDGETS = 3;
const CUT_SHARE = 0.8;
const RISE_SHARE = 0.8;
const RISE = 0.5;

/** Plain state; only the functions below change it. */
export interface Concurrency {
  inFlight: number;
  /** Infinite: not known. */
  limit: number;
  cutAtMs: number;
}

/** Nothing in flight, and no limit known. */
export function newConcurrency(): Concurrency {
  return { inFlight: 0, limit: Number.POSITIVE_INFINITY, cutAtMs: Number.NEGATIVE_INFINITY };
}

/** A call that turned slow. */
export interface SlowCall {
  readonly inFlightAtSend: number;
  readonly thresholdMs: number;
  /** The share of slow calls that recent ones prove. */
  readonly provenShare: number;
  /** The share that the objective allows. */
  readonly budget: number;
}

/** A call turned slow. One cut per threshold's time: until then what is slow was sent before the cut. */
export function recordSlow(concurrency: Concurrency, { inFlightAtSend, thresholdMs, provenShare, budget }: SlowCall, nowMs: number): void {
  if (inFlightAtSend < IN_FLIGHT_MIN || nowMs - concurrency.cutAtMs < thresholdMs) return;
  if (provenShare <= Math.max(SLOW_SHARE_MIN, BUDGETS * budget)) return;
  concurrency.limit = Math.max(1, CUT_SHARE * Math.min(concurrency.limit, inFlightAtSend));
  concurrency.cutAtMs = nowMs;
}

/** Content came: near the limit that is a reason to allow a little more. */
export function recordContent(concurrency: Concurrency): void {
  if (concurrency.inFlight >= RISE_SHARE * concurrency.limit) concurrency.limit += RISE / concurrency.limit;
}

/** No more may be sent now. */
export function isFull(concurrency: Concurrency): boolean {
  return concurrency.inFlight >= concurrency.limit;
}
