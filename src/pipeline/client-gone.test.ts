/** Clients that are slow, and clients that leave: nobody is blamed, everything is booked. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertBooksAgree, World, type Place } from "./test-world.ts";
import { DONE, GOOD_ANSWER, GOOD_STREAM, ROLE, finish, text, usage } from "./test-upstream.ts";

const DRAINS: Place = { name: "d", provider: { onClientGone: "drain" } };

describe("a client that leaves", () => {
  it("before the first call could be made has no call, no charge and no blame", async () => {
    const world = new World({ candidates: ["a"] });
    const open = world.ledger.holdBackHolds();
    const asked = world.askNow();
    asked.reply.leave();
    open();
    await world.pass();
    assert.equal(world.called, "");
    assert.equal(world.booked, "a:unbilled/client_gone");
    assert.equal(world.record.outcome, "client_gone");
    assert.equal(world.record.status, 499);
    assert.equal(asked.done, true);
    assertBooksAgree(world);
  });

  it("while the call is being connected closes it; nothing was sent, so nothing is billed", async () => {
    const world = new World({ candidates: ["a"] });
    world.upstream.connects = false;
    const asked = await world.ask();
    asked.reply.leave();
    await world.pass();
    assert.equal(world.call("a").aborted, true);
    assert.equal(world.booked, "a:unbilled/client_gone");
    assertBooksAgree(world);
  });

  for (const stream of [true, false]) {
    it(`before any content closes the upstream at once, and books the prompt (${stream ? "stream" : "JSON"})`, async () => {
      const world = new World({ candidates: ["a", "b"] });
      const asked = await world.ask({ stream });
      asked.reply.leave();
      await world.pass(60_000);
      assert.equal(world.call("a").aborted, true);
      assert.equal(world.called, "a");
      assert.equal(world.booked, "a:estimated/client_gone");
      assert.equal(world.run("a"), 0);
      assert.equal(world.record.outcome, "client_gone");
      assert.equal(world.clock.waiting, 0);
      assert.equal(asked.done, true);
      assertBooksAgree(world);
    });
  }

  it("amid the content books what was relayed, flagged", async () => {
    const world = new World({ candidates: ["a"] });
    const asked = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("nine byte"));
    asked.reply.leave();
    await world.pass();
    assert.equal(world.call("a").aborted, true);
    assert.equal(world.booked, "a:estimated/client_gone");
    assert.equal(world.ledger.charges[0]?.units.output, 3);
    assert.equal(world.run("a"), 0);
    assert.equal(world.record.status, 200);
    assert.equal(world.record.outcome, "client_gone");
    assertBooksAgree(world);
  });

  it("while its answer waits for the charge is told of as gone, with the true charge", async () => {
    const world = new World({ candidates: ["a"] });
    const open = world.ledger.holdBackCharges();
    const asked = await world.ask({ stream: true });
    world.call("a").stream(...GOOD_STREAM);
    await world.pass();
    asked.reply.leave();
    open();
    await world.pass();
    assert.equal(world.booked, "a:charged/answered");
    assert.equal(world.record.outcome, "client_gone");
    assert.equal(asked.done, true);
    assertBooksAgree(world);
  });

  it("while a provider's pause is waited out ends the wait; nothing more is called", async () => {
    const world = new World({ candidates: ["a"] });
    world.told("a", "rate", 10_000);
    const asked = await world.ask();
    await world.pass(5_000);
    asked.reply.leave();
    await world.pass(60_000);
    assert.equal(world.called, "");
    assert.equal(world.record.outcome, "client_gone");
    assert.deepEqual(world.record.attempts, []);
    assert.equal(asked.done, true);
    assert.equal(world.clock.waiting, 0);
  });

  it("while a repeat is waited for ends that wait too", async () => {
    const world = new World({ candidates: ["a"] });
    const asked = await world.ask();
    world.call("a").refuse(500);
    asked.reply.leave();
    await world.pass(5_000);
    assert.equal(world.called, "a");
    assert.equal(world.record.outcome, "client_gone");
    assertBooksAgree(world);
  });

  it("with two attempts in flight closes both and books both", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const asked = await world.ask({ stream: true });
    await world.pass(30_000);
    asked.reply.leave();
    await world.pass();
    assert.deepEqual(world.upstream.calls.map((call) => call.aborted), [true, true]);
    assert.equal(world.booked, "a:estimated/client_gone b:estimated/client_gone");
    assert.equal(world.run("b"), 0);
    assertBooksAgree(world);
  });

  it("after its error was decided on gets the record of the error, once", async () => {
    const world = new World({ candidates: ["a"] });
    const open = world.ledger.holdBackCharges();
    const asked = await world.ask();
    world.call("a").refuse(400, "odd");
    await world.pass();
    asked.reply.leave();
    open();
    await world.pass();
    assert.equal(world.record.errorCode, "upstream_bad_request");
    assert.equal(asked.done, true);
    assertBooksAgree(world);
  });
});

describe("a provider that bills the whole answer anyway", () => {
  it("is read on without making the request longer: its time ends when its client leaves", async () => {
    const world = new World({ candidates: [DRAINS] });
    const asked = await world.ask({ stream: true });
    await world.pass(500);
    asked.reply.leave();
    await world.pass(8_000);
    world.call("d").stream(...GOOD_STREAM);
    await world.pass();
    assert.deepEqual([world.record.outcome, world.record.totalMs], ["client_gone", 500]);
    assertBooksAgree(world);
  });

  it("is read on for its usage: the charge is the true one, and nothing is delivered", async () => {
    const world = new World({ candidates: [DRAINS] });
    const asked = await world.ask({ stream: true });
    world.call("d").stream(ROLE, text("Hel"));
    await world.pass();
    const before = asked.reply.writes.length;
    asked.reply.leave();
    await world.pass(10_000);
    assert.equal(world.call("d").aborted, false);
    assert.equal(asked.done, false, "a drained request is still in flight");
    world.call("d").say(text("lo"), finish(), usage(9, 300), DONE);
    await world.pass();
    assert.equal(asked.reply.writes.length, before);
    assert.equal(world.ledger.charges[0]?.units.output, 300);
    assert.equal(world.ledger.charges[0]?.state, "charged");
    assert.equal(world.record.outcome, "client_gone");
    assert.equal(asked.done, true);
    assert.equal(world.run("d"), 0);
    assertBooksAgree(world);
  });

  it("is read on also before content, and for a JSON answer", async () => {
    for (const stream of [true, false]) {
      const world = new World({ candidates: [DRAINS] });
      const asked = await world.ask({ stream });
      asked.reply.leave();
      await world.pass(5_000);
      assert.equal(world.call("d").aborted, false);
      if (stream) world.call("d").stream(...GOOD_STREAM);
      else world.call("d").json(GOOD_ANSWER);
      await world.pass();
      assert.equal(world.booked, "d:charged/answered");
      assert.equal(asked.reply.status, 0);
      assert.equal(world.record.outcome, "client_gone");
      assertBooksAgree(world);
    }
  });

  it("is read on even where the client was slow when it left", async () => {
    const world = new World({ candidates: [DRAINS] });
    const asked = await world.ask({ stream: true });
    asked.reply.slow = true;
    world.call("d").stream(ROLE, text("x"));
    assert.equal(world.call("d").paused, true);
    asked.reply.leave();
    assert.equal(world.call("d").paused, false);
    world.call("d").say(...GOOD_STREAM.slice(1));
    await world.pass();
    assert.equal(world.booked, "d:charged/answered");
    assert.equal(world.clock.waiting, 1, "but for the socket's own second nothing is waited for");
  });

  it("is given up after its time, with what is known by then", async () => {
    const world = new World({ candidates: [DRAINS] }, { drainMs: 20_000 });
    const asked = await world.ask({ stream: true });
    world.call("d").stream(ROLE, text("six by"));
    asked.reply.leave();
    for (let i = 0; i < 4; i++) {
      await world.pass(4_999);
      world.call("d").say(text("three."));
    }
    assert.equal(world.call("d").aborted, false);
    await world.pass(4);
    assert.equal(world.call("d").aborted, true);
    assert.equal(world.booked, "d:estimated/client_gone");
    assert.equal(world.ledger.charges[0]?.units.output, 10);
    assert.equal(asked.done, true);
    assert.equal(world.run("d"), 0);
    assertBooksAgree(world);
  });

  it("is read on for so many at once and no more; a place is free again when one has ended", async () => {
    const world = new World({ candidates: [DRAINS] }, { drainsAtOnce: 2 });
    for (let i = 0; i < 3; i++) {
      const asked = await world.ask({ stream: true });
      asked.reply.leave();
    }
    assert.deepEqual(world.upstream.calls.map((call) => call.aborted), [false, false, true]);
    world.upstream.calls[0]?.stream(...GOOD_STREAM);
    await world.pass();
    const asked = await world.ask({ stream: true });
    asked.reply.leave();
    assert.equal(world.upstream.calls.at(-1)?.aborted, false);
    await world.pass(60_000);
    assert.equal(world.holdsOpen, 0);
    assertBooksAgree(world);
  });

  it("is closed at once where the call was not sent", async () => {
    const world = new World({ candidates: [DRAINS] });
    world.upstream.connects = false;
    const asked = await world.ask();
    asked.reply.leave();
    await world.pass();
    assert.equal(world.call("d").aborted, true);
    assert.equal(world.booked, "d:unbilled/client_gone");
  });

  it("that fails while it is read on is booked by that, and no other is called", async () => {
    const world = new World({ candidates: [DRAINS, "b"] });
    const asked = await world.ask({ stream: true });
    asked.reply.leave();
    await world.pass(1_000);
    world.call("d").fail();
    await world.pass(5_000);
    assert.equal(world.called, "d");
    assert.equal(world.booked, "d:estimated/network");
    assert.equal(asked.done, true);
    assertBooksAgree(world);
  });
});

describe("a client that reads slowly", () => {
  it("pauses its provider, and what has come by then is all that is at hand", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    reply.slow = true;
    world.call("a").stream(ROLE, text("x"));
    assert.equal(world.call("a").paused, true);
    reply.drain();
    assert.equal(world.call("a").paused, false);
    world.call("a").say(...GOOD_STREAM.slice(1));
    await world.pass();
    assert.equal(reply.ended, true);
    assert.equal(world.booked, "a:charged/answered");
  });

  it("does not keep the usage away: once the finish was seen its provider is read to the end", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    reply.slow = true;
    world.call("a").stream(ROLE, text("x"), finish());
    assert.equal(world.call("a").paused, false);
    world.call("a").say(usage(), DONE);
    await world.pass();
    assert.equal(world.booked, "a:charged/answered");
    assert.equal(reply.ended, true);
  });

  it("still has a lifetime", async () => {
    const world = new World({ candidates: ["a"], clocks: { lifetimeMs: 100_000 } });
    const { reply } = await world.ask({ stream: true });
    reply.slow = true;
    world.call("a").stream(ROLE, text("x"));
    await world.pass(100_000);
    assert.equal(world.call("a").aborted, true);
    assert.equal(reply.ended, true);
  });

  it("is not the provider's fault, not even when its stream outlives its lifetime", async () => {
    const world = new World({ candidates: ["a"], clocks: { lifetimeMs: 100_000 } });
    const { reply } = await world.ask({ stream: true });
    reply.slow = true;
    world.call("a").stream(ROLE, text("x"));
    await world.pass(100_000);
    assert.equal(world.run("a"), 0);
  });
});
