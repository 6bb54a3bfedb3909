/** A credential that is made for each call: at once, later, too late, or not at all. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Authorize } from "./deps.ts";
import { flush } from "./test-clock.ts";
import { GOOD_ANSWER } from "./test-upstream.ts";
import { assertBooksAgree, World, type RouteSpec } from "./test-world.ts";

/** A world in which calls to these deployments are authorized like this. */
function worldWith(spec: RouteSpec, authorize: Readonly<Record<string, Authorize>>): World {
  const world = new World(spec);
  const plain = world.snapshot.transport;
  world.snapshot.transport = (deployment) => {
    const found = authorize[deployment.account];
    return { ...plain(deployment), ...(found === undefined ? {} : { authorize: found }) };
  };
  return world;
}
const refusal = (failureClass: "auth" | "network"): Error => Object.assign(new Error("no token for secret-of-a today"), { failureClass });

describe("a call whose credential is made for it", () => {
  it("is given what will be sent, and goes out in the same turn with what that answers", async () => {
    const calls: Parameters<Authorize>[0][] = [];
    const world = worldWith({ candidates: ["a"] }, { a: (call) => (calls.push(call), ["x-signed", "yes"]) });
    await world.ask();
    const { request } = world.call("a");
    assert.deepEqual(calls, [{ ...request, headers: request.headers.slice(0, -2) }]);
    assert.deepEqual(request.headers.slice(-2), ["x-signed", "yes"]);
    assert.deepEqual(world.events, ["hold a", "send a"]);
  });

  it("waits for one that has to be fetched", async () => {
    let give: (headers: readonly string[]) => void = () => undefined;
    const world = worldWith({ candidates: ["a"] }, { a: () => new Promise((resolve) => (give = resolve)) });
    const asked = await world.ask();
    await world.pass(1_900);
    assert.deepEqual(world.events, ["hold a"]);
    give(["authorization", "Bearer t"]);
    await flush();
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.equal(asked.reply.status, 200);
    await world.pass(5_000);
    assert.equal(world.ledger.charges[0]?.outcome, "answered");
  });

  it("fails over unsent when it does not come within the time of a connection, and is not sent when it comes later", async () => {
    let give: (headers: readonly string[]) => void = () => undefined;
    const world = worldWith({ candidates: ["a", "b"] }, { a: () => new Promise((resolve) => (give = resolve)) });
    const asked = await world.ask();
    await world.pass(2_000);
    world.call("b").json(GOOD_ANSWER);
    give(["authorization", "Bearer late"]);
    await world.pass();
    assert.equal(asked.reply.status, 200);
    assert.equal(world.called, "b");
    assert.equal(world.booked, "a:unbilled/network b:charged/answered");
    assertBooksAgree(world);
  });

  for (const [what, authorize] of [
    ["throws", () => { throw refusal("auth"); }],
    ["rejects", () => Promise.reject(refusal("auth"))],
  ] as const satisfies readonly (readonly [string, Authorize])[]) {
    it(`that is refused (${what}) takes the account out, and another serves`, async () => {
      const world = worldWith({ candidates: ["a", "b"] }, { a: authorize });
      const asked = await world.ask();
      world.call("b").json(GOOD_ANSWER);
      await world.pass();
      assert.equal(asked.reply.status, 200);
      assert.equal(world.health.view("a/m", "a", "chat", world.clock.nowMs()).excluded === null, false);
      assert.doesNotMatch(JSON.stringify(world.logged), /secret-of-a/);
      assert.equal(world.records[0]?.attempts[0]?.outcome, "auth");
    });
  }

  it("that cannot be fetched counts as a failure of the network, and the account stays", async () => {
    const world = worldWith({ candidates: ["a", "b"] }, { a: () => Promise.reject(refusal("network")) });
    await world.ask();
    world.call("b").json(GOOD_ANSWER);
    await world.pass();
    assert.equal(world.records[0]?.attempts[0]?.outcome, "network");
    assert.equal(world.health.view("a/m", "a", "chat", world.clock.nowMs()).excluded, null);
  });

  it("is not sent once the client has left", async () => {
    let give: (headers: readonly string[]) => void = () => undefined;
    const world = worldWith({ candidates: ["a"] }, { a: () => new Promise((resolve) => (give = resolve)) });
    const asked = await world.ask();
    asked.reply.leave();
    await flush();
    give(["authorization", "Bearer late"]);
    await world.pass(3_000);
    assert.equal(world.called, "");
    assert.equal(asked.done, true);
    assert.equal(world.clock.waiting, 0, "no timer is left behind");
  });
});
