/** Probes of our own: who is asked, how often, and for how much. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Probing } from "./probing.ts";
import { assertBooksAgree, World } from "./test-world.ts";
import { GOOD_ANSWER, type ScriptedCall } from "./test-upstream.ts";

const SECOND = 1_000;
const TERMS = { everyMs: 60 * SECOND, maxNanoUsdPerDay: 100_000_000 };

/** A look each second for so long; what is asked is answered at once. */
async function watch(world: World, probing: Probing, seconds: number, terms = TERMS): Promise<number> {
  const before = world.upstream.calls.length;
  const told = new Set<ScriptedCall>();
  for (let i = 0; i < seconds; i++) {
    probing.look(world.deps, terms, ["r", "unknown"]);
    await world.pass();
    for (const call of world.upstream.calls.slice(before)) if (!told.has(call)) told.add(call.json(GOOD_ANSWER));
    await world.pass(SECOND);
  }
  return world.upstream.calls.length - before;
}

describe("probes", () => {
  it("go to those that nobody called for long, once in the time that is told, with a hold and a charge that say so", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const probing = new Probing();
    assert.equal(await watch(world, probing, 60), 0);
    assert.equal(await watch(world, probing, 60), 2);
    assert.equal(await watch(world, probing, 120), 4);
    assert.deepEqual(new Set(world.upstream.order), new Set(["a", "b"]));
    assert.ok(world.records.every(({ flags, route, outcome }) => flags.includes("probe") && route === "probe" && outcome === "ok"));
    assert.ok(world.ledger.charges.every(({ flags }) => flags.includes("probe")));
    assert.equal(world.ledger.charges.length, 6);
    assert.equal(world.holdsOpen, 0);
    assert.equal(probing.cap.spentNanoUsd(world.clock.wallMs()), world.ledger.charges.reduce((sum, { costNanoUsd }) => sum + (costNanoUsd ?? 0), 0));
  });

  it("are not for those that are called anyway", async () => {
    const world = new World({ candidates: ["a"] });
    const probing = new Probing();
    for (let i = 0; i < 10; i++) {
      await world.ask();
      world.call("a").json(GOOD_ANSWER);
      await watch(world, probing, 30);
    }
    assert.equal(world.upstream.calls.length, 10);
    assertBooksAgree(world);
  });

  it("bring one back that rested, without a request of anybody's at stake", async () => {
    const world = new World({ candidates: ["a", "b"] });
    world.rest("a");
    assert.equal(world.view("a").state, "resting");
    await watch(world, new Probing(), 400, { ...TERMS, everyMs: 5 * SECOND });
    assert.equal(world.view("a").state, "admitting");
  });

  it("leave alone what is taken out, and what its provider pauses", async () => {
    const world = new World({ candidates: ["a", "b"] });
    world.told("a", "auth");
    world.told("b", "rate", 3_600 * SECOND);
    assert.equal(await watch(world, new Probing(), 200), 0);
  });

  it("end where the day's money does, and begin again the next day", async () => {
    const world = new World({ candidates: ["a"] });
    const probing = new Probing();
    await watch(world, probing, 121);
    const [charge] = world.ledger.charges;
    const [hold] = world.ledger.holds;
    const terms = { ...TERMS, maxNanoUsdPerDay: 2 * (charge?.costNanoUsd ?? 0) + (hold?.boundNanoUsd ?? 0) };
    await watch(world, probing, 600, terms);
    assert.equal(world.ledger.charges.length, 3);
    assert.ok(probing.cap.spentNanoUsd(world.clock.wallMs()) <= terms.maxNanoUsdPerDay);
    await world.pass(86_400_000);
    await watch(world, probing, 2, terms);
    assert.equal(world.ledger.charges.length, 4);
  });

  it("are ended and booked when the process stops", async () => {
    const world = new World({ candidates: ["a"] });
    const probing = new Probing();
    probing.look(world.deps, TERMS, ["r"]);
    await world.pass(60 * SECOND);
    probing.look(world.deps, TERMS, ["r"]);
    await world.pass();
    assert.deepEqual([world.called, world.holdsOpen, probing.isBusy], ["a", 1, true]);
    probing.stop();
    await world.pass();
    assert.deepEqual([world.holdsOpen, probing.isBusy, world.call("a").aborted], [0, false, true]);
    assert.deepEqual(world.records.map(({ flags, errorCode }) => [flags.includes("probe"), errorCode]), [[true, "stopping"]]);
    assertBooksAgree(world);
  });
});
