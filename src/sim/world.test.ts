import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { changing, constant, empirical, histogram, lognormal, lognormalByP99, sometimesSlower, type Latency } from "./latency.ts";
import { ORDERED_FALLBACK, SINGLE } from "./peers/ordered.ts";
import { Chance } from "./random.ts";
import { scenarioOf, scenarioPhases } from "./scenario.ts";
import { POLICIES, simulate } from "./simulate.ts";
import { absent, availability, firstToken, priced, SCENARIOS, threeProviders } from "./test-worlds.ts";
import { readText } from "./csv.ts";
import { play, type RequestRecord, type Simulation } from "./run.ts";
import { atRate } from "./traffic.ts";
import type { DeploymentSpec, Phase } from "./world.ts";

function world(deployments: readonly Partial<DeploymentSpec>[], requests: number, perS = 10): Simulation {
  return {
    deployments: deployments.map((more, i) => ({ id: `d${i}`, price: priced(1), latency: constant(500), tokensPerS: 100, failsBefore: 0, failsAfter: 0, ...more })),
    objectives: [availability(0.999), firstToken(0.99, 1_000)],
    traffic: atRate({ perS, durationMs: ((requests + 0.5) * 1_000) / perS, gaps: "constant", sizes: [{ inputTokens: 1_000, outputTokens: 200 }] }),
    seed: 1,
  };
}

const always = (phase: Omit<Phase, "fromMs" | "toMs">): Partial<DeploymentSpec> => ({ phases: [{ fromMs: 0, toMs: 1e12, ...phase }] });

describe("a distribution of times", () => {
  const all: readonly (readonly [string, Latency])[] = [
    ["constant", constant(700)], ["log-normal", lognormal(800, 0.7)], ["log-normal by its p99", lognormalByP99(800, 6_000)],
    ["with a tail", sometimesSlower(lognormal(800, 0.4), 0.02, 30)], ["empirical", empirical([100, 900, 2_000, 40_000])],
    ["a histogram", histogram([[500, 1], [1_000, 3], [5_000, 1]])], ["changing", changing([{ fromMs: 0, latency: constant(1) }, { fromMs: 10, latency: lognormal(500, 0.5) }])],
  ];
  for (const [name, latency] of all) {
    it(`draws what it says of itself: ${name}`, () => {
      const chance = new Chance(11, name);
      const draws = Array.from({ length: 60_000 }, () => latency.draw(chance, 1_000));
      for (const ms of [300, 1_000, 4_000]) {
        const share = draws.filter((one) => one > ms).length / draws.length;
        assert.ok(Math.abs(share - latency.later(ms, 1_000)) < 0.01, `${share} against ${latency.later(ms, 1_000)} beyond ${ms}`);
      }
      const mean = draws.reduce((sum, one) => sum + one, 0) / draws.length;
      assert.ok(Math.abs(mean / latency.mean(1_000) - 1) < 0.08, `${mean} against ${latency.mean(1_000)}`);
    });
  }
});

describe("a simulated world", () => {
  it("bills an answer whole, a failure before content not at all, an aborted call by its prompt", () => {
    const whole = play(world([{}], 100), SINGLE);
    // 1,000 × 1,000 + 200 × 4,000 nano-dollars.
    assert.equal(whole.tally.all.costNanoUsd, 100 * 1_800_000);
    assert.equal(play(world([always({ faults: [{ kind: "refuse", p: 1, status: 500 }] })], 100), SINGLE).tally.all.costNanoUsd, 0);
    assert.equal(play(world([always({ faults: [{ kind: "stall", p: 1 }] })], 100), SINGLE).tally.all.costNanoUsd, 100 * 1_000_000);
  });

  it("counts answers that break off apart from errors before content", () => {
    const { all } = play(world([always({ faults: [{ kind: "break", p: 0.5 }, { kind: "refuse", p: 0.25, status: 500 }] })], 4_000), SINGLE).tally;
    assert.ok(Math.abs(all.broken / 4_000 - 0.5) < 0.04 && Math.abs(all.failed / 4_000 - 0.25) < 0.04, `${all.broken} ${all.failed}`);
    assert.equal(all.missed[0], all.broken + all.failed);
  });

  it("refuses what is over a cap per minute, and only that", () => {
    const { deployments } = play(world([{ capPerMin: 10 }], 3_000), SINGLE).tally;
    assert.equal(deployments[0]?.served, 50);
    assert.equal(deployments[0]?.refused429, 2_950);
  });

  it("slows down with its load", () => {
    const busy = play(world([{ capacity: 5 }], 2_000), SINGLE).tally.firstToken.quantile(0.9);
    const idle = play(world([{ capacity: 5 }], 200, 0.1), SINGLE).tally.firstToken.quantile(0.9);
    assert.ok(busy > 2 * idle, `${busy} ${idle}`);
  });

  it("gives every policy the same arrivals and the same fates", () => {
    const records = (kind: typeof SINGLE): RequestRecord[] => {
      const found: RequestRecord[] = [];
      play({ ...world([{ failsBefore: 0.1, latency: lognormal(500, 1) }, {}], 1_000), onRecord: (record) => found.push(record) }, kind);
      return found.toSorted((a, b) => a.request.id - b.request.id);
    };
    const alone = records(SINGLE);
    const ordered = records(ORDERED_FALLBACK);
    for (const [i, one] of alone.entries()) if (one.ending === "answered") assert.equal(ordered[i]?.firstTokenMs, one.firstTokenMs);
    assert.ok(alone.some(({ ending }) => ending === "failed"));
    assert.ok(ordered.every(({ ending }) => ending === "answered"));
  });

  it("lists its incidents with what they hit", () => {
    const outage: Phase = { fromMs: 10_000, toMs: 20_000, incident: "out", faults: [{ kind: "refuse", p: 1, status: 503 }] };
    const { incidents } = play(world([{ phases: [outage] }, {}], 400), ORDERED_FALLBACK).tally;
    const { requests, calls, failures, extra, failed } = incidents[0] ?? assert.fail();
    assert.deepEqual({ requests, calls, failures, extra, failed }, { requests: 100, calls: 100, failures: 99, extra: 99, failed: 0 });
  });

  it("counts the calls of an incident that never answered among its failures", () => {
    const outage: Phase = { fromMs: 10_000, toMs: 20_000, incident: "silent", faults: [{ kind: "stall", p: 1 }] };
    const { incidents, deployments } = play(world([{ phases: [outage] }, {}], 400), ORDERED_FALLBACK).tally;
    assert.equal(deployments[0]?.stalled, 100);
    // They were given up after 30 s, long after its end.
    assert.deepEqual([incidents[0]?.calls, incidents[0]?.failures], [100, 100]);
  });

  it("tells of every incident what became of its requests, however many have ended since", () => {
    const short = Array.from({ length: 12 }, (_, i): Phase => ({ fromMs: 1_000 + i * 100, toMs: 1_100 + i * 100, incident: `${i}` }));
    // Answers take two seconds and a half: all incidents have passed before the first of them ends.
    const { incidents } = play(world([{ phases: short }], 40), SINGLE).tally;
    assert.deepEqual(incidents.map(({ requests }) => requests), short.map(() => 1));
  });

  it("has shares of its base faults in phases as well, among the calls that these spare", () => {
    const half: Phase = { fromMs: 0, toMs: 1e9, faults: [{ kind: "refuse", p: 0.5, status: 503 }] };
    const { deployments } = play(world([{ phases: [half], faults: [{ kind: "stall", p: 0.2 }] }], 4_000), SINGLE).tally;
    assert.ok(Math.abs((deployments[0]?.failedBefore ?? 0) / 4_000 - 0.5) < 0.03);
    assert.ok(Math.abs((deployments[0]?.stalled ?? 0) / 4_000 - 0.1) < 0.02);
  });

  it("that lasts less than an hour has a worst hour all the same", () => {
    const [report] = simulate({ ...world([{ failsBefore: 0.3 }, {}], 400), spanMs: 10_000 }, [ORDERED_FALLBACK]);
    assert.ok((report?.worstHourExtraShare ?? 0) > 0.15, String(report?.worstHourExtraShare));
  });
});

test("one seed, one result: the same simulation gives the same bytes, for every policy", () => {
  const simulation = threeProviders("outages", 3, 0.4);
  const run = (): string => JSON.stringify(simulate(simulation, [...POLICIES.values()]));
  assert.equal(run(), run());
  assert.notEqual(run(), JSON.stringify(simulate({ ...simulation, seed: 4 }, [...POLICIES.values()])));
});

test("real incidents become phases of a simulated provider", { skip: absent(SCENARIOS) }, () => {
  const file: unknown = JSON.parse(readText(SCENARIOS));
  const [dead, busy] = scenarioPhases(scenarioOf(file, "openai-2023-11-08-chat-5xx-then-429"), 1_000);
  assert.deepEqual([dead?.fromMs, dead?.toMs, busy?.toMs], [1_000, 4_621_000, 6_901_000]);
  assert.deepEqual(busy?.faults, [{ kind: "refuse", p: 0.98, status: 429 }, { kind: "delay", p: 0.02, ms: 0 }]);
  assert.deepEqual(scenarioPhases(scenarioOf(file, "openai-2024-12-26-partial-by-endpoint"), 0), [], "chat is not touched");
  const [overloaded] = scenarioPhases(scenarioOf(file, "anthropic-529-overloaded-mid-stream"), 0);
  assert.deepEqual(overloaded?.faults?.map(({ kind }) => kind), ["refuse", "fail-first", "break", "delay"]);
  assert.throws(() => scenarioOf(file, "nowhere"), /no scenario "nowhere"/);
});

test("decisions and records included, at least 25,000 requests a second of one core", () => {
  const simulation = threeProviders("steady", 1, 2);
  let records = 0;
  // By the time that this process was given, however busy the machine is.
  const before = process.cpuUsage();
  for (const kind of POLICIES.values()) if (kind.name === "spillway") play({ ...simulation, onRecord: () => (records += 1) }, kind);
  const { user, system } = process.cpuUsage(before);
  const perS = (records * 1e6) / (user + system);
  assert.ok(perS > 25_000, `${Math.round(perS)} a second`);
});
