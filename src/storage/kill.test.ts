/** kill -9 in the middle of writing: nothing that was announced is lost, nothing is there twice, and the next start goes on. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { aHold } from "./conformance.ts";
import { isOwned, openDataDir, openReadOnly } from "./data-dir.ts";
import { SqliteStorage } from "./sqlite.ts";

const base = mkdtempSync(join(tmpdir(), "spillway-kill-"));
after(() => rmSync(base, { recursive: true, force: true }));
const CHILD = join(import.meta.dirname, "test-kill-child.ts");

interface Announced {
  readonly held: ReadonlySet<number>;
  readonly charged: ReadonlySet<number>;
}

/** Lets a child write until it has announced `lines` lines, runs `meanwhile` beside it, and kills it. */
async function killAfter(folder: string, first: number, lines: number, meanwhile: (pid: number) => void = () => undefined): Promise<Announced> {
  // A file, not a pipe: what was written to it is there however the child ends, and it never blocks.
  const file = `${folder}.${first}.announced`;
  const descriptor = openSync(file, "w");
  const child = spawn(process.execPath, [CHILD, folder, String(first)], { stdio: ["ignore", descriptor, "inherit"] });
  closeSync(descriptor);
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  const giveUpAtMs = performance.now() + 30_000;
  while (readFileSync(file, "utf8").split("\n").length < lines && child.exitCode === null && performance.now() < giveUpAtMs) await sleep(2);
  try {
    meanwhile(child.pid ?? 0);
  } finally {
    child.kill("SIGKILL");
  }
  assert.equal(await closed, null, "the child ended by itself");
  const text = readFileSync(file, "utf8");
  const numbers = (word: string): ReadonlySet<number> => new Set([...text.matchAll(new RegExp(`^${word} (\\d+)\n`, "gm"))].map((match) => Number(match[1])));
  return { held: numbers("held"), charged: numbers("charged") };
}

test("over several kills, every announced hold has one row and every announced charge its cost", async () => {
  const folder = join(base, "rounds");
  const held = new Set<number>();
  const charged = new Set<number>();
  for (let round = 0; round < 6; round++) {
    const announced = await killAfter(folder, 1 + round * 100_000, 50 + 397 * round);
    for (const number of announced.held) held.add(number);
    for (const number of announced.charged) charged.add(number);
  }
  // Before any restart: what a reading command sees of a dead gateway.
  const reader = openReadOnly(folder);
  const early = new Set([...reader.requests({}), ...reader.unrecorded()].map((view) => view.requestId));
  for (const number of held) assert.ok(early.has(aHold(number).requestId), `request ${number} is not listed after the kill`);
  reader.close();

  const dir = openDataDir(folder);
  const storage = new SqliteStorage(dir.ledgerPath, { checkpointEveryMs: 0 });
  storage.settleOrphans(Date.UTC(2100, 0)); // All leases have passed.
  const listed = [...storage.reader.requests({})].map((view) => view.requestId);
  assert.equal(new Set(listed).size, listed.length, "a request is listed twice");
  for (const number of held) {
    const rows = storage.reader.attemptsOf(aHold(number).requestId);
    assert.equal(rows.length, 1, `attempt ${number} has ${rows.length} rows`);
    assert.notEqual(rows[0]?.state, "held");
    if (charged.has(number)) assert.deepEqual([rows[0]?.state, rows[0]?.costNanoUsd, rows[0]?.corrections], ["charged", number, 0]);
  }
  const total = storage.reader.totals()[0];
  assert.equal(total?.attempts, listed.length);
  // What was never announced is at most what was in flight: eight workers, one attempt each, in each round.
  assert.ok(listed.length - held.size <= 6 * 8, `${listed.length - held.size} rows that nobody was told of`);
  await storage.close();
  dir.close();
});

test("while one gateway runs a second is refused by its pid, readers are not, and after a kill the folder is free", async () => {
  const folder = join(base, "second");
  let refusal = "";
  let rowsSeen = 0;
  let owned = false;
  let childPid = 0;
  await killAfter(folder, 1, 500, (pid) => {
    childPid = pid;
    owned = isOwned(folder);
    try {
      openDataDir(folder).close();
    } catch (error) {
      refusal = error instanceof Error ? error.message : "";
    }
    const reader = openReadOnly(folder);
    rowsSeen = reader.totals()[0]?.attempts ?? 0;
    assert.deepEqual(reader.unrecorded(), []);
    reader.close();
  });
  assert.ok(refusal.includes(`(pid ${childPid})`), refusal);
  assert.ok(owned);
  assert.ok(rowsSeen > 0);
  assert.equal(isOwned(folder), false);
  openDataDir(folder).close();
});
