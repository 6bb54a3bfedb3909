/**
 * The periods of budgets: which day, week or month of a time zone an instant is in, and where that begins and ends. A day
 * begins at the first instant that its zone's clocks show midnight or later, so the days of a zone follow each other without
 * gap or overlap, however its clocks are changed.
 */
import { isTimeZone, offsetMs } from "../zone.ts";
import type { Period, PeriodKey } from "./types.ts";

/** A period that has bounds by the clock; those of a request are bounded by the request. */
export type ClockPeriod = Exclude<Period, "request">;

/** From `startMs` up to, not including, `endMs`. `total` is without bounds. */
export interface Span {
  readonly key: PeriodKey;
  readonly startMs: number;
  readonly endMs: number;
}

const DAY_MS = 86_400_000;
const TOTAL: Span = { key: "total", startMs: Number.NEGATIVE_INFINITY, endMs: Number.POSITIVE_INFINITY };

/** Zone → period → the span that was asked for last: it changes a few times a month and is asked for with every hold. */
const lastSpans = new Map<string, Map<ClockPeriod, Span>>();

/** The period that `wallMs` lies in. Throws RangeError for an unknown zone. */
export function spanAt(period: ClockPeriod, timeZone: string, wallMs: number): Span {
  if (period === "total") return TOTAL;
  let ofZone = lastSpans.get(timeZone);
  if (ofZone === undefined) {
    if (!isTimeZone(timeZone)) throw new RangeError(`${timeZone} is no time zone`);
    ofZone = new Map();
    lastSpans.set(timeZone, ofZone);
  }
  const last = ofZone.get(period);
  if (last !== undefined && wallMs >= last.startMs && wallMs < last.endMs) return last;
  const span = findSpan(period, timeZone, wallMs);
  ofZone.set(period, span);
  return span;
}

/** The period's key for an instant, `2026-11-23`, `2026-W48`, `2026-11` or `total`. */
export function periodKeyAt(period: ClockPeriod, timeZone: string, wallMs: number): PeriodKey {
  return spanAt(period, timeZone, wallMs).key;
}

/** Dates are counted as the instant of their midnight in UTC: a name for a date, in no zone. */
function findSpan(period: ClockPeriod, timeZone: string, wallMs: number): Span {
  let first = firstDate(period, Math.floor((wallMs + offsetMs(timeZone, wallMs)) / DAY_MS) * DAY_MS);
  for (;;) {
    const next = nextFirst(period, first);
    const endMs = startOfDate(timeZone, next);
    // Clocks set back over midnight show a date again whose follower has begun already.
    if (wallMs < endMs) return { key: keyOf(period, first), startMs: startOfDate(timeZone, first), endMs };
    first = next;
  }
}

function firstDate(period: ClockPeriod, date: number): number {
  if (period === "week") return date - ((new Date(date).getUTCDay() + 6) % 7) * DAY_MS;
  if (period === "month") return date - (new Date(date).getUTCDate() - 1) * DAY_MS;
  return date;
}

function nextFirst(period: ClockPeriod, first: number): number {
  if (period === "week") return first + 7 * DAY_MS;
  if (period === "day") return first + DAY_MS;
  const date = new Date(first);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}

function keyOf(period: ClockPeriod, first: number): PeriodKey {
  const text = new Date(first).toISOString();
  if (period === "day") return text.slice(0, 10);
  if (period === "month") return text.slice(0, 7);
  // A week belongs to the year that its Thursday is in.
  const year = new Date(first + 3 * DAY_MS).getUTCFullYear();
  const week = 1 + Math.floor((first + 3 * DAY_MS - Date.UTC(year, 0, 1)) / (7 * DAY_MS));
  return `${year}-W${String(week).padStart(2, "0")}`;
}

/** The first instant at which the zone's clocks show this date's midnight or later. */
function startOfDate(timeZone: string, date: number): number {
  const before = offsetMs(timeZone, date - DAY_MS);
  const after = offsetMs(timeZone, date + DAY_MS);
  const early = date - Math.max(before, after);
  const late = date - Math.min(before, after);
  if (early + offsetMs(timeZone, early) === date) return early;
  if (late + offsetMs(timeZone, late) === date && late - 1 + offsetMs(timeZone, late - 1) < date) return late;
  // Midnight was left out: the day begins where the clocks were set forward.
  let below = early;
  let from = late;
  while (from - below > 1) {
    const middle = Math.floor((below + from) / 2);
    if (middle + offsetMs(timeZone, middle) < date) below = middle;
    else from = middle;
  }
  return from;
}
