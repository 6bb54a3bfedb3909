/** Capacity that is paid for already, through the whole pipeline: it is called first, and only as long as it answers in time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../wire/json.ts";
import { CapacityBook } from "../decide/contract/meter.ts";
import { pricingUnder } from "../decide/contract/pricing.ts";
import { contractOf } from "../decide/contract/test-contracts.ts";
import type { Objective } from "../decide/objective/types.ts";
import { sheet } from "../decide/test-directory.ts";
import { assertBooksAgree, World } from "./test-world.ts";
import { GOOD_STREAM } from "./test-upstream.ts";

const IN_TIME: Objective = { name: "first_token", kind: "first_token", target: 0.98, window: { kind: "rolling", lengthMs: 86_400_000 }, within: [{ upToInputTokens: null, withinMs: 4_000 }], atLeast: null, unit: null };

/** A thousand tokens a second at `own`, whose list price is three times that of `other`. An answer is expected to be of 256 tokens. */
function world(more: JsonObject = {}, strategy: "balanced" | "cheapest" = "balanced"): World {
  const contract = contractOf({ account: "own", start: "2026-01-01", kind: "provisioned", provisioned: { units: 1, tokens_per_minute: 60_000, hourly_usd: 1, ...more } });
  const pricing = pricingUnder({ kind: "sheet", sheet: sheet(3, 6) }, "own/m", [contract], new CapacityBook(), new World({ candidates: ["a"] }).clock.wallMs());
  return new World({ candidates: [{ name: "other", pricing: { kind: "sheet", sheet: sheet(1, 2) } }, { name: "own", pricing }], strategy, objectives: [IN_TIME], terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: 0, hedgeShare: 0, exploreShare: 0 } });
}

/** So many requests at the same moment; where they went, in order. */
async function burst(it: World, count: number): Promise<readonly string[]> {
  const before = it.upstream.order.length;
  for (let i = 0; i < count; i++) await it.ask({ stream: true });
  return it.upstream.order.slice(before);
}

describe("reserved capacity", () => {
  for (const strategy of ["balanced", "cheapest"] as const) {
    it(`is called first, and what would wait too long there goes elsewhere: ${strategy}`, async () => {
      const own = world({}, strategy);
      const order = await burst(own, 40);
      const taken = order.filter((name) => name === "own").length;
      assert.deepEqual(order, [...Array.from({ length: taken }, () => "own"), ...Array.from({ length: 40 - taken }, () => "other")]);
      // Two tenths of 4 s are kept back, half a second is its own, and 0.26 s is the work of a call; by price alone nobody asks for 4 s.
      assert.ok(strategy === "balanced" ? taken >= 8 && taken <= 11 : taken >= 24 && taken <= 36, String(taken));
    });
  }

  it("is free again as its calls have content, and they cost nothing", async () => {
    const own = world();
    await burst(own, 20);
    await own.pass(300);
    for (const call of own.upstream.calls) call.stream(...GOOD_STREAM);
    await own.pass(2_000);
    assert.deepEqual(await burst(own, 3), ["own", "own", "own"]);
    for (const call of own.upstream.calls.slice(-3)) call.stream(...GOOD_STREAM);
    await own.pass(2_000);
    assert.ok(own.records.filter(({ deployment }) => deployment === "own/m").every(({ attempts }) => attempts.every(({ costNanoUsd }) => costNanoUsd === 0)));
    assertBooksAgree(own);
  });

  it("goes on being asked behind the others where its provider refuses what is beyond", async () => {
    const own = world({ beyond: "refused" });
    const order = await burst(own, 30);
    assert.equal(order.at(-1), "other");
    own.call("other").refuse(503);
    await own.pass(10);
    assert.equal(own.upstream.order.at(-1), "own");
  });
});
