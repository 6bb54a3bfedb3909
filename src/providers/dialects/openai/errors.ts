/**
 * Errors of OpenAI-compatible hosts in our classes: by the code they tell where it is specific, then by the status,
 * then by the words where a status says too little.
 */
import { asArray, asString, isObject, member } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { FailureClass, UpstreamError } from "../../../wire/outcome.ts";

/** A provider's words are kept up to this many characters. */
const MESSAGE_LIMIT = 2_000;

/** Codes and types that mean one thing whatever status they come with. Lower case. */
const SPECIFIC: ReadonlyMap<string, FailureClass> = new Map<string, FailureClass>([
  ["insufficient_quota", "payment"],
  ["insufficient_balance", "payment"],
  ["insufficient_credits", "payment"],
  ["insufficient_user_quota", "payment"],
  ["billing_hard_limit_reached", "payment"],
  ["billing_not_active", "payment"],
  ["billing_error", "payment"],
  ["billing_limit_exceeded", "payment"],
  ["payment_required", "payment"],
  ["credit_balance_too_low", "payment"],
  ["contract_spend_limit_reached", "payment"],
  ["enforced_spend_limit_reached", "payment"],
  ["spend_limit_reached", "payment"],
  ["exceeded_current_quota_error", "payment"],
  ["arrearage", "payment"],
  ["context_length_exceeded", "context"],
  ["context_window_exceeded", "context"],
  ["model_context_window_exceeded", "context"],
  ["string_above_max_length", "context"],
  ["content_policy_violation", "content_policy"],
  ["content_policy", "content_policy"],
  ["content_filter", "content_policy"],
  ["responsibleaipolicyviolation", "content_policy"],
  ["data_inspection_failed", "content_policy"],
  ["datainspectionfailed", "content_policy"],
  ["moderation_blocked", "content_policy"],
  ["prompt_blocked", "content_policy"],
  ["invalid_prompt", "content_policy"],
  ["unsupported_country_region_territory", "residency"],
  ["region_not_allowed", "residency"],
  ["invalid_api_key", "auth"],
  ["incorrect_api_key", "auth"],
  ["authentication_error", "auth"],
  ["invalid_authentication_error", "auth"],
  ["account_deactivated", "auth"],
  ["invalid_organization", "auth"],
  ["mismatched_organization", "auth"],
  ["ip_not_authorized", "auth"],
  ["model_not_found", "not_found"],
  ["model_not_found_error", "not_found"],
  ["deploymentnotfound", "not_found"],
  ["unknown_model", "not_found"],
  ["invalid_model", "not_found"],
  ["rate_limit_exceeded", "rate"],
  ["rate_limit_reached_error", "rate"],
  ["engine_overloaded", "overload"],
  ["engine_overloaded_error", "overload"],
  ["overloaded_error", "overload"],
  ["model_overloaded", "overload"],
  ["server_overloaded", "overload"],
  ["capacity_exceeded", "overload"],
  ["slow_down", "overload"],
]);

/** Words that decide only where there is no status to go by (errors inside a 200). */
const GENERIC: ReadonlyMap<string, FailureClass> = new Map<string, FailureClass>([
  ["rate_limit_error", "rate"],
  ["too_many_requests", "rate"],
  ["resource_exhausted", "rate"],
  ["service_unavailable", "overload"],
  ["unavailable", "overload"],
  ["permission_error", "auth"],
  ["permission_denied", "auth"],
  ["unauthenticated", "auth"],
  ["not_found_error", "not_found"],
  ["not_found", "not_found"],
  ["timeout", "timeout"],
  ["timeout_error", "timeout"],
  ["request_timeout", "timeout"],
  ["deadline_exceeded", "timeout"],
  ["invalid_request_error", "bad_request"],
  ["invalid_argument", "bad_request"],
  ["bad_request", "bad_request"],
]);

const PAYMENT_WORDS = /insufficient (?:quota|balance|credit|fund)|exceeded your current quota|credit balance is too low|spend(?:ing)? (?:limit|cap)|out of credits|billing (?:details|hard limit)|payment required/i;
const CONTEXT_WORDS =
  /maximum context length|context[ _](?:length|window)|(?:prompt|input) (?:is )?too long|too many (?:input |prompt )?tokens|reduce the length of the (?:messages|prompt|input)|input length .*exceed|exceeds? the (?:model'?s )?(?:maximum )?(?:context|input token)/i;
const POLICY_WORDS = /content (?:management )?polic|content[ _]filter|usage polic|safety system|violat\w* .*polic|flagged as|moderation/i;
const AUTH_WORDS = /(?:incorrect|invalid) api[ _-]?key|api key (?:not valid|is invalid|not found)|no api key/i;
const MODEL_WORDS =
  /\bmodel:? ?["'`]?[\w./:@-]{0,120}["'`]? (?:does not exist|not exist|(?:is |was )?not found)|no such model|unknown model|not a valid model/i;
const REGION_WORDS = /country, region|region (?:is )?not (?:supported|allowed|available)|not available in your (?:country|region)|user location is not supported/i;

/**
 * Classify an error answer.
 * @param body parsed JSON, undefined where it is not JSON; `text` is then what is shown, without markup
 * @param nowWallMs wall time, to turn a Retry-After date into a delay
 */
export function readError(
  status: number,
  header: (name: string) => string | undefined,
  body: Json | undefined,
  text: string,
  nowWallMs: number,
): UpstreamError {
  const told = readBody(body);
  const message = clip(told.message ?? plainText(text));
  return {
    class: classify(status, told, message),
    status,
    message: message === "" ? `The provider answered with status ${status} and no message.` : message,
    type: told.type,
    code: told.code,
    param: told.param,
    retryAfterMs: retryAfterMs(header, nowWallMs) ?? retryInfoMs(told.details),
  };
}

/**
 * The error told inside a 200: `error` of a body or chunk, or a body that is itself an error. Its status is the one it
 * names, else the one its class stands for, else 0.
 */
export function readInlineError(body: Json | undefined): UpstreamError {
  const told = readBody(body);
  const named = told.status;
  const message = clip(told.message ?? "");
  const failure = classify(named, told, message);
  return {
    class: failure,
    status: named !== 0 ? named : (STATUS_OF[failure] ?? 0),
    message: message === "" ? "The provider told an error without a message." : message,
    type: told.type,
    code: told.code,
    param: told.param,
    retryAfterMs: retryInfoMs(told.details),
  };
}

const STATUS_OF: Partial<Record<FailureClass, number>> = {
  auth: 401,
  payment: 402,
  rate: 429,
  overload: 503,
  server: 500,
  not_found: 404,
  context: 400,
  bad_request: 400,
  content_policy: 400,
  residency: 403,
  timeout: 504,
};

/** Does a body or chunk without `choices` tell an error? */
export function isErrorBody(body: JsonObject): boolean {
  const error = body["error"];
  if (isObject(error) || Array.isArray(error) || (typeof error === "string" && error !== "") || error === true) return true;
  if (body["object"] === "error" || body["type"] === "error") return true;
  if (body["choices"] !== undefined || body["usage"] !== undefined) return false;
  return body["detail"] !== undefined || (typeof body["message"] === "string" && body["id"] === undefined);
}

/** What an error body says, whatever its shape. */
interface Told {
  readonly message: string | undefined;
  readonly type: string | null;
  readonly code: string | null;
  readonly param: string | null;
  /** A status named in the body, else 0. */
  readonly status: number;
  /** Further words to look up: inner codes, `status` names. */
  readonly words: readonly string[];
  readonly details: Json | undefined;
  /** The host moderates before the model does and says so. */
  readonly moderated: boolean;
}

function readBody(body: Json | undefined): Told {
  const whole = Array.isArray(body) ? (body as readonly Json[])[0] : body;
  let error: Json | undefined = whole;
  for (let depth = 0; depth < 3; depth++) {
    const inner = member(error, "error");
    if (inner === undefined || inner === null) break;
    error = inner;
  }
  if (typeof error === "string") {
    return { ...NOTHING, message: error, type: text(member(whole, "type")), code: text(member(whole, "code")), status: statusIn(whole) };
  }
  if (!isObject(error)) return NOTHING;
  const words: string[] = [];
  for (const inner of [error["innererror"], error["inner_error"], error["metadata"]]) {
    const word = asString(member(inner, "code")) ?? asString(member(inner, "error_type"));
    if (word !== undefined) words.push(word);
  }
  const statusWord = asString(error["status"]);
  if (statusWord !== undefined) words.push(statusWord);
  return {
    message: messageOf(error) ?? messageOf(whole),
    type: text(error["type"]) ?? text(member(whole, "type")),
    code: text(error["code"]) ?? text(member(whole, "code")),
    param: text(error["param"]),
    status: statusIn(error) || statusIn(whole),
    words,
    details: error["details"],
    moderated: member(error["metadata"], "reasons") !== undefined || member(error["metadata"], "flagged_input") !== undefined,
  };
}

const NOTHING: Told = {
  message: undefined, type: null, code: null, param: null, status: 0, words: [], details: undefined, moderated: false,
};

/** A code may be a number; our clients' schemas know only strings. */
function text(value: Json | undefined): string | null {
  if (typeof value === "string") return value === "" ? null : value;
  return typeof value === "number" ? String(value) : null;
}

function statusIn(value: Json | undefined): number {
  for (const key of ["status", "status_code", "http_status", "code"]) {
    const found = member(value, key);
    const status = typeof found === "string" && /^[1-5]\d\d$/.test(found) ? Number(found) : found;
    if (typeof status === "number" && Number.isInteger(status) && status >= 300 && status < 600) return status;
  }
  return 0;
}

function messageOf(value: Json | undefined): string | undefined {
  if (typeof value === "string") return value;
  for (const key of ["message", "error_message", "msg", "detail", "details", "error_description"]) {
    const found = member(value, key);
    if (typeof found === "string" && found !== "") return found;
    if (isObject(found)) return messageOf(found) ?? JSON.stringify(found);
    if (Array.isArray(found) && found.length > 0) return listed(found as readonly Json[]);
  }
  const listOfErrors = asArray(member(value, "errors"));
  return listOfErrors.length > 0 ? messageOf(listOfErrors[0]) : undefined;
}

/** FastAPI's list of located errors, or whatever else stands there, as one line. */
function listed(value: readonly Json[]): string {
  const lines = value.map((entry) => {
    const words = asString(member(entry, "msg"));
    const where = asArray(member(entry, "loc")).map((step) => asString(step) ?? JSON.stringify(step)).join(".");
    return words === undefined ? JSON.stringify(entry) : where === "" ? words : `${where}: ${words}`;
  });
  return lines.join("; ");
}

function classify(status: number, told: Told, message: string): FailureClass {
  const words = [told.code, told.type, ...told.words].filter((word) => word !== null).map((word) => word.toLowerCase());
  for (const word of words) {
    const found = SPECIFIC.get(word);
    if (found !== undefined) return found;
  }
  if (status < 300) {
    for (const word of words) {
      const found = GENERIC.get(word);
      if (found !== undefined) return found === "bad_request" ? badRequest(message) : found;
    }
    return "server";
  }
  return byStatus(status, told, message);
}

function byStatus(status: number, told: Told, message: string): FailureClass {
  switch (status) {
    case 400:
    case 413:
    case 422:
      return badRequest(message);
    case 401:
      return "auth";
    case 402:
      return "payment";
    case 403:
      if (told.moderated || POLICY_WORDS.test(message)) return "content_policy";
      if (REGION_WORDS.test(message)) return "residency";
      return PAYMENT_WORDS.test(message) ? "payment" : "auth";
    case 404:
    case 405:
    case 410:
      return "not_found";
    // The address leads back to who asked: our configuration is wrong there, and asking again changes nothing.
    case 508:
      return "not_found";
    case 408:
    case 504:
      return "timeout";
    case 409:
    case 424:
    case 425:
      return "server";
    case 429:
      return PAYMENT_WORDS.test(message) || dailyQuota(told.details) ? "payment" : "rate";
    case 451:
      return "residency";
    case 498: // Flex capacity exceeded, at one host.
    case 503:
    case 529:
      return "overload";
    default:
      // A redirect means that the base URL is wrong: ours to fix.
      if (status < 400) return "not_found";
      return status < 500 ? "bad_request" : "server";
  }
}

/** A 400 often hides what others tell by code or status. */
function badRequest(message: string): FailureClass {
  if (CONTEXT_WORDS.test(message)) return "context";
  if (AUTH_WORDS.test(message)) return "auth";
  if (MODEL_WORDS.test(message)) return "not_found";
  if (REGION_WORDS.test(message)) return "residency";
  if (PAYMENT_WORDS.test(message)) return "payment";
  return POLICY_WORDS.test(message) ? "content_policy" : "bad_request";
}

/** Google's compatible endpoint tells a spent daily quota only in the details. */
function dailyQuota(details: Json | undefined): boolean {
  return asArray(details).some((detail) => asArray(member(detail, "violations")).some((v) => /PerDay/.test(asString(member(v, "quotaId")) ?? "")));
}

function retryAfterMs(header: (name: string) => string | undefined, nowWallMs: number): number | null {
  const ms = header("retry-after-ms")?.trim();
  if (ms !== undefined && /^\d+(\.\d+)?$/.test(ms)) return Math.ceil(Number(ms));
  const after = header("retry-after")?.trim();
  if (after === undefined || after === "") return null;
  if (/^\d+(\.\d+)?$/.test(after)) return Math.ceil(Number(after) * 1000);
  const dateMs = Date.parse(after);
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - nowWallMs);
}

/** `details[].retryDelay` of the form "34.4s". */
function retryInfoMs(details: Json | undefined): number | null {
  for (const detail of asArray(details)) {
    const seconds = /^(\d+(?:\.\d+)?)s$/.exec(asString(member(detail, "retryDelay")) ?? "")?.[1];
    if (seconds !== undefined) return Math.ceil(Number(seconds) * 1000);
  }
  return null;
}

/** An error page's words without its markup. */
function plainText(raw: string): string {
  if (!/<[a-z!/]/i.test(raw)) return raw;
  return raw.replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, " ").replace(/<[^<>]*>/g, " ");
}

function clip(words: string): string {
  const flat = words.replace(/\s+/g, " ").trim();
  return flat.length <= MESSAGE_LIMIT ? flat : `${flat.slice(0, MESSAGE_LIMIT - 1)}…`;
}
