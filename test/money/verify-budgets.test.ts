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
  assert.deepEqual(judge(outcome).slice(2, 4).map((one) => one.promise), ["at least 98 % settled when the first request is refused for good", "at most 0.2 % held then"]);
  assert.ok(outcome.samples > 20, `only ${outcome.samples} samples`);
  assert.ok(outcome.kills >= 2, `only ${outcome.kills} kills`);
  assert.ok(outcome.load.answered > 5_000 && outcome.load.refused > 0 && outcome.load.left > 0, JSON.stringify(outcome.load));
});

test("a share is judged by the size of a request: what one call of three hundred holds breaks nothing, what many hold does", () => {
  const sample = (settled: number, held: number) => ({ settledNanoUsd: settled * 1e9, heldNanoUsd: held * 1e9, overrunNanoUsd: 0 });
  const found = (requests: number, held: number): readonly boolean[] => {
    const load = { answered: requests - 30, refused: 30, left: 0, lost: 0, others: {} };
    return judge({ limitNanoUsd: 1e9, billedNanoUsd: 1e9, samples: 9, kills: 0, seconds: 1, violations: [], load, atFirstRefusal: sample(0.99, held), end: sample(1, 0) } as never).map((one) => one.holds);
  };
  assert.deepEqual(found(300, 0.00662), [true, true, true, true, true]);
  assert.deepEqual(found(300, 0.09), [true, true, true, false, true]);
  assert.deepEqual(found(10_000, 0.00662), [true, true, true, false, true]);
});
