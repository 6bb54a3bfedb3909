/** From findings to errors that a person can act on: place, key, expected, found, hint, and never a secret. */
import { z } from "zod";
import { nearestNames } from "../decide/nearest.ts";
import { ConfigDocument, showPath, type ConfigError, type Finding, type Path } from "./document.ts";

/** Where secrets stand, and what they look like where they should not stand. */
export const SECRET_KEYS: ReadonlySet<string> = new Set(["api_key", "key", "sha256", "proxy", "credentials", "client_secret", "secret_access_key", "session_token", "external_id", "url", "secret", "password"]);
const SECRET_LIKE = /"(sk|pk|rk|gsk|key|AIza|Bearer)[-_ A-Z]|[A-Za-z0-9]{24,}/;

type Issue = z.core.$ZodIssue;

/** What a schema has against a value, as findings. */
export function schemaFindings(schema: z.ZodType, value: unknown): Finding[] {
  const result = schema.safeParse(value);
  return result.success ? [] : result.error.issues.flatMap((issue) => fromIssue(issue, [], schema, value));
}

function fromIssue(issue: Issue, above: Path, schema: z.ZodType, root: unknown): Finding[] {
  const path = [...above, ...issue.path.map((part) => (typeof part === "number" ? part : String(part)))];
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(schema, path, valueAt(root, path));
    return issue.keys.map((key) => unknownKey([...path, key], key, known));
  }
  if (issue.code === "invalid_union") {
    // The branch that the value is meant for is the one that has something against its inside only.
    const inside = issue.errors.find((branch) => branch.length > 0 && branch.every((one) => one.path.length > 0 || one.code === "unrecognized_keys"));
    if (inside !== undefined) return inside.flatMap((one) => fromIssue(one, path, schema, root));
  }
  const value = valueAt(root, path);
  const missing = value === undefined;
  const hint = missing ? `add ${String(path.at(-1) ?? "")}` : "";
  return [{ path, expected: issue.message, found: missing ? "nothing" : describe(value), hint, at: missing ? "key" : "value" }];
}

function unknownKey(path: Path, key: string, known: readonly string[]): Finding {
  const expected = known.length === 0 ? "a known key" : `one of ${known.join(", ")}`;
  return { path, expected, found: `unknown key ${key}`, hint: hintNearest(key, known), at: "key" };
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** The keys that the schema knows at a path, found by walking down its parts. */
function knownKeys(schema: z.ZodType, path: Path, value: unknown): readonly string[] {
  let current = unwrap(schema, path.length === 0 ? value : {});
  for (const part of path) {
    if (current instanceof z.ZodObject) current = unwrap(current.shape[part] as z.ZodType | undefined, {});
    else if (current instanceof z.ZodRecord) current = unwrap(current.valueType as z.ZodType, {});
    else if (current instanceof z.ZodArray) current = unwrap(current.element as z.ZodType, {});
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape as object) : [];
}

function unwrap(schema: z.ZodType | undefined, value: unknown): z.ZodType | undefined {
  if (schema instanceof z.ZodOptional) return unwrap(schema.unwrap() as z.ZodType, value);
  if (schema instanceof z.ZodUnion) {
    return (schema.options as readonly z.ZodType[]).map((option) => unwrap(option, value)).find((option) => option instanceof z.ZodObject);
  }
  return schema;
}

/** A value as it may be shown: its kind, and short harmless text itself. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a map";
  if (typeof value === "string") return value === "" ? "an empty text" : JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  return typeof value === "number" || typeof value === "boolean" ? String(value) : typeof value;
}

/**
 * Findings → errors in the order of the file, one per place in the document; the first finding about a value wins, as
 * the later ones only follow from it. What came from outside the file, and what stands at a secret's place, is blotted
 * out of every word.
 */
export function toErrors(file: string, document: ConfigDocument, findings: readonly Finding[], secrets: ReadonlySet<string>): ConfigError[] {
  const seen = new Set<string>();
  const errors: ConfigError[] = document.syntaxErrors.map((error) => ({ ...error, file, key: "" }));
  for (const finding of findings) {
    const id = JSON.stringify([finding.path, finding.place ?? null]);
    if (seen.has(id)) continue;
    seen.add(id);
    const { line, column } = finding.place ?? document.place(finding.path, finding.at ?? "value");
    const found = shownFound(finding, document.substituted(finding.path)?.raw);
    errors.push({ file, line, column, key: showPath(finding.path), expected: finding.expected, found, hint: finding.hint });
  }
  const blot = blotter([...document.outsideValues, ...secrets]);
  const clean = errors.map((error) => ({ ...error, expected: blot(error.expected), found: blot(error.found), hint: blot(error.hint), key: blot(error.key) }));
  return clean.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

/** What was found, without what must not be shown: for a reference the reference itself, for a secret its absence only. */
function shownFound(finding: Finding, raw: string | undefined): string {
  const { found, path } = finding;
  const isValue = found.startsWith('"') || /^[\d.e+-]+$/.test(found);
  if (!isValue) return found;
  if (raw !== undefined) return `what ${raw} stands for`;
  if (path.some((part) => typeof part === "string" && SECRET_KEYS.has(part)) || SECRET_LIKE.test(found)) return "a text that is not shown";
  return found;
}

/** Replaces these values wherever they stand; very short ones are no secrets and would blot out common words. */
function blotter(values: readonly string[]): (text: string) => string {
  const long = values.filter((value) => value.length >= 6).toSorted((a, b) => b.length - a.length);
  return (text) => long.reduce((clean, value) => clean.replaceAll(value, "***"), text);
}

/** One error as a line or two of text. */
export function showError(error: ConfigError): string {
  const key = error.key === "" ? "" : `${error.key}: `;
  const hint = error.hint === "" ? "" : `\n    ${error.hint.replaceAll("\n", "\n    ")}`;
  return `${error.file}:${error.line}:${error.column}: ${key}expected ${error.expected}, found ${error.found}${hint}`;
}

/** For hints: the nearest of these names as a question, or nothing. */
export function hintNearest(name: string, known: Iterable<string>): string {
  const [nearest] = nearestNames(name, known, 1);
  return nearest === undefined ? "" : `did you mean ${nearest}?`;
}
