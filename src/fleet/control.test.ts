import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { checkFleetConfig, gatewayConfig, loadFleetConfig, parseFleetConfig, serveControl, simulatedFleet, startFleet, type BillRow, type Fleet, type FleetControl } from "./index.ts";
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
  function refusal(text: string): string {
    try {
      parseFleetConfig(text);
    } catch (error) {
      return (error as Error).message;
    }
    return assert.fail("this configuration should have been refused");
  }

  it("names every wrong field at once", () => {
    assert.equal(refusal(`seed: -1
tempo: fast
providers:
  - name: a
    dialect: morse
    port: 99999
    models: { m: { inptu: 1, first_token: { lognormal: { median_ms: 5 } } }, n: [] }
    first_token: soon
    script: [{ fault: sats }, { fault: { kind: slow, rate: 2 }, p: 3 }]
    scenario: { play: { id: x, phases: [{ from_s: 0, to_s: 1, mix: [{ p: 2 }] }] } }
    on_disconnect: true
  - { dialect: gemini, models: {} }
`), `fleet.yaml:1:7: seed: expected a number of at least 0, found -1
fleet.yaml:2:8: tempo: expected one of version, seed, time_scale, providers, keep_calls, keep_rows, found unknown key tempo
fleet.yaml:5:14: providers[0].dialect: expected one of openai-chat, anthropic-messages, gemini, cohere-v2, found "morse"
fleet.yaml:6:11: providers[0].port: expected a number of at most 65535, found 99999
fleet.yaml:7:27: providers[0].models.m.inptu: expected one of input, output, cache_read, cache_write, tiers, units, first_token, token_rate, tokens_out, thoughts, found unknown key inptu
fleet.yaml:7:56: providers[0].models.m.first_token.lognormal.p99_ms: expected a number, found nothing
fleet.yaml:7:81: providers[0].models.n: expected a map, found an empty list
fleet.yaml:8:18: providers[0].first_token: expected a number, or one of { constant }, { uniform: { min, max } }, { exponential: { mean } }, { lognormal: { median, p99 } }, { values }, found "soon"
fleet.yaml:9:23: providers[0].script[0].fault: expected a fault of docs/fleet.md, by its name or as { kind, … }, found "sats"
fleet.yaml:9:60: providers[0].script[1].fault.rate: expected one of kind, first_token_ms, rate_factor, found unknown key rate
fleet.yaml:9:68: providers[0].script[1].p: expected a number of at most 1, found 3
fleet.yaml:10:74: providers[0].scenario.play.phases[0].mix[0].p: expected a number of at most 1, found 2
fleet.yaml:11:20: providers[0].on_disconnect: expected one of stop, finish, found true
fleet.yaml:12:5: providers[1].name: expected a text, found nothing`);
  });

  it("says where no YAML is, and reads none that is not there", () => {
    assert.match(refusal("providers: [\n"), /^fleet\.yaml:2:1: expected YAML, found: Flow sequence/);
    assert.throws(() => loadFleetConfig("/nowhere/fleet.yaml"), { message: "/nowhere/fleet.yaml:1:1: expected a readable file, found ENOENT" });
    assert.throws(() => checkFleetConfig({ providers: [] }), { message: "The fleet's configuration is wrong:\n  providers: expected a list of at least 1, found an empty list" });
  });

  it("takes a price from the price file, and refuses a model without any", () => {
    parseFleetConfig("providers: [{ name: a, dialect: openai-chat, models: { gpt-4o-mini: {} } }]");
    assert.equal(
      refusal("providers: [{ name: a, dialect: openai-chat, models: { mystery: {} } }]"),
      "fleet.yaml:1:65: providers[0].models.mystery: expected a price, found no price for mystery, here or in the fleet's price file; write input and output in USD per million tokens, or units",
    );
  });

  it("refuses two providers of one name", () => {
    const one = "{ name: a, dialect: gemini, models: { m: { input: 1 } } }";
    assert.match(refusal(`providers: [${one}, ${one}]`), /^fleet\.yaml:1:80: providers\[1\]\.name: expected a name of its own, found two providers named a$/);
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
