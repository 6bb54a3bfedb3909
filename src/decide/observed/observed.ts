/**
 * What calls of one deployment taught: counts that fade and times to first content, and what follows from them for its next
 * call. Recent calls are remembered twice, a few of them well and many of them long, since what just broke and what is rare
 * cannot be seen in the same memory. Pure but for its own state: time comes in, and never goes back.
 */
import { believed, leaning, lowerBound } from "./bounds.ts";
import { Memory, MeanGap, tauMs, type Counts, type Span } from "./decay.ts";
import { BUCKETS, Histogram, placeOf } from "./histogram.ts";
import { Thresholds, type ThresholdCounts } from "./thresholds.ts";
import { SLOW_PRIOR, Times } from "./times.ts";
import type { Estimate, SizeClass } from "./types.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SHORT: Span = { calls: 20, leastMs: 30_000, mostMs: 10 * MINUTE_MS };
const LONG: Span = { calls: 1_000, leastMs: 5 * MINUTE_MS, mostMs: 6 * HOUR_MS };
const TIMES: Span = { calls: 300, leastMs: 2 * MINUTE_MS, mostMs: 6 * HOUR_MS };
const RARE_CALLS_MAX = 20_000;

const FAILS_BEFORE_PRIOR = 0.005;
const FAILS_AFTER_PRIOR = 0.000_5;

/** Places in the short counts. */
const CONTENT = 0;
const HARD = 1;
const POST = 2;
const ENDED = 3;
const SHORT_SIZE = 4;
/** In the long ones: content and hard of each size and, last, of all together; then post and ended. */
const POOLED = 8;
const LONG_POST = 10;
const LONG_ENDED = 11;
const LONG_SIZE = 12;

/** Estimates are told as of steps of this part of the shortest memory, so that reading them again costs nothing. */
const STEPS = 16;
/** Estimates kept until the next write. */
const KEPT_MAX = 8;

export interface ObservedSettings {
  /** The strictest availability that is asked of it: how rare the failures are that must be seen. 0.999 where none is. */
  readonly target?: number;
}

export class Observed {
  readonly #gap = new MeanGap();
  readonly #shortMemory = new Memory(SHORT);
  readonly #longMemory = new Memory(LONG);
  readonly #rareMemory: Memory;
  readonly #timesMemory = new Memory(TIMES);
  readonly #short = this.#shortMemory.room(SHORT_SIZE);
  readonly #long = this.#longMemory.room(LONG_SIZE);
  /** Post and ended. */
  readonly #rare: Counts;
  /** By size; all null as long as only one size was seen, whose times are those of all. */
  readonly #times: (Histogram | null)[] = [null, null, null, null];
  #onlySize: SizeClass | null = null;
  #sizesSeen = false;
  readonly #allTimes = new Histogram(this.#timesMemory);
  readonly #thresholds = new Thresholds(this.#shortMemory, this.#longMemory);
  /** Whole answers against what was promised of them; null: nobody promises anything of them here. */
  #wholes: Thresholds | null = null;
  #kept: Belief[] = [];
  #keptNext = 0;
  #version = 0;
  #writtenMs = 0;

  constructor(settings: ObservedSettings = {}) {
    const calls = Math.min(RARE_CALLS_MAX, 10 / Math.max(1e-9, 1 - (settings.target ?? 0.999)));
    this.#rareMemory = new Memory({ calls, leastMs: LONG.leastMs, mostMs: 24 * HOUR_MS });
    this.#rare = this.#rareMemory.room(2);
  }

  /** The mean time between calls; null: fewer than two were sent. */
  get gapMs(): number | null {
    return this.#gap.ms;
  }

  /** A call goes out. */
  sent(nowMs: number): void {
    // What is past fades by the gaps that were usual then; the new one counts from now on.
    this.#advance(nowMs);
    this.#gap.sent(this.#writtenMs);
  }

  /** First content came after `ttftMs`. `countedSlow`: `slow` was told of this call before. */
  content(sizeClass: SizeClass, ttftMs: number, thresholdMs: number, countedSlow: boolean, nowMs: number): void {
    this.#advance(nowMs);
    this.#before(sizeClass, CONTENT);
    this.#thresholds.content(this.#thresholdOf(thresholdMs), sizeClass, ttftMs, countedSlow);
    const bucket = Math.min(BUCKETS - 1, Math.floor(placeOf(ttftMs)));
    this.#timesOf(sizeClass)?.addIn(bucket, 1);
    this.#allTimes.addIn(bucket, 1);
  }

  /** The threshold passed without content. `weight`: 1, or a share where the call is only partly known to be slow. */
  slow(sizeClass: SizeClass, thresholdMs: number, weight: number, nowMs: number): void {
    this.#advance(nowMs);
    const counts = this.#thresholdOf(thresholdMs);
    if (counts !== null) this.#thresholds.add(counts, sizeClass, 0, weight);
  }

  /** A hard failure before content; a soft timeout too, once per call. */
  failedBefore(sizeClass: SizeClass, nowMs: number): void {
    this.#advance(nowMs);
    this.#before(sizeClass, HARD);
  }

  /** It broke after content: truncated, reset, an error amid the answer. Such failures are too rare to be told apart by size. */
  brokeAfter(_sizeClass: SizeClass, nowMs: number): void {
    this.#advance(nowMs);
    this.#after(POST, LONG_POST, 0);
  }

  /** A whole answer. */
  ended(_sizeClass: SizeClass, nowMs: number): void {
    this.#advance(nowMs);
    this.#after(ENDED, LONG_ENDED, 1);
  }

  /** A stream ended, or went on for longer than `wholeMs`, by when all of it should have come. */
  whole(sizeClass: SizeClass, tookMs: number, wholeMs: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#wholes ??= new Thresholds(this.#shortMemory, this.#longMemory);
    // Taken so that it is counted; a new one knows nothing, for times here are of first content.
    const own = this.#wholes.take(wholeMs, () => null);
    this.#wholes.add(own, sizeClass, tookMs > wholeMs ? 0 : 1, tookMs > wholeMs ? 1 : 0);
  }

  /**
   * The call was aborted after `waitedMs` without content, since another brought it first. It is censored, not absent: one call
   * is spread over the times beyond, and its chance to have been slow is counted as slow, the rest as in time. Gives that
   * chance; 0 where `slow` was told of it before (`countedSlow`), so that nothing is counted twice.
   */
  censored(sizeClass: SizeClass, waitedMs: number, thresholdMs: number, nowMs: number, countedSlow = false): number {
    this.#advance(nowMs);
    const times = new Times(this.#timesFor(sizeClass), this.#allTimes, 1, thresholdMs);
    const waited = times.later(waitedMs);
    const slowAfter = (limitMs: number): number => (limitMs <= waitedMs ? 1 : waited > 0 ? Math.min(1, times.later(limitMs) / waited) : SLOW_PRIOR);
    const own = this.#thresholdOf(thresholdMs);
    const chance = own === null || countedSlow ? 0 : slowAfter(thresholdMs);
    this.#before(sizeClass, CONTENT);
    this.#thresholds.censored(countedSlow ? own : null, sizeClass, slowAfter);
    const ownTimes = this.#timesOf(sizeClass);
    // A bucket is read before it is written, and never again.
    times.spread(waitedMs, (bucket, share) => {
      ownTimes?.addIn(bucket, share);
      this.#allTimes.addIn(bucket, share);
    });
    return chance;
  }

  /** What its next call is like. `thresholdMs` 0: nobody asks for a time. `wholeMs`: by when all of a stream should have come, which `slow` is then about. */
  estimate(thresholdMs: number, sizeClass: SizeClass, nowMs: number, wholeMs = 0): Estimate {
    const stepMs = tauMs(SHORT, this.#gap.ms) / STEPS;
    const step = Math.max(0, Math.floor((nowMs - this.#writtenMs) / stepMs));
    for (const kept of this.#kept) {
      if (kept.version === this.#version && kept.step === step && kept.thresholdMs === thresholdMs && kept.sizeClass === sizeClass && kept.wholeMs === wholeMs) return kept;
    }
    const estimate = this.#estimateAt(thresholdMs, wholeMs, sizeClass, step, this.#writtenMs + step * stepMs);
    if (this.#kept.length < KEPT_MAX) this.#kept = [...this.#kept, estimate];
    else this.#kept[this.#keptNext++ % KEPT_MAX] = estimate;
    return estimate;
  }

  /** The share of calls later than the threshold that recent ones prove (lower 90 % bound). */
  provenSlow(thresholdMs: number, nowMs: number): number {
    const counts = this.#thresholds.find(thresholdMs);
    if (counts === null) return 0;
    const scale = this.#shortMemory.leftAt(nowMs, this.#gap.ms) / this.#shortMemory.weight;
    const slow = counts.recentSlow * scale;
    return lowerBound(slow, slow + counts.recentInTime * scale);
  }

  /** Calls behind it as of `nowMs`, of all sizes, for metrics: those that brought content, their times, and what the threshold says of them. */
  totals(thresholdMs: number, nowMs: number): { readonly contents: number; readonly hard: number; readonly times: number; readonly inTime: number; readonly slow: number } {
    const gapMs = this.#gap.ms;
    const long = this.#longMemory.leftAt(nowMs, gapMs) / this.#longMemory.weight;
    const counts = this.#thresholds.find(thresholdMs);
    return {
      contents: (this.#long[POOLED + CONTENT] as number) * long,
      hard: (this.#long[POOLED + HARD] as number) * long,
      times: this.#allTimes.calls * this.#timesMemory.leftAt(nowMs, gapMs),
      inTime: (counts?.inTime ?? 0) * long,
      slow: (counts?.slow ?? 0) * long,
    };
  }

  #estimateAt(thresholdMs: number, wholeMs: number, sizeClass: SizeClass, step: number, atMs: number): Belief {
    const gapMs = this.#gap.ms;
    const short = this.#shortMemory.leftAt(atMs, gapMs) / this.#shortMemory.weight;
    const long = this.#longMemory.leftAt(atMs, gapMs) / this.#longMemory.weight;
    const belief = new Belief(this.#timesFor(sizeClass), this.#allTimes, this.#timesMemory.leftAt(atMs, gapMs), thresholdMs);
    belief.sizeClass = sizeClass;
    belief.step = step;
    belief.version = this.#version;
    belief.failsBefore = this.#failsBefore(sizeClass, short, long);
    belief.failsAfter = this.#failsAfter(atMs, short, long);
    belief.wholeMs = wholeMs;
    belief.slow = wholeMs > 0 ? this.#lateShare(wholeMs, sizeClass, short, long) : thresholdMs > 0 ? this.#slowShare(thresholdMs, sizeClass, belief, short, long) : 0;
    belief.calls = ((this.#long[POOLED + CONTENT] as number) + (this.#long[POOLED + HARD] as number)) * long;
    belief.meanMs = belief.meanBeyondMs(0);
    return belief;
  }

  #failsBefore(sizeClass: SizeClass, short: number, long: number): number {
    const hard = (this.#long[2 * sizeClass + HARD] as number) * long;
    const calls = (this.#long[2 * sizeClass + CONTENT] as number) * long + hard;
    const allHard = (this.#long[POOLED + HARD] as number) * long;
    const allCalls = (this.#long[POOLED + CONTENT] as number) * long + allHard;
    // A size leans on the others, not on itself: else few calls without a failure would look like many.
    const prior = leaning(Math.max(0, allHard - hard), Math.max(0, allCalls - calls), FAILS_BEFORE_PRIOR);
    const recentHard = (this.#short[HARD] as number) * short;
    return believed(leaning(hard, calls, prior), recentHard, recentHard + (this.#short[CONTENT] as number) * short, FAILS_BEFORE_PRIOR);
  }

  #failsAfter(atMs: number, short: number, long: number): number {
    const rare = this.#rareMemory.leftAt(atMs, this.#gap.ms) / this.#rareMemory.weight;
    const share = leaning((this.#rare[0] as number) * rare, ((this.#rare[0] as number) + (this.#rare[1] as number)) * rare, FAILS_AFTER_PRIOR);
    // The longest memory would hold an outage against it for a day; a thousand whole answers say that it is over.
    const longPost = (this.#long[LONG_POST] as number) * long;
    const settled = believed(share, longPost, longPost + (this.#long[LONG_ENDED] as number) * long, FAILS_AFTER_PRIOR);
    const recentPost = (this.#short[POST] as number) * short;
    return believed(settled, recentPost, recentPost + (this.#short[ENDED] as number) * short, FAILS_AFTER_PRIOR);
  }

  /** By counts where calls were counted against this threshold, else by their times: those serve any. */
  #slowShare(thresholdMs: number, sizeClass: SizeClass, times: Times, short: number, long: number): number {
    const counts = this.#thresholds.find(thresholdMs);
    if (counts === null) {
      const own = times.counted(thresholdMs);
      return leaning(own.slow, own.calls, leaning(own.othersSlow, own.othersCalls, SLOW_PRIOR));
    }
    return shareIn(counts, sizeClass, short, long);
  }

  #lateShare(wholeMs: number, sizeClass: SizeClass, short: number, long: number): number {
    const counts = this.#wholes?.find(wholeMs) ?? null;
    return counts === null ? SLOW_PRIOR : shareIn(counts, sizeClass, short, long);
  }

  #before(sizeClass: SizeClass, which: number): void {
    this.#short[which] = (this.#short[which] as number) + this.#shortMemory.weight;
    const weight = this.#longMemory.weight;
    this.#long[2 * sizeClass + which] = (this.#long[2 * sizeClass + which] as number) + weight;
    this.#long[POOLED + which] = (this.#long[POOLED + which] as number) + weight;
  }

  #after(short: number, long: number, rare: number): void {
    this.#short[short] = (this.#short[short] as number) + this.#shortMemory.weight;
    this.#long[long] = (this.#long[long] as number) + this.#longMemory.weight;
    this.#rare[rare] = (this.#rare[rare] as number) + this.#rareMemory.weight;
  }

  /** Where a time of this size is counted besides all times; null: nowhere. */
  #timesOf(sizeClass: SizeClass): Histogram | null {
    const times = this.#times[sizeClass] ?? null;
    if (times !== null || this.#onlySize === sizeClass) return times;
    if (!this.#sizesSeen) {
      this.#sizesSeen = true;
      this.#onlySize = sizeClass;
      return null;
    }
    // A second size: from here on each has its own.
    if (this.#onlySize !== null) this.#times[this.#onlySize] = new Histogram(this.#timesMemory).copy(this.#allTimes);
    this.#onlySize = null;
    return (this.#times[sizeClass] = new Histogram(this.#timesMemory));
  }

  /** What is known of the times of one size; null: nothing but what all times say. */
  #timesFor(sizeClass: SizeClass): Histogram | null {
    return this.#onlySize === sizeClass ? this.#allTimes : (this.#times[sizeClass] ?? null);
  }

  /** null: no threshold. A new one starts from what the times say of it. */
  #thresholdOf(thresholdMs: number): ThresholdCounts | null {
    if (thresholdMs <= 0) return null;
    return this.#thresholds.take(thresholdMs, (sizeClass) => {
      const times = this.#timesFor(sizeClass);
      return times === null ? null : { calls: times.calls, slow: times.beyond(placeOf(thresholdMs)) };
    });
  }

  #advance(nowMs: number): void {
    if (nowMs > this.#writtenMs) this.#writtenMs = nowMs;
    const gapMs = this.#gap.ms;
    this.#shortMemory.advance(this.#writtenMs, gapMs);
    this.#longMemory.advance(this.#writtenMs, gapMs);
    this.#rareMemory.advance(this.#writtenMs, gapMs);
    this.#timesMemory.advance(this.#writtenMs, gapMs);
    this.#version += 1;
  }
}

/** The share of calls that counts say to be late: of this size, leaning on the others, and no less than recent ones prove. */
function shareIn(counts: ThresholdCounts, sizeClass: SizeClass, short: number, long: number): number {
  const slow = counts.slowOf(sizeClass) * long;
  const calls = slow + counts.inTimeOf(sizeClass) * long;
  const allSlow = counts.slow * long;
  const allCalls = allSlow + counts.inTime * long;
  const prior = leaning(Math.max(0, allSlow - slow), Math.max(0, allCalls - calls), SLOW_PRIOR);
  const recentSlow = counts.recentSlow * short;
  return believed(leaning(slow, calls, prior), recentSlow, recentSlow + counts.recentInTime * short, SLOW_PRIOR);
}

/** Its numbers are of the moment at which it was asked for; what it is asked about times, of that at which it is first asked. */
class Belief extends Times implements Estimate {
  readonly thresholdMs: number;
  sizeClass: SizeClass = 0;
  wholeMs = 0;
  step = 0;
  version = 0;
  failsBefore = 0;
  failsAfter = 0;
  slow = 0;
  calls = 0;
  meanMs = 0;

  constructor(own: Histogram | null, all: Histogram, left: number, thresholdMs: number) {
    super(own, all, left, thresholdMs);
    this.thresholdMs = thresholdMs;
  }
}
