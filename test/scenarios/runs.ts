/**
 * A table of outages as tests: all are played at once, each against a gateway of its own, then judged one by one. Where the machine was too
 * busy for that, they are played again, a few at a time.
 */
import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { before, describe, it } from "node:test";
import type { Scenario } from "../../src/fleet/index.ts";
import * as judge from "./judge.ts";
import { prepare, type Evidence, type Plan, type Stage, type Strategy } from "./play.ts";

export interface Case {
  readonly scenario: () => Scenario;
  readonly name: string;
  readonly promise: string;
  readonly plan: Omit<Plan, "scenario" | "strategy">;
  readonly holds: (evidence: Evidence) => void;
}

/** Answers of outages before content: their length does not matter. */
export const SHORT = { words: 6, wordsPerSecond: 20 };
/** Of two seconds, so that a score of streams is under way at any time. */
export const LONG = { words: 45, wordsPerSecond: 22.5 };

/** Share of the time; a queue that is served almost without a pause grows, and answers wait for seconds. */
const TOO_BUSY = 0.9;
/** Fewer requests than these show nothing. */
const ENOUGH = 200;

/** Plays the cases, each on a route of its strategy; `skip` says why not. */
export function describeRuns(title: string, cases: readonly (readonly [Case, Strategy])[], skip: string | false = false): void {
  describe(title, { skip }, () => {
    let runs: readonly PromiseSettledResult<Evidence>[] = [];
    let busy = 0;
    before(async () => {
      ({ runs, busy } = await playAll(cases, cases.length));
      // The fallback was healthy no more, nor was the gateway: what was seen is the machine.
      if (busy > TOO_BUSY) ({ runs, busy } = await playAll(cases, Math.ceil(cases.length / 3)));
    });
    for (const [i, [{ name, promise, holds }, strategy]] of cases.entries()) {
      it(`${name} (${strategy}): ${promise}`, (t) => {
        const run = runs[i];
        assert.ok(run);
        if (run.status === "rejected") throw run.reason;
        judge.report(t, run.value);
        t.diagnostic(`busy ${Math.round(busy * 100)} % of the time`);
        assert.ok(run.value.seen.length >= ENOUGH);
        judge.wasHit(run.value);
        holds(run.value);
        judge.recordsAgree(run.value);
      });
    }
  });
}

interface Played {
  readonly runs: readonly PromiseSettledResult<Evidence>[];
  /** The largest share of the time for which fleet, gateways and clients had something to do. */
  readonly busy: number;
}

async function playAll(cases: readonly (readonly [Case, Strategy])[], atOnce: number): Promise<Played> {
  const runs: PromiseSettledResult<Evidence>[] = [];
  let busy = 0;
  for (let first = 0; first < cases.length; first += atOnce) {
    const stages: Stage[] = [];
    try {
      for (const [{ plan, scenario }, strategy] of cases.slice(first, first + atOnce)) stages.push(await prepare({ ...plan, scenario: scenario(), strategy }));
      const before = performance.eventLoopUtilization();
      runs.push(...(await Promise.allSettled(stages.map((stage) => stage.run()))));
      busy = Math.max(busy, performance.eventLoopUtilization(before).utilization);
    } finally {
      for (const stage of stages) await stage.close();
    }
  }
  return { runs, busy };
}
