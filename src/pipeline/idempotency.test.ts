/** Requests with an Idempotency-Key: one call to a provider however often they come, and what each repeat is told. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requestJson } from "../storage/request-json.ts";
import { SERVED, type ServedName, type SurfaceName } from "../wire/surfaces.ts";
import { digestOf } from "./idempotency-digest.ts";
import { recordJson } from "./idempotency-record.ts";
import { heedsKey, KEY_TTL_MS } from "./idempotency.ts";
import type { WatchedReply } from "./test-reply.ts";
import { KeyedWorld } from "./test-repeats.ts";
import { GOOD_ANSWER, GOOD_STREAM, ROLE, text } from "./test-upstream.ts";

const code = (reply: WatchedReply): unknown => [reply.status, reply.json.error.code];
const CALLS = "its only call";

/** A world in which a request with the key `k` has been answered. */
async function answered(world = new KeyedWorld(), body: Readonly<Record<string, unknown>> = {}): Promise<{ readonly world: KeyedWorld; readonly first: WatchedReply }> {
  const first = await world.ask({ key: "k", body });
  world.world.call("a").json(GOOD_ANSWER);
  await world.settle();
  assert.equal(first.status, 200);
  return { world, first };
}

describe("a repeat", () => {
  it("while the first runs is told so, with when to ask again, and makes no second call", async () => {
    const world = new KeyedWorld();
    const first = world.askNow({ key: "k" });
    const atOnce = world.askNow({ key: "k" });
    await world.settle();
    const later = await world.ask({ key: "k" });
    for (const repeat of [atOnce, later]) {
      assert.deepEqual(code(repeat), [409, "idempotency_running"]);
      assert.deepEqual([repeat.header("retry-after"), repeat.header("x-should-retry")], ["1", "true"]);
      assert.match(repeat.text, /req_1/);
    }
    assert.equal(world.world.called, "a", CALLS);
    world.world.call("a").json(GOOD_ANSWER);
    await world.settle();
    assert.equal(first.status, 200);
  });

  it("of what was answered gets the same bytes under the first one's headers", async () => {
    const { world, first } = await answered();
    const repeat = await world.ask({ key: "k" });
    assert.deepEqual([repeat.status, repeat.text], [200, first.text]);
    assert.equal(repeat.header("x-spillway-request-id"), "req_1");
    assert.deepEqual(repeat.headers, [...first.headers, "x-spillway-replayed", "true"]);
    assert.match(String(repeat.header("x-spillway-cost-usd")), /^0\.0000\d+$/);
    assert.equal(world.world.called, "a", CALLS);
    assert.equal(world.world.records.length, 1, "a repeat is no request of its own");
  });

  it("with another body, at another endpoint or by another key of the tenant is refused, and learns nothing of the first", async () => {
    const { world } = await answered();
    const others = [
      await world.ask({ key: "k", body: { max_tokens: 5 } }),
      await world.ask({ key: "k", surface: "embeddings" }),
      await world.ask({ key: "k", caller: { key: "web" } }),
    ];
    for (const other of others) {
      assert.deepEqual(code(other), [422, "idempotency_mismatch"]);
      assert.ok(!other.text.includes("req_1") && !other.text.includes("Hello"));
    }
    const running = new KeyedWorld();
    await running.ask({ key: "k" });
    assert.deepEqual(code(await running.ask({ key: "k", caller: { key: "web" } })), [422, "idempotency_mismatch"]);
    assert.equal(`${world.world.called}${running.world.called}`, "aa", "nothing more was called");
  });

  it("of another tenant is a first request of that one's", async () => {
    const { world } = await answered();
    const other = await world.ask({ key: "k", caller: { tenant: "acme" } });
    assert.equal(world.world.called, "a a");
    world.world.call("a").json(GOOD_ANSWER);
    await world.settle();
    assert.equal(other.header("x-spillway-request-id"), "req_2");
  });

  it("a day after the end is a new request, and not a moment before", async () => {
    const { world } = await answered();
    await world.settle(KEY_TTL_MS - 1);
    assert.equal((await world.ask({ key: "k" })).header("x-spillway-replayed"), "true");
    await world.settle(1);
    await world.ask({ key: "k" });
    assert.equal(world.world.called, "a a");
  });

  it("gets the record where the answer was not kept", async () => {
    for (const world of [new KeyedWorld(undefined, false), new KeyedWorld()]) {
      await answered(world);
      world.restart();
      const repeat = await world.ask({ key: "k" });
      const record = JSON.parse(repeat.text) as Record<string, unknown>;
      assert.equal(repeat.status, 200);
      assert.deepEqual([record["object"], record["request_id"], record["outcome"], record["cost_usd"], record["deployment"]], ["spillway.record", "req_1", "ok", 0.000015, "a/m"]);
      assert.deepEqual(record["tokens"], { input: 9, output: 3 });
      assert.deepEqual(["x-spillway-replayed", "x-spillway-request-id", "x-spillway-cost-usd", "x-spillway-deployment"].map((name) => repeat.header(name)), ["true", "req_1", "0.000015000", "a/m"]);
      assert.equal(world.world.called, "a", CALLS);
    }
  });

  it("gets the record where the answer was too large to keep", async () => {
    const world = new KeyedWorld();
    await world.ask({ key: "k" });
    world.world.call("a").json({ ...GOOD_ANSWER, padding: "x".repeat(5 << 20) });
    await world.settle();
    assert.equal((JSON.parse((await world.ask({ key: "k" })).text) as { object: string }).object, "spillway.record");
  });

  it("learns from the record what its key may know, and no more", async () => {
    const policy = { routes: null, models: null, residency: null, maxRequestNanoUsd: null, defaultMaxOutput: null, tagFields: [] };
    for (const [expose, shown] of [["none", [false, false]], ["id", [true, false]], ["id+cost", [true, true]]] as const) {
      const world = new KeyedWorld(undefined, false);
      const caller = { policy: { ...policy, expose } };
      await world.ask({ key: "k", caller });
      world.world.call("a").json(GOOD_ANSWER);
      await world.settle();
      const repeat = await world.ask({ key: "k", caller });
      const told = `${repeat.headers.join(" ")} ${repeat.text}`;
      assert.deepEqual([told.includes("a/m"), /cost/.test(told)], shown, expose);
    }
  });

  it("of a stream is told in a way that no SDK takes for an empty one, with the record", async () => {
    const world = new KeyedWorld();
    const first = await world.ask({ key: "k", body: { stream: true } });
    world.world.call("a").stream(...GOOD_STREAM).end();
    await world.settle();
    assert.equal(first.shown, "Hello there.");
    const repeat = await world.ask({ key: "k", body: { stream: true } });
    assert.deepEqual(code(repeat), [409, "idempotency_not_kept"]);
    assert.deepEqual([repeat.header("x-should-retry"), repeat.header("x-spillway-request-id")], ["false", "req_1"]);
    assert.deepEqual((JSON.parse(repeat.text) as { spillway_record: { tokens: unknown } }).spillway_record.tokens, { input: 9, output: 3 });
    assert.equal(world.world.called, "a", CALLS);
  });

  it("of a form is the same whatever its boundary, and another where a file differs", () => {
    const form = (boundary: string, file: string) => ({
      caller: { tenant: "t", key: "app", scopes: [] },
      asked: { surface: "files", model: undefined, stream: undefined, query: "" } as const,
      body: new TextEncoder().encode(`--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n${file}\r\n--${boundary}--\r\n`),
      header: () => `multipart/form-data; boundary=${boundary}`,
    });
    assert.equal(digestOf(form("one", "text")), digestOf(form("another", "text")));
    assert.notEqual(digestOf(form("one", "text")), digestOf(form("one", "texts")));
  });

  it("is told in the form of whatever protocol it came by", async () => {
    const shapes: Readonly<Record<SurfaceName, (body: Record<string, Record<string, unknown>>) => unknown>> = {
      chat: (body) => body["error"]?.["code"],
      "chat-mistral": (body) => body["code"],
      completions: (body) => body["error"]?.["code"],
      responses: (body) => body["error"]?.["code"],
      messages: (body) => (body["error"]?.["details"] as { code?: string } | undefined)?.code ?? body["error"]?.["type"],
      "generate-content": (body) => body["error"]?.["status"],
      converse: (body) => body["message"],
      "chat-v2": (body) => body["message"],
    };
    for (const surface of Object.keys(shapes) as SurfaceName[]) {
      const world = new KeyedWorld();
      world.askNow({ key: "k", surface });
      const repeat = world.askNow({ key: "k", surface });
      const told = shapes[surface](JSON.parse(repeat.text) as Record<string, Record<string, unknown>>);
      assert.equal(repeat.status, 409, surface);
      assert.ok(typeof told === "string" && told.length > 0, `${surface}: ${repeat.text}`);
      await world.settle();
    }
  });
});

describe("a key", () => {
  it("is one to 255 printable characters, or nothing is called", async () => {
    const world = new KeyedWorld();
    for (const key of ["", "x".repeat(256), "schlüssel", "a\tb"]) {
      const reply = await world.ask({ key });
      assert.deepEqual(code(reply), [400, "invalid_header"], JSON.stringify(key));
    }
    assert.equal(world.world.called, "");
    await world.ask({ key: "x".repeat(255) });
    assert.equal(world.world.called, "a");
  });

  it("is noted before anything is called, and where that cannot be done nothing is", async () => {
    const world = new KeyedWorld();
    world.store.limitPages(1);
    const replies = await Promise.all(Array.from({ length: 300 }, (_, i) => world.ask({ key: `k${i}`, body: { user: "x".repeat(i) } })));
    const refused = replies.filter(({ status }) => status === 503);
    assert.ok(refused.length > 0, "the disk took all of it");
    for (const reply of refused) assert.equal(reply.json.error.code, "idempotency_unavailable");
    assert.equal(world.world.upstream.calls.length, 300 - refused.length);
  });

  it("is given free by a refusal, so that the corrected request is made", async () => {
    const world = new KeyedWorld();
    assert.deepEqual(code(await world.ask({ key: "k", body: { model: "nothing" } })), [404, "unknown_model"]);
    assert.equal((await world.ask({ key: "k", body: { messages: "none" } })).status, 400);
    assert.equal(world.world.called, "");
    await answered(world);
  });

  it("is given free by a failure that cost nothing, and kept by one that cost something", async () => {
    const world = new KeyedWorld();
    const failed = await world.ask({ key: "k" });
    for (let i = 0; i < 4; i++) {
      world.world.call("a").refuse(500);
      await world.settle(1_000);
    }
    assert.equal(failed.status, 502);
    const calls = world.world.upstream.calls.length;
    const again = await world.ask({ key: "k" });
    assert.equal(world.world.upstream.calls.length, calls + 1, "a new try");
    // Billed, and no answer.
    world.world.upstream.plays("a", (call) => call.json({ ...GOOD_ANSWER, choices: [] }));
    world.world.call("a").json({ ...GOOD_ANSWER, choices: [] });
    await world.settle(5_000);
    assert.equal(again.status, 502);
    const made = world.world.upstream.calls.length;
    const repeat = await world.ask({ key: "k" });
    assert.deepEqual([repeat.status, repeat.text, repeat.header("x-spillway-replayed")], [502, again.text, "true"]);
    world.restart();
    assert.deepEqual(code(await world.ask({ key: "k" })), [409, "idempotency_not_kept"]);
    assert.equal(world.world.upstream.calls.length, made, "nothing more was called");
  });

  it("is heeded by everything that calls a provider by POST, and by nothing else", () => {
    const heeds = (surface: ServedName, method?: "GET" | "DELETE") => heedsKey({ surface, model: undefined, stream: undefined, query: "", ...(method === undefined ? {} : { method }) });
    for (const surface of ["chat", "messages", "embeddings", ...Object.keys(SERVED)] as ServedName[]) assert.equal(heeds(surface), !/^(response(-input-items|-cancel)?|feedback)$/.test(surface), surface);
    assert.equal(heeds("files", "GET") || heeds("file", "DELETE"), false);
  });
});

describe("a client that leaves", () => {
  it("finds its answer when it asks again: the call went on, and is the only one", async () => {
    const world = new KeyedWorld();
    const first = await world.ask({ key: "k" });
    first.leave();
    await world.settle();
    assert.equal(world.world.call("a").aborted, false);
    assert.deepEqual(code(await world.ask({ key: "k" })), [409, "idempotency_running"]);
    world.world.call("a").json(GOOD_ANSWER);
    await world.settle();
    const repeat = await world.ask({ key: "k" });
    assert.deepEqual([repeat.status, (JSON.parse(repeat.text) as typeof GOOD_ANSWER).choices[0]?.message.content], [200, "Hello there."]);
    assert.equal(world.world.called, "a", CALLS);
  });

  it("before its request was noted has nothing made for it", async () => {
    const world = new KeyedWorld();
    world.askNow({ key: "k" }).leave();
    await world.settle();
    assert.equal(world.world.called, "");
    await answered(world);
  });

  it("ends its stream as always: what that cost is told to a repeat, which makes no second call", async () => {
    const world = new KeyedWorld();
    const first = await world.ask({ key: "k", body: { stream: true } });
    world.world.call("a").stream(ROLE, text("Hello"));
    await world.settle();
    first.leave();
    await world.settle();
    assert.equal(world.world.call("a").aborted, true);
    const repeat = await world.ask({ key: "k", body: { stream: true } });
    assert.deepEqual(code(repeat), [409, "idempotency_unfinished"]);
    assert.match(repeat.text, /"outcome":"client_gone"/);
    assert.equal(world.world.called, "a", CALLS);
  });

  it("ends at once where its answer would not be kept", async () => {
    const world = new KeyedWorld(undefined, false);
    const first = await world.ask({ key: "k" });
    first.leave();
    await world.settle();
    assert.equal(world.world.call("a").aborted, true);
  });
});

describe("a process that dies", () => {
  it("leaves a key that makes no second call, with what the ledger knows of the first", async () => {
    const world = new KeyedWorld();
    await world.ask({ key: "k" });
    world.restart();
    const repeat = await world.ask({ key: "k" });
    assert.deepEqual(code(repeat), [409, "idempotency_unfinished"]);
    assert.match(repeat.text, /req_1.*a\/m: open, not settled yet.*24 hours/);
    assert.equal(repeat.header("x-should-retry"), "false");
    assert.deepEqual(code(await world.ask({ key: "k", body: { n: 2 } })), [422, "idempotency_mismatch"]);
    await world.settle(KEY_TTL_MS - 1_000);
    assert.deepEqual(code(await world.ask({ key: "k" })), [409, "idempotency_unfinished"]);
    assert.equal(world.world.called, "a", CALLS);
    await world.settle(1_000);
    await world.ask({ key: "k" });
    assert.equal(world.world.called, "a a");
  });

  it("before any call was made leaves nothing in the way", async () => {
    const world = new KeyedWorld();
    const open = world.world.ledger.holdBackHolds();
    world.world.ledger.answers.push({ kind: "unavailable", message: "dead" });
    await world.ask({ key: "k" });
    assert.equal(world.world.called, "");
    world.restart();
    open();
    await world.settle();
    const repeat = await world.ask({ key: "k" });
    assert.equal(world.world.called, "a");
    world.world.call("a").json(GOOD_ANSWER);
    await world.settle();
    assert.equal(repeat.status, 200);
  });
});

describe("the record of a repeat", () => {
  it("has the names of the listing's, without why each candidate was taken", async () => {
    const { world } = await answered(new KeyedWorld({ candidates: ["a", "b"] }));
    const record = world.world.record;
    const { decision: _, ...listed } = requestJson({ position: 1, requestId: record.requestId, atMs: record.atMs, record, attempts: world.world.ledger.memory.attemptsOf(record.requestId) });
    assert.deepEqual(JSON.parse(JSON.stringify(recordJson(record))), { object: "spillway.record", ...JSON.parse(JSON.stringify(listed)) as object });
  });
});
