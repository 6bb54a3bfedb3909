/**
 * Spans in which calls failed far more often than they usually do, told apart from chance: where the evidence of calls in a row (the log
 * of how much likelier a failure is in trouble than out of it) adds up to more than as many calls would come to by accident.
 */

export interface Told {
  readonly atMs: number;
  readonly untilMs: number;
  readonly failed: boolean;
}

export interface Trouble {
  /** From when the first call that failed was made, to when the last one had failed: how much longer it was, no call tells. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** In trouble so many calls fail, or three times as many as usual. */
const FAILS = 0.3;
const TIMES_USUAL = 3;
/** Who fails more often than this most of the time has no trouble that stands out. */
const USUAL_MOST = 0.15;
/** Nobody is known to fail less often than this. */
const USUAL_LEAST = 0.002;
/** Beyond the logarithm of the calls: about one search in thirty finds trouble where there is none. */
const BEYOND_CHANCE = 2;
const BLOCK_CALLS = 50;
const PASSES = 3;

/** Calls in the order of time. null: failing is how it usually is. */
export function troubleIn(calls: readonly Told[]): readonly Trouble[] | null {
  if (calls.length === 0) return [];
  let usual = usualOf(calls);
  let found: readonly (readonly [first: number, last: number])[] = [];
  for (let pass = 0; pass < PASSES; pass += 1) {
    if (usual > USUAL_MOST) return null;
    found = runsOf(calls, Math.max(USUAL_LEAST, usual));
    const inside = new Set(found.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i)));
    const outside = calls.filter((_, i) => !inside.has(i));
    usual = outside.length === 0 ? 1 : shareOf(outside);
  }
  return found.map(([first, last]) => ({ fromMs: (calls[first] as Told).atMs, toMs: calls.slice(first, last + 1).reduce((most, { untilMs, failed }) => (failed ? Math.max(most, untilMs) : most), 0) }));
}

/** How often it fails in a block of calls, most of the time: trouble of less than half the blocks does not show in it. */
function usualOf(calls: readonly Told[]): number {
  const shares: number[] = [];
  for (let from = 0; from < calls.length; from += BLOCK_CALLS) shares.push(shareOf(calls.slice(from, from + BLOCK_CALLS)));
  return shares.toSorted((a, b) => a - b)[Math.floor(shares.length / 2)] ?? 0;
}

function shareOf(calls: readonly Told[]): number {
  return calls.reduce((sum, { failed }) => sum + Number(failed), 0) / Math.max(1, calls.length);
}

/** Each run begins and ends with a call that failed. */
function runsOf(calls: readonly Told[], usual: number): readonly (readonly [first: number, last: number])[] {
  const fails = Math.min(0.95, Math.max(FAILS, TIMES_USUAL * usual));
  const up = Math.log(fails / usual);
  const down = Math.log((1 - fails) / (1 - usual));
  const enough = Math.log(Math.max(1, calls.length)) + BEYOND_CHANCE;
  const runs: (readonly [number, number])[] = [];
  let first = 0;
  let last = 0;
  let sum = 0;
  let most = 0;
  const close = (): void => {
    if (most >= enough) runs.push([first, last]);
    sum = most = 0;
  };
  for (const [i, { failed }] of calls.entries()) {
    if (sum === 0 && failed) first = i;
    sum = Math.max(0, sum + (failed ? up : down));
    if (sum > most) [most, last] = [sum, i];
    // Nothing is left of it, or as much speaks for its end as it takes to be seen.
    else if (sum === 0 || most - sum >= enough) close();
  }
  close();
  return runs;
}
