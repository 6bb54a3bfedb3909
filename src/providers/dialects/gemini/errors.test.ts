import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Json } from "../../../wire/json.ts";
import { gemini } from "./index.ts";

const recording = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data/fixtures/ai-sdk/google/google-429-retry-info.json");
const NOW = Date.UTC(2026, 0, 1);

function read(status: number, body: Json | undefined, text = "", headers: Readonly<Record<string, string>> = {}) {
  return gemini.readError(status, (name) => headers[name], body, text, NOW);
}
function told(code: number, status: string, message: string, details: Json[] = []): Json {
  return { error: { code, message, status, details } };
}
function detail(type: string, fields: { [key: string]: Json }): Json {
  return { "@type": `type.googleapis.com/google.rpc.${type}`, ...fields };
}
const quota = (fields: { [key: string]: Json }) => detail("QuotaFailure", { violations: [fields] });

describe("classes", () => {
  const cases: readonly (readonly [string, number, Json, string])[] = [
    ["a wrong key told as 400", 400, told(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [detail("ErrorInfo", { reason: "API_KEY_INVALID" })]), "auth"],
    ["a wrong key by its words", 400, told(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."), "auth"],
    ["no credential", 401, told(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), "auth"],
    ["a forbidden project", 403, told(403, "PERMISSION_DENIED", "Generative Language API has not been used", [detail("ErrorInfo", { reason: "SERVICE_DISABLED" })]), "auth"],
    ["someone else's file", 403, told(403, "PERMISSION_DENIED", "You do not have permission to access the File abc or it may not exist."), "bad_request"],
    ["billing off", 403, told(403, "PERMISSION_DENIED", "This API method requires billing", [detail("ErrorInfo", { reason: "BILLING_DISABLED" })]), "payment"],
    ["a wrong place", 400, told(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), "residency"],
    ["a place without a free tier", 400, told(400, "FAILED_PRECONDITION", "The free tier is not available in your country. Please enable billing."), "payment"],
    ["a quota of the minute", 429, told(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details.", [quota({ quotaId: "GenerateRequestsPerMinutePerProjectPerModel" })]), "rate"],
    ["a quota of the day", 429, told(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", [quota({ quotaId: "GenerateRequestsPerDayPerProjectPerModel-FreeTier" })]), "payment"],
    ["a quota of the day by its metric", 429, told(429, "RESOURCE_EXHAUSTED", "quota", [quota({ quotaMetric: "generativelanguage.googleapis.com/generate_requests_per_model_per_day" })]), "payment"],
    ["a quota of nothing", 429, told(429, "RESOURCE_EXHAUSTED", "quota", [quota({ quotaId: "GenerateRequestsPerMinute", quotaValue: "0" })]), "payment"],
    ["spent credits", 429, told(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), "payment"],
    ["shared capacity gone", 429, told(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later."), "rate"],
    ["a prompt too long", 400, told(400, "INVALID_ARGUMENT", "The input token count (3475108) exceeds the maximum number of tokens allowed (1048576)."), "context"],
    ["an output limit too large", 400, told(400, "INVALID_ARGUMENT", "Unable to submit request because it has a maxOutputTokens value of 99999 but the supported range is limited"), "bad_request"],
    ["a bad argument", 400, told(400, "INVALID_ARGUMENT", "Unknown name \"x\": Cannot find field."), "bad_request"],
    ["a model that is not there", 404, told(404, "NOT_FOUND", "models/x is not found for API version v1beta"), "not_found"],
    ["overload", 503, told(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), "overload"],
    ["the provider's own deadline", 504, told(504, "DEADLINE_EXCEEDED", "The request timed out."), "timeout"],
    ["a fault inside", 500, told(500, "INTERNAL", "An internal error has occurred."), "server"],
    ["money told with another word", 402, told(402, "INVALID_ARGUMENT", "Payment required."), "payment"],
    ["an edge's error with another word", 502, told(502, "INVALID_ARGUMENT", "Bad gateway."), "server"],
    ["a word nobody knows", 418, told(418, "constructor", "?"), "bad_request"],
  ];
  for (const [what, status, body, expected] of cases) {
    test(`${what}: ${expected}`, () => assert.equal(read(status, body).class, expected));
    test(`${what}, in an array: ${expected}`, () => assert.equal(read(status, [body]).class, expected));
  }
  test("without a readable body the status decides, and the message says what came", () => {
    const html = read(502, undefined, "<!DOCTYPE html><html><title>Error 502 (Server Error)!!1</title>…");
    assert.deepEqual([html.class, html.message], ["server", "an HTML page instead of an API answer: Error 502 (Server Error)!!1"]);
    assert.deepEqual([429, 401, 404, 408, 413, 503, 504, 520].map((status) => read(status, undefined, "").class), ["rate", "auth", "not_found", "server", "bad_request", "overload", "timeout", "server"]);
    assert.equal(read(500, undefined, "").message, "HTTP 500");
    assert.equal(read(500, undefined, "plain words").message, "plain words");
  });
  test("the provider's words, status word, reason and field are kept", () => {
    const body = told(400, "INVALID_ARGUMENT", "bad value", [detail("BadRequest", { fieldViolations: [{ field: "contents[0]" }] }), detail("ErrorInfo", { reason: "BAD_THING" })]);
    assert.deepEqual(read(400, body), {
      class: "bad_request", status: 400, message: "bad value", type: "INVALID_ARGUMENT", code: "BAD_THING", param: "contents[0]", retryAfterMs: null,
    });
  });
  test("the status word is no code, so that clients get ours", () => {
    const error = read(400, told(400, "INVALID_ARGUMENT", "The input token count exceeds the maximum number of tokens allowed."));
    assert.deepEqual([error.class, error.type, error.code], ["context", "INVALID_ARGUMENT", null]);
  });
});

describe("when to come back", () => {
  test("the recorded 429 paces by its RetryInfo", { skip: existsSync(recording) ? false : "shared data is absent" }, () => {
    const error = read(429, JSON.parse(readFileSync(recording, "utf8")) as Json, "", { "retry-after": "1" });
    assert.deepEqual([error.class, error.retryAfterMs, error.type], ["rate", 34_400, "RESOURCE_EXHAUSTED"]);
  });
  test("else its words, else the headers", () => {
    assert.equal(read(429, told(429, "RESOURCE_EXHAUSTED", "quota. Please retry in 20.04466179s.")).retryAfterMs, 20_045);
    assert.equal(read(503, undefined, "", { "retry-after-ms": "1500", "retry-after": "9" }).retryAfterMs, 1500);
    assert.equal(read(503, undefined, "", { "retry-after": "7" }).retryAfterMs, 7000);
    assert.equal(read(503, undefined, "", { "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" }).retryAfterMs, 30_000);
    assert.equal(read(503, undefined, "", { "retry-after": "Wed, 31 Dec 2025 00:00:00 GMT" }).retryAfterMs, 0);
    assert.equal(read(503, undefined, "", { "retry-after": "soon" }).retryAfterMs, null);
  });
  test("a delay may be an object of seconds and nanos; nonsense is none", () => {
    const delay = (retryDelay: Json) => read(429, told(429, "RESOURCE_EXHAUSTED", "q", [detail("RetryInfo", { retryDelay })])).retryAfterMs;
    assert.deepEqual([delay({ seconds: "3", nanos: 500_000_000 }), delay("0s"), delay("-3s"), delay("3 minutes"), delay({}), delay(null)], [3500, 0, null, null, null, null]);
  });
});

test("any body, status and text give an error and never throw", () => {
  fc.assert(fc.property(fc.integer({ min: 300, max: 599 }), fc.option(fc.jsonValue({ maxDepth: 4 }), { nil: undefined }), fc.string(), (status, body, text) => {
    const error = read(status, body as Json | undefined, text, { "retry-after": text });
    assert.ok(error.message.length > 0 && error.message.length <= 2000);
    assert.ok(error.retryAfterMs === null || error.retryAfterMs >= 0);
  }));
});
