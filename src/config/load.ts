/**
 * A configuration text → a validated `Config`, or everything that is wrong with it at once. Pure but for the
 * environment and files that it is handed for `${…}` references.
 */
import { stepTimes } from "../decide/clocks.ts";
import { IMPORTANCES } from "../decide/objective/shedding.ts";
import { OWN_CALL_NAMES } from "../decide/own-calls.ts";
import type { ProviderFacts } from "../wire/facts.ts";
import { readAccounts } from "./accounts.ts";
import { ConfigDocument, type ConfigError, type Finding, type Path, type Place, type ReadEnvironment } from "./document.ts";
import { asList, asMap, asText, type Raw } from "./raw.ts";
import { schemaFindings, SECRET_KEYS, toErrors } from "./report.ts";
import { readContracts } from "./contracts.ts";
import { readPrices } from "./prices.ts";
import { readBudgets, readLimits } from "./money-limits.ts";
import { readChannels, readDisplayCurrency } from "./notify.ts";
import { readReasoningState } from "./reasoning-state.ts";
import { readResponses } from "./responses.ts";
import { readAliases, readRoutes } from "./routes.ts";
import { regionFindings } from "./route-terms.ts";
import { configSchema } from "./schema.ts";
import { readScopedObjectives } from "./scoped-objectives.ts";
import type { CallerKey, Config } from "./types.ts";
import { readHealth } from "./health.ts";
import { keyDigest } from "./values.ts";

export type { ConfigError } from "./document.ts";

export interface ParseOptions extends ReadEnvironment {
  /** For messages: the path, or `SPILLWAY_CONFIG`. */
  readonly source: string;
  readonly providers: ReadonlyMap<string, ProviderFacts>;
}
export type ParsedConfig =
  | {
      readonly ok: true;
      readonly config: Config;
      /** Works, but hardly as meant. */
      readonly warnings: readonly ConfigError[];
      /** What `spillway check` refuses though a gateway would start with it. */
      readonly refusals: readonly ConfigError[];
      /** Where something stands in the text. */
      readonly locate: (path: Path, at?: "key" | "value") => Place;
    }
  | { readonly ok: false; readonly errors: readonly ConfigError[]; readonly partial: (() => PartialConfig) | null };
/** What could be read of a refused configuration, so that the names in it can be looked up all the same. Never to be served. */
export interface PartialConfig {
  readonly config: Config;
  readonly refusals: readonly ConfigError[];
  /** Findings as errors with their place, without secrets. */
  readonly report: (findings: readonly Finding[]) => readonly ConfigError[];
  /** Accounts of which nothing is in doubt that a model's name or price rests on. */
  readonly sound: ReadonlySet<string>;
  readonly allSound: boolean;
}

const SCHEMA = configSchema(false);
const SHORT_KEY = 16;

/** Parse and validate. Errors name place, key, expected, found and hint; no error or warning holds a secret. */
export function parseConfig(text: string, options: ParseOptions): ParsedConfig {
  const document = new ConfigDocument(text, options);
  const root = withoutEmpty(document.value);
  const raw = asMap(root);
  const found: Finding[] = [...document.findings];
  const warnings: Finding[] = [];
  const unreplaced = readUnreplaced(document, options.env, found, warnings);
  if (document.syntaxErrors.length === 0) found.push(...versionFindings(root), ...schemaFindings(SCHEMA, root ?? {}));
  const keys = readKeys(asList(raw["keys"]), found, warnings);
  const accounts = readAccounts(asMap(raw["providers"]), { document, environment: options, providers: options.providers, found, warnings });
  const accountNames = new Set(Object.keys(asMap(raw["providers"])));
  const routes = readRoutes(asMap(raw["routes"]), { accountNames, aliases: asMap(raw["aliases"]), found, warnings });
  found.push(...regionFindings(routes, accounts));
  const aliases = readAliases(asMap(raw["aliases"]), found);
  const health = readHealth(asMap(raw["health"]), found);
  const origins = readOrigins(asMap(raw["cors"]), found);
  const reasoningState = readReasoningState(asMap(raw["reasoning_state"]), found);
  const responses = readResponses(asMap(raw["responses"]), reasoningState, found, warnings);
  const secrets = secretsIn(root);
  for (const text of unreplaced) secrets.delete(text);
  const report = (findings: readonly Finding[]): ConfigError[] => toErrors(options.source, document, findings, secrets);
  const config: Config = {
    source: options.source,
    keys,
    accounts,
    routes,
    aliases,
    files: raw["files"] === "off" || raw["files"] === "shared" ? raw["files"] : "auto",
    fallbacks: raw["fallbacks"] === "off" ? "off" : "auto",
    unpriced: raw["unpriced"] === "serve" ? "serve" : "refuse",
    remoteImages: raw["remote_images"] === "off" ? "off" : "fetch",
    health,
    ledger: { sync: asMap(raw["ledger"])["sync"] === "full" ? "full" : "process" },
    cors: { origins },
    responses,
    reasoningState,
    budgets: readBudgets(asMap(raw["budgets"]), found),
    limits: readLimits(asMap(raw["limits"]), found),
    channels: readChannels(asList(raw["notify"]), found),
    display: readDisplayCurrency(asMap(raw["display"]), found),
    prices: readPrices(asMap(raw["prices"]), accountNames, found),
    contracts: readContracts(asMap(raw["contracts"]), accountNames, found),
    objectives: readScopedObjectives(asMap(raw["objectives"]), found),
    chat: { reasoningField: asMap(raw["chat"])["reasoning_field"] === "both" ? "both" : "reasoning_content" },
    simulated: false,
  };
  const locate = (path: Path, at?: "key" | "value"): Place => document.place(path, at);
  if (document.syntaxErrors.length > 0) return { ok: false, errors: report(found), partial: null };
  if (found.length === 0) return { ok: true, config, warnings: report(warnings), refusals: report(lateSteps(config.routes)), locate };
  const sound = soundAccounts(config, found);
  const allSound = !found.some(({ path }) => path.length === 1 && path[0] === "providers") && [...accountNames].every((name) => sound.has(name));
  const refusals = report(lateSteps(routes.filter((route) => !touched(found, ["routes", route.name]))));
  return { ok: false, errors: report(found), partial: () => ({ config, refusals, report, sound, allSound }) };
}

/** Keys of an account that say nothing of what its models are called or cost. */
const BESIDE_NAMES: ReadonlySet<unknown> = new Set([
  "api_key", "credentials", "entra", "access_key_id", "secret_access_key", "session_token", "profile", "role_arn", "external_id", "web_identity_token_file", "sts_url",
  "region", "domain", "proxy", "ca_file",
]);

function soundAccounts(config: Config, found: readonly Finding[]): ReadonlySet<string> {
  const beside = (finding: Finding): boolean => BESIDE_NAMES.has(finding.path[2]);
  return new Set(config.accounts.map((account) => account.name).filter((name) => !touched(found.filter((finding) => !beside(finding)), ["providers", name])));
}

function touched(found: readonly Finding[], below: Path): boolean {
  return found.some(({ path }) => below.every((part, index) => path[index] === part));
}

/** Keys whose value never begins with a `$`: who writes one there has a variable in mind. */
const NEVER_DOLLAR: ReadonlySet<unknown> = new Set([...SECRET_KEYS, "access_key_id", "client_id"]);
const MEANT_NAME = /^\$[({]?([A-Za-z_][A-Za-z0-9_]*)[)}]?$/;

/**
 * `$NAME` for `${NAME}`: an error where a credential stands, which would be the text itself and fail at the first call; a
 * warning elsewhere. Gives the texts that may be shown: what they name is a variable.
 */
function readUnreplaced(document: ConfigDocument, env: ParseOptions["env"], found: Finding[], warnings: Finding[]): string[] {
  return document.unreplaced.flatMap(({ path, text }) => {
    const isSecret = NEVER_DOLLAR.has(path.at(-1)) && (text.startsWith("$") || text.includes("${"));
    const name = MEANT_NAME.exec(text)?.[1] ?? null;
    const known = name !== null && (env[name] !== undefined || /^[A-Z][A-Z0-9_]*_(?:KEY|TOKEN|SECRET|ID|CREDENTIALS|PASSWORD)$/.test(name));
    const hint = known ? `write "\${${name}}"` : 'only "${NAME}", "${NAME:-default}" and "${file:/path}" are replaced';
    (isSecret ? found : warnings).push({ path, expected: "a variable as ${NAME}, or a text without one", found: "a $ that nothing replaces", hint });
    return known ? [text] : [];
  });
}

/** A section or an account with nothing in it (`routes:` with all lines commented out) is as if absent. */
function withoutEmpty(root: unknown): unknown {
  if (typeof root !== "object" || root === null || Array.isArray(root)) return root;
  const sections = Object.entries(root).filter(([, value]) => value !== null);
  return Object.fromEntries(
    sections.map(([name, value]) => {
      if (name !== "providers" || typeof value !== "object" || Array.isArray(value)) return [name, value];
      return [name, Object.fromEntries(Object.entries(value as object).map(([account, entry]) => [account, entry === null ? {} : entry]))];
    }),
  );
}

function versionFindings(root: unknown): Finding[] {
  const hint = "this Spillway reads version 1";
  if (root === null || root === undefined) return [{ path: ["version"], expected: "version: 1", found: "an empty configuration", hint: "begin with the line version: 1" }];
  const version = asMap(root)["version"];
  if (typeof root !== "object" || Array.isArray(root) || version === 1) return [];
  if (version === undefined) return [{ path: ["version"], expected: "version: 1", found: "nothing", hint: "begin with the line version: 1" }];
  return [{ path: ["version"], expected: "1", found: typeof version === "object" ? "a map or list" : JSON.stringify(version), hint }];
}

function readKeys(list: readonly unknown[], found: Finding[], warnings: Finding[]): CallerKey[] {
  const keys: CallerKey[] = [];
  const names = new Set<string>();
  const digests = new Map<string, string>();
  for (const [index, entry] of list.entries()) {
    const path = ["keys", index];
    const map = asMap(entry);
    const name = asText(map["name"]);
    if (name !== null && names.has(name)) found.push({ path: [...path, "name"], expected: "a name of its own for each key", found: JSON.stringify(name), hint: "" });
    if (name !== null && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
      found.push({ path: [...path, "name"], expected: "letters, digits, . _ - (at most 64)", found: JSON.stringify(name), hint: "" });
    }
    if (name !== null && OWN_CALL_NAMES.has(name)) {
      warnings.push({ path: [...path, "name"], expected: "a name that no call of the gateway's own has", found: JSON.stringify(name), hint: "records tell a key by its name" });
    }
    names.add(name ?? "");
    const digest = keyDigestOf(map, path, found, warnings);
    if (digest === null || name === null) continue;
    const other = digests.get(digest);
    if (other !== undefined) found.push({ path, expected: "a key of its own for each name", found: `the key of ${other} again`, hint: "" });
    digests.set(digest, name);
    const importance = IMPORTANCES.find((one) => one === map["importance"]);
    keys.push({ name, sha256: digest, ...(importance === undefined ? {} : { importance }) });
  }
  return keys;
}

function keyDigestOf(map: Raw, path: Path, found: Finding[], warnings: Finding[]): string | null {
  const hasKey = Object.hasOwn(map, "key");
  if (hasKey === Object.hasOwn(map, "sha256")) {
    const hint = 'write { name: app, key: "${SPILLWAY_API_KEY}" }';
    found.push({ path, expected: "either key or sha256", found: hasKey ? "both" : "neither", hint, at: "key" });
    return null;
  }
  const hex = asText(map["sha256"]);
  if (!hasKey) return hex !== null && /^[0-9a-fA-F]{64}$/.test(hex) ? Buffer.from(hex, "hex").toString("base64url") : null;
  const key = asText(map["key"]);
  if (key === null) return null;
  if (key.trim() !== key || /[^\x21-\x7e]/.test(key)) {
    found.push({ path: [...path, "key"], expected: "a key of visible ASCII characters without spaces", found: "other characters in it", hint: "" });
    return null;
  }
  if (key.length > 0 && key.length < SHORT_KEY) {
    const hint = "openssl rand -base64 32 makes a good one";
    warnings.push({ path: [...path, "key"], expected: `at least ${SHORT_KEY} characters`, found: "a key that is easy to guess", hint });
  }
  return key === "" ? null : keyDigest(key);
}

function readOrigins(map: Raw, found: Finding[]): string[] {
  const origins: string[] = [];
  for (const [index, entry] of asList(map["origins"]).entries()) {
    const text = asText(entry);
    if (text === null) continue;
    if (URL.canParse(text) && new URL(text).origin === text.toLowerCase()) origins.push(text.toLowerCase());
    else found.push({ path: ["cors", "origins", index], expected: "an origin such as https://app.example.com", found: JSON.stringify(text), hint: "scheme, host and port only" });
  }
  return origins;
}

function lateSteps(routes: Config["routes"]): Finding[] {
  return routes.flatMap((route) => {
    const { refusal } = stepTimes(route.clocks, route.candidates.length);
    if (refusal === null) return [];
    const hint = `raise deadline above ${5 * route.clocks.connectMs} ms or lower connect`;
    const found = `${route.clocks.deadlineMs} ms: ${refusal}`;
    return [{ path: ["routes", route.name, "deadline"], expected: "a deadline in which the last step can still start", found, hint }];
  });
}

/** Every literal that stands where secrets stand. */
function secretsIn(value: unknown, secrets = new Set<string>()): Set<string> {
  if (typeof value !== "object" || value === null) return secrets;
  for (const [key, inner] of Object.entries(value)) {
    if (SECRET_KEYS.has(key) && (typeof inner === "string" || typeof inner === "number")) secrets.add(String(inner));
    else secretsIn(inner, secrets);
  }
  return secrets;
}
