/** Limits of pace as they are told: what a limit allows, what stood in a request's way, and what is left. */

export interface RateLimit {
  readonly id: string;
  /** All of them have to be among a call's. At least one. */
  readonly scopes: readonly string[];
  /** Integers ≥ 0; null: no limit of that sort. */
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly concurrency: number | null;
}

export type RateWhat = "requests" | "tokens" | "concurrency";

export interface RateRefusal {
  readonly kind: "refused";
  readonly limit: RateLimit;
  readonly what: RateWhat;
  /** Of this limit, when it was asked; requests that may still start, of a limit on how many run at once. */
  readonly remaining: number;
  /** When it is worth while to try again; null: never, the call alone is more than the limit. */
  readonly retryAfterMs: number | null;
}

/** The tightest of one sort, as rate-limit headers tell it. */
export interface RateStanding {
  readonly limit: number;
  readonly remaining: number;
  /** Until all of it is there again, if nothing more is taken. */
  readonly resetMs: number;
}

/** Of the limits that apply, by sort, the one of which least is left; null: there is none. */
export interface RateStandings {
  readonly requests: RateStanding | null;
  readonly tokens: RateStanding | null;
}
