/** Outages of our own making, so that nothing rests on recorded ones alone, each against a gateway of its own. */
import { resolve } from "node:path";
import { checkScenario, loadScenario, type Scenario } from "../../src/fleet/index.ts";
import * as judge from "./judge.ts";
import { LONG, SHORT, type Case } from "./runs.ts";

const FOLDER = resolve(import.meta.dirname, "../../scenarios");
const ofFile = (name: string): Pick<Case, "name" | "scenario"> => ({ name, scenario: () => loadScenario(resolve(FOLDER, `${name}.yaml`)) });
const ofOurs = (scenario: Scenario): Pick<Case, "name" | "scenario"> => ({ name: scenario.id, scenario: () => scenario });

const PICTURES_FAIL = checkScenario({ id: "pictures-fail", phases: [{ from_s: 0, to_s: 3_600, paths: ["/v1/images"], mix: [{ p: 0.9, status: 500 }, { p: 0.1, ok: true }] }] });
const CAP = checkScenario({ id: "ten-a-minute", phases: [{ from_s: 0, to_s: 600, rate_cap_per_min: 10, over_cap: { status: 429 } }] });
const DEAD = checkScenario({ id: "dead", phases: [{ from_s: 0, to_s: 20, mix: [{ p: 0.6, status: 503 }, { p: 0.2, status: 502 }, { p: 0.2, connect: "reset" }] }] });
const WAVES = checkScenario({ id: "waves", phases: [0, 1, 2, 3].map((at) => ({ from_s: at * 6, to_s: at * 6 + 3, mix: [{ p: 1, status: 503 }] })) });

export const DIES: Case = {
  ...ofFile("dead-primary-2023-11-08"),
  promise: "no client error, left at once",
  plan: SHORT,
  holds: (evidence) => {
    judge.noError(evidence);
    judge.leftAtOnce(evidence);
  },
};
/** The objective's two seconds (four, on the fast clocks) are missed by every answer of the fallback, which is well otherwise. */
export const DIES_BESIDE_A_SLOW_ONE: Case = {
  ...DIES,
  name: "dead-primary-2023-11-08, beside a slow fallback",
  promise: "no client error, left at once, and nobody waits for more than the slow one's answer",
  plan: { ...SHORT, fallbackFirstTokenMs: 3_000 },
  holds: (evidence) => {
    judge.noError(evidence);
    judge.leftAtOnce(evidence);
    judge.notStarved(evidence);
  },
};
/** Its Retry-After is in real seconds; pauses are not what it is about. */
export const FLAPS: Case = { ...ofFile("flapping"), promise: "no client error", plan: SHORT, holds: judge.noError };
/** Waves of a few seconds and health between them, on the clocks as they are. */
export const WAVES_OF_SECONDS: Case = { ...ofOurs(WAVES), promise: "no client error", plan: { ...SHORT, unscaled: true, playedMs: 24_000 }, holds: judge.noError };
export const QUARTER_FAILS: Case = { ...ofFile("partial-quarter"), promise: "no client error", plan: SHORT, holds: judge.noError };
export const IS_SLOW: Case = { ...ofFile("slow-first-token"), promise: "no client error", plan: { words: 3, wordsPerSecond: 40 }, holds: judge.noError };
export const CHAT_STAYS: Case = {
  ...ofOurs(PICTURES_FAIL),
  promise: "pictures fail, chat of the same model stays where it is",
  plan: { ...SHORT, pictures: true },
  holds: (evidence) => {
    judge.noError(evidence);
    judge.chatStayed(evidence);
  },
};
export const BREAKS_OFF: Case = {
  ...ofFile("mid-stream-cuts"),
  promise: "each broken stream ends in the typed error, no more than were in flight and five",
  // Silence after content is waited out; the usual minute would make the run as much longer.
  plan: { ...LONG, route: { idle: "4s" } },
  holds: judge.fewBroken,
};
export const CARRIED_ON: Case = {
  ...BREAKS_OFF,
  name: "mid-stream-cuts, rescue: continue",
  promise: "no client error, and each answer is the whole text",
  plan: { ...BREAKS_OFF.plan, carriedOn: true, untimed: true },
  holds: judge.carriedOn,
};
/** A minute of it: what was taken in its first second is known to be too much after the first refusal. Whole in `scenarios.long.ts`. */
export const CAPPED: Case = {
  ...ofOurs(CAP),
  promise: "no client error, and the pace is learned from the first refusals",
  plan: { ...SHORT, unscaled: true, playedMs: 40_000, tailMs: 0 },
  holds: (evidence) => {
    judge.noError(evidence);
    // What is in flight at the first of them on a busy machine, and the two that show that it is a limit.
    judge.fewRefused(evidence, 7);
  },
};
export const CAPPED_FOR_TEN_MINUTES: Case = {
  ...CAPPED,
  promise: "no client error, and at most a tenth of the calls there is refused",
  plan: { ...SHORT, unscaled: true, playedMs: 600_000, tailMs: 0 },
  holds: (evidence) => {
    judge.noError(evidence);
    judge.tenthRefused(evidence);
  },
};
/** Nobody is left: what is called upstream must not multiply, and afterwards all is well again. */
export const ALL_DOWN: Case = {
  ...ofOurs(DEAD),
  promise: "calls upstream at most 1.2 for each request and 10 a second, typed errors, and soon none after the end",
  plan: { ...SHORT, unscaled: true, playedMs: 20_000, tailMs: 6_000, down: "all" },
  holds: (evidence) => {
    judge.notMultiplied(evidence);
    judge.recovered(evidence);
  },
};
export const DOWN_AT_A_HUNDRED: Case = { ...ALL_DOWN, plan: { ...ALL_DOWN.plan, perSecond: 100 } };
