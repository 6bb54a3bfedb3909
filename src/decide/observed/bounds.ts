/** What few calls say of a share: one bad answer proves nothing, ten do. */

/** One-sided 90 %. */
const Z = 1.2816;
const Z2 = Z * Z;
/** Calls that a prior counts as. */
export const SHRINK_CALLS = 20;
/** What recovered is noticed with so many recent calls. */
const RECOVERED_CALLS_MIN = 12;

/** A share of `calls`, leaning on a prior while they are few. */
export function leaning(count: number, calls: number, prior: number): number {
  return (count + SHRINK_CALLS * prior) / (calls + SHRINK_CALLS);
}

/** Below it the true share lies with a chance of a tenth. Wilson's score with continuity correction: close to the exact bound. */
export function lowerBound(count: number, calls: number): number {
  if (calls <= 0) return 0;
  const share = Math.max(0, Math.min(count, calls) - 0.5) / calls;
  return share <= 0 ? 0 : Math.max(0, (share + Z2 / (2 * calls) - spread(share, calls)) / (1 + Z2 / calls));
}

/** Above it the true share lies with a chance of a tenth. */
export function upperBound(count: number, calls: number): number {
  if (calls <= 0) return 1;
  const share = Math.min(1, (Math.max(0, count) + 0.5) / calls);
  return Math.min(1, (share + Z2 / (2 * calls) + spread(share, calls)) / (1 + Z2 / calls));
}

function spread(share: number, calls: number): number {
  return Z * Math.sqrt((share * (1 - share)) / calls + Z2 / (4 * calls * calls));
}

/**
 * What is believed of a share: what many calls said, unless recent ones prove that it is worse; and what recent ones say where
 * they prove that it became much better. Fast upwards, slow downwards.
 */
export function believed(long: number, recentCount: number, recentCalls: number, prior: number): number {
  const recovered = recentCalls >= RECOVERED_CALLS_MIN && upperBound(recentCount, recentCalls) < long / 2;
  return Math.max(recovered ? Math.min(long, leaning(recentCount, recentCalls, prior)) : long, lowerBound(recentCount, recentCalls));
}
