/**
 * Slices of budgets for processes that share them. One process is the authority; the others (joiners) are granted pieces of what
 * is left and admit holds within them on their own. All that the two tell each other of one slice are totals since its beginning,
 * so a message that is lost, repeated, late or out of order does no harm: the next one says it all again.
 */
import type { Balance, PeriodKey } from "./types.ts";

/** One joiner's slice of one budget in one period, as the authority knows it. Amounts are totals that only grow. */
export interface Slice {
  /** A name that a joiner keeps with its journal: whoever has lost the journal comes under another. */
  readonly joiner: string;
  /** `identityOf` the budget, and its id. */
  readonly identity: string;
  readonly budgetId: string;
  readonly periodKey: PeriodKey;
  /** The latest report that was heard: later starts of a joiner have higher epochs. */
  readonly epoch: number;
  readonly sequence: number;
  readonly grantedNanoUsd: number;
  readonly returnedNanoUsd: number;
  readonly settledNanoUsd: number;
  readonly overrunNanoUsd: number;
  /** How much of it was held at the latest report. No total. */
  readonly heldNanoUsd: number;
  /** Its journal is gone: what is out counts as spent, until the joiner is heard again. */
  readonly lost: boolean;
}

/** What a joiner says of one slice. */
export interface SliceReport {
  readonly joiner: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly identity: string;
  readonly budgetId: string;
  readonly periodKey: PeriodKey;
  readonly settledNanoUsd: number;
  readonly overrunNanoUsd: number;
  readonly returnedNanoUsd: number;
  readonly heldNanoUsd: number;
  /** The total of grants that would let the waiting hold pass, and the one it would like; both 0: nothing is wanted. */
  readonly leastGrantedNanoUsd: number;
  readonly wantedGrantedNanoUsd: number;
}

/** What the authority answers. */
export interface SliceReply {
  readonly joiner: string;
  readonly epoch: number;
  /** Of the report that this answers. */
  readonly sequence: number;
  readonly identity: string;
  readonly budgetId: string;
  readonly periodKey: PeriodKey;
  readonly grantedNanoUsd: number;
  readonly returnedNanoUsd: number;
  readonly settledNanoUsd: number;
  /**
   * `granted`: all that was needed. `short`: others have unused money that is being called back; ask again. `spent`: nobody has.
   * `superseded`: a later start under this name has been heard, so the one that asks has nothing any more.
   */
  readonly verdict: "granted" | "short" | "spent" | "superseded";
  /** Others need it: give back what is not held. */
  readonly recall: boolean;
  /** Of the whole budget, for a refusal. */
  readonly balance: Balance;
}

/** What is out: granted, neither spent nor given back. The authority counts it as held. */
export function outNanoUsd(slice: Slice): number {
  return slice.lost ? 0 : Math.max(0, slice.grantedNanoUsd - slice.returnedNanoUsd - slice.settledNanoUsd);
}

/** What counts as settled of a slice: of a lost one, all that was out. */
export function spentNanoUsd(slice: Slice): number {
  return slice.lost ? Math.max(slice.settledNanoUsd, slice.grantedNanoUsd - slice.returnedNanoUsd) : slice.settledNanoUsd;
}

/** What of it could be given back, by its latest report. */
export function idleNanoUsd(slice: Slice): number {
  return Math.max(0, outNanoUsd(slice) - slice.heldNanoUsd);
}

/** Was `a` said after `b`? */
export function isLater(a: { readonly epoch: number; readonly sequence: number }, b: { readonly epoch: number; readonly sequence: number }): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);
}

/**
 * How much to grant of what is left: what was asked for, but of the last of it no more than a share that leaves as much to every
 * other joiner, and never less than the waiting hold needs.
 */
export function grantNanoUsd(leftNanoUsd: number, joiners: number, leastNanoUsd: number, wantedNanoUsd: number): number {
  if (leastNanoUsd > leftNanoUsd) return 0;
  const share = Math.floor(leftNanoUsd / (2 * joiners + 2));
  return Math.max(leastNanoUsd, Math.min(wantedNanoUsd, share));
}
