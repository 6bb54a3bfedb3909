/** The outages that are known of large providers, each against a gateway of its own, all at once. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { loadScenario } from "../../src/fleet/index.ts";
import * as judge from "./judge.ts";
import type { Strategy } from "./play.ts";
import { describeRuns, LONG, SHORT, type Case } from "./runs.ts";

const FILE = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data/outages/fault_scenarios.json");

interface Recorded extends Omit<Case, "name" | "scenario"> {
  readonly id: string;
}

const CASES: readonly Recorded[] = [
  {
    id: "openai-2023-11-08-chat-5xx-then-429",
    promise: "dead for hours, then a 429 that is no quota: no client error, left at once, used again afterwards",
    // The pauses after 429s double in real time, up to eight seconds by its end.
    plan: { ...SHORT, playedMs: 20_000, tailMs: 12_000 },
    holds: (evidence) => {
      judge.noError(evidence);
      judge.leftAtOnce(evidence);
      judge.trafficReturned(evidence);
    },
  },
  {
    id: "openai-2024-12-04-530-then-stall",
    promise: "an unusual status, then answers that come half a minute late: no client error, left at once",
    plan: SHORT,
    holds: (evidence) => {
      judge.noError(evidence);
      judge.leftAtOnce(evidence);
    },
  },
  { id: "openai-2024-08-16-two-waves", promise: "two waves of partial failure: no client error", plan: SHORT, holds: judge.noError },
  { id: "gpt55-azure-2026-04-30-slow-not-down", promise: "slow, never down: no client error", plan: { words: 3, wordsPerSecond: 40 }, holds: judge.noError },
  {
    id: "openai-2024-12-26-partial-by-endpoint",
    promise: "pictures fail, chat of the same model does not: no client error, and chat stays where it is",
    plan: { ...SHORT, pictures: true },
    holds: (evidence) => {
      judge.noError(evidence);
      judge.chatStayed(evidence);
    },
  },
  {
    id: "anthropic-529-overloaded-mid-stream",
    promise: "errors before and after content: none of the former reaches a client, of the latter no more than were in flight and five",
    plan: { ...LONG, dialect: "anthropic-messages" },
    holds: judge.fewBroken,
  },
  {
    id: "silent-truncation",
    promise: "streams that end without their end: told as errors, no more than were in flight and five",
    plan: LONG,
    holds: judge.fewBroken,
  },
];

const CARRIED_ON: readonly Recorded[] = CASES.filter(({ plan }) => plan.words === LONG.words).map((one) => ({
  ...one,
  promise: "rescue: continue: no client error, and each answer is the whole text",
  plan: { ...one.plan, carriedOn: true },
  holds: judge.carriedOn,
}));

/** Plays all of them on routes of one strategy. */
export function describeRecorded(strategy: Strategy): void {
  // Who carries on is chosen alike; the machine has enough to do.
  const cases = [...CASES, ...(strategy === "priority" ? CARRIED_ON : [])].map(({ id, ...rest }) => [{ ...rest, name: id, scenario: () => loadScenario(`${FILE}#${id}`) }, strategy] as const);
  describeRuns("recorded outages against a running gateway", cases, existsSync(FILE) ? false : "the shared data is absent");
}
