/** What is known of one deployment's endpoint, and what follows from it for the next call. */
import { PeakEwma } from "../balance/peak-ewma.ts";
import * as excluding from "../exclusion.ts";
import type { Exclusion } from "../exclusion.ts";
import { Observed } from "../observed/observed.ts";
import * as breaking from "./breaker.ts";
import type { Breaker, BreakerPhase } from "./breaker.ts";
import * as limiting from "./concurrency.ts";
import type { Concurrency } from "./concurrency.ts";
import * as pacing from "./pace.ts";
import type { Pace } from "./pace.ts";
import type { ExclusionView, HealthId, HealthRow, HealthView } from "./types.ts";

/** Breakers for slow calls that one deployment may have; the one longest unused makes room. */
const THRESHOLDS_MAX = 8;
/** The mean gap is that of about so many calls. */
const GAP_CALLS = 32;

export const HEALTHY: HealthView = Object.freeze({ state: "admitting", pausedUntilMs: 0, excluded: null, restsUntilMs: 0 });

/** Judges calls that somebody wants within `thresholdMs`. */
export interface SlowBreaker {
  readonly thresholdMs: number;
  readonly breaker: Breaker;
  usedSeq: number;
}

/** Plain state, but for what it observed. */
export interface Entry {
  readonly id: HealthId;
  readonly breaker: Breaker;
  readonly slow: SlowBreaker[];
  readonly pace: Pace;
  readonly concurrency: Concurrency;
  /** The model that the provider does not know. */
  readonly exclusion: Exclusion;
  readonly target: number;
  /** null: no call has told anything yet. Names that mean nothing stay without. */
  observed: Observed | null;
  /** How busy it is, by its latest waits and what is in flight. */
  readonly load: PeakEwma;
  /** Mean time between calls while it admits: a rest is no gap. */
  gapMs: number;
  /** Mean number of calls sent anywhere from one of its own to the next. */
  gapCalls: number;
  gaps: number;
  /** When the last call went out, and its number; 0 for that: it did not admit then. */
  gapFromMs: number;
  gapFromSeq: number;
  lastSentMs: number;
}

/** Nothing known yet. `target`: the strictest availability that is asked of it. */
export function newEntry({ deployment, account, endpoint }: HealthId, target = 0.999): Entry {
  return {
    id: { deployment, account, endpoint }, breaker: breaking.newBreaker(), slow: [], pace: pacing.newPace(), concurrency: limiting.newConcurrency(),
    exclusion: excluding.newExclusion(), target, observed: null, load: new PeakEwma(), gapMs: 0, gapCalls: 1, gaps: 0, gapFromMs: 0, gapFromSeq: 0, lastSentMs: 0,
  };
}

/** The call `seq` goes out at this time. */
export function noteSent(entry: Entry, seq: number, nowMs: number): void {
  const admits = !entry.breaker.resting;
  if (admits && entry.gapFromSeq > 0) {
    entry.gaps = Math.min(GAP_CALLS, entry.gaps + 1);
    entry.gapMs += (Math.max(0, nowMs - entry.gapFromMs) - entry.gapMs) / entry.gaps;
    entry.gapCalls += (seq - entry.gapFromSeq - entry.gapCalls) / entry.gaps;
  }
  entry.gapFromMs = nowMs;
  entry.gapFromSeq = admits ? seq : 0;
  entry.lastSentMs = nowMs;
  entry.observed?.sent(nowMs);
}

/** Where to write what a call taught that was sent at `sentMs`. */
export function observedOf(entry: Entry, sentMs: number): Observed {
  if (entry.observed === null) {
    entry.observed = new Observed({ target: entry.target });
    entry.observed.sent(sentMs);
  }
  return entry.observed;
}

/** The breaker that judges calls by this threshold; null where nobody asks for a time. */
export function slowBreakerFor(entry: Entry, thresholdMs: number, seq: number): SlowBreaker | null {
  if (thresholdMs <= 0) return null;
  let found = slowBreakerOf(entry, thresholdMs);
  if (found === null) {
    if (entry.slow.length >= THRESHOLDS_MAX) {
      const oldest = entry.slow.reduce((old, one) => (one.usedSeq < old.usedSeq ? one : old));
      entry.slow.splice(entry.slow.indexOf(oldest), 1);
    }
    found = { thresholdMs, breaker: breaking.newBreaker(), usedSeq: seq };
    entry.slow.push(found);
  }
  found.usedSeq = seq;
  return found;
}

function slowBreakerOf(entry: Entry, thresholdMs: number): SlowBreaker | null {
  for (const one of entry.slow) if (one.thresholdMs === thresholdMs) return one;
  return null;
}

/** Nothing here would be missed but what was observed, which grows again. */
export function isForgettable(entry: Entry, nowMs: number): boolean {
  return (
    breaking.isPristine(entry.breaker, nowMs, entry.gapMs) && entry.slow.every(({ breaker }) => breaking.isPristine(breaker, nowMs, entry.gapMs)) &&
    pacing.isPlain(entry.pace, nowMs) && entry.exclusion.reason === null && entry.concurrency.inFlight === 0
  );
}

/** What both breakers let through: the stricter of the two. */
export function joinedPhase(entry: Entry, thresholdMs: number, lastSentSeq: number, nowMs: number): BreakerPhase {
  const hard = breaking.phaseOf(entry.breaker, nowMs, lastSentSeq);
  const slow = thresholdMs <= 0 || entry.slow.length === 0 ? null : slowBreakerOf(entry, thresholdMs);
  return slow === null ? hard : stricter(hard, breaking.phaseOf(slow.breaker, nowMs, lastSentSeq));
}

const STRICTNESS: Readonly<Record<BreakerPhase, number>> = { admitting: 0, "probe-ready": 1, probing: 2, resting: 3 };

function stricter(a: BreakerPhase, b: BreakerPhase): BreakerPhase {
  return STRICTNESS[a] >= STRICTNESS[b] ? a : b;
}

/** What may be sent there now, by calls that are held to `thresholdMs`. */
export function viewOf(entry: Entry | undefined, credential: Exclusion | undefined, thresholdMs: number, lastSentSeq: number, nowMs: number): HealthView {
  const excluded = exclusionViewOf(credential, "account", nowMs) ?? exclusionViewOf(entry?.exclusion, "deployment", nowMs);
  const trialDue = isDue(credential, nowMs) || isDue(entry?.exclusion, nowMs);
  if (entry === undefined) return excluded === null && !trialDue ? HEALTHY : { ...HEALTHY, state: trialDue ? "probe-ready" : "admitting", excluded };
  const phase = joinedPhase(entry, thresholdMs, lastSentSeq, nowMs);
  const pausedUntilMs = pacing.pausedUntilMs(entry.pace, nowMs);
  const full = limiting.isFull(entry.concurrency);
  if (phase === "admitting" && excluded === null && !trialDue && pausedUntilMs === 0 && !full) return HEALTHY;
  const slow = thresholdMs <= 0 ? null : slowBreakerOf(entry, thresholdMs);
  return {
    state: phase === "admitting" && trialDue ? "probe-ready" : phase,
    pausedUntilMs,
    ...(pausedUntilMs > nowMs && pacing.isCapped(entry.pace, nowMs) ? { capped: true as const } : {}),
    excluded,
    restsUntilMs: Math.max(entry.breaker.resting ? entry.breaker.restsUntilMs : 0, slow?.breaker.resting === true ? slow.breaker.restsUntilMs : 0),
    ...(full ? { full } : {}),
    ...(slow?.breaker.resting === true && !entry.breaker.resting ? { slowOnly: true as const } : {}),
    ...(phase === "probe-ready" && slow?.breaker.resting === true ? { raced: true as const } : {}),
  };
}

/** Its line in a listing: as calls see it that nobody wants within a time, its breakers for slow calls beside. */
export function rowOf(entry: Entry, credential: Exclusion | undefined, lastSentSeq: number, nowMs: number): HealthRow {
  const { breaker, gapMs, pace, concurrency } = entry;
  return {
    ...entry.id,
    ...viewOf(entry, credential, 0, lastSentSeq, nowMs),
    run: breaker.run.length,
    level: breaking.levelAt(breaker, nowMs),
    bucket: tenths(breaking.bucketAt(breaker, nowMs, gapMs)),
    stage: breaking.stageOf(breaker, nowMs),
    slow: entry.slow.map((one) => ({
      thresholdMs: one.thresholdMs,
      state: breaking.phaseOf(one.breaker, nowMs, lastSentSeq),
      bucket: tenths(breaking.bucketAt(one.breaker, nowMs, gapMs)),
      level: breaking.levelAt(one.breaker, nowMs),
      stage: breaking.stageOf(one.breaker, nowMs),
    })),
    acceptsPerMinute: Number.isFinite(pace.limit) ? pace.limit : null,
    inFlight: concurrency.inFlight,
    takesAtOnce: Number.isFinite(concurrency.limit) ? tenths(concurrency.limit) : null,
  };
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

function isDue(exclusion: Exclusion | undefined, nowMs: number): boolean {
  return exclusion !== undefined && excluding.exclusionPhase(exclusion, nowMs) === "due";
}

function exclusionViewOf(exclusion: Exclusion | undefined, scope: ExclusionView["scope"], nowMs: number): ExclusionView | null {
  if (exclusion === undefined || exclusion.reason === null || excluding.exclusionPhase(exclusion, nowMs) !== "shut") return null;
  return { reason: exclusion.reason, untilMs: exclusion.untilMs, scope, alarm: exclusion.reason !== "payment" };
}
