import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Pricing } from "../decide/deployment.ts";
import { plainSheet } from "../decide/price-at.ts";
import type { HttpMethod, OwnedName, PassName } from "../wire/surfaces.ts";
import type { UnitPrices } from "../wire/facts.ts";
import { serveEmbeddings } from "./embeddings.ts";
import { serveOwned } from "./owned.ts";
import { servePass } from "./pass-endpoint.ts";
import { flush } from "./test-clock.ts";
import { Asked, assertBooksAgree, deploymentOf, World } from "./test-world.ts";

/** USD each. */
const by = (prices: { readonly [U in keyof UnitPrices]: number }): Pricing => ({
  kind: "sheet",
  sheet: plainSheet("test", Object.fromEntries(Object.entries(prices).map(([unit, usd]) => [unit, Math.round((usd ?? 0) * 1e12)]))),
});
const JSON_TYPE = "application/json";
const FORM_TYPE = "multipart/form-data; boundary=XX";
const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const textOf = (bytes: unknown): string => String.fromCharCode(...(bytes as Uint8Array));

interface PassAsk {
  readonly body?: object | string;
  readonly type?: string;
  readonly model?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: HttpMethod;
  readonly id?: string;
  readonly query?: string;
}

async function ask(world: World, name: PassName | OwnedName | "embeddings", { body, type = JSON_TYPE, model, headers = {}, method, id, query = "" }: PassAsk): Promise<Asked> {
  const asked = new Asked(world.deps.ids.requestId(), (event) => void world.events.push(event));
  const inbound = {
    requestId: asked.requestId,
    caller: { tenant: "default", key: "app", scopes: ["tenant/default", "key/app"] },
    body: body === undefined ? new Uint8Array(0) : bytesOf(typeof body === "string" ? body : JSON.stringify(body)),
    asked: { surface: name, model, stream: undefined, query, ...(method === undefined ? {} : { method }), ...(id === undefined ? {} : { id }) },
    header: (header: string) => (header === "content-type" && body !== undefined ? type : headers[header]),
    reply: asked.reply,
    done: () => void (asked.done = true),
    snapshot: { ...world.snapshot, directory: { ...world.snapshot.directory, keepers: () => [deploymentOf({ name: "a", pricing: { kind: "unmetered" } })] } },
  };
  if (name === "embeddings") asked.exchange = serveEmbeddings(world.deps, inbound);
  if (name === "embeddings") return asked;
  const owned = name.startsWith("file") || name.startsWith("batch") ? name !== "batch-embed-contents" : false;
  asked.exchange = owned ? serveOwned(world.deps, inbound, name as OwnedName) : servePass(world.deps, inbound, name as PassName);
  await flush();
  return asked;
}

const IMAGE = { created: 1, data: [{ url: "x" }, { url: "y" }] };
const other = { type: "other" as const };

describe("an endpoint that is no chat", () => {
  it("fails over before its answer, only to who serves it, and books every call", async () => {
    const world = new World({ candidates: [{ name: "a", provider: { dialect: "anthropic-messages" }, model: other }, { name: "b", model: other, pricing: by({ images: 0.04 }) }, { name: "c", model: other, pricing: by({ images: 0.05 }) }] });
    const asked = await ask(world, "image-generations", { body: { model: "r", prompt: "cat", n: 2, quality: "high" } });
    world.call("b").refuse(503);
    await flush();
    world.call("c").json(IMAGE);
    await flush();
    assert.equal(world.called, "b c");
    assert.equal(asked.reply.status, 200);
    assert.equal(asked.reply.text, JSON.stringify(IMAGE));
    assert.equal(asked.reply.header("x-spillway-cost-usd"), "0.100000000");
    assert.equal(asked.reply.header("x-spillway-warning"), "the cost bound does not cover: quality");
    assert.equal(world.booked, "b:unbilled/overload c:charged/answered");
    assert.deepEqual([world.record.surface, world.record.units, world.record.costNanoUsd], ["image-generations", { images: 2 }, 100_000_000]);
    assert.equal(world.ledger.holds[0]?.boundNanoUsd, 100_000_000, "the hold bounds the dearest step");
    assertBooksAgree(world);
  });

  it("says so where nobody of the route serves it", async () => {
    const world = new World({ candidates: [{ name: "a", provider: { dialect: "gemini" } }] });
    const asked = await ask(world, "audio-speech", { body: { model: "r", input: "hi", voice: "v" } });
    assert.deepEqual([asked.reply.status, asked.reply.json.error.code, asked.reply.json.error.param], [400, "unsupported_parameter", "model"]);
    assert.match(asked.reply.json.error.message, /a\/m does not serve audio speech/);
  });

  it("is refused with a model that is for something else", async () => {
    const world = new World({ candidates: ["a"] });
    const asked = await ask(world, "embed-v2", { body: { model: "r", texts: ["x"] } });
    assert.deepEqual([asked.reply.status, world.called], [400, ""]);
  });

  it("reaches the provider byte for byte but for the model and our own field", async () => {
    const world = new World({ candidates: ["a"] });
    const sent = `{ "spillway":{"x":1}, "input" : "h\\u0061te" ,"new_field":1.0e2,"model":"r" }`;
    await ask(world, "moderations", { body: sent, headers: { "openai-beta": "x=1", cookie: "secret" } });
    const { request } = world.call("a");
    assert.equal(textOf(request.body), `{ "input" : "h\\u0061te" ,"new_field":1.0e2,"model":"m" }`);
    assert.equal(`${request.method} ${request.path}`, "POST /v1/moderations");
    assert.ok(request.headers.includes("openai-beta") && !request.headers.includes("cookie"));
  });

  it("is asked for the model of the path where the body has none; a default that stands is not written", async () => {
    const world = new World({ candidates: ["a"] });
    await ask(world, "image-generations", { body: `{"prompt":"x"}`, model: "r" });
    assert.equal(textOf(world.call("a").request.body), `{"model":"m","prompt":"x"}`);
    await ask(world, "image-generations", { body: "{ }", model: "r" });
    assert.equal(textOf(world.call("a").request.body), `{"model":"m" }`);
    const none = await ask(world, "image-generations", { body: "{}" });
    assert.deepEqual([none.reply.status, none.reply.json.error.code, none.reply.json.error.param], [400, "missing_field", "model"]);
    const moderated = await ask(world, "moderations", { body: `{"input":"x"}` });
    assert.match(moderated.reply.json.error.message, /omni-moderation-latest/);
  });

  it("embeddings too take the model of the path", async () => {
    const world = new World({ candidates: [{ name: "a", model: { type: "embedding" } }] });
    await ask(world, "embeddings", { body: `{"input":"x"}`, model: "r" });
    await flush();
    assert.equal(textOf(world.call("a").request.body), `{"model":"m","input":"x"}`);
  });

  it("names the model wherever a protocol repeats it", async () => {
    const world = new World({ candidates: [{ name: "a", provider: { dialect: "gemini" }, model: { type: "embedding" } }] });
    await ask(world, "batch-embed-contents", { model: "r", body: `{"requests":[{"model":"models/r","content":{"parts":[{"text":"\\"model\\":1"}]}}, {"content":{},"model" : "models/r"},{"content":{}}]}` });
    const { request } = world.call("a");
    assert.equal(request.path, "/v1/models/m:batchEmbedContents");
    assert.equal(textOf(request.body), `{"requests":[{"model":"models/m","content":{"parts":[{"text":"\\"model\\":1"}]}}, {"content":{},"model" : "models/m"},{"content":{}}]}`);
  });

  for (const [what, body] of [["a field", `{"model":"r","n":1,"n":9}`], ["an escaped field", `{"model":"r","mod\\u0065l":"x"}`]] as const) {
    it(`is refused with ${what} twice`, async () => {
      const world = new World({ candidates: ["a"] });
      const asked = await ask(world, "image-generations", { body });
      assert.deepEqual([asked.reply.status, asked.reply.json.error.code, world.called], [400, "duplicate_field", ""]);
    });
  }

  it("is no answer with fewer vectors than texts, or as a page of another type", async () => {
    const place = { provider: { dialect: "cohere-v2" as const }, model: { type: "embedding" as const } };
    const world = new World({ candidates: [{ name: "a", ...place }, { name: "b", ...place }, { name: "c", ...place }] });
    const asked = await ask(world, "embed-v2", { body: { model: "r", texts: ["x", "y"] } });
    world.call("a").json({ embeddings: { float: [[1]] } });
    await flush();
    world.call("b").head(200, { "content-type": "text/html" });
    await flush();
    world.call("c").json({ embeddings: { float: [[1], [2]] }, meta: { billed_units: { input_tokens: 5 } } });
    await flush();
    assert.deepEqual([asked.reply.status, world.record.attempts.map((one) => one.outcome)], [200, ["truncated", "malformed", "answered"]]);
  });

  it("tells its errors in its own form", async () => {
    const world = new World({ candidates: ["a"] });
    const rerank = await ask(world, "rerank-v2", { body: { model: "nobody" } });
    assert.match((JSON.parse(rerank.reply.text) as { message: string }).message, /nobody/);
    const google = await ask(world, "embed-content", { model: "nobody", body: {} });
    assert.equal((JSON.parse(google.reply.text) as { error: { status: string } }).error.status, "NOT_FOUND");
  });
});

describe("a form", () => {
  const FILE = "\x00\x01\r\n--X\r\n\xff";
  const form = (...fields: readonly string[]): string =>
    `${fields.map((field) => `--XX\r\nContent-Disposition: form-data; ${field}\r\n`).join("")}--XX\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n${FILE}\r\n--XX--\r\n`;
  const MODEL = 'name="model"\r\n\r\nr';

  it("passes byte for byte with the model's name changed", async () => {
    const world = new World({ candidates: ["a"] });
    await ask(world, "audio-transcriptions", { type: FORM_TYPE, body: form('name="language"\r\n\r\nen', MODEL, 'name="timestamp_granularities[]"\r\n\r\nword', 'name="timestamp_granularities[]"\r\n\r\nsegment') });
    const { request } = world.call("a");
    assert.equal(textOf(request.body), form('name="language"\r\n\r\nen', 'name="model"\r\n\r\nm', 'name="timestamp_granularities[]"\r\n\r\nword', 'name="timestamp_granularities[]"\r\n\r\nsegment'));
    assert.equal(request.headers[request.headers.indexOf("content-type") + 1], FORM_TYPE);
    assert.equal(request.path, "/v1/audio/transcriptions");
  });

  it("gets the path's model where it has none", async () => {
    const world = new World({ candidates: ["a"] });
    await ask(world, "audio-transcriptions", { type: FORM_TYPE, model: "r", body: form() });
    assert.equal(textOf(world.call("a").request.body), form('name="model"\r\n\r\nm'));
  });

  for (const [what, body, code] of [
    ["the model twice", form(MODEL, MODEL), "duplicate_field"],
    ["the model twice, once as a file", form(MODEL, 'name=model; filename="m"\r\n\r\nother'), "duplicate_field"],
    ["a model that is no text", form('name="model"\r\n\r\n\xff'), "invalid_type"],
    ["no end", form(MODEL).slice(0, -10), "invalid_body"],
    ["nothing in it", "", "invalid_body"],
  ] as const) {
    it(`is refused with ${what}`, async () => {
      const world = new World({ candidates: ["a"] });
      const asked = await ask(world, "audio-transcriptions", { type: FORM_TYPE, body });
      assert.deepEqual([asked.reply.status, asked.reply.json.error.code, world.called], [400, code, ""]);
    });
  }

  it("whose answer never tells how long its audio was is charged a flagged guess, and never nothing", async () => {
    const world = new World({ candidates: [{ name: "a", pricing: by({ seconds: 0.0001 }) }] });
    const asked = await ask(world, "audio-transcriptions", { type: FORM_TYPE, body: form(MODEL, 'name="response_format"\r\n\r\ntext') });
    world.call("a").head(200, { "content-type": "text/plain; charset=utf-8" }).bytes("hello\n").end();
    await flush();
    assert.deepEqual([asked.reply.text, asked.reply.header("content-type")], ["hello\n", "text/plain; charset=utf-8"]);
    assert.deepEqual([world.record.units, world.record.costNanoUsd, world.record.flags], [{ seconds: 1 }, 100_000, ["estimated", "usage_missing"]]);
    assert.equal(world.booked, "a:estimated/answered");
  });
});

describe("the bound of a call that is no chat", () => {
  /** A dollar for a million tokens read or written: a bound of as many thousand nano-dollars. */
  const place = { pricing: by({ input: 1e-6, output: 1e-6 }), model: { contextWindow: 1_000, maxOutput: 500 } };
  const bound = async (name: PassName | "embeddings", body: object, more: object = {}, model?: string): Promise<number | null | undefined> => {
    const world = new World({ candidates: [{ name: "a", ...place, ...more }] });
    await ask(world, name, { body: { ...(model === undefined ? { model: "r" } : {}), ...body }, ...(model === undefined ? {} : { model }) });
    await flush();
    const nanoUsd = world.ledger.holds[0]?.boundNanoUsd;
    return typeof nanoUsd === "number" ? nanoUsd / 1_000 : nanoUsd;
  };
  const embedding = { model: { ...place.model, type: "embedding" as const } };

  it("counts every image at the model's maximum, and every answer at its longest", async () => {
    const one = (await bound("image-generations", { prompt: "x" })) ?? 0;
    assert.equal(await bound("image-generations", { prompt: "x", n: 3 }), one + 2 * (500 + 32) + `,"n":3`.length);
    assert.equal(await bound("image-edits", { prompt: "x", images: [{ image_url: "y" }] }), one + 2 * 6_240 + `,"images":[{"image_url":"y"}]`.length);
  });

  it("counts what has no known size as a whole window, of each thing that is read by itself", async () => {
    const gemini = { provider: { dialect: "gemini" as const }, ...embedding };
    const file = { content: { parts: [{ fileData: { fileUri: "x" } }] } };
    assert.equal(await bound("embed-content", file, gemini, "r"), 1_000);
    assert.equal(await bound("batch-embed-contents", { requests: [file, file, { content: { parts: [{ text: "x" }] } }] }, gemini, "r"), 3_000);
    assert.equal(await bound("moderations", { input: [{ type: "video_url", video_url: "x" }] }, { pricing: by({ input: 1e-6 }) }), 1_000);
    assert.equal(await bound("embed-content", file, { ...gemini, model: { ...embedding.model, contextWindow: null } }, "r"), null, "unknown is not zero");
  });

  it("counts a query once for each document", async () => {
    const once = (await bound("rerank", { query: "q".repeat(100), documents: ["d"] })) ?? 0;
    assert.equal(await bound("rerank", { query: "q".repeat(100), documents: ["d", "d"] }), once + 100 + 32 + `,"d"`.length);
  });

  it("counts a host's own prompt with each input of embeddings", async () => {
    const one = (await bound("embeddings", { input: ["a", "b"] }, embedding)) ?? 0;
    assert.equal(await bound("embeddings", { input: ["a", "b"], instruction: "x" }, embedding), one + 2 * `{"instruction":"x"}`.length);
  });
});

describe("an answer in bytes", () => {
  const SPEECH = { model: "r", input: "hello", voice: "v" };
  const speech = (more: object = {}) => ({ body: { ...SPEECH, ...more } });
  const world = (): World => new World({ candidates: [{ name: "a", pricing: by({ characters: 0.00001 }) }, { name: "b", pricing: by({ characters: 0.00002 }) }] });

  it("streams as it comes, its type told on, its last byte after the charge", async () => {
    const one = world();
    const asked = await ask(one, "audio-speech", speech());
    one.call("a").head(200, { "content-type": "audio/mpeg" }).bytes("abc");
    assert.deepEqual([asked.reply.text, asked.reply.header("content-type")], ["ab", "audio/mpeg"]);
    one.call("a").bytes("def");
    assert.equal(asked.reply.text, "abcde");
    one.call("a").end();
    await flush();
    assert.deepEqual([asked.reply.text, asked.reply.ended], ["abcdef", true]);
    assert.deepEqual([one.record.units, one.record.costNanoUsd, one.record.flags], [{ characters: 5 }, 50_000, []]);
    assertBooksAgree(one);
  });

  it("that breaks in the middle is broken off, never quietly ended, and charged as a guess", async () => {
    const one = world();
    const asked = await ask(one, "audio-speech", speech());
    one.call("a").head(200, { "content-type": "audio/mpeg" }).bytes("abc").fail();
    await flush();
    assert.deepEqual([asked.reply.destroyed, asked.reply.ended, one.called], [true, false, "a"]);
    assert.deepEqual([one.record.outcome, one.booked, one.record.costNanoUsd], ["error_after_content", "a:estimated/network", 50_000]);
  });

  it("fails over while nothing has come: an empty one, and one of a type that is none", async () => {
    const one = world();
    const asked = await ask(one, "audio-speech", speech());
    one.call("a").head(200, { "content-type": "audio/mpeg" }).end();
    await flush();
    one.call("b").head(200, { "content-type": "audio/wav" }).bytes("xyz").end();
    await flush();
    assert.deepEqual([asked.reply.text, asked.reply.header("x-spillway-deployment"), one.record.attempts.map((attempt) => attempt.outcome)], ["xyz", "b/m", ["empty", "answered"]]);
  });

  it("sends no sign of life before it, since none is safe inside of it", async () => {
    const one = world();
    const asked = await ask(one, "audio-speech", speech());
    await one.pass(20_000);
    assert.equal(asked.reply.heads, 0);
    asked.reply.leave();
    await flush();
    assert.equal(one.booked, "a:estimated/client_gone");
    assert.deepEqual(one.record.units, { characters: 5 }, "the provider bills what was asked");
  });

  it("comes as events where they are asked, with the usage that they tell", async () => {
    const one = new World({ candidates: [{ name: "a", pricing: by({ input: 0.000001, audio_output: 0.00001 }) }] });
    const asked = await ask(one, "audio-speech", speech({ stream_format: "sse" }));
    one.call("a").stream('data: {"type":"speech.audio.delta","audio":"YQ=="}\n\n', 'data: {"type":"speech.audio.done","usage":{"input_tokens":2,"output_tokens":7}}\n\n').end();
    await flush();
    assert.match(asked.reply.text, /delta[\s\S]*done/);
    assert.deepEqual([one.record.units, one.record.costNanoUsd], [{ input: 2, audio_output: 7 }, 72_000]);
  });
});

describe("a stream of images", () => {
  it("that breaks after its first part ends with the typed error", async () => {
    const world = new World({ candidates: ["a", "b"] });
    const asked = await ask(world, "image-generations", { body: { model: "r", prompt: "x", stream: true } });
    world.call("a").stream('data: {"type":"image_generation.partial_image"}\n\n').end();
    await flush();
    assert.equal(asked.reply.frames.at(-1)?.error?.code, "upstream_truncated");
    assert.equal(world.called, "a");
  });
});

describe("files and batches", () => {
  it("are asked of the account that the id names, by the provider's own id; answers name the account", async () => {
    const world = new World({ candidates: ["b"] });
    const asked = await ask(world, "file", { method: "GET", id: "file-1@a", query: "key=secret&x=1" });
    const { request } = world.call("a");
    assert.equal(`${request.method} ${request.path} ${String(request.body)}`, "GET /v1/files/file-1?x=1 null");
    world.call("a").json({ id: "file-1", object: "file" });
    await flush();
    assert.equal(asked.reply.text, `{"id":"file-1@a","object":"file"}`);
    assert.deepEqual([world.record.surface, world.record.costNanoUsd, world.record.flags], ["file", null, ["unmetered_batch"]]);
  });

  it("a batch goes where its file is, under the file's own id", async () => {
    const world = new World({ candidates: ["b"] });
    await ask(world, "batches", { method: "POST", body: `{"input_file_id":"file-1@a", "endpoint":"/v1/embeddings"}`, headers: { "x-spillway-account": "zz" } });
    assert.equal(textOf(world.call("a").request.body), `{"input_file_id":"file-1", "endpoint":"/v1/embeddings"}`);
  });

  it("a page of a list begins after an id of ours", async () => {
    const world = new World({ candidates: ["b"] });
    const asked = await ask(world, "files", { method: "GET", query: "after=file-1%40a&limit=2" });
    assert.equal(world.call("a").request.path, "/v1/files?after=file-1&limit=2");
    world.call("a").json({ object: "list", data: [{ id: "file-2" }], has_more: false });
    await flush();
    assert.match(asked.reply.text, /"file-2@a"/);
  });

  it("a batch is never made twice: what may have arrived is not sent again", async () => {
    const world = new World({ candidates: ["b"] });
    const asked = await ask(world, "batches", { method: "POST", body: { input_file_id: "file-1@a" } });
    world.call("a").refuse(500);
    await world.pass(3_000);
    assert.deepEqual([world.called, asked.reply.status], ["a", 502]);
    world.upstream.connects = false;
    await ask(world, "batches", { method: "POST", body: { input_file_id: "file-1@a" } });
    world.call("a").fail("refused", false);
    await world.pass(3_000);
    assert.equal(world.called, "a a a", "what never left may be sent again");
  });

  it("a file that is not there is the caller's 404, and takes nobody out", async () => {
    const world = new World({ candidates: ["b"] });
    const asked = await ask(world, "file", { method: "GET", id: "file-9@a" });
    world.call("a").refuse(404, "No such File object: file-9");
    await flush();
    assert.deepEqual([asked.reply.status, asked.reply.json.error.message], [404, "No such File object: file-9"]);
    assert.equal(world.health.view("a/m", "a", "files", world.clock.nowMs()).excluded, null);
    const nowhere = await ask(world, "file", { method: "GET", id: "file-9@zz" });
    assert.deepEqual([nowhere.reply.status, nowhere.reply.json.error.code], [404, "unknown_id"]);
  });

  it("the content of a file streams whatever its type, and may be empty", async () => {
    const world = new World({ candidates: ["b"] });
    const asked = await ask(world, "file-content", { method: "GET", id: "file-1@a" });
    world.call("a").head(200, { "content-type": "application/json" }).bytes("{}\n").bytes("{}").end();
    await flush();
    assert.deepEqual([asked.reply.text, asked.reply.header("content-type")], ["{}\n{}", "application/json"]);
    const empty = await ask(world, "file-content", { method: "GET", id: "file-2@a" });
    world.call("a").head(200, { "content-type": "text/plain" }).end();
    await flush();
    assert.deepEqual([empty.reply.status, empty.reply.text, empty.reply.ended], [200, "", true]);
  });
});
