/**
 * The months in which a contract is billed: from its start to the same day a month later, and so on to its end. With a start
 * on the first they are the calendar's. Also the real hours of a span, all of them or those of a schedule.
 */
import { addDays, addMonths, compareDates, dateAt, instantOf, showDate, weekdayOf, type CivilDate } from "./calendar.ts";
import type { Contract, Schedule } from "./types.ts";

export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}
export interface BillingMonth extends Span {
  /** From 0. */
  readonly index: number;
  /** `2027-03`, or `2027-03-15` where months do not begin on the first. */
  readonly label: string;
  readonly from: CivilDate;
  /** The first day that no longer counts. */
  readonly until: CivilDate;
}

/** The `index`-th month of a contract; null beyond its end. */
export function monthAt(contract: Contract, index: number): BillingMonth | null {
  const from = addMonths(contract.start, index);
  if (index < 0 || (contract.after !== null && compareDates(from, contract.after) >= 0)) return null;
  const next = addMonths(contract.start, index + 1);
  const until = contract.after !== null && compareDates(next, contract.after) > 0 ? contract.after : next;
  const label = contract.start.day === 1 ? showDate(from).slice(0, 7) : showDate(from);
  return { index, label, from, until, fromMs: instantOf(contract.timeZone, from), untilMs: instantOf(contract.timeZone, until) };
}

/** The month that an instant lies in; null outside the term. */
export function monthOf(contract: Contract, atMs: number): BillingMonth | null {
  if (atMs < contract.startMs) return null;
  const day = dateAt(contract.timeZone, atMs);
  const guess = (day.year - contract.start.year) * 12 + day.month - contract.start.month;
  for (const index of [guess, guess - 1]) {
    const month = monthAt(contract, index);
    if (month !== null && atMs >= month.fromMs && atMs < month.untilMs) return month;
  }
  return null;
}

/** A month by its label, `2027-03` or `2027-03-15`. */
export function monthNamed(contract: Contract, label: string): BillingMonth | null {
  const [year = 0, month = 0] = label.split("-").map(Number);
  const found = monthAt(contract, (year - contract.start.year) * 12 + month - contract.start.month);
  return found?.label === label ? found : null;
}

/** All months that begin before an instant. */
export function monthsUntil(contract: Contract, untilMs: number): readonly BillingMonth[] {
  const months: BillingMonth[] = [];
  for (let index = 0; ; index++) {
    const month = monthAt(contract, index);
    if (month === null || month.fromMs >= untilMs) return months;
    months.push(month);
  }
}

/** How many days or weeks, counted from the contract's start, begin within a month. */
export function beginningsIn(contract: Contract, month: BillingMonth, everyDays: 1 | 7): number {
  let count = 0;
  for (let day = contract.start; compareDates(day, month.until) < 0; day = addDays(day, everyDays)) if (compareDates(day, month.from) >= 0) count++;
  return count;
}

/** The real time of a span that lies within a schedule, in ms; without one all of it. An hour that summer time takes away is not counted. */
export function scheduledMs(span: Span, schedule: Schedule | null, zone: string): number {
  if (schedule === null) return span.untilMs - span.fromMs;
  let total = 0;
  const wraps = schedule.untilMinute <= schedule.fromMinute;
  for (let day = addDays(dateAt(zone, span.fromMs), -1); ; day = addDays(day, 1)) {
    const fromMs = instantOf(zone, day, schedule.fromMinute);
    if (fromMs >= span.untilMs) return total;
    if (!schedule.days.includes(weekdayOf(day))) continue;
    const untilMs = instantOf(zone, wraps ? addDays(day, 1) : day, schedule.untilMinute);
    total += Math.max(0, Math.min(untilMs, span.untilMs) - Math.max(fromMs, span.fromMs));
  }
}
