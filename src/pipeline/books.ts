/**
 * The money of one request: a hold before each call, a charge after it. Every call that was held has one charge, every
 * call that was refused its hold has none, and nobody is told the end before all charges are durable.
 */
import type { Charge, Hold, Ledger, Log } from "../ports.ts";
import type { Attempt } from "./attempt.ts";

export class Books {
  readonly #ledger: Ledger;
  readonly #log: Log;
  readonly #charges = new Map<Attempt, Charge>();
  /** Attempts whose hold has not been answered yet. */
  readonly #holding = new Map<Attempt, Promise<void>>();
  readonly #settling: Promise<void>[] = [];
  /** A charge could not be written in time. */
  undurable = false;

  constructor(ledger: Ledger, log: Log) {
    this.#ledger = ledger;
    this.#log = log;
  }

  /** Ask for a hold; one of the two is called when the ledger has answered. */
  hold(attempt: Attempt, hold: Hold, held: () => void, unheld: (code: "budget_exceeded" | "ledger_unavailable") => void): void {
    const refused = (code: "budget_exceeded" | "ledger_unavailable"): void => {
      this.#charges.set(attempt, NO_ROW);
      unheld(code);
    };
    const answered = this.#ledger.reserve([hold]).then(
      ([result]) => {
        this.#holding.delete(attempt);
        if (result?.kind === "held") held();
        else refused(result?.kind === "refused" ? "budget_exceeded" : "ledger_unavailable");
      },
      (error: unknown) => {
        this.#holding.delete(attempt);
        this.#log.error("ledger_reserve_failed", { error: String(error) });
        refused("ledger_unavailable");
      },
    );
    this.#holding.set(attempt, answered);
  }

  /** Book what an attempt came to. One that ended while its hold was on the way is booked only if that was granted. */
  settle(attempt: Attempt, charge: Charge): void {
    if (this.#charges.get(attempt) === NO_ROW) return;
    this.#charges.set(attempt, charge);
    const holding = this.#holding.get(attempt);
    if (holding === undefined) this.#settling.push(this.#write(attempt, charge));
    else this.#settling.push(holding.then(() => (this.#charges.get(attempt) === charge ? this.#write(attempt, charge) : undefined)));
  }

  /** Resolves when all that has ended is durable, or given up on and flagged. */
  booked(): Promise<unknown> {
    return this.#settling.length === 1 ? (this.#settling[0] as Promise<void>) : Promise.all(this.#settling);
  }

  chargeOf(attempt: Attempt): Charge | undefined {
    return this.#charges.get(attempt);
  }

  /** What all attempts cost; undefined before any was booked, null where one is unmetered or unpriced. */
  totalNanoUsd(): number | null | undefined {
    let total: number | undefined;
    for (const charge of this.#charges.values()) {
      if (charge === NO_ROW) continue;
      if (charge.costNanoUsd === null) return null;
      total = (total ?? 0) + charge.costNanoUsd;
    }
    return total;
  }

  get estimated(): boolean {
    return [...this.#charges.values()].some((one) => one.state === "estimated");
  }

  #write(attempt: Attempt, charge: Charge): Promise<void> {
    return this.#ledger.settle([charge]).catch((error: unknown) => {
      this.undurable = true;
      this.#charges.set(attempt, { ...charge, flags: [...charge.flags, "undurable"] });
      this.#log.error("charge_not_durable", { attempt: charge.attemptId, error: String(error) });
    });
  }
}

/** Of an attempt that got no hold: it has no row. */
const NO_ROW: Charge = Object.freeze({ attemptId: "", state: "unbilled", outcome: "unheld", units: {}, rawUsage: null, costNanoUsd: 0, flags: [], atMs: 0 });
