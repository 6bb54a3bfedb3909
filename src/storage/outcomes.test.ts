import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test } from "node:test";
import type { Objective } from "../decide/objective/types.ts";
import type { Counts } from "../decide/report/types.ts";
import { aHold, aRecord, START_MS } from "./conformance.ts";
import { OutcomeBook, outcomesPathOf, type CountedRequest, type ScopedPromises } from "./outcomes.ts";
import { OutcomeReader } from "./outcomes-reader.ts";
import { SqliteStorage } from "./sqlite.ts";

const base = mkdtempSync(join(tmpdir(), "spillway-outcomes-"));
after(() => rmSync(base, { recursive: true, force: true }));
let folders = 0;
const newFile = (): string => join(mkdtempSync(join(base, `${++folders}-`)), "ledger.db");

let nowMs = START_MS;
const OPTIONS = { wallMs: () => nowMs, checkpointEveryMs: 0 };

function eventsOf(ledgerPath: string): { readonly minutes: ReturnType<OutcomeReader["minutes"]> extends Generator<infer E> ? E[] : never; readonly bad: string[] } {
  const reader = new OutcomeReader(dirname(ledgerPath));
  try {
    return { minutes: [...reader.minutes(0, START_MS * 2)], bad: [...reader.bad(0, START_MS * 2)].map(({ requestId }) => requestId) };
  } finally {
    reader.close();
  }
}

function totals(ledgerPath: string): Counts {
  const sums: Record<string, number> = {};
  for (const { counts } of eventsOf(ledgerPath).minutes) for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

/** As they were first. */
const FIRST_TABLES = `
CREATE TABLE pairs (id INTEGER PRIMARY KEY, route TEXT NOT NULL, deployment TEXT NOT NULL, version TEXT NOT NULL, UNIQUE (route, deployment, version)) STRICT;
CREATE TABLE minutes (minute INTEGER NOT NULL, pair INTEGER NOT NULL, counts TEXT NOT NULL, PRIMARY KEY (minute, pair)) STRICT, WITHOUT ROWID;
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE bad (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX bad_at ON bad (at_ms);
CREATE TABLE objectives (version TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const AVAILABLE: Objective = { name: "availability", kind: "availability", target: 0.99, window: { kind: "month", zone: "UTC" }, within: [], atLeast: null, unit: null };

const LOST = { outcome: "error", deployment: null, status: 502, errorCode: "upstream_error", ttftMs: null, units: {}, costNanoUsd: 0 } as const;
const failedCall = (number: number) => ({ attemptId: aHold(number).attemptId, deployment: "alpha/small", state: "unbilled", outcome: "server", status: 500, units: {}, costNanoUsd: 0, flags: [], ttftMs: null, totalMs: 5 }) as const;

describe("events of finished requests", () => {
  test("are counted by minute, route and deployment, with a row for each bad one, and add up over flushes and starts", async () => {
    const path = newFile();
    for (const first of [0, 10]) {
      const storage = new SqliteStorage(path, OPTIONS);
      for (let i = first; i < first + 3; i++) {
        storage.records.append(aRecord(i, { atMs: START_MS + 20_000 }));
        storage.records.append(aRecord(i, { atMs: START_MS + 40_000, ...LOST, requestId: `req_bad_${i}`, attempts: [failedCall(i)] }));
        storage.records.flush();
        nowMs += 3_000;
      }
      await storage.close();
    }
    const { minutes, bad } = eventsOf(path);
    assert.deepEqual(minutes.map(({ minuteMs, route, deployment, version }) => [minuteMs, route, deployment, version]), [[START_MS, "support", "", ""], [START_MS, "support", "alpha/small", ""]]);
    assert.deepEqual(minutes.map(({ counts }) => counts), [
      { "class:failed": 6 },
      { "class:ok": 6, "first:0": 6, "total:0": 6, tokens: 600, "call:answered": 6, good_calls: 6, cost: 117_000, "call:server": 6, bad_calls: 6, lost: 6 },
    ]);
    assert.equal(bad.length, 6);
  });

  test("leave out copies for a mirror, those that died with their process too, and no request whose caller has a tag of that name", async () => {
    const path = newFile();
    const storage = new SqliteStorage(path, OPTIONS);
    storage.records.append(aRecord(1, { ...LOST, flags: ["mirror"], requestId: "req_copy", attempts: [failedCall(1)] }));
    storage.records.append(aRecord(2));
    storage.records.flush();
    storage.outcomes.flush(2, true);
    await storage.ledger.reserve([aHold(3, { requestId: "req_copy_2", scopes: ["tenant/default", "tag/mirror=support", "route/support"] })]);
    await storage.ledger.reserve([aHold(4, { requestId: "req_tagged", scopes: ["tenant/default", "key/app", "tag/mirror=mine", "route/support"] })]);
    const copy = newFile();
    cpSync(dirname(path), dirname(copy), { recursive: true });
    await storage.close();
    nowMs += 3_600_000;
    const again = new SqliteStorage(copy, { ...OPTIONS, leaseMs: 1 });
    again.outcomes.promise([]);
    again.records.append(aRecord(5));
    await again.close();
    assert.deepEqual([totals(copy)["class:ok"], eventsOf(copy).bad], [2, ["req_tagged"]]);
  });

  test("are counted once each where a process was killed, whether or not they were written; requests that died with it are lost ones", async () => {
    const path = newFile();
    const storage = new SqliteStorage(path, OPTIONS);
    storage.records.append(aRecord(1));
    storage.records.flush();
    nowMs += 3_000;
    storage.records.append(aRecord(2));
    storage.records.flush();
    storage.outcomes.flush(2, true);
    // Counted and in a record, but not yet among the events:
    storage.records.append(aRecord(3));
    storage.records.flush();
    await storage.ledger.reserve([aHold(4, { scopes: ["tenant/default", "key/app", "route/support"] })]);
    const copy = newFile();
    for (const file of [path, outcomesPathOf(path)]) for (const ending of ["", "-wal"]) if (existsSync(file + ending)) cpSync(file + ending, join(dirname(copy), file.slice(dirname(path).length)) + ending);
    await storage.close();
    assert.equal(totals(copy)["class:ok"], 2);
    await new SqliteStorage(copy, OPTIONS).close();
    assert.deepEqual([totals(copy)["class:ok"], totals(copy)["class:failed"], totals(copy)["lost"]], [3, 1, 1]);
    assert.deepEqual(eventsOf(copy).bad, [aHold(4).requestId]);
    await new SqliteStorage(copy, OPTIONS).close();
    assert.deepEqual([totals(copy)["class:ok"], totals(copy)["class:failed"]], [3, 1], "nothing is counted twice");
  });

  test("are judged by the objectives in force, each version kept with its terms", async () => {
    const path = newFile();
    const storage = new SqliteStorage(path, OPTIONS);
    const within = (withinMs: number): readonly Objective[] => [{ name: "fast", kind: "latency", target: 0.99, window: { kind: "month", zone: "UTC" }, within: [{ upToInputTokens: null, withinMs }], atLeast: null, unit: null }];
    for (const withinMs of [100, 20]) {
      storage.outcomes.promise([["support", within(withinMs)], ["other", []]]);
      storage.records.append(aRecord(withinMs, { totalMs: 44 }));
    }
    await storage.close();
    const reader = new OutcomeReader(dirname(path));
    const promised = reader.promised(START_MS, START_MS + 60_000);
    assert.deepEqual(promised.map(({ objectives }) => objectives[0]?.within[0]?.withinMs).toSorted((a, b) => (b ?? 0) - (a ?? 0)), [100, 20]);
    const byVersion = Object.fromEntries([...reader.minutes(START_MS, START_MS + 60_000)].map(({ version, counts }) => [version, [counts["valid:fast"], counts["good:fast"], counts["late"]]]));
    for (const { version, objectives } of promised) assert.deepEqual(byVersion[version], objectives[0]?.within[0]?.withinMs === 100 ? [1, 1, undefined] : [1, undefined, 1]);
    assert.deepEqual([...reader.bad(0, START_MS * 2)].map(({ missed, class: kind }) => [kind, missed]), [["ok", ["fast"]]]);
    reader.close();
  });

  test("keep no row of who is late by a median alone, over a file and back", async () => {
    const path = newFile();
    const storage = new SqliteStorage(path, OPTIONS);
    storage.outcomes.promise([["support", [{ ...AVAILABLE, name: "p50", kind: "latency", target: 0.5, within: [{ upToInputTokens: null, withinMs: 20 }] }]]]);
    for (const totalMs of [10, 44]) storage.records.append(aRecord(totalMs, { totalMs }));
    await storage.close();
    const { "valid:p50": valid, "good:p50": good, late, "late:p50": byName, "counted:p50": counted } = totals(path);
    assert.deepEqual([eventsOf(path).bad, valid, good, late, byName, counted], [[], 2, 1, 1, 1, 1]);
  });

  test("are judged by promises to whoever asked as well, apart from routes, by whom a record or a dead process tells", async () => {
    const path = newFile();
    const team: ScopedPromises = {
      promises: [{ id: "search", scopes: ["team/search", "tag/feature=chat"], objectives: [AVAILABLE] }, { id: "drafts", scopes: ["route/drafts"], objectives: [AVAILABLE] }],
      scopesOf: ({ key, tags }) => [`key/${key}`, ...(key === "app" ? ["team/search"] : []), ...Object.entries(tags ?? {}).map(([name, value]) => `tag/${name}=${value}`)],
    };
    const open = (leaseMs: number, at = path): SqliteStorage => {
      const storage = new SqliteStorage(at, { ...OPTIONS, leaseMs });
      storage.outcomes.promise([], team);
      return storage;
    };
    const storage = open(600_000);
    const tags = { feature: "chat" };
    storage.records.append(aRecord(1, { tags }));
    storage.records.append(aRecord(2, { tags, ...LOST, requestId: "req_lost", attempts: [failedCall(2)] }));
    storage.records.append(aRecord(3));
    storage.records.append(aRecord(4, { tags, key: "other" }));
    storage.records.append(aRecord(5, { key: "other", route: "drafts" }));
    storage.records.flush();
    storage.outcomes.flush(5, true);
    await storage.ledger.reserve([aHold(6, { requestId: "req_died", scopes: ["tenant/default", "team/search", "key/app", "tag/feature=chat", "route/support"] })]);
    const copy = newFile();
    cpSync(dirname(path), dirname(copy), { recursive: true });
    await storage.close();
    nowMs += 3_600_000;
    await open(1, copy).close();
    const reader = new OutcomeReader(dirname(copy));
    const counts: Record<string, [valid: number, good: number]> = {};
    for (const one of reader.scopeMinutes(0, START_MS * 2)) {
      const before = counts[one.route] ?? [0, 0];
      counts[one.route] = [before[0] + (one.counts["valid:availability"] ?? 0), before[1] + (one.counts["good:availability"] ?? 0)];
    }
    assert.deepEqual(counts, { drafts: [1, 1], search: [3, 1] });
    assert.deepEqual([...reader.bad(0, START_MS * 2)].map(({ requestId, missed, scoped }) => [requestId, missed, scoped?.map((one) => [one.id, one.missed])]), [
      ["req_died", [], [["search", ["availability"]]]],
      ["req_lost", [], [["search", ["availability"]]]],
    ]);
    assert.deepEqual(reader.promisedToScopes(0, START_MS * 2).map(({ scope, scopes, objectives }) => [scope, scopes, objectives.length]), [["drafts", ["route/drafts"], 1], ["search", ["team/search", "tag/feature=chat"], 1]]);
    assert.deepEqual(reader.promised(0, START_MS * 2).map(({ route }) => route), ["drafts", "support"], "a promise is no route");
    assert.equal([...reader.minutes(0, START_MS * 2)].reduce((sum, one) => sum + (one.counts["class:ok"] ?? 0), 0), 4, "requests of routes are counted once");
    reader.close();
  });

  test("of requests that were refused at the door are counts without rows, of one whose route was known like any other's, and are written without a record", () => {
    const path = outcomesPathOf(newFile());
    const book = new OutcomeBook(path, { log: SILENT, wallMs: () => START_MS, lastPosition: 0, missed: () => [] });
    book.promise([["support", [AVAILABLE]]], { promises: [{ id: "search", scopes: ["key/app"], objectives: [AVAILABLE] }], scopesOf: ({ key }) => [`key/${key}`] });
    const refused = (route: string, errorCode: string, over: Partial<CountedRequest> = {}): void =>
      book.addRefused({ requestId: `req_${errorCode}`, atMs: START_MS, route, deployment: null, stream: false, outcome: "error", errorCode, status: 503, ttftMs: null, totalMs: 0, units: {}, flags: [], decision: {}, attempts: [], ...over });
    refused("", "draining");
    refused("", "draining", { key: "app" });
    refused("", "invalid_json", { key: "app" });
    refused("support", "low_importance", { key: "app", why: "low_importance: error budget" });
    refused("support", "internal_error", { key: "other" });
    book.flush(0, true);
    book.close();
    const reader = new OutcomeReader(dirname(path));
    const all = (events: Iterable<{ readonly route: string; readonly counts: Counts }>): unknown => [...events].map(({ route, counts }) => [route, counts]);
    assert.deepEqual(all(reader.minutes(0, START_MS * 2)), [
      ["", { "refused:failed:draining": 2, "refused:client:invalid_json": 1 }],
      ["support", { "class:client": 1, "why:low_importance: error budget": 1, "class:failed": 1, "valid:availability": 1, lost: 1 }],
    ]);
    assert.deepEqual(all(reader.scopeMinutes(0, START_MS * 2)), [["search", { "refused:failed:draining": 1, "refused:bad:availability": 1, "refused:client:invalid_json": 1, "class:client": 1, "why:low_importance: error budget": 1 }]]);
    assert.deepEqual([...reader.bad(0, START_MS * 2)].map(({ requestId, missed }) => [requestId, missed]), [["req_internal_error", ["availability"]]]);
    reader.close();
  });

  test("of the file's first version are read as they are, and go on beside promises to scopes once a gateway opens it", () => {
    const path = outcomesPathOf(newFile());
    const old = new DatabaseSync(path);
    old.exec(`${FIRST_TABLES} PRAGMA user_version = 1`);
    old.exec(`INSERT INTO names VALUES (1, 'class:ok'); INSERT INTO pairs VALUES (1, 'support', 'alpha/small', ''); INSERT INTO minutes VALUES (${START_MS / 60_000}, 1, '1 7'); INSERT INTO meta VALUES ('record_position', 0)`);
    old.close();
    const read = (): unknown => {
      const reader = new OutcomeReader(dirname(path));
      try {
        return [reader.promised(0, START_MS * 2).map(({ route }) => route), [...reader.minutes(0, START_MS * 2)].map(({ route, counts }) => [route, counts]), [...reader.scopeMinutes(0, START_MS * 2)].map(({ route, counts }) => [route, counts["class:ok"]]), reader.promisedToScopes(0, START_MS * 2).length];
      } finally {
        reader.close();
      }
    };
    const before = [["support"], [["support", { "class:ok": 7 }]]];
    assert.deepEqual(read(), [...before, [], 0]);
    const book = new OutcomeBook(path, { log: SILENT, wallMs: () => START_MS, lastPosition: 0, missed: () => [] });
    assert.ok(existsSync(`${path}.v1.bak`), "a copy of what was there");
    assert.deepEqual(read(), [...before, [], 0]);
    book.promise([], { promises: [{ id: "search", scopes: ["key/app"], objectives: [AVAILABLE] }], scopesOf: ({ key }) => [`key/${key}`] });
    book.add(aRecord(1, { atMs: START_MS + 60_000, route: "drafts" }));
    book.flush(1, true);
    book.close();
    const [routes, minutes, scoped, promises] = read() as [string[], [string, Counts][], unknown, number];
    assert.deepEqual([routes, minutes.map(([route, counts]) => [route, counts["class:ok"]]), scoped, promises], [["drafts", "support"], [["support", 7], ["drafts", 1]], [["search", 1]], 1]);
  });

  test("are kept 400 days, private, and wait where the disk takes nothing", () => {
    const path = outcomesPathOf(newFile());
    const warned: string[] = [];
    const log = { info: () => undefined, warn: (event: string) => void warned.push(event), error: () => undefined };
    let wallMs = START_MS;
    const book = new OutcomeBook(path, { log, wallMs: () => wallMs, lastPosition: 0, missed: () => [] });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    book.add(aRecord(1));
    const blocker = new DatabaseSync(path);
    blocker.exec("BEGIN IMMEDIATE");
    book.flush(1, true);
    assert.deepEqual(warned, ["outcomes_not_written"]);
    blocker.exec("COMMIT");
    blocker.close();
    book.flush(1, true);
    const minutes = (): number => Number(new DatabaseSync(path, { readOnly: true }).prepare("SELECT count(*) AS n FROM minutes").get()?.["n"]);
    assert.equal(minutes(), 1);
    wallMs = START_MS + 400 * 86_400_000 + 60_000;
    book.add(aRecord(2, { atMs: wallMs }));
    book.flush(2, true);
    wallMs += 3_600_000;
    book.add(aRecord(3, { atMs: wallMs }));
    book.flush(3, true);
    assert.equal(minutes(), 2, "the old minute made room");
    book.close();
  });

  test("are not thrown away by a clock that leapt ahead, while it runs or over a start, before it is kept to", () => {
    const path = outcomesPathOf(newFile());
    let wallMs = START_MS;
    const open = (): OutcomeBook => new OutcomeBook(path, { log: SILENT, wallMs: () => wallMs, lastPosition: 0, missed: () => [] });
    const count = (book: OutcomeBook): number => {
      book.add(aRecord(1, { atMs: wallMs }));
      book.flush(1, true);
      return Number(new DatabaseSync(path, { readOnly: true }).prepare("SELECT count(*) AS n FROM minutes").get()?.["n"]);
    };
    const book = open();
    assert.equal(count(book), 1);
    wallMs = START_MS + 500 * 86_400_000;
    assert.equal(count(book), 2);
    wallMs = START_MS + 60_000;
    assert.equal(count(book), 3, "the clock was set right, and nothing is gone");
    book.close();
    wallMs = START_MS + 2_000 * 86_400_000;
    const later = open();
    assert.equal(count(later), 4);
    wallMs += 60_000;
    assert.equal(count(later), 5);
    wallMs += 3_600_000;
    assert.equal(count(later), 3, "it goes on by that clock");
    later.close();
  });
});
