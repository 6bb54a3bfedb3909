/** Has a deployment a price for all that a request asks for beyond tokens at the standard rate? Asked only where it asks for such. */
import type { Extras } from "../wire/extras.ts";
import type { PriceSheet } from "../wire/facts.ts";
import type { Unit } from "../wire/usage.ts";
import { sheetsWithin, type CallSize } from "./bound.ts";
import type { Deployment } from "./deployment.ts";
import { isAnywhere, tierName, tierOf, unitPrice } from "./price-at.ts";

/** The word for "whichever the provider takes": every tier of the sheet counts then, so it is always priced. */
const ANY_TIER = "auto";

/** What it has no price for, as the rest of a sentence about the deployment; null: nothing, or it is not metered. */
export function unpriced({ pricing, contextWindow }: Pick<Deployment, "pricing" | "contextWindow">, extras: Extras, wallMs: number): string | null {
  if (pricing.kind !== "sheet") return null;
  if (extras.windows !== undefined && contextWindow === null) return `has no known context window, which is the only bound of what ${extras.fields.join(", ")} may bring into the prompt`;
  for (const sheet of sheetsWithin(pricing, wallMs)) {
    const lack = sheet === null ? null : lackOf(sheet, extras);
    if (lack !== null) return `has no price for ${lack}, so no limit on money can hold for it`;
  }
  return null;
}

function lackOf(sheet: PriceSheet, { serviceTier, geo, units }: Extras): string | null {
  if (serviceTier !== undefined && tierName(serviceTier) !== ANY_TIER && tierOf(sheet, serviceTier).kind === "unknown") return `the service tier "${serviceTier.slice(0, 40)}"`;
  if (geo !== undefined && !isAnywhere(geo) && !Object.hasOwn(sheet.geoPermille, geo)) return `calls that are served in "${geo.slice(0, 40)}"`;
  for (const unit of Object.keys(units ?? {}) as Unit[]) {
    if ((units?.[unit] ?? 0) > 0 && unitPrice(unit, sheet.base, sheet.free === true).picoUsd === null) return unit;
  }
  return null;
}

/** A call's size with what they add to it. The prompt's own bound knows of the windows already. */
export function withExtras(size: CallSize, { serviceTier, geo, units }: Extras): CallSize {
  return { ...size, ...(serviceTier === undefined ? {} : { serviceTier }), ...(geo === undefined ? {} : { geo }), ...(units === undefined ? {} : { units }) };
}
