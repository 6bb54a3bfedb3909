/** Errors of the Messages API, told by status or inside a 200, in our classes. */
import { asString, type Json, member } from "../../../wire/json.ts";
import type { FailureClass, UpstreamError } from "../../../wire/outcome.ts";

const MESSAGE_MAX = 2_000;

/** Error type → class, and the status that it stands for when it is told in a stream. */
const TYPES: Readonly<Record<string, { readonly class: FailureClass; readonly status: number }>> = {
  invalid_request_error: { class: "bad_request", status: 400 },
  authentication_error: { class: "auth", status: 401 },
  billing_error: { class: "payment", status: 402 },
  permission_error: { class: "auth", status: 403 },
  not_found_error: { class: "not_found", status: 404 },
  request_too_large: { class: "bad_request", status: 413 },
  rate_limit_error: { class: "rate", status: 429 },
  api_error: { class: "server", status: 500 },
  timeout_error: { class: "timeout", status: 504 },
  overloaded_error: { class: "overload", status: 529 },
};

const STATUSES: Readonly<Record<number, FailureClass>> = {
  401: "auth",
  402: "payment",
  403: "auth",
  404: "not_found",
  408: "server",
  429: "rate",
  503: "overload",
  504: "timeout",
  529: "overload",
};

/** What a message says that neither status nor type does. The first that matches counts. */
const WORDS: readonly (readonly [RegExp, FailureClass])[] = [
  [/prompt is too long|exceeds? (the )?(model's )?context (limit|window)|too many (total )?(text|input|prompt) (bytes|tokens)/i, "context"],
  [/credit balance is too low/i, "payment"],
  [/content filtering policy/i, "content_policy"],
  [/organization has been disabled/i, "auth"],
  [/unsupported (country|region)|not available in your (country|region)/i, "residency"],
];

/** An answer with an error status. `header` gives lower-case names; `nowWallMs` is for a Retry-After that is a date. */
export function readError(
  status: number,
  header: (name: string) => string | undefined,
  body: Json | undefined,
  text: string,
  nowWallMs: number,
): UpstreamError {
  return { ...errorOf(body, status, text), retryAfterMs: retryAfterMs(header, nowWallMs) };
}

/** An error told in a 200: an `error` event, or a body that is one. */
export function inBandError(body: Json): UpstreamError {
  return errorOf(body, 0, "");
}

/** An error that we saw and no one told. */
export function seenError(failure: FailureClass, message: string): UpstreamError {
  return { class: failure, status: 0, message, type: null, code: null, param: null, retryAfterMs: null };
}

function errorOf(body: Json | undefined, status: number, text: string): UpstreamError {
  const error = member(body, "error");
  const type = asString(member(error, "type")) ?? null;
  const code = codeOf(error);
  const message = asString(member(error, "message")) ?? asString(error) ?? asString(member(body, "message")) ?? text.trim();
  const known = type !== null && Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  return {
    class: classOf(status, known?.class, code, message),
    status: status === 0 ? (known?.status ?? 500) : status,
    message: clipped(message) || (status === 0 ? "the provider told an error without words" : `HTTP ${status}`),
    type,
    code,
    param: asString(member(error, "param")) ?? null,
    retryAfterMs: null,
  };
}

/** The type is more exact than the status, and a code or the words more exact than both. */
function classOf(status: number, byType: FailureClass | undefined, code: string | null, message: string): FailureClass {
  if (code?.endsWith("spend_limit_reached") === true) return "payment";
  // Blame of the request does not outweigh a status that lays none: 402, 408, an edge's 5xx with a body of its own.
  const coarse = byType === undefined || (byType === "bad_request" && status >= 400) ? classOfStatus(status) : byType;
  if (coarse !== "bad_request" && coarse !== "auth") return coarse;
  return WORDS.find(([pattern]) => pattern.test(message))?.[1] ?? coarse;
}

function classOfStatus(status: number): FailureClass {
  const exact = STATUSES[status];
  if (exact !== undefined) return exact;
  if (status >= 500 || status === 0) return "server";
  return status >= 400 ? "bad_request" : "malformed";
}

function codeOf(error: Json | undefined): string | null {
  const code = member(member(error, "details"), "error_code") ?? member(error, "code");
  return typeof code === "number" ? String(code) : (asString(code) ?? null);
}

function retryAfterMs(header: (name: string) => string | undefined, nowWallMs: number): number | null {
  const exactMs = numberIn(header("retry-after-ms"));
  if (exactMs !== null) return exactMs;
  const told = header("retry-after");
  const seconds = numberIn(told);
  if (seconds !== null) return Math.ceil(seconds * 1_000);
  const dateMs = told === undefined ? Number.NaN : Date.parse(told);
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - nowWallMs);
}

function numberIn(text: string | undefined): number | null {
  return text !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : null;
}

function clipped(text: string): string {
  return text.length > MESSAGE_MAX ? `${text.slice(0, MESSAGE_MAX)}...` : text;
}
