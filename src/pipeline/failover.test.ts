/** What is tried after a failure, what is never tried, and what the client is told. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gatewayError } from "../wire/errors.ts";
import { errorHeaders } from "./answer-headers.ts";
import { assertBooksAgree, World, type RouteSpec } from "./test-world.ts";
import { GOOD_ANSWER, GOOD_STREAM, ROLE } from "./test-upstream.ts";

/** A world in which every call to these providers fails with this status, and the others answer. */
function failing(spec: RouteSpec, statuses: Readonly<Record<string, number>>, headers: Readonly<Record<string, string>> = {}): World {
  const world = new World(spec);
  for (const candidate of spec.candidates) {
    const name = typeof candidate === "string" ? candidate : candidate.name;
    const status = statuses[name];
    world.upstream.plays(name, (call) => (status === undefined ? call.json(GOOD_ANSWER) : call.refuse(status, `told by ${name}, whose key is secret-of-${name}`, headers)));
  }
  return world;
}

const spend = (world: World): void => {
  while (world.allowance.tryTake(world.clock.nowMs()));
};

describe("another candidate is tried at once after", () => {
  for (const status of [401, 402, 403, 404, 408, 429, 500, 502, 503, 504, 520, 529]) {
    it(String(status), async () => {
      const world = failing({ candidates: ["a", "b"] }, { a: status });
      const { reply } = await world.ask();
      assert.equal(world.called, "a b");
      assert.equal(reply.status, 200);
      assert.equal(reply.header("x-spillway-deployment"), "b/m");
      assert.equal(reply.header("x-spillway-attempts"), "2");
      assertBooksAgree(world);
    });
  }
  for (const [what, reason, sent] of [["a refused connection", "refused", false], ["a reset", "reset", true], ["an unknown host", "dns", false]] as const) {
    it(what, async () => {
      const world = new World({ candidates: ["a", "b"] });
      world.upstream.connects = false;
      const { reply } = await world.ask();
      world.call("a").fail(reason, sent);
      await world.pass();
      world.call("b").connected();
      world.call("b").json(GOOD_ANSWER);
      await world.pass();
      assert.equal(reply.status, 200);
      assertBooksAgree(world);
    });
  }
});

describe("nothing else is tried after", () => {
  for (const [status, message, code] of [
    [400, "temperature is odd", "upstream_bad_request"],
    [413, "too large", "upstream_bad_request"],
    [422, "messages: required", "upstream_bad_request"],
    [400, "this was flagged as unsafe", "upstream_content_policy"],
    [400, "maximum context length is 10 tokens", "context_length_exceeded"],
  ] as const) {
    it(`${status} "${message}": the client is told, in the provider's words, and the provider is not blamed`, async () => {
      const world = new World({ candidates: ["a", "b"] });
      const { reply } = await world.ask();
      world.call("a").refuse(status, message);
      await world.pass(5_000);
      assert.equal(world.called, "a");
      assert.equal(reply.status, status);
      assert.equal(reply.json.error.code, code);
      assert.equal(reply.json.error.message, message);
      assert.equal(reply.json.error.type, "invalid_request_error");
      assert.equal(reply.header("x-should-retry"), "false");
      assert.equal(world.run("a"), 0);
      assert.equal(world.view("a").excluded, null);
      assertBooksAgree(world);
    });
  }

  it("a 400 from the second, though the first is still under way: it may yet answer", async () => {
    const world = new World({ candidates: ["a", "b", "c"], keepalive: false });
    const { reply } = await world.ask({ stream: true });
    await world.pass(30_000);
    world.call("b").refuse(400, "odd");
    await world.pass(30_000);
    assert.equal(world.called, "a b");
    assert.equal(reply.ended, false);
    world.call("a").refuse(500);
    await world.pass();
    assert.equal(reply.json.error.code, "upstream_bad_request");
    assert.equal(world.called, "a b");
  });
});

describe("at most three attempts", () => {
  for (const candidates of [["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d", "e"]]) {
    it(`are made with ${candidates.length} candidates that all fail`, async () => {
      const world = failing({ candidates }, { a: 500, b: 500, c: 500, d: 500, e: 500 });
      const { reply } = await world.ask();
      await world.pass(60_000);
      assert.equal(world.upstream.calls.length, 3);
      assert.equal(reply.status, 502);
      assert.equal(reply.json.error.code, "upstream_error");
      assert.match(reply.json.error.message, /^All 3 attempts failed\. a\/m(?: \(\d times\))?: 500 server: told by a, whose key is \*\*\*/);
      assert.doesNotMatch(reply.text, /secret-of/);
      assertBooksAgree(world);
    });
  }
});

describe("a repeat at the same deployment", () => {
  it("comes after a short pause, and only where no other is left", async () => {
    const world = failing({ candidates: ["a"] }, { a: 500 });
    world.random = 0.8;
    await world.ask();
    assert.equal(world.called, "a");
    await world.pass(199);
    assert.equal(world.called, "a");
    await world.pass(1);
    assert.equal(world.called, "a a");
    await world.pass(399);
    assert.equal(world.called, "a a");
    await world.pass(1);
    assert.equal(world.called, "a a a");
  });

  it("is paid for from the retry allowance; where that is spent it is not made", async () => {
    const world = failing({ candidates: ["a"] }, { a: 500 });
    spend(world);
    const { reply } = await world.ask();
    await world.pass(10_000);
    assert.equal(world.called, "a");
    assert.equal(reply.status, 502);
    assert.ok(world.record.flags.includes("retry_allowance_spent"));
  });

  it("a first attempt and a move to an admitting deployment are never paid for", async () => {
    const world = failing({ candidates: ["a", "b", "c"] }, { a: 500, b: 500 });
    spend(world);
    const { reply } = await world.ask();
    assert.equal(world.called, "a b c");
    assert.equal(reply.status, 200);
    assert.ok(world.allowance.tokens(world.clock.nowMs()) > 0, "what the request earned is still there");
  });

  it("keeps our traffic at 1.2 times the clients' in an outage of everything", async () => {
    const world = failing({ candidates: ["a"] }, { a: 500 });
    spend(world);
    for (let i = 0; i < 100; i++) await world.ask();
    await world.pass(10_000);
    assert.ok(world.upstream.calls.length <= 120, String(world.upstream.calls.length));
    assert.equal(world.records.length, 100);
  });

  it("is not made at a deployment that was excluded meanwhile", async () => {
    const world = failing({ candidates: ["a"] }, { a: 500 });
    const { reply } = await world.ask();
    world.told("a", "auth");
    await world.pass(5_000);
    assert.equal(world.called, "a");
    assert.equal(reply.ended, true);
  });

  it("waits as long as the provider asked, whatever the status", async () => {
    const world = failing({ candidates: ["a"] }, { a: 503 }, { "retry-after": "7" });
    await world.ask();
    await world.pass(6_999);
    assert.equal(world.called, "a");
    await world.pass(1);
    assert.equal(world.called, "a a");
  });
});

describe("a 429", () => {
  it("with Retry-After at the only candidate is waited out inside the deadline", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask();
    world.call("a").refuse(429, "slow down", { "retry-after": "20" });
    await world.pass(19_999);
    assert.equal(world.called, "a");
    await world.pass(1);
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.equal(reply.status, 200);
    assert.equal(world.called, "a a");
    assertBooksAgree(world);
  });

  it("without Retry-After is waited out for the deployment's pause", async () => {
    const world = new World({ candidates: ["a"] });
    await world.ask();
    world.call("a").refuse(429);
    await world.pass(999);
    assert.equal(world.called, "a");
    await world.pass(1);
    assert.equal(world.called, "a a");
  });

  it("whose Retry-After is zero is repeated after a short pause", async () => {
    const world = new World({ candidates: ["a"] });
    await world.ask();
    world.call("a").refuse(429, "again", { "retry-after": "0" });
    await world.pass(500);
    assert.equal(world.called, "a a");
  });

  it("whose Retry-After ends beyond the deadline is told at once, with that time", async () => {
    const world = new World({ candidates: ["a"], clocks: { deadlineMs: 30_000 } });
    const { reply } = await world.ask();
    world.call("a").refuse(429, "slow down", { "retry-after": "40" });
    await world.pass();
    assert.equal(reply.status, 429);
    assert.equal(reply.json.error.code, "upstream_rate_limited");
    assert.equal(reply.json.error.type, "rate_limit_error");
    assert.equal(reply.header("retry-after"), "40");
    assert.equal(reply.header("retry-after-ms"), "40000");
    assertBooksAgree(world);
  });

  it("that paces all candidates beyond the deadline is told before any call, with the shortest wait", async () => {
    const world = new World({ candidates: ["a", "b"], clocks: { deadlineMs: 30_000 } });
    world.told("a", "rate", 90_000);
    world.told("b", "rate", 60_000);
    const { reply } = await world.ask();
    assert.equal(world.called, "");
    assert.equal(reply.status, 429);
    assert.equal(reply.header("retry-after"), "60");
    assert.equal(world.record.errorCode, "upstream_rate_limited");
  });

  it("that paces all candidates inside the deadline is waited out at the one that is free first", async () => {
    const world = new World({ candidates: ["a", "b"] });
    world.told("a", "rate", 9_000);
    world.told("b", "rate", 6_000);
    spend(world);
    await world.ask();
    await world.pass(6_000);
    assert.equal(world.called, "b");
  });

  it("goes elsewhere where there is an elsewhere, and is no hard failure", async () => {
    const world = failing({ candidates: ["a", "b"] }, { a: 429 }, { "retry-after": "30" });
    for (let i = 0; i < 3; i++) await world.ask();
    assert.equal(world.called, "a b b b");
    assert.equal(world.run("a"), 0);
  });

  it("that is extended while it is waited out is waited out anew", async () => {
    const world = new World({ candidates: ["a"] });
    world.told("a", "rate", 5_000);
    await world.ask();
    await world.pass(3_000);
    world.told("a", "rate", 10_000);
    await world.pass(9_999);
    assert.equal(world.called, "");
    await world.pass(1);
    assert.equal(world.called, "a");
  });

  it("of money is no pause: the credential is out, and is not waited for", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask();
    world.call("a").refuse(429, "You exceeded your current quota", {}, "insufficient_quota");
    await world.pass(60_000);
    assert.equal(world.called, "a");
    assert.equal(reply.json.error.code, "upstream_payment");
    assert.equal(world.view("a").excluded?.reason, "payment");
  });

  it("is waited out even where another candidate cannot carry the request at all", async () => {
    const world = new World({ candidates: ["a", { name: "g", provider: { dialect: "gemini" } }] });
    const { reply } = await world.ask({ body: { n: 2, audio: { voice: "x", format: "wav" }, modalities: ["audio"] } });
    world.call("a").refuse(429, "slow down", { "retry-after": "3" });
    await world.pass(3_000);
    if (world.called.includes("g")) return assert.fail("the second can carry it after all: choose another field");
    assert.equal(world.called, "a a");
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.equal(reply.status, 200);
    assert.equal((world.record.decision["unsupported"] as readonly unknown[]).length, 1);
  });
});

describe("resting deployments", () => {
  it("are passed over while another admits", async () => {
    const world = failing({ candidates: ["a", "b"] }, {});
    world.rest("a");
    await world.ask();
    assert.equal(world.called, "b");
  });

  it("are still tried, one of them, where all rest", async () => {
    const world = failing({ candidates: ["a", "b"] }, {});
    world.rest("a");
    world.rest("b");
    spend(world);
    const { reply } = await world.ask();
    assert.equal(world.called, "a");
    assert.equal(reply.status, 200);
    assert.equal(world.view("a").state, "probe-ready", "a good answer, and still no probe at once");
  });

  it("a second one is paid for from the retry allowance", async () => {
    const world = failing({ candidates: ["a", "b"] }, { a: 500, b: 500 });
    world.rest("a");
    world.rest("b");
    const { reply } = await world.ask();
    await world.pass(5_000);
    assert.equal(world.called, "a b");
    assert.equal(reply.status, 502);
    const poor = failing({ candidates: ["a", "b"] }, { a: 500, b: 500 });
    poor.rest("a");
    poor.rest("b");
    spend(poor);
    await poor.ask();
    await poor.pass(5_000);
    assert.equal(poor.called, "a");
  });

  it("whose rest is over get one probe at a time, in their place", async () => {
    const world = new World({ candidates: ["a", "b"] });
    world.rest("a");
    await world.pass(5_000);
    const first = await world.ask();
    await world.ask();
    assert.equal(world.called, "a b", "the second request waited for the probe or probed as well");
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.equal(first.reply.status, 200);
    assert.equal(world.row("a")?.stage, 2);
    for (let i = 0; i < 3; i++) await world.ask();
    assert.equal(world.called, "a b a a b", "two probes at a time in the second stage");
  });

  it("rest longer where the probe fails, and the request still has its answer", async () => {
    const world = failing({ candidates: ["a", "b"] }, { a: 500 });
    world.rest("a");
    await world.pass(5_000);
    const { reply } = await world.ask();
    assert.equal(world.called, "a b");
    assert.equal(reply.status, 200);
    assert.equal(world.view("a").state, "resting");
    assert.ok(world.view("a").restsUntilMs > world.clock.nowMs() + 5_000);
  });
});

describe("an auth failure", () => {
  it("takes the credential out, goes elsewhere, and its words never reach the client", async () => {
    const world = failing({ candidates: ["a", "b"] }, { a: 401 });
    const { reply } = await world.ask();
    assert.equal(reply.status, 200);
    assert.equal(world.view("a").excluded?.reason, "auth");
    assert.equal(world.view("a").excluded?.alarm, true);
    await world.ask();
    assert.equal(world.called, "a b b");
    assert.doesNotMatch(reply.text + JSON.stringify(reply.headers), /told by a/);
  });

  it("of the only candidate is told in our words", async () => {
    for (const status of [401, 403]) {
      const world = failing({ candidates: ["a"] }, { a: status });
      const { reply } = await world.ask();
      await world.pass(5_000);
      assert.equal(world.called, "a");
      assert.equal(reply.status, 502);
      assert.equal(reply.json.error.code, "upstream_auth");
      assert.doesNotMatch(reply.text, /told by a|secret/);
      assert.doesNotMatch(JSON.stringify([world.records, world.logged]), /secret-of/);
    }
  });

  it("before content on a stream goes elsewhere as well", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, `data: {"error":{"message":"bad key secret-of-a","code":"invalid_api_key"}}\n\n`);
    await world.pass();
    world.call("b").stream(...GOOD_STREAM);
    await world.pass();
    assert.equal(reply.shown, "Hello there.");
    assert.equal(world.view("a").excluded?.reason, "auth");
  });

  it("is tried again by one request after five minutes", async () => {
    const world = failing({ candidates: ["a", "b"] }, { a: 401 });
    await world.ask();
    await world.pass(299_000);
    await world.ask();
    await world.pass(1_000);
    await world.ask();
    await world.ask();
    assert.equal(world.called, "a b b a b b");
  });
});

describe("where all are excluded", () => {
  it("the answer is 503 no_usable_deployment with each reason, and nobody is called", async () => {
    const world = failing({ candidates: ["a", "b", "c"] }, {});
    world.told("a", "auth");
    world.told("b", "payment");
    world.told("c", "not_found");
    const { reply } = await world.ask();
    await world.pass(5_000);
    assert.equal(world.called, "");
    assert.equal(reply.status, 503);
    assert.equal(reply.json.error.code, "no_usable_deployment");
    for (const reason of ["a/m: auth", "b/m: payment", "c/m: not_found"]) assert.ok(reply.json.error.message.includes(reason), reply.json.error.message);
    assert.deepEqual([reply.header("retry-after"), reply.header("retry-after-ms"), reply.header("x-should-retry")], ["300", "300000", "false"]);
    assert.deepEqual((world.record.decision["filtered"] as readonly { reason: string; detail: string }[]).map((one) => one.detail), ["auth", "payment", "not_found"]);
  });

  it("no time to come back is told where waiting helps nothing", () => {
    assert.deepEqual(errorHeaders(gatewayError("no_usable_deployment", "The route has no candidates.")), ["x-should-retry", "false"]);
  });

  it("a reason that several share is told once", async () => {
    const world = failing({ candidates: ["a", "b", "c"] }, {});
    for (const name of ["a", "c"]) world.told(name, "payment");
    world.told("b", "auth");
    const { reply } = await world.ask();
    assert.equal(
      reply.json.error.message,
      "No deployment of this route can be used now. a/m, c/m: payment (the provider's account is out of money or quota); b/m: auth (the provider refuses our credential)." +
        " What is excluded is tried again every five minutes, at a reload, and by: spillway providers retry <account>.",
    );
    const failed = failing({ candidates: ["a", "b"] }, { a: 401, b: 401 });
    assert.equal((await failed.ask()).reply.json.error.message, "All 2 attempts failed. a/m, b/m: 401 the provider refuses our credential");
  });

  it("a model that its providers do not know is answered alike before and after that is known, with what to do", async () => {
    const world = failing({ candidates: ["a", "b"] }, { a: 404, b: 404 });
    const first = (await world.ask()).reply;
    const second = (await world.ask()).reply;
    assert.equal(world.called, "a b");
    for (const reply of [first, second]) {
      assert.deepEqual([reply.status, reply.json.error.code], [502, "upstream_not_found"]);
      assert.match(reply.json.error.message, /a\/m.*not_found \(the provider does not know this model\).* The name may be misspelt, retired, or not open to the account; check it/);
    }
    assert.match(second.json.error.message, /^a\/m, b\/m: not_found .*spillway providers retry <account>\.$/);
  });

  it("an unknown model of the provider excludes that model only", async () => {
    const world = failing({ candidates: ["a", "b"] }, { a: 404 });
    const { reply } = await world.ask();
    assert.equal(reply.status, 200);
    assert.equal(world.view("a").excluded?.scope, "deployment");
  });
});

describe("failure domains", () => {
  it("that a failed attempt shares come after the others", async () => {
    const world = failing({ candidates: [{ name: "a", domain: { edge: "x" } }, { name: "b", domain: { edge: "x" } }, { name: "c", domain: { cloud: "y" } }] }, { a: 500, c: 500 });
    await world.ask();
    assert.equal(world.called, "a c b");
  });
});
