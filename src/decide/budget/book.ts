/**
 * The budgets of one process and what they stand at. A hold is admitted if settled + held + its bound stays within the limit
 * of every hard budget that applies, or not at all. What is settled takes effect in two steps, so that a ledger can write it
 * first: `deltas` says what will change, `settle` changes it; whoever fails in between has changed nothing.
 */
import { Account, balanceOf } from "./account.ts";
import type { SettledOf, Tally } from "./account.ts";
import { Applicable, modelBeside } from "./applicable.ts";
import { RequestTallies } from "./requests.ts";
import type { Admission, Balance, BalanceDelta, Budget, PeriodKey } from "./types.ts";

export interface HoldAsk {
  readonly attemptId: string;
  readonly requestId: string;
  /** Frozen where it is used again (a caller's own): it is then looked up once, in a single step ever after. */
  readonly scopes: readonly string[];
  /** 0 for what costs nothing; null where no bound is known: no hard budget admits it. */
  readonly boundNanoUsd: number | null;
  /** When the hold is made: it decides the period, for the hold and for its charge. */
  readonly wallMs: number;
}
export interface OpenHold extends HoldAsk {
  /** It stays open until a provider says that its call ended, which may take a day. */
  readonly kept?: boolean;
}

/** A threshold that was crossed by what is settled. */
export interface BudgetAlert {
  readonly budget: Budget;
  readonly periodKey: PeriodKey;
  readonly permille: number;
  readonly balance: Balance;
}

interface Entry {
  readonly hold: OpenHold;
  boundNanoUsd: number | null;
  kept: boolean;
  readonly tallies: readonly Tally[];
}

const ADMITTED: Admission = { kind: "admitted" };
const NO_DELTAS: readonly BalanceDelta[] = [];
const UNBOUND = { hard: false, capNanoUsd: null } as const;
const nothing: SettledOf = () => undefined;

export interface BookOptions {
  /** Hard limits are granted to this process in slices (`allow`); until then nothing is admitted under them. */
  readonly sliced?: boolean;
  /** Requests between two attempts that are remembered. */
  readonly restingRequestsMax?: number;
}

export class BudgetBook {
  readonly #accounts = new Map<string, Account>();
  readonly #open = new Map<string, Entry>();
  readonly #crossed = new Set<Tally>();
  readonly #requests: RequestTallies;
  readonly #sliced: boolean;
  #applicable = new Applicable<Account>([], () => []);
  #settledOf = nothing;

  constructor(options: BookOptions = {}) {
    this.#sliced = options.sliced ?? false;
    this.#requests = new RequestTallies(options.restingRequestsMax);
  }

  /**
   * From now on these budgets count. One that stays (same id, scopes, period and zone) keeps what it stands at, and a new limit
   * binds the next hold. A new one starts from the records, with the open holds of this book that it applies to; holds that
   * no budget applied to are not in the book, so `restore` them from the ledger's open rows.
   */
  configure(budgets: readonly Budget[], settledOf: SettledOf, wallMs: number): void {
    this.#settledOf = settledOf;
    const before = new Map(this.#accounts);
    this.#accounts.clear();
    for (const budget of budgets.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
      const known = before.get(budget.id);
      const stays = known !== undefined && identityOf(known.budget) === identityOf(budget) ? known : null;
      const account = stays ?? new Account(budget, this.#sliced, () => this.#settledOf, this.#crossed);
      if (stays !== null) stays.reform(budget);
      this.#accounts.set(budget.id, account);
      if (budget.period !== "request") account.tallyAt(wallMs);
      else if (stays !== null) this.#requests.reform(account, budget.limitNanoUsd);
    }
    for (const account of before.values()) if (this.#accounts.get(account.budget.id) !== account) this.#close(account);
    this.#applicable = new Applicable(this.#accounts.values(), ({ budget }) => budget.scopes);
    const open = [...this.openHolds()];
    for (const hold of open) this.#attach(hold);
  }

  /** Holds it all over, or says which hard budget forbids it and holds nothing. A repeat of an open hold changes nothing. */
  admit(ask: HoldAsk): Admission {
    const accounts = this.#applicable.to(ask.scopes);
    if (accounts.length === 0 || this.#open.has(ask.attemptId)) return ADMITTED;
    const bound = knownBound(ask.boundNanoUsd);
    const tallies: Tally[] = [];
    let forbids: Tally | null = null;
    for (const account of accounts) {
      const tally = this.#tallyFor(account, ask);
      tallies.push(tally);
      if (account.budget.kind === "hard" && !fits(tally, bound)) forbids = forbids === null ? tally : longer(forbids, tally, ask.wallMs);
    }
    if (forbids !== null) return refusal(forbids, bound, ask.wallMs);
    this.#hold(ask, bound, tallies);
    return ADMITTED;
  }

  /** An attempt needs more than it holds: all of the difference is held, or none. A lesser bound changes nothing. */
  raise(attemptId: string, boundNanoUsd: number | null): Admission {
    const entry = this.#open.get(attemptId);
    if (entry === undefined) return ADMITTED;
    const bound = knownBound(boundNanoUsd);
    const more = bound === null ? null : bound - (entry.boundNanoUsd ?? 0);
    if (more !== null && more <= 0) return ADMITTED;
    let forbids: Tally | null = null;
    for (const tally of entry.tallies) {
      if (tally.account.budget.kind === "hard" && !fits(tally, more)) forbids = forbids === null ? tally : longer(forbids, tally, entry.hold.wallMs);
    }
    if (forbids !== null) return refusal(forbids, more, entry.hold.wallMs);
    // Without a hard budget an unknown bound is no reason to let go of what is held.
    if (more === null) return ADMITTED;
    for (const tally of entry.tallies) {
      tally.heldNanoUsd += more;
      if (entry.kept) tally.keptNanoUsd += more;
    }
    entry.boundNanoUsd = bound;
    return ADMITTED;
  }

  /** This hold will be open for long: it is held as before, and nobody waits for its room. */
  keep(attemptId: string): void {
    const entry = this.#open.get(attemptId);
    if (entry === undefined || entry.kept) return;
    entry.kept = true;
    for (const tally of entry.tallies) tally.keptNanoUsd += entry.boundNanoUsd ?? 0;
  }

  /** The hold never came to be: its row was not written, or its call not made. */
  release(attemptId: string): void {
    const entry = this.#open.get(attemptId);
    if (entry !== undefined) this.#letGo(entry);
  }

  /**
   * What settling this attempt adds to which balances. Changes nothing; of an attempt that no budget applies to, or that is
   * settled already, nothing. A cost of null (unmetered, unpriced) counts as none. Budgets of one request leave no balance.
   */
  deltas(attemptId: string, costNanoUsd: number | null): readonly BalanceDelta[] {
    const entry = this.#open.get(attemptId);
    if (entry === undefined) return NO_DELTAS;
    const { settledNanoUsd, overrunNanoUsd } = costOf(entry, costNanoUsd);
    if (settledNanoUsd === 0) return NO_DELTAS;
    const deltas: BalanceDelta[] = [];
    for (const { account, key } of entry.tallies) {
      if (account.budget.period !== "request") deltas.push({ budgetId: account.budget.id, periodKey: key, settledNanoUsd, overrunNanoUsd });
    }
    return deltas;
  }

  /** The hold ends and its cost counts, in the period of the hold. Call it once the charge is written. A repeat changes nothing. */
  settle(attemptId: string, costNanoUsd: number | null, wallMs: number): void {
    const entry = this.#open.get(attemptId);
    if (entry === undefined) return;
    const { settledNanoUsd, overrunNanoUsd } = costOf(entry, costNanoUsd);
    for (const tally of entry.tallies) {
      tally.account.add(tally, settledNanoUsd, overrunNanoUsd);
      if (settledNanoUsd > 0) tally.account.recent.add(wallMs, settledNanoUsd);
    }
    this.#letGo(entry);
  }

  /** What a correction of a call adds (or takes back, below 0): to the periods of the original hold, made at `heldAtMs`. */
  adjustments(scopes: readonly string[], heldAtMs: number, nanoUsd: number): readonly BalanceDelta[] {
    const deltas: BalanceDelta[] = [];
    for (const account of this.#applicable.to(scopes)) {
      if (account.budget.period === "request") continue;
      deltas.push({ budgetId: account.budget.id, periodKey: account.keyAt(heldAtMs), settledNanoUsd: nanoUsd, overrunNanoUsd: 0 });
    }
    return deltas;
  }

  /** Deltas that did not come from a hold of this book take effect; call it once they are written. */
  apply(deltas: readonly BalanceDelta[]): void {
    for (const { budgetId, periodKey, settledNanoUsd, overrunNanoUsd } of deltas) {
      const account = this.#accounts.get(budgetId);
      const tally = account?.knownTally(periodKey);
      if (account !== undefined && tally !== undefined) account.add(tally, settledNanoUsd, overrunNanoUsd);
    }
  }

  /** Open holds from before this process, or from before a budget applied to them, count as held, whatever the limits say. */
  restore(holds: Iterable<OpenHold>): void {
    for (const hold of holds) this.#attach(hold);
  }

  /** Holds that some budget applies to. */
  *openHolds(): Iterable<OpenHold> {
    for (const { hold, boundNanoUsd, kept } of this.#open.values()) yield { ...hold, boundNanoUsd, kept };
  }

  /** No further attempt of this request will come; what it spent need not be remembered. */
  endRequest(requestId: string): void {
    this.#requests.end(requestId);
  }

  /** Does a hard budget apply, and what is the smallest limit on one request? Known before a hold is asked for. */
  binding(scopes: readonly string[]): { readonly hard: boolean; readonly capNanoUsd: number | null } {
    let hard = false;
    let capNanoUsd: number | null = null;
    for (const { budget } of this.#applicable.to(scopes)) {
      if (budget.kind !== "hard") continue;
      hard = true;
      if (budget.period === "request") capNanoUsd = Math.min(budget.limitNanoUsd, capNanoUsd ?? budget.limitNanoUsd);
    }
    return hard ? { hard, capNanoUsd } : UNBOUND;
  }

  /** Hard budgets that would apply to a call with these scopes if it were one of the model that they name. */
  onModels(scopes: readonly string[]): readonly { readonly id: string; readonly model: string }[] {
    return [...this.#accounts.values()].flatMap(({ budget }) => {
      const model = budget.kind === "hard" ? modelBeside(budget.scopes, scopes) : null;
      return model === null ? [] : [{ id: budget.id, model }];
    });
  }

  /** Budgets that apply, with the period of this time; those of single requests are left out. */
  applying(scopes: readonly string[], wallMs: number): readonly { readonly budget: Budget; readonly periodKey: PeriodKey }[] {
    return this.#applicable.to(scopes).flatMap((account) => (account.budget.period === "request" ? [] : [{ budget: account.budget, periodKey: account.tallyAt(wallMs).key }]));
  }

  /** Has some budget that applies begun a new period between these two times? */
  turned(scopes: readonly string[], fromMs: number, toMs: number): boolean {
    return this.#applicable.to(scopes).some((account) => account.keyAt(fromMs) !== account.keyAt(toMs));
  }

  /** Would this hold fit once everything that is held now, and not kept for long, is settled at nothing? Then it is worth waiting for. */
  mayFit({ scopes, requestId, boundNanoUsd, wallMs, attemptId }: HoldAsk): boolean {
    const bound = knownBound(boundNanoUsd);
    if (bound === null) return false;
    return this.#applicable.to(scopes).every((account) => {
      if (account.budget.kind !== "hard") return true;
      const tally = this.#tallyFor(account, { scopes, requestId, boundNanoUsd, wallMs, attemptId });
      // A request that waits for what it holds itself would wait for ever.
      const taken = tally.settledNanoUsd + (account.budget.period === "request" ? tally.heldNanoUsd : tally.keptNanoUsd);
      return taken + bound <= tally.capNanoUsd;
    });
  }

  /** Has a hard budget been spent to its limit, so that nothing is admitted, not even what costs nothing? */
  exhausted(scopes: readonly string[], wallMs: number): Admission {
    for (const account of this.#applicable.to(scopes)) {
      if (account.budget.kind !== "hard" || account.budget.period === "request") continue;
      const tally = account.tallyAt(wallMs);
      if (tally.settledNanoUsd >= tally.capNanoUsd) return refusal(tally, 0, wallMs);
    }
    return ADMITTED;
  }

  /** The budget, of those that apply, from whose share on cheaper candidates are to be taken; null: none has come so far. */
  cheaperFor(scopes: readonly string[], wallMs: number): Budget | null {
    for (const account of this.#applicable.to(scopes)) {
      if (account.cheaperFromNanoUsd === Number.POSITIVE_INFINITY || account.budget.period === "request") continue;
      const { settledNanoUsd, heldNanoUsd } = account.tallyAt(wallMs);
      if (settledNanoUsd + heldNanoUsd >= account.cheaperFromNanoUsd) return account.budget;
    }
    return null;
  }

  /** Thresholds that what is settled has crossed since this was last asked: each once a period. */
  alertsDue(): readonly BudgetAlert[] {
    if (this.#crossed.size === 0) return [];
    const alerts: BudgetAlert[] = [];
    for (const tally of this.#crossed) {
      this.#crossed.delete(tally);
      const { account, key } = tally;
      for (const permille of account.takeCrossed(tally)) alerts.push({ budget: account.budget, periodKey: key, permille, balance: balanceOf(tally) });
    }
    return alerts;
  }

  /** Budgets by their ids, in order. */
  get accounts(): ReadonlyMap<string, Account> {
    return this.#accounts;
  }

  /** What a budget stands at in the period of `wallMs`; undefined: no such budget, or one of single requests. */
  balanceOf(budgetId: string, wallMs: number): Balance | undefined {
    const account = this.#accounts.get(budgetId);
    return account === undefined || account.budget.period === "request" ? undefined : balanceOf(account.tallyAt(wallMs));
  }

  /** In a sliced book: what settled and held may come to in this period, here and now. */
  allow(budgetId: string, periodKey: PeriodKey, capNanoUsd: number): void {
    const tally = this.#accounts.get(budgetId)?.tallyOf(periodKey);
    if (tally !== undefined) tally.capNanoUsd = capNanoUsd;
  }

  /** The hard budgets that need more room for this hold than they have, tallies of requests included. */
  shortOf(ask: HoldAsk): readonly Tally[] {
    const bound = knownBound(ask.boundNanoUsd);
    const tallies = this.#applicable.to(ask.scopes).map((account) => this.#tallyFor(account, ask));
    return tallies.filter((tally) => tally.account.budget.kind === "hard" && !fits(tally, bound));
  }

  /** What an open hold holds; 0 where it is none of the book's or has no bound. */
  boundOf(attemptId: string): number {
    return this.#open.get(attemptId)?.boundNanoUsd ?? 0;
  }

  /** What is kept in memory, for whoever watches that it is bounded. */
  get sizes(): { readonly holds: number; readonly requests: number } {
    return { holds: this.#open.size, requests: this.#requests.size };
  }

  #tallyFor(account: Account, hold: OpenHold): Tally {
    return account.budget.period === "request" ? this.#requests.tallyOf(hold.requestId, account) : account.tallyAt(hold.wallMs);
  }

  #hold(hold: OpenHold, boundNanoUsd: number | null, tallies: readonly Tally[]): void {
    for (const tally of tallies) {
      tally.heldNanoUsd += boundNanoUsd ?? 0;
      tally.holds += 1;
      if (tally.account.budget.period === "request") this.#requests.open(hold.requestId, tally);
    }
    this.#open.set(hold.attemptId, { hold, boundNanoUsd, kept: false, tallies });
    if (hold.kept === true) this.keep(hold.attemptId);
  }

  /** Takes the hold out of every tally it is in. */
  #letGo(entry: Entry): void {
    for (const tally of entry.tallies) {
      tally.heldNanoUsd -= entry.boundNanoUsd ?? 0;
      if (entry.kept) tally.keptNanoUsd -= entry.boundNanoUsd ?? 0;
      tally.holds -= 1;
      if (tally.account.budget.period === "request") this.#requests.close(entry.hold.requestId);
    }
    this.#open.delete(entry.hold.attemptId);
  }

  /** Brings a hold to all budgets that apply to it now, and out of those that do not. */
  #attach(hold: OpenHold): void {
    const entry = this.#open.get(hold.attemptId);
    const accounts = this.#applicable.to(hold.scopes);
    const bound = entry === undefined ? knownBound(hold.boundNanoUsd) : entry.boundNanoUsd;
    if (entry !== undefined && entry.tallies.length === accounts.length && entry.tallies.every((tally, at) => tally.account === accounts[at])) return;
    // Its tallies are found before it leaves those it is in: none is forgotten in between.
    const tallies = accounts.map((account) => entry?.tallies.find((tally) => tally.account === account) ?? this.#tallyFor(account, hold));
    if (entry !== undefined) this.#letGo(entry);
    if (tallies.length > 0) this.#hold(entry === undefined ? hold : { ...entry.hold, kept: entry.kept }, bound, tallies);
  }

  /** The budget is gone: nothing is due of it any more. */
  #close(account: Account): void {
    for (const tally of account.tallies) this.#crossed.delete(tally);
    if (account.budget.period === "request") this.#requests.reform(account, null);
  }
}

/**
 * What makes a budget the same one: its id, scopes, period and zone, as text. What one stands at then holds for the other; limits,
 * kind and thresholds may differ. Balances that are kept for budgets belong under this.
 */
export function identityOf({ id, scopes, period, timeZone }: Budget): string {
  return JSON.stringify([id, period, timeZone, ...new Set(scopes.toSorted())]);
}

/** A bound that is no amount of money is none: it must never slip through a comparison. */
function knownBound(boundNanoUsd: number | null): number | null {
  return boundNanoUsd !== null && Number.isSafeInteger(boundNanoUsd) && boundNanoUsd >= 0 ? boundNanoUsd : null;
}

function fits(tally: Tally, boundNanoUsd: number | null): boolean {
  return boundNanoUsd !== null && tally.settledNanoUsd + tally.heldNanoUsd + boundNanoUsd <= tally.capNanoUsd;
}

function costOf(entry: Entry, costNanoUsd: number | null): { settledNanoUsd: number; overrunNanoUsd: number } {
  const settledNanoUsd = costNanoUsd ?? 0;
  if (!Number.isSafeInteger(settledNanoUsd) || settledNanoUsd < 0) throw new RangeError(`a cost of ${settledNanoUsd} nano-dollars is no amount of money`);
  return { settledNanoUsd, overrunNanoUsd: entry.boundNanoUsd === null ? 0 : Math.max(0, settledNanoUsd - entry.boundNanoUsd) };
}

/** What is said where this tally forbids a hold. */
export function refusal(tally: Tally, boundNanoUsd: number | null, wallMs: number): Admission {
  const why = boundNanoUsd === null ? "unbounded" : "exceeded";
  return { kind: "refused", why, budget: tally.account.budget, periodKey: tally.key, balance: balanceOf(tally), resetsAtMs: resetOf(tally, wallMs) };
}

/** Of two budgets that forbid a hold, the one that does so for longer is worth telling: to wait for the other is no use. */
function longer(a: Tally, b: Tally, wallMs: number): Tally {
  return (resetOf(b, wallMs) ?? Number.POSITIVE_INFINITY) > (resetOf(a, wallMs) ?? Number.POSITIVE_INFINITY) ? b : a;
}

function resetOf({ account }: Tally, wallMs: number): number | null {
  return account.budget.period === "request" ? null : account.endOfPeriod(wallMs);
}
