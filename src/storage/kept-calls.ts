/**
 * Holds that stay open until a provider says that their call ended, written down beside their rows, so that neither a
 * restart nor `kill -9` settles them. There are few of them and they change seldom: each write is a transaction of its own.
 * A process that dies between the provider's answer and this note leaves an ordinary orphan, flagged as one.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { KeptCall, KeptCalls } from "../ports.ts";
import type { LedgerBudgets } from "./budgets.ts";
import { LedgerUnwritable } from "./errors.ts";
import type { SqliteLedger } from "./ledger.ts";
import { isTheDisk, messageOf } from "./schema.ts";
import { int, intOrNull, ROWS_OF_ATTEMPT, text } from "./statements.ts";

const RETRY_MS = 50;

export class SqliteKeptCalls implements KeptCalls {
  readonly #ledger: SqliteLedger;
  readonly #budgets: Pick<LedgerBudgets, "keep">;
  readonly #retryMs: number;
  readonly #write: StatementSync;
  readonly #rows: StatementSync;
  readonly #kept: StatementSync;

  /** `retryMs`: how long a disk that takes nothing is tried. */
  constructor(db: DatabaseSync, ledger: SqliteLedger, budgets: Pick<LedgerBudgets, "keep">, retryMs: number) {
    this.#ledger = ledger;
    this.#budgets = budgets;
    this.#retryMs = retryMs;
    this.#write = db.prepare(`
      INSERT INTO kept_calls (id, attempt_id, account, kind, upstream_id, created_ms, next_look_ms, looks, status)
      SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE NOT EXISTS (SELECT 1 FROM charges WHERE id = ?1)
      ON CONFLICT (id) DO UPDATE SET next_look_ms = ?7, looks = ?8, status = ?9`);
    this.#rows = db.prepare(ROWS_OF_ATTEMPT);
    this.#kept = db.prepare("SELECT k.*, h.bound_nano_usd FROM kept_calls k JOIN holds h ON h.id = k.id WHERE NOT EXISTS (SELECT 1 FROM charges c WHERE c.id = k.id) ORDER BY k.id");
  }

  async keep(call: KeptCall): Promise<void> {
    const endMs = performance.now() + this.#retryMs;
    for (;;) {
      try {
        this.#note(call);
        return;
      } catch (error) {
        if (!isTheDisk(error) || performance.now() >= endMs) throw new LedgerUnwritable(`a call that is held could not be noted: ${messageOf(error)}`);
      }
      await sleep(RETRY_MS);
    }
  }

  kept(): readonly KeptCall[] {
    return this.#kept.all().map((row) => ({
      attemptId: text(row["attempt_id"]),
      account: text(row["account"]),
      kind: text(row["kind"]) as KeptCall["kind"],
      upstreamId: text(row["upstream_id"]),
      createdMs: int(row["created_ms"]),
      nextLookMs: int(row["next_look_ms"]),
      looks: int(row["looks"]),
      status: text(row["status"]),
      boundNanoUsd: intOrNull(row["bound_nano_usd"]),
    }));
  }

  #note(call: KeptCall): void {
    const id = this.#ledger.rowIdOf(call.attemptId) ?? this.#rowIdOf(call.attemptId);
    // Without a row there is nothing to hold.
    if (id === null) return;
    this.#ledger.transaction(() => {
      this.#write.run(id, call.attemptId, call.account, call.kind, call.upstreamId, call.createdMs, call.nextLookMs, call.looks, call.status);
    });
    this.#ledger.release(call.attemptId);
    this.#budgets.keep(call.attemptId);
  }

  #rowIdOf(attemptId: string): number | null {
    const own = this.#rows.all(attemptId).find((row) => row["adjusts"] === null);
    return own === undefined ? null : int(own["id"]);
  }
}
