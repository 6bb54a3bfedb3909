import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import type { Log, StateScope } from "../ports.ts";
import { StorageError } from "./errors.ts";
import type { StateBounds } from "./state-bounds.ts";
import { EncryptedState } from "./state-encrypted.ts";
import { stateKeyFile, stateKeyOf } from "./state-key.ts";
import { MemoryState } from "./state-memory.ts";
import { openState } from "./state.ts";

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const MINE: StateScope = { tenant: "default", key: "app", kind: "responses" };
const OTHERS: readonly StateScope[] = [{ ...MINE, tenant: "other" }, { ...MINE, key: "web" }, { ...MINE, kind: "reasoning" }];
const SECRET = stateKeyOf("a secret of this test");
const MARKER = "the-prompt-that-nobody-may-find";

let folder = "";
let files = 0;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "spillway-state-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

interface Clocked {
  nowMs: number;
}
interface Settings {
  readonly clock?: Clocked;
  readonly bounds?: Partial<StateBounds>;
}
const encrypted = (settings: Settings = {}, path = join(folder, `${++files}.db`), secret = SECRET, log = SILENT) =>
  new EncryptedState(path, { secret, log, ...(settings.bounds === undefined ? {} : { bounds: settings.bounds }), wallMs: () => settings.clock?.nowMs ?? 1_000 });
const memory = (settings: Settings = {}) => new MemoryState(settings.bounds, () => settings.clock?.nowMs ?? 1_000);

for (const [name, open] of [["memory", memory], ["encrypted", encrypted]] as const) {
  describe(`state in ${name}`, () => {
    it("gives back what was kept, replaces it, and forgets it when told", async () => {
      const store = open();
      const value = { text: MARKER, list: [1, null, true, { "ü": "€" }] };
      assert.equal(await store.get(MINE, "a"), undefined);
      assert.equal(await store.put(MINE, "a", value, 1_000), true);
      assert.deepEqual(await store.get(MINE, "a"), value);
      await store.put(MINE, "a", "newer", 1_000);
      assert.equal(await store.get(MINE, "a"), "newer");
      assert.equal(store.size, 1);
      assert.equal(await store.delete(MINE, "a"), true);
      assert.equal(await store.delete(MINE, "a"), false);
      assert.equal(await store.get(MINE, "a"), undefined);
      assert.deepEqual([store.size, store.bytes], [0, 0]);
      store.close();
    });

    it("shows an entry to no other tenant, key or kind, and lets none of them delete it", async () => {
      const store = open();
      await store.put(MINE, "a", 1, 1_000);
      for (const other of OTHERS) {
        assert.equal(await store.get(other, "a"), undefined);
        assert.equal(await store.delete(other, "a"), false);
      }
      assert.equal(await store.get({ tenant: "default", key: 'app","responses', kind: "" }, "a"), undefined);
      assert.equal(await store.get(MINE, "a"), 1);
      store.close();
    });

    it("lets entries expire at their time, and a renewed one later, never sooner", async () => {
      const clock = { nowMs: 10_000 };
      const store = open({ clock });
      await store.put(MINE, "short", 1, 1_000);
      await store.put(MINE, "renewed", 2, 1_000);
      clock.nowMs = 10_999;
      assert.equal(await store.get(MINE, "short", 1), 1);
      assert.equal(await store.get(MINE, "renewed", 5_000), 2);
      clock.nowMs = 11_000;
      assert.equal(await store.get(MINE, "short"), undefined);
      assert.equal(await store.delete(MINE, "short"), false);
      assert.equal(await store.get(MINE, "renewed"), 2);
      clock.nowMs = 15_999;
      store.sweep();
      assert.equal(store.size, 0);
      store.close();
    });

    it("keeps within its bounds: what was kept or renewed longest ago makes room, what is too large is not kept", async () => {
      const store = open({ bounds: { entries: 3, bytes: 10_000, valueBytes: 2_000 } });
      for (const id of ["a", "b", "c"]) await store.put(MINE, id, id, 1_000);
      await store.get(MINE, "a", 1_000);
      await store.put(MINE, "d", "d", 1_000);
      assert.deepEqual(await Promise.all(["a", "b", "c", "d"].map((id) => store.get(MINE, id))), ["a", undefined, "c", "d"]);
      assert.equal(await store.put(MINE, "a", "x".repeat(3_000), 1_000), false);
      assert.equal(await store.get(MINE, "a"), undefined, "an older value does not stand for the newer one");
      store.close();
      const small = open({ bounds: { bytes: 4_000 } });
      for (const id of ["a", "b", "c", "d"]) assert.equal(await small.put(MINE, id, id.repeat(1_500), 1_000), true);
      assert.ok(small.bytes <= 4_000 && small.bytes > 2_900, String(small.bytes));
      assert.equal(await small.get(MINE, "d"), "d".repeat(1_500));
      small.close();
    });
  });
}

describe("the encrypted file", () => {
  it("survives its process with all it holds, expired entries excepted", async () => {
    const path = join(folder, "survives.db");
    const clock = { nowMs: 1_000 };
    const first = encrypted({ clock }, path);
    await first.put(MINE, "long", { text: MARKER }, 60_000);
    await first.put(MINE, "short", 1, 1_000);
    first.close();
    clock.nowMs = 30_000;
    const second = encrypted({ clock }, path);
    assert.deepEqual(await second.get(MINE, "long"), { text: MARKER });
    assert.equal(second.size, 1);
    second.close();
  });

  it("holds no value, id, tenant or key in clear, in none of its files, and no file that others can read", async () => {
    const inside = mkdtempSync(join(folder, "clear-"));
    const store = openState({ mode: "encrypted", path: join(inside, "state.db"), keyPath: join(inside, "state.key"), key: null, log: SILENT });
    const scope = { tenant: "tenant-in-clear", key: "key-in-clear", kind: "kind-in-clear" };
    await store.store.put(scope, "id-in-clear", { text: MARKER.repeat(50) }, 60_000);
    const look = (): void => {
      const names = readdirSync(inside);
      assert.ok(names.includes("state.db") && names.includes("state.key"), names.join());
      for (const name of names) {
        const bytes = readFileSync(join(inside, name));
        assert.equal(statSync(join(inside, name)).mode & 0o077, 0, name);
        for (const clear of [MARKER, "in-clear"]) assert.equal(bytes.includes(clear), false, `${name} holds ${clear}`);
      }
    };
    look();
    assert.ok(readdirSync(inside).includes("state.db-wal"), "the log is looked at too");
    store.close();
    look();
  });

  it("opens no entry that was moved to another scope or id, or changed", async () => {
    const path = join(folder, "moved.db");
    const store = encrypted({}, path);
    await store.put(MINE, "a", "mine", 60_000);
    await store.put(OTHERS[0] as StateScope, "a", "theirs", 60_000);
    const db = new DatabaseSync(path);
    const rows = db.prepare("SELECT name, sealed FROM entries ORDER BY kept").all() as { name: Uint8Array; sealed: Uint8Array }[];
    const swap = db.prepare("UPDATE entries SET sealed = ? WHERE name = ?");
    const [mine, theirs] = rows as [(typeof rows)[0], (typeof rows)[0]];
    swap.run(mine.sealed, theirs.name);
    assert.equal(await store.get(OTHERS[0] as StateScope, "a"), undefined);
    const changed = Uint8Array.from(mine.sealed);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    swap.run(changed, mine.name);
    assert.equal(await store.get(MINE, "a"), undefined);
    swap.run(mine.sealed, mine.name);
    assert.equal(await store.get(MINE, "a"), "mine");
    db.close();
    store.close();
  });

  it("drops what another key sealed, and says so", async () => {
    const path = join(folder, "other-key.db");
    const first = encrypted({}, path);
    await first.put(MINE, "a", 1, 60_000);
    first.close();
    const warned: string[] = [];
    const second = encrypted({}, path, stateKeyOf("another secret"), { ...SILENT, warn: (event) => warned.push(event) });
    assert.equal(await second.get(MINE, "a"), undefined);
    assert.deepEqual([second.size, warned], [0, ["state_dropped"]]);
    second.close();
  });

  it("makes a key once, private to its owner, and refuses one that others can read or that is none", () => {
    const path = join(folder, "made.key");
    const key = stateKeyFile(path);
    assert.equal(key.length, 32);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(stateKeyFile(path), key);
    chmodSync(path, 0o640);
    assert.throws(() => stateKeyFile(path), (error: unknown) => error instanceof StorageError && /chmod 600/.test(error.message));
    chmodSync(path, 0o600);
    writeFileSync(path, "no key");
    assert.throws(() => stateKeyFile(path), (error: unknown) => error instanceof StorageError && error.code === "corrupt");
  });

  it("says what to do where the file is damaged", () => {
    const path = join(folder, "damaged.db");
    writeFileSync(path, "not a database at all, and long enough to be looked at as one".repeat(100), { mode: 0o600 });
    assert.throws(() => encrypted({}, path), (error: unknown) => error instanceof StorageError && /remove it/.test(error.message));
  });

  it("costs no request anything when the disk fails: nothing is kept, and the log says so", async () => {
    const warned: string[] = [];
    const path = join(folder, "full.db");
    const store = encrypted({}, path, SECRET, { ...SILENT, warn: (event) => warned.push(event) });
    const blocker = new DatabaseSync(path);
    blocker.exec("BEGIN IMMEDIATE");
    assert.equal(await store.put(MINE, "a", 1, 1_000), false);
    blocker.exec("ROLLBACK");
    blocker.close();
    assert.deepEqual(warned, ["state_not_kept"]);
    assert.equal(await store.put(MINE, "a", 1, 1_000), true);
    store.close();
  });
});

it("state that is off keeps nothing", async () => {
  const { store } = openState({ mode: "off", path: "", keyPath: "", key: null, log: SILENT });
  assert.equal(await store.put(MINE, "a", 1, 1_000), false);
  assert.equal(await store.get(MINE, "a"), undefined);
  assert.equal(await store.delete(MINE, "a"), false);
});
