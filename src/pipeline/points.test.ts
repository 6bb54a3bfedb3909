/** The two points of an answer: when its headers leave, and when its first content does. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertBooksAgree, World, type Place } from "./test-world.ts";
import { DONE, GOOD_ANSWER, GOOD_STREAM, ROLE, delta, finish, text, usage } from "./test-upstream.ts";

const MESSAGES: Place = { name: "m", provider: { dialect: "anthropic-messages" } };
const said = (type: string, more: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
const START = said("message_start", { message: { id: "msg", type: "message", role: "assistant", model: "m", content: [], usage: { input_tokens: 5, output_tokens: 1 } } });
const block = (content_block: object, index = 0): string => said("content_block_start", { index, content_block });
const piece = (d: object, index = 0): string => said("content_block_delta", { index, delta: d });
const THINKING = block({ type: "thinking", thinking: "", signature: "" });

describe("nothing is shown, and failover stays free, after", () => {
  const SAME: readonly (readonly [what: string, frames: readonly string[]])[] = [
    ["a role", [ROLE]],
    ["a comment", [": waiting\n\n"]],
    ["an empty event", ["data:\n\n"]],
    ["empty text", [ROLE, text("")]],
    ["null text", [ROLE, delta(`{"content":null}`)]],
    ["empty reasoning", [ROLE, delta(`{"reasoning_content":""}`)]],
    ["a chunk without choices", [`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n\n`]],
    ["an early usage chunk", [ROLE, usage()]],
    ["a signature", [ROLE, delta(`{"thinking_blocks":[{"type":"thinking","thinking":"","signature":"abc"}]}`)]],
  ];
  const OTHER: readonly (readonly [what: string, frames: readonly string[]])[] = [
    ["a message start", [START]],
    ["a ping", [START, said("ping", {})]],
    ["an empty thinking block", [START, THINKING]],
    ["empty thinking", [START, THINKING, piece({ type: "thinking_delta", thinking: "" })]],
    ["a signature of thinking", [START, THINKING, piece({ type: "signature_delta", signature: "abc" }), said("content_block_stop", { index: 0 })]],
    ["redacted thinking", [START, block({ type: "redacted_thinking", data: "abc" })]],
    ["an empty text block", [START, block({ type: "text", text: "" })]],
  ];
  for (const [place, rows] of [["a", SAME], [MESSAGES, OTHER]] as const) {
    for (const [what, frames] of rows) {
      it(`${what}${place === "a" ? "" : " (of another dialect)"}`, async () => {
        const world = new World({ candidates: [place, "z"] });
        const { reply } = await world.ask({ stream: true });
        const name = typeof place === "string" ? place : place.name;
        world.call(name).stream(...frames);
        await world.pass();
        assert.equal(reply.status, 0, "the headers left");
        world.call(name).fail();
        await world.pass();
        world.call("z").stream(...GOOD_STREAM);
        await world.pass();
        assert.equal(reply.shown, "Hello there.");
        assert.equal(reply.frames.filter((frame) => frame.choices?.[0]?.delta?.role !== undefined).length, 1, "two openings");
        assert.equal(world.record.outcome, "ok");
        assert.equal(world.record.deployment, "z/m");
      });
    }
  }
});

describe("the answer is committed, and nothing is run again, after", () => {
  const tool = `{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":""}}]}`;
  const ROWS: readonly (readonly [what: string, place: string | Place, frames: readonly string[]])[] = [
    ["text", "a", [ROLE, text("x")]],
    ["visible reasoning", "a", [ROLE, delta(`{"reasoning_content":"hm"}`)]],
    ["a refusal", "a", [ROLE, delta(`{"refusal":"no"}`)]],
    ["the start of a tool call", "a", [ROLE, delta(tool)]],
    ["text of another dialect", MESSAGES, [START, block({ type: "text", text: "" }), piece({ type: "text_delta", text: "x" })]],
    ["thinking of another dialect", MESSAGES, [START, THINKING, piece({ type: "thinking_delta", thinking: "hm" })]],
    ["a tool call of another dialect", MESSAGES, [START, block({ type: "tool_use", id: "t", name: "f", input: {} })]],
  ];
  for (const [what, place, frames] of ROWS) {
    it(what, async () => {
      const world = new World({ candidates: [place, "z"] });
      const { reply } = await world.ask({ stream: true });
      const name = typeof place === "string" ? place : place.name;
      world.call(name).stream(...frames);
      await world.pass();
      assert.equal(reply.status, 200);
      assert.equal(reply.header("x-spillway-deployment"), `${name}/m`);
      world.call(name).fail();
      await world.pass(5_000);
      assert.equal(reply.frames.at(-1)?.error?.code, "upstream_unreachable");
      assert.equal(reply.frames.some((frame) => frame.done === true), false, "an error is no [DONE]");
      assert.equal(world.called, name);
      assert.equal(world.record.outcome, "error_after_content");
      assertBooksAgree(world);
    });
  }

  it("what was held back leaves with the first content, in its order", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text(""), text("x"));
    await world.pass();
    assert.equal(reply.text, ROLE + text("") + text("x"));
  });

  it("what may be held back is bounded: a provider that opens for ever has failed", async () => {
    const world = new World({ candidates: ["a", "b"] }, { answerBytes: 10_000 });
    await world.ask({ stream: true });
    world.call("a").stream(ROLE);
    for (let i = 0; i < 100; i++) world.call("a").say(text(""));
    await world.pass();
    assert.equal(world.call("a").aborted, true);
    assert.equal(world.called, "a b");
    assert.equal(world.run("a"), 1);
  });
});

describe("a keep-alive", () => {
  it("makes the reply point after 15 s, with the headers known by then", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    await world.pass(14_999);
    assert.equal(reply.status, 0);
    await world.pass(1);
    assert.equal(reply.status, 200);
    assert.equal(reply.text, ": keep-alive\n\n");
    assert.equal(reply.header("content-type"), "text/event-stream; charset=utf-8");
    assert.equal(reply.header("x-accel-buffering"), "no");
    assert.equal(reply.header("cache-control"), "no-store, no-transform");
    assert.equal(reply.header("x-request-id"), "req_1");
    assert.equal(reply.header("x-spillway-route"), "r");
    assert.equal(reply.header("x-spillway-deployment"), undefined);
    assert.equal(reply.header("x-spillway-cost-usd"), undefined);
  });

  it("leaves failover free: the client sees comments, then one answer", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const { reply } = await world.ask({ stream: true });
    await world.pass(16_000);
    world.call("a").fail();
    await world.pass();
    world.call("b").stream(...GOOD_STREAM);
    await world.pass();
    assert.equal(reply.heads, 1);
    assert.equal(reply.shown, "Hello there.");
    assert.equal(reply.comments, 1);
    assert.equal(world.record.outcome, "ok");
  });

  for (const [what, fail, code] of [
    ["a provider's failure", (world: World) => world.call("a").refuse(500), "upstream_error"],
    ["a client's fault", (world: World) => world.call("a").refuse(400, "messages is odd"), "upstream_bad_request"],
    ["the deadline", (world: World) => world.pass(600_000), "deadline_exceeded"],
  ] as const) {
    it(`has ${what} told in the stream, since the status has left`, async () => {
      const world = new World({ candidates: ["a"] });
      while (world.allowance.tryTake(world.clock.nowMs()));
      const { reply } = await world.ask({ stream: true });
      await world.pass(16_000);
      await fail(world);
      await world.pass();
      assert.equal(reply.status, 200);
      assert.equal(reply.frames.length, 1);
      assert.equal(reply.frames[0]?.error?.code, code);
      assert.equal(world.record.outcome, "error");
      assert.equal(world.record.errorCode, code);
      assert.equal(reply.ended, true);
    });
  }

  it("comes every 15 s of silence, before content and after it", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    await world.pass(45_000);
    assert.equal(reply.comments, 3);
    world.call("a").stream(ROLE, text("x"));
    await world.pass(14_000);
    assert.equal(reply.comments, 3);
    world.call("a").say(text("y"));
    await world.pass(14_999);
    assert.equal(reply.comments, 3);
    await world.pass(1);
    assert.equal(reply.comments, 4);
    await world.pass(30_000);
    assert.equal(reply.comments, 6);
  });

  it("stands between events, never inside one", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    const event = text("in two pieces");
    world.call("a").stream(ROLE, text("x"), event.slice(0, 40));
    await world.pass(16_000);
    world.call("a").say(event.slice(40), finish(), usage(), DONE);
    await world.pass();
    assert.equal(reply.shown, "xin two pieces");
    assert.equal(reply.comments, 1);
  });

  it("ends with the answer", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    await world.pass(16_000);
    world.call("a").stream(...GOOD_STREAM);
    await world.pass(60_000);
    assert.equal(reply.comments, 1);
    assert.equal(world.clock.waiting, 0);
  });

  it("can be switched off for a route: then the head waits for content, or for the error", async () => {
    const world = new World({ candidates: ["a"], keepalive: false });
    const { reply } = await world.ask({ stream: true });
    await world.pass(100_000);
    assert.equal(reply.status, 0);
    world.call("a").refuse(400, "odd");
    await world.pass();
    assert.equal(reply.status, 400);
    assert.equal(reply.json.error.code, "upstream_bad_request");
  });

  it("is for streams only: a JSON answer is held whole", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask();
    world.call("a").head(200, { "content-type": "application/json" });
    await world.pass(100_000);
    assert.equal(reply.status, 0);
    world.call("a").bytes(JSON.stringify(GOOD_ANSWER)).end();
    await world.pass();
    assert.equal(reply.status, 200);
    assert.equal(reply.comments, 0);
    assert.equal(reply.header("x-spillway-cost-usd"), "0.000015000");
  });
});

describe("a JSON answer is checked before it counts as one", () => {
  const ROWS: readonly (readonly [what: string, body: string, type: string, code: string])[] = [
    ["no JSON", "<html>", "application/json", "upstream_malformed"],
    ["another type", JSON.stringify(GOOD_ANSWER), "text/html", "upstream_malformed"],
    ["nothing at all", "", "application/json", "upstream_empty"],
    ["no choices", JSON.stringify({ ...GOOD_ANSWER, choices: [] }), "application/json", "upstream_empty"],
    ["no finish reason", JSON.stringify({ ...GOOD_ANSWER, choices: [{ index: 0, message: { role: "assistant", content: "x" }, finish_reason: null }] }), "application/json", "upstream_truncated"],
    ["an empty message", JSON.stringify({ ...GOOD_ANSWER, choices: [{ index: 0, message: { role: "assistant", content: "" }, finish_reason: "stop" }] }), "application/json", "upstream_empty"],
    ["an error inside a 200", JSON.stringify({ error: { message: "overloaded", code: "overloaded_error" } }), "application/json", "upstream_overloaded"],
  ];
  for (const [what, body, type, code] of ROWS) {
    it(`${what} is a failure of the provider: another is tried, else it is told`, async () => {
      const world = new World({ candidates: ["a", "b"] });
      const { reply } = await world.ask();
      world.call("a").head(200, { "content-type": type }).bytes(body).end();
      await world.pass();
      assert.equal(world.run("a"), 1);
      world.call("b").json(GOOD_ANSWER);
      await world.pass();
      assert.equal(reply.status, 200);
      const alone = new World({ candidates: ["a"] });
      while (alone.allowance.tryTake(alone.clock.nowMs()));
      const told = await alone.ask();
      alone.call("a").head(200, { "content-type": type }).bytes(body).end();
      await alone.pass();
      assert.equal(told.reply.json.error.code, code);
    });
  }

  it("beyond its bound it is one too, and the rest is not read", async () => {
    const world = new World({ candidates: ["a", "b"] }, { answerBytes: 1_000 });
    await world.ask();
    world.call("a").head(200, { "content-type": "application/json" }).bytes("x".repeat(1_001));
    await world.pass();
    assert.equal(world.call("a").aborted, true);
    assert.equal(world.called, "a b");
  });
});
