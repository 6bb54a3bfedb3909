/**
 * What the records of a data folder say of each deployment's calls, and of the requests as they came. Only counts, times and sizes are
 * taken; nothing is fitted here.
 */
import { MIRROR_FLAG } from "../decide/canary.ts";
import { PROBE_FLAG } from "../decide/health/due.ts";
import { CLIENT_ERRORS } from "../decide/objective/judge.ts";
import type { AttemptRecord, RequestRecord } from "../ports.ts";
import { faultOf, type FailureClass } from "../wire/outcome.ts";
import { SERVED, type SurfaceName } from "../wire/surfaces.ts";
import { inputTokens, outputTokens, type UnitCounts } from "../wire/usage.ts";

/** One call, as far as a deployment is judged by it. */
export interface CallSample {
  readonly atMs: number;
  /** `aborted`: on our own account or the client's, so nobody knows what it would have come to. */
  readonly end: "answered" | "failed" | "aborted";
  /** Of what failed. */
  readonly failure: FailureClass | null;
  readonly status: number;
  /** It had taken longer than its route waits for a first content before another is called. */
  readonly late: boolean;
  readonly stream: boolean;
  /** null: no content came. */
  readonly contentMs: number | null;
  readonly totalMs: number;
  /** Of a whole answer; 0: unknown. */
  readonly outputTokens: number;
}

export interface DeploymentSamples {
  readonly id: string;
  readonly calls: CallSample[];
  /** Calls that say nothing of how it answers, by what they came to. */
  readonly passedOver: Map<string, number>;
}

/** A request as it came. Sizes are null where no usage tells them, or not the whole answer. */
export interface ArrivalSample {
  readonly atMs: number;
  readonly route: string;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
}

const PROVIDER_CLASSES: ReadonlySet<string> = new Set(
  (["rate", "overload", "server", "network", "timeout", "malformed", "truncated", "empty", "too_large"] satisfies FailureClass[]).filter((one) => faultOf(one) === "provider"),
);

export class LedgerSamples {
  /** Of the first request and the last, ms since 1970. */
  fromMs = Number.POSITIVE_INFINITY;
  untilMs = Number.NEGATIVE_INFINITY;
  readonly deployments = new Map<string, DeploymentSamples>();
  readonly arrivals: ArrivalSample[] = [];
  /** Requests that are no traffic to be played, by why. */
  readonly leftOut = new Map<string, number>();
  /** Prompt tokens, and those of them that came out of a provider's cache. */
  promptTokens = 0;
  cachedTokens = 0;

  add(record: RequestRecord): void {
    if (!isChat(record.surface)) return this.#leaveOut("no chat");
    if (record.flags.includes(PROBE_FLAG)) return this.#leaveOut("probes of the gateway's own");
    this.fromMs = Math.min(this.fromMs, record.atMs);
    this.untilMs = Math.max(this.untilMs, record.atMs + record.totalMs);
    for (const attempt of record.attempts) this.#addCall(record, attempt);
    if (record.flags.includes(MIRROR_FLAG)) return this.#leaveOut("copies for a mirror");
    if (record.errorCode !== null && record.outcome !== "client_gone" && CLIENT_ERRORS.has(record.errorCode)) return this.#leaveOut("refused for what was asked, or by a limit");
    this.promptTokens += inputTokens(record.units);
    this.cachedTokens += record.units.cache_read ?? 0;
    const isWhole = record.outcome === "ok";
    this.arrivals.push({ atMs: record.atMs, route: record.route, inputTokens: known(inputTokens(served(record))), outputTokens: isWhole ? known(outputTokens(served(record))) : null });
  }

  #addCall(record: RequestRecord, { deployment, outcome, flags, status, ttftMs, totalMs, units }: AttemptRecord): void {
    const samples = this.#of(deployment);
    const end = outcome === "answered" ? "answered" : outcome === "superseded" || outcome === "client_gone" ? "aborted" : PROVIDER_CLASSES.has(outcome) ? "failed" : null;
    if (end === null) {
      samples.passedOver.set(outcome, (samples.passedOver.get(outcome) ?? 0) + 1);
      return;
    }
    samples.calls.push({
      atMs: record.atMs, end, failure: end === "failed" ? (outcome as FailureClass) : null, status: status ?? 0,
      late: flags.includes("late"), stream: record.stream, contentMs: ttftMs, totalMs, outputTokens: end === "answered" ? outputTokens(units) : 0,
    });
  }

  #of(id: string): DeploymentSamples {
    let samples = this.deployments.get(id);
    if (samples === undefined) this.deployments.set(id, (samples = { id, calls: [], passedOver: new Map() }));
    return samples;
  }

  #leaveOut(why: string): void {
    this.leftOut.set(why, (this.leftOut.get(why) ?? 0) + 1);
  }
}

/** Of the call that gave the answer: a request's own sum has those that were lost on the way. */
function served({ attempts, deployment, units }: RequestRecord): UnitCounts {
  if (attempts.length === 1) return units;
  return attempts.findLast((one) => one.deployment === deployment && one.outcome === "answered")?.units ?? {};
}

function known(tokens: number): number | null {
  return tokens > 0 ? tokens : null;
}

function isChat(surface: RequestRecord["surface"]): surface is SurfaceName {
  return surface !== "embeddings" && !Object.hasOwn(SERVED, surface);
}
