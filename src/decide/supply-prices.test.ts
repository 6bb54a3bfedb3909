/** Which price a deployment gets: the owner's in the configuration, a managed one, the catalogue's; and where it is served. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PriceSheet } from "../wire/facts.ts";
import type { Pricing } from "./deployment.ts";
import { plainSheet } from "./price-at.ts";
import { PriceBook, type PriceRecord } from "./price-book.ts";
import { Supply, type SupplyAccount, type SupplyInput, type SupplyOverride } from "./supply.ts";
import { account, catalogue, directoryInput, model, provider, sheet } from "./test-directory.ts";

const NOW = Date.UTC(2026, 10, 23);
const DAY = 86_400_000;
const OWN = plainSheet("own", { input: 1, output: 1 });

function record(id: string, more: Partial<PriceRecord> = {}): PriceRecord {
  return { id, of: { provider: "maker" }, model: "big", validFromMs: 0, validToMs: null, knownSinceMs: 0, sheet: plainSheet(id, { input: 2, output: 2 }), provenance: { source: "feed" }, confidence: "secondary", ...more };
}
function pricing(upstream: string, accounts: readonly SupplyAccount[], more: Partial<SupplyInput> = {}): Pricing | string {
  const supply = new Supply({ ...directoryInput(accounts), wallMs: NOW, ...more });
  const supplied = supply.supply(accounts[0] as SupplyAccount, upstream);
  return supplied.ok ? supplied.deployment.pricing : supplied.code;
}
function version(of: Pricing | string): unknown {
  if (typeof of === "string" || of.kind !== "sheet") return typeof of === "string" ? of : of.kind;
  return of.later === undefined ? of.sheet.version : [of.sheet.version, ...of.later.map((next) => [next.fromMs, next.sheet?.version ?? null])];
}
function override(more: Partial<SupplyOverride>): ReadonlyMap<string, SupplyOverride> {
  return new Map([["big", { price: null, unmetered: false, contextWindow: null, maxOutput: null, ...more }]]);
}

describe("a deployment's price", () => {
  const prices = new PriceBook([record("managed")]);

  it("is the owner's own, else a managed one, else the catalogue's", () => {
    assert.equal(version(pricing("big", [account("maker", "maker", { models: override({ price: OWN }) })], { prices })), "own");
    assert.equal(version(pricing("big", [account("maker")], { prices })), "managed");
    assert.equal(version(pricing("deep", [account("maker")], { prices })), "1/4");
    assert.equal(version(pricing("big", [account("maker")])), "1/4");
  });

  it("changes over to the owner's own on its day", () => {
    const of = (priceFromMs: number, more: Partial<SupplyInput> = {}) => version(pricing("big", [account("maker", "maker", { models: override({ price: OWN, priceFromMs }) })], more));
    assert.deepEqual(of(NOW + DAY), ["1/4", [NOW + DAY, "own"]]);
    assert.equal(of(NOW), "own");
    const later = new PriceBook([record("a", { validToMs: NOW + 5 * DAY }), record("b", { validFromMs: NOW + 5 * DAY })]);
    assert.deepEqual(of(NOW + 9 * DAY, { prices: later }), ["a", [NOW + 5 * DAY, "b"], [NOW + 9 * DAY, "own"]]);
    assert.deepEqual(of(NOW + 2 * DAY, { prices: later }), ["a", [NOW + 2 * DAY, "own"]]);
  });

  it("is managed where the catalogue knows none, and unknown again where its period is over", () => {
    const of = (more: Partial<PriceRecord>) => version(pricing("free-form", [account("maker")], { prices: new PriceBook([record("managed", { model: "free-form", ...more })]) }));
    assert.equal(of({}), "managed");
    assert.deepEqual(of({ validToMs: NOW + DAY }), ["managed", [NOW + DAY, null]]);
    assert.equal(of({ validToMs: NOW }), "price_unknown");
  });

  it("of an unmetered account is none, unless a managed price names the account", () => {
    const own = account("mine", "mine");
    assert.equal(version(pricing("llama", [own], { prices: new PriceBook([record("m", { of: { provider: "mine" }, model: "llama" })]) })), "unmetered");
    assert.equal(version(pricing("llama", [own], { prices: new PriceBook([record("m", { of: { account: "mine" }, model: "llama" })]) })), "m");
  });

  it("of a deployment with a name of the owner's is that of the name, else that of the model behind it", () => {
    const named = account("maker", "maker", { deployments: new Map([["prod", "big"]]) });
    assert.equal(version(pricing("prod", [named], { prices })), "managed");
    const both = new PriceBook([record("managed"), record("named", { of: { account: "maker" }, model: "prod" })]);
    assert.equal(version(pricing("prod", [named], { prices: both })), "named");
  });
});

describe("where a deployment is served", () => {
  const regional: PriceSheet = { ...sheet(1, 4), geoPermille: { eu: 1100, us: 1000 } };
  const facts = provider("maker", { endpoints: { eu: "https://eu.maker.example/v1" }, namesDeployments: true });
  const of = (upstream: string, more: Partial<SupplyAccount> = {}) => {
    const priced = pricing(upstream, [{ ...account("maker"), provider: facts, ...more }], { catalogue: catalogue([model("maker/big", "big", { price: regional }), model("maker/plain", "plain")]) });
    return typeof priced !== "string" && priced.kind === "sheet" ? priced.geo : priced;
  };
  it("is told by its address or by its name, where the prices differ by place", () => {
    assert.equal(of("big"), undefined);
    assert.equal(of("big", { baseUrl: "https://eu.maker.example/v1" }), "eu");
    assert.equal(of("plain", { baseUrl: "https://eu.maker.example/v1" }), undefined);
    const deployments = new Map([["eu.maker.big", "big"], ["zz.maker.big", "big"], ["us.maker.big", "big"]]);
    assert.deepEqual([of("eu.maker.big", { deployments }), of("us.maker.big", { deployments }), of("zz.maker.big", { deployments })], ["eu", "us", undefined]);
    assert.equal(of("us.maker.big", { deployments, baseUrl: "https://eu.maker.example/v1" }), "us", "the name says it of this very model");
  });
});
