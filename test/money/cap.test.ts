/**
 * A cap on one request, set by its header, its key or a budget of one request: over several hundred requests, drawn by a seed,
 * with a first provider that mostly fails and bills all the same, no request's attempts together are billed beyond it.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { LOCAL_ACTOR } from "../../src/compose/control.ts";
import { createObject } from "../../src/control/manage.ts";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig, type RuleInput } from "../../src/fleet/index.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";

const REQUESTS = 800;
const AT_ONCE = 8;

/** All that is billed though nothing useful comes, and some that is not. */
const FAULTS: readonly RuleInput[] = [
  { fault: "empty_choices", p: 0.15 },
  { fault: "malformed_json", p: 0.15 },
  { fault: { kind: "truncated_json", clean: true }, p: 0.15 },
  { fault: { kind: "cut_reset", after: 0 }, p: 0.1 },
  { fault: { kind: "cut_fin", after: 2 }, p: 0.1 },
  { fault: { kind: "error_event", at: 0 }, p: 0.1 },
  { fault: "missing_usage", p: 0.15 },
  { fault: { kind: "status", status: 503 }, p: 0.2 },
  { fault: "reset", p: 0.1 },
];
const CONFIG: FleetConfig = {
  seed: 23,
  providers: [
    { name: "first", dialect: "openai-chat", tokens_out: { uniform: { min: 20, max: 300 } }, models: { m: { input: 1, output: 30 } }, script: [...FAULTS] },
    { name: "second", dialect: "anthropic-messages", tokens_out: { uniform: { min: 20, max: 300 } }, models: { m: { input: 0.8, output: 24 } }, script: FAULTS.slice(0, 4) },
    { name: "third", dialect: "gemini", tokens_out: { uniform: { min: 20, max: 300 } }, models: { m: { input: 0.5, output: 15 } } },
  ],
};

/** A cap in dollars by each way of setting one. */
const WAYS = { header: null, key: 0.006, budget: 0.004, "header within a key's": 0.02 } as const;
type Way = keyof typeof WAYS;

/** A small generator of numbers from 0 to 1. */
function drawn(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Drawn {
  readonly way: Way;
  readonly capUsd: number;
  readonly header: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

function requestOf(chance: () => number): Drawn {
  const way = (Object.keys(WAYS) as Way[])[Math.floor(chance() * 4)] as Way;
  const ofHeader = way === "header" || way === "header within a key's" ? Number((0.0006 * 35 ** chance()).toFixed(6)) : null;
  const capUsd = Math.min(ofHeader ?? Infinity, WAYS[way] ?? Infinity);
  const limit = chance() < 0.4 ? {} : { max_tokens: 16 + Math.floor(chance() * 300) };
  const words = "so many words ".repeat(1 + Math.floor(chance() * 30));
  const stream = chance() < 0.5 ? { stream: true, stream_options: { include_usage: true } } : {};
  return { way, capUsd, header: ofHeader === null ? null : String(ofHeader), body: { model: "r", messages: [{ role: "user", content: words }], ...limit, ...(chance() < 0.2 ? { n: 1 } : {}), ...stream } };
}

describe("a cap on one request", { timeout: 60_000 }, () => {
  let fleet: Fleet;
  let gateway: TestGateway;
  const keys = new Map<Way, string>();
  before(async () => {
    fleet = await startFleet(CONFIG);
    const more = {
      keys: [{ name: "plain", key: "caller-key-by-header" }, { name: "budgeted", key: "caller-key-by-budget" }],
      fallbacks: "off",
      health: { rest: "10ms", rest_max: "20ms" },
      budgets: { one: { scope: "key/budgeted", period: "request", limit_usd: WAYS.budget } },
      routes: { r: { candidates: ["first/m", "second/m", "third/m"] } },
    };
    gateway = await testGateway(gatewayConfig(CONFIG, fleet, { more }));
    keys.set("header", "caller-key-by-header").set("budget", "caller-key-by-budget");
    for (const [way, id] of [["key", "capped"], ["header within a key's", "capped-too"]] as const) keys.set(way, keyOf(gateway, id, WAYS[way]));
  });
  after(async () => {
    await gateway.close();
    await fleet.close();
  });

  it("is never passed by all attempts of it together, by the provider's own bill", async () => {
    const chance = drawn(20_261_123);
    const wanted = Array.from({ length: REQUESTS }, () => requestOf(chance));
    const caps = new Map<string, Drawn>();
    const statuses: number[] = [];
    const worker = async (): Promise<void> => {
      for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
        const headers: Record<string, string> = { authorization: `Bearer ${keys.get(next.way)}`, "content-type": "application/json", ...(next.header === null ? {} : { "x-spillway-max-cost-usd": next.header }) };
        const answer = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers, body: JSON.stringify(next.body) });
        await answer.text();
        statuses.push(answer.status);
        caps.set(answer.headers.get("x-spillway-request-id") ?? "", next);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));

    const bills = new Map(fleet.bill().map((row) => [row.client_request_id, row.cost_nano_usd]));
    const seen = { moved: 0, near: 0, failedAndBilled: 0 };
    for (const { requestId, attempts, record } of await gateway.requests()) {
      const asked = caps.get(requestId);
      assert.ok(asked !== undefined);
      const billed = attempts.map((one) => bills.get(one.attemptId) ?? 0);
      const total = billed.reduce((sum, one) => sum + one, 0);
      const capNanoUsd = Math.round(asked.capUsd * 1e9);
      assert.ok(total <= capNanoUsd, `${asked.way}: billed ${total} of ${capNanoUsd} over ${JSON.stringify(attempts.map((one, i) => [one.deployment, one.state, one.outcome, one.boundNanoUsd, billed[i]]))}`);
      assert.ok(attempts.every((one) => !one.flags.includes("overrun")));
      if (record?.status === 200 && attempts.length > 1) seen.moved += 1;
      if (total > 0.5 * capNanoUsd) seen.near += 1;
      if (attempts.length > 1 && (billed[0] ?? 0) > 0) seen.failedAndBilled += 1;
    }
    const of = (status: number): number => statuses.filter((one) => one === status).length;
    // The draw is worth something only if it comes near the caps, moves on after bills, and refuses some.
    assert.ok(of(200) > REQUESTS / 4 && of(402) > 5 && of(400) === 0, JSON.stringify([of(200), of(402), statuses.length]));
    assert.ok(seen.moved > 20 && seen.near > 20 && seen.failedAndBilled > 20, JSON.stringify(seen));
  });
});

/** A managed key with a cap; its secret. */
function keyOf(gateway: TestGateway, id: string, maxUsd: number): string {
  const made = createObject(gateway.managed, { kind: "key", tenant: "default", actor: LOCAL_ACTOR }, id, { max_request_usd: maxUsd });
  const key = made.kind === "done" ? made.once?.["key"] : undefined;
  assert.ok(typeof key === "string", JSON.stringify(made));
  return key;
}
