/**
 * Orphans: attempts whose process died. They are flagged at the next start and settle when their lease has passed, from
 * what is known: the prompt's estimate and the tokens relayed. Never silently at zero, never blindly at the whole hold.
 */
import type { Charge } from "../ports.ts";
import type { AttemptRow } from "./rows.ts";

export const ORPHAN = "orphan";

/** What settling an orphan needs of its row. */
export type OrphanFacts = Pick<
  AttemptRow,
  "attemptId" | "priceVersion" | "inputEstimateTokens" | "inputEstimateNanoUsd" | "outputPricePicoUsd" | "billsOnAbort" | "progressTokens"
>;

/**
 * The charge of an orphan by the provider's disconnect rule. Without progress, where the provider bills nothing for a
 * lost call, it is `unbilled`; else the prompt's estimate plus the relayed tokens at the output price, `estimated`.
 * An unknown price stays unknown: cost null.
 */
export function orphanCharge(row: OrphanFacts, nowMs: number): Charge {
  const billed = row.billsOnAbort === "input" || row.progressTokens > 0;
  const units = billed ? { input: row.inputEstimateTokens, output: row.progressTokens } : {};
  const common = { attemptId: row.attemptId, outcome: ORPHAN, rawUsage: null, atMs: nowMs, units };
  if (row.priceVersion === null) return { ...common, state: "unmetered", costNanoUsd: null, flags: [ORPHAN] };
  if (!billed) return { ...common, state: "unbilled", costNanoUsd: 0, flags: [ORPHAN] };
  return { ...common, state: "estimated", costNanoUsd: orphanCostNanoUsd(row), flags: [ORPHAN, "estimated"] };
}

function orphanCostNanoUsd(row: OrphanFacts): number | null {
  if (row.inputEstimateNanoUsd === null) return null;
  if (row.progressTokens === 0) return row.inputEstimateNanoUsd;
  if (row.outputPricePicoUsd === null) return null;
  // Pico to nano, half up: the one rounding of this row, since the estimate of the prompt came in nano-dollars.
  const outputNanoUsd = (BigInt(row.progressTokens) * BigInt(row.outputPricePicoUsd) + 500n) / 1000n;
  return Number(BigInt(row.inputEstimateNanoUsd) + outputNanoUsd);
}
