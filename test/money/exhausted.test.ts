/** Who may spend nothing more is served nothing more: every endpoint that calls a provider, with its budget at its end. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gatewayConfig, startFleet, type Fleet } from "../../src/fleet/index.ts";
import { SERVED } from "../../src/wire/surfaces.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { CALLS, CONFIG, HI, KEPT_HERE, send } from "./calls.ts";

const KEY = "caller-key-of-the-exhausted";

describe("a key whose budget is at its end", () => {
  let fleet: Fleet;
  let gateway: TestGateway;
  before(async () => {
    fleet = await startFleet(CONFIG);
    const more = { keys: [{ name: "app", key: KEY }, { name: "rich", key: `${KEY}-rich` }], fallbacks: "off", files: "shared", budgets: { none: { scope: "key/app", period: "month", limit_usd: 0 } } };
    gateway = await testGateway(gatewayConfig(CONFIG, fleet, { more }));
  });
  after(async () => {
    await gateway.close();
    await fleet.close();
  });

  it("has a call here for everything that is served and calls a provider", () => {
    assert.deepEqual(Object.keys(SERVED).filter((name) => !KEPT_HERE.has(name) && !Object.hasOwn(CALLS, name)), []);
  });

  for (const [name, call] of Object.entries(CALLS)) {
    it(`is refused with budget_exceeded and no call goes upstream: ${name}`, async () => {
      const before = fleet.calls().length;
      const answer = await send(gateway.url, KEY, call);
      const text = await answer.text();
      assert.equal(answer.status, 402, text);
      assert.match(text, /The budget config:none allows key\/app \$0\.00 a month|could cost|cannot be known beforehand/);
      assert.equal(fleet.calls().length, before, "a call went upstream");
    });
  }

  it("is no other key's concern", async () => {
    const answer = await send(gateway.url, `${KEY}-rich`, ["POST", "/v1/chat/completions", { model: "at-openai/chat", messages: HI }]);
    assert.equal(answer.status, 200, await answer.text());
  });
});

/** What asks no model; and what costs nothing by contract, of things that were made before. */
const OF_NO_MODEL = new Set(["files", "file", "file-content", "batch", "batch-cancel", "message-batch", "message-batch-cancel", "message-batch-results"]);

describe("a model whose budget is at its end", () => {
  let fleet: Fleet;
  let gateway: TestGateway;
  before(async () => {
    fleet = await startFleet(CONFIG);
    const models = CONFIG.providers.flatMap((one) => Object.keys(one.models));
    gateway = await testGateway(gatewayConfig(CONFIG, fleet, { more: { keys: [{ name: "app", key: KEY }], fallbacks: "off", budgets: { none: { scope: "tenant/default", models, period: "month", limit_usd: 0 } } } }));
  });
  after(async () => {
    await gateway.close();
    await fleet.close();
  });

  for (const [name, call] of Object.entries(CALLS).filter(([name]) => !OF_NO_MODEL.has(name))) {
    it(`is asked by no endpoint, in whatever file or batch it is named: ${name}`, async () => {
      const before = fleet.calls().length;
      const answer = await send(gateway.url, KEY, call);
      const text = await answer.text();
      assert.equal(answer.status, 402, text);
      assert.match(text, /The budget config:none#model\/\S+ allows |the budget config:none#model\/\S+ limits what model\/\S+ may cost, and which models its file asks for cannot be seen here|could cost|cannot be known beforehand/);
      assert.equal(fleet.calls().length, before, "a call went upstream");
    });
  }
});
