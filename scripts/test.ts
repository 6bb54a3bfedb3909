/**
 * The test command. Runs every `*.test.ts` (and `*.long.ts` with --long) under node:test and ends with one line that
 * says whether shared data was there and how many cases were skipped.
 */
import { spawn } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { resolve } from "node:path";

const long = process.argv.includes("--long");
const only = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const shared = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared");
const present = existsSync(resolve(shared, "data"));
const files = only.length > 0 ? only : globSync(long ? ["src/**/*.test.ts", "test/**/*.test.ts", "test/**/*.long.ts"] : ["src/**/*.test.ts", "test/**/*.test.ts"]);

const child = spawn(process.execPath, ["--test", "--test-reporter=spec", `--test-concurrency=${process.env["TEST_CONCURRENCY"] ?? "2"}`, ...files.toSorted()], {
  stdio: ["ignore", "pipe", "inherit"],
  env: { ...process.env, SPILLWAY_SHARED: shared, NODE_NO_WARNINGS: "1" },
});
let tail = "";
child.stdout.on("data", (chunk: Buffer) => {
  process.stdout.write(chunk);
  tail = (tail + chunk.toString()).slice(-4000);
});
child.on("close", (code) => {
  const skipped = /skipped (\d+)/.exec(tail)?.[1] ?? "unknown number";
  process.stdout.write(`shared data: ${present ? "present" : "absent"}, ${skipped} skipped\n`);
  process.exitCode = code ?? 1;
});
