import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { InvoiceLine } from "../../wire/invoice.ts";
import { amountOf } from "./amount.ts";
import { INVOICE_FORMATS, readInvoice, type CsvField, type CsvOptions, type InvoiceFormat } from "./index.ts";

const DAY = 86_400_000;
const MONDAY = Date.UTC(2026, 10, 23);
const options = (columns: Readonly<Partial<Record<CsvField, string>>> = {}): CsvOptions => ({
  columns: new Map(Object.entries(columns) as [CsvField, string][]),
  dayOf: (day) => (Number.isNaN(Date.parse(day)) ? null : { fromMs: Date.parse(day), toMs: Date.parse(day) + DAY }),
});

function lines(format: InvoiceFormat, text: string, columns?: Parameters<typeof options>[0]): readonly InvoiceLine[] {
  const read = readInvoice(format, text, options(columns));
  assert.ok(read.ok, read.ok ? "" : JSON.stringify(read.problems));
  return read.lines;
}
function problem(format: InvoiceFormat, text: string, columns?: Parameters<typeof options>[0]): string {
  const read = readInvoice(format, text, options(columns));
  assert.ok(!read.ok, "a bad file was read");
  return read.problems.map(({ at, message }) => `${at}: ${message}`).join("; ");
}

const USAGE = {
  object: "page", has_more: false, next_page: null,
  data: [{
    object: "bucket", start_time: MONDAY / 1000, end_time: (MONDAY + DAY) / 1000,
    results: [{
      object: "organization.usage.completions.result", input_tokens: 5_000, input_cached_tokens: 800, input_audio_tokens: 100, input_cache_write_tokens: 50, input_cache_write_12h_tokens: 20,
      output_tokens: 1_000, output_audio_tokens: 40, num_model_requests: 5, project_id: null, model: "gpt-4o-mini-2024-07-18", batch: null, service_tier: "flex",
    }],
  }],
};
const COSTS = { object: "page", has_more: false, data: [{ object: "bucket", start_time: MONDAY / 1000, end_time: (MONDAY + DAY) / 1000, results: [{ object: "organization.costs.result", amount: { value: 0.13080438340307526, currency: "usd" }, line_item: "gpt-4o-mini-2024-07-18, cached input", project_id: null }] }] };
const REPORT = {
  has_more: false,
  data: [{
    starting_at: "2026-11-23T00:00:00Z", ending_at: "2026-11-24T00:00:00Z",
    results: [{ uncached_input_tokens: 1_500, cache_read_input_tokens: 200, cache_creation: { ephemeral_1h_input_tokens: 1_000, ephemeral_5m_input_tokens: 500 }, output_tokens: 500, server_tool_use: { web_search_requests: 10 }, model: "claude-sonnet-4-20250514", service_tier: "priority_on_demand" }],
  }],
};
const COST = { has_more: false, data: [{ starting_at: "2026-11-23T00:00:00Z", ending_at: "2026-11-24T00:00:00Z", results: [{ amount: "123.45", currency: "USD", cost_type: "tokens", model: "claude-sonnet-4-20250514" }, { amount: "1.5", currency: "USD", cost_type: "web_search", model: null }, { amount: "7", currency: "USD", cost_type: null, model: null }] }] };

describe("exports by bucket", () => {
  it("of counts are read into disjoint classes: what is within the input or the output comes out of it", () => {
    assert.deepEqual(lines("openai-usage", JSON.stringify(USAGE)), [{
      at: "data[0].results[0]", fromMs: MONDAY, toMs: MONDAY + DAY, model: "gpt-4o-mini-2024-07-18", ids: [], requests: 5, costNanoUsd: null, roundedNanoUsd: 0, tier: "flex",
      units: { cache_read: 800, cache_write_30m: 30, cache_write_12h: 20, audio_input: 100, input: 4_050, audio_output: 40, output: 960 },
    }]);
    assert.deepEqual(lines("anthropic-usage", JSON.stringify([REPORT])).map(({ units, tier, fromMs, toMs }) => ({ units, tier, fromMs, toMs })), [
      { units: { input: 1_500, cache_read: 200, cache_write_5m: 500, cache_write_1h: 1_000, output: 500, web_searches: 10 }, tier: "priority", fromMs: MONDAY, toMs: MONDAY + DAY },
    ]);
  });

  it("of money are read to the nano-dollar, dollars here and cents there", () => {
    assert.deepEqual(lines("openai-costs", JSON.stringify(COSTS)).map(({ model, costNanoUsd }) => [model, costNanoUsd]), [["gpt-4o-mini-2024-07-18", 130_804_383]]);
    assert.deepEqual(lines("anthropic-cost", JSON.stringify(COST)).map(({ model, costNanoUsd, roundedNanoUsd }) => [model, costNanoUsd, roundedNanoUsd]), [
      ["claude-sonnet-4-20250514", 1_234_500_000, 50_000], ["web_search", 15_000_000, 500_000], [null, 70_000_000, 5_000_000],
    ]);
  });

  it("come in pages, all of which must be there", () => {
    assert.equal(lines("openai-usage", JSON.stringify([{ ...USAGE, has_more: true }, USAGE])).length, 2);
    assert.match(problem("openai-usage", JSON.stringify({ ...USAGE, has_more: true })), /more pages/);
  });

  it("with anything wrong in them say nothing, and what is wrong", () => {
    const spoilt = (change: object) => JSON.stringify({ ...USAGE, data: [...USAGE.data, { ...USAGE.data[0], results: [{ ...USAGE.data[0]?.results[0], ...change }] }] });
    assert.match(problem("openai-usage", spoilt({ input_tokens: -1 })), /^data\[1\]\.results\[0\]: input_tokens is no count/);
    assert.match(problem("openai-usage", spoilt({ input_cached_tokens: 6_000 })), /more than the whole/);
    assert.match(problem("openai-usage", spoilt({ object: "organization.usage.vector_stores.result" })), /vector_stores is no usage of calls/);
    assert.match(problem("openai-costs", JSON.stringify(COSTS).replace("usd", "eur")), /the currency is eur/);
    assert.match(problem("openai-costs", JSON.stringify(COSTS).replace("0.13080438340307526", '"much"')), /amount\.value is no amount/);
    assert.match(problem("anthropic-usage", JSON.stringify(REPORT).replace("1500", "1.5")), /uncached_input_tokens is no count/);
    assert.match(problem("anthropic-cost", JSON.stringify(COST).replace("2026-11-24", "2026-11-22")), /no sound beginning and end/);
    assert.match(problem("anthropic-cost", "[]"), /no page of buckets/);
    assert.match(problem("openai-usage", '{"data":[]}'), /nothing in it/);
  });
});

describe("a table", () => {
  it("is read by the names that its columns usually have, or by those that are given", () => {
    const own = "client_request_id,at,model,input_tokens,cached_tokens,output_tokens,cost_nano_usd\r\natt_1,1795392000000,m,100,30,10,1234\r\n";
    assert.deepEqual(lines("csv", own), [{ at: "line 2", fromMs: 1_795_392_000_000, toMs: 1_795_392_000_000, ids: ["att_1"], units: { cache_read: 30, input: 70, output: 10 }, costNanoUsd: 1_234, roundedNanoUsd: 0, model: "m", tier: null, requests: null }]);
    const [other] = lines("csv", "Tag;x,Wer,Summe\n,\"a, b\",\"0.10\"\n".replace("Tag;x", "Tag").replace("\n,", "\n2026-11-23,"), { day: "Tag", model: "Wer", cost_usd: "Summe" });
    assert.deepEqual([other?.fromMs, other?.toMs, other?.model, other?.costNanoUsd, other?.roundedNanoUsd], [MONDAY, MONDAY + DAY, "a, b", 100_000_000, 5_000_000]);
  });

  it("reads times with their zone, without one as UTC, and seconds since 1970", () => {
    const at = (text: string): number | null | undefined => lines("csv", `time,cost_usd\n${text},1\n`)[0]?.fromMs;
    assert.deepEqual(["2026-11-23T00:00:00Z", "2026-11-23 01:00:00+01:00", "2026-11-23 00:00", String(MONDAY / 1000), String(MONDAY), "2026-11-23"].map(at), Array.from({ length: 6 }, () => MONDAY));
    assert.match(problem("csv", "time,cost_usd\nyesterday,1\n"), /no time can be read from yesterday/);
  });

  it("takes a formula for text where text stands, and for no number where numbers stand", () => {
    assert.equal(lines("csv", 'day,model,cost_usd\n2026-11-23,"=CMD|""/c calc""!A1",1\n')[0]?.model, '=CMD|"/c calc"!A1');
    for (const cell of ["=1+1", "+1", "@SUM(A1)", "-", "1e999", "0x10", "1,5", "NaN"]) assert.match(problem("csv", `day,cost_usd\n2026-11-23,"${cell}"\n`), /cost_usd is no amount/, cell);
    for (const cell of ["=1", "-1", "1.5", "1e3"]) assert.match(problem("csv", `day,input_tokens\n2026-11-23,"${cell}"\n`), /prompt is no count/, cell);
  });

  it("shows nothing to a terminal that it would obey", () => {
    const [line] = lines("csv", "day,model,cost_usd\n2026-11-23,\u001b[2Jm\u202e,1\n");
    assert.equal(line?.model, "[2Jm");
  });

  it("that cannot be understood is refused with what to do", () => {
    assert.match(problem("csv", "a,b\n1,2\n"), /--columns day=/);
    assert.match(problem("csv", "day,b\n2026-11-23,2\n"), /--columns cost_usd=/);
    assert.match(problem("csv", "day,cost_usd\n2026-11-23,2\n", { model: "Model" }), /no column "Model"; there are day, cost_usd/);
    assert.match(problem("csv", "day,cost_usd\n2026-11-23\n"), /line 2: 1 fields, not 2/);
    assert.match(problem("csv", 'day,cost_usd\n"2026-11-23,2\n'), /does not end/);
    assert.match(problem("csv", "day,cost_usd,currency\n2026-11-23,2,EUR\n"), /the currency is EUR/);
    assert.match(problem("csv", "day,prompt_tokens,cached_tokens\n2026-11-23,2,3\n"), /more than the whole/);
  });
});

it("an amount is as exact as it is written", () => {
  assert.deepEqual(amountOf("0.1"), { nanoUsd: 100_000_000, roundedNanoUsd: 5_000_000 });
  assert.deepEqual(amountOf("0.123456"), { nanoUsd: 123_456_000, roundedNanoUsd: 500 });
  assert.deepEqual(amountOf("0.1234567891"), { nanoUsd: 123_456_789, roundedNanoUsd: 1 });
  assert.deepEqual(amountOf(0.1), { nanoUsd: 100_000_000, roundedNanoUsd: 0 });
  assert.deepEqual(amountOf(1e-7), { nanoUsd: 100, roundedNanoUsd: 0 });
  assert.deepEqual(amountOf("-2.50"), { nanoUsd: -2_500_000_000, roundedNanoUsd: 5_000_000 });
  assert.deepEqual(["", "1 000", "$1", "--1", Number.NaN, null, {}, "9".repeat(30)].map((value) => amountOf(value as never)), Array.from({ length: 8 }, () => null));
});

it("no damage to a file makes a reader throw, or read money that is not a number", () => {
  const good = [JSON.stringify(USAGE), JSON.stringify(COSTS), JSON.stringify(REPORT), JSON.stringify(COST), "client_request_id,at,model,input_tokens,cost_usd\natt_1,1795392000000,m,100,0.5\n"];
  fc.assert(
    fc.property(fc.constantFrom(...INVOICE_FORMATS), fc.constantFrom(...good), fc.nat(), fc.nat(20), fc.string({ maxLength: 6 }), (format, text, place, length, put) => {
      const at = place % text.length;
      const read = readInvoice(format, text.slice(0, at) + put + text.slice(at + length), options());
      if (!read.ok) return assert.ok(read.problems.length > 0);
      for (const { costNanoUsd, units, fromMs, toMs } of read.lines) {
        assert.ok(costNanoUsd === null || Number.isSafeInteger(costNanoUsd));
        assert.ok(fromMs === null || toMs === null || toMs >= fromMs);
        for (const count of Object.values(units ?? {})) assert.ok(Number.isSafeInteger(count) && count >= 0);
      }
      return undefined;
    }),
    { numRuns: 3_000 },
  );
});
