/** What must hold of a run: at the client, in the gateway's records and on the fleet's own bill. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { BillRow } from "../../src/fleet/index.ts";
import type { Seen } from "./client.ts";
import { PER_SECOND, type Evidence } from "./play.ts";

/** The bill's words for an answer that its provider spoiled. */
const SPOILT: ReadonlySet<string> = new Set(["refused", "reset", "cut", "errored", "garbled", "empty"]);
const OUTCOMES = { complete: "ok", refused: "error", broken: "error_after_content" } as const;
/** Beyond the streams that were under way, so many may break after content: those that tell, and probes. */
const BROKEN_MORE = 5;
/** A dead primary is left after so many failures, or so much time. */
const FAILURES_TO_LEAVE = 5;
const LEAVE_MS = 1_000;
/** Nothing sent there for so long: it has been left. Shorter than the shortest rest. */
const LEFT_MS = 10 * (1_000 / PER_SECOND);

const SLOW_MS = 4_000;

/** Nobody is refused, and nothing comes that is neither whole nor a typed error. */
export function noErrorBeforeContent(evidence: Evidence): void {
  assert.deepEqual(evidence.seen.filter(({ end }) => end === "refused" || end === "wrong").map(({ end, detail, deployment }) => `${end} ${detail} ${deployment ?? ""}`), []);
}

/** Not one request failed in whatever way. */
export function noError(evidence: Evidence): void {
  noErrorBeforeContent(evidence);
  assert.deepEqual(broken(evidence).map(({ detail }) => detail), []);
}

/** Streams that broke after content, each with the typed error (or `wrong`): those in flight when it began, and five. */
export function fewBroken(evidence: Evidence): void {
  noErrorBeforeContent(evidence);
  const most = inFlightAtOnset(evidence) + BROKEN_MORE;
  assert.ok(broken(evidence).length <= most, `${broken(evidence).length} streams broke, at most ${most} may`);
}

/** Streams of the primary that were under way when the scenario began. */
export function inFlightAtOnset({ seen, phases }: Evidence): number {
  const onsetMs = phases[0]?.fromMs ?? 0;
  return seen.filter(({ ask, deployment, startedMs, endedMs }) => ask.stream && deployment === "primary/chat" && startedMs <= onsetMs && endedMs > onsetMs).length;
}

export function broken({ seen }: Evidence): readonly Seen[] {
  return seen.filter(({ end }) => end === "broken");
}

/** Calls that the primary spoiled from a phase's begin on until it was left. */
export function untilLeft({ bill, phases }: Evidence, phase = 0): { readonly failures: number; readonly spanMs: number } {
  const { fromMs = 0, toMs = 0 } = phases[phase] ?? {};
  const there = bill.filter(({ provider, at, path }) => provider === "primary" && path.endsWith("/chat/completions") && at >= fromMs && at < toMs);
  const until = there.findIndex(({ at }, i) => (there[i + 1]?.at ?? Number.POSITIVE_INFINITY) - at > LEFT_MS);
  const spoilt = there.slice(0, until + 1).filter(isSpoilt);
  return { failures: spoilt.length, spanMs: (spoilt.at(-1)?.at ?? 0) - (spoilt[0]?.at ?? 0) };
}

/** A primary that is dead is left within five failures or a second. */
export function leftAtOnce(evidence: Evidence, phase = 0): void {
  const { failures, spanMs } = untilLeft(evidence, phase);
  assert.ok(failures > 0, "the primary failed no call");
  assert.ok(failures <= FAILURES_TO_LEAVE || spanMs <= LEAVE_MS, `${failures} failures in ${Math.round(spanMs)} ms before the primary was left`);
}

/** Beyond a slow answer's own time: what a call lasts that failed before it, and a machine that stands still for a moment. */
const MOVED_MS = 1_500;

/** All that is left is slow: those who come while the primary is down have its answers, each within its time, and are asked for once there. */
export function notStarved({ plan, seen, bill, phases }: Evidence): void {
  const { fromMs = 0 } = phases[0] ?? {};
  const toMs = Math.max(...phases.map((phase) => phase.toMs));
  const during = seen.filter(({ startedMs }) => startedMs >= fromMs && startedMs < toMs);
  const answerMs = (plan.fallbackFirstTokenMs ?? 0) + (plan.words * 1_000) / plan.wordsPerSecond;
  const slowest = Math.max(...during.map(({ startedMs, endedMs }) => endedMs - startedMs));
  assert.ok(slowest <= answerMs + MOVED_MS, `an answer took ${Math.round(slowest)} ms, of which the fallback's time is ${answerMs}`);
  const there = bill.filter(({ provider, at }) => provider === "fallback" && at >= fromMs && at < toMs).length;
  const slow = during.filter(({ deployment }) => deployment === "fallback/chat").length;
  assert.ok(slow >= 0.9 * during.length, `only ${slow} of ${during.length} were answered by the fallback`);
  assert.ok(there <= 1.1 * during.length, `${there} calls at the fallback for ${during.length} requests`);
  // Probes, and a tenth of the requests: slow for certain is better than dead for all that is known.
  const lost = bill.filter((row) => row.provider === "primary" && row.at >= fromMs && row.at < toMs && isSpoilt(row)).length;
  assert.ok(lost <= during.length / 4, `${lost} of ${during.length} requests asked the dead one first`);
}

/** Nobody noticed that streams broke off: some were carried on, and every answer is the whole of what was said. */
export function carriedOn(evidence: Evidence): void {
  noError(evidence);
  assert.ok(rescued(evidence) > 0, "no stream was carried on");
}

/** Answers that more than one deployment wrote. */
export function rescued({ requests }: Evidence): number {
  return requests.filter(({ record }) => (record?.decision["written_by"] as readonly string[] | undefined)?.length === 2).length;
}

/** The outage was real: the primary spoiled calls, or was slow. */
export function wasHit({ bill }: Evidence): void {
  assert.ok(bill.some((row) => row.provider === "primary" && (isSpoilt(row) || row.fault !== null || row.duration_ms > SLOW_MS)), "the primary had no fault");
}

/** What the client saw stands in the records, and every attempt of theirs on the fleet's bill, to the same end. */
export function recordsAgree({ seen, requests, bill }: Evidence): void {
  const byId = new Map(requests.map((view) => [view.requestId, view.record]));
  assert.equal(requests.length, seen.length);
  for (const { requestId, end, detail } of seen) {
    const record = byId.get(requestId ?? "");
    assert.ok(record, `no record of ${requestId ?? "a request without an id"}`);
    if (end === "wrong") continue;
    const code = detail === "" ? null : (detail.split(" ")[1] ?? null);
    assert.deepEqual([record.outcome, record.errorCode], [OUTCOMES[end], code], `${record.requestId} of which the client saw ${end} ${detail}`);
  }
  const attempts = new Map(requests.flatMap((view) => view.attempts.map((attempt) => [attempt.attemptId, attempt])));
  for (const row of bill) {
    const attempt = attempts.get(row.client_request_id ?? "");
    assert.ok(attempt, `the call ${row.call} has no attempt`);
    assert.equal(attempt.deployment, `${row.provider}/chat`);
    if (row.outcome === "refused") assert.equal(attempt.costNanoUsd, 0, `${row.call} was refused and cost something`);
  }
}

/** Chat is served by the primary while something else of it fails; in order of priority each one of them at the first attempt. */
export function chatStayed({ plan, seen, bill, phases: [phase] }: Evidence): void {
  assert.ok(phase);
  const during = seen.filter(({ ask, startedMs }) => ask.path === undefined && startedMs >= phase.fromMs && startedMs < phase.toMs);
  const there = during.filter(({ deployment }) => deployment === "primary/chat").length / during.length;
  // What is held to a time may move for a machine that stands still for a moment.
  assert.ok(there >= (plan.strategy === "priority" ? 1 : 0.9), `only ${Math.round(there * 100)} % of chat stayed with the primary`);
  const failed = bill.filter((row) => row.provider === "primary" && row.path.includes("/images/") && isSpoilt(row));
  assert.ok(failed.length >= 5, "the primary failed hardly any picture");
}

/** Of the last requests, some are served by the primary again. */
export function trafficReturned({ seen, phases }: Evidence): void {
  const overMs = Math.max(...phases.map(({ toMs }) => toMs));
  assert.ok(seen.some(({ startedMs, deployment }) => startedMs > overMs && deployment === "primary/chat"), "the primary was not asked again");
}

export function isSpoilt(row: BillRow): boolean {
  return SPOILT.has(row.outcome);
}

/** One line of figures. */
export function report(t: TestContext, evidence: Evidence): void {
  const { seen, bill, plan } = evidence;
  const times = seen.flatMap(({ firstContentMs, startedMs }) => (firstContentMs === null ? [] : [firstContentMs - startedMs])).toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round(times[Math.floor((times.length - 1) * share)] ?? 0);
  const ends = (end: Seen["end"]): number => seen.filter((one) => one.end === end).length;
  const primary = bill.filter(({ provider }) => provider === "primary");
  const { failures, spanMs } = untilLeft(evidence);
  t.diagnostic([
    `${plan.scenario.id} (${plan.strategy}): ${seen.length} requests, ${ends("refused")} refused, ${ends("broken")} broke (${inFlightAtOnset(evidence)} in flight at the onset), ${rescued(evidence)} carried on, ${ends("wrong")} wrong`,
    `${bill.length} calls, ${primary.length} at the primary of which ${primary.filter(isSpoilt).length} spoilt`,
    `left after ${failures} failures in ${Math.round(spanMs)} ms; first content p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ms`,
  ].join("; "));
}

/** Calls that the primary refused, of all that it got. */
function refusals({ bill, phases }: Evidence): { readonly refused: number; readonly calls: number } {
  const there = bill.filter(({ provider, at }) => provider === "primary" && at >= (phases[0]?.fromMs ?? 0));
  return { refused: there.filter(({ status }) => status === 429).length, calls: there.length };
}

/** A cap is met, and no more than so many calls were refused to find it. */
export function fewRefused(evidence: Evidence, most: number): void {
  const { refused } = refusals(evidence);
  assert.ok(refused > 0 && refused <= most, `${refused} calls were refused, expected 1 to ${most}`);
}

/** At most a tenth of the calls at a capped provider is refused, and its cap is used. */
export function tenthRefused(evidence: Evidence): void {
  const { refused, calls } = refusals(evidence);
  assert.ok(refused <= calls / 10, `${refused} of ${calls} calls were refused`);
  assert.ok(calls >= 30, `only ${calls} calls in ten minutes`);
}

/** While nobody can answer, calls upstream are at most 1.2 for each request and ten a second; clients get typed errors. */
export function notMultiplied({ seen, bill, phases: [phase] }: Evidence): void {
  assert.ok(phase);
  const within = (ms: number): boolean => ms >= phase.fromMs && ms < phase.toMs;
  // Those that waited on a busy machine are asked for within it all the same.
  const requests = seen.filter(({ startedMs, endedMs }) => startedMs < phase.toMs && endedMs > phase.fromMs).length;
  const calls = bill.filter(({ at }) => within(at)).length;
  const most = 1.2 * requests + (10 * (phase.toMs - phase.fromMs)) / 1_000;
  assert.ok(calls <= most, `${calls} calls for ${requests} requests, at most ${Math.round(most)} may`);
  assert.deepEqual(seen.filter(({ end }) => end === "wrong").map(({ detail }) => detail), []);
}

/** Errors that clients still get after the end: those that were under way, and a few. */
export function recovered({ seen, phases: [phase] }: Evidence): void {
  const late = seen.filter(({ end, startedMs }) => end !== "complete" && startedMs > (phase?.toMs ?? 0));
  assert.ok(late.length <= 3, `${late.length} errors after the end: ${late.map(({ detail }) => detail).join(", ")}`);
}
