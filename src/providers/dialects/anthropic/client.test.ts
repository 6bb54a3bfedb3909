import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gatewayError } from "../../../wire/errors.ts";
import { scanBody, splice } from "../../../wire/scan.ts";
import { anthropicClient, encodeModel, encodeModelsList } from "./client.ts";
import { MARKED } from "../test-foreign.ts";
import { OUTSIDE } from "./client-test-support.ts";
import { request, target } from "./test-hub.ts";

/** The bytes that a provider of the same dialect gets. */
function passed(body: string): string {
  const bytes = new TextEncoder().encode(body);
  const scan = scanBody(bytes);
  if (scan.kind !== "object") throw new Error(scan.kind);
  const { path, edits } = anthropicClient.pass({ bytes, scan, raw: JSON.parse(body), request: request(), outside: OUTSIDE }, target("claude-up"));
  assert.equal(path, "/messages");
  return new TextDecoder().decode(splice(bytes, edits));
}

describe("a body for a provider of the same dialect", () => {
  test("case 1: passes byte for byte, but for the model's name and our own field", () => {
    assert.equal(
      passed('{ "model" :"mine", "max_tokens":1.0, "spillway":{"tag":1}, "odd":{"a" : 1e400},\n"messages":[{"role":"user","content":"\\u0041"}] }'),
      '{ "model" :"claude-up", "max_tokens":1.0, "odd":{"a" : 1e400},\n"messages":[{"role":"user","content":"\\u0041"}] }',
    );
  });

  test("case 29: loses the reasoning that another provider's turn left unsigned, and nothing else", () => {
    const unsigned = '{"type":"thinking","thinking":"Hm","signature":""}';
    const signed = '{"type":"thinking","thinking":"","signature":"s1"}';
    const said = '{"type":"text","text":"a"}';
    const body = (...contents: readonly string[]) => `{"model":"claude-up", "max_tokens":1, "messages":[${contents.map((content) => `{"role":"assistant","content":[${content}]}`).join()}] }`;
    assert.equal(passed(body(`${unsigned},${said}`, `${signed},${said}`, unsigned)), body(said, `${signed},${said}`));
    assert.equal(passed(body(`{"type":"thinking","thinking":"Hm"},${said}`)), body(said));
    assert.equal(passed(body(`${signed}, ${said}`)), body(`${signed}, ${said}`));
    const redacted = (data: string) => `{"type":"redacted_thinking","data":${JSON.stringify(data)}}`;
    for (const marked of MARKED) assert.equal(passed(body(`${redacted(marked)},${said}`)), body(said));
    assert.equal(passed(body(`${redacted("EmwK")}, ${said}`)), body(`${redacted("EmwK")}, ${said}`));
  });
});

describe("an error", () => {
  test("has the type that belongs to its status", () => {
    const types = ([400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 426, 429, 500, 502, 503, 504, 508, 529] as const).map((status) => {
      const { error } = anthropicClient.encodeError(gatewayError("internal_error", "x", { status }), "r1") as { error: { type: string } };
      return `${status} ${error.type}`;
    });
    assert.deepEqual(types, [
      "400 invalid_request_error", "401 authentication_error", "402 billing_error", "403 permission_error", "404 not_found_error", "405 invalid_request_error",
      "408 timeout_error", "409 invalid_request_error", "413 request_too_large", "415 invalid_request_error", "422 invalid_request_error", "426 invalid_request_error",
      "429 rate_limit_error", "500 api_error", "502 api_error", "503 overloaded_error", "504 timeout_error", "508 invalid_request_error", "529 overloaded_error",
    ]);
  });

  test("carries its code and the field at fault where clients of the API look", () => {
    assert.deepEqual(anthropicClient.encodeError(gatewayError("missing_field", "no max_tokens", { param: "max_tokens" }), "r1"), {
      type: "error", error: { type: "invalid_request_error", message: "no max_tokens", details: { error_code: "missing_field", param: "max_tokens" } }, request_id: "r1",
    });
  });

  test("about a thread has the code by which clients know to go on without one", () => {
    const { error } = anthropicClient.encodeError(gatewayError("unsupported_parameter", "x", { param: "thread" }), "r1") as { error: { details: unknown } };
    assert.deepEqual(error.details, { error_code: "thread_unsupported_request", unsupported: ["thread"], param: "thread" });
  });

  test("case 48: an upstream's code goes before ours", () => {
    const { error } = anthropicClient.encodeError(gatewayError("upstream_bad_request", "x", { upstreamCode: "1214" }), "r1") as { error: { details: unknown } };
    assert.deepEqual(error.details, { error_code: "1214" });
  });
});

test("models are listed on one page, with null for what is not known", () => {
  const model = { id: "claude-x", name: "X", createdS: 1_700_000_000 };
  const one = {
    type: "model", id: "claude-x", display_name: "X", created_at: "2023-11-14T22:13:20Z", lifecycle: "active", capabilities: null, line: null,
    max_input_tokens: null, max_tokens: null, deprecated_at: null, retires_at: null,
  };
  assert.deepEqual(encodeModel(model), one);
  assert.deepEqual(encodeModelsList([model, { ...model, id: "b" }]), { data: [one, { ...one, id: "b" }], has_more: false, first_id: "claude-x", last_id: "b" });
  assert.deepEqual(encodeModelsList([]), { data: [], has_more: false, first_id: null, last_id: null });
});

test("fields that bear on the price are those of the upstream half", () => {
  assert.deepEqual(anthropicClient.unboundedFields({ service_tier: "auto", tools: [{ type: "web_search_20250305" }] }), ["service_tier", "tools[].type=web_search_20250305"]);
});
