/**
 * Makes `dist/`: the sources without their types, declarations beside them, and the data files that they read; writes
 * THIRD_PARTY_NOTICES; then checks that the result is whole and runs.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { object, readJson, text } from "./manifest.ts";
import { notices } from "./notices.ts";

const root = resolve(import.meta.dirname, "..");
const dist = join(root, "dist");
process.chdir(root);

rmSync(dist, { recursive: true, force: true });
run("tsc", ["-p", "tsconfig.build.json"]);
nameDeclarations();
const assets = copyAssets();
await writeSchema();
writeFileSync(join(root, "THIRD_PARTY_NOTICES"), notices(root));

const problems = [...leftSourcePaths(), ...missingTargets()];
for (const problem of problems) process.stderr.write(`build: ${problem}\n`);
const version = problems.length === 0 ? versionOfBuild() : null;
if (problems.length > 0) process.exitCode = 1;
else process.stdout.write(`built dist/ (${globSync("dist/**/*.js").length} modules, ${assets} data files)${version === null ? "" : `: ${version}`}\n`);

/** The compiler rewrites `./x.ts` in code only; in a declaration file a user's compiler would look for our sources. */
function nameDeclarations(): void {
  for (const file of globSync("dist/**/*.d.ts")) {
    const declared = readFileSync(file, "utf8");
    writeFileSync(file, declared.replace(/(from |import\()"(\.{1,2}\/[^"]*)\.ts"/g, '$1"$2.js"'));
  }
}

/** Everything under src that is neither code nor a test's: catalogue, schema, scenarios, pages. Returns how many. */
function copyAssets(): number {
  const files = globSync("src/**/*.*").filter((file) => !/\.ts$|(^|\/)(fixtures|__fixtures__)\//.test(file));
  for (const file of files) {
    const target = join(dist, file.slice("src/".length));
    mkdirSync(dirname(target), { recursive: true });
    cpSync(file, target);
  }
  return files.length;
}

/** The JSON Schema for editors is made from the schema that checks, unless the sources hold it as a file. */
async function writeSchema(): Promise<void> {
  const target = join(dist, "config/spillway.schema.json");
  const module = join(dist, "config/schema.js");
  if (existsSync(target) || !existsSync(module)) return;
  const made = object(await import(pathToFileURL(module).href))["editorSchema"];
  if (typeof made === "function") writeFileSync(target, `${JSON.stringify(made(), null, 2)}\n`);
}

/** A path to a source that the compiler could not rewrite (a worker's URL, say) would only fail at a user's. */
function leftSourcePaths(): string[] {
  const found: string[] = [];
  for (const file of globSync("dist/**/*.js")) {
    readFileSync(file, "utf8").split("\n").forEach((line, index) => {
      const named = /["'`]\.{1,2}\/([^"'`\s]*)(?<!\.d)\.ts["'`]/.exec(line)?.[1];
      // Code that picks between both by where it runs names both.
      if (named !== undefined && !line.includes(`${named}.js`)) found.push(`${file}:${index + 1} names a source file: ${line.trim()}`);
    });
  }
  return found;
}

/** What package.json promises must be there. Before there is a command line, only told. */
function missingTargets(): string[] {
  const manifest = object(readJson("package.json"));
  const targets: string[] = [];
  const collect = (value: unknown): void => {
    if (typeof value === "string") targets.push(value);
    else for (const inner of Object.values(object(value))) collect(inner);
  };
  collect(manifest["exports"]);
  collect(manifest["bin"]);
  const missing = targets.filter((target) => !existsSync(target)).map((target) => `package.json promises ${target}, which is not there`);
  if (existsSync("src/cli/main.ts")) return missing;
  for (const sentence of missing) process.stdout.write(`build: not yet: ${sentence}\n`);
  return [];
}

function versionOfBuild(): string | null {
  if (!existsSync("dist/cli/main.js")) {
    process.stdout.write("build: not yet: there is no src/cli/main.ts, so the build was not started\n");
    return null;
  }
  const told = run("node", ["dist/cli/main.js", "--version"]).trim();
  const expected = text(object(readJson("package.json"))["version"]);
  if (!told.includes(expected)) {
    process.stderr.write(`build: dist/cli/main.js --version says "${told}", package.json says ${expected}\n`);
    process.exit(1);
  }
  return told;
}

/** Run a program of node_modules/.bin to its end; ours ends with its failure. */
function run(program: string, args: readonly string[]): string {
  const file = program === "node" ? process.execPath : join(root, "node_modules/.bin", program);
  // The programs there are scripts that ask for `node`: it must be ours, not an older one of the machine.
  const path = `${join(root, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
  const result = spawnSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, PATH: path } });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    process.stdout.write(result.stdout);
    process.stderr.write(`build: ${program} ${args.join(" ")} ended with ${result.status ?? result.signal}\n`);
    process.exit(1);
  }
  return result.stdout;
}
