/**
 * A real outage over real traffic: a thousand calls of a public chat trace meet the primary's failure of 2023-11-08, both
 * scaled into a minute. The client, which does not retry, sees nothing of it; and the two bills agree.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { checkFleetConfig, costNanoUsd, gatewayConfig, loadScenario, startFleet, type BillRow } from "../src/fleet/index.ts";
import type { AttemptView } from "../src/storage/rows.ts";
import { testGateway } from "./support/gateway.ts";
import { call, sdk, type Ask, type Seen } from "./support/load.ts";

const data = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data");
const TRACE = resolve(data, "traces/azure2023_conv.csv.gz");
const SCENARIOS = resolve(data, "outages/fault_scenarios.json");

const ARRIVALS = 1_000;
const SPAN_MS = 60_000;
/** Healthy before the outage. */
const LEAD_MS = 10_000;
/** 6,900 s of outage in 30 s: 20 s of 5xx, 10 s of 429. */
const TIME_SCALE = 230;
const END_MS = 5_000;
/** Prompts a quarter and answers an eighth as long as they were, so that a minute of calls fits on a small machine. */
const INPUT_SHARE = 1 / 4;
const OUTPUT_SHARE = 1 / 8;

const PRICES = { primary: { input: 2.5, output: 10, cache_read: 1.25 }, fallback: { input: 3, output: 15, cache_read: 0.3 } };

interface Arrival {
  readonly atMs: number;
  readonly ask: Ask;
}

test("a thousand real arrivals through the outage of 2023-11-08: no error at the client, traffic returns, the bills agree", { skip: existsSync(TRACE) && existsSync(SCENARIOS) ? false : "the shared data is absent" }, async (t) => {
  const pace = { first_token: { lognormal: { median_ms: 60, p99_ms: 300 } }, token_rate: 100, tokens_out: 10_000 } as const;
  const config = checkFleetConfig({
    seed: 1108,
    providers: [
      { name: "primary", dialect: "openai-chat", models: { chat: PRICES.primary }, cached_share: 0.2, ...pace },
      // Now and then it forgets to say what was used: the ledger then has to estimate.
      { name: "fallback", dialect: "anthropic-messages", models: { chat: PRICES.fallback }, ...pace, script: [{ fault: "missing_usage", p: 0.02 }] },
    ],
  });
  const fleet = await startFleet(config);
  const more = { routes: { support: { candidates: ["primary/chat", "fallback/chat"], strategy: "priority" } }, health: { rest_max: "5s" } };
  const gateway = await testGateway(gatewayConfig(config, fleet, { more }));
  try {
    const client = sdk(gateway.baseUrl);
    await fleet.play("primary", loadScenario(`${SCENARIOS}#openai-2023-11-08-chat-5xx-then-429`), { timeScale: TIME_SCALE, startAtMs: LEAD_MS });
    const arrivals = readArrivals();
    const startMs = performance.now();
    const seen = await Promise.all(arrivals.map(async ({ atMs, ask }) => {
      await sleep(Math.max(0, startMs + atMs - performance.now()));
      return await call(client, ask);
    }));
    report(t, arrivals, seen, fleet.bill());

    noErrors(seen);
    const records = await gateway.requests();
    assert.equal(records.length, ARRIVALS);
    for (const { record } of records) assert.deepEqual([record?.outcome, record?.status, record?.errorCode], ["ok", 200, null]);
    theOutageWasReal(arrivals, seen, fleet.bill());
    trafficReturned(arrivals, seen);
    billsAgree(t, fleet.bill(), records.flatMap((record) => record.attempts));
  } finally {
    await gateway.close();
    await fleet.close();
  }
});

function readArrivals(): readonly Arrival[] {
  const [, ...lines] = gunzipSync(readFileSync(TRACE)).toString("utf8").split("\n").slice(0, ARRIVALS + 1);
  const rows = lines.map((line) => line.split(",").map(Number) as [number, number, number]);
  const scale = SPAN_MS / ((rows.at(-1)?.[0] ?? 0) - (rows[0]?.[0] ?? 0));
  return rows.map(([t, input, output], i) => ({
    atMs: (t - (rows[0]?.[0] ?? 0)) * scale,
    ask: {
      model: "support",
      // Three streams for each two JSON answers.
      stream: i % 5 < 3,
      inputTokens: Math.max(1, Math.round(input * INPUT_SHARE)),
      maxTokens: Math.max(1, Math.round(output * OUTPUT_SHARE)),
    },
  }));
}

function noErrors(seen: readonly Seen[]): void {
  const bad = seen.filter((one) => one.kind !== "finished");
  assert.deepEqual(bad.map((one) => `${one.kind} ${one.error ?? ""}`), []);
  for (const one of seen) {
    assert.equal(one.finishReason, "length");
    assert.ok(one.text.length > 0);
    if (one.ask.stream) assert.equal(one.events, one.ask.maxTokens, "a stream lost pieces");
  }
}

const onPrimary = (one: Seen | undefined): boolean => one?.deployment === "primary/chat";
const share = (ones: readonly (Seen | undefined)[]): number => ones.filter(onPrimary).length / ones.length;

/** The indexes of the calls that arrived within a span. */
function within(arrivals: readonly Arrival[], seen: readonly Seen[], fromMs: number, toMs: number): readonly (Seen | undefined)[] {
  return arrivals.flatMap(({ atMs }, i) => (atMs >= fromMs && atMs < toMs ? [seen[i]] : []));
}

function theOutageWasReal(arrivals: readonly Arrival[], seen: readonly Seen[], bill: readonly BillRow[]): void {
  const refused = bill.filter((row) => row.provider === "primary" && row.outcome === "refused");
  const statuses = new Set(refused.map((row) => row.status));
  assert.ok(statuses.has(502) && statuses.has(429), `the primary refused with ${[...statuses].join(", ")} only`);
  assert.equal(share(within(arrivals, seen, 0, LEAD_MS - 1_000)), 1, "before the outage all is served by the primary");
  assert.ok(share(within(arrivals, seen, LEAD_MS + 3_000, LEAD_MS + 30_000)) < 0.1, "the primary served in its outage");
  // Five failures in a run, then probes: what failed at the primary is far from what arrived meanwhile.
  const arrived = within(arrivals, seen, LEAD_MS, LEAD_MS + 30_000).length;
  assert.ok(refused.length < arrived * 0.15, `${refused.length} of ${arrived} arrivals were sent to a dead primary`);
}

function trafficReturned(arrivals: readonly Arrival[], seen: readonly Seen[]): void {
  const last = within(arrivals, seen, SPAN_MS - END_MS, Number.POSITIVE_INFINITY);
  assert.ok(last.length > 20);
  assert.ok(share(last) >= 0.2, `only ${Math.round(share(last) * 100)} % of the last ${END_MS / 1_000} s is back on the primary`);
}

/** Call by call: equal where usage arrived; elsewhere at least what the provider bills, and little more in total. */
function billsAgree(t: TestContext, bill: readonly BillRow[], attempts: readonly AttemptView[]): void {
  const byId = new Map(attempts.map((attempt) => [attempt.attemptId, attempt]));
  assert.equal(byId.size, attempts.length, "an attempt is listed twice");
  assert.equal(new Set(bill.map((row) => row.client_request_id)).size, bill.length, "two upstream calls bear one attempt's id");
  assert.equal(attempts.length, bill.length, "attempts without a call, or calls without an attempt");
  const total = { bill: 0n, ledger: 0n, unsaid: 0 };
  for (const row of bill) {
    const attempt = byId.get(row.client_request_id ?? "");
    assert.ok(attempt !== undefined, `the call ${row.call} has no attempt`);
    assert.equal(attempt.deployment, `${row.provider}/chat`);
    assert.ok(attempt.costNanoUsd !== null);
    total.bill += BigInt(row.cost_nano_usd);
    total.ledger += BigInt(attempt.costNanoUsd);
    if (row.usage_sent) assert.deepEqual([attempt.state, attempt.costNanoUsd], ["charged", row.cost_nano_usd], `${row.call} of ${row.provider}`);
    else if (row.outcome === "refused") assert.deepEqual([attempt.state, attempt.costNanoUsd, row.cost_nano_usd], ["unbilled", 0, 0]);
    else {
      total.unsaid += 1;
      assert.equal(attempt.state, "estimated");
      assert.ok(attempt.flags.includes("estimated"));
      const relayed = costNanoUsd(PRICES.fallback, { input: row.input_tokens, cached: row.cached_tokens, output: row.output_tokens });
      assert.ok(attempt.costNanoUsd >= relayed, `${row.call}: ${attempt.costNanoUsd} is below the ${relayed} that was relayed`);
    }
  }
  assert.ok(total.unsaid > 0, "no call left its usage unsaid, so nothing was estimated");
  const above = Number(((total.ledger - total.bill) * 1_000_000n) / total.bill) / 10_000;
  t.diagnostic(`bill ${total.bill} nano-dollars, ledger ${above} % above it; ${bill.length} calls, ${total.unsaid} of them without usage`);
  assert.ok(above >= 0 && above <= 2, `the ledger is ${above} % above the bill`);
}

/** A line for every five seconds: who served, and what the primary refused. */
function report(t: TestContext, arrivals: readonly Arrival[], seen: readonly Seen[], bill: readonly BillRow[]): void {
  const firstMs = bill[0]?.at ?? 0;
  for (let fromMs = 0; fromMs < SPAN_MS; fromMs += 5_000) {
    const calls = within(arrivals, seen, fromMs, fromMs + 5_000);
    const refused = bill.filter((row) => row.outcome === "refused" && row.at - firstMs >= fromMs && row.at - firstMs < fromMs + 5_000);
    const errors = calls.filter((one) => one?.kind !== "finished").length;
    t.diagnostic(`${String(fromMs / 1_000).padStart(2)} s: ${String(calls.length).padStart(3)} calls, ${String(calls.filter(onPrimary).length).padStart(3)} by the primary, ${refused.length} refused there, ${errors} errors`);
  }
}
