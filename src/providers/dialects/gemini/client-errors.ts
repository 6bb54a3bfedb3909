/** Errors as clients of this dialect read them: google.rpc status, with details by type. */
import { ERRORS, statusOf, type GatewayError } from "../../../wire/errors.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";

const WORDS: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 402: "RESOURCE_EXHAUSTED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
  405: "UNIMPLEMENTED", 408: "DEADLINE_EXCEEDED", 409: "ABORTED", 413: "INVALID_ARGUMENT", 415: "INVALID_ARGUMENT", 426: "FAILED_PRECONDITION",
  429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 502: "INTERNAL", 503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED", 508: "FAILED_PRECONDITION",
};

/** `{"error": {code, message, status, details}}`. */
export function encodeError(error: GatewayError, requestId: string): JsonObject {
  const code = statusOf(error);
  const status = WORDS[code] ?? (code < 500 ? "INVALID_ARGUMENT" : "INTERNAL");
  return { error: { code, message: error.message, status, details: detailsOf(error, requestId) } };
}

function detailsOf(error: GatewayError, requestId: string): Json[] {
  const { code, param, retryAfterMs } = error;
  const type = (name: string): string => `type.googleapis.com/google.rpc.${name}`;
  const told = error.upstreamCode ?? code;
  const details: JsonObject[] = [
    {
      "@type": type("ErrorInfo"),
      reason: told.toUpperCase().replace(/[^A-Z0-9]+/g, "_"),
      domain: "spillway",
      metadata: { code: told, type: error.type ?? ERRORS[code].type, ...(param === null ? {} : { param }) },
    },
    { "@type": type("RequestInfo"), requestId },
  ];
  if (param !== null) details.push({ "@type": type("BadRequest"), fieldViolations: [{ field: param, description: error.message }] });
  // Rounded up, so that nobody comes too early.
  if (retryAfterMs !== null) details.push({ "@type": type("RetryInfo"), retryDelay: `${Math.ceil(retryAfterMs / 10) / 100}s` });
  return details;
}
