/**
 * What a contract makes of single calls: each unit's exact price, what one more call costs, and what is charged for it.
 * Prices are atto-dollars (1e-18) per unit: a pico-dollar of the list × a discount's thousandths × a geography's. Pure.
 */
import type { PriceSheet } from "../../wire/facts.ts";
import { inputTokens } from "../../wire/usage.ts";
import type { Unit } from "../../wire/usage.ts";
import { geoPermille, isTokenUnit, pricesIn, situationAt, tierOf, unitPrice } from "../price-at.ts";
import { callDiscount } from "./commitment.ts";
import { halfUp } from "./exact.ts";
import type { ContractMeter } from "./meter.ts";
import { femtoSheet } from "./sheet.ts";
import type { Contract, ContractUsage } from "./types.ts";

export interface RatedUnit {
  readonly unit: Unit;
  /** Thousandths of the unit: seconds come in fractions. */
  readonly milli: bigint;
  /** Atto-dollars for one; null: the list has no price. */
  readonly attoUsd: bigint | null;
}

const femtoSheets = new WeakMap<Contract, WeakMap<PriceSheet, Map<string, PriceSheet>>>();

/** Each unit of a call and its price under the contract. */
export function ratesOf(contract: Contract, list: PriceSheet, usage: ContractUsage): readonly RatedUnit[] {
  const sheet = exactSheet(contract, list, usage.deployment.slice(usage.deployment.indexOf("/") + 1));
  const asked = tierOf(sheet, usage.tier);
  const { prices } = pricesIn(sheet, situationAt(sheet, usage.atMs, inputTokens(usage.units), asked.kind === "tier" ? asked.tier : null));
  const geo = BigInt(geoPermille(sheet, usage.geo).permille);
  return (Object.entries(usage.units) as [Unit, number][]).flatMap(([unit, count]) => {
    if (!Number.isFinite(count) || count <= 0) return [];
    const { picoUsd: femtoUsd } = unitPrice(unit, prices, sheet.free === true);
    // Requests are counted for quotas as well: without a fee they are nothing to be priced.
    if (femtoUsd === null && unit === "requests") return [];
    const milli = Number.isInteger(count) ? BigInt(count) * 1000n : BigInt(Math.round(count * 1000));
    return [{ unit, milli, attoUsd: femtoUsd === null ? null : BigInt(femtoUsd) * (isTokenUnit(unit) ? geo : 1000n) }];
  });
}

/** Thousandths of a unit × atto-dollars, in nano-dollars half up. */
export function nanoOf(milliAtto: bigint): bigint {
  return halfUp(milliAtto, 1_000_000_000_000n);
}

/** What a call costs at the contract's prices, before any capacity, quota or volume step; null where some of it has no price. */
export function ratedNanoUsd(contract: Contract, list: PriceSheet, usage: ContractUsage): bigint | null {
  let total = 0n;
  let lacks = false;
  for (const { unit, milli, attoUsd } of ratesOf(contract, list, usage)) {
    if (attoUsd === null && isTokenUnit(unit)) return null;
    lacks ||= attoUsd === null;
    total += milli * (attoUsd ?? 0n);
  }
  return lacks && total === 0n ? null : nanoOf(total);
}

export interface Marginal {
  /** Null: the list has no price for it. */
  readonly costNanoUsd: bigint | null;
  /** Paid for already, given away, or of one's own. */
  readonly covered: boolean;
}

/**
 * What one more call costs, for the choice and the charge: nothing where capacity or quota has room for the whole of it, else
 * the contract's price, from a volume step on less.
 */
export function marginal(meter: ContractMeter, list: PriceSheet | null, usage: ContractUsage): Marginal {
  const { contract } = meter;
  if (meter.covers(usage.units, usage.atMs)) return { costNanoUsd: 0n, covered: true };
  const rated = list === null ? null : ratedNanoUsd(contract, list, usage);
  if (rated === null || contract.terms.kind !== "committed") return { costNanoUsd: rated, covered: false };
  return { costNanoUsd: rated - callDiscount(contract.terms, meter.ratedSoFar(usage.atMs), rated), covered: false };
}

function exactSheet(contract: Contract, list: PriceSheet, upstream: string): PriceSheet {
  const ofContract = femtoSheets.get(contract) ?? new WeakMap<PriceSheet, Map<string, PriceSheet>>();
  femtoSheets.set(contract, ofContract);
  const ofList = ofContract.get(list) ?? new Map<string, PriceSheet>();
  ofContract.set(list, ofList);
  const known = ofList.get(upstream) ?? femtoSheet(list, contract, upstream);
  ofList.set(upstream, known);
  return known;
}
