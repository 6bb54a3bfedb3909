/** The pace of one deployment: how long a 429 (or any Retry-After) keeps us away. It never touches the breaker's run. */

/** First pause where the provider names none; doubles with each 429 in a row. */
export const PAUSE_BASE_MS = 1_000;
export const PAUSE_MAX_MS = 60_000;
/** A Retry-After is obeyed up to here; more would be a mistake or a matter for the credential. */
export const RETRY_AFTER_MAX_MS = 3_600_000;

/** Plain state; only the functions below change it. */
export interface Pace {
  pausedUntilMs: number;
  /** j: pauses in a row. */
  step: number;
  /** Calls up to this one were sent before the latest pause began: their 429s are the same event. */
  pauseSeq: number;
}

/** A pace that has seen no refusal. */
export function newPace(): Pace {
  return { pausedUntilMs: 0, step: 0, pauseSeq: 0 };
}

/**
 * The call `seq` was answered 429. Pauses for Retry-After (ms, null where none was told), else 1 s × 2^j up to 60 s. A
 * burst of refusals for calls that were sent together is one step, not many.
 */
export function recordRefusal(pace: Pace, seq: number, lastSentSeq: number, retryAfterMs: number | null, nowMs: number): void {
  if (retryAfterMs !== null) return pauseFor(pace, retryAfterMs, lastSentSeq, nowMs);
  if (seq <= pace.pauseSeq) return;
  const pauseMs = Math.min(PAUSE_MAX_MS, PAUSE_BASE_MS * 2 ** pace.step);
  if (pauseMs < PAUSE_MAX_MS) pace.step += 1;
  pauseFor(pace, pauseMs, lastSentSeq, nowMs);
}

/** Stay away for at least `retryAfterMs` from now; a longer pause that runs already stays. */
export function pauseFor(pace: Pace, retryAfterMs: number, lastSentSeq: number, nowMs: number): void {
  const pauseMs = Math.min(RETRY_AFTER_MAX_MS, Math.max(0, retryAfterMs));
  pace.pausedUntilMs = Math.max(pace.pausedUntilMs, nowMs + pauseMs);
  pace.pauseSeq = lastSentSeq;
}

/** The call `seq` was answered. Only one that was sent after the latest refusal shows that the pace is right again. */
export function recordAcceptance(pace: Pace, seq: number): void {
  if (seq > pace.pauseSeq) pace.step = 0;
}
