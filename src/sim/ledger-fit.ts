/**
 * What a data folder's calls say of how a deployment behaves: distributions, shares by kind of failure, outages. Each with the number of
 * calls that it rests on. What too few calls tell is not filled in: it is said, and whoever simulates has to state it.
 */
import type { FailureClass } from "../wire/outcome.ts";
import type { CallSample, DeploymentSamples } from "./ledger-samples.ts";
import { quantileOf, shareWithin, survivalOf, type Survival } from "./survival.ts";
import { troubleIn, type Trouble } from "./trouble.ts";

/** With fewer answers nothing is fitted. */
export const LEAST_ANSWERS = 20;
/** The slowest one in a hundred is known from three of them at least. */
export const LEAST_FOR_P99 = 300;
/** A rate of fewer tokens is mostly the time of the last event. */
const RATE_FROM_TOKENS = 20;

export interface FittedTimes {
  readonly answers: number;
  /** Given up before they answered: they count for as long as they were waited for. */
  readonly givenUp: number;
  readonly survival: Survival;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Of calls of one kind. */
export interface FittedShare {
  readonly count: number;
  readonly of: number;
  readonly share: number;
  /** 95 times of 100 the true share is within. */
  readonly low: number;
  readonly high: number;
}

export interface FittedFailure extends FittedShare {
  readonly class: FailureClass;
  /** That was told most often; 0: none was. */
  readonly status: number;
  /** Median time until it failed. */
  readonly afterMs: number;
}

export interface FittedIncident {
  readonly fromMs: number;
  readonly toMs: number;
  readonly cause: string;
  readonly calls: number;
  readonly failures: readonly FittedFailure[];
  readonly stalls: FittedShare;
  readonly breaks: FittedShare;
}

export interface FittedDeployment {
  readonly id: string;
  readonly calls: number;
  /** null: too few answers. */
  readonly firstToken: FittedTimes | null;
  /** The times are of whole answers, since none of them streamed. */
  readonly whole: boolean;
  /** Tokens a second; null: unknown, or the answers came whole. `survival` has one step for each rate that was seen. */
  readonly rate: FittedTimes | null;
  readonly output: { readonly answers: number; readonly p50: number; readonly p95: number } | null;
  /** Outside of incidents, before content. 429s are among them. */
  readonly failures: readonly FittedFailure[];
  readonly stalls: FittedShare;
  readonly breaks: FittedShare;
  readonly incidents: readonly FittedIncident[];
  readonly passedOver: readonly { readonly outcome: string; readonly count: number }[];
  /** Why it cannot be simulated by this alone; null: it can. */
  readonly lacks: string | null;
  /** What is doubtful of it, in sentences. */
  readonly doubts: readonly string[];
}

/** Fit one deployment. */
export function fitDeployment(samples: DeploymentSamples): FittedDeployment {
  const { spans, usual, always } = apart(samples);
  const streams = usual.filter(({ stream }) => stream);
  const answersOf = (calls: readonly CallSample[]): number => calls.reduce((sum, { contentMs }) => sum + Number(contentMs !== null), 0);
  const whole = answersOf(streams) < LEAST_ANSWERS && answersOf(usual) - answersOf(streams) >= LEAST_ANSWERS;
  const timed = whole ? usual.filter(({ stream }) => !stream) : streams;
  const firstToken = answersOf(timed) < LEAST_ANSWERS ? null : timesOf(timed);
  const rate = whole ? null : ratesOf(streams);
  const stallsAmongSlow = firstToken?.survival.never ?? 0;
  const shares = sharesOf(usual, stallsAmongSlow);
  const output = usual.filter((call) => call.outputTokens > 0).map((call) => call.outputTokens).toSorted((a, b) => a - b);
  const fitted = {
    id: samples.id, calls: samples.calls.length, firstToken, whole, rate, ...shares,
    output: output.length === 0 ? null : { answers: output.length, p50: at(output, 0.5), p95: at(output, 0.95) },
    incidents: spans.map((span) => incidentIn(span, samples.calls)),
    passedOver: [...samples.passedOver].map(([outcome, count]) => ({ outcome, count })).toSorted((a, b) => b.count - a.count || (a.outcome < b.outcome ? -1 : 1)),
  };
  const doubts = doubtsOf(fitted, usual);
  return { ...fitted, lacks: lackOf(fitted, answersOf(usual)), doubts: always ? [ALWAYS, ...doubts] : doubts };
}

const ALWAYS = "it was in trouble most of the time, so no incidents are told apart from how it usually is";

/** Calls in trouble that stands out, and besides. A 429 is no trouble, a call that was late is. */
function apart({ calls }: DeploymentSamples): { readonly spans: readonly Trouble[]; readonly usual: readonly CallSample[]; readonly always: boolean } {
  const told = calls.filter(({ failure, end, late }) => failure !== "rate" && (end !== "aborted" || late));
  const spans = troubleIn(told.map(({ atMs, totalMs, end }) => ({ atMs, untilMs: atMs + totalMs, failed: end !== "answered" })).toSorted((a, b) => a.atMs - b.atMs));
  if (spans === null) return { spans: [], usual: calls, always: true };
  return { spans, usual: spans.length === 0 ? calls : calls.filter(({ atMs }) => !spans.some(({ fromMs, toMs }) => atMs >= fromMs && atMs < toMs)), always: false };
}

function timesOf(calls: readonly CallSample[]): FittedTimes {
  // What failed says nothing of how long an answer takes, unless it failed since none came.
  const known = calls.filter(({ contentMs, end, failure }) => contentMs !== null || end === "aborted" || failure === "timeout");
  return fittedTimes(known.map(({ contentMs, totalMs, late, failure }) => ({ ms: contentMs ?? totalMs, answered: contentMs !== null, late: late || failure === "timeout" })));
}

function ratesOf(streams: readonly CallSample[]): FittedTimes | null {
  const told = streams.filter(({ contentMs, outputTokens }) => contentMs !== null && outputTokens > 0);
  const long = told.filter(({ outputTokens }) => outputTokens >= RATE_FROM_TOKENS);
  if (told.length < LEAST_ANSWERS) return null;
  const took = ({ contentMs, totalMs }: CallSample): number => Math.max(1, totalMs - (contentMs as number));
  if (long.length >= LEAST_ANSWERS) return fittedTimes(long.map((call) => ({ ms: (1_000 * call.outputTokens) / took(call), answered: true, late: false })));
  // Of short answers alone all that can be told is the mean.
  const [tokens, ms] = told.reduce(([sum, total], call) => [sum + call.outputTokens, total + took(call)], [0, 0]);
  return { ...fittedTimes([{ ms: (1_000 * tokens) / ms, answered: true, late: false }]), answers: told.length };
}

function fittedTimes(calls: Parameters<typeof survivalOf>[0]): FittedTimes {
  const survival = survivalOf(calls);
  const answers = calls.reduce((sum, { answered }) => sum + Number(answered), 0);
  const quantile = (share: number): number => quantileOf(survival, share) ?? 0;
  return { answers, givenUp: calls.length - answers, survival, p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) };
}

/** Shares of the calls of which it is known whether they answered. `never`: of those that did not fail, so many never answer. */
function sharesOf(calls: readonly CallSample[], never: number): Pick<FittedDeployment, "failures" | "stalls" | "breaks"> {
  const failed = calls.filter(({ end, contentMs, failure }) => end === "failed" && contentMs === null && failure !== "timeout");
  const silent = calls.filter(({ end, contentMs, failure, late }) => contentMs === null && (failure === "timeout" || (end === "aborted" && late)));
  const begun = calls.filter(({ contentMs }) => contentMs !== null);
  const of = failed.length + silent.length + begun.length;
  const failures = [...Map.groupBy(failed, ({ failure }) => failure as FailureClass)].map(([kind, those]): FittedFailure => ({
    class: kind, ...shareOf(those.length, of), status: commonest(those.map(({ status }) => status)), afterMs: round(at(those.map(({ totalMs }) => totalMs).toSorted((a, b) => a - b), 0.5)),
  }));
  const stalls = { ...shareOf(silent.length, of), share: of === 0 ? 0 : never * (1 - failed.length / of) };
  const broke = begun.filter(({ end }) => end === "failed").length;
  return { failures: failures.toSorted((a, b) => b.count - a.count || (a.class < b.class ? -1 : 1)), stalls, breaks: shareOf(broke, of) };
}

function shareOf(count: number, of: number): FittedShare {
  const [low, high] = shareWithin(count, of);
  return { count, of, share: of === 0 ? 0 : count / of, low, high };
}

function incidentIn({ fromMs, toMs }: Trouble, all: readonly CallSample[]): FittedIncident {
  const calls = all.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  const { failures, stalls, breaks } = sharesOf(calls, 0);
  const causes = [...failures.map((one) => [one.class, one.count] as const), ["no answer", stalls.count] as const, ["broke off", breaks.count] as const];
  return { fromMs, toMs, cause: causes.toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? "", calls: calls.length, failures, stalls: { ...stalls, share: stalls.of === 0 ? 0 : stalls.count / stalls.of }, breaks };
}

type Fitted = Omit<FittedDeployment, "lacks" | "doubts">;

function lackOf({ firstToken, rate, whole }: Fitted, answers: number): string | null {
  if (firstToken === null) return `${answers} answers, and ${LEAST_ANSWERS} are needed to say how long one takes`;
  if (rate === null && !whole) return "too few of its answers tell how many tokens they have, so its pace is unknown";
  return null;
}

function doubtsOf({ firstToken, whole, rate, failures, stalls, breaks, incidents }: Fitted, usual: readonly CallSample[]): readonly string[] {
  const doubts: string[] = [];
  if (firstToken === null) return doubts;
  if (whole) doubts.push("its answers came whole, so it is taken to give each at once, after as long as the whole took");
  else if (usual.some(({ stream, end }) => !stream && end === "answered")) doubts.push("answers that came whole were not looked at for times, only for failures");
  if (firstToken.answers < LEAST_FOR_P99) doubts.push(`its slowest one in a hundred is not known from ${firstToken.answers} answers (${LEAST_FOR_P99} tell it)`);
  if (rate !== null && rate.survival.steps.length === 1 && rate.answers > 1) doubts.push("its answers were too short for more than a mean pace");
  const paced = failures.find((one) => one.class === "rate");
  if (paced !== undefined) doubts.push(`${paced.count} of its calls were refused by a limit (429): that is played as chance, whatever the load`);
  if (failures.length === 0 && stalls.count === 0 && breaks.count === 0 && breaks.of > 0) doubts.push(`none of ${breaks.of} calls failed outside of incidents: up to ${percent(breaks.high)} of them may`);
  for (const one of incidents) if (one.calls < LEAST_ANSWERS) doubts.push(`what became of calls in its incident of ${new Date(one.fromMs).toISOString()} is known from ${one.calls}`);
  return doubts;
}

function percent(share: number): string {
  return `${(100 * share).toPrecision(2)} %`;
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

function commonest(values: readonly number[]): number {
  const counted = [...Map.groupBy(values, (one) => one)].map(([value, all]) => [value, all.length] as const);
  return counted.toSorted((a, b) => b[1] - a[1] || a[0] - b[0])[0]?.[0] ?? 0;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
