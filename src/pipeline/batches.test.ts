/** Batches that are held, on a clock that the test moves: when they are looked at, and what settles them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Pricing } from "../decide/deployment.ts";
import { sheet } from "../decide/test-directory.ts";
import type { Hold, KeptCallKind } from "../ports.ts";
import { MemoryLedger, MemoryStore } from "../storage/memory.ts";
import type { AttemptView } from "../storage/rows.ts";
import type { PriceSheet } from "../wire/facts.ts";
import { Batches, type MadeBatch } from "./batches.ts";
import { LIMITS, type Snapshot } from "./deps.ts";
import { flush, VirtualClock } from "./test-clock.ts";
import { ScriptedUpstream, type ScriptedCall } from "./test-upstream.ts";
import { deploymentOf, World } from "./test-world.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const BOUND_NANO_USD = 99_999;
const MADE: MadeBatch = { attemptId: "att_1", account: "a", kind: "message-batch", upstreamId: "msgbatch_1", status: "in_progress", boundNanoUsd: BOUND_NANO_USD };

/** A gateway's batches, over a ledger that outlives it. */
class Setting {
  readonly clock = new VirtualClock();
  readonly store = new MemoryStore();
  readonly ledger = new MemoryLedger({ wallMs: () => this.clock.wallMs() }, this.store);
  readonly upstream = new ScriptedUpstream(() => this.clock.nowMs(), () => undefined);
  readonly logged: string[] = [];
  readonly prices = new Map<string, Pricing>([["m", { kind: "sheet", sheet: sheet(1, 2) }]]);
  accounts = ["a"];
  factor: number | undefined = 0.5;
  batches = this.next();

  /** Another process on the same ledger. */
  next(): Batches {
    const log = (event: string): void => void this.logged.push(event);
    const owner = (name: string) => deploymentOf({ name, provider: { dialect: "anthropic-messages", ...(this.factor === undefined ? {} : { batchPriceFactor: this.factor }) }, pricing: { kind: "unmetered" } });
    const { transport } = new World({ candidates: ["a"] }).snapshot;
    const directory: Snapshot["directory"] = {
      resolve: () => assert.fail("a line names what its account calls, and no route"),
      callable: () => [],
      keepers: () => this.accounts.map(owner),
      at: (name, model) => (this.prices.has(model) ? deploymentOf({ name, pricing: this.prices.get(model) as Pricing }) : null),
    };
    const snapshot = { directory, transport } as unknown as Snapshot;
    return new Batches({ clock: this.clock, upstream: this.upstream, log: { info: log, warn: log, error: log }, snapshot: () => snapshot, limits: LIMITS, ledger: this.ledger, kept: this.ledger });
  }

  async make(over: Partial<MadeBatch> = {}): Promise<void> {
    const made = { ...MADE, ...over };
    const hold: Hold = {
      attemptId: made.attemptId, requestId: `req_${made.attemptId}`, number: 1, deployment: "a/message-batches", tenant: "default", scopes: [], priceVersion: null, period: "2026-11",
      boundNanoUsd: made.boundNanoUsd, inputEstimateTokens: 0, inputEstimateNanoUsd: null, outputPricePicoUsd: null, billsOnAbort: "nothing", atMs: this.clock.wallMs(),
    };
    await this.ledger.reserve([hold]);
    await this.batches.made(made);
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await flush();
  }

  row(attemptId = MADE.attemptId): AttemptView {
    const [view] = this.ledger.attemptsByIds([attemptId]);
    assert.ok(view);
    return view;
  }

  get paths(): readonly string[] {
    return this.upstream.calls.map((call) => call.request.path);
  }
}

const running = (status = "in_progress") => ({ id: "msgbatch_1", type: "message_batch", processing_status: status, request_counts: { processing: 3, succeeded: 0 } });
const ended = (succeeded = 2) => ({ id: "msgbatch_1", type: "message_batch", processing_status: "ended", request_counts: { processing: 0, succeeded, errored: 0 } });
const line = (model: string, input = 10, output = 5) => JSON.stringify({ custom_id: "x", result: { type: "succeeded", message: { model, usage: { input_tokens: input, output_tokens: output, service_tier: "batch" } } } });
const lines = (...all: string[]) => (call: ScriptedCall) => call.head(200, { "content-type": "application/x-jsonl" }).bytes(`${all.join("\n")}\n`).end();
/** Looks find the batch ended, its results are these. */
function endsWith(setting: Setting, ...all: string[]): void {
  setting.upstream.plays("a", (call) => (call.request.path.endsWith("/results") ? lines(...all)(call) : call.json(ended())));
}

describe("looks at a batch that is held", () => {
  it("come after half a minute, then ever more seldom, up to ten minutes; nothing runs while nothing is held", async () => {
    const setting = new Setting();
    setting.batches.start();
    assert.equal(setting.clock.waiting, 0);
    setting.upstream.plays("a", (call) => call.json(running()));
    const fromMs = setting.clock.nowMs();
    await setting.make();
    await setting.pass(50 * MINUTE_MS);
    assert.deepEqual(setting.upstream.calls.map((call) => Math.round((call.atMs - fromMs) / 1_000)), [30, 90, 210, 450, 930, 1530, 2130, 2730]);
    assert.equal(setting.row().state, "held");
    endsWith(setting, line("m"));
    await setting.pass(10 * MINUTE_MS);
    assert.deepEqual([setting.row().state, setting.batches.size, setting.clock.waiting], ["charged", 0, 0]);
  });

  it("go to the account's own address with its credential, and not in the name of the call that made the batch", async () => {
    const setting = new Setting();
    await setting.make();
    await setting.pass(30_000);
    const { request } = setting.upstream.to("a");
    assert.deepEqual([request.method, request.origin, request.path, request.body], ["GET", "https://a.example", "/v1/messages/batches/msgbatch_1", null]);
    assert.ok(request.headers.includes("Bearer secret-of-a") && !request.headers.includes(MADE.attemptId));
  });

  it("are of a few at once, whatever their number", async () => {
    const setting = new Setting();
    for (let i = 1; i <= 9; i++) await setting.make({ attemptId: `att_${i}`, upstreamId: `msgbatch_${i}` });
    await setting.pass(30_000);
    assert.equal(setting.upstream.calls.length, 4);
    for (const call of setting.upstream.calls) call.refuse(500);
    await setting.pass(20);
    assert.equal(setting.upstream.calls.length, 8, "the others come when there is room");
  });

  for (const [what, play] of [
    ["an error status", (call: ScriptedCall) => call.refuse(500)],
    ["a refused credential", (call: ScriptedCall) => call.refuse(401)],
    ["a lost connection", (call: ScriptedCall) => call.fail()],
    ["an answer that is no batch", (call: ScriptedCall) => call.json({ hello: 1 })],
    ["another batch", (call: ScriptedCall) => call.json({ ...ended(), id: "msgbatch_2" })],
    ["no JSON", (call: ScriptedCall) => call.head(200, { "content-type": "application/json" }).bytes("<html>").end()],
    ["results that broke off", (call: ScriptedCall) => (call.request.path.endsWith("/results") ? call.head(200).bytes(`${line("m")}\n`).fail() : call.json(ended()))],
    ["silence", () => undefined],
  ] as const) {
    it(`settle nothing when they meet ${what}, however long`, async () => {
      const setting = new Setting();
      setting.upstream.plays("a", (call) => void play(call));
      await setting.make();
      await setting.pass(36 * DAY_MS);
      assert.equal(setting.row().state, "held");
      endsWith(setting, line("m"));
      await setting.pass(12 * MINUTE_MS);
      assert.deepEqual([setting.row().state, setting.row().costNanoUsd], ["charged", 10_000]);
    });
  }

  for (const [what, flag, lose] of [
    ["is there no more", "batch_gone", (setting: Setting) => setting.upstream.plays("a", (call) => call.refuse(404))],
    ["has lost its results", "results_gone", (setting: Setting) => setting.upstream.plays("a", (call) => (call.request.path.endsWith("/results") ? call.refuse(404) : call.json(ended())))],
    ["is of an account that is configured no more", "account_not_configured", (setting: Setting) => void (setting.accounts = [])],
  ] as const) {
    it(`come seldom where it ${what}; after 35 days it is settled by its bound, flagged`, async () => {
      const setting = new Setting();
      lose(setting);
      await setting.make();
      await setting.pass(DAY_MS);
      assert.ok(setting.upstream.calls.length <= 10, `${setting.upstream.calls.length} calls on a day`);
      await setting.pass(33 * DAY_MS);
      assert.equal(setting.row().state, "held");
      await setting.pass(2 * DAY_MS);
      const { state, outcome, costNanoUsd, flags } = setting.row();
      assert.deepEqual({ state, outcome, costNanoUsd, flags }, { state: "estimated", outcome: "lost", costNanoUsd: BOUND_NANO_USD, flags: ["estimated", flag] });
    });
  }

  it("find again what was lost for a while", async () => {
    const setting = new Setting();
    setting.accounts = [];
    await setting.make();
    await setting.pass(20 * DAY_MS);
    setting.accounts = ["a"];
    endsWith(setting, line("m"));
    await setting.pass(6 * HOUR_MS);
    assert.deepEqual([setting.row().state, setting.row().costNanoUsd], ["charged", 10_000]);
  });

  it("come at once in the next process, and not at all in one that stops", async () => {
    const setting = new Setting();
    await setting.make();
    setting.batches.stop();
    await setting.pass(HOUR_MS);
    assert.equal(setting.upstream.calls.length, 0);
    endsWith(setting, line("m"));
    setting.batches = setting.next();
    setting.batches.start();
    await setting.pass(0);
    assert.deepEqual([setting.row().state, setting.row().costNanoUsd, setting.paths.length], ["charged", 10_000, 2]);
  });

  it("settle when the ledger can be written again", async () => {
    const setting = new Setting();
    endsWith(setting, line("m"));
    await setting.make();
    setting.store.broken = true;
    await setting.pass(10 * MINUTE_MS);
    assert.equal(setting.row().state, "held");
    setting.store.broken = false;
    await setting.pass(10 * MINUTE_MS);
    assert.deepEqual([setting.row().state, setting.row().corrections], ["charged", 0]);
  });
});

describe("what a client is told of a batch", () => {
  it("settles it at once, without another look at it", async () => {
    const setting = new Setting();
    endsWith(setting, line("m"));
    await setting.make();
    setting.batches.seen("a", "message-batch", running("canceling"));
    setting.batches.seen("b", "message-batch", ended());
    setting.batches.seen("a", "files-batch", ended());
    setting.batches.seen("a", "message-batch", { ...ended(), id: "msgbatch_other" });
    await setting.pass(0);
    assert.deepEqual(setting.paths, []);
    setting.batches.seen("a", "message-batch", ended());
    setting.batches.seen("a", "message-batch", ended());
    await setting.pass(0);
    assert.deepEqual([setting.paths, setting.row().state, setting.row().corrections], [["/v1/messages/batches/msgbatch_1/results"], "charged", 0]);
  });

  it("is heard while a look runs that found it running", async () => {
    const setting = new Setting();
    await setting.make();
    await setting.pass(30_000);
    setting.batches.seen("a", "message-batch", ended());
    const look = setting.upstream.to("a");
    endsWith(setting, line("m"));
    look.json(running());
    await setting.pass(0);
    assert.equal(setting.row().state, "charged");
  });
});

describe("a batch that ended is charged", () => {
  async function charged(all: readonly string[], set: (setting: Setting) => void = () => undefined): Promise<AttemptView> {
    const setting = new Setting();
    set(setting);
    endsWith(setting, ...all);
    await setting.make();
    await setting.pass(30_000);
    return setting.row();
  }
  const tiered: PriceSheet = { ...sheet(10, 20), tiers: { batch: { input: 3_000_000, output: 6_000_000 } } };

  it("the sum of its lines, each at its own model's price and the provider's discount, rounded once", async () => {
    // 0.75 + 0.75 nano-dollars: one and a half, and not two.
    const row = await charged([line("tiny", 1, 0), line("tiny", 1, 0), line("m", 10, 5)], ({ prices }) => prices.set("tiny", { kind: "sheet", sheet: { ...sheet(1, 2), base: { input: 1_500, output: 1 } } }));
    assert.deepEqual([row.state, row.costNanoUsd, row.units, row.flags], ["charged", 10_002, { input: 12, output: 5 }, []]);
    assert.deepEqual((row.rawUsage as { models: unknown }).models, [{ model: "tiny", lines: 2, units: { input: 2, output: 0 } }, { model: "m", lines: 1, units: { input: 10, output: 5 } }]);
  });

  it("and flagged where that is more than was held for it", async () => {
    const row = await charged([line("m", 100, 50)]);
    assert.deepEqual([row.state, row.costNanoUsd, row.flags], ["charged", 100_000, ["overrun"]]);
  });

  it("by the sheet's own prices for batches, where it has them, and not once more discounted", async () => {
    assert.equal((await charged([line("t")], ({ prices }) => prices.set("t", { kind: "sheet", sheet: tiered }))).costNanoUsd, 10 * 3_000 + 5 * 6_000);
  });

  it("in the context step of each line, and not of their sum", async () => {
    const stepped: PriceSheet = { ...sheet(1, 2), contextSteps: [{ aboveInputTokens: 15, prices: { input: 100_000_000 } }] };
    assert.equal((await charged([line("s"), line("s")], ({ prices }) => prices.set("s", { kind: "sheet", sheet: stepped }))).costNanoUsd, 20_000);
  });

  for (const [what, all, set, expected] of [
    ["a model without a price", [line("m"), line("nobody")], () => undefined, ["charged", null, ["price_unknown"]]],
    ["no known discount", [line("m")], (setting: Setting) => void ((setting.factor = undefined), (setting.batches = setting.next())), ["unmetered", null, ["unmetered_batch"]]],
    ["an account that is not metered", [line("free")], ({ prices }: Setting) => prices.set("free", { kind: "unmetered" }), ["unmetered", null, []]],
    ["a line that is no JSON", [line("m"), "{\"result\":"], () => undefined, ["estimated", BOUND_NANO_USD, ["estimated", "unreadable_line"]]],
    ["an answer that does not tell its usage", [`{"result":{"type":"succeeded","message":{"model":"m"}}}`], () => undefined, ["estimated", BOUND_NANO_USD, ["estimated", "usage_missing"]]],
    ["a price that is nothing", [`{"result":{"type":"succeeded","message":{"model":"gift"}}}`], ({ prices }: Setting) => prices.set("gift", { kind: "sheet", sheet: { ...sheet(1, 1), base: { input: 0, output: 0 }, free: true } }), ["charged", 0, []]],
    ["nothing that was done", [`{"result":{"type":"canceled"}}`], () => undefined, ["unbilled", 0, []]],
  ] as const) {
    it(`with ${what}: ${expected[0]}, ${expected[1] ?? "no cost"}`, async () => {
      const row = await charged(all, set as (setting: Setting) => void);
      assert.deepEqual([row.state, row.costNanoUsd, row.flags], expected);
    });
  }

  it("nothing, without a look at its results, where none of it was done", async () => {
    const setting = new Setting();
    setting.upstream.plays("a", (call) => call.json(ended(0)));
    await setting.make();
    await setting.pass(30_000);
    assert.deepEqual([setting.row().state, setting.row().costNanoUsd, setting.paths.length], ["unbilled", 0, 1]);
  });
});

describe("a batch of files", () => {
  const KIND: KeptCallKind = "files-batch";
  const made = { kind: KIND, upstreamId: "batch_1", boundNanoUsd: null };
  const told = { id: "batch_1", object: "batch", status: "completed", request_counts: { total: 1, completed: 1, failed: 0 }, output_file_id: "file-o", model: "m", usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 } };

  it("is charged by the usage that it tells itself", async () => {
    const setting = new Setting();
    setting.upstream.plays("a", (call) => call.json(told));
    await setting.make(made);
    await setting.pass(30_000);
    assert.deepEqual([setting.row().costNanoUsd, setting.paths], [10_000, ["/v1/batches/batch_1"]]);
  });

  it("is read line by line where the price goes by the length of each", async () => {
    const setting = new Setting();
    setting.prices.set("m", { kind: "sheet", sheet: { ...sheet(1, 2), contextSteps: [{ aboveInputTokens: 7, prices: { input: 9_000_000 } }] } });
    const chat = JSON.stringify({ response: { status_code: 200, body: { object: "chat.completion", model: "m", usage: { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 } } } });
    setting.upstream.plays("a", (call) => (call.request.path.endsWith("/content") ? lines(chat, chat)(call) : call.json(told)));
    await setting.make(made);
    await setting.pass(30_000);
    assert.deepEqual([setting.row().costNanoUsd, setting.paths.at(-1)], [15_000, "/v1/files/file-o/content"]);
  });

  it("that says it did something, and has nothing to show, has no known cost", async () => {
    const setting = new Setting();
    setting.upstream.plays("a", (call) => call.json({ ...told, usage: null, output_file_id: null }));
    await setting.make(made);
    await setting.pass(30_000);
    assert.deepEqual([setting.row().state, setting.row().costNanoUsd, setting.row().flags], ["estimated", null, ["estimated", "results_gone"]]);
  });
});
