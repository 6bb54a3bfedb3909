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

/** Terms whose number was found before, by the identity of their scopes: a caller brings the same array each time. */
interface Found extends Terms {
  readonly id: number;
}

/** Terms of one array of scopes; more are found by their text. */
const FOUND_MAX = 16;
const KEPT_MAX = 20_000;

export class SharedTerms {
  readonly #insertTerms: StatementSync;
  readonly #insertEnding: StatementSync;
  readonly #found = new WeakMap<readonly string[], Found[]>();
  readonly #kept = new Map<string, number>();
  /** The last ending without flags that is committed: nearly all are the same. */
  #usual: { readonly state: AttemptState; readonly outcome: string; readonly id: number } | null = null;
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
    let found = this.#found.get(hold.scopes);
    if (found !== undefined) for (const one of found) if (sameTerms(one, hold)) return one.id;
    const id = this.#termsByText(hold);
    // What is not committed yet may be rolled back: it is found by its text until then.
    if (this.#fresh.length > 0) return id;
    if (found === undefined) this.#found.set(hold.scopes, (found = []));
    if (found.length >= FOUND_MAX) found.length = 0;
    const { deployment, tenant, scopes, priceVersion, period, outputPricePicoUsd, billsOnAbort } = hold;
    found.push({ id, deployment, tenant, scopes, priceVersion, period, outputPricePicoUsd, billsOnAbort });
    return id;
  }

  #termsByText(hold: Terms): number {
    const { deployment, tenant, scopes, priceVersion, period, outputPricePicoUsd, billsOnAbort } = hold;
    const key = JSON.stringify([deployment, tenant, scopes, priceVersion, period, outputPricePicoUsd, billsOnAbort]);
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const made = this.#insertTerms.run(deployment, tenant, JSON.stringify(scopes), priceVersion, period, outputPricePicoUsd, billsOnAbort);
    return this.#keep(key, Number(made.lastInsertRowid));
  }

  /** The number of a charge's ending. */
  ending(state: AttemptState, outcome: string, flags: readonly string[]): number {
    const usual = this.#usual;
    if (usual !== null && flags.length === 0 && state === usual.state && outcome === usual.outcome) return usual.id;
    const id = this.#endingByText(state, outcome, flags);
    // What is not committed yet may be rolled back.
    if (flags.length === 0 && this.#fresh.length === 0) this.#usual = { state, outcome, id };
    return id;
  }

  #endingByText(state: AttemptState, outcome: string, flags: readonly string[]): number {
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

function sameTerms(one: Terms, other: Terms): boolean {
  return (
    one.deployment === other.deployment && one.period === other.period && one.priceVersion === other.priceVersion &&
    one.outputPricePicoUsd === other.outputPricePicoUsd && one.billsOnAbort === other.billsOnAbort && one.tenant === other.tenant
  );
}
