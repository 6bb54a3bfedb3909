import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../../wire/json.ts";
import { usageFacts } from "./test-upstream.ts";
import { readUsage } from "./usage.ts";

const read = (usage: JsonObject, more: JsonObject = {}) => readUsage({ ...more, usage }, usageFacts);
const plain = { input_tokens: 100, output_tokens: 20, total_tokens: 120 };

test("cached and written tokens are inside the input, reasoning inside the output, whatever the maker's chat protocol does", () => {
  const usage = read({ ...plain, input_tokens_details: { cached_tokens: 30, cache_write_tokens: 10 }, output_tokens_details: { reasoning_tokens: 15 } });
  assert.deepEqual(usage?.units, { cache_read: 30, cache_write_5m: 10, input: 60, reasoning: 15, output: 5 });
  assert.equal(usage?.flags, undefined);
});

test("writes that are told by lifetime go to the class of each", () => {
  const usage = read({ ...plain, input_tokens_details: { cached_tokens: 0, cache_write_tokens: 50, cache_write_tokens_details: { ttl_30m_tokens: 40, ttl_12h_tokens: 10 } } });
  assert.deepEqual(usage?.units, { cache_write_30m: 40, cache_write_12h: 10, input: 50, output: 20 });
});

test("audio and images are taken out of the plain input, and no class is ever negative", () => {
  assert.deepEqual(read({ ...plain, input_tokens_details: { audio_tokens: 20, image_tokens: 30 } })?.units, { audio_input: 20, image_input: 30, input: 50, output: 20 });
  const odd = read({ ...plain, input_tokens_details: { cached_tokens: 400, audio_tokens: 9 } });
  assert.deepEqual([odd?.units, odd?.flags], [{ cache_read: 400, input: 0, output: 20 }, ["cache_unclear"]]);
});

test("sums that contradict decide whether reasoning stands beside the output, and a row that they leave open is flagged", () => {
  const details = { output_tokens_details: { reasoning_tokens: 15 } };
  assert.deepEqual(read({ ...plain, ...details, total_tokens: 135 })?.units, { input: 100, reasoning: 15, output: 20 });
  assert.deepEqual(read({ ...plain, output_tokens: 5, total_tokens: 105, ...details })?.units, { input: 100, reasoning: 15, output: 5 });
  assert.deepEqual(read({ ...plain, ...details, total_tokens: 777 })?.flags, ["reasoning_unclear"]);
});

test("a side that is missing is told by the total, else the row says that it is incomplete", () => {
  assert.deepEqual(read({ input_tokens: 100, total_tokens: 120 })?.units, { input: 100, output: 20 });
  assert.deepEqual(read({ output_tokens: 20 })?.flags, ["usage_incomplete"]);
  assert.equal(read({}), undefined);
  assert.equal(readUsage({ usage: null }, usageFacts), undefined);
});

test("searches are what the provider counts as billable, else the searches among its items", () => {
  const search = (type: string | undefined) => ({ type: "web_search_call", ...(type === undefined ? {} : { action: { type } }) });
  const output = [search("search"), search("open_page"), search(undefined), { type: "message" }];
  assert.equal(read(plain, { output, tool_usage: { web_search: { num_requests: 7 } } })?.units.web_searches, 7);
  assert.equal(read(plain, { output, tool_usage: { web_search: { num_requests: 0 } } })?.units.web_searches, undefined);
  assert.equal(read({ ...plain, server_side_tool_usage_details: { web_search_calls: 2, x_search_calls: 1, code_interpreter_calls: 0 } }, { output })?.units.web_searches, 3);
  assert.equal(read(plain, { output })?.units.web_searches, 2);
});

test("searches in files are counted, as told or among the items", () => {
  assert.deepEqual(read({ ...plain, server_side_tool_usage_details: { file_search_calls: 3 } })?.units.file_searches, 3);
  const usage = read(plain, { output: [{ type: "file_search_call" }, { type: "message" }, { type: "file_search_call" }] });
  assert.deepEqual([usage?.units.file_searches, usage?.flags], [2, undefined]);
});

test("tools whose price no unit tells flag the row, and what was told of them is kept with the raw usage", () => {
  const tools = { web_search: { num_requests: 0 }, image_gen: { total_tokens: 900 } };
  const usage = read(plain, { tool_usage: tools });
  assert.deepEqual([usage?.flags, usage?.raw], [["server_tools_unpriced"], { ...plain, tool_usage: tools }]);
  assert.deepEqual(read({ ...plain, server_side_tool_usage_details: { code_interpreter_calls: 1 } })?.flags, ["server_tools_unpriced"]);
  assert.deepEqual(read(plain)?.raw, plain);
});

test("the provider's own charge and the tier that served are read; the tier that was asked is not", () => {
  const usage = read({ ...plain, cost_in_usd_ticks: 1_641_500 }, { service_tier: "priority" });
  assert.deepEqual([usage?.providerCostNanoUsd, usage?.serviceTier], [164_150, "priority"]);
  assert.equal(read(plain, { service_tier: "auto" })?.serviceTier, undefined);
  assert.equal(read({ ...plain, cost_in_usd_ticks: -1 })?.providerCostNanoUsd, undefined);
});
