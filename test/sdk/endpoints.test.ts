/** A line for each endpoint that is no chat: the official SDK's call, its error, its leaving, and its row beside the provider's bill. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import { ApiError, GoogleGenAI } from "@google/genai";
import { CohereClient, CohereError } from "cohere-ai";
import OpenAI, { toFile } from "openai";
import { gatewayConfig, startFleet, type BillRow, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import type { RequestView } from "../../src/storage/rows.ts";
import { INPUT_UNITS, OUTPUT_UNITS, type Unit } from "../../src/wire/usage.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";

const CALLER_KEY = "caller-key-of-the-endpoints";
const WORDS = "the cat has eaten the prompt";
const NOTICE_MS = 5_000;

const CONFIG: FleetConfig = {
  seed: 5,
  providers: [
    {
      name: "at-openai",
      dialect: "openai-chat",
      models: {
        embed: { input: 0.02, output: 0 },
        "omni-moderation-latest": { units: { requests: 0 } },
        image: { units: { images: 0.04 } },
        "image-tokens": { input: 5, output: 40 },
        speech: { units: { characters: 0.000015 } },
        "speech-tokens": { input: 0.6, output: 12 },
        hear: { units: { seconds: 0.0001 } },
        "hear-tokens": { input: 1.25, output: 5 },
        rank: { units: { searches: 0.001 } },
        "rank-tokens": { input: 0.05, output: 0 },
      },
    },
    { name: "at-cohere", dialect: "cohere-v2", models: { rerank: { units: { searches: 0.002 } }, vectors: { input: 0.12, output: 0 } } },
    { name: "at-anthropic", dialect: "anthropic-messages", models: { talk: { input: 1, output: 5 } } },
    { name: "at-gemini", dialect: "gemini", models: { meaning: { input: 0.15, output: 0 } } },
  ],
};
const REFUSAL: Readonly<Record<string, Record<string, unknown>>> = {
  "at-openai": { error: { message: WORDS, type: "invalid_request_error", param: "input", code: "bad_cat" } },
  "at-anthropic": { type: "error", error: { type: "invalid_request_error", message: WORDS } },
  "at-cohere": { id: "x", message: WORDS },
  "at-gemini": { error: { code: 400, message: WORDS, status: "INVALID_ARGUMENT" } },
};

/** Two seconds and a bit of 8 kHz in 16 bits, with bytes of every value in it. */
const WAV = Buffer.concat([
  Buffer.from("RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0", "latin1"),
  Buffer.from(Uint8Array.from({ length: 32_100 }, (_, i) => i & 255)),
]);

interface Clients {
  readonly openai: OpenAI;
  readonly cohere: CohereClient;
  readonly google: GoogleGenAI;
  readonly anthropic: Anthropic;
  readonly direct: OpenAI;
  /** Ids of what was kept by earlier lines. */
  readonly ids: { file: string; batch: string; messages: string };
}
interface Line {
  readonly name: string;
  readonly surface: string;
  readonly at: string;
  readonly call: (clients: Clients, signal: AbortSignal) => Promise<unknown>;
  readonly check: (answer: never, clients: Clients) => void | Promise<void>;
  /** Free, and flagged so: what is kept has no price. */
  readonly kept?: boolean;
}
/** Rows of what was made stay held until it ends; one ends here, nothing of it done. What was refused costs nothing, what was left nobody knows. */
const HELD: Readonly<Record<string, Readonly<Record<How, readonly [state: string, costNanoUsd: number | null]>>>> = {
  "batches.create": { answered: ["held", null], refused: ["unbilled", 0], left: ["estimated", null] },
  "messages.batches.create": { answered: ["unbilled", 0], refused: ["unbilled", 0], left: ["estimated", null] },
};


function line<A>(name: string, surface: string, at: string, call: (clients: Clients, signal: AbortSignal) => Promise<A>, check: (answer: A, clients: Clients) => void | Promise<void>, kept = false): Line {
  return { name, surface, at, call, check: check as Line["check"], kept };
}
const wav = () => toFile(WAV, "a.wav", { type: "audio/wav" });
const png = () => toFile(Buffer.from([0x89, 0x50, 13, 10, 45, 45, 0xff]), "a.png", { type: "image/png" });
async function typesOf(stream: AsyncIterable<{ readonly type: string }>): Promise<string> {
  const types: string[] = [];
  for await (const event of stream) types.push(event.type);
  return types.join(" ");
}
const O = "at-openai";
const A = "at-anthropic";

const LINES: readonly Line[] = [
  line("moderations.create", "moderations", O, ({ openai }, signal) => openai.moderations.create({ input: ["I hate it", "fine"] }, { signal }), (answer) => {
    assert.deepEqual(answer.results.map((one) => one.flagged), [true, false]);
  }),
  line("images.generate", "image-generations", O, ({ openai }, signal) => openai.images.generate({ model: "image", prompt: "a cat", n: 2 }, { signal }), (answer) => {
    assert.equal(answer.data?.length, 2);
  }),
  line("images.generate, billed by tokens", "image-generations", O, ({ openai }) => openai.images.generate({ model: "image-tokens", prompt: "a cat" }), (answer) => {
    assert.equal(answer.usage?.output_tokens, 272);
  }),
  line("images.generate, streamed", "image-generations", O, async ({ openai }) => typesOf(await openai.images.generate({ model: "image-tokens", prompt: "a cat", stream: true })), (types) => {
    assert.equal(types, "image_generation.partial_image image_generation.completed");
  }),
  line("images.edit", "image-edits", O, async ({ openai }, signal) => openai.images.edit({ model: "image", image: await png(), prompt: "a dog" }, { signal }), (answer) => {
    assert.equal(answer.data?.length, 1);
  }),
  line("images.createVariation", "image-variations", O, async ({ openai }, signal) => openai.images.createVariation({ model: "image", image: await png(), n: 3 }, { signal }), (answer) => {
    assert.equal(answer.data?.length, 3);
  }),
  line("audio.speech.create", "audio-speech", O, async ({ openai }, signal) => {
    const answer = await openai.audio.speech.create({ model: "speech", voice: "alloy", input: "wörld 😀", response_format: "opus" }, { signal });
    return { type: answer.headers.get("content-type"), bytes: Buffer.from(await answer.arrayBuffer()) };
  }, async ({ type, bytes }, { direct }) => {
    const said = await direct.audio.speech.create({ model: "speech", voice: "alloy", input: "wörld 😀", response_format: "opus" });
    assert.equal(type, "audio/ogg");
    assert.ok(bytes.equals(Buffer.from(await said.arrayBuffer())), "the bytes of the audio changed on their way");
  }),
  line("audio.speech.create, as events", "audio-speech", O, async ({ openai }) => (await openai.audio.speech.create({ model: "speech-tokens", voice: "alloy", input: "hello", stream_format: "sse" })).text(), (text) => {
    assert.match(text, /speech\.audio\.delta[\s\S]*speech\.audio\.done/);
  }),
  line("audio.transcriptions.create", "audio-transcriptions", O, async ({ openai }, signal) => openai.audio.transcriptions.create({ model: "hear", file: await wav() }, { signal }), (answer) => {
    assert.equal(answer.text, `heard ${WAV.length} bytes of a.wav`);
  }),
  line("audio.transcriptions.create, verbose", "audio-transcriptions", O, async ({ openai }) => openai.audio.transcriptions.create({ model: "hear", file: await wav(), response_format: "verbose_json", timestamp_granularities: ["word", "segment"] }), (answer) => {
    assert.equal(answer.duration, 3);
  }),
  line("audio.transcriptions.create, captions", "audio-transcriptions", O, async ({ openai }) => openai.audio.transcriptions.create({ model: "hear", file: await wav(), response_format: "vtt" }), (answer) => {
    assert.match(answer, /^WEBVTT\n\n00:00:00\.000 --> 00:00:03\.000\nheard/);
  }),
  line("audio.transcriptions.create, streamed", "audio-transcriptions", O, async ({ openai }) => typesOf(await openai.audio.transcriptions.create({ model: "hear-tokens", file: await wav(), stream: true })), (types) => {
    assert.match(types, /^(?:transcript\.text\.delta )+transcript\.text\.done$/);
  }),
  line("audio.translations.create", "audio-translations", O, async ({ openai }, signal) => openai.audio.translations.create({ model: "hear", file: await wav() }, { signal }), (answer) => {
    assert.equal(answer.text, `translated ${WAV.length} bytes of a.wav`);
  }),
  line("embeddings.create", "embeddings", O, ({ openai }, signal) => openai.embeddings.create({ model: "embed", input: ["one", "two"] }, { signal }), (answer) => {
    assert.deepEqual([answer.data.length, answer.usage.prompt_tokens], [2, 2]);
  }),
  line("v2.rerank", "rerank-v2", "at-cohere", ({ cohere }, signal) => cohere.v2.rerank({ model: "rerank", query: "a cat", documents: ["dog", "the cat"] }, { abortSignal: signal }), (answer) => {
    assert.deepEqual([answer.results.map((one) => one.index), answer.meta?.billedUnits?.searchUnits], [[1, 0], 1]);
  }),
  line("rerank (v1)", "rerank", "at-cohere", ({ cohere }, signal) => cohere.rerank({ model: "rerank", query: "a cat", documents: ["dog", "the cat"], topN: 1 }, { abortSignal: signal }), (answer) => {
    assert.deepEqual(answer.results.map((one) => one.index), [1]);
  }),
  line("rerank at a host of open models", "rerank", O, ({ cohere }, signal) => cohere.rerank({ model: "rank", query: "a cat", documents: ["dog", "the cat"] }, { abortSignal: signal }), (answer) => {
    assert.deepEqual(answer.results.map((one) => one.index), [1, 0]);
  }),
  line("v2.rerank at a host that bills tokens", "rerank-v2", O, ({ cohere }, signal) => cohere.v2.rerank({ model: "rank-tokens", query: "a cat", documents: ["dog", "the cat"] }, { abortSignal: signal }), (answer) => {
    assert.deepEqual(answer.results.map((one) => one.index), [1, 0]);
  }),
  line("v2.embed", "embed-v2", "at-cohere", ({ cohere }, signal) => cohere.v2.embed({ model: "vectors", texts: ["a", "b"], inputType: "search_query", embeddingTypes: ["float", "int8"], outputDimension: 8 }, { abortSignal: signal }), (answer) => {
    assert.deepEqual([answer.embeddings.float?.length, answer.embeddings.int8?.[0]?.length, answer.meta?.billedUnits?.inputTokens], [2, 8, 1]);
  }),
  line("models.embedContent", "batch-embed-contents", "at-gemini", ({ google }, signal) => google.models.embedContent({ model: "meaning", contents: ["one", "two"], config: { outputDimensionality: 4, abortSignal: signal } }), (answer) => {
    assert.deepEqual(answer.embeddings?.map((one) => one.values?.length), [4, 4]);
  }),
  line("files.create", "files", O, async ({ openai, ids }, signal) => {
    const file = await openai.files.create({ file: await toFile(WAV, "b.jsonl"), purpose: "batch" }, { signal });
    ids.file = file.id;
    return file;
  }, (file) => {
    assert.match(file.id, /^file-\w+@at-openai$/);
    assert.deepEqual([file.bytes, file.filename], [WAV.length, "b.jsonl"]);
  }, true),
  line("files.list", "files", O, ({ openai }, signal) => openai.files.list({ limit: 5 }, { signal }), (list, { ids }) => {
    assert.deepEqual(list.data.map((file) => file.id), [ids.file]);
  }, true),
  line("files.retrieve", "file", O, ({ openai, ids }, signal) => openai.files.retrieve(ids.file, { signal }), (file, { ids }) => {
    assert.equal(file.id, ids.file);
  }, true),
  line("files.content", "file-content", O, async ({ openai, ids }, signal) => Buffer.from(await (await openai.files.content(ids.file, { signal })).arrayBuffer()), (bytes) => {
    assert.ok(bytes.equals(WAV), "the file came back otherwise than it went");
  }, true),
  line("batches.create", "batches", O, async ({ openai, ids }, signal) => {
    const batch = await openai.batches.create({ input_file_id: ids.file, endpoint: "/v1/chat/completions", completion_window: "24h", metadata: { id: "mine" } }, { signal });
    ids.batch = batch.id;
    return batch;
  }, (batch, { ids }) => {
    assert.match(batch.id, /^batch_\w+@at-openai$/);
    assert.deepEqual([batch.input_file_id, batch.metadata], [ids.file, { id: "mine" }]);
  }, true),
  line("batches.retrieve", "batch", O, ({ openai, ids }, signal) => openai.batches.retrieve(ids.batch, { signal }), (batch) => {
    assert.equal(batch.status, "validating");
  }, true),
  line("batches.list", "batches", O, ({ openai }, signal) => openai.batches.list({}, { signal }), (list, { ids }) => {
    assert.deepEqual(list.data.map((batch) => batch.id), [ids.batch]);
  }, true),
  line("batches.cancel", "batch-cancel", O, ({ openai, ids }, signal) => openai.batches.cancel(ids.batch, { signal }), (batch) => {
    assert.equal(batch.status, "cancelling");
  }, true),
  line("files.delete", "file", O, ({ openai, ids }, signal) => openai.files.delete(ids.file, { signal }), (told, { ids }) => {
    assert.deepEqual([told.id, told.deleted], [ids.file, true]);
  }, true),
  line("messages.batches.create", "message-batches", A, async ({ anthropic, ids }, signal) => {
    const batch = await anthropic.messages.batches.create({ requests: [{ custom_id: "one", params: { model: "talk", max_tokens: 9, messages: [{ role: "user", content: "hi" }] } }] }, { signal });
    ids.messages = batch.id;
    return batch;
  }, (batch) => {
    assert.match(batch.id, /^msgbatch_\w+@at-anthropic$/);
    assert.deepEqual([batch.processing_status, batch.results_url], ["in_progress", null]);
  }, true),
  line("messages.batches.cancel", "message-batch-cancel", A, ({ anthropic, ids }, signal) => anthropic.messages.batches.cancel(ids.messages, {}, { signal }), (batch) => {
    assert.equal(batch.processing_status, "canceling");
  }, true),
  line("messages.batches.list", "message-batches", A, ({ anthropic }, signal) => anthropic.messages.batches.list({ limit: 3 }, { signal }), (page, { ids }) => {
    assert.deepEqual([page.data.map((batch) => batch.id), page.first_id, page.last_id], [[ids.messages], ids.messages, ids.messages]);
  }, true),
  line("messages.batches.retrieve", "message-batch", A, ({ anthropic, ids }, signal) => anthropic.messages.batches.retrieve(ids.messages, {}, { signal }), (batch) => {
    assert.deepEqual([batch.processing_status, batch.request_counts.canceled], ["ended", 1]);
  }, true),
  line("messages.batches.delete", "message-batch", A, ({ anthropic, ids }, signal) => anthropic.messages.batches.delete(ids.messages, {}, { signal }), (told, { ids }) => {
    assert.deepEqual([told.id, told.type], [ids.messages, "message_batch_deleted"]);
  }, true),
];

/** What one call came to, on both sides. */
interface Outcome {
  readonly answer: unknown;
  readonly problem: unknown;
  readonly bill: BillRow;
  readonly request: () => RequestView;
}
type How = "answered" | "refused" | "left";

let fleet: Fleet;
let gateway: TestGateway;
let clients: Clients;
const outcomes = new Map<string, Outcome>();

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + NOTICE_MS;
  while (!holds()) {
    assert.ok(performance.now() < endMs, `${what}: not within ${NOTICE_MS} ms`);
    await sleep(3);
  }
}

async function play(one: Line, how: How): Promise<Omit<Outcome, "request">> {
  const rules = { answered: [], refused: [{ fault: { kind: "status" as const, status: 400, body: REFUSAL[one.at] ?? {} } }], left: [{ fault: { kind: "stall_before_headers" as const } }] };
  await fleet.script(one.at, rules[how]);
  const seen = fleet.bill().length;
  const leave = new AbortController();
  const asked = one.call(clients, leave.signal).then((answer) => ({ answer, problem: null }), (problem: unknown) => ({ answer: null, problem }));
  if (how === "left") {
    await until(`${one.name} reaches its provider`, () => fleet.bill().length > seen);
    leave.abort();
  }
  const told = await asked;
  await until(`${one.name} ends at its provider`, () => fleet.bill().at(-1)?.outcome !== "open");
  assert.equal(fleet.bill().length, seen + 1, `${one.name} was called ${fleet.bill().length - seen} times`);
  return { ...told, bill: fleet.bill().at(-1) as BillRow };
}

before(async () => {
  fleet = await startFleet(CONFIG);
  gateway = await testGateway(gatewayConfig(CONFIG, fleet, { apiKey: "upstream-key", more: { keys: [{ name: "app", key: CALLER_KEY }] } }), { limits: { drainMs: 300 } });
  clients = {
    openai: new OpenAI({ baseURL: gateway.baseUrl, apiKey: CALLER_KEY, maxRetries: 0 }),
    // Its timers run on after calls that failed, and would keep the process.
    cohere: new CohereClient({ environment: gateway.url, token: CALLER_KEY, maxRetries: 0, timeoutInSeconds: 4 }),
    anthropic: new Anthropic({ baseURL: gateway.url, apiKey: CALLER_KEY, maxRetries: 0 }),
    google: new GoogleGenAI({ apiKey: CALLER_KEY, httpOptions: { baseUrl: gateway.url } }),
    direct: new OpenAI({ baseURL: fleet.provider(O).baseUrl, apiKey: "upstream-key", maxRetries: 0 }),
    ids: { file: "", batch: "", messages: "" },
  };
  const played: [string, Omit<Outcome, "request">][] = [];
  for (const one of LINES) for (const how of ["answered", ...(hasEnds(one) ? (["refused", "left"] as const) : [])] as const) played.push([`${one.name} ${how}`, await play(one, how)]);
  for (const at of [O, A]) await fleet.script(at, []);
  const requests = await gateway.requests();
  assert.equal(requests.length, played.length, "a record for each call");
  played.forEach(([key, outcome], i) => outcomes.set(key, { ...outcome, request: () => requests[i] as RequestView }));
});
after(async () => {
  await gateway.close();
  await fleet.close();
});

/** Variants of an endpoint have the same errors as its first line. */
function hasEnds(one: Line): boolean {
  return LINES.find((other) => other.surface === one.surface && other.at === one.at && other.kept === one.kept) === one || one.kept === true;
}

function outcomeOf(one: Line, how: How): Outcome {
  const found = outcomes.get(`${one.name} ${how}`);
  assert.ok(found);
  return found;
}

/** The row in the ledger holds what the provider bills: the tokens, the pieces, and the money. */
function billed(one: Line, how: How, { bill, request }: Outcome): void {
  const { record, attempts } = request();
  const [attempt] = attempts;
  assert.deepEqual([record?.surface, attempts.length, attempt?.deployment.split("/")[0]], [one.surface, 1, one.at]);
  const tokens: ReadonlySet<string> = new Set([...INPUT_UNITS, ...OUTPUT_UNITS]);
  const sum = (units: readonly Unit[]): number => units.reduce((total, unit) => total + (attempt?.units[unit] ?? 0), 0);
  assert.deepEqual([sum(INPUT_UNITS), sum(OUTPUT_UNITS)], [bill.input_tokens, bill.output_tokens]);
  const pieces = Object.fromEntries(Object.entries(attempt?.units ?? {}).filter(([unit]) => !tokens.has(unit)));
  if (one.kept === true) {
    assert.deepEqual([attempt?.state, attempt?.costNanoUsd], HELD[one.name]?.[how] ?? ["unmetered", null]);
    return;
  }
  assert.deepEqual(pieces, bill.units ?? {});
  assert.equal(attempt?.costNanoUsd, bill.cost_nano_usd);
}

for (const one of LINES) {
  describe(one.name, () => {
    it("answers, and its row equals the bill", async () => {
      const outcome = outcomeOf(one, "answered");
      assert.equal(outcome.problem, null, String(outcome.problem));
      await one.check(outcome.answer as never, clients);
      const { record } = outcome.request();
      assert.equal(record?.outcome, "ok");
      if (one.kept === true) assert.deepEqual(record?.flags, [one.name in HELD ? "held" : "unmetered_batch"]);
      billed(one, "answered", outcome);
    });
    if (!hasEnds(one)) return;

    it("tells the provider's refusal in its own form, which costs nothing", () => {
      const outcome = outcomeOf(one, "refused");
      const { problem } = outcome;
      if (problem instanceof OpenAI.BadRequestError) assert.deepEqual([problem.status, problem.code, problem.param, problem.message.includes(WORDS)], [400, "bad_cat", "input", true]);
      else if (problem instanceof Anthropic.BadRequestError) assert.deepEqual([problem.status, problem.type, problem.message.includes(WORDS)], [400, "invalid_request_error", true]);
      else if (problem instanceof CohereError) assert.deepEqual([problem.statusCode, (problem.body as { message?: string }).message], [400, WORDS]);
      else if (problem instanceof ApiError) assert.deepEqual([problem.status, (JSON.parse(problem.message) as { error: { message: string } }).error.message], [400, WORDS]);
      else assert.fail(`no error of the SDK: ${String(problem)}`);
      assert.equal(outcome.request().record?.status, 400);
      billed(one, "refused", outcome);
    });

    it("is left by its client: the provider sees it, nobody is blamed, and what it bills is booked", () => {
      const outcome = outcomeOf(one, "left");
      assert.notEqual(outcome.problem, null);
      assert.deepEqual([outcome.bill.outcome, outcome.request().record?.outcome, outcome.request().record?.status], ["client_gone", "client_gone", 499]);
      billed(one, "left", outcome);
    });
  });
}

it("no provider rests after all this", async () => {
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  assert.match(metrics, /^spillway_resting_deployments 0$/m);
});

it("no caller's key went upstream", () => {
  assert.ok(!JSON.stringify(fleet.calls()).includes(CALLER_KEY));
});
