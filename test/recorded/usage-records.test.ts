/** Recorded usage objects of many providers: our token classes against those that an independent library extracts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { asNumber, isObject, type JsonObject } from "../../src/wire/json.ts";
import { cacheWriteTokens, inputTokens, outputTokens, type UnitCounts, type Usage } from "../../src/wire/usage.ts";
import { recordingsAbsent } from "./folder.ts";
import { read, records, told, type UsageRecord } from "./usage-reading.ts";
import { CACHED_INSIDE, COUNTS, DIFFERENCES, PARTS_WITHOUT_CLASS, producerOf, type Producer } from "./usage-records.ts";

/** Our classes in the library's words. */
function counted({ units }: Usage): Readonly<{ [name: string]: number }> {
  return {
    input_tokens: inputTokens(units),
    output_tokens: outputTokens(units),
    cache_read_tokens: units.cache_read ?? 0,
    cache_write_tokens: cacheWriteTokens(units),
    cache_write_5m_tokens: units.cache_write_5m ?? 0,
    cache_write_1h_tokens: units.cache_write_1h ?? 0,
    output_reasoning_tokens: units.reasoning ?? 0,
    input_audio_tokens: units.audio_input ?? 0,
    output_audio_tokens: units.audio_output ?? 0,
    input_image_tokens: units.image_input ?? 0,
    output_image_tokens: units.image_output ?? 0,
    web_searches: units.web_searches ?? 0,
  };
}

/** What the extractor of this surface took from the object. */
function theirs(record: UsageRecord, producer: Producer): JsonObject {
  const { usage } = told(record, producer);
  assert.ok(isObject(usage));
  return usage;
}

function differences(record: UsageRecord, producer: Producer): { [name: string]: readonly [number, number] } {
  const usage = read(producer, record.body);
  assert.ok(usage !== undefined, `${record.name} is read`);
  const told = theirs(record, producer);
  const found: { [name: string]: readonly [number, number] } = {};
  for (const [name, ours] of Object.entries(counted(usage))) {
    // Only this surface's extractor splits writes by lifetime; the others tell their sum.
    if (/^cache_write_(?:5m|1h)_/.test(name) && producer.surface !== "anthropic-messages") continue;
    const inCache = CACHED_INSIDE[name];
    const count = (asNumber(told[name]) ?? 0) - (inCache === undefined ? 0 : (asNumber(told[inCache]) ?? 0));
    if (count !== ours) found[name] = [count, ours];
  }
  return found;
}

describe("recorded usages", { skip: recordingsAbsent }, () => {
  const all = records();

  test("are of the surfaces and in the numbers that the table says, 1,202 together", () => {
    const counts: { [producer: string]: number } = {};
    for (const { body } of all) {
      const { surface, provider, extractor } = producerOf(body);
      const key = `${surface} ${provider} ${extractor}`;
      counts[key] = (counts[key] ?? 0) + 1;
    }
    assert.deepEqual(counts, COUNTS);
    assert.equal(all.length, 1202);
  });

  test("have no class that is looked at by nobody", () => {
    const known = new Set([...Object.keys(counted({ units: {}, raw: null })), ...PARTS_WITHOUT_CLASS]);
    const named = new Set(all.flatMap((record) => Object.keys(theirs(record, producerOf(record.body)))));
    assert.deepEqual([...named].filter((name) => !known.has(name)), []);
  });

  test("yield the token classes that the extractor of their surface takes, but for the differences listed with their reason", () => {
    const found: { [name: string]: object } = {};
    for (const record of all) {
      const counts = differences(record, producerOf(record.body));
      if (Object.keys(counts).length > 0) found[record.name] = counts;
    }
    assert.deepEqual(found, Object.fromEntries(Object.entries(DIFFERENCES).map(([name, { counts }]) => [name, counts])));
    assert.ok(Object.keys(found).length <= all.length / 100, "at most one in a hundred");
  });

  test("differ, where several entries are billed, only by those beside the answer: its own are what the library takes", () => {
    for (const record of all.filter(({ name, body }) => name in DIFFERENCES && producerOf(body).surface === "anthropic-messages")) {
      const producer = producerOf(record.body);
      const own = (read(producer, record.body)?.entries ?? []).filter(({ kind }) => kind === "message");
      const told = theirs(record, producer);
      const sum = (of: (units: UnitCounts) => number) => own.reduce((total, { units }) => total + of(units), 0);
      assert.deepEqual([sum(inputTokens), sum(outputTokens), sum(cacheWriteTokens)], [told["input_tokens"], told["output_tokens"], told["cache_write_tokens"] ?? 0], record.name);
    }
  });

  test("leave no number unsure: none of the readings is flagged as unclear", () => {
    const unsure = all.flatMap(({ name, body }) => (read(producerOf(body), body)?.flags ?? []).filter((flag) => /unclear|mismatch|incomplete|missing/.test(flag)).map((flag) => `${name}: ${flag}`));
    assert.deepEqual(unsure, []);
  });
});
