/** The reserved pool on recorded arrivals, against a small model of one: work is done in the order in which it came, at a fixed rate. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { ReservedPool, type PoolCall } from "./pool.ts";

const folder = resolve(process.env["SPILLWAY_SHARED"] ?? resolve(import.meta.dirname, "../../../../shared"), "data/traces");
const files = { code: resolve(folder, "azure2023_code.csv.gz"), chat: resolve(folder, "azure2023_conv.csv.gz") };
const skip = Object.values(files).every((file) => existsSync(file)) ? false : "the recorded traffic is not there: set SPILLWAY_SHARED";

interface Arrival {
  readonly atMs: number;
  readonly input: number;
  readonly output: number;
}

/** Capacity for output is dearer than for input. */
const OUTPUT_WEIGHT = 4;
const BASE_MS = 300;
const THRESHOLD_MS = 10_000;

function arrivals(file: string): Arrival[] {
  const rows = gunzipSync(readFileSync(file)).toString("utf8").trim().split("\n").slice(1);
  return rows.map((row) => {
    const [atMs = 0, input = 0, output = 0] = row.split(",").map(Number);
    return { atMs, input, output };
  });
}

function workOf({ input, output }: Arrival): number {
  return input + OUTPUT_WEIGHT * output;
}

/** Mean demand over the whole trace, work per second. */
function demandPerS(trace: readonly Arrival[]): number {
  return trace.reduce((sum, one) => sum + workOf(one), 0) / ((trace.at(-1) as Arrival).atMs / 1_000);
}

/** Small chance from a seed, the same on every run. */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Filled {
  /** Of all the work that arrived. */
  readonly share: number;
  readonly taken: number;
  readonly late: number;
}

interface Setting {
  readonly truePerS: number;
  readonly statedPerS: number;
  readonly thresholdMs: number;
  /** Whether the length of an answer is known beforehand; else the mean of those before it is expected. */
  readonly lengthsKnown: boolean;
}

/** The rule: it is told what is stated, and sees when first content comes and what an answer took. */
function byRule(trace: readonly Arrival[], { truePerS, statedPerS, thresholdMs, lengthsKnown }: Setting): Filled {
  const pool = new ReservedPool({ workPerS: statedPerS, baseMs: BASE_MS });
  const random = chance(7);
  const inside: { readonly contentMs: number; readonly call: PoolCall; readonly arrival: Arrival }[] = [];
  let doneMs = 0;
  let meanOutput = 0;
  let ended = 0;
  let all = 0;
  let served = 0;
  let taken = 0;
  let late = 0;
  for (const one of trace) {
    inside.sort((a, b) => a.contentMs - b.contentMs);
    while (inside[0] !== undefined && inside[0].contentMs <= one.atMs) {
      const { contentMs, call, arrival } = inside.shift() as (typeof inside)[number];
      pool.firstContent(call, contentMs);
      pool.left(call, workOf(arrival));
      meanOutput += (arrival.output - meanOutput) / Math.min(++ended, 100);
    }
    const work = workOf(one);
    all += work;
    const expected = lengthsKnown ? work : one.input + OUTPUT_WEIGHT * meanOutput;
    if (!pool.admits(expected, thresholdMs, one.atMs)) continue;
    doneMs = Math.max(doneMs, one.atMs) + (1_000 * work) / truePerS;
    const contentMs = doneMs + BASE_MS * (0.5 + random());
    inside.push({ contentMs, call: pool.entered(expected, one.atMs), arrival: one });
    served += work;
    taken += 1;
    if (contentMs - one.atMs > thresholdMs) late += 1;
  }
  return { share: served / all, taken, late: late / taken };
}

/** An oracle: it knows the capacity, each answer's length and what is before it, and takes what will be in time to the last millisecond. */
function byOracle(trace: readonly Arrival[], perS: number, thresholdMs: number): number {
  let doneMs = 0;
  let all = 0;
  let served = 0;
  for (const one of trace) {
    const work = workOf(one);
    all += work;
    const wouldBe = Math.max(doneMs, one.atMs) + (1_000 * work) / perS;
    if (wouldBe + BASE_MS - one.atMs > thresholdMs) continue;
    doneMs = wouldBe;
    served += work;
  }
  return served / all;
}

/** No rule can fill more: it takes any part of a request, as much as will be in time. */
function byFluid(trace: readonly Arrival[], perS: number, thresholdMs: number): number {
  const most = ((thresholdMs - BASE_MS) * perS) / 1_000;
  let before = 0;
  let lastMs = 0;
  let all = 0;
  let served = 0;
  for (const one of trace) {
    before = Math.max(0, before - ((one.atMs - lastMs) * perS) / 1_000);
    lastMs = one.atMs;
    const work = workOf(one);
    const part = Math.min(work, most - before);
    before += part;
    all += work;
    served += part;
  }
  return served / all;
}

/** Held against the oracle: `over`: stated capacity as a multiple of the true one. */
function judged(file: string, size: number, over: number, lengthsKnown: boolean): Filled & { readonly ofOracle: number; readonly ofFluid: number; readonly ofPool: number } {
  const trace = arrivals(file);
  const truePerS = size * demandPerS(trace);
  const filled = byRule(trace, { truePerS, statedPerS: over * truePerS, thresholdMs: THRESHOLD_MS, lengthsKnown });
  const part = { ofOracle: filled.share / byOracle(trace, truePerS, THRESHOLD_MS), ofFluid: filled.share / byFluid(trace, truePerS, THRESHOLD_MS), ofPool: filled.share / Math.min(1, size) };
  return { ...filled, ...part };
}

for (const size of [0.5, 1, 2]) {
  test(`of bursty traffic a pool of ${size} times the mean demand takes at least nine tenths of what an oracle would, at most 0.1 % of it late`, { skip }, (t) => {
    const { ofOracle, ofFluid, late, taken } = judged(files.code, size, 1, true);
    t.diagnostic(`${ofOracle.toFixed(3)} of the oracle, ${ofFluid.toFixed(3)} of what is possible, ${(100 * late).toFixed(3)} % of ${taken} late`);
    assert.ok(ofOracle >= 0.9 && ofFluid >= 0.9, `${ofOracle} of the oracle, ${ofFluid} of what is possible`);
    assert.ok(late <= 0.001, `${late} late`);
  });

  test(`whose capacity is stated 30 % too high, it still has at most 1 % late (${size} times the mean demand)`, { skip }, (t) => {
    for (const file of Object.values(files)) {
      for (const lengthsKnown of [true, false]) {
        const { ofOracle, late } = judged(file, size, 1.3, lengthsKnown);
        t.diagnostic(`${ofOracle.toFixed(3)} of the oracle, ${(100 * late).toFixed(3)} % late`);
        assert.ok(ofOracle >= 0.9 && late <= 0.01, `${ofOracle} of the oracle, ${late} late`);
      }
    }
  });

  test(`where lengths of answers are a surprise, it takes as much, at most 0.5 % of it late (${size} times the mean demand)`, { skip }, (t) => {
    for (const file of Object.values(files)) {
      const { ofOracle, late } = judged(file, size, 1, false);
      t.diagnostic(`${ofOracle.toFixed(3)} of the oracle, ${(100 * late).toFixed(3)} % late`);
      assert.ok(ofOracle >= 0.9 && late <= 0.005, `${ofOracle} of the oracle, ${late} late`);
    }
  });
}

test("of steady traffic a pool of half the mean demand is filled to at least 95 %", { skip }, (t) => {
  const { ofPool, late } = judged(files.chat, 0.5, 1, true);
  t.diagnostic(`${ofPool.toFixed(3)} filled, ${(100 * late).toFixed(3)} % late`);
  assert.ok(ofPool >= 0.95 && late <= 0.001, `${ofPool} filled, ${late} late`);
});
