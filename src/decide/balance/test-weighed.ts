/** Candidates with made-up estimates, for the tests of the choice. */
import type { Estimate } from "../observed/types.ts";
import type { Weighed } from "./types.ts";

export interface Made {
  readonly priceNanoUsd?: number;
  readonly failsBefore?: number;
  readonly failsAfter?: number;
  /** Typical time, of all but `tail` of the calls, which take ten times as long. */
  readonly typicalMs?: number;
  readonly tail?: number;
  /** By which `slow` is told; 0: none. */
  readonly thresholdMs?: number;
  /** In place of what the times say. */
  readonly slow?: number;
  /** Nothing is known of its times. */
  readonly unknown?: boolean;
}

/** Times that are exponential, with a tail of longer ones. */
export function madeEstimate({ failsBefore = 0, failsAfter = 0, typicalMs = 500, tail = 0.02, thresholdMs = 4_000, slow, unknown = false }: Made = {}): Estimate {
  const parts = [{ share: 1 - tail, ms: typicalMs }, { share: tail, ms: 10 * typicalMs }];
  const later = (ms: number): number => parts.reduce((sum, part) => sum + part.share * Math.exp(-Math.max(0, ms) / part.ms), 0);
  const byShare = (share: number): number => {
    let low = 0;
    let high = 1e7;
    for (let i = 0; i < 60; i++) [low, high] = later((low + high) / 2) > 1 - share ? [(low + high) / 2, high] : [low, (low + high) / 2];
    return low;
  };
  return {
    failsBefore,
    failsAfter,
    slow: slow ?? (thresholdMs > 0 ? later(thresholdMs) : 0),
    calls: unknown ? 0 : 1_000,
    meanMs: parts.reduce((sum, { share, ms }) => sum + share * ms, 0),
    medianMs: byShare(0.5),
    later,
    quantile: (share) => (unknown ? null : byShare(share)),
    meanBeyondMs: (ms) => parts.reduce((sum, part) => sum + part.share * part.ms * Math.exp(-ms / part.ms), 0) / later(ms),
  };
}

export function weighedOf(...made: readonly Made[]): Weighed[] {
  return made.map((one, candidate) => ({ candidate, priceNanoUsd: one.priceNanoUsd ?? 1_000_000, estimate: madeEstimate(one) }));
}

/** Small chance from a seed, the same on every run: in [0, 1). */
export function chanceFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
