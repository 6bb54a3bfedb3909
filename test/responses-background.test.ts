/** Responses that are made in the background: polled, followed, called off, forgotten, lost with their process; over providers of every dialect. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import OpenAI, { APIError } from "openai";
import type { Response as OpenAiResponse, ResponseStreamEvent } from "openai/resources/responses/responses";
import { startFleet, type Fleet } from "../src/fleet/index.ts";
import { descriptionAbsent } from "../src/providers/dialects/openai/test-schemas.ts";
import { framesOf, openResponsesAbsent, type Frame } from "../src/providers/dialects/responses/test-client.ts";
import { member, type Json } from "../src/wire/json.ts";
import { checkResponse, checkStream } from "./open-responses/checks.ts";
import { childGateway, testGateway, type TestGateway } from "./support/gateway.ts";
import { responsesUpstream, type ResponsesUpstream } from "./support/responses-upstream.ts";

const KEYS = { app: "caller-key-of-the-app", web: "caller-key-of-the-web" };
const DIALECTS = { o: "openai-chat", a: "anthropic-messages", g: "gemini" } as const;
const NAMES = Object.keys(DIALECTS) as readonly (keyof typeof DIALECTS)[];
const TYPES = { o: "openai-compatible", a: "anthropic", g: "google" } as const;

let fleet: Fleet;
let speaks: ResponsesUpstream;
before(async () => {
  const price = { input: 1, output: 2 };
  // `slow` takes some 5 seconds, `endless` far more than any test.
  const models = { chat: price, slow: { ...price, token_rate: 40, tokens_out: 20 }, endless: { ...price, token_rate: 40, tokens_out: 100_000 }, silent: { ...price, first_token: 600_000 }, busy: price, broken: price };
  const script = [
    { match: { model: "busy" }, fault: { kind: "status" as const, status: 503 } },
    { match: { model: "broken" }, fault: { kind: "cut_reset" as const, after: 3 } },
  ];
  fleet = await startFleet({ seed: 3, providers: NAMES.map((name) => ({ name, dialect: DIALECTS[name], models, tokens_out: 5, script })) });
  speaks = await responsesUpstream("one");
});
after(async () => {
  await fleet.close();
  await speaks.close();
});

const MODELS = ["chat", "slow", "endless", "silent", "busy", "broken"].map((model) => `${model}: { price: { input: 1, output: 2 } }`).join(", ");
const account = (name: string, type: string, baseUrl: string, more = ""): string => `  ${name}: { type: ${type}, base_url: "${baseUrl}", api_key: an-upstream-key${more}, models: { ${MODELS} } }\n`;

function config(more = ""): string {
  return [
    "version: 1\nfallbacks: off\nhealth: { rest: 50ms, rest_max: 50ms }\n",
    `keys: [{ name: app, key: ${KEYS.app} }, { name: web, key: ${KEYS.web} }]\n`,
    "providers:\n",
    ...NAMES.map((name) => account(name, TYPES[name], fleet.provider(name).baseUrl)),
    account("one", "openai", speaks.baseUrl, ", api: responses"),
    "routes: { safe: { candidates: [o/busy, a/chat] } }\n",
    more,
  ].join("");
}

const client = (gateway: { readonly baseUrl: string }, key: keyof typeof KEYS = "app"): OpenAI => new OpenAI({ baseURL: gateway.baseUrl, apiKey: KEYS[key], maxRetries: 0 });
const refused = (status: number, code: string, words = /./) => (error: unknown) => {
  assert.ok(error instanceof APIError, String(error));
  assert.deepEqual([error.status, error.code], [status, code]);
  assert.match(error.message, words);
  return true;
};

async function until(openai: OpenAI, id: string, ended: (response: OpenAiResponse) => boolean = ({ status }) => status !== "queued" && status !== "in_progress"): Promise<OpenAiResponse> {
  for (;;) {
    const response = await openai.responses.retrieve(id);
    if (ended(response)) return response;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Calls that the providers have seen so far. */
const sent = (provider: string): number => fleet.calls().filter((call) => call.provider === provider).length;

async function whenSent(provider: string, count: number): Promise<void> {
  while (sent(provider) < count) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("a response in the background", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await testGateway(config());
  });
  after(() => gateway.close());

  for (const name of NAMES) {
    it(`is queued at once, polled until it is completed, and billed as any other (${DIALECTS[name]})`, async () => {
      const openai = client(gateway);
      const { data: queued, response: head } = await openai.responses.create({ model: `${name}/chat`, input: "the question", background: true, metadata: { run: "7" } }).withResponse();
      assert.deepEqual([queued.status, queued.background, queued.output, queued.metadata, head.headers.get("x-spillway-route")], ["queued", true, [], { run: "7" }, `${name}/chat`]);
      const { data: done, response: polled } = await (async () => {
        await until(openai, queued.id);
        return openai.responses.retrieve(queued.id).withResponse();
      })();
      assert.deepEqual([done.status, done.id, done.background, done.created_at, done.metadata], ["completed", queued.id, true, queued.created_at, { run: "7" }]);
      assert.ok(done.output_text.length > 0);
      assert.ok((done.completed_at ?? 0) >= done.created_at);
      assert.deepEqual([polled.headers.get("x-spillway-deployment"), polled.headers.get("x-spillway-attempts")], [`${name}/chat`, "1"]);
      const row = (await gateway.requests()).at(-1);
      const bill = fleet.bill().findLast((line) => line.provider === name);
      assert.equal(row?.record?.outcome, "ok");
      assert.deepEqual(row?.attempts.map((attempt) => attempt.costNanoUsd), [bill?.cost_nano_usd]);
      assert.equal(Number(polled.headers.get("x-spillway-cost-usd")), (bill?.cost_nano_usd ?? 0) / 1e9);
      const listed = await openai.responses.inputItems.list(queued.id);
      assert.ok(JSON.stringify(listed.data).includes("the question"));
    });
  }

  it("is valid by both descriptions, at each of its stages", { skip: descriptionAbsent || openResponsesAbsent }, async () => {
    const openai = client(gateway);
    const raw = (response: OpenAiResponse): Json => {
      const { output_text: _, ...told } = response as OpenAiResponse & { output_text: string };
      return JSON.parse(JSON.stringify(told)) as Json;
    };
    const queued = await openai.responses.create({ model: "a/endless", input: "x", background: true });
    checkResponse(raw(queued));
    checkResponse(raw(await openai.responses.retrieve(queued.id)));
    checkResponse(raw(await openai.responses.cancel(queued.id)));
    checkResponse(raw(await until(openai, (await openai.responses.create({ model: "o/chat", input: "x", background: true })).id)));
    checkResponse(raw(await until(openai, (await openai.responses.create({ model: "o/busy", input: "x", background: true })).id)));
  });

  it("is told under our id where the provider speaks the protocol itself, and the provider is asked for no background", async () => {
    const openai = client(gateway);
    const queued = await openai.responses.create({ model: "one/chat", input: "the question", background: true });
    const done = await until(openai, queued.id);
    assert.deepEqual([done.status, done.id, done.background], ["completed", queued.id, true]);
    const asked = JSON.parse(speaks.bodies.at(-1)?.text ?? "{}") as Record<string, unknown>;
    assert.deepEqual(asked, { model: "chat", input: "the question", stream: true });
    const next = await openai.responses.create({ model: "one/chat", input: "and on", previous_response_id: queued.id });
    assert.equal(next.status, "completed");
    assert.ok(speaks.bodies.at(-1)?.text.includes(done.output_text));
  });

  it("fails over before there is content, and says which deployment answered", async () => {
    const openai = client(gateway);
    const { id } = await openai.responses.create({ model: "safe", input: "x", background: true });
    assert.equal((await until(openai, id)).status, "completed");
    const { response } = await openai.responses.retrieve(id).withResponse();
    assert.deepEqual([response.headers.get("x-spillway-deployment"), response.headers.get("x-spillway-attempts")], ["a/chat", "2"]);
  });

  it("that comes to nothing has failed, with the error in it", async () => {
    const openai = client(gateway);
    for (const model of ["busy", "broken"]) {
      const { id } = await openai.responses.create({ model: `o/${model}`, input: "x", background: true });
      const failed = await until(openai, id);
      assert.deepEqual([failed.status, failed.error?.code, failed.completed_at], ["failed", "server_error", null]);
      assert.ok((failed.error?.message ?? "").length > 10);
      await assert.rejects(openai.responses.create({ model: "o/chat", input: "x", previous_response_id: id }), refused(400, "previous_response_not_found", /it failed/i));
    }
  });

  it("is refused at once where nothing has to be called to know it", async () => {
    const openai = client(gateway);
    await assert.rejects(openai.responses.create({ model: "nothing", input: "x", background: true }), refused(404, "unknown_model"));
    await assert.rejects(openai.responses.create({ model: "o/chat", input: 7 as unknown as string, background: true }), refused(400, "invalid_type"));
    await assert.rejects(openai.responses.create({ model: "o/chat", input: "x", prompt: { id: "p" }, background: true }), refused(400, "unsupported_parameter", /stored prompt/));
    await assert.rejects(openai.responses.create({ model: "o/chat", input: "x", background: true, store: false }), refused(400, "unsupported_parameter", /store/));
    await assert.rejects(openai.responses.create({ model: "o/chat", input: "x", background: true, previous_response_id: "resp_never" }), refused(400, "previous_response_not_found"));
    await assert.rejects(openai.responses.create({ model: "o/chat", input: "x", background: "yes" as unknown as boolean }), refused(400, "invalid_type"));
  });

  it("is called off: the provider's call is aborted and booked, what is kept says cancelled, and to do it twice changes nothing", async () => {
    const openai = client(gateway);
    for (const model of ["o/endless", "a/silent"]) {
      const provider = model.slice(0, 1);
      const before = sent(provider);
      const { id } = await openai.responses.create({ model, input: "x", background: true });
      await whenSent(provider, before + 1);
      assert.equal((await openai.responses.retrieve(id)).status, "in_progress");
      const cancelled = await openai.responses.cancel(id);
      assert.deepEqual([cancelled.id, cancelled.status, cancelled.output, cancelled.error], [id, "cancelled", [], null]);
      assert.equal((await openai.responses.cancel(id)).status, "cancelled");
      assert.equal((await openai.responses.retrieve(id)).status, "cancelled");
      const row = (await gateway.requests()).at(-1);
      assert.deepEqual([row?.record?.outcome, row?.attempts.length, row?.attempts[0]?.state], ["client_gone", 1, "estimated"]);
      await assert.rejects(openai.responses.create({ model: "o/chat", input: "x", previous_response_id: id }), refused(400, "previous_response_not_found", /cancelled/));
    }
  });

  it("cannot be called off when it has ended, nor if it was not made in the background", async () => {
    const openai = client(gateway);
    const done = await openai.responses.create({ model: "o/chat", input: "x", background: true });
    await until(openai, done.id);
    await assert.rejects(openai.responses.cancel(done.id), refused(400, "not_cancellable", /Cannot cancel a completed response/));
    const whole = await openai.responses.create({ model: "o/chat", input: "x" });
    await assert.rejects(openai.responses.cancel(whole.id), refused(400, "not_cancellable", /Cannot cancel a synchronous response/));
  });

  it("is aborted when it is forgotten, and gone", async () => {
    const openai = client(gateway);
    const before = sent("g");
    const { id } = await openai.responses.create({ model: "g/endless", input: "x", background: true });
    await whenSent("g", before + 1);
    await openai.responses.delete(id);
    await assert.rejects(openai.responses.retrieve(id), refused(404, "response_not_found"));
    // Waits until nothing is in flight.
    assert.equal((await gateway.requests()).at(-1)?.record?.outcome, "client_gone");
    await assert.rejects(openai.responses.retrieve(id), refused(404, "response_not_found"), "nothing was kept of it afterwards");
  });

  it("is nobody else's", async () => {
    const openai = client(gateway);
    const { id } = await openai.responses.create({ model: "o/endless", input: "mine", background: true });
    const other = client(gateway, "web");
    for (const ask of [() => other.responses.retrieve(id), () => other.responses.cancel(id), () => other.responses.delete(id)]) await assert.rejects(ask(), refused(404, "response_not_found"));
    assert.equal((await openai.responses.retrieve(id)).status, "in_progress");
    await assert.rejects(openai.responses.create({ model: "o/chat", input: "x", previous_response_id: id }), refused(400, "previous_response_not_found", /still being made/));
    await openai.responses.cancel(id);
  });

  it("is not made where nothing is kept", async () => {
    const off = await testGateway(config("responses: { store: off }\n"));
    try {
      await assert.rejects(client(off).responses.create({ model: "o/chat", input: "x", background: true }), refused(400, "unsupported_parameter", /responses.store: off/));
    } finally {
      await off.close();
    }
  });

  it("is one of 200 at once; the next is refused for now, and taken when one has ended", async () => {
    const openai = client(gateway);
    const made = await Promise.all(Array.from({ length: 200 }, () => openai.responses.create({ model: "g/silent", input: "x", background: true })));
    await assert.rejects(openai.responses.create({ model: "g/silent", input: "x", background: true }), (error: unknown) => {
      assert.ok(refused(503, "too_many_requests_in_flight")(error));
      assert.ok(Number((error as APIError).headers?.get("retry-after")) >= 1);
      return true;
    });
    assert.equal((await openai.responses.create({ model: "o/chat", input: "x" })).status, "completed", "others are served");
    await Promise.all(made.map(({ id }) => openai.responses.cancel(id)));
    await gateway.requests();
    const { id } = await openai.responses.create({ model: "o/chat", input: "x", background: true });
    assert.equal((await until(openai, id)).status, "completed");
  });
});

describe("the events of a response in the background", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await testGateway(config());
  });
  after(() => gateway.close());

  async function all(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
    const events: ResponseStreamEvent[] = [];
    for await (const event of stream) events.push(event);
    return events;
  }
  const idIn = (frame: Frame | undefined): string => String(member(frame?.data["response"], "id") as string);
  const idOf = (event: ResponseStreamEvent | undefined): string => (event !== undefined && "response" in event ? event.response.id : "");
  const text = async (path: string, body?: object): Promise<string> => {
    const headers = { authorization: `Bearer ${KEYS.app}`, "content-type": "application/json" };
    return await (await fetch(`${gateway.baseUrl}/responses${path}`, body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) })).text();
  };

  for (const name of [...NAMES, "one"]) {
    it(`come as they are made, and again from any number on (${name})`, { skip: descriptionAbsent || openResponsesAbsent }, async () => {
      const told = await text("", { model: `${name}/chat`, input: "x", background: true, stream: true });
      const frames = framesOf(told);
      const id = idIn(frames[0]);
      // What passes from a provider of the protocol itself is its own.
      if (name !== "one") assert.equal(checkStream(told)["id"], id);
      assert.deepEqual(frames.map(({ data }) => data.sequence_number), frames.map((_, i) => i));
      assert.deepEqual(framesOf(await text(`/${id}?stream=true`)), frames);
      assert.deepEqual(framesOf(await text(`/${id}?stream=true&starting_after=3`)), frames.slice(4));
      for (const last of [frames.length - 1, frames.length + 5]) assert.match(await text(`/${id}?stream=true&starting_after=${last}`), new RegExp(`There are no events after ${last}.*its last event is ${frames.length - 1}`));
      const { spillway: _, ...last } = Object(frames.at(-1)?.data["response"]) as Record<string, unknown>;
      assert.deepEqual(JSON.parse(await text(`/${id}`)), last);
    });
  }

  it("go on for who comes back after having left, and the response is completed though nobody reads", async () => {
    const openai = client(gateway);
    const first = await openai.responses.create({ model: "a/slow", input: "x", background: true, stream: true });
    const seen: ResponseStreamEvent[] = [];
    for await (const event of first) {
      seen.push(event);
      if (seen.length === 6) break;
    }
    const id = idOf(seen[0]);
    const rest = await all(await openai.responses.retrieve(id, { stream: true, starting_after: seen.at(-1)?.sequence_number ?? 0 }));
    assert.deepEqual(rest.map((event) => event.sequence_number), rest.map((_, i) => i + 6), "no event is lost, none comes twice");
    assert.equal(rest.at(-1)?.type, "response.completed");
    const whole = [...seen, ...rest].map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
    assert.equal(whole, (await openai.responses.retrieve(id)).output_text);
    const row = (await gateway.requests()).at(-1);
    assert.deepEqual([row?.record?.outcome, row?.attempts.map((attempt) => attempt.costNanoUsd)], ["ok", [fleet.bill().findLast((line) => line.provider === "a")?.cost_nano_usd]]);
    assert.equal((await openai.responses.stream({ response_id: id }).finalResponse()).output_text, whole, "the SDK's own way");
  });

  it("end with a failed response that says cancelled when it is called off, for everyone who follows", async () => {
    const openai = client(gateway);
    const first = await openai.responses.create({ model: "o/endless", input: "x", background: true, stream: true });
    const seen: ResponseStreamEvent[] = [];
    for await (const event of first) {
      seen.push(event);
      if (seen.length === 5) await openai.responses.cancel(idOf(seen[0]));
    }
    const last = seen.at(-1);
    assert.ok(last?.type === "response.failed", last?.type);
    assert.deepEqual([last.response.status, last.response.output], ["cancelled", []]);
    assert.deepEqual(seen.map((event) => event.sequence_number), seen.map((_, i) => i));
  });

  it("tell a failure as the response's, whether before content or amid it", { skip: descriptionAbsent || openResponsesAbsent }, async () => {
    for (const model of ["o/busy", "o/broken", "a/broken"]) {
      const response = checkStream(await text("", { model, input: "x", background: true, stream: true }));
      assert.equal(response["status"], "failed", model);
    }
  });

  it("are told only of what was created with them, and only as long as they are kept", async () => {
    const openai = client(gateway);
    const stream = (id: string): Promise<unknown> => openai.responses.retrieve(id, { stream: true });
    const plain = await openai.responses.create({ model: "o/chat", input: "x", background: true });
    await assert.rejects(stream(plain.id), refused(400, "unsupported_parameter", /not created with stream=true/));
    const whole = await openai.responses.create({ model: "o/chat", input: "x" });
    await assert.rejects(stream(whole.id), refused(400, "unsupported_parameter", /not created with background=true/));
    await assert.rejects(stream("resp_never"), refused(404, "response_not_found"));
    assert.match(await text(`/${plain.id}?stream=true&starting_after=x`), /invalid_type|not created/);
  });
});

describe("a response in the background and the end of its process", () => {
  it("has failed after a crash, and says why", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "spillway-background-"));
    try {
      const dying = await childGateway(config("responses: { store: encrypted }\n"), { dataDir });
      const before = sent("o");
      const { id } = await client(dying).responses.create({ model: "o/endless", input: "x", background: true });
      await whenSent("o", before + 1);
      assert.equal((await client(dying).responses.retrieve(id)).status, "in_progress");
      await dying.kill9();
      const next = await childGateway(config("responses: { store: encrypted }\n"), { dataDir });
      try {
        const failed = await client(next).responses.retrieve(id);
        assert.deepEqual([failed.status, failed.error?.code, failed.background], ["failed", "server_error", true]);
        assert.match(failed.error?.message ?? "", /stopped before/);
        await assert.rejects(client(next).responses.cancel(id), refused(400, "not_cancellable", /failed/));
      } finally {
        await next.kill9();
      }
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });

  it("has failed after a stop that did not wait for it, is charged, and is kept so", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "spillway-background-"));
    try {
      const yaml = config("responses: { store: encrypted }\n");
      const stopping = await testGateway(yaml, { dataDir, drainMs: 50 });
      const openai = client(stopping);
      const before = sent("a");
      const { id } = await openai.responses.create({ model: "a/endless", input: "x", background: true });
      await whenSent("a", before + 1);
      await stopping.close();
      const next = await testGateway(yaml, { dataDir });
      try {
        const failed = await client(next).responses.retrieve(id);
        assert.equal(failed.status, "failed");
        assert.match(failed.error?.message ?? "", /is stopping/);
        assert.deepEqual((await next.requests()).map((row) => row.attempts[0]?.state), ["estimated"]);
      } finally {
        await next.close();
      }
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
