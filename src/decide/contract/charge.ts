/** A charge as a contract leaves it: nothing where capacity or quota covers the call, less from a volume step on. */
import type { Pricing } from "../deployment.ts";
import type { ChargeMade } from "../estimate.ts";
import { runsAt } from "./covers.ts";

/** Flag of a call that the contract's capacity had no room for. */
export const SPILL = "spill";

/**
 * Count a call with its contract, once, and give its charge with the flag `contract:<id>`. What was not called, or was not
 * billed, takes nothing.
 */
export function underContract<T extends ChargeMade>(made: T, pricing: Pricing, wallMs: number): T {
  if (pricing.kind !== "sheet" || pricing.meters === undefined) return made;
  const meter = pricing.meters.find(({ contract }) => runsAt(contract, wallMs));
  if (meter === undefined || (made.state !== "charged" && made.state !== "estimated")) return made;
  const flag = `contract:${meter.contract.id}`;
  if (meter.contract.terms.kind !== "committed") {
    if (meter.take(made.units, wallMs)) return { ...made, costNanoUsd: 0, flags: [...made.flags, flag] };
    return { ...made, flags: [...made.flags, flag, SPILL] };
  }
  if (made.costNanoUsd === null) return made;
  return { ...made, costNanoUsd: Number(meter.spend(BigInt(made.costNanoUsd), wallMs)), flags: [...made.flags, flag] };
}
