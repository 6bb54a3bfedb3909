import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isChosen, type CanaryTerms } from "../decide/canary.ts";
import type { Route } from "../decide/deployment.ts";
import { sheet } from "../decide/test-directory.ts";
import { DONE, finish, GOOD_ANSWER, ROLE, text, usage } from "./test-upstream.ts";
import { assertBooksAgree, deploymentOf, World, type Ask, type RouteSpec } from "./test-world.ts";

const TERMS: CanaryTerms = { use: "new/m", share: 0.2, minRequests: 200, rollback: { burn: 2, quality: 0.05 } };
const STREAM = [ROLE, text("Hello there."), finish(), usage(), DONE];

interface Trial {
  readonly world: World;
  open: boolean;
}

function trial(more: Partial<RouteSpec> = {}, terms: Partial<CanaryTerms> = {}, place: Parameters<typeof deploymentOf>[0] = { name: "new" }): Trial {
  const canary: NonNullable<Route["canary"]> = { deployment: deploymentOf(place), terms: { ...TERMS, ...terms } };
  const world = new World({ candidates: ["a", "b"], ...more, more: { canary } });
  const made: Trial = { world, open: true };
  Object.assign(world.deps, { trials: { takes: () => made.open } });
  return made;
}

/** So many requests, answered by whoever is called; gives who was called first for each. */
async function served(world: World, count: number, ask: (i: number) => Ask = () => ({})): Promise<readonly string[]> {
  const first: string[] = [];
  for (let i = 0; i < count; i++) {
    const before = world.upstream.calls.length;
    await world.ask(ask(i));
    const call = world.upstream.calls[before];
    first.push(call?.to ?? "");
    call?.json(GOOD_ANSWER);
    await world.pass(10);
  }
  return first;
}

describe("a canary", () => {
  it("takes its share of the requests first, by their ids, and the record says so", async () => {
    const { world } = trial();
    const first = await served(world, 250);
    const taken = first.filter((to) => to === "new").length;
    assert.ok(taken > 25 && taken < 75, `${taken} of 250 at 20 %`);
    assert.deepEqual(first.map((to) => to === "new"), world.records.map(({ requestId }) => isChosen(requestId, "canary r new/m", 0.2)));
    assert.deepEqual(world.records.map(({ flags }) => flags.includes("canary")), first.map((to) => to === "new"));
    const decided = world.records.find(({ flags }) => flags.includes("canary"))?.decision["candidates"] as { deployment: string; canary: boolean }[] | undefined;
    assert.deepEqual([decided?.[0]?.deployment, decided?.[0]?.canary], ["new/m", true]);
    assert.equal(world.records.some(({ flags }) => flags.includes("fallback_model")), false);
    assertBooksAgree(world);
  });

  it("keeps a session together where the route does", async () => {
    const { world } = trial({ strategy: "sticky" });
    const first = await served(world, 120, (i) => ({ body: { user: `user-${i % 30}` } }));
    for (let user = 0; user < 30; user++) assert.equal(new Set(first.filter((_, i) => i % 30 === user)).size, 1, `user-${user}`);
    assert.ok(first.includes("new") && first.some((to) => to !== "new"));
  });

  it("has the route's candidates behind it: a client never sees that it failed", async () => {
    const { world } = trial({}, { share: 0.5 });
    let tried = 0;
    for (let i = 0; i < 12; i++) {
      const before = world.upstream.calls.length;
      const { reply } = await world.ask({ stream: true });
      const first = world.upstream.calls[before];
      if (first?.to === "new") {
        tried += 1;
        first.refuse(503);
        await world.pass(100);
        world.upstream.calls[before + 1]?.stream(...STREAM);
      } else first?.stream(...STREAM);
      await world.pass(20_000);
      assert.equal(reply.shown, "Hello there.");
    }
    assert.ok(tried >= 2);
    assert.ok(world.records.every(({ outcome }) => outcome === "ok"));
    assertBooksAgree(world);
  });

  it("takes nothing while it is frozen or rolled back", async () => {
    const made = trial();
    made.open = false;
    assert.equal((await served(made.world, 60)).includes("new"), false);
    assert.equal(made.world.records.some(({ flags }) => flags.includes("canary")), false);
  });

  it("takes nothing that its context window, a residency, a cap or the request's own wishes keep from it", async () => {
    const { world } = trial({}, { share: 1 }, { name: "new", model: { contextWindow: 100 } });
    const long = { body: { messages: [{ role: "user", content: "word ".repeat(100) }] } };
    assert.deepEqual(await served(world, 1, () => long), ["a"]);
    assert.deepEqual(world.records[0]?.decision["filtered"], [{ deployment: "new/m", reason: "context_too_small", detail: "it is on trial, and the prompt may be too long for it" }]);
    assert.deepEqual(await served(world, 1), ["new"]);
    assert.deepEqual(await served(world, 1, () => ({ body: { provider: { order: ["a"] } } })), ["a"]);
    const dear = trial({}, { share: 1 }, { name: "new", pricing: { kind: "sheet", sheet: sheet(1_000, 100_000) } });
    assert.deepEqual(await served(dear.world, 1, () => ({ headers: { "x-spillway-max-cost-usd": "0.02" }, body: { max_tokens: 100 } })), ["a"]);
    const abroad = trial({}, { share: 1 });
    const refused = await abroad.world.ask({ headers: { "x-spillway-residency": "eu" } });
    assert.equal(refused.reply.status, 403);
    assert.equal(abroad.world.upstream.calls.length, 0);
  });

  it("stands before whatever the route's plan prefers, and its requests follow no plan", async () => {
    const { world } = trial({ strategy: "balanced", objectives: [], terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0.05, exploreShare: 0 } }, { share: 0.5 });
    const first = await served(world, 30);
    assert.deepEqual(first.map((to) => to === "new"), world.records.map(({ flags }) => flags.includes("canary")));
    for (const { flags, decision } of world.records) assert.equal(decision["plan"] === undefined, flags.includes("canary"));
  });
});
