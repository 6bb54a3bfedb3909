/** Single values of an account: what the file says, else what a standard variable says of a provider that it names. */
import type { Credential } from "../wire/credential.ts";
import type { ProviderFacts, SettingFacts } from "../wire/facts.ts";
import type { Finding, Path, ReadEnvironment } from "./document.ts";
import { asText, type Raw } from "./raw.ts";
import { hintNearest } from "./report.ts";

/** One account while it is read. */
export interface AccountContext {
  readonly map: Raw;
  readonly path: Path;
  readonly provider: ProviderFacts;
  readonly environment: ReadEnvironment;
  readonly found: Finding[];
  readonly warnings: Finding[];
}

export type ReadCredential =
  | { readonly kind: "key"; readonly apiKey: string | null; readonly variable: string | null }
  | { readonly kind: "credential"; readonly credential: Credential }
  /** Something is wrong, and reported. */
  | { readonly kind: "none" };

/** What may stand in a host name or a path without a second thought. */
const PLAIN = /^[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,126}[A-Za-z0-9])?$/;

/** A setting that an address needs; null where it is missing or wrong, which is then reported. */
export function settingOf(key: string, facts: SettingFacts, context: AccountContext): string | null {
  const { map, path, found } = context;
  const own = asText(map[key]);
  if (own === null && Object.hasOwn(map, key)) return null; // The schema says so.
  const text = own ?? variableOf(facts.variables, context) ?? memberOfFile(facts, context);
  if (text === null) {
    const or = facts.variables[0] === undefined ? "" : `, or set ${facts.variables[0]}`;
    found.push({ path: [...path, key], expected: facts.expected, found: "nothing", hint: `add ${key}: ${facts.example}${or}`, at: "key" });
    return null;
  }
  if (own === "") return null;
  const at = own === null ? "key" : "value";
  if (!PLAIN.test(text)) {
    found.push({ path: [...path, key], expected: facts.expected, found: "other characters in it", hint: `such as ${facts.example}`, at });
    return null;
  }
  return looksRight(text, facts) ? told(text, key, facts, at, context) : refused(text, key, facts, at, context);
}

function looksRight(text: string, facts: SettingFacts): boolean {
  return facts.pattern === undefined || facts.pattern.test(text);
}

function refused(text: string, key: string, facts: SettingFacts, at: "key" | "value", { path, found }: AccountContext): null {
  found.push({ path: [...path, key], expected: `${facts.expected} such as ${facts.example}`, found: JSON.stringify(text), hint: hintNearest(text, facts.known ?? []), at });
  return null;
}

/** The value; where nobody knows it yet, with a warning. */
function told(text: string, key: string, facts: SettingFacts, at: "key" | "value", { path, warnings }: AccountContext): string {
  if (facts.known?.includes(text) === false) {
    warnings.push({ path: [...path, key], expected: `${facts.expected} such as ${facts.example}`, found: `${JSON.stringify(text)}, which is not known here`, hint: hintNearest(text, facts.known), at });
  }
  return text;
}

/** The first of these variables that is set, without white space around it; null where none is. */
export function variableOf(names: readonly string[], { environment }: Pick<AccountContext, "environment">): string | null {
  for (const name of names) {
    const value = environment.env[name]?.trim() ?? "";
    if (value !== "") return value;
  }
  return null;
}

/** A text of the account that may be absent, and must not be blank or have control characters or spaces where it is present. */
export function optionalText(key: string, context: AccountContext, map: Raw = context.map, path: Path = context.path): string | null {
  const text = asText(map[key]);
  if (text === null || text === "") return null; // The schema says so.
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  context.found.push({ path: [...path, key], expected: "visible ASCII characters without spaces", found: "other characters in it", hint: "is there a line break or a quotation mark in the variable?" });
  return null;
}

export type FileText = { readonly text: string } | { readonly missing: string | null };

/** The text of the credential file: what the account says, else what the file at a variable's path says. */
export function credentialFile({ map, provider, environment }: AccountContext): FileText {
  const own = asText(map["credentials"]);
  if (own !== null) return { text: own };
  const names = provider.auth.kind === "service-account" ? provider.auth.fileVariables : [];
  const variable = names.find((name) => (environment.env[name]?.trim() ?? "") !== "");
  if (variable === undefined) return { missing: null };
  try {
    return { text: environment.readFile(environment.env[variable]?.trim() ?? "") };
  } catch (error) {
    return { missing: `${variable}: ${error instanceof Error && "code" in error ? String(error.code) : "its file cannot be read"}` };
  }
}

/** A text that is a JSON object; null for any other. */
export function jsonMap(text: string): Raw | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : null;
  } catch {
    // The parser's words quote the text, which is a secret.
    return null;
  }
}

function memberOfFile(facts: SettingFacts, context: AccountContext): string | null {
  if (facts.fileMembers === undefined) return null;
  const file = credentialFile(context);
  const values = "text" in file ? jsonMap(file.text) : null;
  for (const member of facts.fileMembers) {
    const value = asText(values?.[member]);
    if (value !== null && value !== "") return value;
  }
  return null;
}

/** A key by a standard variable, for a provider that the file names without saying more. */
export function keyFromVariable(context: AccountContext): ReadCredential | null {
  const names = context.provider.keyVariables ?? [];
  const variable = names.find((name) => variableOf([name], context) !== null);
  return variable === undefined ? null : { kind: "key", apiKey: variableOf([variable], context), variable };
}
