import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { endQuietly } from "./broken-pipe.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-pipe-"));
after(() => rmSync(folder, { recursive: true }));

/** Run with a reader of stdout that has left before the first word. */
async function unread(args: readonly string[]): Promise<{ readonly code: number | null; readonly errors: string }> {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), ...args], { cwd: folder, env: { ...process.env, OPENAI_API_KEY: "sk-x" }, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout?.destroy();
  let errors = "";
  child.stderr?.on("data", (bytes: Buffer) => (errors += bytes.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, errors };
}

describe("a reader that leaves early", () => {
  for (const args of [["prices", "show"], ["check"]]) {
    it(`ends spillway ${args.join(" ")} in silence`, async () => {
      assert.deepEqual(await unread(args), { code: 0, errors: "" });
    });
  }

  it("ends what would go on for ever, and other errors are thrown on", () => {
    const stream = new EventEmitter();
    const left = endQuietly([stream]);
    assert.throws(() => stream.emit("error", Object.assign(new Error("disk"), { code: "ENOSPC" })), /disk/);
    assert.equal(left.aborted, false);
    stream.emit("error", Object.assign(new Error("pipe"), { code: "EPIPE" }));
    assert.equal(left.aborted, true);
  });
});
