/**
 * Requests against objectives that some of them may be against: of a median half are late by the promise itself. Trouble is what is
 * beyond that, and beyond what chance makes of it.
 */

/** Of one objective over some time. */
export interface Lateness {
  /** The objective's version and name. */
  readonly by: string;
  /** Share of the valid that may be late. */
  readonly allowed: number;
  readonly valid: number;
  /** Against it and not lost. */
  readonly late: number;
}

/** Standard deviations beyond what is allowed that chance is given. */
const CHANCE = 3;

/** Sums over minutes, by objective. */
export function latenessOf(minutes: readonly { readonly lateness?: readonly Lateness[] }[]): readonly Lateness[] {
  let sums: Map<string, Lateness> | null = null;
  for (const { lateness } of minutes) {
    if (lateness === undefined) continue;
    sums ??= new Map();
    for (const one of lateness) {
      const sum = sums.get(one.by);
      sums.set(one.by, sum === undefined ? one : { ...sum, valid: sum.valid + one.valid, late: sum.late + one.late });
    }
  }
  return sums === null ? NONE : [...sums.values()];
}
const NONE: readonly Lateness[] = [];

/** How many were late beyond what is allowed, by the objective by which most were; 0 where chance may account for it. */
export function beyondAllowed(lateness: readonly Lateness[]): number {
  let most = 0;
  for (const { allowed, valid, late } of lateness) {
    if (late <= valid * allowed + CHANCE * Math.sqrt(valid * allowed * (1 - allowed))) continue;
    most = Math.max(most, late - valid * allowed);
  }
  // A share of a request is one: an objective that allows one in a hundred takes nothing off three late ones.
  return Math.ceil(most);
}
