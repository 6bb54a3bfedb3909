import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { configFromEnvironment } from "../config/discover.ts";
import { buildSnapshot } from "../config/snapshot.ts";
import { loadCatalogue } from "../providers/catalog/index.ts";
import { PROVIDERS } from "../providers/registry.ts";
import { runCheck } from "./check.ts";
import type { CommandContext } from "./context.ts";
import { discoveredProviders, startTable } from "./discover.ts";
import { runExplainName } from "./explain-name.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-cli-"));
after(() => rmSync(folder, { recursive: true }));

const HEAD = 'version: 1\nproviders:\n  openai: { api_key: "${KEY}" }\n  anthropic: { api_key: "${KEY}" }\n';
const ROUTE = `${HEAD}routes:\n  support:\n    candidates: [openai/gpt-4o-mini, { use: anthropic/claude-sonnet-4-5, weight: 2 }]\n    deadline: 100s\n`;

type Command = (args: readonly string[], context: CommandContext) => number;

/** Run in a folder where `spillway.yaml` holds this text; null: no such file. */
function run(command: Command, text: string | null, args: readonly string[] = [], env: Readonly<Record<string, string>> = { KEY: "sk-x" }): { code: number; out: string; errors: string } {
  const cwd = mkdtempSync(join(folder, "run-"));
  if (text !== null) writeFileSync(join(cwd, "spillway.yaml"), text);
  let out = "";
  let errors = "";
  const context: CommandContext = {
    out: { write: (words) => (out += words) },
    errors: { write: (words) => (errors += words) },
    env, cwd, providers: PROVIDERS, catalogue: loadCatalogue(),
  };
  return { code: command(args, context), out, errors };
}
function lines(text: string): Record<string, unknown>[] {
  return text.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("spillway check", () => {
  it("prints the latest start of each step", () => {
    const { code, out } = run(runCheck, ROUTE);
    assert.equal(code, 0);
    assert.match(out, /^spillway\.yaml: good\. 0 caller keys, 2 accounts, 1 route, 0 aliases, \d+ callable deployments\.\n/);
    assert.match(out, /route support: priority, deadline 100 s\n {2}1 {2}openai\/gpt-4o-mini +starts at 60 s at the latest\n {2}2 {2}anthropic\/claude-sonnet-4-5 +starts at 80 s at the latest\n/);
  });

  it("says which candidates only stand in", () => {
    const { out } = run(runCheck, `${HEAD}routes:\n  r: { candidates: [openai/gpt-4o, openai/gpt-4o-mini, openai/gpt-4.1, openai/gpt-4.1-mini] }\n`);
    assert.match(out, /\n {2}4 {2}openai\/gpt-4\.1-mini +stands in: at most 3 attempts\n/);
  });

  it("shows what is promised of a route or a scope, and who is tried beside its candidates", () => {
    const text = `${HEAD}routes:\n  r:\n    candidates: [openai/gpt-4o, anthropic/claude-sonnet-4-5]\n    objectives: { first_token: { p99: 4s, window: 30d }, error_rate: { at_most: 1%, window: month } }\n    canary: { use: openai/gpt-4.1, share: 5% }\n    mirror: { use: openai/gpt-4.1-mini, share: 1% }\nobjectives:\n  a: { scopes: [team/search], availability: { target: 99.5%, window: 12h } }\n  b: { scopes: [key/nosuch], availability: { target: 99.5%, window: 12h } }\n`;
    const { out } = run(runCheck, text);
    assert.match(out, /\n +- +openai\/gpt-4\.1 +canary: first for 5% of the requests\n +- +openai\/gpt-4\.1-mini +mirror: a copy of 1% of the requests\n {2}promises first_token: 99% in 4 s, over 30d\n {2}promises error_rate: at most 1% fail, over a month\n/);
    assert.match(out, /\nteam\/search\n {2}promises availability: 99\.5%, over 12h\n/);
    const told = lines(run(runCheck, text, ["--json"]).out);
    const route = told.find((one) => one["route"] === "r");
    assert.deepEqual([route?.["tried"], route?.["promises"]], [[{ deployment: "openai/gpt-4.1", as: "canary", share: 0.05 }, { deployment: "openai/gpt-4.1-mini", as: "mirror", share: 0.01 }], ["first_token: 99% in 4 s, over 30d", "error_rate: at most 1% fail, over a month"]]);
    assert.deepEqual(told.filter((one) => one["kind"] === "warning" && String(one["key"]).startsWith("objectives.")).map((one) => [one["key"], one["found"]]), [["objectives.b", "key/nosuch"]]);
  });

  it("warns of budgets and limits whose scopes nothing can carry, and of no others", () => {
    const own = 'budgets:\n  b: { scopes: [route/nosuch, provider/nosuch], period: day, limit_usd: 1 }\n  good: { scopes: [route/support, model/gpt-4o-mini, provider/openai, team/search], period: day, limit_usd: 1 }\nlimits:\n  l: { scope: key/nosuch, models: [nosuch, gpt-4o], concurrency: 1 }\n';
    const warned = lines(run(runCheck, `${ROUTE}${own}`, ["--json"]).out).filter(({ kind, key }) => kind === "warning" && !String(key).startsWith("routes."));
    assert.deepEqual(warned.map((one) => [one["key"], one["found"]]), [["budgets.b", "route/nosuch"], ["budgets.b", "provider/nosuch"], ["limits.l", "key/nosuch"], ["limits.l", "model/nosuch"]]);
  });

  it("warns of routes whose fallbacks fail together, and of promises that their candidates cannot keep; and shows who is held back", () => {
    const text = `${HEAD}  google: { api_key: k3k3k3k3k3k3k3k3 }\nroutes:\n  together: { candidates: [openai/gpt-4o, anthropic/claude-sonnet-4-5] }\n  apart: { candidates: [openai/gpt-4o, google/gemini-2.5-pro], on_context_window: [google/gemini-2.5-flash], on_content_policy: [anthropic/claude-sonnet-4-5] }\n  alone: { candidates: [openai/gpt-4o], objectives: { availability: { target: 99.9%, window: 30d } } }\n`;
    const { code, out } = run(runCheck, text, ["--json"]);
    assert.equal(code, 0);
    const told = lines(out);
    assert.deepEqual(told.filter(({ kind }) => kind === "warning").map((one) => [one["key"], one["found"], one["line"]]), [
      ["routes.together.candidates", "its only fallback shares the edge cloudflare with openai/gpt-4o", 7],
      ["routes.apart.on_context_window", "google/gemini-2.5-flash with 1048576", 8],
      ["routes.alone.objectives", "availability of 99.9%, by openai/gpt-4o alone", 9],
    ]);
    assert.deepEqual(told.find(({ route }) => route === "apart")?.["held_back"], [{ deployment: "google/gemini-2.5-flash", after: "context" }, { deployment: "anthropic/claude-sonnet-4-5", after: "content_policy" }]);
    assert.match(run(runCheck, text).out, /- +google\/gemini-2\.5-flash +where the prompt does not fit the others\n +- +anthropic\/claude-sonnet-4-5 +where a content policy refuses\n/);
  });

  it("tells a route's cheaper candidates, and when they are taken", () => {
    const text = `${HEAD}routes:\n  r: { candidates: [openai/gpt-4o], cheaper: [openai/gpt-4o-mini] }\n`;
    assert.match(run(runCheck, text).out, /1 +openai\/gpt-4o +starts at .*\n +- +openai\/gpt-4o-mini +instead, once a budget with cheaper_at is spent that far\n/);
    assert.deepEqual(lines(run(runCheck, text, ["--json"]).out).find(({ route }) => route === "r")?.["cheaper"], ["openai/gpt-4o-mini"]);
  });

  it("prints one JSON object a line with --json", () => {
    const [summary, route] = lines(run(runCheck, ROUTE, ["--json"]).out);
    assert.deepEqual([summary?.["kind"], summary?.["accounts"]], ["summary", 2]);
    assert.deepEqual(route, {
      kind: "route", route: "support", strategy: "priority", deadline_ms: 100_000,
      steps: [{ step: 1, deployment: "openai/gpt-4o-mini", latest_start_ms: 60_000 }, { step: 2, deployment: "anthropic/claude-sonnet-4-5", latest_start_ms: 80_000 }],
    });
  });

  it("refuses a route whose last step cannot start", () => {
    const { code, out, errors } = run(runCheck, ROUTE.replace("100s", "5s"));
    assert.deepEqual([code, out], [1, ""]);
    assert.match(errors, /^spillway\.yaml:8:15: routes\.support\.deadline: expected a deadline in which the last step can still start, found 5000 ms: its last step would have 1000 ms left/);
  });

  it("refuses candidates and aliases that lead nowhere, with their place and what to do", () => {
    const text = `${HEAD}routes:\n  r:\n    candidates:\n      - openai/gpt-4o-mni\n      - openai/gpt-4o\naliases: { a: voyage/x }\n`;
    const { code, errors } = run(runCheck, text, ["--json"]);
    assert.equal(code, 1);
    const [first, second] = lines(errors);
    assert.deepEqual([first?.["line"], first?.["key"], first?.["found"]], [8, "routes.r.candidates[0]", '"openai/gpt-4o-mni" (price_unknown)']);
    assert.match(String(first?.["hint"]), /did you mean openai\/gpt-4o-mini.*\nTo call it/s);
    assert.deepEqual([second?.["line"], second?.["key"], second?.["found"]], [10, "aliases.a", '"voyage/x" (provider_not_supported_yet)']);
  });

  it("looks names up beside other errors, as far as these leave no doubt", () => {
    const text = `version: 1
providers:
  openai: { api_key: "\${NOT_SET}" }
  anthropic: { api_key: "\${KEY}", modles: {} }
routes:
  one: { candidates: [openai/gpt-4o-mni, { us: openai/gpt-4o }, openai/gpt-4.1-mii], deadline: soon }
  two: { candidates: [anthropic/clude], strategy: swiftest }
  late: { candidates: [openai/gpt-4o, openai/gpt-4o-mini], deadline: 5s }
aliases: { a: openai/gpt-5-mni, b: unheard-of, c: one }
`;
    const { code, errors } = run(runCheck, text);
    assert.equal(code, 1);
    assert.deepEqual(errors.match(/^spillway[^ ]+ [^ ]+(?= expected)|^\d+ errors/gm), [
      "spillway.yaml:3:22: providers.openai.api_key:",
      "spillway.yaml:4:35: providers.anthropic.modles:",
      "spillway.yaml:6:23: routes.one.candidates[0]:",
      "spillway.yaml:6:42: routes.one.candidates[1].use:",
      "spillway.yaml:6:44: routes.one.candidates[1].us:",
      "spillway.yaml:6:65: routes.one.candidates[2]:",
      "spillway.yaml:6:96: routes.one.deadline:",
      "spillway.yaml:7:51: routes.two.strategy:",
      "spillway.yaml:8:70: routes.late.deadline:",
      "spillway.yaml:9:15: aliases.a:",
      "10 errors",
    ]);
  });

  it("resolves what is simulated where nothing is configured, and says so", () => {
    const { code, out } = run(runCheck, null, [], {});
    assert.equal(code, 0);
    assert.match(out, /^simulated: good\. 0 caller keys, 4 accounts, 2 routes, .*\nNo provider key and no configuration was found, so simulated providers answer, and every answer says so\.\n/);
    assert.match(out, /\nroute sim-small: priority, deadline 600 s\n {2}1 {2}sim-openai\/sim-small +starts at/);
    assert.equal(lines(run(runCheck, null, ["--json"], {}).out)[0]?.["simulated"], true);
    assert.doesNotMatch(run(runCheck, null, [], { OPENAI_API_KEY: "x" }).out, /simulated/);
  });

  it("prints every error of a bad file and their number", () => {
    const { code, errors } = run(runCheck, "version: 1\nrouts: {}\nfallbacks: of\n");
    assert.equal(code, 1);
    assert.match(errors, /spillway\.yaml:2:1: routs[^]*spillway\.yaml:3:12: fallbacks[^]*\n2 errors\n$/);
  });

  it("reads the text from SPILLWAY_CONFIG, and the environment where there is no file", () => {
    assert.match(run(runCheck, null, [], { SPILLWAY_CONFIG: "version: 1\n" }).out, /^SPILLWAY_CONFIG: good/);
    assert.match(run(runCheck, null, [], { OPENAI_API_KEY: "x" }).out, /^environment: good\. 0 caller keys, 1 account,/);
  });

  it("names a file that cannot be read, and a flag that it does not know", () => {
    const missing = run(runCheck, null, ["--config", "nope.yaml"]);
    assert.equal(missing.code, 1);
    assert.match(missing.errors, /^nope\.yaml:1:1: expected a readable file, found no such file \(ENOENT\).*looked for at \/.*nope\.yaml\n1 error\n$/s);
    assert.equal(run(runCheck, null, ["--konfig", "x"]).code, 2);
    assert.match(run(runCheck, null, ["--help"]).out, /^spillway check/);
  });
});

describe("spillway explain-name", () => {
  it("shows each step of the look-up and what each candidate costs", () => {
    const { code, out } = run(runExplainName, ROUTE, ["support"]);
    assert.equal(code, 0);
    assert.match(out, /^support\n {2}route: support\n {2}candidate 1: openai\/gpt-4o-mini\n/);
    assert.match(out, /\n {2}1 {2}openai\/gpt-4o-mini +0\.15 \/ 0\.6 +128000 +16384 +not stated\n {2}2 {2}anthropic\/claude-sonnet-4-5 +3 \/ 15 .* weight 2\n$/);
  });

  it("resolves any name to what is simulated where nothing is configured, and says so", () => {
    const { code, out } = run(runExplainName, null, ["gpt-4o-mini"], {});
    assert.equal(code, 0);
    assert.match(out, /^No provider key and no configuration was found, so simulated .*\ngpt-4o-mini\n {2}route: none is named "gpt-4o-mini"\n {2}alias: matches "\*", means sim-small\n/);
    assert.match(out, /\n {2}1 {2}sim-openai\/sim-small +0\.1 \/ 0\.4 /);
    assert.equal(lines(run(runExplainName, null, ["sim-gemini/sim-large", "--json"], {}).out)[0]?.["simulated"], true);
  });

  it("says why a name cannot be called, with exit code 1", () => {
    const { code, out } = run(runExplainName, ROUTE, ["suport"]);
    assert.equal(code, 1);
    assert.match(out, /\nunknown_model: there is no model "suport"; did you mean support/);
  });

  it("prints one JSON object with --json", () => {
    const [found] = lines(run(runExplainName, ROUTE, ["gpt-4o-mini", "--json"]).out);
    assert.equal(found?.["resolved"], true);
    const [first] = found?.["candidates"] as Record<string, unknown>[] | undefined ?? [];
    assert.deepEqual(first, {
      deployment: "openai/gpt-4o-mini", weight: 1, automatic: false, pricing: "sheet", input_usd_per_million: 0.15, output_usd_per_million: 0.6,
      context: 128_000, max_output: 16_384, region: null,
    });
    const [missed] = lines(run(runExplainName, ROUTE, ["groq/x", "--json"]).out);
    assert.deepEqual([missed?.["resolved"], missed?.["code"]], [false, "provider_not_configured"]);
  });

  it("wants exactly one name", () => {
    assert.equal(run(runExplainName, ROUTE, []).code, 2);
    assert.equal(run(runExplainName, ROUTE, ["a", "b"]).code, 2);
  });
});

describe("what is printed at the start", () => {
  const BASE = "http://127.0.0.1:8484/v1";
  function started(env: Readonly<Record<string, string>>): string {
    return startTable(buildSnapshot(configFromEnvironment(env, PROVIDERS), loadCatalogue(), PROVIDERS), PROVIDERS, BASE);
  }

  it("names each provider, its variable, its models and how many have a fallback", () => {
    const text = started({ OPENAI_API_KEY: "sk-never-shown", OPENROUTER_API_KEY: "or-never-shown" });
    assert.match(text, /\n {2}openai +by OPENAI_API_KEY +\d+ models +\d+ with a fallback\n {2}openrouter +by OPENROUTER_API_KEY +\d+ models +\d+ with a fallback\n/);
    assert.ok(!text.includes("never-shown"));
  });

  it("counts a fallback only where one is", () => {
    const alone = buildSnapshot(configFromEnvironment({ OPENAI_API_KEY: "x" }, PROVIDERS), loadCatalogue(), PROVIDERS);
    assert.deepEqual(discoveredProviders(alone).map(({ account, withFallback }) => [account, withFallback]), [["openai", 0]]);
    const both = buildSnapshot(configFromEnvironment({ OPENAI_API_KEY: "x", OPENROUTER_API_KEY: "x" }, PROVIDERS), loadCatalogue(), PROVIDERS);
    const [openai] = discoveredProviders(both);
    assert.ok((openai?.withFallback ?? 0) > 20 && (openai?.withFallback ?? 0) <= (openai?.models ?? 0));
  });

  it("gives the exact lines for the SDKs, with the key to use and a model that can be called", () => {
    const text = started({ ANTHROPIC_API_KEY: "x" });
    assert.match(text, /client = OpenAI\(base_url="http:\/\/127\.0\.0\.1:8484\/v1", api_key="spillway"\)/);
    assert.match(text, /new OpenAI\(\{ baseURL: "http:\/\/127\.0\.0\.1:8484\/v1", apiKey: "spillway" \}\)/);
    assert.match(text, /any text will do as api_key/);
    const model = /create\(model="([^"]+)"/.exec(text)?.[1] ?? "";
    const built = buildSnapshot(configFromEnvironment({ ANTHROPIC_API_KEY: "x" }, PROVIDERS), loadCatalogue(), PROVIDERS);
    assert.equal(built.directory.resolve(model).kind, "route");
    assert.match(started({ ANTHROPIC_API_KEY: "x", SPILLWAY_API_KEY: "k" }), /api_key="<the value of SPILLWAY_API_KEY>"/);
  });

  it("puts /v1 to an address that lacks it", () => {
    const built = buildSnapshot(configFromEnvironment({ OPENAI_API_KEY: "x" }, PROVIDERS), loadCatalogue(), PROVIDERS);
    assert.match(startTable(built, PROVIDERS, "http://127.0.0.1:1/"), /base_url="http:\/\/127\.0\.0\.1:1\/v1"/);
  });

  it("says that answers are simulated and which variables end that", () => {
    assert.match(started({}), /^No provider key was found, so simulated providers answer.*\nFor real answers set one of: OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY,/);
  });
});
