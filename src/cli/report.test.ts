import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import type { Objective } from "../decide/objective/types.ts";
import { loadCatalogue } from "../providers/catalog/index.ts";
import { PROVIDERS } from "../providers/registry.ts";
import { aCharge, aHold, aRecord } from "../storage/conformance.ts";
import { openDataDir } from "../storage/data-dir.ts";
import { SqliteStorage } from "../storage/sqlite.ts";
import type { CommandContext } from "./context.ts";
import { runReport } from "./report.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-report-"));
after(() => rmSync(folder, { recursive: true }));
const data = join(folder, "data");
const NOW_MS = Date.UTC(2026, 10, 10);
/** A name that would mean something to HTML, to Markdown and to a terminal. */
const EVIL = "<script>alert(1)</script>|*x*\u001b[2J\u202e";
const CONFIG = `version: 1
providers:
  alpha: { type: openai-compatible, base_url: "http://127.0.0.1:1/v1", api_key: "key-of-alpha" }
contracts:
  alpha-2026: { account: alpha, models: ["*"], kind: pay_as_you_go, start: 2026-01-01, end: 2026-12-31, sla: { uptime_percent: 99.99, credits: [{ below_percent: 99.99, credit_percent: 10 }], claim_days: 30 } }
`;

function run(...args: string[]): { readonly code: number; readonly out: string; readonly errors: string } {
  let out = "";
  let errors = "";
  const context: CommandContext = {
    out: { write: (words) => (out += words) }, errors: { write: (words) => (errors += words) }, env: {}, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue(),
  };
  const code = runReport([...args, "--data-dir", data], context, NOW_MS);
  return { code, out, errors };
}
const inFolder = (name: string): string => join(folder, name);

const monthOf = (zone: string): Objective => ({ name: "availability", kind: "availability", target: 0.5, window: { kind: "month", zone }, within: [], atLeast: null, unit: null });

before(async () => {
  writeFileSync(inFolder("spillway.yaml"), CONFIG);
  const dir = openDataDir(data);
  const storage = new SqliteStorage(dir.ledgerPath, { wallMs: () => NOW_MS, checkpointEveryMs: 0 });
  storage.outcomes.promise([["berlin", [monthOf("Europe/Berlin")]], ["support", [monthOf("UTC")]]], {
    promises: [{ id: "search", scopes: ["team/search"], objectives: [monthOf("Europe/Berlin")] }], scopesOf: ({ key }) => (key === "app" ? ["team/search"] : []),
  });
  const costNanoUsd = 20_000_000_000;
  await storage.ledger.reserve([aHold(1, { atMs: Date.UTC(2026, 9, 3), boundNanoUsd: costNanoUsd })]);
  await storage.ledger.settle([aCharge(1, { costNanoUsd })]);
  for (let i = 0; i < 30; i++) {
    const failed = i >= 10 && i < 20;
    const call = { attemptId: `att_${i}`, deployment: "alpha/small", state: "unbilled", outcome: "server", status: 500, units: {}, costNanoUsd: 0, flags: [], ttftMs: null, totalMs: 5 } as const;
    storage.records.append(aRecord(i, { atMs: Date.UTC(2026, 9, 3, 12, i), ...(failed ? { outcome: "error", status: 502, deployment: null, errorCode: "upstream_error", attempts: [call] } : {}) }));
  }
  storage.records.append(aRecord(40, { atMs: Date.UTC(2026, 9, 3), route: EVIL, outcome: "error", status: 400, errorCode: `${EVIL}\n# x`, deployment: null, attempts: [] }));
  // By Berlin's clocks in October, and in November.
  for (const [i, atMs] of [Date.UTC(2026, 8, 30, 22), Date.UTC(2026, 9, 31, 22, 59), Date.UTC(2026, 9, 31, 23)].entries()) storage.records.append(aRecord(50 + i, { atMs, route: "berlin" }));
  await storage.close();
  dir.close();
});

describe("spillway report", () => {
  test("writes JSON that verifies to the same digest, until an event is changed", () => {
    const file = inFolder("october.json");
    const made = run("--month", "2026-10", "--out", file);
    assert.equal(made.code, 0, made.errors);
    const report = JSON.parse(readFileSync(file, "utf8")) as { digest: string; complete: boolean; routes: { route: string; requests: { lost: number } }[]; contracts: { claim: { credit_usd: string; uptime_percent: string }; terms: { bill_usd: string } }[] };
    assert.equal(made.out, `${file}: 2026-10, digest ${report.digest}\n`);
    assert.equal(report.complete, true);
    assert.deepEqual(report.routes.map(({ route, requests }) => [route, requests.lost]), [[EVIL, 1], ["berlin", 0], ["support", 10]]);
    // 10 of 44,640 minutes: 99.977 %; a tenth of the bill of 20 dollars.
    const [contract] = report.contracts;
    assert.deepEqual([contract?.claim.uptime_percent, contract?.terms.bill_usd, contract?.claim.credit_usd], ["99.977", "20.00", "2.00"]);
    const same = run("--verify", file);
    assert.deepEqual([same.code, same.out.endsWith(`the same digest ${report.digest}, the same figures\n`)], [0, true], same.out);
    assert.match(run("--month", "2026-10", "--verify").out, /^2026-10: counts and rows agree\. Digest [0-9a-f]{64}\n$/);

    const db = new DatabaseSync(join(data, "outcomes.db"));
    const failed = Number(db.prepare("SELECT id FROM names WHERE name = 'class:failed'").get()?.["id"]);
    const row = db.prepare("SELECT minute, pair, counts FROM minutes WHERE counts LIKE ? AND pair IN (SELECT id FROM pairs WHERE scope = '') ORDER BY minute DESC LIMIT 1").get(`${failed} 1%`) ?? {};
    const write = db.prepare("UPDATE minutes SET counts = ? WHERE minute = ? AND pair = ?");
    write.run(String(row["counts"]).replace(`${failed} 1`, `${failed} 0`), row["minute"] ?? null, row["pair"] ?? null);
    const broken = run("--verify", file);
    assert.equal(broken.code, 1);
    assert.match(broken.out, /^route support: the events are not those of the report/);
    assert.match(broken.out, /rows that were not counted/);
    assert.equal(run("--month", "2026-10", "--verify").code, 1);
    write.run(row["counts"] ?? null, row["minute"] ?? null, row["pair"] ?? null);
    db.close();
    assert.equal(run("--verify", file).code, 0);
  });

  test("takes the month of a route by the time zone of its objective", () => {
    const { out } = run("--month", "2026-10", "--route", "berlin", "--format", "json");
    const [route] = (JSON.parse(out) as { routes: { from: string; until: string; requests: { all: number } }[] }).routes;
    assert.deepEqual([route?.from, route?.until, route?.requests.all], ["2026-09-30T22:00:00.000Z", "2026-10-31T23:00:00.000Z", 2]);
  });

  test("tells what was promised to a team by all of its requests, in the month of the promise's time zone, and nothing else where that is asked", () => {
    const file = inFolder("search.json");
    assert.equal(run("--month", "2026-10", "--scope", "search", "--out", file).code, 0);
    const { routes, scopes, contracts } = JSON.parse(readFileSync(file, "utf8")) as { routes: object[]; contracts: object[]; scopes: { scope: string; from: string; promised: { scopes: string[] }[]; objectives: { valid: number; bad: number; attained_percent: string; met: boolean }[] }[] };
    assert.deepEqual([routes.length, contracts.length, scopes.length, scopes[0]?.scope, scopes[0]?.from, scopes[0]?.promised[0]?.scopes], [0, 0, 1, "search", "2026-09-30T22:00:00.000Z", ["team/search"]]);
    // 30 of support, one that came to nothing by its name, and two of berlin.
    assert.deepEqual(scopes[0]?.objectives.map(({ valid, bad, attained_percent: attained, met }) => [valid, bad, attained, met]), [[33, 11, "66.66666", true]]);
    assert.deepEqual([run("--verify", file).code, run("--month", "2026-10", "--route", "support", "--format", "json").out.includes('"scopes": []')], [0, true]);
    assert.match(run("--month", "2026-10", "--scope", "search").out, /\| objectives search \| availability \| 50 % \| 66\.66666 % \| yes \|/);
    assert.equal(run("--month", "2026-10", "--scope", "nosuch").errors.startsWith('spillway: nothing of the objectives "nosuch" in 2026-10'), true);
  });

  test("writes HTML for paper: one file, no script, nothing from elsewhere, all names escaped", () => {
    const file = inFolder("october.html");
    assert.equal(run("--month", "2026-10", "--out", file).code, 0);
    const html = readFileSync(file, "utf8");
    assert.ok(html.startsWith("<!doctype html>") && html.includes("@media print"));
    assert.ok(html.includes("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert.doesNotMatch(html, /<script|<link|<img|<iframe|src=|href=|url\(|@import|\son\w+=/i);
    const open = [...html.matchAll(/<(h1|h2|h3|p|table|thead|tbody|tr|td|th)\b/g)].length;
    assert.equal([...html.matchAll(/<\/(h1|h2|h3|p|table|thead|tbody|tr|td|th)>/g)].length, open);
  });

  test("writes Markdown, whose tables keep their columns whatever names say", () => {
    const { code, out } = run("--month", "2026-10");
    assert.equal(code, 0);
    assert.match(out, /^# Service report 2026-10\n/);
    assert.match(out, /\| support \| availability \| 50 % \| 66\.66666 % \| yes \|/);
    // 10 of 44,640 minutes were down, and 10 of 32 calls failed.
    assert.match(out, /\| contract alpha-2026 \| uptime by minutes \| 99\.99 % \| 99\.977 % \| NO \|\n\| contract alpha-2026 \| good calls \| 99\.99 % \| 68\.75 % \| NO \|/);
    assert.match(out, /\nalpha, all models; /);
    assert.match(out, /\| 2026-10-03 12:10 \| 2026-10-03 12:20 \| 10 \| server \| 10 \| 10 \| 0 \| 0 \| 0 \| server 10 \| alpha\/small 10 \|/);
    assert.ok(!out.includes("<script>") && !/^# x/m.test(out));
    assert.ok(!out.includes("\u001b") && !out.includes("\u202e"));
    for (const table of out.split("\n\n").filter((block) => block.startsWith("|"))) {
      const columns = table.split("\n").map((line) => line.replaceAll(/\\./g, "").split("|").length);
      assert.equal(new Set(columns).size, 1, table);
    }
  });

  test("says of a month that is not over that it is not, and of one without events which there are", () => {
    const { out } = run("--month", "2026-11", "--route", "berlin", "--format", "json");
    assert.equal((JSON.parse(out) as { complete: boolean }).complete, false);
    const none = run("--month", "2026-08", "--route", "support");
    assert.deepEqual([none.code, none.errors], [1, 'spillway: nothing of the route "support" in 2026-08: there are events from 2026-09-30 to 2026-10-31\n']);
  });

  test("refuses what it cannot read, with what to write instead", () => {
    for (const [args, code, problem] of [
      [[], 2, /^spillway: --month is missing/],
      [["--month", "2026-13"], 2, /^spillway: --month takes a year and a month such as 2026-10/],
      [["--month", "2026-10", "--format", "pdf"], 2, /^spillway: --format takes json, md, html, got "pdf"/],
      [["--month", "2026-10", "--out", inFolder("october.pdf")], 2, /^spillway: --out ends in \.json, \.md or \.html, or --format says what is to be written: got ".*october\.pdf"/],
      [["--month", "2026-10", "--out", inFolder("october")], 2, /^spillway: --out ends in/],
      [["--month", "2026-10", "--out", inFolder("nosuch/october.md")], 1, /^spillway: .*october\.md cannot be written: there is no folder .*nosuch\n$/],
      [["--month", "2026-10", "--out", folder, "--format", "md"], 1, /^spillway: .* is a folder\n$/],
      [["--month", "2026-10", "--down-from", "0"], 2, /^spillway: --down-from takes a percentage/],
      [["--verify", inFolder("spillway.yaml")], 1, /is no report as JSON/],
      [["--verify", inFolder("nosuch.json")], 1, /ENOENT/],
    ] as const) {
      const { code: got, errors } = run(...args);
      assert.equal(got, code, errors);
      assert.match(errors, problem);
    }
    assert.ok(!existsSync(inFolder("october.pdf")) && !existsSync(inFolder("october")));
    assert.equal(run("--month", "2026-10", "--out", inFolder("october.txt"), "--format", "md").code, 0);
    assert.match(readFileSync(inFolder("october.txt"), "utf8"), /^# Service report/);
    writeFileSync(inFolder("odd.json"), JSON.stringify({ format: "spillway-report-1", month: "2026-10", complete: true, digest: "", routes: [{ route: "support", zone: "UTC", from: "soon", until: "later", promised: [] }], contracts: [] }));
    const odd = run("--verify", inFolder("odd.json"));
    assert.deepEqual([odd.code, odd.errors], [1, `spillway: ${inFolder("odd.json")} cannot be made again by what it says itself: "soon" is no instant\n`]);
  });
});
