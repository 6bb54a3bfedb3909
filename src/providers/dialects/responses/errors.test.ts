import assert from "node:assert/strict";
import { test } from "node:test";
import { readError, readInlineError } from "./errors.ts";

const none = () => undefined;
const body = (code: string, message = "no") => ({ error: { message, type: "invalid_request_error", code, param: null } });

test("an error answer is classed as the chat protocol's, with its words, code and field", () => {
  const quota = readError(429, none, body("insufficient_quota"), "", 0);
  assert.deepEqual([quota.class, quota.status, quota.code], ["payment", 429, "insufficient_quota"]);
  assert.equal(readError(429, (name) => (name === "retry-after" ? "2" : undefined), body("rate_limit_exceeded"), "", 0).retryAfterMs, 2_000);
  assert.equal(readError(400, none, body("context_length_exceeded"), "", 0).class, "context");
  assert.equal(readError(503, none, undefined, "<html>busy</html>", 0).class, "overload");
});

test("codes that only this protocol has keep their meaning in an answer and in a stream", () => {
  const classes = { bio_policy: "content_policy", image_content_policy_violation: "content_policy", data_residency_mismatch: "residency", invalid_base64_image: "bad_request", failed_to_download_image: "bad_request", vector_store_timeout: "timeout" };
  for (const [code, expected] of Object.entries(classes)) {
    assert.equal(readError(400, none, body(code), "", 0).class, expected, code);
    const inline = readInlineError({ error: { code, message: "no" } });
    assert.equal(inline.class, expected, code);
    assert.ok(inline.status >= 400, code);
  }
  assert.equal(readInlineError({ error: { code: "server_error", message: "no" } }).class, "server");
  assert.equal(readInlineError({ error: { code: "unheard_of", message: "no" } }).class, "server");
});
