/** Spend in the currency of listings: what was spent while a rate held goes by that rate, and is then added up. */
import { convertBy, type Display, type Rate } from "../decide/currency.ts";
import type { UsageQuery, UsageReport, UsageSums } from "../control/reports.ts";
import type { OpenUsage } from "../storage/usage.ts";

/** Billionths of the currency's unit. */
export type Spent = Pick<UsageSums, "costNanoUsd" | "correctionsNanoUsd">;
export interface Shown {
  /** `usd`, or the currency's code. */
  readonly currency: string;
  /** What a group came to; null: all of them. */
  of(labels: readonly (string | null)[] | null): Spent;
}

const NOTHING: Spent = { costNanoUsd: 0n, correctionsNanoUsd: 0n };

/** The figures of a report in this currency; null: something was spent before the first rate, and no rate is guessed. */
export function shownIn(display: Display, usage: Pick<OpenUsage, "report">, query: UsageQuery): Shown | null {
  const groups = new Map<string, { costNanoUsd: bigint; correctionsNanoUsd: bigint }>();
  for (const { fromMs, toMs, rate } of stretches(display, query)) {
    const { rows, total } = usage.report({ ...query, fromMs, toMs }, Number.MAX_SAFE_INTEGER);
    if (rate === null && (total.costNanoUsd !== 0n || total.correctionsNanoUsd !== 0n)) return null;
    if (rate === null) continue;
    for (const { key, sums } of [{ key: "all", sums: total }, ...rows.map((row) => ({ key: JSON.stringify(row.labels), sums: row }))]) {
      const known = groups.get(key) ?? { costNanoUsd: 0n, correctionsNanoUsd: 0n };
      known.costNanoUsd += convertBy(sums.costNanoUsd, rate);
      known.correctionsNanoUsd += convertBy(sums.correctionsNanoUsd, rate);
      groups.set(key, known);
    }
  }
  return { currency: display.currency, of: (labels) => groups.get(labels === null ? "all" : JSON.stringify(labels)) ?? NOTHING };
}

/** The figures as they are, in dollars. */
export function shownInDollars({ rows, total }: UsageReport): Shown {
  const groups = new Map(rows.map((row) => [JSON.stringify(row.labels), row]));
  return { currency: "usd", of: (labels) => (labels === null ? total : (groups.get(JSON.stringify(labels)) ?? NOTHING)) };
}

/** The time of a query, cut where another rate begins. */
function stretches({ rates }: Display, { fromMs, toMs }: UsageQuery): readonly { readonly fromMs: number; readonly toMs: number; readonly rate: Rate | null }[] {
  const cuts = [{ atMs: Number.NEGATIVE_INFINITY, rate: null }, ...rates.map((rate) => ({ atMs: rate.fromMs, rate }))];
  return cuts.flatMap(({ atMs, rate }, index) => {
    const stretch = { fromMs: Math.max(fromMs, atMs), toMs: Math.min(toMs, cuts[index + 1]?.atMs ?? Number.POSITIVE_INFINITY), rate };
    return stretch.fromMs < stretch.toMs ? [stretch] : [];
  });
}
