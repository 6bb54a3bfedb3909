/** The uptime that was promised, and what comes back where it was not kept and was claimed in time. Pure. */
import { addDays, instantOf } from "./calendar.ts";
import { decimal, halfUp, smaller } from "./exact.ts";
import type { BillingMonth } from "./months.ts";
import type { Contract } from "./types.ts";

export interface SlaMonth {
  readonly month: BillingMonth;
  /** The bill of the service for that month, before credits. */
  readonly billNanoUsd: bigint;
  readonly downMs: number;
  /** Null: not claimed. */
  readonly claimedAtMs: number | null;
}
export interface SlaVerdict {
  /** In percent, cut off after the third place: `99.884`. */
  readonly uptimePercent: string;
  readonly result: "kept" | "granted" | "unclaimed" | "too_late" | "below_minimum" | "nothing_promised";
  /** What comes back, or would have, had it been claimed. */
  readonly creditNanoUsd: bigint;
  /** The first instant that is too late for a claim; null: no limit. */
  readonly claimUntilMs: number | null;
}

/** What a month's outages come to under the promise. */
export function slaCredit(contract: Pick<Contract, "sla" | "timeZone">, of: SlaMonth): SlaVerdict {
  const { sla } = contract;
  const totalMs = BigInt(of.month.untilMs - of.month.fromMs);
  const upMs = totalMs - smaller(BigInt(Math.max(0, Math.ceil(of.downMs))), totalMs);
  const uptimePercent = decimal((upMs * 100_000n) / totalMs, 3, 3);
  const claimUntilMs = sla?.claimDays == null ? null : instantOf(contract.timeZone, addDays(of.month.until, sla.claimDays));
  const none = (result: SlaVerdict["result"]): SlaVerdict => ({ uptimePercent, result, creditNanoUsd: 0n, claimUntilMs });
  if (sla === null) return none("nothing_promised");
  const below = (milliPercent: number): boolean => upMs * 100_000n < BigInt(milliPercent) * totalMs;
  if (!below(sla.uptimeMilliPercent)) return none("kept");
  const permille = smaller(BigInt(sla.credits.findLast(({ belowMilliPercent }) => below(belowMilliPercent))?.creditPermille ?? 0), BigInt(sla.capPermille));
  const creditNanoUsd = halfUp(of.billNanoUsd * permille, 1000n);
  if (creditNanoUsd < sla.minimumNanoUsd) return { ...none("below_minimum"), creditNanoUsd };
  if (of.claimedAtMs === null) return { ...none("unclaimed"), creditNanoUsd };
  return { ...none(claimUntilMs !== null && of.claimedAtMs >= claimUntilMs ? "too_late" : "granted"), creditNanoUsd };
}
