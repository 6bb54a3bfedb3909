/**
 * The budgets beside the ledger: a hold is admitted in memory before its row is written, a charge moves the balances in the
 * transaction that writes it. So a balance is never less than its rows, through any crash, and what is held needs no
 * balance of its own: it is the open rows.
 */
import { createHash } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { BudgetBook, type BudgetAlert } from "../decide/budget/book.ts";
import { spanAt } from "../decide/budget/periods.ts";
import type { Settled } from "../decide/budget/account.ts";
import type { Admission, BalanceDelta, Budget, PeriodKey } from "../decide/budget/types.ts";
import type { BudgetGate, Hold, ReserveResult } from "../ports.ts";
import { usdShort } from "../wire/money.ts";
import type { AttemptRow } from "./rows.ts";
import { int, text } from "./statements.ts";

export type Refusal = Extract<ReserveResult, { kind: "refused" }>;

const HALF_A_DAY_MS = 43_200_000;
const NO_ALERTS: readonly BudgetAlert[] = [];

/** Holds that wait for room: as many as requests may be in flight. */
const WAITING_MAX = 10_000;

/** Rows before the first of a period that are looked at all the same: clocks are set back now and then. */
const CLOCK_SLACK_ROWS = 2_000;

export class LedgerBudgets implements BudgetGate {
  readonly book = new BudgetBook();
  readonly #db: DatabaseSync;
  readonly #wallMs: () => number;
  readonly #upsert: StatementSync;
  readonly #told: StatementSync;
  readonly #read: StatementSync;
  /** Budget → what its balances are stored under: a budget of other scopes or another period starts anew. */
  #names = new Map<string, string>();
  /** Of the group that is being written. */
  #deltas: BalanceDelta[] = [];
  #settled: { readonly attemptId: string; readonly costNanoUsd: number | null }[] = [];
  #adjusted: BalanceDelta[] = [];
  #any = false;
  readonly #waiting = new Map<Hold, { readonly told: (refusal: Refusal | null) => void; readonly timer: NodeJS.Timeout }>();
  readonly #waitMs: number;
  #retrying = false;

  /** `waitMs`: how long a hold waits for others to be settled. */
  constructor(db: DatabaseSync, wallMs: () => number, waitMs = 30_000) {
    this.#db = db;
    this.#waitMs = waitMs;
    this.#wallMs = wallMs;
    // What it stands at, not what is added: a balance that a rolled-back transaction took along is whole again with the next.
    this.#upsert = db.prepare(`
      INSERT INTO balances (budget, period, settled_nano_usd, overrun_nano_usd, told_permille) VALUES (?,?,?,?,0)
      ON CONFLICT (budget, period) DO UPDATE SET settled_nano_usd = excluded.settled_nano_usd, overrun_nano_usd = excluded.overrun_nano_usd`);
    this.#told = db.prepare("UPDATE balances SET told_permille = max(told_permille, ?) WHERE budget = ? AND period = ?");
    this.#read = db.prepare("SELECT settled_nano_usd, overrun_nano_usd, told_permille FROM balances WHERE budget = ? AND period = ?");
  }

  get any(): boolean {
    return this.#any;
  }

  /** From now on these budgets bind. Those that are new start from the rows of their period; balances of others are dropped. */
  configure(budgets: readonly Budget[]): void {
    const wallMs = this.#wallMs();
    this.#names = new Map(budgets.map((budget) => [budget.id, storedName(budget)]));
    this.#dropOthers();
    this.book.configure(budgets, (budget, periodKey) => this.#settledOf(budget, periodKey), wallMs);
    this.#any = budgets.length > 0;
    if (this.#any) this.book.restore(this.#openRows());
    this.#retrySoon();
  }

  // BudgetGate

  binding(scopes: readonly string[]): { readonly hard: boolean; readonly capNanoUsd: number | null } {
    return this.book.binding(scopes);
  }

  cheaper(scopes: readonly string[], wallMs: number): boolean {
    return this.book.cheaperFor(scopes, wallMs) !== null;
  }

  exhausted(scopes: readonly string[], wallMs: number): Refusal | null {
    const admission = this.book.exhausted(scopes, wallMs);
    return admission.kind === "admitted" ? null : refusal(admission, 0);
  }

  /** A request is over: nothing of it will be held any more. */
  endRequest(requestId: string): void {
    if (this.#any) this.book.endRequest(requestId);
  }

  /** Thresholds crossed since this was last asked; each is told once a period, over restarts too. */
  alertsDue(): readonly BudgetAlert[] {
    const alerts = this.#any ? this.book.alertsDue() : NO_ALERTS;
    for (const { budget, periodKey, permille } of alerts) this.#told.run(permille, this.#names.get(budget.id) ?? "", periodKey);
    return alerts;
  }

  // For the ledger

  /** Holds the bound under all budgets that apply, or says which of them forbids it. */
  admit(hold: Hold): Refusal | null {
    if (!this.#any) return null;
    const { attemptId, requestId, scopes, atMs: wallMs } = hold;
    const boundNanoUsd = hold.unmetered === true ? 0 : hold.boundNanoUsd;
    // What costs nothing fits under any limit; but who may spend nothing more is served nothing more.
    if (boundNanoUsd === 0) {
      const refused = this.exhausted(scopes, wallMs);
      if (refused !== null) return refused;
    }
    const admission = this.book.admit({ attemptId, requestId, scopes, boundNanoUsd, wallMs });
    return admission.kind === "admitted" ? null : refusal(admission, boundNanoUsd);
  }

  /**
   * What is refused only for what others hold at this moment waits until they are settled, in the order of asking; else near
   * the end of a budget most of a burst would be refused with money left over. `told` is called once: null is admitted.
   */
  waitFor(hold: Hold, refused: Refusal, told: (refusal: Refusal | null) => void): void {
    if (!this.#mayFit(hold) || this.#waiting.size >= WAITING_MAX) return told(refused);
    const timer = setTimeout(() => this.#endWait(hold, refused), this.#waitMs).unref();
    this.#waiting.set(hold, { told, timer });
  }

  release(attemptId: string): void {
    if (!this.#any) return;
    this.book.release(attemptId);
    this.#retrySoon();
  }

  /** Nobody waits any longer. */
  close(): void {
    for (const hold of this.#waiting.keys()) this.#endWait(hold, { kind: "refused", code: "budget_exceeded", scope: "", message: "The gateway is stopping; a budget had no room for this call yet.", resetsAtMs: null });
  }

  #retrySoon(): void {
    if (this.#waiting.size === 0 || this.#retrying) return;
    this.#retrying = true;
    setImmediate(() => {
      this.#retrying = false;
      for (const hold of this.#waiting.keys()) {
        const refused = this.admit(hold);
        if (refused === null) this.#endWait(hold, null);
        else if (!this.#mayFit(hold)) this.#endWait(hold, refused);
      }
    });
  }

  #endWait(hold: Hold, refusal: Refusal | null): void {
    const waiting = this.#waiting.get(hold);
    if (waiting === undefined) return;
    this.#waiting.delete(hold);
    clearTimeout(waiting.timer);
    waiting.told(refusal);
  }

  #mayFit({ attemptId, requestId, scopes, unmetered, boundNanoUsd, atMs }: Hold): boolean {
    return this.book.mayFit({ attemptId, requestId, scopes, boundNanoUsd: unmetered === true ? 0 : boundNanoUsd, wallMs: atMs });
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

  /** Inside the transaction, after all its charges. */
  write(): void {
    if (this.#deltas.length === 0) return;
    const sums = new Map<string, { readonly name: string; readonly period: string; settled: number; overrun: number }>();
    for (const { budgetId, periodKey, settledNanoUsd, overrunNanoUsd } of this.#deltas) {
      const key = `${budgetId}\n${periodKey}`;
      let sum = sums.get(key);
      if (sum === undefined) {
        const tally = this.book.accounts.get(budgetId)?.knownTally(periodKey);
        const name = this.#names.get(budgetId);
        if (tally === undefined || name === undefined) continue;
        sums.set(key, (sum = { name, period: periodKey, settled: tally.settledNanoUsd, overrun: tally.overrunNanoUsd }));
      }
      sum.settled += settledNanoUsd;
      sum.overrun += overrunNanoUsd;
    }
    for (const { name, period, settled, overrun } of sums.values()) this.#upsert.run(name, period, settled, overrun);
  }

  /** The transaction is durable: its charges count. */
  committed(): void {
    if (this.#settled.length === 0 && this.#adjusted.length === 0) return;
    const wallMs = this.#wallMs();
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

  #dropOthers(): void {
    const kept = new Set(this.#names.values());
    for (const row of this.#db.prepare("SELECT DISTINCT budget FROM balances").all()) {
      const name = text(row["budget"]);
      if (!kept.has(name)) this.#db.prepare("DELETE FROM balances WHERE budget = ?").run(name);
    }
  }

  /** From its balance; where there is none yet, from the rows of the period, which are then its balance. */
  #settledOf(budget: Budget, periodKey: PeriodKey): Settled {
    const name = this.#names.get(budget.id) ?? storedName(budget);
    const known = this.#read.get(name, periodKey);
    if (known !== undefined) return { settledNanoUsd: int(known["settled_nano_usd"]), overrunNanoUsd: int(known["overrun_nano_usd"]), toldPermille: int(known["told_permille"]) };
    const settledNanoUsd = this.#sumOfRows(budget, periodKey);
    this.#upsert.run(name, periodKey, settledNanoUsd, 0);
    return { settledNanoUsd, overrunNanoUsd: 0 };
  }

  #sumOfRows(budget: Budget, periodKey: PeriodKey): number {
    const terms = this.#termsOf(budget.scopes);
    if (terms.length === 0) return 0;
    const bounds = boundsOf(budget, periodKey);
    const first = Math.max(0, this.#firstRowAt(bounds.startMs) - CLOCK_SLACK_ROWS);
    const sum = this.#db.prepare(`
      SELECT coalesce((SELECT sum(c.cost_nano_usd) FROM holds h JOIN charges c ON c.id = h.id
          WHERE h.id >= ?1 AND h.at_ms >= ?2 AND h.at_ms < ?3 AND h.terms IN (SELECT value FROM json_each(?4))), 0)
        + coalesce((SELECT sum(cost_nano_usd) FROM corrections WHERE at_ms >= ?2 AND at_ms < ?3 AND terms IN (SELECT value FROM json_each(?4))), 0) AS sum`);
    return int(sum.get(first, bounds.startMs, bounds.endMs, JSON.stringify(terms))?.["sum"]);
  }

  #termsOf(scopes: readonly string[]): readonly number[] {
    const [first = ""] = scopes;
    const rows = this.#db.prepare("SELECT id, scopes FROM terms WHERE instr(scopes, ?) > 0").all(JSON.stringify(first));
    return rows.flatMap((row) => {
      const held = JSON.parse(text(row["scopes"])) as readonly string[];
      return scopes.every((scope) => held.includes(scope)) ? [int(row["id"])] : [];
    });
  }

  /** Rows are in the order of their holds, so the first of a time is found by halving. */
  #firstRowAt(startMs: number): number {
    const at = this.#db.prepare("SELECT id, at_ms FROM holds WHERE id >= ? ORDER BY id LIMIT 1");
    let low = 0;
    let high = int(this.#db.prepare("SELECT coalesce(max(id), 0) + 1 AS next FROM holds").get()?.["next"]);
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = at.get(middle);
      if (row === undefined || int(row["at_ms"]) >= startMs) high = middle;
      else low = int(row["id"]) + 1;
    }
    return low;
  }

  /** Everything that is held and not charged: of this process, of dead ones, and what providers have yet to end. */
  *#openRows(): Iterable<{ attemptId: string; requestId: string; scopes: readonly string[]; boundNanoUsd: number | null; wallMs: number }> {
    const floor = this.#db.prepare("SELECT coalesce(min(f), 0) AS floor FROM (SELECT floor_id AS f FROM owners WHERE ended_ms IS NULL)").get();
    const rows = this.#db.prepare(`
      SELECT h.attempt_id, h.request_id, t.scopes, h.bound_nano_usd, h.at_ms FROM (
        SELECT id FROM orphans UNION SELECT id FROM kept_calls UNION SELECT id FROM holds WHERE id >= ?
      ) open JOIN holds h ON h.id = open.id JOIN terms t ON t.id = h.terms
      WHERE NOT EXISTS (SELECT 1 FROM charges c WHERE c.id = h.id)`);
    for (const row of rows.all(int(floor?.["floor"]))) {
      const bound = row["bound_nano_usd"];
      yield {
        attemptId: text(row["attempt_id"]),
        requestId: text(row["request_id"]),
        scopes: JSON.parse(text(row["scopes"])) as readonly string[],
        boundNanoUsd: bound === null || bound === undefined ? null : int(bound),
        wallMs: int(row["at_ms"]),
      };
    }
  }
}

/** The name under which a budget's balances are stored: its id, and a digest of what they are sums of. */
function storedName(budget: Budget): string {
  const meaning = JSON.stringify([budget.scopes.toSorted(), budget.period, budget.timeZone]);
  return `${budget.id}#${createHash("sha256").update(meaning).digest("base64url").slice(0, 12)}`;
}

function boundsOf({ period, timeZone }: Budget, periodKey: PeriodKey): { readonly startMs: number; readonly endMs: number } {
  if (period === "total" || period === "request") return { startMs: 0, endMs: Number.MAX_SAFE_INTEGER };
  const noonMs = noonWithin(periodKey);
  // Noon in Greenwich is another day in the zones of the far east.
  const spans = [0, -HALF_A_DAY_MS, HALF_A_DAY_MS].map((awayMs) => spanAt(period, timeZone, noonMs + awayMs));
  const found = spans.find((span) => span.key === periodKey);
  if (found === undefined) throw new RangeError(`${periodKey} is no ${period} of ${timeZone}`);
  return found;
}

/** A noon in UTC of the day, or amid the week or month, of this key. */
function noonWithin(periodKey: PeriodKey): number {
  const week = /^(\d{4})-W(\d{2})$/.exec(periodKey);
  if (week !== null) {
    // The fourth of January is in the first week of its year.
    const fourth = new Date(Date.UTC(Number(week[1]), 0, 4, 12));
    const thursday = fourth.getUTCDate() + 3 - ((fourth.getUTCDay() + 6) % 7);
    return Date.UTC(Number(week[1]), 0, thursday + 7 * (Number(week[2]) - 1), 12);
  }
  return Date.parse(`${periodKey.length === 7 ? `${periodKey}-15` : periodKey}T12:00:00Z`);
}

/** The refusal as a client reads it. */
function refusal(admission: Exclude<Admission, { kind: "admitted" }>, boundNanoUsd: number | null): Refusal {
  const { budget, balance, why, resetsAtMs } = admission;
  const whose = budget.scopes.join(" + ");
  const limit = `The budget ${budget.id} allows ${whose} $${usdShort(budget.limitNanoUsd)} ${PER[budget.period]}`;
  const stands = `$${usdShort(balance.settledNanoUsd)} is spent${balance.heldNanoUsd > 0 ? ` and $${usdShort(balance.heldNanoUsd)} held for calls under way` : ""}`;
  const asks = why === "unbounded" ? "what this call may cost cannot be bounded" : boundNanoUsd !== null && boundNanoUsd > 0 ? `this call may cost up to $${usdShort(boundNanoUsd)}` : "nothing more is served";
  const anew = resetsAtMs === null ? "" : ` It begins anew at ${new Date(resetsAtMs).toISOString()}.`;
  return { kind: "refused", code: "budget_exceeded", scope: whose, message: `${limit}: ${stands}, ${asks}.${anew}`, resetsAtMs };
}

const PER: Readonly<Record<Budget["period"], string>> = { request: "for one request", day: "a day", week: "a week", month: "a month", total: "in all" };
