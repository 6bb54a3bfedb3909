/** Errors in the form of the Messages API. */
import { type GatewayError, statusOf } from "../../../wire/errors.ts";
import type { JsonObject } from "../../../wire/json.ts";

const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  408: "timeout_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error",
  529: "overloaded_error",
};

/** Clients that know this goes on by themselves with the whole conversation in each request. */
const NO_THREADS = { error_code: "thread_unsupported_request", unsupported: ["thread"] };

/** An error body: the type follows the status; our code stands in `details`, where clients of this API look for one. */
export function encodeError(error: GatewayError, requestId: string): JsonObject {
  const details = {
    error_code: error.upstreamCode ?? error.code,
    ...(error.param !== null && { param: error.param }),
    ...(error.code === "unsupported_parameter" && error.param === "thread" && NO_THREADS),
  };
  return { type: "error", error: { type: typeOf(statusOf(error)), message: error.message, details }, request_id: requestId };
}

function typeOf(status: number): string {
  return TYPES[status] ?? (status >= 500 && status !== 508 ? "api_error" : "invalid_request_error");
}
