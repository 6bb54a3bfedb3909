/** What a record tells of its candidates beside the choice: whatever the strategy, and nothing where there was nothing to choose. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Strategy } from "../decide/deployment.ts";
import { sheet } from "../decide/test-directory.ts";
import { failure } from "./lane.ts";
import { GOOD_ANSWER } from "./test-upstream.ts";
import { deploymentOf, World, type Ask, type RouteSpec } from "./test-world.ts";

interface Estimate {
  readonly deployment: string;
  readonly calls: number;
  readonly fails_before: number;
  readonly price_nano_usd: number;
  readonly [field: string]: unknown;
}
const A = { name: "a", pricing: { kind: "sheet", sheet: sheet(1, 2) } } as const;
const B = { name: "b", pricing: { kind: "sheet", sheet: sheet(3, 6) } } as const;

/** So many requests, answered by whoever is called. */
async function served(spec: Partial<RouteSpec>, count: number, ask: Ask = {}): Promise<World> {
  const world = new World({ candidates: [A, B], ...spec });
  for (let i = 0; i < count; i++) {
    await world.ask(ask);
    await world.pass(300);
    world.upstream.calls.at(-1)?.json(ask.embeddings === true ? { object: "list", data: [{ object: "embedding", index: 0, embedding: [0.5] }], model: "m", usage: { prompt_tokens: 3, total_tokens: 3 } } : GOOD_ANSWER);
    await world.pass(100);
  }
  assert.equal(world.records.length, count);
  return world;
}

function estimatesIn(world: World, at = -1): readonly Estimate[] | undefined {
  return world.records.at(at)?.decision["estimates"] as readonly Estimate[] | undefined;
}

describe("the estimates in a record", () => {
  const OF: Readonly<Record<Exclude<Strategy, "balanced">, string>> = { priority: "", cheapest: "", weighted: "weight", sticky: "weight", "least-busy": "load_ms", fastest: "token_ms" };
  for (const [strategy, field] of Object.entries(OF)) {
    it(`are there for every candidate of a route by ${strategy}, as they were before the call`, async () => {
      const world = await served({ strategy: strategy as Strategy }, 12);
      const estimates = estimatesIn(world) ?? [];
      const order = world.records.at(-1)?.decision["candidates"] as readonly { deployment: string }[];
      assert.deepEqual(estimates.map((one) => one.deployment), order.map((one) => one.deployment));
      assert.equal(Math.round(estimates.reduce((sum, one) => sum + one.calls, 0)), 11);
      for (const one of estimates) assert.ok(one.fails_before > 0 && one.fails_before < 0.01 && one.price_nano_usd > 0 && (field === "" || field in one), JSON.stringify(one));
      assert.equal("first_content_p50_ms" in (estimates[0] as Estimate), strategy === "fastest", "times are looked up where they count");
      assert.ok((estimatesIn(world, 0) ?? []).every(({ calls }) => calls === 0));
    });
  }

  it("are there of a request that was drawn for a canary, the canary's too", async () => {
    const canary = { deployment: deploymentOf({ name: "new" }), terms: { use: "new/m", share: 1, minRequests: 1, rollback: { burn: 2, quality: 0.05 } } };
    const world = new World({ candidates: [A, B], strategy: "balanced", objectives: [], more: { canary } });
    Object.assign(world.deps, { trials: { takes: () => true } });
    await world.ask();
    world.upstream.calls.at(-1)?.json(GOOD_ANSWER);
    await world.pass(100);
    assert.deepEqual(estimatesIn(world)?.map((one) => one.deployment).toSorted(), ["a/m", "b/m", "new/m"]);
  });

  it("are there of those that a plan leaves out, and of the others the plan tells", async () => {
    const plain = await served({ strategy: "balanced", objectives: [] }, 3);
    assert.equal(estimatesIn(plain), undefined);
    assert.equal((plain.records[2]?.decision["plan"] as { scores: readonly unknown[] } | undefined)?.scores.length, 2);
    const world = new World({ candidates: [A, B], strategy: "balanced", objectives: [] });
    const down = { kind: "failed", phase: "before-content", fault: "provider", error: { ...failure("server", "down"), status: 500 } } as const;
    for (let i = 0; i < 5; i++) world.health.observe(world.health.sent({ deployment: "a/m", account: "a", endpoint: "chat" }, world.clock.nowMs(), false), down, world.clock.nowMs(), 0.5);
    await world.ask();
    world.call("b").json(GOOD_ANSWER);
    await world.pass(100);
    assert.deepEqual(estimatesIn(world)?.map((one) => one.deployment), ["a/m"], "it rests");
    assert.ok((estimatesIn(world)?.[0]?.fails_before ?? 0) > 0.1);
  });

  it("are there of embeddings, by the price of their texts", async () => {
    const [a, b] = estimatesIn(await served({ candidates: [A, B].map((one) => ({ ...one, model: { type: "embedding" } })) }, 2, { embeddings: true, body: { input: "word ".repeat(400) } })) ?? [];
    assert.ok(a !== undefined && b !== undefined && a.price_nano_usd > 300 && b.price_nano_usd === 3 * a.price_nano_usd, JSON.stringify([a, b]));
  });

  it("are not made where there was nothing to choose", async () => {
    const world = new World({ candidates: ["a"] });
    const { health } = world;
    health.estimate = () => assert.fail("an estimate was asked for");
    await world.ask();
    world.upstream.calls.at(-1)?.json(GOOD_ANSWER);
    await world.pass(100);
    assert.equal("estimates" in world.record.decision, false);
  });
});
