import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../../wire/json.ts";
import type { StoredObject } from "../types.ts";
import { contract, contractsOf, mergeContracts } from "./contract.ts";
import { schemaProblems } from "./fields.ts";
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
