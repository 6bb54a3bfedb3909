/** What reconciling takes and gives: our calls, a provider's lines, and the difference by its causes. */
import type { UnitCounts } from "../../wire/usage.ts";

/** An upstream call of ours. */
export interface LedgerCall {
  readonly attemptId: string;
  readonly requestId: string;
  readonly deployment: string;
  /** As the provider calls it. */
  readonly model: string;
  readonly atMs: number;
  /** When it had ended; as it began where it has not. */
  readonly endMs: number;
  readonly state: "held" | "charged" | "estimated" | "unbilled" | "unmetered";
  readonly units: UnitCounts;
  readonly costNanoUsd: number | null;
  readonly boundNanoUsd: number | null;
  readonly flags: readonly string[];
  readonly priceVersion: string | null;
}

/** What units cost at a deployment, by our price list of that time; null: no price is known. */
export type ValueOf = (deployment: string, units: UnitCounts, atMs: number, tier: string | null) => number | null;

/**
 * Why their bill and our ledger differ:
 * - `estimated`: we estimated a call that told no usage; `orphan`: the same, since our process died; `unpriced`: we knew no price;
 *   `unbilled`: by our rules such a failure costs nothing, and they billed it
 * - `price`: the same counts at another price; `tier`: the same counts in another service tier
 * - `not_on_invoice`: a call of ours that they do not bill; `not_in_ledger`: what they bill and we do not know
 * - `boundary`: a call that they count into the day before or after; `rounding`: digits that one side does not write
 * - `unexplained`: all the rest
 */
export const CAUSES = ["estimated", "orphan", "unpriced", "unbilled", "price", "tier", "not_on_invoice", "not_in_ledger", "boundary", "rounding", "unexplained"] as const;
export type Cause = (typeof CAUSES)[number];

/** A part of the difference: theirs less ours. */
export interface Difference {
  readonly cause: Cause;
  readonly model: string;
  readonly nanoUsd: bigint;
  /** Lines or calls that it comes from. */
  readonly count: number;
}
/** Something that somebody should look at. */
export interface Flagged {
  readonly cause: Cause;
  /** A line of theirs, or a call of ours. */
  readonly at: string;
  readonly model: string;
  readonly nanoUsd: bigint;
}
/** A call that we estimated and of which they say what it was. */
export interface Evidence {
  readonly call: LedgerCall;
  readonly units: UnitCounts;
  readonly costNanoUsd: number;
}

export interface Reconciled {
  readonly theirsNanoUsd: bigint;
  readonly oursNanoUsd: bigint;
  readonly calls: number;
  readonly lines: number;
  /** Their lines bear no money: it is their counts at our prices. */
  readonly valued: boolean;
  /** The largest first; they sum to theirs less ours. */
  readonly differences: readonly Difference[];
  /** Sum of the unexplained, each taken as positive. */
  readonly unexplainedNanoUsd: bigint;
  /** The largest first, at most `FLAGGED_MAX`. */
  readonly flagged: readonly Flagged[];
  readonly flaggedCount: number;
  readonly evidence: readonly Evidence[];
  readonly notes: readonly string[];
}

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}
