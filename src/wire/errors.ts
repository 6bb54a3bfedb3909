/**
 * Every error that Spillway itself answers: stable code, HTTP status, OpenAI error type, and whether a retry can help.
 * `retry` becomes `x-should-retry`; `null` leaves the decision to the client.
 */
interface ErrorFacts {
  readonly status: number;
  readonly type: string;
  readonly retry: boolean | null;
}

export const ERRORS = {
  // The request cannot be read.
  invalid_json: { status: 400, type: "invalid_request_error", retry: false },
  invalid_body: { status: 400, type: "invalid_request_error", retry: false },
  invalid_type: { status: 400, type: "invalid_request_error", retry: false },
  missing_field: { status: 400, type: "invalid_request_error", retry: false },
  duplicate_field: { status: 400, type: "invalid_request_error", retry: false },
  too_many_values: { status: 400, type: "invalid_request_error", retry: false },
  too_deep: { status: 400, type: "invalid_request_error", retry: false },
  invalid_header: { status: 400, type: "invalid_request_error", retry: false },
  body_too_large: { status: 413, type: "invalid_request_error", retry: false },
  unsupported_media_type: { status: 415, type: "invalid_request_error", retry: false },
  unsupported_encoding: { status: 415, type: "invalid_request_error", retry: false },
  request_timeout: { status: 408, type: "invalid_request_error", retry: null },
  // The request cannot be served as asked.
  unsupported_parameter: { status: 400, type: "invalid_request_error", retry: false },
  unknown_model: { status: 404, type: "invalid_request_error", retry: false },
  ambiguous_model: { status: 400, type: "invalid_request_error", retry: false },
  no_matching_provider: { status: 404, type: "invalid_request_error", retry: false },
  price_unknown: { status: 400, type: "invalid_request_error", retry: false },
  provider_not_supported_yet: { status: 400, type: "invalid_request_error", retry: false },
  provider_not_configured: { status: 400, type: "invalid_request_error", retry: false },
  context_length_exceeded: { status: 400, type: "invalid_request_error", retry: false },
  output_limit_too_small: { status: 400, type: "invalid_request_error", retry: false },
  budget_exceeded: { status: 402, type: "insufficient_quota", retry: false },
  low_importance: { status: 429, type: "rate_limit_error", retry: true },
  rate_limited: { status: 429, type: "rate_limit_error", retry: true },
  previous_response_not_found: { status: 400, type: "invalid_request_error", retry: false },
  response_not_found: { status: 404, type: "invalid_request_error", retry: false },
  item_not_found: { status: 404, type: "invalid_request_error", retry: false },
  not_cancellable: { status: 400, type: "invalid_request_error", retry: false },
  unknown_id: { status: 404, type: "invalid_request_error", retry: false },
  feedback_given: { status: 409, type: "invalid_request_error", retry: false },
  unknown_path: { status: 404, type: "invalid_request_error", retry: false },
  method_not_allowed: { status: 405, type: "invalid_request_error", retry: false },
  upgrade_not_supported: { status: 426, type: "invalid_request_error", retry: false },
  // Repeats of a request with an Idempotency-Key.
  idempotency_mismatch: { status: 422, type: "invalid_request_error", retry: false },
  idempotency_running: { status: 409, type: "invalid_request_error", retry: true },
  idempotency_unfinished: { status: 409, type: "invalid_request_error", retry: false },
  idempotency_not_kept: { status: 409, type: "invalid_request_error", retry: false },
  // The caller.
  missing_key: { status: 401, type: "authentication_error", retry: false },
  invalid_key: { status: 401, type: "authentication_error", retry: false },
  model_not_allowed: { status: 403, type: "permission_error", retry: false },
  residency: { status: 403, type: "permission_error", retry: false },
  conflicting_keys: { status: 400, type: "invalid_request_error", retry: false },
  forbidden_origin: { status: 403, type: "permission_error", retry: false },
  files_not_served: { status: 403, type: "permission_error", retry: false },
  forbidden_host: { status: 403, type: "permission_error", retry: false },
  request_loop: { status: 508, type: "invalid_request_error", retry: false },
  // Upstreams. After our own attempts are used up a client's retry would only multiply them.
  upstream_bad_request: { status: 400, type: "invalid_request_error", retry: false },
  upstream_content_policy: { status: 400, type: "invalid_request_error", retry: false },
  upstream_auth: { status: 502, type: "server_error", retry: false },
  upstream_payment: { status: 502, type: "server_error", retry: false },
  upstream_rate_limited: { status: 429, type: "rate_limit_error", retry: false },
  upstream_overloaded: { status: 503, type: "server_error", retry: false },
  upstream_error: { status: 502, type: "server_error", retry: false },
  upstream_not_found: { status: 502, type: "server_error", retry: false },
  upstream_unreachable: { status: 502, type: "server_error", retry: false },
  upstream_timeout: { status: 504, type: "server_error", retry: false },
  upstream_malformed: { status: 502, type: "server_error", retry: false },
  upstream_truncated: { status: 502, type: "server_error", retry: false },
  upstream_empty: { status: 502, type: "server_error", retry: false },
  upstream_schema_mismatch: { status: 502, type: "server_error", retry: false },
  upstream_too_large: { status: 502, type: "server_error", retry: false },
  deadline_exceeded: { status: 504, type: "server_error", retry: false },
  no_usable_deployment: { status: 503, type: "server_error", retry: false },
  // Ourselves.
  too_many_requests_in_flight: { status: 503, type: "server_error", retry: true },
  draining: { status: 503, type: "server_error", retry: true },
  stopping: { status: 503, type: "server_error", retry: true },
  idempotency_unavailable: { status: 503, type: "server_error", retry: true },
  ledger_unavailable: { status: 503, type: "server_error", retry: true },
  internal_error: { status: 500, type: "server_error", retry: null },
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERRORS;

/** An error to be answered; a value, returned and not thrown. */
export interface GatewayError {
  readonly code: ErrorCode;
  readonly message: string;
  /** The request field at fault, as a client would write it. */
  readonly param: string | null;
  readonly retryAfterMs: number | null;
  /** Overrides the table's word on whether a retry can help. */
  readonly retry?: boolean;
  /** Overrides the table's status (an upstream's own 4xx). */
  readonly status?: number;
  /** The upstream's own type and code, where they are told on. */
  readonly type?: string;
  readonly upstreamCode?: string | null;
}

/** Make an error value. */
export function gatewayError(
  code: ErrorCode,
  message: string,
  more: { param?: string | null; retryAfterMs?: number | null; retry?: boolean; status?: number; type?: string; upstreamCode?: string | null } = {},
): GatewayError {
  return { ...more, code, message, param: more.param ?? null, retryAfterMs: more.retryAfterMs ?? null };
}

/** The status that an error leaves with. */
export function statusOf(error: GatewayError): number {
  return error.status ?? ERRORS[error.code].status;
}
