/** Distributions as they are written in a fleet's configuration, and draws from them. */
import { z } from "zod";
import { exponential, normal, type Random } from "./random.ts";

/** The 99th percentile of the standard normal. */
const Z99 = 2.326347874;

const lognormal = z.union([
  z.strictObject({ median_ms: z.number().positive(), p99_ms: z.number().positive() }),
  z.strictObject({ median: z.number().positive(), p99: z.number().positive() }),
], { error: "{ median, p99 }, or { median_ms, p99_ms }" });

export const distributionSchema = z.union([
  z.number().nonnegative(),
  z.strictObject({ constant: z.number().nonnegative() }),
  z.strictObject({ uniform: z.strictObject({ min: z.number().nonnegative(), max: z.number().nonnegative() }) }),
  z.strictObject({ exponential: z.strictObject({ mean: z.number().positive() }) }),
  z.strictObject({ lognormal }),
  z.strictObject({ values: z.array(z.number().nonnegative()).min(1) }),
], { error: "a number, or one of { constant }, { uniform: { min, max } }, { exponential: { mean } }, { lognormal: { median, p99 } }, { values }" });

/** A plain number is a constant. The unit is that of the field it stands in (ms, tokens/s, tokens). */
export type Distribution = z.infer<typeof distributionSchema>;

/** One draw, in the unit of the field. */
export function draw(distribution: Distribution, random: Random): number {
  if (typeof distribution === "number") return distribution;
  if ("constant" in distribution) return distribution.constant;
  if ("uniform" in distribution) {
    const { min, max } = distribution.uniform;
    return min + random.next() * (max - min);
  }
  if ("exponential" in distribution) return exponential(random, distribution.exponential.mean);
  if ("values" in distribution) {
    return distribution.values[Math.floor(random.next() * distribution.values.length)] ?? 0;
  }
  const law = distribution.lognormal;
  const median = "median" in law ? law.median : law.median_ms;
  const p99 = "median" in law ? law.p99 : law.p99_ms;
  return median * Math.exp(normal(random) * (Math.log(p99 / median) / Z99));
}
