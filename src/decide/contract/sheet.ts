/**
 * What a contract makes of a price list: the same sheet, each price multiplied by what its discount leaves. Exactly in
 * femto-dollars (1e-15), where a pico-dollar times a thousandth is a whole number; half up in pico-dollars for the sheet
 * that single calls are priced by. Pure.
 */
import type { PriceSheet, UnitPrices } from "../../wire/facts.ts";
import { UNITS } from "../../wire/usage.ts";
import type { Unit } from "../../wire/usage.ts";
import { plainSheet, unitPrice } from "../price-at.ts";
import { fits, runsAt } from "./covers.ts";
import { halfUp } from "./exact.ts";
import type { Contract } from "./types.ts";

/** The sheet that a model is priced by at an instant: the list's, where the contract does not run or changes nothing. */
export function effectiveSheet(sheet: PriceSheet, contract: Contract, upstream: string, atMs: number): PriceSheet {
  if (!runsAt(contract, atMs)) return sheet;
  const scaled = femtoSheet(sheet, contract, upstream);
  const version = versionBy(sheet.version, contract);
  return { ...mapPrices(scaled, (femto) => Number(halfUp(BigInt(femto), 1000n))), version };
}

/** `<version>+contract:<id>@<version of the contract>` */
export function versionBy(version: string, contract: Contract): string {
  return `${version}+contract:${contract.id}@${contract.version}`;
}

/** A price that is no price; a whole pico-dollar below zero, so that no rounding makes it a zero. */
const BROKEN = -1000;

/** The same in femto-dollars, exact. A price that is broken on the list stays broken. */
export function femtoSheet(list: PriceSheet, contract: Contract, upstream: string): PriceSheet {
  const own = contract.terms.kind === "fine_tuned" ? contract.terms.prices : null;
  const sheet = own === null ? list : ownSheet(list.version, own);
  const named = contract.discounts.filter(({ models }) => models.length === 0 || models.some((pattern) => fits(pattern, upstream)));
  const leaves = (unit: Unit): bigint => 1000n - BigInt(named.find(({ units }) => units.length === 0 || units.includes(unit))?.permille ?? 0);
  // A class without a price of its own takes another's, and that one's discount: unless it is discounted by its own name.
  const byName = UNITS.filter((unit) => named.some(({ units }) => units.includes(unit)));
  let isBroken = false;
  const scaled = mapPrices({ ...sheet, base: withNamed(sheet, byName) }, (pico, unit) => {
    const sound = Number.isSafeInteger(pico) && (pico > 0 || (pico === 0 && sheet.free === true));
    isBroken ||= !sound;
    return sound ? Number(BigInt(pico) * leaves(unit)) : BROKEN;
  });
  // Where all of a price is taken off, a 0 is meant; but not where the list has one that is none.
  const givenAway = !isBroken && (UNITS.some((unit) => leaves(unit) === 0n) || contract.batchPermille === 0);
  const batched = withBatch(scaled, contract.batchPermille);
  return givenAway ? { ...batched, free: true } : batched;
}

/** A zero that the owner wrote is meant. */
function ownSheet(version: string, prices: UnitPrices): PriceSheet {
  return { ...plainSheet(version, prices), ...(Object.values(prices).includes(0) ? { free: true } : {}) };
}

function withNamed(sheet: PriceSheet, units: readonly Unit[]): UnitPrices {
  const base: { [U in Unit]?: number } = { ...sheet.base };
  for (const unit of units) {
    const price = base[unit] === undefined ? unitPrice(unit, sheet.base, sheet.free === true).picoUsd : null;
    if (price !== null) base[unit] = price;
  }
  return base;
}

/** Batches at a share of the standard price, in femto-dollars half up, in place of what the list says of them. */
function withBatch(sheet: PriceSheet, permille: number | null): PriceSheet {
  if (permille === null) return sheet;
  const share = (prices: UnitPrices): UnitPrices => mapUnits(prices, (femto) => (femto < 0 ? femto : Number(halfUp(BigInt(femto) * BigInt(permille), 1000n))));
  return {
    ...sheet,
    tiers: { ...sheet.tiers, batch: share(sheet.base) },
    contextSteps: sheet.contextSteps.map((step) => ({ ...step, tiers: { ...step.tiers, batch: share(step.prices) } })),
  };
}

function mapPrices(sheet: PriceSheet, map: (price: number, unit: Unit) => number): PriceSheet {
  const tiers = (of: Readonly<Record<string, UnitPrices>>) => Object.fromEntries(Object.entries(of).map(([name, prices]) => [name, mapUnits(prices, map)]));
  return {
    ...sheet,
    base: mapUnits(sheet.base, map),
    contextSteps: sheet.contextSteps.map((step) => ({ ...step, prices: mapUnits(step.prices, map), ...(step.tiers === undefined ? {} : { tiers: tiers(step.tiers) }) })),
    windows: sheet.windows.map((window) => ({ ...window, prices: mapUnits(window.prices, map) })),
    scheduled: sheet.scheduled.map((change) => ({ ...change, prices: mapUnits(change.prices, map) })),
    tiers: tiers(sheet.tiers),
  };
}

function mapUnits(prices: UnitPrices, map: (price: number, unit: Unit) => number): UnitPrices {
  return Object.fromEntries(Object.entries(prices).map(([unit, price]) => [unit, map(price, unit as Unit)]));
}
