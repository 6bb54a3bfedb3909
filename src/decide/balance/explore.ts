/**
 * When to try a deployment that is not chosen, to learn whether it has become better: at the interval at which probes cost as much
 * as finding out late. Times are those of one clock in ms.
 */

/** How often such things change: once an hour. */
const CHANGES_PER_S = 1 / 3_600;
/** One that would save nothing is tried this often all the same. */
const DEARER_INTERVAL_MS = 30 * 60_000;
/** The shortest part of the interval, for one whose estimate is proven too bad by its probes. */
const LEAST_PART = 1 / 16;

export interface ProbeFacts {
  readonly probeNanoUsd: number;
  /** What a request would save there; 0 or below: it is no cheaper. */
  readonly savingNanoUsd: number;
  readonly requestsPerS: number;
  /** By its estimate, how likely a probe is bad: fails, or is late. */
  readonly badChance: number;
  /** Good probes since the last bad one. */
  readonly streak: number;
}

/** After how long without a call one is due. */
export function probeIntervalMs({ probeNanoUsd, savingNanoUsd, requestsPerS, badChance, streak }: ProbeFacts): number {
  if (savingNanoUsd <= 0) return DEARER_INTERVAL_MS;
  const inspectMs = requestsPerS > 0 ? 1_000 * Math.sqrt((2 * probeNanoUsd) / (CHANGES_PER_S * requestsPerS * savingNanoUsd)) : DEARER_INTERVAL_MS;
  return Math.min(inspectMs, DEARER_INTERVAL_MS) * streakPart(badChance, streak);
}

/** 1 while the estimate explains so many good probes in a row; else a half, a quarter, … a sixteenth as they become unlikely. */
export function streakPart(badChance: number, streak: number): number {
  const halvings = Math.floor(-streak * Math.log2(1 - Math.min(Math.max(badChance, 0), 0.999_999)));
  return Math.max(LEAST_PART, 2 ** -Math.max(0, halvings));
}

interface Known {
  calledMs: number;
  streak: number;
}

/** What is known of when each deployment was called last on a route. */
export class Exploration {
  readonly #known = new Map<string, Known>();
  /** One that was never called counts as called then. */
  #startMs: number | null = null;

  /** A call went out to it, for whatever reason: there is less to find out. */
  called(id: string, nowMs: number): void {
    this.#startMs ??= nowMs;
    const known = this.#known.get(id);
    if (known === undefined) this.#known.set(id, { calledMs: nowMs, streak: 0 });
    else known.calledMs = nowMs;
  }

  /** What its call came to: content in time, or not. Only those that are not chosen build up a streak. */
  probed(id: string, good: boolean): void {
    const known = this.#known.get(id);
    if (known !== undefined) known.streak = good ? known.streak + 1 : 0;
  }

  /** It is the one that is chosen: its estimate is as good as can be. */
  chosen(id: string): void {
    const known = this.#known.get(id);
    if (known !== undefined) known.streak = 0;
  }

  streak(id: string): number {
    return this.#known.get(id)?.streak ?? 0;
  }

  /** How long it was not called. */
  idleMs(id: string, nowMs: number): number {
    return nowMs - (this.#known.get(id)?.calledMs ?? this.#startMs ?? nowMs);
  }

  /** Forget deployments that the route has no more. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id);
  }
}
