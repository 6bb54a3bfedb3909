import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../../wire/json.ts";
import { createObject, updateObject, type ManageResult, type Managed } from "../manage.ts";
import { MemoryControlStore } from "../../storage/control-memory.ts";
import type { Actor } from "../types.ts";
import { price, priceBook } from "./price.ts";

const LOCAL: Actor = { id: "local", tenant: "default", role: "owner" };
const DAY = 86_400_000;

function world() {
  const store = new MemoryControlStore();
  let nowMs = Date.UTC(2026, 10, 23);
  const managed: Managed = { store, kinds: new Map([["price", price]]), nowMs: () => nowMs, configured: (scope) => scope === "provider/openai-eu" };
  const asked = { kind: "price", tenant: "default", actor: LOCAL };
  return {
    store,
    later: (ms: number) => (nowMs += ms),
    create: (id: string, body: JsonObject, tenant = "default") => createObject(managed, { ...asked, tenant }, id, body),
    update: (id: string, body: JsonObject) => updateObject(managed, asked, id, body),
    at: (day: string, model = "gpt-4o", account = "openai-eu") => priceBook(store).recordAt({ account, provider: "openai", model, atMs: Date.parse(day) }),
  };
}
const LIST = { provider: "openai", model: "gpt-4o", price: { input: 2, output: "8.5" } } as const;

function fields(result: ManageResult): readonly string[] {
  return result.kind === "refused" ? result.problems.map(({ field }) => field) : [];
}

describe("a managed price", () => {
  it("is in the book for its time, with who says so and since when it is known", () => {
    const { create, at } = world();
    assert.equal(create("now", { ...LIST, valid_to: "2027-01-01", source: "page", source_url: "https://example.com/pricing", source_date: "2026-11-20", confidence: "verified" }).kind, "done");
    assert.equal(create("then", { ...LIST, price: { input: 3, output: 9, tiers: { batch: { multiply: 0.5 } } }, valid_from: "2027-01-01", source: "page" }).kind, "done");
    const now = at("2026-12-31");
    assert.deepEqual([now?.id, now?.sheet.base, now?.sheet.version, now?.confidence, now?.provenance], ["now", { input: 2_000_000, output: 8_500_000 }, "price:now.1", "verified", { source: "page", url: "https://example.com/pricing", date: "2026-11-20" }]);
    assert.equal(now?.knownSinceMs, Date.UTC(2026, 10, 23));
    assert.deepEqual([at("2027-01-01")?.id, at("2027-01-01")?.sheet.tiers], ["then", { batch: { input: 1_500_000, output: 4_500_000 } }]);
  });

  it("is known anew when what is charged changes, and not when a note does", () => {
    const { create, update, later, at } = world();
    create("a", LIST);
    later(DAY);
    update("a", { note: "seen again" });
    assert.deepEqual([at("2026-12-01")?.knownSinceMs, at("2026-12-01")?.sheet.version], [Date.UTC(2026, 10, 23), "price:a.2"]);
    update("a", { price: { input: 4, output: 4 } });
    assert.deepEqual([at("2026-12-01")?.knownSinceMs, at("2026-12-01")?.sheet.base.input], [Date.UTC(2026, 10, 24), 4_000_000]);
  });

  it("says on every row that it is from memory, where it is", () => {
    const { create, at } = world();
    create("a", { ...LIST, confidence: "memory" });
    assert.deepEqual(at("2026-12-01")?.sheet.doubts, ["price_from_memory"]);
  });

  it("for one account goes before one for its provider", () => {
    const { create, at } = world();
    create("all", LIST);
    create("one", { account: "openai-eu", model: "gpt-4o", price: { input: 1, output: 1 } });
    assert.deepEqual([at("2026-12-01")?.id, at("2026-12-01", "gpt-4o", "openai")?.id], ["one", "all"]);
  });
});

describe("a managed price that is not sound", () => {
  const bad: readonly (readonly [string, JsonObject, readonly string[]])[] = [
    ["no one that it is of", { model: "m", price: { input: 1 } }, ["provider"]],
    ["provider and account", { ...LIST, account: "openai-eu" }, ["provider"]],
    ["an unknown provider", { ...LIST, provider: "opnai" }, ["provider"]],
    ["an account that is not configured", { account: "elsewhere", model: "m", price: { input: 1 } }, ["account"]],
    ["a negative price", { ...LIST, price: { input: -1, output: 2 } }, ["price.input"]],
    ["a negative price as text", { ...LIST, price: { input: "-1", output: 2 } }, ["price.input"]],
    ["an unknown unit", { ...LIST, price: { input: 1, ouput: 2 } }, ["price.ouput"]],
    ["no price", { ...LIST, price: {} }, ["price"]],
    ["too many places", { ...LIST, price: { input: "0.12345678" } }, ["price.input"]],
    ["a wrong window", { ...LIST, price: { input: 1, windows: [{ from: "25:00", to: "01:00", input: 1 }] } }, ["price.windows[0].from"]],
    ["a day that is none", { ...LIST, valid_from: "2027-02-30" }, ["valid_from"]],
    ["an end before its beginning", { ...LIST, valid_from: "2027-01-02", valid_to: "2027-01-01" }, ["valid_to"]],
    ["a correction of nothing", { ...LIST, corrects: "gone" }, ["corrects"]],
    ["an unknown field", { ...LIST, prices: {} }, ["prices"]],
  ];
  for (const [what, body, expected] of bad) {
    it(`is refused, with the field, for ${what}`, () => {
      const { create, store } = world();
      assert.deepEqual(fields(create("a", body)), expected);
      assert.deepEqual([...store.all("price")], [], "and nothing is kept of it");
    });
  }

  it("is refused for a period that overlaps another of the same source, made or changed", () => {
    const { create, update } = world();
    create("a", { ...LIST, valid_to: "2027-01-01" });
    assert.deepEqual(fields(create("b", { ...LIST, valid_from: "2026-12-31" })), ["valid_from"]);
    assert.equal(create("b", { ...LIST, valid_from: "2027-01-01" }).kind, "done");
    assert.deepEqual(fields(update("a", { valid_to: null })), ["valid_from"]);
    assert.equal(create("c", { ...LIST, source: "page" }).kind, "done", "another source may say so at the same time");
    assert.equal(create("d", { ...LIST, valid_to: "2027-01-01", corrects: "a" }).kind, "done", "a correction may");
  });

  it("is refused to organisations that do not run the place", () => {
    assert.deepEqual(fields(world().create("a", LIST, "other")), [""]);
  });
});
