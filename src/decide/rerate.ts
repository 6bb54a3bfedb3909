/**
 * A settled call priced again by the list that was in force at its own time, as it is known now. What a contract paid, what a
 * provider priced itself and what has no price stays as it is. Pure.
 */
import type { SurchargedFeature } from "../wire/facts.ts";
import { isObject, type Json } from "../wire/json.ts";
import type { UnitCounts, Usage } from "../wire/usage.ts";
import { runsAt } from "./contract/covers.ts";
import { SPILL } from "./contract/charge.ts";
import type { Pricing } from "./deployment.ts";
import { SURCHARGE_FLAG, TIER_FLAG } from "./estimate.ts";
import { priceUsage } from "./price.ts";
import { sheetAt } from "./price-at.ts";

/** Flag of a row that was priced again. */
export const RERATED = "rerated";

/** What of a row decides on its new price. */
export interface RatedRow {
  readonly atMs: number;
  readonly state: "held" | "charged" | "estimated" | "unbilled" | "unmetered";
  readonly units: UnitCounts;
  readonly costNanoUsd: number | null;
  readonly priceVersion: string | null;
  readonly flags: readonly string[];
  readonly scopes: readonly string[];
  readonly rawUsage: Json;
}

/**
 * Why a row is left: it is open; nothing was billed; it has no price by nature; the provider stated its own charge; capacity or
 * quota had paid it; it counts towards volume steps, where the order of calls decides; it is a batch of many answers; no price is
 * known.
 */
export type LeftWhy = "held" | "batch" | "unbilled" | "unmetered" | "provider_cost" | "covered" | "volume_steps" | "price_unknown";
export type Rerated =
  | { readonly kind: "corrected"; readonly costNanoUsd: number; readonly priceVersion: string; readonly flags: readonly string[] }
  | { readonly kind: "same" }
  | { readonly kind: "left"; readonly why: LeftWhy };

/** What a team paid by its own credential is not under the organisation's contracts. */
const PAID_BY_TEAM = "paid_by/team";
/** What earlier pricing had to say, which the new one says anew. */
const SAID_BY_PRICING = /^(?:price_|unpriced:|bad_count:|tier_unknown$|geo_unknown$|entry_model_unpriced$|overflow$)|_price_scaled$/;

/**
 * The row at the prices of `pricing`, which must hold what was in force at the row's time. `entries`: where a provider billed
 * several models in the one answer, by its own counts.
 */
export function rerate(row: RatedRow, pricing: Pricing, entries?: Usage["entries"]): Rerated {
  const own = row.scopes.includes(PAID_BY_TEAM) && pricing.kind === "sheet" ? (pricing.list ?? pricing) : pricing;
  const why = leftAlone(row, own);
  if (why !== null) return { kind: "left", why };
  // The very list by which it was priced.
  if (sheetAt(own, row.atMs)?.version === row.priceVersion) return { kind: "same" };
  const { costNanoUsd, priceVersion, flags } = priceUsage(own, usageOf(row, entries), { wallMs: row.atMs, features: featuresOf(row) });
  if (costNanoUsd === null || priceVersion === null) return { kind: "left", why: "price_unknown" };
  if (costNanoUsd === row.costNanoUsd) return { kind: "same" };
  const kept = row.flags.filter((flag) => !SAID_BY_PRICING.test(flag));
  return { kind: "corrected", costNanoUsd, priceVersion, flags: [...new Set([...kept, ...flags, RERATED])] };
}

function leftAlone({ state, flags, atMs, rawUsage }: RatedRow, pricing: Pricing): LeftWhy | null {
  if (state === "held" || state === "unbilled" || state === "unmetered") return state;
  if (isObject(rawUsage) && typeof rawUsage["batch"] === "string") return "batch";
  if (flags.includes("provider_cost")) return "provider_cost";
  if (pricing.kind === "unmetered") return "unmetered";
  if (pricing.kind === "unknown" || sheetAt(pricing, atMs) === null) return "price_unknown";
  const meter = pricing.meters?.find(({ contract }) => runsAt(contract, atMs));
  if (meter === undefined) return null;
  const { terms, id } = meter.contract;
  if (terms.kind === "committed") return terms.steps.length > 0 ? "volume_steps" : null;
  return flags.includes(`contract:${id}`) && !flags.includes(SPILL) ? "covered" : null;
}

function featuresOf({ flags }: RatedRow): readonly SurchargedFeature[] {
  return flags.filter((flag) => flag.startsWith(SURCHARGE_FLAG)).map((flag) => flag.slice(SURCHARGE_FLAG.length) as SurchargedFeature);
}

/** The usage as far as its row tells it: what its tier and its place were stands among the flags. */
function usageOf({ units, flags }: RatedRow, entries: Usage["entries"]): Usage {
  const tier = flags.find((flag) => flag.startsWith(TIER_FLAG))?.slice(TIER_FLAG.length);
  return { units, flags: flags.filter((flag) => flag.startsWith("geo_") && flag !== "geo_unknown"), raw: null, ...(tier === undefined ? {} : { serviceTier: tier }), ...(entries === undefined ? {} : { entries }) };
}
