/**
 * Outages of hours, played in half a minute. Two scales, each for the fleet and the gateway alike:
 * what is waited for within a call (stalls, first tokens, soft timeouts, objectives, the first rest) is CLOCKS times as fast;
 * the timetable is squeezed until it fits, and with it the longest rest, so that an outage sees about as many probes as it did.
 */
import type { Scenario } from "../../src/fleet/index.ts";

/** How much faster clocks run within a call. */
export const CLOCKS = 2;

/** A phase or a gap is at least this long, however short it was beside the others. */
const SHORTEST_MS = 4_000;
const REST_MS = 5_000;
const REST_MAX_MS = 300_000;

export interface Timetable {
  /** To be played with `timeScale: CLOCKS`. */
  readonly scenario: Scenario;
  readonly lengthMs: number;
  /** Phases as they are played, from the scenario's start. */
  readonly phases: readonly { readonly fromMs: number; readonly toMs: number }[];
  /** For the gateway's configuration. */
  readonly health: { readonly rest: string; readonly rest_max: string };
}

/** The scenario in about `wantedMs` of real time. */
export function squeezed(scenario: Scenario, wantedMs: number): Timetable {
  const edges = [...new Set([0, ...scenario.phases.flatMap((phase) => [phase.from_s, phase.to_s])])].toSorted((a, b) => a - b);
  const lastS = edges.at(-1) as number;
  const factor = Math.max(1, (lastS * 1_000) / wantedMs);
  const at = new Map<number, number>([[0, 0]]);
  for (let i = 1; i < edges.length; i += 1) {
    const spanMs = ((edges[i] as number) - (edges[i - 1] as number)) * 1_000;
    at.set(edges[i] as number, (at.get(edges[i - 1] as number) as number) + Math.max(Math.min(SHORTEST_MS, spanMs), spanMs / factor));
  }
  const ms = (second: number): number => at.get(second) as number;
  const phases = scenario.phases.map((phase) => ({ ...phase, from_s: (ms(phase.from_s) * CLOCKS) / 1_000, to_s: (ms(phase.to_s) * CLOCKS) / 1_000 }));
  const restMs = REST_MS / CLOCKS;
  return {
    scenario: { ...scenario, phases },
    lengthMs: ms(lastS),
    phases: scenario.phases.map((phase) => ({ fromMs: ms(phase.from_s), toMs: ms(phase.to_s) })),
    health: { rest: `${restMs}ms`, rest_max: `${Math.round(Math.max(restMs, REST_MAX_MS / factor))}ms` },
  };
}
