/**
 * Limits of pace: requests and tokens a minute, and requests at once, for all calls that carry a limit's scopes. Each is a bucket
 * that fills evenly and holds a minute's worth: after a pause a minute's worth may come at once, then as much as flows in. Tokens
 * are taken by estimate and put right when the call has ended; more than was estimated is owed.
 */
import type { RateLimit, RateRefusal, RateStanding, RateStandings, RateWhat } from "../../wire/rates.ts";
import { Applicable, modelBeside } from "../budget/applicable.ts";

export type { RateLimit, RateStanding, RateWhat };

export type RateAdmission = { readonly kind: "admitted"; readonly taken: RateTaken } | RateRefusal;

/** What an admitted call has taken; to be ended once. */
export interface RateTaken {
  readonly meters: readonly Meter[];
  /** Of each of them. */
  readonly tokens: readonly number[];
  ended: boolean;
}

/** Levels are kept in sixty-thousandths, so that a limit of N a minute fills by N a millisecond: all of it is integers. */
const SCALE = 60_000;
/** When a place becomes free nobody knows. */
const CONCURRENCY_RETRY_MS = 1_000;
const ADMITTED: RateAdmission = { kind: "admitted", taken: { meters: [], tokens: [], ended: true } };

export class RateLimits {
  #meters = new Map<string, Meter>();
  #applicable = new Applicable<Meter>([], () => []);

  /** False: there is no limit, and nothing else need be asked. */
  get any(): boolean {
    return this.#meters.size > 0;
  }

  /** From now on these count. One that stays (same id and scopes) keeps what was taken of it. */
  configure(limits: readonly RateLimit[], nowMs: number): void {
    const before = this.#meters;
    this.#meters = new Map();
    for (const limit of limits.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
      const name = JSON.stringify([limit.id, ...limit.scopes.toSorted()]);
      const meter = before.get(name) ?? new Meter(limit, nowMs);
      meter.reform(limit, nowMs);
      this.#meters.set(name, meter);
    }
    this.#applicable = new Applicable(this.#meters.values(), ({ limit }) => limit.scopes);
  }

  /**
   * Takes of every limit that applies, or of none and says which is in the way: the one that is so for longest. `leastTokens`: what
   * the call surely comes to. Where only the rest of the estimate is more than a limit's whole minute, the whole minute is taken.
   */
  admit(scopes: readonly string[], tokensEstimate: number, nowMs: number, leastTokens = tokensEstimate): RateAdmission {
    const meters = this.#applicable.to(scopes);
    if (meters.length === 0) return ADMITTED;
    const tokens: number[] = [];
    let refused: RateRefusal | null = null;
    for (const meter of meters) {
      const wanted = meter.tokensOf(tokensEstimate, leastTokens);
      const found = meter.refusal(wanted, nowMs);
      if (found !== null && (refused === null || (found.retryAfterMs ?? Number.POSITIVE_INFINITY) > (refused.retryAfterMs ?? Number.POSITIVE_INFINITY))) refused = found;
      tokens.push(wanted);
    }
    if (refused !== null) return refused;
    for (let at = 0; at < meters.length; at += 1) meters[at]?.take(tokens[at] ?? 0);
    return { kind: "admitted", taken: { meters, tokens, ended: false } };
  }

  /** The call has ended, to its last byte, and came to so many tokens; null: unknown, the estimate stays. A repeat changes nothing. */
  done(taken: RateTaken, actualTokens: number | null, nowMs: number): void {
    if (taken.ended) return;
    taken.ended = true;
    taken.meters.forEach((meter, at) => meter.end(actualTokens === null ? 0 : (taken.tokens[at] ?? 0) - Math.max(0, Math.ceil(actualTokens)), 0, nowMs));
  }

  /** The call was not made after all: everything is given back. */
  undo(taken: RateTaken, nowMs: number): void {
    if (taken.ended) return;
    taken.ended = true;
    taken.meters.forEach((meter, at) => meter.end(taken.tokens[at] ?? 0, 1, nowMs));
  }

  /** Of the limits that apply, by sort, the one of which least is left; null: there is none. */
  standing(scopes: readonly string[], nowMs: number): RateStandings {
    let requests: RateStanding | null = null;
    let tokens: RateStanding | null = null;
    for (const meter of this.#applicable.to(scopes)) {
      requests = tighter(requests, meter.requests?.standing(nowMs) ?? null);
      tokens = tighter(tokens, meter.tokens?.standing(nowMs) ?? null);
    }
    return { requests, tokens };
  }

  /** Limits that let no call with these scopes pass, ever, if it were one of the model that they name. */
  closedModels(scopes: readonly string[]): readonly { readonly id: string; readonly model: string }[] {
    return [...this.#meters.values()].flatMap(({ limit }) => {
      const isClosed = limit.requestsPerMinute === 0 || limit.concurrency === 0;
      const model = isClosed ? modelBeside(limit.scopes, scopes) : null;
      return model === null ? [] : [{ id: limit.id, model }];
    });
  }
}

/** One limit and what is taken of it. */
class Meter {
  limit: RateLimit;
  requests: Bucket | null = null;
  tokens: Bucket | null = null;
  #inFlight = 0;

  constructor(limit: RateLimit, nowMs: number) {
    this.limit = limit;
    this.reform(limit, nowMs);
  }

  reform(limit: RateLimit, nowMs: number): void {
    this.limit = limit;
    this.requests = reformed(this.requests, limit.requestsPerMinute, nowMs);
    this.tokens = reformed(this.tokens, limit.tokensPerMinute, nowMs);
  }

  /** What a call takes of it: the estimate, but of what it may not come to no more than a minute's worth. */
  tokensOf(estimate: number, least: number): number {
    const most = this.limit.tokensPerMinute;
    const wanted = Math.max(0, Math.ceil(estimate));
    return most === null || wanted <= most ? wanted : Math.min(wanted, Math.max(most, Math.ceil(least)));
  }

  /** What is in the way of one more request with so many tokens. */
  refusal(tokens: number, nowMs: number): RateRefusal | null {
    const { limit } = this;
    const requestsMs = this.requests?.waitMs(1, nowMs) ?? 0;
    const tokensMs = this.tokens?.waitMs(tokens, nowMs) ?? 0;
    const refused = (what: RateWhat, bucket: Bucket | null, waitMs: number): RateRefusal => ({ kind: "refused", limit, what, remaining: bucket?.standing(nowMs).remaining ?? 0, retryAfterMs: finite(waitMs) });
    if (requestsMs > 0 && requestsMs >= tokensMs) return refused("requests", this.requests, requestsMs);
    if (tokensMs > 0) return refused("tokens", this.tokens, tokensMs);
    if (limit.concurrency === null || this.#inFlight < limit.concurrency) return null;
    return refused("concurrency", null, limit.concurrency === 0 ? Number.POSITIVE_INFINITY : CONCURRENCY_RETRY_MS);
  }

  take(tokens: number): void {
    this.requests?.add(-1);
    this.tokens?.add(-tokens);
    this.#inFlight += 1;
  }

  end(tokensBack: number, requestsBack: number, nowMs: number): void {
    this.#inFlight -= 1;
    if (requestsBack > 0) this.requests?.giveBack(requestsBack, nowMs);
    this.tokens?.giveBack(tokensBack, nowMs);
  }
}
export type { Meter };

/** Holds at most a minute's worth; below zero something is owed. */
class Bucket {
  #perMinute: number;
  #level: number;
  #atMs: number;

  constructor(perMinute: number, nowMs: number) {
    this.#perMinute = perMinute;
    this.#level = perMinute * SCALE;
    this.#atMs = Math.floor(nowMs);
  }

  /** What was taken stays taken under another limit. */
  reform(perMinute: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#level += (perMinute - this.#perMinute) * SCALE;
    this.#perMinute = perMinute;
  }

  /** How long until so much is there; infinite where it never will be. */
  waitMs(amount: number, nowMs: number): number {
    this.#fill(nowMs);
    const missing = amount * SCALE - this.#level;
    if (missing <= 0) return 0;
    return amount > this.#perMinute || this.#perMinute === 0 ? Number.POSITIVE_INFINITY : Math.ceil(missing / this.#perMinute);
  }

  /** Called right after `waitMs`, with which the bucket was filled. */
  add(amount: number): void {
    this.#level += amount * SCALE;
  }

  giveBack(amount: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#level = Math.min(this.#level + amount * SCALE, this.#perMinute * SCALE);
  }

  standing(nowMs: number): RateStanding {
    this.#fill(nowMs);
    const missing = this.#perMinute * SCALE - this.#level;
    const resetMs = missing <= 0 || this.#perMinute === 0 ? 0 : Math.ceil(missing / this.#perMinute);
    return { limit: this.#perMinute, remaining: Math.max(0, Math.floor(this.#level / SCALE)), resetMs };
  }

  /** Time that steps back fills nothing and empties nothing. */
  #fill(nowMs: number): void {
    const passedMs = Math.floor(nowMs) - this.#atMs;
    if (passedMs <= 0) return;
    this.#atMs += passedMs;
    this.#level = Math.min(this.#level + passedMs * this.#perMinute, this.#perMinute * SCALE);
  }
}

function reformed(bucket: Bucket | null, perMinute: number | null, nowMs: number): Bucket | null {
  if (perMinute === null) return null;
  if (bucket === null) return new Bucket(perMinute, nowMs);
  bucket.reform(perMinute, nowMs);
  return bucket;
}

function tighter(a: RateStanding | null, b: RateStanding | null): RateStanding | null {
  return a === null || (b !== null && b.remaining < a.remaining) ? b : a;
}

function finite(waitMs: number): number | null {
  return Number.isFinite(waitMs) ? waitMs : null;
}
