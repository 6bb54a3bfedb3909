import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gatewayConfig, parseFleetConfig, serveControl, simulatedFleet, startFleet, type BillRow, type Fleet, type FleetControl } from "./index.ts";
import { ask, oneProvider } from "./test-client.ts";
import { parse } from "yaml";

describe("the control port", () => {
  let fleet: Fleet;
  let control: FleetControl;
  before(async () => {
    fleet = await startFleet(oneProvider("openai-chat"));
    control = await serveControl(fleet);
  });
  after(async () => {
    await control.close();
    await fleet.close();
  });
  const post = (path: string, body: unknown): Promise<Response> => fetch(control.url + path, { method: "POST", body: JSON.stringify(body) });
  const call = async (): Promise<number> => {
    const response = await ask(fleet.provider("p"), false);
    await response.arrayBuffer();
    return response.status;
  };

  it("changes what goes wrong and heals it", async () => {
    assert.equal((await post("/script", { provider: "p", rules: [{ fault: { kind: "status", status: 500 } }] })).status, 200);
    assert.equal(await call(), 500);
    await post("/script", { provider: "p", rules: [] });
    assert.equal(await call(), 200);
    await post("/scenario", { provider: "p", scenario: { id: "x", phases: [{ from_s: 0, to_s: 60, mix: [{ p: 1, status: 529 }] }] } });
    assert.equal(await call(), 529);
    await post("/reset", {});
    assert.equal(await call(), 200);
  });

  it("gives the bill as an array and as lines, whole and since a time", async () => {
    await post("/reset", {});
    await call();
    await call();
    const rows = (await (await fetch(`${control.url}/bill`)).json()) as BillRow[];
    assert.deepEqual(rows.map((row) => [row.outcome, row.cost_nano_usd]), [["answered", 12_000], ["answered", 12_000]]);
    const lines = await (await fetch(`${control.url}/bill?format=lines`)).text();
    assert.deepEqual(lines.trim().split("\n").map((line) => (JSON.parse(line) as BillRow).call), rows.map((row) => row.call));
    assert.deepEqual(await (await fetch(`${control.url}/bill?since=${Date.now() + 1000}`)).json(), []);
  });

  it("shows the calls without their credentials", async () => {
    await post("/reset", {});
    await call();
    const text = await (await fetch(`${control.url}/calls`)).text();
    const [first] = JSON.parse(text) as { body: { model: string }; headers: Record<string, string> }[];
    assert.equal(first?.body.model, "m");
    assert.equal(first?.headers["authorization"], "(hidden)");
    assert.equal(fleet.calls()[0]?.headers["authorization"], "Bearer k");
  });

  it("answers what it does not understand with a reason", async () => {
    assert.equal((await fetch(`${control.url}/nothing`)).status, 404);
    const wrong = await post("/script", { provider: "p", rules: [{ fault: "explode" }] });
    assert.equal(wrong.status, 400);
    assert.match(await wrong.text(), /rules/);
    assert.match(await (await post("/script", { provider: "q", rules: [] })).text(), /no provider q/);
  });

  it("is well while the fleet is", async () => {
    const health = (await (await fetch(`${control.url}/healthz`)).json()) as { ok: boolean; providers: { name: string }[] };
    assert.deepEqual([health.ok, health.providers.map(({ name }) => name)], [true, ["p"]]);
  });
});

describe("a fleet's configuration", () => {
  it("names every wrong field at once", () => {
    const text = "providers: [{ name: a, dialect: morse, models: {}, port: 99999 }]\ntempo: fast\n";
    assert.throws(() => parseFleetConfig(text), (error: Error) => /dialect/.test(error.message) && /port/.test(error.message) && /tempo/.test(error.message));
  });

  it("takes a price from the price file, and refuses a model without any", () => {
    parseFleetConfig("providers: [{ name: a, dialect: openai-chat, models: { gpt-4o-mini: {} } }]");
    assert.throws(() => parseFleetConfig("providers: [{ name: a, dialect: openai-chat, models: { mystery: {} } }]"), /no price for a: mystery/);
  });

  it("refuses two providers of one name", () => {
    const one = "{ name: a, dialect: gemini, models: { m: { input: 1 } } }";
    assert.throws(() => parseFleetConfig(`providers: [${one}, ${one}]`), /two providers are named a/);
  });

  it("leaves nothing listening when a port is taken", async () => {
    const fleet = await startFleet(oneProvider("openai-chat"));
    try {
      const taken = oneProvider("gemini", { port: fleet.provider("p").port });
      await assert.rejects(startFleet({ ...taken, providers: [{ ...taken.providers[0]!, name: "first", port: 0 }, taken.providers[0]!] }), /EADDRINUSE/);
    } finally {
      await fleet.close();
    }
  });

  it("becomes accounts of a gateway, with addresses and the prices that are charged", async () => {
    const config = simulatedFleet();
    const fleet = await startFleet(config);
    try {
      const written = parse(gatewayConfig(config, fleet, { more: { fallbacks: "off" } })) as {
        version: number; fallbacks: string; providers: Record<string, { type: string; base_url: string; models: Record<string, { price: { input: number } }> }>;
      };
      assert.deepEqual(Object.values(written.providers).map(({ type }) => type), ["openai-compatible", "openai-compatible", "anthropic", "google"]);
      assert.equal(written.providers["sim-gemini"]?.base_url, `http://127.0.0.1:${fleet.provider("sim-gemini").port}/v1beta`);
      assert.equal(written.providers["sim-openai"]?.models["sim-small"]?.price.input, 0.1);
      assert.deepEqual([written.version, written.fallbacks], [1, "off"]);
    } finally {
      await fleet.close();
    }
  });
});
