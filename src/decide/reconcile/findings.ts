/** Gathers the parts of a difference. */
import type { Cause, Difference, Flagged } from "./types.ts";

export const FLAGGED_MAX = 200;
/** What is told one by one, since somebody should look at it. */
const LOOKED_AT: ReadonlySet<Cause> = new Set<Cause>(["unexplained", "not_in_ledger", "not_on_invoice", "unbilled"]);

export class Findings {
  readonly #sums = new Map<string, { readonly cause: Cause; readonly model: string; nanoUsd: bigint; count: number }>();
  #flagged: Flagged[] = [];
  #flaggedCount = 0;
  #unexplained = 0n;
  readonly notes: string[] = [];

  add(cause: Cause, model: string, nanoUsd: bigint, at: string, count = 1): void {
    if (nanoUsd === 0n) return;
    const key = `${cause}\n${model}`;
    const sum = this.#sums.get(key);
    if (sum === undefined) this.#sums.set(key, { cause, model, nanoUsd, count });
    else {
      sum.nanoUsd += nanoUsd;
      sum.count += count;
    }
    if (cause === "unexplained") this.#unexplained += size(nanoUsd);
    if (!LOOKED_AT.has(cause)) return;
    this.#flaggedCount++;
    this.#flagged.push({ cause, at, model, nanoUsd });
    if (this.#flagged.length > 10 * FLAGGED_MAX) this.#flagged = largest(this.#flagged);
  }

  get unexplainedNanoUsd(): bigint {
    return this.#unexplained;
  }

  get flagged(): readonly Flagged[] {
    return largest(this.#flagged);
  }

  get flaggedCount(): number {
    return this.#flaggedCount;
  }

  differences(): readonly Difference[] {
    return [...this.#sums.values()].map((sum) => ({ ...sum })).toSorted(bySize);
  }
}

function largest(flagged: readonly Flagged[]): Flagged[] {
  return flagged.toSorted(bySize).slice(0, FLAGGED_MAX);
}

function bySize(a: { readonly nanoUsd: bigint }, b: { readonly nanoUsd: bigint }): number {
  return size(a.nanoUsd) < size(b.nanoUsd) ? 1 : size(a.nanoUsd) > size(b.nanoUsd) ? -1 : 0;
}

/** Without its sign. */
export function size(nanoUsd: bigint): bigint {
  return nanoUsd < 0n ? -nanoUsd : nanoUsd;
}
