/** Objectives of a running gateway: counted from real requests, shown by the admin API, the command line and the metrics, and kept over a restart. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runCommand } from "../support/command.ts";
import { adminWorld, CONFIGURED_KEY, type AdminWorld } from "./world.ts";

const PROMISES = {
  routes: { support: { candidates: ["one/chat"], strategy: "priority", objectives: { availability: { target: "99%", window: "30d" }, first_token: { p99: "10s", window: "month", zone: "Europe/Berlin" } } } },
  objectives: { search: { scopes: ["team/search"], availability: { target: "99%", window: "7d" } } },
  contracts: { agreed: { account: "one", models: ["*"], kind: "pay_as_you_go", start: "2020-01-01", sla: { uptime_percent: 99.9, credits: [{ below_percent: 99.9, credit_percent: 10 }] } } },
};

describe("objectives", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "spillway-objectives-"));
  let world: AdminWorld;
  let searcher = "";
  before(async () => {
    world = await adminWorld(PROMISES, { dataDir });
    await world.make("teams", { id: "search", name: "Search" });
    searcher = await world.make("keys", { id: "searcher", team: "search" });
    for (let i = 0; i < 3; i++) assert.equal((await world.call(searcher, { model: "support" })).status, 200);
    assert.equal((await world.call(CONFIGURED_KEY, { model: "support" })).status, 200);
    // By the client's doing: no promise is judged by it.
    assert.equal((await world.call(CONFIGURED_KEY, { model: "support", messages: [] })).status, 400);
    await world.gateway.requests();
  });
  after(async () => {
    await world.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const shown = (rows: unknown): string[] => (rows as readonly Record<string, unknown>[]).map((row) => `${String(row["owner"])} ${String(row["objective"])}: ${String(row["valid"])} ${String(row["bad"])}`);
  const EXPECTED = ["route/support availability: 4 0", "route/support first_token: 0 0", "scope/search availability: 3 0", "contract/agreed uptime: 4 0"];

  it("are told by the admin API: those of contracts to who minds the money, nothing of them to other organisations", async () => {
    assert.deepEqual(shown((await world.ask("GET", "/objectives")).json["data"]), EXPECTED);
    const viewer = await world.member("vera", { role: "viewer" });
    assert.deepEqual(shown((await world.askAs(viewer, "GET", "/objectives")).json["data"]), EXPECTED.slice(0, 3));
    await world.make("organisations", { id: "acme", name: "Acme" });
    const owner = await world.member("olga", { role: "owner" }, "acme");
    assert.deepEqual((await world.askAs(owner, "GET", "/objectives")).json, { data: [] });
    assert.equal((await world.ask("GET", "/objectives?owner=x")).status, 400);
  });

  it("are told on the command line and as metrics", async () => {
    const { code, out } = await runCommand(["objectives", "--data-dir", dataDir]);
    assert.equal(code, 0);
    assert.match(out, /^route\/support\s+availability\s+99%\s+30d\s+100%\s+4 requests\s+100%\s+0\.0/m);
    const json = await runCommand(["objectives", "--json", "--data-dir", dataDir]);
    assert.deepEqual(shown(json.out.trim().split("\n").map((line) => JSON.parse(line) as unknown)), EXPECTED);
    const metrics = await (await fetch(`${world.gateway.adminUrl}/metrics`)).text();
    assert.match(metrics, /^spillway_objective_budget_left\{owner="route\/support",objective="availability"\} 1$/m);
  });

  it("go with requests that call themselves less important: taken while there is room, refused where the word is none", async () => {
    const [low, urgent] = await Promise.all(["low", "urgent"].map((importance) => world.call(CONFIGURED_KEY, { model: "one/chat" }, { "x-spillway-importance": importance })));
    assert.equal(low?.status, 200);
    assert.deepEqual([urgent?.status, urgent?.text.includes("x-spillway-importance")], [400, true]);
  });

  it("go on after a restart", async () => {
    await world.close();
    world = await adminWorld(PROMISES, { dataDir });
    const reply = await runCommand(["objectives", "--json", "--data-dir", dataDir]);
    assert.deepEqual(shown(reply.out.trim().split("\n").map((line) => JSON.parse(line) as unknown)), [...EXPECTED.slice(0, 3), "contract/agreed uptime: 5 0"]);
  });
});
