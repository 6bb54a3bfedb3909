/**
 * What an attempt came to. Classification only: health and choice read these values and never see HTTP.
 */

/** What kind of failure an upstream told, or we saw. */
export type FailureClass =
  /** 401, 403: our credential is wrong. Takes the credential out. */
  | "auth"
  /** Money: insufficient quota, spend cap, any 402. Takes the credential out; never retried there. */
  | "payment"
  /** 429 that passes. Paces. */
  | "rate"
  /** 503, 529 and the like. */
  | "overload"
  /** Other 5xx, 520-530, 408 from the server's side. */
  | "server"
  /** The upstream has no such model or path: our configuration. */
  | "not_found"
  /** The prompt does not fit the model. */
  | "context"
  /** The request is wrong and would be wrong everywhere: never retried. */
  | "bad_request"
  /** Refused for its content: never retried. */
  | "content_policy"
  /** Refused for residency or policy of the account (region not allowed). */
  | "residency"
  /** Connect refused, DNS, TLS, connect timeout, reset, cut, protocol violation. */
  | "network"
  /** No content in time (first_token, attempt), idle gap, lifetime, deadline. */
  | "timeout"
  /** 200 that cannot be decoded, wrong content type, malformed event. */
  | "malformed"
  /** Ended without its terminal signal. */
  | "truncated"
  /** Ended properly but with nothing in it (no choices, no content, no finish). */
  | "empty"
  /** Answer above our bounds (32 MiB, SSE line or event). */
  | "too_large"
  /** A whole answer that does not fit the schema which the gateway itself holds it to. */
  | "schema_mismatch";

/** An error as the upstream told it, in our classes. */
export interface UpstreamError {
  readonly class: FailureClass;
  /** HTTP status, or the status that an in-stream error stands for; 0 where there is none. */
  readonly status: number;
  /** The provider's own words, clipped; secrets are removed before they leave the gateway. */
  readonly message: string;
  readonly type: string | null;
  readonly code: string | null;
  readonly param: string | null;
  /** From Retry-After, retry-after-ms or RetryInfo; null where none was told. */
  readonly retryAfterMs: number | null;
}

/** Code of an `empty` error whose answer ended properly, by a word that may also stand for a stop sequence. */
export const ENDED_WITHOUT_CONTENT = "ended_without_content";

/** Which of the three questions: did bytes leave, and had the answer begun. */
export type Phase = "unsent" | "before-content" | "after-content";

/** Whose fault: only `provider` counts against a deployment's health, `account` takes its credential out. */
export type Fault = "provider" | "account" | "client" | "ours";

export type Outcome =
  | { readonly kind: "answered" }
  | { readonly kind: "failed"; readonly error: UpstreamError; readonly phase: Phase; readonly fault: Fault }
  /** Another attempt of the same request won; this one was aborted. */
  | { readonly kind: "superseded"; readonly phase: Phase }
  | { readonly kind: "client-gone"; readonly phase: Phase };

/** Whose fault a failure class is. */
export function faultOf(failure: FailureClass): Fault {
  switch (failure) {
    case "bad_request":
    case "content_policy":
    case "context":
      return "client";
    case "auth":
    case "payment":
    case "residency":
      return "account";
    case "not_found":
    case "schema_mismatch":
      return "ours";
    default:
      return "provider";
  }
}

/** May another deployment be tried after this, as long as nothing reached the client? (reliability: what may be retried) */
export function mayTryElsewhere(failure: FailureClass): boolean {
  return failure !== "bad_request" && failure !== "content_policy" && failure !== "context";
}
