/**
 * What a report is made of: for each minute, route and deployment how requests and calls ended, as counts by name, and a row
 * for each bad request. Counts only ever add up, so that events of one minute can come in any number of pieces.
 */
import type { Objective, RequestClass } from "../objective/types.ts";

/**
 * By name:
 *   class:<class>                 requests that began in this minute, at the deployment that answered (or at none)
 *   why:<code>                    of those that are not valid: why
 *   first:<k> total:<k>           by time to first content and to the end, of those that were answered; k as in `BOUNDS_MS`
 *   valid:<name> good:<name>      for an objective, as it was judged when the request ended
 *   tokens                        tokens of answers that were given, prompts included
 *   late                          not lost, but against an objective
 *   late:<name>                   of those: against this one. Absent where `late` is not: counted before it was told apart
 *   counted:<name>                against this objective, and without a row (see `ROWS_FROM_TARGET`)
 *   lost saved                    bad, and answered after all; at the deployment whose call was the first to fail
 *   diverted                      began elsewhere, since this deployment was resting
 *   call:<outcome>                upstream calls to the deployment; `not_the_provider`: whatever they came to, it was not by its doing
 *   good_calls bad_calls          of those: what the provider kept and broke
 *   cost failed_cost beaten_cost  nano-dollars: of all calls, of those that failed, of those that another was faster than
 *   dearer_cost                   what answers cost over the cheapest candidate that could have given them
 *   unpriced                      calls whose cost is not known
 *   refused:<class>:<code>        refused before a route was known, so that no `class` counts them: `client`, or `failed` where it was ours
 *   refused:bad:<name>            of the latter: those that an objective of whoever asked is judged by, as bad ones
 *
 * Objectives of keys, teams and others have counts of their own, of all requests in their scopes by whatever route: the same names.
 */
export type Counts = Readonly<Record<string, number>>;

export interface MinuteEvent {
  /** Its first instant, wall time. */
  readonly minuteMs: number;
  readonly route: string;
  /** "": none. */
  readonly deployment: string;
  /** Version of the objectives that were in force; "": none. */
  readonly version: string;
  readonly counts: Counts;
}

/** A request that was not simply answered well: lost, carried on, less than was meant, or against an objective. */
export interface BadRequest {
  readonly requestId: string;
  readonly atMs: number;
  readonly route: string;
  readonly deployment: string | null;
  readonly version: string;
  readonly class: RequestClass;
  /** Error code, or what it came to. */
  readonly why: string;
  readonly status: number;
  /** Objectives that it was against. */
  readonly missed: readonly string[];
  readonly ttftMs: number | null;
  readonly totalMs: number;
  readonly calls: readonly { readonly deployment: string; readonly outcome: string; readonly status: number | null; readonly totalMs: number }[];
  /** The promises to whoever asked that it counts for; absent: none. */
  readonly scoped?: readonly ScopedVerdict[];
}

/** What a bad request was to one promise of the section `objectives`. */
export interface ScopedVerdict {
  /** Of the promise. */
  readonly id: string;
  readonly version: string;
  /** Its objectives that the request was against. */
  readonly missed: readonly string[];
}

/** What a request came to, as far as promises go. */
export interface Judged {
  readonly class: RequestClass;
  readonly version: string;
  readonly objectives: readonly JudgedBy[];
}
export interface JudgedBy {
  readonly name: string;
  readonly valid: boolean;
  readonly good: boolean;
  /** The promise itself lets so many miss it that one more is nothing to keep a row of: it is counted. */
  readonly common?: boolean;
}

/** What was promised to requests in all of some scopes, as it was when events were judged by it. */
export interface ScopedPromise {
  readonly scopes: readonly string[];
  readonly objectives: readonly Objective[];
}

/**
 * Whoever is against an objective of this target or a higher one leaves a row. A median lets half of all be late: that is no bad
 * request, and rows of them would be most of what is kept.
 */
export const ROWS_FROM_TARGET = 0.9;

export const MINUTE_MS = 60_000;

/** Up to which time a bucket of a distribution goes; one more is beyond the last. */
export const BOUNDS_MS: readonly number[] = [
  50, 100, 150, 200, 300, 400, 500, 750, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 45_000, 60_000, 120_000, 300_000,
];

/** Index of the bucket that a time lies in. */
export function bucketOf(ms: number): number {
  let low = 0;
  let high = BOUNDS_MS.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ms <= (BOUNDS_MS[middle] ?? Infinity)) high = middle;
    else low = middle + 1;
  }
  return low;
}
