import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../../wire/json.ts";
import type { FailureClass } from "../../../wire/outcome.ts";
import { openaiChat } from "./upstream.ts";

const NOW_MS = Date.UTC(2026, 10, 22, 12, 0, 0);
function read(status: number, body?: Json, headers: Record<string, string> = {}, text = "") {
  return openaiChat.readError(status, (name) => headers[name], body, text, NOW_MS);
}
const err = (code: string | null, message = "no", type = "x"): Json => ({ error: { message, type, param: null, code } });

const BY_STATUS: readonly (readonly [number, FailureClass])[] = [
  [400, "bad_request"], [401, "auth"], [402, "payment"], [403, "auth"], [404, "not_found"], [405, "not_found"], [408, "timeout"],
  [409, "server"], [410, "not_found"], [413, "bad_request"], [415, "bad_request"], [422, "bad_request"], [429, "rate"],
  [451, "residency"], [498, "overload"], [500, "server"], [502, "server"], [503, "overload"], [504, "timeout"], [520, "server"],
  [524, "server"], [529, "overload"], [530, "server"], [302, "not_found"],
];
for (const [status, expected] of BY_STATUS) {
  test(`status ${status} without words is ${expected}`, () => assert.equal(read(status).class, expected));
}

const BY_WORDS: readonly (readonly [string, number, Json, FailureClass])[] = [
  ["a spent quota", 429, err("insufficient_quota", "You exceeded your current quota", "insufficient_quota"), "payment"],
  ["a spend cap", 429, err("enforced_spend_limit_reached"), "payment"],
  ["a quota told in words only", 429, err(null, "You exceeded your current quota, please check your plan"), "payment"],
  ["a rate limit", 429, err("rate_limit_exceeded", "slow down", "tokens"), "rate"],
  ["a rate limit told as 413", 413, err("rate_limit_exceeded", "Request too large"), "rate"],
  ["a busy engine told as 429", 429, err(null, "busy", "engine_overloaded_error"), "overload"],
  ["a prompt that is too long", 400, err("context_length_exceeded"), "context"],
  ["a prompt too long in words", 400, err(null, "This model's maximum context length is 8192 tokens."), "context"],
  ["Azure's filter", 400, { error: { code: "content_filter", message: "filtered", innererror: { code: "ResponsibleAIPolicyViolation" } } }, "content_policy"],
  ["a moderated prompt told as 403", 403, { error: { code: 403, message: "flagged", metadata: { reasons: ["violence"] } } }, "content_policy"],
  ["a model of ours that is gone", 404, err("model_not_found"), "not_found"],
  ["a model unknown as 400", 400, err("invalid_request_error", "Model Not Exist"), "not_found"],
  ["a model without access", 403, err("model_not_found"), "not_found"],
  ["a wrong key told as 400", 400, err(null, "Incorrect API key provided: xai-***"), "auth"],
  ["a region", 403, err("unsupported_country_region_territory"), "residency"],
  ["a daily quota in details", 429, [{ error: { code: 429, message: "quota", status: "RESOURCE_EXHAUSTED", details: [{ violations: [{ quotaId: "GenerateRequestsPerDayPerProject" }] }] } }], "payment"],
  ["a plain mistake", 400, err("unknown_parameter", "Unknown parameter: 'foo'."), "bad_request"],
];
for (const [what, status, body, expected] of BY_WORDS) {
  test(`${what} is ${expected}`, () => assert.equal(read(status, body).class, expected));
}

test("the provider's words are found in every known shape of body", () => {
  assert.equal(read(400, { message: "a" }).message, "a");
  assert.equal(read(400, { detail: "b" }).message, "b");
  assert.equal(read(422, { detail: [{ loc: ["body", "n"], msg: "too big" }] }).message, "body.n: too big");
  assert.equal(read(400, { error: "c" }).message, "c");
  assert.equal(read(400, { error: { message: { detail: "d" } } }).message, "d");
  assert.equal(read(500, [{ error: { message: "e" } }]).message, "e");
  assert.equal(read(502, undefined, {}, "<html><head><style>x{}</style></head><body><h1>502</h1> Bad\n gateway</body></html>").message, "502 Bad gateway");
  assert.match(read(500, null).message, /500/);
  assert.ok(read(500, undefined, {}, "y".repeat(16_384)).message.length <= 2_000);
});

test("numeric codes become strings", () => assert.equal(read(429, { error: { message: "m", code: 1302 } }).code, "1302"));

test("how long to wait is read from every header and body that tells it", () => {
  assert.equal(read(429, undefined, { "retry-after": "3" }).retryAfterMs, 3_000);
  assert.equal(read(429, undefined, { "retry-after": "0.5" }).retryAfterMs, 500);
  assert.equal(read(429, undefined, { "retry-after-ms": "1250", "retry-after": "9" }).retryAfterMs, 1_250);
  assert.equal(read(503, undefined, { "retry-after": "Sun, 22 Nov 2026 12:00:07 GMT" }).retryAfterMs, 7_000);
  assert.equal(read(503, undefined, { "retry-after": "Sun, 22 Nov 2026 11:00:00 GMT" }).retryAfterMs, 0);
  assert.equal(read(503, undefined, { "retry-after": "soon" }).retryAfterMs, null);
  assert.equal(read(429, [{ error: { message: "q", details: [{ retryDelay: "34.4s" }] } }]).retryAfterMs, 34_400);
  assert.equal(read(429).retryAfterMs, null);
});
