/** Distributions of times to the first content: what is drawn, and the truth about how likely a threshold is passed. */
import { normalAbove, type Chance } from "./random.ts";

export interface Latency {
  /** ms. `atMs`: when the call is sent, for those that change with time. */
  draw(chance: Chance, atMs: number): number;
  /** The share of calls sent at `atMs` that take longer than `ms`. */
  later(ms: number, atMs: number): number;
  /** ms, for calls sent at `atMs`. */
  mean(atMs: number): number;
}

/** The 99th percentile of the standard normal. */
const Z99 = 2.326347874;

/** Always the same. */
export function constant(ms: number): Latency {
  return { draw: () => ms, later: (threshold) => (ms > threshold ? 1 : 0), mean: () => ms };
}

/** Log-normal, by its median and how far the logarithm spreads. */
export function lognormal(medianMs: number, sigma: number): Latency {
  return {
    draw: (chance) => medianMs * Math.exp(sigma * chance.normal()),
    later: (ms) => (ms <= 0 ? 1 : normalAbove(Math.log(ms / medianMs) / sigma)),
    mean: () => medianMs * Math.exp((sigma * sigma) / 2),
  };
}

/** Log-normal, by its median and its 99th percentile. */
export function lognormalByP99(medianMs: number, p99Ms: number): Latency {
  return lognormal(medianMs, Math.log(p99Ms / medianMs) / Z99);
}

/** A share of calls takes so many times as long. */
export function sometimesSlower(usual: Latency, share: number, factor: number): Latency {
  return {
    draw(chance, atMs) {
      const isSlow = chance.next() < share;
      const ms = usual.draw(chance, atMs);
      return isSlow ? ms * factor : ms;
    },
    later: (ms, atMs) => (1 - share) * usual.later(ms, atMs) + share * usual.later(ms / factor, atMs),
    mean: (atMs) => usual.mean(atMs) * (1 - share + share * factor),
  };
}

/** One of these times, each as likely as the other. */
export function empirical(timesMs: readonly number[]): Latency {
  if (timesMs.length === 0) throw new Error("an empirical distribution needs at least one time");
  const sorted = Float64Array.from(timesMs).toSorted();
  const mean = sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length;
  return {
    draw: (chance) => sorted[Math.floor(chance.next() * sorted.length)] as number,
    later: (ms) => (sorted.length - countUpTo(sorted, ms)) / sorted.length,
    mean: () => mean,
  };
}

/** A histogram, uniform within its buckets: `[upper bound in ms, weight]`, ascending; the first begins at 0. */
export function histogram(buckets: readonly (readonly [upToMs: number, weight: number])[]): Latency {
  const total = buckets.reduce((sum, [, weight]) => sum + weight, 0);
  if (!(total > 0)) throw new Error("a histogram needs weight in at least one bucket");
  const spans = buckets.map(([upToMs, weight], i) => ({ fromMs: buckets[i - 1]?.[0] ?? 0, upToMs, share: weight / total }));
  return {
    draw(chance) {
      let left = chance.next();
      const within = chance.next();
      const span = spans.find(({ share }) => (left -= share) < 0) ?? (spans.at(-1) as (typeof spans)[number]);
      return span.fromMs + within * (span.upToMs - span.fromMs);
    },
    later: (ms) => spans.reduce((sum, { fromMs, upToMs, share }) => sum + share * Math.min(1, Math.max(0, (upToMs - ms) / (upToMs - fromMs))), 0),
    mean: () => spans.reduce((sum, { fromMs, upToMs, share }) => sum + (share * (fromMs + upToMs)) / 2, 0),
  };
}

/** Another distribution from each instant on, ascending; the first also holds before. */
export function changing(steps: readonly { readonly fromMs: number; readonly latency: Latency }[]): Latency {
  const at = (atMs: number): Latency => {
    let low = 0;
    let high = steps.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((steps[middle] as (typeof steps)[number]).fromMs <= atMs) low = middle;
      else high = middle;
    }
    const step = steps[low];
    if (step === undefined) throw new Error("a changing distribution needs at least one step");
    return step.latency;
  };
  return { draw: (chance, atMs) => at(atMs).draw(chance, atMs), later: (ms, atMs) => at(atMs).later(ms, atMs), mean: (atMs) => at(atMs).mean(atMs) };
}

function countUpTo(sorted: Float64Array, ms: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) <= ms) low = middle + 1;
    else high = middle;
  }
  return low;
}
