/**
 * Calls of a deployment that became dearer than they were: what a request and what a million tokens cost, against the
 * deployment's own past. Calls are looked at in lots; of a lot counts its mean without the extremes, of the past the median
 * and the usual distance from it, so neither one huge request nor a busy hour is a spike. Two dear lots in a row are one.
 * Pure but for its own state: time comes in.
 */
import { usdText } from "../wire/money.ts";

export interface Spike {
  readonly deployment: string;
  readonly sinceMs: number;
  /** Dearer by what a request costs, by what tokens cost, or by its price list. */
  readonly by: "request" | "tokens" | "price";
  /** Nano-dollars for a request, or for a million tokens, before and now; null: of a price list. */
  readonly wasNanoUsd: number | null;
  readonly isNanoUsd: number | null;
  /** One sentence, for alerts and for the record of each choice. */
  readonly reason: string;
}
export type SpikeEvent = { readonly kind: "began" | "ended"; readonly spike: Spike; /** Why it ended. */ readonly why: string };

/** Calls in a lot, and how long a lot lasts at least: of a busy deployment the latest of a minute are looked at. */
const LOT = 32;
const LOT_MIN_MS = 60_000;
/** Calls at either end of a lot that do not count. */
const CUT = 2;
/** Lots of the past: at least, before anything is judged, and at most. */
const PAST_MIN = 6;
const PAST_MAX = 32;
/** Dear is beyond one and a half times the median and beyond six usual distances from it. */
const RATIO = 1.5;
const DISTANCES = 6 * 1.4826;
const LOTS_TO_BEGIN = 2;
const LOTS_TO_END = 2;
/** Whom traffic has left shows no more lots: it is tried again after this, then after twice as long, up to a day. */
const HOLD_MS = 3_600_000;
const HOLD_MAX_MS = 86_400_000;
/** A level that stays a day is what it costs from now on. */
const ACCEPT_MS = 86_400_000;
const WATCHED_MAX = 1_024;
const EVENTS_MAX = 256;

interface Watched {
  readonly costs: Float64Array;
  readonly tokens: Float64Array;
  /** Calls in the open lot. */
  count: number;
  openedMs: number;
  readonly byRequest: Past;
  readonly byTokens: Past;
  /** Dear or calm lots in a row. */
  dearLots: number;
  calmLots: number;
  spike: Spike | null;
  untilMs: number;
  holdMs: number;
}

/** What lots came to, the eldest overwritten. */
class Past {
  readonly #values = new Float64Array(PAST_MAX);
  #count = 0;

  add(value: number): void {
    this.#values[this.#count % PAST_MAX] = value;
    this.#count += 1;
  }

  forget(): void {
    this.#count = 0;
  }

  /** The median where the value is dear beside it, else null. */
  dearerThan(value: number): number | null {
    const known = Math.min(this.#count, PAST_MAX);
    if (known < PAST_MIN) return null;
    const values = this.#values.slice(0, known);
    const median = medianOf(values);
    const distance = medianOf(values.map((one) => Math.abs(one - median)));
    return median > 0 && value > median * RATIO && value > median + DISTANCES * distance ? median : null;
  }
}

export class SpikeBook {
  readonly #watched = new Map<string, Watched>();
  /** Deployments that are dear now, with the reason. */
  readonly #dear = new Map<string, string>();
  #events: SpikeEvent[] = [];

  /** A call was answered and its cost is known. `tokens`: of all classes; 0 where it is billed by something else. */
  observe(deployment: string, costNanoUsd: number, tokens: number, nowMs: number): void {
    const watched = this.#watched.get(deployment) ?? this.#watch(deployment, nowMs);
    if (watched.count === 0) watched.openedMs = nowMs;
    const slot = watched.count % LOT;
    watched.costs[slot] = costNanoUsd;
    watched.tokens[slot] = tokens;
    watched.count += 1;
    if (watched.count >= LOT && nowMs - watched.openedMs >= LOT_MIN_MS) this.#close(deployment, watched, nowMs);
  }

  /** Its price list became dearer: a spike at once, for a day. What it costs then is its new past. */
  priceRose(deployment: string, reason: string, nowMs: number): void {
    const watched = this.#watched.get(deployment) ?? this.#watch(deployment, nowMs);
    watched.byRequest.forget();
    watched.byTokens.forget();
    watched.count = 0;
    if (watched.spike !== null) this.#end(watched, watched.spike, "its price list changed");
    this.#begin(watched, { deployment, sinceMs: nowMs, by: "price", wasNanoUsd: null, isNanoUsd: null, reason }, nowMs, HOLD_MAX_MS);
  }

  /** What is dear now, with the reason. Spikes of which nothing was seen for their time are over. */
  dearAt(nowMs: number): ReadonlyMap<string, string> {
    for (const deployment of this.#dear.keys()) {
      const watched = this.#watched.get(deployment);
      const spike = watched?.spike ?? null;
      if (watched === undefined || spike === null || nowMs < watched.untilMs) continue;
      this.#end(watched, spike, spike.by === "price" ? "a day has passed: this is its price" : "nothing more was seen of it: it is tried again");
      // One more dear lot will do, and then it is left for longer.
      if (spike.by !== "price") watched.dearLots = LOTS_TO_BEGIN - 1;
      watched.holdMs = Math.min(HOLD_MAX_MS, watched.holdMs * 2);
    }
    return this.#dear;
  }

  /** What began and ended since this was last asked. */
  takeEvents(): readonly SpikeEvent[] {
    if (this.#events.length === 0) return NO_EVENTS;
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #watch(deployment: string, nowMs: number): Watched {
    // Names may come from clients: the one watched longest makes room.
    if (this.#watched.size >= WATCHED_MAX) {
      const [eldest = ""] = this.#watched.keys();
      this.#watched.delete(eldest);
      this.#dear.delete(eldest);
    }
    const watched: Watched = {
      costs: new Float64Array(LOT), tokens: new Float64Array(LOT), count: 0, openedMs: nowMs, byRequest: new Past(), byTokens: new Past(),
      dearLots: 0, calmLots: 0, spike: null, untilMs: 0, holdMs: HOLD_MS,
    };
    this.#watched.set(deployment, watched);
    return watched;
  }

  #close(deployment: string, watched: Watched, nowMs: number): void {
    const perRequest = middleMean(watched.costs);
    const tokens = sum(watched.tokens);
    const perMillion = tokens > 0 ? (sum(watched.costs) * 1_000_000) / tokens : null;
    watched.count = 0;
    const wasMillion = perMillion === null ? null : watched.byTokens.dearerThan(perMillion);
    const wasRequest = watched.byRequest.dearerThan(perRequest);
    if (wasMillion === null && wasRequest === null) return this.#calm(watched, perRequest, perMillion);
    watched.calmLots = 0;
    watched.dearLots += 1;
    if (watched.spike !== null) {
      watched.untilMs = Math.max(watched.untilMs, nowMs + watched.holdMs);
      if (nowMs - watched.spike.sinceMs >= ACCEPT_MS) this.#accept(watched, watched.spike);
    } else if (watched.dearLots >= LOTS_TO_BEGIN) {
      const by = wasMillion === null ? "request" : "tokens";
      const [was, is] = wasMillion === null ? [wasRequest ?? 0, perRequest] : [wasMillion, perMillion ?? 0];
      const spike: Spike = { deployment, sinceMs: nowMs, by, wasNanoUsd: Math.round(was), isNanoUsd: Math.round(is), reason: reasonOf(by, was, is) };
      this.#begin(watched, spike, nowMs, watched.holdMs);
    }
  }

  #calm(watched: Watched, perRequest: number, perMillion: number | null): void {
    watched.byRequest.add(perRequest);
    if (perMillion !== null) watched.byTokens.add(perMillion);
    watched.dearLots = 0;
    watched.calmLots += 1;
    if (watched.calmLots < LOTS_TO_END) return;
    // A price list's own spike lasts its day: calls that are as dear as it says are calm.
    if (watched.spike !== null && watched.spike.by !== "price") this.#end(watched, watched.spike, "its calls cost what they did before");
    if (watched.spike === null) watched.holdMs = HOLD_MS;
  }

  #accept(watched: Watched, spike: Spike): void {
    watched.byRequest.forget();
    watched.byTokens.forget();
    watched.holdMs = HOLD_MS;
    this.#end(watched, spike, "it has cost this much for a day: that is its level now");
  }

  #begin(watched: Watched, spike: Spike, nowMs: number, holdMs: number): void {
    watched.spike = spike;
    watched.untilMs = nowMs + holdMs;
    watched.calmLots = 0;
    this.#dear.set(spike.deployment, spike.reason);
    this.#tell({ kind: "began", spike, why: spike.reason });
  }

  #end(watched: Watched, spike: Spike, why: string): void {
    watched.spike = null;
    watched.dearLots = 0;
    watched.calmLots = 0;
    this.#dear.delete(spike.deployment);
    this.#tell({ kind: "ended", spike, why });
  }

  #tell(event: SpikeEvent): void {
    if (this.#events.length < EVENTS_MAX) this.#events.push(event);
  }
}
const NO_EVENTS: readonly SpikeEvent[] = [];

function reasonOf(by: "request" | "tokens", was: number, is: number): string {
  const times = (is / was).toFixed(1);
  const [whose, why] = by === "tokens" ? ["a million tokens", "dearer tokens: a price, a tier, or less of it cached"] : ["a request", "its tokens cost what they did, but its calls became longer"];
  return `${whose} cost $${money(is)}, ${times} times the usual $${money(was)} (${why})`;
}

/** Four places, or more of an amount that would vanish in them. */
function money(nanoUsd: number): string {
  const text = usdText(Math.round(nanoUsd));
  return nanoUsd >= 1_000_000 ? text.slice(0, -5) : text;
}

function middleMean(values: Float64Array): number {
  const middle = values.toSorted().subarray(CUT, values.length - CUT);
  return sum(middle) / middle.length;
}

function medianOf(values: Float64Array): number {
  const sorted = values.toSorted();
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? 0) + upper) / 2;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
