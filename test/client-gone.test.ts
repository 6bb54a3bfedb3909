/**
 * A client that leaves, at any moment of the answer: the provider is told to stop, what it did is paid for and never less
 * than what was passed on, and it bears no blame.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { askGateway } from "../src/cli/control-client.ts";
import { checkFleetConfig, costNanoUsd, gatewayConfig, startFleet, type BillRow, type Fleet } from "../src/fleet/index.ts";
import { controlSocketPathOf } from "../src/storage/data-dir.ts";
import type { RequestView } from "../src/storage/rows.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";
import { call, sdk, type Ask, type Seen } from "./support/load.ts";

const DIALECTS = ["openai-chat", "anthropic-messages", "gemini"] as const;
const PRICE = { input: 2, output: 8 };
const TOKENS = 100;
const AFTER_EVENTS = [1, 2, 5, 20, 50];
const INPUT = 120;

/** Slow enough that every moment can be hit: 100 pieces in 2 s. */
const config = checkFleetConfig({
  providers: DIALECTS.map((dialect) => ({ name: dialect, dialect, models: { m: PRICE }, first_token: 40, token_rate: 50, tokens_out: 10_000 })),
});
let fleet: Fleet;
let gateway: TestGateway;

before(async () => {
  fleet = await startFleet(config);
  gateway = await testGateway(gatewayConfig(config, fleet));
});
after(async () => {
  await gateway.close();
  await fleet.close();
});

interface Left {
  readonly seen: Seen;
  readonly call: BillRow;
  readonly view: RequestView;
}

/** Makes the calls at once, and finds for each what the provider and our own books say of it. Prompts tell them apart. */
async function leave(model: string, asks: readonly Partial<Ask>[]): Promise<readonly Left[]> {
  const sinceMs = Date.now();
  const client = sdk(gateway.baseUrl);
  const seen = await Promise.all(asks.map((ask, i) => call(client, { model, stream: true, inputTokens: INPUT + i, maxTokens: TOKENS, ...ask })));
  const bill = await settledBill(model, sinceMs, asks.length);
  const views = await gateway.requests();
  return seen.map((one) => {
    assert.equal(one.kind, "left", one.error ?? one.kind);
    const row = bill.find((candidate) => candidate.input_tokens === one.ask.inputTokens);
    assert.ok(row !== undefined, `no upstream call of ${one.ask.inputTokens} tokens`);
    const view = views.find(({ attempts }) => attempts.some(({ attemptId }) => attemptId === row.client_request_id));
    assert.ok(view !== undefined, `${row.client_request_id ?? ""} is not listed`);
    return { seen: one, call: row, view };
  });
}

/** Upstream calls end in no time when the client leaves; sooner than their answers would. */
async function settledBill(model: string, sinceMs: number, count: number): Promise<readonly BillRow[]> {
  const giveUpAtMs = performance.now() + 800;
  for (;;) {
    const rows = fleet.bill(sinceMs).filter((row) => `${row.provider}/m` === model);
    if ((rows.length >= count && rows.every((row) => row.outcome !== "open")) || performance.now() > giveUpAtMs) return rows;
    await sleep(5);
  }
}

function settledAsGone({ call: row, view }: Left, seenEvents: number): void {
  assert.equal(row.outcome, "client_gone", "the provider went on");
  assert.equal(view.record?.outcome, "client_gone");
  assert.equal(view.attempts.length, 1, "a client that left was served by another deployment");
  const [attempt] = view.attempts;
  assert.deepEqual([attempt?.state, attempt?.outcome], ["estimated", "client_gone"]);
  assert.ok(attempt?.flags.includes("estimated"));
  const relayed = costNanoUsd(PRICE, { input: 0, cached: 0, output: seenEvents });
  assert.ok((attempt?.units.output ?? 0) >= seenEvents, `${attempt?.units.output ?? 0} output tokens for ${seenEvents} that were relayed`);
  assert.ok((attempt?.units.input ?? 0) >= row.input_tokens);
  assert.ok((attempt?.costNanoUsd ?? 0) >= relayed + costNanoUsd(PRICE, { input: row.input_tokens, cached: 0, output: 0 }));
}

/** No failure in a run, no rest: asked of the running gateway by its control socket. */
async function notBlamed(deployment: string): Promise<void> {
  const told = (await askGateway(controlSocketPathOf(gateway.dataDir), "providers", "")) as { readonly providers: readonly { readonly deployment: string; readonly state: string; readonly run: number; readonly pausedUntilMs: number; readonly excluded: unknown }[] };
  for (const row of told.providers.filter((one) => one.deployment === deployment)) {
    assert.deepEqual([row.state, row.run, row.excluded], ["admitting", 0, null]);
  }
  const next = await call(sdk(gateway.baseUrl), { model: deployment, stream: false, inputTokens: 5, maxTokens: 1 });
  assert.deepEqual([next.kind, next.deployment, next.attempts], ["finished", deployment, 1]);
}

describe("a client that leaves", { concurrency: true }, () => {
  for (const dialect of DIALECTS) describe(`an answer of ${dialect}`, { concurrency: 1 }, () => {
    const model = `${dialect}/m`;

    test("in the middle of a stream: upstream closed, charged for at least what was relayed, provider not blamed", async () => {
      // More of them than would rest a deployment if they counted.
      const left = await leave(model, [...AFTER_EVENTS, ...AFTER_EVENTS].map((leaveAfterEvents) => ({ leaveAfterEvents })));
      for (const one of left) {
        settledAsGone(one, one.seen.events);
        assert.ok(one.seen.events >= (one.seen.ask.leaveAfterEvents ?? 0));
        assert.ok(one.call.output_tokens < TOKENS, "the provider wrote its answer to the end");
      }
      await notBlamed(model);
    });

    test("before the first word of a stream: upstream closed, the prompt charged as an estimate, provider not blamed", async () => {
      await fleet.script(dialect, [{ fault: "stall_before_content" }]);
      try {
        const left = await leave(model, Array.from({ length: 6 }, () => ({ leaveAfterMs: 120 })));
        for (const one of left) settledAsGone(one, 0);
      } finally {
        await fleet.script(dialect, []);
      }
      await notBlamed(model);
    });

    test("while a JSON answer is being written: upstream closed, the prompt charged as an estimate, provider not blamed", async () => {
      const left = await leave(model, Array.from({ length: 6 }, () => ({ stream: false, leaveAfterMs: 150 })));
      for (const one of left) settledAsGone(one, 0);
      await notBlamed(model);
    });
  });
});
