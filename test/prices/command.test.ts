/** `spillway prices` on a data folder, and beside a gateway that runs on it: the next request costs what was taken over. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { runPrices } from "../../src/cli/prices.ts";
import { loadCatalogue } from "../../src/providers/catalog/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import { testGateway } from "../support/gateway.ts";
import { json, recordingUpstream } from "../support/recording-upstream.ts";
import { NOW_MS } from "./feeds.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-prices-"));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

/** Run in an empty folder, so that no configuration is found. */
async function prices(args: readonly string[], dataDir: string, nowMs = NOW_MS): Promise<Ran> {
  let [out, errors] = ["", ""];
  const context = { out: { write: (text: string) => (out += text) }, errors: { write: (text: string) => (errors += text) }, env: {}, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue() };
  const code = await runPrices([...args, "--data-dir", dataDir], context, nowMs);
  return { code, out, errors };
}
function file(models: Readonly<Record<string, object>>): string {
  const path = join(folder, `feed-${++files}.json`);
  writeFileSync(path, JSON.stringify({ openai: { models: Object.fromEntries(Object.entries(models).map(([name, cost]) => [name, { cost }])) } }));
  return path;
}
function newDir(): string {
  return mkdtempSync(join(folder, "data-"));
}
async function charged(model: string, dataDir: string, nowMs = NOW_MS): Promise<Record<string, unknown>> {
  const { out } = await prices(["show", `openai/${model}`, "--json"], dataDir, nowMs);
  return JSON.parse(out) as Record<string, unknown>;
}
const MODELS_DEV = ["--format", "models.dev"];
const CHEAPER = { "gpt-4o-mini": { input: 0.1, output: 0.5 }, "gpt-4.1": { input: 2, output: 8 }, "gpt-4o": { input: 25, output: 100 } };

describe("spillway prices import", () => {
  it("shows old, new and ratio, and changes nothing", async () => {
    const dataDir = newDir();
    const { code, out } = await prices(["import", file(CHEAPER), ...MODELS_DEV], dataDir);
    assert.equal(code, 0);
    assert.match(out, /openai\/gpt-4o-mini: changes\n {2}input +0\.15 +→ +0\.1 +× 0\.667\n {2}output +0\.6 +→ +0\.5 +× 0\.833\n {2}tiers\.batch\.input +0\.075 +→ +0\.05 +× 0\.667\n/);
    assert.match(out, /openai\/gpt-4o: odd: needs --accept\n {2}input +2\.5 +→ +25 +× 10\.000 +× 10\.0\n/);
    assert.match(out, /3 models: 1 the same, 1 change, 1 odd, 0 new, 0 your own, 0 not sound; 0 that the catalogue does not have\nnothing was changed; --apply takes 1 over, odd ones only with --accept/);
    assert.deepEqual(readdirSync(dataDir), []);
  });

  it("takes over what is within bounds, and what is odd only where it is accepted by name", async () => {
    const dataDir = newDir();
    const feed = file(CHEAPER);
    assert.match((await prices(["import", feed, ...MODELS_DEV, "--apply", "--source-date", "2026-11-20"], dataDir)).out, /1 prices taken over\n$/);
    const mini = await charged("gpt-4o-mini", dataDir);
    assert.deepEqual([(mini["price"] as Record<string, unknown>)["input"], (mini["price"] as Record<string, unknown>)["web_searches"]], ["0.1", "0.01"]);
    assert.match(String(mini["said_by"]), /^models\.dev of 2026-11-20 \(openai-gpt-4o-mini-/);
    assert.match(String((await charged("gpt-4o", dataDir))["said_by"]), /^catalogue/);
    const before = await prices(["show", "openai/gpt-4o-mini", "--json", "--at", "2026-11-01"], dataDir);
    assert.match(before.out, /"input":"0\.15"/, "a request of that day keeps that day's price");
    assert.match((await prices(["import", feed, ...MODELS_DEV, "--apply", "--accept", "openai/gpt-4o"], dataDir)).out, /openai\/gpt-4o: odd, accepted[^]*1 prices taken over\n$/);
    assert.equal(((await charged("gpt-4o", dataDir))["price"] as Record<string, unknown>)["input"], "25");
  });

  it("takes models over that had no price only where that is asked", async () => {
    const dataDir = newDir();
    const feed = file({ "gpt-of-tomorrow": { input: 7, output: 21 } });
    assert.match((await prices(["import", feed, ...MODELS_DEV, "--apply"], dataDir)).out, /0 models: .*; 1 that the catalogue does not have/);
    assert.match((await prices(["import", feed, ...MODELS_DEV, "--apply", "--new"], dataDir)).out, /1 prices taken over/);
  });

  it("changes nothing for a file that is broken, or an acceptance of nothing", async () => {
    const dataDir = newDir();
    const broken = join(folder, "broken.json");
    writeFileSync(broken, '{"openai": {"models": {"gpt-4o-mini": {"cost"');
    const ran = await prices(["import", broken, ...MODELS_DEV, "--apply"], dataDir);
    assert.deepEqual([ran.code, ran.out], [1, ""]);
    assert.match(ran.errors, /this is no models\.dev file: .*Nothing was changed/);
    const strange = await prices(["import", file(CHEAPER), ...MODELS_DEV, "--apply", "--accept", "openai/gpt-4"], dataDir);
    assert.deepEqual([strange.code, /proposes no change of it\. Nothing was changed/.test(strange.errors)], [1, true]);
    assert.equal((await prices(["import", join(folder, "absent.json"), ...MODELS_DEV], dataDir)).code, 1);
    assert.equal((await prices(["import", file(CHEAPER)], dataDir)).code, 2, "no format");
    assert.deepEqual(readdirSync(dataDir), []);
  });

  it("tells a machine the same", async () => {
    const { out } = await prices(["import", file(CHEAPER), ...MODELS_DEV, "--json"], newDir());
    const [mini, large] = out.trimEnd().split("\n").map((line) => JSON.parse(line) as { id: string; verdict: string; changes: { path: string; old: string; new: string; ratio: number; odd: string | null }[] });
    assert.deepEqual([mini?.id, mini?.verdict, mini?.changes[0]], ["openai/gpt-4o-mini", "fine", { path: "input", old: "0.15", new: "0.1", ratio: 0.666667, odd: null }]);
    assert.deepEqual([large?.id, large?.verdict, large?.changes[0]?.odd], ["openai/gpt-4o", "odd", "× 10.0"]);
  });
});

describe("spillway prices show and compare", () => {
  it("mark what sources dispute, and order providers by the price of an answer", async () => {
    const { out } = await prices(["compare", "llama-3.3-70b", "--json"], newDir());
    const rows = out.trimEnd().split("\n").map((line) => JSON.parse(line) as { model: string; price: { output: string }; doubts: string[] });
    assert.ok(rows.length > 8);
    const outputs = rows.map(({ price }) => Number(price.output));
    assert.deepEqual(outputs, outputs.toSorted((a, b) => a - b));
    assert.ok(rows.some(({ doubts }) => doubts.includes("price_disputed")) && rows.some(({ doubts }) => doubts.length === 0));
    assert.match((await prices(["compare", "llama-3.3-70b"], newDir())).out, /deepinfra\/\S+ +≈0\.1 /);
  });
  it("say so where nothing is known, and which names are near", async () => {
    const { code, errors } = await prices(["show", "openai/gpt-4o-mni"], newDir());
    assert.deepEqual([code, /did you mean.*gpt-4o-mini/i.test(errors)], [1, true]);
  });
});

describe("a price that changes under a running gateway", () => {
  it("holds from the next request on, and is named in its row", async () => {
    const usage = { prompt_tokens: 1000, completion_tokens: 1000, total_tokens: 2000 };
    const upstream = await recordingUpstream(json({ id: "c", object: "chat.completion", created: 1, model: "gpt-4o-mini", choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }], usage }));
    const gateway = await testGateway(`version: 1\nproviders:\n  openai: { base_url: "${upstream.origin}/v1", api_key: k, unmetered: false }\n`);
    const ask = async (): Promise<string | null> => {
      const answer = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "openai/gpt-4o-mini", messages: [{ role: "user", content: "hi" }] }) });
      assert.equal(answer.status, 200, await answer.clone().text());
      return answer.headers.get("x-spillway-cost-usd");
    };
    try {
      assert.equal(await ask(), "0.000750000");
      const ran = await prices(["import", file(CHEAPER), ...MODELS_DEV, "--apply"], gateway.dataDir, Date.now() - 1000);
      assert.match(ran.out, /1 prices taken over/, ran.errors);
      assert.equal(await ask(), "0.000600000");
      assert.deepEqual(readdirSync(gateway.dataDir).filter((name) => name.startsWith("import-")), [], "what was handed over is gone");
    } finally {
      await gateway.close();
      await upstream.close();
    }
  });
});
