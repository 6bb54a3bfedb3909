/** Objectives as plain values: what a route, a class of keys or a provider's contract promises, and over which span. */

/** What is promised. `error_rate` is availability told from the other side. */
export type ObjectiveKind = "availability" | "error_rate" | "latency" | "first_token" | "output_rate" | "throughput";

export interface Objective {
  /** Unique among the objectives of its owner; the kind where none is given. */
  readonly name: string;
  readonly kind: ObjectiveKind;
  /** Share of valid requests (of minutes, for throughput) that has to be good: above 0, below 1. */
  readonly target: number;
  readonly window: ObjectiveWindow;
  /** `latency`, `first_token`: what is in time, by size of the prompt, smallest first; the last takes all that are larger. */
  readonly within: readonly SizeThreshold[];
  /** `output_rate`: tokens per second of one answer. `throughput`: `unit` per minute that must be served. null: another kind. */
  readonly atLeast: number | null;
  readonly unit: "tokens" | "requests" | null;
}

export interface SizeThreshold {
  /** null: however large. */
  readonly upToInputTokens: number | null;
  readonly withinMs: number;
}

/** Objectives of all requests that are in each of these scopes, `key/app` or `team/search`. */
export interface ScopedObjectives {
  readonly id: string;
  readonly scopes: readonly string[];
  readonly objectives: readonly Objective[];
}

/** A span that ends now, or a calendar month of a time zone. */
export type ObjectiveWindow = { readonly kind: "rolling"; readonly lengthMs: number } | { readonly kind: "month"; readonly zone: string };

/** What became of a request, as far as promises go. `client`: by its caller's doing, so not valid, and no promise is judged by it. */
export type RequestClass = "ok" | "degraded" | "interrupted" | "truncated" | "failed" | "client";
