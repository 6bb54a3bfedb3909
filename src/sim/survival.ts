/**
 * How long calls take when some were given up before they answered (Kaplan and Meier's estimate): whoever was aborted after two
 * seconds says that it takes longer than two, and nothing else. Leaving such calls out would make a deployment look the faster the
 * more often another was called beside it.
 */

export interface Waited {
  readonly ms: number;
  /** It answered then; else it was given up. */
  readonly answered: boolean;
  /** Given up since it took too long, and not for another reason. */
  readonly late: boolean;
}

export interface Survival {
  /** Ascending; the weights are shares of all calls. */
  readonly steps: readonly { readonly ms: number; readonly weight: number }[];
  /** The share of calls that do not answer for as long as anybody waited. */
  readonly never: number;
}

/**
 * The distribution of times. What is left beyond the last answer: as far as those calls were late they never answer, the others are taken
 * to answer as late as the last one did.
 */
export function survivalOf(calls: readonly Waited[]): Survival {
  const sorted = calls.toSorted((a, b) => a.ms - b.ms || Number(b.answered) - Number(a.answered));
  const steps: { ms: number; weight: number }[] = [];
  let atRisk = sorted.length;
  let left = 1;
  let beyond: Waited[] = [];
  for (let i = 0; i < sorted.length; ) {
    const { ms } = sorted[i] as Waited;
    let answers = 0;
    let gone = 0;
    for (; i < sorted.length && (sorted[i] as Waited).ms === ms; i += 1) {
      const one = sorted[i] as Waited;
      gone += 1;
      if (one.answered) answers += 1;
      else beyond.push(one);
    }
    if (answers > 0) {
      const weight = (left * answers) / atRisk;
      steps.push({ ms, weight });
      left -= weight;
      beyond = beyond.filter((one) => one.ms >= ms);
    }
    atRisk -= gone;
  }
  const last = steps.at(-1);
  if (last === undefined) return { steps, never: calls.some(({ late }) => late) ? 1 : 0 };
  const never = beyond.length === 0 ? 0 : (Math.max(0, left) * beyond.filter(({ late }) => late).length) / beyond.length;
  last.weight += Math.max(0, left) - never;
  return { steps, never };
}

/** By when a share of those that answer have; null where none does. */
export function quantileOf({ steps }: Pick<Survival, "steps">, share: number): number | null {
  const total = steps.reduce((sum, { weight }) => sum + weight, 0);
  let reached = 0;
  for (const { ms, weight } of steps) {
    reached += weight;
    if (reached >= share * total - 1e-12) return ms;
  }
  return steps.at(-1)?.ms ?? null;
}

/** Wide enough that a file of thousands of times stays readable, narrow enough for any objective. */
const RATIO = 1.05;

/** As buckets `[upper bound, weight]` for a world's file, the weights together 1. The first bound is the lower one of all. */
export function bucketsOf(steps: Survival["steps"]): readonly (readonly [number, number])[] {
  const total = steps.reduce((sum, { weight }) => sum + weight, 0);
  const byBucket = new Map<number, number>();
  for (const { ms, weight } of steps) {
    const bucket = Math.ceil(Math.log(Math.max(LEAST, ms)) / Math.log(RATIO));
    byBucket.set(bucket, (byBucket.get(bucket) ?? 0) + weight / total);
  }
  const buckets: (readonly [number, number])[] = [];
  let end: number | null = null;
  for (const [bucket, weight] of [...byBucket].toSorted((a, b) => a[0] - b[0])) {
    if (weight <= 0) continue;
    if (end === null || end < bucket - 1) buckets.push([rounded(RATIO ** (bucket - 1)), 0]);
    buckets.push([rounded(RATIO ** bucket), Number(weight.toPrecision(6))]);
    end = bucket;
  }
  return buckets;
}
const LEAST = 0.01;

function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

/** 95 times of 100 the true share lies between these (Wilson's interval). */
export function shareWithin(count: number, of: number): readonly [low: number, high: number] {
  if (of === 0) return [0, 1];
  const z = 1.96;
  const share = count / of;
  const middle = share + (z * z) / (2 * of);
  const spread = z * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of));
  const by = 1 + (z * z) / of;
  return [count === 0 ? 0 : Math.max(0, (middle - spread) / by), count === of ? 1 : Math.min(1, (middle + spread) / by)];
}
