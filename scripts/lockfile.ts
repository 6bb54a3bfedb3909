/**
 * What an installation may not do: run code of a package while installing, or take another version than the one that was
 * tested. Checks package.json, the lockfile, and the manifests of what is installed; prints every violation and exits 1.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { object, readJson, text } from "./manifest.ts";

const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall"];
const EXACT = /^(npm:(@[\w.-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;

/** One sentence for each violation in the package at `root`. */
export function lockfileViolations(root: string): string[] {
  const found: string[] = [];
  const manifest = object(readJson(join(root, "package.json")));
  for (const kind of ["dependencies", "devDependencies", "optionalDependencies"]) {
    for (const [name, version] of Object.entries(object(manifest[kind]))) {
      if (!EXACT.test(text(version))) found.push(`package.json: ${kind}.${name} is "${text(version)}", not an exact version`);
    }
  }
  const lock = object(readJson(join(root, "package-lock.json")));
  for (const [path, entry] of Object.entries(object(lock["packages"]))) {
    if (path === "") continue;
    const facts = object(entry);
    if (facts["hasInstallScript"] === true) found.push(`package-lock.json: ${path} has an install script`);
    // Builds of the lint program for other platforms are locked by version only: not every mirror serves them, and npm ci
    // refuses a lockfile that leaves them out.
    const foreignTool = facts["dev"] === true && facts["optional"] === true;
    if (text(facts["integrity"]) === "" && !foreignTool) found.push(`package-lock.json: ${path} has no integrity hash`);
    const installed = join(root, path, "package.json");
    if (!existsSync(installed)) continue;
    const scripts = object(object(readJson(installed))["scripts"]);
    for (const name of INSTALL_SCRIPTS) if (name in scripts) found.push(`${path}: its manifest has a script "${name}"`);
    if (existsSync(join(root, path, "binding.gyp"))) found.push(`${path}: is compiled while installing`);
  }
  return found;
}

if (import.meta.main) {
  const violations = lockfileViolations(resolve(process.argv[2] ?? "."));
  for (const violation of violations) process.stderr.write(`${violation}\n`);
  if (violations.length === 0) process.stdout.write("no install scripts, exact versions\n");
  process.exitCode = violations.length === 0 ? 0 : 1;
}
