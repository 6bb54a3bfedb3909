/** Worlds by which the promises about routing are judged: real outages, two clouds, three providers at a frontier, and a tail. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Objective } from "../decide/objective/types.ts";
import { csvRows, numberIn, readText } from "./csv.ts";
import { changing, empirical, lognormal, sometimesSlower, type Latency } from "./latency.ts";
import { FULL_OUTAGES, outagePhases, perfectFailover, readIntervals, type HitShares } from "./outages.ts";
import type { Report } from "./report.ts";
import type { Simulation } from "./run.ts";
import { atRate, recorded, type Arrival, type Size } from "./traffic.ts";
import type { DeploymentSpec, Phase } from "./world.ts";

const DATA = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data");
export const INTERVALS = resolve(DATA, "outages/outage_intervals.csv.gz");
export const DAYS = resolve(DATA, "outages/service_days.csv.gz");
export const SCENARIOS = resolve(DATA, "outages/fault_scenarios.json");
export const CLOUDS = resolve(DATA, "traces/gpt55_azure_vs_openai.csv.gz");
export const CHAT = resolve(DATA, "traces/azure2023_conv.csv.gz");

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** Why a test is skipped, or false. */
export function absent(...files: readonly string[]): string | false {
  return files.every((file) => existsSync(file)) ? false : "the shared data is absent";
}

const rolling = (lengthMs: number): Objective["window"] => ({ kind: "rolling", lengthMs });

/** So much of the requests is answered, in any span of so long. */
export function availability(target: number, lengthMs = DAY_MS): Objective {
  return { name: "availability", kind: "availability", target, window: rolling(lengthMs), within: [], atLeast: null, unit: null };
}

/** So much of the answers begins in time. */
export function firstToken(target: number, withinMs: number, lengthMs = DAY_MS): Objective {
  return { name: "first_token", kind: "first_token", target, window: rolling(lengthMs), within: [{ upToInputTokens: null, withinMs }], atLeast: null, unit: null };
}

/** Prices by their ratio: 1 is 1 USD per million input tokens and 4 per million output tokens. */
export function priced(ratio: number): DeploymentSpec["price"] {
  return { inputNanoUsdPerToken: 1_000 * ratio, outputNanoUsdPerToken: 4_000 * ratio, requestNanoUsd: 0 };
}

const SMALL: readonly Size[] = [{ inputTokens: 1_000, outputTokens: 200 }];

// Real outages

/** Both APIs, from the first day on which both have a status page to the end of what is not held out. */
export const OUTAGES_FROM_MS = Date.parse("2023-07-01T00:00:00Z");
export const OUTAGES_TO_MS = Date.parse("2024-05-01T00:00:00Z");
export const SERVICES = ["openai.api", "anthropic.api"] as const;

export interface OutageWorld {
  readonly simulation: Simulation;
  /** Share of time in which at least one of them was not in an outage. */
  readonly perfect: number;
}

/** Two providers between two instants; `passing`: failures on both besides the incidents. */
export function outageWorld(fromMs: number, toMs: number, options: { readonly hit?: HitShares; readonly passing?: number; readonly perS?: number; readonly seed?: number } = {}): OutageWorld {
  const { hit = FULL_OUTAGES, passing = 0.002, perS = 1, seed = 1 } = options;
  const intervals = readIntervals(readText(INTERVALS));
  const phases = SERVICES.map((service) => outagePhases(intervals, service, fromMs, toMs, hit));
  return outagesOf(phases, toMs - fromMs, passing, perS, seed);
}

/** The same of phases that are given. */
export function outagesOf(phases: readonly (readonly Phase[])[], lengthMs: number, passing: number, perS: number, seed: number): OutageWorld {
  const deployments = SERVICES.map((id, i): DeploymentSpec => ({
    id, price: priced(1), latency: lognormal(700, 0.6), tokensPerS: 60, failsBefore: passing, failsAfter: 0, phases: phases[i] ?? [],
  }));
  const traffic = atRate({ perS, durationMs: lengthMs, gaps: "poisson", sizes: SMALL });
  return {
    simulation: { deployments, traffic, objectives: [availability(0.999), firstToken(0.999, 10_000)], seed },
    perfect: perfectFailover(phases, lengthMs),
  };
}

/** The week of 2023-07 … 2024-04 with the most outage minutes of the first provider. */
export function worstWeek(): { readonly fromMs: number; readonly toMs: number } {
  const intervals = readIntervals(readText(INTERVALS)).filter(({ service }) => SERVICES.some((one) => one === service));
  let worst = { fromMs: OUTAGES_FROM_MS, downMs: -1 };
  for (let fromMs = OUTAGES_FROM_MS; fromMs + 7 * DAY_MS <= OUTAGES_TO_MS; fromMs += DAY_MS) {
    const toMs = fromMs + 7 * DAY_MS;
    const downMs = intervals.reduce((sum, one) => sum + Math.max(0, Math.min(toMs, one.toMs) - Math.max(fromMs, one.fromMs)), 0);
    if (downMs > worst.downMs) worst = { fromMs, downMs };
  }
  return { fromMs: worst.fromMs, toMs: worst.fromMs + 7 * DAY_MS };
}

// Two clouds

interface Batch {
  readonly atMs: number;
  readonly slow: readonly number[];
  readonly fast: readonly number[];
}

/** The recorded batches, in ms from the first, with their times to first token in ms. */
export function cloudBatches(): readonly Batch[] {
  const rows = csvRows(readText(CLOUDS));
  const firstMs = Date.parse(rows[0]?.["batch_time"] ?? "");
  const batches = new Map<number, { slow: number[]; fast: number[] }>();
  for (const row of rows) {
    const atMs = Date.parse(row["batch_time"] ?? "") - firstMs;
    const batch = batches.get(atMs) ?? { slow: [], fast: [] };
    batches.set(atMs, batch);
    batch[row["provider"] === "Azure" ? "slow" : "fast"].push(numberIn(row, "ttft_s") * 1_000);
  }
  return [...batches].map(([atMs, { slow, fast }]) => ({ atMs, slow, fast }));
}

export interface CloudOptions {
  /** null: as it was recorded, a burst of requests at each batch. */
  readonly perS: number | null;
  readonly seed: number;
  /** Which batch is the first; the trace runs on from its beginning after its end. */
  readonly startBatch?: number;
  readonly requests?: number;
  /** The clouds change places half way. */
  readonly swap?: boolean;
}

/** The slow cloud first and cheaper by 30 %; 99 % of answers shall begin within 10 s. */
export function twoClouds({ perS, seed, startBatch = 0, requests, swap = false }: CloudOptions): Simulation {
  const all = cloudBatches();
  const ordered = [...all.slice(startBatch), ...all.slice(0, startBatch)];
  const GAP_MS = 300_000;
  const originMs = ordered[0]?.atMs ?? 0;
  const spanMs = (all.at(-1)?.atMs ?? 0) + GAP_MS;
  const batches = ordered.map((batch) => ({ ...batch, atMs: (batch.atMs - originMs + spanMs) % spanMs }));
  const arrivals = batches.flatMap(({ atMs, slow }) => slow.map((): Arrival => ({ atMs, inputTokens: 30, outputTokens: 430 })));
  const kept = requests === undefined ? arrivals : arrivals.slice(0, requests);
  const durationMs = perS === null ? (kept.at(-1)?.atMs ?? 0) : requests === undefined ? spanMs : (requests / perS) * 1_000;
  const swapMs = swap ? (perS === null ? (kept[Math.floor(kept.length / 2)]?.atMs ?? 0) : durationMs / 2) : Number.POSITIVE_INFINITY;
  const steps = (first: "slow" | "fast"): Latency =>
    changing([
      ...batches.map(({ atMs, [first]: times }) => ({ fromMs: atMs, latency: empirical(times) })).filter(({ fromMs }) => fromMs < swapMs),
      ...(swap ? [{ fromMs: swapMs, latency: empirical((batches.findLast(({ atMs }) => atMs <= swapMs) as Batch)[first === "slow" ? "fast" : "slow"]) }] : []),
      ...batches.map(({ atMs, [first === "slow" ? "fast" : "slow"]: times }) => ({ fromMs: atMs, latency: empirical(times) })).filter(({ fromMs }) => fromMs >= swapMs),
    ]);
  const deployment = (id: string, ratio: number, latency: Latency, tokensPerS: number): DeploymentSpec => ({ id, price: priced(ratio), latency, tokensPerS, failsBefore: 0, failsAfter: 0 });
  return {
    deployments: [deployment("slow-cloud", 0.7, steps("slow"), 21), deployment("fast-cloud", 1, steps("fast"), 73)],
    traffic: perS === null ? recorded(kept, durationMs) : atRate({ perS, durationMs, gaps: "poisson", sizes: [{ inputTokens: 30, outputTokens: 430 }] }),
    objectives: [availability(0.999), firstToken(0.99, 10_000)],
    seed,
  };
}

// Three providers

/** Sizes of a real chat service. */
export function chatSizes(): readonly Size[] {
  return csvRows(readText(CHAT)).map((row) => ({ inputTokens: numberIn(row, "input_tokens"), outputTokens: Math.max(1, numberIn(row, "output_tokens")) }));
}

/** Their prices are 1 : 1.5 : 3; the dearer, the more reliable and the faster. */
export type ThreeKind = "steady" | "drifting" | "outages";

/** 99.9 % shall be answered, 98 % within 4 s. */
export function threeProviders(kind: ThreeKind, seed: number, hours = 96, perS = 5): Simulation {
  const lengthMs = hours * HOUR_MS;
  const good: Phase = { fromMs: 0, toMs: 0, failsBefore: 0.002, failsAfter: 0.0004, latency: lognormal(800, 0.68) };
  const every = (hour: number): Phase[] => (hour >= hours ? [] : [{ ...good, fromMs: hour * HOUR_MS, toMs: (hour + 1) * HOUR_MS }, ...every(hour + 2)]);
  // Within every 96 hours; a shorter run meets them all the same, shorter.
  const at = (from: number, to: number, faults: Phase["faults"], incident: string): Phase => ({ fromMs: (from / 96) * lengthMs, toMs: (to / 96) * lengthMs, faults: faults ?? [], incident });
  const trouble: readonly (readonly Phase[])[] = [
    [
      at(10, 11.7, [{ kind: "refuse", p: 0.1, status: 503 }, { kind: "stall", p: 0.4 }], "first, stalls"),
      at(55, 56.7, [{ kind: "refuse", p: 0.1, status: 503 }, { kind: "stall", p: 0.4 }], "first, stalls again"),
    ],
    [
      at(30, 32, [{ kind: "refuse", p: 0.78, status: 503 }, { kind: "stall", p: 0.2 }, { kind: "break", p: 0.02 }], "second, down"),
      at(70, 72.5, [{ kind: "refuse", p: 0.2, status: 500 }, { kind: "break", p: 0.025 }], "second, breaks off"),
    ],
    [],
  ];
  const phases = kind === "drifting" ? [every(0), [], []] : kind === "outages" ? trouble : [[], [], []];
  const deployment = (i: number, ratio: number, medianMs: number, sigma: number, failsBefore: number, failsAfter: number): DeploymentSpec => ({
    id: ["cheap", "middle", "dear"][i] ?? "", price: priced(ratio), latency: lognormal(medianMs, sigma), tokensPerS: 60, failsBefore, failsAfter, phases: phases[i] ?? [],
  });
  return {
    deployments: [deployment(0, 1, 900, 0.965, 0.01, 0.003), deployment(1, 1.5, 800, 0.751, 0.003, 0.0008), deployment(2, 3, 600, 0.659, 0.001, 0.0001)],
    traffic: atRate({ perS, durationMs: lengthMs, gaps: "poisson", sizes: existsSync(CHAT) ? chatSizes() : SMALL }),
    objectives: [availability(0.999), firstToken(0.98, 4_000)],
    seed,
  };
}

// A tail

/** Two alike, of which a share of calls takes so many times as long. */
export function tail(share: number, factor: number, seed: number, hours = 4): Simulation {
  const latency = sometimesSlower(lognormal(800, 0.4), share, factor);
  const deployment = (id: string): DeploymentSpec => ({ id, price: priced(1), latency, tokensPerS: 60, failsBefore: 0, failsAfter: 0 });
  return {
    deployments: [deployment("one"), deployment("two")],
    traffic: atRate({ perS: 5, durationMs: hours * HOUR_MS, gaps: "poisson", sizes: SMALL }),
    objectives: [availability(0.999), firstToken(0.99, 4_000)],
    seed,
  };
}

/** One line for people. */
export function line(report: Report): string {
  const share = (value: number, digits = 3): string => (100 * value).toFixed(digits);
  const objectives = report.objectives.map(({ attainment, met }) => `${share(attainment)}${met ? "✓" : "✗"}`).join(" ");
  const { p50, p99 } = report.firstTokenMs;
  return `${report.policy.padEnd(20)} ${objectives} reached ${share(report.reached, 4)} cost ${report.costPerThousandUsd.toFixed(3)}/k extra ${share(report.extraShare, 2)} % (worst hour ${share(report.worstHourExtraShare, 1)} %) ttft p50 ${(p50 / 1_000).toFixed(2)} p99 ${(p99 / 1_000).toFixed(2)} s`;
}

export interface Interval {
  readonly mean: number;
  /** Half the width of the 95 % interval of the mean, by Student's t. */
  readonly half: number;
  text(digits: number): string;
}

/** Student's t at 97.5 %, by degrees of freedom from 1 on. */
const STUDENT = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26];

/** Of values of independent runs, at most ten. */
export function intervalOf(values: readonly number[]): Interval {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, count - 1);
  const half = (STUDENT[count - 2] ?? Number.NaN) * Math.sqrt(variance / count);
  return { mean, half, text: (digits) => `${mean.toFixed(digits)} ± ${half.toFixed(digits)}` };
}
