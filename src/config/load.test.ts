import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { PROVIDERS } from "../providers/registry.ts";
import { CAPABILITIES } from "../wire/capability.ts";
import { parseConfig, type ConfigError, type ParsedConfig } from "./load.ts";
import { showError } from "./report.ts";
import type { Config } from "./types.ts";

const ENV = { KEY: "sk-from-the-environment", CALLER: "caller-key-0123456789", EMPTY: "", SECRET_URL: "http://user:hunter22@proxy.example:3128" };
const FILES: Readonly<Record<string, string>> = { "/run/secrets/key": "sk-from-a-file\n" };

function parse(text: string): ParsedConfig {
  const readFile = (path: string): string => FILES[path] ?? assert.fail(Object.assign(new Error("missing"), { code: "ENOENT" }));
  return parseConfig(text, { source: "spillway.yaml", env: ENV, readFile, providers: PROVIDERS });
}
function good(text: string): Config {
  const parsed = parse(text);
  assert.ok(parsed.ok, parsed.ok ? "" : parsed.errors.map(showError).join("\n"));
  return parsed.config;
}
function errors(text: string): readonly ConfigError[] {
  const parsed = parse(text);
  assert.equal(parsed.ok, false, "this configuration should have been refused");
  return parsed.ok ? [] : parsed.errors;
}
/** `line key | expected | found | hint` of each error. */
function shown(text: string): string[] {
  return errors(text).map(({ line, key, expected, found, hint }) => `${line} ${key} | ${expected} | ${found} | ${hint}`);
}

const HEAD = 'version: 1\nproviders:\n  openai: { api_key: "${KEY}" }\n';
const REPLACED = 'only "${NAME}", "${NAME:-default}" and "${file:/path}" are replaced';
const A_DURATION = "a duration such as 250ms, 30s, 5m or 1h";

/** [what is wrong, the text, every error it must give]. */
const BAD: readonly (readonly [string, string, readonly string[]])[] = [
  ["nothing at all", "", ["1 version | version: 1 | an empty configuration | begin with the line version: 1"]],
  ["only a comment", "# later\n", ["1 version | version: 1 | an empty configuration | begin with the line version: 1"]],
  ["no version", "fallbacks: off\n", ["1 version | version: 1 | nothing | begin with the line version: 1"]],
  ["another version", "version: 2\n", ["1 version | 1 | 2 | this Spillway reads version 1"]],
  ["a list", "- a\n", ["1  | a map with version, providers, routes, … | a list | "]],
  ["no YAML", "version: 1\nroutes: {a: [b\nkeys: 1\n", [
    "3  | YAML | Flow sequence in block collection must be sufficiently indented and end with a ] | check indentation, quotes and brackets here and in the line above",
    "3  | YAML | Flow map in block collection must be sufficiently indented and end with a } | check indentation, quotes and brackets here and in the line above",
  ]],
  ["a typo at the top", "version: 1\nrouts: {}\n", ["2 routs | one of version, keys, providers, routes, aliases, files, fallbacks, unpriced, remote_images, health, ledger, cors, responses, reasoning_state, budgets, limits, prices, contracts, objectives, notify, display, chat | unknown key routs | did you mean routes?"]],
  ["a typo in a provider", 'version: 1\nproviders:\n  openai:\n    api_kye: "${KEY}"\n', [
    "3 providers.openai.api_key | a key | nothing | add api_key: \"${OPENAI_API_KEY}\"",
    "4 providers.openai.api_kye | one of type, api, base_url, api_key, region, domain, data, proxy, ca_file, unmetered, project, location, credentials, resource, entra, deployments, account_id, access_key_id, secret_access_key, session_token, profile, role_arn, external_id, web_identity_token_file, sts_url, models | unknown key api_kye | did you mean api_key?",
  ]],
  ["a typo in a candidate", `${HEAD}routes:\n  a:\n    candidates:\n      - { use: openai/gpt-4o, wieght: 2 }\n`, ["7 routes.a.candidates[0].wieght | one of use, weight | unknown key wieght | did you mean weight?"]],
  ["a key like nothing known", "version: 1\nzzzzzz: 1\n", ["2 zzzzzz | one of version, keys, providers, routes, aliases, files, fallbacks, unpriced, remote_images, health, ledger, cors, responses, reasoning_state, budgets, limits, prices, contracts, objectives, notify, display, chat | unknown key zzzzzz | "]],
  ["wrong types", "version: 1\nkeys: app\nproviders: []\nfallbacks: true\ncors: { origins: x }\n", [
    '2 keys | a list of { name, key } | "app" | ',
    "3 providers | a map from account name to its settings | an empty list | ",
    "4 fallbacks | off or auto | true | ",
    '5 cors.origins | a list of origins | "x" | ',
  ]],
  ["a missing variable", 'version: 1\nproviders:\n  openai: { api_key: "${NOPE}" }\n', ["3 providers.openai.api_key | the environment variable NOPE | NOPE is not set | set NOPE, or write ${NOPE:-default}"]],
  ["an empty variable as a secret", 'version: 1\nproviders:\n  openai: { api_key: "${EMPTY}" }\nkeys: [{ name: a, key: "${EMPTY}" }]\n', [
    "3 providers.openai.api_key | a key, or none | an empty text | ",
    "4 keys[0].key | the key itself | an empty text | ",
  ]],
  ["a missing secret file", 'version: 1\nproviders:\n  openai: { api_key: "${file:/run/secrets/nope}" }\n', ["3 providers.openai.api_key | a readable file | ${file:/run/secrets/nope}: ENOENT | "]],
  ["a reference that is none", 'version: 1\nproviders:\n  openai: { api_key: "${NO WAY}" }\n', ["3 providers.openai.api_key | ${NAME}, ${NAME:-default} or ${file:/path} | ${NO WAY} | a literal ${ is written $${"]],
  ["a variable without its braces where a credential stands", 'version: 1\nkeys: [{ name: a, key: $SPILLWAY_API_KEY }]\nproviders:\n  openai: { api_key: $KEY }\n  anthropic: { api_key: "${KEY" }\n  groq: { api_key: $(OTHER) }\n  bedrock: { region: us-east-1, access_key_id: $AWS_ACCESS_KEY_ID, secret_access_key: "$hunter22" }\n', [
    '2 keys[0].key | a variable as ${NAME}, or a text without one | a $ that nothing replaces | write "${SPILLWAY_API_KEY}"',
    '4 providers.openai.api_key | a variable as ${NAME}, or a text without one | a $ that nothing replaces | write "${KEY}"',
    '5 providers.anthropic.api_key | a variable as ${NAME}, or a text without one | a $ that nothing replaces | write "${KEY}"',
    `6 providers.groq.api_key | a variable as \${NAME}, or a text without one | a $ that nothing replaces | ${REPLACED}`,
    '7 providers.bedrock.access_key_id | a variable as ${NAME}, or a text without one | a $ that nothing replaces | write "${AWS_ACCESS_KEY_ID}"',
    `7 providers.bedrock.secret_access_key | a variable as \${NAME}, or a text without one | a $ that nothing replaces | ${REPLACED}`,
  ]],
  ["a duplicate key", `${HEAD}  openai: { api_key: none }\n`, ["4 providers.openai | each key once | openai a second time | it stands in line 3 already"]],
  ["bad durations", `${HEAD}routes:\n  a:\n    candidates: [openai/gpt-4o]\n    deadline: 10 minutes\n    idle: 60\n    connect: 0s\n    lifetime: 25h\n`, [
    `7 routes.a.deadline | ${A_DURATION} | "10 minutes" | `,
    `8 routes.a.idle | ${A_DURATION} | 60 | `,
    '9 routes.a.connect | a duration above 0 and at most 24h | "0s" | ',
    '10 routes.a.lifetime | a duration above 0 and at most 24h | "25h" | ',
  ]],
  ["a candidate of an unknown account", `${HEAD}routes:\n  a: { candidates: [opnai/gpt-4o] }\n`, ['5 routes.a.candidates[0] | account/model with an account from providers | "opnai/gpt-4o" | did you mean openai?']],
  ["a candidate that is a route", `${HEAD}routes:\n  a: { candidates: [b] }\n  b: { candidates: [openai/gpt-4o] }\n`, ['5 routes.a.candidates[0] | account/model with an account from providers | "b" | candidates are never routes or aliases']],
  ["a candidate that is an alias", `${HEAD}aliases: { x: openai/gpt-4o }\nroutes:\n  a: { candidates: [{ use: x }] }\n`, ['6 routes.a.candidates[0].use | account/model with an account from providers | "x" | candidates are never routes or aliases']],
  ["a candidate without a model", `${HEAD}routes:\n  a: { candidates: [openai/] }\n`, ['5 routes.a.candidates[0] | account/model with an account from providers | "openai/" | add the model after openai/']],
  ["weights", `${HEAD}routes:\n  a:\n    candidates:\n      - { use: openai/gpt-4o, weight: 0 }\n      - { use: openai/gpt-4, weight: -1 }\n      - { use: openai/o3, weight: heavy }\n`, [
    "7 routes.a.candidates[0].weight | a number above 0 and at most 1000000 | 0 | leave the candidate out instead",
    "8 routes.a.candidates[1].weight | a number above 0 and at most 1000000 | -1 | ",
    '9 routes.a.candidates[2].weight | a number above 0 | "heavy" | ',
  ]],
  ["no candidates", `${HEAD}routes:\n  a: { candidates: [] }\n  b: { strategy: weighted }\n`, [
    "5 routes.a.candidates | at least one account/model | an empty list | ",
    "6 routes.b.candidates | a list of account/model | nothing | add candidates",
  ]],
  ["an unknown strategy", `${HEAD}routes:\n  a: { candidates: [openai/gpt-4o], strategy: quickest }\n`, ['5 routes.a.strategy | priority, weighted, cheapest, fastest, least-busy, sticky or balanced | "quickest" | ']],
  ["headers that never pass", `${HEAD}routes:\n  a:\n    candidates: [openai/gpt-4o]\n    forward_headers: [X-Ok, Cookie, x-forwarded-for, X-Spillway-Deadline-Ms, Connection, "a b"]\n`, [
    ...["cookie", "x-forwarded-for", "x-spillway-deadline-ms", "connection"].map((name, index) =>
      `7 routes.a.forward_headers[${index + 1}] | a header that may be passed on | "${name}" | credentials, cookies, connection headers, x-forwarded-* and x-spillway-* are never passed on`),
    '7 routes.a.forward_headers[5] | a header name | "a b" | ',
  ]],
  ["an unknown provider type", 'version: 1\nproviders:\n  opnai: { api_key: "${KEY}" }\n  mine: { type: anthropc, api_key: "${KEY}" }\n', [
    '3 providers.opnai | a known provider type | "opnai" | did you mean openai? Under a name of your own, add type: …',
    '4 providers.mine.type | a known provider type | "anthropc" | did you mean anthropic?',
  ]],
  ["a provider that is not spoken yet", "version: 1\nproviders:\n  voyage: { api_key: abc }\n", ['3 providers.voyage | a provider that this version can call | "voyage", whose protocol is not spoken yet | take it out until a later version can call it']],
  ["a compatible host without address", "version: 1\nproviders:\n  l: { type: openai-compatible, api_key: none }\n", ['3 providers.l.base_url | an http or https URL | nothing | add base_url: "http://127.0.0.1:8000/v1"']],
  ["addresses", 'version: 1\nproviders:\n  l: { type: openai-compatible, api_key: none, base_url: "ftp://x" }\n  m: { type: openai-compatible, api_key: none, base_url: "http://u:pass@x" }\n', [
    "3 providers.l.base_url | an http or https URL without credentials, query or fragment | a ftp: URL | ",
    "4 providers.m.base_url | an http or https URL without credentials, query or fragment | a URL with credentials in it | ",
  ]],
  ["no key where one is wanted", "version: 1\nproviders:\n  openai: { api_key: none }\n  anthropic:\n", [
    "3 providers.openai.api_key | a key | none | OpenAI answers nobody without a key",
    '4 providers.anthropic.api_key | a key | nothing | add api_key: "${ANTHROPIC_API_KEY}"',
  ]],
  ["models", `${HEAD}  l:\n    type: openai-compatible\n    base_url: "http://127.0.0.1:1"\n    api_key: none\n    models:\n      a: { price: { input: -1, output: 0.1234567 } }\n      b: { price: { ouput: 1 } }\n      c: { context: 0, max_output: many }\n      d: { price: { input: 1 }, unmetered: true }\n      e: { capabilities: { vison: false, tools: maybe } }\n      f: { capabilities: { vision: false, image_in: false } }\n`, [
    '9 providers.l.models.a.price.input | USD per million tokens, 0 or more, at most 6 decimal places | "-1" | ',
    '9 providers.l.models.a.price.output | USD per million tokens, 0 or more, at most 6 decimal places | "0.1234567" | ',
    "10 providers.l.models.b.price | at least the price of input | no input | write price: { input: 0.10, output: 0.20 }",
    "10 providers.l.models.b.price.ouput | one of input, cache_read, cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h, audio_input, image_input, output, reasoning, audio_output, image_output, web_searches, searches, file_searches, requests, images, seconds, characters, pages, steps, tiers, windows, changes, regions, surcharges, valid_from | unknown key ouput | did you mean output?",
    "11 providers.l.models.c.context | a whole number of tokens above 0 | 0 | ",
    '11 providers.l.models.c.max_output | a number of tokens | "many" | ',
    "12 providers.l.models.d.unmetered | either price or unmetered | both | ",
    `13 providers.l.models.e.capabilities.vison | one of vision, ${CAPABILITIES.join(", ")} | unknown key vison | did you mean vision?`,
    '13 providers.l.models.e.capabilities.tools | true or false | "maybe" | ',
    "14 providers.l.models.f.capabilities.vision | either vision or image_in | both | they are the same",
  ]],
  ["keys", 'version: 1\nkeys:\n  - { name: app }\n  - { name: app, key: "${CALLER}" }\n  - { name: b, key: "${CALLER}" }\n  - { name: c, sha256: 12ab }\n  - { name: d, key: "x", sha256: "y" }\n  - { name: e, key: "z", importance: urgent }\n', [
    '3 keys[0] | either key or sha256 | neither | write { name: app, key: "${SPILLWAY_API_KEY}" }',
    '4 keys[1].name | a name of its own for each key | "app" | ',
    "5 keys[2] | a key of its own for each name | the key of app again | ",
    "6 keys[3].sha256 | 64 hexadecimal digits | a text that is not shown | ",
    '7 keys[4] | either key or sha256 | both | write { name: app, key: "${SPILLWAY_API_KEY}" }',
    "7 keys[4].sha256 | 64 hexadecimal digits | a text that is not shown | ",
    '8 keys[5].importance | high, normal or low | "urgent" | ',
  ]],
  ["a longest rest below the first", "version: 1\nhealth: { rest: 10s, rest_max: 5s }\n", ['2 health.rest_max | at least health.rest, 10s | "5s" | ']],
  ["probes of health", "version: 1\nhealth: { probes: { every: 500ms, max_usd_per_day: -1 } }\n", [
    '2 health.probes.every | at least 1s | "500ms" | ', "2 health.probes.max_usd_per_day | dollars, 0 or more, with at most nine decimal places | -1 | ",
  ]],
  ["an origin with a path", 'version: 1\ncors: { origins: ["https://a.example", "https://a.example/x"] }\n', ['2 cors.origins[1] | an origin such as https://app.example.com | "https://a.example/x" | scheme, host and port only']],
  ["what is kept of responses", 'version: 1\nresponses: { store: disk, ttl: 0s, key: short }\n', [
    '2 responses.store | off, memory or encrypted | "disk" | ',
    '2 responses.ttl | a duration above 0 | "0s" | store: off keeps nothing',
    "2 responses.key | at least 32 characters | a key that is easy to guess | openssl rand -base64 32 makes a good one; without key the data folder gets one",
  ]],
  ["where reasoning is shown", "version: 1\nchat: { reasoning_field: reasoning, x: 1 }\n", [
    '2 chat.reasoning_field | reasoning_content or both | "reasoning" | ',
    "2 chat.x | one of reasoning_field | unknown key x | ",
  ]],
  ["what is kept of reasoning", "version: 1\nreasoning_state: { store: disk, ttl: 0s, key: k }\n", [
    '2 reasoning_state.store | off, memory or encrypted | "disk" | ',
    '2 reasoning_state.ttl | a duration above 0 | "0s" | store: off keeps nothing',
    "2 reasoning_state.key | one of store, ttl | unknown key key | ",
  ]],
  ["names that could never be asked for", `${HEAD}aliases: { "models/x": openai/gpt-4o, y: "openai/*" }\n`, [
    '4 aliases["models/x"] | a name without models/ before it | "models/x" | one leading models/ is dropped from what clients ask for, so this could never be reached',
    '4 aliases.y | the name of a route or model | "openai/*" | * has a meaning on the left side only',
  ]],
  ["an anchor that is not there", "version: 1\nroutes: *nowhere\n", ["2 routes | an anchor defined above | *nowhere | "]],
];

describe("a bad configuration is refused with line, key, expected, found and hint", () => {
  for (const [name, text, expected] of BAD) it(name, () => assert.deepEqual(shown(text), expected));

  it("all at once, in the order of the file", () => {
    const text = `version: 1\nkeys: [{ name: a }]\nproviders:\n  opnai: { api_key: "\${NOPE}" }\nroutes:\n  r: { candidates: [x/y], deadline: soon }\nfallbacks: of\n`;
    assert.deepEqual(errors(text).map(({ line, key }) => `${line} ${key}`), [
      "2 keys[0]", "4 providers.opnai", "4 providers.opnai.api_key", "6 routes.r.candidates[0]", "6 routes.r.deadline", "7 fallbacks",
    ]);
  });

  it("with a column that points at the value", () => {
    const [error] = errors("version: 1\nfallbacks:   of\n");
    assert.deepEqual([error?.line, error?.column], [2, 14]);
  });

  it("as one line that editors and terminals understand", () => {
    assert.deepEqual(errors("version: 1\nrouts: {}\n").map(showError), ["spillway.yaml:2:1: routs: expected one of version, keys, providers, routes, aliases, files, fallbacks, unpriced, remote_images, health, ledger, cors, responses, reasoning_state, budgets, limits, prices, contracts, objectives, notify, display, chat, found unknown key routs\n    did you mean routes?"]);
  });

  it("also when it is a bomb of anchors or too long to be a configuration", () => {
    const names = "abcdefghij".split("");
    const bomb = ["version: 1", ...names.map((name, index) => `${name}: &${name} [${Array(9).fill(index === 0 ? "x" : `*${names[index - 1]}`).join(",")}]`)];
    assert.ok(shown(`${bomb.join("\n")}\n`).some((line) => line.includes("at most 100000 values")));
    assert.match(shown(`version: 1\n#${"x".repeat(1_100_000)}`)[0] ?? "", /at most 1 MiB/);
  });
});

describe("no secret stands in any message", () => {
  const secrets = ["sk-from-the-environment", "caller-key-0123456789", "hunter22", "literal-secret-value", "sk-pasted-in-the-wrong-place", "sk-from-a-file"];
  const texts = [
    'version: 1\nproviders:\n  openai: { api_key: "${KEY}", region: [a] }\n  "${KEY}": x\n',
    'version: 1\nproviders:\n  openai: "sk-pasted-in-the-wrong-place"\n',
    'version: 1\nproviders:\n  openai: { api_key: "literal-secret-value with spaces" }\nfallbacks: "${KEY}"\n',
    'version: 1\nproviders:\n  openai: { api_key: [literal-secret-value], type: "${KEY}" }\n',
    'version: 1\nproviders:\n  openai: { api_key: "${KEY}", base_url: "${SECRET_URL}", proxy: "${SECRET_URL}/%zz" }\nroutes: { r: { candidates: ["${KEY}"] } }\n',
    'version: 1\nkeys:\n  - { name: "${CALLER}", key: "${CALLER}" }\n  - { name: "${CALLER}", sha256: "${file:/run/secrets/key}" }\n',
    'version: 1\nproviders: { openai: { api_key: "literal-secret-value" "x" } }\n',
    'version: 1\nproviders: { openai: { api_key: literal-secret-value: x } }\n',
    "version: 1\nproviders:\n  openai:\n    api_key: literal-secret-value\n   bad: x\n",
  ];
  for (const [index, text] of texts.entries()) {
    it(`case ${index + 1}`, () => {
      const words = inspect(parse(text), { depth: 20 }) + errors(text).map(showError).join("\n");
      for (const secret of secrets) assert.ok(!words.includes(secret), `${secret} stands in:\n${words}`);
    });
  }

  it("nor in a good configuration that is printed", () => {
    const config = good('version: 1\nkeys: [{ name: a, key: "${CALLER}" }]\nproviders: { openai: { api_key: "${KEY}" } }\n');
    const words = inspect(config, { depth: 20 }) + JSON.stringify(config);
    for (const secret of secrets) assert.ok(!words.includes(secret));
  });
});

describe("a good configuration", () => {
  it("may hold nothing but its version, and has all defaults", () => {
    const config = good("version: 1\n");
    assert.deepEqual(config, {
      source: "spillway.yaml", keys: [], accounts: [], routes: [], aliases: [], files: "auto", fallbacks: "auto", unpriced: "refuse", remoteImages: "fetch",
      health: { restMs: 5_000, restMaxMs: 300_000 }, ledger: { sync: "process" }, cors: { origins: [] }, responses: { store: "memory", ttlMs: 3_600_000, key: null }, reasoningState: { store: "memory", ttlMs: 3_600_000 }, budgets: [], limits: [], channels: [], display: null, prices: [], contracts: [], objectives: [], chat: { reasoningField: "reasoning_content" },
      simulated: false,
    });
  });

  it("says of a key how much its requests matter at most, or nothing", () => {
    const { keys } = good('version: 1\nkeys: [{ name: a, key: "${CALLER}" }, { name: batch, key: "other-key-0001", importance: low }]\n');
    assert.deepEqual(keys.map(({ name, importance }) => [name, importance]), [["a", undefined], ["batch", "low"]]);
  });

  it("may have sections with every line commented out", () => {
    assert.deepEqual(good("version: 1\nkeys:\nproviders:\nroutes:\naliases:\ncors:\n").accounts, []);
  });

  it("says what its models can and cannot do, by the names of the capability table and by the word vision", () => {
    const can = CAPABILITIES.map((name) => `${name}: true`).join(", ");
    const config = good(`version: 1\nproviders:\n  ollama:\n    models: { all: { capabilities: { ${can} } }, blind: { capabilities: { vision: "false", tools: false } }, none: { capabilities: {} } }\n`);
    const models = config.accounts[0]?.models;
    assert.deepEqual(models?.get("all")?.capabilities, Object.fromEntries(CAPABILITIES.map((name) => [name, true])));
    assert.deepEqual(models?.get("blind")?.capabilities, { image_in: false, tools: false });
    assert.equal(models?.get("none")?.capabilities, undefined);
  });

  it("is read in full: the example that is shipped", () => {
    const text = readFileSync(new URL("../../spillway.example.yaml", import.meta.url), "utf8");
    const env = { SPILLWAY_API_KEY: "0123456789abcdef", OPENAI_API_KEY: "sk-a", OPENAI_EU_KEY: "sk-b" };
    const parsed = parseConfig(text, { source: "example", env, readFile: () => "", providers: PROVIDERS });
    assert.ok(parsed.ok);
    const { config } = parsed;
    assert.deepEqual(config.accounts.map(({ name, provider, baseUrl, keyFrom, region, unmetered }) => [name, provider.id, baseUrl, keyFrom, region, unmetered]), [
      ["openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY", null, false],
      ["openai-eu", "openai", "https://eu.api.openai.com/v1", "OPENAI_EU_KEY", "eu", false],
      ["local", "openai-compatible", "http://127.0.0.1:8000/v1", null, null, true],
    ]);
    assert.equal(config.accounts[0]?.apiKey?.reveal(), "sk-a");
    assert.equal(config.accounts[2]?.apiKey, null);
    assert.deepEqual(config.accounts[1]?.domain, { edge: "cloudflare" });
    const llama = config.accounts[2]?.models.get("llama-3.3-70b");
    assert.deepEqual([llama?.price?.base, llama?.contextWindow, llama?.maxOutput, llama?.unmetered], [{ input: 100_000, output: 200_000 }, 131_072, 8_192, false]);
    assert.deepEqual(config.routes, [{
      name: "support",
      candidates: [{ use: "openai/gpt-4o-mini", weight: 1 }, { use: "openai-eu/gpt-4o-mini", weight: 2 }, { use: "local/llama-3.3-70b", weight: 1 }],
      strategy: "priority",
      clocks: { connectMs: 2_000, firstTokenMs: 30_000, attemptMs: null, idleMs: 60_000, deadlineMs: 600_000, lifetimeMs: 3_600_000 },
      keepalive: true, forwardHeaders: [], defaultMaxOutput: 8_192, lenient: false, onCostSpike: "alert", cheaper: [], onContextWindow: [], onContentPolicy: [], objectives: [], terms: null, errorBudget: { steps: [] }, importance: "normal", regions: [],
    }]);
    assert.deepEqual(config.aliases, [{ pattern: "gpt-3.5-turbo", target: "support" }, { pattern: "openai/*", target: "support" }]);
    assert.deepEqual(parsed.warnings, []);
    assert.deepEqual(parsed.refusals, []);
  });

  it("takes values from variables, defaults and files, in part or whole", () => {
    const config = good('version: 1\nproviders:\n  openai: { api_key: "${file:/run/secrets/key}", region: "${REGION:-eu}" }\n  b: { type: openai-compatible, api_key: "pre-${KEY}", base_url: "https://${HOST:-x.example}/v1", region: us }\nroutes: { a: { candidates: [{ use: openai/gpt-4o, weight: "${W:-3}" }], keepalive: "${K:-off}" } }\nfallbacks: ${EMPTY:-off}\n');
    assert.equal(config.accounts[0]?.apiKey?.reveal(), "sk-from-a-file");
    assert.equal(config.accounts[0]?.region, "eu");
    assert.equal(config.accounts[1]?.apiKey?.reveal(), "pre-sk-from-the-environment");
    assert.equal(config.accounts[1]?.baseUrl, "https://x.example/v1");
    assert.deepEqual([config.routes[0]?.candidates[0]?.weight, config.routes[0]?.keepalive, config.fallbacks], [3, false, "off"]);
  });

  it("writes a literal ${ as $${", () => {
    assert.equal(good('version: 1\nproviders: { openai: { api_key: "a$${KEY}" } }\n').accounts[0]?.apiKey?.reveal(), "a${KEY}");
  });

  it("keeps of a caller key only its digest, and takes one ready made", () => {
    const hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert.deepEqual(good(`version: 1\nkeys: [{ name: a, sha256: ${hex} }]\n`).keys, [{ name: "a", sha256: Buffer.from(hex, "hex").toString("base64url") }]);
  });

  it("has private addresses and model servers unmetered unless it says otherwise", () => {
    const config = good('version: 1\nproviders:\n  ollama:\n  vllm: { base_url: "https://gpu.example.com/v1", region: us }\n  a: { type: openai, base_url: "http://127.0.0.1:9/v1", api_key: none }\n  b: { type: openai, base_url: "http://127.0.0.1:9/v1", api_key: none, unmetered: false }\n');
    assert.deepEqual(config.accounts.map(({ name, unmetered }) => [name, unmetered]), [["ollama", true], ["vllm", true], ["a", true], ["b", false]]);
  });

  it("is strict with what a target refuses, and fetches images, unless it says otherwise", () => {
    const config = good(`${HEAD}remote_images: off\nroutes: { a: { candidates: [openai/gpt-4o], lenient: true }, b: { candidates: [openai/gpt-4o] } }\n`);
    assert.deepEqual([config.remoteImages, config.routes.map((route) => route.lenient)], ["off", [true, false]]);
  });

  it("carries a stream that breaks off on where a route says so", () => {
    const config = good(`${HEAD}routes: { a: { candidates: [openai/gpt-4o], rescue: continue }, b: { candidates: [openai/gpt-4o], rescue: off }, c: { candidates: [openai/gpt-4o] } }\n`);
    assert.deepEqual(config.routes.map((route) => route.rescue), ["continue", undefined, undefined]);
    const [problem] = errors(`${HEAD}routes: { a: { candidates: [openai/gpt-4o], rescue: restart } }\n`).map(showError);
    assert.match(problem ?? "", /routes\.a\.rescue: expected continue or off, found "restart"/);
  });

  it("shows reasoning in both fields where it says so", () => {
    assert.equal(good("version: 1\nchat: { reasoning_field: both }\n").chat.reasoningField, "both");
    assert.equal(good("version: 1\nchat: {}\n").chat.reasoningField, "reasoning_content");
  });

  it("passes on headers in lower case", () => {
    assert.deepEqual(good(`${HEAD}routes: { a: { candidates: [openai/gpt-4o], forward_headers: [X-Tenant, x-tenant, Helicone-User] } }\n`).routes[0]?.forwardHeaders, ["x-tenant", "helicone-user"]);
  });

  it("says where a name stands", () => {
    const parsed = parse(`${HEAD}routes:\n  a:\n    candidates:\n      - openai/gpt-4o\n      - { use: openai/o3 }\n`);
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.locate(["routes", "a", "candidates", 1]), { line: 8, column: 9 });
  });
});

describe("warnings", () => {
  function warnings(text: string): string[] {
    const parsed = parse(text);
    assert.ok(parsed.ok);
    return parsed.warnings.map(({ line, key, found }) => `${line} ${key}: ${found}`);
  }

  it("tell of a key that is named like what the gateway calls for itself", () => {
    assert.deepEqual(warnings(`version: 1\nkeys: [{ name: mirror, key: "${"k".repeat(20)}" }, { name: mirrors, key: "${"m".repeat(20)}" }]\n`), [
      '2 keys[0].name: "mirror"',
    ]);
  });

  it("tell of keys that are easy to guess, unencrypted addresses, a missing region and a candidate named twice", () => {
    assert.deepEqual(warnings('version: 1\nkeys: [{ name: a, key: test }]\nproviders:\n  openai: { api_key: "${KEY}", base_url: "http://eu.example.com" }\nroutes: { a: { candidates: [openai/o3, openai/o3] } }\n'), [
      "2 keys[0].key: a key that is easy to guess",
      "4 providers.openai.base_url: an unencrypted public address",
      '5 routes.a.candidates[1]: "openai/o3" again',
    ]);
    assert.deepEqual(warnings('version: 1\nproviders:\n  openai: { api_key: "${KEY}", base_url: "https://eu.example.com" }\n'), ["3 providers.openai.base_url: no region"]);
  });

  it("tell of a variable without its braces where no credential stands", () => {
    assert.deepEqual(warnings('version: 1\nkeys: [{ name: app, key: "a-key-with-a-$-inside" }]\n' + 'providers:\n  openai: { api_key: "${KEY}", region: $REGION, domain: { edge: "eu-$EDGE_NAME" } }\n'), [
      "4 providers.openai.region: a $ that nothing replaces",
      "4 providers.openai.domain.edge: a $ that nothing replaces",
    ]);
  });

  it("leave it to a check to refuse a route whose last step cannot start", () => {
    const parsed = parse(`${HEAD}routes:\n  a:\n    candidates: [openai/gpt-4o, openai/o3]\n    deadline: 5s\n`);
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.refusals.map(({ line, key, expected, found, hint }) => [line, key, expected, found, hint]), [[
      7, "routes.a.deadline", "a deadline in which the last step can still start",
      "5000 ms: its last step would have 1000 ms left, less than the 2000 ms it may take to connect", "raise deadline above 10000 ms or lower connect",
    ]]);
  });

  it("may hold prices for a time, and says of one that is not sound, or of two for one time, where and why", () => {
    const section = (lines: string): string => `${HEAD}prices:\n${lines}`;
    const { prices } = good(section('  old: { provider: openai, model: gpt-4o, price: { input: 2, output: 8 }, valid_to: "2027-01-01" }\n  new: { provider: openai, model: gpt-4o, price: { input: 1, output: 4, tiers: { batch: { multiply: 0.5 } } }, valid_from: "2027-01-01" }\n'));
    assert.deepEqual(prices.map(({ id, of, validFromMs, validToMs, fixed, sheet }) => [id, of, validFromMs, validToMs, fixed, sheet.base.input, sheet.version.slice(0, 7)]), [
      ["config:old", { provider: "openai" }, 0, Date.UTC(2027, 0, 1), true, 2_000_000, "config:"],
      ["config:new", { provider: "openai" }, Date.UTC(2027, 0, 1), null, true, 1_000_000, "config:"],
    ]);
    const told = (lines: string): readonly string[] => errors(section(lines)).map(({ line, key, expected, found }) => `${line} ${key} | ${expected} | ${found}`);
    assert.deepEqual(told("  a: { provider: openai, model: m, price: { input: -1 } }\n"), ["5 prices.a.price.input | USD per million tokens, 0 or more, at most 6 decimal places | -1"]);
    assert.deepEqual(told("  a: { provider: opnai, model: m, price: { input: 1 } }\n"), ['5 prices.a.provider | a known provider | "opnai"']);
    assert.deepEqual(told("  a: { account: elsewhere, model: m, price: { input: 1 } }\n"), ['5 prices.a.account | an account from providers | "elsewhere"']);
    assert.deepEqual(told("  a: { provider: openai, model: m, price: { input: 1 } }\n  b: { provider: openai, model: m, price: { input: 2 } }\n").map((line) => line.slice(0, 98)), [
      "5 prices.a.valid_from | periods of one source one after the other | the period overlaps that of b (always)",
      "6 prices.b.valid_from | periods of one source one after the other | the period overlaps that of a (always)",
    ].map((line) => line.slice(0, 98)));
  });

  it("may hold contracts, and says of one that contradicts itself, or of two for one model, where and why", () => {
    const section = (lines: string): string => `${HEAD}contracts:\n${lines}`;
    const config = good(section("  a: { account: openai, models: [gpt-4o*], kind: pay_as_you_go, start: 2027-01-01, end: 2027-12-31, discounts: [{ percent: \"${P:-10}\" }] }\n"));
    assert.deepEqual(config.contracts.map(({ id, account, models, endMs, discounts }) => ({ id, account, models, endMs, discounts })), [
      { id: "a", account: "openai", models: ["gpt-4o*"], endMs: Date.UTC(2028, 0, 1), discounts: [{ models: [], units: [], permille: 100 }] },
    ]);
    assert.deepEqual(shown(section("  a: { account: opnai, kind: committed, start: 2027-01-01, end: 2026-12-31, committed: { amount_usd: -5, per: week } }\n")), [
      '5 contracts.a.account | an account from providers | "opnai" | did you mean openai?',
      '5 contracts.a.end | a day on or after the start, 2027-01-01 | "2026-12-31" | ',
      "5 contracts.a.committed.amount_usd | dollars, 0 or more, with at most nine decimal places | -5 | ",
      '5 contracts.a.committed.per | month, year, term | "week" | ',
    ]);
    assert.deepEqual(shown(section("  a: { account: openai, kind: committed, start: 2027-01-01, committed: { amount_usd: -5, per: month } }\n")), [
      "5 contracts.a.committed.amount_usd | dollars, 0 or more, with at most nine decimal places | -5 | ",
    ]);
    assert.deepEqual(shown(section("  a: { account: opnai, kind: pay_as_you_go, start: 2027-01-01, end: 2026-12-31, time_zone: Mars/Olympus, discuonts: [] }\n")), [
      '5 contracts.a.account | an account from providers | "opnai" | did you mean openai?',
      '5 contracts.a.end | a day on or after the start, 2027-01-01 | "2026-12-31" | ',
      '5 contracts.a.time_zone | the name of a time zone, such as Europe/Berlin or UTC | "Mars/Olympus" | ',
      '5 contracts.a.discuonts | one of account, models, except, kind, start, end, time_zone, discounts, batch_factor, committed, provisioned, free_quota, fine_tuned, self_hosted, egress, sla, rounding | unknown key discuonts | ',
    ]);
    assert.deepEqual(shown(section("  a: { account: openai, kind: pay_as_you_go, start: 2027-01-01, end: 2026-12-31, time_zone: Mars/Olympus }\n")), [
      '5 contracts.a.end | a day on or after the start, 2027-01-01 | "2026-12-31" | ',
      '5 contracts.a.time_zone | the name of a time zone, such as Europe/Berlin or UTC | "Mars/Olympus" | ',
    ]);
    const one = "account: openai, kind: pay_as_you_go, start: 2027-01-01";
    assert.deepEqual(shown(section(`  a: { ${one} }\n  b: { ${one}, models: [o3] }\n  c: { ${one.replace("openai", "opnai")} }\n`)), [
      "6 contracts.b | one contract for a model at a time | two | o3 of openai is covered by the contract a as well, from 2027-01-01 on; name it under except of one of them",
      '7 contracts.c.account | an account from providers | "opnai" | did you mean openai?',
    ]);
  });

  it("may hold channels for alerts, which take everybody's unless they say whose, and whose secrets no dump shows", () => {
    const config = good(`${HEAD}notify:\n  - { name: ops, type: webhook, url: "https://hooks.test/in?token=t0psecret", secret: "h4shed-with", kinds: [overrun], min_severity: warning }\n  - { name: acme, type: slack, url: "http://127.0.0.1:9/x", tenant: acme, scopes: [team/search], per_hour: 5 }\n  - { name: mail, type: smtp, host: mail.test, user: u, password: p4ssword, from: a@x.test, to: [b@x.test] }\n  - { name: off, type: slack, url: "https://x.test/", disabled: true }\n`);
    assert.deepEqual(config.channels.map(({ id, name, type, host, tenant, perHour, minSeverity }) => [id, name, type, host, tenant, perHour, minSeverity]), [
      ["config:ops", "ops", "webhook", "hooks.test", null, 30, "warning"],
      ["config:acme", "acme", "slack", "127.0.0.1:9", "acme", 5, "info"],
      ["config:mail", "mail", "smtp", "mail.test:587", null, 30, "info"],
    ]);
    assert.deepEqual(config.channels[2]?.target(), { type: "smtp", host: "mail.test", port: 587, tls: "starttls", user: "u", password: "p4ssword", from: "a@x.test", to: ["b@x.test"] });
    assert.doesNotMatch(JSON.stringify(config.channels) + inspect(config.channels, { depth: 9 }), /t0psecret|h4shed|p4ssword/);
  });

  it("says what is wrong with a channel at its place, without its secrets", () => {
    assert.deepEqual(errors(`${HEAD}notify:\n  - { type: slack, url: "https://x.test/" }\n  - { name: a, type: webhook, url: "ftp://hidden.test/", secret: "" }\n  - { name: a, type: slack, secret: hidden-too, kindz: [x] }\n  - { name: m, type: smtp, host: mail.test, tls: none, user: u, password: hidden-three, from: a@x.test, to: [] }\n  - { name: k, type: pager }\n  - { name: w, type: webhook, url: "https://x.test/" }\n`).map(showError).map((one) => one.replace(/^.*?: /, "").split("\n")[0]), [
      "notify[0]: expected a name, found nothing",
      "notify[1].url: expected an http or https URL without user, password or fragment, found a text that is not shown",
      "notify[1].secret: expected text of 1 to 1024 characters, found a text that is not shown",
      'notify[2].name: expected a name of its own for each channel, found "a"',
      'notify[2].kindz: expected one of name, type, url, secret, host, port, tls, user, password, from, to, kinds, min_severity, scopes, per_hour, disabled, found unknown key kindz',
      "notify[3].tls: expected a password goes over an encrypted connection only, found \"none\"",
      "notify[3].to: expected at least one address, found []",
      'notify[4].type: expected webhook, slack or smtp, found "pager"',
      "notify[5].secret: expected secret, which a webhook channel needs, found nothing",
    ]);
  });

  it("lists who is asked only once others refuse a request; what is no candidate there is told as among the candidates", () => {
    const { routes } = good(`${HEAD}routes: { r: { candidates: [openai/gpt-4o], on_context_window: [openai/gpt-4.1, { use: openai/gpt-4.1-mini }], on_content_policy: [openai/gpt-4o-mini] } }\n`);
    assert.deepEqual([routes[0]?.onContextWindow, routes[0]?.onContentPolicy], [[{ use: "openai/gpt-4.1", weight: 1 }, { use: "openai/gpt-4.1-mini", weight: 1 }], [{ use: "openai/gpt-4o-mini", weight: 1 }]]);
    const wrong = errors(`${HEAD}routes: { r: { candidates: [openai/gpt-4o], on_context_window: [nobody/x], on_content_policy: all } }\n`);
    assert.deepEqual(wrong.map(({ key, expected }) => [key, expected]), [
      ["routes.r.on_context_window[0]", "account/model with an account from providers"],
      ["routes.r.on_content_policy", "a list of account/model"],
    ]);
  });

  it("may have a route move away from what became dearer", () => {
    const config = good(`${HEAD}routes: { a: { candidates: [openai/gpt-4o], on_cost_spike: move }, b: { candidates: [openai/gpt-4o] } }\n`);
    assert.deepEqual(config.routes.map(({ onCostSpike }) => onCostSpike), ["move", "alert"]);
  });

  it("may set the currency of listings, by dated rates", () => {
    assert.equal(good(`${HEAD}display: { currency: EUR, rates: [{ from: 2026-11-01, usd: 0.92 }] }\n`).display?.rates[0]?.nanoPerUsd, 920_000_000n);
    assert.equal(good(HEAD).display, null);
    assert.deepEqual(errors(`${HEAD}display: { currency: EUX, rates: [{ from: 2026-11-01, usd: 0 }] }\n`).map(showError).map((one) => one.replace(/^.*?: /, "")), [
      'display.currency: expected the code of a currency, such as EUR, found "EUX"',
      "display.rates[0].usd: expected units of the currency for one dollar, above 0, with at most nine places, found 0",
    ]);
  });

  it("may hold budgets and limits, read as the admin API reads them, and says what is wrong with one", () => {
    const config = good(`${HEAD}budgets:\n  app-month: { scope: key/app, period: month, limit_usd: 12.5, time_zone: Europe/Berlin, alerts: [50], cheaper_at: 80 }\n  both: { scopes: [tenant/default], period: day, limit_usd: "0.000000001", models: [a, b] }\nlimits: { app: { scope: key/app, requests_per_minute: 60 } }\nroutes: { r: { candidates: [openai/gpt-4o], cheaper: [openai/gpt-4o-mini] } }\n`);
    assert.deepEqual(config.budgets.map(({ id, scopes, limitNanoUsd, cheaperFromPermille, alertsAtPermille }) => ({ id, scopes, limitNanoUsd, cheaperFromPermille, alertsAtPermille })), [
      { id: "config:app-month", scopes: ["key/app"], limitNanoUsd: 12_500_000_000, cheaperFromPermille: 800, alertsAtPermille: [500] },
      { id: "config:both#model/a", scopes: ["tenant/default", "model/a"], limitNanoUsd: 1, cheaperFromPermille: null, alertsAtPermille: [800, 1000] },
      { id: "config:both#model/b", scopes: ["tenant/default", "model/b"], limitNanoUsd: 1, cheaperFromPermille: null, alertsAtPermille: [800, 1000] },
    ]);
    assert.deepEqual(config.limits, [{ id: "config:app", scopes: ["key/app"], requestsPerMinute: 60, tokensPerMinute: null, concurrency: null }]);
    assert.deepEqual(config.routes[0]?.cheaper, [{ use: "openai/gpt-4o-mini", weight: 1 }]);
    assert.deepEqual(errors(`${HEAD}budgets:\n  x: { scope: key/app, period: month, limit_usd: -1, time_zone: Mars/Olympus, perod: day }\n`).map(showError).map((one) => one.replace(/^.*?: /, "")), [
      "budgets.x.limit_usd: expected dollars from 0 to 9007199, with at most nine places, such as 100 or \"0.05\", found -1",
      "budgets.x.time_zone: expected the name of a time zone, such as UTC or Europe/Berlin, found \"Mars/Olympus\"",
      "budgets.x.perod: expected one of name, scope, scopes, period, time_zone, limit_usd, kind, alerts, cheaper_at, models, routes, found unknown key perod",
    ]);
  });
});
