/** Health as plain values: what is asked of it, and what it tells. */
import type { Outcome } from "../../wire/outcome.ts";
import type { ExclusionReason } from "../exclusion.ts";
import type { SizeClass } from "../observed/types.ts";
import type { BreakerPhase } from "./breaker.ts";

/** What health is kept for. A deployment is a model of an account, which is of one region. */
export interface HealthId {
  readonly deployment: string;
  readonly account: string;
  readonly endpoint: string;
}

/** What is asked of a call. */
export interface CallFacts {
  /** Its content is slow after this; 0: nobody asks for a time. */
  readonly thresholdMs: number;
  readonly sizeClass: SizeClass;
  /** By when all of its stream should have come. Absent: nobody asks that. */
  readonly wholeMs?: number;
  /** The share of slow calls that the objective allows; 0 where it is not told. */
  readonly slowBudget?: number;
}

export interface HealthView {
  /** `probe-ready`: a call may go, sent with `probe: true`. `probing`: as many as may go are under way. */
  readonly state: BreakerPhase;
  /** Not before this time (0: at once), for a 429, a Retry-After, or the learned pace. */
  readonly pausedUntilMs: number;
  /** It is the learned pace that it is paused for, not a time that its provider named: a call before might be taken. */
  readonly capped?: true;
  /** Never to be called, not even as a last resort. null where it may be. */
  readonly excluded: ExclusionView | null;
  /** When the rest ends; 0 where it does not rest. */
  readonly restsUntilMs: number;
  /** As many calls are in flight as it takes without turning slow. */
  readonly full?: true;
  /** It rests for being slow alone: its calls come whole, if late. */
  readonly slowOnly?: true;
  /** With `probe-ready`: it was slow, so that a probe should have another call beside it. */
  readonly raced?: true;
  /** Its calls became dearer than they were, and how; absent: they did not. */
  readonly dear?: string;
}

export interface ExclusionView {
  readonly reason: ExclusionReason;
  readonly untilMs: number;
  readonly scope: "account" | "deployment";
  /** Our configuration is wrong: somebody should look. */
  readonly alarm: boolean;
}

export type Observation = Outcome | { readonly kind: "soft-timeout" };

/** A deployment's endpoint in a listing. */
export interface HealthRow extends HealthView, HealthId {
  /** Hard failures in the run. */
  readonly run: number;
  /** k of the next rest. */
  readonly level: number;
  /** What hard failures have put in the bucket; at 45 it rests. */
  readonly bucket: number;
  /** The stage of its return: 1 to 3 while it is probed, else 0. */
  readonly stage: number;
  /** For each threshold that calls were held to. */
  readonly slow: readonly SlowRow[];
  /** Calls per minute that it accepts, as learned from its refusals; null: not known. */
  readonly acceptsPerMinute: number | null;
  readonly inFlight: number;
  /** Calls at once that it takes without turning slow, as learned; null: not known. */
  readonly takesAtOnce: number | null;
}

export interface SlowRow {
  readonly thresholdMs: number;
  readonly state: BreakerPhase;
  readonly bucket: number;
  readonly level: number;
  readonly stage: number;
}
