/**
 * The retry allowance: every request earns a fifth of a repeat. It meters repeats at the same deployment, attempts at a
 * resting one, and hedges; never a request's first attempt nor its first move to an admitting deployment. In an outage of
 * everything it keeps our own traffic at 1.2 times the clients'.
 */

/** Kept in fifths, so that five requests earn exactly one. */
const FIFTHS = 5;
/** The least that may be saved up. */
export const CAPACITY_MIN = 10;
/** The most that may be saved up is what this span earns at the measured rate. */
export const CAPACITY_SPAN_S = 10;

export class Allowance {
  #fifths = CAPACITY_MIN * FIFTHS;
  /** Requests per second of the last ten, by second modulo ten. */
  readonly #perSecond = new Float64Array(CAPACITY_SPAN_S);
  #inSpan = 0;
  #second: number | null = null;

  /** A request has arrived. */
  earn(nowMs: number): void {
    this.#turnTo(nowMs);
    const slot = (this.#second ?? 0) % CAPACITY_SPAN_S;
    this.#perSecond[slot] = (this.#perSecond[slot] ?? 0) + 1;
    this.#inSpan += 1;
    this.#fifths = Math.min(this.#capacityFifths(), this.#fifths + 1);
  }

  /** Pay for one metered attempt. False: there is not enough, and the attempt must not be made. */
  tryTake(nowMs: number): boolean {
    this.#turnTo(nowMs);
    if (this.#fifths < FIFTHS) return false;
    this.#fifths -= FIFTHS;
    return true;
  }

  /** What is saved up, in attempts. Never negative, never above `capacity`. */
  tokens(nowMs: number): number {
    this.#turnTo(nowMs);
    return this.#fifths / FIFTHS;
  }

  /** The most that may be saved up now, in attempts. */
  capacity(nowMs: number): number {
    this.#turnTo(nowMs);
    return this.#capacityFifths() / FIFTHS;
  }

  #capacityFifths(): number {
    return Math.max(CAPACITY_MIN * FIFTHS, this.#inSpan);
  }

  /** Forget the seconds that have left the span. Time that steps back changes nothing. */
  #turnTo(nowMs: number): void {
    const second = Math.floor(nowMs / 1_000);
    if (this.#second === null) this.#second = second;
    if (second <= this.#second) return;
    const first = Math.max(this.#second + 1, second - CAPACITY_SPAN_S + 1);
    for (let passed = first; passed <= second; passed += 1) {
      const slot = passed % CAPACITY_SPAN_S;
      this.#inSpan -= this.#perSecond[slot] ?? 0;
      this.#perSecond[slot] = 0;
    }
    this.#second = second;
    this.#fifths = Math.min(this.#fifths, this.#capacityFifths());
  }
}
