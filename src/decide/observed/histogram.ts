/** Times to first content in 42 buckets, each a quarter wider than the one before it: about 11 % either way of the truth. Its counts fade. */
import type { Counts, Memory } from "./decay.ts";

export const BUCKETS = 42;
const FIRST_MS = 50;
const RATIO = 1.25;
const LOG_RATIO = Math.log(RATIO);

/** Lower edge of each bucket and, last, the upper edge of the last. All that is quicker than the first edge is in the first bucket. */
const EDGES_MS = Float64Array.from({ length: BUCKETS + 1 }, (_, k) => (k === 0 ? 0 : FIRST_MS * RATIO ** k));

/** Where a time stands among the buckets: 3.25 is a quarter of the way through the fourth. Times within a bucket are taken as even in their logarithm. */
export function placeOf(ms: number): number {
  const second = FIRST_MS * RATIO;
  if (ms < second) return Math.max(0, ms / second);
  return Math.min(BUCKETS, Math.log(ms / FIRST_MS) / LOG_RATIO);
}

/** The time at the lower edge of a bucket; of the last, `BUCKETS`, at its upper edge. */
export function edgeMs(bucket: number): number {
  return EDGES_MS[bucket] as number;
}

/** The time at a place: the inverse of `placeOf`. */
export function timeAt(place: number): number {
  return place < 1 ? Math.max(0, place) * FIRST_MS * RATIO : FIRST_MS * RATIO ** Math.min(BUCKETS, place);
}

/** The mean time between two places of one bucket. */
function meanBetween(fromMs: number, toMs: number): number {
  if (fromMs < FIRST_MS * RATIO || toMs - fromMs < 1e-9 * toMs) return (fromMs + toMs) / 2;
  return (toMs - fromMs) / Math.log(toMs / fromMs);
}

const MEANS_MS = Float64Array.from({ length: BUCKETS }, (_, k) => meanBetween(EDGES_MS[k] as number, EDGES_MS[k + 1] as number));

export class Histogram {
  readonly #memory: Memory;
  /** The buckets and, last, their sum. */
  readonly #cells: Counts;

  constructor(memory: Memory) {
    this.#memory = memory;
    this.#cells = memory.room(BUCKETS + 1);
  }

  /** Takes over the counts of another one that fades in the same memory. */
  copy(other: Histogram): this {
    for (let k = 0; k <= BUCKETS; k++) this.#cells[k] = other.#cells[k] as number;
    return this;
  }

  /** Counts calls in a bucket. The memory must have been advanced. */
  addIn(bucket: number, calls: number): void {
    const raw = calls * this.#memory.weight;
    this.#cells[bucket] = (this.#cells[bucket] as number) + raw;
    this.#cells[BUCKETS] = (this.#cells[BUCKETS] as number) + raw;
  }

  /** Calls in all, as of the memory's last advance. */
  get calls(): number {
    return this.callsIn(BUCKETS);
  }

  /** Calls in a bucket, as of the memory's last advance. */
  callsIn(bucket: number): number {
    return (this.#cells[bucket] as number) / this.#memory.weight;
  }

  /** Calls beyond a place, as of the memory's last advance. */
  beyond(place: number): number {
    if (place >= BUCKETS) return 0;
    const bucket = Math.floor(place);
    let raw = (1 - (place - bucket)) * (this.#cells[bucket] as number);
    for (let k = bucket + 1; k < BUCKETS; k++) raw += this.#cells[k] as number;
    return raw / this.#memory.weight;
  }

  /** Milliseconds beyond `ms` of all calls together, as of the memory's last advance. */
  excessMs(ms: number): number {
    const place = placeOf(ms);
    if (place >= BUCKETS) return 0;
    const bucket = Math.floor(place);
    const toMs = edgeMs(bucket + 1);
    let raw = (1 - (place - bucket)) * (this.#cells[bucket] as number) * Math.max(0, meanBetween(ms, toMs) - ms);
    for (let k = bucket + 1; k < BUCKETS; k++) raw += (this.#cells[k] as number) * ((MEANS_MS[k] as number) - ms);
    return raw / this.#memory.weight;
  }
}
