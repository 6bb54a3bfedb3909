import assert from "node:assert/strict";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { aHold } from "./conformance.ts";
import { controlSocketPathOf, isOwned, openDataDir, openReadOnly } from "./data-dir.ts";
import { StorageError } from "./errors.ts";
import { SqliteStorage } from "./sqlite.ts";

const base = mkdtempSync(join(tmpdir(), "spillway-dir-"));
chmodSync(base, 0o755);
after(() => rmSync(base, { recursive: true, force: true }));

test("a new folder is made with its parents, private, and marked", () => {
  const path = join(base, "a", "b");
  const dir = openDataDir(path);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.ok(existsSync(join(path, "SPILLWAY")));
  assert.equal(dir.path, path);
  dir.close();
  openDataDir(path).close();
});

test("an empty folder is taken, one with others' files is refused and left as it was", () => {
  const empty = join(base, "empty");
  mkdirSync(empty);
  openDataDir(empty).close();
  const foreign = join(base, "foreign");
  mkdirSync(foreign);
  writeFileSync(join(foreign, "thesis.txt"), "mine");
  assert.throws(() => openDataDir(foreign), (error) => error instanceof StorageError && error.code === "foreign_folder" && error.message.includes("thesis.txt"));
  assert.deepEqual(readdirSync(foreign), ["thesis.txt"]);
});

test("a file in the folder's place, or above it, is refused with its path", () => {
  const file = join(base, "file");
  writeFileSync(file, "");
  assert.throws(() => openDataDir(file), (error) => error instanceof StorageError && error.code === "unwritable" && error.message.includes(file));
  assert.throws(() => openDataDir(join(file, "below")), { code: "unwritable" });
});

/** Runs `work` as a user who is not root: root may write anywhere. */
function asUser(uid: number, work: () => void): void {
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(uid);
  try {
    work();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

test("a folder that cannot be written is refused with the way out", () => {
  const path = join(base, "locked");
  mkdirSync(path, { mode: 0o555 });
  asUser(65_534, () => assert.throws(() => openDataDir(path), (error) => error instanceof StorageError && error.code === "unwritable" && error.message.includes("--data-dir")));
});

test("a folder of another user is refused", () => {
  if (process.geteuid?.() !== 0) return; // Only root can give a folder away; elsewhere there is nothing to try.
  const path = join(base, "theirs");
  mkdirSync(path, { mode: 0o777 });
  chmodSync(path, 0o777);
  chownSync(path, 1234, 1234);
  asUser(65_534, () => assert.throws(() => openDataDir(path), { code: "foreign_folder" }));
});

test("one owner at a time, in one process too; closing frees the folder", () => {
  const path = join(base, "owned");
  const dir = openDataDir(path);
  assert.throws(() => openDataDir(path), (error) => error instanceof StorageError && error.code === "in_use" && error.message.includes(String(process.pid)));
  assert.equal(isOwned(path), true);
  dir.close();
  dir.close();
  assert.equal(isOwned(path), false);
  openDataDir(path).close();
});

test("reading a folder without a ledger says what to do", () => {
  assert.throws(() => openReadOnly(join(base, "nowhere")), (error) => error instanceof StorageError && error.code === "not_found" && error.message.includes("--data-dir"));
});

test("readers see what a running gateway wrote, while it writes", async () => {
  const dir = openDataDir(join(base, "both"));
  const storage = new SqliteStorage(dir.ledgerPath, { checkpointEveryMs: 0 });
  const reader = openReadOnly(dir.path);
  for (const number of [1, 2, 3]) {
    await storage.ledger.reserve([aHold(number)]);
    assert.equal(reader.attemptsByIds([aHold(number).attemptId]).length, 1);
  }
  assert.deepEqual(reader.unrecorded(), []);
  reader.close();
  await storage.close();
  dir.close();
});

test("the control socket's path can be listened on however deep the folder lies, and an old one is cleared", async () => {
  const deep = join(base, "d".repeat(60), "e".repeat(60));
  for (const path of [join(base, "s"), deep]) {
    const first = openDataDir(path);
    assert.ok(Buffer.byteLength(first.controlSocketPath) <= 100);
    assert.equal(controlSocketPathOf(path), first.controlSocketPath);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(first.controlSocketPath, resolve));
    await new Promise<void>((resolve) => server.close(() => resolve()));
    first.close();
    writeFileSync(first.controlSocketPath, "left behind");
    const second = openDataDir(path);
    assert.equal(existsSync(second.controlSocketPath), false);
    second.close();
    if (path === deep) rmSync(join(second.controlSocketPath, ".."), { recursive: true, force: true });
  }
});

test("a place where no folder can be made is an error at once, not a wait", { skip: process.platform === "linux" ? false : "/proc is Linux's" }, () => {
  assert.throws(() => openDataDir("/proc/spillway/data"), /cannot be made/);
});
