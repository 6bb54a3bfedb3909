/** A report made again: its own terms out of what it says, and where it differs from what the events say. */
import { isObject, type Json, type JsonObject } from "../../wire/json.ts";
import { parseUsd } from "../../wire/money.ts";
import { dateAt } from "../contract/calendar.ts";
import { scaled } from "../contract/exact.ts";
import type { Sla } from "../contract/types.ts";
import { canonical } from "./canonical.ts";
import type { ClaimTerms, ContractSection, ContractSpan } from "./contract-section.ts";
import { FIRST_FORMAT, REPORT_FORMAT, type Report, type ReportPlan } from "./report.ts";

/** A report as it is written: keys in snake case. */
export function reportJson(report: Report): JsonObject {
  return renamed(report as unknown as Json, (key) => key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)) as JsonObject;
}

/** A report as it was written; null: it is none. What is wrong within shows when it is made again. */
export function readReport(value: Json): Report | null {
  if (!isObject(value) || (value["format"] !== REPORT_FORMAT && value["format"] !== FIRST_FORMAT)) return null;
  const first = value["format"] === FIRST_FORMAT;
  const report = renamed(value, (key) => key.replaceAll(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase())) as JsonObject;
  const scopes = first ? [] : report["scopes"];
  const sections = [report["routes"], scopes, report["contracts"]];
  return typeof report["month"] === "string" && sections.every((list) => Array.isArray(list) && list.every(isObject)) ? ({ ...report, scopes } as unknown as Report) : null;
}

function renamed(value: Json | undefined, name: (key: string) => string): Json {
  if (Array.isArray(value)) return value.map((one: Json) => renamed(one, name));
  if (!isObject(value)) return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [name(key), renamed(one, name)]));
}

/** By which terms a report was made, from itself. Throws TypeError or RangeError where they cannot be read. */
export function planOf(report: Report): ReportPlan {
  return {
    format: report.format,
    month: report.month,
    complete: report.complete,
    routes: report.routes.map(({ route, zone, from, until, promised }) => ({
      route, zone, fromMs: instant(from), untilMs: instant(until), objectives: new Map(promised.map(({ version, objectives }) => [version, objectives])),
    })),
    scopes: report.scopes.map(({ scope, zone, from, until, promised }) => ({
      scope, zone, fromMs: instant(from), untilMs: instant(until), promises: new Map(promised.map(({ version, scopes, objectives }) => [version, { scopes, objectives }])),
    })),
    contracts: report.contracts.map(contractSpan),
  };
}

function contractSpan({ contract: id, terms, until }: ContractSection): ContractSpan {
  const { version, account, models, except, zone, month } = terms;
  const fromMs = instant(month.from);
  const untilMs = instant(month.until);
  return {
    contract: { id, version, account, models, except, timeZone: zone, sla: slaOf(terms.sla), startMs: fromMs, endMs: untilMs },
    month: { index: 0, label: month.label, from: dateAt(zone, fromMs), until: dateAt(zone, untilMs), fromMs, untilMs },
    untilMs: instant(until),
    billNanoUsd: nano(terms.billUsd),
    downPermille: whole(terms.downFromPercent, 1),
  };
}

function slaOf(sla: ClaimTerms["sla"]): Sla | null {
  if (sla === null) return null;
  return {
    uptimeMilliPercent: whole(sla.uptimePercent, 3),
    credits: sla.credits.map(({ belowPercent, creditPercent }) => ({ belowMilliPercent: whole(belowPercent, 3), creditPermille: whole(creditPercent, 1) })),
    claimDays: sla.claimDays,
    capPermille: whole(sla.capPercent, 1),
    minimumNanoUsd: nano(sla.minimumUsd),
  };
}

function instant(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new TypeError(`${JSON.stringify(text)} is no instant`);
  return ms;
}

function whole(text: string, places: number): number {
  const value = scaled(text, places);
  if (value === null) throw new TypeError(`${JSON.stringify(text)} is no decimal with at most ${places} places`);
  return Number(value);
}

function nano(text: string): bigint {
  const value = scaled(text, 9) ?? (parseUsd(text) === null ? null : BigInt(parseUsd(text) ?? 0));
  if (value === null) throw new TypeError(`${JSON.stringify(text)} is no sum of dollars`);
  return value;
}

/** Where a report differs from the one that the events give now, a sentence each; empty: nowhere. */
export function differences(told: Report, made: Report): readonly string[] {
  const found: string[] = [];
  const compareSections = (kind: string, name: string, one: { readonly digest: string }, other: { readonly digest: string } | undefined): void => {
    if (other === undefined) found.push(`${kind} ${name}: it cannot be made again`);
    else if (one.digest !== other.digest) found.push(`${kind} ${name}: the events are not those of the report (digest ${other.digest}, the report says ${one.digest})`);
    else if (canonical(one as unknown as Json) !== canonical(other as unknown as Json)) found.push(`${kind} ${name}: figures of the report are not those of its events`);
  };
  told.routes.forEach((one, i) => compareSections("route", one.route, one, made.routes[i]));
  told.scopes.forEach((one, i) => compareSections("objectives", one.scope, one, made.scopes[i]));
  told.contracts.forEach((one, i) => compareSections("contract", one.contract, one, made.contracts[i]));
  if (found.length === 0 && told.digest !== made.digest) found.push(`the report's own digest is ${told.digest}, its sections come to ${made.digest}`);
  return [...found, ...contradictionsIn(made)];
}

/** Where counts and rows of a report contradict each other, a sentence each. */
export function contradictionsIn({ routes, scopes }: Pick<Report, "routes" | "scopes">): readonly string[] {
  return [
    ...routes.flatMap(({ route, contradictions }) => contradictions.map((one) => `route ${route}: ${one}`)),
    ...scopes.flatMap(({ scope, contradictions }) => contradictions.map((one) => `objectives ${scope}: ${one}`)),
  ];
}
