/**
 * A YAML text as plain values with the place of each, references substituted. Knows nothing of what a configuration
 * means. Duplicate keys and references that lead nowhere are errors with their place; all are found in one pass.
 */
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type YAMLError } from "yaml";

export type Path = readonly (string | number)[];

/** One thing wrong with a configuration, and where. Never holds a secret. */
export interface ConfigError {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** `routes.support.candidates[1]`; empty for the document itself. */
  readonly key: string;
  readonly expected: string;
  readonly found: string;
  /** What to do about it; empty where nothing more can be said. */
  readonly hint: string;
}
export interface Place {
  readonly line: number;
  readonly column: number;
}
export type Finding = Omit<ConfigError, "file" | "line" | "column" | "key"> & { readonly path: Path; readonly at?: "key" | "value"; readonly place?: Place };

export interface ReadEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws where the file cannot be read. */
  readonly readFile: (path: string) => string;
}

/** A value that came, in whole or in part, from outside the file. */
interface Substituted {
  readonly raw: string;
  /** The variable, where the value is exactly one reference to it. */
  readonly variable: string | null;
}

const MOST_CHARACTERS = 1_048_576;
const MOST_NODES = 100_000;
const REFERENCE = /\$\$\{|\$\{([^}]*)\}/g;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** What other tools would replace, and we do not: `$NAME`, `$(NAME)`, and `${NAME` whose brace is missing. */
const UNREPLACED = /\$\{|^\$[A-Za-z_(]|\$[A-Z][A-Z0-9_]{2,}/;

/** The document as values; `value` is null where it could not be read at all. */
export class ConfigDocument {
  readonly findings: Finding[] = [];
  /** Texts that look as if a reference was meant, as they stand in the file. */
  readonly unreplaced: { readonly path: Path; readonly text: string }[] = [];
  readonly syntaxErrors: (Omit<ConfigError, "file" | "key">)[] = [];
  readonly value: unknown;
  readonly #places = new Map<string, { readonly key: Place; readonly value: Place }>();
  readonly #substituted = new Map<string, Substituted>();
  readonly #outside = new Set<string>();
  readonly #lines = new LineCounter();
  readonly #environment: ReadEnvironment;
  #nodes = 0;

  constructor(text: string, environment: ReadEnvironment) {
    this.#environment = environment;
    if (text.length > MOST_CHARACTERS) {
      this.value = null;
      this.syntaxErrors.push({ line: 1, column: 1, expected: "a configuration of at most 1 MiB", found: `${text.length} characters`, hint: "" });
      return;
    }
    const document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: false });
    for (const error of document.errors) this.syntaxErrors.push(this.#syntaxError(error));
    this.value = document.errors.length > 0 ? null : this.#read(document.contents, [], document, []);
  }

  /** Where the key or the value at `path` stands, or the nearest thing above it. */
  place(path: Path, at: "key" | "value" = "key"): Place {
    for (let length = path.length; length > 0; length -= 1) {
      const found = this.#places.get(pathId(path.slice(0, length)));
      if (found !== undefined) return length === path.length ? found[at] : found.key;
    }
    return { line: 1, column: 1 };
  }

  /** The text in the file where the value at `path` was substituted; null where it stands there as it is. */
  substituted(path: Path): Substituted | null {
    return this.#substituted.get(pathId(path)) ?? null;
  }

  /** Every value that came from outside the file, to be kept out of messages. */
  get outsideValues(): ReadonlySet<string> {
    return this.#outside;
  }

  #read(node: unknown, path: Path, document: Document, open: readonly unknown[]): unknown {
    this.#nodes += 1;
    if (this.#nodes === MOST_NODES) this.findings.push({ path, expected: `at most ${MOST_NODES} values`, found: "more", hint: "anchors that repeat each other multiply" });
    if (this.#nodes >= MOST_NODES) return null;
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target === undefined || open.includes(target)) {
        this.findings.push({ path, expected: "an anchor defined above", found: `*${node.source}`, hint: "", at: "value" });
        return null;
      }
      return this.#read(target, path, document, open);
    }
    if (isMap(node)) return this.#readMap(node.items, path, document, [...open, node]);
    if (isSeq(node)) {
      return node.items.map((item, index) => {
        const itemPath = [...path, index];
        this.#remember(itemPath, item, item);
        return this.#read(item, itemPath, document, [...open, node]);
      });
    }
    if (!isScalar(node)) return null;
    return typeof node.value === "string" ? this.#substitute(node.value, path) : node.value;
  }

  #readMap(items: readonly unknown[], path: Path, document: Document, open: readonly unknown[]): unknown {
    const result: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    for (const pair of items) {
      if (!isPair(pair)) continue;
      const key = keyText(pair.key);
      const keyPath = [...path, key];
      if (Object.hasOwn(result, key)) {
        const first = this.place(keyPath);
        const { line, column } = this.#placeOf(pair.key);
        const hint = `it stands in line ${first.line} already`;
        this.findings.push({ path: keyPath, expected: "each key once", found: `${key} a second time`, hint, place: { line, column } });
        continue;
      }
      this.#remember(keyPath, pair.key, pair.value);
      result[key] = this.#read(pair.value, keyPath, document, open);
    }
    return result;
  }

  #remember(path: Path, key: unknown, value: unknown): void {
    const keyPlace = this.#placeOf(key);
    const valuePlace = this.#placeOf(value);
    this.#places.set(pathId(path), { key: keyPlace, value: valuePlace.line === 0 ? keyPlace : valuePlace });
  }

  #placeOf(node: unknown): Place {
    const offset = (node as Node | null | undefined)?.range?.[0];
    return offset === undefined ? { line: 0, column: 0 } : this.#at(offset);
  }

  #at(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  #substitute(text: string, path: Path): string {
    if (!text.includes("$")) return text;
    if (UNREPLACED.test(text.replace(REFERENCE, " "))) this.unreplaced.push({ path, text });
    if (!text.includes("${")) return text;
    const whole = /^\$\{([^}:]*)(?::-[^}]*)?\}$/.exec(text)?.[1] ?? null;
    const result = text.replace(REFERENCE, (reference: string, inner: string | undefined) => {
      if (inner === undefined) return "${"; // `$${` is a literal `${`.
      const value = this.#lookUp(inner, reference, path);
      if (value.length > 0) this.#outside.add(value);
      return value;
    });
    this.#substituted.set(pathId(path), { raw: text, variable: whole !== null && VARIABLE.test(whole) ? whole : null });
    return result;
  }

  #lookUp(inner: string, reference: string, path: Path): string {
    if (inner.startsWith("file:")) return this.#fileContent(inner.slice("file:".length), reference, path);
    const split = inner.indexOf(":-");
    const name = split === -1 ? inner : inner.slice(0, split);
    if (!VARIABLE.test(name)) {
      const hint = "a literal ${ is written $${";
      this.findings.push({ path, expected: "${NAME}, ${NAME:-default} or ${file:/path}", found: reference, hint, at: "value" });
      return "";
    }
    const value = this.#environment.env[name];
    if (split !== -1) return value === undefined || value === "" ? inner.slice(split + 2) : value;
    if (value !== undefined) return value;
    const hint = `set ${name}, or write \${${name}:-default}`;
    this.findings.push({ path, expected: `the environment variable ${name}`, found: `${name} is not set`, hint, at: "value" });
    return "";
  }

  #fileContent(file: string, reference: string, path: Path): string {
    try {
      return this.#environment.readFile(file).replace(/\r?\n$/, "");
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "cannot be read";
      this.findings.push({ path, expected: "a readable file", found: `${reference}: ${code}`, hint: "", at: "value" });
      return "";
    }
  }

  /** The parser's own words quote the file, which may hold a secret: only the part before a quotation is kept. */
  #syntaxError(error: YAMLError): Omit<ConfigError, "file" | "key"> {
    const { line, column } = this.#at(error.pos[0]);
    const words = error.message.split(/[:"'`]/)[0]?.trim() ?? "";
    const found = words === "" ? error.code.toLowerCase().replaceAll("_", " ") : words;
    const hint = error.code === "TAB_AS_INDENT" ? "indent with spaces" : "check indentation, quotes and brackets here and in the line above";
    return { line, column, expected: "YAML", found, hint };
  }
}

/** `routes.support.candidates[1]`, `aliases["gpt-3.5"]`. */
export function showPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z0-9_-]+$/.test(part)) text += text === "" ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

function pathId(path: Path): string {
  return JSON.stringify(path);
}

function keyText(key: unknown): string {
  if (isScalar(key)) return String(key.value);
  return String(key);
}
