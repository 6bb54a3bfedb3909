/**
 * The budgets of a process that has joined an authority: what is admitted stays within the slices that were granted to it.
 * A hold for which there is no room waits while more is asked for; with the authority gone, what was granted is served on.
 */
import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { SliceBook } from "../decide/budget/slice-book.ts";
import type { SliceReply, SliceReport } from "../decide/budget/slices.ts";
import type { Balance, Budget } from "../decide/budget/types.ts";
import type { Hold, Log } from "../ports.ts";
import { askOf, LedgerBudgets, refusal, WAITING_MAX, type Refusal, type Told, type Unheld } from "./budgets.ts";
import { messageOf } from "./schema.ts";
import { int, text } from "./statements.ts";

/** The way to the authority. Rejects when it cannot be reached or does not know us. */
export interface AuthorityLink {
  report(reports: readonly SliceReport[]): Promise<readonly SliceReply[]>;
}

const AGAIN_MS = 25;
/** How long the authority may be away before nobody waits for it. */
const RESTART_MS = 3_000;
const UNREACHABLE_AGAIN_MS = 500;
/** How often what was spent is told, unasked. */
const REPORT_EVERY_MS = 500;
/** After so long without a hold, what is idle of the slices goes back to whoever may need it. */
const QUIET_MS = 3_000;
const UNREACHABLE: Unheld = Object.freeze({ kind: "unavailable", message: "what was granted to this process is used up, and the authority of budgets cannot be reached", told: "What was granted to this gateway of a budget is used up, and the gateway that keeps the budgets cannot be reached. Try again later." });
const SUPERSEDED = Object.freeze({ kind: "unavailable", message: "another gateway has joined the same authority with a copy of this data folder; give each its own" } satisfies Unheld);
/** Not what a limit forbids: the authority has to be asked. */
const ASKS_MORE: Refusal = Object.freeze({ kind: "refused", code: "budget_exceeded", scope: "", message: "The authority of budgets did not grant this call in time.", resetsAtMs: null });

interface Waiting {
  readonly hold: Hold;
  readonly told: Told;
  readonly timer: NodeJS.Timeout;
  /** What it is told if its time is up now. */
  last: Unheld;
}

/** A hold, and what it would take for it to be admitted. */
interface Wanting {
  readonly hold: Hold;
  readonly reports: readonly SliceReport[];
}

export class SlicedBudgets extends LedgerBudgets {
  readonly #slices: SliceBook;
  readonly #link: AuthorityLink;
  readonly #log: Log;
  /** By attempt, in the order of asking. */
  readonly #waiters = new Map<string, Waiting>();
  /** What the authority said last of each budget's period, for calls that cost nothing. */
  readonly #heard = new Map<string, Balance>();
  readonly #timer: NodeJS.Timeout;
  /** When a hold was asked for last. */
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #pumping = false;
  #reporting = false;
  #closed = false;
  #reachable = true;
  #reachedAtMs = performance.now();
  /** Another process has our name, and the log says so. */
  #told = false;

  constructor(db: DatabaseSync, wallMs: () => number, waitMs: number | undefined, link: AuthorityLink, log: Log) {
    const slices = new SliceBook(joinerName(db), epochOf(db));
    super(db, wallMs, waitMs, slices.book, false);
    this.#slices = slices;
    this.#link = link;
    this.#log = log;
    this.#timer = setInterval(() => void this.#reportAll(), REPORT_EVERY_MS).unref();
  }

  override configure(budgets: readonly Budget[]): void {
    this.balances.keep(budgets, this.wallMs());
    this.#slices.configure(budgets, (budget, periodKey) => this.balances.settledOf(budget, periodKey), this.wallMs());
    this.balances.kept();
    this.configured(budgets.length > 0);
    this.#slices.resume(this.balances.known(), this.balances.openRows());
    this.#pump();
  }

  override exhausted(scopes: readonly string[], wallMs: number): Refusal | null {
    for (const { budget, periodKey } of this.book.applying(scopes, wallMs)) {
      const heard = this.#heard.get(periodOf({ budgetId: budget.id, periodKey }));
      if (budget.kind !== "hard" || (budget.limitNanoUsd > 0 && (heard === undefined || heard.settledNanoUsd < budget.limitNanoUsd))) continue;
      return refusal({ kind: "refused", why: "exceeded", budget, periodKey, balance: heard ?? NOTHING, resetsAtMs: this.book.accounts.get(budget.id)?.endOfPeriod(wallMs) ?? null }, 0);
    }
    return null;
  }

  override admit(hold: Hold): Refusal | null {
    if (!this.any) return null;
    const ask = askOf(hold);
    if (ask.boundNanoUsd === 0) return this.exhausted(ask.scopes, ask.wallMs);
    this.#askedAtMs = performance.now();
    const admission = this.#slices.admit(ask);
    if (admission.kind === "admitted") return null;
    return admission.kind === "wanting" ? ASKS_MORE : refusal(admission, ask.boundNanoUsd);
  }

  override waitFor(hold: Hold, refused: Refusal, told: Told): void {
    if (refused !== ASKS_MORE || this.#waiters.size >= WAITING_MAX || this.#closed) return told(refused, hold);
    if (this.#slices.superseded) return told(SUPERSEDED, hold);
    const timer = setTimeout(() => this.#end(hold.attemptId, this.#waiters.get(hold.attemptId)?.last ?? ASKS_MORE), this.waitMs).unref();
    this.#waiters.set(hold.attemptId, { hold, told, timer, last: ASKS_MORE });
    this.#pump();
  }

  override forgo(attemptId: string): void {
    this.#end(attemptId, ASKS_MORE);
  }

  override committed(): void {
    super.committed();
    if (this.#waiters.size > 0) this.#pump();
  }

  override close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const attemptId of this.#waiters.keys()) this.#end(attemptId, ASKS_MORE);
    super.close();
  }

  /** Tells what was spent and gives back what is idle, once; for a process that stops. */
  async settleUp(): Promise<void> {
    this.#askedAtMs = Number.NEGATIVE_INFINITY;
    await this.#reportAll();
  }

  get reachable(): boolean {
    return this.#reachable;
  }

  #pump(): void {
    if (this.#pumping || this.#closed || this.#waiters.size === 0) return;
    this.#pumping = true;
    this.#ask()
      .catch((error: unknown) => this.#log.error("authority_asking_failed", { error: messageOf(error) }))
      .finally(() => {
        this.#pumping = false;
        // Who came in between found it running.
        setImmediate(() => this.#pump());
      });
  }

  /** The first that finds no room in a budget asks for more, with a reserve for those behind it. */
  async #ask(): Promise<void> {
    while (this.#waiters.size > 0 && !this.#closed) {
      const wanting = this.#admitInOrder();
      if (wanting.length === 0) return;
      const replies = await this.#send(wanting.flatMap(({ reports }) => reports));
      if (replies === null) {
        // A restart is waited for; beyond that nobody knows when it comes back, and who asks is told at once.
        const isGone = performance.now() - this.#reachedAtMs > RESTART_MS;
        for (const [hold, waiting] of this.#waiters) {
          if (isGone) this.#end(hold, UNREACHABLE);
          else waiting.last = UNREACHABLE;
        }
        await soon(UNREACHABLE_AGAIN_MS);
        continue;
      }
      for (const { hold, reports } of wanting) this.#heed(hold, replies.filter((reply) => reports.some((report) => periodOf(report) === periodOf(reply))));
      if (replies.some((reply) => reply.verdict !== "granted")) await soon(AGAIN_MS);
    }
  }

  /**
   * Admits those that have room. Gives the others, of each budget the first: what comes behind it in the same budget does not
   * overtake it, what has nothing to do with that budget does not wait for it.
   */
  #admitInOrder(): readonly Wanting[] {
    const wanting: Wanting[] = [];
    const lacking = new Set<string>();
    for (const { hold: asked } of this.#waiters.values()) {
      const hold = this.present(asked);
      const ask = askOf(hold);
      if (lacking.size > 0 && this.book.applying(ask.scopes, ask.wallMs).some(({ budget, periodKey }) => lacking.has(periodOf({ budgetId: budget.id, periodKey })))) continue;
      const admission = this.#slices.admit(ask);
      if (admission.kind === "wanting") {
        wanting.push({ hold, reports: admission.reports });
        for (const report of admission.reports) lacking.add(periodOf(report));
      } else this.#end(hold.attemptId, admission.kind === "admitted" ? null : refusal(admission, ask.boundNanoUsd), hold);
    }
    return wanting;
  }

  /** What the authority answered to a hold that waits: admitted at once, refused for good, or to be asked for again. */
  #heed(hold: Hold, replies: readonly SliceReply[]): void {
    // Asked for in a period that is over by now: it is asked for anew.
    if (!this.#waiters.has(hold.attemptId) || this.present(hold) !== hold) return;
    const over = this.#verdict(hold, replies);
    if (over !== null) this.#end(hold.attemptId, over);
    else if (replies.every((reply) => reply.verdict === "granted") && this.#slices.admit(askOf(hold)).kind === "admitted") this.#end(hold.attemptId, null, hold);
  }

  /** Refused for good: not even with all that is held settled at nothing would there be room. Else it waits on. */
  #verdict(hold: Hold, replies: readonly SliceReply[]): Refusal | null {
    const ask = askOf(hold);
    for (const reply of replies) {
      if (reply.verdict === "granted") continue;
      const limit = this.book.accounts.get(reply.budgetId)?.budget.limitNanoUsd;
      const told = this.#slices.refusal(reply, this.wallMs());
      if (limit === undefined || told === null || told.kind !== "refused") continue;
      const refused = refusal(told, ask.boundNanoUsd);
      if (reply.balance.settledNanoUsd + (ask.boundNanoUsd ?? 0) > limit) return refused;
      const waiting = this.#waiters.get(hold.attemptId);
      if (waiting !== undefined) waiting.last = refused;
    }
    return null;
  }

  async #reportAll(): Promise<void> {
    if (this.#reporting || !this.any) return;
    this.#reporting = true;
    try {
      const reports = this.#slices.reports(this.wallMs(), performance.now() - this.#askedAtMs > QUIET_MS);
      if (reports.length > 0) await this.#send(reports);
    } finally {
      this.#reporting = false;
    }
  }

  /** null: not reachable. */
  async #send(reports: readonly SliceReport[]): Promise<readonly SliceReply[] | null> {
    try {
      const replies = await this.#link.report(reports);
      for (const reply of replies) {
        this.#slices.take(reply);
        this.#heard.set(periodOf(reply), reply.balance);
      }
      if (this.#slices.superseded) this.#supersede();
      if (!this.#reachable) this.#log.info("authority_reached");
      this.#reachable = true;
      this.#reachedAtMs = performance.now();
      return replies;
    } catch (error) {
      if (this.#reachable) this.#log.warn("authority_not_reached", { error: messageOf(error) });
      this.#reachable = false;
      return null;
    }
  }

  #supersede(): void {
    if (!this.#told) this.#log.error("joiner_superseded", { reason: SUPERSEDED.message });
    this.#told = true;
    for (const attemptId of this.#waiters.keys()) this.#end(attemptId, SUPERSEDED);
  }

  #end(attemptId: string, refused: Unheld | null, hold?: Hold): void {
    const waiting = this.#waiters.get(attemptId);
    if (waiting === undefined) return;
    this.#waiters.delete(attemptId);
    clearTimeout(waiting.timer);
    waiting.told(refused, hold ?? waiting.hold);
  }
}

const NOTHING: Balance = { settledNanoUsd: 0, heldNanoUsd: 0, overrunNanoUsd: 0 };

/** The name by which this file's process asks; kept in the file and lost with it. */
function joinerName(db: DatabaseSync): string {
  const known = db.prepare("SELECT name FROM joiner").get();
  if (known !== undefined) return text(known["name"]);
  const name = randomUUID();
  db.prepare("INSERT INTO joiner (name) VALUES (?)").run(name);
  return name;
}

/** Higher at each start, whatever the clock says: every start has a row of its own by now. */
function epochOf(db: DatabaseSync): number {
  return int(db.prepare("SELECT max(started_ms) + max(id) AS epoch FROM owners").get()?.["epoch"]);
}

/** A budget's period, as a key. */
function periodOf({ budgetId, periodKey }: { readonly budgetId: string; readonly periodKey: string }): string {
  return `${budgetId}\n${periodKey}`;
}

function soon(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
