/** What a run in the background keeps, how long it may take, and what it does when there is no room. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULT_CLOCKS, type Route } from "../decide/deployment.ts";
import type { StateStore } from "../ports.ts";
import { MemoryState } from "../storage/state-memory.ts";
import { BackgroundRuns } from "./background.ts";
import type { Deps } from "./deps.ts";
import { deadlineMsOf, type Inbound } from "./inbound.ts";
import { serveResponses } from "./responses.ts";
import { EventRoom, RunEvents, type EventBounds } from "./run-events.ts";
import { flush } from "./test-clock.ts";
import { WatchedReply } from "./test-reply.ts";
import { GOOD_STREAM, ROLE, text } from "./test-upstream.ts";
import { World } from "./test-world.ts";

const nothing = (): void => {};
const BOUNDS: EventBounds = { bytes: 4_000, bytesOfOne: 1_000 };
/** Some hundred bytes each. */
const event = (n: number): { type: string; n: number; pad: string } => ({ type: "x", n, pad: ".".repeat(40) });

function following(events: RunEvents, from: number): WatchedReply {
  const reply = new WatchedReply(nothing);
  reply.head(200, []);
  events.follow(reply, from, nothing);
  return reply;
}
const numbers = (reply: WatchedReply): number[] => [...reply.text.matchAll(/"sequence_number":(\d+)/g)].map(([, number]) => Number(number));

describe("the events of a run", () => {
  it("are told from any number on, then live, to each who follows at his own pace", () => {
    const events = new RunEvents(new EventRoom(BOUNDS));
    for (let n = 0; n < 4; n++) events.tell(event(n));
    const slow = new WatchedReply(nothing);
    slow.head(200, []);
    slow.slow = true;
    events.follow(slow, 0, nothing);
    const all = following(events, 0);
    const late = following(events, 3);
    events.tell(event(4));
    events.end();
    assert.deepEqual([numbers(all), numbers(late), all.ended, late.ended], [[0, 1, 2, 3, 4], [3, 4], true, true]);
    assert.deepEqual([numbers(slow), slow.ended], [[0], false]);
    slow.drain();
    assert.deepEqual([numbers(slow), slow.ended], [[0, 1, 2, 3, 4], true]);
  });

  it("are kept within a bound: the oldest go, and who still wanted them is told so", () => {
    const room = new EventRoom(BOUNDS);
    const events = new RunEvents(room);
    const slow = new WatchedReply(nothing);
    slow.head(200, []);
    slow.slow = true;
    events.follow(slow, 0, nothing);
    for (let n = 0; n < 3_000; n++) events.tell(event(n));
    assert.ok(room.used <= BOUNDS.bytesOfOne && room.used > 0);
    assert.deepEqual([events.keeps(0), events.keeps(2_998), events.next], [false, true, 3_000]);
    slow.drain();
    assert.ok(slow.ended);
    assert.match(slow.text, /"type":"error".*more slowly/s);
    events.drop();
    assert.equal(room.used, 0);
  });

  it("of all runs share a bound too, and those of runs that have ended make room first", () => {
    const room = new EventRoom({ bytes: 1_500, bytesOfOne: 1_000 });
    const ended = new RunEvents(room);
    room.makeRoom = () => ended.drop();
    for (let n = 0; n < 8; n++) ended.tell(event(n));
    const running = new RunEvents(room);
    for (let n = 0; n < 8; n++) running.tell(event(n));
    assert.deepEqual([ended.keeps(0), running.keeps(0)], [false, true]);
    assert.ok(room.used <= 1_500);
  });

  it("leave nobody behind who left", () => {
    const events = new RunEvents(new EventRoom(BOUNDS));
    let over = 0;
    const reply = new WatchedReply(nothing);
    reply.head(200, []);
    events.follow(reply, 0, () => over++);
    reply.leave();
    events.tell(event(0));
    events.end();
    assert.deepEqual([over, reply.text], [1, ""]);
  });
});

describe("a run", () => {
  function ask(world: World, state: StateStore, body: object, headers: Readonly<Record<string, string>> = {}): { readonly reply: WatchedReply; readonly deps: Deps; done: boolean } {
    const deps: Deps = { ...world.deps, state, background: new BackgroundRuns() };
    const asked = { reply: new WatchedReply(nothing), deps, done: false };
    const inbound: Inbound = {
      requestId: "req_1", caller: { tenant: "default", key: "app", scopes: [] }, body: new TextEncoder().encode(JSON.stringify({ model: "r", input: "x", background: true, ...body })),
      asked: { surface: "responses", model: undefined, stream: undefined, query: "" }, header: (name) => headers[name], reply: asked.reply, done: () => void (asked.done = true), snapshot: world.snapshot,
    };
    serveResponses(deps, inbound, nothing);
    return asked;
  }
  const statusOf = async (state: StateStore): Promise<unknown> => ((await state.get({ tenant: "default", key: "app", kind: "responses" }, "resp_1")) as { response: { status: string } } | undefined)?.response.status;

  it("may take as long as a stream may live; an SDK's timeout is that of the answer that it got at once", () => {
    const route = { clocks: DEFAULT_CLOCKS } as Route;
    assert.equal(deadlineMsOf(route, (name) => (name === "x-stainless-timeout" ? "60" : undefined), true), DEFAULT_CLOCKS.lifetimeMs);
    assert.equal(deadlineMsOf(route, (name) => (name === "x-spillway-deadline-ms" ? "7" : undefined), true), 7);
    assert.equal(deadlineMsOf(route, (name) => (name === "x-stainless-timeout" ? "60" : undefined)), 55_000);
  });

  it("is in flight until its response is kept, though the client has its answer and is gone", async () => {
    const world = new World({ candidates: ["a"] });
    const state = new MemoryState({}, () => world.clock.wallMs());
    const asked = ask(world, state, {});
    await world.pass(20);
    assert.deepEqual([asked.reply.status, (JSON.parse(asked.reply.text) as { status: string }).status, asked.reply.ended, asked.done, await statusOf(state)], [200, "queued", true, false, "in_progress"]);
    world.call("a").stream(ROLE, text("half"));
    await world.pass(30_000);
    assert.equal(asked.done, false);
    assert.equal(asked.deps.background.count, 1);
    world.call("a").stream(...GOOD_STREAM.slice(1));
    await world.pass(1_000);
    assert.deepEqual([asked.done, await statusOf(state), asked.deps.background.count], [true, "completed", 0]);
    assert.equal(world.record.outcome, "ok");
  });

  it("is not begun where it cannot even be kept that it is: the client is told, nothing goes on", async () => {
    const world = new World({ candidates: ["a"] });
    const asked = ask(world, new MemoryState({ valueBytes: 10 }, () => world.clock.wallMs()), {});
    await world.pass(20);
    assert.equal(asked.reply.status, 503);
    assert.match(asked.reply.json.error.message, /could not be kept/);
    await flush();
    assert.deepEqual([world.call("a").aborted, asked.done, asked.deps.background.count], [true, true, 0]);
  });

  it("that comes to more than can be kept has failed, and says so", async () => {
    const world = new World({ candidates: ["a"] });
    const state = new MemoryState({ valueBytes: 3_000 }, () => world.clock.wallMs());
    const asked = ask(world, state, {});
    await world.pass(20);
    world.call("a").stream(ROLE, text("long ".repeat(1_000)), ...GOOD_STREAM.slice(1));
    await world.pass(1_000);
    assert.deepEqual([asked.done, await statusOf(state)], [true, "failed"]);
    assert.match(JSON.stringify(await state.get({ tenant: "default", key: "app", kind: "responses" }, "resp_1")), /too large/);
  });
});
