/**
 * How busy a deployment is: what its calls recently waited for first data, times the calls in flight and one more. A wait that is longer
 * than the estimate replaces it at once; shorter ones, and time alone, bring it down. As in Finagle, tower and linkerd, whose
 * newer rule for failures it follows: a failure counts as a long wait, so that failing fast does not look like being quick.
 */

/** Waits are forgotten with this time constant. */
const TAU_MS = 10_000;
/** What a deployment that was never called is taken to wait. */
const SEED_MS = 1_000;
/** What a failure counts as at least, and what a provider's own word counts as at most. */
const FAILURE_MS = 5_000;
const RETRY_AFTER_MAX_MS = 300_000;

export class PeakEwma {
  #waitMs = SEED_MS;
  #atMs: number | null = null;
  #inFlight = 0;

  /** A call goes out. It is in flight until `ended`, its answer's last byte included. */
  sent(): void {
    this.#inFlight += 1;
  }

  ended(): void {
    this.#inFlight = Math.max(0, this.#inFlight - 1);
  }

  /** First data came after `waitedMs`; or the call was given up after as long, which is worth as much. */
  waited(waitedMs: number, nowMs: number): void {
    const estimateMs = this.#waitMs;
    const elapsedMs = this.#atMs === null ? 0 : Math.max(0, nowMs - this.#atMs);
    const kept = this.#atMs === null ? 0 : Math.exp(-elapsedMs / TAU_MS);
    this.#waitMs = waitedMs > estimateMs * kept ? waitedMs : estimateMs * kept + waitedMs * (1 - kept);
    this.#atMs = this.#atMs === null ? nowMs : Math.max(this.#atMs, nowMs);
  }

  /** It failed after `waitedMs`. `retryAfterMs`: when it may be asked again, by its own word; 0: it did not say. */
  failed(waitedMs: number, retryAfterMs: number, nowMs: number): void {
    this.waited(Math.max(FAILURE_MS, waitedMs, Math.min(RETRY_AFTER_MAX_MS, retryAfterMs)), nowMs);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** What one more call would wait, were it to stand behind those in flight. */
  loadMs(nowMs: number): number {
    const kept = this.#atMs === null ? 1 : Math.exp(-Math.max(0, nowMs - this.#atMs) / TAU_MS);
    return this.#waitMs * kept * (this.#inFlight + 1);
  }
}
