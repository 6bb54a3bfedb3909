/** What is counted while a simulation runs: requests by what became of them, calls, money, times; in all, per span of time and per incident. */
import { judge, ServedMinutes } from "../decide/objective/judge.ts";
import type { Objective, RequestClass } from "../decide/objective/types.ts";
import { TimeHistogram } from "./time-histogram.ts";
import type { Incident, SimRequest } from "./types.ts";

/** What became of a request, as its client saw it. */
export type Ending = "answered" | "broken" | "failed";

/** Counts of one span of time; requests count where they arrived, calls where they were sent. */
export interface Counts {
  requests: number;
  failed: number;
  broken: number;
  /** Broke off, and were carried on to their end. */
  rescued: number;
  /** Per objective of the world: requests that missed it. */
  readonly missed: number[];
  readonly judged: number[];
  calls: number;
  /** Calls beyond the first of their request. */
  extra: number;
  costNanoUsd: number;
}

export interface DeploymentCounts {
  calls: number;
  /** Answers that clients read from it, also broken ones. */
  served: number;
  failedBefore: number;
  failedAfter: number;
  refused429: number;
  aborted: number;
  /** Of those: none of them would ever have answered. */
  stalled: number;
  costNanoUsd: number;
}

export interface IncidentCounts {
  readonly incident: Incident;
  requests: number;
  failed: number;
  broken: number;
  missed: number;
  /** Calls to the deployment that it hit, and those that failed or stalled. */
  calls: number;
  failures: number;
  extra: number;
}

export interface SpanCounts extends Counts {
  readonly served: number[];
}

export class Tally {
  readonly all: Counts;
  readonly spanMs: number;
  readonly spans: SpanCounts[] = [];
  readonly deployments: readonly DeploymentCounts[];
  readonly firstToken = new TimeHistogram();
  readonly incidents: readonly IncidentCounts[];
  /** Extra calls that were made while another of their request was under way. */
  beside = 0;
  readonly #objectives: readonly Objective[];
  readonly #byStart: readonly IncidentCounts[];
  readonly #open: IncidentCounts[] = [];
  #nextIncident = 0;
  /** Of objectives on throughput, which are judged by minutes. */
  readonly #minutes: readonly (ServedMinutes | null)[];
  /** Used anew for each request that is judged. */
  readonly #finished = { stream: true, outcome: "ok" as "ok" | "error" | "error_after_content", errorCode: null, flags: NO_FLAGS, ttftMs: null as number | null, totalMs: 0, units: { input: 0, output: 0 } };

  constructor(objectives: readonly Objective[], deployments: number, incidents: readonly Incident[], spanMs: number) {
    this.#objectives = objectives;
    this.#minutes = objectives.map(({ kind }) => (kind === "throughput" ? new ServedMinutes() : null));
    this.spanMs = spanMs;
    this.all = counts(objectives.length);
    this.deployments = Array.from({ length: deployments }, () => ({ calls: 0, served: 0, failedBefore: 0, failedAfter: 0, refused429: 0, aborted: 0, stalled: 0, costNanoUsd: 0 }));
    this.incidents = incidents.map((incident) => ({ incident, requests: 0, failed: 0, broken: 0, missed: 0, calls: 0, failures: 0, extra: 0 }));
    this.#byStart = this.incidents.toSorted((a, b) => a.incident.fromMs - b.incident.fromMs);
  }

  called(deployment: number, isExtra: boolean, isBeside: boolean, nowMs: number): void {
    const span = this.#span(nowMs);
    this.all.calls += 1;
    span.calls += 1;
    (this.deployments[deployment] as DeploymentCounts).calls += 1;
    if (isExtra) {
      this.all.extra += 1;
      span.extra += 1;
      if (isBeside) this.beside += 1;
    }
    for (const one of this.#at(nowMs)) {
      if (one.incident.deployment === deployment) one.calls += 1;
      if (isExtra) one.extra += 1;
    }
  }

  paid(deployment: number, costNanoUsd: number, nowMs: number): void {
    this.all.costNanoUsd += costNanoUsd;
    this.#span(nowMs).costNanoUsd += costNanoUsd;
    (this.deployments[deployment] as DeploymentCounts).costNanoUsd += costNanoUsd;
  }

  callFailed(deployment: number, hadContent: boolean, status: number, nowMs: number): void {
    const counted = this.deployments[deployment] as DeploymentCounts;
    if (hadContent) counted.failedAfter += 1;
    else if (status === 429) counted.refused429 += 1;
    else counted.failedBefore += 1;
    for (const one of this.#at(nowMs)) if (one.incident.deployment === deployment) one.failures += 1;
  }

  /** Somebody gave it up; `stalled`: it would never have answered, which is a failure of the time at which it was sent. */
  callAborted(deployment: number, stalled: boolean, sentMs: number): void {
    const counted = this.deployments[deployment] as DeploymentCounts;
    counted.aborted += 1;
    if (!stalled) return;
    counted.stalled += 1;
    for (const one of this.#during(sentMs)) if (one.incident.deployment === deployment) one.failures += 1;
  }

  /** A request has come to its end now. */
  requestEnded(request: SimRequest, ending: Ending, served: Served, nowMs: number): void {
    const { servedBy, firstTokenMs, rescued } = served;
    const span = this.#span(request.atMs);
    const { all } = this;
    all.requests += 1;
    span.requests += 1;
    if (ending === "failed") {
      all.failed += 1;
      span.failed += 1;
    } else {
      (this.deployments[servedBy] as DeploymentCounts).served += 1;
      span.served[servedBy] = (span.served[servedBy] ?? 0) + 1;
      if (ending === "broken") {
        all.broken += 1;
        span.broken += 1;
      } else if (rescued) {
        all.rescued += 1;
        span.rescued += 1;
      }
    }
    if (firstTokenMs !== null) this.firstToken.add(firstTokenMs);
    const missedAny = this.#judge(span, request, ending, served, nowMs);
    for (const one of this.incidents.length === 0 ? NONE : this.#during(request.atMs)) {
      one.requests += 1;
      if (missedAny) one.missed += 1;
      if (ending === "failed") one.failed += 1;
      if (ending === "broken") one.broken += 1;
    }
  }

  /**
   * By the definition of a good request that the gateway's own reports have, but that time is judged of answers alone: what failed after
   * its threshold had passed counts against availability, not twice. Did it miss any?
   */
  #judge(span: SpanCounts, request: SimRequest, ending: Ending, { firstTokenMs, rescued }: Served, nowMs: number): boolean {
    const finished = this.#finished;
    const kind: RequestClass = ending === "failed" ? "failed" : ending === "broken" ? "truncated" : rescued ? "interrupted" : "ok";
    finished.outcome = ending === "failed" ? "error" : ending === "broken" ? "error_after_content" : "ok";
    finished.ttftMs = firstTokenMs;
    finished.totalMs = nowMs - request.atMs;
    finished.units.input = request.inputTokens;
    finished.units.output = ending === "answered" ? request.outputTokens : 0;
    let missedAny = false;
    for (let i = 0; i < this.#objectives.length; i += 1) {
      const objective = this.#objectives[i] as Objective;
      if (objective.kind === "first_token" ? firstTokenMs === null : objective.kind === "latency" && ending !== "answered") continue;
      const verdict = this.#minutes[i]?.add(objective, finished, kind, nowMs) ?? judge(objective, finished, kind);
      if (verdict === null) continue;
      this.all.judged[i] = (this.all.judged[i] as number) + 1;
      span.judged[i] = (span.judged[i] as number) + 1;
      if (verdict === "good") continue;
      missedAny = true;
      this.all.missed[i] = (this.all.missed[i] as number) + 1;
      span.missed[i] = (span.missed[i] as number) + 1;
    }
    return missedAny;
  }

  #span(atMs: number): SpanCounts {
    const index = Math.floor(atMs / this.spanMs);
    while (this.spans.length <= index) this.spans.push({ ...counts(this.#objectives.length), served: [] });
    return this.spans[index] as SpanCounts;
  }

  /** Incidents that are open now. */
  #at(nowMs: number): readonly IncidentCounts[] {
    if (this.#byStart.length === 0) return NONE;
    for (let next = this.#byStart[this.#nextIncident]; next !== undefined && next.incident.fromMs <= nowMs; next = this.#byStart[this.#nextIncident]) {
      this.#open.push(next);
      this.#nextIncident += 1;
    }
    for (let i = this.#open.length - 1; i >= 0; i -= 1) if ((this.#open[i] as IncidentCounts).incident.toMs <= nowMs) this.#closed.push(...this.#open.splice(i, 1));
    return this.#open;
  }

  /** Incidents that are over, of which requests may still be under way. */
  readonly #closed: IncidentCounts[] = [];

  #during(atMs: number): readonly IncidentCounts[] {
    if (this.#open.length === 0 && this.#closed.length === 0) return NONE;
    let found: IncidentCounts[] | null = null;
    for (const one of this.#open) if (one.incident.fromMs <= atMs) (found ??= []).push(one);
    // They were closed in the order of time, at the first call after their ends.
    for (let i = this.#closed.length - 1; i >= 0 && (this.#closed[i] as IncidentCounts).incident.toMs > atMs; i -= 1) {
      const one = this.#closed[i] as IncidentCounts;
      if (one.incident.fromMs <= atMs && atMs < one.incident.toMs) (found ??= []).push(one);
    }
    return found ?? NONE;
  }
}

/** Who answered a request, and how soon. */
export interface Served {
  /** -1: nobody. */
  readonly servedBy: number;
  /** null where nothing came. */
  readonly firstTokenMs: number | null;
  readonly rescued: boolean;
}

const NONE: readonly IncidentCounts[] = [];
const NO_FLAGS: readonly string[] = [];

function counts(objectives: number): SpanCounts {
  return { requests: 0, failed: 0, broken: 0, rescued: 0, missed: new Array<number>(objectives).fill(0), judged: new Array<number>(objectives).fill(0), calls: 0, extra: 0, costNanoUsd: 0, served: [] };
}

/** What is in time for a prompt of this size; 0: no bound. */
export function thresholdOf(objective: Objective, inputTokens: number): number {
  for (const { upToInputTokens, withinMs } of objective.within) if (upToInputTokens === null || inputTokens <= upToInputTokens) return withinMs;
  return objective.within.at(-1)?.withinMs ?? 0;
}
