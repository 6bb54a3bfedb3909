/** What a provider promised in a contract, as an objective: its uptime over calendar months of the contract's zone. */
import type { Contract } from "../contract/types.ts";
import type { Objective } from "./types.ts";

/** null: nothing was promised, or all of it, of which no budget is left to burn. */
export function objectiveOfContract({ sla, timeZone }: Pick<Contract, "sla" | "timeZone">): Objective | null {
  if (sla === null || sla.uptimeMilliPercent <= 0 || sla.uptimeMilliPercent >= 100_000) return null;
  return { name: "uptime", kind: "availability", target: sla.uptimeMilliPercent / 100_000, window: { kind: "month", zone: timeZone }, within: [], atLeast: null, unit: null };
}
