/** Simulated calls cost what the gateway would charge for them: by the list, the contract's discounts and steps, its quota and its capacity. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CapacityBook } from "../decide/contract/meter.ts";
import { pricingUnder } from "../decide/contract/pricing.ts";
import { contractOf, LARGE } from "../decide/contract/test-contracts.ts";
import { DEFAULT_CLOCKS, type Deployment } from "../decide/deployment.ts";
import { candidate } from "../decide/test-candidates.ts";
import type { JsonObject } from "../wire/json.ts";
import { constant } from "./latency.ts";
import { SINGLE } from "./peers/ordered.ts";
import type { Report } from "./report.ts";
import type { Simulation } from "./run.ts";
import { simulate } from "./simulate.ts";
import { spillway } from "./spillway-policy.ts";
import { agreedTariffs } from "./tariff.ts";
import { firstToken, priced } from "./test-worlds.ts";
import { atRate } from "./traffic.ts";

const START_MS = Date.UTC(2028, 4, 1);
const MINUTES = 30;

/** A model of the list price 2.50 $ and 10 $ a million under this contract, absent: under none. */
function deployment(name: string, body?: JsonObject): Deployment {
  const { deployment: bare } = candidate(name);
  const list = { kind: "sheet", sheet: LARGE } as const;
  return { ...bare, pricing: body === undefined ? list : pricingUnder(list, bare.id, [contractOf({ account: name, ...body })], new CapacityBook(), START_MS) };
}

/** One request in ten seconds of 1,000 and 200 tokens: 4.5 thousandths of a dollar by the list. */
function simulation(deployments: readonly Deployment[], perS = 0.1): Simulation {
  return {
    deployments: deployments.map(({ id }) => ({ id, price: priced(0), latency: constant(500), tokensPerS: 200, failsBefore: 0, failsAfter: 0 })),
    traffic: atRate({ perS, durationMs: MINUTES * 60_000 + 1, gaps: "constant", sizes: [{ inputTokens: 1_000, outputTokens: 200 }] }),
    objectives: [firstToken(0.99, 5_000)], seed: 1, spanMs: 60_000, startWallMs: START_MS,
    tariffs: () => agreedTariffs(deployments.map((one) => ({ deployment: one, price: null }))),
  };
}

const LIST_NANO = 4_500_000;
const costs = (report: Report): readonly number[] => report.deployments.map(({ costUsd }) => Math.round(costUsd * 1e9));

describe("a contract in a simulation", () => {
  it("leaves the list's price where there is none, and takes its discounts off where there are", () => {
    const [report] = simulate(simulation([deployment("acme")]), [SINGLE]) as [Report];
    assert.equal(costs(report)[0], report.requests * LIST_NANO);
    const [less] = simulate(simulation([deployment("acme", { discounts: [{ units: ["output"], percent: 50 }] })]), [SINGLE]) as [Report];
    assert.equal(costs(less)[0], less.requests * 3_500_000);
  });

  it("that is over, or has not begun, takes nothing off", () => {
    for (const term of [{ start: "2027-01-01", end: "2027-12-31" }, { start: "2028-06-01", end: "2028-12-31" }]) {
      const [report] = simulate(simulation([deployment("acme", { ...term, discounts: [{ percent: 50 }] })]), [SINGLE]) as [Report];
      assert.equal(costs(report)[0], report.requests * LIST_NANO, term.start);
    }
  });

  it("of a free quota bills what is beyond it, counted anew by each policy", () => {
    const quota = deployment("acme", { kind: "free_quota", free_quota: { requests_per_minute: 2, reset_zone: "UTC" } });
    const reports = simulate(simulation([quota]), [SINGLE, spillway({ strategy: "priority" })]);
    // Six requests a minute, of which two are free.
    for (const report of reports) assert.ok(Math.abs((costs(report)[0] ?? 0) / LIST_NANO - 4 * MINUTES) <= 3, `${costs(report)[0]}`);
  });

  it("of a commitment takes its volume steps off from where they are reached", () => {
    const steps = deployment("acme", { kind: "committed", committed: { amount_usd: 1, per: "month", steps: [{ from_usd: 0.45, percent: 50 }] } });
    const [report] = simulate(simulation([steps]), [SINGLE]) as [Report];
    const expected = 100 * LIST_NANO + (report.requests - 100) * (LIST_NANO / 2);
    assert.ok(Math.abs((costs(report)[0] ?? 0) - expected) <= LIST_NANO, `${costs(report)[0]} for ${expected}`);
  });

  const capacity = (beyond: string): Deployment => deployment("acme", { kind: "provisioned", provisioned: { units: 1, tokens_per_minute: 36_000, hourly_usd: 1, beyond, weights: { input: 1, output: 1 } } });

  it("of capacity that is paid for is used first by what weighs prices, and what spills is billed", () => {
    const both = [deployment("other"), capacity("pay_as_you_go")];
    const route = { candidates: both.map((one) => ({ deployment: one, weight: 1, automatic: false })), clocks: DEFAULT_CLOCKS, health: { restMs: 5_000, restMaxMs: 300_000 } };
    const [report] = simulate(simulation(both, 1), [spillway({ strategy: "cheapest", route })]) as [Report];
    // Thirty of sixty a minute fit; the others cost what the list says, wherever they go.
    const [other = 0, free = 0] = report.deployments.map(({ served }) => served / MINUTES);
    assert.ok(free >= 27 && free <= 33, `${free} and ${other} a minute`);
    assert.ok(Math.abs((report.costUsd * 1e9) / LIST_NANO / MINUTES - other) <= 3, `${report.costUsd}`);
  });

  it("that serves nothing beyond is refused beyond", () => {
    const [report] = simulate(simulation([capacity("refused")], 1), [SINGLE]) as [Report];
    assert.equal(costs(report)[0], 0);
    assert.ok(Math.abs((report.deployments[0]?.refused429 ?? 0) - 30 * MINUTES) <= 31, `${report.deployments[0]?.refused429}`);
    const both = [capacity("refused"), deployment("other")];
    const [ours] = simulate(simulation(both, 1), [spillway({ strategy: "priority", route: { candidates: both.map((one) => ({ deployment: one, weight: 1, automatic: false })), clocks: DEFAULT_CLOCKS, health: { restMs: 5_000, restMaxMs: 300_000 } } })]) as [Report];
    assert.equal(ours.failed, 0);
    assert.ok(Math.abs((ours.costUsd * 1e9) / LIST_NANO - 30 * MINUTES) < 15 * MINUTES, `${ours.costUsd}`);
  });

  it("an aborted prompt is billed by the provider's rule", () => {
    const rule = (billsOnAbort: "input" | "nothing"): number => {
      const acme = deployment("acme");
      const one: Deployment = { ...acme, provider: { ...acme.provider, billsOnAbort } };
      const silent = simulation([one]);
      return (simulate({ ...silent, deployments: silent.deployments.map((spec) => ({ ...spec, faults: [{ kind: "stall", p: 1 }] })) }, [SINGLE])[0] as Report).costUsd;
    };
    assert.equal(rule("nothing"), 0);
    assert.ok(rule("input") > 0);
  });
});
