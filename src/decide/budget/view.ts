/** What is shown of budgets to those who ask: the present period of each, with a forecast. */
import type { Account } from "./account.ts";
import type { BudgetBook } from "./book.ts";
import { forecastOf } from "./forecast.ts";
import type { Forecast } from "./forecast.ts";
import type { Balance, Budget, PeriodKey } from "./types.ts";

export interface BudgetView extends Balance {
  readonly budget: Budget;
  readonly periodKey: PeriodKey;
  /** Wall ms; null: it has no beginning or end. */
  readonly startsAtMs: number | null;
  readonly resetsAtMs: number | null;
  /** What the next hold may be at most; never below 0. */
  readonly leftNanoUsd: number;
  /** Thousandths of the limit that are settled, and settled or held; null where the limit is 0. */
  readonly settledPermille: number | null;
  readonly usedPermille: number | null;
  readonly forecast: Forecast;
}

/** Every budget with a period by the clock, in the order of their ids. Those of single requests stand at nothing in between. */
export function viewsOf(book: BudgetBook, wallMs: number): readonly BudgetView[] {
  const views: BudgetView[] = [];
  for (const account of book.accounts.values()) if (account.budget.period !== "request") views.push(viewOf(account, wallMs));
  return views;
}

/** One budget in the period that `wallMs` lies in. */
export function viewOf(account: Account, wallMs: number): BudgetView {
  const { budget } = account;
  const { key, settledNanoUsd, heldNanoUsd, overrunNanoUsd } = account.tallyAt(wallMs);
  const startsAtMs = account.startOfPeriod(wallMs);
  const resetsAtMs = account.endOfPeriod(wallMs);
  const permille = (nanoUsd: number): number | null => (budget.limitNanoUsd === 0 ? null : Math.floor((nanoUsd / budget.limitNanoUsd) * 1_000));
  return {
    budget,
    periodKey: key,
    startsAtMs,
    resetsAtMs,
    settledNanoUsd,
    heldNanoUsd,
    overrunNanoUsd,
    leftNanoUsd: Math.max(0, budget.limitNanoUsd - settledNanoUsd - heldNanoUsd),
    settledPermille: permille(settledNanoUsd),
    usedPermille: permille(settledNanoUsd + heldNanoUsd),
    forecast: forecastOf({
      limitNanoUsd: budget.limitNanoUsd,
      settledNanoUsd,
      startMs: startsAtMs ?? Number.NEGATIVE_INFINITY,
      endMs: resetsAtMs ?? Number.POSITIVE_INFINITY,
      nowMs: wallMs,
      recentPerHourNanoUsd: account.recent.perHourNanoUsd(wallMs),
    }),
  };
}
