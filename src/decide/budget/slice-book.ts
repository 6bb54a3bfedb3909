/**
 * A joiner's side of slices: its own book of budgets, in which hard limits are the slices that were granted to it. It admits on
 * its own within them, and says what it would need to admit more. A budget of one request is its own; soft budgets need no
 * slice, only that what was spent is told.
 */
import { BudgetBook, identityOf, refusal } from "./book.ts";
import type { HoldAsk, OpenHold } from "./book.ts";
import type { Account, SettledOf, Tally } from "./account.ts";
import { isLater } from "./slices.ts";
import type { SliceReply, SliceReport } from "./slices.ts";
import type { Admission, BalanceDelta, Budget, PeriodKey } from "./types.ts";

/** `wanting`: send the reports, take the replies, and admit again. */
export type SliceAdmission = Admission | { readonly kind: "wanting"; readonly reports: readonly SliceReport[] };

/** This many holds like the waiting one are asked for at once; the authority grants less near the end. */
const AHEAD = 32;

interface Own {
  readonly identity: string;
  readonly budgetId: string;
  readonly periodKey: PeriodKey;
  grantedNanoUsd: number;
  returnedNanoUsd: number;
  /** What the authority says was spent that our journal knows nothing of. */
  unknownNanoUsd: number;
  /** Whether the authority has answered to this: before it, nothing of the slice may be used. */
  isKnown: boolean;
  recalled: boolean;
  /** What the latest hold lacks for which others are giving back; null: nothing is waited for. */
  awaitedNanoUsd: number | null;
  /** The first report; answers to earlier ones may be older than what was given back before. */
  firstSequence: number;
  /** The report that was sent last, and whether it was answered. */
  sent: SliceReport | null;
  answered: boolean;
}

export class SliceBook {
  readonly book = new BudgetBook({ sliced: true });
  readonly #joiner: string;
  readonly #epoch: number;
  readonly #own = new Map<string, Own>();
  #sequence = 0;
  #superseded = false;

  /** `joiner` is kept with the journal and lost with it; `epoch` is higher at each start of whoever has that journal. */
  constructor(joiner: string, epoch: number) {
    this.#joiner = joiner;
    this.#epoch = epoch;
  }

  /** As of a book. `settledOf` says what this process's own journal has settled, and only that. */
  configure(budgets: readonly Budget[], settledOf: SettledOf, wallMs: number): void {
    this.book.configure(budgets, settledOf, wallMs);
    for (const [key, own] of this.#own) {
      if (this.#accountOf(own) === null) this.#own.delete(key);
      else this.#bind(own);
    }
  }

  /** After a start: periods of which the journal has something that may not have been told, and the holds that are open. */
  resume(known: Iterable<{ readonly budgetId: string; readonly periodKey: PeriodKey }>, holds: Iterable<OpenHold>): void {
    this.book.restore(holds);
    for (const { budgetId, periodKey } of known) {
      const account = this.book.accounts.get(budgetId);
      if (account !== undefined) this.#ownOf(account.tallyOf(periodKey));
    }
  }

  /** Admits within the slices, refuses what no slice would help, or says what is wanting. */
  admit(ask: HoldAsk): SliceAdmission {
    const admission = this.book.admit(ask);
    if (admission.kind === "admitted" || admission.why === "unbounded") return admission;
    return this.#wanting(ask, ask.boundNanoUsd ?? 0, this.book.shortOf(ask));
  }

  /** As of a book; what is missing is asked for in the period of the hold. */
  raise(ask: HoldAsk, boundNanoUsd: number | null): SliceAdmission {
    const admission = this.book.raise(ask.attemptId, boundNanoUsd);
    if (admission.kind === "admitted" || admission.why === "unbounded") return admission;
    const more = (boundNanoUsd ?? 0) - this.book.boundOf(ask.attemptId);
    return this.#wanting(ask, more, this.book.shortOf({ ...ask, boundNanoUsd: more }));
  }

  release(attemptId: string): void {
    this.book.release(attemptId);
  }

  deltas(attemptId: string, costNanoUsd: number | null): readonly BalanceDelta[] {
    return this.book.deltas(attemptId, costNanoUsd);
  }

  settle(attemptId: string, costNanoUsd: number | null, wallMs: number): void {
    this.book.settle(attemptId, costNanoUsd, wallMs);
  }

  /**
   * What the authority has not been told, or has not answered, and every slice with unused money in it, lest it is needed
   * elsewhere. For a timer; what is unused of old periods or called back is returned, and with `isQuiet` all that is unused:
   * nobody has asked for a while.
   */
  reports(wallMs: number, isQuiet = false): readonly SliceReport[] {
    const reports: SliceReport[] = [];
    for (const account of this.book.accounts.values()) {
      if (account.budget.period === "request") continue;
      for (const tally of account.tallies) if (tally.settledNanoUsd !== 0 || tally.heldNanoUsd !== 0) this.#ownOf(tally);
    }
    for (const [key, own] of this.#own) {
      const account = this.#accountOf(own);
      if (account === null) continue;
      if (own.answered && account.knownTally(own.periodKey) === undefined) {
        // Its period is over, all is told, and the book has forgotten it.
        this.#own.delete(key);
        continue;
      }
      const tally = account.tallyOf(own.periodKey);
      const isOld = account.tallyAt(wallMs).key > own.periodKey;
      if (own.recalled || isOld || isQuiet) this.#giveBack(own, tally);
      const report = this.#reportOf(own, tally, isOld ? null : own.awaitedNanoUsd);
      const isNews = !own.answered || own.sent === null || !saysTheSame(own.sent, report);
      if (isNews || own.awaitedNanoUsd !== null || idleOf(own, tally) > 0) reports.push(this.#send(own, report));
    }
    return reports;
  }

  /** Takes an answer of the authority, in any order, as often as it comes. */
  take(reply: SliceReply): void {
    const own = this.#own.get(keyOf(reply.identity, reply.periodKey));
    if (own?.sent == null || reply.joiner !== this.#joiner || reply.epoch !== this.#epoch || reply.sequence < own.firstSequence) return;
    if (reply.verdict === "superseded") {
      this.#superseded = true;
      for (const one of this.#own.values()) this.#bind(one);
      return;
    }
    own.grantedNanoUsd = Math.max(own.grantedNanoUsd, reply.grantedNanoUsd);
    const account = this.#accountOf(own);
    if (!own.isKnown) {
      // Nothing was given back since its first report: what the authority knows of returns is all there was.
      own.returnedNanoUsd = reply.returnedNanoUsd;
      own.isKnown = true;
      const settled = account?.tallyOf(own.periodKey).settledNanoUsd ?? 0;
      // A journal that knows of less than was told has lost something: then all that was granted may be spent.
      if (reply.settledNanoUsd > settled) own.unknownNanoUsd = Math.max(reply.settledNanoUsd, own.grantedNanoUsd - own.returnedNanoUsd) - settled;
    }
    if (!isLater(own.sent, reply)) {
      own.answered = true;
      own.recalled = reply.recall;
      if (reply.verdict !== "short") own.awaitedNanoUsd = null;
    }
    this.#bind(own);
  }

  /** The refusal of a hold for which the authority has nothing left; null where the budget is gone by now: admit again. */
  refusal(reply: SliceReply, wallMs: number): Admission | null {
    const account = this.book.accounts.get(reply.budgetId);
    if (account === undefined) return null;
    const { periodKey, balance } = reply;
    return { kind: "refused", why: "exceeded", budget: account.budget, periodKey, balance, resetsAtMs: account.endOfPeriod(wallMs) };
  }

  /** Another process has started with this journal: nothing more is admitted under a hard limit, as the slices are that one's. */
  get superseded(): boolean {
    return this.#superseded;
  }

  /** Slices that are remembered. */
  get size(): number {
    return this.#own.size;
  }

  #wanting(ask: HoldAsk, moreNanoUsd: number, short: readonly Tally[]): SliceAdmission {
    for (const tally of short) {
      // A request's own budget, and a limit that is below the hold in any case: no slice would help.
      const { budget } = tally.account;
      if (budget.period === "request" || moreNanoUsd > budget.limitNanoUsd) return refusal(tally, moreNanoUsd, ask.wallMs);
    }
    return { kind: "wanting", reports: short.map((tally) => this.#want(tally, moreNanoUsd)) };
  }

  #want(tally: Tally, moreNanoUsd: number): SliceReport {
    const own = this.#ownOf(tally);
    own.awaitedNanoUsd = moreNanoUsd;
    return this.#send(own, this.#reportOf(own, tally, moreNanoUsd));
  }

  #send(own: Own, report: SliceReport): SliceReport {
    this.#sequence += 1;
    if (own.sent === null) own.firstSequence = this.#sequence;
    own.sent = { ...report, sequence: this.#sequence };
    own.answered = false;
    return own.sent;
  }

  #reportOf(own: Own, tally: Tally, moreNanoUsd: number | null): SliceReport {
    const settledNanoUsd = tally.settledNanoUsd + own.unknownNanoUsd;
    const least = moreNanoUsd === null ? 0 : settledNanoUsd + tally.heldNanoUsd + own.returnedNanoUsd + moreNanoUsd;
    return {
      joiner: this.#joiner,
      epoch: this.#epoch,
      sequence: 0,
      identity: own.identity,
      budgetId: own.budgetId,
      periodKey: own.periodKey,
      settledNanoUsd,
      overrunNanoUsd: tally.overrunNanoUsd,
      returnedNanoUsd: own.returnedNanoUsd,
      heldNanoUsd: tally.heldNanoUsd,
      leastGrantedNanoUsd: least,
      wantedGrantedNanoUsd: moreNanoUsd === null ? 0 : least + AHEAD * moreNanoUsd,
    };
  }

  /** Binds first and tells afterwards: what is on its way back can no longer be spent. */
  #giveBack(own: Own, tally: Tally): void {
    if (!own.isKnown) return;
    const idle = idleOf(own, tally);
    if (idle === 0) return;
    own.returnedNanoUsd += idle;
    this.#bind(own);
  }

  #bind(own: Own): void {
    const account = this.#accountOf(own);
    if (account === null || account.budget.kind === "soft") return;
    const cap = own.isKnown && !this.#superseded ? own.grantedNanoUsd - own.returnedNanoUsd - own.unknownNanoUsd : 0;
    // A limit that was cut binds at once, whatever was granted under the one before.
    this.book.allow(own.budgetId, own.periodKey, Math.min(cap, account.budget.limitNanoUsd));
  }

  #ownOf({ account, key }: Tally): Own {
    const identity = identityOf(account.budget);
    const name = keyOf(identity, key);
    let own = this.#own.get(name);
    if (own === undefined) {
      const none = { grantedNanoUsd: 0, returnedNanoUsd: 0, unknownNanoUsd: 0, isKnown: false, recalled: false, awaitedNanoUsd: null, firstSequence: 0, sent: null, answered: false };
      own = { identity, budgetId: account.budget.id, periodKey: key, ...none };
      this.#own.set(name, own);
    }
    return own;
  }

  /** null: the budget is gone, or another by the same id. */
  #accountOf(own: Own): Account | null {
    const account = this.book.accounts.get(own.budgetId);
    return account !== undefined && identityOf(account.budget) === own.identity ? account : null;
  }
}

/** Of what was granted, what is neither spent nor held nor given back. */
function idleOf(own: Own, tally: Tally): number {
  return Math.max(0, own.grantedNanoUsd - own.returnedNanoUsd - own.unknownNanoUsd - tally.settledNanoUsd - tally.heldNanoUsd);
}

function keyOf(identity: string, periodKey: PeriodKey): string {
  return `${periodKey} ${identity}`;
}

function saysTheSame(a: SliceReport, b: SliceReport): boolean {
  return a.settledNanoUsd === b.settledNanoUsd && a.heldNanoUsd === b.heldNanoUsd && a.returnedNanoUsd === b.returnedNanoUsd && a.overrunNanoUsd === b.overrunNanoUsd;
}
