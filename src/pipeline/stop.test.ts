/** The process stops: what runs ends with a typed error, is booked, and blames nobody. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertBooksAgree, World } from "./test-world.ts";
import { DONE, GOOD_ANSWER, ROLE, finish, text, usage } from "./test-upstream.ts";

describe("the process stops", () => {
  it("before content: a typed error, charges written, sockets closed", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const asked = await world.ask();
    asked.exchange?.stopNow();
    await world.pass();
    assert.equal(asked.reply.status, 503);
    assert.equal(asked.reply.json.error.code, "stopping");
    assert.equal(asked.reply.header("x-should-retry"), "true");
    assert.equal(world.call("a").aborted, true);
    assert.equal(world.called, "a");
    assert.equal(world.run("a"), 0);
    assert.equal(asked.done, true);
    assertBooksAgree(world);
  });

  it("after content: the typed error in the stream, what was relayed charged, nobody blamed", async () => {
    const world = new World({ candidates: ["a"] });
    const asked = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("x"));
    asked.exchange?.stopNow();
    await world.pass();
    assert.equal(asked.reply.frames.at(-1)?.error?.code, "stopping");
    assert.equal(asked.reply.ended, true);
    assert.equal(world.run("a"), 0);
    assert.equal(world.record.outcome, "error_after_content");
    assert.equal(world.record.errorCode, "stopping");
    assert.equal(world.booked, "a:estimated/timeout");
    assertBooksAgree(world);
  });

  it("after a keep-alive: the typed error in the stream", async () => {
    const world = new World({ candidates: ["a"] });
    const asked = await world.ask({ stream: true });
    await world.pass(16_000);
    asked.exchange?.stopNow();
    await world.pass();
    assert.equal(asked.reply.frames[0]?.error?.code, "stopping");
  });

  it("while an answer only waits for its charge: it ends as it is", async () => {
    const world = new World({ candidates: ["a"] });
    const open = world.ledger.holdBackCharges();
    const asked = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("x"), finish(), usage(), DONE);
    await world.pass();
    asked.exchange?.stopNow();
    open();
    await world.pass();
    assert.equal(asked.reply.frames.at(-1)?.done, true);
    assert.equal(world.record.outcome, "ok");
    assert.equal(world.record.errorCode, null);
  });

  it("while a pause is waited out, and with two in flight, and after its end: once, and no harm", async () => {
    const waiting = new World({ candidates: ["a"] });
    waiting.told("a", "rate", 9_000);
    const one = await waiting.ask();
    one.exchange?.stopNow();
    await waiting.pass(60_000);
    assert.equal(one.reply.json.error.code, "stopping");
    assert.equal(waiting.called, "");

    const two = new World({ candidates: ["a", "b"] });
    const both = await two.ask();
    await two.pass(120_000);
    both.exchange?.stopNow();
    both.exchange?.stopNow();
    await two.pass();
    assert.deepEqual(two.upstream.calls.map((call) => call.aborted), [true, true]);
    assert.equal(both.reply.json.error.code, "stopping");
    assertBooksAgree(two);

    const over = new World({ candidates: ["a"] });
    const ended = await over.ask();
    over.call("a").json(GOOD_ANSWER);
    await over.pass();
    ended.exchange?.stopNow();
    assert.equal(ended.reply.status, 200);
    assert.equal(over.record.outcome, "ok");
  });

  it("while a call is drained for a client that left: it is closed and booked", async () => {
    const world = new World({ candidates: [{ name: "d", provider: { onClientGone: "drain" } }] });
    for (const frames of [[], [ROLE, text("x")]]) {
      const asked = await world.ask({ stream: true });
      if (frames.length > 0) world.call("d").stream(...frames);
      asked.reply.leave();
      asked.exchange?.stopNow();
      await world.pass();
      assert.equal(world.call("d").aborted, true);
      assert.equal(asked.done, true);
    }
    assertBooksAgree(world);
  });
});
