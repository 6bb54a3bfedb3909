/** Calls that wait for room in a budget, over real gateways: they end with their request, and no provider is blamed for the wait. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";

const KEY = "caller-key-of-the-waiting";
const SLOW: FleetConfig = { seed: 3, providers: [{ name: "slow", dialect: "openai-chat", first_token: 60_000, models: { chat: { input: 1, output: 2 } } }, { name: "quick", dialect: "openai-chat", models: { chat: { input: 1, output: 2 } } }] };
// One call of 8,000 tokens of output fits, and no second beside it.
const MORE = { keys: [{ name: "app", key: KEY }], fallbacks: "off", budgets: { month: { scope: "key/app", period: "month", limit_usd: 0.02 } } };

describe("a call that waits for what others hold of its budget", () => {
  let fleet: Fleet;
  let gateway: TestGateway;
  const leave = new AbortController();
  let holding: Promise<readonly unknown[]>;
  const ask = (model: string, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<Response> =>
    fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", ...(signal === undefined ? {} : { signal }), headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", ...headers }, body: JSON.stringify({ model, max_tokens: 8_000, messages: [{ role: "user", content: "hi" }] }) });
  const gauge = async (name: string): Promise<number> => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(await (await fetch(`${gateway.adminUrl}/metrics`)).text())?.[1]);
  const until = async (name: string, is: (value: number) => boolean): Promise<void> => {
    while (!is(await gauge(name))) await new Promise((resolve) => setTimeout(resolve, 10));
  };

  before(async () => {
    fleet = await startFleet(SLOW);
    gateway = await testGateway(gatewayConfig(SLOW, fleet, { more: MORE }));
    holding = Promise.allSettled([ask("slow/chat", {}, leave.signal)]);
    await until("spillway_budget_held_nano_usd", (held) => held > 0);
  });
  after(async () => {
    leave.abort();
    await holding;
    await gateway.close();
    await fleet.close();
  });

  it("is answered when its deadline passes, and its deployment is not blamed for what was never sent", async () => {
    for (let i = 0; i < 6; i++) {
      const startMs = performance.now();
      const answer = await ask("quick/chat", { "x-spillway-deadline-ms": "150" });
      assert.equal(answer.status, 504);
      assert.match(await answer.text(), /deadline_exceeded/);
      assert.ok(performance.now() - startMs < 5_000, "it waited longer than its deadline");
    }
    assert.equal(await gauge("spillway_resting_deployments"), 0);
    assert.equal(fleet.calls().filter(({ provider }) => provider === "quick").length, 0);
  });

  it("waits no longer when its client has left", async () => {
    const client = new AbortController();
    const asked = assert.rejects(ask("quick/chat", {}, client.signal), { name: "AbortError" });
    await until("spillway_in_flight", (count) => count === 2);
    client.abort();
    await asked;
    await until("spillway_in_flight", (count) => count === 1);
    assert.ok((await gauge("spillway_budget_held_nano_usd")) > 0, "the first still holds what was waited for");
  });

  it("is told so when the gateway stops", async () => {
    const waiting = ask("quick/chat");
    await until("spillway_in_flight", (count) => count === 2);
    const stopped = gateway.close();
    const answer = await waiting;
    assert.equal(answer.status, 503);
    assert.match(await answer.text(), /The gateway is stopping/);
    await stopped;
  });
});
