/**
 * Reserved capacity: which requests it takes, by the time to first content that they would see in it. Utilisation says too little:
 * a pool that is half used over ten seconds may have a minute's work in front of it. What waits is known by what has no content
 * yet; how fast it is worked off is learned. Work is in the pool's own weighted tokens, times in ms of one clock.
 */

/** Of the objective's threshold: the rest is for what is not predicted. */
const PART_OF_THRESHOLD = 0.8;
/** How far one completion moves the capacity, and the least and the most that it may come to, of what is stated. */
const LEARN = 0.02;
const CAPACITY_LEAST = 0.1;
const CAPACITY_MOST = 2;
/** Calls that are done are cleared away by so many at a time. */
const CLEARED = 64;
/** How far one completion moves the time of an empty pool, and its bounds. */
const LEARN_BASE = 1.05;
const BASE_LEAST_MS = 50;
const BASE_MOST_MS = 60_000;

export interface PoolFacts {
  /** As the contract states it. */
  readonly workPerS: number;
  /** Time to first content of an empty pool, besides the work. */
  readonly baseMs: number;
  /** That time is a guess, and is learned from calls that found the pool empty. */
  readonly learnsBase?: true;
}

/** One request in the pool. */
export interface PoolCall {
  readonly sentMs: number;
  readonly work: number;
  /** What had to be done before it, and itself. */
  readonly aheadAndOwn: number;
  /** The pool's surplus when it entered. */
  readonly surplus: number;
  waiting: boolean;
  /** To its first content; 0: it has none, or nothing more is to be learned of it. */
  tookMs: number;
}

export interface SavedPool {
  readonly workPerS: number;
  readonly statedPerS: number;
  /** Absent: as it is stated. */
  readonly baseMs?: number;
}

export class ReservedPool {
  readonly #statedPerMs: number;
  readonly #learnsBase: boolean;
  #baseMs: number;
  #workPerMs: number;
  /** Of those without content yet. */
  #waitingWork = 0;
  /** What all that ended took beyond what was expected of it. */
  #surplus = 0;
  /** All but what was done before `#oldest`, which is the first that waits. */
  #calls: PoolCall[] = [];
  #oldest = 0;
  /** What had content was worked off by then. */
  #doneMs = Number.NEGATIVE_INFINITY;

  constructor(facts: PoolFacts) {
    this.#statedPerMs = facts.workPerS / 1_000;
    this.#workPerMs = this.#statedPerMs;
    this.#baseMs = facts.baseMs;
    this.#learnsBase = facts.learnsBase === true;
  }

  /** As it was learned. */
  get workPerS(): number {
    return this.#workPerMs * 1_000;
  }

  /** Predicted time to first content of a request that comes now. */
  predictMs(work: number, nowMs: number): number {
    return (this.#backlog(nowMs) + work) / this.#workPerMs + this.#baseMs;
  }

  /** Whether it is a candidate for this request, at no further price; `thresholdMs`: what the objective asks. */
  admits(work: number, thresholdMs: number, nowMs: number): boolean {
    return this.predictMs(work, nowMs) <= PART_OF_THRESHOLD * thresholdMs;
  }

  /** The request goes there. */
  entered(work: number, nowMs: number): PoolCall {
    const call: PoolCall = { sentMs: nowMs, work, aheadAndOwn: this.#backlog(nowMs) + work, surplus: this.#surplus, waiting: true, tookMs: 0 };
    this.#calls.push(call);
    this.#waitingWork += work;
    return call;
  }

  /** Its first content has come. */
  firstContent(call: PoolCall, nowMs: number): void {
    if (!call.waiting) return;
    this.#gone(call);
    this.#doneMs = Math.max(this.#doneMs, nowMs - this.#baseMs);
    call.tookMs = Math.max(1, nowMs - call.sentMs);
  }

  /**
   * It is over, and took this much work; null: unknown. The capacity moves towards what explains its time to first content, by what
   * the work before it really was: else answers that are longer than expected would pass for a smaller pool. One without content
   * takes its work with it.
   */
  left(call: PoolCall, work: number | null): void {
    if (call.waiting) return this.#gone(call);
    if (work === null || call.tookMs === 0) return;
    this.#surplus += work - call.work;
    const tookMs = call.tookMs;
    call.tookMs = 0;
    // What found nothing before it tells of the pool's own time, and hardly of its capacity.
    if (this.#learnsBase && call.aheadAndOwn <= call.work) return this.#learnBase(tookMs - work / this.#workPerMs);
    const queueMs = Math.max(0, call.aheadAndOwn + this.#surplus - call.surplus) / this.#workPerMs;
    const predictedMs = queueMs + this.#baseMs;
    // The part of the time that is none of the queue's says nothing of the capacity.
    const off = ((predictedMs - tookMs) / Math.max(predictedMs, tookMs)) * (queueMs / predictedMs);
    this.#workPerMs = this.#bounded(this.#workPerMs * (1 + LEARN * off));
  }

  #bounded(workPerMs: number): number {
    return Math.max(CAPACITY_LEAST * this.#statedPerMs, Math.min(CAPACITY_MOST * this.#statedPerMs, workPerMs));
  }

  /** Towards the median. */
  #learnBase(ms: number): void {
    this.#baseMs = Math.max(BASE_LEAST_MS, Math.min(BASE_MOST_MS, ms > this.#baseMs ? this.#baseMs * LEARN_BASE : this.#baseMs / LEARN_BASE));
  }

  /** Plain values, for `restore` after a restart. */
  save(): SavedPool {
    return { workPerS: this.workPerS, statedPerS: this.#statedPerMs * 1_000, ...(this.#learnsBase ? { baseMs: this.#baseMs } : {}) };
  }

  /** Takes over what was learned, unless another capacity is stated now. */
  restore(saved: SavedPool): void {
    if (saved.statedPerS !== this.#statedPerMs * 1_000) return;
    if (Number.isFinite(saved.workPerS)) this.#workPerMs = this.#bounded(saved.workPerS / 1_000);
    if (this.#learnsBase && saved.baseMs !== undefined && Number.isFinite(saved.baseMs)) this.#baseMs = Math.max(BASE_LEAST_MS, Math.min(BASE_MOST_MS, saved.baseMs));
  }

  /** Work before a request that comes now: all that waits, less what was done since the last that had content. */
  #backlog(nowMs: number): number {
    const oldest = this.#calls[this.#oldest];
    if (oldest === undefined) return 0;
    const done = this.#workPerMs * Math.max(0, nowMs - Math.max(this.#doneMs, oldest.sentMs));
    // One whose content is overdue holds up those behind it, but for what was done while its content was on the way.
    return Math.max(0, this.#waitingWork - Math.min(done, oldest.work + this.#workPerMs * this.#baseMs));
  }

  #gone(call: PoolCall): void {
    call.waiting = false;
    this.#waitingWork -= call.work;
    while (this.#calls[this.#oldest]?.waiting === false) this.#oldest += 1;
    if (this.#oldest === this.#calls.length) this.#waitingWork = 0;
    if (this.#oldest < CLEARED || this.#oldest * 2 < this.#calls.length) return;
    this.#calls = this.#calls.slice(this.#oldest);
    this.#oldest = 0;
  }
}
