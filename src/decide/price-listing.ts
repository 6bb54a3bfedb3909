/** A sheet as a list: what a diff goes through, what people read, and what is written back as terms. */
import type { PriceSheet, UnitPrices } from "../wire/facts.ts";
import type { Unit } from "../wire/usage.ts";
import { WEEKDAYS, type PriceTerms } from "./price-terms.ts";
import { priceText } from "./price-text.ts";

/** One number of a sheet. */
export interface PriceEntry {
  /** `input`, `tiers.batch.input`, `steps.above 200000.input`, `windows.01:00-04:00 mon-fri.input`, `regions.eu`. */
  readonly path: string;
  /** null: a multiplier, in thousandths. */
  readonly unit: Unit | null;
  readonly value: number;
}

/** Every number of a sheet, the plain prices first. */
export function entriesOf(sheet: PriceSheet): readonly PriceEntry[] {
  const multipliers = (prefix: string, map: Readonly<Record<string, number>>): PriceEntry[] => Object.entries(map).map(([name, value]) => ({ path: `${prefix}.${name}`, unit: null, value }));
  return [
    ...unitEntries("", sheet.base),
    ...Object.entries(sheet.tiers).flatMap(([name, prices]) => unitEntries(`tiers.${name}.`, prices)),
    ...sheet.contextSteps.flatMap((step) => [
      ...unitEntries(`steps.${stepText(step)}.`, step.prices),
      ...Object.entries(step.tiers ?? {}).flatMap(([name, prices]) => unitEntries(`steps.${stepText(step)}.${name}.`, prices)),
    ]),
    ...sheet.windows.flatMap((window) => unitEntries(`windows.${windowText(window)}.`, window.prices)),
    ...sheet.scheduled.flatMap((change) => unitEntries(`changes.from ${dayText(change.fromMs)}.`, change.prices)),
    ...multipliers("regions", sheet.geoPermille),
    ...multipliers("surcharges", (sheet.surcharges ?? {}) as Readonly<Record<string, number>>),
  ];
}

function unitEntries(prefix: string, prices: UnitPrices): readonly PriceEntry[] {
  return (Object.entries(prices) as [Unit, number | undefined][]).flatMap(([unit, value]) => (value === undefined ? [] : [{ path: prefix + unit, unit, value }]));
}

/** A number of a sheet as people read it. */
export function entryText({ unit, value }: Pick<PriceEntry, "unit" | "value">): string {
  return unit === null ? permilleText(value) : priceText(value, unit);
}

/** The sheet as its owner would write it. */
export function termsOf(sheet: PriceSheet): PriceTerms {
  const units = (prices: UnitPrices): PriceTerms => Object.fromEntries((Object.entries(prices) as [Unit, number | undefined][]).flatMap(([unit, value]) => (value === undefined ? [] : [[unit, priceText(value, unit)]])));
  const tiers = (map: Readonly<Record<string, UnitPrices>>): PriceTerms => Object.fromEntries(Object.entries(map).map(([name, prices]) => [name, units(prices)]));
  const multipliers = (map: Readonly<Record<string, number>>): PriceTerms => Object.fromEntries(Object.entries(map).map(([name, value]) => [name, permilleText(value)]));
  const terms: Record<string, unknown> = { ...units(sheet.base) };
  if (Object.keys(sheet.tiers).length > 0) terms["tiers"] = tiers(sheet.tiers);
  if (sheet.contextSteps.length > 0) terms["steps"] = sheet.contextSteps.map((step) => ({ above: step.aboveInputTokens, ...units(step.prices), ...(step.tiers === undefined ? {} : { tiers: tiers(step.tiers) }) }));
  if (sheet.windows.length > 0) {
    terms["windows"] = sheet.windows.map((window) => ({
      from: timeText(window.fromMinute), to: timeText(window.toMinute),
      ...(window.days === undefined ? {} : { days: window.days.map((day) => WEEKDAYS[day] ?? "") }),
      ...units(window.prices),
    }));
  }
  if (sheet.scheduled.length > 0) terms["changes"] = sheet.scheduled.map((change) => ({ from: dayText(change.fromMs), ...units(change.prices) }));
  if (Object.keys(sheet.geoPermille).length > 0) terms["regions"] = multipliers(sheet.geoPermille);
  if (sheet.surcharges !== undefined) terms["surcharges"] = multipliers(sheet.surcharges as Readonly<Record<string, number>>);
  return terms;
}

function permilleText(permille: number): string {
  const digits = String(permille).padStart(4, "0");
  const fraction = digits.slice(-3).replace(/0+$/, "");
  return fraction === "" ? digits.slice(0, -3) : `${digits.slice(0, -3)}.${fraction}`;
}

function stepText(step: PriceSheet["contextSteps"][number]): string {
  return `above ${step.aboveInputTokens}`;
}

function windowText(window: PriceSheet["windows"][number]): string {
  const days = window.days === undefined ? "" : ` ${daysText(window.days)}`;
  return `${timeText(window.fromMinute)}-${timeText(window.toMinute)}${days}`;
}

/** `mon-fri` for a run, `mon,wed` otherwise. */
function daysText(days: readonly number[]): string {
  const names = days.map((day) => WEEKDAYS[day] ?? "");
  const isRun = days.length > 2 && days.every((day, index) => day === (days[0] ?? 0) + index);
  return isRun ? `${names[0]}-${names.at(-1)}` : names.join(",");
}

function timeText(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}

/** A day, or an instant where it is not the day's first. */
export function dayText(ms: number): string {
  const text = new Date(ms).toISOString();
  return text.endsWith("T00:00:00.000Z") ? text.slice(0, 10) : text.replace(".000Z", "Z");
}
