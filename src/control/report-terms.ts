/** What a report is asked for, from the words of an address or a command: dimensions, a time, and what to look at only. */
import { spanAt } from "../decide/budget/periods.ts";
import { isTimeZone } from "../decide/zone.ts";
import { isDimension, type Dimension, type UsageQuery } from "./reports.ts";
import type { FieldProblem } from "./types.ts";

/** Filters that are scopes of a row. */
const FILTERS = ["key", "member", "team", "project", "route", "model", "provider"] as const;
const HALF_A_DAY_MS = 43_200_000;

/** The names that a report may be asked by, besides `tag:<name>`. */
export const REPORT_WORDS: readonly string[] = ["by", "from", "to", "time_zone", "deployment", "paid_by", ...FILTERS];

/** Is this the name of one, or of a tag? */
export function isReportWord(name: string): boolean {
  return REPORT_WORDS.includes(name) || /^tag:[^\s,=]{1,64}$/.test(name);
}

/** The query, or what is wrong with it. `by` is `key,day`; days are those of the time zone, `to` is not included. */
export function usageQueryOf(words: ReadonlyMap<string, string>, tenant: string, nowMs: number): UsageQuery | readonly FieldProblem[] {
  const problems: FieldProblem[] = [];
  const askedZone = words.get("time_zone") ?? "UTC";
  // What is wrong besides is told as well.
  const timeZone = isTimeZone(askedZone) ? askedZone : "UTC";
  if (timeZone !== askedZone) problems.push({ field: "time_zone", message: "expected the name of a time zone, such as UTC or Europe/Berlin" });
  const by = (words.get("by") ?? "").split(",").map((one) => one.trim()).filter((one) => one !== "");
  for (const one of by) if (!isDimension(one)) problems.push({ field: "by", message: `there is no ${one}; there are key, member, team, project, route, model, provider, deployment, paid_by, tag:<name>, day, week, month` });
  if (by.length > 6) problems.push({ field: "by", message: "at most six" });
  const timeOf = (field: "from" | "to", absentMs: number): number => {
    const text = words.get(field);
    const found = text === undefined ? absentMs : instantOf(text, timeZone);
    if (found === null) problems.push({ field, message: "expected a day such as 2026-11-01, or a time such as 2026-11-01T08:00:00Z" });
    return found ?? absentMs;
  };
  const toMs = timeOf("to", nowMs + 1);
  const fromMs = timeOf("from", spanAt("month", timeZone, toMs - 1).startMs);
  if (problems.length === 0 && fromMs >= toMs) problems.push({ field: "from", message: "must lie before `to`" });
  const scopes = FILTERS.flatMap((word) => (words.has(word) ? [`${word}/${words.get(word) ?? ""}`] : []));
  for (const [name, value] of words) if (name.startsWith("tag:")) scopes.push(`tag/${name.slice(4)}=${value}`);
  const paidBy = words.get("paid_by");
  if (paidBy !== undefined && paidBy !== "team") problems.push({ field: "paid_by", message: "expected team" });
  if (paidBy === "team") scopes.push("paid_by/team");
  if (problems.length > 0) return problems;
  return { tenant, scopes, deployment: words.get("deployment") ?? null, fromMs, toMs, by: by as Dimension[], timeZone };
}

/** The first moment of a day in a zone, or an instant; null where it is neither. */
export function instantOf(text: string, timeZone: string): number | null {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) {
    const noonMs = Date.parse(`${text}T12:00:00Z`);
    if (!Number.isFinite(noonMs) || new Date(noonMs).toISOString().slice(0, 10) !== text) return null;
    // Noon in Greenwich is another day in the zones of the far east.
    for (const awayMs of [0, -HALF_A_DAY_MS, HALF_A_DAY_MS]) {
      const span = spanAt("day", timeZone, noonMs + awayMs);
      if (span.key === text) return span.startMs;
    }
    return noonMs;
  }
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)$/.test(text)) return null;
  const ms = Date.parse(text);
  return Number.isFinite(ms) ? ms : null;
}
