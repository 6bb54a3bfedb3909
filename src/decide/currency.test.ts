import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { convert, displayProblems, readDisplay, shownMoney } from "./currency.ts";

const euro = readDisplay({ currency: "EUR", rates: [{ from: "2026-11-01", usd: "0.92" }, { from: "2026-10-01", usd: 0.9 }] });
const at = (day: string): number => Date.parse(`${day}T12:00:00Z`);

describe("an amount in another currency", () => {
  it("goes by the rate of its day, exactly, half away from zero", () => {
    assert.equal(convert(50_000_000, euro, at("2026-11-23")), 46_000_000n);
    assert.equal(convert(50_000_000, euro, at("2026-10-31")), 45_000_000n);
    assert.equal(convert(50_000_000, euro, Date.UTC(2026, 10, 1)), 46_000_000n);
    const half = readDisplay({ currency: "EUR", rates: [{ from: "2026-01-01", usd: 0.5 }] });
    assert.deepEqual([convert(3, half, at("2026-11-23")), convert(-3, half, at("2026-11-23")), convert(Number.MAX_SAFE_INTEGER, half, at("2026-11-23"))], [2n, -2n, 4_503_599_627_370_496n]);
  });

  it("is told in dollars before the first rate, and where none is set", () => {
    assert.equal(convert(1, euro, at("2026-09-30")), null);
    assert.deepEqual([shownMoney(50_000_000, euro, at("2026-09-30")), shownMoney(50_000_000, null, 0, 2), shownMoney(50_000_000, euro, at("2026-11-23"))], ["$0.050000000", "$0.05", "0.046000000 EUR"]);
  });

  it("is rounded to the places that are shown", () => {
    const yen = readDisplay({ currency: "JPY", rates: [{ from: "2026-01-01", usd: 150 }] });
    assert.deepEqual([0, 2, 4, 9].map((places) => shownMoney(-3_333_333, yen, at("2026-11-23"), places)), ["-0 JPY", "-0.50 JPY", "-0.5000 JPY", "-0.499999950 JPY"].map((text) => text.replace("-0 JPY", "0 JPY")));
    assert.equal(shownMoney(999_999_999_999, null, 0, 2), "$1000.00");
    assert.equal(shownMoney(-1, null, 0, 2), "$0.00");
  });
});

describe("a display currency", () => {
  const told = (section: Record<string, unknown>): readonly string[] => displayProblems(section).map(({ path, expected, found }) => `${path.join(".")}: ${expected}, found ${found}`);

  it("with a code that nobody knows, without rates, with two of one day, or with a rate that is none, is refused by its field", () => {
    assert.deepEqual(told({ currency: "EUR", rates: [{ from: "2026-11-01", usd: 0.92 }] }), []);
    assert.deepEqual(told({ currency: "EUX", rates: [] }), ["currency: the code of a currency, such as EUR, found \"EUX\"", "rates: a list of { from: 2026-11-01, usd: 0.92 }, found []"]);
    const rate = "units of the currency for one dollar, above 0, with at most nine places";
    assert.deepEqual(told({ currency: "EUR", rates: [{ from: "2026-11-01", usd: 0 }, { from: "2026-11-01", usd: -1 }, { from: "2026-02-30", usd: "0.1234567891" }, { from: 7 }, "x"] }), [
      `rates.0.usd: ${rate}, found 0`,
      "rates.1.from: a day of its own for each rate, found \"2026-11-01\"",
      `rates.1.usd: ${rate}, found -1`,
      "rates.2.from: a day such as 2026-11-01, found \"2026-02-30\"",
      `rates.2.usd: ${rate}, found "0.1234567891"`,
      "rates.3.from: a day such as 2026-11-01, found 7",
      `rates.3.usd: ${rate}, found nothing`,
      "rates.4.from: a day such as 2026-11-01, found nothing",
      `rates.4.usd: ${rate}, found nothing`,
    ]);
  });
});
