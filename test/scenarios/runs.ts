/** A table of outages as tests: all are played at once, each against a gateway of its own, then judged one by one. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { Scenario } from "../../src/fleet/index.ts";
import * as judge from "./judge.ts";
import { play, type Evidence, type Plan, type Strategy } from "./play.ts";

export interface Case {
  readonly scenario: () => Scenario;
  readonly name: string;
  readonly promise: string;
  readonly plan: Omit<Plan, "scenario" | "strategy">;
  readonly holds: (evidence: Evidence) => void;
}

/** Answers of outages before content: their length does not matter. */
export const SHORT = { words: 12, wordsPerSecond: 40 };
/** Of two seconds, so that a score of streams is under way at any time. */
export const LONG = { words: 45, wordsPerSecond: 22.5 };

/** Fewer requests than these show nothing. */
const ENOUGH = 200;

/** Plays the cases, each on a route of its strategy; `skip` says why not. */
export function describeRuns(title: string, cases: readonly (readonly [Case, Strategy])[], skip: string | false = false): void {
  describe(title, { skip }, () => {
    let runs: readonly PromiseSettledResult<Evidence>[] = [];
    before(async () => {
      runs = await Promise.allSettled(cases.map(([{ plan, scenario }, strategy]) => play({ ...plan, scenario: scenario(), strategy })));
    });
    for (const [i, [{ name, promise, holds }, strategy]] of cases.entries()) {
      it(`${name} (${strategy}): ${promise}`, (t) => {
        const run = runs[i];
        assert.ok(run);
        if (run.status === "rejected") throw run.reason;
        judge.report(t, run.value);
        assert.ok(run.value.seen.length >= ENOUGH);
        judge.wasHit(run.value);
        holds(run.value);
        judge.recordsAgree(run.value);
      });
    }
  });
}
