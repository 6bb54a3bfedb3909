/** Managed prices beside those of the configuration: which of them charge nothing, and why. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../config/load.ts";
import { recordOf } from "../control/kinds/price.ts";
import { PROVIDERS } from "../providers/registry.ts";
import type { JsonObject } from "../wire/json.ts";
import { priceLeftOut } from "./prices.ts";

function told(config: string, body: JsonObject): string | undefined {
  const parsed = parseConfig(`version: 1\n${config}`, { source: "test.yaml", env: {}, providers: PROVIDERS, readFile: () => "" });
  assert.ok(parsed.ok, JSON.stringify(parsed));
  const record = recordOf({ id: "managed", version: 1, updatedMs: 0, body: { price: { input: 1, output: 2 }, model: "gpt-4o", ...body } });
  assert.ok(record !== null);
  return priceLeftOut(parsed.config, record);
}

const PRICE = "{ price: { input: 3, output: 4 } }";
const OWN = `providers: { openai: { api_key: k, models: { gpt-4o: ${PRICE} } } }`;

describe("a managed price", () => {
  it("under one of the configuration for all its accounts says that it charges nothing", () => {
    const because = "the configuration has a price of gpt-4o (providers.openai.models.gpt-4o.price), and that counts";
    assert.equal(told(OWN, { provider: "openai" }), because);
    assert.equal(told(OWN, { account: "openai" }), because);
    const dated = (more: string): string => `providers: { openai: { api_key: k } }\nprices: { agreed: { provider: openai, model: gpt-4o, price: { input: 3, output: 4 }${more} } }`;
    assert.match(told(dated(""), { provider: "openai" }) ?? "", /\(prices\.agreed\)/);
    assert.match(told(`providers: { openai: { api_key: k, unmetered: true } }`, { provider: "openai" }) ?? "", /\(providers\.openai\)/);
    // What is for an account goes before what is for its provider.
    assert.equal(told(dated(""), { account: "openai" }), undefined);
    assert.equal(told(dated(", valid_to: 2027-01-01"), { provider: "openai" }), undefined);
    assert.match(told(dated(", valid_to: 2027-01-01"), { provider: "openai", valid_to: "2026-06-01" }) ?? "", /agreed/);
  });

  it("that charges on some account, from some time on or for another model says nothing", () => {
    assert.equal(told(OWN, { provider: "openai", model: "gpt-4o-mini" }), undefined);
    assert.equal(told(`providers: { openai: { api_key: k, models: { gpt-4o: ${PRICE} } }, other: { type: openai, api_key: k } }`, { provider: "openai" }), undefined);
    assert.equal(told("providers: { openai: { api_key: k } }", { provider: "openai" }), undefined);
    assert.equal(told("providers: { openai: { api_key: k } }", { provider: "anthropic" }), undefined);
    const later = OWN.replace("price: {", "price: { valid_from: 2030-01-01,");
    assert.equal(told(later, { provider: "openai" }), undefined);
    assert.notEqual(told(later, { provider: "openai", valid_from: "2030-06-01" }), undefined);
  });
});
