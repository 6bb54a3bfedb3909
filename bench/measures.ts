/** The measures. Each makes one cell: one variant under one load, once. All numbers are taken from the whole process. */
import type { ClientResult, LoadMaker, LoadSettings, Provider } from "./load.ts";
import { cpuMs, residentBytes, sleep } from "./processes.ts";
import type { Running } from "./variants.ts";

export const MEASURES = ["json", "stream", "latency", "memory"] as const;
export type Measure = (typeof MEASURES)[number];

/** Values by name (units in the names), or why there are none. */
export type Cell = { readonly kind: "values"; readonly values: Readonly<Record<string, number>> } | { readonly kind: "failed"; readonly reason: string };

export interface Bench {
  readonly provider: Provider;
  readonly loads: LoadMaker;
  /** Length of the window of one cell. */
  readonly windowMs: number;
  readonly latencySeconds: number;
  /** Told how many requests each run made. */
  readonly made: (running: Running, requests: number) => void;
}

export const JSON_CONNECTIONS = 32;
export const STREAMS = 200;
export const MANY_STREAMS = 2_000;
export const EVENTS_PER_SECOND = 10_000;
export const EVENTS_PER_STREAM = 100;
export const ARRIVALS_PER_SECOND = 266;
export const PROVIDER_MEAN_MS = 60;
/** Of the logarithm: most answers take between 40 and 90 ms. */
const PROVIDER_SIGMA = 0.25;
/** At full load before each window opens: what is measured is what serves, and not what it is like after minutes in which others had their turn. */
const WARM_AGAIN_MS = 3_000;

type Shape = Omit<LoadSettings, "port" | "headers">;

/** Closed loop on a provider that answers at once: CPU per request. */
export async function measureJson(bench: Bench, running: Running, round: number): Promise<Cell> {
  await bench.provider.setDelay(0, 0, round);
  const shape: Shape = { mode: "closed", stream: false, connections: JSON_CONNECTIONS, seed: round };
  return await underLoad(bench, running, shape, async () => {
    const before = await sample(bench, running);
    await sleep(bench.windowMs);
    const after = await sample(bench, running);
    const answers = after.stats.answers - before.stats.answers;
    return { cpuUs: (1_000 * (after.cpuMs - before.cpuMs)) / answers, perSecond: (1_000 * answers) / (after.atMs - before.atMs) };
  });
}

/** Paced streams, below saturation: CPU per content event. */
export async function measureStream(bench: Bench, running: Running, round: number): Promise<Cell> {
  const intervalMs = (1_000 * STREAMS) / EVENTS_PER_SECOND;
  await bench.provider.setStream(EVENTS_PER_STREAM, intervalMs);
  const shape: Shape = { mode: "stream", stream: true, connections: STREAMS, events: EVENTS_PER_STREAM, rampMs: EVENTS_PER_STREAM * intervalMs, seed: round };
  return await underLoad(bench, running, shape, async () => {
    const before = await sample(bench, running);
    await sleep(bench.windowMs);
    const after = await sample(bench, running);
    const events = after.stats.events - before.stats.events;
    const busyMs = after.cpuMs - before.cpuMs;
    const lengthMs = after.atMs - before.atMs;
    return { cpuUs: (1_000 * busyMs) / events, perSecond: (1_000 * events) / lengthMs, busy: busyMs / lengthMs };
  });
}

/**
 * Poisson arrivals on a provider that takes its time, the same arrivals and the same times for each variant of a round.
 * Each answer tells for how long the provider held it; what it took beyond that, from the moment at which its request was
 * due, was added by the way.
 */
export async function measureLatency(bench: Bench, running: Running, round: number): Promise<Cell> {
  const cold = await warm(bench, running, "latency", 0);
  if (cold !== null) return { kind: "failed", reason: cold };
  await bench.provider.setDelay(PROVIDER_MEAN_MS, PROVIDER_SIGMA, round);
  const load = bench.loads.start({
    mode: "poisson",
    stream: false,
    port: running.jsonPort,
    headers: running.headers,
    connections: 64,
    rate: ARRIVALS_PER_SECOND,
    seconds: bench.latencySeconds,
    seed: round,
  });
  await load.steady();
  const before = await sample(bench, running);
  const result = await load.result();
  const after = await sample(bench, running);
  bench.made(running, result.done + result.failed);
  const { addedUs, latencyUs } = result;
  if (result.failed > 0 || addedUs === undefined || latencyUs === undefined) return failed(result);
  const values = {
    p50Us: addedUs.p50,
    p90Us: addedUs.p90,
    p99Us: addedUs.p99,
    p999Us: addedUs.p999,
    maxUs: addedUs.max,
    wholeP50Us: latencyUs.p50,
    wholeP99Us: latencyUs.p99,
    cpuUs: (1_000 * (after.cpuMs - before.cpuMs)) / result.done,
  };
  return { kind: "values", values };
}

/** Memory of a process with few and with many streams, the same events and requests a second in both. Wants a fresh process. */
export async function measureMemory(bench: Bench, running: Running, round: number): Promise<Cell> {
  const few = await residentWith(bench, running, STREAMS, round);
  if (few.kind === "failed") return few;
  const many = await residentWith(bench, running, MANY_STREAMS, round);
  if (many.kind === "failed") return many;
  const [fewBytes, manyBytes] = [few.values["residentBytes"] ?? Number.NaN, many.values["residentBytes"] ?? Number.NaN];
  return { kind: "values", values: { kibPerStream: (manyBytes - fewBytes) / (MANY_STREAMS - STREAMS) / 1_024, fewMib: fewBytes / 2 ** 20, manyMib: manyBytes / 2 ** 20, cpuUs: many.values["cpuUs"] ?? Number.NaN } };
}

async function residentWith(bench: Bench, running: Running, streams: number, round: number): Promise<Cell> {
  const events = EVENTS_PER_STREAM / 4;
  const intervalMs = (1_000 * streams) / EVENTS_PER_SECOND;
  await bench.provider.setStream(events, intervalMs);
  const shape: Shape = { mode: "stream", stream: true, connections: streams, events, rampMs: 5_000, seed: round };
  return await underLoad(bench, running, shape, async () => {
    const readings: number[] = [];
    const before = await sample(bench, running);
    for (const end = performance.now() + bench.windowMs; performance.now() < end; await sleep(200)) readings.push(residentBytes(running.pid));
    const after = await sample(bench, running);
    return {
      residentBytes: readings.reduce((sum, one) => sum + one, 0) / readings.length,
      cpuUs: (1_000 * (after.cpuMs - before.cpuMs)) / (after.stats.events - before.stats.events),
    };
  });
}

/** Full load for a while, so that what can be compiled is compiled. Returns null, or why the variant cannot do this. */
export async function warm(bench: Bench, running: Running, measure: Measure, forMs: number): Promise<string | null> {
  const stream = measure === "stream" || measure === "memory";
  await bench.provider.setDelay(0, 0, 1);
  await bench.provider.setStream(EVENTS_PER_STREAM, (1_000 * STREAMS) / EVENTS_PER_SECOND);
  const shape: Shape = { mode: stream ? "stream" : "closed", stream, connections: stream ? STREAMS : JSON_CONNECTIONS, events: EVENTS_PER_STREAM, seed: 1 };
  const cell = await underLoad(bench, running, shape, async () => {
    await sleep(forMs);
    return {};
  });
  return cell.kind === "failed" ? cell.reason : null;
}

/** Run the client, measure at full load, let it read everything to its end. */
async function underLoad(bench: Bench, running: Running, shape: Shape, window: () => Promise<Record<string, number>>): Promise<Cell> {
  const load = bench.loads.start({ ...shape, port: shape.stream ? running.streamPort : running.jsonPort, headers: running.headers });
  await load.steady();
  await sleep(WARM_AGAIN_MS);
  const values = await window();
  load.stop();
  const result = await load.result();
  bench.made(running, result.done + result.failed);
  return result.failed > 0 || result.done === 0 ? failed(result) : { kind: "values", values };
}

function failed(result: ClientResult): Cell {
  const all = result.done + result.failed;
  return { kind: "failed", reason: all === 0 ? "no answer at all" : `${result.failed} of ${all} answers were wrong: ${result.firstFailure}` };
}

async function sample(bench: Bench, running: Running) {
  const stats = await bench.provider.stats();
  return { stats, cpuMs: cpuMs(running.pid), atMs: performance.now() };
}
