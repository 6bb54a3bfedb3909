/**
 * Valid and bad requests of one objective over the last 10 s up to 3 days, and over the objective's own window. Four rings of
 * slices, each request counted once in each: adding allocates nothing, memory is bounded however much comes, and all of it goes to
 * text and back. Spans end now; of the slice that a span begins in, the part within it counts, as if its requests came evenly.
 * Times are ms since 1970, for state has to outlive the process and months are the calendar's.
 */
import type { Json, JsonObject } from "../../wire/json.ts";
import { spanAt } from "../budget/periods.ts";
import type { Objective, ObjectiveWindow } from "./types.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Spans that burn is told over. */
export const BURN_SPANS_MS = { "10s": 10 * SECOND_MS, "60s": MINUTE_MS, "5m": 5 * MINUTE_MS, "30m": 30 * MINUTE_MS, "1h": HOUR_MS, "6h": 6 * HOUR_MS, "3d": 3 * DAY_MS } as const;
export type BurnSpan = keyof typeof BURN_SPANS_MS;

/** Slices of an objective's own rolling window. */
const OWN_SLICES = 720;

export interface Counts {
  readonly valid: number;
  readonly bad: number;
}

/** How an objective stands over its own window. */
export interface Standing {
  readonly valid: number;
  readonly bad: number;
  /** Share of valid requests that were good; 1 where there was none. */
  readonly attained: number;
  /** Of the window's whole error budget, at the rate of requests so far: 1 is untouched, below 0 is overspent. */
  readonly left: number;
  /** From when on there are counts, ms since 1970: the window's beginning, or later. */
  readonly sinceMs: number;
}

/** Counts by slices of one length, the latest of them. */
class Ring {
  readonly sliceMs: number;
  readonly #valid: Float64Array;
  readonly #bad: Float64Array;
  /** The newest slice, counted from 1970; -1: none yet. */
  #head = -1;

  constructor(sliceMs: number, spanMs: number) {
    this.sliceMs = sliceMs;
    const slots = Math.ceil(spanMs / sliceMs) + 1;
    this.#valid = new Float64Array(slots);
    this.#bad = new Float64Array(slots);
  }

  add(valid: number, bad: number, wallMs: number): void {
    const slots = this.#valid.length;
    const slice = Math.floor(wallMs / this.sliceMs);
    if (slice > this.#head) this.#advance(slice);
    // A clock that was set back by more than all that is held: what is held would never pass.
    else if (slice <= this.#head - slots) this.#forget(slice);
    const slot = slice % slots;
    this.#valid[slot] = (this.#valid[slot] as number) + valid;
    this.#bad[slot] = (this.#bad[slot] as number) + bad;
  }

  /** Into `into`: what fell within `spanMs` before now. */
  sum(spanMs: number, wallMs: number, into: { valid: number; bad: number }): void {
    const slots = this.#valid.length;
    const fromMs = wallMs - spanMs;
    const first = Math.floor(fromMs / this.sliceMs);
    const part = first + 1 - fromMs / this.sliceMs;
    const oldest = Math.max(first, this.#head - slots + 1, 0);
    let valid = 0;
    let bad = 0;
    for (let slice = Math.min(this.#head, Math.floor(wallMs / this.sliceMs)); slice >= oldest; slice--) {
      const slot = slice % slots;
      const share = slice === first ? part : 1;
      valid += share * (this.#valid[slot] as number);
      bad += share * (this.#bad[slot] as number);
    }
    into.valid = valid;
    into.bad = bad;
  }

  save(): JsonObject {
    const from = Math.max(0, this.#head - this.#valid.length + 1);
    const pairs: number[] = [];
    for (let slice = from; slice <= this.#head; slice++) {
      const slot = slice % this.#valid.length;
      const valid = this.#valid[slot] as number;
      if (valid > 0 || (this.#bad[slot] as number) > 0) pairs.push(slice - from, valid, this.#bad[slot] as number);
    }
    return { slice_ms: this.sliceMs, from, counts: pairs };
  }

  /** What another run of the same ring saved; anything else is passed over. */
  restore(saved: Json | undefined): void {
    const { slice_ms: sliceMs, from, counts } = asObject(saved);
    if (sliceMs !== this.sliceMs || typeof from !== "number" || !Array.isArray(counts)) return;
    for (let i = 0; i + 2 < counts.length; i += 3) {
      const [offset, valid, bad] = [counts[i], counts[i + 1], counts[i + 2]];
      if (isCount(offset) && isCount(valid) && isCount(bad)) this.add(valid, bad, (from + offset) * this.sliceMs);
    }
  }

  #advance(slice: number): void {
    const slots = this.#valid.length;
    const steps = this.#head < 0 ? slots : Math.min(slice - this.#head, slots);
    for (let i = 0; i < steps; i++) this.#valid[(slice - i) % slots] = this.#bad[(slice - i) % slots] = 0;
    this.#head = slice;
  }

  #forget(slice: number): void {
    this.#valid.fill(0);
    this.#bad.fill(0);
    this.#head = slice;
  }
}

/** The running month of a zone. */
class Month {
  readonly #zone: string;
  #key = "";
  #valid = 0;
  #bad = 0;

  constructor(zone: string) {
    this.#zone = zone;
  }

  add(valid: number, bad: number, wallMs: number): void {
    this.#turn(wallMs);
    this.#valid += valid;
    this.#bad += bad;
  }

  sum(wallMs: number, into: { valid: number; bad: number }): void {
    this.#turn(wallMs);
    into.valid = this.#valid;
    into.bad = this.#bad;
  }

  save(): JsonObject {
    return { month: this.#key, valid: this.#valid, bad: this.#bad };
  }

  restore(saved: Json | undefined): void {
    const { month, valid, bad } = asObject(saved);
    if (typeof month !== "string" || !isCount(valid) || !isCount(bad)) return;
    this.#key = month;
    this.#valid = valid;
    this.#bad = bad;
  }

  #turn(wallMs: number): void {
    const { key } = spanAt("month", this.#zone, wallMs);
    if (key === this.#key) return;
    this.#key = key;
    this.#valid = this.#bad = 0;
  }
}

export class ObjectiveWindows {
  readonly #budget: number;
  readonly #window: ObjectiveWindow;
  /** Seconds for 10 s and 60 s, 10 s for 5 min to 6 h, 5 min for 3 d: fine where an alert has to end on time. */
  readonly #seconds = new Ring(SECOND_MS, MINUTE_MS);
  readonly #tens = new Ring(10 * SECOND_MS, 6 * HOUR_MS);
  readonly #fives = new Ring(5 * MINUTE_MS, 3 * DAY_MS);
  readonly #own: Ring | Month;
  readonly #sum = { valid: 0, bad: 0 };
  /** When the first was counted; infinite: none was. */
  #sinceMs = Number.POSITIVE_INFINITY;

  constructor({ target, window }: Pick<Objective, "target" | "window">) {
    this.#budget = 1 - target;
    this.#window = window;
    this.#own = window.kind === "month" ? new Month(window.zone) : new Ring(Math.max(SECOND_MS, Math.ceil(window.lengthMs / OWN_SLICES)), window.lengthMs);
  }

  /** A valid request ended now. */
  add(good: boolean, wallMs: number): void {
    this.addMany(1, good ? 0 : 1, wallMs);
  }

  /** So many valid ones at once, and how many of them were bad. */
  addMany(valid: number, bad: number, wallMs: number): void {
    if (valid <= 0) return;
    if (wallMs < this.#sinceMs) this.#sinceMs = wallMs;
    this.#seconds.add(valid, bad, wallMs);
    this.#tens.add(valid, bad, wallMs);
    this.#fives.add(valid, bad, wallMs);
    this.#own.add(valid, bad, wallMs);
  }

  /** What there was in a span that ends now. */
  counts(span: BurnSpan, wallMs: number): Counts {
    this.#look(BURN_SPANS_MS[span], wallMs);
    return { valid: this.#sum.valid, bad: this.#sum.bad };
  }

  /** How many times faster than evenly over the window the error budget goes; 0 where nothing was asked. */
  burn(span: BurnSpan, wallMs: number): number {
    this.#look(BURN_SPANS_MS[span], wallMs);
    return this.burnOf(this.#sum);
  }

  /** The burn that such counts come to. */
  burnOf({ valid, bad }: Counts): number {
    return valid > 0 ? bad / valid / this.#budget : 0;
  }

  standing(wallMs: number): Standing {
    const window = this.#window;
    let beginMs: number;
    let lengthMs: number;
    if (window.kind === "month") {
      const { startMs, endMs } = spanAt("month", window.zone, wallMs);
      beginMs = startMs;
      lengthMs = endMs - Math.max(startMs, Math.min(this.#sinceMs, wallMs));
    } else {
      beginMs = wallMs - window.lengthMs;
      lengthMs = window.lengthMs;
    }
    if (this.#own instanceof Month) this.#own.sum(wallMs, this.#sum);
    else this.#own.sum(lengthMs, wallMs, this.#sum);
    const { valid, bad } = this.#sum;
    const sinceMs = Math.min(wallMs, Math.max(beginMs, this.#sinceMs));
    // While the window fills, it is taken to go on as it went so far: else one early failure would be all of the budget.
    const whole = wallMs > sinceMs ? Math.max(valid, (valid * lengthMs) / (wallMs - sinceMs)) : valid;
    return { valid, bad, attained: valid > 0 ? 1 - bad / valid : 1, left: bad === 0 ? 1 : 1 - bad / (this.#budget * whole), sinceMs };
  }

  save(): JsonObject {
    return { since: Number.isFinite(this.#sinceMs) ? this.#sinceMs : null, seconds: this.#seconds.save(), tens: this.#tens.save(), fives: this.#fives.save(), own: this.#own.save() };
  }

  /** Into one that is new. What was saved of another window's length is passed over. */
  restore(saved: Json): void {
    const { since, seconds, tens, fives, own } = asObject(saved);
    if (typeof since === "number" && Number.isFinite(since)) this.#sinceMs = since;
    this.#seconds.restore(seconds);
    this.#tens.restore(tens);
    this.#fives.restore(fives);
    this.#own.restore(own);
  }

  #look(spanMs: number, wallMs: number): void {
    const ring = spanMs <= MINUTE_MS ? this.#seconds : spanMs <= 6 * HOUR_MS ? this.#tens : this.#fives;
    ring.sum(spanMs, wallMs, this.#sum);
  }
}

function asObject(saved: Json | undefined): { readonly [name: string]: Json | undefined } {
  return typeof saved === "object" && saved !== null && !Array.isArray(saved) ? (saved as JsonObject) : {};
}

function isCount(value: Json | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
