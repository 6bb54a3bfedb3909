/** One dollar, three processes that share it, a thousand requests at a time, ten thousand in all, kills amid, clients that leave. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../../src/cli/verify.ts";
import { verifyBudgets } from "../../src/cli/verify-budgets.ts";

test("a budget holds over processes that share it, through kills, is used to its end, and leaves nothing held", async () => {
  const main = new URL("../../src/cli/main.ts", import.meta.url).pathname;
  const outcome = await verifyBudgets({ limitUsd: 1, requests: 10_000, concurrency: 1_000, processes: 3, kills: 4, seed: 11, main, told: () => undefined });
  const broken = judge(outcome).filter((one) => !one.holds);
  assert.deepEqual(broken, [], JSON.stringify(outcome));
  assert.ok(outcome.samples > 20, `only ${outcome.samples} samples`);
  assert.ok(outcome.kills >= 2, `only ${outcome.kills} kills`);
  assert.ok(outcome.load.answered > 5_000 && outcome.load.refused > 0 && outcome.load.left > 0, JSON.stringify(outcome.load));
});
