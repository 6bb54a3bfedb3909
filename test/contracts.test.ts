/** Contracts through the whole gateway: what calls are charged, over a restart, and what the command line says of it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runContracts } from "../src/cli/contracts.ts";
import { startFleet, type Fleet } from "../src/fleet/index.ts";
import { loadCatalogue } from "../src/providers/catalog/index.ts";
import { PROVIDERS } from "../src/providers/registry.ts";
import type { JsonObject } from "../src/wire/json.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";

/** 100 words of answer at 2 USD a million: 0.0002 USD and the prompt. */
const TOKENS_OUT = 100;
const folder = mkdtempSync(join(tmpdir(), "spillway-contracts-"));
let fleet: Fleet;
let config: string;
/** The administrator's, of the folder's first start. */
let token: string;

before(async () => {
  const models = Object.fromEntries(["plain", "cheap", "units", "quota", "volume", "agreed", "later"].map((name) => [name, { input: 1, output: 2 }]));
  fleet = await startFleet({ seed: 3, providers: [{ name: "o", dialect: "openai-chat", models, tokens_out: TOKENS_OUT }] });
  const prices = Object.keys(models).map((name) => `${name}: { price: { input: 1, output: 2 } }`).join(", ");
  config = `version: 1
fallbacks: off
providers:
  o: { type: openai, base_url: "${fleet.provider("o").baseUrl}", api_key: k, models: { ${prices} } }
contracts:
  less: { account: o, models: [cheap], kind: pay_as_you_go, start: 2020-01-01, discounts: [{ units: [output], percent: 12.5 }, { percent: 50 }] }
  units:
    account: o
    models: [units]
    kind: provisioned
    start: 2020-01-01
    provisioned: { units: 1, tokens_per_minute: "1000000", hourly_usd: "${"${HOURLY:-2}"}" }
  quota: { account: o, models: [quota], kind: free_quota, start: 2020-01-01, free_quota: { requests_per_day: 2, reset_zone: Pacific/Auckland } }
  volume: { account: o, models: [volume], kind: committed, start: 2020-01-01, committed: { amount_usd: 1, per: month, steps: [{ from_usd: 0.0003, percent: 50 }] } }
  old: { account: o, models: [plain], kind: pay_as_you_go, start: 2020-01-01, end: 2020-12-31, discounts: [{ percent: 90 }] }
`;
});
after(async () => {
  await fleet.close();
  rmSync(folder, { recursive: true, force: true });
});

/** One call; cost in nano-dollars, prompt tokens, flags and price version of its row. */
async function call(gateway: TestGateway, model: string): Promise<{ cost: number; prompt: number; flags: readonly string[]; version: string }> {
  const response = await fetch(`${gateway.baseUrl}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: `o/${model}`, messages: [{ role: "user", content: "How high is the wall?" }] }),
  });
  assert.equal(response.status, 200, await response.text());
  const [attempt] = (await gateway.requests()).at(-1)?.attempts ?? [];
  return { cost: attempt?.costNanoUsd ?? -1, prompt: attempt?.units.input ?? -1, flags: attempt?.flags ?? [], version: attempt?.priceVersion ?? "" };
}

function command(args: readonly string[], nowMs = Date.now()): { code: number; out: string; errors: string } {
  let out = "";
  let errors = "";
  const path = join(folder, "spillway.yaml");
  writeFileSync(path, config);
  const context = { out: { write: (words: string) => (out += words) }, errors: { write: (words: string) => (errors += words) }, env: {}, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue() };
  const code = runContracts([...args, "--config", path, "--data-dir", folder], context, nowMs);
  return { code, out, errors };
}

describe("contracts", () => {
  it("lower what calls are charged, give what is paid for already at nothing, and go on counting after a restart", async () => {
    let gateway = await testGateway(config, { dataDir: folder });
    token = gateway.adminToken ?? "";
    const plain = await call(gateway, "plain");
    assert.deepEqual([plain.cost, plain.flags], [plain.prompt * 1_000 + TOKENS_OUT * 2_000, []]);
    const cheap = await call(gateway, "cheap");
    assert.equal(cheap.cost, cheap.prompt * 500 + TOKENS_OUT * 1_750);
    assert.match(cheap.version, /^config:[0-9a-f]+\+contract:less@[0-9a-f]{8}$/);
    const units = await call(gateway, "units");
    assert.deepEqual([units.cost, units.flags], [0, ["contract:units"]]);
    assert.deepEqual((await call(gateway, "quota")).flags, ["contract:quota"]);
    const first = await call(gateway, "volume");
    assert.equal(first.cost, first.prompt * 1_000 + 200_000);
    await gateway.close();

    gateway = await testGateway(config, { dataDir: folder });
    // The quota's second call of the day, and the one beyond it.
    assert.deepEqual([(await call(gateway, "quota")).cost, (await call(gateway, "quota")).flags], [0, ["contract:quota", "spill"]]);
    // 0.0003 USD are reached within the second call: what lies above costs half.
    const second = await call(gateway, "volume");
    const rated = first.cost + second.prompt * 1_000 + 200_000;
    assert.equal(second.cost, 300_000 + Math.floor((rated - 300_000) / 2) - first.cost);
    await gateway.close();
  });

  it("may be managed: one binds the next call, counts on from the ledger, gives way to the configuration's, and ends when it is deleted", async (t) => {
    const gateway = await testGateway(config, { dataDir: folder });
    t.after(() => gateway.close());
    const ask = async (method: string, path: string, body?: JsonObject): Promise<JsonObject> => {
      const response = await fetch(`${gateway.adminUrl}/admin/v1${path}`, { method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
      const text = await response.text();
      assert.ok(response.ok, text);
      return text === "" ? {} : (JSON.parse(text) as JsonObject);
    };
    const shared = { account: "o", kind: "pay_as_you_go", start: "2020-01-01" };
    const plain = await call(gateway, "agreed");
    await ask("POST", "/contracts", { ...shared, id: "half", models: ["agreed"], discounts: [{ percent: 50 }] });
    const half = await call(gateway, "agreed");
    assert.deepEqual([half.cost * 2, half.version.split("+")[1]], [plain.cost, "contract:half@1"]);
    await ask("PATCH", "/contracts/half", { discounts: [{ percent: 75 }] });
    assert.equal((await call(gateway, "agreed")).cost * 4, plain.cost);

    // Spend of this month from before there was the contract.
    const first = await call(gateway, "later");
    await ask("POST", "/contracts", { ...shared, id: "steps", kind: "committed", models: ["later"], committed: { amount_usd: 1, per: "month", steps: [{ from_usd: 0.0003, percent: 50 }] } });
    const second = await call(gateway, "later");
    assert.equal(second.cost, 300_000 + Math.floor((first.cost + second.prompt * 1_000 + 200_000 - 300_000) / 2) - first.cost);

    const over = await ask("POST", "/contracts", { ...shared, id: "over", models: ["cheap"], discounts: [{ percent: 99 }] });
    assert.match(JSON.stringify(over["left_out"]), /cheap of o is covered by the contract less as well/);
    assert.match((await call(gateway, "cheap")).version, /contract:less@/);
    const { data } = (await ask("GET", "/contracts")) as { data: readonly JsonObject[] };
    assert.deepEqual(data.map((one) => [one["id"], one["source"], one["left_out"] !== undefined]), [["half", "api", false], ["less", "config", false], ["old", "config", false], ["over", "api", true], ["quota", "config", false], ["steps", "api", false], ["units", "config", false], ["volume", "config", false]]);
    const listed = command(["list"]);
    assert.match(listed.out, /\nhalf +pay_as_you_go +o\/agreed +2020-01-01 to … +running +api\n/);
    assert.match(listed.errors, /^the managed contract over does not count: cheap of o is covered/);
    assert.match(command(["forecast", "steps"]).out, /\n  committed +1\.00\n/);

    for (const id of ["half", "steps", "over"]) await ask("DELETE", `/contracts/${id}`);
    assert.equal((await call(gateway, "agreed")).cost, plain.cost);
  });

  it("are listed and shown by the command line", () => {
    const { code, out } = command(["list"]);
    assert.equal(code, 0);
    assert.match(out, /^contract +kind +covers +term *\n/);
    assert.match(out, /\nunits +provisioned +o\/units +2020-01-01 to … +running +config\n/);
    assert.match(out, /\nold +pay_as_you_go +o\/plain +2020-01-01 to 2020-12-31 +ended +config\n/);
    const [line] = command(["--json"]).out.split("\n");
    assert.deepEqual(JSON.parse(line ?? ""), { id: "less", kind: "pay_as_you_go", account: "o", models: ["cheap"], except: [], start: "2020-01-01", end: null, state: "running", source: "config" });
    const shown = JSON.parse(command(["show", "units", "--json"]).out) as { terms: { pools: { price: unknown }[] } };
    assert.deepEqual(shown.terms.pools[0]?.price, { kind: "hourly", usd_per_unit: "2.00" });
    const less = JSON.parse(command(["show", "less", "--json"]).out) as { start: unknown; discounts: { percent: unknown }[] };
    assert.deepEqual([less.start, less.discounts.map(({ percent }) => percent)], ["2020-01-01", [12.5, 50]]);
  });

  it("are forecast from the ledger", () => {
    const commitment = JSON.parse(command(["forecast", "volume", "--json"]).out) as { charged_usd: string; commitment: { committed_usd: string; used_usd: string; left_usd: string; step_percent: number; next_step: null } };
    assert.equal(commitment.commitment.used_usd, commitment.charged_usd);
    assert.deepEqual([commitment.commitment.committed_usd, commitment.commitment.step_percent, commitment.commitment.next_step], ["1.00", 50, null]);
    assert.ok(Number(commitment.commitment.left_usd) < 1 && Number(commitment.commitment.left_usd) > 0.999);
    const text = command(["forecast", "units"]).out;
    assert.match(text, /^units, provisioned of o, 2020-01-01 to …\n/);
    assert.match(text, /capacity tokens +\d+\.00 \(\d+ unit_hour\)/);
    assert.match(text, /tokens +0 % +\d+ of \d+ tokens/);
    assert.match(command(["forecast", "old"]).out, /^old is ended/);
  });

  it("say what is wrong with what is asked", () => {
    assert.deepEqual([command(["show", "nope"]).code, command(["show", "nope"]).errors], [1, 'there is no contract "nope"; known are less, units, quota, volume, old\n']);
    assert.equal(command(["show"]).code, 2);
    assert.equal(command(["sign", "here"]).code, 2);
  });
});
