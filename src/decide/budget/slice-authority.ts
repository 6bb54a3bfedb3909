/**
 * The authority's side of slices. What is out with joiners is held in its own book, so its own holds and all grants together
 * stay within the limits. An answer is worked out first and takes effect once it is written, before the reply leaves.
 */
import { balanceOf } from "./account.ts";
import type { Tally } from "./account.ts";
import { identityOf } from "./book.ts";
import type { BudgetBook } from "./book.ts";
import { grantNanoUsd, idleNanoUsd, isLater, outNanoUsd, spentNanoUsd } from "./slices.ts";
import type { Slice, SliceReply, SliceReport } from "./slices.ts";
import type { BalanceDelta, PeriodKey } from "./types.ts";

/** To be written in one transaction, then applied, then the reply may leave. */
export interface SliceAnswer {
  readonly reply: SliceReply;
  /** null: the report was no news. */
  readonly slice: Slice | null;
  readonly deltas: readonly BalanceDelta[];
}

interface Kept {
  slice: Slice;
  /** Where what is out is held, and how much; null where the budget is none of the book's. */
  tally: Tally | null;
  heldNanoUsd: number;
}

/** Periods of a budget whose slices are kept when nothing of them is out. */
const KEPT_PERIODS = 3;
const NOTHING = { settledNanoUsd: 0, heldNanoUsd: 0, overrunNanoUsd: 0 };

export class SliceAuthority {
  readonly #book: BudgetBook;
  /** Budget's identity → period → joiner. */
  readonly #slices = new Map<string, Map<PeriodKey, Map<string, Kept>>>();
  /** Who waits for money of which period; "" is the authority itself. */
  readonly #waiting = new Map<string, Set<string>>();

  constructor(book: BudgetBook) {
    this.#book = book;
  }

  /** Slices as they were written; after a restart, before anything is admitted. */
  restore(slices: Iterable<Slice>): void {
    for (const slice of slices) this.#keep(slice);
  }

  /** After the book was configured: what is out is held in its new tallies. */
  reattach(): void {
    for (const { slice } of this.#all()) this.#keep(slice);
  }

  /** What a report comes to. Changes nothing; apply one answer before the next is worked out. */
  answer(report: SliceReport): SliceAnswer {
    const before = this.#find(report)?.slice ?? newSlice(report);
    const tally = this.#tallyOf(report);
    const waiting = this.#waiting.get(waitKey(report));
    // Of two processes with the same journal (a data folder that was copied), both would spend the same grants: the later start has them.
    if (report.epoch < before.epoch) return { reply: replyOf(report, before, tally, "superseded", false), slice: null, deltas: [] };
    if (!isLater(report, before)) return { reply: replyOf(report, before, tally, "granted", false), slice: null, deltas: [] };
    const heard: Slice = {
      ...before,
      epoch: report.epoch,
      sequence: report.sequence,
      settledNanoUsd: Math.max(before.settledNanoUsd, report.settledNanoUsd),
      overrunNanoUsd: Math.max(before.overrunNanoUsd, report.overrunNanoUsd),
      returnedNanoUsd: Math.max(before.returnedNanoUsd, Math.min(report.returnedNanoUsd, before.grantedNanoUsd)),
      heldNanoUsd: report.heldNanoUsd,
      lost: false,
    };
    const granted = tally === null ? this.#grantSoft(report, heard) : this.#grant(report, before, heard, tally);
    const slice: Slice = { ...heard, grantedNanoUsd: heard.grantedNanoUsd + granted };
    const isMet = report.leastGrantedNanoUsd <= slice.grantedNanoUsd;
    const verdict = isMet ? "granted" : this.idleNanoUsd(report.identity, report.periodKey, report.joiner) > 0 ? "short" : "spent";
    const isCut = tally !== null && tally.settledNanoUsd + tally.heldNanoUsd > tally.capNanoUsd;
    const recall = isCut || (waiting !== undefined && [...waiting].some((joiner) => joiner !== report.joiner));
    return { reply: replyOf(report, slice, tally, verdict, recall), slice, deltas: deltasBetween(before, slice) };
  }

  /** The answer takes effect. Call it once the slice and the deltas are written. */
  apply({ reply, slice, deltas }: SliceAnswer): void {
    this.#book.apply(deltas);
    if (slice === null) return;
    this.#keep(slice);
    this.#wait(slice, slice.joiner, reply.verdict === "short");
  }

  /** A joiner will not come back: what it has out counts as spent. To be written and applied like answers; if it does come back, its next report undoes this. */
  lose(joiner: string): readonly { readonly slice: Slice; readonly deltas: readonly BalanceDelta[] }[] {
    const lost: { slice: Slice; deltas: readonly BalanceDelta[] }[] = [];
    for (const { slice } of this.#all()) {
      if (slice.joiner !== joiner || slice.lost) continue;
      const after: Slice = { ...slice, lost: true };
      lost.push({ slice: after, deltas: deltasBetween(slice, after) });
    }
    return lost;
  }

  /** A loss takes effect. */
  applyLoss({ slice, deltas }: { readonly slice: Slice; readonly deltas: readonly BalanceDelta[] }): void {
    this.#book.apply(deltas);
    this.#keep(slice);
    this.#wait(slice, slice.joiner, false);
  }

  /** The authority's own traffic found too little (or no longer does): joiners are asked to give back what they do not use. */
  need(identity: string, periodKey: PeriodKey, isNeeded: boolean): void {
    this.#wait({ identity, periodKey }, "", isNeeded);
  }

  /** What joiners, but for this one, could give back. */
  idleNanoUsd(identity: string, periodKey: PeriodKey, exceptJoiner = ""): number {
    let idle = 0;
    for (const { slice } of this.#slices.get(identity)?.get(periodKey)?.values() ?? []) if (slice.joiner !== exceptJoiner) idle += idleNanoUsd(slice);
    return idle;
  }

  /** All slices that are kept. */
  *slices(): Iterable<Slice> {
    for (const { slice } of this.#all()) yield slice;
  }

  #grant(report: SliceReport, before: Slice, heard: Slice, tally: Tally): number {
    if (report.leastGrantedNanoUsd <= heard.grantedNanoUsd) return 0;
    // The book as it will be once this report has taken effect.
    const settled = tally.settledNanoUsd + spentNanoUsd(heard) - spentNanoUsd(before);
    const held = tally.heldNanoUsd + outNanoUsd(heard) - outNanoUsd(before);
    const left = tally.capNanoUsd - settled - held;
    // What was spent beyond the grants is settled already: to make it up takes nothing from what is left.
    const deficit = Math.max(0, heard.settledNanoUsd + heard.returnedNanoUsd - heard.grantedNanoUsd);
    const least = report.leastGrantedNanoUsd - heard.grantedNanoUsd - deficit;
    const wanted = report.wantedGrantedNanoUsd - heard.grantedNanoUsd - deficit;
    if (left < 0 || least > left) return 0;
    if (least <= 0) return report.leastGrantedNanoUsd - heard.grantedNanoUsd;
    return deficit + grantNanoUsd(left, this.#joiners(report), least, wanted);
  }

  /** Where no limit is kept, what is wanted is granted; of a budget that is not known here, nothing. */
  #grantSoft(report: SliceReport, heard: Slice): number {
    const budget = this.#book.accounts.get(report.budgetId)?.budget;
    return budget?.kind === "soft" && identityOf(budget) === report.identity ? Math.max(0, report.wantedGrantedNanoUsd - heard.grantedNanoUsd) : 0;
  }

  /** Those that take of this period, the asking one among them. */
  #joiners(report: SliceReport): number {
    const ofPeriod = this.#slices.get(report.identity)?.get(report.periodKey);
    return (ofPeriod?.size ?? 0) + (ofPeriod?.has(report.joiner) === true ? 0 : 1);
  }

  #find({ identity, periodKey, joiner }: { readonly identity: string; readonly periodKey: PeriodKey; readonly joiner: string }): Kept | undefined {
    return this.#slices.get(identity)?.get(periodKey)?.get(joiner);
  }

  #tallyOf({ identity, budgetId, periodKey }: { readonly identity: string; readonly budgetId: string; readonly periodKey: PeriodKey }): Tally | null {
    const account = this.#book.accounts.get(budgetId);
    return account === undefined || account.budget.kind === "soft" || identityOf(account.budget) !== identity ? null : account.tallyOf(periodKey);
  }

  #keep(slice: Slice): void {
    const periods = this.#slices.get(slice.identity) ?? new Map<PeriodKey, Map<string, Kept>>();
    this.#slices.set(slice.identity, periods);
    const ofPeriod = periods.get(slice.periodKey) ?? new Map<string, Kept>();
    periods.set(slice.periodKey, ofPeriod);
    const kept = ofPeriod.get(slice.joiner) ?? { slice, tally: null, heldNanoUsd: 0 };
    ofPeriod.set(slice.joiner, kept);
    const tally = this.#tallyOf(slice);
    if (kept.tally !== null) {
      kept.tally.heldNanoUsd -= kept.heldNanoUsd;
      kept.tally.grantedNanoUsd -= kept.heldNanoUsd;
    }
    kept.slice = slice;
    kept.tally = tally;
    kept.heldNanoUsd = outNanoUsd(slice);
    if (tally !== null) {
      tally.heldNanoUsd += kept.heldNanoUsd;
      tally.grantedNanoUsd += kept.heldNanoUsd;
    }
    if (periods.size > KEPT_PERIODS) this.#forget(periods, slice.periodKey);
  }

  #forget(periods: Map<PeriodKey, Map<string, Kept>>, except: PeriodKey): void {
    for (const key of [...periods.keys()].toSorted().slice(0, -KEPT_PERIODS)) {
      const all = [...(periods.get(key)?.values() ?? [])];
      if (key !== except && all.every(({ slice, heldNanoUsd }) => heldNanoUsd === 0 && slice.heldNanoUsd === 0 && !slice.lost)) periods.delete(key);
    }
  }

  #wait(of: { readonly identity: string; readonly periodKey: PeriodKey }, who: string, waits: boolean): void {
    const key = waitKey(of);
    const waiting = this.#waiting.get(key);
    if (waits) this.#waiting.set(key, (waiting ?? new Set()).add(who));
    else if (waiting?.delete(who) === true && waiting.size === 0) this.#waiting.delete(key);
  }

  *#all(): Iterable<Kept> {
    for (const periods of this.#slices.values()) for (const ofPeriod of periods.values()) yield* ofPeriod.values();
  }
}

function waitKey({ identity, periodKey }: { readonly identity: string; readonly periodKey: PeriodKey }): string {
  return `${periodKey} ${identity}`;
}

function newSlice({ joiner, identity, budgetId, periodKey }: SliceReport): Slice {
  const none = { epoch: Number.NEGATIVE_INFINITY, sequence: 0, grantedNanoUsd: 0, returnedNanoUsd: 0, settledNanoUsd: 0, overrunNanoUsd: 0, heldNanoUsd: 0, lost: false };
  return { joiner, identity, budgetId, periodKey, ...none };
}

function deltasBetween(before: Slice, after: Slice): readonly BalanceDelta[] {
  const settledNanoUsd = spentNanoUsd(after) - spentNanoUsd(before);
  const overrunNanoUsd = after.overrunNanoUsd - before.overrunNanoUsd;
  return settledNanoUsd === 0 && overrunNanoUsd === 0 ? [] : [{ budgetId: after.budgetId, periodKey: after.periodKey, settledNanoUsd, overrunNanoUsd }];
}

/** The balance is that of before this answer took effect: near enough for a refusal. */
function replyOf(report: SliceReport, slice: Slice, tally: Tally | null, verdict: SliceReply["verdict"], recall: boolean): SliceReply {
  const { joiner, epoch, sequence, identity, budgetId, periodKey } = report;
  const { grantedNanoUsd, returnedNanoUsd, settledNanoUsd } = slice;
  const totals = { grantedNanoUsd, returnedNanoUsd, settledNanoUsd };
  return { joiner, epoch, sequence, identity, budgetId, periodKey, ...totals, verdict, recall, balance: tally === null ? NOTHING : balanceOf(tally) };
}
