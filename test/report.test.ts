/**
 * A month's report of a real gateway: calls that fail over, calls that are lost, a gateway that is killed between; the report
 * tells of each request what its client saw.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runReport } from "../src/cli/report.ts";
import { checkFleetConfig, gatewayConfig, startFleet } from "../src/fleet/index.ts";
import { loadCatalogue } from "../src/providers/catalog/index.ts";
import { PROVIDERS } from "../src/providers/registry.ts";
import { openReadOnly } from "../src/storage/data-dir.ts";
import { childGateway, testGateway, type TestGateway } from "./support/gateway.ts";

interface Told {
  readonly digest: string;
  readonly routes: readonly {
    readonly route: string;
    readonly requests: { readonly all: number; readonly valid: number; readonly lost: number; readonly saved: number };
    readonly exclusions: readonly { readonly name: string; readonly count: number }[];
    readonly objectives: readonly { readonly objective: { readonly name: string }; readonly valid: number; readonly bad: number; readonly met: boolean }[];
    readonly contradictions: readonly string[];
    readonly refused: Refused;
  }[];
  readonly scopes: readonly { readonly scope: string; readonly objectives: readonly { readonly valid: number; readonly bad: number }[]; readonly refused: Refused }[];
}
type Refused = readonly { readonly class: string; readonly why: string; readonly count: number }[];

function report(dataDir: string, cwd: string, nowMs: number, ...args: string[]): { readonly code: number; readonly out: string } {
  let out = "";
  const write = (text: string): void => void (out += text);
  const context = { out: { write }, errors: { write }, env: {}, cwd, providers: PROVIDERS, catalogue: loadCatalogue() };
  const code = runReport([...args, "--data-dir", dataDir], context, nowMs);
  return { code, out };
}

test("the report of a running month tells what clients saw, over kill -9, and is made again to the same digest", async () => {
  const folder = mkdtempSync(join(tmpdir(), "spillway-report-"));
  const dataDir = join(folder, "data");
  const config = checkFleetConfig({
    seed: 5,
    providers: ["primary", "fallback"].map((name) => ({ name, dialect: "openai-chat" as const, models: { chat: { input: 1, output: 2 } } })),
  });
  const fleet = await startFleet(config);
  const objectives = { availability: { target: "90%", window: "30d" } };
  const yaml = gatewayConfig(config, fleet, { more: { routes: { support: { candidates: ["primary/chat", "fallback/chat"], strategy: "priority", objectives } } } });
  writeFileSync(join(folder, "spillway.yaml"), yaml);
  const seen = { ok: 0, lost: 0, refused: 0 };
  const first = await childGateway(yaml, { dataDir });
  let second: TestGateway | null = null;
  let { baseUrl } = first;
  const ask = async (): Promise<void> => {
    const response = await fetch(`${baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "support", messages: [{ role: "user", content: "hello" }] }) });
    await response.arrayBuffer();
    if (response.status === 200) seen.ok++;
    else if (response.status < 500) seen.refused++;
    else seen.lost++;
  };
  try {
    const fault = { fault: { kind: "status", status: 500 } } as const;
    for (let i = 0; i < 4; i++) await ask();
    await fleet.script("primary", [{ ...fault, times: 2 }]);
    for (let i = 0; i < 2; i++) await ask();
    // Recorded, and killed before the events were written.
    await sleep(300);
    await first.kill9();
    second = await testGateway(yaml, { dataDir });
    baseUrl = second.baseUrl;
    await fleet.script("primary", [{ fault: { kind: "status", status: 400 }, times: 1 }]);
    await ask();
    await fleet.script("primary", [fault]);
    await fleet.script("fallback", [fault]);
    await ask();
    await second.close();

    const saved = recorded(dataDir).filter(({ outcome, attempts }) => outcome === "ok" && attempts.length > 1).length;
    assert.ok(saved >= 1 && seen.lost === 1 && seen.ok === 6, JSON.stringify({ saved, seen }));
    const nowMs = Date.now() + 120_000;
    const month = new Date().toISOString().slice(0, 7);
    const file = join(folder, "report.json");
    const made = report(dataDir, folder, nowMs, "--month", month, "--format", "json");
    assert.equal(made.code, 0, made.out);
    writeFileSync(file, made.out);
    const [route] = (JSON.parse(made.out) as Told).routes;
    assert.ok(route !== undefined);
    const { all, valid, lost } = route.requests;
    assert.deepEqual([route.route, all, valid, lost, route.requests.saved], ["support", seen.ok + seen.lost + seen.refused, seen.ok + seen.lost, seen.lost, saved]);
    assert.deepEqual(route.objectives.map((one) => [one.objective.name, one.valid, one.bad, one.met]), [["availability", 7, 1, false]]);
    assert.equal(route.exclusions.reduce((sum, { count }) => sum + count, 0), seen.refused);
    assert.deepEqual(route.contradictions, []);
    const again = report(dataDir, folder, nowMs, "--verify", file);
    assert.equal(again.code, 0, again.out);
  } finally {
    await first.kill9();
    await second?.close();
    await fleet.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the report counts requests that were refused before anything was called by why, and says of each whether it counts", async () => {
  const folder = mkdtempSync(join(tmpdir(), "spillway-refused-"));
  const dataDir = join(folder, "data");
  const config = checkFleetConfig({ seed: 5, providers: [{ name: "primary", dialect: "openai-chat" as const, models: { chat: { input: 1, output: 2 } } }] });
  const fleet = await startFleet(config);
  const objectives = { availability: { target: "90%", window: "30d" } };
  const yaml = gatewayConfig(config, fleet, {
    more: {
      routes: { support: { candidates: ["primary/chat"], strategy: "priority", objectives } },
      keys: [{ name: "app", key: "app-secret-key-0001" }, { name: "batch", key: "batch-secret-key-01", importance: "low" }], objectives: { app: { scopes: ["key/app"], ...objectives } },
    },
  });
  writeFileSync(join(folder, "spillway.yaml"), yaml);
  let gateway: TestGateway;
  try {
    gateway = await testGateway(yaml, { dataDir, maxInFlight: 2 });
  } catch (error) {
    await fleet.close();
    throw error;
  }
  const ask = async (more: { readonly headers?: Record<string, string>; readonly body?: string; readonly key?: string; readonly signal?: AbortSignal } = {}): Promise<number> => {
    const response = await fetch(`${gateway.baseUrl}/chat/completions`, {
      method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${more.key ?? "app-secret-key-0001"}`, ...more.headers },
      body: more.body ?? JSON.stringify({ model: "support", messages: [{ role: "user", content: "hello" }] }), ...(more.signal === undefined ? {} : { signal: more.signal }),
    });
    await response.arrayBuffer();
    return response.status;
  };
  const inFlight = async (count: number): Promise<void> => {
    while (!new RegExp(`^spillway_in_flight ${count}$`, "m").test(await (await fetch(`${gateway.adminUrl}/metrics`)).text())) await sleep(5);
  };
  const ended = new AbortController();
  try {
    assert.equal(await ask(), 200);
    await fleet.script("primary", [{ fault: { kind: "stall_before_headers" } }]);
    const waiting = [ask({ signal: ended.signal }).catch(() => 0)];
    await inFlight(1);
    assert.equal(await ask({ headers: { "x-spillway-importance": "low" } }), 429);
    assert.equal(await ask({ key: "batch-secret-key-01", headers: { "x-spillway-importance": "high" } }), 429);
    waiting.push(ask({ signal: ended.signal }).catch(() => 0));
    await inFlight(2);
    assert.equal(await ask(), 503);
    ended.abort();
    await Promise.all(waiting);
    await inFlight(0);
    assert.deepEqual([await ask({ body: "{" }), await ask({ key: "no-such-key" })], [400, 401]);
    const listed = await fetch(`${gateway.adminUrl}/admin/v1/objectives`, { headers: { authorization: `Bearer ${gateway.adminToken}` } });
    const watched = ((await listed.json()) as { data: readonly { owner: string; valid: number; bad: number }[] }).data;
    await gateway.close();

    const file = join(folder, "report.json");
    const nowMs = Date.now() + 120_000;
    assert.equal(report(dataDir, folder, nowMs, "--month", new Date().toISOString().slice(0, 7), "--out", file).code, 0);
    const { routes, scopes } = JSON.parse(readFileSync(file, "utf8")) as Told;
    const [door, support] = routes;
    assert.deepEqual(door?.refused, [{ class: "client", why: "invalid_json", count: 1 }, { class: "client", why: "invalid_key", count: 1 }, { class: "failed", why: "too_many_requests_in_flight", count: 1 }]);
    assert.deepEqual(support?.exclusions, [{ name: "client_gone", count: 2 }, { name: "low_importance (overloaded)", count: 2 }]);
    assert.deepEqual(support?.objectives.map(({ valid, bad }) => [valid, bad]), [[1, 0]], "of the route: what was refused at the door is of none");
    assert.deepEqual(scopes.map(({ scope, objectives: kept, refused }) => [scope, kept.map(({ valid, bad }) => [valid, bad]), refused.map(({ why }) => why)]), [["app", [[2, 1]], ["invalid_json", "too_many_requests_in_flight"]]]);
    assert.deepEqual(watched.map(({ owner, valid, bad }) => [owner, valid, bad]), [["route/support", 1, 0], ["scope/app", 2, 1]], "alerts watch the same");
    assert.equal(report(dataDir, folder, nowMs, "--verify", file).code, 0);
  } finally {
    ended.abort();
    await gateway.close();
    await fleet.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

function recorded(dataDir: string): readonly { readonly outcome: string; readonly attempts: readonly unknown[] }[] {
  const reader = openReadOnly(dataDir);
  try {
    return [...reader.requests({})].flatMap(({ record }) => record ?? []);
  } finally {
    reader.close();
  }
}
