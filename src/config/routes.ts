/** The `routes` and `aliases` sections. Whether a candidate's model can be called is the directory's question. */
import { DEFAULT_CLOCKS, type RouteClocks } from "../decide/deployment.ts";
import { DEFAULT_MAX_OUTPUT } from "../decide/directory.ts";
import type { Finding, Path } from "./document.ts";
import { asFlag, asList, asMap, asNumeric, asText, type Raw } from "./raw.ts";
import { hintNearest } from "./report.ts";
import { idleTerms, readTerms } from "./route-terms.ts";
import { readTrials } from "./trials.ts";
import type { Config, RouteConfig } from "./types.ts";
import { parseDurationMs } from "./values.ts";

export interface RoutesContext {
  readonly accountNames: ReadonlySet<string>;
  readonly aliases: Raw;
  readonly found: Finding[];
  readonly warnings: Finding[];
}

/** The longest any clock may run. */
const LONGEST_MS = 24 * 3_600_000;

/** Never passed on, whatever a route lists: credentials, cookies, what belongs to one connection, and our own. */
const NEVER_FORWARDED: ReadonlySet<string> = new Set([
  "authorization", "proxy-authorization", "proxy-authenticate", "x-api-key", "api-key", "x-goog-api-key", "cookie", "set-cookie",
  "connection", "proxy-connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "expect",
  "content-length", "content-type", "content-encoding", "accept-encoding", "forwarded", "via", "x-real-ip",
]);

/** Routes in file order. */
export function readRoutes(section: Raw, context: RoutesContext): RouteConfig[] {
  return Object.entries(section).map(([name, entry]) => {
    const map = asMap(entry);
    const path = ["routes", name];
    checkName(name, path, context.found);
    const clocks = readClocks(map, path, context.found);
    const candidates = readCandidates(map, "candidates", path, section, context);
    const terms = readTerms(map, path, clocks.deadlineMs, context.found);
    context.warnings.push(...idleTerms(map, terms.strategy, path));
    return {
      name,
      candidates,
      cheaper: readCandidates(map, "cheaper", path, section, context),
      onContextWindow: readCandidates(map, "on_context_window", path, section, context),
      onContentPolicy: readCandidates(map, "on_content_policy", path, section, context),
      ...terms,
      clocks,
      keepalive: map["keepalive"] !== "off" && map["keepalive"] !== false,
      forwardHeaders: readHeaders(map, path, context.found),
      defaultMaxOutput: readDefaultMaxOutput(map, path, context.found),
      onCostSpike: map["on_cost_spike"] === "move" ? "move" : "alert",
      lenient: asFlag(map["lenient"]) ?? false,
      ...(map["rescue"] === "continue" && { rescue: "continue" }),
      ...readTrials(map, path, candidates, context.found, (use, at) => checkCandidate(use, at, section, context)),
    };
  });
}

/** Aliases in file order. */
export function readAliases(section: Raw, found: Finding[]): Config["aliases"] {
  return Object.entries(section).flatMap(([pattern, entry]) => {
    checkName(pattern, ["aliases", pattern], found);
    const target = asText(entry);
    if (target?.includes("*") === true) {
      found.push({ path: ["aliases", pattern], expected: "the name of a route or model", found: JSON.stringify(target), hint: "* has a meaning on the left side only" });
    }
    return target === null ? [] : [{ pattern, target }];
  });
}

function checkName(name: string, path: Path, found: Finding[]): void {
  const at = "key";
  if (name.startsWith("models/")) {
    const hint = "one leading models/ is dropped from what clients ask for, so this could never be reached";
    found.push({ path, expected: "a name without models/ before it", found: JSON.stringify(name), hint, at });
  } else if (name === "" || name.length > 256 || /[^\x20-\x7e]/.test(name) || name.trim() !== name) {
    found.push({ path, expected: "a name of 1 to 256 visible ASCII characters", found: JSON.stringify(name), hint: "", at });
  }
}

function readCandidates(map: Raw, key: "candidates" | "cheaper" | "on_context_window" | "on_content_policy", path: Path, section: Raw, context: RoutesContext): RouteConfig["candidates"] {
  const seen = new Set<string>();
  return asList(map[key]).map((entry, index) => {
    const where = [...path, key, index];
    const use = asText(entry) ?? asText(asMap(entry)["use"]);
    const usePath: Path = typeof entry === "string" ? where : [...where, "use"];
    if (use !== null) checkCandidate(use, usePath, section, context);
    if (use !== null && seen.has(use)) context.warnings.push({ path: usePath, expected: "each candidate once", found: `${JSON.stringify(use)} again`, hint: "" });
    seen.add(use ?? "");
    const weight = readWeight(asMap(entry), where, context.found);
    // One without a name is reported; it keeps its place, so that those behind it keep theirs.
    return { use: use ?? "", weight };
  });
}

function checkCandidate(use: string, path: Path, section: Raw, context: RoutesContext): void {
  if (use === "") return; // The schema or the missing reference is reported already.
  const account = use.slice(0, Math.max(0, use.indexOf("/")));
  const model = use.slice(account.length + 1);
  const fault = (hint: string): void => void context.found.push({ path, expected: "account/model with an account from providers", found: JSON.stringify(use), hint });
  if (context.accountNames.has(account)) {
    if (model === "") fault(`add the model after ${account}/`);
  } else if (Object.hasOwn(section, use) || Object.hasOwn(context.aliases, use)) fault("candidates are never routes or aliases");
  else if (context.accountNames.size === 0) fault("providers has no accounts");
  else {
    const accounts = [...context.accountNames].join(", ");
    fault((account === "" ? "" : hintNearest(account, context.accountNames)) || `accounts are ${accounts}`);
  }
}

function readWeight(map: Raw, path: Path, found: Finding[]): number {
  if (!Object.hasOwn(map, "weight")) return 1;
  const weight = asNumeric(map["weight"]);
  if (weight === null || (weight > 0 && weight <= 1_000_000)) return weight ?? 1;
  found.push({ path: [...path, "weight"], expected: "a number above 0 and at most 1000000", found: String(weight), hint: weight === 0 ? "leave the candidate out instead" : "" });
  return 1;
}

function readClocks(map: Raw, path: Path, found: Finding[]): RouteClocks {
  const read = (key: string): number | null => {
    const text = asText(map[key]);
    const valueMs = text === null ? null : parseDurationMs(text);
    if (valueMs === null || (valueMs > 0 && valueMs <= LONGEST_MS)) return valueMs;
    found.push({ path: [...path, key], expected: "a duration above 0 and at most 24h", found: JSON.stringify(text), hint: "" });
    return null;
  };
  return {
    connectMs: read("connect") ?? DEFAULT_CLOCKS.connectMs,
    firstTokenMs: read("first_token"),
    attemptMs: read("attempt"),
    idleMs: read("idle") ?? DEFAULT_CLOCKS.idleMs,
    deadlineMs: read("deadline") ?? DEFAULT_CLOCKS.deadlineMs,
    lifetimeMs: read("lifetime") ?? DEFAULT_CLOCKS.lifetimeMs,
  };
}

function readHeaders(map: Raw, path: Path, found: Finding[]): string[] {
  const names = new Set<string>();
  for (const [index, entry] of asList(map["forward_headers"]).entries()) {
    const name = asText(entry)?.toLowerCase() ?? null;
    if (name === null || name === "") continue;
    const where = [...path, "forward_headers", index];
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) found.push({ path: where, expected: "a header name", found: JSON.stringify(name), hint: "" });
    else if (NEVER_FORWARDED.has(name) || name.startsWith("x-forwarded-") || name.startsWith("x-spillway-")) {
      const hint = "credentials, cookies, connection headers, x-forwarded-* and x-spillway-* are never passed on";
      found.push({ path: where, expected: "a header that may be passed on", found: JSON.stringify(name), hint });
    } else names.add(name);
  }
  return [...names];
}

function readDefaultMaxOutput(map: Raw, path: Path, found: Finding[]): number {
  if (!Object.hasOwn(map, "default_max_output")) return DEFAULT_MAX_OUTPUT;
  const value = asNumeric(map["default_max_output"]);
  if (value === null || (Number.isSafeInteger(value) && value > 0)) return value ?? DEFAULT_MAX_OUTPUT;
  found.push({ path: [...path, "default_max_output"], expected: "a whole number of tokens above 0", found: String(value), hint: "" });
  return DEFAULT_MAX_OUTPUT;
}
