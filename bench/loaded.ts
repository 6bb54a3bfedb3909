/**
 * `node bench/loaded.ts`: does finding a key and holding money cost more with 100,000 keys and 10,000 budgets than with ten
 * of each? The same few callers ask in both; both worlds run in turns in one process; figures
 * are microseconds and the ratio of the medians.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CallerBook } from "../src/control/callers.ts";
import type { Budget } from "../src/decide/budget/types.ts";
import type { Caller, Hold } from "../src/ports.ts";
import { MemoryControlStore } from "../src/storage/control-memory.ts";
import { SqliteStorage } from "../src/storage/sqlite.ts";
import { median } from "./statistics.ts";

const ROUNDS = 15;
const CALLS = 4_000;
const CALLERS = 7;
/** Calls of one turn of the event loop, which are one commit. */
const GROUP = 32;

interface World {
  readonly name: string;
  readonly book: CallerBook;
  readonly secrets: readonly string[];
  readonly storage: SqliteStorage;
  calls: number;
}

const folder = mkdtempSync(join(tmpdir(), "spillway-loaded-"));
const few = world("10 keys, 10 budgets", 10, 10);
const many = world("100,000 keys, 10,000 budgets", 100_000, 10_000);
const figures = new Map([few, many].map((one) => [one, { find: [] as number[], hold: [] as number[] }]));
for (let round = 0; round < ROUNDS; round++) {
  for (const one of round % 2 === 0 ? [few, many] : [many, few]) {
    const of = figures.get(one);
    of?.find.push(find(one));
    of?.hold.push(await hold(one));
  }
}
const told = (of: World, what: "find" | "hold"): number => median((figures.get(of)?.[what] ?? []).slice(2));
process.stdout.write("| | find a key, us | hold and charge under four budgets, us |\n|---|---|---|\n");
for (const one of [few, many]) process.stdout.write(`| ${one.name} | ${told(one, "find").toFixed(2)} | ${told(one, "hold").toFixed(2)} |\n`);
process.stdout.write(`| ratio | ${(told(many, "find") / told(few, "find")).toFixed(2)} | ${(told(many, "hold") / told(few, "hold")).toFixed(2)} |\n`);
for (const one of [few, many]) await one.storage.close();
rmSync(folder, { recursive: true, force: true });

function world(name: string, keys: number, budgets: number): World {
  const store = new MemoryControlStore();
  const secrets = Array.from({ length: keys }, (_, i) => `spw_default_${createHash("sha256").update(`${name} ${i}`).digest("base64url")}`);
  const actor = { id: "bench", tenant: "default", role: "owner" } as const;
  for (let i = 0; i < keys; i += 1_000) {
    store.apply(
      secrets.slice(i, i + 1_000).map((secret, j) => ({ op: "put", kind: "key", id: `key-${i + j}`, tenant: "default", body: { name: `key ${i + j}`, secrets: [{ hash: hashOf(secret), prefix: secret.slice(0, 12) }] } })),
      actor,
      "create",
    );
  }
  const storage = new SqliteStorage(join(folder, `${keys}.db`), { checkpointEveryMs: 0 });
  const budget = (id: string, scope: string): Budget => ({ id, scopes: [scope], period: "month", timeZone: "UTC", limitNanoUsd: Number.MAX_SAFE_INTEGER, kind: "hard", alertsAtPermille: [500], cheaperFromPermille: null });
  storage.limit([budget("all", "tenant/default"), budget("route", "route/r"), budget("provider", "provider/p"), ...Array.from({ length: budgets }, (_, i) => budget(`key-${i}`, `key/key-${i}`))]);
  return { name, book: new CallerBook(store), secrets, storage, calls: 0 };
}

function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

/** The same number of callers in both worlds, spread over all that are loaded and have a budget of their own. */
function spread(i: number, loaded: number): number {
  return Math.floor((i * Math.min(loaded, 9_000)) / CALLERS);
}

function callerOf({ book, secrets }: World, i: number): Caller {
  const found = book.get(hashOf(secrets[spread(i % CALLERS, secrets.length)] as string));
  if (found === undefined) throw new Error("a key was not found");
  return found.caller;
}

/** Microseconds for hashing a secret and finding whom it stands for. */
function find(one: World): number {
  const started = performance.now();
  for (let i = 0; i < CALLS; i++) callerOf(one, i);
  return ((performance.now() - started) * 1_000) / CALLS;
}

/** Microseconds of a hold and its charge, written in groups. */
async function hold(one: World): Promise<number> {
  const callers = Array.from({ length: CALLERS }, (_, i) => callerOf(one, i));
  const scopes = callers.map((caller) => Object.freeze([...caller.scopes, "route/r", "model/m", "provider/p"]));
  const started = performance.now();
  for (let done = 0; done < CALLS; done += GROUP) {
    const holds: Hold[] = Array.from({ length: GROUP }, () => {
      const number = one.calls++;
      const id = String(number).padStart(12, "0");
      return {
        attemptId: `att_${id}`, requestId: `req_${id}`, number: 1, deployment: "p/m", tenant: "default", scopes: scopes[number % scopes.length] as readonly string[], priceVersion: "1",
        period: "2026-11", boundNanoUsd: 1_000_000, inputEstimateTokens: 10, inputEstimateNanoUsd: 1_000, outputPricePicoUsd: 600_000, billsOnAbort: "input", atMs: Date.now(),
      };
    });
    await Promise.all(holds.map((each) => one.storage.ledger.reserve([each])));
    await Promise.all(holds.map(({ attemptId }) => one.storage.ledger.settle([{ attemptId, state: "charged", outcome: "answered", units: { input: 10, output: 5 }, rawUsage: null, costNanoUsd: 4_500, flags: [], atMs: Date.now() }])));
  }
  return ((performance.now() - started) * 1_000) / CALLS;
}
