/** Errors of Converse, told by status and exception name or as an exception inside a stream, in our classes. */
import { asString, type Json, type JsonObject, member } from "../../../wire/json.ts";
import type { FailureClass, UpstreamError } from "../../../wire/outcome.ts";

const MESSAGE_MAX = 2_000;

interface Known {
  readonly class: FailureClass;
  /** What it stands for when it is told in a stream. */
  readonly status: number;
}
/** By name without its ending, in lower case: `ThrottlingException`, `throttlingException` and `Throttling` are one. */
const EXCEPTIONS: Readonly<Record<string, Known>> = {
  validation: { class: "bad_request", status: 400 },
  conflict: { class: "bad_request", status: 400 },
  servicequotaexceeded: { class: "payment", status: 400 },
  accessdenied: { class: "auth", status: 403 },
  unrecognizedclient: { class: "auth", status: 403 },
  expiredtoken: { class: "auth", status: 403 },
  expired: { class: "auth", status: 403 },
  invalidsignature: { class: "auth", status: 403 },
  incompletesignature: { class: "auth", status: 403 },
  missingauthenticationtoken: { class: "auth", status: 403 },
  invalidclienttokenid: { class: "auth", status: 403 },
  resourcenotfound: { class: "not_found", status: 404 },
  unknownoperation: { class: "not_found", status: 404 },
  modeltimeout: { class: "timeout", status: 408 },
  modelerror: { class: "server", status: 424 },
  modelstreamerror: { class: "server", status: 424 },
  throttling: { class: "rate", status: 429 },
  toomanyrequests: { class: "rate", status: 429 },
  modelnotready: { class: "overload", status: 429 },
  internalserver: { class: "server", status: 500 },
  internalfailure: { class: "server", status: 500 },
  serviceunavailable: { class: "overload", status: 503 },
};

const STATUSES: Readonly<Record<number, FailureClass>> = {
  401: "auth", 402: "payment", 403: "auth", 404: "not_found", 408: "timeout", 424: "server", 429: "rate", 503: "overload", 504: "timeout", 529: "overload",
};

const REGION =
  /(country|region|geograph)[^.]{0,40}not (supported|available|allowed)|unsupported (countr|region)|not (available|allowed) (in|from) (this|your|unsupported)/i;
const TOO_LONG = /input is too long|prompt is too long|too many (total )?(input |prompt )?tokens|exceeds? the (model'?s? )?(maximum )?(context|input)/i;
const NO_SUCH_MODEL =
  /model identifier is invalid|on-demand throughput isn.t supported|model is not supported|doesn.t support the (model|converse)|end of its life/i;
/** What a message says that the name does not: [class that it refines, words, class]. The first that matches counts. */
const WORDS: readonly (readonly [FailureClass, RegExp, FailureClass])[] = [
  ["bad_request", TOO_LONG, "context"],
  ["bad_request", NO_SUCH_MODEL, "not_found"],
  ["bad_request", /content filter|blocked by (our )?content/i, "content_policy"],
  ["bad_request", REGION, "residency"],
  ["auth", REGION, "residency"],
  ["auth", /payment|subscription|marketplace/i, "payment"],
  // A day's tokens are gone: nothing that a short wait would help.
  ["rate", /per day|daily/i, "payment"],
];

/** An answer with an error status. `header` gives lower-case names; `nowWallMs` is for a Retry-After that is a date. */
export function readError(
  status: number,
  header: (name: string) => string | undefined,
  body: Json | undefined,
  text: string,
  nowWallMs: number,
): UpstreamError {
  const type = bareName(header("x-amzn-errortype")) ?? exceptionIn(body);
  return { ...errorOf(type, status, body, text), retryAfterMs: retryAfterMs(header, nowWallMs) };
}

/** An exception told in a stream, or in the body of a 200. */
export function inBandError(type: string | undefined, body: Json): UpstreamError {
  return errorOf(bareName(type) ?? exceptionIn(body), 0, body, "");
}

/** The exception that a body names, if it is one. */
export function exceptionIn(body: Json | undefined): string | undefined {
  return bareName(asString(member(body, "__type")) ?? asString(member(member(body, "Output"), "__type")));
}

/** Is this the name of an exception, and of no event? */
export function isException(type: string, value: JsonObject): boolean {
  return /(exception|error|failure|fault)$/i.test(type) || exceptionIn(value) !== undefined;
}

/** An error that we saw and no one told. */
export function seenError(failure: FailureClass, message: string): UpstreamError {
  return { class: failure, status: 0, message, type: null, code: null, param: null, retryAfterMs: null };
}

/** `com.amazon.coral.service#ThrottlingException:http://…` → `ThrottlingException`. */
function bareName(name: string | undefined): string | undefined {
  const bare = name?.split(":")[0]?.split("#").at(-1)?.trim();
  return bare === undefined || bare === "" ? undefined : bare;
}

function errorOf(type: string | undefined, status: number, body: Json | undefined, text: string): UpstreamError {
  const known = type === undefined ? undefined : knownException(type);
  const told = [member(body, "message"), member(body, "Message"), member(member(body, "error"), "message"), member(body, "originalMessage")];
  const message = told.map(asString).find((words) => words !== undefined) ?? text.trim();
  const coarse = known?.class ?? classOfStatus(status);
  return {
    class: WORDS.find(([from, words]) => from === coarse && words.test(message))?.[2] ?? coarse,
    status: status === 0 ? (known?.status ?? 500) : status,
    message: clipped(message) || (type ?? (status === 0 ? "the provider told an error without words" : `HTTP ${status}`)),
    type: type ?? null,
    code: null,
    param: null,
    retryAfterMs: null,
  };
}

function knownException(type: string): Known | undefined {
  const name = type.toLowerCase().replace(/(exception|error|fault)$/, "");
  const exact = Object.hasOwn(EXCEPTIONS, name) ? EXCEPTIONS[name] : undefined;
  if (exact !== undefined) return exact;
  const whole = type.toLowerCase().replace(/(exception|fault)$/, "");
  return Object.hasOwn(EXCEPTIONS, whole) ? EXCEPTIONS[whole] : undefined;
}

function classOfStatus(status: number): FailureClass {
  const exact = STATUSES[status];
  if (exact !== undefined) return exact;
  if (status >= 500 || status === 0) return "server";
  return status >= 400 ? "bad_request" : "malformed";
}

function retryAfterMs(header: (name: string) => string | undefined, nowWallMs: number): number | null {
  const told = header("retry-after");
  if (told === undefined) return null;
  if (/^\s*\d+(\.\d+)?\s*$/.test(told)) return Math.ceil(Number(told) * 1_000);
  const dateMs = Date.parse(told);
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - nowWallMs);
}

function clipped(text: string): string {
  return text.length > MESSAGE_MAX ? `${text.slice(0, MESSAGE_MAX)}...` : text;
}
