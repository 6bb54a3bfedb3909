/** Requests that carry a key, in their file: durable before they are made, remembered over restarts, forgotten when they expire, bounded. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { Log } from "../ports.ts";
import { SqliteKeyedRequests, type KeyedRequestsOptions } from "./idempotency.ts";

const DAY_MS = 86_400_000;
const folder = mkdtempSync(join(tmpdir(), "spillway-keyed-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const warned: string[] = [];
const log: Log = { info: () => undefined, warn: (event) => void warned.push(event), error: (event) => void warned.push(event) };
const begun = (name: string, atMs = 0) => ({ name, digest: `digest of ${name}`, requestId: `req_${name}`, atMs });

function opened(name: string, more: Partial<KeyedRequestsOptions> = {}): SqliteKeyedRequests {
  return new SqliteKeyedRequests(join(folder, name), { sync: "process", log, ttlMs: DAY_MS, wallMs: () => 0, ...more });
}

describe("requests that carry a key", () => {
  it("are found from the moment they begin, run without an end, and are another's under no name", async () => {
    const store = opened("found.db");
    const noted = store.begin(begun("a", 5));
    assert.deepEqual(store.find("a", 1e15), { digest: "digest of a", requestId: "req_a", atMs: 5, record: null });
    assert.equal(store.find("b", 0), undefined);
    await noted;
    store.close();
  });

  it("are on disk once that is said, as a process that dies leaves them", async () => {
    const store = opened("durable.db");
    await store.begin(begun("a"));
    await store.begin(begun("b"));
    await store.end("b", { object: "spillway.record", request_id: "req_b" }, DAY_MS);
    // As a kill leaves it: what is in the file and its log, with nobody to close them.
    for (const name of readdirSync(folder).filter((one) => one.startsWith("durable.db"))) writeFileSync(join(folder, name.replace("durable", "dead")), readFileSync(join(folder, name)));
    const next = opened("dead.db", { wallMs: () => 1_000 });
    assert.deepEqual(next.find("a", 1_000), { digest: "digest of a", requestId: "req_a", atMs: 0, record: null });
    assert.deepEqual(next.find("b", 1_000)?.record, { object: "spillway.record", request_id: "req_b" });
    // What nobody ended is remembered for a day from then on.
    assert.ok(next.find("a", 1_000 + DAY_MS - 1) !== undefined);
    assert.equal(next.find("a", 1_000 + DAY_MS), undefined);
    next.close();
    store.close();
  });

  it("of one turn are one transaction", async () => {
    const store = opened("group.db");
    const order: string[] = [];
    const all = ["a", "b", "c"].map((name) => store.begin(begun(name)).then(() => order.push(name)));
    await Promise.resolve();
    assert.deepEqual(order, [], "nothing is said before it is written");
    await Promise.all(all);
    assert.deepEqual([...order, store.size], ["a", "b", "c", 3]);
    store.close();
  });

  it("expire, make room for the same key before they are swept, and are swept", async () => {
    let nowMs = 0;
    const store = opened("expired.db", { wallMs: () => nowMs });
    await store.begin(begun("a"));
    await store.end("a", null, 100);
    assert.ok(store.find("a", 99) !== undefined);
    assert.equal(store.find("a", 100), undefined);
    await store.begin({ ...begun("a", 100), requestId: "req_again" });
    assert.equal(store.find("a", 1_000)?.requestId, "req_again");
    await store.end("a", null, 200);
    await store.begin(begun("runs"));
    nowMs = 200;
    store.sweep();
    assert.deepEqual([store.size, store.find("runs", 1e15)?.requestId], [1, "req_runs"], "what runs does not expire");
    store.close();
  });

  it("are forgotten at once when their key is given free", async () => {
    const store = opened("free.db");
    await store.begin(begun("a"));
    const released = store.release("a");
    assert.equal(store.find("a", 0), undefined);
    await released;
    assert.equal(store.size, 0);
    store.close();
  });

  it("are refused where too many are remembered, rather than forgetting one", async () => {
    let nowMs = 0;
    const store = opened("full.db", { rowsMax: 2, wallMs: () => nowMs });
    await store.begin(begun("a"));
    await store.begin(begun("b"));
    await store.end("a", null, 100);
    await assert.rejects(store.begin(begun("c")), /none has expired/);
    assert.ok(store.find("a", 0) !== undefined && store.find("b", 0) !== undefined && store.find("c", 0) === undefined);
    nowMs = 100;
    await store.begin(begun("c", 100));
    assert.deepEqual([store.size, store.find("c", 100)?.requestId], [2, "req_c"]);
    store.close();
  });

  it("cost a word in the log and a rejection where the disk fails, and nothing is half there", async () => {
    const store = opened("disk.db");
    await store.begin(begun("a"));
    store.limitPages(1);
    const results = await Promise.allSettled(Array.from({ length: 200 }, (_, i) => store.begin(begun(`x${i}`))));
    assert.ok(results.some(({ status }) => status === "rejected"), "the file took all of it");
    const there = results.filter((_, i) => store.find(`x${i}`, 0) !== undefined).length;
    assert.equal(there, results.filter(({ status }) => status === "fulfilled").length);
    assert.equal(store.size, 1 + there);
    store.close();
  });

  it("of a damaged file say what it is and what to do", () => {
    writeFileSync(join(folder, "damaged.db"), "this is no database ".repeat(100));
    assert.throws(() => opened("damaged.db"), /damaged\.db is damaged.*remove it/);
  });
});
