/** `spillway spend` in the display currency: each call by the rate of its time, the sums exact, all but tables in dollars. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { loadCatalogue } from "../providers/catalog/index.ts";
import { PROVIDERS } from "../providers/registry.ts";
import { aCharge, aHold, START_MS } from "../storage/conformance.ts";
import { SqliteStorage } from "../storage/sqlite.ts";
import { runSpend } from "./spend.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-spend-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function spend(rates: string, ...args: readonly string[]): Promise<readonly string[]> {
  let out = "";
  const context = { out: { write: (text: string) => (out += text) }, errors: { write: (text: string) => (out += text) }, env: { SPILLWAY_CONFIG: `version: 1\n${rates}` }, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue() };
  assert.equal(await runSpend([...args, "--from", "2026-11-01", "--to", "2026-12-01", "--data-dir", folder], context), 0, out);
  return out.trimEnd().split("\n").map((line) => line.trim().replace(/ +/g, " "));
}

before(async () => {
  const storage = new SqliteStorage(join(folder, "ledger.db"), { wallMs: () => START_MS, checkpointEveryMs: 0, settleRetryMs: 100 });
  const days = [3, 23, 23];
  await storage.ledger.reserve(days.map((day, i) => aHold(i, { atMs: Date.UTC(2026, 10, day, 12), scopes: ["tenant/default", `team/${i === 2 ? "ads" : "search"}`] })));
  await storage.ledger.settle(days.map((_, i) => aCharge(i, { costNanoUsd: (i + 1) * 10_000_000_000 })));
  await storage.ledger.settle([aCharge(0, { costNanoUsd: 8_000_000_000 })]);
  await storage.close();
});

describe("spillway spend", () => {
  const RATES = "display: { currency: EUR, rates: [{ from: 2026-10-01, usd: 0.90 }, { from: 2026-11-10, usd: 0.50 }] }";

  it("shows tables in the display currency, each call by the rate of its time", async () => {
    const lines = await spend(RATES, "--by", "team");
    assert.match(lines[1] ?? "", /^team requests in out EUR corrected total$/);
    // 10 × 0.90 + 20 × 0.50; two dollars less × 0.90.
    assert.match(lines.find((line) => line.startsWith("search")) ?? "", / 19\.00 -1\.80 17\.20$/);
    assert.match(lines.find((line) => line.startsWith("ads")) ?? "", / 15\.00 0\.00 15\.00$/);
    assert.match(lines.find((line) => line.startsWith("all")) ?? "", / 34\.00 -1\.80 32\.20$/);
  });

  it("shows dollars where no rate held for some of what was spent, and says so", async () => {
    const lines = await spend("display: { currency: EUR, rates: [{ from: 2026-11-10, usd: 0.50 }] }");
    assert.equal(lines[1], "In dollars: there is no rate of EUR for some of this time.");
    assert.match(lines.at(-1) ?? "", / 60\.00 -2\.00 58\.00$/);
    assert.match((await spend("display: { currency: EUR, rates: [{ from: 2026-11-10, usd: 0.50 }] }", "--team", "ads")).at(-1) ?? "", / 15\.00 0\.00 15\.00$/);
  });

  it("tells machines dollars", async () => {
    assert.match((await spend(RATES, "--json")).at(-1) ?? "", /"total_usd":"58\.000000000"/);
    assert.match((await spend(RATES, "--csv", "--by", "team")).join("\n"), /ads,.*30\.000000000/);
  });
});
