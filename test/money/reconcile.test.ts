/** A provider's invoice beside the ledger, after traffic with every fault that the fleet knows: its own bill is the invoice. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommandContext } from "../../src/cli/context.ts";
import { runReconcile } from "../../src/cli/reconcile.ts";
import { billCsv, gatewayConfig, startFleet, type BillRow, type Fleet } from "../../src/fleet/index.ts";
import { loadCatalogue } from "../../src/providers/catalog/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import type { AttemptView } from "../../src/storage/rows.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { FAULT_KINDS, FAULTY_ROUTES, faultyFleet, usageAndCostReports, usageAndCosts } from "./every-fault.ts";
import { sendMixed } from "./mixed-traffic.ts";

const REQUESTS = 800;
const MOST_UNEXPLAINED_PERCENT = 0.5;

interface Report {
  readonly lines: number;
  readonly invoice_usd: string;
  readonly ledger_usd: string;
  readonly difference_usd: string;
  readonly valued_at_our_prices: boolean;
  readonly unexplained_percent: number;
  readonly causes: Readonly<Record<string, { readonly difference_usd: string; readonly count: number }>>;
  readonly flagged: readonly { readonly cause: string; readonly at: string }[];
  readonly estimates_with_evidence: number;
  readonly notes: readonly string[];
}

describe("the fleet's invoice with every fault on", () => {
  let fleet: Fleet;
  let gateway: TestGateway;
  let folder: string;
  let attempts: readonly AttemptView[];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "spillway-reconcile-"));
    const config = faultyFleet(77);
    fleet = await startFleet(config);
    const yaml = gatewayConfig(config, fleet, { more: { routes: FAULTY_ROUTES, health: { rest: "50ms", rest_max: "100ms" } } });
    writeFileSync(join(folder, "spillway.yaml"), yaml);
    gateway = await testGateway(yaml);
    await sendMixed(gateway.url, REQUESTS, 77, Object.keys(FAULTY_ROUTES));
    attempts = (await gateway.requests()).flatMap((request) => request.attempts);
    // The fleet notices the last dead sockets.
    await sleep(300);
  });
  after(async () => {
    await gateway.close();
    await fleet.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const billOf = (provider: string): readonly BillRow[] => fleet.bill().filter((row) => row.provider === provider);

  async function run(name: string, text: string, ...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly errors: string }> {
    writeFileSync(join(folder, name), text);
    return await command(join(folder, name), ...args);
  }

  async function command(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly errors: string }> {
    let [out, errors] = ["", ""];
    const context: CommandContext = { out: { write: (text) => (out += text) }, errors: { write: (text) => (errors += text) }, env: {}, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue() };
    const code = await runReconcile([...args, "--config", join(folder, "spillway.yaml"), "--data-dir", gateway.dataDir], context);
    return { code, out, errors };
  }

  async function report(name: string, text: string, ...args: readonly string[]): Promise<Report> {
    const { code, out, errors } = await run(name, text, ...args, "--json");
    assert.deepEqual([code, errors], [0, ""]);
    return JSON.parse(out) as Report;
  }

  const estimates = (account: string): readonly AttemptView[] => attempts.filter(({ deployment, state }) => deployment.startsWith(`${account}/`) && state === "estimated");

  it("was made with every fault on", () => {
    for (const provider of ["one", "two"]) {
      const played = new Set(billOf(provider).map(({ fault }) => fault));
      assert.deepEqual(FAULT_KINDS.filter((kind) => kind !== "none" && !played.has(kind)), [], provider);
      assert.ok(estimates(provider).length >= 20, `only ${estimates(provider).length} estimates at ${provider}`);
    }
  });

  for (const provider of ["one", "two"]) {
    it(`is explained call by call where it names them (${provider})`, async (t) => {
      const found = await report("bill.csv", billCsv(billOf(provider)), "--format", "csv", "--account", provider);
      t.diagnostic(JSON.stringify({ ...found, flagged: found.flagged.length }));
      assert.equal(found.unexplained_percent, 0);
      onlyWhatCannotBeKnown(found);
      assert.notEqual(found.difference_usd, "0.000000000");
      assert.ok(found.estimates_with_evidence > 10);
    });
  }

  it("is explained by day and model from one maker's usage and costs", async (t) => {
    const { usage, costs } = usageAndCosts(billOf("one"), "m");
    for (const [format, text, valued] of [["openai-usage", usage, true], ["openai-costs", costs, false]] as const) {
      const found = await report(`${format}.json`, text, "--format", format, "--account", "one");
      t.diagnostic(`${format}: ${JSON.stringify(found.causes)} ${found.unexplained_percent} %`);
      explained(found, valued);
    }
  });

  it("is explained by day and model from the other's usage and cost reports", async (t) => {
    const { usage, cost } = usageAndCostReports(billOf("two"), "m");
    for (const [format, text, valued] of [["anthropic-usage", usage, true], ["anthropic-cost", cost, false]] as const) {
      const found = await report(`${format}.json`, text, "--format", format, "--account", "two");
      t.diagnostic(`${format}: ${JSON.stringify(found.causes)} ${found.unexplained_percent} %`);
      explained(found, valued);
    }
  });

  /** Calls that told no usage, and answers that were an error and are billed all the same. */
  function onlyWhatCannotBeKnown(found: Report): void {
    assert.deepEqual(Object.keys(found.causes).filter((cause) => cause !== "estimated" && cause !== "unbilled"), [], JSON.stringify(found.flagged));
    for (const { at } of found.flagged) assert.equal(attempts.find(({ attemptId }) => at.includes(attemptId))?.state, "unbilled");
  }

  function explained(found: Report, valued: boolean): void {
    assert.equal(found.valued_at_our_prices, valued);
    assert.ok(Number(found.invoice_usd) > 0.1);
    assert.ok(found.unexplained_percent <= MOST_UNEXPLAINED_PERCENT, `${found.unexplained_percent} % are unexplained`);
    assert.equal(found.causes["not_in_ledger"], undefined);
    assert.equal(found.causes["not_on_invoice"], undefined);
  }

  it("does not explain away what nothing explains: a line too much, a call billed twice, counts that the answer did not have", async () => {
    const [head = "", ...lines] = billCsv(billOf("one")).trimEnd().split("\r\n");
    const usual = lines.filter((line) => attempts.some(({ attemptId, state, flags }) => state === "charged" && flags.length === 0 && line.includes(attemptId)));
    const [first = "", second = ""] = usual;
    const grown = second.split(",").map((cell, at) => (head.split(",")[at] === "output_tokens" ? String(Number(cell) + 100_000) : head.split(",")[at] === "cost_nano_usd" ? String(Number(cell) + 1_000_000_000) : cell)).join(",");
    const foreign = first.split(",").map((cell, at) => (head.split(",")[at] === "client_request_id" ? "somebody-else" : cell)).join(",");
    const text = [head, ...lines.map((line) => (line === second ? grown : line)), first, foreign, ""].join("\r\n");
    const found = await report("odd.csv", text, "--format", "csv", "--account", "one");
    assert.equal(found.causes["not_in_ledger"]?.count, 2);
    assert.equal(found.causes["unexplained"]?.difference_usd, "1.000000000");
    assert.ok(found.unexplained_percent > 10);
    assert.equal(found.flagged.filter(({ cause }) => cause !== "unbilled").length, 3);
    assert.ok(found.flagged.some(({ cause, at }) => cause === "unexplained" && at.startsWith("line ")));
  });

  it("says which configuration and which folder it read where an account or a call is not known", async () => {
    const read = `read: the configuration ${join(folder, "spillway.yaml")}, the data folder ${gateway.dataDir} (others: --config, --data-dir)\n`;
    const { code, errors } = await run("none.csv", billCsv(billOf("one")), "--format", "csv", "--account", "nosuch");
    assert.equal(code, 1, errors);
    assert.ok(errors.endsWith(read), errors);
    assert.equal((await command("rerate", "--model", "no/such", "--from", "2020-01-01")).errors, read);
  });

  it("takes nothing from a file with one bad line, and a formula for what it is: text", async () => {
    const csv = billCsv(billOf("one"));
    const lines = csv.split("\r\n");
    const spoilt = lines.map((line, at) => (at === 3 ? line.replace(/,\d+$/, ",=1+1") : line)).join("\r\n");
    const refused = await run("spoilt.csv", spoilt, "--format", "csv", "--account", "one", "--apply");
    assert.equal(refused.code, 1);
    assert.match(refused.errors, /line 4: cost_nano_usd is no amount: =1\+1/);
    assert.match(refused.errors, /nothing was changed/);
    assert.deepEqual((await gateway.requests()).flatMap((request) => request.attempts).map(({ corrections }) => corrections).filter((count) => count > 0), []);
    const formula = await report("formula.csv", ["day,model,cost_usd", "2026-01-01,\"=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",1.25", ""].join("\n"), "--format", "csv", "--account", "one");
    assert.equal(formula.causes["not_in_ledger"]?.difference_usd, "1.250000000");
    for (const [format, text] of [["openai-usage", "{}"], ["openai-costs", "[1,2]"], ["anthropic-usage", "{\"data\":[{\"results\":[{}]}]}"], ["anthropic-cost", "not JSON"], ["csv", "a,b\n1,2\n"], ["csv", "day,cost_usd\n2026-01-01,\"1\n"]] as const) {
      const bad = await run("bad", text, "--format", format, "--account", "one", "--apply");
      assert.equal(bad.code, 1, `${format}: ${text}`);
      assert.match(bad.errors, /nothing was taken from it/);
    }
    const paged = await run("paged.json", JSON.stringify({ data: [], has_more: true }), "--format", "openai-usage", "--account", "one");
    assert.match(paged.errors, /more pages/);
  });

  it("sets estimates right by its evidence, once, through the gateway that runs", async () => {
    const text = billCsv(billOf("two"));
    const first = await run("two.csv", text, "--format", "csv", "--account", "two", "--apply");
    assert.equal(first.code, 0, first.errors);
    assert.match(first.out, /\d+ calls adjusted by -?\$\d/);
    const billed = new Map(billOf("two").map((row) => [row.client_request_id, row.cost_nano_usd]));
    const now = (await gateway.requests()).flatMap((request) => request.attempts).filter(({ deployment }) => deployment === "two/m");
    const adjusted = now.filter(({ corrections }) => corrections > 0);
    assert.ok(adjusted.length > 10);
    for (const view of adjusted) {
      assert.deepEqual([view.corrections, view.state, view.costNanoUsd], [1, "charged", billed.get(view.attemptId)]);
      assert.ok(view.flags.includes("reconciled") && !view.flags.includes("estimated"));
    }
    const again = await run("two.csv", text, "--format", "csv", "--account", "two", "--apply");
    assert.doesNotMatch(again.out, /adjusted/);
    const left = await report("two.csv", text, "--format", "csv", "--account", "two");
    assert.equal(left.estimates_with_evidence, 0);
    // What they did not bill at all is no line, and so no evidence.
    onlyWhatCannotBeKnown(left);
  });
});
