/**
 * The breaker of one deployment and endpoint: a run of hard failures rests it, then one probe at a time decides.
 *
 * Calls are ordered by when they were *sent* (a sequence number), not by when they end: an answer that was on its way
 * before the trouble began says nothing about the trouble. The run is therefore the number of failures that were sent
 * after the latest success.
 */

/** Failures in a run that rest a deployment. */
export const RUN_LIMIT = 5;
/** A rest is shortened by up to this share, so that many deployments do not wake in step. */
export const JITTER_SHARE = 0.2;
/** A probe that has told nothing for this long gives up its slot. */
export const PROBE_SLOT_MS = 600_000;
/** Doublings are counted up to here whatever the settings say. */
const LEVEL_LIMIT = 16;

export interface RestSettings {
  readonly restMs: number;
  readonly restMaxMs: number;
}

export type BreakerPhase = "admitting" | "resting" | "probe-ready" | "probing";

/** Plain state; only the functions below change it. */
export interface Breaker {
  /** Sequence numbers of the failures in the run, at most RUN_LIMIT. */
  run: number[];
  lastSuccessSeq: number;
  resting: boolean;
  restsUntilMs: number;
  /** Calls up to this one were sent before the latest rest began: stragglers. */
  restSeq: number;
  /** k: how often the next rest is doubled. */
  level: number;
  admittedAtMs: number;
  /** The call that holds the probe slot; 0 where none does. */
  probeSeq: number;
  probeSentMs: number;
}

/** A breaker that has seen nothing: it admits. */
export function newBreaker(): Breaker {
  return { run: [], lastSuccessSeq: 0, resting: false, restsUntilMs: 0, restSeq: 0, level: 0, admittedAtMs: 0, probeSeq: 0, probeSentMs: 0 };
}

/** What the breaker lets through at this time. */
export function phaseOf(breaker: Breaker, nowMs: number): BreakerPhase {
  if (!breaker.resting) return "admitting";
  if (breaker.probeSeq !== 0 && nowMs - breaker.probeSentMs < PROBE_SLOT_MS) return "probing";
  return nowMs >= breaker.restsUntilMs ? "probe-ready" : "resting";
}

/** Give the one probe slot to this call. False where there is nothing to probe, or the slot is taken. */
export function takeProbe(breaker: Breaker, seq: number, nowMs: number): boolean {
  if (phaseOf(breaker, nowMs) !== "probe-ready") return false;
  breaker.probeSeq = seq;
  breaker.probeSentMs = nowMs;
  return true;
}

/** The call ended without telling anything about the deployment; its slot, if it held it, is free again. */
export function releaseProbe(breaker: Breaker, seq: number): void {
  if (breaker.probeSeq === seq) breaker.probeSeq = 0;
}

/** Does this call hold the probe slot? */
export function isProbe(breaker: Breaker, seq: number): boolean {
  return breaker.resting && breaker.probeSeq === seq;
}

/**
 * A hard failure of the call `seq`. `lastSentSeq` is the latest call sent anywhere: what was sent up to now is a
 * straggler once a rest begins. `random` is uniform in [0, 1).
 */
export function recordFailure(breaker: Breaker, settings: RestSettings, seq: number, lastSentSeq: number, nowMs: number, random: number): void {
  if (breaker.resting) {
    // Stragglers and last-resort calls do not lengthen a rest: under full load they would push it to its maximum.
    if (isProbe(breaker, seq)) rest(breaker, settings, lastSentSeq, nowMs, random);
    return;
  }
  if (seq <= breaker.lastSuccessSeq || seq <= breaker.restSeq) return;
  breaker.run.push(seq);
  if (breaker.run.length >= RUN_LIMIT) rest(breaker, settings, lastSentSeq, nowMs, random);
}

/** A probe was turned away (429): the deployment rests again, though this was no hard failure. */
export function refuseProbe(breaker: Breaker, settings: RestSettings, seq: number, lastSentSeq: number, nowMs: number, random: number): void {
  if (isProbe(breaker, seq)) rest(breaker, settings, lastSentSeq, nowMs, random);
}

/**
 * The call `seq` was answered. While resting, a success of any call sent since the rest began admits: the probe's, and
 * that of a last-resort call, which is the same evidence.
 */
export function recordSuccess(breaker: Breaker, seq: number, nowMs: number): void {
  if (breaker.resting) {
    if (seq <= breaker.restSeq) return;
    breaker.resting = false;
    breaker.probeSeq = 0;
    breaker.admittedAtMs = nowMs;
    breaker.run = [];
    breaker.lastSuccessSeq = seq;
    return;
  }
  if (seq <= breaker.lastSuccessSeq) return;
  breaker.lastSuccessSeq = seq;
  if (breaker.run.length > 0) breaker.run = breaker.run.filter((failed) => failed > seq);
}

/** How long a rest of level k is before jitter, in ms: rest × 2^k, at most rest_max. */
export function restMsAt(settings: RestSettings, level: number): number {
  return Math.min(settings.restMaxMs, settings.restMs * 2 ** Math.min(level, LEVEL_LIMIT));
}

/**
 * k at this time. It rises by one with each rest and falls by one for each span of health as long as a rest of that
 * level: rests in quick succession grow, and a deployment that flaps as slowly as it rests does not.
 */
export function levelAt(breaker: Breaker, settings: RestSettings, nowMs: number): number {
  if (breaker.resting) return breaker.level;
  let level = breaker.level;
  let healthyMs = nowMs - breaker.admittedAtMs;
  while (level > 0 && healthyMs >= restMsAt(settings, level)) {
    healthyMs -= restMsAt(settings, level);
    level -= 1;
  }
  return level;
}

/** Has it forgotten everything that could matter? Then its state need not be kept. */
export function isPristine(breaker: Breaker, settings: RestSettings, nowMs: number): boolean {
  return !breaker.resting && breaker.run.length === 0 && levelAt(breaker, settings, nowMs) === 0;
}

function rest(breaker: Breaker, settings: RestSettings, lastSentSeq: number, nowMs: number, random: number): void {
  const level = levelAt(breaker, settings, nowMs);
  const fullMs = restMsAt(settings, level);
  breaker.resting = true;
  breaker.restsUntilMs = nowMs + fullMs * (1 - JITTER_SHARE * random);
  breaker.restSeq = lastSentSeq;
  // Beyond the level that reaches rest_max more doublings would only take longer to fall.
  breaker.level = fullMs >= settings.restMaxMs ? level : level + 1;
  breaker.probeSeq = 0;
  breaker.run = [];
}
