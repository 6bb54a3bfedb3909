import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../../wire/json.ts";
import { CapacityBook } from "../contract/meter.ts";
import { pricingUnder } from "../contract/pricing.ts";
import { contractOf, LARGE } from "../contract/test-contracts.ts";
import type { Pricing } from "../deployment.ts";
import { ReservedPools } from "./reserved.ts";

const MAY = Date.UTC(2028, 4, 1);
const CALL = { input: 500, output: 500 };

/** 60,000 tokens a minute, so a thousand a second: a call of 1,000 takes a second of it. */
function pricingOf(more: JsonObject = {}, book = new CapacityBook(), version = "1"): Pricing {
  const contract = { ...contractOf({ kind: "provisioned", provisioned: { units: 1, tokens_per_minute: 60_000, hourly_usd: 1, ...more } }), version };
  return pricingUnder({ kind: "sheet", sheet: LARGE }, "acme/large", [contract], book, MAY);
}

describe("reserved capacity", () => {
  it("is free while first content is predicted within four fifths of the time that is promised, by default of ten seconds", () => {
    for (const { thresholdMs, takes } of [{ thresholdMs: 5_000, takes: 3 }, { thresholdMs: 0, takes: 7 }]) {
      const pools = new ReservedPools();
      const pricing = pricingOf();
      let taken = 0;
      while (pools.standing(pricing, CALL, thresholdMs, 0, MAY) === "free") {
        assert.notEqual(pools.entered(pricing, CALL, 0, MAY), null);
        taken += 1;
      }
      assert.equal(taken, takes);
    }
  });

  it("beyond that is paid for or skipped, as its contract says", () => {
    const pools = new ReservedPools();
    assert.equal(pools.standing(pricingOf(), { input: 9_000 }, 5_000, 0, MAY), "spills");
    assert.equal(pools.standing(pricingOf({ beyond: "refused" }), { input: 9_000 }, 5_000, 0, MAY), "refused");
    assert.equal(pools.standing({ kind: "sheet", sheet: LARGE }, CALL, 5_000, 0, MAY), null);
    assert.equal(pools.standing({ kind: "unknown" }, CALL, 5_000, 0, MAY), null);
  });

  it("is not free where the minute's tokens are used up, however idle it is, and takes no call then", () => {
    for (const beyond of ["pay_as_you_go", "refused"]) {
      const pools = new ReservedPools();
      const pricing = pricingOf({ beyond });
      const [meter] = pricing.kind === "sheet" ? (pricing.meters ?? []) : [];
      meter?.take({ input: 59_500 }, MAY);
      assert.equal(pools.standing(pricing, CALL, 60_000, 0, MAY), beyond === "refused" ? "refused" : "spills");
      assert.equal(pools.entered(pricing, CALL, 0, MAY), null);
      assert.equal(pools.standing(pricing, CALL, 60_000, 0, MAY + 60_000), "free");
    }
  });

  it("is shared by what one contract covers, and free again once its calls have content", () => {
    const pools = new ReservedPools();
    const book = new CapacityBook();
    const calls = Array.from({ length: 3 }, () => pools.entered(pricingOf({}, book), CALL, 0, MAY));
    const other = pricingOf({}, book);
    assert.equal(pools.standing(other, CALL, 5_000, 0, MAY), "spills");
    for (const call of calls) {
      call?.firstContent(100);
      call?.left(CALL);
    }
    assert.equal(pools.standing(other, CALL, 5_000, 100, MAY), "free");
  });

  it("weighs prompt and answer as the contract does, by the part of it that they take most of", () => {
    const pools = new ReservedPools();
    const pricing = pricingOf({ weights: { output: 4 } });
    assert.equal(pools.standing(pricing, { input: 0, output: 900 }, 5_000, 0, MAY), "spills");
    assert.equal(pools.standing(pricing, { input: 900, output: 0 }, 5_000, 0, MAY), "free");
  });

  it("is what its calls show it to be, over restarts and versions of the contract that state the same", () => {
    const pools = new ReservedPools();
    const pricing = pricingOf();
    // It gives what is stated for a third: calls wait three times as long as they should.
    for (let i = 0; i < 400; i++) {
      const atMs = i * 60_000;
      const two = [pools.entered(pricing, CALL, atMs, MAY + atMs), pools.entered(pricing, CALL, atMs, MAY + atMs)];
      for (const [k, call] of two.entries()) {
        call?.firstContent(atMs + 300 + 3_000 * (k + 1));
        call?.left(CALL);
      }
    }
    const later = 400 * 60_000;
    const small = { input: 2_000 };
    assert.equal(pools.standing(pricing, small, 5_000, later, MAY), "spills");
    assert.equal(new ReservedPools().standing(pricing, small, 5_000, later, MAY), "free");
    const restarted = new ReservedPools();
    restarted.restore(JSON.parse(JSON.stringify(pools.save())));
    assert.deepEqual(restarted.save(), pools.save());
    assert.equal(restarted.standing(pricingOf({}, undefined, "2"), small, 5_000, later, MAY), "spills");
    const enlarged = new ReservedPools();
    enlarged.restore(pools.save());
    assert.equal(enlarged.standing(pricingOf({ units: 2 }), small, 5_000, later, MAY), "free");
  });

  it("learns how long first content takes by itself, so that a model that thinks does not pass for little capacity", () => {
    const pools = new ReservedPools();
    const pricing = pricingOf();
    for (let i = 0; i < 200; i++) {
      const atMs = i * 60_000;
      const call = pools.entered(pricing, CALL, atMs, MAY + atMs);
      call?.firstContent(atMs + 4_000 + 1_000);
      call?.left(CALL);
    }
    const [saved] = Object.values(pools.save());
    assert.ok(Math.abs((saved?.pool.baseMs ?? 0) - 4_000) < 300, String(saved?.pool.baseMs));
    assert.equal(saved?.pool.workPerS, 1);
  });

  it("loses nothing by calls that end without content", () => {
    const pools = new ReservedPools();
    const pricing = pricingOf();
    for (let i = 0; i < 500; i++) pools.entered(pricing, CALL, i, MAY)?.left({});
    assert.equal(pools.standing(pricing, CALL, 5_000, 500, MAY), "free");
  });
});
