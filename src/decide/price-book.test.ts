import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { plainSheet, sheetAt } from "./price-at.ts";
import { bookProblems, PriceBook, recordProblems, type PriceRecord } from "./price-book.ts";

const DAY = 86_400_000;
const asked = { account: "acme-eu", provider: "acme", model: "m" };

function record(id: string, more: Partial<PriceRecord> = {}): PriceRecord {
  return { id, of: { provider: "acme" }, model: "m", validFromMs: 0, validToMs: null, knownSinceMs: 0, sheet: plainSheet(id, { input: 1000, output: 1000 }), provenance: { source: "feed" }, confidence: "secondary", ...more };
}
function at(records: readonly PriceRecord[], atMs: number, knownAtMs?: number): string | null {
  return new PriceBook(records).recordAt({ ...asked, atMs, ...(knownAtMs === undefined ? {} : { knownAtMs }) })?.id ?? null;
}

describe("the price book", () => {
  it("gives the record of a request's own time: the first instant of a period counts, the last does not", () => {
    const records = [record("old", { validToMs: 10 * DAY }), record("new", { validFromMs: 10 * DAY, validToMs: 20 * DAY })];
    assert.deepEqual([0, 10 * DAY - 1, 10 * DAY, 20 * DAY].map((ms) => at(records, ms)), ["old", "old", "new", null]);
  });

  it("takes an account's record before its provider's, the owner's before a feed's, the surer, then the later known", () => {
    const feed = record("feed");
    assert.equal(at([feed, record("ours", { of: { account: "acme-eu" } })], 1), "ours");
    assert.equal(at([feed, record("other", { of: { account: "acme-us" } })], 1), "feed");
    assert.equal(at([feed, record("owner", { confidence: "owner", provenance: { source: "owner" } })], 1), "owner");
    assert.equal(at([record("sure", { confidence: "verified", provenance: { source: "b" } }), record("late", { knownSinceMs: 9, provenance: { source: "c" } })], 1), "sure");
    assert.equal(at([record("early", { knownSinceMs: 1 }), record("late", { knownSinceMs: 9, provenance: { source: "c" } })], 1), "late");
    assert.equal(at([record("else", { model: "n" })], 1), null);
  });

  it("puts a correction in the place of what it corrects, from when it was known", () => {
    const records = [record("wrong"), record("right", { knownSinceMs: 30 * DAY, corrects: "wrong" })];
    assert.deepEqual(bookProblems(records), []);
    assert.equal(at(records, 5 * DAY), "right");
    assert.equal(at(records, 5 * DAY, 29 * DAY), "wrong", "as it was known then");
    assert.equal(at(records, 5 * DAY, 31 * DAY), "right");
  });

  it("gives a deployment the sheet in force and those to come, the catalogue's where no record holds", () => {
    const own = plainSheet("catalogue", { input: 7 });
    const book = new PriceBook([record("a", { validFromMs: 10, validToMs: 20 }), record("b", { validFromMs: 20, validToMs: 30 })]);
    const pricing = book.pricingAt({ ...asked, atMs: 5 }, own);
    assert.ok(pricing?.kind === "sheet");
    assert.deepEqual([pricing.sheet.version, pricing.later?.map(({ fromMs, sheet }) => [fromMs, sheet?.version ?? null])], ["catalogue", [[10, "a"], [20, "b"], [30, "catalogue"]]]);
    const without = book.pricingAt({ ...asked, atMs: 15 }, null);
    assert.ok(without?.kind === "sheet");
    assert.deepEqual(without.later?.map(({ fromMs, sheet }) => [fromMs, sheet?.version ?? null]), [[20, "b"], [30, null]]);
    assert.deepEqual(book.pricingAt({ ...asked, atMs: 5 }, null), { kind: "unknown" });
    assert.equal(book.pricingAt({ ...asked, model: "unheard", atMs: 5 }, own), null);
  });

  it("prices a deployment at any later time as the book itself would, whatever the records", () => {
    const confidence = fc.constantFrom("owner", "verified", "secondary", "memory" as const);
    const one = fc.record({ from: fc.nat(100), length: fc.option(fc.integer({ min: 1, max: 50 })), known: fc.nat(9), confidence, account: fc.boolean(), source: fc.constantFrom("a", "b", "c") });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 8 }), fc.nat(150), fc.nat(150), (ones, nowMs, laterMs) => {
        const records = ones.map(({ from, length, known, confidence: sure, account, source }, index) =>
          record(`r${index}`, { validFromMs: from, validToMs: length === null ? null : from + length, knownSinceMs: known, confidence: sure, of: account ? { account: "acme-eu" } : { provider: "acme" }, provenance: { source } }));
        const book = new PriceBook(records);
        const own = plainSheet("catalogue", { input: 7 });
        const pricing = book.pricingAt({ ...asked, atMs: nowMs }, own) ?? { kind: "sheet", sheet: own };
        assert.equal(sheetAt(pricing, nowMs + laterMs), book.sheetAt({ ...asked, atMs: nowMs + laterMs }) ?? own);
      }),
    );
  });
});

describe("a record that does not fit", () => {
  const fields = (one: PriceRecord, ...others: PriceRecord[]): readonly string[] => recordProblems(one, others).map(({ field }) => field);

  it("overlaps another period of the same source, by one instant even", () => {
    const first = record("first", { validToMs: 10 * DAY });
    assert.deepEqual(fields(record("second", { validFromMs: 10 * DAY }), first), []);
    assert.deepEqual(fields(record("second", { validFromMs: 10 * DAY - 1 }), first), ["valid_from"]);
    assert.deepEqual(fields(record("second"), first), ["valid_from"]);
    assert.match(recordProblems(record("second"), [first])[0]?.message ?? "", /overlaps that of first \(always to 1970-01-11\)/);
  });
  it("may overlap another source's, another model's, another account's", () => {
    const first = record("first");
    assert.deepEqual(fields(record("second", { provenance: { source: "other" } }), first), []);
    assert.deepEqual(fields(record("second", { model: "n" }), first), []);
    assert.deepEqual(fields(record("second", { of: { account: "a" } }), first), []);
    assert.deepEqual(fields(first, first), [], "itself");
  });
  it("ends before it begins, or corrects what is not there, or two correct each other", () => {
    assert.deepEqual(fields(record("a", { validFromMs: 10, validToMs: 10 })), ["valid_to"]);
    assert.deepEqual(fields(record("a", { corrects: "gone" })), ["corrects"]);
    assert.deepEqual(fields(record("a", { corrects: "b" }), record("b", { corrects: "a" })), ["corrects"]);
    assert.deepEqual(bookProblems([record("a"), record("b", { corrects: "a" }), record("c", { corrects: "a" })]).map(({ id }) => id), ["b", "c"], "two corrections of one period");
  });
});

describe("the configuration's own records", () => {
  it("go before what is managed, whenever that became known", () => {
    const managed = new PriceBook([record("managed", { confidence: "owner", knownSinceMs: 9, provenance: { source: "owner" } })]);
    const both = managed.with([record("config:own", { confidence: "owner", fixed: true, provenance: { source: "owner" } })]);
    assert.deepEqual([managed, both].map((book) => book.recordAt({ ...asked, atMs: 1 })?.id), ["managed", "config:own"]);
    assert.equal(managed.with([]), managed);
  });
});
