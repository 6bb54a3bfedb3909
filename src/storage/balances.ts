/**
 * What budgets stand at, in the ledger's file: one row per budget and period, moved in the transaction that writes the charge.
 * What there is no row of yet is summed up from the ledger's own rows, once.
 */
import { createHash } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Settled } from "../decide/budget/account.ts";
import { identityOf, type BudgetAlert, type BudgetBook, type OpenHold } from "../decide/budget/book.ts";
import { spanAt } from "../decide/budget/periods.ts";
import type { BalanceDelta, Budget, PeriodKey } from "../decide/budget/types.ts";
import { CLOCK_SLACK_MS, CLOCK_SLACK_ROWS } from "./rows.ts";
import { int, text } from "./statements.ts";

/** More than this (nine million dollars) is no exact number here. No limit is higher, so a balance that stays there still says which are reached. */
const MOST_NANO_USD = Number.MAX_SAFE_INTEGER;
const NOTHING: Settled = { settledNanoUsd: 0, overrunNanoUsd: 0 };
const IDS_MAX = 100_000;
const HALF_A_DAY_MS = 43_200_000;

interface Bounds {
  readonly startMs: number;
  readonly endMs: number;
}

export class Balances {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #add: StatementSync;
  readonly #told: StatementSync;
  readonly #read: StatementSync;
  /** null: what others spent is counted elsewhere. */
  readonly #spentByJoiners: StatementSync | null;
  /** Budget → what its balances are stored under: a budget of other scopes or another period starts anew. */
  #names = new Map<string, string>();
  /** Since when this process has counted for each of those names (wall). */
  #since = new Map<string, number>();
  /** Scope → the terms that hold it, read once for all budgets that are new together; null: not read. */
  #terms: Map<string, number[]> | null = null;
  /** Of a time that several new budgets ask for together: what the calls of each term cost in it; null: one has asked so far. */
  #sums = new Map<string, ReadonlyMap<number, number> | null>();
  /** Budget and period → the number of its row. */
  readonly #ids = new Map<string, number>();

  /** `isAuthority`: what joined processes told of their slices counts, too; it is in no row of ours. */
  constructor(db: DatabaseSync, isAuthority: boolean) {
    this.#db = db;
    const spent = "sum(CASE WHEN lost = 0 THEN settled_nano_usd ELSE max(settled_nano_usd, granted_nano_usd - returned_nano_usd) END)";
    this.#spentByJoiners = isAuthority ? db.prepare(`SELECT min(coalesce(${spent}, 0), ${MOST_NANO_USD}) AS spent FROM slices WHERE identity = ? AND period = ?`) : null;
    // What it stands at, not what is added: a balance that a rolled-back transaction took along is whole again with the next.
    this.#insert = db.prepare(`
      INSERT INTO balances (budget, period, settled_nano_usd, overrun_nano_usd, told_permille) VALUES (?,?,?,?,0)
      ON CONFLICT (budget, period) DO UPDATE SET settled_nano_usd = excluded.settled_nano_usd, overrun_nano_usd = excluded.overrun_nano_usd RETURNING id`);
    this.#update = db.prepare("UPDATE balances SET settled_nano_usd = ?, overrun_nano_usd = ? WHERE id = ?");
    this.#add = db.prepare(`UPDATE balances SET settled_nano_usd = min(settled_nano_usd + ?, ${MOST_NANO_USD}), overrun_nano_usd = min(overrun_nano_usd + ?, ${MOST_NANO_USD}) WHERE budget = ? AND period = ?`);
    this.#told = db.prepare("UPDATE balances SET told_permille = max(told_permille, ?) WHERE budget = ? AND period = ?");
    this.#read = db.prepare("SELECT settled_nano_usd, overrun_nano_usd, told_permille FROM balances WHERE budget = ? AND period = ?");
  }

  /** From now on these budgets have balances; those of others are dropped, since they would miss what is spent meanwhile. */
  keep(budgets: readonly Budget[], wallMs: number): void {
    this.#ids.clear();
    this.#terms = budgets.length === 0 ? null : this.#readTerms();
    this.#names = new Map(budgets.map((budget) => [budget.id, storedName(budget)]));
    this.#since = new Map([...this.#names.values()].map((name) => [name, this.#since.get(name) ?? wallMs]));
    this.#dropOthers();
  }

  /** All that was new has been looked up: what is asked from now on is asked of the rows as they are then. */
  kept(): void {
    this.#terms = null;
    this.#sums.clear();
  }

  /** Inside a transaction: what these deltas make of the balances as the book has them. */
  write(book: BudgetBook, deltas: readonly BalanceDelta[]): void {
    const sums = new Map<string, { readonly name: string; readonly period: string; settled: number; overrun: number }>();
    for (const { budgetId, periodKey, settledNanoUsd, overrunNanoUsd } of deltas) {
      const key = `${budgetId}\n${periodKey}`;
      let sum = sums.get(key);
      if (sum === undefined) {
        const account = book.accounts.get(budgetId);
        const name = this.#names.get(budgetId);
        if (account === undefined || name === undefined) continue;
        const tally = account.knownTally(periodKey);
        if (tally === undefined) {
          this.#moveForgotten(account.budget, name, periodKey, settledNanoUsd, overrunNanoUsd);
          continue;
        }
        sums.set(key, (sum = { name, period: periodKey, settled: tally.settledNanoUsd, overrun: tally.overrunNanoUsd }));
      }
      sum.settled += settledNanoUsd;
      sum.overrun += overrunNanoUsd;
    }
    for (const [key, sum] of sums) this.#put(key, sum);
  }

  /** A period that nobody has in memory: what is on disk moves by itself. Of one without a balance the rows are summed up when it is needed. */
  #moveForgotten(budget: Budget, name: string, period: PeriodKey, settledNanoUsd: number, overrunNanoUsd: number): void {
    if (this.#add.run(settledNanoUsd, overrunNanoUsd, name, period).changes === 1 || !this.#sawBegin(budget, name, period)) return;
    this.#insert.get(name, period, settledNanoUsd, overrunNanoUsd);
  }

  /** A period that began under our eyes has no rows but those that were counted. */
  #sawBegin(budget: Budget, name: string, period: PeriodKey): boolean {
    return boundsOf(budget, period).startMs > (this.#since.get(name) ?? Number.POSITIVE_INFINITY);
  }

  /** By its number where that is known, which costs the same however many there are. */
  #put(key: string, sum: { readonly name: string; readonly period: string; readonly settled: number; readonly overrun: number }): void {
    const { name, period } = sum;
    const [settled, overrun] = [Math.min(sum.settled, MOST_NANO_USD), Math.min(sum.overrun, MOST_NANO_USD)];
    const id = this.#ids.get(key);
    if (id !== undefined && this.#update.run(settled, overrun, id).changes === 1) return;
    if (this.#ids.size > IDS_MAX) this.#ids.clear();
    this.#ids.set(key, int(this.#insert.get(name, period, settled, overrun)?.["id"]));
  }

  /** Alerts that went out are not sent again after a restart. */
  tell(alerts: readonly BudgetAlert[]): void {
    for (const { budget, periodKey, permille } of alerts) this.#told.run(permille, this.#names.get(budget.id) ?? "", periodKey);
  }

  /** Budgets and periods that have a balance. */
  *known(): Iterable<{ readonly budgetId: string; readonly periodKey: PeriodKey }> {
    const ids = new Map([...this.#names].map(([id, name]) => [name, id]));
    for (const row of this.#db.prepare("SELECT budget, period FROM balances").all()) {
      const budgetId = ids.get(text(row["budget"]));
      if (budgetId !== undefined) yield { budgetId, periodKey: text(row["period"]) };
    }
  }

  #dropOthers(): void {
    const kept = new Set(this.#names.values());
    for (const row of this.#db.prepare("SELECT DISTINCT budget FROM balances").all()) {
      const name = text(row["budget"]);
      if (!kept.has(name)) this.#db.prepare("DELETE FROM balances WHERE budget = ?").run(name);
    }
  }

  /** From its balance; where there is none yet, from the rows of the period and what joiners told of it, which are then its balance. */
  settledOf(budget: Budget, periodKey: PeriodKey): Settled {
    const name = this.#names.get(budget.id) ?? storedName(budget);
    const known = this.#read.get(name, periodKey);
    if (known !== undefined) return { settledNanoUsd: int(known["settled_nano_usd"]), overrunNanoUsd: int(known["overrun_nano_usd"]), toldPermille: int(known["told_permille"]) };
    if (this.#sawBegin(budget, name, periodKey)) return NOTHING;
    const settledNanoUsd = Math.min(MOST_NANO_USD, this.#sumOfRows(budget, periodKey) + this.#sumOfSlices(budget, periodKey));
    // Nothing spent needs no row: rows come in the order in which budgets are used, so those in use lie side by side.
    if (settledNanoUsd !== 0) this.#put(`${budget.id}\n${periodKey}`, { name, period: periodKey, settled: settledNanoUsd, overrun: 0 });
    return { settledNanoUsd, overrunNanoUsd: 0 };
  }

  #sumOfSlices(budget: Budget, periodKey: PeriodKey): number {
    return this.#spentByJoiners === null ? 0 : int(this.#spentByJoiners.get(identityOf(budget), periodKey)?.["spent"]);
  }

  #sumOfRows(budget: Budget, periodKey: PeriodKey): number {
    const terms = this.#termsOf(budget.scopes);
    if (terms.length === 0) return 0;
    const bounds = boundsOf(budget, periodKey);
    const sums = this.#sumsOf(bounds);
    if (sums !== null) return terms.reduce((sum, id) => sum + (sums.get(id) ?? 0), 0);
    const sum = this.#db.prepare(`
      SELECT min(${MOST_NANO_USD}, coalesce((SELECT sum(c.cost_nano_usd) FROM holds h JOIN charges c ON c.id = h.id
          WHERE h.id >= ?1 AND h.at_ms >= ?2 AND h.at_ms < ?3 AND h.terms IN (SELECT value FROM json_each(?4))), 0)
        + coalesce((SELECT sum(cost_nano_usd) FROM corrections WHERE at_ms >= ?2 AND at_ms < ?3 AND terms IN (SELECT value FROM json_each(?4))), 0)) AS sum`);
    return int(sum.get(this.#firstRowOf(bounds), bounds.startMs, bounds.endMs, JSON.stringify(terms))?.["sum"]);
  }

  /** Thousands of budgets that are new together read the rows of their time once; null: each for itself. */
  #sumsOf({ startMs, endMs }: Bounds): ReadonlyMap<number, number> | null {
    if (this.#terms === null) return null;
    const time = `${startMs} ${endMs}`;
    const known = this.#sums.get(time);
    if (known !== undefined && known !== null) return known;
    if (known === undefined) {
      this.#sums.set(time, null);
      return null;
    }
    const all = this.#db.prepare(`
      SELECT terms, min(sum(cost), ${MOST_NANO_USD}) AS sum FROM (
        SELECT h.terms, c.cost_nano_usd AS cost FROM holds h JOIN charges c ON c.id = h.id WHERE h.id >= ?1 AND h.at_ms >= ?2 AND h.at_ms < ?3
        UNION ALL SELECT terms, cost_nano_usd FROM corrections WHERE at_ms >= ?2 AND at_ms < ?3) GROUP BY terms`);
    const sums = new Map<number, number>();
    for (const row of all.iterate(this.#firstRowOf({ startMs, endMs }), startMs, endMs)) if (row["sum"] !== null) sums.set(int(row["terms"]), int(row["sum"]));
    this.#sums.set(time, sums);
    return sums;
  }

  /** Terms that hold all of the scopes. */
  #termsOf([first = "", ...others]: readonly string[]): readonly number[] {
    const terms = this.#terms ?? this.#readTerms();
    const rest = others.map((scope) => new Set(terms.get(scope)));
    return (terms.get(first) ?? []).filter((id) => rest.every((ids) => ids.has(id)));
  }

  #readTerms(): Map<string, number[]> {
    const found = new Map<string, number[]>();
    for (const row of this.#db.prepare("SELECT id, scopes FROM terms").all()) {
      for (const scope of JSON.parse(text(row["scopes"])) as readonly string[]) {
        const ids = found.get(scope);
        if (ids === undefined) found.set(scope, [int(row["id"])]);
        else ids.push(int(row["id"]));
      }
    }
    return found;
  }

  #firstRowOf({ startMs }: Bounds): number {
    return Math.max(0, this.#firstRowAt(startMs - CLOCK_SLACK_MS) - CLOCK_SLACK_ROWS);
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
  *openRows(): Iterable<OpenHold> {
    const floor = this.#db.prepare("SELECT coalesce(min(f), 0) AS floor FROM (SELECT floor_id AS f FROM owners WHERE ended_ms IS NULL)").get();
    const rows = this.#db.prepare(`
      SELECT h.attempt_id, h.request_id, t.scopes, h.bound_nano_usd, h.at_ms, EXISTS (SELECT 1 FROM kept_calls k WHERE k.id = h.id) AS kept FROM (
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
        kept: int(row["kept"]) !== 0,
      };
    }
  }
}

/** The name under which a budget's balances are stored: its id, and a digest of what they are sums of. */
function storedName(budget: Budget): string {
  const meaning = JSON.stringify([budget.scopes.toSorted(), budget.period, budget.timeZone]);
  return `${budget.id}#${createHash("sha256").update(meaning).digest("base64url").slice(0, 12)}`;
}

function boundsOf({ period, timeZone }: Budget, periodKey: PeriodKey): Bounds {
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
