/**
 * The budgets beside the ledger: a hold is admitted in memory before its row is written, a charge moves the balances in the
 * transaction that writes it. So a balance is never less than its rows, through any crash, and what is held needs no
 * balance of its own: it is the open rows.
 */
import type { DatabaseSync } from "node:sqlite";
import { BudgetBook, type BudgetAlert, type HoldAsk } from "../decide/budget/book.ts";
import type { Admission, BalanceDelta, Budget } from "../decide/budget/types.ts";
import { listed, takenWords } from "../decide/budget/words.ts";
import type { BudgetGate, Hold, OnModel, ReserveResult } from "../ports.ts";
import { usdShort } from "../wire/money.ts";
import { Balances } from "./balances.ts";
import type { AttemptRow } from "./rows.ts";

export type Refusal = Extract<ReserveResult, { kind: "refused" }>;
/** Why a hold was not made. */
export type Unheld = Exclude<ReserveResult, { kind: "held" }>;

const NO_ALERTS: readonly BudgetAlert[] = [];

/** Holds that wait for room: half of what may be in flight as a rule, so that who waits keeps nobody else out. */
export const WAITING_MAX = 1_000;
/** Nobody is told this: who asked has gone. */
const FORGONE: Refusal = Object.freeze({ kind: "refused", code: "budget_exceeded", scope: "", message: "The request ended while it waited for room in a budget.", resetsAtMs: null });

/** What becomes of a hold that waits: null is granted, as the hold that is given with it, which may be of a later time than was asked for. */
export type Told = (refused: Unheld | null, hold: Hold) => void;

interface Waiting {
  readonly hold: Hold;
  readonly told: Told;
  readonly timer: NodeJS.Timeout;
  /** Looks again when the period that forbids it is over; null: that is too far off. */
  readonly anew: NodeJS.Timeout | null;
}

export class LedgerBudgets implements BudgetGate {
  readonly book: BudgetBook;
  protected readonly balances: Balances;
  protected readonly wallMs: () => number;
  protected readonly waitMs: number;
  /** Of the group that is being written. */
  #deltas: BalanceDelta[] = [];
  #settled: { readonly attemptId: string; readonly costNanoUsd: number | null }[] = [];
  #adjusted: BalanceDelta[] = [];
  #any = false;
  /** By attempt, in the order of asking. */
  readonly #waiting = new Map<string, Waiting>();
  #retrying = false;

  /** `waitMs`: how long a hold waits for others to be settled. `isAuthority`: others may have joined this process, and not this one others. */
  constructor(db: DatabaseSync, wallMs: () => number, waitMs = 30_000, book = new BudgetBook(), isAuthority = true) {
    this.book = book;
    this.waitMs = waitMs;
    this.wallMs = wallMs;
    this.balances = new Balances(db, isAuthority);
  }

  get any(): boolean {
    return this.#any;
  }

  /** From now on these budgets bind. Those that are new start from the rows of their period; balances of others are dropped. */
  configure(budgets: readonly Budget[]): void {
    this.balances.keep(budgets, this.wallMs());
    this.book.configure(budgets, (budget, periodKey) => this.balances.settledOf(budget, periodKey), this.wallMs());
    this.balances.kept();
    this.configured(budgets.length > 0);
    if (this.#any) this.book.restore(this.balances.openRows());
    this.#retrySoon();
  }

  /** Something was given back: whoever waits may find room. */
  roomMayHaveCome(): void {
    this.#retrySoon();
  }

  protected configured(any: boolean): void {
    this.#any = any;
  }

  // BudgetGate

  binding(scopes: readonly string[]): { readonly hard: boolean; readonly capNanoUsd: number | null } {
    return this.book.binding(scopes);
  }

  onModels(scopes: readonly string[]): readonly OnModel[] {
    return this.book.onModels(scopes);
  }

  cheaper(scopes: readonly string[], wallMs: number): boolean {
    return this.book.cheaperFor(scopes, wallMs) !== null;
  }

  exhausted(scopes: readonly string[], wallMs: number): Refusal | null {
    const admission = this.book.exhausted(scopes, wallMs);
    return admission.kind === "admitted" ? null : refusal(admission, 0);
  }

  /** Whoever asked for this hold has gone: if it still waits for room, it is refused now. */
  forgo(attemptId: string): void {
    this.#endWait(attemptId, FORGONE);
  }

  /** A request is over: nothing of it will be held any more. */
  endRequest(requestId: string): void {
    if (this.#any) this.book.endRequest(requestId);
  }

  /** Thresholds crossed since this was last asked; each is told once a period, over restarts too. */
  alertsDue(): readonly BudgetAlert[] {
    const alerts = this.#any ? this.book.alertsDue() : NO_ALERTS;
    this.balances.tell(alerts);
    return alerts;
  }

  // For the ledger

  /** Holds the bound under all budgets that apply, or says which of them forbids it. */
  admit(hold: Hold): Refusal | null {
    if (!this.#any) return null;
    const ask = askOf(hold);
    // What costs nothing fits under any limit; but who may spend nothing more is served nothing more.
    if (ask.boundNanoUsd === 0) {
      const refused = this.exhausted(ask.scopes, ask.wallMs);
      if (refused !== null) return refused;
    }
    const admission = this.book.admit(ask);
    return admission.kind === "admitted" ? null : refusal(admission, ask.boundNanoUsd);
  }

  /**
   * What is refused only for what others hold at this moment waits until they are settled, in the order of asking; else near
   * the end of a budget most of a burst would be refused with money left over. `told` is called once.
   */
  waitFor(hold: Hold, refused: Refusal, told: Told): void {
    if (!isWorthWaiting(this.book, hold) || this.#waiting.size >= WAITING_MAX) return told(refused, hold);
    const timer = setTimeout(() => this.#endWait(hold.attemptId, refused), this.waitMs).unref();
    const awayMs = refused.resetsAtMs === null ? Number.POSITIVE_INFINITY : Math.max(0, refused.resetsAtMs - this.wallMs());
    const anew = awayMs < this.waitMs ? setTimeout(() => this.#retrySoon(), awayMs + 2).unref() : null;
    this.#waiting.set(hold.attemptId, { hold, told, timer, anew });
  }

  /**
   * A hold as it is now. It belongs to the period in which it is granted: one that waited into the next period of a budget is asked for
   * there. Its price stays that of the moment at which it was asked for, as its bound is.
   */
  protected present(hold: Hold): Hold {
    const nowMs = this.wallMs();
    return nowMs <= hold.atMs || !this.book.turned(hold.scopes, hold.atMs, nowMs) ? hold : { ...hold, atMs: nowMs, period: new Date(nowMs).toISOString().slice(0, "2026-11".length) };
  }

  release(attemptId: string): void {
    if (!this.#any) return;
    this.book.release(attemptId);
    this.#retrySoon();
  }

  /** This hold stays open until a provider says that its call ended: who waits for its room need not. */
  keep(attemptId: string): void {
    if (!this.#any) return;
    this.book.keep(attemptId);
    this.#retrySoon();
  }

  /** Nobody waits any longer. */
  close(): void {
    for (const attemptId of this.#waiting.keys()) this.#endWait(attemptId, { kind: "refused", code: "budget_exceeded", scope: "", message: "The gateway is stopping; a budget had no room for this call yet.", resetsAtMs: null });
  }

  #retrySoon(): void {
    if (this.#waiting.size === 0 || this.#retrying) return;
    this.#retrying = true;
    setImmediate(() => {
      this.#retrying = false;
      for (const { hold: asked } of this.#waiting.values()) {
        const hold = this.present(asked);
        const refused = this.admit(hold);
        if (refused === null) this.#endWait(hold.attemptId, null, hold);
        else if (!isWorthWaiting(this.book, hold)) this.#endWait(hold.attemptId, refused);
      }
    });
  }

  #endWait(attemptId: string, refusal: Refusal | null, hold?: Hold): void {
    const waiting = this.#waiting.get(attemptId);
    if (waiting === undefined) return;
    this.#waiting.delete(attemptId);
    clearTimeout(waiting.timer);
    if (waiting.anew !== null) clearTimeout(waiting.anew);
    waiting.told(refusal, hold ?? waiting.hold);
  }

  /** A charge is about to be written, inside a transaction. */
  charging(attemptId: string, costNanoUsd: number | null): void {
    if (!this.#any) return;
    this.#settled.push({ attemptId, costNanoUsd });
    this.#deltas.push(...this.book.deltas(attemptId, costNanoUsd));
  }

  /** A correction is about to be written: a difference, for the periods of the original hold. */
  correcting(row: Pick<AttemptRow, "scopes" | "atMs">, differenceNanoUsd: number | null): void {
    if (!this.#any || differenceNanoUsd === null || differenceNanoUsd === 0) return;
    const deltas = this.book.adjustments(row.scopes, row.atMs, differenceNanoUsd);
    this.#adjusted.push(...deltas);
    this.#deltas.push(...deltas);
  }

  /** Balances that move for another reason, inside a transaction; the book is told by whoever moves them. */
  moving(deltas: readonly BalanceDelta[]): void {
    this.#deltas.push(...deltas);
  }

  /** Inside the transaction, after all its charges. */
  write(): void {
    if (this.#deltas.length === 0) return;
    this.balances.write(this.book, this.#deltas);
  }

  /** The transaction is durable: its charges count. */
  committed(): void {
    if (this.#settled.length === 0 && this.#adjusted.length === 0) return this.rolledBack();
    const wallMs = this.wallMs();
    for (const { attemptId, costNanoUsd } of this.#settled) this.book.settle(attemptId, costNanoUsd, wallMs);
    this.book.apply(this.#adjusted);
    this.rolledBack();
    this.#retrySoon();
  }

  rolledBack(): void {
    if (this.#settled.length > 0) this.#settled = [];
    if (this.#deltas.length > 0) this.#deltas = [];
    if (this.#adjusted.length > 0) this.#adjusted = [];
  }

  /** Does the group that is being written move balances? */
  get moves(): boolean {
    return this.#deltas.length > 0;
  }
}

/** What a hold asks of budgets. What is unmetered asks for nothing. */
export function askOf({ attemptId, requestId, scopes, unmetered, boundNanoUsd, atMs }: Hold): HoldAsk {
  return { attemptId, requestId, scopes, boundNanoUsd: unmetered === true ? 0 : boundNanoUsd, wallMs: atMs };
}

/** What costs nothing is refused only where a budget is spent: that does not pass by waiting. */
function isWorthWaiting(book: BudgetBook, hold: Hold): boolean {
  const ask = askOf(hold);
  return ask.boundNanoUsd !== 0 && book.mayFit(ask);
}

/** The refusal as a client reads it. */
export function refusal(admission: Exclude<Admission, { kind: "admitted" }>, boundNanoUsd: number | null): Refusal {
  const { budget, balance, why, resetsAtMs } = admission;
  const whose = budget.scopes.join(" + ");
  const limit = `The budget ${budget.id} allows ${whose} $${usdShort(budget.limitNanoUsd)} ${PER[budget.period]}`;
  const stands = listed([`$${usdShort(balance.settledNanoUsd)} is spent`, ...takenWords(balance)]);
  const asks = why === "unbounded" ? "what this call may cost cannot be bounded" : boundNanoUsd !== null && boundNanoUsd > 0 ? `this call may cost up to $${usdShort(boundNanoUsd)}` : "nothing more is served";
  const anew = resetsAtMs === null ? "" : ` It begins anew at ${new Date(resetsAtMs).toISOString()}.`;
  return { kind: "refused", code: "budget_exceeded", scope: whose, budget: budget.id, message: `${limit}: ${stands}, ${asks}.${anew}`, resetsAtMs };
}

const PER: Readonly<Record<Budget["period"], string>> = { request: "for one request", day: "a day", week: "a week", month: "a month", total: "in all" };
