/**
 * How quick a route's deployments were lately, by what can be compared: of whole answers the time for each token, since a longer answer is no
 * slower one; of streams the time to first content. One memory per route, since routes differ in what they ask. Times are one clock's, in ms.
 */

/** The memory is of about so many answers, */
const ANSWERS = 20;
/** and of about this long: what one was like before it was left counts less, the longer that is ago. */
const TAU_MS = 10 * 60_000;
/** With fewer nothing is told. */
const ANSWERS_MIN = 5;
/** A route has few deployments; those of earlier configurations make room. */
const KEPT_MAX = 256;

/** One finished call. */
export interface TimedCall {
  /** Whole, or from its first content on. */
  readonly answered: boolean;
  readonly stream: boolean;
  /** To its first content; null: none came. */
  readonly ttftMs: number | null;
  readonly totalMs: number;
  readonly outputTokens: number;
}

interface Kept {
  readonly whole: Sums;
  readonly first: Sums;
}
interface Sums {
  /** Of times, or of their logarithms. */
  sum: number;
  /** Of tokens, or of calls. */
  per: number;
  answers: number;
  atMs: number;
}

export class Speeds {
  readonly #kept = new Map<string, Kept>();
  #sawWhole = false;
  #sawStream = false;

  /** Both whole answers and streams came: what is known of both together tells of neither. */
  get mixed(): boolean {
    return this.#sawWhole && this.#sawStream;
  }

  /** A call ended. One that was given up before content says that it takes at least as long. */
  ended(id: string, { answered, stream, ttftMs, totalMs, outputTokens }: TimedCall, nowMs: number): void {
    const { whole, first } = this.#of(id);
    if (stream) {
      this.#sawStream = true;
      add(first, Math.log(Math.max(1, ttftMs ?? totalMs)), 1, answered, nowMs);
    } else {
      this.#sawWhole = true;
      add(whole, totalMs, answered ? Math.max(1, outputTokens) : 0, answered, nowMs);
    }
  }

  /** What whole answers take for a token; null: too little is known. */
  tokenMs(id: string): number | null {
    const whole = this.#kept.get(id)?.whole;
    return whole === undefined || whole.answers < ANSWERS_MIN ? null : whole.sum / whole.per;
  }

  /** After how long streams have content, by the geometric mean, so that a few that hang do not outweigh all others; null: too little is known. */
  firstMs(id: string): number | null {
    const first = this.#kept.get(id)?.first;
    return first === undefined || first.answers < ANSWERS_MIN ? null : Math.exp(first.sum / first.per);
  }

  #of(id: string): Kept {
    let kept = this.#kept.get(id);
    if (kept === undefined) {
      if (this.#kept.size >= KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value as string);
      this.#kept.set(id, (kept = { whole: { sum: 0, per: 0, answers: 0, atMs: 0 }, first: { sum: 0, per: 0, answers: 0, atMs: 0 } }));
    }
    return kept;
  }
}

function add(sums: Sums, value: number, per: number, answered: boolean, nowMs: number): void {
  const left = (1 - 1 / ANSWERS) * Math.exp(-Math.max(0, nowMs - sums.atMs) / TAU_MS);
  sums.sum = sums.sum * left + value;
  sums.per = sums.per * left + per;
  if (answered) sums.answers = Math.min(ANSWERS_MIN, sums.answers + 1);
  sums.atMs = Math.max(sums.atMs, nowMs);
}
