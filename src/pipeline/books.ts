/**
 * The money of one request: a hold before each call, a charge after it. Every call that was held has one charge, every
 * call that was refused its hold has none, and nobody is told the end before all charges are durable.
 */
import type { BudgetGate, Charge, Hold, Ledger, Log, ReserveResult } from "../ports.ts";
import type { Attempt } from "./attempt.ts";

export class Books {
  readonly #ledger: Ledger;
  readonly #log: Log;
  readonly #budgets: Pick<BudgetGate, "forgo"> | undefined;
  /** By attempt; there are three at most, so that a list is found through faster than a table is made. */
  readonly #entries: Entry[] = [];
  readonly #settling: Promise<void>[] = [];
  #anyUnheld = false;
  /** A charge could not be written in time. */
  undurable = false;

  constructor(ledger: Ledger, log: Log, budgets?: Pick<BudgetGate, "forgo">) {
    this.#ledger = ledger;
    this.#log = log;
    this.#budgets = budgets;
  }

  /** Ask for a hold; one of the two is called when the ledger has answered. */
  hold(attempt: Attempt, hold: Hold, held: () => void, unheld: (why: Unheld) => void): void {
    const entry = this.#entryOf(attempt);
    const refused = (why: Unheld): void => {
      entry.booked = NO_ROW;
      this.#anyUnheld = true;
      unheld(why);
    };
    entry.holding = this.#ledger.reserve([hold]).then(
      ([result]) => {
        entry.holding = null;
        if (result?.kind === "held") held();
        else refused(result ?? NO_ANSWER);
      },
      (error: unknown) => {
        entry.holding = null;
        this.#log.error("ledger_reserve_failed", { error: String(error) });
        refused(NO_ANSWER);
      },
    );
  }

  /**
   * Book what an attempt came to. One that ended while its hold was on the way is booked only if that was granted. `held`: its hold stays
   * open, and somebody else settles it; the promise says that this is noted.
   */
  settle(attempt: Attempt, charge: Charge, held?: Promise<void>): void {
    const entry = this.#entryOf(attempt);
    if (entry.booked === NO_ROW) return;
    if (held !== undefined) {
      entry.booked = { ...charge, state: "held", units: {}, rawUsage: null, costNanoUsd: null, flags: ["held"] };
      this.#settling.push(held.catch((error: unknown) => this.#undurable(entry, error)));
      return;
    }
    entry.booked = charge;
    const { holding } = entry;
    if (holding === null) {
      this.#settling.push(this.#write(entry, charge));
      return;
    }
    // It may wait for room in a budget for a long time, and nobody needs that any more.
    this.#budgets?.forgo(attempt.settings.id);
    this.#settling.push(holding.then(() => (entry.booked === charge ? this.#write(entry, charge) : undefined)));
  }

  #entryOf(attempt: Attempt): Entry {
    for (const entry of this.#entries) if (entry.attempt === attempt) return entry;
    const entry: Entry = { attempt, booked: undefined, holding: null };
    this.#entries.push(entry);
    return entry;
  }

  /** Resolves when all that has ended is durable, or given up on and flagged. */
  booked(): Promise<unknown> {
    return this.#settling.length === 1 ? (this.#settling[0] as Promise<void>) : Promise.all(this.#settling);
  }

  /** Those that were not refused their hold; no other was ever sent. */
  granted(attempts: readonly Attempt[]): readonly Attempt[] {
    return this.#anyUnheld ? attempts.filter((attempt) => this.chargeOf(attempt) !== NO_ROW) : attempts;
  }

  chargeOf(attempt: Attempt): Booked | undefined {
    for (const entry of this.#entries) if (entry.attempt === attempt) return entry.booked;
    return undefined;
  }

  /** What all attempts cost; undefined before any was booked, null where one is unmetered or unpriced. */
  totalNanoUsd(): number | null | undefined {
    let total: number | undefined;
    for (const { booked } of this.#entries) {
      if (booked === undefined || booked === NO_ROW) continue;
      if (booked.costNanoUsd === null) return null;
      total = (total ?? 0) + booked.costNanoUsd;
    }
    return total;
  }

  /** What these attempts have cost, or may still cost at most. */
  committedNanoUsd(attempts: readonly Attempt[]): number {
    return attempts.reduce((sum, one) => sum + this.#atMostNanoUsd(one), 0);
  }

  /** Of an attempt that broke off without telling its usage the provider may bill more than we estimate: anything up to its bound. */
  #atMostNanoUsd(attempt: Attempt): number {
    const bound = attempt.settings.candidate.boundNanoUsd ?? 0;
    const charge = this.chargeOf(attempt);
    if (!attempt.over) return bound;
    // A whole body tells all of it, whatever else is wrong with it; in a stream what came so far may be a snapshot.
    const told = attempt.usage !== null && !attempt.settings.stream;
    return charge?.state === "estimated" && !told ? Math.max(bound, charge.costNanoUsd ?? 0) : (charge?.costNanoUsd ?? 0);
  }

  /** Is what is told of their cost not the last word? */
  isEstimated(attempts: readonly Attempt[]): boolean {
    for (const attempt of attempts) if (!attempt.over || this.chargeOf(attempt)?.state === "estimated") return true;
    return false;
  }

  #write(entry: Entry, charge: Charge): Promise<void> {
    return this.#ledger.settle([charge]).catch((error: unknown) => this.#undurable(entry, error));
  }

  #undurable(entry: Entry, error: unknown): void {
    const charge = entry.booked as Booked;
    this.undurable = true;
    entry.booked = { ...charge, flags: [...charge.flags, "undurable"] };
    this.#log.error("charge_not_durable", { attempt: charge.attemptId, error: String(error) });
  }
}

interface Entry {
  readonly attempt: Attempt;
  booked: Booked | undefined;
  /** The hold that has not been answered yet. */
  holding: Promise<void> | null;
}

/** A charge, or what stands for it while the row is held. */
export type Booked = Omit<Charge, "state"> & { readonly state: Charge["state"] | "held" };

/** Why there is no hold. */
export type Unheld = Exclude<ReserveResult, { kind: "held" }>;
const NO_ANSWER: Unheld = Object.freeze({ kind: "unavailable", message: "the ledger did not answer" });

/** Of an attempt that got no hold: it has no row. */
const NO_ROW: Charge = Object.freeze({ attemptId: "", state: "unbilled", outcome: "unheld", units: {}, rawUsage: null, costNanoUsd: 0, flags: [], atMs: 0 });
