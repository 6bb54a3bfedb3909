/**
 * The test command: every `*.test.ts` (with --long also `*.long.ts`), or the files named, under node:test. Ends with the
 * slowest files and one line that says whether shared data was there and how many cases were skipped.
 *
 *   node scripts/test.ts [--long] [files or globs]
 */
import { existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

const SLOWEST_SHOWN = 5;
const FILE_TIMEOUT_MS = 420_000;

const root = resolve(import.meta.dirname, "..");
process.chdir(root);
const long = process.argv.includes("--long");
const named = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const patterns = named.length > 0 ? named : ["src/**/*.test.ts", "test/**/*.test.ts", ...(long ? ["src/**/*.long.ts", "test/**/*.long.ts"] : [])];
const files = globSync(patterns).toSorted().map((file) => resolve(root, file));
const shared = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared");
const present = existsSync(resolve(shared, "data"));
// Test files run as processes of their own and inherit these.
process.env["SPILLWAY_SHARED"] = shared;
process.env["NODE_NO_WARNINGS"] = "1";
// Eight hundred processes read much the same modules: what one has compiled, the next one finds. A fifth of their time.
const compiled = mkdtempSync(join(tmpdir(), "spillway-test-code-"));
process.env["NODE_COMPILE_CACHE"] ??= compiled;

if (files.length === 0) {
  process.stderr.write(`no test file matches ${patterns.join(" ")}\n`);
  process.exit(1);
}

const durationsMs = new Map<string, number>();
let skipped = 0;
let succeeded: boolean | null = null;
const events = run({ files, concurrency: Number(process.env["TEST_CONCURRENCY"] ?? "2"), timeout: long ? Infinity : FILE_TIMEOUT_MS });
// The runner's own count leaves out suites that are skipped whole.
let skippedSuites = 0;
events.on("test:pass", (event) => {
  if (event.details.type === "suite" && event.skip !== undefined) skippedSuites++;
});
events.on("test:summary", (summary) => {
  if (summary.file !== undefined) durationsMs.set(summary.file, summary.duration_ms);
  else {
    skipped = summary.counts.skipped;
    succeeded = summary.success;
  }
});
for await (const text of events.compose(spec)) process.stdout.write(text);

rmSync(compiled, { recursive: true, force: true });
const slowest = [...durationsMs].toSorted(([, a], [, b]) => b - a).slice(0, SLOWEST_SHOWN);
process.stdout.write("slowest files:\n");
for (const [file, durationMs] of slowest) process.stdout.write(`  ${(durationMs / 1_000).toFixed(1).padStart(6)} s  ${relative(root, file)}\n`);
process.stdout.write(`shared data: ${present ? "present" : "absent"}, ${skipped + skippedSuites} skipped\n`);
// No total means that the run broke off: never a success.
process.exitCode = succeeded === true ? 0 : 1;
