/**
 * The pace of one deployment. A 429 (or any Retry-After) keeps us away for a while. Where calls are refused again as soon as they go
 * out again, or many of them are, the pace that is accepted at all is learned from what was accepted before; where headers tell what is
 * left, it is known before the first refusal. A 429 now and then among calls that are taken is no limit: it pauses, and teaches nothing.
 * Nothing of this touches a breaker's bucket.
 */

/** First pause where the provider names none; doubles with each 429 in a row. */
export const PAUSE_BASE_MS = 1_000;
export const PAUSE_MAX_MS = 60_000;
/** A Retry-After is obeyed up to here; more would be a mistake or a matter for the credential. */
export const RETRY_AFTER_MAX_MS = 3_600_000;

/** Calls are counted per second over a sliding minute. */
const WINDOW_S = 60;
const WINDOW_MS = WINDOW_S * 1_000;
/** A cut keeps this share of what was accepted. */
const CUT_SHARE = 0.9;
/** Fewer than these show no pace: a first call that is refused says nothing of how many would have been taken. */
const SHOWS_PACE = 3;
/** The first call after a refusal's pause goes out so long before the next. */
const ALONE_MS = 500;
/** So many first calls in a row that are refused show a limit. */
const SHOWS_LIMIT = 2;
/** So does a second refusal within two minutes, where this share of the calls of about a minute was refused. */
const REFUSED_SHARE = 0.1;
const SECOND_MS = 120_000;
/** A raise needs the limit to be in full use for a minute, doubled for each recent cut. */
const HOLD_MS = 60_000;
const CUTS_MAX = 4;
const CUT_FORGOTTEN_MS = 600_000;
const GROWTH_MIN = 1.1;
const GROWTH_MAX = 2;
/** Longer without being full: it is no longer in full use. */
const FULL_GAP_MS = 90_000;
/** A limit that nothing has met for so long is forgotten; one that was neither cut nor raised for so long is tried. */
const LIMIT_KEPT_MS = 3_600_000;
/** Refusals with nothing accepted in a minute, after which it is no matter of pace. */
const EMPTY_LIMIT = 3;
/** What headers tell is believed for so long at most. */
const HINT_MAX_MS = 60_000;

/** What an answer's headers say is left. */
export interface LimitHint {
  readonly remainingRequests: number;
  /** Until the limit is whole again. */
  readonly resetMs: number;
}

/** One limit as an answer's headers tell it. null: not told. */
interface ToldLimit {
  readonly of: string;
  readonly remaining: number | null;
  readonly resetInMs: number | null;
}

/** What binds first of an answer's limits; null where none tells enough. How many calls some tokens are is not known: they bind when they are gone. */
export function hintOf(limits: readonly ToldLimit[]): LimitHint | null {
  let hint: LimitHint | null = null;
  for (const { of, remaining, resetInMs } of limits) {
    if (remaining === null || resetInMs === null || (of !== "requests" && remaining > 0)) continue;
    if (hint === null || remaining < hint.remainingRequests || (remaining === hint.remainingRequests && resetInMs > hint.resetMs)) hint = { remainingRequests: remaining, resetMs: resetInMs };
  }
  return hint;
}

/** Plain state; only the functions below change it. */
export interface Pace {
  /** Not before this time, for a 429 or a Retry-After. */
  pauseToMs: number;
  /** j: pauses in a row. */
  step: number;
  /** Calls up to this one were sent before the latest refusal that counted: their 429s are the same event. */
  refusedSeq: number;
  /** The same of the refusal before. */
  refusedBeforeSeq: number;
  /** Of the latest refusal that counted: when it came, and the calls sent here until then. */
  refusedAtMs: number;
  sentAtRefusal: number;
  /** First calls after a refusal's pause, one after the other, that were refused. */
  atOnce: number;
  /** Refused calls, each for about a minute, as of `latelyMs`. */
  refusedLately: number;
  latelyMs: number;
  /** Calls accepted per sliding minute; infinite: not known. */
  limit: number;
  /** Calls per second, those that were refused taken out again. */
  readonly counts: Uint16Array;
  /** The latest second that is counted, and the sum of the minute that it ends. */
  second: number;
  accepted: number;
  /** Of the latest cut or raise. */
  heldSinceMs: number;
  cuts: number;
  cutAtMs: number;
  /** What the latest cut was reckoned from: the limit before it, and the calls that seemed to be accepted. */
  limitBefore: number;
  acceptedBefore: number;
  /** The limit under which a call was last accepted. */
  provenLimit: number;
  growth: number;
  fullSinceMs: number;
  fullAtMs: number;
  /** Refusals in a row with nothing accepted. */
  empty: number;
  /** Calls ever sent, to tell which were sent after one that brings a hint. */
  sent: number;
  /** What is left until `hintUntilMs`; infinite: not told. */
  left: number;
  hintUntilMs: number;
  /** Something was left once: a header that always says none is not believed. */
  hintSeen: boolean;
}

export interface Refusal {
  readonly seq: number;
  /** Among the deployment's calls. */
  readonly nth: number;
  readonly sentMs: number;
  /** The latest call sent anywhere. */
  readonly lastSentSeq: number;
  /** null where none was told. */
  readonly retryAfterMs: number | null;
  /** False where what was accepted before says nothing of a pace: the deployment rested. */
  readonly teaches: boolean;
  readonly nowMs: number;
}

/** A pace that has seen nothing. */
export function newPace(): Pace {
  return {
    pauseToMs: 0, step: 0, refusedSeq: 0, refusedBeforeSeq: 0, refusedAtMs: Number.NEGATIVE_INFINITY, sentAtRefusal: Number.NEGATIVE_INFINITY, atOnce: 0, refusedLately: 0, latelyMs: 0, limit: Number.POSITIVE_INFINITY, counts: new Uint16Array(WINDOW_S), second: 0, accepted: 0,
    heldSinceMs: 0, cuts: 0, cutAtMs: 0, limitBefore: Number.POSITIVE_INFINITY, acceptedBefore: 0, provenLimit: Number.POSITIVE_INFINITY, growth: GROWTH_MIN, fullSinceMs: 0, fullAtMs: 0, empty: 0, sent: 0, left: Number.POSITIVE_INFINITY, hintUntilMs: 0, hintSeen: false,
  };
}

/** A call goes out. Returns its number among this deployment's calls. */
export function recordSent(pace: Pace, nowMs: number): number {
  advance(pace, nowMs);
  const i = pace.second % WINDOW_S;
  pace.counts[i] = (pace.counts[i] as number) + 1;
  pace.accepted += 1;
  pace.sent += 1;
  pace.left -= 1;
  if (pace.sent - pace.sentAtRefusal === 1) pauseFor(pace, ALONE_MS, nowMs);
  if (pace.limit !== Number.POSITIVE_INFINITY) watchLimit(pace, nowMs);
  return pace.sent;
}

/**
 * A call was answered 429. Pauses for Retry-After, else 1 s × 2^j up to 60 s, and cuts the limit where it shows one. A burst of refusals
 * for calls that were sent together is one event. True where it is no matter of pace any more: for the third time in a row
 * nothing was accepted in the minute before.
 */
export function recordRefusal(pace: Pace, refusal: Refusal): boolean {
  const { seq, lastSentSeq, retryAfterMs, nowMs } = refusal;
  advance(pace, nowMs);
  takeOut(pace, refusal.sentMs);
  pace.refusedLately = 1 + pace.refusedLately * Math.exp((pace.latelyMs - nowMs) / WINDOW_MS);
  pace.latelyMs = nowMs;
  if (retryAfterMs !== null) pauseFor(pace, retryAfterMs, nowMs);
  if (seq <= pace.refusedSeq) {
    correctCut(pace, refusal.sentMs);
    return false;
  }
  const showsLimit = isLimit(pace, refusal);
  pace.refusedBeforeSeq = pace.refusedSeq;
  pace.refusedSeq = lastSentSeq;
  pace.refusedAtMs = nowMs;
  pace.sentAtRefusal = pace.sent;
  if (retryAfterMs === null) {
    const pauseMs = Math.min(PAUSE_MAX_MS, PAUSE_BASE_MS * 2 ** pace.step);
    if (pauseMs < PAUSE_MAX_MS) pace.step += 1;
    pauseFor(pace, pauseMs, nowMs);
  }
  if (!refusal.teaches) return false;
  if (showsLimit) cut(pace, nowMs);
  pace.empty = pace.accepted === 0 ? pace.empty + 1 : 0;
  if (pace.empty < EMPTY_LIMIT) return false;
  // What looked like a pace was an outage: cuts since the last call that was accepted were no lesson.
  pace.limit = pace.provenLimit;
  return true;
}

/** Is this refusal one of a limit, and none that comes now and then? Counts it. */
function isLimit(pace: Pace, { nth, nowMs }: Refusal): boolean {
  pace.atOnce = nth - pace.sentAtRefusal === 1 ? pace.atOnce + 1 : 0;
  if (pace.atOnce >= SHOWS_LIMIT) return true;
  return nowMs - pace.refusedAtMs <= SECOND_MS && pace.refusedLately >= REFUSED_SHARE * (pace.refusedLately + pace.accepted);
}

/** Stay away for at least `retryAfterMs` from now; a longer pause that runs already stays. */
export function pauseFor(pace: Pace, retryAfterMs: number, nowMs: number): void {
  pace.pauseToMs = Math.max(pace.pauseToMs, nowMs + Math.min(RETRY_AFTER_MAX_MS, Math.max(0, retryAfterMs)));
}

/** The call `seq` was answered. Only one that was sent after the latest refusal shows that the pace is right again. */
export function recordAcceptance(pace: Pace, seq: number): void {
  if (seq <= pace.refusedSeq) {
    // Sent between the last two: they were none in a row. Content is slower than a refusal, so that nothing told so when the second came.
    if (seq > pace.refusedBeforeSeq && pace.step > 1) pace.step = 1;
    return;
  }
  pace.step = 0;
  pace.empty = 0;
  pace.provenLimit = pace.limit;
}

/** The headers of the answer to the deployment's `nth` call: what they leave, less the calls sent after it. */
export function recordHint(pace: Pace, nth: number, hint: LimitHint, nowMs: number): void {
  if (hint.remainingRequests > 0) pace.hintSeen = true;
  if (!pace.hintSeen) return;
  pace.left = hint.remainingRequests - (pace.sent - nth);
  pace.hintUntilMs = nowMs + Math.min(HINT_MAX_MS, Math.max(0, hint.resetMs));
}

/** When the next call may go; 0: at once. */
export function pausedUntilMs(pace: Pace, nowMs: number): number {
  const untilMs = toldUntilMs(pace, nowMs);
  return pace.limit === Number.POSITIVE_INFINITY ? untilMs : Math.max(untilMs, roomAtMs(pace, nowMs));
}

/** Is it the learned limit that the next call waits for, and no pause that was told? Then a call before might be taken. */
export function isCapped(pace: Pace, nowMs: number): boolean {
  return pace.limit !== Number.POSITIVE_INFINITY && roomAtMs(pace, nowMs) > toldUntilMs(pace, nowMs);
}

/** By a 429, a Retry-After or headers; 0: nothing is told. */
function toldUntilMs(pace: Pace, nowMs: number): number {
  const untilMs = pace.pauseToMs > nowMs ? pace.pauseToMs : 0;
  return pace.left <= 0 && pace.hintUntilMs > nowMs ? Math.max(untilMs, pace.hintUntilMs) : untilMs;
}

/** Is there nothing to remember? */
export function isPlain(pace: Pace, nowMs: number): boolean {
  return pace.pauseToMs <= nowMs && (pace.limit === Number.POSITIVE_INFINITY || isStale(pace, nowMs));
}

function cut(pace: Pace, nowMs: number): void {
  pace.limitBefore = pace.limit;
  pace.acceptedBefore = pace.accepted;
  pace.limit = cutLimit(pace);
  if (pace.limit === Number.POSITIVE_INFINITY) return;
  pace.cuts = Math.min(CUTS_MAX, recentCuts(pace, nowMs) + 1);
  pace.cutAtMs = nowMs;
  pace.heldSinceMs = nowMs;
  pace.growth = GROWTH_MIN;
}

/** A call that seemed to be accepted when the limit was cut was not: the limit is reckoned anew. */
function correctCut(pace: Pace, sentMs: number): void {
  if (pace.limit === Number.POSITIVE_INFINITY || pace.heldSinceMs !== pace.cutAtMs || sentMs > pace.cutAtMs || sentMs <= pace.cutAtMs - WINDOW_MS) return;
  pace.acceptedBefore -= 1;
  pace.limit = cutLimit(pace);
}

function cutLimit({ limitBefore, acceptedBefore }: Pace): number {
  if (limitBefore === Number.POSITIVE_INFINITY && acceptedBefore < SHOWS_PACE) return limitBefore;
  return Math.max(1, Math.floor(CUT_SHARE * Math.min(limitBefore, acceptedBefore)));
}

/** A limit in full use for long enough, or now and then for an hour, is raised: by 1.1, 1.2, 1.4 … 2 times. */
function watchLimit(pace: Pace, nowMs: number): void {
  if (pace.accepted < pace.limit) {
    if (isStale(pace, nowMs)) pace.limit = Number.POSITIVE_INFINITY;
    return;
  }
  if (nowMs - pace.fullAtMs > FULL_GAP_MS) pace.fullSinceMs = nowMs;
  pace.fullAtMs = nowMs;
  const held = nowMs - Math.max(pace.fullSinceMs, pace.heldSinceMs) < HOLD_MS * 2 ** recentCuts(pace, nowMs);
  // Calls that come together and seldom are never that long in full use: without this, what a bad minute taught would hold them back for good.
  if (held && nowMs - pace.heldSinceMs < LIMIT_KEPT_MS) return;
  pace.limit = Math.max(pace.limit + 1, Math.floor(pace.limit * pace.growth));
  pace.growth = Math.min(GROWTH_MAX, 1 + 2 * (pace.growth - 1));
  pace.heldSinceMs = nowMs;
}

function isStale(pace: Pace, nowMs: number): boolean {
  return nowMs - Math.max(pace.cutAtMs, pace.fullAtMs) > LIMIT_KEPT_MS;
}

function recentCuts(pace: Pace, nowMs: number): number {
  return Math.max(0, pace.cuts - Math.floor((nowMs - pace.cutAtMs) / CUT_FORGOTTEN_MS));
}

/** When enough calls have left the minute; 0: there is room now. */
function roomAtMs(pace: Pace, nowMs: number): number {
  advance(pace, nowMs);
  let excess = pace.accepted - pace.limit + 1;
  if (excess <= 0) return 0;
  for (let second = pace.second - WINDOW_S + 1; second <= pace.second; second += 1) {
    excess -= second < 0 ? 0 : (pace.counts[second % WINDOW_S] as number);
    if (excess <= 0) return second * 1_000 + WINDOW_MS;
  }
  return 0;
}

/** Let the minute end now. */
function advance(pace: Pace, nowMs: number): void {
  const second = Math.floor(nowMs / 1_000);
  if (second <= pace.second) return;
  if (second - pace.second >= WINDOW_S) {
    pace.counts.fill(0);
    pace.accepted = 0;
  } else {
    for (let left = pace.second + 1; left <= second; left += 1) {
      pace.accepted -= pace.counts[left % WINDOW_S] as number;
      pace.counts[left % WINDOW_S] = 0;
    }
  }
  pace.second = second;
}

function takeOut(pace: Pace, sentMs: number): void {
  const second = Math.floor(sentMs / 1_000);
  const count = pace.counts[second % WINDOW_S] as number;
  if (second <= pace.second - WINDOW_S || count === 0) return;
  pace.counts[second % WINDOW_S] = count - 1;
  pace.accepted -= 1;
}
