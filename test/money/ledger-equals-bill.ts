/** The ledger beside the fleet's own bill, call by call, after much traffic of every kind. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { costNanoUsd, gatewayConfig, startFleet, type BillRow, type ModelPrice } from "../../src/fleet/index.ts";
import type { AttemptView } from "../../src/storage/rows.ts";
import { testGateway } from "../support/gateway.ts";
import { MIXED_ROUTES, mixedFleet, MODELS, sendMixed, type SeenRequest } from "./mixed-traffic.ts";

const SEED = 2_026;

/** Register the test with so many requests. */
export function testLedgerEqualsBill(requests: number): void {
  test(`${requests} requests with caches, tiers, reasoning, clients that leave and cut answers: the ledger is the fleet's bill wherever usage came, and little above it elsewhere`, async (t) => {
    const config = mixedFleet(SEED);
    const fleet = await startFleet(config);
    const gateway = await testGateway(gatewayConfig(config, fleet, { more: { routes: MIXED_ROUTES, health: { rest: "200ms", rest_max: "1s" } } }));
    try {
      const startedMs = performance.now();
      const seen = await sendMixed(gateway.url, requests, SEED);
      t.diagnostic(`${requests} requests in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s`);
      const records = await gateway.requests();
      // The fleet notices the last dead sockets.
      await sleep(200);
      assert.equal(records.length, requests);
      billsAgree(t, fleet.bill(), records.flatMap((record) => record.attempts));
      relayedIsCharged(seen, new Map(records.map((record) => [record.requestId, record.attempts])));
    } finally {
      await gateway.close();
      await fleet.close();
    }
  });
}

function priceOf(row: Pick<BillRow, "model">): ModelPrice {
  return MODELS[row.model as keyof typeof MODELS];
}

function billsAgree(t: TestContext, bill: readonly BillRow[], attempts: readonly AttemptView[]): void {
  const byId = new Map(attempts.map((attempt) => [attempt.attemptId, attempt]));
  assert.equal(byId.size, attempts.length, "an attempt is listed twice");
  assert.equal(new Set(bill.map((row) => row.client_request_id)).size, bill.length, "two upstream calls bear one attempt's id");
  const total = { bill: 0n, ledger: 0n };
  const kinds = new Map<string, number>();
  const count = (kind: string): void => void kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  for (const row of bill) {
    const attempt = byId.get(row.client_request_id ?? "");
    assert.ok(attempt !== undefined, `the call ${row.call} has no attempt`);
    byId.delete(attempt.attemptId);
    assert.ok(attempt.costNanoUsd !== null);
    total.bill += BigInt(row.cost_nano_usd);
    total.ledger += BigInt(attempt.costNanoUsd);
    if (row.service_tier !== undefined) count(`tier ${row.service_tier}`);
    if (row.cached_tokens > 0) count("cache read");
    if ((row.written_tokens ?? 0) > 0) count("cache written");
    if ((attempt.units.reasoning ?? 0) > 0) count("reasoning");
    if (row.usage_sent && attempt.state === "charged") {
      count("usage");
      assert.equal(attempt.costNanoUsd, row.cost_nano_usd, `${row.call} of ${row.provider}: ${JSON.stringify(row)} ${JSON.stringify(attempt.units)} ${attempt.flags.join()}`);
    } else if (row.outcome === "refused") {
      count("refused");
      assert.deepEqual([attempt.state, attempt.costNanoUsd, row.cost_nano_usd], ["unbilled", 0, 0]);
    } else {
      count(row.usage_sent ? "usage unread" : row.outcome);
      assert.equal(attempt.state, "estimated", `${row.call}: ${row.outcome} ${JSON.stringify(attempt)}`);
      assert.ok(attempt.flags.includes("estimated"));
    }
  }
  for (const attempt of byId.values()) assert.equal(attempt.outcome, "client_gone", `${attempt.attemptId} is settled as ${attempt.outcome ?? ""} and was never called`);
  const above = Number(((total.ledger - total.bill) * 1_000_000n) / total.bill) / 10_000;
  t.diagnostic(`bill ${total.bill} nano-dollars, ledger ${above} % above it; ${[...kinds].map(([kind, times]) => `${times} ${kind}`).join(", ")}`);
  for (const kind of ["tier flex", "tier priority", "cache read", "cache written", "reasoning", "usage", "refused", "cut", "client_gone", "answered"]) assert.ok((kinds.get(kind) ?? 0) >= 5, `too few of: ${kind}`);
  assert.ok(above >= -0.1 && above <= 2, `the ledger is ${above} % above the bill`);
}

/** Whatever a client has seen of an answer is charged at least, whether or not usage came. */
function relayedIsCharged(seen: readonly SeenRequest[], byRequest: ReadonlyMap<string, readonly AttemptView[]>): void {
  let left = 0;
  for (const { requestId, frames, left: gone } of seen) {
    const attempts = byRequest.get(requestId) ?? [];
    const served = attempts.at(-1);
    if (!gone) continue;
    left += 1;
    assert.ok(served !== undefined, `the request ${requestId} has no attempt`);
    const price = priceOf({ model: served.deployment.split("/")[1] ?? "" });
    const tier = served.flags.find((flag) => flag.startsWith("tier:"))?.slice(5);
    const relayed = costNanoUsd(price, { input: 0, cached: 0, output: frames }, {}, tier);
    const cost = attempts.reduce((sum, attempt) => sum + (attempt.costNanoUsd ?? 0), 0);
    assert.ok(cost >= relayed, `${requestId} costs ${cost}, and ${relayed} was relayed`);
  }
  assert.ok(left > seen.length / 200, `only ${left} clients left`);
}
