/** The headers of every answer. Fixed names: people script against them. */
import type { CallerPolicy } from "../ports.ts";
import { ERRORS, type GatewayError } from "../wire/errors.ts";

export interface AnswerFacts {
  readonly requestId: string;
  readonly route: string | null;
  readonly deployment: string | null;
  readonly attempts: number;
  /** undefined: not known yet, no header; null: unmetered. */
  readonly costNanoUsd: number | null | undefined;
  readonly estimated: boolean;
  readonly warnings: readonly string[];
  readonly simulated: boolean;
  /** What the caller is told: absent, all. */
  readonly expose?: CallerPolicy["expose"] | undefined;
  /** How the caller's limits on pace stand, as flat headers; absent: none applies. */
  readonly rates?: readonly string[] | undefined;
}

/** Nano-dollars as dollars with nine places. */
export function usd(nanoUsd: number): string {
  const text = String(nanoUsd).padStart(10, "0");
  return `${text.slice(0, -9)}.${text.slice(-9)}`;
}

/** Beyond this some proxies refuse the whole answer. */
const WARNING_CHARS = 1_000;

const PRINTABLE = /^[ -~]*$/;

/** Header text: what HTTP allows on one line, clipped. */
export function headerText(text: string): string {
  if (text.length <= WARNING_CHARS && PRINTABLE.test(text)) return text;
  let out = "";
  for (const char of text.slice(0, WARNING_CHARS)) out += char >= " " && char <= "~" ? char : "?";
  return out;
}

/** All warnings as far as a header holds them, and how many it does not hold. */
function warningText(warnings: readonly string[]): string {
  let text = "";
  for (const [i, warning] of warnings.entries()) {
    const next = i === 0 ? warning.slice(0, WARNING_CHARS - 40) : `${text}; ${warning}`;
    if (next.length > WARNING_CHARS - 40) return headerText(`${text}; and ${warnings.length - i} more, for which there is no room`);
    text = next;
  }
  return headerText(text);
}

/** Flat headers for an answer; `more` go first. */
export function answerHeaders(facts: AnswerFacts, more: readonly string[]): string[] {
  const headers = [
    ...more,
    "x-request-id", facts.requestId,
    "request-id", facts.requestId,
    "x-spillway-request-id", facts.requestId,
    "cache-control", "no-store, no-transform",
    "x-spillway-attempts", String(facts.attempts),
  ];
  if (facts.route !== null) headers.push("x-spillway-route", headerText(facts.route));
  if (facts.deployment !== null && facts.expose !== "none") headers.push("x-spillway-deployment", headerText(facts.deployment));
  if (typeof facts.costNanoUsd === "number" && (facts.expose === undefined || facts.expose === "id+cost")) headers.push("x-spillway-cost-usd", `${usd(facts.costNanoUsd)}${facts.estimated ? "; estimated" : ""}`);
  if (facts.warnings.length > 0) headers.push("x-spillway-warning", warningText(facts.warnings));
  if (facts.simulated) headers.push("x-spillway-simulated", "true");
  if (facts.rates !== undefined) headers.push(...facts.rates);
  return headers;
}

/** What an error adds: whether a retry helps, and when. */
export function errorHeaders(error: GatewayError): string[] {
  const headers: string[] = [];
  const retry = error.retry ?? ERRORS[error.code].retry;
  if (retry !== null) headers.push("x-should-retry", String(retry));
  const status = error.status ?? ERRORS[error.code].status;
  // Where nothing can be used, what can be waited for is said with the error, or there is nothing.
  const waitMs = error.retryAfterMs ?? ((status === 429 || status === 503) && error.code !== "no_usable_deployment" ? 1_000 : null);
  if (waitMs !== null) headers.push("retry-after", String(Math.max(1, Math.ceil(waitMs / 1000))), "retry-after-ms", String(Math.ceil(waitMs)));
  return headers;
}

/** What the head of a stream says of it. */
export function streamHead(streamType: string): readonly string[] {
  return ["content-type", streamType, "x-accel-buffering", "no"];
}

const RATE = /(?:^|-)ratelimit-/;

/** Flat headers without those that told how limits on pace stood. */
export function withoutRates(headers: readonly string[]): readonly string[] {
  return headers.filter((_, i) => !RATE.test(headers[i - (i % 2)] as string));
}

/** Flat headers without those of these names (lower case). */
export function without(headers: readonly string[], names: readonly string[]): readonly string[] {
  return headers.filter((_, i) => !names.includes((headers[i - (i % 2)] as string).toLowerCase()));
}
