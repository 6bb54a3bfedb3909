/** Batches are held in the ledger until their provider says that they ended, and then cost what the provider bills: by the official SDKs. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { gatewayConfig, startFleet, type BillRow, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { requestJson } from "../../src/storage/request-json.ts";
import { openReadOnly } from "../../src/storage/data-dir.ts";
import type { AttemptView, RequestView } from "../../src/storage/rows.ts";
import { childGateway, testGateway, type TestGateway } from "../support/gateway.ts";

const CALLER_KEY = "caller-key-of-held-batches";
const CONFIG: FleetConfig = {
  seed: 11,
  providers: [
    { name: "files", dialect: "openai-chat", models: { small: { input: 0.15, output: 0.6, cache_read: 0.075 }, big: { input: 2.5, output: 10 }, vectors: { input: 0.02, output: 0 } }, cached_share: 0.3, tokens_out: 40 },
    { name: "telling", dialect: "openai-chat", models: { small: { input: 0.15, output: 0.6, cache_read: 0.075 } }, cached_share: 0.3, tokens_out: 40, batches: { tell_usage: true } },
    { name: "unknown", dialect: "openai-chat", models: { small: { input: 1, output: 2 } } },
    { name: "messages", dialect: "anthropic-messages", models: { talk: { input: 1, output: 5 }, think: { input: 3, output: 15 } }, tokens_out: 40, batches: { end: "control" } },
  ],
};
/** Two of the accounts are at a provider whose discount is known. */
const yamlOf = (fleet: Fleet): string =>
  gatewayConfig(CONFIG, fleet, { apiKey: "upstream-key", more: { keys: [{ name: "app", key: CALLER_KEY }], fallbacks: "off" } }).replace(/(\n {2}(?:files|telling):\n {4}type: )openai-compatible/g, "$1openai");

interface Line {
  readonly model: string;
  readonly words: string;
  readonly url?: string;
}

const USER = (content: string) => [{ role: "user" as const, content }];

/** Upload and start; the batch's id. */
async function makeFileBatch(openai: OpenAI, account: string, lines: readonly Line[], url: "/v1/chat/completions" | "/v1/embeddings" = "/v1/chat/completions"): Promise<string> {
  const text = lines.map(({ model, words }, i) => JSON.stringify({ custom_id: `c${i}`, method: "POST", url, body: url.endsWith("embeddings") ? { model, input: words } : { model, messages: USER(words) } })).join("\n");
  const file = await openai.files.create({ file: await toFile(Buffer.from(text), "in.jsonl"), purpose: "batch" }, { headers: { "x-spillway-account": account } });
  return (await openai.batches.create({ input_file_id: file.id, endpoint: url, completion_window: "24h" })).id;
}

async function makeMessageBatch(anthropic: Anthropic, lines: readonly Line[]): Promise<string> {
  return (await anthropic.messages.batches.create({ requests: lines.map(({ model, words }, i) => ({ custom_id: `c${i}`, params: { model, max_tokens: 64, messages: USER(words) } })) })).id;
}

/** The rows of the calls that made batches, in their order. */
function madeRows(dataDir: string): readonly AttemptView[] {
  return madeRequests(dataDir).flatMap((view) => view.attempts);
}

function madeRequests(dataDir: string): readonly RequestView[] {
  const reader = openReadOnly(dataDir);
  try {
    return [...reader.requests({}), ...reader.unrecorded()].filter(({ record }) => (record?.surface === "batches" || record?.surface === "message-batches") && record.status === 200);
  } finally {
    reader.close();
  }
}

/** The row of this batch, when it is settled. */
async function settledRow(dataDir: string, id: string): Promise<AttemptView> {
  const [upstreamId] = id.split("@");
  for (let i = 0; i < 400; i++) {
    const row = madeRows(dataDir).find(({ rawUsage }) => (rawUsage as { batch?: string } | null)?.batch === upstreamId);
    if (row !== undefined) return row;
    await sleep(25);
  }
  throw new Error("the row of the batch is still held");
}

/** The fleet's rows of the calls that made batches, here or at this path. */
function bills(fleet: Fleet, path = /\/batches$/): readonly BillRow[] {
  const made = new Set(fleet.calls().filter((call) => call.method === "POST" && path.test(call.url)).map((call) => call.call));
  return fleet.bill().filter((row) => made.has(row.call) && row.outcome === "answered");
}

function tokensOf({ units }: AttemptView): { readonly input: number; readonly cached: number; readonly output: number } {
  return { input: (units.input ?? 0) + (units.cache_read ?? 0), cached: units.cache_read ?? 0, output: (units.output ?? 0) + (units.reasoning ?? 0) };
}

/** The row equals that of the last call that made such a batch. */
function assertBilled(row: AttemptView, fleet: Fleet, path?: RegExp): void {
  const bill = bills(fleet, path).at(-1);
  assert.ok(bill !== undefined && bill.cost_nano_usd > 0, "the fleet billed nothing");
  assert.deepEqual(tokensOf(row), { input: bill.input_tokens, cached: bill.cached_tokens, output: bill.output_tokens });
  assert.deepEqual([row.state, row.costNanoUsd, row.flags, row.corrections], ["charged", bill.cost_nano_usd, [], 0]);
}

const MIXED: readonly Line[] = [
  { model: "small", words: "a question of some length, to be answered by the small one" }, { model: "big", words: "why?" },
  { model: "nobody", words: "not served, and so not billed" }, { model: "small", words: "once more" },
];
const TALKS: readonly Line[] = [
  { model: "talk", words: "good morning" }, { model: "messages/think", words: "a longer thing to think about, and then some" }, { model: "talk", words: "good night" }, { model: "talk", words: "x" },
];

describe("a batch that was made here", () => {
  let fleet: Fleet;
  let gateway: TestGateway;
  let openai: OpenAI;
  let anthropic: Anthropic;

  before(async () => {
    fleet = await startFleet(CONFIG);
    gateway = await testGateway(yamlOf(fleet));
    openai = new OpenAI({ baseURL: gateway.baseUrl, apiKey: CALLER_KEY, maxRetries: 0 });
    anthropic = new Anthropic({ baseURL: gateway.url, apiKey: CALLER_KEY, maxRetries: 0 });
  });
  after(async () => {
    await gateway.close();
    await fleet.close();
  });

  it("of files is held until it ended, and then costs what its lines cost at the provider", async () => {
    const id = await makeFileBatch(openai, "files", MIXED);
    assert.equal((await openai.batches.retrieve(id)).status, "validating");
    const [held] = (await gateway.requests()).filter(({ record }) => record?.surface === "batches");
    assert.deepEqual([held?.attempts[0]?.state, held?.attempts[0]?.costNanoUsd, held?.record?.flags, held?.record?.attempts[0]?.state], ["held", null, ["held"], "held"]);
    const told = requestJson(held as RequestView) as { cost_usd: unknown; flags: unknown; attempts: { state: string }[] };
    assert.deepEqual([told.cost_usd, told.flags, told.attempts[0]?.state], [null, ["held"], "held"]);
    assert.match(await (await fetch(`${gateway.adminUrl}/metrics`)).text(), /^spillway_held_batches 1$/m);

    fleet.endBatches();
    const ended = await openai.batches.retrieve(id);
    assert.deepEqual([ended.status, ended.request_counts], ["completed", { total: 4, completed: 3, failed: 1 }]);
    const row = await settledRow(gateway.dataDir, id);
    assertBilled(row, fleet);
    const [now] = madeRequests(gateway.dataDir);
    const shown = requestJson(now as RequestView) as { cost_usd: number; flags: unknown; tokens: { input: number }; attempts: { state: string }[] };
    assert.deepEqual([Math.round(shown.cost_usd * 1e9), shown.flags, shown.tokens.input, shown.attempts[0]?.state], [row.costNanoUsd, [], row.units.input, "charged"]);
    assert.match(await (await fetch(`${gateway.adminUrl}/metrics`)).text(), /^spillway_held_batches 0$/m);
  });

  it("of files is charged by the usage that the batch tells itself, without its files being read", async () => {
    const id = await makeFileBatch(openai, "telling", [{ model: "small", words: "one" }, { model: "small", words: "two two two" }]);
    fleet.endBatches("telling");
    const seen = fleet.calls().length;
    await openai.batches.retrieve(id);
    assertBilled(await settledRow(gateway.dataDir, id), fleet);
    assert.ok(!fleet.calls().slice(seen).some((call) => call.url.includes("/content")));
  });

  it("of embeddings costs their tokens", async () => {
    const id = await makeFileBatch(openai, "files", [{ model: "vectors", words: "a text of some length" }, { model: "vectors", words: "b" }], "/v1/embeddings");
    fleet.endBatches("files");
    await openai.batches.retrieve(id);
    assertBilled(await settledRow(gateway.dataDir, id), fleet);
  });

  it("of messages is held for the sum of its requests' bounds, and then costs what their answers cost", async () => {
    const id = await makeMessageBatch(anthropic, TALKS);
    fleet.endBatches("messages");
    assert.equal((await anthropic.messages.batches.retrieve(id)).processing_status, "ended");
    const row = await settledRow(gateway.dataDir, id);
    assertBilled(row, fleet);
    assert.ok(row.boundNanoUsd !== null && row.boundNanoUsd >= (row.costNanoUsd ?? 0), `bound ${row.boundNanoUsd}, cost ${row.costNanoUsd}`);
  });

  it("that is cancelled is held until the provider is done with it, and costs what had been done", async () => {
    const ids = [await makeMessageBatch(anthropic, TALKS), await makeFileBatch(openai, "files", MIXED)] as const;
    for (const [i, cancel] of [() => anthropic.messages.batches.cancel(ids[0]), () => openai.batches.cancel(ids[1])].entries()) {
      const told = (await cancel()) as { status?: string; processing_status?: string };
      assert.equal(told.processing_status ?? told.status, ["canceling", "cancelling"][i]);
    }
    assert.ok(fleet.calls().some((call) => call.url.endsWith("/cancel")), "the cancel went upstream");
    await gateway.requests();
    assert.deepEqual(madeRows(gateway.dataDir).slice(-2).map((row) => row.state), ["held", "held"]);
    fleet.endBatches();
    assert.equal((await openai.batches.retrieve(ids[1])).status, "cancelled");
    assertBilled(await settledRow(gateway.dataDir, ids[1]), fleet);
    assert.deepEqual((await anthropic.messages.batches.retrieve(ids[0])).request_counts, { processing: 0, succeeded: 2, errored: 0, canceled: 2, expired: 0 });
    assertBilled(await settledRow(gateway.dataDir, ids[0]), fleet, /\/messages\/batches$/);
  });

  it("of which nothing was done costs nothing", async () => {
    const id = await makeFileBatch(openai, "files", [{ model: "small", words: "only one" }]);
    await openai.batches.cancel(id);
    fleet.endBatches();
    await openai.batches.retrieve(id);
    const row = await settledRow(gateway.dataDir, id);
    assert.deepEqual([row.state, row.costNanoUsd, row.flags], ["unbilled", 0, []]);
  });

  it("of a provider whose price for batches is not known has its tokens, and no cost", async () => {
    const id = await makeFileBatch(openai, "unknown", [{ model: "small", words: "what does it cost?" }]);
    fleet.endBatches("unknown");
    await openai.batches.retrieve(id);
    const row = await settledRow(gateway.dataDir, id);
    assert.deepEqual([row.state, row.costNanoUsd, row.flags, tokensOf(row).input > 0], ["unmetered", null, ["unmetered_batch"], true]);
  });

  it("is refused where a cap applies that it may cross, or that its bound is not known for; nothing is sent", async () => {
    const capped = (usd: string) => ({ headers: { "x-spillway-max-cost-usd": usd } });
    const requests = TALKS.map(({ model, words }, i) => ({ custom_id: `c${i}`, params: { model, max_tokens: 64, messages: USER(words) } }));
    const file = await openai.files.create({ file: await toFile(Buffer.from("{}"), "in.jsonl"), purpose: "batch" }, { headers: { "x-spillway-account": "files" } });
    const seen = fleet.calls().length;
    await assert.rejects(anthropic.messages.batches.create({ requests }, capped("0.0001")), /not sent for what it could cost: up to USD 0\.\d+, and a request may cost USD 0\.0001/);
    await assert.rejects(openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" }, capped("100")), (problem) => problem instanceof OpenAI.APIError && problem.code === "budget_exceeded" && /cannot be known beforehand/.test(problem.message));
    assert.equal(fleet.calls().length, seen);
    await anthropic.messages.batches.create({ requests }, capped("1"));
    await openai.files.retrieve(file.id, capped("0"));
  });

  it("is settled before its results are deleted", async () => {
    const id = await makeMessageBatch(anthropic, TALKS);
    fleet.endBatches("messages");
    assert.equal((await anthropic.messages.batches.delete(id)).type, "message_batch_deleted");
    assertBilled(await settledRow(gateway.dataDir, id), fleet);
  });
});

it("a batch outlives kill -9: the next process looks at it, and settles it by what its provider billed", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "spillway-held-"));
  const fleet = await startFleet(CONFIG);
  try {
    const first = await childGateway(yamlOf(fleet), { dataDir });
    const sdks = (baseURL: string, root: string) => [new OpenAI({ baseURL, apiKey: CALLER_KEY, maxRetries: 0 }), new Anthropic({ baseURL: root, apiKey: CALLER_KEY, maxRetries: 0 })] as const;
    const [openai, anthropic] = sdks(first.baseUrl, first.url);
    await makeMessageBatch(anthropic, TALKS);
    const id = await makeFileBatch(openai, "files", MIXED);
    await first.kill9();

    const second = await childGateway(yamlOf(fleet), { dataDir });
    const [again] = sdks(second.baseUrl, second.url);
    assert.equal((await again.batches.retrieve(id)).status, "validating", "the first look has nothing to settle");
    await second.kill9();
    assert.deepEqual(rowsOf(dataDir).map((row) => [row.state, row.flags]), [["held", []], ["held", []]]);

    fleet.endBatches();
    const third = await childGateway(yamlOf(fleet), { dataDir });
    for (let i = 0; i < 400 && rowsOf(dataDir).some((row) => row.state === "held"); i++) await sleep(25);
    await third.stop();
    const billed = bills(fleet).map((bill) => bill.cost_nano_usd);
    assert.deepEqual(rowsOf(dataDir).map((row) => [row.state, row.costNanoUsd, row.flags, row.corrections]), billed.map((cost) => ["charged", cost, [], 0]));
    assert.ok(billed.length === 2 && billed.every((cost) => cost > 0));
  } finally {
    await fleet.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});

/** Rows of the calls that made batches, whether or not those have a record: the others have no cost. */
function rowsOf(dataDir: string): readonly AttemptView[] {
  const reader = openReadOnly(dataDir);
  try {
    return [...reader.requests({}), ...reader.unrecorded()].flatMap((view) => view.attempts).filter((row) => row.state === "held" || row.costNanoUsd !== null);
  } finally {
    reader.close();
  }
}
