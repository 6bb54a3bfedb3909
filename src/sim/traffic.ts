/** Arrivals and sizes: what clients ask, and when. Seeded, so the same traffic meets every policy. */
import { Chance } from "./random.ts";

export interface Arrival {
  readonly atMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The conversation that it belongs to; absent: none is named. */
  readonly session?: number;
}

/** Arrivals in the order of their times; the same ones for the same seed. */
export interface Traffic {
  readonly durationMs: number;
  readonly meanOutputTokens: number;
  arrivals(seed: number): Iterator<Arrival>;
}

export interface Size {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface RateTraffic {
  readonly perS: number;
  readonly durationMs: number;
  /** `constant`: as regular as a clock; `poisson`: independent of one another. */
  readonly gaps: "constant" | "poisson";
  /** Each as likely as the other. */
  readonly sizes: readonly Size[];
  /** Requests belong to so many conversations, at random; absent: to none. */
  readonly sessions?: number;
}

/** Traffic at a rate. */
export function atRate({ perS, durationMs, gaps, sizes, sessions }: RateTraffic): Traffic {
  if (!(perS > 0) || sizes.length === 0) throw new Error("traffic needs a rate above 0 and at least one size");
  const gapMs = 1_000 / perS;
  return {
    durationMs,
    meanOutputTokens: meanOutput(sizes),
    *arrivals(seed) {
      const chance = new Chance(seed, "arrivals");
      const ofSize = new Chance(seed, "sizes");
      const ofSession = new Chance(seed, "sessions");
      for (let atMs = 0; ; ) {
        atMs += gaps === "constant" ? gapMs : chance.exponential(gapMs);
        if (atMs >= durationMs) return;
        const size = sizes[sizes.length === 1 ? 0 : Math.floor(ofSize.next() * sizes.length)] as Size;
        const { inputTokens, outputTokens } = size;
        yield sessions === undefined ? { atMs, inputTokens, outputTokens } : { atMs, inputTokens, outputTokens, session: Math.floor(ofSession.next() * sessions) };
      }
    },
  };
}

/** Traffic as it was recorded: times from the first arrival on, ascending. */
export function recorded(arrivals: readonly Arrival[], durationMs = arrivals.at(-1)?.atMs ?? 0): Traffic {
  return { durationMs, meanOutputTokens: meanOutput(arrivals), arrivals: () => arrivals.values() };
}

function meanOutput(sizes: readonly Size[]): number {
  return sizes.reduce((sum, { outputTokens }) => sum + outputTokens, 0) / Math.max(1, sizes.length);
}
