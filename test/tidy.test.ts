/**
 * Style and borders as a test: each rule is one case and prints every violation as file:line. The tables, with the reason
 * of every exemption, stand in `tidy/rules.ts`.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { lockfileViolations } from "../scripts/lockfile.ts";
import { object, readJson, text } from "../scripts/manifest.ts";
import * as rules from "./tidy/rules.ts";
import { ROOT, importsOf, matches, sources, trackedFiles } from "./tidy/source.ts";
import type { Source } from "./tidy/source.ts";

const all = sources("src/**/*.ts", "test/**/*.ts", "scripts/**/*.ts", "bench/**/*.ts", "bin/*.mjs");
const src = all.filter((source) => source.file.startsWith("src/"));
const shipped = src.filter((source) => !source.isTest);
const pure = shipped.filter((source) => rules.PURE.includes(partOf(source.file)));

/** `src/wire/json.ts` → `wire`, `src/ports.ts` → `ports.ts`. */
function partOf(file: string): string {
  return file.split("/")[1] ?? "";
}

function none(violations: readonly string[]): void {
  if (violations.length > 0) assert.fail(`${violations.length} violations:\n  ${violations.join("\n  ")}\n`);
}

/** What a list says of a file, or of the folder that it is in. */
function exemptionOf<T>(list: Readonly<Record<string, T>>, file: string): T | undefined {
  return Object.entries(list).find(([entry]) => (entry.endsWith("/") ? file.startsWith(entry) : file === entry))?.[1];
}

describe("imports", () => {
  it("follow the table", () => {
    const violations: string[] = [];
    for (const source of shipped) {
      const from = partOf(source.file);
      const allowed = rules.IMPORT_TABLE[from];
      if (allowed === undefined) violations.push(`${source.file}  "${from}" is not in the import table`);
      if (allowed === undefined || allowed === "*") continue;
      for (const { target, ours, line } of importsOf(source)) {
        const to = partOf(target);
        if (!ours || to === from || allowed.includes(to)) continue;
        if (`${source.file} → ${target}` in rules.IMPORT_EXCEPTIONS) continue;
        violations.push(`${source.file}:${line}  ${from} may not import ${target}`);
      }
    }
    none(violations);
  });

  it("of the pure folders name no package and no part of Node.js", () => {
    none(pure.flatMap((source) => importsOf(source).filter(({ ours }) => !ours).map(({ target, line }) => `${source.file}:${line}  ${target}`)));
  });

  it("of the fleet name nothing of ours: it checks the money with code of its own", () => {
    const fleet = src.filter((source) => source.file.startsWith("src/fleet/") && !source.isTest);
    none(fleet.flatMap((source) => importsOf(source).filter(({ ours, target }) => ours && !target.startsWith("src/fleet/")).map(({ target, line }) => `${source.file}:${line}  ${target}`)));
  });

  it("of shipped code never reach into tests", () => {
    none(shipped.flatMap((source) => importsOf(source).filter(({ target }) => /\.test\.ts$|^test\//.test(target)).map(({ target, line }) => `${source.file}:${line}  ${target}`)));
  });

  it("name only declared dependencies, and shipped code only those that are installed with it", () => {
    const manifest = object(readJson(join(ROOT, "package.json")));
    const runtime = Object.keys(object(manifest["dependencies"]));
    const development = [...runtime, ...Object.keys(object(manifest["devDependencies"]))];
    const packageOf = (target: string): string => target.split("/").slice(0, target.startsWith("@") ? 2 : 1).join("/");
    const violations: string[] = [];
    for (const source of all.filter(({ file }) => !file.startsWith("bench/"))) {
      const known = shipped.includes(source) ? runtime : development;
      for (const { target, ours, line } of importsOf(source)) {
        if (!ours && !target.startsWith("node:") && !known.includes(packageOf(target))) violations.push(`${source.file}:${line}  ${target}`);
      }
    }
    none(violations);
  });
});

describe("time and chance", () => {
  const AMBIENT = /\bDate\.now\b|\bMath\.random\b|\bnew Date\(\s*\)|\bperformance\s*\.|\bset(?:Timeout|Interval|Immediate)\b|\bprocess\s*\.|\bglobalThis\b|\bcrypto\s*\./;

  it("are arguments in the pure folders", () => {
    none(pure.flatMap((source) => matches(source, source.bare, AMBIENT)));
  });

  it("come through the ports in the pipeline", () => {
    none(shipped.filter((source) => partOf(source.file) === "pipeline").flatMap((source) => matches(source, source.bare, AMBIENT)));
  });
});

describe("names", () => {
  it("of providers appear in code only under src/providers", () => {
    const catalogue = object(readJson(join(ROOT, "src/providers/catalog/catalogue.json")));
    const ids = (catalogue["providers"] as readonly unknown[]).map((provider) => text(object(provider)["id"]));
    assert.ok(ids.includes("openai") && ids.length > 20, "the catalogue's list of providers was not read");
    const words = [...ids, ...rules.BRANDS].filter((word) => !rules.ORDINARY_WORDS.includes(word));
    const dialects = new RegExp(rules.DIALECT_NAMES.join("|"), "g");
    const violations: string[] = [];
    for (const source of shipped) {
      const allowed = exemptionOf(rules.PROVIDER_NAMES_ALLOWED, source.file)?.words ?? [];
      if (source.file.startsWith("src/providers/") || allowed === "*") continue;
      const named = new RegExp(`\\b(?:${words.filter((word) => !allowed.includes(word)).join("|")})\\b`, "i");
      violations.push(...matches(source, source.code.replace(dialects, (name) => " ".repeat(name.length)), named));
    }
    none(violations);
  });

  it("of files say what is inside", () => {
    none(all.map(({ file }) => file).filter((file) => rules.FILE_NAMES_BANNED.test(file)));
  });
});

describe("code", () => {
  it("stands in files of at most 500 lines", () => {
    const violations: string[] = [];
    for (const source of all) {
      const lines = source.text.split("\n").length - 1;
      if (lines > 500 && exemptionOf(rules.LONG_FILES, source.file) === undefined) violations.push(`${source.file}:${lines}  ${lines} lines`);
    }
    none(violations);
  });

  it("never swallows an error", () => {
    const EMPTY_CATCH = /\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}|\.catch\(\s*(?:\([^)]*\)|\w+)\s*=>\s*(?:\{\s*\}|undefined|null|void 0)\s*\)|\.catch\(\s*\)/;
    none(all.flatMap((source) => matches(source, source.bare, EMPTY_CATCH)));
  });

  it("has no `any`", () => {
    none(all.flatMap((source) => matches(source, source.bare, /:\s*any\b(?!\s*[(:])|\bas\s+any\b|<any\b|\bany\s*\[\]|,\s*any>/)));
  });

  it("silences no checker", () => {
    none(all.flatMap((source) => matches(source, source.text, /@ts-(?:ignore|nocheck|expect-error)|(?:ox|es)lint-disable(?!.* -- \S)/).filter((line) => !line.startsWith("test/tidy"))));
  });

  it("documents every exported function that is longer than one statement", () => {
    const violations: string[] = [];
    for (const source of shipped) {
      const lines = source.text.split("\n");
      lines.forEach((line, index) => {
        if (!/^export (?:default )?(?:async )?function\b/.test(line)) return;
        if (lines[index + 2] === "}") return;
        const name = /function\*?\s+(\w+)/.exec(line)?.[1];
        const before = (lines[index - 1] ?? "").trimEnd();
        // An overload stands under the docstring of the first.
        if (!before.endsWith("*/") && !before.includes(`function ${name}`)) violations.push(`${source.file}:${index + 1}  ${line.trim()}`);
      });
    }
    none(violations);
  });
});

describe("sockets", () => {
  it("to the outside are opened in one module", () => {
    none(shipped.filter(({ file }) => !/^src\/edge\/upstream[^/]*\.ts$/.test(file) && exemptionOf(rules.SOCKETS_ALLOWED, file) === undefined).flatMap(opensSockets));
  });

  it("are exempt only in files that exist", () => {
    const lists = [rules.SOCKETS_ALLOWED, rules.PROVIDER_NAMES_ALLOWED, rules.LONG_FILES];
    none(lists.flatMap((list) => Object.keys(list).filter((entry) => !all.some(({ file }) => file.startsWith(entry)))));
  });

  /** Ways of reaching out: a client's package, a client's function of a Node.js module, or a global. */
  function opensSockets(source: Source): string[] {
    const found = matches(source, source.bare, /(?<![.\w#])fetch\s*\(|\bnew\s+(?:WebSocket|EventSource|Socket|TLSSocket)\s*\(/);
    for (const { target, typeOnly, clause, line } of importsOf(source)) {
      if (typeOnly) continue;
      const module = target.replace(/^node:/, "");
      const named = clause.startsWith("{") ? clause.replace(/\btype\s+\w+/g, "") : null;
      const whole = named === null ? clause.replace(/^\*\s+as\s+/, "").trim() : null;
      const CLIENTS: Readonly<Record<string, RegExp>> = {
        http: /\b(?:request|get|Agent|ClientRequest)\b/,
        https: /\b(?:request|get|Agent)\b/,
        http2: /\bconnect\b/,
        net: /\b(?:connect|createConnection|Socket)\b/,
        tls: /\b(?:connect|TLSSocket)\b/,
        dgram: /\bcreateSocket\b/,
      };
      const client = CLIENTS[module];
      if (module === "undici" || module.startsWith("undici/")) found.push(`${source.file}:${line}  imports undici`);
      else if (client !== undefined && named !== null && client.test(named)) found.push(`${source.file}:${line}  ${clause} of ${target}`);
      else if (client !== undefined && whole !== null && whole !== "") found.push(...matches(source, source.bare, new RegExp(`\\b${whole}\\.(?:${client.source})`)));
    }
    return found;
  }
});

describe("the package", () => {
  it("has exact versions, no install scripts, and hashes for everything", () => {
    none(lockfileViolations(ROOT));
  });

  it("gives a reason for every runtime dependency in docs/dependencies.md", () => {
    const page = readFileSync(join(ROOT, "docs/dependencies.md"), "utf8");
    const manifest = object(readJson(join(ROOT, "package.json")));
    const missing: string[] = [];
    for (const kind of ["dependencies", "optionalDependencies"]) {
      for (const [name, version] of Object.entries(object(manifest[kind]))) {
        const row = page.split("\n").find((line) => line.includes(`\`${name}\``));
        if (row === undefined) missing.push(`docs/dependencies.md does not name ${name}`);
        else if (!row.includes(text(version))) missing.push(`docs/dependencies.md names another version of ${name} than ${text(version)}`);
      }
    }
    none(missing);
  });

  it("names no machine's paths and no registry's host in what is tracked", () => {
    const hosts = ["registry.npmjs", "registry.yarnpkg", "files.pythonhosted", "deb.debian", "static.crates"];
    const pattern = new RegExp(`(?<![\\w.}*$/-])/(?:${["work", "root", "tmp"].join("|")})/|${hosts.join("|")}`);
    const violations: string[] = [];
    for (const file of trackedFiles()) {
      if (file === "test/tidy.test.ts" || /\.(?:png|ico|gz|woff2)$/.test(file)) continue;
      readFileSync(join(ROOT, file), "utf8").split("\n").forEach((line, index) => {
        if (pattern.test(line)) violations.push(`${file}:${index + 1}  ${line.trim().slice(0, 160)}`);
      });
    }
    none(violations);
  });
});
