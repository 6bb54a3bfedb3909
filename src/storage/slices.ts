/**
 * Slices as the authority keeps them: each answer to a report is written, with what it moves of the balances, in one
 * transaction before the reply leaves. So no joiner has a grant that the file does not know of.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { SliceAuthority } from "../decide/budget/slice-authority.ts";
import type { Slice, SliceReply, SliceReport } from "../decide/budget/slices.ts";
import type { LedgerBudgets } from "./budgets.ts";
import type { SqliteLedger } from "./ledger.ts";
import { int, text, type SqlRow } from "./statements.ts";

export class SliceKeeper {
  readonly #ledger: SqliteLedger;
  readonly #budgets: LedgerBudgets;
  readonly #authority: SliceAuthority;
  readonly #write: StatementSync;
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync, ledger: SqliteLedger, budgets: LedgerBudgets) {
    this.#db = db;
    this.#ledger = ledger;
    this.#budgets = budgets;
    this.#authority = new SliceAuthority(budgets.book);
    this.#write = db.prepare(`
      INSERT INTO slices (joiner, identity, budget, period, epoch, sequence, granted_nano_usd, returned_nano_usd, settled_nano_usd, overrun_nano_usd, held_nano_usd, lost)
      VALUES (?,?,?,?,?,?,?,?,?,?,?,?)
      ON CONFLICT (identity, period, joiner) DO UPDATE SET epoch = excluded.epoch, sequence = excluded.sequence, granted_nano_usd = excluded.granted_nano_usd,
        returned_nano_usd = excluded.returned_nano_usd, settled_nano_usd = excluded.settled_nano_usd, overrun_nano_usd = excluded.overrun_nano_usd,
        held_nano_usd = excluded.held_nano_usd, lost = excluded.lost`);
  }

  /** After the budgets were configured: what is out with joiners is held. Call it before anything is admitted. */
  restore(): void {
    this.#authority.restore(this.#db.prepare("SELECT * FROM slices").all().map(sliceOf));
  }

  /** After the budgets were configured anew. */
  reattach(): void {
    this.#authority.reattach();
  }

  /** Answer what joiners report, one by one. Throws what the database throws; what is answered then is written. */
  answer(reports: readonly SliceReport[]): readonly SliceReply[] {
    return reports.map((report) => {
      const answer = this.#authority.answer(report);
      const { slice } = answer;
      if (slice !== null) {
        this.#ledger.transaction(() => {
          this.#put(slice);
          this.#budgets.moving(answer.deltas);
        });
      }
      this.#authority.apply(answer);
      this.#budgets.roomMayHaveCome();
      return answer.reply;
    });
  }

  /** The journal of a joiner is gone for good: what it had counts as spent. Gives how many slices that were. */
  lose(joiner: string): number {
    const losses = this.#authority.lose(joiner);
    for (const loss of losses) {
      this.#ledger.transaction(() => {
        this.#put(loss.slice);
        this.#budgets.moving(loss.deltas);
      });
      this.#authority.applyLoss(loss);
    }
    return losses.length;
  }

  /** Our own traffic waits for room, or no longer does: joiners are asked for what they do not use. */
  need(identity: string, periodKey: string, isNeeded: boolean): void {
    this.#authority.need(identity, periodKey, isNeeded);
  }

  /** All that is out or was. */
  slices(): Iterable<Slice> {
    return this.#authority.slices();
  }

  #put(slice: Slice): void {
    this.#write.run(
      slice.joiner, slice.identity, slice.budgetId, slice.periodKey, slice.epoch, slice.sequence, slice.grantedNanoUsd, slice.returnedNanoUsd,
      slice.settledNanoUsd, slice.overrunNanoUsd, slice.heldNanoUsd, slice.lost ? 1 : 0,
    );
  }
}

function sliceOf(row: SqlRow): Slice {
  return {
    joiner: text(row["joiner"]),
    identity: text(row["identity"]),
    budgetId: text(row["budget"]),
    periodKey: text(row["period"]),
    epoch: int(row["epoch"]),
    sequence: int(row["sequence"]),
    grantedNanoUsd: int(row["granted_nano_usd"]),
    returnedNanoUsd: int(row["returned_nano_usd"]),
    settledNanoUsd: int(row["settled_nano_usd"]),
    overrunNanoUsd: int(row["overrun_nano_usd"]),
    heldNanoUsd: int(row["held_nano_usd"]),
    lost: int(row["lost"]) !== 0,
  };
}
