/**
 * What many rows have in common, written once: the terms of a hold (where it went, who pays, at what price) and the
 * ending of a charge (state, outcome, flags). Rows name them by number. Numbers that a rolled-back transaction gave out are
 * forgotten with it; one that is forgotten for room is written again under a new number, which means the same.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Hold } from "../ports.ts";
import type { AttemptState } from "./rows.ts";

/** What a hold shares with others. */
type Terms = Pick<Hold, "deployment" | "tenant" | "scopes" | "priceVersion" | "period" | "outputPricePicoUsd" | "billsOnAbort">;

const KEPT_MAX = 20_000;

export class Shared {
  readonly #insertTerms: StatementSync;
  readonly #insertEnding: StatementSync;
  readonly #kept = new Map<string, number>();
  /** Not yet committed. */
  #fresh: string[] = [];

  constructor(db: DatabaseSync) {
    this.#insertTerms = db.prepare(
      "INSERT INTO terms (deployment, tenant, scopes, price_version, period, output_price_pico_usd, bills_on_abort) VALUES (?,?,?,?,?,?,?)",
    );
    this.#insertEnding = db.prepare("INSERT INTO endings (state, outcome, flags) VALUES (?,?,?)");
  }

  /** The number of a hold's terms; inside a transaction, as all of these. */
  terms(hold: Terms): number {
    const { deployment, tenant, scopes, priceVersion, period, outputPricePicoUsd, billsOnAbort } = hold;
    // The separator occurs in no name, and the count of scopes comes first: two different terms have two different keys.
    let key = `${scopes.length}\n${deployment}\n${tenant}\n${priceVersion === null ? "-" : `+${priceVersion}`}\n${period}\n${outputPricePicoUsd}\n${billsOnAbort}`;
    for (const scope of scopes) key += `\n${scope}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const made = this.#insertTerms.run(deployment, tenant, JSON.stringify(scopes), priceVersion, period, outputPricePicoUsd, billsOnAbort);
    return this.#keep(key, Number(made.lastInsertRowid));
  }

  /** The number of a charge's ending. */
  ending(state: AttemptState, outcome: string, flags: readonly string[]): number {
    const json = flags.length === 0 ? "[]" : JSON.stringify(flags);
    const key = `${state}\n${outcome}\n${json}`;
    return this.#kept.get(key) ?? this.#keep(key, Number(this.#insertEnding.run(state, outcome, json).lastInsertRowid));
  }

  committed(): void {
    if (this.#fresh.length > 0) this.#fresh = [];
  }

  rolledBack(): void {
    for (const key of this.#fresh) this.#kept.delete(key);
    this.committed();
  }

  #keep(key: string, id: number): number {
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(key, id);
    this.#fresh.push(key);
    return id;
  }
}
