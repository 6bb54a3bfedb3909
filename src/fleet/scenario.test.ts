import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import {
  checkScenario, DEAD_PRIMARY_2023_11_08, loadFleetConfig, loadScenario, ScenarioPlayer, seededRandom, startFleet, type Fault,
} from "./index.ts";
import { ask, askRaw, oneProvider } from "./test-client.ts";

const HERE = dirname(fileURLToPath(import.meta.url));
const SCENARIOS = resolve(HERE, "../../scenarios");
const OUTAGES = join(process.env["SPILLWAY_SHARED"] ?? resolve(HERE, "../../../shared"), "data/outages/fault_scenarios.json");
const absent = existsSync(OUTAGES) ? false : "the shared data is absent";
const CALL = { path: "/v1/chat/completions", model: "m" };

/** What happens to 1,000 calls at a time, by kind and status. */
function mixAt(player: ScenarioPlayer, nowMs: number, call = CALL): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let at = 0; at < 1000; at += 1) {
    const fault: Fault = player.pick(call, nowMs) ?? { kind: "none" };
    const name = fault.kind === "status" ? String(fault.status) : fault.kind;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

function near(actual: number | undefined, share: number): void {
  assert.ok(Math.abs((actual ?? 0) / 1000 - share) < 0.05, `${actual} of 1000, expected about ${share * 1000}`);
}

describe("a scenario", () => {
  const random = (): (() => number) => {
    const seeded = seededRandom(5);
    return () => seeded.next();
  };

  it("plays each phase at its time, scaled and from its start on", () => {
    // Begins 10 s from now (at 15,000), 230 times as fast: 4,620 s take 20.09 s, 2,280 s take 9.91 s.
    const player = new ScenarioPlayer(checkScenario(DEAD_PRIMARY_2023_11_08), { timeScale: 230, startAtMs: 10_000 }, 5000, random());
    assert.deepEqual(mixAt(player, 14_999), { none: 1000 });
    const dead = mixAt(player, 15_001);
    near(dead["502"], 0.74);
    near(dead["503"], 0.25);
    const tail = mixAt(player, 15_000 + 20_100);
    near(tail["429"], 0.98);
    assert.equal(tail["502"], undefined);
    assert.deepEqual(mixAt(player, 15_000 + 30_001), { none: 1000 });
    assert.deepEqual(mixAt(player, 15_001, { path: "/v1/models", model: "" }), { none: 1000 });
    assert.equal(player.nextEdgeMs(5000), 15_000);
    assert.equal(player.nextEdgeMs(45_001), undefined);
  });

  it("touches only its paths and models, whichever way the path is written", () => {
    const player = new ScenarioPlayer(checkScenario({ id: "x", phases: [{ from_s: 0, to_s: 9, paths: ["/v1/embeddings"], models: ["m"], mix: [{ p: 1, status: 500 }] }] }), {}, 0, random());
    assert.deepEqual(mixAt(player, 1, { path: "/embeddings", model: "m" }), { "500": 1000 });
    assert.deepEqual(mixAt(player, 1, { path: "/embeddings", model: "n" }), { none: 1000 });
    assert.deepEqual(mixAt(player, 1), { none: 1000 });
  });

  it("knows every way to fail of the recorded outages", () => {
    const phase = (mix: object): ScenarioPlayer =>
      new ScenarioPlayer(checkScenario({ id: "x", phases: [{ from_s: 0, to_s: 100, mix: [{ p: 1, ...mix }] }] }), { timeScale: 10 }, 0, random());
    const one = (mix: object): Fault | undefined => phase(mix).pick(CALL, 1);
    assert.deepEqual(one({ ok: true }), undefined);
    assert.deepEqual(one({ ok: true, delay_before_headers_ms: 30_000 }), { kind: "stall_before_headers", for_ms: 3000 });
    assert.deepEqual(one({ timeout: true }), { kind: "stall_before_headers", for_ms: undefined });
    assert.deepEqual(one({ sse_error_after_events: 40, error: "overloaded_error" }), { kind: "error_event", at: 40, type: "overloaded_error" });
    assert.deepEqual(one({ close_after_events: 25, clean: true }), { kind: "cut_clean", after: 25 });
    assert.deepEqual(one({ close_after_events: 25, clean: false }), { kind: "cut_fin", after: 25 });
    assert.deepEqual(one({ reset_after_events: 25 }), { kind: "cut_reset", after: 25 });
    assert.deepEqual(one({ connect: "refused" }), { kind: "refuse" });
    assert.deepEqual(one({ fault: "missing_usage" }), { kind: "missing_usage" });
    assert.equal(phase({ connect: "refused" }).shutAt(1), true);
    assert.equal(phase({ connect: "refused" }).shutAt(10_001), false);
    assert.equal(phase({ status: 500 }).shutAt(1), false);
  });

  it("caps calls a minute of its own time and refuses the rest", () => {
    const scenario = checkScenario({ id: "x", phases: [{ from_s: 0, to_s: 600, rate_cap_per_min: 10, over_cap: { status: 429 } }] });
    const player = new ScenarioPlayer(scenario, { timeScale: 60 }, 0, random());
    assert.deepEqual(mixAt(player, 1), { none: 10, "429": 990 });
    assert.deepEqual(mixAt(player, 1001), { none: 10, "429": 990 });
  });

  it("is refused with the field that is wrong", () => {
    assert.throws(() => checkScenario({ id: "x", phases: [{ from_s: 0, to_s: 1, mix: [{ p: 2 }] }] }), /phases\[0\]\.mix\[0\]\.p: expected a number of at most 1, found 2/);
  });
});

describe("scenario files", () => {
  const files = globSync(join(SCENARIOS, "*.yaml")).filter((file) => !file.endsWith("fleet.yaml"));

  it("of the project are all well-formed, and shares add up to one", () => {
    assert.ok(files.length >= 5);
    for (const file of files) {
      for (const phase of loadScenario(file).phases) {
        const sum = (phase.mix ?? []).reduce((total, mix) => total + mix.p, 0);
        assert.ok(phase.mix === undefined || Math.abs(sum - 1) < 1e-9, `${file}: ${sum}`);
      }
    }
  });

  it("and the outage in the code are the same", () => {
    const { id, phases, healthy_paths } = parse(readFileSync(join(SCENARIOS, "dead-primary-2023-11-08.yaml"), "utf8")) as Record<string, unknown>;
    assert.deepEqual({ id, healthy_paths, phases }, DEAD_PRIMARY_2023_11_08);
  });

  it("are found beside a fleet's configuration", () => {
    const play = loadFleetConfig(join(SCENARIOS, "fleet.yaml")).providers[0]?.scenario?.play;
    assert.equal(typeof play === "object" && play.id, "dead-primary-2023-11-08");
  });

  it("of recorded outages can be played", { skip: absent }, () => {
    const scenarios = JSON.parse(readFileSync(OUTAGES, "utf8")) as { id: string }[];
    assert.ok(scenarios.length >= 8);
    for (const { id } of scenarios) {
      const scenario = loadScenario(`${OUTAGES}#${id}`);
      const [phase] = scenario.phases;
      assert.ok(phase, id);
      const player = new ScenarioPlayer(scenario, {}, 0, () => 0.01);
      const call = { path: phase.paths?.[0] ?? CALL.path, model: "m" };
      const picked = Array.from({ length: 20 }, () => player.pick(call, 1)).filter((fault) => fault !== undefined);
      assert.ok(picked.length > 0 || phase.first_token !== undefined, `${id} does nothing to a call`);
    }
  });
});

describe("a fleet that plays a scenario", () => {
  it("follows a clock that is passed in", async () => {
    let now = 0;
    const fleet = await startFleet(oneProvider("openai-chat"), { nowMs: () => now });
    try {
      const provider = fleet.provider("p");
      await fleet.play("p", { id: "x", phases: [{ from_s: 10, to_s: 20, mix: [{ p: 1, status: 530, body: "error code: 530", content_type: "text/plain" }] }] });
      const statusAt = async (atMs: number): Promise<number> => {
        now = atMs;
        const response = await ask(provider, false);
        await response.arrayBuffer();
        return response.status;
      };
      assert.deepEqual([await statusAt(9999), await statusAt(10_000), await statusAt(19_999), await statusAt(20_000)], [200, 530, 530, 200]);
    } finally {
      await fleet.close();
    }
  });

  it("stops listening while nothing can connect, and listens again afterwards", async () => {
    const fleet = await startFleet(oneProvider("openai-chat"));
    try {
      const provider = fleet.provider("p");
      await fleet.play("p", { id: "x", phases: [{ from_s: 0, to_s: 0.2, mix: [{ p: 1, connect: "refused" }] }] });
      assert.equal((await askRaw(provider, false)).end, "ECONNREFUSED");
      await new Promise((done) => { setTimeout(done, 260); });
      assert.match((await askRaw(provider, false)).text, /^HTTP\/1\.1 200 /);
    } finally {
      await fleet.close();
    }
  });

  it("replaces the pace of a provider that is slow and not down", async () => {
    const fleet = await startFleet(oneProvider("openai-chat"));
    try {
      await fleet.play("p", { id: "x", phases: [{ from_s: 0, to_s: 1000, first_token: 2000 }] }, { timeScale: 20 });
      const started = performance.now();
      await (await ask(fleet.provider("p"), false)).arrayBuffer();
      const took = performance.now() - started;
      assert.ok(took >= 99 && took < 1000, `${took} ms`);
    } finally {
      await fleet.close();
    }
  });
});
