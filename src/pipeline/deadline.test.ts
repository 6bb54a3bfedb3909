/** One deadline for a request: the smallest that anyone named, shared by all attempts, and over with the first content. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { classOf, judgeCall } from "../decide/objective/judge.ts";
import type { RequestRecord } from "../ports.ts";
import { assertBooksAgree, World, type Ask } from "./test-world.ts";
import { DONE, GOOD_STREAM, ROLE, finish, text, usage } from "./test-upstream.ts";

describe("the deadline", () => {
  const endsAt = async (ask: Ask, routeMs: number): Promise<number> => {
    const world = new World({ candidates: ["a"], clocks: { deadlineMs: routeMs, attemptMs: 900_000, firstTokenMs: 900_000 } });
    const { reply } = await world.ask(ask);
    const startMs = world.clock.nowMs();
    while (!reply.ended && world.clock.nowMs() - startMs < 700_000) await world.pass(500);
    return world.clock.nowMs() - startMs;
  };
  const ROWS: readonly (readonly [what: string, headers: Readonly<Record<string, string>>, routeMs: number, endMs: number])[] = [
    ["is the route's", {}, 600_000, 600_000],
    ["is the header's where that is smaller", { "x-spillway-deadline-ms": "7000" }, 600_000, 7_000],
    ["is not the header's where that is larger", { "x-spillway-deadline-ms": "900000" }, 60_000, 60_000],
    ["is the SDK's timeout less five seconds where that is smaller", { "x-stainless-timeout": "60" }, 600_000, 55_000],
    ["is not the SDK's where that is larger", { "x-stainless-timeout": "600" }, 60_000, 60_000],
    ["is the smallest of all three", { "x-stainless-timeout": "60", "x-spillway-deadline-ms": "40000" }, 600_000, 40_000],
    ["is the smallest of all three, the SDK's this time", { "x-stainless-timeout": "30", "x-spillway-deadline-ms": "40000" }, 600_000, 25_000],
    ["leaves half of an SDK's timeout that is too short to take five seconds from", { "x-stainless-timeout": "6" }, 600_000, 3_000],
    ["takes no notice of an SDK's timeout that is no number", { "x-stainless-timeout": "soon" }, 20_000, 20_000],
  ];
  for (const [what, headers, routeMs, endMs] of ROWS) {
    for (const stream of [false, true]) {
      it(`${what} (${stream ? "stream" : "JSON"})`, async () => assert.equal(await endsAt({ headers, stream }, routeMs), endMs));
    }
  }

  for (const value of ["0", "-5", "soon", "NaN", "Infinity"]) {
    it(`of ${value} is refused with a 400 that names the header`, async () => {
      const world = new World({ candidates: ["a"] });
      const { reply, done } = await world.ask({ headers: { "x-spillway-deadline-ms": value } });
      assert.equal(reply.status, 400);
      assert.equal(reply.json.error.code, "invalid_header");
      assert.match(reply.json.error.message, /x-spillway-deadline-ms/);
      assert.equal(done, true);
      assert.equal(world.called, "");
    });
  }

  it("ends everything with a typed 504, charges written, the socket closed", async () => {
    const world = new World({ candidates: ["a", "b"], clocks: { deadlineMs: 50_000, attemptMs: 20_000 } });
    const asked = await world.ask();
    await world.pass(50_000);
    assert.equal(asked.reply.status, 504);
    assert.equal(asked.reply.json.error.code, "deadline_exceeded");
    assert.equal(asked.reply.json.error.type, "server_error");
    assert.equal(asked.reply.header("x-should-retry"), "false");
    assert.ok(world.upstream.calls.every((call) => call.aborted));
    assert.equal(world.booked, "a:estimated/timeout b:estimated/timeout");
    assert.equal(world.record.errorCode, "deadline_exceeded");
    assert.equal(asked.done, true);
    assertBooksAgree(world);
  });

  it("that is shorter than a provider's own time says nothing of the provider, and one that had been late is blamed", async () => {
    const world = new World({ candidates: ["a", "b"], clocks: { deadlineMs: 600_000, attemptMs: 300_000, firstTokenMs: 300_000 } });
    await world.ask({ headers: { "x-spillway-deadline-ms": "2000" } });
    await world.pass(2_000);
    const late = new World({ candidates: ["a"], clocks: { deadlineMs: 50_000, attemptMs: 20_000 } });
    await late.ask();
    await late.pass(50_000);
    const verdicts = [world, late].map(({ record }) => record.attempts.map((one) => [one.outcome, judgeCall(one)]));
    assert.deepEqual([verdicts[0]?.at(-1), verdicts[1]], [["timeout", null], [["timeout", "bad"]]]);
  });

  it("tells its error only when the charges are durable", async () => {
    const world = new World({ candidates: ["a"], clocks: { deadlineMs: 10_000 } });
    const open = world.ledger.holdBackCharges();
    const { reply } = await world.ask();
    await world.pass(10_000);
    assert.equal(reply.ended, false);
    open();
    await world.pass();
    assert.equal(reply.status, 504);
  });

  it("does not blame an attempt that was not late", async () => {
    const world = new World({ candidates: ["a"] });
    await world.ask({ headers: { "x-spillway-deadline-ms": "5000" } });
    await world.pass(5_000);
    assert.equal(world.run("a"), 0);
    assert.equal(world.record.attempts[0]?.flags.includes("late"), false);
  });

  it("blames one that was late once, not twice", async () => {
    const world = new World({ candidates: ["a"], clocks: { deadlineMs: 50_000, attemptMs: 20_000 } });
    await world.ask();
    await world.pass(50_000);
    assert.equal(world.run("a"), 1);
  });

  it("starts nothing more once it has passed", async () => {
    const world = new World({ candidates: ["a", "b", "c"], clocks: { deadlineMs: 10_000 } });
    await world.ask();
    await world.pass(60_000);
    const { length } = world.upstream.calls;
    assert.ok(length <= 3);
    await world.pass(600_000);
    assert.equal(world.upstream.calls.length, length);
    assert.equal(world.clock.waiting, 0, "timers were left behind");
  });

  it("is one for all attempts: the second has what the first left", async () => {
    const world = new World({ candidates: ["a", "b"], clocks: { deadlineMs: 30_000 } });
    const { reply } = await world.ask();
    await world.pass(20_000);
    world.call("a").refuse(500);
    await world.pass(9_999);
    assert.equal(reply.ended, false);
    await world.pass(1);
    assert.equal(reply.status, 504);
  });

  it("names what happened before it passed, without the providers' secrets", async () => {
    const world = new World({ candidates: ["a", "b"], clocks: { deadlineMs: 30_000 } });
    const { reply } = await world.ask();
    world.call("a").refuse(500, "disk of secret-of-a failed");
    await world.pass(30_000);
    assert.match(reply.json.error.message, /a\/m: 500 server: disk of \*\*\* failed/);
  });
});

describe("a client in a hurry", () => {
  /** Two candidates, of which the first has begun so many streams in half a second each. */
  const seen = async (streams: number): Promise<World> => {
    const world = new World({ candidates: ["a", "b"] });
    for (let i = 0; i < streams; i++) {
      await world.ask({ stream: true });
      await world.pass(500);
      world.call("a").stream(...GOOD_STREAM).end();
    }
    await world.pass();
    world.records.length = 0;
    return world;
  };
  const hurried = async (world: World, ms: number, stream: boolean, times = 12): Promise<void> => {
    for (let i = 0; i < times; i++) {
      await world.ask({ stream, headers: { "x-spillway-deadline-ms": String(ms) } });
      await world.pass(ms);
    }
  };
  for (const stream of [true, false]) {
    for (const ms of [50, 4_000]) {
      it(`of ${ms} ms puts no deployment to rest for others, and costs neither route nor provider a promise (${stream ? "stream" : "JSON"})`, async () => {
        const world = await seen(50);
        await hurried(world, ms, stream);
        assert.deepEqual([...new Set(world.records.map(classOf))], ["client"]);
        assert.deepEqual([...new Set(world.records.flatMap((record) => record.attempts.map(judgeCall)))], [null]);
        assert.deepEqual([world.view("a").state, world.run("a"), world.run("b")], ["admitting", 0, 0]);
      });
    }
  }

  it("still tells of a stream that stands still far beyond what is usual there", async () => {
    const world = await seen(50);
    await hurried(world, 20_000, true, 6);
    assert.notEqual(world.view("a").state, "admitting");
    assert.equal(classOf(world.records[0] as RequestRecord), "failed");
  });

  for (const streams of [50, 0]) {
    it(`still tells of whole answers that do not come for far longer than ${streams > 0 ? "is usual there" : "a first content may take, where none was ever seen"}`, async () => {
      const world = await seen(streams);
      await hurried(world, streams > 0 ? 30_000 : 55_000, false, 6);
      assert.notEqual(world.view("a").state, "admitting");
    });
  }

  it("is no excuse for a provider that failed, nor for one that was late by the route's own time", async () => {
    const failed = new World({ candidates: ["a", "b"] });
    await failed.ask({ headers: { "x-spillway-deadline-ms": "4000" } });
    failed.call("a").refuse(500);
    await failed.pass(4_000);
    const late = new World({ candidates: ["a"], clocks: { attemptMs: 20_000 } });
    await late.ask({ headers: { "x-spillway-deadline-ms": "40000" } });
    await late.pass(40_000);
    for (const { record } of [failed, late]) assert.deepEqual([record.errorCode, classOf(record)], ["deadline_exceeded", "failed"]);
    assert.equal(late.run("a"), 1);
  });

  it("gets a second candidate in time all the same", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const { reply } = await world.ask({ stream: true, headers: { "x-spillway-deadline-ms": "4000" } });
    await world.pass(3_200);
    world.call("b").stream(...GOOD_STREAM).end();
    await world.pass();
    assert.deepEqual([world.called, reply.status, world.run("a")], ["a b", 200, 0]);
  });
});

describe("a stream that its client does not read", () => {
  it("is the client's doing when its life is over", async () => {
    const world = new World({ candidates: ["a"], clocks: { lifetimeMs: 120_000 } });
    const asked = await world.ask({ stream: true });
    asked.reply.slow = true;
    world.call("a").stream(ROLE, text("He"));
    await world.pass(120_000);
    assert.deepEqual([world.record.outcome, world.record.errorCode, classOf(world.record)], ["error_after_content", "upstream_timeout", "client"]);
  });
});

describe("for a stream", () => {
  it("it runs to the first content only", async () => {
    const world = new World({ candidates: ["a"], clocks: { deadlineMs: 20_000, idleMs: 60_000 } });
    const { reply } = await world.ask({ stream: true });
    await world.pass(19_000);
    world.call("a").stream(ROLE, text("He"));
    for (let i = 0; i < 10; i++) {
      await world.pass(30_000);
      world.call("a").say(text("y"));
    }
    world.call("a").say(finish(), usage(), DONE);
    await world.pass();
    assert.equal(reply.shown, "Heyyyyyyyyyy");
    assert.equal(world.record.outcome, "ok");
  });

  it("a role is no content: it still runs", async () => {
    const world = new World({ candidates: ["a"], clocks: { deadlineMs: 10_000 } });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE);
    await world.pass(10_000);
    assert.equal(reply.status, 504);
    assert.equal(reply.json.error.code, "deadline_exceeded");
  });
});

describe("for a JSON answer", () => {
  it("it runs to the last byte", async () => {
    const world = new World({ candidates: ["a"], clocks: { deadlineMs: 10_000 } });
    const { reply } = await world.ask();
    world.call("a").head(200, { "content-type": "application/json" }).bytes(`{"choices":[`);
    await world.pass(10_000);
    assert.equal(reply.status, 504);
  });
});

describe("clocks after the first content", () => {
  it("idle is a failure of the provider, told in the stream, and nothing is run again", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("He"));
    await world.pass(59_999);
    assert.equal(reply.ended, false);
    await world.pass(30);
    assert.equal(reply.frames.at(-1)?.error?.code, "upstream_timeout");
    assert.equal(reply.frames.some((frame) => frame.done), false);
    assert.equal(world.called, "a");
    assert.equal(world.run("a"), 1);
    assert.equal(world.record.outcome, "error_after_content");
    assert.equal(world.booked, "a:estimated/timeout");
    assertBooksAgree(world);
  });

  for (const [what, life] of [["a ping", ": ping\n\n"], ["empty thinking", `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"reasoning_content":""},"finish_reason":null}]}\n\n`], ["half an event", "data: {"]] as const) {
    it(`idle is restarted by any sign of life: ${what}`, async () => {
      const world = new World({ candidates: ["a"] });
      const { reply } = await world.ask({ stream: true });
      world.call("a").stream(ROLE, text("He"));
      await world.pass(50_000);
      world.call("a").say(life);
      await world.pass(50_000);
      assert.equal(reply.ended, false);
      await world.pass(10_050);
      assert.equal(reply.ended, true);
    });
  }

  it("idle does not run before content", async () => {
    const world = new World({ candidates: ["a"], clocks: { idleMs: 5_000 } });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE);
    await world.pass(25_000);
    world.call("a").say(...GOOD_STREAM.slice(1));
    await world.pass();
    assert.equal(reply.shown, "Hello there.");
  });

  it("idle does not run while the client is slow, and has its whole length again afterwards", async () => {
    const world = new World({ candidates: ["a"] });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("He"));
    reply.slow = true;
    world.call("a").say(text("y"));
    assert.equal(world.call("a").paused, true);
    await world.pass(600_000);
    assert.equal(reply.ended, false);
    reply.drain();
    assert.equal(world.call("a").paused, false);
    await world.pass(59_000);
    assert.equal(reply.ended, false);
    world.call("a").say(text("!"), finish(), usage(), DONE);
    await world.pass();
    assert.equal(reply.shown, "Hey!");
    assert.equal(world.run("a"), 0);
  });

  it("idle takes the route's length", async () => {
    const world = new World({ candidates: ["a"], clocks: { idleMs: 5_000 } });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("He"));
    await world.pass(5_050);
    assert.equal(reply.frames.at(-1)?.error?.code, "upstream_timeout");
  });

  it("lifetime ends a stream that never ends", async () => {
    const world = new World({ candidates: ["a"], clocks: { lifetimeMs: 120_000 } });
    const { reply } = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("x"));
    for (let i = 0; i < 12; i++) {
      assert.equal(reply.ended, false);
      world.call("a").say(text("x"));
      await world.pass(10_000);
    }
    assert.equal(reply.frames.at(-1)?.error?.code, "upstream_timeout");
    assert.equal(world.record.outcome, "error_after_content");
    assert.equal(world.call("a").aborted, true);
    assertBooksAgree(world);
  });
});
