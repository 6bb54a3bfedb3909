/** The end of an answer: it leaves whole, after its charge, with or without what the provider should have sent. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertBooksAgree, World, type Ask } from "./test-world.ts";
import { DONE, GOOD_ANSWER, GOOD_STREAM, ROLE, delta, finish, text, usage } from "./test-upstream.ts";

const WITH_USAGE: Ask = { stream: true, body: { stream_options: { include_usage: true } } };
const COST_USD = 0.000015;

async function answer(ask: Ask, frames: readonly string[], passMs = 0) {
  const world = new World({ candidates: ["a"] });
  const { reply } = await world.ask(ask);
  world.call("a").stream(...frames);
  await world.pass(passMs);
  return { world, reply };
}

describe("the frame with the finish reason and all after it", () => {
  it("leave only when the charge is durable; the content before them does not wait", async () => {
    const world = new World({ candidates: ["a"] });
    const open = world.ledger.holdBackCharges();
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(...GOOD_STREAM);
    await world.pass(3_000);
    assert.equal(reply.text, ROLE + text("Hello") + text(" there."));
    assert.equal(reply.ended, false);
    open();
    await world.pass();
    assert.equal(reply.text, ROLE + text("Hello") + text(" there.") + finish() + DONE);
    assert.ok(world.events.indexOf("charge a") < world.events.indexOf("end"));
    assertBooksAgree(world);
  });

  it("of a JSON answer are its whole body: it waits too", async () => {
    const world = new World({ candidates: ["a"] });
    const open = world.ledger.holdBackCharges();
    const { reply } = await world.ask();
    world.call("a").json(GOOD_ANSWER);
    await world.pass(3_000);
    assert.equal(reply.status, 0);
    open();
    await world.pass();
    assert.equal(reply.text, JSON.stringify(GOOD_ANSWER));
  });

  it("are announced by comments where the charge takes long", async () => {
    const world = new World({ candidates: ["a"] });
    const open = world.ledger.holdBackCharges();
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(...GOOD_STREAM);
    await world.pass(31_000);
    assert.equal(reply.comments, 2);
    open();
    await world.pass();
    assert.equal(reply.frames.at(-1)?.done, true);
  });

  it("leave one after the other as they came, by one write", async () => {
    const { reply } = await answer({ stream: true }, GOOD_STREAM);
    assert.equal(reply.writes.at(-1), finish() + DONE);
  });
});

describe("usage", () => {
  it("that was not asked for is left out, and nothing else", async () => {
    const { reply, world } = await answer({ stream: true }, GOOD_STREAM);
    assert.equal(reply.text, GOOD_STREAM.filter((frame) => frame !== usage()).join(""));
    assert.deepEqual(world.ledger.charges[0]?.units, { input: 9, output: 3 });
  });

  it("that was asked for is told on with the cost of the request", async () => {
    const { reply } = await answer(WITH_USAGE, GOOD_STREAM);
    assert.deepEqual(reply.frames.at(-2)?.spillway, { cost_usd: COST_USD });
    assert.equal(reply.frames.at(-2)?.usage?.prompt_tokens, 9);
    assert.equal(reply.frames.at(-1)?.done, true);
  });

  it("that comes in one chunk with the finish reason has the cost beside it where it was asked for", async () => {
    const last = finish().replace(/\}\n\n$/, `,"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}\n\n`);
    const frames = [ROLE, text("x"), last, DONE];
    const asked = await answer(WITH_USAGE, frames);
    const told = asked.reply.frames.at(-2);
    assert.deepEqual([told?.choices?.[0]?.finish_reason, told?.usage?.prompt_tokens, told?.spillway], ["stop", 9, { cost_usd: COST_USD }]);
    const unasked = await answer({ stream: true }, frames);
    assert.equal(unasked.reply.text, frames.join(""));
  });

  it("tells the cost of all attempts, flagged where any of it is an estimate", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const { reply } = await world.ask(WITH_USAGE);
    world.call("a").fail();
    await world.pass();
    world.call("b").stream(...GOOD_STREAM);
    await world.pass();
    const cost = world.record.costNanoUsd ?? 0;
    assert.ok(cost > 15_000);
    assert.deepEqual(reply.frames.at(-2)?.spillway, { cost_usd: cost / 1e9, estimated: true });
  });

  it("is asked for upstream also where the client did not", async () => {
    const world = new World({ candidates: ["a"] });
    await world.ask({ stream: true });
    const sent = JSON.parse(new TextDecoder().decode(world.call("a").request.body as Uint8Array)) as { stream_options?: unknown };
    assert.deepEqual(sent.stream_options, { include_usage: true });
  });

  it("is waited for half a second after the finish, and taken if it comes", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("x"), finish());
    await world.pass(499);
    assert.equal(reply.ended, false);
    world.call("a").say(usage(), DONE);
    await world.pass();
    assert.equal(reply.ended, true);
    assert.equal(world.booked, "a:charged/answered");
  });

  it("that does not come is estimated from what was relayed, and flagged", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("x"), finish());
    await world.pass(500);
    assert.equal(reply.frames.at(-1)?.done, true, "a [DONE] is written where the provider wrote none");
    assert.equal(reply.frames.at(-2)?.choices?.[0]?.finish_reason, "stop");
    assert.equal(world.booked, "a:estimated/answered");
    assert.deepEqual(world.record.attempts[0]?.flags, ["estimated", "usage_missing"]);
    assert.equal(world.record.outcome, "ok");
    assert.equal(world.call("a").aborted, true);
    assertBooksAgree(world);
  });

  it("that came without the terminal signal is taken all the same", async () => {
    const { world, reply } = await answer({ stream: true }, [ROLE, text("x"), finish(), usage()], 500);
    assert.equal(reply.frames.at(-1)?.done, true);
    assert.equal(world.booked, "a:charged/answered");
  });

  it("that comes before the finish leaves with it, in the order in which they came", async () => {
    const { reply, world } = await answer(WITH_USAGE, [ROLE, text("x"), usage(), finish(), DONE]);
    const kinds = reply.frames.map((frame) => (frame.done === true ? "done" : frame.usage !== undefined ? "usage" : (frame.choices?.[0]?.finish_reason ?? "delta")));
    assert.deepEqual(kinds, ["delta", "delta", "usage", "stop", "done"]);
    assert.equal(world.booked, "a:charged/answered");
  });
});

describe("the end", () => {
  it("of the body stands for a missing [DONE] once the finish was seen, and is authored", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("x"), finish(), usage()).end();
    await world.pass();
    assert.equal(reply.frames.at(-1)?.done, true);
    assert.equal(world.booked, "a:charged/answered");
    assert.equal(world.record.outcome, "ok");
  });

  it("by a cut after the finish takes nothing from the answer", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("x"), finish()).fail();
    await world.pass();
    assert.equal(reply.frames.at(-1)?.done, true);
    assert.equal(world.booked, "a:estimated/answered");
    assert.equal(world.run("a"), 0);
  });

  it("is waited for where content follows the finish: half of an answer is no answer", async () => {
    for (const end of ["done", "cut"]) {
      const world = new World({ candidates: ["a"] });
      const { reply } = await world.ask({ stream: true });
      world.call("a").stream(ROLE, text("one"), finish(), text(" two"));
      await world.pass(5_000);
      assert.equal(reply.ended, false, "five seconds later it still goes on");
      world.call("a").say(text(" three"));
      if (end === "done") world.call("a").say(usage(), DONE);
      else world.call("a").fail();
      await world.pass();
      const shown = reply.frames.map((frame) => frame.choices?.[0]?.delta?.content ?? "").join("");
      if (end === "done") assert.equal(shown, "one two three");
      assert.equal(reply.frames.at(-1)?.done === true, end === "done");
      assert.equal(reply.frames.at(-1)?.error !== undefined, end === "cut");
      assert.equal(world.record.outcome, end === "done" ? "ok" : "error_after_content");
    }
  });

  for (const [what, end] of [
    ["a clean end of the body", (world: World) => world.call("a").end()],
    ["a cut", (world: World) => world.call("a").fail()],
    ["[DONE]", (world: World) => world.call("a").say(DONE)],
    ["an error event", (world: World) => world.call("a").say(`data: {"error":{"message":"boom","code":"server_error"}}\n\n`)],
    ["broken JSON", (world: World) => world.call("a").say(`data: {"choices":[{"index":0,\n\n`)],
    ["a finish reason that says error", (world: World) => world.call("a").say(finish("error"))],
  ] as const) {
    it(`by ${what} without a finish reason is a truncation: an error and no [DONE] after content, another provider before it`, async () => {
      const world = new World({ candidates: ["a", "b"] });
      const { reply } = await world.ask({ stream: true });
      world.call("a").stream(ROLE, text("x"));
      end(world);
      await world.pass();
      assert.equal(reply.frames.some((frame) => frame.done), false);
      assert.ok(reply.frames.at(-1)?.error !== undefined);
      assert.equal(reply.ended, true);
      assert.equal(world.called, "a");
      assert.equal(world.run("a"), 1);
      assertBooksAgree(world);
      const before = new World({ candidates: ["a", "b"] });
      await before.ask({ stream: true });
      before.call("a").stream(ROLE);
      end(before);
      await before.pass();
      assert.equal(before.called, "a b");
      assert.equal(before.run("a"), 1);
    });
  }

  it("that a limit or a filter explains may come without any content", async () => {
    for (const reason of ["length", "content_filter"]) {
      const { reply, world } = await answer({ stream: true }, [ROLE, finish(reason), usage(), DONE]);
      assert.equal(reply.frames.at(-2)?.choices?.[0]?.finish_reason, reason);
      assert.equal(world.record.outcome, "ok");
    }
  });

  it("that nothing explains is a failure without any content", async () => {
    const world = new World({ candidates: ["a", "b"] });
    await world.ask({ stream: true });
    world.call("a").stream(ROLE, finish("stop"), usage(), DONE);
    await world.pass();
    assert.equal(world.called, "a b");
    assert.equal(world.booked, "a:charged/empty b:held/-");
  });

  it("of the upstream's body is waited for a second, so that its socket serves again", async () => {
    const { world } = await answer({ stream: true }, GOOD_STREAM);
    assert.equal(world.call("a").aborted, false);
    await world.pass(1_000);
    assert.equal(world.call("a").aborted, true);
  });
});

describe("several choices", () => {
  const three: Ask = { stream: true, body: { n: 2 } };

  it("have finished when all have: the first finish reason is no end", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask(three);
    world.call("a").stream(ROLE, text("x", 0), text("y", 1), finish("stop", 0), text("z", 1));
    await world.pass(5_000);
    assert.equal(reply.ended, false);
    assert.equal(reply.shown, "xyz");
    world.call("a").say(finish("stop", 1), usage(), DONE);
    await world.pass();
    assert.equal(reply.frames.at(-1)?.done, true);
    assert.equal(reply.text, [ROLE, text("x", 0), text("y", 1), finish("stop", 0), text("z", 1), finish("stop", 1), DONE].join(""));
  });

  it("of which the provider gives fewer end with [DONE]", async () => {
    const { reply, world } = await answer(three, [ROLE, text("x", 0), finish("stop", 0), usage(), DONE]);
    assert.equal(reply.frames.at(-1)?.done, true);
    assert.equal(world.booked, "a:charged/answered");
  });

  it("of which the provider gives more than were asked are waited for once seen", async () => {
    const { reply } = await answer({ stream: true }, [ROLE, text("x", 0), text("y", 1), finish("stop", 0), text("z", 1), finish("stop", 1), usage(), DONE]);
    assert.equal(reply.shown, "xyz");
    assert.equal(reply.frames.at(-1)?.done, true);
  });

  it("that are cut with one of them open are truncated", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask(three);
    world.call("a").stream(ROLE, text("x", 0), text("y", 1), finish("stop", 0)).fail();
    await world.pass();
    assert.equal(reply.frames.some((frame) => frame.done), false);
    assert.ok(reply.frames.at(-1)?.error !== undefined);
  });

  it("that end properly with one of them open are truncated too, whether the body ends or [DONE] comes", async () => {
    for (const end of ["body", DONE]) {
      const world = new World({ candidates: ["a"] });
      const { reply } = await world.ask(three);
      const call = world.call("a").stream(ROLE, text("x", 0), text("y", 1), finish("stop", 0));
      if (end === DONE) call.say(DONE);
      else call.end();
      await world.pass();
      assert.equal(reply.frames.some((frame) => frame.done), false, end);
      assert.ok(reply.frames.at(-1)?.error !== undefined, end);
    }
  });
});

describe("a chunk with content and the finish reason in one", () => {
  const both = delta(`{"content":"all"}`, "stop");

  it("commits the answer, and leaves with the tail", async () => {
    const world = new World({ candidates: ["a"] });
    const open = world.ledger.holdBackCharges();
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, both, usage(), DONE);
    await world.pass();
    assert.equal(reply.text, ROLE);
    open();
    await world.pass();
    assert.equal(reply.text, ROLE + both + DONE);
    assert.equal(world.record.outcome, "ok");
  });

  it("that is all there is counts as content where usage never comes", async () => {
    const { world, reply } = await answer({ stream: true }, [both], 500);
    assert.equal(reply.shown, "all");
    assert.equal(world.ledger.charges[0]?.units.output, 1);
    assert.equal(world.booked, "a:estimated/answered");
  });

  it("after other content is told whole", async () => {
    const { reply } = await answer({ stream: true }, [ROLE, text("not "), both, usage(), DONE]);
    assert.equal(reply.shown, "not all");
  });
});

describe("the bytes of a stream may be cut anywhere", () => {
  it("byte by byte they come to the same answer", async () => {
    const whole = GOOD_STREAM.join("");
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    world.call("a").head(200, { "content-type": "text/event-stream" });
    for (const byte of new TextEncoder().encode(whole)) world.call("a").bytes(Uint8Array.of(byte));
    await world.pass();
    assert.equal(reply.text, GOOD_STREAM.filter((frame) => frame !== usage()).join(""));
    assert.equal(world.booked, "a:charged/answered");
  });
});

describe("a stream of messages that passes", () => {
  const event = (type: string, members: object = {}): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
  const STOP = event("message_stop");
  const REASON = event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 2 } });
  const FRAMES = [
    event("message_start", { message: { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 5, output_tokens: 1 } } }),
    event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
    event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "Hello" } }),
    event("content_block_stop", { index: 0 }),
    REASON,
  ];

  for (const [what, last] of [["keeps its last event", [STOP]], ["is given the last event where it broke off right before it", []]] as const) {
    it(what, async () => {
      const world = new World({ candidates: [{ name: "m", provider: { dialect: "anthropic-messages" } }] });
      const { reply } = await world.ask({ surface: "messages", stream: true, body: { max_tokens: 50 } });
      world.call("m").stream(...FRAMES, ...last).end();
      await world.pass();
      assert.equal(reply.text.replace(/,"spillway":{[^}]*}/, ""), FRAMES.join("") + STOP);
      assert.equal(world.booked, "m:charged/answered");
    });
  }
});
