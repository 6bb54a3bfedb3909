/**
 * The breaker: a leaky bucket. Each call sent takes 1 out, each failure puts its weight in, and at 45 the deployment rests. So
 * successes still in flight delay nothing, a failure share of a ninth holds the balance, and no window or minimum count is
 * needed. After the rest it comes back in stages: one good probe, three, then ten at a tenth of the traffic.
 *
 * Calls are ordered by when they were *sent* (a sequence number), not by when they end: an answer that was on its way before
 * the trouble began says nothing about the trouble.
 *
 * A deployment has one for hard failures, and one for slow calls per threshold that somebody holds it to.
 */

/** At this level a bucket rests its deployment. */
export const OPEN_AT = 45;
/** A hard failure before content, a call that is slow: a share of a ninth fills the bucket as fast as calls drain it. */
export const HARD_WEIGHT = 11;
export const SLOW_WEIGHT = 11;
/** A failure after content cannot be mended for its client, so it counts twice. */
export const AFTER_CONTENT_WEIGHT = 22;
/** Failures in a run that rest a deployment however far apart they are, where the bucket would have forgotten the first. */
export const RUN_LIMIT = 5;
/** A rest is shortened by up to this share, so that many deployments do not wake in step. */
export const JITTER_SHARE = 0.2;
/** A probe that has told nothing for this long gives up its slot. */
export const PROBE_SLOT_MS = 600_000;
/** k falls by one for each such span of health. */
export const HEALTH_SPAN_MS = 300_000;

const FORGET_MIN_MS = 600_000;
const FORGET_GAPS = 100;
/** Doublings are counted up to here whatever the settings say; the usual ones are at their longest rest at 6. */
const LEVEL_LIMIT = 16;
/** Good probes that each stage needs, and how many of them may be in flight. */
const STAGES = [{ needs: 1, inFlight: 1 }, { needs: 3, inFlight: 2 }, { needs: 10, inFlight: 10 }] as const;
const LAST_STAGE = STAGES.length;
/** Bad probes that end the last stage; one ends an earlier. */
const BAD_IN_LAST_STAGE = 2;
/**
 * A tenth of the traffic, by the calls that are sent anywhere or by the time that ten of its own took before, whichever passes
 * first. Where calls are rare, waiting for ten of them would only keep the deployment out.
 */
const LAST_STAGE_GAPS = 10;
const PROBE_SPACING_MAX_MS = 10_000;

export interface RestSettings {
  readonly restMs: number;
  readonly restMaxMs: number;
}

/** `probe-ready`: a call may go as a probe. `probing`: those that may are under way. */
export type BreakerPhase = "admitting" | "resting" | "probe-ready" | "probing";

/** Plain state; only the functions below change it. */
export interface Breaker {
  /** The level as of `bucketMs`, less the calls sent since. */
  bucket: number;
  bucketMs: number;
  /** Sequence numbers of the failures in the run, at most RUN_LIMIT. */
  run: number[];
  lastSuccessSeq: number;
  /** Shut, to all or to all but probes. */
  resting: boolean;
  restsUntilMs: number;
  /** Calls up to this one were sent before the latest rest began or ended: they say nothing of now. */
  sinceSeq: number;
  /** k: how often the next rest is doubled. */
  level: number;
  admittedAtMs: number;
  /** From 1. */
  stage: number;
  good: number;
  bad: number;
  /** Probes under way. */
  slots: Slot[];
  nextProbeMs: number;
  nextProbeSeq: number;
}

interface Slot {
  readonly seq: number;
  readonly sentMs: number;
}

/** How dense a deployment's calls are while it admits. */
export interface Traffic {
  /** Mean time between its calls. */
  readonly gapMs: number;
  /** Mean number of calls sent anywhere from one of its own to the next. */
  readonly gapCalls: number;
}

/** What a failure is told with. */
export interface Hit {
  readonly seq: number;
  /** The latest call sent anywhere: what was sent up to now is a straggler once a rest begins. */
  readonly lastSentSeq: number;
  readonly nowMs: number;
  /** Mean time between the deployment's calls. */
  readonly gapMs: number;
  /** Uniform in [0, 1). */
  readonly random: number;
}

/** A breaker that has seen nothing: it admits. */
export function newBreaker(): Breaker {
  return { bucket: 0, bucketMs: 0, run: [], lastSuccessSeq: 0, resting: false, restsUntilMs: 0, sinceSeq: 0, level: 0, admittedAtMs: 0, stage: 1, good: 0, bad: 0, slots: [], nextProbeMs: 0, nextProbeSeq: 0 };
}

/** What the breaker lets through at this time, when `lastSentSeq` was the latest call anywhere. */
export function phaseOf(breaker: Breaker, nowMs: number, lastSentSeq: number): BreakerPhase {
  if (!breaker.resting) return "admitting";
  const stage = STAGES[breaker.stage - 1] as (typeof STAGES)[number];
  if (liveSlots(breaker, nowMs) >= Math.min(stage.inFlight, stage.needs - breaker.good)) return "probing";
  if (breaker.stage === 1) return nowMs >= breaker.restsUntilMs ? "probe-ready" : "resting";
  return nowMs >= breaker.nextProbeMs || lastSentSeq >= breaker.nextProbeSeq ? "probe-ready" : "probing";
}

/** The stage of its return, from 1; 0 while it admits or rests. */
export function stageOf(breaker: Breaker, nowMs: number): number {
  return breaker.resting && phaseOf(breaker, nowMs, 0) !== "resting" ? breaker.stage : 0;
}

/** A call goes out: it counts as fine until it is known not to be. Returns what it took out of the bucket. */
export function drain(breaker: Breaker): number {
  if (breaker.resting || breaker.bucket === 0) return 0;
  const taken = Math.min(1, breaker.bucket);
  breaker.bucket -= taken;
  return taken;
}

/** The call told nothing either way: the bucket is as if it had not been sent. */
export function giveBack(breaker: Breaker, seq: number, taken: number): void {
  if (taken > 0 && !breaker.resting && seq > breaker.sinceSeq) breaker.bucket += taken;
}

/** Give this call a probe's slot. False where there is nothing to probe, or no slot is free. */
export function takeProbe(breaker: Breaker, seq: number, nowMs: number, traffic: Traffic): boolean {
  // As it was seen before this call was one.
  if (phaseOf(breaker, nowMs, seq - 1) !== "probe-ready") return false;
  breaker.slots = breaker.slots.filter((slot) => nowMs - slot.sentMs < PROBE_SLOT_MS);
  breaker.slots.push({ seq, sentMs: nowMs });
  space(breaker, seq, nowMs, traffic);
  return true;
}

/** The call ended without telling anything about the deployment; its slot, if it held one, is free again. */
export function releaseProbe(breaker: Breaker, seq: number): void {
  if (breaker.slots.length > 0) breaker.slots = breaker.slots.filter((slot) => slot.seq !== seq);
}

/** Does this call hold a probe's slot? */
export function isProbe(breaker: Breaker, seq: number): boolean {
  return breaker.resting && breaker.slots.some((slot) => slot.seq === seq);
}

/** A failure puts `weight` in the bucket. `inRun`: it also counts in the run of failures. */
export function recordFailure(breaker: Breaker, settings: RestSettings, hit: Hit, weight: number, inRun: boolean): void {
  if (breaker.resting) {
    // Stragglers and last-resort calls do not lengthen a rest: under full load they would push it to its maximum.
    if (isProbe(breaker, hit.seq)) failProbe(breaker, settings, hit);
    return;
  }
  if (hit.seq <= breaker.sinceSeq) return;
  breaker.bucket = bucketAt(breaker, hit.nowMs, hit.gapMs) + weight;
  breaker.bucketMs = hit.nowMs;
  if (inRun && hit.seq >= breaker.lastSuccessSeq) breaker.run.push(hit.seq);
  if (breaker.bucket >= OPEN_AT || breaker.run.length >= RUN_LIMIT) trip(breaker, settings, hit);
}

/** A probe was turned away (429): the deployment rests again, though this was no hard failure. */
export function refuseProbe(breaker: Breaker, settings: RestSettings, hit: Hit): void {
  if (isProbe(breaker, hit.seq)) trip(breaker, settings, hit);
}

/** The call brought content: the run of failures that were sent before it is over. */
export function recordContent(breaker: Breaker, seq: number): void {
  if (breaker.resting || seq <= breaker.lastSuccessSeq) return;
  breaker.lastSuccessSeq = seq;
  if (breaker.run.length > 0) breaker.run = breaker.run.filter((failed) => failed > seq);
}

/** The call did all that was asked of it. A probe brings its stage forward; a last-resort call in a rest lets the first probe go at once. */
export function recordSuccess(breaker: Breaker, seq: number, lastSentSeq: number, nowMs: number, traffic: Traffic): void {
  if (!breaker.resting) return recordContent(breaker, seq);
  if (seq <= breaker.sinceSeq) return;
  if (!isProbe(breaker, seq)) {
    if (breaker.stage === 1 && breaker.restsUntilMs > nowMs) breaker.restsUntilMs = nowMs;
    return;
  }
  releaseProbe(breaker, seq);
  breaker.good += 1;
  if (breaker.good < (STAGES[breaker.stage - 1] as (typeof STAGES)[number]).needs) return;
  breaker.good = 0;
  breaker.bad = 0;
  if (breaker.stage === LAST_STAGE) return admit(breaker, lastSentSeq, nowMs);
  breaker.stage += 1;
  space(breaker, lastSentSeq, nowMs, traffic);
}

/** Rest now, whatever the bucket holds. */
export function trip(breaker: Breaker, settings: RestSettings, { lastSentSeq, nowMs, random }: Hit): void {
  const level = levelAt(breaker, nowMs);
  const fullMs = restMsAt(settings, level);
  breaker.resting = true;
  breaker.restsUntilMs = nowMs + fullMs * (1 - JITTER_SHARE * random);
  breaker.sinceSeq = lastSentSeq;
  // Beyond the level that reaches rest_max more doublings would only take longer to fall.
  breaker.level = fullMs >= settings.restMaxMs ? level : level + 1;
  breaker.bucket = 0;
  breaker.run = [];
  breaker.stage = 1;
  breaker.good = 0;
  breaker.bad = 0;
  breaker.slots = [];
}

/** How long a rest of level k is before jitter, in ms: rest × 2^k, at most rest_max. */
export function restMsAt(settings: RestSettings, level: number): number {
  return Math.min(settings.restMaxMs, settings.restMs * 2 ** Math.min(level, LEVEL_LIMIT));
}

/** k at this time: it rises by one with each rest, and falls by one per five minutes of health. */
export function levelAt(breaker: Breaker, nowMs: number): number {
  if (breaker.resting || breaker.level === 0) return breaker.level;
  return Math.max(0, breaker.level - Math.floor((nowMs - breaker.admittedAtMs) / HEALTH_SPAN_MS));
}

/** What is in the bucket at this time: it forgets by e in ten minutes, or in a hundred calls where these take longer. */
export function bucketAt(breaker: Breaker, nowMs: number, gapMs: number): number {
  if (breaker.bucket === 0) return 0;
  return breaker.bucket * Math.exp(-Math.max(0, nowMs - breaker.bucketMs) / Math.max(FORGET_MIN_MS, FORGET_GAPS * gapMs));
}

/** Has it forgotten everything that could matter? Then its state need not be kept. */
export function isPristine(breaker: Breaker, nowMs: number, gapMs: number): boolean {
  return !breaker.resting && breaker.run.length === 0 && levelAt(breaker, nowMs) === 0 && bucketAt(breaker, nowMs, gapMs) < 1;
}

function failProbe(breaker: Breaker, settings: RestSettings, hit: Hit): void {
  releaseProbe(breaker, hit.seq);
  breaker.bad += 1;
  if (breaker.stage < LAST_STAGE || breaker.bad >= BAD_IN_LAST_STAGE) trip(breaker, settings, hit);
}

function admit(breaker: Breaker, lastSentSeq: number, nowMs: number): void {
  breaker.resting = false;
  breaker.slots = [];
  breaker.admittedAtMs = nowMs;
  breaker.sinceSeq = lastSentSeq;
  breaker.lastSuccessSeq = lastSentSeq;
}

/** When the next probe may go: at once, but for the last stage. */
function space(breaker: Breaker, seq: number, nowMs: number, { gapMs, gapCalls }: Traffic): void {
  const last = breaker.stage === LAST_STAGE;
  breaker.nextProbeMs = nowMs + (last ? Math.min(PROBE_SPACING_MAX_MS, LAST_STAGE_GAPS * gapMs) : 0);
  breaker.nextProbeSeq = seq + (last ? LAST_STAGE_GAPS * gapCalls : 0);
}

function liveSlots(breaker: Breaker, nowMs: number): number {
  let live = 0;
  for (const slot of breaker.slots) if (nowMs - slot.sentMs < PROBE_SLOT_MS) live += 1;
  return live;
}
