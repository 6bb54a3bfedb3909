/**
 * Incidents out of a series of minutes. A minute belongs to one where, in the five minutes that end with it, at least three
 * requests (calls) were in trouble, and at least 5 % of all. It begins with the first minute of trouble, and goes on with each
 * minute, at most 15 after the last, in which so large a share was in trouble or was sent elsewhere: while a deployment rests,
 * few calls meet what is still broken. Of requests against an objective only those are in trouble that its promise does not allow.
 */
import { MINUTE_MS } from "./types.ts";
import { compare } from "./canonical.ts";
import { beyondAllowed, latenessOf, type Lateness } from "./lateness.ts";

/** One minute as far as incidents go. */
export interface TroubleMinute {
  readonly minuteMs: number;
  /** Valid requests, or calls. */
  readonly all: number;
  /** Of them: in trouble, whatever objectives allow. */
  readonly trouble: number;
  readonly lost: number;
  readonly saved: number;
  /** Of `trouble`: against an objective, where it is not known which. */
  readonly late: number;
  /** Against each objective, for what it allows is no trouble. Absent: nothing was. */
  readonly lateness?: readonly Lateness[];
  /** Kept away from a resting deployment. */
  readonly diverted: number;
  /** What it came from, by how often. */
  readonly causes: ReadonlyMap<string, number>;
  /** Where. */
  readonly deployments: ReadonlyMap<string, number>;
}

export interface Incident {
  readonly from: string;
  readonly until: string;
  readonly minutes: number;
  /** What it came from most often. */
  readonly cause: string;
  readonly causes: readonly Named[];
  /** Where calls failed. */
  readonly deployments: readonly Named[];
  /** Valid requests (calls) of its time. */
  readonly all: number;
  readonly lost: number;
  readonly saved: number;
  /** Beyond what the objective allows that most were against. */
  readonly late: number;
  readonly diverted: number;
}
export interface Named {
  readonly name: string;
  readonly count: number;
}

export const WINDOW_MINUTES = 5;
export const LEAST_TROUBLE = 3;
export const LEAST_SHARE = 0.05;
export const APART_MINUTES = 15;

/** Incidents of a series in the order of time; minutes without any request may be missing. */
export function incidentsOf(series: readonly TroubleMinute[]): readonly Incident[] {
  const spans: { fromMs: number; untilMs: number }[] = [];
  let first = 0;
  let all = 0;
  let trouble = 0;
  for (const [i, minute] of series.entries()) {
    all += minute.all;
    trouble += minute.trouble;
    for (let oldest = series[first]; oldest !== undefined && oldest.minuteMs <= minute.minuteMs - WINDOW_MINUTES * MINUTE_MS; oldest = series[++first]) {
      all -= oldest.all;
      trouble -= oldest.trouble;
    }
    const untilMs = minute.minuteMs + MINUTE_MS;
    const last = spans.at(-1);
    const near = last !== undefined && minute.minuteMs - last.untilMs <= APART_MINUTES * MINUTE_MS;
    if (near && goesOn(minute)) last.untilMs = untilMs;
    const beyond = beyondAllowed(latenessOf(series.slice(first, i + 1)));
    const isHit = (one: TroubleMinute | undefined): boolean => one !== undefined && (one.trouble > 0 || (beyond > 0 && (one.lateness ?? []).some(({ late }) => late > 0)));
    if (!isHit(minute) || trouble + beyond < LEAST_TROUBLE || trouble + beyond < all * LEAST_SHARE) continue;
    let from = first;
    while (!isHit(series[from])) from++;
    const fromMs = series[from]?.minuteMs ?? minute.minuteMs;
    if (last !== undefined && fromMs - last.untilMs <= APART_MINUTES * MINUTE_MS) last.untilMs = untilMs;
    else spans.push({ fromMs, untilMs });
  }
  return spans.map(({ fromMs, untilMs }) => incidentOf(series.filter(({ minuteMs }) => minuteMs >= fromMs && minuteMs < untilMs), fromMs, untilMs));
}

function goesOn({ all, trouble, diverted, lateness = [] }: TroubleMinute): boolean {
  const hit = trouble + diverted + beyondAllowed(lateness);
  return hit > 0 && hit >= Math.max(all, diverted) * LEAST_SHARE;
}

function incidentOf(minutes: readonly TroubleMinute[], fromMs: number, untilMs: number): Incident {
  const sum = (of: (minute: TroubleMinute) => number): number => minutes.reduce((total, minute) => total + of(minute), 0);
  const slow = beyondAllowed(latenessOf(minutes));
  const causes = named([...minutes.map((minute) => minute.causes), ...(slow > 0 ? [new Map([["slow", slow]])] : [])]);
  return {
    from: new Date(fromMs).toISOString(),
    until: new Date(untilMs).toISOString(),
    minutes: (untilMs - fromMs) / MINUTE_MS,
    cause: causes[0]?.name ?? "unknown",
    causes,
    deployments: named(minutes.map((minute) => minute.deployments)),
    all: sum(({ all }) => all),
    lost: sum(({ lost }) => lost),
    saved: sum(({ saved }) => saved),
    late: sum(({ late }) => late) + slow,
    diverted: sum(({ diverted }) => diverted),
  };
}

/** Counts by name added up, most first. */
export function named(counts: Iterable<ReadonlyMap<string, number>>): readonly Named[] {
  const sums = new Map<string, number>();
  for (const one of counts) for (const [name, count] of one) sums.set(name, (sums.get(name) ?? 0) + count);
  return [...sums].map(([name, count]) => ({ name, count })).toSorted((a, b) => b.count - a.count || compare(a.name, b.name));
}
