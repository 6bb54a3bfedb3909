/** A real gateway in front of simulated providers, over sockets; then its data folder is a world, read while it runs. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runSimulate } from "../src/cli/simulate.ts";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../src/fleet/index.ts";
import { loadCatalogue } from "../src/providers/catalog/index.ts";
import { PROVIDERS } from "../src/providers/registry.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";

const KEY = "spw-simulate-0123456789abcdef0123456789";
const MODELS = { chat: { input: 1, output: 2 } };
const FLEET: FleetConfig = {
  seed: 4,
  providers: [
    { name: "flaky", dialect: "openai-chat", first_token: 120, token_rate: 400, tokens_out: 40, models: MODELS, script: [{ fault: { kind: "status", status: 503 }, p: 0.08 }] },
    { name: "steady", dialect: "anthropic-messages", first_token: 60, token_rate: 800, tokens_out: 40, models: MODELS },
  ],
};
const MORE = { keys: [{ name: "app", key: KEY }], fallbacks: "off", routes: { talk: { candidates: ["flaky/chat", "steady/chat"], strategy: "weighted" } } };
const REQUESTS = 160;

interface Times { readonly answers: number; readonly p50: number }
interface Fitted {
  readonly requests: number;
  readonly deployments: readonly { readonly id: string; readonly calls: number; readonly lacks: string | null; readonly firstTokenMs: Times | null; readonly tokensPerS: Times | null; readonly failures: readonly Failure[]; readonly incidents: readonly { readonly failures: readonly Failure[] }[] }[];
}
interface Failure { readonly class: string; readonly status: number; readonly count: number }

describe("the data folder of a gateway that runs", () => {
  let fleet: Fleet;
  let gateway: TestGateway;
  let config: string;
  const run = (...args: readonly string[]): readonly unknown[] => {
    let out = "";
    let errors = "";
    const context = { out: { write: (text: string) => (out += text) }, errors: { write: (text: string) => (errors += text) }, env: {}, cwd: gateway.dataDir, providers: PROVIDERS, catalogue: loadCatalogue() };
    assert.equal(runSimulate([...args, "--json"], context, Date.UTC(2026, 10, 1)), 0, errors);
    return out.trim().split("\n").map((line) => JSON.parse(line) as unknown);
  };
  const ask = async (i: number): Promise<void> => {
    const answer = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" }, body: JSON.stringify({ model: "talk", stream: true, messages: [{ role: "user", content: `question ${i}` }] }) });
    await answer.text();
  };

  before(async () => {
    fleet = await startFleet(FLEET);
    const yaml = gatewayConfig(FLEET, fleet, { more: MORE });
    gateway = await testGateway(yaml);
    config = join(gateway.dataDir, "played.yaml");
    writeFileSync(config, yaml);
    const left = Array.from({ length: REQUESTS }, (_, i) => i);
    await Promise.all(Array.from({ length: 16 }, async () => {
      for (let i = left.pop(); i !== undefined; i = left.pop()) await ask(i);
    }));
    await gateway.requests();
  });
  after(async () => {
    await gateway.close();
    await fleet.close();
  });

  it("is fitted by as many calls as its providers got, with their times, paces and failures", () => {
    const { fitted } = run("--world", `ledger:${gateway.dataDir}`, "--save-world", "fitted.yaml")[0] as { fitted: Fitted };
    assert.equal(fitted.requests, REQUESTS);
    for (const [name, firstMs, rate] of [["flaky", 120, 400], ["steady", 60, 800]] as const) {
      const one = fitted.deployments.find(({ id }) => id === `${name}/chat`) ?? assert.fail(name);
      const calls = fleet.calls().filter(({ provider }) => provider === name);
      assert.equal(one.calls, calls.length);
      assert.equal(one.lacks, null);
      // The machine may be slow, never quicker than the provider.
      assert.ok((one.firstTokenMs?.p50 ?? 0) >= firstMs - 5 && (one.firstTokenMs?.p50 ?? 0) < 5 * firstMs, `${name}: ${one.firstTokenMs?.p50}`);
      assert.ok((one.tokensPerS?.p50 ?? 0) > rate / 6 && (one.tokensPerS?.p50 ?? 0) < rate * 1.25, `${name}: ${one.tokensPerS?.p50}`);
    }
    const [flaky] = fitted.deployments.filter(({ id }) => id === "flaky/chat");
    const refused = fleet.bill().filter(({ provider, status }) => provider === "flaky" && status === 503).length;
    assert.ok(refused > 2);
    // A few in a row may look like an incident, and some do.
    const failures = [...(flaky?.failures ?? []), ...(flaky?.incidents ?? []).flatMap((one) => one.failures)];
    assert.equal(failures.reduce((sum, { count }) => sum + count, 0), refused);
    assert.ok(failures.every(({ class: kind, status }) => kind === "overload" && status === 503));
  });

  it("is played with the route's own strategy over its own requests, alike each time", () => {
    const args = ["--world", `ledger:${gateway.dataDir}`, "--traffic", `ledger:${gateway.dataDir}`, "--config", config, "--route", "talk", "--policies", "spillway,single"];
    const [, ours, single] = run(...args) as [unknown, ...{ readonly requests: number; readonly failed: number; readonly about: string; readonly deployments: readonly { readonly served: number }[] }[]];
    assert.deepEqual(run(...args)[1], ours);
    assert.equal(ours?.requests, REQUESTS);
    assert.match(ours?.about ?? "", /weighted/);
    assert.equal(ours?.failed, 0);
    assert.ok((single?.failed ?? 0) > 0);
    assert.ok(ours?.deployments.every(({ served }) => served > REQUESTS / 4));
  });
});
