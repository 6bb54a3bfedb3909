/** A provider that bills beyond the bound of a call: counted in full, flagged, told, and nothing more is admitted until it is covered. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { LOCAL_ACTOR } from "../../src/compose/control.ts";
import { createObject, updateObject } from "../../src/control/manage.ts";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { requestJson } from "../../src/storage/request-json.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { alertsTold, type AlertsTold } from "../support/alerts-told.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { HI } from "./calls.ts";

const KEY = "caller-key-of-the-overrun";
const CONFIG: FleetConfig = {
  seed: 5,
  providers: [
    // Each answer costs a cent, whatever was asked.
    { name: "deaf", dialect: "openai-chat", tokens_out: 5_000, ignores_limits: true, models: { m: { input: 1, output: 2 } } },
    { name: "keen", dialect: "openai-chat", tokens_out: 5_000, models: { m: { input: 1, output: 2 } } },
  ],
};

describe("a provider that ignores the output limit", { timeout: 30_000 }, () => {
  let fleet: Fleet;
  let alerts: AlertsTold;
  let gateway: TestGateway;
  const asked = { kind: "budget", tenant: "default", actor: LOCAL_ACTOR };
  const budgetOf = (limitUsd: number): JsonObject => ({ scope: "key/app", period: "total", limit_usd: limitUsd });
  before(async () => {
    fleet = await startFleet(CONFIG);
    alerts = await alertsTold();
    const more = { keys: [{ name: "app", key: KEY }], fallbacks: "off", notify: [alerts.channel(["overrun"])] };
    gateway = await testGateway(gatewayConfig(CONFIG, fleet, { more }));
    assert.equal(createObject(gateway.managed, asked, "small", budgetOf(0.005)).kind, "done");
  });
  after(async () => {
    await gateway.close();
    await Promise.all([fleet.close(), alerts.close()]);
  });

  const ask = async (model: string, stream: boolean): Promise<{ readonly status: number; readonly text: string }> => {
    const answer = await fetch(`${gateway.baseUrl}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body: JSON.stringify({ model, messages: HI, max_tokens: 20, stream, ...(stream ? { stream_options: { include_usage: true } } : {}) }),
    });
    return { status: answer.status, text: await answer.text() };
  };
  const set = (limitUsd: number): void => assert.equal(updateObject(gateway.managed, asked, "small", { limit_usd: limitUsd }).kind, "done");

  it("is served and charged in full, its row and the record flagged", async () => {
    assert.equal((await ask("keen/m", false)).status, 200);
    assert.equal((await ask("deaf/m", false)).status, 200);
    const views = await gateway.requests();
    const [kept, beyond] = views.map(({ attempts }) => attempts[0]);
    assert.deepEqual([kept?.flags, (kept?.costNanoUsd ?? 0) <= (kept?.boundNanoUsd ?? 0)], [[], true]);
    assert.deepEqual(beyond?.flags, ["overrun"]);
    assert.ok((beyond?.costNanoUsd ?? 0) > (beyond?.boundNanoUsd ?? Infinity));
    assert.equal(beyond?.costNanoUsd, fleet.bill().at(-1)?.cost_nano_usd);
    const shown = views.map((view) => requestJson(view));
    assert.deepEqual(shown.map((one) => one["flags"]), [[], ["overrun"]]);
  });

  it("is told to those who mind it", async () => {
    await alerts.until(() => true);
    assert.equal(alerts.told[0]?.kind, "overrun");
    assert.match(String(alerts.told[0]?.fields["overrun_usd"]), /^0\.00\d+$/);
  });

  it("leaves its scope nothing, whoever is asked, until a limit covers it", async () => {
    const before = fleet.calls().length;
    for (const [model, stream] of [["keen/m", false], ["keen/m", true], ["deaf/m", false]] as const) {
      const refused = await ask(model, stream);
      assert.equal(refused.status, 402, refused.text);
      assert.match(refused.text, /The budget small allows tenant\/default \+ key\/app \$0\.005 in all: \$0\.01\d* is spent/);
    }
    assert.equal(fleet.calls().length, before);
    set(0.009);
    assert.equal((await ask("keen/m", false)).status, 402, "a limit that does not cover it");
    set(0.02);
    assert.equal((await ask("keen/m", false)).status, 200);
  });

  it("is flagged on a stream too", async () => {
    set(1);
    assert.equal((await ask("deaf/m", true)).status, 200);
    assert.deepEqual((await gateway.requests()).at(-1)?.attempts[0]?.flags, ["overrun"]);
  });
});
