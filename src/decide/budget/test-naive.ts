/** Budgets as simply as they can be written: a list of all holds ever made, summed up anew for every question. */
import type { HoldAsk } from "./book.ts";
import type { Balance, Budget } from "./types.ts";

export interface NaiveHold {
  readonly ask: HoldAsk;
  boundNanoUsd: number | null;
  state: "open" | "settled" | "released";
  costNanoUsd: number;
  /** Which operation settled it. */
  settledAt: number;
  /** Period keys by zone and period, worked out once. */
  readonly keys: Map<string, string>;
}
export interface NaiveAdjustment {
  readonly scopes: readonly string[];
  readonly heldAtMs: number;
  readonly nanoUsd: number;
  readonly keys: Map<string, string>;
}
export interface NaiveBudget {
  budget: Budget;
  /** The operation since which requests are counted: what one has spent before is on no record. */
  since: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** A period's key by the date that the zone's calendar shows, in another way than the code under test finds it. */
export function naiveKey(budget: Budget, wallMs: number): string {
  if (budget.period === "total" || budget.period === "request") return budget.period;
  let format = formats.get(budget.timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("sv-SE", { timeZone: budget.timeZone, dateStyle: "short" });
    formats.set(budget.timeZone, format);
  }
  const date = format.format(wallMs);
  if (budget.period === "day") return date;
  if (budget.period === "month") return date.slice(0, 7);
  const thursday = new Date(`${date}T00:00:00Z`);
  thursday.setUTCDate(thursday.getUTCDate() + 4 - (thursday.getUTCDay() || 7));
  const dayOfYear = (thursday.getTime() - Date.UTC(thursday.getUTCFullYear(), 0, 1)) / 86_400_000;
  return `${thursday.getUTCFullYear()}-W${String(Math.ceil((dayOfYear + 1) / 7)).padStart(2, "0")}`;
}

export class NaiveBudgets {
  budgets: NaiveBudget[] = [];
  readonly holds: NaiveHold[] = [];
  readonly adjustments: NaiveAdjustment[] = [];

  applicable(scopes: readonly string[]): readonly NaiveBudget[] {
    return this.budgets.filter(({ budget }) => budget.scopes.every((scope) => scopes.includes(scope)));
  }

  /** What a budget stands at for a hold of this request made at this time. */
  balance(of: NaiveBudget, requestId: string, wallMs: number): Balance {
    return this.#sum(of, naiveKey(of.budget, wallMs), requestId);
  }

  /** What a ledger's rows say is settled in a period. */
  settledIn(budget: Budget, key: string): { settledNanoUsd: number; overrunNanoUsd: number } {
    return this.#sum({ budget, since: 0 }, key, "");
  }

  openHolds(): readonly HoldAsk[] {
    return this.holds.filter(({ state }) => state === "open").map(({ ask, boundNanoUsd }) => ({ ...ask, boundNanoUsd }));
  }

  #sum({ budget, since }: NaiveBudget, key: string, requestId: string): Balance {
    const sum = { settledNanoUsd: 0, heldNanoUsd: 0, overrunNanoUsd: 0 };
    const ofRequest = budget.period === "request";
    for (const hold of this.holds) {
      if (ofRequest && (hold.ask.requestId !== requestId || (hold.state === "settled" && hold.settledAt < since))) continue;
      if (hold.state === "released" || !matches(budget, hold.ask.scopes) || keyOf(budget, hold.keys, hold.ask.wallMs) !== key) continue;
      if (hold.state === "open") sum.heldNanoUsd += hold.boundNanoUsd ?? 0;
      else {
        sum.settledNanoUsd += hold.costNanoUsd;
        if (hold.boundNanoUsd !== null) sum.overrunNanoUsd += Math.max(0, hold.costNanoUsd - hold.boundNanoUsd);
      }
    }
    if (ofRequest) return sum;
    for (const { scopes, heldAtMs, nanoUsd, keys } of this.adjustments) {
      if (matches(budget, scopes) && keyOf(budget, keys, heldAtMs) === key) sum.settledNanoUsd += nanoUsd;
    }
    return sum;
  }
}

function matches(budget: Budget, scopes: readonly string[]): boolean {
  for (const scope of budget.scopes) if (!scopes.includes(scope)) return false;
  return true;
}

function keyOf(budget: Budget, keys: Map<string, string>, wallMs: number): string {
  const name = `${budget.period} ${budget.timeZone}`;
  let key = keys.get(name);
  if (key === undefined) {
    key = naiveKey(budget, wallMs);
    keys.set(name, key);
  }
  return key;
}
