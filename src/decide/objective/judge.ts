/**
 * What a valid request is, and a good one: the one definition that alerts, routing and reports share. It reads nothing but what
 * the record of a finished request tells, so that anybody can judge again later. docs/objectives.md says the same in words.
 */
import { inputTokens, outputTokens, type UnitCounts } from "../../wire/usage.ts";
import type { Objective, RequestClass, SizeThreshold } from "./types.ts";

/** What of a finished request's record is looked at. */
export interface Finished {
  readonly stream: boolean;
  readonly outcome: "ok" | "error" | "client_gone" | "error_after_content";
  readonly errorCode: string | null;
  readonly flags: readonly string[];
  /** From the request's start to its first content; null: none came. */
  readonly ttftMs: number | null;
  /** From its start to its end. */
  readonly totalMs: number;
  readonly units: UnitCounts;
}

/** What of one upstream call's record is looked at, for what a provider promised. */
export interface FinishedCall {
  /** `answered`, a class of failure, `superseded`, `client_gone`. */
  readonly outcome: string;
  /** Of these `OURS_FLAG` alone is looked at. */
  readonly flags: readonly string[];
}

/** null: it says nothing of this objective, so it is no valid request of it. */
export type Verdict = "good" | "bad" | null;

/** An answer that broke off and was carried on by another deployment to its end. */
export const INTERRUPTED_FLAG = "rescued";
/** A whole answer that is less than the route means to give: of a last resort, or of a model that stands in for the route's own. */
export const DEGRADED_FLAGS: ReadonlySet<string> = new Set(["degraded", "last_resort", "fallback_model"]);

/**
 * Errors by what was asked, by who asked, or by a rule of the owner's (a limit, a budget, the importance of requests). All
 * others are ours or a provider's: whoever reads the list sees what is excused.
 */
export const CLIENT_ERRORS: ReadonlySet<string> = new Set([
  "invalid_json", "invalid_body", "invalid_type", "missing_field", "duplicate_field", "too_many_values", "too_deep", "invalid_header", "body_too_large",
  "unsupported_media_type", "unsupported_encoding", "request_timeout",
  "unsupported_parameter", "unknown_model", "ambiguous_model", "no_matching_provider", "price_unknown", "provider_not_supported_yet", "provider_not_configured", "context_length_exceeded",
  "output_limit_too_small", "budget_exceeded", "rate_limited", "low_importance", "previous_response_not_found", "response_not_found", "item_not_found", "not_cancellable",
  "unknown_id", "unknown_path", "method_not_allowed", "upgrade_not_supported",
  "idempotency_mismatch", "idempotency_running", "idempotency_unfinished", "idempotency_not_kept",
  "missing_key", "invalid_key", "model_not_allowed", "residency", "conflicting_keys", "forbidden_origin", "files_not_served", "forbidden_host",
  "feedback_given", "upstream_bad_request", "upstream_content_policy",
]);

/** Ended by its client's doing, though nothing was wrong with what it asked: a deadline of its own before anybody was late, reading too slowly, or credentials of its own that are refused. */
export const BY_CLIENT_FLAG = "by_client";

/** A call of it went to an address that its callers chose themselves: nobody here promises what comes from there, nor how soon. */
export const OWN_ADDRESS_FLAG = "own_address";

/** Classes of an upstream call's failure that are not its provider's doing. */
const NOT_THE_PROVIDERS: ReadonlySet<string> = new Set(["bad_request", "content_policy", "context", "superseded", "client_gone", "not_found", "schema_mismatch", "auth", "payment", "residency", "unheld", "unknown", "orphan"]);

/** An answer of fewer tokens than this has no rate worth the name. */
export const RATE_FROM_TOKENS = 20;

/** What became of the request. */
export function classOf(request: Finished): RequestClass {
  const { outcome, errorCode, flags } = request;
  if (outcome === "client_gone") return "client";
  if (outcome !== "ok") {
    if (errorCode !== null && (CLIENT_ERRORS.has(errorCode) || flags.includes(BY_CLIENT_FLAG) || flags.includes(OWN_ADDRESS_FLAG))) return "client";
    return outcome === "error_after_content" ? "truncated" : "failed";
  }
  if (flags.length > 0) {
    if (flags.includes(INTERRUPTED_FLAG)) return "interrupted";
    for (const flag of flags) if (DEGRADED_FLAGS.has(flag)) return "degraded";
  }
  return "ok";
}

/** Was an answer of this class served whole? */
export function isWhole(kind: RequestClass): boolean {
  return kind === "ok" || kind === "degraded" || kind === "interrupted";
}

/** Judge a request by an objective. Throughput is judged by minutes: see `ServedMinutes`. */
export function judge(objective: Objective, request: Finished, kind: RequestClass = classOf(request)): Verdict {
  if (request.flags.length > 0 && request.flags.includes(OWN_ADDRESS_FLAG)) return null;
  switch (objective.kind) {
    case "availability":
    case "error_rate":
      return kind === "client" ? null : isWhole(kind) ? "good" : "bad";
    case "first_token":
      return request.stream ? inTime(objective, request, kind, request.ttftMs) : null;
    case "latency":
      return inTime(objective, request, kind, isWhole(kind) ? request.totalMs : null);
    case "output_rate":
      return isWhole(kind) ? rateOf(objective, request) : null;
    case "throughput":
      return null;
  }
}

/** What is in time for a prompt of so many tokens; null: of unknown size, for which the longest counts. Infinite without thresholds. */
export function withinMsOf(within: readonly SizeThreshold[], tokens: number | null): number {
  if (tokens === null) return within.reduce((most, one) => Math.max(most, one.withinMs), within.length === 0 ? Number.POSITIVE_INFINITY : 0);
  for (const { upToInputTokens, withinMs } of within) if (upToInputTokens === null || tokens <= upToInputTokens) return withinMs;
  return within.at(-1)?.withinMs ?? Number.POSITIVE_INFINITY;
}

/** In the record of a call that came to nothing by our doing or the client's: its deadline was short, the gateway stopped, nobody read. */
export const OURS_FLAG = "not_the_provider";

/**
 * Was a provider's call good? null: it says nothing of the provider, as a 429: a limit that was agreed is no outage. A connection that could
 * not be made is bad: from here nobody tells an address that is gone from one that is down.
 */
export function judgeCall({ outcome, flags }: FinishedCall): Verdict {
  if (outcome === "answered") return "good";
  // Among them those put aside for a faster one: whether they would have come nobody knows.
  if (outcome === "rate" || NOT_THE_PROVIDERS.has(outcome)) return null;
  return flags.includes(OURS_FLAG) ? null : "bad";
}

/**
 * It came by the threshold, or it had not come when the threshold passed. A request that ended before that, by a failure or by a
 * client that left, says nothing of time: availability judges it.
 */
function inTime(objective: Objective, request: Finished, kind: RequestClass, cameMs: number | null): Verdict {
  if (kind === "client" && request.outcome !== "client_gone" && (request.outcome !== "error" || !request.flags.includes(BY_CLIENT_FLAG))) return null;
  const { within } = objective;
  const only = within.length === 1 ? within[0] : undefined;
  const limitMs = only === undefined ? withinMsOf(within, promptTokens(request.units)) : only.withinMs;
  if (cameMs !== null) return cameMs <= limitMs ? "good" : "bad";
  return request.totalMs > limitMs ? "bad" : null;
}

/** null: usage was never told. */
function promptTokens(units: UnitCounts): number | null {
  const tokens = inputTokens(units);
  return tokens > 0 ? tokens : null;
}

/** Tokens a second: of a stream from its first content on, else of the whole answer. */
function rateOf({ atLeast }: Objective, { stream, ttftMs, totalMs, units }: Finished): Verdict {
  const tokens = outputTokens(units);
  if (atLeast === null || tokens < RATE_FROM_TOKENS) return null;
  const tookMs = Math.max(1, totalMs - (stream ? (ttftMs ?? 0) : 0));
  return (tokens * 1_000) / tookMs >= atLeast ? "good" : "bad";
}

/**
 * Minutes of a throughput objective. So much a minute must be served if so much is asked: a minute is bad if less was served and a
 * valid request came away with nothing; a minute in which nothing valid was asked does not count.
 */
export class ServedMinutes {
  #minute = -1;
  #served = 0;
  #asked = 0;
  #missed = 0;

  /** A request ended. Gives the verdict on the minute before, where one is over. */
  add(objective: Objective, request: Finished, kind: RequestClass, wallMs: number): Verdict {
    const verdict = this.over(objective, wallMs);
    this.#minute = Math.floor(wallMs / 60_000);
    if (kind === "client" || request.flags.includes(OWN_ADDRESS_FLAG)) return verdict;
    this.#asked += 1;
    if (isWhole(kind)) this.#served += objective.unit === "tokens" ? inputTokens(request.units) + outputTokens(request.units) : 1;
    else this.#missed += 1;
    return verdict;
  }

  /** The verdict on the minute that is over by now; null: none is, or it does not count. */
  over({ atLeast }: Objective, wallMs: number): Verdict {
    if (this.#minute < 0 || Math.floor(wallMs / 60_000) === this.#minute) return null;
    const verdict = this.#asked === 0 ? null : this.#missed > 0 && this.#served < (atLeast ?? 0) ? "bad" : "good";
    this.#minute = -1;
    this.#served = this.#asked = this.#missed = 0;
    return verdict;
  }
}
