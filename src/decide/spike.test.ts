import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { choose, describeChoice } from "./choose.ts";
import { DEFAULT_CLOCKS, type RequestShape, type Route } from "./deployment.ts";
import { HealthBook } from "./health/book.ts";
import { SpikeBook } from "./spike.ts";
import { provider, sheet } from "./test-directory.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** A deployment under traffic: `lots` lots of 32 calls, two seconds and a bit apart. */
class Traffic {
  readonly book = new SpikeBook();
  nowMs = 0;
  #calls = 0;

  run(lots: number, costNanoUsd: number | ((call: number) => number), tokens = 1_000, deployment = "a/m"): this {
    for (let i = 0; i < lots * 32; i++) {
      this.nowMs += 2_000;
      this.#calls += 1;
      // Real calls differ: a tenth more or less.
      const wobble = 0.9 + ((this.#calls * 7) % 11) / 50;
      this.book.observe(deployment, typeof costNanoUsd === "number" ? costNanoUsd * wobble : costNanoUsd(i), tokens, this.nowMs);
    }
    return this;
  }

  get events(): readonly string[] {
    return this.book.takeEvents().map(({ kind, spike, why }) => `${kind} ${spike.by}: ${why}`);
  }

  get dear(): readonly string[] {
    return [...this.book.dearAt(this.nowMs).keys()];
  }
}

describe("a cost spike", () => {
  it("begins when calls cost more than they did, says by how much and why, and ends when they do not", () => {
    const traffic = new Traffic().run(10, 3_000_000);
    assert.deepEqual([traffic.dear, traffic.events], [[], []]);
    traffic.run(2, 9_000_000);
    assert.deepEqual(traffic.dear, ["a/m"]);
    const [began] = traffic.events;
    assert.match(began ?? "", /^began tokens: a million tokens cost \$9\.\d{4}, 3\.\d times the usual \$\d\.\d{4} \(dearer tokens/);
    traffic.run(2, 3_000_000);
    assert.deepEqual([traffic.dear, traffic.events], [[], ["ended tokens: its calls cost what they did before"]]);
  });

  it("of longer calls is told apart from one of dearer tokens", () => {
    const traffic = new Traffic().run(10, 3_000_000, 1_000).run(2, 9_000_000, 3_000);
    assert.match(traffic.events[0] ?? "", /^began request: a request cost \$0\.00\d+, 3\.\d times .*its calls became longer/);
  });

  it("is no single huge call, no single dear lot, and no deployment of which little is known", () => {
    const huge = new Traffic().run(10, 3_000_000, 0).run(5, (call) => (call % 32 === 3 ? 5_000_000_000 : 3_000_000), 0);
    assert.deepEqual(huge.events, []);
    assert.deepEqual(new Traffic().run(10, 3_000_000).run(1, 30_000_000).run(10, 3_000_000).events, []);
    assert.deepEqual(new Traffic().run(3, 3_000_000).run(10, 30_000_000).events, []);
  });

  it("is nothing where prices always swing that far", () => {
    const traffic = new Traffic();
    for (let i = 0; i < 20; i++) traffic.run(1, i % 2 === 0 ? 1_000_000 : 5_000_000);
    assert.deepEqual(traffic.events, []);
  });

  it("is of one deployment alone", () => {
    const traffic = new Traffic().run(10, 3_000_000).run(10, 1_000_000, 1_000, "b/m").run(3, 9_000_000);
    assert.deepEqual(traffic.dear, ["a/m"]);
  });

  it("is looked at anew after an hour without calls; still dear after one lot, it is left for two", () => {
    const traffic = new Traffic().run(10, 3_000_000).run(2, 9_000_000);
    traffic.nowMs += HOUR_MS - 1;
    assert.deepEqual(traffic.dear, ["a/m"]);
    traffic.nowMs += 1;
    assert.deepEqual(traffic.dear, []);
    traffic.run(1, 9_000_000);
    traffic.nowMs += HOUR_MS + MINUTE_MS;
    assert.deepEqual(traffic.dear, ["a/m"]);
    traffic.nowMs += HOUR_MS;
    assert.deepEqual(traffic.dear, []);
  });

  it("that stays a day is the level from then on", () => {
    const traffic = new Traffic().run(10, 3_000_000);
    for (let i = 0; i < 40; i++) {
      traffic.run(2, 9_000_000);
      traffic.nowMs += 40 * MINUTE_MS;
    }
    assert.equal(traffic.events.at(-1), "ended tokens: it has cost this much for a day: that is its level now");
    traffic.run(20, 9_000_000);
    assert.deepEqual([traffic.dear, traffic.events], [[], []]);
  });

  it("comes of a price list at once, for a day, whatever the calls say", () => {
    const traffic = new Traffic().run(10, 3_000_000);
    traffic.book.priceRose("a/m", "output went from $1 to $2 per million", traffic.nowMs);
    assert.deepEqual([...traffic.book.dearAt(traffic.nowMs)], [["a/m", "output went from $1 to $2 per million"]]);
    traffic.run(20, 6_000_000);
    assert.deepEqual(traffic.dear, ["a/m"]);
    traffic.nowMs += 24 * HOUR_MS;
    assert.deepEqual(traffic.dear, []);
    assert.deepEqual(traffic.events, ["began price: output went from $1 to $2 per million", "ended price: a day has passed: this is its price"]);
  });
});

describe("a route with on_cost_spike: move", () => {
  const SHAPE: RequestShape = { endpoint: "chat", stream: false, inputBoundTokens: 10, inputEstimateTokens: 10, imageCount: 0, maxOutputTokens: 10, choiceCount: 1, needs: [] };
  const candidates = ["a", "b", "c"].map((name) => ({
    deployment: { id: `${name}/m`, account: name, provider: provider(name), model: null, upstreamModel: "m", pricing: { kind: "sheet", sheet: sheet(1, 2) } as const, contextWindow: 1_000, maxOutput: 100, baseUrl: "", region: null, domain: {}, reasons: false },
    weight: 1, automatic: false,
  }));
  const health = new HealthBook({ restMs: 1, restMaxMs: 1 });
  const order = (more: Partial<Route>) => {
    const route = { name: "r", candidates, strategy: "priority", clocks: DEFAULT_CLOCKS, keepalive: true, forwardHeaders: [], defaultMaxOutput: 8, automatic: false, ...more } satisfies Route;
    return choose({ route, shape: SHAPE, measure: { textBytes: 10, messageAndToolCount: 1, imageCount: 0, unsized: false }, view: ({ id, account }) => health.view(id, account, "chat", 0), wallMs: 0, random: () => 0.5 });
  };

  it("puts what became dear last, with the reason on record; others leave the order alone", () => {
    health.markDear(new Map([["a/m", "three times the usual"]]));
    const moved = order({ onCostSpike: "move" });
    assert.deepEqual(moved.candidates.map(({ deployment }) => deployment.id), ["b/m", "c/m", "a/m"]);
    const told = describeChoice(moved, []) as { candidates: readonly { deployment: string; cost_spike?: string }[] };
    assert.deepEqual(told.candidates.map(({ cost_spike }) => cost_spike), [undefined, undefined, "three times the usual"]);
    assert.deepEqual(order({}).candidates.map(({ deployment }) => deployment.id), ["a/m", "b/m", "c/m"]);
  });

  it("still uses it where nothing else is there", () => {
    health.markDear(new Map(["a/m", "b/m", "c/m"].map((id) => [id, "dear"])));
    assert.deepEqual(order({ onCostSpike: "move" }).candidates.map(({ deployment }) => deployment.id), ["a/m", "b/m", "c/m"]);
    health.markDear(new Map());
  });
});
