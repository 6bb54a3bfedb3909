/** What was fitted from a data folder, as a world's file: the same text that an owner may save, read and change. */
import { Document, isScalar, visit } from "yaml";
import type { FittedDeployment, FittedFailure, FittedIncident } from "./ledger-fit.ts";
import type { ArrivalSample } from "./ledger-samples.ts";
import { bucketsOf } from "./survival.ts";
import { recorded, type Arrival, type Traffic } from "./traffic.ts";

/** Of an answer that came whole: its tokens take no time of their own. */
const AT_ONCE = 1_000_000;

/** The file's text; what cannot be fitted is left out of it. `fromMs`: the instant of virtual time 0. */
export function worldText(deployments: readonly FittedDeployment[], fromMs: number): string {
  const entries = deployments.flatMap((one) => (one.lacks === null && one.firstToken !== null ? [[one.id, deploymentOf(one, one.firstToken, fromMs)] as const] : []));
  const document = new Document({ deployments: Object.fromEntries(entries) });
  // A bucket is a line.
  visit(document, { Seq: (_key, node) => void (node.flow = node.items.every(isScalar)) });
  return document.toString({ lineWidth: 160 });
}

function deploymentOf({ rate, whole, failures, stalls, breaks, incidents }: FittedDeployment, firstToken: NonNullable<FittedDeployment["firstToken"]>, fromMs: number): object {
  const spared = 1 - failures.reduce((sum, { share }) => sum + share, 0) - stalls.share;
  return {
    first_token: { histogram_ms: bucketsOf(firstToken.survival.steps) },
    tokens_per_s: whole || rate === null ? AT_ONCE : { histogram: bucketsOf(rate.survival.steps) },
    ...(failures.length === 0 ? {} : { failures: failures.map(failureOf) }),
    ...(stalls.share > 0 ? { stalls: shown(stalls.share) } : {}),
    ...(breaks.share > 0 ? { fails_after: shown(breaks.share / spared) } : {}),
    ...(incidents.length === 0 ? {} : { phases: incidents.map((one) => phaseOf(one, fromMs)) }),
  };
}

function phaseOf({ fromMs, toMs, cause, failures, stalls, breaks }: FittedIncident, startMs: number): object {
  return {
    from_s: Math.max(0, (fromMs - startMs) / 1_000), to_s: (toMs - startMs) / 1_000, incident: `${cause} ${new Date(fromMs).toISOString().slice(0, 16)}Z`,
    ...(failures.length === 0 ? {} : { failures: failures.map(failureOf) }),
    ...(stalls.share > 0 ? { stall: shown(stalls.share) } : {}),
    ...(breaks.share > 0 ? { break: shown(breaks.share) } : {}),
  };
}

function failureOf({ class: kind, status, share, afterMs }: FittedFailure): object {
  return { share: shown(share), class: kind, ...(status === 0 ? {} : { status }), after_ms: afterMs };
}

/** Rounded down, so that shares never come to more than all. */
function shown(share: number): number {
  return Math.floor(share * 1e8) / 1e8;
}

export interface LedgerTraffic {
  readonly traffic: Traffic;
  /** Requests whose size no usage told: they were given the size of the one before them that has one. */
  readonly guessed: number;
}

/** The requests of a route (null: all) as they came, in ms from `fromMs`; null where none of them tells its size. */
export function trafficOf(samples: readonly ArrivalSample[], route: string | null, fromMs: number): LedgerTraffic | null {
  const ours = samples.filter((one) => route === null || one.route === route).toSorted((a, b) => a.atMs - b.atMs);
  const first = ours.find(({ inputTokens, outputTokens }) => inputTokens !== null && outputTokens !== null);
  if (first === undefined) return null;
  let input = first.inputTokens as number;
  let output = first.outputTokens as number;
  let guessed = 0;
  const arrivals = ours.map(({ atMs, inputTokens, outputTokens }): Arrival => {
    if (inputTokens === null || outputTokens === null) guessed += 1;
    if (inputTokens !== null && outputTokens !== null) [input, output] = [inputTokens, outputTokens];
    return { atMs: atMs - fromMs, inputTokens: inputTokens ?? input, outputTokens: outputTokens ?? output };
  });
  return { traffic: recorded(arrivals), guessed };
}
