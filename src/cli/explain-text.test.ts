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

  it("says which call was a hedge, and which came after a failure", () => {
    const attempts = [{ deployment: "a/m", outcome: "superseded", flags: ["aborted"] }, { deployment: "b/m", outcome: "answered", flags: [] }];
    const decision = { strategy: "balanced", candidates: [], taken: ["u/m", "a/m", "b/m"] };
    const text = explanationText({ ...CALLED, flags: ["hedged"], attempts, decision: { ...decision, taken_as: ["first", "failover", "hedge"] } });
    assert.match(text, /1 +a\/m +superseded +- +after the one before failed or was late, aborted\n +2 +b\/m +answered +- +hedge: the one before had no content in time\n/);
    assert.match(explanationText({ ...CALLED, attempts, decision }), /1 +a\/m +superseded +- +aborted\n +2 +b\/m +answered +-\n/);
  });

  it("shows what was believed of each candidate in a record, and of a choice by time what tokens took", () => {
    const estimates = [{ deployment: "b/m", calls: 3.5, fails_before: 0.005, token_ms: 8.25, weight: 2, price_nano_usd: 9_000 }];
    const text = explanationText({ ...CALLED, decision: { strategy: "fastest", estimates, candidates: [{ deployment: "b/m", health: "admitting" }] } });
    assert.match(text, /fails +by calls +a token +weight +price\n +1 +b\/m +admitting +0\.5 % +3\.5 +8\.3 ms +2 +\$0\.000009/);
  });

  it("says of a choice that nothing was sent by what the route tries besides, and that a canary takes nothing now", () => {
    const told = { dry_run: true, route: "r", canary: { deployment: "n/m", share: 0.05, takes_requests: false }, mirror: { deployment: "o/m", share: 0.01 }, decision: { strategy: "priority", candidates: [] } };
    assert.match(explanationText(told), /canary: n\/m is tried first by 5 % of the requests, and takes none now: it is frozen or was rolled back.*\nmirror: o\/m gets copies of 1 % /);
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
