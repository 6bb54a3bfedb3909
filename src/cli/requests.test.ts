import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readDisplay } from "../decide/currency.ts";
import { aCharge, aHold, aRecord } from "../storage/conformance.ts";
import { openDataDir } from "../storage/data-dir.ts";
import type { DataDir } from "../storage/data-dir.ts";
import { SqliteStorage } from "../storage/sqlite.ts";
import { runRequests } from "./requests.ts";

const base = mkdtempSync(join(tmpdir(), "spillway-requests-"));
after(() => rmSync(base, { recursive: true, force: true }));
let folders = 0;

interface Gateway {
  readonly dir: DataDir;
  readonly storage: SqliteStorage;
  /** Holds, charges and records one request. */
  serve(number: number): Promise<void>;
  /** Runs the command on the folder; `lines` are its parsed objects. */
  requests(...args: readonly string[]): Promise<{ readonly code: number; readonly text: string; readonly errors: string; readonly lines: readonly Line[] }>;
  end(): Promise<void>;
}
type Line = Readonly<Record<string, unknown>> & { readonly attempts: readonly Readonly<Record<string, unknown>>[] };

function gateway(path = join(base, String(++folders))): Gateway {
  const dir = openDataDir(path);
  const storage = new SqliteStorage(dir.ledgerPath, { checkpointEveryMs: 0 });
  return {
    dir,
    storage,
    serve: async (number) => {
      await storage.ledger.reserve([aHold(number)]);
      await storage.ledger.settle([aCharge(number)]);
      storage.records.append(aRecord(number));
      storage.records.flush();
    },
    requests: async (...args) => {
      const out = collector();
      const errors = collector();
      const code = await runRequests([...args, "--data-dir", path], out, { errors });
      return { code, text: out.text, errors: errors.text, lines: args.includes("--json") ? parse(out.text) : [] };
    },
    end: async () => {
      await storage.close();
      dir.close();
    },
  };
}

function collector(): { text: string; write(text: string): boolean } {
  return {
    text: "",
    write(text) {
      this.text += text;
      return true;
    },
  };
}

function parse(text: string): readonly Line[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Line);
}

test("--json prints one object a line with the promised fields, while the gateway runs", async () => {
  const running = gateway();
  await running.serve(1);
  const { code, lines } = await running.requests("--json");
  assert.equal(code, 0);
  assert.equal(lines.length, 1);
  const { attempts, decision, ...rest } = lines[0] ?? { attempts: [] };
  assert.deepEqual(rest, {
    request_id: "req_00000001", at: "2026-11-23T12:00:00.001Z", route: "support", model: "small", deployment: "alpha/small",
    tokens: { input: 90, output: 10 }, cost_usd: 0.0000195, ttft_ms: 15, total_ms: 44, outcome: "ok", flags: [], status: 200,
    error_code: null, surface: "chat", stream: false, tenant: "default", key: "app", warnings: [],
  });
  assert.deepEqual(decision, { candidates: ["alpha/small"] });
  assert.deepEqual(attempts, [{
    attempt_id: "att_00000001", deployment: "alpha/small", state: "charged", outcome: "answered", tokens: { input: 90, output: 10 },
    cost_nano_usd: 19_500, flags: [], status: 200, ttft_ms: 12, total_ms: 40,
  }]);
  await running.end();
});

test("--limit takes the newest, printed oldest first; more than a page is listed whole", async () => {
  const running = gateway();
  for (let number = 1; number <= 620; number++) running.storage.records.append(aRecord(number));
  while (running.storage.records.flush());
  assert.equal((await running.requests("--json")).lines.length, 620);
  assert.deepEqual((await running.requests("--json", "--limit", "2")).lines.map((line) => line["request_id"]), ["req_00000619", "req_00000620"]);
  assert.equal((await running.requests("--json", "--limit", "0")).lines.length, 0);
  await running.end();
});

test("what an attempt came to is the ledger's word: a later correction shows", async () => {
  const running = gateway();
  await running.serve(1);
  await running.storage.ledger.settle([aCharge(1, { costNanoUsd: 1, units: { input: 1 }, flags: ["rerated"] })]);
  const [line] = (await running.requests("--json")).lines;
  assert.equal(line?.["cost_usd"], 1e-9);
  assert.deepEqual([line?.attempts[0]?.["cost_nano_usd"], line?.attempts[0]?.["tokens"], line?.attempts[0]?.["flags"]], [1, { input: 1 }, ["rerated"]]);
  await running.end();
});

test("an unmetered attempt makes the cost null, and non-token units are no tokens", async () => {
  const running = gateway();
  await running.storage.ledger.reserve([aHold(1)]);
  await running.storage.ledger.settle([aCharge(1, { state: "unmetered", costNanoUsd: null, units: { input: 4, web_searches: 1 } })]);
  running.storage.records.append(aRecord(1, { costNanoUsd: null }));
  running.storage.records.flush();
  const [line] = (await running.requests("--json")).lines;
  assert.equal(line?.["cost_usd"], null);
  assert.deepEqual(line?.attempts[0]?.["tokens"], { input: 4 });
  assert.deepEqual(line?.attempts[0]?.["units"], { web_searches: 1 });
  await running.end();
});

test("a charge that is not durable yet shows as the record told it, its row as held", async () => {
  const running = gateway();
  await running.storage.ledger.reserve([aHold(1)]);
  running.storage.records.append(aRecord(1, { flags: ["undurable"] }));
  running.storage.records.flush();
  const [line] = (await running.requests("--json")).lines;
  assert.deepEqual([line?.["cost_usd"], line?.["flags"], line?.attempts[0]?.["state"], line?.attempts[0]?.["cost_nano_usd"]], [0.0000195, ["undurable"], "held", 19_500]);
  await running.end();
});

test("requests whose process died are shown from their rows, before and after the next start, each once", async () => {
  const first = gateway();
  await first.serve(1);
  await first.storage.ledger.reserve([aHold(2)]);
  // Ended with an open hold: to a reader the same as a death.
  await first.end();
  const dead = await first.requests("--json");
  assert.deepEqual(dead.lines.map((line) => [line["request_id"], line["outcome"], line["flags"], line["cost_usd"]]), [
    ["req_00000001", "ok", [], 0.0000195],
    ["req_00000002", "unknown", ["orphan"], null],
  ]);
  assert.deepEqual((await first.requests("--json", "--limit", "1")).lines.map((line) => line["request_id"]), ["req_00000002"]);
  const second = gateway(first.dir.path);
  second.storage.settleOrphans(Date.UTC(2100, 0));
  const after = await second.requests("--json");
  assert.deepEqual(after.lines.map((line) => line["request_id"]), ["req_00000001", "req_00000002"]);
  assert.deepEqual(after.lines[1]?.attempts.map((attempt) => [attempt["state"], attempt["cost_nano_usd"], attempt["flags"]]), [["estimated", 15_000, ["orphan", "estimated"]]]);
  assert.equal(after.lines[1]?.["cost_usd"], 0.000015);
  await second.end();
});

test("--follow goes on as requests finish, and ends on the signal", async () => {
  const running = gateway();
  await running.serve(1);
  const out = collector();
  const stop = new AbortController();
  const following = runRequests(["--json", "--follow", "--data-dir", running.dir.path], out, { signal: stop.signal, pollEveryMs: 5 });
  const seen = async (count: number): Promise<void> => {
    const giveUpAtMs = performance.now() + 10_000;
    while (parse(out.text).length < count && performance.now() < giveUpAtMs) await sleep(5);
  };
  await seen(1);
  await running.serve(2);
  await seen(2);
  stop.abort();
  assert.equal(await following, 0);
  assert.deepEqual(parse(out.text).map((line) => line["request_id"]), ["req_00000001", "req_00000002"]);
  await running.end();
});

test("--follow does not stop at a page: a burst is read to its end", async () => {
  const running = gateway();
  const out = collector();
  const stop = new AbortController();
  const following = runRequests(["--json", "--follow", "--limit", "0", "--data-dir", running.dir.path], out, { signal: stop.signal, pollEveryMs: 5 });
  for (let number = 1; number <= 1_200; number++) running.storage.records.append(aRecord(number));
  while (running.storage.records.flush());
  const giveUpAtMs = performance.now() + 10_000;
  while (parse(out.text).length < 1_200 && performance.now() < giveUpAtMs) await sleep(10);
  stop.abort();
  await following;
  assert.equal(new Set(parse(out.text).map((line) => line["request_id"])).size, 1_200);
  await running.end();
});

test("without --json it prints a table with nine places of dollars", async () => {
  const running = gateway();
  await running.serve(1);
  const { text } = await running.requests();
  const [head, row] = text.split("\n");
  assert.match(head ?? "", /^at \(UTC\) +outcome +model +deployment +try +in +out +cost_usd +ms$/);
  assert.match(row ?? "", /^11-23 12:00:00 ok +small +alpha\/small +1 +90 +10 +0\.000019500 +44$/);
  await running.end();
});

test("the table says of a request that went wrong what it asked, which error it got and why, in 120 columns", async () => {
  const running = gateway();
  const long = "a-provider-with-a-long-name/accounts/of-somebody/models/a-model-with-a-long-name-70b";
  const refused = { attemptId: "att_00000001", deployment: "alpha/small", state: "unbilled", outcome: "overload", status: 503, units: {}, costNanoUsd: 0, flags: [], ttftMs: null, totalMs: 3 } as const;
  const late = { ...refused, attemptId: "att_2", deployment: long, outcome: "timeout", status: null };
  running.storage.records.append(aRecord(1, {
    model: "a-model-with-a-long-name-70b-instruct", attempts: [refused, { ...refused, attemptId: "att_3" }, late], units: {}, costNanoUsd: 0, deployment: null, status: 503, outcome: "error",
    errorCode: "upstream_overloaded", ttftMs: null, flags: ["late"], decision: { filtered: [{ deployment: "gamma/small", reason: "excluded", detail: "auth" }] },
  }));
  running.storage.records.append(aRecord(2, { attempts: [{ ...refused, attemptId: "att_4" }, { ...refused, attemptId: "att_5", outcome: "answered", deployment: "beta/small" }] }));
  running.storage.records.append(aRecord(3, { status: 404, outcome: "error", errorCode: "unknown_model", deployment: null, attempts: [], units: {}, route: "small" }));
  running.storage.records.flush();
  const { text } = await running.requests();
  assert.ok(text.split("\n").every((line) => line.length <= 120), text);
  assert.deepEqual(text.split("\n").slice(1, -1).map((line) => line.replace(/ {2,}/g, "  ").trim()), [
    "11-23 12:00:00 upstream_overloaded  a-model-w…b-instruct -  3  0  0  0.000000000  44",
    "error, status 503, route support; alpha/small 503 overload (2 times)",
    "a-provider-with-a-long-name/accounts/of-somebody/models/a-model-with-a-long-name-70b timeout",
    "not tried: gamma/small auth; flags late",
    "11-23 12:00:00 ok  small  alpha/small  2  90  10  0.000000000  44",
    "alpha/small 503 overload",
    "11-23 12:00:00 unknown_model  small  -  0  0  0  0.000000000  44",
    "error, status 404",
  ].map((line) => line.replace(/ {2,}/g, "  ")));
  await running.end();
});

test("a slow reader is waited for", async () => {
  const running = gateway();
  for (let number = 1; number <= 400; number++) running.storage.records.append(aRecord(number));
  while (running.storage.records.flush());
  let pending: (() => void) | null = null;
  let text = "";
  const out = {
    write(piece: string): boolean {
      assert.equal(pending, null, "written to before it drained");
      text += piece;
      return false;
    },
    once(_event: "drain", listener: () => void): void {
      pending = () => {
        pending = null;
        listener();
      };
      setImmediate(() => pending?.());
    },
  };
  assert.equal(await runRequests(["--json", "--data-dir", running.dir.path], out), 0);
  assert.equal(parse(text).length, 400);
  await running.end();
});

test("a cost that is an estimate, or by a price in doubt, is told as about so much", async () => {
  const running = gateway();
  for (const [index, flags] of [["price_disputed"], ["estimated"], ["provider_cost"]].entries()) running.storage.records.append(aRecord(index + 1, { flags }));
  running.storage.records.flush();
  const { text } = await running.requests();
  const rows = text.split("\n");
  assert.deepEqual(rows.filter((row) => /0\.000019500/.test(row)).map((row) => row.includes("≈0.000019500")), [true, true, false]);
  assert.ok(!text.includes("price_disputed"), "the mark says it");
  await running.end();
});

test("wrong usage and a folder without a ledger are told, with their exit codes", async () => {
  const errors = collector();
  const out = collector();
  assert.equal(await runRequests(["--limit", "many"], out, { errors }), 2);
  assert.match(errors.text, /--limit takes a whole number, got "many"/);
  assert.equal(await runRequests(["--nonsense"], out, { errors }), 2);
  assert.equal(await runRequests(["--json", "--data-dir", join(base, "nowhere")], out, { errors }), 1);
  assert.match(errors.text, /holds no ledger/);
  assert.equal(out.text, "");
  assert.equal(await runRequests(["--help"], out, { errors }), 0);
  assert.match(out.text, /--follow/);
});

test("the table shows costs in the display currency, by the rate of each request's day, and in dollars before the first; --json stays in dollars", async () => {
  const running = gateway();
  await running.serve(1);
  const shown = async (from: string, ...args: readonly string[]): Promise<string> => {
    const out = collector();
    await runRequests([...args, "--data-dir", running.dir.path], out, { display: readDisplay({ currency: "EUR", rates: [{ from, usd: "0.92" }] }) });
    return out.text;
  };
  assert.match(await shown("2026-11-01"), /cost EUR[^]* 0\.000017940 /);
  assert.match(await shown("2026-11-24"), / \$0\.000019500 /);
  assert.equal(parse(await shown("2026-11-01", "--json"))[0]?.["cost_usd"], 0.0000195);
  await running.end();
});
