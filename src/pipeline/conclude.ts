/** What the client is told when no attempt gave an answer. Pure: outcomes in, one error out. */
import type { Choice, Filtered } from "../decide/choose.ts";
import { EXCLUSION_RETRY_MS } from "../decide/exclusion.ts";
import { reliefOf, takes, type Step } from "../decide/next-step.ts";
import type { ReserveResult } from "../ports.ts";
import { gatewayError, type ErrorCode, type GatewayError } from "../wire/errors.ts";
import type { FailureClass, Outcome, UpstreamError } from "../wire/outcome.ts";
import type { Attempt } from "./attempt.ts";
import { overCapError } from "./spending.ts";

export interface Tried {
  readonly deployment: string;
  readonly outcome: Outcome;
}

const CODES: Readonly<Record<FailureClass, ErrorCode>> = {
  auth: "upstream_auth",
  payment: "upstream_payment",
  rate: "upstream_rate_limited",
  overload: "upstream_overloaded",
  server: "upstream_error",
  not_found: "upstream_not_found",
  context: "context_length_exceeded",
  bad_request: "upstream_bad_request",
  content_policy: "upstream_content_policy",
  residency: "upstream_auth",
  network: "upstream_unreachable",
  timeout: "upstream_timeout",
  malformed: "upstream_malformed",
  truncated: "upstream_truncated",
  empty: "upstream_empty",
  too_large: "upstream_too_large",
  schema_mismatch: "upstream_schema_mismatch",
};

/** What a gateway answers that meets a request of its own again. */
const LOOP_STATUS = 508;

/** Codes of our own whose answers an upstream's words may replace: the client's request was at fault. */
const CLIENT_CLASSES: ReadonlySet<FailureClass> = new Set(["bad_request", "content_policy", "context"]);

/** A budget's refusal as the client reads it: the first hold is bounded by the dearest candidate, which need not be the one that was to be called. */
export function refusedHold(why: Extract<ReserveResult, { kind: "refused" }>, { heldNanoUsd, settings }: Pick<Attempt, "heldNanoUsd" | "settings">, { candidates }: Choice): string {
  if (heldNanoUsd === null || heldNanoUsd === 0 || settings.number !== 1 || candidates.length === 1) return why.message;
  const dearest = candidates.find((one) => one.boundNanoUsd === heldNanoUsd);
  return dearest === undefined ? why.message : `${why.message} What it may cost is the bound of its dearest candidate, ${dearest.deployment.id}.`;
}

/** The error for a request of which nothing has been answered. */
export function conclude(stop: Extract<Step, { kind: "stop" }>["why"] | "allowance", retryAfterMs: number | null, tried: readonly Tried[], choice: Choice): GatewayError {
  const failures = tried.flatMap((one) => (one.outcome.kind === "failed" ? [{ ...one, error: one.outcome.error }] : []));
  const atFault = failures.find((one) => CLIENT_CLASSES.has(one.error.class) && !failures.some((other) => couldHaveServed(other, one, choice)));
  if (atFault !== undefined) return clientFault(atFault.error);
  if (stop === "deadline") return gatewayError("deadline_exceeded", `No answer within the deadline.${told(failures)}${passedOver(choice)}`);
  if (failures.length === 0) {
    if (stop === "paced") {
      return gatewayError("upstream_rate_limited", "Every deployment of this route is paused by its provider's rate limit.", { retryAfterMs });
    }
    return nothingUsable(choice);
  }
  const last = failures.at(-1) as (typeof failures)[number];
  const decisive = failures.every((one) => one.error.class === "rate") ? last : (failures.findLast((one) => one.error.class !== "rate") ?? last);
  const wait = retryAfterMs ?? maxRetryAfter(failures.map((one) => one.error));
  const code = decisive.error.status === LOOP_STATUS ? "request_loop" : CODES[decisive.error.class];
  return gatewayError(code, `${summary(failures.length)}${told(failures)}${passedOver(choice)}`, {
    // The code stays ours: a provider's "invalid_api_key" would tell a client that its own key is wrong.
    retryAfterMs: decisive.error.class === "rate" || decisive.error.class === "overload" ? (wait ?? 1_000) : null,
  });
}

/** Did `other` fail by no fault of the client's, though it may serve what `refusing` refuses? Then trying again may help. */
function couldHaveServed(other: { readonly deployment: string; readonly error: UpstreamError }, refusing: { readonly deployment: string; readonly error: UpstreamError }, { candidates }: Choice): boolean {
  const relief = reliefOf(refusing.error.class);
  if (relief === null || CLIENT_CLASSES.has(other.error.class)) return false;
  const tooSmallTokens = relief === "context" ? (candidates.find((one) => one.deployment.id === refusing.deployment)?.deployment.contextWindow ?? Number.POSITIVE_INFINITY) : 0;
  return candidates.some((one) => one.deployment.id === other.deployment && takes(one, relief, tooSmallTokens));
}

/** A 4xx that any provider would give: told on with the provider's own words, under a type that is the same for all. */
function clientFault(error: UpstreamError): GatewayError {
  const code = CODES[error.class];
  return gatewayError(code, error.message, {
    param: error.param,
    ...(error.status >= 400 && error.status < 500 ? { status: error.status } : {}),
    upstreamCode: error.code,
  });
}

/** The error for a stream that breaks after its content began. */
export function brokenStream(error: UpstreamError, deployment: string): GatewayError {
  return gatewayError(CODES[error.class], `The answer of ${deployment} broke off: ${words(error)}`);
}

function nothingUsable(choice: Choice): GatewayError {
  const tooDear = overCapError(choice.filtered);
  if (tooDear !== null) return tooDear;
  const reasons = grouped(choice.filtered.map((one) => [one.deployment, reasonOf(one)]));
  const unsupported = choice.filtered.find((one) => one.reason.startsWith("unsupported:"));
  if (unsupported !== undefined && choice.filtered.every((one) => one.reason !== "excluded")) {
    return gatewayError("unsupported_parameter", choice.filtered.length === 1 ? unsupported.detail : `No deployment of this route can carry this request. ${reasons}`, {
      param: unsupported.reason.slice("unsupported:".length),
    });
  }
  if (choice.filtered.length > 0 && choice.filtered.every((one) => one.reason === "context_too_small")) {
    return gatewayError("context_length_exceeded", `The prompt does not fit: ${reasons}`);
  }
  const capability = choice.filtered.find((one) => one.param !== undefined || one.reason in PARAM_OF);
  if (capability !== undefined && choice.filtered.every((one) => one.reason !== "excluded")) {
    return gatewayError("unsupported_parameter", `No deployment of this route can carry this request. ${reasons}`, { param: capability.param ?? PARAM_OF[capability.reason] ?? null });
  }
  const unknown = choice.filtered.filter(isUnknown);
  // The same code as at the first request, which learnt it: nothing has changed since.
  if (unknown.length > 0 && unknown.length === choice.filtered.length) return gatewayError("upstream_not_found", `${reasons}${CHECK_NAMES}${TRIED_AGAIN}`);
  const isTriedAgain = choice.filtered.some((one) => one.reason === "excluded");
  const hint = `${unknown.length > 0 ? CHECK_NAMES : ""}${isTriedAgain ? TRIED_AGAIN : ""}`;
  const message = `No deployment of this route can be used now. ${reasons || "The route has no candidates"}.${hint}`;
  return gatewayError("no_usable_deployment", message, { retryAfterMs: isTriedAgain ? EXCLUSION_RETRY_MS : null });
}

const CHECK_NAMES = " The name may be misspelt, retired, or not open to the account; check it, and the account's base_url, in the configuration.";
const TRIED_AGAIN = " What is excluded is tried again every five minutes, at a reload, and by: spillway providers retry <account>.";

/** What an exclusion is for, as somebody who mends it needs to know. */
const EXCLUDED: Readonly<Record<string, string>> = {
  auth: "auth (the provider refuses our credential)",
  payment: "payment (the provider's account is out of money or quota)",
  residency: "residency (the provider does not serve this account here)",
  not_found: "not_found (the provider does not know this model)",
};

function isUnknown(one: Filtered): boolean {
  return one.reason === "excluded" && one.detail === "not_found";
}

function reasonOf(one: Filtered): string {
  return one.reason === "excluded" ? (EXCLUDED[one.detail] ?? one.detail) : one.detail;
}

/** `a, b: reason; c: other`: what several have in common is said once. */
function grouped(said: readonly (readonly [deployment: string, why: string])[]): string {
  const groups = new Map<string, Map<string, number>>();
  for (const [deployment, why] of said) {
    const group = groups.get(why) ?? new Map<string, number>();
    group.set(deployment, (group.get(deployment) ?? 0) + 1);
    groups.set(why, group);
  }
  return [...groups].map(([why, names]) => `${[...names].map(([name, times]) => (times === 1 ? name : `${name} (${times} times)`)).join(", ")}: ${why}`).join("; ");
}

/** Candidates that were not tried at all, since a healthy one among them is what the reader will wonder about. */
function passedOver(choice: Choice): string {
  if (choice.filtered.length === 0) return "";
  return ` Not tried: ${grouped(choice.filtered.map((one) => [one.deployment, reasonOf(one)])).slice(0, 600)}.`;
}

const PARAM_OF: Readonly<Record<string, string>> = {
  wrong_endpoint: "model",
  output_too_small: "max_completion_tokens",
};

function summary(count: number): string {
  return count === 1 ? "The attempt failed." : `All ${count} attempts failed.`;
}

function told(failures: readonly { readonly deployment: string; readonly error: UpstreamError }[]): string {
  if (failures.length === 0) return "";
  const unknown = failures.some((one) => one.error.class === "not_found");
  const said = grouped(failures.map((one) => [one.deployment, words(one.error)]));
  return ` ${unknown ? `${said.replace(/\.$/, "")}.${CHECK_NAMES}` : said}`;
}

/** The provider's words, without what a refused credential may echo. */
function words(error: UpstreamError): string {
  const status = error.status > 0 ? `${error.status} ` : "";
  if (error.class === "auth" || error.class === "payment") return `${status}${error.class === "auth" ? "the provider refuses our credential" : "the provider's account is out of money or quota"}`;
  if (error.class === "not_found") return `${status}not_found (the provider does not know this model): ${error.message.slice(0, 300)}`;
  return `${status}${error.class}: ${error.message.slice(0, 300)}`;
}

function maxRetryAfter(errors: readonly UpstreamError[]): number | null {
  const waits = errors.flatMap((error) => (error.retryAfterMs === null ? [] : [error.retryAfterMs]));
  return waits.length === 0 ? null : Math.min(...waits);
}
