import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { parseConfig } from "../config/load.ts";
import { buildSnapshot } from "../config/snapshot.ts";
import { NO_EFFECTS } from "../decide/objective/policy.ts";
import { loadCatalogue } from "../providers/catalog/index.ts";
import { PROVIDERS } from "../providers/registry.ts";
import type { FeedbackGiven, RequestRecord } from "../ports.ts";
import { asString, type JsonObject } from "../wire/json.ts";
import type { Notice } from "../wire/notice.ts";
import { Canaries, isCopy } from "./canary.ts";

const root = mkdtempSync(join(tmpdir(), "spillway-canary-"));
after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;

const TEXT = `version: 1
providers:
  openai: { api_key: "0123456789abcdef" }
  groq: { api_key: "0123456789abcdef" }
routes:
  support:
    candidates: [openai/gpt-4o, { use: openai/gpt-4o-mini, weight: 2 }]
    objectives: { availability: { target: 99.9%, window: 30d } }
    canary: { use: groq/llama-3.3-70b-versatile, share: 5%, min_requests: 30 }
    mirror: { use: openai/gpt-4.1, share: 1%, max_usd_per_day: 0.5 }
  plain: { candidates: [openai/gpt-4o] }
`;

class World {
  wallMs = Date.UTC(2026, 10, 23, 8);
  frozen = false;
  readonly told: Notice[] = [];
  readonly logged: string[] = [];
  readonly canaries: Canaries;
  readonly canary: string;

  constructor(folder: string, text = TEXT) {
    const parsed = parseConfig(text, { source: "t", env: {}, readFile: () => "", providers: PROVIDERS });
    assert.ok(parsed.ok, parsed.ok ? "" : JSON.stringify(parsed.errors));
    const snapshot = buildSnapshot(parsed.config, loadCatalogue(), PROVIDERS);
    assert.deepEqual(snapshot.problems, []);
    const log = { info: (event: string) => void this.logged.push(event), warn: (event: string) => void this.logged.push(event), error: (event: string) => assert.fail(event) };
    this.canaries = new Canaries({
      clock: { wallMs: () => this.wallMs }, log, folder, config: () => parsed.config, directory: () => snapshot.directory,
      effectsOf: () => ({ ...NO_EFFECTS, freezeCanaries: this.frozen }), notify: (notice) => void this.told.push(notice),
    });
    const found = snapshot.directory.resolve("support");
    this.canary = found.kind === "route" ? (found.route.canary?.deployment.id ?? "") : "";
  }

  ask(arm: "canary" | "rest" | "mirror", outcome: string, count = 1, more: Partial<RequestRecord> = {}): void {
    const deployment = arm === "canary" ? this.canary : arm === "mirror" ? "openai/gpt-4.1" : "openai/gpt-4o";
    const attempt = { attemptId: "", deployment, state: "charged", outcome, status: 200, units: {}, costNanoUsd: 0, flags: [], ttftMs: 1, totalMs: 2 } as const;
    const record: RequestRecord = {
      requestId: "r", atMs: this.wallMs, tenant: "default", key: "app", surface: "chat", stream: true, model: "support", route: "support", deployment, attempts: [attempt], units: {},
      costNanoUsd: arm === "canary" ? 300 : 1_000, ttftMs: 100, totalMs: 500, status: 200, outcome: "ok", errorCode: null, flags: arm === "rest" ? [] : [arm], warnings: [], decision: {}, ...more,
    };
    for (let i = 0; i < count; i++) this.canaries.recorded(record);
  }

  standing(): JsonObject {
    return ((this.canaries.command("")["canaries"] as JsonObject[])[0] ?? {}) as JsonObject;
  }
}

function folder(): string {
  return mkdtempSync(join(root, `${folders++}-`));
}

describe("canaries of a running gateway", () => {
  it("tell how each stands beside the others of its route: its calls, what they cost, what was said of them", () => {
    const world = new World(folder());
    world.ask("rest", "answered", 400);
    world.ask("canary", "answered", 20);
    const feedback = { add: (): boolean => true, requestOf: () => null };
    const given: FeedbackGiven = { requestId: "r", tenant: "default", key: "app", atMs: 0, score: 0.8, comment: null, route: "support", deployment: world.canary };
    const { feedback: heard } = world.canaries.parts(feedback);
    assert.equal(heard.add(given), true);
    heard.add({ ...given, deployment: "openai/gpt-4o", score: -1 });
    const { state, canary, rest, cost_ratio: ratio, objectives } = world.standing();
    assert.deepEqual([state, canary, rest, ratio], [
      "collecting", { requests: 20, cost_per_request_usd: "0.000000300", scores: 1, mean_score: 0.8 }, { requests: 400, cost_per_request_usd: "0.000001000", scores: 1, mean_score: 0 }, 0.3,
    ]);
    assert.deepEqual((objectives as JsonObject[])[2], { objective: "availability", span: "trial", canary: { valid: 20, bad: 0, burn: 0 }, rest: { valid: 400, bad: 0, burn: 0 } });
    world.ask("canary", "answered", 10);
    assert.equal(world.standing()["state"], "ready");
    assert.deepEqual([world.canaries.takes("support"), world.canaries.takes("plain")], [true, false]);
  });

  it("are rolled back when their budget burns alone: told once, with the reason, and kept over a restart until somebody resumes", () => {
    const at = folder();
    const world = new World(at);
    world.ask("rest", "answered", 400);
    for (let i = 0; i < 40; i++) world.ask("canary", "server");
    assert.deepEqual(world.told.map(({ kind, severity, scopes }) => [kind, severity, scopes]), [["canary_rolled_back", "warning", ["route/support"]]]);
    assert.match(world.told[0]?.text ?? "", /20 of its 20 calls over 60s were bad.*spillway canary resume support/);
    assert.deepEqual(world.logged, ["canary_rolled_back"]);
    assert.equal(world.canaries.takes("support"), false);
    // The process is killed: nothing was closed.
    const again = new World(at);
    assert.deepEqual([again.canaries.takes("support"), again.standing()["state"]], [false, "rolled_back"]);
    assert.deepEqual(again.canaries.command("resume plain"), { error: "the route plain has no canary" });
    assert.equal(again.canaries.command("resume support")["state"], "collecting");
    assert.equal(again.canaries.takes("support"), true);
    assert.deepEqual(again.canaries.command("resume support"), { error: "the canary of support was not rolled back" });
    assert.equal(new World(at).canaries.takes("support"), true);
  });

  it("are rolled back too where they rest, so that fallbacks are called in their place", () => {
    const world = new World(folder());
    for (let i = 0; i < 5; i++) world.ask("canary", "server");
    const attempts = [{ attemptId: "", deployment: "openai/gpt-4o", state: "charged", outcome: "answered", status: 200, units: {}, costNanoUsd: 0, flags: [], ttftMs: 1, totalMs: 2 }] as const;
    world.ask("canary", "", 15, { attempts, decision: { candidates: [{ deployment: world.canary, health: "resting" }] } });
    assert.equal(world.canaries.takes("support"), false);
  });

  it("are not judged by what they could not carry, nor by copies", () => {
    const world = new World(folder());
    const attempts = [{ attemptId: "", deployment: "openai/gpt-4o", state: "charged", outcome: "server", status: 200, units: {}, costNanoUsd: 0, flags: [], ttftMs: 1, totalMs: 2 }] as const;
    world.ask("canary", "", 60, { attempts, decision: { candidates: [{ deployment: world.canary, health: "admitting" }] } });
    world.ask("mirror", "server", 60);
    assert.deepEqual([world.canaries.takes("support"), world.told], [true, []]);
    assert.deepEqual((world.canaries.command("")["mirrors"] as JsonObject[])[0], { route: "support", use: "openai/gpt-4.1", share: 0.01, calls: 60, failed: 60, spent_today_usd: "0.000000000", max_usd_per_day: "0.500000000" });
    assert.deepEqual([isCopy({ flags: ["mirror"] }), isCopy({ flags: [] }), isCopy({ flags: ["canary"] })], [true, false, false]);
  });

  it("take nothing while the route's error budget freezes them", () => {
    const world = new World(folder());
    world.frozen = true;
    assert.deepEqual([world.canaries.takes("support"), world.standing()["state"]], [false, "frozen"]);
  });

  it("are promoted by hand: the lines are printed, and mean the same route with the canary as its first candidate", () => {
    const world = new World(folder());
    const yaml = asString(world.canaries.command("promote support")["yaml"]) ?? "";
    assert.equal(yaml, "routes:\n  support:\n    candidates:\n      - groq/llama-3.3-70b-versatile\n      - openai/gpt-4o\n      - { use: openai/gpt-4o-mini, weight: 2 }\n    # and take out canary:\n");
    const head = TEXT.slice(0, TEXT.indexOf("routes:"));
    const parsed = parseConfig(head + yaml, { source: "t", env: {}, readFile: () => "", providers: PROVIDERS });
    assert.deepEqual(parsed.ok && parsed.config.routes[0]?.candidates.map(({ use }) => use), ["groq/llama-3.3-70b-versatile", "openai/gpt-4o", "openai/gpt-4o-mini"]);
  });

  it("keep what was counted over a reload of the configuration, and remember what a mirror spent today over a restart", () => {
    const at = folder();
    const world = new World(at);
    world.ask("canary", "answered", 7);
    world.canaries.reloaded();
    assert.equal((world.standing()["canary"] as JsonObject)["requests"], 7);
    const cap = world.canaries.mirrors.capOf("support");
    assert.ok(cap.reserve(1_000, 500_000_000, world.wallMs));
    cap.settle(1_000, 900, world.wallMs);
    world.canaries.close();
    assert.equal((new World(at).canaries.command("")["mirrors"] as JsonObject[])[0]?.["spent_today_usd"], "0.000000900");
  });
});
