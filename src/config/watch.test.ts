/** Real files in a folder of their own: what matters here is what the file system tells, and when. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { watchConfig, type ConfigWatch } from "./watch.ts";

let folder = "";
let watching: ConfigWatch | null = null;
let texts: string[] = [];
let wake: (() => void) | null = null;
/** A watch alone does not keep the process alive; the test does. */
let alive: NodeJS.Timeout | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "spillway-watch-"));
  texts = [];
  alive = setInterval(() => undefined, 1_000);
});
afterEach(() => {
  watching?.close();
  if (alive !== null) clearInterval(alive);
  rmSync(folder, { recursive: true, force: true });
});

function start(file: string, loadedText?: string): void {
  watching = watchConfig(
    file,
    (text) => {
      texts.push(text);
      wake?.();
    },
    { quietMs: 20, ...(loadedText === undefined ? {} : { loadedText }) },
  );
}
/** Until the last text told is this one. */
async function until(text: string): Promise<void> {
  const signal = AbortSignal.timeout(10_000);
  while (texts.at(-1) !== text) {
    await new Promise<void>((resolve, reject) => {
      wake = resolve;
      signal.addEventListener("abort", () => reject(new Error(`${JSON.stringify(text)} was never told, only ${JSON.stringify(texts)}`)), { once: true });
    });
  }
}

describe("a watched configuration", () => {
  it("tells its new text when it is written over", async () => {
    const file = join(folder, "spillway.yaml");
    writeFileSync(file, "a");
    start(file);
    writeFileSync(file, "b");
    await until("b");
  });

  it("tells it when an editor puts a new file in its place", async () => {
    const file = join(folder, "spillway.yaml");
    writeFileSync(file, "a");
    start(file);
    writeFileSync(`${file}.tmp`, "b");
    renameSync(`${file}.tmp`, file);
    await until("b");
  });

  it("tells it when a mounted volume swaps its link, twice", async () => {
    // As a container platform mounts it: spillway.yaml → ..data/spillway.yaml, ..data → ..1.
    const put = (version: string, text: string): void => {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, "spillway.yaml"), text);
      symlinkSync(version, join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    };
    put("..1", "a");
    symlinkSync("..data/spillway.yaml", join(folder, "spillway.yaml"));
    start(join(folder, "spillway.yaml"));
    put("..2", "b");
    rmSync(join(folder, "..1"), { recursive: true });
    await until("b");
    put("..3", "c");
    rmSync(join(folder, "..2"), { recursive: true });
    await until("c");
    assert.deepEqual(texts, ["b", "c"]);
  });

  it("tells it when the file behind a link is written over in its own folder", async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "spillway-watch-target-"));
    try {
      writeFileSync(join(elsewhere, "real.yaml"), "a");
      symlinkSync(join(elsewhere, "real.yaml"), join(folder, "spillway.yaml"));
      start(join(folder, "spillway.yaml"));
      writeFileSync(join(elsewhere, "real.yaml"), "b");
      await until("b");
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  it("waits while the file is missing, and says nothing when it comes back the same", async () => {
    const file = join(folder, "spillway.yaml");
    writeFileSync(file, "a");
    start(file);
    rmSync(file);
    writeFileSync(file, "a");
    writeFileSync(join(folder, "another.txt"), "x");
    writeFileSync(file, "b");
    await until("b");
    assert.deepEqual(texts, ["b"]);
  });

  it("tells what changed between loading and watching", async () => {
    const file = join(folder, "spillway.yaml");
    writeFileSync(file, "b");
    start(file, "a");
    await until("b");
  });
});
