/**
 * Budgets as values: what may be spent by whom, in which time, and what happens on the way there. Scopes are words as holds
 * carry them (`tenant/default`, `team/search`, `project/bot`, `key/app`, `member/ada`, `route/support`, `model/gpt-4o-mini`,
 * `provider/openai`, `tag/feature=chat`); a budget applies to a hold whose scopes hold all of the budget's.
 */

/** `request`: one call of a client with all its attempts. Weeks begin on Monday; `total` never ends. */
export type Period = "request" | "day" | "week" | "month" | "total";

export interface Budget {
  readonly id: string;
  /** All of them have to be among a hold's scopes. At least one. */
  readonly scopes: readonly string[];
  readonly period: Period;
  /** IANA name of the zone whose midnights begin a period. */
  readonly timeZone: string;
  /** The limit, integer nano-dollars ≥ 0. */
  readonly limitNanoUsd: number;
  /** `hard`: no hold is admitted beyond it. `soft`: it only alerts. */
  readonly kind: "hard" | "soft";
  /** Thousandths of the limit, ascending, at which an alert is due once a period. */
  readonly alertsAtPermille: readonly number[];
  /** From this share on the route's own `cheaper:` candidates are taken; null: never. */
  readonly cheaperFromPermille: number | null;
}

/** One period of one budget, `2026-11` or `2026-W47` or `2026-11-23` or `total`; a time zone's own days. */
export type PeriodKey = string;

/** What one budget stands at in one period. All nano-dollars. */
export interface Balance {
  readonly settledNanoUsd: number;
  readonly heldNanoUsd: number;
  /** Of what is held, what was granted to joined processes and is not spent yet; absent: nothing. */
  readonly grantedNanoUsd?: number;
  /** What providers billed beyond the bounds that were held. */
  readonly overrunNanoUsd: number;
}

export type Admission =
  | { readonly kind: "admitted" }
  /** Some hard limit would be crossed, or cannot be shown not to be (`unbounded`: the call's bound is unknown). */
  | {
      readonly kind: "refused";
      readonly why: "exceeded" | "unbounded";
      readonly budget: Budget;
      readonly periodKey: PeriodKey;
      readonly balance: Balance;
      /** Wall ms at which the next period begins; null: never. */
      readonly resetsAtMs: number | null;
    };

/** What a settled or adjusted attempt adds to a balance; written with its row, in one transaction. */
export interface BalanceDelta {
  readonly budgetId: string;
  readonly periodKey: PeriodKey;
  readonly settledNanoUsd: number;
  readonly overrunNanoUsd: number;
}
