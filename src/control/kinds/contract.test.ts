import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../../wire/json.ts";
import type { StoredObject } from "../types.ts";
import { contract, contractsOf, mergeContracts } from "./contract.ts";
import { readBody, schemaProblems } from "./fields.ts";
import { price } from "./price.ts";
import fc from "fast-check";
import { z } from "zod";

const body: JsonObject = { account: "acme", kind: "pay_as_you_go", start: "2028-01-01", discounts: [{ percent: 10 }] };

function stored(id: string, of: JsonObject, kind = "contract"): StoredObject {
  return { kind, id, tenant: "default", version: 3, createdMs: 0, updatedMs: 0, body: of };
}

/** Problems of a contract beside these objects. */
function problems(sent: JsonObject, others: readonly StoredObject[]): string[] {
  const store = {
    get: (kind: string, id: string) => others.find((one) => one.kind === kind && one.id === id),
    all: (kind: string) => others.filter((one) => one.kind === kind),
  };
  return contract.check(sent, "new", store).map(({ field, message }) => `${field}: ${message}`);
}

describe("a managed contract", () => {
  it("has the shape of one in the configuration; unknown fields are refused by name", () => {
    assert.ok(contract.schema.safeParse(body).success);
    const refused = contract.schema.safeParse({ ...body, discuonts: [], committed: { per: "week" } });
    assert.ok(!refused.success && refused.error instanceof z.ZodError);
    assert.deepEqual(schemaProblems(refused.error).map(({ field }) => field), ["committed.amount_usd", "committed.per", "discuonts"]);
  });

  it("may not cover what another covers at the same time, nor be of an account that is not there", () => {
    assert.deepEqual(problems(body, []), []);
    assert.deepEqual(problems(body, [stored("old", { ...body, end: "2027-12-31", start: "2027-01-01" })]), []);
    assert.deepEqual(problems(body, [stored("other", { ...body, models: ["large"] })]), ["models: large of acme is covered by the contract other as well, from 2028-01-01 on; name it under except of one of them"]);
    // A change of itself is no overlap.
    assert.deepEqual(problems(body, [stored("new", body)]), []);
    assert.deepEqual(problems(body, [stored("*", {}, "configured"), stored("provider/openai", {}, "configured")]), ["account: no account acme is configured"]);
    assert.deepEqual(problems({ ...body, end: "2027-01-01" }, []), ["end: a day on or after the start, 2028-01-01"]);
  });

  it("that contradicts itself in several ways is told of all of them at once", () => {
    const store = { get: (kind: string, id: string) => (kind === "configured" && id === "*" ? stored("*", {}, "configured") : undefined), all: () => [] };
    const sent: JsonObject = {
      account: "nobody", kind: "committed", start: "2028-02-30", end: "2027-01-01", time_zone: "Mars/Olympus", discuonts: [], rounding: "up",
      committed: { amount_usd: -1, per: "term", steps: [{ from_usd: 10, percent: 5 }, { from_usd: 5, percent: 6 }] }, egress: [{ usd_per_gb: 1 }, { from_gb: 0, usd_per_gb: 2 }], provisioned: {},
    };
    const { body: read, problems: told } = readBody(contract, sent, "new", store);
    assert.equal(read, null);
    const fields = told.map(({ field }) => field);
    for (const field of ["account", "start", "time_zone", "discuonts", "rounding", "committed.amount_usd", "committed.steps[1].from_usd", "egress[1].from_gb", "provisioned"]) assert.ok(fields.some((one) => one.startsWith(field)), `${field} is not among ${fields.join(", ")}`);
    assert.equal(new Set(fields).size, fields.length, fields.join(", "));
    // Nothing is told that only follows from something else.
    assert.deepEqual(problems({ ...body, start: "2028-02-30", end: "2029-01-01", kind: "committed", committed: { amount_usd: 1, per: "year" } }, []).length, 1);
    assert.deepEqual(problems({ ...body, end: "never", kind: "committed", committed: { amount_usd: 1, per: "term" } }, []).length, 1);
  });

  it("and a price are checked whatever their bodies hold", () => {
    const nothing = { get: () => undefined, all: () => [] };
    const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom("2028-01-01", "committed", "provisioned", 1, -1, null));
    const sections = ["account", "kind", "start", "end", "time_zone", "models", "except", "discounts", "batch_factor", "committed", "provisioned", "free_quota", "fine_tuned", "self_hosted", "egress", "sla", "provider", "model", "price", "valid_from", "valid_to", "corrects"];
    fc.assert(fc.property(fc.dictionary(fc.constantFrom(...sections), value, { maxKeys: 12 }), (sent) => {
      for (const kind of [contract, price]) readBody(kind, sent, "new", nothing);
    }), { numRuns: 2_000 });
  });

  it("is refused to organisations that do not run the place", () => {
    const refused = contract.check(body, "other.new", { get: () => undefined, all: () => [] });
    assert.deepEqual(refused.map(({ message }) => message), ["contracts are kept by the organisation default, which runs the place"]);
  });

  it("shows its prices to owner, admin and billing only, and its term to everybody", () => {
    for (const field of ["discounts", "committed", "provisioned", "fine_tuned", "self_hosted", "egress", "sla", "batch_factor"]) assert.deepEqual(contract.fields?.[field]?.read, ["owner", "admin", "billing"]);
    for (const field of ["account", "models", "kind", "start", "end"]) assert.equal(contract.fields?.[field], undefined);
    assert.deepEqual(contract.access.create, ["owner", "admin", "billing"]);
  });

  it("gives way to the configuration's, which is told", () => {
    const [configured] = contractsOf([stored("file", { ...body, models: ["large"] })]);
    assert.ok(configured !== undefined);
    const { contracts, leftOut } = mergeContracts([configured], contractsOf([stored("a", body), stored("b", { ...body, models: ["small"] }), stored("file", { ...body, account: "x" })]));
    assert.deepEqual(contracts.map(({ id, version }) => [id, version]), [["file", "3"], ["b", "3"]]);
    assert.deepEqual(leftOut.map(({ id, field }) => [id, field]), [["a", "models"], ["file", "id"]]);
  });
});
