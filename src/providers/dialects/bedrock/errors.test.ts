import assert from "node:assert/strict";
import { test } from "node:test";
import { gatewayError } from "../../../wire/errors.ts";
import type { Json } from "../../../wire/json.ts";
import { bedrockClient, bedrockConverse, errorTypeOf } from "./index.ts";
import { framesOf } from "./test-hub.ts";

const NOW_MS = Date.UTC(2026, 0, 1);

function read(status: number, type: string | undefined, message: string, headers: Readonly<Record<string, string>> = {}) {
  const all = { ...headers, ...(type !== undefined && { "x-amzn-errortype": type }) };
  const body: Json = { message };
  return bedrockConverse.readError(status, (name) => (all as Readonly<Record<string, string>>)[name], body, JSON.stringify(body), NOW_MS);
}

test("each exception has its class, whatever surrounds its name", () => {
  const rows: readonly (readonly [number, string, string])[] = [
    [403, "AccessDeniedException", "auth"], [403, "UnrecognizedClientException:http://internal.amazon.com/coral/com.amazon.coral.service/", "auth"],
    [403, "ExpiredTokenException", "auth"], [400, "ServiceQuotaExceededException", "payment"], [429, "ThrottlingException", "rate"],
    [503, "ServiceUnavailableException", "overload"], [429, "ModelNotReadyException", "overload"], [408, "ModelTimeoutException", "timeout"],
    [424, "ModelErrorException", "server"], [500, "InternalServerException", "server"], [404, "ResourceNotFoundException", "not_found"], [400, "ValidationException", "bad_request"],
  ];
  for (const [status, type, failure] of rows) {
    const error = read(status, type, "words");
    assert.deepEqual([error.class, error.status, error.message, error.type], [failure, status, "words", type.split(":")[0]]);
  }
});

test("the name may stand in the body, with its namespace", () => {
  const body = { __type: "com.amazon.coral.service#ThrottlingException", Message: "slow" };
  const error = bedrockConverse.readError(400, () => undefined, body, "", NOW_MS);
  assert.deepEqual([error.class, error.message, error.type], ["rate", "slow", "ThrottlingException"]);
});

test("without a name the status decides, and text that is no JSON is the message", () => {
  const classes = ([401, 402, 403, 404, 408, 424, 429, 500, 503, 418] as const).map((status) => bedrockConverse.readError(status, () => undefined, undefined, "<html>", NOW_MS).class);
  assert.deepEqual(classes, ["auth", "payment", "auth", "not_found", "timeout", "server", "rate", "server", "overload", "bad_request"]);
  assert.equal(bedrockConverse.readError(503, () => undefined, undefined, " busy ", NOW_MS).message, "busy");
  assert.equal(bedrockConverse.readError(503, () => undefined, undefined, "", NOW_MS).message, "HTTP 503");
});

test("words refine what the name leaves open", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["ValidationException", "Input is too long for requested model.", "context"],
    ["ValidationException", "The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum", "context"],
    ["ValidationException", "The provided model identifier is invalid.", "not_found"],
    ["ValidationException", "Invocation of model ID x with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile", "not_found"],
    ["ValidationException", "Access to this model is not available in your country.", "residency"],
    ["AccessDeniedException", "Access to Anthropic models is not allowed from unsupported countries, regions, or territories.", "residency"],
    ["AccessDeniedException", "Model access is denied due to INVALID_PAYMENT_INSTRUMENT", "payment"],
    ["ThrottlingException", "Too many tokens per day, please wait before trying again.", "payment"],
    ["ThrottlingException", "Too many requests, please wait before trying again.", "rate"],
  ];
  for (const [type, words, failure] of rows) assert.equal(read(400, type, words).class, failure, words);
});

test("a wait is read as seconds or as a date", () => {
  assert.equal(read(429, "ThrottlingException", "x", { "retry-after": "1.5" }).retryAfterMs, 1_500);
  assert.equal(read(429, "ThrottlingException", "x", { "retry-after": new Date(NOW_MS + 3_000).toUTCString() }).retryAfterMs, 3_000);
  assert.equal(read(429, "ThrottlingException", "x", { "retry-after": "soon" }).retryAfterMs, null);
});

test("our errors have names that clients of this dialect know, and a body of one message", () => {
  const names = ([
    ["invalid_body", "ValidationException"], ["missing_key", "UnrecognizedClientException"], ["budget_exceeded", "ServiceQuotaExceededException"], ["forbidden_host", "AccessDeniedException"],
    ["unknown_model", "ResourceNotFoundException"], ["upstream_rate_limited", "ThrottlingException"], ["draining", "ServiceUnavailableException"], ["deadline_exceeded", "ModelTimeoutException"],
    ["internal_error", "InternalServerException"], ["upstream_error", "InternalServerException"], ["request_loop", "ValidationException"],
  ] as const).map(([code, name]) => [errorTypeOf(gatewayError(code, "x")), name]);
  for (const [told, expected] of names) assert.equal(told, expected);
  assert.deepEqual(bedrockClient.encodeError(gatewayError("invalid_body", "no"), "r1"), { message: "no" });
});

test("in a stream an error is one of the five exceptions that streams have", () => {
  const told = (["upstream_rate_limited", "draining", "upstream_truncated", "internal_error", "unsupported_parameter"] as const).map((code) => framesOf([bedrockClient.brokenFrame(gatewayError(code, "no"), "r1")])[0]);
  assert.deepEqual(told.map((frame) => frame?.event), ["throttlingException", "serviceUnavailableException", "modelStreamErrorException", "internalServerException", "validationException"]);
  assert.equal(told[0]?.data, '{"message":"no"}');
});
