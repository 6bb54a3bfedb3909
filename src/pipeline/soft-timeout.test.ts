/** What happens when a provider is silent: nobody is killed, the next one starts beside it, the first content wins. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertBooksAgree, World } from "./test-world.ts";
import { DONE, GOOD_ANSWER, GOOD_STREAM, ROLE, finish, text, usage } from "./test-upstream.ts";

const SECOND = 1_000;

describe("an attempt that is late", () => {
  it("goes on, counts once against its deployment, and the next candidate starts beside it", async () => {
    const world = new World({ candidates: ["a", "b", "c"] });
    await world.ask({ stream: true });
    await world.pass(29_999);
    assert.equal(world.called, "a");
    assert.equal(world.run("a"), 0);
    await world.pass(1);
    assert.equal(world.called, "a b");
    assert.equal(world.call("a").aborted, false);
    assert.equal(world.run("a"), 1);
    await world.pass(10 * SECOND);
    assert.equal(world.run("a"), 1);
  });

  it("loses to the one beside it where that brings content first; both are booked, one charge each", async () => {
    const world = new World({ candidates: ["a", "b", "c"], keepalive: false });
    const { reply } = await world.ask({ stream: true });
    await world.pass(30 * SECOND);
    world.call("b").stream(ROLE, text("from b"));
    assert.equal(world.call("a").aborted, true);
    assert.equal(world.call("b").aborted, false);
    world.call("b").say(finish(), usage(), DONE);
    await world.pass();
    assert.equal(reply.shown, "from b");
    assert.equal(reply.header("x-spillway-deployment"), "b/m");
    assert.equal(world.booked, "a:estimated/superseded b:charged/answered");
    assert.equal(world.record.deployment, "b/m");
    assert.deepEqual(world.record.attempts.map((one) => one.flags.includes("late")), [true, false]);
    assert.equal(world.run("a"), 1);
    assertBooksAgree(world);
  });

  it("still wins if it brings content first, and that is no success for its health", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const { reply } = await world.ask({ stream: true });
    await world.pass(30 * SECOND);
    world.call("a").stream(...GOOD_STREAM);
    await world.pass();
    assert.equal(world.call("b").aborted, true);
    assert.equal(reply.shown, "Hello there.");
    assert.equal(world.booked, "a:charged/answered b:estimated/superseded");
    assert.equal(world.run("a"), 1);
    assert.equal(world.run("b"), 0);
    assertBooksAgree(world);
  });

  it("is not counted a second time when it fails later, and its failure starts the next", async () => {
    const world = new World({ candidates: ["a", "b", "c"] });
    await world.ask({ stream: true });
    await world.pass(30 * SECOND);
    world.call("a").fail();
    await world.pass();
    assert.equal(world.called, "a b c");
    assert.equal(world.run("a"), 1);
  });

  it("is left alone where there is nothing to start beside it", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    await world.pass(300 * SECOND);
    assert.equal(world.called, "a");
    assert.equal(world.call("a").aborted, false);
    world.call("a").stream(...GOOD_STREAM);
    await world.pass();
    assert.equal(reply.shown, "Hello there.");
  });

  it("has no such clock once content came", async () => {
    const world = new World({ candidates: ["a", "b"] });
    await world.ask({ stream: true });
    await world.pass(29 * SECOND);
    world.call("a").stream(ROLE, text("x"));
    await world.pass(20 * SECOND);
    assert.equal(world.called, "a");
    assert.equal(world.run("a"), 0);
  });

  it("does not make a role, a ping or empty thinking count as content", async () => {
    const world = new World({ candidates: ["a", "b"] });
    await world.ask({ stream: true });
    world.call("a").stream(ROLE, ": ping\n\n");
    await world.pass(30 * SECOND);
    assert.equal(world.called, "a b");
  });
});

describe("two late attempts", () => {
  it("are never joined by a third: the elder is aborted and its charge written before that starts", async () => {
    const world = new World({ candidates: ["a", "b", "c"] });
    await world.ask({ stream: true });
    await world.pass(30 * SECOND);
    const open = world.ledger.holdBackCharges();
    await world.pass(30 * SECOND);
    assert.equal(world.call("a").aborted, true);
    assert.equal(world.called, "a b", "the third started before the elder's charge was written");
    open();
    await world.pass();
    assert.equal(world.called, "a b c");
    assert.ok(world.events.indexOf("charge a") < world.events.indexOf("hold c"), world.events.join(", "));
    assert.equal(world.run("a"), 1);
    assert.equal(world.run("b"), 1);
    assert.equal(world.call("b").aborted, false);
  });

  it("keep that order also where the younger fails while the elder's charge is being written", async () => {
    const world = new World({ candidates: ["a", "b", "c"] });
    await world.ask({ stream: true });
    await world.pass(30 * SECOND);
    const open = world.ledger.holdBackCharges("a");
    await world.pass(30 * SECOND);
    world.call("b").fail();
    await world.pass();
    assert.equal(world.called, "a b");
    open();
    await world.pass();
    assert.equal(world.called, "a b c");
    world.call("c").stream(...GOOD_STREAM);
    await world.pass();
    assert.equal(world.booked, "a:estimated/superseded b:estimated/network c:charged/answered");
    assertBooksAgree(world);
  });

  it("are both left alone where no third can start", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const { reply } = await world.ask({ stream: true });
    await world.pass(60 * SECOND);
    await world.pass(60 * SECOND);
    assert.equal(world.call("a").aborted, false, "the elder was aborted for nothing");
    assert.equal(world.call("b").aborted, false);
    world.call("a").stream(...GOOD_STREAM);
    await world.pass();
    assert.equal(reply.shown, "Hello there.");
  });

  it("leave room for the late one that answers first, with three attempts in all", async () => {
    const world = new World({ candidates: ["a", "b", "c", "d"] });
    const { reply } = await world.ask({ stream: true });
    await world.pass(60 * SECOND);
    assert.equal(world.called, "a b c");
    await world.pass(60 * SECOND);
    assert.equal(world.called, "a b c");
    world.call("b").stream(...GOOD_STREAM);
    await world.pass();
    assert.equal(reply.shown, "Hello there.");
    assert.equal(world.booked, "a:estimated/superseded b:charged/answered c:estimated/superseded");
    assertBooksAgree(world);
  });

  it("never exceed two in flight, whatever happens when", async () => {
    const world = new World({ candidates: ["a", "b", "c", "d"] });
    await world.ask({ stream: true });
    for (let at = 0; at < 600; at += 5) {
      await world.pass(5 * SECOND);
      assert.ok(world.upstream.calls.filter((call) => !call.aborted).length <= 2);
    }
  });
});

describe("the clock of an attempt", () => {
  const startsNext = async (spec: ConstructorParameters<typeof World>[0], stream: boolean): Promise<number> => {
    const world = new World(spec);
    await world.ask({ stream });
    for (let ms = 0; ms <= 600 * SECOND; ms += SECOND) {
      if (world.called === "a b") return ms;
      await world.pass(SECOND);
    }
    return -1;
  };

  const ROWS: readonly (readonly [what: string, spec: ConstructorParameters<typeof World>[0], stream: boolean, atMs: number])[] = [
    ["is first_token for streams, 30 s", { candidates: ["a", "b"] }, true, 30_000],
    ["is attempt for JSON, 120 s", { candidates: ["a", "b"] }, false, 120_000],
    ["is 300 s for streams of models that reason", { candidates: [{ name: "a", reasons: true }, "b"] }, true, 300_000],
    ["is 300 s for JSON of models that reason", { candidates: [{ name: "a", reasons: true }, "b"] }, false, 300_000],
    ["follows first_token of the route on streams", { candidates: [{ name: "a", reasons: true }, "b"], clocks: { firstTokenMs: 7_000, attemptMs: 9_000 } }, true, 7_000],
    ["follows attempt of the route on JSON", { candidates: ["a", "b"], clocks: { firstTokenMs: 7_000, attemptMs: 9_000 } }, false, 9_000],
    ["gives way to the next step's latest start: deadline less two reserves of 30 s for the second of three", { candidates: ["a", "b", "c"], clocks: { firstTokenMs: 599_000 } }, true, 540_000],
    ["gives way to the next step's latest start: deadline less one reserve for the second of two", { candidates: ["a", "b"], clocks: { firstTokenMs: 599_000 } }, true, 570_000],
    ["reserves at most a fifth of the deadline", { candidates: ["a", "b"], clocks: { deadlineMs: 20_000 } }, true, 16_000],
    ["reserves at most a fifth of the deadline, on JSON too", { candidates: ["a", "b", "c"], clocks: { deadlineMs: 20_000 } }, false, 12_000],
  ];
  for (const [what, spec, stream, atMs] of ROWS) {
    it(what, async () => assert.equal(await startsNext(spec, stream), atMs));
  }

  it("starts with the attempt, so the last step has its own latest start", async () => {
    const world = new World({ candidates: ["a", "b", "c"], clocks: { deadlineMs: 20_000 } });
    await world.ask();
    await world.pass(12 * SECOND);
    assert.equal(world.called, "a b");
    await world.pass(4 * SECOND);
    assert.equal(world.called, "a b c");
    assert.equal(world.call("a").aborted, true);
    assert.deepEqual([world.run("a"), world.run("b"), world.run("c")], [1, 1, 0]);
  });

  it("blames nobody who began after the next step's latest start: both run at once", async () => {
    const world = new World({ candidates: ["a", "b"], clocks: { deadlineMs: 20_000 } });
    world.told("a", "rate", 17_000);
    world.told("b", "rate", 18_000);
    const { reply } = await world.ask();
    await world.pass(17 * SECOND);
    assert.equal(world.called, "a");
    assert.equal(world.run("a"), 0, "a was blamed in the moment that it began");
    await world.pass(1 * SECOND);
    assert.equal(world.called, "a b");
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.equal(reply.status, 200);
    assert.deepEqual(world.record.attempts.map((one) => one.flags), [[], ["estimated", "aborted"]]);
  });
});

describe("whole answers", () => {
  it("race like streams do: the first that is whole wins", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const { reply } = await world.ask();
    await world.pass(120 * SECOND);
    world.call("a").head(200, { "content-type": "application/json" }).bytes("{");
    world.call("b").json(GOOD_ANSWER);
    await world.pass();
    assert.equal(reply.status, 200);
    assert.equal(reply.text, JSON.stringify(GOOD_ANSWER));
    assert.equal(world.call("a").aborted, true);
    assert.equal(world.booked, "a:estimated/superseded b:charged/answered");
    assertBooksAgree(world);
  });

  it("leave only when the charges of all attempts are written, the loser's too", async () => {
    for (const stream of [true, false]) {
      const world = new World({ candidates: ["a", "b"] });
      const { reply } = await world.ask({ stream });
      await world.pass(120 * SECOND);
      const open = world.ledger.holdBackCharges("a");
      if (stream) world.call("b").stream(...GOOD_STREAM);
      else world.call("b").json(GOOD_ANSWER);
      await world.pass();
      assert.equal(reply.ended, false, "the answer ended before the loser's charge was durable");
      open();
      await world.pass();
      assert.equal(reply.ended, true);
    }
  });
});

describe("a candidate that is paced when the one before it is late", () => {
  it("starts beside it when its pause is over", async () => {
    const world = new World({ candidates: ["a", "b"] });
    world.told("b", "rate", 40_000);
    const { reply } = await world.ask({ stream: true });
    await world.pass(39 * SECOND);
    assert.equal(world.called, "a");
    await world.pass(1 * SECOND);
    assert.equal(world.called, "a b");
    world.call("b").stream(...GOOD_STREAM);
    await world.pass();
    assert.equal(reply.shown, "Hello there.");
  });

  it("is not waited for where the late one answers", async () => {
    const world = new World({ candidates: ["a", "b"] });
    world.told("b", "rate", 40_000);
    await world.ask({ stream: true });
    await world.pass(35 * SECOND);
    world.call("a").stream(...GOOD_STREAM);
    await world.pass(60 * SECOND);
    assert.equal(world.called, "a");
  });

  it("is still waited for where the late one fails, after a repeat where that may be", async () => {
    const world = new World({ candidates: ["a", "b"] });
    world.told("b", "rate", 40_000);
    await world.ask({ stream: true });
    await world.pass(31 * SECOND);
    world.call("a").refuse(500);
    await world.pass(SECOND);
    assert.equal(world.called, "a a");
    world.call("a").refuse(429);
    await world.pass(8 * SECOND);
    assert.equal(world.called, "a a b");
  });

  it("makes the elder of two late ones give way only when its own pause is over", async () => {
    const world = new World({ candidates: ["a", "b", "c"] });
    world.told("c", "rate", 90_000);
    await world.ask({ stream: true });
    await world.pass(89 * SECOND);
    assert.equal(world.called, "a b");
    assert.equal(world.call("a").aborted, false);
    await world.pass(1 * SECOND);
    assert.equal(world.call("a").aborted, true);
    assert.equal(world.called, "a b c");
  });
});
