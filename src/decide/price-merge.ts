/**
 * What a feed says of a model, laid over what we have. A feed knows less than a sheet: what it does not tell stays, and a
 * condition that it does not tell keeps its ratio to the plain price.
 */
import type { PriceSheet, UnitPrices } from "../wire/facts.ts";
import type { Unit } from "../wire/usage.ts";

type Sheet = Omit<PriceSheet, "version">;

/** The sheet that would hold if the feed were right. */
export function mergedSheet(old: PriceSheet | null, told: Sheet): Sheet {
  if (old === null) return told;
  const base = { ...old.base, ...without(told.base, old.base) };
  const scaled = (prices: UnitPrices): UnitPrices => scaledBy(prices, old.base, base);
  const tiers: Record<string, UnitPrices> = {};
  for (const name of new Set([...Object.keys(old.tiers), ...Object.keys(told.tiers)])) tiers[name] = { ...scaled(old.tiers[name] ?? {}), ...without(told.tiers[name] ?? {}, old.tiers[name] ?? {}) };
  const keptSteps = old.contextSteps.map((step) => ({ ...step, prices: scaled(step.prices), ...(step.tiers === undefined ? {} : { tiers: mapped(step.tiers, scaled) }) }));
  const sheet: Sheet = {
    base,
    tiers,
    contextSteps: told.contextSteps.length === 0 ? keptSteps : told.contextSteps.map((step) => overStep(keptSteps.find((one) => one.aboveInputTokens === step.aboveInputTokens), step)),
    windows: told.windows.length === 0 ? old.windows.map((window) => ({ ...window, prices: scaled(window.prices) })) : told.windows,
    scheduled: told.scheduled.length === 0 ? old.scheduled : told.scheduled,
    geoPermille: { ...old.geoPermille, ...told.geoPermille },
    ...(old.surcharges === undefined && told.surcharges === undefined ? {} : { surcharges: { ...old.surcharges, ...told.surcharges } }),
  };
  return hasZero(sheet) ? { ...sheet, free: true } : sheet;
}

type Step = PriceSheet["contextSteps"][number];

function overStep(kept: Step | undefined, told: Step): Step {
  if (kept === undefined) return told;
  const tiers = { ...kept.tiers, ...told.tiers };
  return { aboveInputTokens: told.aboveInputTokens, prices: { ...kept.prices, ...without(told.prices, kept.prices) }, ...(Object.keys(tiers).length === 0 ? {} : { tiers }) };
}

/** A feed's zero for what had no price is no price. */
function without(told: UnitPrices, old: UnitPrices): UnitPrices {
  return Object.fromEntries(Object.entries(told).filter(([unit, price]) => price !== 0 || (old[unit as Unit] ?? 0) !== 0 || old[unit as Unit] === 0));
}

/** Each price × its plain price now / its plain price before, rounded up, and never to zero. */
function scaledBy(prices: UnitPrices, before: UnitPrices, now: UnitPrices): UnitPrices {
  const scaled: { [U in Unit]?: number } = {};
  for (const [unit, price] of Object.entries(prices) as [Unit, number][]) {
    const [from, to] = [before[unit], now[unit]];
    const known = from !== undefined && to !== undefined && from > 0 && to > 0 && from !== to;
    const next = known ? Number((BigInt(price) * BigInt(to) + BigInt(from) - 1n) / BigInt(from)) : price;
    scaled[unit] = Number.isSafeInteger(next) ? next : price;
  }
  return scaled;
}

function mapped(map: Readonly<Record<string, UnitPrices>>, change: (prices: UnitPrices) => UnitPrices): Record<string, UnitPrices> {
  return Object.fromEntries(Object.entries(map).map(([name, prices]) => [name, change(prices)]));
}

/** Is any price of it zero, in whatever condition? */
export function hasZero(sheet: Sheet): boolean {
  const lists = [sheet.base, ...Object.values(sheet.tiers), ...sheet.windows.map((one) => one.prices), ...sheet.scheduled.map((one) => one.prices), ...sheet.contextSteps.flatMap((step) => [step.prices, ...Object.values(step.tiers ?? {})])];
  return lists.some((prices) => Object.values(prices).includes(0));
}
