/**
 * Days and times of day in a time zone, as instants. A contract speaks of days ("from 1 January"), prices by the hour run in
 * real hours, and between the two stand summer time, leap days and months of four lengths.
 */
import { offsetMs } from "../zone.ts";

export interface CivilDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
}

const MS_A_MINUTE = 60_000;
const MS_A_DAY = 86_400_000;

/** `2027-02-28`, or null where there is no such day. */
export function parseDate(text: string): CivilDate | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (match === null) return null;
  const date = { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) };
  return date.year >= 1970 && date.month >= 1 && date.month <= 12 && date.day >= 1 && date.day <= daysIn(date.year, date.month) ? date : null;
}

/** As it is written. */
export function showDate(date: CivilDate): string {
  return `${date.year}-${String(date.month).padStart(2, "0")}-${String(date.day).padStart(2, "0")}`;
}

/** Days of a month. */
export function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

export function addDays(date: CivilDate, days: number): CivilDate {
  return fromUtc(Date.UTC(date.year, date.month - 1, date.day + days));
}

/** The same day `months` later, or the last one of a month that has no such day: a month from 31 January is 28 February. */
export function addMonths(date: CivilDate, months: number): CivilDate {
  const first = fromUtc(Date.UTC(date.year, date.month - 1 + months, 1));
  return { ...first, day: Math.min(date.day, daysIn(first.year, first.month)) };
}

/** Negative where `a` is before `b`. */
export function compareDates(a: CivilDate, b: CivilDate): number {
  return a.year - b.year || a.month - b.month || a.day - b.day;
}

/** 0 = Sunday. */
export function weekdayOf(date: CivilDate): number {
  return new Date(Date.UTC(date.year, date.month - 1, date.day)).getUTCDay();
}

/** The day that it is in the zone. */
export function dateAt(zone: string, atMs: number): CivilDate {
  return fromUtc(atMs + offsetMs(zone, atMs));
}

/**
 * The instant of a time of day. Where clocks go back and it comes twice, the first; where they go forward over it, as far
 * behind the change as it would have been.
 */
export function instantOf(zone: string, date: CivilDate, minuteOfDay = 0): number {
  const wanted = Date.UTC(date.year, date.month - 1, date.day) + minuteOfDay * MS_A_MINUTE;
  const before = wanted - offsetMs(zone, wanted - MS_A_DAY);
  if (before + offsetMs(zone, before) === wanted) return before;
  const after = wanted - offsetMs(zone, wanted + MS_A_DAY);
  return after + offsetMs(zone, after) === wanted ? after : before;
}

function fromUtc(utcMs: number): CivilDate {
  const date = new Date(utcMs);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}
