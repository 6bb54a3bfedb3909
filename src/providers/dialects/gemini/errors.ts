/** `{"error":{code,message,status,details}}` → our classes. Read from error answers and from errors told inside a 200. */
import { asArray, asNumber, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { FailureClass, UpstreamError } from "../../../wire/outcome.ts";

const MAX_MESSAGE = 2_000;

/** google.rpc status words. Those whose class depends on more than the word are decided before this table is asked. */
const STATUS_WORDS: Readonly<Record<string, FailureClass>> = {
  INVALID_ARGUMENT: "bad_request", FAILED_PRECONDITION: "bad_request", OUT_OF_RANGE: "bad_request", ALREADY_EXISTS: "bad_request",
  UNAUTHENTICATED: "auth", PERMISSION_DENIED: "auth", NOT_FOUND: "not_found", UNIMPLEMENTED: "not_found",
  RESOURCE_EXHAUSTED: "rate", UNAVAILABLE: "overload", DEADLINE_EXCEEDED: "timeout",
  ABORTED: "server", CANCELLED: "server", INTERNAL: "server", UNKNOWN: "server", DATA_LOSS: "server",
};

/** Classify an error answer. `body` may be the error object, or an array that holds it, as streams without SSE do. */
export function readError(
  status: number, header: (name: string) => string | undefined, body: Json | undefined, text: string, nowWallMs: number,
): UpstreamError {
  const error = findError(body);
  const read = classify(status, error ?? {}, error === undefined ? plainMessage(text) : undefined);
  return { ...read, retryAfterMs: read.retryAfterMs ?? retryAfterHeaders(header, nowWallMs) };
}

/** Classify an error object found inside a 200; its `code` stands for the status. */
export function readInnerError(error: Json): UpstreamError {
  const object = isObject(error) ? error : { message: asString(error) ?? "" };
  return classify(asNumber(object["code"]) ?? 0, object, undefined);
}

/** The `error` object of a body, of the first element of an array, or undefined. */
export function findError(body: Json | undefined): JsonObject | undefined {
  const holder = Array.isArray(body) ? (body as readonly Json[])[0] : body;
  const error = member(holder, "error");
  if (isObject(error)) return error;
  return typeof error === "string" ? { message: error } : undefined;
}

function classify(status: number, error: JsonObject, plain: string | undefined): UpstreamError {
  const message = asString(error["message"]) ?? plain ?? "";
  const word = asString(error["status"]) ?? null;
  const details = asArray(error["details"]);
  const reason = asString(find(details, "ErrorInfo", "reason")) ?? null;
  return {
    class: classOf(status, word ?? "", reason ?? "", message, details),
    status,
    message: message === "" ? `HTTP ${status}${word === null ? "" : ` ${word}`}` : message.slice(0, MAX_MESSAGE),
    type: word,
    // The word is no code: it says what the status says, and would hide ours from clients (context_length_exceeded).
    code: reason,
    param: asString(member(asArray(find(details, "BadRequest", "fieldViolations"))[0], "field")) ?? null,
    retryAfterMs: durationMs(find(details, "RetryInfo", "retryDelay")) ?? retryInWords(message),
  };
}

function classOf(status: number, word: string, reason: string, message: string, details: readonly Json[]): FailureClass {
  if (reason === "BILLING_DISABLED") return "payment";
  if (/^API_KEY_|^ACCESS_TOKEN_|^CREDENTIALS_|^SERVICE_DISABLED$|^CONSUMER_/.test(reason)) return "auth";
  if (/api[ _]key (?:not valid|expired|not found|was reported)/i.test(message)) return "auth";
  if (/location is not supported/i.test(message)) return "residency";
  if (word === "RESOURCE_EXHAUSTED" || status === 429) return isSpent(message, details) ? "payment" : "rate";
  if (word === "FAILED_PRECONDITION" && /billing/i.test(message)) return "payment";
  // A file or cache of someone else is the request's fault, not the credential's.
  if (word === "PERMISSION_DENIED" && /permission to access the (?:file|cached ?content)/i.test(message)) return "bad_request";
  if (word === "INVALID_ARGUMENT" || status === 400) {
    if (/token/i.test(message) && /exceed|too (?:long|large|many)|maximum|limit/i.test(message) && !/output|stop sequence/i.test(message)) return "context";
    if (/responsible ai|prohibited content|safety (?:filter|polic|setting.*block)/i.test(message)) return "content_policy";
  }
  const byWord = Object.hasOwn(STATUS_WORDS, word) ? STATUS_WORDS[word] : undefined;
  // Blame of the request does not outweigh a status that lays none: 402, 408, an edge's 5xx with a body of its own.
  return byWord === undefined || (byWord === "bad_request" && status >= 400) ? classOfStatus(status) : byWord;
}

/** The status line alone, where the body does not tell more. */
function classOfStatus(status: number): FailureClass {
  if (status === 401 || status === 403) return "auth";
  if (status === 402) return "payment";
  if (status === 404) return "not_found";
  if (status === 408) return "server";
  if (status === 503 || status === 529) return "overload";
  if (status === 504) return "timeout";
  return status >= 400 && status < 500 ? "bad_request" : "server";
}

/** A quota of the day, a quota of nothing, or money that is gone: waiting a minute does not help. */
function isSpent(message: string, details: readonly Json[]): boolean {
  if (/credits? (?:are|is|has been|have been) depleted|spend(?:ing)? (?:cap|limit)|quota will reset after \d+h/i.test(message)) return true;
  return details.some((detail) =>
    asArray(member(detail, "violations")).some((violation) => {
      const name = `${asString(member(violation, "quotaId")) ?? ""} ${asString(member(violation, "quotaMetric")) ?? ""}`;
      return /per_?day/i.test(name) || asString(member(violation, "quotaValue")) === "0";
    }),
  );
}

/** The member `key` of the detail whose `@type` ends in `type`. */
function find(details: readonly Json[], type: string, key: string): Json | undefined {
  for (const detail of details) {
    if (asString(member(detail, "@type"))?.endsWith(`.${type}`) === true) return member(detail, key);
  }
  return undefined;
}

/** `"34.4s"`, or {seconds, nanos} → ms, rounded up so that nobody comes too early; null where it is neither. */
function durationMs(value: Json | undefined): number | null {
  const text = asString(value);
  const seconds = text === undefined ? asNumber(Number(member(value, "seconds") ?? NaN)) : /^(\d{1,9}(?:\.\d+)?)s$/.exec(text)?.[1];
  if (seconds === undefined) return null;
  const total = Number(seconds) * 1000 + (asNumber(member(value, "nanos")) ?? 0) / 1e6;
  return total >= 0 ? Math.ceil(total) : null;
}

function retryInWords(message: string): number | null {
  const seconds = /retry in (\d{1,9}(?:\.\d+)?)s/i.exec(message)?.[1];
  return seconds === undefined ? null : Math.ceil(Number(seconds) * 1000);
}

function retryAfterHeaders(header: (name: string) => string | undefined, nowWallMs: number): number | null {
  const ms = header("retry-after-ms")?.trim();
  if (ms !== undefined && /^\d{1,12}(?:\.\d+)?$/.test(ms)) return Math.ceil(Number(ms));
  const value = header("retry-after")?.trim();
  if (value === undefined || value === "") return null;
  if (/^\d{1,9}(?:\.\d+)?$/.test(value)) return Math.ceil(Number(value) * 1000);
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - nowWallMs);
}

/** What a body that is not the API's says: the title of a page, else its first words. */
function plainMessage(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith("<")) return trimmed.slice(0, MAX_MESSAGE);
  const title = /<title[^>]*>([^<]{1,200})</i.exec(trimmed)?.[1]?.trim();
  return title === undefined || title === "" ? "an HTML page instead of an API answer" : `an HTML page instead of an API answer: ${title}`;
}
