/** A canary and a mirror of a running gateway, on sockets: served, rolled back, listed, kept over a restart, and what each costs. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runCanary } from "../src/cli/canary.ts";
import { loadCatalogue } from "../src/providers/catalog/index.ts";
import { PROVIDERS } from "../src/providers/registry.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";
import { notingUpstream, type NotingUpstream } from "./support/upstreams.ts";

describe("a route with a canary and a mirror", () => {
  const folder = mkdtempSync(join(tmpdir(), "spillway-canary-"));
  let upstream: NotingUpstream;
  let gateway: TestGateway;
  const open = async (): Promise<void> => {
    gateway = await testGateway(
      `
version: 1
providers:
  a: { type: openai-compatible, base_url: "${upstream.url}", api_key: key-a, models: { m: { price: { input: 1, output: 2 } }, n: { price: { input: 1, output: 2 } } } }
routes:
  r:
    candidates: [a/m]
    objectives: { availability: { target: 99%, window: 30d } }
    canary: { use: a/n, share: 50%, min_requests: 10 }
  q: { candidates: [a/m], mirror: { use: a/n, share: 100% } }
`,
      { dataDir: folder },
    );
  };
  before(async () => {
    upstream = await notingUpstream();
    await open();
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function ask(route: string): Promise<number> {
    const response = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: route, max_tokens: 50, messages: [{ role: "user", content: "hi" }] }) });
    await response.arrayBuffer();
    return response.status;
  }

  async function told(...args: readonly string[]): Promise<{ code: number; out: string; errors: string }> {
    let [out, errors] = ["", ""];
    const sink = (take: (text: string) => void): never => ({ write: (text: string) => (take(text), true) }) as never;
    const code = await runCanary([...args, "--data-dir", folder], { out: sink((text) => (out += text)), errors: sink((text) => (errors += text)), env: {}, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue() });
    return { code, out, errors };
  }

  it("is copied without a trace in its answers, objectives and metrics; its copies are the organisation's", async () => {
    for (let i = 0; i < 5; i++) assert.equal(await ask("q"), 200);
    const copied = async (): Promise<number> => (await gateway.requests()).filter(({ record }) => record?.flags.includes("mirror") === true).length;
    for (let i = 0; i < 20 && (await copied()) < 5; i++);
    const views = await gateway.requests();
    const copies = views.filter(({ record }) => record?.flags.includes("mirror") === true);
    assert.deepEqual([views.length, copies.length], [10, 5]);
    for (const { attempts } of copies) assert.deepEqual([attempts[0]?.deployment, attempts[0]?.scopes.some((scope) => scope.startsWith("key/")), attempts[0]?.scopes.includes("tag/mirror=q")], ["a/n", false, true]);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    assert.match(metrics, /^spillway_requests_total\{[^}]*\} 5$/m);
    const { mirrors } = JSON.parse((await told("--json")).out) as { mirrors: { calls: number; spent_today_usd: string }[] };
    assert.deepEqual(mirrors.map(({ calls, spent_today_usd: spent }) => [calls, spent]), [[5, "0.000100000"]]);
    assert.match((await told()).out, /^q +a\/n +[\d.]+% +5 +0 +\$0\.0001 +\$\d+\.00$/m);
  });

  it("is rolled back when the canary alone fails, while every client is served, and stays so over a restart until it is resumed", async () => {
    upstream.fault = ({ model }) => (model === "n" ? 500 : null);
    let tried = 0;
    for (let i = 0; i < 120; i++) assert.equal(await ask("r"), 200);
    tried = upstream.seen.filter(({ model }) => model === "n").length;
    const listed = await told();
    assert.match(listed.out, /^r +a\/n +50% +rolled back +\d+ of 10 /m);
    assert.match(listed.out, /^r: a\/n was rolled back at .*availability: \d+ of its \d+ calls/m);
    for (let i = 0; i < 20; i++) assert.equal(await ask("r"), 200);
    assert.equal(upstream.seen.filter(({ model }) => model === "n").length, tried, "it went on after the rollback");
    await gateway.stop(0);
    await open();
    assert.match((await told()).out, /rolled back/);
    const promoted = await told("promote", "r");
    assert.deepEqual([promoted.out, promoted.errors.includes("was rolled back at")], ["routes:\n  r:\n    candidates:\n      - a/n\n      - a/m\n    # and take out canary:\n", true]);
    upstream.fault = null;
    assert.deepEqual(await told("resume", "r"), { code: 0, out: "The canary of r, a/n, takes requests again.\n", errors: "" });
    const before = upstream.seen.filter(({ model }) => model === "n").length;
    for (let i = 0; i < 20; i++) await ask("r");
    assert.ok(upstream.seen.filter(({ model }) => model === "n").length > before);
    assert.match((await told()).out, /^r +a\/n +50% +(?:collecting|ready) /m);
  });

  it("is asked about by name: a route without a canary, and words that mean nothing, are told", async () => {
    assert.deepEqual(await told("resume", "q"), { code: 1, out: "", errors: "spillway: the route q has no canary\n" });
    assert.deepEqual([(await told("resume")).code, (await told("sing", "r")).code, (await told("--wrong")).code], [2, 2, 2]);
  });
});
