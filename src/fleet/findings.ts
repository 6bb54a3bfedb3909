/** What is wrong with a fleet's configuration or a scenario: file, line, key, what was expected and what was found, all at once. */
import { isNode, LineCounter, parseDocument, type Document } from "yaml";
import { z } from "zod";

type Path = readonly PropertyKey[];

export interface Finding {
  readonly path: Path;
  readonly expected: string;
  readonly found: string;
  readonly hint?: string;
}

/** A YAML text that was read: its value, and where each part of it stands. */
export interface ReadYaml {
  readonly value: unknown;
  /** Of what stands at the path, or of the nearest thing above it. */
  readonly place: (path: Path) => Place;
}
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Reads YAML (or JSON). Throws an Error that names each place where it is none. */
export function readYaml(text: string, file: string): ReadYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0) {
    throw new Error(document.errors.map(({ pos, message }) => `${showPlace(at(pos[0]))}expected YAML, found: ${message}`).join("\n"));
  }
  return { value: document.toJS() as unknown, place: (path) => at(offsetOf(document, path)) };
}

function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

/** The value as the schema completes it. Throws one Error that names everything wrong; `title` stands above it where there is no file. */
export function checked<S extends z.ZodType>(schema: S, value: unknown, title: string, place?: ReadYaml["place"]): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw findingsError(result.error.issues.flatMap((issue) => fromIssue(issue, [], schema, value)), title, place);
}

/** One Error of all findings. */
export function findingsError(findings: readonly Finding[], title: string, place?: ReadYaml["place"]): Error {
  const text = ({ path, expected, found, hint = "" }: Finding): string => {
    const key = showPath(path);
    return `${key === "" ? "" : `${key}: `}expected ${expected}, found ${found}${hint === "" ? "" : `; ${hint}`}`;
  };
  if (place === undefined) return new Error(`${title} is wrong:\n${findings.map((finding) => `  ${text(finding)}`).join("\n")}`);
  const placed = findings.map((finding) => ({ at: place(finding.path), finding })).toSorted((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
  return new Error(placed.map(({ at, finding }) => `${showPlace(at)}${text(finding)}`).join("\n"));
}

function showPlace({ file, line, column }: Place): string {
  return `${file}:${line}:${column}: `;
}

type Issue = z.core.$ZodIssue;

function fromIssue(issue: Issue, above: Path, schema: z.ZodType, root: unknown): Finding[] {
  const path = [...above, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(schema, path, root);
    return issue.keys.map((key) => ({ path: [...path, key], expected: known.length === 0 ? "a known key" : `one of ${known.join(", ")}`, found: `unknown key ${key}` }));
  }
  if (issue.code === "invalid_union") {
    // The branch that the value is meant for is the one that has something against its inside only.
    const near = issue.errors.filter((branch) => branch.length > 0 && branch.every((one) => one.path.length > 0 || one.code === "unrecognized_keys"));
    const inside = near.find((branch) => branch.every((one) => one.path.length > 0)) ?? (near.length === 1 ? near[0] : undefined);
    if (inside !== undefined) return inside.flatMap((one) => fromIssue(one, path, schema, root));
  }
  // A name may stand for a map with more in it (a fault): what is wrong inside is then wrong with the name.
  const shown = typeof valueAt(root, path.slice(0, -1)) === "string" ? path.slice(0, -1) : path;
  return [{ path: shown, expected: expectedBy(issue), found: describe(valueAt(root, shown)) }];
}

const KINDS: Readonly<Record<string, string>> = { number: "a number", int: "a whole number", string: "a text", boolean: "true or false", array: "a list", object: "a map", record: "a map" };

function expectedBy(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return KINDS[issue.expected] ?? issue.expected;
    case "invalid_value":
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.map(String).join(", ")}`;
    case "too_small":
      if (issue.origin === "array" || issue.origin === "string") return issue.origin === "array" ? `a list of at least ${issue.minimum}` : "a text that is not empty";
      return issue.inclusive === false ? `a number above ${issue.minimum}` : `a number of at least ${issue.minimum}`;
    case "too_big":
      return `a number of at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return typeof value === "object" ? "a map" : JSON.stringify(value).slice(0, 80);
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Readonly<Record<PropertyKey, unknown>>)[part];
  }
  return value;
}

/** The keys that the schema knows at a path, found by walking down its parts beside the value. */
function knownKeys(schema: z.ZodType, path: Path, root: unknown): readonly string[] {
  let current = bare(schema, root);
  for (const [index, part] of path.entries()) {
    const value = valueAt(root, path.slice(0, index + 1));
    if (current instanceof z.ZodObject) current = bare(current.shape[String(part)] as z.ZodType | undefined, value);
    else if (current instanceof z.ZodRecord) current = bare(current.valueType as z.ZodType, value);
    else if (current instanceof z.ZodArray) current = bare(current.element as z.ZodType, value);
    else return [];
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape as object) : [];
}

/** A schema without what is wrapped around it; of several, the one that a map of this kind is meant for. */
function bare(schema: z.ZodType | undefined, value: unknown): z.ZodType | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return bare(schema.unwrap() as z.ZodType, value);
  if (schema instanceof z.ZodPipe) return bare(schema.out as z.ZodType, value);
  if (!(schema instanceof z.ZodUnion)) return schema;
  const objects = (schema.options as readonly z.ZodType[]).map((option) => bare(option, value)).filter((option) => option instanceof z.ZodObject);
  const own = typeof value === "object" && value !== null ? Object.keys(value) : [];
  const kind = valueAt(value, ["kind"]);
  return objects.find((option) => kind !== undefined && option.shape["kind"]?.safeParse(kind).success) ?? objects.find((option) => own.some((key) => key in option.shape)) ?? objects[0];
}

/** `providers[0].models["gpt-4.1"]`. */
function showPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[\w-]+$/.test(String(part))) text += text === "" ? String(part) : `.${String(part)}`;
    else text += `[${JSON.stringify(String(part))}]`;
  }
  return text;
}
