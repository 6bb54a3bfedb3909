/** When calls come and how long they are: laws fitted to real traffic, drawn from a seeded generator. */
import { type Distribution, draw } from "./distribution.ts";
import { exponential, normal, type Random } from "./random.ts";

export interface TrafficLaw {
  readonly ratePerS: number;
  /** Coefficient of variation of the gaps between arrivals; 1 is a Poisson process. */
  readonly gapCv: number;
  /** Tokens. */
  readonly input: Distribution;
  readonly output: Distribution;
}

/**
 * A chat service in its busy hour: 15,460 calls of the public trace `AzureLLMInferenceTrace_conv` of 2023-11-16
 * (Azure/AzurePublicDataset, CC BY 4.0; ISCA 2024, "Splitwise"). 5.89 calls a second, gaps with CV 1.08, input tokens
 * p50 1,014 and p99 4,127, output tokens p50 115 and p99 599; lognormals through those two points.
 */
export const CHAT_2023: TrafficLaw = {
  ratePerS: 5.89,
  gapCv: 1.08,
  input: { lognormal: { median: 1014, p99: 4127 } },
  output: { lognormal: { median: 115, p99: 599 } },
};

/** A code-completion service of the same source: 7,717 calls, 3.00 a second in bursts (CV 12.6), answers short. */
export const CODE_2023: TrafficLaw = {
  ratePerS: 3,
  gapCv: 12.6,
  input: { lognormal: { median: 1463, p99: 7436 } },
  output: { lognormal: { median: 13, p99: 249 } },
};

export interface Arrival {
  /** Milliseconds since the beginning. */
  readonly atMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Arrival times (ms) of a Poisson process, without end. */
export function* poissonArrivals(ratePerS: number, random: Random): Generator<number> {
  let atMs = 0;
  for (;;) {
    atMs += exponential(random, 1000 / ratePerS);
    yield atMs;
  }
}

/** Arrivals of a law, without end; `ratePerS` replaces the law's own rate. Gaps are Gamma with the law's CV. */
export function* arrivals(law: TrafficLaw, random: Random, ratePerS = law.ratePerS): Generator<Arrival> {
  const shape = 1 / law.gapCv ** 2;
  const scaleMs = 1000 / ratePerS / shape;
  let atMs = 0;
  for (;;) {
    atMs += gamma(shape, random) * scaleMs;
    yield { atMs, inputTokens: atLeastOne(draw(law.input, random)), outputTokens: atLeastOne(draw(law.output, random)) };
  }
}

/** A Gamma draw of scale 1 (Marsaglia and Tsang, 2000; shapes below 1 by their boost). */
export function gamma(shape: number, random: Random): number {
  if (shape < 1) return gamma(shape + 1, random) * random.next() ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

function atLeastOne(tokens: number): number {
  return Math.max(1, Math.round(tokens));
}
