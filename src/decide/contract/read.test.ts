import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../../wire/json.ts";
import { UNITS } from "../../wire/usage.ts";
import { overlaps } from "./covers.ts";
import { readContract } from "./read.ts";
import { contractOf } from "./test-contracts.ts";

/** `field: message` of everything that speaks against a contract of 2028. */
function problems(body: JsonObject): string[] {
  const read = readContract({ account: "acme", kind: "pay_as_you_go", start: "2028-01-01", end: "2028-12-31", ...body }, "c", "1");
  assert.equal(read.ok, false, "this contract should have been refused");
  return read.ok ? [] : read.problems.map(({ field, message }) => `${field}: ${message}`);
}

const committed = (more: JsonObject): JsonObject => ({ kind: "committed", committed: { amount_usd: 100, ...more } });
const provisioned = (more: JsonObject): JsonObject => ({ kind: "provisioned", provisioned: { units: 1, tokens_per_minute: 1_000, hourly_usd: 1, ...more } });
const ONE_UNIT = { units: 1, tokens_per_minute: 1_000 };

/** [what contradicts itself, the contract, what is said of it]. */
const BAD: readonly (readonly [string, JsonObject, readonly string[]])[] = [
  ["an end before the start", { end: "2027-12-31" }, ["end: a day on or after the start, 2028-01-01"]],
  ["no start", { start: null }, ["start: the day on which it begins, such as 2027-01-01"]],
  ["a day that is not there", { start: "2027-02-29" }, ["start: a day of the calendar, such as 2027-01-31"]],
  ["an unknown time zone", { time_zone: "Mars/Olympus" }, ["time_zone: the name of a time zone, such as Europe/Berlin or UTC"]],
  ["an offset for a zone", { time_zone: "+02:00" }, ["time_zone: the name of a time zone, such as Europe/Berlin or UTC"]],
  ["an unknown kind", { kind: "barter" }, ["kind: one of pay_as_you_go, committed, provisioned, free_quota, fine_tuned, self_hosted"]],
  ["a section of another kind", { kind: "pay_as_you_go", committed: { amount_usd: 1 } }, ["committed: no section committed: this contract is of kind pay_as_you_go"]],
  ["a kind without its section", { kind: "committed" }, ["committed: a section committed, which says what was agreed", "committed.amount_usd: what is committed"]],
  ["a discount above all", { discounts: [{ percent: 100.1 }] }, ["discounts[0].percent: at most 100 %: more than all of it cannot be taken"]],
  ["a negative discount", { discounts: [{ percent: -5 }] }, ["discounts[0].percent: a percentage from 0 to 100 with at most one decimal place"]],
  ["a discount that is too fine", { discounts: [{ percent: 12.55 }] }, ["discounts[0].percent: a percentage from 0 to 100 with at most one decimal place"]],
  ["a discount of nothing known", { discounts: [{ percent: 5, units: ["words"] }] }, [`discounts[0].units: units of a price list (${UNITS.join(", ")}), not words`]],
  ["batches above the standard price", { batch_factor: 1.5 }, ["batch_factor: a number from 0 to 1"]],
  ["a negative commitment", committed({ amount_usd: -1 }), ["committed.amount_usd: dollars, 0 or more, with at most nine decimal places"]],
  ["a commitment to nothing", committed({ amount_usd: 0 }), ["committed.amount_usd: an amount above 0, or volume steps"]],
  ["steps that do not ascend", committed({ steps: [{ from_usd: 50, percent: 5 }, { from_usd: 50, percent: 10 }, { from_usd: 70, percent: 10 }] }), [
    "committed.steps[1].from_usd: more than the step before: steps ascend", "committed.steps[2].percent: more than the step before takes off",
  ]],
  ["a commitment for a term without end", { ...committed({}), end: null }, ["committed.per: month or year where the contract has no end: a commitment for the term needs one"]],
  ["years that do not fill the term", { ...committed({ per: "year" }), end: "2029-06-30" }, ["committed.per: a term of whole years from 2028-01-01, which a commitment per year needs"]],
  ["instalments of a broken month", { ...committed({ instalments: "monthly" }), end: "2028-06-15" }, ["committed.instalments: a term of whole months from 2028-01-01, which monthly instalments needs"]],
  ["instalments of a month", committed({ per: "month", instalments: "monthly" }), ["committed.instalments: none: a commitment per month is paid by the month as it is"]],
  ["reserved and by the hour", provisioned({ reserved: { usd: 260 } }), ["provisioned.reserved: no price of a reservation beside hourly_usd: units are paid by the hour or reserved, not both"]],
  ["neither reserved nor by the hour", { kind: "provisioned", provisioned: ONE_UNIT }, ["provisioned.hourly_usd: hourly_usd or reserved"]],
  ["no units", provisioned({ units: 0 }), ["provisioned.units: a whole number from 1"]],
  ["half a unit", provisioned({ units: 1.5 }), ["provisioned.units: a whole number from 1"]],
  ["a negative price", provisioned({ hourly_usd: "-1" }), ["provisioned.hourly_usd: dollars, 0 or more, with at most nine decimal places"]],
  ["a weight of no class of tokens", provisioned({ weights: { images: 2 } }), ["provisioned.weights.images: a class of tokens: input, cache_read, cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h, audio_input, image_input, output, reasoning, audio_output, image_output"]],
  ["a month in monthly parts", { kind: "provisioned", provisioned: { ...ONE_UNIT, reserved: { per: "month", usd: 1, paid: "monthly" } } }, ["provisioned.reserved.paid: upfront: only a year is paid in monthly parts"]],
  ["weeks that do not fill the term", { kind: "provisioned", provisioned: { ...ONE_UNIT, reserved: { per: "week", usd: 1 } } }, ["provisioned.reserved.per: a term of whole weeks for a reservation by the week"]],
  ["a quota without a limit", { kind: "free_quota", free_quota: {} }, ["free_quota.requests_per_day: at least one limit: without any every call would be free"]],
  ["a quota that resets nowhere", { kind: "free_quota", free_quota: { requests_per_day: 1, reset_zone: "Pacific" } }, ["free_quota.reset_zone: the name of a time zone, such as Europe/Berlin or UTC"]],
  ["half a price list", { kind: "fine_tuned", fine_tuned: { hosting_usd_per_hour: 1, price: { input: 1 } } }, ["fine_tuned.price: input and output at least"]],
  ["a time that is none", { kind: "self_hosted", self_hosted: { gpus: 8, usd_per_gpu_hour: 2, schedule: { from: "8:00", until: "25:00" } } }, [
    "self_hosted.schedule.from: a time of day such as 08:00", "self_hosted.schedule.until: a time of day such as 08:00",
  ]],
  ["egress that does not begin at 0", { egress: [{ from_gb: 100, usd_per_gb: 1 }, { from_gb: 50, usd_per_gb: 1 }] }, ["egress[0].from_gb: 0, where the first step begins", "egress[1].from_gb: more than the step before: steps ascend"]],
  ["credit for a promise that is kept", { sla: { uptime_percent: 99.5, credits: [{ below_percent: 99.9, credit_percent: 10 }] } }, ["sla.credits[0].below_percent: at most the uptime that is promised: there is no credit for a promise that is kept"]],
  ["credits that do not descend", { sla: { uptime_percent: 99.9, credits: [{ below_percent: 99, credit_percent: 10 }, { below_percent: 99.5, credit_percent: 5 }] } }, [
    "sla.credits[1].below_percent: less than the step before: steps descend from the promised uptime", "sla.credits[1].credit_percent: more than for the step before",
  ]],
  ["several things at once", { account: "", time_zone: "X", discounts: [{ percent: 200 }] }, [
    "account: the account that it was made for", "time_zone: the name of a time zone, such as Europe/Berlin or UTC", "discounts[0].percent: at most 100 %: more than all of it cannot be taken",
  ]],
];

describe("a contract that contradicts itself is refused with the field and what it should be", () => {
  for (const [name, body, expected] of BAD) it(name, () => assert.deepEqual(problems(body), expected));
});

describe("two contracts for one model at one time", () => {
  const other = (body: JsonObject) => ({ ...contractOf(body), id: "other" });
  const told = (a: JsonObject, b: JsonObject): string[] => overlaps(contractOf(a), [other(b)]).map(({ field, message }) => `${field}: ${message}`);

  it("are told, with the model and the day", () => {
    assert.deepEqual(told({ models: ["gpt-*"] }, { models: ["*-mini"], start: "2028-06-01" }), [
      "models: gpt-* of acme is covered by the contract other as well, from 2028-06-01 on; name it under except of one of them",
    ]);
    assert.equal(told({}, {}).length, 1);
    assert.equal(told({ models: ["a", "b"] }, { models: ["c", "b"] }).length, 1);
  });

  it("are none where accounts, days or models differ, or one leaves the other's out", () => {
    assert.deepEqual(told({}, { account: "acme-eu" }), []);
    assert.deepEqual(told({ end: "2028-06-30" }, { start: "2028-07-01" }), []);
    assert.deepEqual(told({ models: ["large-*"] }, { models: ["small-*"] }), []);
    assert.deepEqual(told({ except: ["large*"] }, { models: ["large-2"] }), []);
    assert.deepEqual(told({ models: ["large-2*"] }, { except: ["large*"] }), []);
  });

  it("end and begin with the days of their own zones", () => {
    // Tokyo's 1 July begins nine hours before UTC's: nine hours in which both would run.
    assert.equal(told({ end: "2028-06-30" }, { start: "2028-07-01", time_zone: "Asia/Tokyo" }).length, 1);
    assert.equal(told({ end: "2028-06-30" }, { start: "2028-07-02", time_zone: "Asia/Tokyo" }).length, 0);
  });
});
