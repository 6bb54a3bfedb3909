import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MirrorTerms } from "../decide/canary.ts";
import { sheet } from "../decide/test-directory.ts";
import { Mirrors } from "./mirror.ts";
import { DONE, finish, GOOD_ANSWER, ROLE, text, usage } from "./test-upstream.ts";
import { assertBooksAgree, deploymentOf, World, type Ask } from "./test-world.ts";

const TERMS: MirrorTerms = { use: "new/m", share: 1, maxNanoUsdPerDay: 1_000_000_000 };
const STREAM = [ROLE, text("Hello there."), finish(), usage(), DONE];
const LIMITED = { body: { max_tokens: 100 } };

function mirrored(terms: Partial<MirrorTerms> = {}, place: Parameters<typeof deploymentOf>[0] = { name: "new" }): { world: World; mirrors: Mirrors } {
  const world = new World({ candidates: ["a"], more: { mirror: { deployment: deploymentOf(place), terms: { ...TERMS, ...terms } } } });
  const mirrors = new Mirrors();
  Object.assign(world.deps, { mirrors });
  return { world, mirrors };
}

async function answered(world: World, ask: Ask = LIMITED): Promise<void> {
  await world.ask(ask);
  world.call("a").json(GOOD_ANSWER);
  await world.pass();
}

describe("a mirror", () => {
  it("gets a copy when the request was served and has its record, and never before", async () => {
    const { world } = mirrored();
    const { reply } = await world.ask({ stream: true });
    await world.pass(500);
    assert.equal(world.called, "a");
    world.call("a").stream(...STREAM);
    await world.pass();
    assert.deepEqual([reply.ended, reply.shown, world.records.length], [true, "Hello there.", 1]);
    assert.equal(world.called, "a new");
    const told = world.events.join(" | ");
    assert.ok(told.includes("| end |") && told.indexOf("hold new") > told.indexOf("| end |"), told);
    world.call("new").stream(...STREAM);
    await world.pass();
    assert.equal(reply.shown, "Hello there.");
    assertBooksAgree(world);
  });

  it("is recorded as a mirror's, paid by the organisation under a tag, and tells whose copy it is", async () => {
    const { world } = mirrored();
    await answered(world);
    world.call("new").json(GOOD_ANSWER);
    await world.pass();
    const [own, copy] = world.records;
    assert.deepEqual([own?.flags, copy?.flags, copy?.deployment, copy?.outcome], [[], ["mirror"], "new/m", "ok"]);
    assert.deepEqual([copy?.decision["mirror_of"], copy?.tags], [own?.requestId, { mirror: "r" }]);
    assert.deepEqual([own?.key, copy?.key], ["app", "mirror"], "its caller would find it among its own requests");
    const [mine, its] = world.ledger.holds;
    assert.ok(mine?.scopes.includes("key/app"));
    assert.deepEqual(its?.scopes, ["tenant/default", "tag/mirror=r", "route/r", "model/m", "provider/new"]);
    assertBooksAgree(world);
  });

  it("that fails or hangs shows nowhere, is not tried again and earns no repeats", async () => {
    const { world } = mirrored();
    const before = world.allowance.tokens(world.clock.nowMs());
    for (let i = 0; i < 3; i++) {
      await answered(world);
      if (i < 2) world.call("new").refuse(503);
      await world.pass(10);
    }
    assert.equal(world.called, "a new a new a new");
    assert.deepEqual(world.records.map(({ outcome, flags }) => `${outcome} ${flags.join()}`), ["ok ", "error mirror", "ok ", "error mirror", "ok "]);
    assert.ok(world.allowance.tokens(world.clock.nowMs()) <= Math.max(before, 10));
    await world.pass(700_000);
    assert.equal(world.holdsOpen, 0);
  });

  it("gets no copy of a request that failed", async () => {
    const { world } = mirrored();
    await world.ask(LIMITED);
    for (let i = 0; i < 3; i++) {
      world.call("a").refuse(400);
      await world.pass(1_000);
    }
    assert.equal(world.called.includes("new"), false);
  });

  it("spends no more in a day than it may, and again the next day", async () => {
    // A copy's bound is 1,264,000 nano-dollars; what it costs is far less.
    const { world, mirrors } = mirrored({ maxNanoUsdPerDay: 2_000_000 });
    await answered(world);
    await answered(world);
    assert.equal(world.called, "a new a", "two bounds do not fit");
    world.call("new").json(GOOD_ANSWER);
    await world.pass();
    const spent = mirrors.capOf("r").spentNanoUsd(world.clock.wallMs());
    assert.equal(spent, world.records.find(({ flags }) => flags.includes("mirror"))?.costNanoUsd);
    await answered(world);
    assert.equal(world.called, "a new a a new", "what was held and not spent is free again");
    const dear = mirrored({ maxNanoUsdPerDay: 2_000_000 }, { name: "new", pricing: { kind: "sheet", sheet: sheet(1_000, 2_000) } });
    await answered(dear.world);
    assert.equal(dear.world.called, "a");
    assert.deepEqual(dear.world.records.map(({ flags }) => flags), [[]], "a copy that was never sent is no request");
    await world.pass(86_400_000);
    assert.equal(mirrors.capOf("r").spentNanoUsd(world.clock.wallMs()), 0);
  });

  it("gets no copy of what a provider would do again, of what may not be processed there, nor beside wishes of who serves", async () => {
    const tool = { type: "function", function: { name: "f", parameters: { type: "object" } } };
    const asks: readonly (readonly [Ask, boolean])[] = [
      [{ body: { max_tokens: 10, tools: [tool] } }, true],
      [{ body: { max_tokens: 10, tools: [tool, { type: "web_search_preview" }] } }, false],
      [{ body: { max_tokens: 10, web_search_options: {} } }, false],
      [{ body: { max_tokens: 10, service_tier: "priority" } }, false],
      [{ body: { max_tokens: 10, provider: { data_collection: "allow" } } }, false],
      [{ surface: "messages", body: { max_tokens: 10, tools: [{ name: "f", input_schema: { type: "object" } }] } }, true],
    ];
    for (const [ask, copied] of asks) {
      const { world } = mirrored();
      await answered(world, ask);
      assert.equal(world.upstream.calls.some(({ to }) => to === "new"), copied, JSON.stringify(ask.body));
    }
  });

  it("has a bounded number under way, and ends them when the process stops", async () => {
    const { world, mirrors } = mirrored();
    for (let i = 0; i < 20; i++) await answered(world);
    assert.equal(world.upstream.calls.filter(({ to }) => to === "new").length, 16);
    assert.equal(mirrors.underWay, 16);
    mirrors.stop();
    await world.pass();
    assert.deepEqual([mirrors.underWay, world.holdsOpen], [0, 0]);
    assertBooksAgree(world);
  });

  it("gets none that was still to begin when the process stopped: its charge would find no ledger", async () => {
    for (const stopsAtOnce of [true, false]) {
      const { world, mirrors } = mirrored();
      const append = (): void => {
        if (stopsAtOnce) mirrors.stop();
        else queueMicrotask(() => mirrors.stop());
      };
      Object.assign(world.deps, { records: { append } });
      await answered(world);
      await world.pass(1_000);
      assert.deepEqual([world.called, mirrors.underWay], ["a", 0]);
    }
  });
});
