/** How far a promise was kept: good of valid, as exact decimals, cut off and never rounded up to what was promised. */
import { decimal } from "../contract/exact.ts";
import type { Objective } from "../objective/types.ts";

export interface Attainment {
  readonly objective: Objective;
  /** Of the objectives that it stood among. */
  readonly version: string;
  /** Requests; of throughput: minutes. */
  readonly valid: number;
  readonly good: number;
  readonly bad: number;
  /** In percent, cut off after the fifth place; null: nothing was valid. */
  readonly attainedPercent: string | null;
  readonly targetPercent: string;
  /** null: nothing was valid. */
  readonly met: boolean | null;
  /** Bad ones of those that the target allows, in percent; null: nothing was valid. */
  readonly budgetUsedPercent: string | null;
}

const PARTS = 1_000_000_000n;

/** The verdict on so many good of so many valid. */
export function attainment(objective: Objective, version: string, valid: number, good: number): Attainment {
  const target = BigInt(Math.round(objective.target * Number(PARTS)));
  const bad = valid - good;
  const allowed = BigInt(valid) * (PARTS - target);
  return {
    objective, version, valid, good, bad,
    attainedPercent: valid === 0 ? null : percentOf(good, valid),
    targetPercent: decimal(target, 7),
    met: valid === 0 ? null : BigInt(good) * PARTS >= BigInt(valid) * target,
    budgetUsedPercent: valid === 0 || allowed === 0n ? null : decimal((BigInt(bad) * PARTS * 1_000n) / allowed, 1, 1),
  };
}

/** A share in percent, cut off after the fifth place. */
export function percentOf(part: number, whole: number): string {
  return decimal((BigInt(part) * 10_000_000n) / BigInt(whole), 5);
}

/** Minutes of a throughput objective, as `ServedMinutes` counts them. */
export class ThroughputMinutes {
  readonly objective: Objective;
  valid = 0;
  good = 0;

  constructor(objective: Objective) {
    this.objective = objective;
  }

  /** One minute with what was asked, served and lost in it. */
  add(minute: { readonly asked: number; readonly lost: number; readonly whole: number; readonly tokens: number }): void {
    if (minute.asked === 0) return;
    this.valid++;
    const served = this.objective.unit === "tokens" ? minute.tokens : minute.whole;
    if (minute.lost === 0 || served >= (this.objective.atLeast ?? 0)) this.good++;
  }
}
