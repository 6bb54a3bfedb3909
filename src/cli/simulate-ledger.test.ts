/** Data folders whose truth is known, written as the gateway writes them, and what is fitted from them. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { AttemptRecord, RequestRecord } from "../ports.ts";
import { loadCatalogue } from "../providers/catalog/index.ts";
import { PROVIDERS } from "../providers/registry.ts";
import { lognormal } from "../sim/latency.ts";
import { Chance } from "../sim/random.ts";
import { aRecord } from "../storage/conformance.ts";
import { openDataDir } from "../storage/data-dir.ts";
import { SqliteStorage } from "../storage/sqlite.ts";
import { runSimulate } from "./simulate.ts";

const base = mkdtempSync(join(tmpdir(), "spillway-simulate-ledger-"));
after(() => rmSync(base, { recursive: true }));
const FROM_MS = Date.UTC(2026, 9, 3, 12);
const WALL_MS = Date.UTC(2026, 10, 1, 9, 30);
const OUTAGE = { fromS: 5_400, toS: 6_000 };
const WELL = "acme/well";
const RARE = "other/rare";

function run(...args: readonly string[]): { readonly code: number; readonly out: string; readonly errors: string } {
  let out = "";
  let errors = "";
  const code = runSimulate(args, { out: { write: (text) => (out += text) }, errors: { write: (text) => (errors += text) }, env: {}, cwd: base, providers: PROVIDERS, catalogue: loadCatalogue() }, WALL_MS);
  return { code, out, errors };
}

/** As a gateway would have written it. */
async function folderOf(name: string, records: readonly RequestRecord[]): Promise<string> {
  const folder = join(base, name);
  const dataDir = openDataDir(folder);
  const storage = new SqliteStorage(dataDir.ledgerPath, { checkpointEveryMs: 0, wallMs: () => FROM_MS });
  for (const record of records) storage.records.append(record);
  await storage.close();
  dataDir.close();
  return folder;
}

function call(deployment: string, over: Partial<AttemptRecord>): AttemptRecord {
  return { attemptId: "att_1", deployment, state: "charged", outcome: "answered", status: 200, units: { input: 900, output: 200 }, costNanoUsd: 1_000, flags: [], ttftMs: 800, totalMs: 4_800, ...over };
}

let numbered = 0;
function record(atS: number, attempts: readonly AttemptRecord[], over: Partial<RequestRecord> = {}): RequestRecord {
  numbered += 1;
  const last = attempts.at(-1);
  const answered = last?.outcome === "answered";
  return {
    ...aRecord(numbered), atMs: FROM_MS + Math.round(atS * 1_000), stream: true, route: "support", deployment: answered ? last.deployment : null, attempts,
    units: answered ? last.units : {}, ttftMs: last?.ttftMs ?? null, totalMs: last?.totalMs ?? 1, outcome: answered ? "ok" : "error", errorCode: answered ? null : "upstream_error",
    decision: { candidates: [{ deployment: WELL, health: "admitting" }] }, ...over,
  };
}

const TTFT = lognormal(800, 0.6);

/** Three hours of one request in two seconds, with failures of each kind and an outage of ten minutes in which most of what was sent failed. */
function knownWorld(): readonly RequestRecord[] {
  const chance = new Chance(5, "known world");
  const records: RequestRecord[] = [];
  for (let atS = 0; atS < 10_800; atS += 2) {
    const draw = chance.next();
    const ttftMs = TTFT.draw(chance, 0);
    const output = 100 + Math.floor(chance.next() * 200);
    const rate = 40 + 40 * chance.next();
    const whole = call(WELL, { ttftMs, totalMs: ttftMs + (1_000 * output) / rate, units: { input: 900, cache_read: 100, output } });
    const other = call(RARE, {});
    if (atS >= OUTAGE.fromS && atS < OUTAGE.toS) {
      // Two calls met it; then it rested, but for a probe every three minutes.
      const sent = atS < OUTAGE.fromS + 6 || atS % 180 === 0;
      records.push(sent ? record(atS, [call(WELL, { outcome: "server", status: 500, ttftMs: null, totalMs: 60, units: {} }), call("third/spare", {})]) : record(atS, [call("third/spare", {})], { decision: { candidates: [{ deployment: "third/spare", health: "admitting" }, { deployment: WELL, health: "resting" }] } }));
    } else if (draw < 0.01) records.push(record(atS, [call(WELL, { outcome: "overload", status: 503, ttftMs: null, totalMs: 90, units: {} }), call("third/spare", {})]));
    else if (draw < 0.015) records.push(record(atS, [call(WELL, { outcome: "rate", status: 429, ttftMs: null, totalMs: 30, units: {} }), call("third/spare", {})]));
    else if (draw < 0.019) records.push(record(atS, [call(WELL, { outcome: "timeout", status: null, ttftMs: null, totalMs: 60_000, units: {}, flags: ["late"] })]));
    else if (draw < 0.027) records.push(record(atS, [call(WELL, { outcome: "truncated", ttftMs, totalMs: ttftMs + 300, units: { input: 900, output: 12 } })], { outcome: "error_after_content" }));
    else if (draw < 0.127 && ttftMs > 1_500) records.push(record(atS, [call(WELL, { outcome: "superseded", ttftMs: null, totalMs: 1_500, units: {} }), call("third/spare", {})]));
    else records.push(record(atS, [whole]));
    if (atS % 1_800 === 0) records.push(record(atS + 1, [other]));
  }
  return [
    ...records,
    record(20, [], { outcome: "error", errorCode: "invalid_json", status: 400 }),
    record(30, [call(WELL, {})], { flags: ["probe"] }),
    record(40, [call("acme/vectors", {})], { surface: "embeddings" }),
    record(50, [call(WELL, { outcome: "bad_request", status: 400, ttftMs: null, units: {} })], { errorCode: "upstream_bad_request" }),
  ];
}

interface Share { readonly count: number; readonly of: number; readonly share: number; readonly low: number; readonly high: number }
interface Fitted {
  readonly folder: string;
  readonly requests: number;
  readonly leftOut: Readonly<Record<string, number>>;
  readonly deployments: readonly {
    readonly id: string; readonly calls: number; readonly lacks: string | null; readonly doubts: readonly string[];
    readonly firstTokenMs: { readonly answers: number; readonly givenUp: number; readonly p50: number; readonly p95: number } | null;
    readonly tokensPerS: { readonly p50: number } | null; readonly output: { readonly p50: number } | null;
    readonly failures: readonly (Share & { readonly class: string; readonly status: number; readonly afterMs: number })[]; readonly stalls: Share; readonly breaks: Share;
    readonly incidents: readonly { readonly from: string; readonly until: string; readonly cause: string; readonly calls: number }[];
  }[];
}

describe("a data folder as a world", () => {
  let folder: string;
  let fitted: Fitted;
  const linesOf = (out: string): readonly unknown[] => out.trim().split("\n").map((line) => JSON.parse(line) as unknown);
  before(async () => {
    folder = await folderOf("known", knownWorld());
    const { out, errors } = run("--world", `ledger:${folder}`, "--save-world", "fitted.yaml", "--json");
    assert.equal(errors, "");
    ({ fitted } = linesOf(out)[0] as { fitted: Fitted });
  });
  const one = (id: string): Fitted["deployments"][number] => fitted.deployments.find((found) => found.id === id) ?? assert.fail(id);

  it("has the times, paces and lengths by which its calls were made, those given up included", () => {
    const { firstTokenMs, tokensPerS, output } = one(WELL);
    assert.ok(Math.abs((firstTokenMs?.p50 ?? 0) / 800 - 1) < 0.05, String(firstTokenMs?.p50));
    assert.ok(Math.abs((firstTokenMs?.p95 ?? 0) / (800 * Math.exp(0.6 * 1.6449)) - 1) < 0.08, String(firstTokenMs?.p95));
    assert.ok((firstTokenMs?.givenUp ?? 0) > 30);
    assert.ok(Math.abs((tokensPerS?.p50 ?? 0) / 60 - 1) < 0.05, String(tokensPerS?.p50));
    assert.ok(Math.abs((output?.p50 ?? 0) / 200 - 1) < 0.05);
  });

  it("has each kind of failure with the calls that it rests on, and the true share within its bounds", () => {
    const { failures, stalls, breaks } = one(WELL);
    const holds = (name: string, truth: number, found: Share | undefined): void => assert.ok(found !== undefined && found.low < truth && truth < found.high, `${name}: ${truth} in ${JSON.stringify(found)}`);
    holds("overload", 0.01, failures.find((kind) => kind.class === "overload"));
    holds("rate", 0.005, failures.find((kind) => kind.class === "rate"));
    holds("stalls", 0.004, stalls);
    holds("breaks", 0.008, breaks);
    assert.deepEqual(failures.map(({ class: kind, status, afterMs }) => [kind, status, afterMs]), [["overload", 503, 90], ["rate", 429, 30]]);
  });

  it("tells the outage apart, with its begin, its end and the few calls that met it", () => {
    const { incidents, doubts } = one(WELL);
    assert.equal(incidents.length, 1);
    const [outage] = incidents;
    assert.equal(outage?.cause, "server");
    assert.ok(Math.abs(Date.parse(outage?.from ?? "") - FROM_MS - OUTAGE.fromS * 1_000) <= 60_000, outage?.from);
    // To the last probe that failed.
    assert.ok(Math.abs(Date.parse(outage?.until ?? "") - FROM_MS - 5_940_000) <= 60_000, outage?.until);
    assert.ok((outage?.calls ?? 99) < 10);
    assert.ok(doubts.some((doubt) => /what became of calls in its incident of 2026-10-03T13:/.test(doubt)), doubts.join("\n"));
    assert.ok(doubts.some((doubt) => /429.*played as chance/.test(doubt)));
  });

  it("says of whom it knows too little, and has no figure of it", () => {
    assert.match(one(RARE).lacks ?? "", /^6 answers, and 20 are needed/);
    const text = readFileSync(join(base, "fitted.yaml"), "utf8");
    assert.match(text, /acme\/well/);
    assert.doesNotMatch(text, /other\/rare|vectors/);
    const told = run("--world", `ledger:${folder}`, "--save-world", "fitted.yaml").out;
    assert.match(told, /other\/rare is left out: 6 answers/);
    assert.match(told, /third\/spare: its slowest one in a hundred is known|third\/spare: none of \d+ calls failed/);
    assert.match(told, /% of the prompts' tokens came from caches/);
  });

  it("leaves out what is no traffic of its clients, and says so", () => {
    assert.deepEqual(fitted.leftOut, { "no chat": 1, "probes of the gateway's own": 1, "refused for what was asked, or by a limit": 2 });
    assert.equal(fitted.requests, 5_400 + 6);
    assert.ok(fitted.deployments.every(({ id }) => id !== "acme/vectors"));
  });

  it("plays as it was: who has that deployment alone meets the same times, failures and outage", () => {
    const priced = "deployments: { other/rare: { price: { input: 1, output: 1 }, first_token: 500 } }\n";
    writeFileSync(join(base, "more.yaml"), priced);
    const config = writeFile("well.yaml", ["acme/well"]);
    const { code, out, errors } = run("--world", `ledger:${folder}`, "--traffic", `ledger:${folder}`, "--config", config, "--route", "support", "--policies", "single", "--json");
    assert.equal(code, 0, errors);
    assert.match(errors, /requests without a whole answer, so what is missing of a size is that of the one before/);
    const report = linesOf(out)[1] as { requests: number; failed: number; broken: number; firstTokenMs: { p50: number }; costPerThousandUsd: number; incidents: { fromMs: number; toMs: number; requests: number; failed: number }[] };
    assert.equal(report.requests, 5_406);
    assert.ok(Math.abs(report.firstTokenMs.p50 / 800 - 1) < 0.06, String(report.firstTokenMs.p50));
    const outage = report.incidents[0] ?? assert.fail();
    assert.ok(Math.abs(outage.fromMs / 1_000 - OUTAGE.fromS) <= 60 && outage.toMs > 5_900_000 && outage.failed > 0.95 * outage.requests, JSON.stringify(outage));
    const besides = (report.failed - outage.failed) / (report.requests - outage.requests);
    assert.ok(Math.abs(besides - 0.019) < 0.006, String(besides));
    assert.ok(Math.abs(report.broken / (report.requests - outage.requests) - 0.008) < 0.004, String(report.broken));
    // A thousand tokens of prompt at 2 $ and two hundred at 4 $ a million.
    assert.ok(Math.abs(report.costPerThousandUsd / ((report.requests - report.failed) / report.requests) / 2.8 - 1) < 0.05, String(report.costPerThousandUsd));
  });

  it("gives the same bytes again, and other policies the same arrivals", () => {
    const args = ["--world", `ledger:${folder}`, "--world", "more.yaml", "--traffic", `ledger:${folder}`, "--config", writeFile("both.yaml", ["acme/well", "other/rare"]), "--route", "support", "--policies", "spillway,ordered-fallback", "--json", "--seed", "3"];
    const first = run(...args);
    assert.equal(first.code, 0, first.errors);
    assert.equal(run(...args).out, first.out);
    const [ours, theirs] = linesOf(first.out).slice(1) as { requests: number; failed: number }[];
    assert.equal(ours?.requests, theirs?.requests);
    assert.equal(ours?.failed, 0);
  });

  it("refuses to guess a candidate of which it knows too little, and a route that nobody asked for", () => {
    const config = writeFile("rare.yaml", ["acme/well", "other/rare"]);
    const { code, errors } = run("--world", `ledger:${folder}`, "--traffic", `ledger:${folder}`, "--config", config, "--route", "support");
    assert.equal(code, 1);
    assert.match(errors, /the world says nothing of "other\/rare".*the ledger tells 6 answers, and 20 are needed/);
    assert.match(run("--world", `ledger:${folder}`, "--traffic", `ledger:${folder}`, "--config", config, "--route", "elsewhere").errors, /no request of the route "elsewhere"/);
    assert.match(run("--world", "ledger:nowhere", "--traffic", `ledger:${folder}`).errors, /nowhere holds no ledger/);
    assert.match(run("--world", `ledger:${folder}`, "--traffic", `ledger:${folder}`).errors, /without --config each deployment needs a price: acme\/well/);
    assert.equal(run("--world", "more.yaml", "--save-world", "x.yaml").code, 2);
  });
});

describe("a data folder of few or odd calls", () => {
  it("of answers that all came whole takes them as such", async () => {
    const folder = await folderOf("whole", Array.from({ length: 40 }, (_, i) => record(i, [call(WELL, { ttftMs: 2_000, totalMs: 2_000 })], { stream: false })));
    const { out } = run("--world", `ledger:${folder}`, "--save-world", "whole.yaml");
    assert.match(out, /2\.00\/2\.00\/2\.00 \(40\) whole/);
    assert.match(out, /its answers came whole, so it is taken to give each at once/);
    assert.match(readFileSync(join(base, "whole.yaml"), "utf8"), /tokens_per_s: 1000000/);
  });

  it("of a deployment that fails all the time takes that for how it is, not for an incident", async () => {
    const failing = call(WELL, { outcome: "overload", status: 529, ttftMs: null, totalMs: 50, units: {} });
    const folder = await folderOf("failing", Array.from({ length: 200 }, (_, i) => record(i, [i % 2 === 0 ? failing : call(WELL, {})])));
    const { fitted } = JSON.parse(run("--world", `ledger:${folder}`, "--save-world", "failing.yaml", "--json").out) as { fitted: Fitted };
    const [only] = fitted.deployments;
    assert.equal(only?.incidents.length, 0);
    assert.equal(only?.failures[0]?.share, 0.5);
    assert.match(only?.doubts[0] ?? "", /in trouble most of the time/);
  });

  it("without any chat request says so", async () => {
    const folder = await folderOf("empty", []);
    assert.match(run("--world", `ledger:${folder}`, "--traffic", `ledger:${folder}`).errors, /has no record of a chat request/);
  });
});

function writeFile(name: string, candidates: readonly string[]): string {
  const model = (id: string): string => `{ type: openai-compatible, base_url: "http://127.0.0.1:9/v1", api_key: none, models: { ${id}: { price: { input: 2, output: 4 }, context: 100000, max_output: 8000 } } }`;
  writeFileSync(join(base, name), `version: 1
keys: [{ name: app, key: spw-app-0123456789abcdef0123456789abcdef }]
providers: { acme: ${model("well")}, other: ${model("rare")} }
routes:
  support: { candidates: [${candidates.join(", ")}], strategy: priority }
  elsewhere: { candidates: [${candidates.join(", ")}] }
`);
  return name;
}
