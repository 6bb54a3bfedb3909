/** What a simulation came to, as plain values in a fixed order: the same run gives the same bytes. */
import type { Objective } from "../decide/objective/types.ts";
import type { Played } from "./run.ts";
import type { Counts, SpanCounts } from "./tally.ts";
import type { PolicyKind } from "./types.ts";

export interface ObjectiveReport {
  readonly name: string;
  readonly kind: Objective["kind"];
  readonly target: number;
  /** Share of the judged requests (of minutes, for throughput) that were good; 1 where none was judged. */
  readonly attainment: number;
  readonly judged: number;
  readonly met: boolean;
  /** Of the windows of a day, the worst. */
  readonly worstDay: number;
}

export interface Report {
  readonly policy: string;
  /** In one line. */
  readonly about: string;
  readonly seed: number;
  readonly requests: number;
  /** Client errors before anything of an answer, and answers that broke off. */
  readonly failed: number;
  readonly broken: number;
  /** Answers that broke off and were carried on to their end. */
  readonly rescued: number;
  /** Share of requests that got an answer, whole or broken; and that got a whole one. */
  readonly reached: number;
  readonly answered: number;
  readonly objectives: readonly ObjectiveReport[];
  readonly firstTokenMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly p999: number; readonly max: number };
  readonly costUsd: number;
  readonly costPerThousandUsd: number;
  readonly calls: number;
  readonly extraCalls: number;
  readonly extraShare: number;
  /** Extra calls that raced another of their request. */
  readonly besideCalls: number;
  /** Extra calls as a share of all calls, in the worst hour of at least 60 calls; of all of them, where they last less than an hour. */
  readonly worstHourExtraShare: number;
  readonly deployments: readonly { readonly id: string; readonly calls: number; readonly served: number; readonly failedBefore: number; readonly failedAfter: number; readonly refused429: number; readonly aborted: number; readonly stalled: number; readonly costUsd: number }[];
  readonly incidents: readonly { readonly label: string; readonly deployment: string; readonly fromMs: number; readonly toMs: number; readonly requests: number; readonly failed: number; readonly broken: number; readonly missed: number; readonly callsThere: number; readonly failuresThere: number; readonly extraCalls: number }[];
  readonly series: { readonly spanMs: number; readonly rows: readonly SeriesRow[] };
}

export interface SeriesRow {
  readonly atMs: number;
  readonly requests: number;
  readonly failed: number;
  readonly broken: number;
  readonly rescued: number;
  readonly missed: readonly number[];
  readonly extra: number;
  readonly costUsd: number;
  readonly served: readonly number[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const MIN_HOUR_CALLS = 60;

/** Sum up what was played. */
export function reportOf({ name: policy, about }: Pick<PolicyKind, "name" | "about">, seed: number, objectives: readonly Objective[], { tally, world }: Played): Report {
  const { all } = tally;
  const per = (count: number): number => (all.requests === 0 ? 0 : count / all.requests);
  return {
    policy, about, seed,
    requests: all.requests, failed: all.failed, broken: all.broken, rescued: all.rescued,
    reached: 1 - per(all.failed), answered: 1 - per(all.failed + all.broken),
    objectives: objectives.map((objective, i) => {
      const attainment = attained(all, i);
      const worstDay = worst(tally.spans, Math.round(DAY_MS / tally.spanMs), (counts) => attained(counts, i), Math.min, objectives.length);
      return { name: objective.name, kind: objective.kind, target: objective.target, attainment, judged: all.judged[i] ?? 0, met: attainment >= objective.target, worstDay: worstDay ?? attainment };
    }),
    firstTokenMs: { p50: tally.firstToken.quantile(0.5), p95: tally.firstToken.quantile(0.95), p99: tally.firstToken.quantile(0.99), p999: tally.firstToken.quantile(0.999), max: tally.firstToken.maxMs },
    costUsd: all.costNanoUsd / 1e9, costPerThousandUsd: per(all.costNanoUsd) / 1e6,
    calls: all.calls, extraCalls: all.extra, extraShare: per(all.extra), besideCalls: tally.beside,
    worstHourExtraShare: worst(tally.spans, Math.max(1, Math.min(tally.spans.length, Math.round(HOUR_MS / tally.spanMs))), (counts) => (counts.calls < MIN_HOUR_CALLS ? 0 : counts.extra / counts.calls), Math.max, objectives.length) ?? 0,
    deployments: tally.deployments.map(({ costNanoUsd, ...counts }, i) => ({ id: world.specs[i]?.id ?? "", ...counts, costUsd: costNanoUsd / 1e9 })),
    incidents: tally.incidents.map(({ incident, calls, failures, extra, requests, failed, broken, missed }) => ({
      label: incident.label, deployment: world.specs[incident.deployment]?.id ?? "", fromMs: incident.fromMs, toMs: incident.toMs,
      requests, failed, broken, missed, callsThere: calls, failuresThere: failures, extraCalls: extra,
    })),
    series: {
      spanMs: tally.spanMs,
      rows: tally.spans.map((span, i) => ({
        atMs: i * tally.spanMs, requests: span.requests, failed: span.failed, broken: span.broken, rescued: span.rescued, missed: span.missed, extra: span.extra,
        costUsd: span.costNanoUsd / 1e9, served: Array.from({ length: tally.deployments.length }, (_, one) => span.served[one] ?? 0),
      })),
    },
  };
}

function attained(counts: Pick<Counts, "missed" | "judged">, objective: number): number {
  const judged = counts.judged[objective] ?? 0;
  return judged === 0 ? 1 : 1 - (counts.missed[objective] ?? 0) / judged;
}

/** The worst of all runs of `width` spans; null where the series is shorter than two of them. */
function worst(spans: readonly SpanCounts[], width: number, of: (counts: Counts) => number, pick: (a: number, b: number) => number, objectives: number): number | null {
  if (spans.length < width) return null;
  const sum: Counts = { requests: 0, failed: 0, broken: 0, rescued: 0, missed: new Array<number>(objectives).fill(0), judged: new Array<number>(objectives).fill(0), calls: 0, extra: 0, costNanoUsd: 0 };
  let found: number | null = null;
  for (const [i, span] of spans.entries()) {
    add(sum, span, 1);
    const left = spans[i - width];
    if (left !== undefined) add(sum, left, -1);
    if (i >= width - 1) found = found === null ? of(sum) : pick(found, of(sum));
  }
  return found;
}

function add(sum: Counts, span: Counts, sign: 1 | -1): void {
  sum.requests += sign * span.requests;
  sum.failed += sign * span.failed;
  sum.broken += sign * span.broken;
  sum.rescued += sign * span.rescued;
  sum.calls += sign * span.calls;
  sum.extra += sign * span.extra;
  sum.costNanoUsd += sign * span.costNanoUsd;
  for (let i = 0; i < sum.missed.length; i += 1) {
    sum.missed[i] = (sum.missed[i] as number) + sign * (span.missed[i] ?? 0);
    sum.judged[i] = (sum.judged[i] as number) + sign * (span.judged[i] ?? 0);
  }
}
