/** Money before bytes: no call without a durable hold, no row for a call that never was, no charge lost. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CapacityBook } from "../decide/contract/meter.ts";
import { pricingUnder } from "../decide/contract/pricing.ts";
import { contractOf } from "../decide/contract/test-contracts.ts";
import { sheet } from "../decide/test-directory.ts";
import { assertBooksAgree, PRICE_INPUT_NANO_USD, PRICE_OUTPUT_NANO_USD, World } from "./test-world.ts";
import { GOOD_ANSWER, GOOD_STREAM, ROLE, text } from "./test-upstream.ts";

const REFUSED = { kind: "refused", code: "budget_exceeded", scope: "key/app", message: "A budget does not allow this call.", resetsAtMs: null } as const;
const CALL = (name: string): readonly string[] => ["route/r", "model/m", `provider/${name}`];
const UNAVAILABLE = { kind: "unavailable", message: "disk full" } as const;

describe("a call", () => {
  it("is sent only when its hold is durable", async () => {
    const world = new World({ candidates: ["a"] });
    const open = world.ledger.holdBackHolds();
    await world.ask();
    await world.pass(5_000);
    assert.deepEqual(world.events, ["hold a"]);
    open();
    await world.pass();
    assert.deepEqual(world.events, ["hold a", "send a"]);
  });

  it("has a hold of its own for each attempt, named before it is sent and numbered", async () => {
    const world = new World({ candidates: ["a", "b"] });
    world.upstream.plays("a", (call) => call.refuse(500));
    await world.ask();
    world.call("b").json(GOOD_ANSWER);
    await world.pass();
    assert.deepEqual(world.events.filter((one) => /^(hold|send)/.test(one)), ["hold a", "send a", "hold b", "send b"]);
    assert.deepEqual(world.ledger.holds.map((hold) => [hold.number, hold.requestId, hold.tenant, hold.scopes]), [
      [1, "req_1", "default", ["tenant/default", "key/app", ...CALL("a")]],
      [2, "req_1", "default", ["tenant/default", "key/app", ...CALL("b")]],
    ]);
  });

  it("is under the contract of the moment of its hold, however late it ends, as its invoice will be", async () => {
    const capacity = { account: "a", start: "2026-01-01", kind: "provisioned", provisioned: { units: 1, tokens_per_minute: 1_000_000, hourly_usd: 1 } };
    for (const runs of [true, false]) {
      const begins = new World({ candidates: ["a"] }).clock.wallMs();
      // It ends, or it begins, while the call is under way.
      const contract = { ...contractOf(capacity), ...(runs ? { endMs: begins + 5_000 } : { startMs: begins + 5_000, endMs: null }) };
      const world = new World({ candidates: [{ name: "a", pricing: pricingUnder({ kind: "sheet", sheet: sheet(1, 2) }, "a/m", [contract], new CapacityBook(), begins) }] });
      await world.ask();
      await world.pass(10_000);
      world.call("a").json(GOOD_ANSWER);
      await world.pass();
      const [charge] = world.ledger.charges;
      assert.deepEqual([charge?.costNanoUsd === 0, charge?.flags.includes("contract:c")], [runs, runs]);
    }
  });

  it("holds at least what it comes to cost", async () => {
    const world = new World({ candidates: ["a"] });
    await world.ask({ body: { max_completion_tokens: 5 } });
    world.call("a").json({ ...GOOD_ANSWER, usage: { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 } });
    await world.pass();
    const cost = 9 * PRICE_INPUT_NANO_USD + 5 * PRICE_OUTPUT_NANO_USD;
    assert.equal(world.ledger.charges[0]?.costNanoUsd, cost);
    assert.ok((world.ledger.holds[0]?.boundNanoUsd ?? 0) >= cost);
  });

  it("is sent with the output limit that its hold was bounded by", async () => {
    const world = new World({ candidates: [{ name: "m", provider: { dialect: "anthropic-messages" }, maxOutput: 700 }] });
    await world.ask();
    const sent = JSON.parse(new TextDecoder().decode(world.call("m").request.body as Uint8Array)) as { max_tokens?: unknown };
    assert.equal(sent.max_tokens, 700);
    assert.ok((world.ledger.holds[0]?.boundNanoUsd ?? 0) >= 700 * PRICE_OUTPUT_NANO_USD);
  });
});

describe("a hold that is refused", () => {
  for (const [what, answer, status, code] of [
    ["by a budget is 402", REFUSED, 402, "budget_exceeded"],
    ["by a ledger that cannot be written is 503", UNAVAILABLE, 503, "ledger_unavailable"],
  ] as const) {
    for (const candidates of [["a"], ["a", "b"], ["a", "b", "c", "d"]]) {
      it(`${what}, and nothing is sent and no row is written, with ${candidates.length} candidates`, async () => {
        const world = new World({ candidates });
        world.ledger.answers.push(answer);
        const { reply } = await world.ask();
        await world.pass(10_000);
        assert.equal(reply.status, status);
        assert.equal(reply.json.error.code, code);
        assert.deepEqual(world.upstream.calls, [], "a provider was called without a hold");
        assert.equal(world.ledger.holds.length, 1);
        assert.deepEqual(world.ledger.charges, []);
        assert.equal(world.booked, "");
        assert.equal(world.record.outcome, "error");
        assert.equal(world.record.errorCode, code);
        assert.equal(reply.header("x-spillway-cost-usd"), undefined);
        assert.deepEqual([reply.header("x-spillway-attempts"), reply.header("x-spillway-deployment")], ["0", undefined], "a call is claimed that was not made");
        assert.equal(world.allowance.tokens(world.clock.nowMs()), 10, "the retry allowance paid for a call that was not made");
        assert.equal(world.run("a"), 0);
        assert.deepEqual(world.logged.filter(({ event }) => event === "attempt_failed"), [], "a provider is blamed for a call that was not made");
      });
    }
  }

  describe("by a budget of the called deployment alone", () => {
    const ofProvider = (name: string) => ({ ...REFUSED, scope: `provider/${name}`, message: `The budget of ${name} does not allow this call.` });

    it("moves on to the next candidate, which is the first attempt as far as its client and the allowance know", async () => {
      const world = new World({ candidates: ["a", "b"] });
      world.ledger.answers.push(ofProvider("a"));
      const { reply } = await world.ask();
      world.call("b").json(GOOD_ANSWER);
      await world.pass();
      assert.equal(reply.status, 200);
      assert.equal(world.called, "b");
      assert.equal(world.booked, "b:charged/answered");
      assert.equal(reply.header("x-spillway-attempts"), "1");
      assert.equal(world.allowance.tokens(world.clock.nowMs()), 10);
      assert.equal(world.run("a"), 0);
      assertBooksAgree(world);
    });

    it("is the answer where no candidate is left, in the words of the first", async () => {
      const world = new World({ candidates: ["a", "b", "c", "d"] });
      for (const name of ["a", "b", "c", "d"]) world.ledger.answers.push(ofProvider(name));
      const { reply } = await world.ask();
      await world.pass();
      assert.equal(reply.status, 402);
      assert.match(reply.json.error.message, /^The budget of a does not allow this call\./);
      assert.deepEqual(world.upstream.calls, []);
      assert.deepEqual(world.ledger.charges, []);
    });

    it("hides no failure of what could be called", async () => {
      const world = new World({ candidates: ["a", "b"] });
      world.ledger.answers.push(ofProvider("a"));
      const { reply } = await world.ask();
      world.call("b").refuse(400);
      await world.pass();
      assert.equal(reply.status, 400);
      assert.equal(world.called, "b");
    });
  });

  it("by a rejection of the ledger is 503 as well", async () => {
    const world = new World({ candidates: ["a", "b"] });
    world.ledger.reserve = () => Promise.reject(new Error("gone"));
    const asked = await world.ask();
    assert.equal(asked.reply.json.error.code, "ledger_unavailable");
    assert.equal(asked.done, true);
    assert.deepEqual(world.upstream.calls, []);
  });

  it("for the second attempt ends the request with that, once the first is booked", async () => {
    const world = new World({ candidates: ["a", "b", "c"] });
    const { reply } = await world.ask();
    world.ledger.answers.push(REFUSED);
    world.call("a").refuse(500);
    await world.pass();
    assert.equal(reply.status, 402);
    assert.equal(world.called, "a");
    assert.equal(world.booked, "a:unbilled/server");
    assert.deepEqual([reply.header("x-spillway-attempts"), reply.header("x-spillway-deployment")], ["1", "a/m"]);
    assertBooksAgree(world);
  });

  it("says whose bound it was that did not fit, where there is a dearer candidate than the first", async () => {
    const world = new World({ candidates: [{ name: "a", maxOutput: 10 }, { name: "b", maxOutput: 9_000 }] });
    world.ledger.answers.push(REFUSED);
    const { reply } = await world.ask();
    assert.equal(reply.json.error.message, `${REFUSED.message} What it may cost is the bound of its dearest candidate, b/m.`);
  });

  it("for the attempt beside a late one leaves the late one to answer", async () => {
    const world = new World({ candidates: ["a", "b", "c"] });
    const { reply } = await world.ask({ stream: true });
    world.ledger.answers.push(REFUSED);
    await world.pass(31_000);
    assert.equal(reply.ended, false);
    assert.equal(world.called, "a");
    world.call("a").stream(...GOOD_STREAM);
    await world.pass();
    assert.equal(reply.shown, "Hello there.");
    assert.equal(world.booked, "a:charged/answered");
    assert.equal(world.record.outcome, "ok");
    assertBooksAgree(world);
  });

  it("for the attempt beside a late one is told when the late one fails", async () => {
    const world = new World({ candidates: ["a", "b", "c"], keepalive: false });
    const { reply } = await world.ask({ stream: true });
    world.ledger.answers.push(REFUSED);
    await world.pass(31_000);
    world.call("a").refuse(500);
    await world.pass();
    assert.equal(reply.status, 402);
    assert.equal(world.called, "a");
    assertBooksAgree(world);
  });
});

describe("a request that ends while its hold is on the way", () => {
  const ends: readonly (readonly [string, (world: World, asked: Awaited<ReturnType<World["ask"]>>) => Promise<void> | void])[] = [
    ["by its client leaving", (_world, asked) => asked.reply.leave()],
    ["by its deadline", (world) => world.pass(20_000)],
    ["by the gateway stopping", (_world, asked) => asked.exchange?.stopNow()],
  ];
  for (const [what, end] of ends) {
    it(`${what} sends nothing, and books the hold at nothing once it is granted`, async () => {
      const world = new World({ candidates: ["a", "b"], clocks: { deadlineMs: 20_000, attemptMs: 60_000 } });
      const open = world.ledger.holdBackHolds();
      const asked = await world.ask({ headers: {} });
      await end(world, asked);
      await world.pass();
      assert.equal(world.ledger.charges.length, 0, "a charge was written before its hold");
      open();
      await world.pass();
      assert.deepEqual(world.upstream.calls, []);
      assert.equal(asked.done, true);
      for (const charge of world.ledger.charges) assert.deepEqual([charge.state, charge.costNanoUsd], ["unbilled", 0]);
      assertBooksAgree(world);
    });

    it(`${what} writes no row if the hold is refused then`, async () => {
      const world = new World({ candidates: ["a", "b"], clocks: { deadlineMs: 20_000, attemptMs: 60_000 } });
      const open = world.ledger.holdBackHolds();
      world.ledger.answers.push(REFUSED, REFUSED, REFUSED);
      const asked = await world.ask();
      await end(world, asked);
      await world.pass();
      open();
      await world.pass();
      assert.equal(world.booked, "");
      assert.deepEqual(world.ledger.charges, []);
      assert.deepEqual(world.upstream.calls, []);
      assert.equal(asked.done, true);
    });
  }
});

describe("a charge that cannot be written", () => {
  for (const stream of [true, false]) {
    it(`lets the running ${stream ? "stream" : "JSON answer"} end properly, flagged undurable`, async () => {
      const world = new World({ candidates: ["a"] });
      const asked = await world.ask({ stream });
      world.ledger.unwritable = true;
      if (stream) world.call("a").stream(...GOOD_STREAM);
      else world.call("a").json(GOOD_ANSWER);
      await world.pass();
      assert.equal(asked.reply.status, 200);
      assert.equal(asked.reply.ended, true);
      if (stream) assert.equal(asked.reply.frames.at(-1)?.done, true);
      assert.equal(asked.done, true);
      assert.ok(world.record.flags.includes("undurable"));
      assert.ok(world.record.attempts[0]?.flags.includes("undurable"));
      assert.ok(world.logged.some((one) => one.event === "charge_not_durable"));
    });
  }

  it("lets a request that failed tell its error", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask();
    world.ledger.unwritable = true;
    world.call("a").refuse(400, "bad field");
    await world.pass();
    assert.equal(reply.json.error.code, "upstream_bad_request");
    assert.ok(world.record.flags.includes("undurable"));
  });

  it("is not waited for by what the client already gets, only by the end", async () => {
    const world = new World({ candidates: ["a"] });
    const open = world.ledger.holdBackCharges();
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("Hello"));
    await world.pass();
    assert.equal(reply.shown, "Hello");
    open();
  });
});

describe("what an attempt costs", () => {
  const INPUT_ESTIMATE = 2;
  const ROWS: readonly (readonly [what: string, end: (world: World) => void, row: string, costNanoUsd: number])[] = [
    ["refused: nothing", (world) => world.call("a").refuse(500), "a:unbilled/server", 0],
    ["refused for its content: nothing", (world) => world.call("a").refuse(400), "a:unbilled/bad_request", 0],
    ["sent and lost before content: the prompt, where the provider bills that", (world) => world.call("a").fail(), "a:estimated/network", INPUT_ESTIMATE * PRICE_INPUT_NANO_USD],
    ["content without usage: the prompt and what was relayed", (world) => world.call("a").stream(ROLE, text("six by")).fail(), "a:estimated/network", INPUT_ESTIMATE * PRICE_INPUT_NANO_USD + 2 * PRICE_OUTPUT_NANO_USD],
    ["usage: the usage", (world) => world.call("a").stream(...GOOD_STREAM), "a:charged/answered", 9 * PRICE_INPUT_NANO_USD + 3 * PRICE_OUTPUT_NANO_USD],
  ];
  for (const [what, end, row, cost] of ROWS) {
    it(what, async () => {
      const world = new World({ candidates: ["a"] });
      // No repeats, so that there is one row.
      while (world.allowance.tryTake(world.clock.nowMs()));
      await world.ask({ stream: true });
      end(world);
      await world.pass();
      assert.equal(world.booked, row);
      assert.equal(world.record.costNanoUsd, cost);
      assertBooksAgree(world);
    });
  }

  it("not sent: nothing", async () => {
    const world = new World({ candidates: ["a", "b"] });
    world.upstream.connects = false;
    await world.ask();
    world.call("a").fail("refused", false);
    await world.pass();
    assert.equal(world.booked.split(" ")[0], "a:unbilled/network");
  });

  it("sent and lost: nothing where the provider does not bill aborts", async () => {
    const world = new World({ candidates: [{ name: "a", provider: { billsOnAbort: "nothing" } }, "b"] });
    await world.ask();
    world.call("a").fail();
    await world.pass();
    assert.equal(world.booked.split(" ")[0], "a:unbilled/network");
  });

  it("unmetered: null, never zero", async () => {
    const world = new World({ candidates: [{ name: "a", pricing: { kind: "unmetered" } }] });
    const { reply } = await world.ask();
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.equal(world.booked, "a:unmetered/answered");
    assert.equal(world.record.costNanoUsd, null);
    assert.equal(reply.header("x-spillway-cost-usd"), undefined);
    assert.equal(world.ledger.holds[0]?.boundNanoUsd, null);
  });
});
