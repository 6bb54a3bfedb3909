import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryControlStore } from "../storage/control-memory.ts";
import { price, priceBook } from "./kinds/price.ts";
import { createObject } from "./manage.ts";
import { importPrices, readImport, type PriceImport } from "./price-import.ts";
import type { Actor } from "./types.ts";

const LOCAL: Actor = { id: "local", tenant: "default", role: "owner" };
const NOW = Date.UTC(2026, 10, 23, 12, 30);
const DAY = 86_400_000;

function one(input: string, fromMs: number, model = "gpt-4o"): PriceImport {
  return { source: "feed", sourceDate: "2026-11-20", fromMs, prices: [{ provider: "openai", model, terms: { input, output: "9" } }] };
}
function inputAt(store: MemoryControlStore, atMs: number, model = "gpt-4o"): number | undefined {
  return priceBook(store).recordAt({ account: "openai", provider: "openai", model, atMs })?.sheet.base.input;
}

describe("an import of reviewed prices", () => {
  it("ends the feed's earlier word where the new one begins", () => {
    const store = new MemoryControlStore();
    assert.deepEqual(importPrices(store, one("2", NOW), LOCAL, NOW), { kind: "done", count: 1 });
    assert.deepEqual(importPrices(store, one("3", NOW + DAY), LOCAL, NOW + DAY), { kind: "done", count: 1 });
    assert.deepEqual([NOW - 1, NOW, NOW + DAY - 1, NOW + DAY].map((ms) => inputAt(store, ms)), [undefined, 2_000_000, 2_000_000, 3_000_000]);
    assert.deepEqual([...store.all("price")].map(({ id }) => id.replace(/-[a-z0-9]{6}-/, "-*-")), ["openai-gpt-4o-*-20261123-123000", "openai-gpt-4o-*-20261124-123000"]);
    const record = priceBook(store).recordAt({ account: "", provider: "openai", model: "gpt-4o", atMs: NOW });
    assert.deepEqual([record?.confidence, record?.provenance, record?.knownSinceMs], ["secondary", { source: "feed", date: "2026-11-20" }, NOW]);
  });

  it("takes the place of one from the same moment, and of later ones", () => {
    const store = new MemoryControlStore();
    importPrices(store, one("2", NOW + 5 * DAY), LOCAL, NOW);
    importPrices(store, one("3", NOW), LOCAL, NOW);
    importPrices(store, one("4", NOW), LOCAL, NOW);
    assert.deepEqual([NOW, NOW + 9 * DAY].map((ms) => inputAt(store, ms)), [4_000_000, 4_000_000]);
    assert.equal([...store.all("price")].length, 1);
  });

  it("leaves the owner's prices and other feeds' alone", () => {
    const store = new MemoryControlStore();
    const managed = { store, kinds: new Map([["price", price]]), nowMs: () => NOW };
    createObject(managed, { kind: "price", tenant: "default", actor: LOCAL }, "mine", { provider: "openai", model: "gpt-4o", price: { input: 1, output: 1 } });
    importPrices(store, one("2", NOW), LOCAL, NOW);
    importPrices(store, { ...one("5", NOW + 1000), source: "other" }, LOCAL, NOW);
    assert.equal(inputAt(store, NOW + DAY), 1_000_000, "the owner's own goes first");
    assert.equal([...store.all("price")].length, 3);
  });

  it("changes nothing at all where one price of it is not sound", () => {
    const store = new MemoryControlStore();
    const good = one("2", NOW);
    const both = { ...good, prices: [...good.prices, { provider: "openai", model: "b", terms: { input: "-1" } }] };
    const result = importPrices(store, both, LOCAL, NOW);
    assert.ok(result.kind === "refused" && /openai\/b: price.input/.test(result.message), JSON.stringify(result));
    assert.deepEqual([...store.all("price")], []);
  });

  it("is read from a file only whole", () => {
    const plain = JSON.parse(JSON.stringify(one("2", NOW)));
    assert.deepEqual(readImport(plain), one("2", NOW));
    for (const broken of [null, [], {}, { ...plain, fromMs: "now" }, { ...plain, prices: [{ provider: "openai" }] }, { ...plain, prices: {} }]) assert.equal(readImport(broken), null);
  });
});
