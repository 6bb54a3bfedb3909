/** Sources as the tidy test reads them: by line, with comments or also the contents of strings blanked out. */
import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");

export interface Source {
  /** Relative to the root, with forward slashes. */
  readonly file: string;
  readonly text: string;
  /** Comments blanked; every character keeps its place. */
  readonly code: string;
  /** Comments and the contents of strings, templates and regular expressions blanked. */
  readonly bare: string;
  /** A test, or what only tests use (`test-*.ts`, `testing.ts`, `conformance.ts` beside the code): not shipped. */
  readonly isTest: boolean;
}
export interface Import {
  /** `node:net`, `undici`, or a path relative to the root. */
  readonly target: string;
  readonly ours: boolean;
  readonly typeOnly: boolean;
  /** The text between `import` and `from`; empty for a dynamic or bare import. */
  readonly clause: string;
  readonly line: number;
}

/** Every source of ours under these globs. */
export function sources(...patterns: readonly string[]): Source[] {
  const files = globSync([...patterns], { cwd: ROOT, exclude: ["**/node_modules/**", "dist/**"] });
  return files.toSorted().map((file) => read(file.replaceAll("\\", "/")));
}

/** Every tracked text file, or where there is no repository (an unpacked archive) none. */
export function trackedFiles(): string[] {
  if (!existsSync(join(ROOT, ".git"))) return [];
  const listed = execFileSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" });
  // A file may be tracked and just deleted.
  return listed.split("\0").filter((file) => file !== "" && existsSync(join(ROOT, file)));
}

/** `file:line` and the text of each line of `part` that matches. */
export function matches(source: Source, part: string, pattern: RegExp): string[] {
  const global = new RegExp(pattern.source, pattern.flags.includes("g") ? pattern.flags : `${pattern.flags}g`);
  const found: string[] = [];
  for (const match of part.matchAll(global)) {
    const line = lineAt(part, match.index);
    found.push(`${source.file}:${line}  ${(source.text.split("\n")[line - 1] ?? "").trim()}`);
  }
  return found;
}

/** All imports and re-exports, static and dynamic. */
export function importsOf(source: Pick<Source, "file" | "code" | "bare">): Import[] {
  const found: Import[] = [];
  const pattern = /\b(?:(import|export)(\s+type)?\s+([^"';()]*?)\s*from\s*|import\s*\(\s*|import\s+)(["'])([^"'\n]+)\4/g;
  for (const match of source.code.matchAll(pattern)) {
    const [, , type, clause = "", , specifier = ""] = match;
    // Inside a string (a test's sample, say) it is no import.
    if (source.bare[match.index] !== source.code[match.index]) continue;
    const ours = specifier.startsWith(".");
    const target = ours ? posix.normalize(posix.join(dirname(source.file), specifier)) : specifier;
    found.push({ target, ours, typeOnly: type !== undefined, clause, line: lineAt(source.code, match.index) });
  }
  return found;
}

function read(file: string): Source {
  const text = readFileSync(join(ROOT, file), "utf8");
  const { code, bare } = blank(text);
  return { file, text, code, bare, isTest: /\.(test|long)\.ts$|\/test-[^/]*\.ts$|\/(testing|conformance)\.ts$/.test(file) || file.startsWith("test/") || file.startsWith("bench/") };
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let i = text.indexOf("\n"); i !== -1 && i < index; i = text.indexOf("\n", i + 1)) line += 1;
  return line;
}

/** What a token is: blanked in `bare` only, in both, or in neither. */
const TOKEN = new RegExp(
  [
    String.raw`(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)`,
    String.raw`(?<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')`,
    String.raw`(?<tick>${"`"})`,
    // After an operator, a bracket, a comma or `return`, a slash begins a regular expression.
    String.raw`(?<=(?:^|[=(,:;!&|?{}\[+]|=>|return)\s*)(?<regex>\/(?:[^\/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*)`,
    String.raw`(?<brace>[{}])`,
  ].join("|"),
  "gm",
);

/** Blank out what is no code (`code`), and also what is no name or operator (`bare`). Places and lines stay. */
export function blank(text: string): { code: string; bare: string } {
  const code = text.split("");
  const bare = code.slice();
  const wipe = (into: string[], from: number, to: number): void => {
    for (let i = from; i < to; i += 1) if (into[i] !== "\n") into[i] = " ";
  };
  /** Depth of braces at which each open template's `${` began. */
  const templates: number[] = [];
  let depth = 0;
  const pattern = new RegExp(TOKEN.source, TOKEN.flags);
  const skipTemplate = (from: number): number => {
    let i = from;
    while (i < text.length && text[i] !== "`") {
      if (text[i] === "\\") i += 2;
      else if (text[i] === "$" && text[i + 1] === "{") {
        wipe(bare, from, i);
        templates.push(depth);
        depth += 1;
        return i + 2;
      } else i += 1;
    }
    wipe(bare, from, i);
    return i + 1;
  };
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const start = match.index;
    const end = start + match[0].length;
    const groups = match.groups ?? {};
    if (groups["comment"] !== undefined) {
      wipe(code, start, end);
      wipe(bare, start, end);
    } else if (groups["string"] !== undefined || groups["regex"] !== undefined) wipe(bare, start + 1, end - 1);
    else if (groups["tick"] !== undefined) pattern.lastIndex = skipTemplate(end);
    else if (match[0] === "{") depth += 1;
    else {
      depth -= 1;
      if (templates.at(-1) === depth) {
        templates.pop();
        pattern.lastIndex = skipTemplate(end);
      }
    }
  }
  return { code: code.join(""), bare: bare.join("") };
}
