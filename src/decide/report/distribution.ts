/** Distributions of times from counts by bucket. */
import { BOUNDS_MS, type Counts } from "./types.ts";

export interface Distribution {
  readonly count: number;
  /** The bucket's upper bound that so large a share stayed within; null: beyond the last bound, or there is nothing. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  /** Those that are not empty. `upToMs` null: beyond the last bound. */
  readonly buckets: readonly { readonly upToMs: number | null; readonly count: number }[];
}

/** The distribution that stands under `prefix`. */
export function distributionOf(counts: Counts, prefix: "first" | "total"): Distribution {
  const buckets = Array.from({ length: BOUNDS_MS.length + 1 }, (_unused, k) => ({ upToMs: BOUNDS_MS[k] ?? null, count: counts[`${prefix}:${k}`] ?? 0 }));
  const count = buckets.reduce((sum, one) => sum + one.count, 0);
  const within = (permille: number): number | null => {
    let sum = 0;
    for (const bucket of buckets) {
      sum += bucket.count;
      if (count > 0 && sum * 1_000 >= count * permille) return bucket.upToMs;
    }
    return null;
  };
  return { count, p50Ms: within(500), p95Ms: within(950), p99Ms: within(990), buckets: buckets.filter((one) => one.count > 0) };
}
