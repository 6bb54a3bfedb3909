/** `npx spillway`: a shell between npm and the gateway takes the signal; the gateway ends in order all the same. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const BIN = fileURLToPath(new URL("../bin/spillway.mjs", import.meta.url));

test("a gateway that npx started stops in order when npm is told to stop", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "spillway-npx-"));
  // As npm does it: `sh -c`, with a command that the shell does not become itself.
  const command = `"${process.execPath}" "${BIN}" start --port 0 --admin-port 0 --data-dir "${dataDir}" --log json; true`;
  const shell = spawn("sh", ["-c", command], { env: { PATH: process.env["PATH"] ?? "", npm_command: "exec", NODE_NO_WARNINGS: "1", SPILLWAY_CONFIG: "version: 1\nproviders: { o: { type: openai, api_key: k } }\n" }, stdio: ["ignore", "pipe", "pipe"] });
  try {
    let text = "";
    // The pipes end when all who hold them have: with the gateway, not with the shell.
    const ended = Promise.all([shell.stdout, shell.stderr].map((one) => new Promise<void>((resolve) => one.once("end", () => resolve()))));
    await new Promise<void>((resolve, reject) => {
      const look = (chunk: Buffer): void => {
        text += chunk.toString();
        if (text.includes("Listening on ")) resolve();
      };
      shell.stdout.on("data", look);
      shell.stderr.on("data", look);
      shell.once("exit", () => reject(new Error(text)));
    });
    shell.kill("SIGTERM");
    await ended;
    assert.match(text, /^Stopping: not ready from now on/m);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
