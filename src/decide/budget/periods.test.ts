import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isTimeZone } from "../zone.ts";
import { periodKeyAt, spanAt } from "./periods.ts";
import type { ClockPeriod } from "./periods.ts";

const HOUR_MS = 3_600_000;
const PERIODS: readonly ClockPeriod[] = ["day", "week", "month", "total"];
/** Zones whose clocks were changed at midnight, over midnight, by half an hour, or by a whole day. */
const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Pacific/Kiritimati", "Africa/Casablanca", "America/Havana"];

function hoursOf(period: ClockPeriod, zone: string, at: string): number {
  const { startMs, endMs } = spanAt(period, zone, Date.parse(at));
  return (endMs - startMs) / HOUR_MS;
}

describe("a period", () => {
  it("has the key and the bounds that a calendar shows", () => {
    const cases: readonly (readonly [ClockPeriod, string, string, string, string, string])[] = [
      ["day", "UTC", "2026-11-23T12:00:00Z", "2026-11-23", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"],
      ["day", "Asia/Kathmandu", "2026-11-23T18:15:00Z", "2026-11-24", "2026-11-23T18:15:00Z", "2026-11-24T18:15:00Z"],
      ["day", "America/New_York", "2026-11-23T04:59:59.999Z", "2026-11-22", "2026-11-22T05:00:00Z", "2026-11-23T05:00:00Z"],
      ["week", "UTC", "2026-11-22T23:59:59.999Z", "2026-W47", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"],
      ["week", "UTC", "2026-11-23T00:00:00Z", "2026-W48", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"],
      ["week", "UTC", "2027-01-03T12:00:00Z", "2026-W53", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z"],
      ["week", "UTC", "2024-12-30T00:00:00Z", "2025-W01", "2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z"],
      ["month", "Europe/Berlin", "2026-10-31T22:59:00Z", "2026-10", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"],
      ["month", "Europe/Berlin", "2026-12-31T23:00:00Z", "2027-01", "2026-12-31T23:00:00Z", "2027-01-31T23:00:00Z"],
      ["month", "UTC", "2028-02-29T23:00:00Z", "2028-02", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"],
    ];
    for (const [period, zone, at, key, from, to] of cases) {
      assert.deepEqual(spanAt(period, zone, Date.parse(at)), { key, startMs: Date.parse(from), endMs: Date.parse(to) }, `${period} ${zone} ${at}`);
    }
    assert.deepEqual(spanAt("total", "UTC", 0), { key: "total", startMs: Number.NEGATIVE_INFINITY, endMs: Number.POSITIVE_INFINITY });
  });

  it("is an hour shorter or longer where the clocks change", () => {
    assert.equal(hoursOf("day", "Europe/Berlin", "2026-03-29T12:00:00Z"), 23);
    assert.equal(hoursOf("day", "Europe/Berlin", "2026-10-25T12:00:00Z"), 25);
    assert.equal(hoursOf("week", "America/New_York", "2026-03-08T12:00:00Z"), 167);
    assert.equal(hoursOf("month", "Europe/Berlin", "2026-10-10T12:00:00Z"), 31 * 24 + 1);
    assert.equal(hoursOf("day", "Australia/Lord_Howe", "2026-10-04T00:00:00Z"), 23.5);
  });

  it("begins at one o'clock where midnight was left out", () => {
    const { key, startMs, endMs } = spanAt("day", "America/Sao_Paulo", Date.parse("2018-11-04T12:00:00Z"));
    assert.deepEqual([key, new Date(startMs).toISOString(), (endMs - startMs) / HOUR_MS], ["2018-11-04", "2018-11-04T03:00:00.000Z", 23]);
  });

  it("ends at the second midnight where the clocks were set back to the evening before", () => {
    const { key, startMs, endMs } = spanAt("day", "America/Sao_Paulo", Date.parse("2018-02-17T20:00:00Z"));
    assert.deepEqual([key, new Date(endMs).toISOString(), (endMs - startMs) / HOUR_MS], ["2018-02-17", "2018-02-18T03:00:00.000Z", 25]);
  });

  it("is one with its day where clocks one minute past midnight were set back", () => {
    // 00:01 became 23:01 of the day before: the new day had begun.
    const midnight = Date.parse("2010-11-07T02:30:00Z");
    for (const minutes of [30, 0, 1, 61]) {
      assert.equal(periodKeyAt("day", "America/St_Johns", midnight + minutes * 60_000), "2010-11-07", String(minutes));
      // Asked for anew, not out of what is kept.
      spanAt("day", "America/St_Johns", 0);
    }
    assert.equal(periodKeyAt("day", "America/St_Johns", midnight - 1), "2010-11-06");
  });

  it("goes on after a day that a zone left out", () => {
    const before = spanAt("day", "Pacific/Apia", Date.parse("2011-12-30T09:00:00Z"));
    const after = spanAt("day", "Pacific/Apia", Date.parse("2011-12-30T11:00:00Z"));
    assert.deepEqual([before.key, after.key], ["2011-12-29", "2011-12-31"]);
    assert.equal(new Date(after.startMs).toISOString(), "2011-12-30T10:00:00.000Z");
  });

  it("holds every instant once: spans of a zone neither overlap nor leave a gap", () => {
    const instants = fc.integer({ min: Date.UTC(2005, 0, 1), max: Date.UTC(2035, 0, 1) });
    fc.assert(
      fc.property(fc.constantFrom(...PERIODS), fc.constantFrom(...ZONES), instants, (period, zone, wallMs) => {
        const span = spanAt(period, zone, wallMs);
        assert.ok(span.startMs <= wallMs && wallMs < span.endMs);
        if (period === "total") return;
        const next = spanAt(period, zone, span.endMs);
        const last = spanAt(period, zone, span.startMs - 1);
        assert.deepEqual([last.key < span.key, span.key < next.key], [true, true]);
        assert.equal(spanAt(period, zone, span.endMs - 1).key, span.key);
        // A left-out day lasts no time, so its followers touch.
        if (!(zone === "Pacific/Apia" && span.key >= "2011-12-28" && span.key <= "2012")) assert.deepEqual([last.endMs, next.startMs], [span.startMs, span.endMs]);
      }),
      { numRuns: 1_500 },
    );
  });
});

describe("the name of a time zone", () => {
  it("is one of IANA's", () => {
    for (const name of ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]) assert.equal(isTimeZone(name), true, name);
    for (const name of ["", "+02:00", "Berlin", "Europe/Berlim", "Mars/Olympus", " UTC", "2026"]) assert.equal(isTimeZone(name), false, name);
    assert.throws(() => spanAt("day", "Europe/Berlim", 0), RangeError);
    assert.throws(() => spanAt("day", "Europe/Berlim", 0), RangeError);
  });
});
