/** The faults of the matrix: what they are called, in which part of the page they stand, and how the fleet plays them. */
import type { FaultInput, RuleInput } from "../../src/fleet/index.ts";

export const DIALECTS = ["openai-chat", "anthropic-messages", "gemini"] as const;
export type Dialect = (typeof DIALECTS)[number];
export const FORMS = ["json", "stream"] as const;
export type Form = (typeof FORMS)[number];

/** Words of every whole answer. */
export const ANSWER_WORDS = 8;
/** Words before a fault that strikes after the first content. */
export const WORDS_BEFORE = 3;
/** What a 429 asks: longer than the run, so that the pause can be seen at its end. */
export const RETRY_AFTER_S = 600;

export type Group = "unreachable" | "refused" | "client" | "spoilt" | "before content" | "after headers" | "after content" | "harmless";

export interface FaultRow {
  readonly key: string;
  readonly group: Group;
  /** In words, for the page. */
  readonly title: string;
  readonly fault: FaultInput | ((dialect: Dialect) => FaultInput);
  /** Besides `fault`: a rule that keeps the listener open and destroys so many connections. */
  readonly times?: number;
  /** Settings of the route, where the fault is one of time. The clocks are far above what a healthy answer takes here. */
  readonly route?: Readonly<Record<string, string>>;
}

/** Streams of the rows "after headers" get a keep-alive this soon, and their fault after it. */
export const KEEPALIVE_MS = 150;
const LATE_MS = 500;
const AWAKE = { keepalive: "on" };
const SOON = { first_token: "800ms", attempt: "800ms" };
const PAGE = "<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>";

/** Money that is gone, as each provider tells it with a 429. */
const SPENT: Readonly<Record<Dialect, Readonly<Record<string, unknown>>>> = {
  "openai-chat": {
    error: { message: "You exceeded your current quota, please check your plan and billing details.", type: "insufficient_quota", param: null, code: "insufficient_quota" },
  },
  "anthropic-messages": {
    type: "error",
    error: { type: "rate_limit_error", message: "This organization has reached its spend limit.", details: { error_code: "enforced_spend_limit_reached" } },
  },
  gemini: {
    error: {
      code: 429,
      message: "You exceeded your current quota.",
      status: "RESOURCE_EXHAUSTED",
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.QuotaFailure",
          violations: [{ quotaId: "GenerateRequestsPerDayPerProjectPerModel-FreeTier", quotaValue: "250" }],
        },
      ],
    },
  },
};

const status = (code: number, more: object = {}): FaultInput => ({ kind: "status", status: code, ...more });

/** In the order of the page. */
export const FAULTS: readonly FaultRow[] = [
  { key: "connection-refused", group: "unreachable", title: "nothing listens: connection refused", fault: "refuse" },
  { key: "reset-on-accept", group: "unreachable", title: "connection reset as it is accepted", fault: "refuse", times: 1_000 },
  { key: "reset-before-headers", group: "unreachable", title: "reset when the request has been read", fault: "reset" },
  { key: "stall-before-headers", group: "unreachable", title: "silence instead of headers", fault: "stall_before_headers", route: SOON },

  { key: "status-401", group: "refused", title: "401", fault: status(401) },
  { key: "status-402", group: "refused", title: "402", fault: status(402) },
  { key: "status-403", group: "refused", title: "403", fault: status(403) },
  { key: "status-404-model", group: "refused", title: "404, no such model", fault: status(404) },
  { key: "status-408", group: "refused", title: "408", fault: status(408) },
  { key: "status-429", group: "refused", title: "429 with Retry-After", fault: status(429, { headers: { "retry-after": String(RETRY_AFTER_S) } }) },
  { key: "status-429-money", group: "refused", title: "429 that is money", fault: (dialect) => status(429, { body: SPENT[dialect] }) },
  { key: "status-500", group: "refused", title: "500", fault: status(500) },
  { key: "status-502-page", group: "refused", title: "502, a page of an edge", fault: status(502, { body: PAGE, content_type: "text/html" }) },
  { key: "status-503", group: "refused", title: "503", fault: status(503) },
  { key: "status-504", group: "refused", title: "504", fault: status(504) },
  { key: "status-529", group: "refused", title: "529", fault: status(529) },
  { key: "status-530-text", group: "refused", title: "530, a line of an edge", fault: status(530, { body: "error code: 1016", content_type: "text/plain" }) },

  { key: "status-400", group: "client", title: "400", fault: status(400) },
  { key: "status-413", group: "client", title: "413", fault: status(413) },
  { key: "status-422", group: "client", title: "422", fault: status(422) },

  { key: "html-200", group: "spoilt", title: "200 with a page of HTML", fault: "wrong_content_type" },
  { key: "empty-body", group: "spoilt", title: "200 with nothing in it", fault: "empty_body" },
  { key: "empty-choices", group: "spoilt", title: "200 without any choice", fault: "empty_choices" },
  { key: "malformed-body", group: "spoilt", title: "broken JSON", fault: "malformed_json" },
  { key: "truncated-body-short", group: "spoilt", title: "body shorter than announced", fault: { kind: "truncated_json", clean: false } },
  { key: "truncated-body-clean", group: "spoilt", title: "half a body, properly ended", fault: { kind: "truncated_json", clean: true } },
  { key: "reset-in-body", group: "spoilt", title: "reset in the middle of the body", fault: "cut_reset" },
  { key: "stall-in-body", group: "spoilt", title: "silence in the middle of the body", fault: "stall_mid_stream", route: SOON },

  { key: "stall-before-content", group: "before content", title: "headers, then silence", fault: "stall_before_content", route: SOON },
  { key: "error-event-before-content", group: "before content", title: "an error inside a 200", fault: "error_event" },
  { key: "cut-clean-before-content", group: "before content", title: "body ended properly, without content", fault: { kind: "cut_clean", after: 0 } },
  { key: "cut-fin-before-content", group: "before content", title: "connection closed before content", fault: { kind: "cut_fin", after: 0 } },
  { key: "cut-reset-before-content", group: "before content", title: "connection reset before content", fault: { kind: "cut_reset", after: 0 } },
  { key: "malformed-event-before-content", group: "before content", title: "first event broken, the rest goes on", fault: { kind: "malformed_event", at: 0 } },

  { key: "stall-after-keepalive", group: "after headers", title: "keep-alive sent, then still silence", fault: "stall_before_headers", route: { ...SOON, ...AWAKE } },
  { key: "status-503-after-keepalive", group: "after headers", title: "keep-alive sent, then 503", fault: status(503, { delay_ms: LATE_MS }), route: AWAKE },
  { key: "reset-after-keepalive", group: "after headers", title: "keep-alive sent, then reset", fault: { kind: "reset", delay_ms: LATE_MS }, route: AWAKE },
  { key: "status-400-after-keepalive", group: "after headers", title: "keep-alive sent, then 400", fault: status(400, { delay_ms: LATE_MS }), route: AWAKE },

  { key: "cut-clean-after-content", group: "after content", title: "body ended properly half-way", fault: { kind: "cut_clean", after: WORDS_BEFORE } },
  { key: "cut-fin-after-content", group: "after content", title: "connection closed half-way", fault: { kind: "cut_fin", after: WORDS_BEFORE } },
  { key: "cut-reset-after-content", group: "after content", title: "connection reset half-way", fault: { kind: "cut_reset", after: WORDS_BEFORE } },
  { key: "malformed-event-after-content", group: "after content", title: "an event broken half-way, the rest goes on", fault: { kind: "malformed_event", at: WORDS_BEFORE } },
  { key: "error-event-after-content", group: "after content", title: "an error event half-way", fault: { kind: "error_event", at: WORDS_BEFORE } },
  { key: "stall-mid-stream", group: "after content", title: "silence half-way", fault: { kind: "stall_mid_stream", after: WORDS_BEFORE }, route: { idle: "500ms" } },
  { key: "cut-before-finish", group: "after content", title: "all words, but no finish", fault: { kind: "cut_clean", after: 1_000 } },

  { key: "missing-usage", group: "harmless", title: "usage missing", fault: "missing_usage" },
  { key: "duplicate-usage", group: "harmless", title: "usage told twice", fault: "duplicate_usage" },
  { key: "slow-drip", group: "harmless", title: "the answer in drips", fault: { kind: "slow_drip", pieces: 4, delay_ms: 2 } },
  { key: "late-first-token", group: "harmless", title: "first word after 300 ms", fault: { kind: "slow", first_token_ms: 300 } },
];

/** The fleet's rule for a fault: it strikes every call. */
export function ruleOf(row: FaultRow, dialect: Dialect): RuleInput {
  const fault = typeof row.fault === "function" ? row.fault(dialect) : row.fault;
  return { fault, ...(row.times === undefined ? {} : { times: row.times }) };
}
