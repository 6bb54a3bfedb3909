/** What the ledger's rows say of a contract: spend for its commitment, and what a new process has to go on counting from. Pure. */
import type { UnitCounts } from "../../wire/usage.ts";
import { dateAt, instantOf } from "./calendar.ts";
import { periodAt, ratedOf } from "./commitment.ts";
import { coversDeployment, runsAt } from "./covers.ts";
import type { ContractMeter } from "./meter.ts";
import type { Contract } from "./types.ts";

/** A settled row. */
export interface SpentRow {
  readonly deployment: string;
  readonly atMs: number;
  readonly units: UnitCounts;
  readonly costNanoUsd: number | null;
  /** Holds differences to an earlier row, and is no call. */
  readonly isCorrection?: boolean;
}

/** Spend at the contract's prices before volume steps, from charges that lack what the steps took off. In the order of time. */
export function spendOf(contract: Contract, rows: Iterable<SpentRow>): readonly { readonly atMs: number; readonly ratedNanoUsd: bigint }[] {
  const { terms } = contract;
  let period = { fromMs: 0, untilMs: 0 };
  let charged = 0n;
  return [...rows].filter((row) => runsAt(contract, row.atMs) && coversDeployment(contract, row.deployment)).toSorted((a, b) => a.atMs - b.atMs).map(({ atMs, costNanoUsd }) => {
    const cost = BigInt(costNanoUsd ?? 0);
    if (terms.kind !== "committed") return { atMs, ratedNanoUsd: cost };
    if (atMs >= period.untilMs) {
      period = periodAt(contract, atMs);
      charged = 0n;
    }
    const before = ratedOf(terms, charged);
    charged += cost;
    return { atMs, ratedNanoUsd: ratedOf(terms, charged) - before };
  });
}

/** From when on rows are wanted to go on counting; null: what there is to count begins anew within a minute. */
export function countsFromMs(contract: Contract, nowMs: number): number | null {
  const { terms } = contract;
  if (!runsAt(contract, nowMs)) return null;
  if (terms.kind === "committed") return terms.stepsApply === "above" && terms.steps.length > 0 ? periodAt(contract, nowMs).fromMs : null;
  if (terms.kind !== "free_quota" || (terms.requestsPerDay === null && terms.tokensPerDay === null)) return null;
  return instantOf(terms.resetZone, dateAt(terms.resetZone, nowMs));
}

/** Count what was settled since then, before the first call of this process. */
export function restoreMeter(meter: ContractMeter, rows: Iterable<SpentRow>, nowMs: number): void {
  const { contract } = meter;
  let charged = 0n;
  for (const row of rows) {
    if (!coversDeployment(contract, row.deployment)) continue;
    if (contract.terms.kind === "committed") charged += BigInt(row.costNanoUsd ?? 0);
    else if (row.isCorrection !== true) meter.take(row.units, row.atMs);
  }
  meter.restore(charged, nowMs);
}
