import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Exploration, probeIntervalMs, streakPart } from "./explore.ts";

/** A probe costs three times what a request would save. */
const facts = { probeNanoUsd: 3_000_000, savingNanoUsd: 1_000_000, badChance: 0.1, streak: 0 };

describe("the interval of probes", () => {
  it("costs little where requests are many, and more where they are few", () => {
    for (const { requestsPerS, share } of [{ requestsPerS: 100, share: 0.000_7 }, { requestsPerS: 1, share: 0.007 }, { requestsPerS: 1 / 60, share: 0.053 }]) {
      const probes = 1 / ((probeIntervalMs({ ...facts, requestsPerS }) / 1_000) * requestsPerS);
      assert.ok(Math.abs(probes / share - 1) < 0.05, `${probes} of requests at ${requestsPerS} per second`);
    }
  });

  it("is half an hour for one that saves nothing, and never longer", () => {
    assert.equal(probeIntervalMs({ ...facts, savingNanoUsd: 0, requestsPerS: 100 }), 1_800_000);
    assert.equal(probeIntervalMs({ ...facts, savingNanoUsd: -1, requestsPerS: 1, streak: 100 }), 1_800_000);
    assert.equal(probeIntervalMs({ ...facts, savingNanoUsd: 1, requestsPerS: 0.001 }), 1_800_000);
    assert.equal(probeIntervalMs({ ...facts, requestsPerS: 0 }), 1_800_000);
  });

  it("shrinks by halves to a sixteenth as good probes become more than the estimate explains", () => {
    assert.equal(streakPart(0.1, 6), 1, "0.9 to the sixth is above a half");
    assert.equal(streakPart(0.1, 7), 1 / 2);
    assert.equal(streakPart(0.5, 3), 1 / 8);
    assert.equal(streakPart(1, 1), 1 / 16);
    assert.equal(streakPart(0.5, 50), 1 / 16);
    assert.equal(streakPart(0, 1_000), 1);
  });
});

describe("what is known of calls", () => {
  it("counts one that was never called from the route's first call", () => {
    const exploration = new Exploration();
    assert.equal(exploration.idleMs("b", 5_000), 0);
    exploration.called("a", 10_000);
    assert.equal(exploration.idleMs("b", 15_000), 5_000);
    exploration.called("b", 16_000);
    assert.equal(exploration.idleMs("b", 16_500), 500);
  });

  it("counts good probes until a bad one, or until it is chosen", () => {
    const exploration = new Exploration();
    exploration.called("b", 0);
    for (let i = 0; i < 3; i++) exploration.probed("b", true);
    assert.equal(exploration.streak("b"), 3);
    exploration.probed("b", false);
    assert.equal(exploration.streak("b"), 0);
    exploration.probed("b", true);
    exploration.chosen("b");
    assert.equal(exploration.streak("b"), 0);
  });

  it("is forgotten with the deployment", () => {
    const exploration = new Exploration();
    exploration.called("a", 0);
    exploration.called("b", 900);
    exploration.keep(new Set(["a"]));
    assert.equal(exploration.idleMs("b", 1_000), 1_000);
  });
});
