/** Times counted in narrow buckets: quantiles within half a percent, however many there were. */
const FIRST_MS = 1;
const RATIO = 1.01;
const BUCKETS = 2_200;
const PER_LOG = 1 / Math.log(RATIO);

export class TimeHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  total = 0;
  sumMs = 0;
  maxMs = 0;

  add(ms: number): void {
    const bucket = ms <= FIRST_MS ? 0 : Math.min(BUCKETS - 1, 1 + Math.floor(Math.log(ms / FIRST_MS) * PER_LOG));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.total += 1;
    this.sumMs += ms;
    if (ms > this.maxMs) this.maxMs = ms;
  }

  /** By when a share of them is done; 0 where there are none. */
  quantile(share: number): number {
    let left = share * this.total;
    if (this.total === 0) return 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      left -= this.#counts[bucket] as number;
      if (left <= 0) return bucket === 0 ? FIRST_MS : Math.min(this.maxMs, FIRST_MS * RATIO ** (bucket - 0.5));
    }
    return this.maxMs;
  }
}
