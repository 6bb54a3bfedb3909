import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../../wire/json.ts";
import { cohereV2 } from "./index.ts";

function read(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
  const body: Json = { id: "x", message };
  return cohereV2.readError(status, (name) => headers[name], body, JSON.stringify(body), 0);
}

test("each error of the API has its class", () => {
  const cases: readonly (readonly [number, string, string])[] = [
    [400, "invalid request: temperature must be between 0 and 1.0 inclusive.", "bad_request"],
    [400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.", "context"],
    [400, "too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model - received 8192.", "bad_request"],
    [401, "invalid api token", "auth"],
    [402, "Please add or update your payment method", "payment"],
    [403, "access denied", "auth"],
    [404, "model 'command-z' not found, make sure the correct model ID was used", "not_found"],
    [400, "model 'command-z' not found", "not_found"],
    [422, "unknown field: parameter tool_content is not a valid field.", "bad_request"],
    [429, "You are using a Trial key, which is limited to 40 API calls / minute.", "rate"],
    [429, "You are using a Trial key, which is limited to 1000 API calls / month.", "payment"],
    [498, "invalid token", "content_policy"],
    [499, "request cancelled", "server"],
    [500, "internal server error", "server"],
    [503, "service unavailable", "overload"],
    [504, "timeout", "timeout"],
  ];
  for (const [status, message, expected] of cases) {
    const error = read(status, message);
    assert.deepEqual([error.class, error.status, error.message], [expected, status, message]);
  }
});

test("the time to come back is read, and a page instead of an answer is told by its words", () => {
  assert.equal(read(429, "slow down", { "retry-after": "3" }).retryAfterMs, 3_000);
  const page = cohereV2.readError(502, () => undefined, undefined, "<html><body>Bad Gateway</body></html>", 0);
  assert.deepEqual([page.class, page.message], ["server", "Bad Gateway"]);
});
