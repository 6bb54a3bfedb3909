/**
 * What a joined process keeps of its authority beside the managed objects, in one file of its data folder: which one it is, and the
 * budgets of its configuration. They bind here as they do there, also while it is gone.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { readBudgets } from "../admin/authority.ts";
import { identityOf } from "../decide/budget/book.ts";
import type { Budget } from "../decide/budget/types.ts";
import type { Log } from "../ports.ts";
import { isObject, type Json } from "../wire/json.ts";

export class JoinedCopy {
  readonly #path: string;
  readonly #authority: string;
  #budgets: readonly Budget[] | null;

  constructor(path: string, authority: string, log: Log) {
    this.#path = path;
    this.#authority = authority;
    this.#budgets = read(path, authority, log);
  }

  /** Was this authority reached before, from this folder? */
  get known(): boolean {
    return this.#budgets !== null;
  }

  /** Of the authority's configuration, as it was told last; null: it was never reached. */
  get budgets(): readonly Budget[] | null {
    return this.#budgets;
  }

  /** Takes them over, on disk first. Says whether anything changed. Throws what the file system throws. */
  take(budgets: readonly Budget[]): boolean {
    const text = textOf(this.#authority, budgets);
    if (this.#budgets !== null && text === textOf(this.#authority, this.#budgets)) return false;
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(`${this.#path}.new`, `${text}\n`, { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
    this.#budgets = budgets;
    return true;
  }
}

function textOf(authority: string, budgets: readonly Budget[]): string {
  return JSON.stringify({ authority, budgets });
}

/** null: no authority was reached from here, or another one. */
function read(path: string, authority: string, log: Log): readonly Budget[] | null {
  try {
    const told = JSON.parse(readFileSync(path, "utf8")) as Json;
    return isObject(told) && told["authority"] === authority ? readBudgets(told["budgets"]) : null;
  } catch (error) {
    log.info("authority_not_known_before", { error: error instanceof Error ? error.message : String(error) });
    return null;
  }
}

/**
 * Budgets of this process's own file together with those of its authority's. One that both have is the authority's: its limit is what
 * slices are granted of. One that this file has alone, or otherwise, binds too, and since nothing is granted of it, it admits nothing.
 * `theirs` is null where no authority was joined.
 */
export function withTheirs(own: readonly Budget[], theirs: readonly Budget[] | null): { readonly budgets: readonly Budget[]; /** Of this file. */ readonly ungranted: readonly string[] } {
  if (theirs === null) return { budgets: own, ungranted: [] };
  const byId = new Map(theirs.map((budget) => [budget.id, budget]));
  const kept = own.flatMap((budget) => {
    const their = byId.get(budget.id);
    if (their === undefined) return [budget];
    return identityOf(their) === identityOf(budget) ? [] : [{ ...budget, id: `${budget.id} (here)` }];
  });
  return { budgets: [...theirs, ...kept], ungranted: kept.filter(({ kind, period }) => kind === "hard" && period !== "request").map(({ id }) => id) };
}
