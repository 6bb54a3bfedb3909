import assert from "node:assert/strict";
import { test } from "node:test";
import { ReservedPool } from "./pool.ts";

/** A thousand units a second, so one a millisecond. */
const facts = { workPerS: 1_000, baseMs: 200 };

test("a pool takes what will have content within four fifths of the threshold, and no more", () => {
  const pool = new ReservedPool(facts);
  assert.equal(pool.predictMs(600, 0), 800);
  assert.ok(pool.admits(600, 1_000, 0));
  assert.ok(!pool.admits(601, 1_000, 0));
  pool.entered(400, 0);
  assert.ok(pool.admits(200, 1_000, 0));
  assert.ok(!pool.admits(201, 1_000, 0));
  assert.ok(pool.admits(301, 1_000, 150), "what is before it is worked off");
});

test("one whose content is overdue holds up those behind it", () => {
  const pool = new ReservedPool(facts);
  pool.entered(400, 0);
  pool.entered(3_000, 0);
  assert.equal(pool.predictMs(100, 60_000), 3_000 - 200 + 100 + 200);
});

test("one that is aborted before content takes its work with it, and teaches nothing", () => {
  const pool = new ReservedPool(facts);
  const call = pool.entered(5_000, 0);
  pool.entered(300, 0);
  pool.left(call, null);
  pool.left(call, null);
  assert.equal(pool.predictMs(100, 0), 600);
  assert.equal(pool.workPerS, 1_000);
});

test("capacity is learned from the times that it explains, within bounds", () => {
  for (const { times, workPerS } of [{ times: 1, workPerS: 1_000 }, { times: 2, workPerS: 500 }, { times: 0.7, workPerS: 1_000 / 0.7 }, { times: 100, workPerS: 100 }, { times: 0.01, workPerS: 2_000 }]) {
    const pool = new ReservedPool({ workPerS: 1_000, baseMs: 0 });
    for (let i = 0; i < 2_000; i++) {
      const call = pool.entered(1_000, i * 1_000_000);
      pool.firstContent(call, i * 1_000_000 + 1_000 * times);
      pool.left(call, 1_000);
    }
    assert.ok(Math.abs(pool.workPerS / workPerS - 1) < 0.02, `${pool.workPerS} for ${workPerS}`);
  }
});

test("an answer that was longer than expected does not pass for a smaller pool", () => {
  const pool = new ReservedPool({ workPerS: 1_000, baseMs: 0 });
  for (let i = 0; i < 500; i++) {
    const call = pool.entered(1_000, i * 1_000_000);
    pool.firstContent(call, i * 1_000_000 + 3_000);
    pool.left(call, 3_000);
  }
  assert.ok(Math.abs(pool.workPerS - 1_000) < 1);
});

test("what an empty pool takes says nothing of its capacity", () => {
  const pool = new ReservedPool(facts);
  for (let i = 0; i < 500; i++) {
    const call = pool.entered(1, i * 1_000_000);
    pool.firstContent(call, i * 1_000_000 + 100);
    pool.left(call, 1);
  }
  assert.ok(Math.abs(pool.workPerS - 1_000) < 50, `${pool.workPerS}`);
});

test("what was learned survives a restart, unless another capacity is stated", () => {
  const pool = new ReservedPool(facts);
  pool.restore({ workPerS: 800, statedPerS: 1_000 });
  assert.equal(pool.workPerS, 800);
  const larger = new ReservedPool({ ...facts, workPerS: 2_000 });
  larger.restore(JSON.parse(JSON.stringify(pool.save())));
  assert.equal(larger.workPerS, 2_000);
  const none = new ReservedPool(facts);
  none.restore({ workPerS: 0, statedPerS: 1_000 });
  assert.equal(none.workPerS, 100, "one that works nothing off would never be asked again");
});
