/** The one description of a finished request: what was weighed, what was taken, what came of it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertBooksAgree, World } from "./test-world.ts";
import { DONE, GOOD_ANSWER, ROLE, finish, text, usage } from "./test-upstream.ts";

describe("embeddings", () => {
  it("run the same loop: hold, failover, check, charge", async () => {
    const world = new World({ candidates: ["a", "b"].map((name) => ({ name, model: { type: "embedding" as const } })) });
    const { reply } = await world.ask({ embeddings: true });
    world.call("a").json({ data: [], usage: { prompt_tokens: 1, total_tokens: 1 } });
    await world.pass();
    world.call("b").json({ data: [{ embedding: [0.5], index: 0 }], usage: { prompt_tokens: 1, total_tokens: 1 } });
    await world.pass();
    assert.equal(reply.status, 200);
    assert.equal(world.call("b").request.path, "/v1/embeddings");
    assert.equal(world.record.surface, "embeddings");
    assertBooksAgree(world);
  });
});

describe("the record", () => {
  it("holds candidates with their bounds and health, the filtered with their reason, and what was taken", async () => {
    const world = new World({ candidates: ["a", "b", { name: "c", model: { tools: false } }, "d"] });
    world.upstream.plays("a", (call) => call.refuse(500));
    world.upstream.plays("b", (call) => call.json(GOOD_ANSWER));
    world.rest("d");
    world.told("b", "rate", 1);
    await world.pass(1);
    await world.ask({ body: { tools: [{ type: "function", function: { name: "f" } }], max_completion_tokens: 10 } });
    const { record } = world;
    const decision = record.decision as unknown as {
      readonly strategy: string;
      readonly hold_nano_usd: number;
      readonly candidates: readonly { readonly deployment: string; readonly bound_nano_usd: number; readonly health: string; readonly automatic: boolean; readonly input_bound_tokens: number }[];
      readonly filtered: readonly { readonly deployment: string; readonly reason: string; readonly detail: string }[];
      readonly taken: readonly string[];
    };
    assert.equal(decision.strategy, "priority");
    assert.deepEqual(decision.candidates.map((one) => [one.deployment, one.health, one.automatic]), [["a/m", "admitting", false], ["b/m", "admitting", false], ["d/m", "resting", false]]);
    assert.ok(decision.candidates.every((one) => one.bound_nano_usd > 0 && one.input_bound_tokens > 0));
    assert.equal(decision.hold_nano_usd, Math.max(...decision.candidates.map((one) => one.bound_nano_usd)));
    assert.deepEqual(decision.filtered, [{ deployment: "c/m", reason: "no_tools", detail: "the model takes no tools", param: "tools" }]);
    assert.deepEqual(decision.taken, ["a/m", "b/m"]);
    assert.deepEqual(record.attempts.map((one) => [one.deployment, one.state, one.outcome, one.status]), [["a/m", "unbilled", "server", 500], ["b/m", "charged", "answered", 200]]);
    assert.equal(record.route, "r");
    assert.equal(record.model, "r");
    assert.equal(record.key, "app");
    assert.equal(record.tenant, "default");
    assert.equal(record.status, 200);
    assert.equal(record.costNanoUsd, 15_000);
    assert.deepEqual(record.units, { input: 9, output: 3 });
  });

  it("measures the first content and the whole from the request's start", async () => {
    const world = new World({ candidates: ["a"] });
    await world.ask({ stream: true });
    await world.pass(1_200);
    world.call("a").stream(ROLE, text("x"));
    await world.pass(3_000);
    world.call("a").say(finish(), usage(), DONE);
    await world.pass();
    assert.equal(world.record.ttftMs, 1_200);
    assert.equal(world.record.totalMs, 4_200);
    assert.equal(world.record.attempts[0]?.ttftMs, 1_200);
  });

  it("names what a candidate could not carry", async () => {
    const world = new World({ candidates: [{ name: "g", provider: { dialect: "gemini" } }] });
    const { reply } = await world.ask({ body: { audio: { voice: "x", format: "wav" }, modalities: ["audio"] } });
    assert.equal(reply.status, 400);
    assert.equal(reply.json.error.code, "unsupported_parameter");
    assert.equal(world.called, "");
    assert.equal((world.record.decision["unsupported"] as readonly unknown[]).length, 1);
  });

  it("lets the request be over where recording it fails, and says so", async () => {
    const world = new World({ candidates: ["a"] });
    world.upstream.plays("a", (call) => call.json(GOOD_ANSWER));
    world.deps.records.append = () => {
      throw new Error("whoever looks at records has a defect");
    };
    const asked = await world.ask({});
    await world.pass();
    assert.equal(asked.done, true, "in flight for ever");
    assert.deepEqual(world.logged.map(({ event }) => event), ["exchange_failed"]);
  });
});
