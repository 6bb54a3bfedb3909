/** A deployment alone on its route, whose provider takes only so many calls a minute: nobody waits for long, and nobody for nothing. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { World } from "./test-world.ts";
import { GOOD_ANSWER } from "./test-upstream.ts";

const SECOND = 1_000;

/** Ten calls that were taken, one a second, then one that was refused, and again the first one after its pause. */
async function capped(): Promise<World> {
  const world = new World({ candidates: ["a"] });
  for (let i = 0; i < 10; i++) {
    await world.ask();
    world.call("a").json(GOOD_ANSWER);
    await world.pass(SECOND);
  }
  world.told("a", "rate");
  await world.pass(2 * SECOND);
  world.told("a", "rate");
  await world.pass(3 * SECOND);
  return world;
}

describe("a learned pace", () => {
  it("has requests come back later where room is far off, at once and with the time", async () => {
    const world = await capped();
    const { reply } = await world.ask();
    assert.equal(world.upstream.order.length, 10);
    assert.equal(reply.status, 429);
    const seconds = Number(reply.header("retry-after"));
    assert.ok(seconds >= 45 && seconds <= 60, String(seconds));
  });

  it("is tried by a tenth of them all the same", async () => {
    const world = await capped();
    world.random = 0.09;
    const { reply } = await world.ask();
    assert.equal(world.upstream.order.length, 11);
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.equal(reply.status, 200);
  });

  it("is waited for where room is near, one after the other, and ten seconds at most", async () => {
    const world = await capped();
    while (world.view("a").pausedUntilMs - world.clock.nowMs() > 5 * SECOND) await world.pass(SECOND);
    const asked = [];
    for (let i = 0; i < 20; i++) asked.push(await world.ask());
    assert.equal(world.upstream.order.length, 10);
    await world.pass(10 * SECOND);
    const taken = world.upstream.order.length - 10;
    assert.ok(taken >= 3 && taken <= 8, `${taken} were taken`);
    assert.equal(asked.filter(({ reply }) => reply.status === 429).length, 20 - taken);
  });

  it("is not learned from one refusal among calls that are taken: who comes then waits for a moment, and is answered", async () => {
    const world = new World({ candidates: ["a"] });
    for (let i = 0; i < 10; i++) await world.ask();
    world.told("a", "rate");
    const asked = [];
    for (let i = 0; i < 20; i++) asked.push(await world.ask());
    await world.pass(2 * SECOND);
    assert.equal(world.upstream.order.length, 30);
    assert.ok(asked.every(({ reply }) => reply.status !== 429));
  });
});
