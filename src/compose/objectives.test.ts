import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { Config } from "../config/types.ts";
import { parseConfig } from "../config/load.ts";
import type { StoredObject } from "../control/types.ts";
import { PROVIDERS } from "../providers/registry.ts";
import type { RequestRecord } from "../ports.ts";
import type { Notice } from "../wire/notice.ts";
import { aHold, aRecord, START_MS } from "../storage/conformance.ts";
import type { Endings } from "../storage/outcomes-recovery.ts";
import { SqliteStorage } from "../storage/sqlite.ts";
import { objectiveGauges, Objectives } from "./objectives.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-objectives-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const TEXT = `version: 1
providers: { openai: { api_key: "0123456789abcdef" } }
routes: { support: { candidates: [openai/gpt-4o], objectives: { availability: { target: 99%, window: 30d } } } }
objectives: { search: { scopes: [team/search], availability: { target: 99%, window: month } } }
contracts: { openai: { account: openai, models: ["*"], kind: pay_as_you_go, start: "2026-01-01", sla: { uptime_percent: 99.9, credits: [{ below_percent: 99.9, credit_percent: 10 }] } } }
`;

function configOf(text: string): Config {
  const parsed = parseConfig(text, { source: "t", env: {}, readFile: () => "", providers: PROVIDERS });
  assert.ok(parsed.ok, parsed.ok ? "" : JSON.stringify(parsed.errors));
  return parsed.config;
}

class World {
  wallMs: number;
  readonly told: Notice[] = [];
  readonly warned: string[] = [];
  config: Config;
  readonly objectives: Objectives;

  constructor(at: string, text = TEXT, endings?: Endings) {
    this.wallMs = endings === undefined ? Date.UTC(2026, 10, 23, 8) : START_MS;
    this.config = configOf(text);
    const key = { kind: "key", id: "app", tenant: "default", version: 1, body: { team: "search" } } as unknown as StoredObject;
    const log = { info: () => undefined, warn: (event: string) => void this.warned.push(event), error: (event: string) => assert.fail(event) };
    this.objectives = new Objectives({
      clock: { wallMs: () => this.wallMs }, log, folder: at, config: () => this.config, contracts: () => this.config.contracts,
      store: { get: (kind, id) => (kind === "key" && id === "app" ? key : undefined), onChange: () => undefined }, outcomes: { promise: () => undefined }, notify: (notice) => void this.told.push(notice),
      ...(endings === undefined ? {} : { endings }),
    });
  }

  ask(count: number, failed: boolean, key = "app"): void {
    const attempt = { attemptId: "", deployment: "openai/gpt-4o", state: "charged", outcome: failed ? "server" : "answered", status: 200, units: {}, costNanoUsd: 0, flags: [], ttftMs: 1, totalMs: 2 } as const;
    const record: RequestRecord = {
      requestId: "r", atMs: this.wallMs, tenant: "default", key, surface: "chat", stream: true, model: "support", route: "support", deployment: failed ? null : "openai/gpt-4o", attempts: [attempt], units: { input: 10, output: 20 },
      costNanoUsd: 0, ttftMs: failed ? null : 100, totalMs: 500, status: failed ? 502 : 200, outcome: failed ? "error" : "ok", errorCode: failed ? "upstream_error" : null, flags: [], warnings: [], decision: {},
    };
    for (let i = 0; i < count; i++) this.objectives.recorded(record);
  }

  standing(): string[] {
    return this.objectives.watched().map(({ owner, standing }) => `${owner.kind}/${owner.id} ${Math.round(standing.valid)} ${Math.round(standing.bad)}`);
  }
}

describe("objectives of a gateway", () => {
  it("count what ended, call people when a budget burns, and say when it no longer does", () => {
    const world = new World(mkdtempSync(join(folder, "a")));
    world.ask(800, false);
    world.ask(200, true, "elsewhere");
    world.objectives.tick();
    assert.deepEqual(world.standing(), ["route/support 1000 200", "scope/search 800 0", "contract/openai 1000 200"]);
    assert.deepEqual(world.told.map(({ kind, severity, title }) => `${kind} ${severity}: ${title}`), [
      "objective_burn critical: The error budget of route support burns: availability", "objective_burn critical: The error budget of route support burns: availability", "objective_burn warning: The error budget of route support burns: availability",
      "objective_burn critical: The error budget of contract openai burns: uptime", "objective_burn critical: The error budget of contract openai burns: uptime", "objective_burn warning: The error budget of contract openai burns: uptime",
    ]);
    assert.match(world.told[0]?.text ?? "", /^Requests that are answered whole: 99 % promised, \d[\d.]* % of the error budget left\. It goes 20 times as fast as it may over 1h and 20 times over 5m\. Rule: a page at 14\.4 times over 1h and 5m\.$/);
    assert.equal(world.told[0]?.scopes[0], "route/support");
    world.told.length = 0;
    world.wallMs += 310_000;
    world.objectives.tick();
    assert.deepEqual(world.told.map(({ kind, fields }) => `${kind} ${String(fields["owner"])} ${String(fields["rule"])}`), ["objective_kept route/support page_fast", "objective_kept contract/openai page_fast"]);
  });

  it("say that nobody watches any longer what burned when it was taken out of the configuration", () => {
    const world = new World(mkdtempSync(join(folder, "j")));
    world.ask(200, true);
    world.objectives.tick();
    world.told.length = 0;
    world.config = configOf("version: 1\nproviders: { openai: { api_key: \"0123456789abcdef\" } }\nroutes: { support: { candidates: [openai/gpt-4o] } }\n");
    world.objectives.reloaded();
    const ends = world.told.filter(({ fields }) => fields["rule"] === "page_fast");
    assert.deepEqual(ends.map(({ kind, severity, title }) => `${kind} ${severity}: ${title}`), [
      "objective_kept info: The error budget of route support is no longer watched: availability", "objective_kept info: The error budget of objective search is no longer watched: availability",
      "objective_kept info: The error budget of contract openai is no longer watched: uptime",
    ]);
    assert.match(ends[0]?.text ?? "", /^It burned when it was taken out of the configuration, or changed what it means\. Requests that/);
    world.objectives.reloaded();
    world.objectives.tick();
    assert.equal(world.told.length, 9);
  });

  it("are kept over restarts, each minute and at the end, and told only once", () => {
    const at = mkdtempSync(join(folder, "b"));
    const first = new World(at);
    first.ask(50, true);
    first.objectives.tick();
    assert.equal(first.told.filter(({ title }) => title.startsWith("Low traffic")).length, 6);
    // Killed here: what came since the last minute is lost, the rest is not.
    const killed = new World(at);
    assert.deepEqual(killed.standing(), first.standing());
    killed.objectives.tick();
    assert.deepEqual(killed.told, []);
    killed.ask(10, false);
    killed.objectives.close();
    assert.deepEqual(new World(at).standing(), ["route/support 60 50", "scope/search 60 50", "contract/openai 60 50"]);
  });

  it("are counted again from the records where a process was killed, each request once, with those that died with it", async () => {
    const at = mkdtempSync(join(folder, "h"));
    const wallMs = (): number => START_MS;
    const storage = new SqliteStorage(join(at, "ledger.db"), { wallMs, checkpointEveryMs: 0 });
    const first = new World(at, TEXT, storage.endings);
    const end = (number: number, over: Partial<RequestRecord> = {}): void => {
      const record = aRecord(number, { atMs: START_MS, key: "app", ...over });
      storage.records.append(record);
      if (!record.flags.includes("mirror")) first.objectives.recorded(record);
    };
    const lost = { outcome: "error", status: 502, errorCode: "upstream_error", deployment: null, ttftMs: null } as const;
    end(1);
    end(2, lost);
    first.objectives.tick();
    end(3);
    end(4, lost);
    end(5, { flags: ["mirror"] });
    storage.records.flush();
    const before = first.standing();
    assert.deepEqual(before.slice(0, 2), ["route/support 4 2", "scope/search 4 2"]);
    await storage.ledger.reserve([aHold(6, { scopes: ["tenant/default", "key/app", "team/search", "route/support"] })]);
    const copy = mkdtempSync(join(folder, "i"));
    cpSync(at, copy, { recursive: true });
    await storage.close();
    for (const _start of [1, 2]) {
      const again = new SqliteStorage(join(copy, "ledger.db"), { wallMs, checkpointEveryMs: 0 });
      const world = new World(copy, TEXT, again.endings);
      assert.deepEqual(world.standing().slice(0, 2), ["route/support 5 3", "scope/search 5 3"]);
      world.objectives.tick();
      await again.close();
    }
  });

  it("tell nothing twice where the process dies right after it told", () => {
    const at = mkdtempSync(join(folder, "f"));
    const first = new World(at);
    first.ask(900, false);
    first.objectives.tick();
    first.wallMs += 10_000;
    first.ask(300, true);
    first.objectives.tick();
    assert.ok(first.told.length > 0);
    const killed = new World(at);
    killed.wallMs = first.wallMs + 1_000;
    killed.ask(20, true);
    killed.objectives.tick();
    assert.deepEqual(killed.told.map(({ dedupKey }) => dedupKey), []);
  });

  it("have error budgets do what they say from a restart's first request on", () => {
    const at = mkdtempSync(join(folder, "g"));
    const text = TEXT.replace("window: 30d } }", "window: 30d } }, error_budget: [{ left: 0%, do: [refuse_low] }]");
    const first = new World(at, text);
    first.ask(100, true);
    first.objectives.close();
    const again = new World(at, text);
    again.objectives.start();
    assert.equal(again.objectives.effectsOf("support").refuseLow, true);
    again.objectives.close();
  });

  it("start empty, with a word in the log, where the file cannot be read", () => {
    const at = mkdtempSync(join(folder, "c"));
    writeFileSync(join(at, "objectives.json"), '{"version":1,"obj');
    const world = new World(at);
    assert.deepEqual([world.warned, world.standing()[0]], [["objectives_not_read"], "route/support 0 0"]);
  });

  it("are listed with all that is known of them, and as gauges", () => {
    const world = new World(mkdtempSync(join(folder, "d")));
    world.ask(99, false);
    world.ask(1, true);
    const [row] = world.objectives.listing()["data"] as readonly { readonly [name: string]: unknown; readonly burn: Readonly<Record<string, number>> }[];
    assert.ok(row !== undefined);
    assert.deepEqual([row["owner"], row["objective"], row["target"], row["valid"], row["bad"], row["attained"], row.burn["5m"]], ["route/support", "availability", 0.99, 100, 1, 0.99, 1]);
    const text = objectiveGauges(world.objectives.watched());
    assert.match(text, /^spillway_objective_attained\{owner="route\/support",objective="availability"\} 0\.99$/m);
    assert.match(text, /^spillway_objective_burn\{owner="contract\/openai",objective="uptime",span="1h"\} 10$/m);
    assert.equal(objectiveGauges([]), "");
  });

  it("cost nothing, and leave no file, where nothing is promised", () => {
    const at = mkdtempSync(join(folder, "e"));
    const world = new World(at, 'version: 1\nproviders: { openai: { api_key: "0123456789abcdef" } }\nroutes: { support: { candidates: [openai/gpt-4o] } }\n');
    world.ask(10, true);
    world.objectives.tick();
    world.objectives.close();
    assert.equal(world.objectives.book.empty, true);
    assert.throws(() => rmSync(join(at, "objectives.json")), /ENOENT/);
  });
});
