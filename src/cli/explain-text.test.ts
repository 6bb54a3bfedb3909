import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explanationText } from "./explain-text.ts";

const CALLED = { request_id: "req_1", at: "2026-11-08T10:00:00.000Z", model: "m", route: "r", outcome: "ok", error_code: null };

describe("an explanation in words", () => {
  it("says that a request was drawn for the canary, and how calls of it failed", () => {
    const text = explanationText({
      ...CALLED, flags: ["canary"], attempts: [{ deployment: "a/new", outcome: "server", status: 500 }, { deployment: "a/old", outcome: "answered", status: 200 }],
      decision: { strategy: "priority", candidates: [{ deployment: "a/new", health: "admitting", canary: true }, { deployment: "a/old", health: "admitting" }] },
    });
    assert.match(text, /route r: ok\nflags canary\n/);
    assert.match(text, /1 +a\/new +admitting +canary: its share goes there first\n +2 +a\/old +admitting\n/);
    assert.match(text, /1 +a\/new +server \(500\).*\n +2 +a\/old +answered +-/);
  });

  it("says whose copy a mirrored request is", () => {
    const text = explanationText({ ...CALLED, flags: ["mirror"], decision: { strategy: "priority", mirror_of: "req_0", candidates: [] } });
    assert.match(text, /a copy of req_0, for the mirror of the route/);
  });

  it("tells who could not carry on what broke off once each, apart from who could not take the request, and who wrote", () => {
    const rescue = { deployment: "a/m", param: "rescue", message: "a/m is not known to go on" };
    const text = explanationText({ ...CALLED, decision: { strategy: "priority", candidates: [], unsupported: [rescue, { deployment: "b/m", param: "seed", message: "b/m takes no seed" }, rescue], written_by: ["c/m", "d/m"] } });
    assert.match(text, /could not carry it\n +b\/m +b\/m takes no seed\ncould not carry on what broke off\n +a\/m +a\/m is not known to go on\nnobody/);
    assert.match(text, /its answer broke off; written by c\/m, then d\/m\n/);
  });

  it("shows times, load and prices of a choice by which strategies order", () => {
    const estimates = [{ deployment: "a/m", calls: 12, first_content_p50_ms: 40, first_content_p95_ms: 90, load_ms: 55, price_nano_usd: 3_000 }];
    const text = explanationText({ dry_run: true, route: "r", estimates, decision: { strategy: "fastest", candidates: [{ deployment: "a/m", health: "admitting" }] } });
    assert.match(text, /by calls +first content +load +price\n +1 +a\/m +admitting +12 +40 ms \(p95 90\) +55 ms +\$0\.000003/);
  });
});
