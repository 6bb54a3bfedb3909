/** Prices as people read them: a table of many, every number of a few, and one model over its providers. */
import type { Pricing } from "../decide/deployment.ts";
import { didYouMean, nearestNames } from "../decide/nearest.ts";
import { sheetAt } from "../decide/price-at.ts";
import type { PriceRecord } from "../decide/price-book.ts";
import { dayText, entriesOf, entryText, termsOf } from "../decide/price-listing.ts";
import { isPerPiece, priceText } from "../decide/price-text.ts";
import type { ModelFacts, PriceSheet } from "../wire/facts.ts";
import type { Unit } from "../wire/usage.ts";
import { EXIT, table, type LineOutput } from "./context.ts";

/** One thing that can be called, and what is charged for it. */
export interface Priced {
  readonly id: string;
  readonly model: ModelFacts | null;
  readonly upstream: string;
  readonly pricing: Pricing;
  /** The managed price in force; null: there is none. */
  readonly record: PriceRecord | null;
  readonly atMs: number;
}
export interface Output {
  readonly out: LineOutput;
  readonly json: boolean;
}

/** A price with something to be said against it. */
const ABOUT = "≈";
const FEW = 3;

/** The prices of all models, or of those that a name means; gives the exit code. */
export function showPrices(all: readonly Priced[], name: string | null, { out, json }: Output, errors: LineOutput): number {
  const meant = name === null ? all : meantBy(all, name);
  if (meant.length === 0) {
    errors.write(`spillway: no price of ${name ?? "anything"} is known${name === null ? "" : didYouMean(nearestNames(name, all.map(({ id }) => id)))}\n`);
    return EXIT.wrong;
  }
  if (json) for (const one of meant) out.write(`${JSON.stringify(jsonOf(one))}\n`);
  else if (meant.length <= FEW) for (const one of meant) out.write(detail(one));
  else out.write(overview(meant));
  return EXIT.ok;
}

/** One model over the providers that have it, the cheapest answer first; gives the exit code. */
export function compareModels(all: readonly Priced[], name: string, { out, json }: Output, errors: LineOutput): number {
  const canonical = new Set(meantBy(all, name).map((one) => one.model?.canonical));
  const same = all.filter((one) => one.model !== null && canonical.has(one.model.canonical)).toSorted((a, b) => answerPrice(a) - answerPrice(b));
  if (same.length === 0) {
    errors.write(`spillway: no provider is known to have ${name}${didYouMean(nearestNames(name, all.map(({ id }) => id)))}\n`);
    return EXIT.wrong;
  }
  if (json) for (const one of same) out.write(`${JSON.stringify(jsonOf(one))}\n`);
  else out.write(overview(same));
  return EXIT.ok;
}

/** By its own id, else by any of its names. */
function meantBy(all: readonly Priced[], name: string): readonly Priced[] {
  const exact = all.filter(({ id }) => id === name);
  return exact.length > 0 ? exact : all.filter((one) => isMeant(one, name));
}

function isMeant({ id, model, upstream }: Priced, name: string): boolean {
  return id === name || upstream === name || model?.id === name || model?.canonical === name || model?.aliases.includes(name) === true;
}

function answerPrice({ pricing, atMs }: Priced): number {
  const base = sheetAt(pricing, atMs)?.base;
  return base?.output ?? base?.input ?? Number.MAX_SAFE_INTEGER;
}

function overview(all: readonly Priced[]): string {
  const rows = all.map((one) => {
    const sheet = sheetAt(one.pricing, one.atMs);
    if (sheet === null) return [one.id, one.pricing.kind === "unmetered" ? "unmetered" : "unknown", "", "", "", ""];
    const about = sheet.doubts === undefined ? "" : ABOUT;
    const price = (unit: Unit): string => (sheet.base[unit] === undefined ? "" : about + priceText(sheet.base[unit], unit));
    return [one.id, price("input"), price("cache_read"), price("output"), besides(sheet), saidBy(one, sheet)];
  });
  return `USD per million tokens\n${table([["model", "input", "cached", "output", "besides", "who says so"], ...rows], "")}`;
}

/** What else there is to a price than three numbers, in a few words. */
function besides(sheet: PriceSheet): string {
  const pieces = (Object.keys(sheet.base) as Unit[]).filter(isPerPiece);
  return [
    ...(sheet.free === true ? ["free"] : []),
    ...(sheet.contextSteps.length > 0 ? ["steps"] : []),
    ...Object.keys(sheet.tiers),
    ...(sheet.windows.length > 0 ? ["hours"] : []),
    ...(sheet.scheduled.length > 0 ? ["changes"] : []),
    ...(Object.keys(sheet.geoPermille).length > 0 ? ["regions"] : []),
    ...(sheet.surcharges === undefined ? [] : ["surcharges"]),
    ...pieces,
  ].join(" ");
}

function detail(one: Priced): string {
  const sheet = sheetAt(one.pricing, one.atMs);
  if (sheet === null) return `${one.id}: ${one.pricing.kind === "unmetered" ? "unmetered, its cost is recorded as unknown" : "no price is known"}\n`;
  const about = sheet.doubts === undefined ? "" : `${ABOUT} `;
  const lines = entriesOf(sheet).map((entry) => [entry.path, about + entryText(entry), entry.unit === null ? "times" : isPerPiece(entry.unit) ? "USD each" : "USD per million tokens"]);
  const later = one.pricing.kind === "sheet" ? (one.pricing.later ?? []).filter(({ fromMs }) => fromMs > one.atMs) : [];
  const next = later.map(({ fromMs, sheet: then }) => `  from ${dayText(fromMs)}: ${then === null ? "no price is known" : `input ${priceText(then.base.input ?? 0, "input")}, output ${priceText(then.base.output ?? 0, "output")}`}\n`);
  return `${one.id}: ${saidBy(one, sheet)}; version ${sheet.version}\n${table(lines)}${next.join("")}`;
}

/** Who says so, and how surely. */
function saidBy({ model, record }: Priced, sheet: PriceSheet): string {
  if (sheet.version.startsWith("config:")) return "the configuration";
  if (record !== null && sheet.version === record.sheet.version) {
    const { source, date } = record.provenance;
    return `${source === "owner" ? "you" : source}${date === undefined ? "" : ` of ${date}`} (${record.id})${record.confidence === "memory" ? ", from memory" : ""}`;
  }
  if (model === null || sheet !== model.price) return "the provider's terms";
  const { agree, of, asOf, confidence } = model.priceSources;
  return `catalogue, ${agree} of ${of} source${of === 1 ? "" : "s"}, ${asOf}${confidence === undefined ? "" : `, ${confidence}`}`;
}

function jsonOf(one: Priced): object {
  const sheet = sheetAt(one.pricing, one.atMs);
  const common = { model: one.id, at: new Date(one.atMs).toISOString() };
  if (sheet === null) return { ...common, price: null, reason: one.pricing.kind === "unmetered" ? "unmetered" : "price_unknown" };
  const later = one.pricing.kind === "sheet" ? (one.pricing.later ?? []).filter(({ fromMs }) => fromMs > one.atMs) : [];
  return {
    ...common,
    price: termsOf(sheet),
    version: sheet.version,
    said_by: saidBy(one, sheet),
    doubts: sheet.doubts ?? [],
    ...(sheet.free === true ? { free: true } : {}),
    ...(later.length === 0 ? {} : { later: later.map(({ fromMs, sheet: then }) => ({ from: dayText(fromMs), price: then === null ? null : termsOf(then) })) }),
  };
}
