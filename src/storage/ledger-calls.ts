/** What waits to be written by the ledger: holds, charges and marks, each with whom to tell. */
import type { Charge, Hold, ReserveResult } from "../ports.ts";
import type { Refusal } from "./budgets.ts";

/** A hold of this process: open, or settled a moment ago. */
export interface OpenHold {
  readonly id: number;
  readonly attemptId: string;
  /** What is to be written; null when it is, so that nothing is kept for longer than it is needed. */
  hold: Hold | null;
  settled: boolean;
  /** Its request's record has a higher place than this. */
  readonly recordFloor: number;
  markedAtMs: number;
}
export interface HoldCall {
  readonly kind: "holds";
  readonly holds: readonly OpenHold[];
  /** One result for all: they are written together or not at all. */
  readonly resolve: (result: ReserveResult) => void;
}
export interface ChargeCall {
  readonly kind: "charges";
  readonly charges: readonly Charge[];
  /** From memory, where it waits since its caller was told that it is not durable. */
  readonly late: boolean;
  /** Monotonic; 0 until the first try has failed. */
  giveUpAtMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}
export interface MarkCall {
  readonly kind: "marks";
  readonly resolve: () => void;
}
export type Call = HoldCall | ChargeCall | MarkCall;

/** Never added to. */
export const NONE_REFUSED = new Map<Hold, Refusal>();
export const HELD: ReserveResult = Object.freeze({ kind: "held" });
export const ALL_HELD: readonly ReserveResult[] = Object.freeze([HELD]);

/** A hold as long as any, to see whether one would fit. */
export const PROBE: Charge = { attemptId: "probe", state: "unbilled", outcome: "probe", units: {}, rawUsage: null, costNanoUsd: 0, flags: [], atMs: 0 };
