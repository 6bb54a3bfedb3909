import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../../wire/json.ts";
import type { FailureClass } from "../../../wire/outcome.ts";
import { anthropicMessages } from "./index.ts";

const NOW_MS = Date.UTC(2026, 10, 22, 12, 0, 0);
function read(status: number, body?: Json, headers: Readonly<Record<string, string>> = {}, text = "") {
  return anthropicMessages.readError(status, (name) => headers[name], body, text, NOW_MS);
}
const told = (type: string, message: string, more: { readonly [key: string]: Json } = {}): Json => ({ type: "error", error: { type, message, ...more } });

test("errors are classed by what the provider says, then by status", () => {
  const cases: readonly (readonly [number, Json | undefined, FailureClass])[] = [
    [401, told("authentication_error", "invalid x-api-key"), "auth"],
    [403, told("permission_error", "no access"), "auth"],
    [402, told("billing_error", "pay"), "payment"],
    [402, told("invalid_request_error", "pay"), "payment"],
    [408, told("invalid_request_error", "late"), "server"],
    [502, told("invalid_request_error", "an edge's own words"), "server"],
    [429, told("rate_limit_error", "slow down"), "rate"],
    [429, told("rate_limit_error", "limit", { details: { error_code: "enforced_spend_limit_reached" } }), "payment"],
    [429, told("rate_limit_error", "limit", { details: { error_code: "contract_spend_limit_reached" } }), "payment"],
    [400, told("invalid_request_error", "Your credit balance is too low to access the API"), "payment"],
    [404, told("not_found_error", "model: claude-9"), "not_found"],
    [413, told("request_too_large", "too large"), "bad_request"],
    [400, told("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), "context"],
    [400, told("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3"), "context"],
    [400, told("invalid_request_error", "Output blocked by content filtering policy"), "content_policy"],
    [400, told("invalid_request_error", "messages.0.role: wrong"), "bad_request"],
    [429, told("rate_limit_error", "too many input tokens per minute"), "rate"],
    [500, told("api_error", "Internal server error"), "server"],
    [529, told("overloaded_error", "Overloaded"), "overload"],
    [504, told("timeout_error", "late"), "timeout"],
    [529, undefined, "overload"],
    [503, undefined, "overload"],
    [502, undefined, "server"],
    [408, undefined, "server"],
    [522, undefined, "server"],
    [422, { detail: "x" }, "bad_request"],
    [429, [1, 2], "rate"],
    [302, undefined, "malformed"],
  ];
  for (const [status, body, expected] of cases) assert.equal(read(status, body).class, expected, `${status} ${JSON.stringify(body)}`);
});

test("the provider's words are kept, clipped, whatever shape they came in", () => {
  assert.deepEqual(read(401, told("authentication_error", "invalid x-api-key")), {
    class: "auth", status: 401, message: "invalid x-api-key", type: "authentication_error", code: null, param: null, retryAfterMs: null,
  });
  assert.equal(read(502, undefined, {}, " <html>Bad gateway</html> ").message, "<html>Bad gateway</html>");
  assert.equal(read(500, { error: "plain" }).message, "plain");
  assert.equal(read(503).message, "HTTP 503");
  assert.ok(read(500, told("api_error", "x".repeat(100_000))).message.length < 2_100);
  assert.equal(read(400, told("invalid_request_error", "x", { code: 17 })).code, "17");
});

test("Retry-After is read as milliseconds, seconds or a date, and never negative", () => {
  const after = (headers: Readonly<Record<string, string>>) => read(429, undefined, headers).retryAfterMs;
  assert.equal(after({}), null);
  assert.equal(after({ "retry-after": "12" }), 12_000);
  assert.equal(after({ "retry-after": "0.5" }), 500);
  assert.equal(after({ "retry-after": "12", "retry-after-ms": "340" }), 340);
  assert.equal(after({ "retry-after": "Sun, 22 Nov 2026 12:00:30 GMT" }), 30_000);
  assert.equal(after({ "retry-after": "Sun, 22 Nov 2026 11:00:00 GMT" }), 0);
  assert.equal(after({ "retry-after": "soon" }), null);
});

test("price-bearing fields that no bound covers are named, bounded ones are not", () => {
  assert.deepEqual(anthropicMessages.unboundedFields({ model: "m", max_tokens: 1, messages: [], cache_control: { type: "ephemeral", ttl: "1h" } }), []);
  assert.deepEqual(
    anthropicMessages.unboundedFields({
      service_tier: "auto", speed: "fast", inference_geo: "us", container: "c", mcp_servers: [{ type: "url" }], context_management: { edits: [] },
      tools: [{ name: "mine" }, { type: "custom" }, { type: "bash_20250124" }, { type: "web_search_20250305" }, { type: "web_search_20250305" }, { type: "code_execution_20250825" }],
    }),
    ["service_tier", "speed", "inference_geo", "container", "mcp_servers", "context_management", "tools[].type=web_search_20250305", "tools[].type=code_execution_20250825"],
  );
  assert.deepEqual(anthropicMessages.unboundedFields({ service_tier: "standard_only", speed: "standard", inference_geo: "global", mcp_servers: [], container: null }), []);
  assert.deepEqual(anthropicMessages.unboundedFields({ thread: { type: "create" } }), []);
  assert.deepEqual(anthropicMessages.unboundedFields({ thread: { type: "continue", previous_message_id: "msg_1" } }), ["thread"]);
});
