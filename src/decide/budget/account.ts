/** What one budget stands at in the periods that are still of use: its tallies. Only the book changes them. */
import { RecentSpend } from "./forecast.ts";
import { spanAt } from "./periods.ts";
import type { Balance, Budget, PeriodKey } from "./types.ts";

/** What is on record of one budget's period, from before this process or this configuration. */
export interface Settled {
  readonly settledNanoUsd: number;
  readonly overrunNanoUsd: number;
  /** The highest threshold that an alert went out for; absent: none did. */
  readonly toldPermille?: number;
}
/**
 * What the records hold at this moment of a budget's period; undefined: nothing. It is asked when a period is first needed,
 * which may be one that was forgotten long ago, so it must not answer from a copy taken earlier.
 */
export type SettledOf = (budget: Budget, periodKey: PeriodKey) => Settled | undefined;

/** One period of one budget. Plain state. */
export interface Tally {
  readonly account: Account;
  readonly key: PeriodKey;
  /** What settled and held may come to: the limit, or the slice of it that was granted to this process. */
  capNanoUsd: number;
  settledNanoUsd: number;
  heldNanoUsd: number;
  /** Of what is held, what is granted to joined processes. */
  grantedNanoUsd: number;
  /** Of what is held, what nobody expects to be settled soon. */
  keptNanoUsd: number;
  overrunNanoUsd: number;
  /** Holds that are open in it. While there is one it is not forgotten. */
  holds: number;
  /** The highest threshold that was told, and the amount at which the next one is due. */
  toldPermille: number;
  nextAlertNanoUsd: number;
}

/** Periods of one budget that are kept, the present one among them, beyond those with open holds. */
const KEPT_PERIODS = 3;

export class Account {
  budget: Budget;
  /** From here on cheaper candidates are taken; Infinity: never. */
  cheaperFromNanoUsd = Number.POSITIVE_INFINITY;
  readonly recent = new RecentSpend();
  readonly #tallies = new Map<PeriodKey, Tally>();
  readonly #sliced: boolean;
  readonly #settledOf: () => SettledOf;
  readonly #crossed: Set<Tally>;
  #current: Tally | null = null;
  #startMs = 0;
  #endMs = 0;

  /** `sliced`: what may be spent is granted piece by piece and starts at nothing. `crossed` takes tallies with an alert due. */
  constructor(budget: Budget, sliced: boolean, settledOf: () => SettledOf, crossed: Set<Tally>) {
    this.budget = budget;
    this.#sliced = sliced;
    this.#settledOf = settledOf;
    this.#crossed = crossed;
    this.cheaperFromNanoUsd = cheaperFrom(budget);
  }

  /** The tally of the period that `wallMs` lies in. Not for budgets of one request. */
  tallyAt(wallMs: number): Tally {
    if (this.#current !== null && wallMs >= this.#startMs && wallMs < this.#endMs) return this.#current;
    const { period, timeZone } = this.budget;
    if (period === "request") throw new TypeError("a request's budget has no period by the clock");
    const span = spanAt(period, timeZone, wallMs);
    this.#startMs = span.startMs;
    this.#endMs = span.endMs;
    this.#current = this.tallyOf(span.key);
    return this.#current;
  }

  /** The key of that period. Opens no tally: one that is opened while its balance is being written would count that twice. */
  keyAt(wallMs: number): PeriodKey {
    const { period, timeZone } = this.budget;
    return period === "request" ? period : spanAt(period, timeZone, wallMs).key;
  }

  /** Wall ms at which the period of `wallMs` ends; null: never. */
  endOfPeriod(wallMs: number): number | null {
    this.tallyAt(wallMs);
    return Number.isFinite(this.#endMs) ? this.#endMs : null;
  }

  /** Wall ms at which the period of `wallMs` began; null: it always was. */
  startOfPeriod(wallMs: number): number | null {
    this.tallyAt(wallMs);
    return Number.isFinite(this.#startMs) ? this.#startMs : null;
  }

  /** The tally of a period by its key, opened from what is on record. */
  tallyOf(key: PeriodKey): Tally {
    const known = this.#tallies.get(key);
    if (known !== undefined) return known;
    const tally = this.newTally(key);
    const settled = this.#settledOf()(this.budget, key);
    if (settled !== undefined) {
      tally.settledNanoUsd = settled.settledNanoUsd;
      tally.overrunNanoUsd = settled.overrunNanoUsd;
      tally.toldPermille = settled.toldPermille ?? 0;
      this.#arm(tally);
    }
    this.#tallies.set(key, tally);
    if (this.#tallies.size > KEPT_PERIODS) this.#forget();
    return tally;
  }

  /** The tally if it is in memory: what is not will be read from the records when it is needed. */
  knownTally(key: PeriodKey): Tally | undefined {
    return this.#tallies.get(key);
  }

  /** A tally at nothing that nobody keeps yet. */
  newTally(key: PeriodKey): Tally {
    const tally: Tally = {
      account: this,
      key,
      capNanoUsd: this.#isGranted(this.budget) ? 0 : this.budget.limitNanoUsd,
      settledNanoUsd: 0,
      heldNanoUsd: 0,
      grantedNanoUsd: 0,
      keptNanoUsd: 0,
      overrunNanoUsd: 0,
      holds: 0,
      toldPermille: 0,
      nextAlertNanoUsd: Number.POSITIVE_INFINITY,
    };
    // The alerts of a request's budget would be one for every request.
    if (this.budget.period !== "request") this.#arm(tally);
    return tally;
  }

  /** The same budget with another limit, kind or thresholds. What it stands at stays; thresholds that are ahead again are due again. */
  reform(budget: Budget): void {
    const stayedGranted = this.#isGranted(this.budget) && this.#isGranted(budget);
    this.budget = budget;
    this.cheaperFromNanoUsd = cheaperFrom(budget);
    for (const tally of this.#tallies.values()) {
      if (!stayedGranted) tally.capNanoUsd = this.#isGranted(budget) ? 0 : budget.limitNanoUsd;
      const told = budget.alertsAtPermille.filter((permille) => permille <= tally.toldPermille && thresholdNanoUsd(budget, permille) <= tally.settledNanoUsd);
      tally.toldPermille = told.at(-1) ?? 0;
      this.#arm(tally);
    }
  }

  /** Adds what was settled (or taken back) to a tally of this budget. */
  add(tally: Tally, settledNanoUsd: number, overrunNanoUsd: number): void {
    tally.settledNanoUsd += settledNanoUsd;
    tally.overrunNanoUsd += overrunNanoUsd;
    if (tally.settledNanoUsd >= tally.nextAlertNanoUsd) this.#crossed.add(tally);
  }

  /** Thresholds that were crossed and not told, lowest first; they count as told from now on. */
  takeCrossed(tally: Tally): readonly number[] {
    const due = this.budget.alertsAtPermille.filter((permille) => permille > tally.toldPermille && thresholdNanoUsd(this.budget, permille) <= tally.settledNanoUsd);
    tally.toldPermille = due.at(-1) ?? tally.toldPermille;
    this.#arm(tally);
    return due;
  }

  get tallies(): Iterable<Tally> {
    return this.#tallies.values();
  }

  /** Soft budgets forbid nothing and a request is one process's own: neither needs a slice. */
  #isGranted(budget: Budget): boolean {
    return this.#sliced && budget.kind === "hard" && budget.period !== "request";
  }

  #arm(tally: Tally): void {
    const next = this.budget.alertsAtPermille.find((permille) => permille > tally.toldPermille);
    tally.nextAlertNanoUsd = next === undefined ? Number.POSITIVE_INFINITY : thresholdNanoUsd(this.budget, next);
    if (tally.settledNanoUsd >= tally.nextAlertNanoUsd) this.#crossed.add(tally);
  }

  /** Keys of one budget sort by time. The tally that was opened just now stays in any case. */
  #forget(): void {
    const keys = [...this.#tallies.keys()];
    const opened = keys.at(-1);
    for (const key of keys.toSorted().slice(0, -KEPT_PERIODS)) {
      const tally = this.#tallies.get(key);
      if (tally === undefined || key === opened || tally === this.#current || tally.holds > 0 || tally.heldNanoUsd > 0) continue;
      this.#tallies.delete(key);
      this.#crossed.delete(tally);
    }
  }
}

/** What a tally stands at, as a value. */
export function balanceOf(tally: Tally): Balance {
  const { settledNanoUsd, heldNanoUsd, overrunNanoUsd, grantedNanoUsd } = tally;
  return { settledNanoUsd, heldNanoUsd, overrunNanoUsd, ...(grantedNanoUsd > 0 ? { grantedNanoUsd } : {}) };
}

/** The amount at which a share of the limit is reached, rounded up; at least one nano-dollar, for nothing spent alarms nobody. */
export function thresholdNanoUsd(budget: Budget, permille: number): number {
  return Math.max(1, shareNanoUsd(budget.limitNanoUsd, permille));
}

function cheaperFrom(budget: Budget): number {
  return budget.cheaperFromPermille === null ? Number.POSITIVE_INFINITY : shareNanoUsd(budget.limitNanoUsd, budget.cheaperFromPermille);
}

/** In bigint, since a thousand limits may pass the safe integers. */
function shareNanoUsd(limitNanoUsd: number, permille: number): number {
  return Number((BigInt(limitNanoUsd) * BigInt(permille) + 999n) / 1_000n);
}
